"""Task files as text: YAML read safely, with the line and column of everything that stands in them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import AliasEvent
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from ...errors import UserError

LARGEST = 200_000  # characters of a task file
DEEPEST = 20  # lists and mappings inside each other
_PLAIN = frozenset({"str", "int", "float", "bool", "null", "map", "seq"})  # YAML's own kinds of values

Loc = Sequence[int | str]


class TaskError(UserError):
    """A task file is not right; the message says where and how to mend it."""

    kind = "bad_task"


class Source:
    """A task file: its plain values, and where they stand.

    Args:
        text: the file's text.
        name: what it is called in messages.

    Raises:
        TaskError: it is no YAML, too large, too deep, or has aliases, tags or a key twice.
    """

    def __init__(self, text: str, name: str) -> None:
        self.name, self.text = name, text
        if len(text) > LARGEST:
            raise TaskError(f"{name} has {len(text):,} characters; a task file has at most {LARGEST:,}.")
        self._node = self._composed(text)
        self.values: Any = self._plain(self._node, 0)

    @classmethod
    def read(cls, path: Path) -> Source:
        """Read a file.

        Raises:
            TaskError: it cannot be read, or see above.
        """
        try:
            return cls(path.read_text("utf-8"), str(path))
        except FileNotFoundError as error:
            raise TaskError(f"There is no task file {str(path)!r}. Start one with: saccade run --example.") from error
        except IsADirectoryError as error:
            raise TaskError(f"{str(path)!r} is a folder; give a task file, as in count.yaml.") from error
        except (OSError, UnicodeDecodeError) as error:
            raise TaskError(f"{str(path)!r} cannot be read as text: {error}.") from error

    def error(self, loc: Loc, message: str, *, key: bool = False) -> TaskError:
        """An error that begins with file, line and column of the value (or the key) at a place."""
        node = self._at(loc, key)
        return TaskError(f"{self._where(node)}: {message}")

    def _where(self, node: Node) -> str:
        return f"{self.name}:{node.start_mark.line + 1}:{node.start_mark.column + 1}"

    def _composed(self, text: str) -> Node:
        yaml = YAML(typ="safe", pure=True)
        try:
            depth = 0
            for event in YAML(typ="safe", pure=True).parse(text):  # before anything is built
                if isinstance(event, AliasEvent):
                    mark = event.start_mark
                    raise TaskError(
                        f"{self.name}:{mark.line + 1}:{mark.column + 1}: aliases (*{event.anchor}) are not read; write "
                        "the value out again."
                    )
                kind = type(event).__name__
                depth += kind in ("MappingStartEvent", "SequenceStartEvent")
                depth -= kind in ("MappingEndEvent", "SequenceEndEvent")
                if depth > DEEPEST:
                    raise TaskError(
                        f"{self.name}:{event.start_mark.line + 1}: lists and mappings lie more than {DEEPEST} deep."
                    )
            node = yaml.compose(text)
        except MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
            raise TaskError(f"{self.name}:{line}:{column}: this is no YAML: {error.problem or error}.") from error
        except (YAMLError, RecursionError, ValueError) as error:
            raise TaskError(f"{self.name}: this is no YAML: {str(error).splitlines()[0]}.") from error
        if node is None:
            raise TaskError(f"{self.name} is empty. A task begins with: version: 1")
        return node

    def _plain(self, node: Node, depth: int) -> Any:
        kind = str(node.tag).rpartition(":")[2]
        if kind not in _PLAIN:
            raise TaskError(f"{self._where(node)}: tags ({node.tag}) are not read; write plain values.")
        if isinstance(node, MappingNode):
            values: dict[str, Any] = {}
            for key, value in node.value:
                if not isinstance(key, ScalarNode):
                    raise TaskError(f"{self._where(key)}: a key is a plain word.")
                if key.value in values:
                    raise TaskError(f"{self._where(key)}: the key {key.value!r} stands here twice; leave one of them.")
                values[str(key.value)] = self._plain(value, depth + 1)
            return values
        if isinstance(node, SequenceNode):
            return [self._plain(one, depth + 1) for one in node.value]
        return YAML(typ="safe", pure=True).constructor.construct_object(node)

    def _at(self, loc: Loc, key: bool) -> Node:
        """The node at a place, or the nearest above it that there is."""
        node = self._node
        for number, part in enumerate(loc):
            last = number == len(loc) - 1
            if isinstance(node, MappingNode):
                found = next(((name, value) for name, value in node.value if name.value == str(part)), None)
                if found is None:
                    continue  # a name of ours, such as that of a kind of step
                node = found[0] if last and key else found[1]
            elif isinstance(node, SequenceNode) and isinstance(part, int) and part < len(node.value):
                node = node.value[part]
        return node
