"""What tools that make pictures tell of them, and what they write down so that each can be made again."""

from __future__ import annotations

from abc import ABC
from functools import cache
from importlib.metadata import version
from typing import Any, TypeVar

from ..contracts import Recorded, Tool, ToolArguments, ToolContext
from ..values import MadeOutput, picture_value

A = TypeVar("A", bound=ToolArguments)


class PictureTool(Tool[A], ABC):
    """A tool whose calls make one picture each."""

    Output = MadeOutput

    def brief(self, recorded: Recorded) -> str:
        """The new picture's handle."""
        return f"made {recorded.pictures[0].handle}"

    def references(self, recorded: Recorded) -> dict[str, str]:
        """The new picture's handle."""
        return {"picture": str(recorded.pictures[0].handle)}

    def values(self, recorded: Recorded) -> dict[str, Any]:
        """The new picture."""
        return {"image": picture_value(recorded.pictures[0])}


PAINTERS_OWN = ("steps", "guidance", "scheduler", "parts", "styles", "strength", "control")  # settings that tell


def made_with(context: ToolContext, role: str) -> dict[str, Any]:
    """What a picture was painted with, as JSON values: the weights' hash, the settings, and the libraries' versions."""
    about = context.about(role)
    hashes = getattr(context.experts, "weights", None)
    fixed = getattr(context.experts, "rows", None)  # of a task: pictures in a run of the painter
    rows = None if fixed is None else fixed(role)
    return ({} if rows is None else {"rows": rows}) | {
        "weights": about.get("weights") or (None if hashes is None else hashes(role)),
        "settings": {name: about[name] for name in PAINTERS_OWN if name in about},
        "versions": versions("diffusers", "torch", "transformers", "pillow"),
    }


@cache
def _version(name: str) -> str:
    return version(name)


def versions(*names: str) -> dict[str, str]:
    """Of packages: another version may make other pixels."""
    return {name: _version(name) for name in names}
