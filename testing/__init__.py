"""For tests without models, ours and yours: see docs/testing.md.

`ScriptedController` plays back what a controller says, `TrueExperts` answer from a drawn scene's exact truth,
(which a `SceneBook` looks up by the picture), `SmallEmbedder` makes vectors out of a few pixels, `MemoryWorkspace` is a
conversation of which nothing is written, `ready_memory` gives a memory with something in it, and `check_tool` holds a
tool to what every tool must keep.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..agent.controllers.scripted import ScriptedController, call, calls
    from .contract import check_tool
    from .embedder import SmallEmbedder
    from .experts import Noise, TrueExperts
    from .memories import ready_memory
    from .scene_book import SceneBook
    from .workspace import MemoryWorkspace

_HOMES = {
    "MemoryWorkspace": ".workspace",
    "Noise": ".experts",
    "SceneBook": ".scene_book",
    "ScriptedController": "..agent.controllers.scripted",
    "SmallEmbedder": ".embedder",
    "TrueExperts": ".experts",
    "call": "..agent.controllers.scripted",
    "calls": "..agent.controllers.scripted",
    "check_tool": ".contract",
    "ready_memory": ".memories",
}

__all__ = [
    "MemoryWorkspace",
    "Noise",
    "SceneBook",
    "ScriptedController",
    "SmallEmbedder",
    "TrueExperts",
    "call",
    "calls",
    "check_tool",
    "ready_memory",
]


def __getattr__(name: str) -> Any:
    """Import a public name at its first use (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name], __name__), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
