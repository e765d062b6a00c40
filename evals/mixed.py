"""The suite "mixed": what LLaVA adds to the agent, on requests of which half need no vision language model.

Every case is put three times to the same agent with the same controller: with the whole profile; without the roles in
`ROLES`, as with a profile that names no models for them (the tools stay on offer, as there, and what they are asked
fails); and with the whole profile before a blank picture.
"""

from __future__ import annotations

import json
import re
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..scenes.sample import sample_scene
from .cases.mixed import ANSWERS, CORE, LANGUAGE, WORDINGS, MixedCase, mixed_cases
from .judges import Shown, Told, Verdict, judge
from .workers import outcomes as side_by_side
from .wrappers import Trusting, Varied, Without

if TYPE_CHECKING:
    from langchain_core.language_models.chat_models import BaseChatModel

    from ..tools.contracts import Experts

ROLES = ("llava", "captioner", "reader")  # that write words, and are taken away
FAILURES = 60  # that the report shows
USER = "eval"

Done = Callable[[int, int], None]


@dataclass(frozen=True)
class Answer:
    """What came back one time, in JSON values."""

    text: str = ""
    right: bool = False
    why: str = ""  # why it is wrong
    steps: list[dict[str, Any]] = field(default_factory=list)
    error: str = ""  # that ended the turn


@dataclass(frozen=True)
class Answered:
    """How a case went."""

    name: str
    set: str
    kind: str
    tags: tuple[str, ...]
    family: str
    scene: int
    request: str
    truth: dict[str, Any]
    whole: Answer
    without: Answer
    blank: Answer


# ---------------------------------------------------------------- the judge

_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"')
_PASSED_ON = re.compile(r'\s*My answer about [^":]*: ("(?:[^"\\]|\\.)*")\.?\s*')
_CAPITALS = re.compile(r"(?<![\w'])[A-Z]{3,}(?![\w'])")
_DOUBT = re.compile(r"\b(maybe|perhaps|possibly|probably|might|may|could|seems?|unsure|guess|or|not)\b|n['’]t\b", re.I)


def judge_mixed(case: MixedCase, told: Told, shown: Shown) -> Verdict:
    """Whether the answer to a case is right.

    Args:
        case: what was asked, and what is true.
        told: what came back. Of `My answer about img_1: "..."` the quotation is judged, of all else the whole.
        shown: the picture that the case is about, even where another one was shown.
    """
    if case.kind == "read":
        return judge_read(told.text, str(case.truth.value))
    if case.kind != "open_question":
        return judge(case.asked, case.truth, told, shown)
    passed_on = _PASSED_ON.fullmatch(told.text)
    text = unquoted(passed_on.group(1)) if passed_on else told.text
    if case.truth.kind == "bool" and not re.search(r"\b(yes|yep|yeah|no|nope)\b", text, re.I):
        return Verdict(False, "said neither yes nor no")  # what was not found is no answer to a relation
    if case.truth.kind == "count" and re.fullmatch(r"\W*(yes|no)\W*", text, re.I):
        return Verdict(False, f"said {text.strip()}, not {case.truth.value}")  # "no" alone is no number
    return judge(case.asked, case.truth, Told(text), shown)


def judge_read(text: str, word: str) -> Verdict:
    """Right when the answer says this word in capitals, and neither quotes another nor says one in capitals."""
    bare = _QUOTED.sub(" ", text)
    said = {unquoted(one) for one in _QUOTED.findall(text)} | set(_CAPITALS.findall(bare))
    if said != {word}:
        return Verdict(False, f"said {', '.join(sorted(said)) or 'no word'}, not {word}")
    return Verdict(False, "hedged") if _DOUBT.search(bare) else Verdict(True)


def unquoted(quotation: str) -> str:
    """The text of a quotation as `shared.quoting` writes it; of one that is no JSON, what its marks enclose."""
    try:
        return str(json.loads(quotation)).strip()
    except ValueError:
        return quotation[1:-1].strip()


# ---------------------------------------------------------------- one case


class MixedBench:
    """One agent, with its models loaded once, for many cases.

    Args:
        home: a folder for what the agent keeps; what a case leaves there is thrown away after it.
        profile: the models.
        controller: a model spec or a chat model, instead of the profile's controller.
        experts: what answers in place of the profile's experts (for tests).
    """

    def __init__(
        self,
        home: Path,
        profile: str = "bundled",
        controller: str | BaseChatModel | None = None,
        experts: Experts | None = None,
    ) -> None:
        from ..agent.agent import Agent
        from ..settings import Settings
        from ..tools.pool import ExpertPool

        self._home = home
        settings = Settings(home=home, profile=profile, threads=1, remember=False)
        self._experts = Varied(experts or ExpertPool(settings.chosen, settings.device, settings.threads))
        self._agent = Agent(profile, controller=controller, settings=settings, experts=self._experts)

    def close(self) -> None:
        """Close the agent's databases."""
        self._agent.close()

    def run(self, case: MixedCase) -> Answered:
        """Put a case to the agent three times. A turn that ends in an error of any kind is wrong; `error` tells it."""
        from .bench import blank, show

        shown = show(sample_scene(case.scene, "test"))
        try:
            whole = self._answer(case, shown, shown)
            with self._experts.under(partial(Without, profile=self._agent.profile, roles=ROLES)):
                without = self._answer(case, shown, shown)
            with self._experts.under(Trusting):
                unseen = self._answer(case, blank(shown), shown)
        finally:
            for leftover in ("images", "masks", "evidence"):
                shutil.rmtree(self._home / leftover, ignore_errors=True)
        told = {"kind": case.truth.kind, "value": case.truth.value, "things": list(case.truth.things)}
        return Answered(
            case.name,
            case.set,
            case.kind,
            case.tags,
            case.family,
            case.scene,
            case.request,
            told,
            whole,
            without,
            unseen,
        )

    def _answer(self, case: MixedCase, shown: Shown, truth: Shown) -> Answer:
        from .bench import png

        try:
            reply = self._agent.chat(user=USER).send(case.request, [png(shown.picture)])
        except Exception as error:  # a fault in one turn must not cost the other cases; the report tells it
            return Answer(error=f"{type(error).__name__}: {error}"[:500])
        verdict = judge_mixed(case, Told(reply.text, tuple(region.box for region in reply.regions)), truth)
        return Answer(reply.text, verdict.right, verdict.why, [step.to_json() for step in reply.steps])


# ---------------------------------------------------------------- the suite


def run(
    *,
    cases: int,
    profile: str,
    controller: str | None = None,
    workers: int = 1,
    done: Done | None = None,
) -> dict[str, Any]:
    """Run the suite; the same cases give the same figures.

    Args:
        cases: in all, spread evenly over the kinds.
        profile: the models; those of `ROLES` are taken away in the second run.
        controller: a model spec, instead of the profile's controller.
        workers: processes side by side.
        done: told how far it is.

    Returns:
        JSON values: see `report`, and what was measured.

    Raises:
        UserError: a model of the profile is missing or does not fit its card.
    """
    from .agent import Plan, require_models

    models = require_models(Plan(profile=profile, controller=controller))
    begun = time.monotonic()
    asked = mixed_cases(cases)
    outcomes: list[Answered] = []
    make = partial(MixedBench, profile=profile, controller=controller)
    for outcome in side_by_side(make, [(case,) for case in asked], workers):
        outcomes.append(outcome)
        if done is not None:
            done(len(outcomes), len(asked))
    order = {case.name: place for place, case in enumerate(asked)}
    outcomes.sort(key=lambda one: order[one.name])
    return report(outcomes) | {
        "plan": {"cases": cases, "profile": profile, "controller": controller, "roles taken away": list(ROLES)},
        "models": models,
        "workers": workers,
        "seconds": round(time.monotonic() - begun, 1),
    }


def report(outcomes: Sequence[Answered]) -> dict[str, Any]:
    """The figures of all outcomes.

    `rows`: {group, name, cases, value, without, baseline, interval, bar, good}, shares of right answers with the whole
    profile, without `ROLES`, and before a blank picture; the interval is the first one's. `errors`: turns that ended in
    one; `failures`: the first cases whose answer was wrong with the whole profile.
    """
    from .agent import wilson

    def row(group: str, name: str, some: Sequence[Answered]) -> list[dict[str, Any]]:
        if not some:
            return []
        right = sum(one.whole.right for one in some)
        return [{
            "group": group, "name": name, "cases": len(some), "value": round(right / len(some), 4),
            "without": round(sum(one.without.right for one in some) / len(some), 4),
            "baseline": round(sum(one.blank.right for one in some) / len(some), 4),
            "interval": wilson(right, len(some)), "bar": None, "good": "high",
        }]  # fmt: skip

    rows = row("all", "all", outcomes)
    for group, kinds in (("core", CORE), ("language", LANGUAGE)):
        rows += row(group, "together", [one for one in outcomes if one.kind in kinds])
        for kind in kinds:
            rows += row(group, kind, [one for one in outcomes if one.kind == kind])
    for tag in (*ANSWERS, *WORDINGS):
        rows += row("open_question", tag, [one for one in outcomes if tag in one.tags])
    wrong = [one for one in outcomes if not one.whole.right]
    return {
        "cases": len(outcomes),
        "rows": rows,
        "errors": [
            f"{one.name}, {way}: {answer.error}"
            for one in outcomes
            for way, answer in (("whole", one.whole), ("without", one.without), ("blank", one.blank))
            if answer.error
        ],
        "failed": len(wrong),
        "failures": [asdict(one) for one in wrong[:FAILURES]],
    }
