"""One case on the real agent: draw the scene, ask, judge the calls and the answer."""

from __future__ import annotations

import io
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from ..agent.agent import Agent
from ..agent.answers.mending import unchecked
from ..agent.controllers.scripted import ScriptedController, Turn, call, calls
from ..agent.messages import turn_start
from ..agent.reply import Reply, Step
from ..scenes.render import render
from ..scenes.sample import sample_scene
from ..scenes.scene import Scene
from ..settings import Settings
from ..testing.experts import TrueExperts, Truth
from ..tools.contracts import Experts, Tool
from ..tools.pool import ExpertPool
from ..training.controller.plans.plans import PLANS
from ..training.controller.plans.steps import Ask, Plan
from .cases.agent import Case, placed
from .judging.judges import Shown, Told, Verdict, judge, same_calls
from .wrappers import OneLook, Trusting, Varied

if TYPE_CHECKING:
    from langchain_core.language_models.chat_models import BaseChatModel

    from ..agent.chat import Chat

SIDE = 512  # px: the side of the pictures
USER = "eval"


@dataclass(frozen=True)
class Outcome:
    """How a case went, in JSON values. `blank` and `once` are None where the case was not put to the baselines."""

    name: str
    set: str
    intent: str
    family: str
    small: bool  # everything that the answer is about is small
    request: str
    scene: int
    gold: list[Any]
    truth: dict[str, Any]
    steps: list[dict[str, Any]] = field(default_factory=list)
    answer: str = ""
    exact: bool = False  # tool and arguments, against the gold calls on what is true
    exact_given_seen: bool = False  # against what the gold behaviour does after the observations that there were
    right: bool = False
    why: str = ""  # why the answer is wrong
    errors: tuple[str, ...] = ()  # that ended a turn, of the baselines too; no model's answer leads to one
    blank: bool | None = None  # whether the answer is right when a blank picture is shown instead
    once: bool | None = None  # whether it is right when regions are cut from the first, small look
    turn: int = 1  # of its conversation
    turns: int = 1  # that were taken for it, with those of the baselines
    seconds: float = 0.0


@dataclass(frozen=True)
class _Judged:
    case: Case
    verdict: Verdict
    reply: Reply | None  # None where the turn failed


class Bench:
    """One agent, with its models loaded once, for many cases.

    Args:
        home: a folder for what the agent keeps; a conversation is forgotten once it was judged.
        profile: the models.
        controller: a model spec or a chat model, instead of the profile's controller.
        true_experts: let experts answer from the scene's truth, so that the controller alone is measured.
        gold_controller: let the gold behaviour control, so that the experts alone are measured.
    """

    def __init__(
        self,
        home: Path,
        *,
        profile: str = "bundled",
        controller: str | BaseChatModel | None = None,
        true_experts: bool = False,
        gold_controller: bool = False,
    ) -> None:
        self._case: Case | None = None  # that is being put
        self._truths: dict[str, Truth] = {}
        self._home = home
        settings = Settings(home=home, profile=profile, threads=1)
        experts: Experts = TrueExperts(self._truths.__getitem__)
        if not true_experts:
            experts = ExpertPool(settings.chosen, settings.device, settings.threads)
        self._experts = Varied(experts)
        self._true_experts = true_experts
        if gold_controller:
            controller = ScriptedController(self._gold)
        self._agent = Agent(profile, controller=controller, settings=settings, experts=self._experts)

    def close(self) -> None:
        """Close the agent's databases."""
        self._agent.close()

    def run(self, case: Case, baselines: bool = False) -> Outcome:
        """Put a case to the agent in a conversation of its own; see `converse`."""
        return self.converse([case], baselines)[0]

    def converse(self, cases: Sequence[Case], baselines: bool = False) -> list[Outcome]:
        """Put cases to the agent as the turns of one conversation, each with its own picture.

        With `baselines` the same conversation is held again before blank pictures, and with one look only. A turn that
        ends in an error of any kind is a wrong answer; `errors` tells of what kind.
        """
        begun = time.perf_counter()
        shown = [show(sample_scene(case.scenes[0], "test")) for case in cases]
        errors: list[list[str]] = [[] for _ in cases]
        judged = self._judged(cases, shown, shown, errors)
        blanks: list[_Judged] | None = None
        once: list[_Judged] | None = None
        if baselines:
            with self._experts.under(Trusting):
                blanks = self._judged(cases, [blank(one) for one in shown], shown, errors)
        if baselines and not self._true_experts:
            with self._experts.under(OneLook):
                once = self._judged(cases, shown, shown, errors)
        seconds = (time.perf_counter() - begun) / len(cases)
        outcomes: list[Outcome] = []
        for at, (one, drawn) in enumerate(zip(judged, shown, strict=True)):
            changes: dict[str, Any] = {"right": one.verdict.right, "why": one.verdict.why}
            if one.reply is not None:
                made = [(step.tool, step.arguments) for step in one.reply.steps]
                gold = [call for step in one.case.gold for call in step]
                changes |= {
                    "steps": [step.to_json() for step in one.reply.steps],
                    "answer": one.reply.text,
                    "exact": same_calls(made, gold, self._agent.tools),
                    "exact_given_seen": follows_plan(one.case, one.reply.steps, self._agent.tools),
                }
            changes |= {
                "turn": at + 1,
                "turns": 1 + (blanks is not None) + (once is not None),
                "blank": None if blanks is None else blanks[at].verdict.right,
                "once": None if once is None else once[at].verdict.right,
                "errors": tuple(errors[at]),
                "seconds": round(seconds, 3),
            }
            outcomes.append(replace(_outcome(one.case, drawn), **changes))
        return outcomes

    def _judged(
        self, cases: Sequence[Case], shown: Sequence[Shown], truth: Sequence[Shown], errors: Sequence[list[str]]
    ) -> list[_Judged]:
        """Hold one conversation; what was shown may be another picture than the one that the answer is judged by."""
        chat = self._agent.chat(user=USER)
        judged: list[_Judged] = []
        for at, (case, one, true) in enumerate(zip(cases, shown, truth, strict=True)):
            case = placed(case, *self._handed_out(chat.id))
            try:
                reply, told = self.ask(chat, case, one)
            except Exception as error:  # a fault in one turn must not cost the other cases; the report counts it
                errors[at].append(f"{type(error).__name__}: {error}"[:500])
                judged.append(_Judged(case, Verdict(False, "the turn failed", errors[at][-1]), None))
            else:
                judged.append(_Judged(case, judge(case.intent, case.truth, told, true), reply))
        self._forget(chat)
        return judged

    def ask(self, chat: Chat, case: Case, shown: Shown) -> tuple[Reply, Told]:
        """Ask about what is shown: the whole reply, and the part of it that is judged."""
        self._case = case
        data = png(shown.picture)
        if self._true_experts:
            sha256 = self._agent.store.decode(data).sha256
            self._truths[f"pic_{sha256[:12]}"] = (shown.scene, shown.boxes, shown.masks)
        reply = chat.send(case.requests[-1], [data])
        cutouts = tuple(
            np.asarray(self._agent.store.open(made.id, USER, alpha=True).convert("RGBA"))
            for made in reply.images
            if made.kind == "cutout"
        )
        return reply, Told(reply.text, tuple(region.box for region in reply.regions), cutouts)

    def _handed_out(self, chat: str) -> tuple[int, int]:
        """The number that the next picture gets (cut-outs have handles, too), and how many regions have handles."""
        rows = self._agent.store.ledger.read("SELECT next_img, next_reg FROM chats WHERE id = ?", (chat,))
        return (rows[0]["next_img"], rows[0]["next_reg"] - 1) if rows else (1, 0)

    def _forget(self, chat: Chat) -> None:
        """Let the conversation be remembered, as users' are; then forget it, so that the home stays small."""
        self._agent.remembering.wait()
        if chat.begun:
            self._agent.memory.forget(USER, chat=chat.id)
        shutil.rmtree(self._home / "evidence", ignore_errors=True)
        self._truths.clear()

    def _gold(self, messages: Sequence[Any]) -> Turn:
        """The gold behaviour's next turn in the case at hand, after these messages."""
        assert self._case is not None  # set by `ask`
        return gold_turn(Ask(self._case.intent, self._case.image, self._case.noun), messages)


def gold_turn(ask: Ask, messages: Sequence[Any]) -> Turn:
    """What the gold behaviour says next to a request, after these messages: calls, or the answer."""
    messages = unchecked(messages)  # what is gold does not listen to a check of it
    told = [str(message.text) for message in messages[turn_start(messages) :] if message.type == "tool"]
    plan = PLANS[ask.intent](ask)
    try:
        step = next(plan)
        while told:
            told, now = told[len(step.calls) :], told[: len(step.calls)]
            step = plan.send(now)
    except StopIteration as answer:
        return str(answer.value)
    return calls(*(call(name, **arguments) for name, arguments in step.calls), thought=step.thought)


def follows_plan(case: Case, steps: Sequence[Step], tools: Mapping[str, Tool[Any]]) -> bool:
    """Whether each call is the one that the gold behaviour makes after the observations before it.

    So the controller is not blamed for an expert: where a search finds nothing, the gold behaviour says so and calls
    nothing more; where it finds several, it goes on with the first. A failure ends it, too.
    """
    return follows(PLANS[case.intent](Ask(case.intent, case.image, case.noun)), steps, tools)


def follows(plan: Plan, steps: Sequence[Step], tools: Mapping[str, Tool[Any]]) -> bool:
    """Whether each call is the one that a plan makes after the observations before it, and none is missing."""
    rest = list(steps)
    try:
        wanted = next(plan)
        while True:
            made = rest[: len(wanted.calls)]
            del rest[: len(wanted.calls)]
            if not same_calls([(step.tool, step.arguments) for step in made], wanted.calls, tools):
                return False
            if not all(step.ok for step in made):
                return not rest
            wanted = plan.send([step.observation for step in made])
    except StopIteration:
        return not rest


def show(scene: Scene, side: int = SIDE) -> Shown:
    """Draw a scene, with its truth."""
    drawn = render(scene, side)
    return Shown(scene, np.asarray(drawn.image), drawn.boxes.astype(float), drawn.masks)


def blank(shown: Shown) -> Shown:
    """A picture of the same size that shows a plain backdrop and nothing on it."""
    return show(replace(shown.scene, things=(), backdrop="plain"), len(shown.picture))


def png(picture: np.ndarray) -> bytes:
    """A picture as the bytes of a PNG file, as a user would send it."""
    out = io.BytesIO()
    Image.fromarray(picture).save(out, "PNG", compress_level=1)
    return out.getvalue()


def _outcome(case: Case, shown: Shown) -> Outcome:
    things = [shown.scene.things[shown.row(thing)] for thing in case.truth.things]
    return Outcome(
        name=case.name,
        set=case.name[0],
        intent=case.intent,
        family=case.family,
        small=bool(things) and all(thing.size == "small" for thing in things),
        request=case.requests[-1],
        scene=case.scenes[0],
        gold=[{"tool": name, "arguments": arguments} for step in case.gold for name, arguments in step],
        truth=asdict(case.truth),
    )
