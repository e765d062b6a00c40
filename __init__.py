"""Saccade: a local-first visual agent that looks, thinks, and looks again.

>>> from saccade import Agent
>>> chat = Agent().chat(user="ann")
>>> print(chat.send("How many red cubes are there?", images=["table.png"]))

For tests without models there is `saccade.testing`.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .agent.agent import Agent
    from .agent.chat import Chat
    from .agent.events import (
        Event,
        ExpertSaid,
        ExpertWorking,
        Loading,
        ReplyReady,
        StepFinished,
        StepStarted,
        TextDelta,
    )
    from .agent.reply import Reply, Step
    from .agent.tasks.task import Task
    from .errors import ExpertFailed, SaccadeError, ToolRetry, UserError
    from .memory.query import Hit, Query
    from .memory.records import Picture, PictureDraft, Recorded, Region, RegionDraft, ToolResult
    from .settings import ControllerSettings, ModelSpec, Profile, Settings
    from .tools.contracts import (
        AnyHandle,
        Expert,
        Phrase,
        PictureHandle,
        RegionHandle,
        Tool,
        ToolArguments,
        ToolContext,
        View,
    )

__version__ = "0.1.0"

_HOMES = {
    "agent.agent": ("Agent",),
    "agent.chat": ("Chat",),
    "agent.events": (
        "Event",
        "ExpertSaid",
        "ExpertWorking",
        "Loading",
        "ReplyReady",
        "StepFinished",
        "StepStarted",
        "TextDelta",
    ),
    "agent.reply": ("Reply", "Step"),
    "agent.tasks.task": ("Task",),
    "errors": ("ExpertFailed", "SaccadeError", "ToolRetry", "UserError"),
    "memory.query": ("Hit", "Query"),
    "memory.records": ("Picture", "PictureDraft", "Recorded", "Region", "RegionDraft", "ToolResult"),
    "settings": ("ControllerSettings", "ModelSpec", "Profile", "Settings"),
    "tools.contracts": (
        "AnyHandle",
        "Expert",
        "Phrase",
        "PictureHandle",
        "RegionHandle",
        "Tool",
        "ToolArguments",
        "ToolContext",
        "View",
    ),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "Agent",
    "AnyHandle",
    "Chat",
    "ControllerSettings",
    "Event",
    "Expert",
    "ExpertFailed",
    "ExpertSaid",
    "ExpertWorking",
    "Hit",
    "Loading",
    "ModelSpec",
    "Phrase",
    "Picture",
    "PictureDraft",
    "PictureHandle",
    "Profile",
    "Query",
    "Recorded",
    "Region",
    "RegionDraft",
    "RegionHandle",
    "Reply",
    "ReplyReady",
    "SaccadeError",
    "Settings",
    "Step",
    "StepFinished",
    "StepStarted",
    "Task",
    "TextDelta",
    "Tool",
    "ToolArguments",
    "ToolContext",
    "ToolResult",
    "ToolRetry",
    "UserError",
    "View",
]


def __getattr__(name: str) -> Any:
    """Import a public name at its first use (PEP 562), so that `import saccade` costs nearly nothing."""
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f".{_HOME_OF[name]}", __name__), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
