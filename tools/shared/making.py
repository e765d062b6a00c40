"""What tools that make one picture tell of it."""

from __future__ import annotations

from abc import ABC
from typing import Any, TypeVar

from ..contracts import Recorded, Tool, ToolArguments
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
