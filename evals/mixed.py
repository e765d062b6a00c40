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
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..scenes.sample import sample_scene
from .cases.mixed import ANSWERS, CORE, LANGUAGE, WORDINGS, MixedCase, mixed_cases
from .judging.intervals import over_templates
from .judging.judges import Shown, Told, Verdict, judge
from .workers import outcomes as side_by_side
from .wrappers import Trusting, Varied, Without

if TYPE_CHECKING:
    from langchain_core.language_models.chat_models import BaseChatModel

    from ..tools.contracts import Experts

ROLES = ("llava", "captioner", "reader")  # that write words, and are taken away
TURNS = 3  # of a conversation
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
        return Verdict(False, "no number", f"said {text.strip()}, not {case.truth.value}")  # "no" alone is no number
    return judge(case.asked, case.truth, Told(text), shown)


def judge_read(text: str, word: str) -> Verdict:
    """Right when the answer says this word in capitals, and neither quotes another nor says one in capitals."""
    bare = _QUOTED.sub(" ", text)
    said = {unquoted(one) for one in _QUOTED.findall(text)} | set(_CAPITALS.findall(bare))
    if said != {word}:
        return Verdict(False, "another word" if said else "no word", f"said {', '.join(sorted(said))}, not {word}")
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
        settings = Settings(home=home, profile=profile, threads=1)
        self._experts = Varied(experts or ExpertPool(settings.chosen, settings.device, settings.threads))
        self._agent = Agent(profile, controller=controller, settings=settings, experts=self._experts)

    def close(self) -> None:
        """Close the agent's databases."""
        self._agent.close()

    def run(self, case: MixedCase) -> Answered:
        """Put a case to the agent in a conversation of its own; see `converse`."""
        return self.converse([case])[0]

    def converse(self, cases: Sequence[MixedCase]) -> list[Answered]:
        """Put cases to the agent as the turns of one conversation, each with its own picture; three times.

        A turn that ends in an error of any kind is wrong; `error` tells of what kind.
        """
        from .bench import blank, show

        shown = [show(sample_scene(case.scene, "test")) for case in cases]
        whole = self._answers(cases, shown, shown)
        with self._experts.under(partial(Without, profile=self._agent.profile, roles=ROLES)):
            without = self._answers(cases, shown, shown)
        with self._experts.under(Trusting):
            unseen = self._answers(cases, [blank(one) for one in shown], shown)
        return [
            Answered(
                name=case.name,
                set=case.set,
                kind=case.kind,
                tags=case.tags,
                family=case.family,
                scene=case.scene,
                request=case.request,
                truth={"kind": case.truth.kind, "value": case.truth.value, "things": list(case.truth.things)},
                whole=whole[at],
                without=without[at],
                blank=unseen[at],
            )
            for at, case in enumerate(cases)
        ]

    def _answers(self, cases: Sequence[MixedCase], shown: Sequence[Shown], truth: Sequence[Shown]) -> list[Answer]:
        from .bench import png

        chat = self._agent.chat(user=USER)
        answers: list[Answer] = []
        for at, (case, one, true) in enumerate(zip(cases, shown, truth, strict=True)):
            request = re.sub(r"\bimg_1\b", f"img_{at + 1}", case.request)
            try:
                reply = chat.send(request, [png(one.picture)])
            except Exception as error:  # a fault in one turn must not cost the other cases; the report tells it
                answers.append(Answer(why="the turn failed", error=f"{type(error).__name__}: {error}"[:500]))
                continue
            verdict = judge_mixed(case, Told(reply.text, tuple(region.box for region in reply.regions)), true)
            steps = [step.to_json() for step in reply.steps]
            answers.append(Answer(reply.text, verdict.right, verdict.why, steps))
        self._agent.remembering.wait()
        if chat.begun:
            self._agent.memory.forget(USER, chat=chat.id)
        shutil.rmtree(self._home / "evidence", ignore_errors=True)
        return answers


# ---------------------------------------------------------------- the suite


def run(
    *,
    cases: int,
    profile: str,
    controller: str | None = None,
    workers: int = 1,
    done: Done | None = None,
    show_failures: bool = False,
) -> dict[str, Any]:
    """Run the suite; the same cases give the same figures.

    Args:
        cases: in all, spread evenly over the kinds.
        profile: the models; those of `ROLES` are taken away in the second run.
        controller: a model spec, instead of the profile's controller.
        workers: processes side by side.
        done: told how far it is.
        show_failures: the report holds failed cases in words.

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
    held = [(asked[start : start + TURNS],) for start in range(0, len(asked), TURNS)]
    for answered in side_by_side(make, held, workers, "converse"):
        outcomes += answered
        if done is not None:
            done(len(outcomes), len(asked))
    order = {case.name: place for place, case in enumerate(asked)}
    outcomes.sort(key=lambda one: order[one.name])
    return report(outcomes, words=show_failures) | {
        "plan": {
            "cases": cases,
            "profile": profile,
            "controller": controller,
            "roles taken away": list(ROLES),
            "turns of a conversation": TURNS,
            "remembering": True,
        },
        "models": models,
        "workers": workers,
        "seconds": round(time.monotonic() - begun, 1),
    }


def report(outcomes: Sequence[Answered], *, words: bool = False) -> dict[str, Any]:
    """The figures of all outcomes.

    `rows`: {group, name, cases, value, without, baseline, interval, bar, good}, shares of right answers with the whole
    profile, without `ROLES`, and before a blank picture; the interval is the first one's. `errors`: how
    many turns ended in one, by its kind; `wrong`: why answers of the whole profile were wrong, by kind of request. With
    `words` also `failures`, the first such cases, whole.
    """
    from .agent import kinds_of_failure

    def row(group: str, name: str, some: Sequence[Answered]) -> list[dict[str, Any]]:
        if not some:
            return []
        right = sum(one.whole.right for one in some)
        families = [(one.set, one.family) for one in some]
        return [{
            "group": group, "name": name, "cases": len(some), "value": round(right / len(some), 4),
            "without": round(sum(one.without.right for one in some) / len(some), 4),
            "baseline": round(sum(one.blank.right for one in some) / len(some), 4),
            "interval": over_templates([one.whole.right for one in some], families), "bar": None, "good": "high",
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
        "errors": dict(
            Counter(
                answer.error.partition(":")[0]
                for one in outcomes
                for answer in (one.whole, one.without, one.blank)
                if answer.error
            )
        ),
        "failed": len(wrong),
        "wrong": kinds_of_failure((one.kind, one.whole.why) for one in wrong),
        **({"failures": [asdict(one) for one in wrong[:FAILURES]]} if words else {}),
    }
