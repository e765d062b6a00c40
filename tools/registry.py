"""Who serves which name: tools by the name that the controller says, experts by their role.

A tool registers itself with `@register` when its file is imported; tools are light, so
`all_tools` imports them all. Experts are heavy (torch, transformers), so a role is only mapped to
the place of its class, which `expert_class` imports at first use. Duplicates are refused and an
unknown name is answered with the nearest valid one, an idea of timm's registry.
"""

from __future__ import annotations

import importlib
from typing import Any, TypeVar

from ..errors import UserError, suggest
from .contracts import Expert, Tool

T = TypeVar("T", bound=type[Tool[Any]])

# The files that hold one tool each, in the order in which a controller is told of them.
TOOL_MODULES = (
    "find_objects",
    "segment_objects",
    "classify_image",
    "crop_image",
    "calculate",
    "describe_image",
    "answer_about_image",
    "read_text",
    "compare_images",
    "inspect_image",
    "search_memory",
    "remember_image",
    "forget_image",
)

_tools: dict[str, type[Tool[Any]]] = {}
_experts: dict[str, str] = {}


def register(tool: T) -> T:
    """Class decorator: make a tool known by its `name`.

    Raises:
        ValueError: another tool has that name.
    """
    known = _tools.get(tool.name)
    if known is not None and (known.__module__, known.__qualname__) != (tool.__module__, tool.__qualname__):
        raise ValueError(f"two tools are named {tool.name!r}: {known.__qualname__} and {tool.__qualname__}")
    _tools[tool.name] = tool
    return tool


def expert(role: str, place: str) -> None:
    """Say where the expert of a role lives, as "module:Class" inside `saccade.tools`; nothing is imported.

    Raises:
        ValueError: the role has an expert already.
    """
    if _experts.setdefault(role, place) != place:
        raise ValueError(f"two experts for the role {role!r}: {_experts[role]} and {place}")


expert("clip", "experts.clip:Clip")
expert("detector", "experts.detector:Detector")
expert("sam", "experts.sam.sam:Sam")
expert("reader", "experts.reader:Reader")
expert("captioner", "experts.captioner:Captioner")
expert("llava", "experts.llava.llava:Llava")


def all_tools() -> dict[str, Tool[Any]]:
    """A fresh instance of every registered tool, by name, in the order of `TOOL_MODULES`."""
    for module in TOOL_MODULES:
        importlib.import_module(f".builtin.{module}", __package__)
    order = {name: place for place, name in enumerate(TOOL_MODULES)}
    return {name: _tools[name]() for name in sorted(_tools, key=lambda name: (order.get(name, len(order)), name))}


def expert_roles() -> list[str]:
    """Every role that an expert can be loaded for."""
    return sorted(_experts)


def expert_class(role: str) -> type[Expert[Any, Any]]:
    """Import and return the class that serves a role.

    Raises:
        UserError: no expert serves that role.
    """
    if role not in _experts:
        raise UserError(f"No expert serves the role {role!r}.{suggest(role, _experts)}", kind="unknown_role")
    module, _, name = _experts[role].partition(":")
    return getattr(importlib.import_module(f".{module}", __package__), name)
