"""What every tool must keep, whoever writes it: `check_tool(MyTool)` in a test of yours.

The tool is run in a conversation about one drawn picture (`img_1`) with two regions (`reg_1`, `reg_2`, both with
masks), with the arguments of the example that ends its description. Experts of the roles that come with Saccade answer
from the scene's truth; those of other roles are loaded as users get them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import numpy as np

from ..memory.pictures.store import PictureStore
from ..memory.records import Recalled, RegionDraft, ToolResult
from ..memory.workspace import LedgerWorkspace
from ..scenes.render import render
from ..scenes.sample import sample_scene
from ..settings import load_profile
from ..tools.adapters import as_tool
from ..tools.contracts import Tool, View
from ..tools.pool import ExpertPool
from ..tools.registry import all_tools, expert_roles
from ..tools.runner import Observation, ToolRunner
from .experts import ROLES, TrueExperts

LONGEST = 900  # characters of a description: a controller reads all of them before every step
MOST_SAID = 4000  # characters of an observation
_EXAMPLE = re.compile(r"^Example: (\{.*\})$", re.MULTILINE)
_PIXELS = re.compile(r"base64|<PIL|array\(|tensor\(|\\x")


class Trial:
    """A tool in a conversation of its own, which is about nothing else."""

    def __init__(self, tool: Any) -> None:
        self.tool: Tool[Any] = as_tool(tool, "given to check_tool")
        self.name = self.tool.name
        scene = sample_scene(5)
        drawn = render(scene, 512)
        self.workspace = LedgerWorkspace(PictureStore(None), "chat_000000000000", "ann")
        _, (picture,) = self.workspace.begin_turn([drawn.image])
        drafts = [
            RegionDraft(picture.id, (float(x0), float(y0), float(x1), float(y1)), thing.shape, 0.9, mask)
            for (x0, y0, x1, y1), thing, mask in zip(drawn.boxes[:2], scene.things, drawn.masks, strict=False)
        ]
        self.workspace.record("before", "find_objects", {}, ToolResult(regions=drafts), lambda _: "", turn=1)
        truth = {picture.id: (scene, drawn.boxes.astype(float), drawn.masks)}
        tools = all_tools() | {self.name: self.tool}
        self.runner = ToolRunner(
            tools, self.workspace, _Experts(TrueExperts(truth.__getitem__)), memory=_Memory(self.workspace)
        )

    @property
    def example(self) -> dict[str, Any]:
        """The arguments of the example that ends the description."""
        found = _EXAMPLE.findall(self.tool.describe())
        assert found, f'the description of {self.name} must end with a line such as Example: {{"image": "img_1"}}'
        return json.loads(found[-1])

    def run(self, arguments: Mapping[str, Any] | None = None) -> Observation:
        """Do the call `call_1`."""
        return self.runner.run("call_1", self.name, dict(self.example if arguments is None else arguments), 1)


def has_a_short_description_with_an_example_that_fits(trial: Trial) -> None:
    """So that a controller knows what it is for and how it is called."""
    assert 40 < len(trial.tool.describe()) < LONGEST, f"{trial.name}: {len(trial.tool.describe())} characters"
    trial.tool.Arguments.model_validate(trial.example)


def bounds_every_argument(trial: Trial) -> None:
    """So that a constrained controller cannot write without end."""
    for schema in _schemas(trial.tool.Arguments.model_json_schema()):
        if schema.get("type") == "string":
            assert "enum" in schema or "const" in schema or schema.get("maxLength", 10**9) <= 400, schema
        if schema.get("type") == "array":
            assert schema.get("maxItems", 10**9) <= 20, schema
        if schema.get("type") in ("integer", "number"):
            assert {"minimum", "maximum"} <= schema.keys(), schema


def refuses_unknown_arguments_by_name(trial: Trial) -> None:
    """So that nothing which a controller makes up is passed over in silence."""
    assert trial.tool.Arguments.model_json_schema()["additionalProperties"] is False
    seen = trial.run(trial.example | {"no_such_argument": "red"})
    assert not seen.ok, f"{trial.name} takes an argument that it does not have"
    assert "no argument 'no_such_argument'" in seen.text, seen.text


def marks_its_handles(trial: Trial) -> None:
    """So that a constrained controller is offered those that there are (use AnyHandle, PictureHandle, RegionHandle)."""
    for schema in _schemas(trial.tool.Arguments.model_json_schema()):
        if "img" in schema.get("pattern", "") or "reg" in schema.get("pattern", ""):
            assert schema.get("x-handle") in ("any", "picture", "region"), schema


def asks_only_experts_that_there_are(trial: Trial) -> None:
    """So that `saccade doctor` can say what is missing."""
    assert set(trial.tool.roles) <= set(expert_roles()), trial.tool.roles


def answers_in_words(trial: Trial) -> None:
    """An observation is words and handles: no pixels, no tensors, and not without end."""
    seen = trial.run()
    assert seen.ok, seen.text
    assert seen.kind is None
    assert seen.seconds >= 0
    assert 3 < len(seen.text) < MOST_SAID, seen.text[:200]
    assert not _PIXELS.search(seen.text), seen.text[:200]


def gives_facts_that_are_json(trial: Trial) -> None:
    """Facts are written down, so they must come back as they were."""
    arguments = trial.tool.Arguments.model_validate(trial.example)
    result = trial.tool.run(arguments, trial.runner.context)
    assert json.loads(json.dumps(result.facts, allow_nan=False)) == result.facts


def does_a_call_once(trial: Trial) -> None:
    """A call that is gone through again after a crash is answered from the ledger."""
    first = trial.run()
    handles = trial.workspace.handles()
    again = trial.run()
    assert (again.text, again.recorded) == (first.text, first.recorded)
    assert trial.workspace.handles() == handles


def lists_the_handles_when_one_is_unknown(trial: Trial) -> None:
    """So that the controller can mend its call. A tool that takes no handle has nothing to show here."""
    arguments = _with_unknown_handles(trial.example)
    if arguments == trial.example:
        return
    seen = trial.run(arguments)
    assert not seen.ok, seen.text
    assert seen.kind == "unknown_handle", seen.text
    assert "_99" in seen.text
    assert re.search(r"img_1|reg_1, reg_2", seen.text), seen.text


def writes_down_where_things_came_from(trial: Trial) -> None:
    """Whatever it finds or makes has its lineage."""
    recorded = trial.run().recorded
    for one in [*recorded.regions, *recorded.pictures]:
        assert (one.lineage.turn, one.lineage.tool) == (1, trial.name)
        assert one.lineage.arguments == trial.example
        made_of_words = getattr(one, "kind", None) == "generation"
        assert (one.lineage.parent is None) == made_of_words


def leaves_the_pictures_as_they_were(trial: Trial) -> None:
    """Edits are new pictures; the original stays."""
    picture = trial.workspace.picture("img_1").id
    before = np.asarray(trial.workspace.open(picture))
    trial.run()
    assert np.array_equal(before, np.asarray(trial.workspace.open(picture)))


RULES = (
    has_a_short_description_with_an_example_that_fits,
    bounds_every_argument,
    refuses_unknown_arguments_by_name,
    marks_its_handles,
    asks_only_experts_that_there_are,
    answers_in_words,
    gives_facts_that_are_json,
    does_a_call_once,
    lists_the_handles_when_one_is_unknown,
    writes_down_where_things_came_from,
    leaves_the_pictures_as_they_were,
)


def check_tool(tool: Any) -> None:
    """Hold a tool to every rule of `RULES`, each in a fresh conversation.

    Args:
        tool: a `saccade.Tool` class or instance, or a LangChain tool.

    Raises:
        AssertionError: a rule is broken; the message says which and how.
        UserError: it is no tool at all.
    """
    for rule in RULES:
        rule(Trial(tool))


class _Experts:
    """The truth in the roles that come with Saccade, real experts in all others."""

    def __init__(self, truth: TrueExperts) -> None:
        self._truth = truth
        self._pool = ExpertPool(load_profile("bundled"), "cpu")

    def ask(self, role: str, requests: Sequence[Any]) -> list[Any]:
        return (self._truth if role in ROLES else self._pool).ask(role, requests)

    def about(self, role: str) -> Mapping[str, Any]:
        return (self._truth if role in ROLES else self._pool).about(role)


class _Memory:
    """A memory in which the conversation's own picture and first region are all there is."""

    def __init__(self, workspace: LedgerWorkspace) -> None:
        self._workspace = workspace

    def recall(
        self, words: str | None, view: View | None, *, k: int, since: datetime | None, kind: str
    ) -> list[Recalled]:
        picture, region = self._workspace.picture("img_1"), self._workspace.region("reg_1")
        return [Recalled(picture.id, 0.91, picture.created, "table.png"), Recalled(region.id, 0.88, picture.created)]

    def remember(self, handle: str, note: str | None) -> None:
        """All is remembered here already."""

    def forget(self, picture: str) -> None:
        raise AssertionError("nobody said yes")


def _schemas(schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Every schema inside a schema, itself included."""
    yield schema
    for key in ("properties", "$defs"):
        for inner in schema.get(key, {}).values():
            yield from _schemas(inner)
    for inner in [*schema.get("anyOf", []), *schema.get("prefixItems", [])]:
        yield from _schemas(inner)
    if isinstance(schema.get("items"), dict):
        yield from _schemas(schema["items"])


def _with_unknown_handles(value: Any) -> Any:
    """The same arguments with every handle changed into one that nobody has."""
    if isinstance(value, dict):
        return {key: _with_unknown_handles(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_with_unknown_handles(inner) for inner in value]
    return re.sub(r"^(img|reg)_\d+$", r"\1_99", value) if isinstance(value, str) else value
