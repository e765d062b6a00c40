"""The suite "talk": whole conversations with people's own words, through `Agent.chat`, remembering on.

Every turn is judged by the checks that stand beside it; a turn is right when all of them hold. Beside the share that is
right stand counts of what must not happen at all: garbled answers, misquoted boxes and handles, and requests of which
half was silently dropped. `true_experts` lets experts answer from the scenes, so that only the controller errs.
"""

from __future__ import annotations

import re
import shutil
import statistics
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from langchain_core.messages import BaseMessage, ToolMessage

from ...agent.agent import Agent
from ...agent.answers.check import babbles
from ...agent.controllers.scripted import Call, ScriptedController, call
from ...scenes.sample import sample_scene
from ...settings import Settings
from ...testing.experts import TrueExperts, Truth
from ...tools.contracts import Experts
from ...tools.pool import ExpertPool
from ..bench import USER, blank, png, show
from ..cases.talk.sets import DEV, FRESH, PLAIN, TalkCase, talk_cases
from ..judging.intervals import over_templates
from ..judging.replies import Heard, Scenes, judge_reply
from ..models import models_of
from ..workers import outcomes as side_by_side

if TYPE_CHECKING:
    from ...agent.reply import Reply

BAR, FAMILY_BAR = 0.85, 0.65  # of turns that are right: in the worst set, and in any family
_QUOTED = re.compile(r"\((?:-?\d+, ){3}-?\d+\)|\b(?:reg|img)_\d+\b")
_OWNS_UP = re.compile(r"\b(no|not|nothing|none|cannot|can't|could not|couldn't|did not|which)\b", re.IGNORECASE)
FAILURES = 80  # that the report shows
# What can be had without looking, without looking at the right picture, and without thinking.
Control = Literal["blank", "shuffled", "first_tool"]
_ELSE = 90_001  # how far away the seed of another picture is

Done = Callable[[int, int], None]


@dataclass(frozen=True)
class TurnOutcome:
    """How one turn went."""

    id: str
    set: str
    family: str
    turn: int
    said: str
    answer: str = ""
    right: bool = False
    why: str = ""
    garbled: bool = False
    misquoted: bool = False
    half: bool = False  # a part of it was answered, and nothing was said of the rest
    tools: list[str] = field(default_factory=list)
    steps: list[dict[str, Any]] = field(default_factory=list)
    error: str = ""
    seconds: float = 0.0


class TalkBench:
    """One agent for many conversations.

    Args:
        home: a folder for what it keeps.
        profile: the models.
        controller: a model spec, instead of the profile's controller.
        true_experts: let experts answer from the scenes.
        control: "blank": blank pictures are sent in place of the right ones; "shuffled": the right ones, but experts
            answer from others, so that every observation is of another picture; "first_tool": the first tool is called
            whatever is said, and what it observed is the answer.
        threads: of the controller.
    """

    def __init__(
        self,
        home: Path,
        *,
        profile: str = "bundled",
        controller: str | None = None,
        true_experts: bool = False,
        control: Control | None = None,
        threads: int = 1,
    ) -> None:
        self._home, self._true, self._control = home, true_experts or control == "shuffled", control
        self._truths: dict[str, Truth] = {}
        settings = Settings(home=home, profile=profile, threads=threads)
        experts: Experts = TrueExperts(self._truths.__getitem__)
        if not self._true:
            experts = ExpertPool(settings.chosen, settings.device, settings.threads)
        chosen = ScriptedController(_first_tool) if control == "first_tool" else controller
        self._agent = Agent(profile, controller=chosen, settings=settings, experts=experts)

    def close(self) -> None:
        """Close the agent's databases."""
        self._agent.close()

    def converse(self, case: TalkCase) -> list[TurnOutcome]:
        """Hold a conversation, and judge each of its turns."""
        shown = [show(sample_scene(seed, "test")) for seed in case.scenes]
        sent = [blank(one) if self._control == "blank" else one for one in shown]
        data = [png(one.picture) for one in sent]
        ids = {f"pic_{self._agent.store.decode(one).sha256[:12]}": at for at, one in enumerate(data)}
        if self._true:
            others = [show(sample_scene(seed + _ELSE, "test")) for seed in case.scenes]
            true = others if self._control == "shuffled" else sent
            for id, at in ids.items():
                self._truths[id] = (true[at].scene, true[at].boxes, true[at].masks)
        chat = self._agent.chat(user=USER)
        outcomes: list[TurnOutcome] = []
        told = ""
        for number, turn in enumerate(case.turns, 1):
            begun = time.perf_counter()
            base = {"id": case.id, "set": case.set, "family": case.family, "turn": number, "said": turn.say}
            try:
                reply = chat.send(turn.say, [data[at] for at in turn.images])
            except Exception as error:  # a fault in one turn must not cost the others; the report counts it
                outcomes.append(
                    TurnOutcome(**base, why="the turn failed", error=f"{type(error).__name__}: {error}"[:300])
                )
                continue
            seconds = time.perf_counter() - begun
            told += "\n".join([turn.say, *(step.observation for step in reply.steps)])
            heard = self._heard(reply, ids, turn.say)
            scenes = Scenes(shown)
            verdict = judge_reply(turn.expect, heard, scenes)
            parts = [judge_reply([check], heard, scenes).right for check in turn.expect]
            outcomes.append(
                TurnOutcome(
                    **base,
                    answer=reply.text,
                    right=verdict.right,
                    why=verdict.why,
                    garbled=babbles(reply.text) or bool(re.search(r"[{}]|<tool_call", reply.text)),
                    misquoted=any(one not in told for one in _QUOTED.findall(reply.text)),
                    half=any(parts) and not all(parts) and case.family in ("several", "both")
                    and not _OWNS_UP.search(reply.text),
                    tools=[step.tool for step in reply.steps],
                    steps=[{"tool": s.tool, "arguments": s.arguments, "seen": s.observation} for s in reply.steps],
                    seconds=round(seconds, 3),
                )
            )  # fmt: skip
        self._agent.remembering.wait()
        if chat.begun:
            self._agent.memory.forget(USER, chat=chat.id)
        shutil.rmtree(self._home / "evidence", ignore_errors=True)
        self._truths.clear()
        return outcomes

    def _heard(self, reply: Reply, ids: dict[str, int], said: str) -> Heard:
        made = {
            kind: tuple(
                np.asarray(self._agent.store.open(one.id, USER, alpha=True).convert("RGBA"))
                for one in reply.images
                if one.kind == kind
            )
            for kind in ("cutout", "crop")
        }
        boxes = tuple((ids.get(region.picture, -1), region.box) for region in reply.regions)
        tools = tuple(step.tool for step in reply.steps)
        return Heard(reply.text, boxes, made["cutout"], made["crop"], reply.status, tools, said)


def run(
    *,
    cases: int,
    profile: str = "bundled",
    controller: str | None = None,
    show_failures: bool = False,
    true_experts: bool = False,
    control: Control | None = None,
    sets: Sequence[str] = FRESH,
    workers: int = 1,
    done: Done | None = None,
) -> dict[str, Any]:
    """Hold the conversations of the sets, at most `cases` of each, and give the report (JSON values).

    Args:
        cases: conversations a set.
        profile: the models.
        controller: a model spec, instead of the profile's controller.
        show_failures: tell failed turns in words; a set is spent once they were looked at.
        true_experts: experts answer from the scenes: the controller alone is measured.
        control: what is taken away; see `TalkBench`.
        sets: their names.
        workers: processes.
        done: is told how many conversations are done, and of how many.

    Raises:
        UserError: a model of the profile is missing, or there is no such set.
    """
    chosen = Settings(profile=profile, controller=controller).chosen
    models = models_of(chosen, ["controller"] if true_experts else None)
    held = [case for name in sets for case in talk_cases(name)[:cases]]
    make = partial(TalkBench, profile=profile, controller=controller, true_experts=true_experts, control=control)
    begun = time.monotonic()
    outcomes: list[TurnOutcome] = []
    for number, turns in enumerate(side_by_side(make, [(case,) for case in held], workers, "converse"), 1):
        outcomes += turns
        if done is not None:
            done(number, len(held))
    order = {case.id: place for place, case in enumerate(held)}
    outcomes.sort(key=lambda one: (order[one.id], one.turn))
    plan = {"cases": cases, "profile": profile, "controller": controller, "sets": list(sets),
            "true_experts": true_experts, "control": control, "remembering": True}  # fmt: skip
    return report(outcomes, words=show_failures) | {
        "plan": plan, "models": models, "workers": workers, "seconds": round(time.monotonic() - begun, 1),
    }  # fmt: skip


dev = partial(run, sets=(DEV,))
plain = partial(run, sets=(PLAIN,))


def _first_tool(messages: Sequence[BaseMessage]) -> Call | str:
    """A controller that cannot think: everything is found in the newest picture, and the observation is the answer."""
    if isinstance(messages[-1], ToolMessage):
        return messages[-1].text
    pictures = [handle for one in messages for handle in re.findall(r"\bimg_\d+", one.text)]
    return call("find_objects", image=pictures[-1]) if pictures else "Please send me a picture first."


def report(outcomes: Sequence[TurnOutcome], *, words: bool = False) -> dict[str, Any]:
    """The figures of all turns: rows by set, family and turn, and counts of what must not happen."""
    seconds = sorted(one.seconds for one in outcomes) or [0.0]
    sets = [_row(name, [one for one in outcomes if one.set == name]) for name in dict.fromkeys(o.set for o in outcomes)]
    families = _rows(outcomes, lambda one: one.family)
    wrong = Counter((one.family, one.why) for one in outcomes if not one.right)
    worst = min(sets, key=lambda row: row["right"])
    weakest = min(families, key=lambda row: row["right"])
    return {
        "turns": len(outcomes),
        "conversations": len({one.id for one in outcomes}),
        "all": _row("all", outcomes),
        "sets": sets,
        "families": families,
        "by_turn": _rows(outcomes, lambda one: f"turn {one.turn}"),
        "worst_set": {"name": worst["name"], "right": worst["right"], "bar": BAR},
        "weakest_family": {"name": weakest["name"], "right": weakest["right"], "bar": FAMILY_BAR},
        "passed": worst["right"] >= BAR and weakest["right"] >= FAMILY_BAR,
        "called": round(sum(bool(one.tools) for one in outcomes) / max(1, len(outcomes)), 4),  # turns with a call
        "garbled": sum(one.garbled for one in outcomes),
        "misquoted": sum(one.misquoted for one in outcomes),
        "half_answered": sum(one.half for one in outcomes),
        "errors": dict(Counter(one.error.partition(":")[0] for one in outcomes if one.error)),
        "wrong": [[family, why, count] for (family, why), count in wrong.most_common()],
        "seconds_a_turn": {"median": statistics.median(seconds), "p95": seconds[int(0.95 * (len(seconds) - 1))]},
        **({"failures": [asdict(one) for one in outcomes if not one.right][:FAILURES]} if words else {}),
    }


def _rows(outcomes: Sequence[TurnOutcome], key: Callable[[TurnOutcome], str]) -> list[dict[str, Any]]:
    names = sorted(dict.fromkeys(key(one) for one in outcomes))
    return [_row(name, [one for one in outcomes if key(one) == name]) for name in names]


def _row(name: str, outcomes: Sequence[TurnOutcome]) -> dict[str, Any]:
    """A share of turns that are right, with its 95 % interval over conversations."""
    right = [one.right for one in outcomes]
    return {
        "name": name,
        "turns": len(outcomes),
        "right": round(sum(right) / len(right), 4) if right else 0.0,
        "interval": over_templates(right, [one.id for one in outcomes]),
    }
