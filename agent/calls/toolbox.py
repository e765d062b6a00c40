"""The tools as typed calls: `agent.tools.find_objects(image="desk.png", phrase="mug").regions[0].box`."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ...errors import UserError, suggest
from .desk import Desk, Host

if TYPE_CHECKING:
    from ...tools.contracts import Tool
    from ...tools.values import Output

_HANDLE = re.compile(r"(img|reg)_[1-9][0-9]{0,3}")


class Toolbox(Mapping[str, "Tool[Any]"]):
    """An agent's tools by name, each of which can be called.

    Calls share one conversation, made at the first of them, so that what one finds another may be given. Where a tool
    wants a picture it takes a path, bytes or a Pillow image, too; where it wants a region, one that a call has found.

    Args:
        tools: by name.
        agent: whose they are.
    """

    def __init__(self, tools: Mapping[str, Tool[Any]], agent: Host) -> None:
        self._tools, self._agent = tools, agent

    def __getitem__(self, name: str) -> Tool[Any]:
        return self._tools[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._tools)

    def __len__(self) -> int:
        return len(self._tools)

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *self._tools]

    @cached_property
    def desk(self) -> Desk:
        """The conversation that the calls share."""
        return Desk(self._agent)

    def close(self) -> None:
        """Have what the calls met remembered; the next call begins a conversation of its own."""
        desk = self.__dict__.pop("desk", None)
        if desk is not None:
            desk.close()

    def __getattr__(self, name: str) -> Callable[..., Output]:
        """A tool to call, with its arguments by name.

        It gives the tool's `Output`: what was found and made, and the observation in words.

        Raises:
            AttributeError: there is no such tool.
            UserError: (by the call) the call does not fit, or could not be carried out.
        """
        if name.startswith("_") or name not in self._tools:
            raise AttributeError(f"There is no tool {name!r}.{suggest(name, self._tools)}")
        tool = self._tools[name]

        def called(**arguments: Any) -> Output:
            properties = tool.Arguments.model_json_schema().get("properties", {})
            given = {
                key: self._handles(value, pictures="x-handle" in str(properties.get(key)))
                for key, value in arguments.items()
            }
            seen = self.desk.call(name, given)
            if not seen.ok:
                raise UserError(seen.text, kind=seen.kind or "tool_failed")
            return tool.output(seen.recorded, seen.text, self.desk.workspace)

        called.__name__, called.__doc__ = name, tool.describe()
        called.__signature__ = _signature(tool)  # pyright: ignore[reportFunctionMemberAccess]
        return called

    def _handles(self, value: Any, *, pictures: bool) -> Any:
        """Handles in the place of what has one, and of pictures that are given, where pictures are wanted."""
        if hasattr(value, "handle"):
            return value.handle
        if isinstance(value, list | tuple):
            return [self._handles(one, pictures=pictures) for one in value]
        if not pictures or value is None or (isinstance(value, str) and _HANDLE.fullmatch(value)):
            return value
        return self.desk.show([value])[0].handle


def _signature(tool: Tool[Any]) -> inspect.Signature:
    """What a tool takes and gives, for those who look it up, and for editors."""
    parameters = []
    for key, field in tool.Arguments.model_fields.items():
        default = inspect.Parameter.empty if field.is_required() else field.get_default(call_default_factory=True)
        kind = inspect.Parameter.KEYWORD_ONLY
        parameters.append(inspect.Parameter(key, kind, annotation=field.annotation, default=default))
    return inspect.Signature(parameters, return_annotation=tool.Output)
