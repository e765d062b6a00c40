"""What a result rests on. The hash of it is the result's key; what has changed of it is why something is done again.

Paths, times, the names and order of steps, handles, the window and the number of workers are no part of it: handles
are named anew, in the order in which the arguments have them, and stand for the contents of their pictures.
"""

from __future__ import annotations

import hashlib
import inspect
import json
import re
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ... import prompts
from ...memory.records import Picture, Region, ToolResult
from ...memory.workspace import LedgerWorkspace
from ...tools.contracts import Tool
from .file import AskStep, KeepStep
from .plan import Plan

if TYPE_CHECKING:
    from ..agent import Agent

HANDLE = re.compile(r"(img|reg)_[1-9][0-9]{0,3}")
OURS = __name__.partition(".")[0]


def key_of(parts: Mapping[str, Any]) -> str:
    """SHA-256 of canonical JSON."""
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


class Basis:
    """What the results of a plan rest on, whatever the picture: tools, weights, prompts, how experts compute.

    Args:
        tools: of each tool its version, and the hash of its file where it is not one of ours.
        models: of each role of a tool the spec and the hash of its weights.
        roles: by tool.
        device: the class of device that experts run on.
        computing: how a role's expert computes now: rows of its forwards, dtype, the prompts that it says.
        learn: takes in how experts compute elsewhere, by role; from then on that holds here.
    """

    def __init__(
        self, tools: Mapping[str, Mapping[str, Any]], models: Mapping[str, str], roles: Mapping[str, Sequence[str]],
        device: str, computing: Callable[[str], Mapping[str, Any] | None],
        learn: Callable[[Mapping[str, Mapping[str, Any]]], None] = lambda _: None,
    ) -> None:  # fmt: skip
        self._tools, self._models, self._roles, self.device = tools, models, roles, device
        self._computing, self.learn = computing, learn
        self._said: dict[str, str] = {}

    def of(self, tool: str) -> dict[str, Any]:
        """The parts of a key that a tool gives, or (of "ask") a question to the controller."""
        roles = [role for role in self._roles[tool] if role in self._models]
        parts: dict[str, Any] = {"tool": tool, **self._tools[tool]}
        if not roles:
            return parts
        said: set[str] = set(prompts.names()) if tool == "ask" else set()
        batches: dict[str, Any] = {}
        for role in roles:
            how = self._computing(role)
            if how is not None:
                batches[role] = [how["rows"], how["dtype"]]
                said |= set(how["says"])
        parts |= {"models": {role: self._models[role] for role in roles}, "device": self.device}
        parts |= {"batches": batches, "prompts": {name: self._hash(name) for name in sorted(said)}}
        return parts

    def used(self) -> dict[str, Mapping[str, Any]]:
        """How each role computes, for the record."""
        roles = {role for some in self._roles.values() for role in some if role in self._models}
        return {role: how for role in sorted(roles) if (how := self._computing(role)) is not None}

    def _hash(self, prompt: str) -> str:
        if prompt not in self._said:
            self._said[prompt] = hashlib.sha256((prompts.FOLDER / f"{prompt}.md").read_bytes()).hexdigest()[:16]
        return self._said[prompt]


def basis_of(plan: Plan, agent: Agent, known: Mapping[str, Mapping[str, Any]], device: str) -> Basis:
    """What results of a plan rest on with an agent; `known`: how roles computed before, as the record has it."""
    from ...tools.embedder import weights_hash

    def weights(role: str) -> str:
        spec = agent.profile.spec(role)
        return f"{spec} {weights_hash(spec)}" if spec.has_files else str(spec)

    tools: dict[str, Mapping[str, Any]] = {}
    roles: dict[str, Sequence[str]] = {}
    for planned in plan.steps:
        if isinstance(planned.step, AskStep):
            tools["ask"] = {"tools": {name: _version(tool) for name, tool in sorted(agent.tools.items())}}
            roles["ask"] = sorted(agent.profile.models)
        elif not isinstance(planned.step, KeepStep):
            tool = agent.tools[planned.step.tool]
            tools[tool.name], roles[tool.name] = _version(tool), tool.roles
    wanted = {role for some in roles.values() for role in some if role in agent.profile.models}
    experts: Any = agent.experts
    lock = threading.Lock()  # of pictures that go side by side one looks the class of an expert up
    told: dict[str, Mapping[str, Any]] = {role: how for role, how in known.items() if role in wanted}

    def computing(role: str) -> Mapping[str, Any] | None:
        rows = experts.rows(role) if hasattr(experts, "rows") else None
        if rows is None:
            return None
        with lock:
            if role not in told or told[role]["rows"] != rows:  # what is known is not asked: that may need torch
                told[role] = experts.computing(role)
            return told[role]

    def learn(used: Mapping[str, Mapping[str, Any]]) -> None:
        with lock:
            if any(told.get(role) != how for role, how in used.items()):
                told.update(used)
                experts.fix_rows({role: how["rows"] for role, how in told.items()})

    return Basis(tools, {role: weights(role) for role in sorted(wanted)}, roles, device, computing, learn)


def device_of(agent: Agent, plan: Plan) -> str:
    """The class of device that the experts of a plan run on: "cpu", or "cuda" with the name of the card."""
    if all(isinstance(one.step, KeepStep) or not getattr(agent.tools.get(getattr(one.step, "tool", "")), "roles", True)
           for one in plan.steps):  # fmt: skip
        return "cpu"  # nothing of it asks an expert, so that torch need not be loaded to know
    device = str(getattr(agent.experts, "device", "cpu"))
    if not device.startswith("cuda"):
        return device
    import torch

    return f"cuda {torch.cuda.get_device_name(torch.device(device))}"


def _version(tool: Tool[Any]) -> dict[str, Any]:
    """A tool's own version; of one that is not ours, the hash of its file as well."""
    told: dict[str, Any] = {"version": tool.version}
    if not type(tool).__module__.startswith(f"{OURS}."):
        try:
            told["code"] = hashlib.sha256(Path(inspect.getfile(type(tool))).read_bytes()).hexdigest()
        except (OSError, TypeError):
            return told
    return told


# Handles


def handles_in(value: Any) -> Iterator[str]:
    """The handles in an argument, in order."""
    if isinstance(value, Mapping):
        for name in sorted(value):
            yield from handles_in(value[name])
    elif isinstance(value, list | tuple):
        for one in value:
            yield from handles_in(one)
    elif isinstance(value, str) and HANDLE.fullmatch(value):
        yield value


def plain_names(arguments: Mapping[str, Any]) -> dict[str, str]:
    """A name for each handle in the arguments that does not depend on what was done before: img_1, reg_1, reg_2 ..."""
    names: dict[str, str] = {}
    for handle in handles_in(arguments):
        if handle not in names:
            number = 1 + sum(one[:4] == handle[:4] for one in names)
            names[handle] = f"{handle[:4]}{number}"
    return names


def contents_of(workspace: LedgerWorkspace, names: Mapping[str, str]) -> dict[str, Any]:
    """What each handle stands for, under its plain name."""
    return {name: content_of(workspace, handle) for handle, name in names.items()}


def content_of(workspace: LedgerWorkspace, handle: str) -> Any:
    """What a handle stands for, without its name: the picture's hash and the date on which it was taken, which tools
    may tell; and a region's box, label, score and mask.
    """
    if not handle.startswith("reg_"):
        given = workspace.picture(handle)
        return [given.sha256, given.taken]
    region: Region = workspace.region(handle)
    picture: Picture = workspace.picture(str(region.image))
    mask = None if region.mask is None else region.mask.name
    return [picture.sha256, picture.taken, list(region.box), region.label, region.score, mask]


class Renaming:
    """Handles, and the ids of regions, in a result: from those of a workspace to plain names, and back."""

    def __init__(self, workspace: LedgerWorkspace, names: Mapping[str, str]) -> None:
        self._to = dict(names)
        for handle, name in names.items():
            if handle.startswith("reg_"):
                self._to[workspace.region(handle).id] = f"id of {name}"
        self._back = {name: one for one, name in self._to.items()}

    def plain(self, result: ToolResult) -> ToolResult:
        """With plain names."""
        return _renamed(result, self._to)

    def own(self, result: ToolResult) -> ToolResult:
        """With the handles of the workspace."""
        return _renamed(result, self._back)


def _renamed(result: ToolResult, names: Mapping[str, str]) -> ToolResult:
    if all(one == other for one, other in names.items()):
        return result
    longest = sorted(names, key=len, reverse=True)
    pattern = re.compile(rf"(?<![\w.])(?:{'|'.join(re.escape(name) for name in longest)})(?!\w)")

    def put(value: Any) -> Any:
        if isinstance(value, str):
            return pattern.sub(lambda found: names[found[0]], value)
        if isinstance(value, Mapping):
            return {put(name): put(one) for name, one in value.items()}
        return [put(one) for one in value] if isinstance(value, list | tuple) else value

    return replace(
        result,
        masks=[replace(one, region=names.get(one.region, one.region)) for one in result.masks],
        pictures=[replace(one, parent=names.get(one.parent or "", one.parent)) for one in result.pictures],
        facts=put(result.facts),
    )


# Why


def difference(before: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """In words, the first part in which what a result rests on is another than it was."""
    for what, told in _TOLD.items():
        was, is_ = before.get(what), now.get(what)
        if was == is_:
            continue
        if isinstance(was, Mapping) and isinstance(is_, Mapping):
            name = next(one for one in sorted({*was, *is_}) if was.get(one) != is_.get(one))
            return told.format(name=name, was=_short(was.get(name)), now=_short(is_.get(name)))
        return told.format(name=what, was=_short(was), now=_short(is_))
    return "it rests on something else now"


_TOLD = {
    "tool": "another tool was called here: {was}, now {now}",
    "ask": "it was asked {was}, and now {now}",
    "arguments": "{name} was {was}, and is {now} now",
    "version": "the tool is of another version: {was} then, {now} now",
    "code": "the file of the tool has changed",
    "tools": "the tool {name} is of another version, or new",
    "models": "the model in the role {name} is another: {was} then, {now} now",
    "prompts": "the prompt {name} has changed",
    "device": "it was computed on {was}, and now would be on {now}",
    "batches": "{name} computed at {was} then, and does at {now} now",
    "contents": "its picture, or what earlier steps found in it, is another",
}


def _short(value: Any) -> str:
    text = "not there" if value is None else value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else f"{text[:57]}..."
