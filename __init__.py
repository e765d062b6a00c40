"""Saccade: a local-first visual agent that looks, thinks, and looks again.

>>> from saccade import Agent
>>> chat = Agent().chat(user="ann")
>>> chat.send("How many red cubes are there?", images=["table.png"]).text
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .agent.agent import Agent
    from .agent.chat import Chat
    from .agent.reply import Reply
    from .errors import ExpertFailed, SaccadeError, ToolRetry, UserError
    from .settings import Settings

__version__ = "0.1.0"

_HOMES = {
    "Agent": "agent.agent",
    "Chat": "agent.chat",
    "ExpertFailed": "errors",
    "Reply": "agent.reply",
    "SaccadeError": "errors",
    "Settings": "settings",
    "ToolRetry": "errors",
    "UserError": "errors",
}

__all__ = ["Agent", "Chat", "ExpertFailed", "Reply", "SaccadeError", "Settings", "ToolRetry", "UserError"]


def __getattr__(name: str) -> Any:
    """Import a public name at its first use (PEP 562), so that `import saccade` costs nearly nothing."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f".{_HOMES[name]}", __name__), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
