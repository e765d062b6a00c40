"""End to end: held-out requests about unseen scenes, put to the whole agent and judged against the truth.

Three sets of families of phrasing were never trained on; the worst set counts. Beside each figure stand
two baselines on half of the cases: the same controller shown a blank picture, and one look instead of two.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..settings import Settings
from ..training.controller.wording.families import HELD_OUT
from .judging.intervals import over_templates
from .models import models_of
from .workers import outcomes as side_by_side

if TYPE_CHECKING:
    from .bench import Bench, Outcome
    from .cases.agent import Case

SEED = 2026  # of the cases
BARS = {"exact": 0.90, "answer": 0.85}  # in the worst set, with models trained on a CPU
FAILURES = 50  # that the report shows
BLOCK = 15  # after so many cases every intent came in its due share
TURNS = 3  # of a conversation


@dataclass(frozen=True)
class Plan:
    """What to run: cases a set, the models, and how many blocks of cases there are to one that meets the baselines."""

    cases: int = 500
    seed: int = SEED
    profile: str = "bundled"
    controller: str | None = None
    true_experts: bool = False  # experts answer from the truth: the controller alone
    gold_controller: bool = False  # the gold behaviour controls: the experts alone
    every: int = 2
    show_failures: bool = False  # the report holds failed cases in words: a set is spent once they were looked at

    def numbered(self) -> list[tuple[Case, bool]]:
        """Every case, and whether it also meets the baselines."""
        from .cases.agent import agent_cases

        return [
            (case, (number // BLOCK) % self.every == 0)
            for held_out in HELD_OUT
            for number, case in enumerate(agent_cases(self.seed, self.cases, held_out))
        ]


def conversations(numbered: Sequence[tuple[Case, bool]]) -> list[list[tuple[Case, bool]]]:
    """The cases as conversations of `TURNS` turns, each within one set and all with or all without the baselines."""
    groups: dict[tuple[str, bool], list[tuple[Case, bool]]] = {}
    for case, baselines in numbered:
        groups.setdefault((case.name[0], baselines), []).append((case, baselines))
    return [some[start : start + TURNS] for some in groups.values() for start in range(0, len(some), TURNS)]


def run(plan: Plan, workers: int = 1, done: Callable[[int, int], None] | None = None) -> dict[str, Any]:
    """Run the cases in `workers` processes and give the report; the same plan gives the same figures.

    Args:
        plan: what to run.
        workers: processes; each loads the models once and computes with one thread.
        done: is told how many cases are done, and of how many.

    Raises:
        UserError: a model of the profile is missing or does not fit its card.
    """
    models = require_models(plan)
    begun = time.monotonic()
    numbered = plan.numbered()
    outcomes: list[Outcome] = []
    held = [([case for case, _ in some], some[0][1]) for some in conversations(numbered)]
    for answered in side_by_side(partial(bench_of, plan=plan), held, workers, "converse"):
        outcomes += answered
        if done is not None:
            done(len(outcomes), len(numbered))
    order = {case.name: place for place, (case, _) in enumerate(numbered)}
    outcomes.sort(key=lambda outcome: order[outcome.name])
    seconds = time.monotonic() - begun
    return report(outcomes, words=plan.show_failures) | {
        "plan": {**asdict(plan), "turns of a conversation": TURNS, "remembering": True},
        "models": models,
        "workers": workers,
        "seconds": round(seconds, 1),
        "turns_per_second": round(sum(outcome.turns for outcome in outcomes) / seconds, 2),
    }


def require_models(plan: Plan) -> dict[str, dict[str, str | None]]:
    """The models that take part, told before the first case (see `models.models_of`).

    Raises:
        UserError: a model is missing or does not fit its card; the message names the mend.
    """
    chosen = Settings(profile=plan.profile, controller=plan.controller).chosen
    left_out = {role for role in chosen.models if (plan.gold_controller if role == "controller" else plan.true_experts)}
    return models_of(chosen, chosen.models.keys() - left_out)


def bench_of(home: Path, plan: Plan) -> Bench:
    """The bench of a plan."""
    from .bench import Bench

    return Bench(
        home,
        profile=plan.profile,
        controller=plan.controller,
        true_experts=plan.true_experts,
        gold_controller=plan.gold_controller,
    )


def report(outcomes: Sequence[Outcome], *, words: bool = False) -> dict[str, Any]:
    """The figures of all outcomes, as JSON values.

    `sets`: for each set a row with `intents` and `families` (rows too); `intents` and `small`: rows over all
    sets, `small` only of cases about small things; `worst`: the worst set's name and share for each bar;
    `turns`: rows by the turn of the conversation; `errors`: how many turns ended in one, by its kind, each a fault to
    mend; `failed`: how many cases were not exact or not right, and `wrong`: why answers were wrong, by intent. With
    `words` also `failures`, the first cases that failed, whole.
    """
    sets = {
        name: row(name, of_set) | {
            "intents": _rows(of_set, lambda outcome: outcome.intent),
            "families": _rows(of_set, lambda outcome: outcome.family),
        }
        for name in HELD_OUT
        if (of_set := [outcome for outcome in outcomes if outcome.set == name])
    }  # fmt: skip
    worst = {
        figure: min(({"set": name, "share": one[figure], "bar": bar} for name, one in sets.items()), key=_share)
        for figure, bar in BARS.items()
    }
    small = [outcome for outcome in outcomes if outcome.small]
    failed = [outcome for outcome in outcomes if not (outcome.exact and outcome.right)]
    return {
        "cases": len(outcomes),
        "worst": worst,
        "passed": all(one["share"] >= one["bar"] for one in worst.values()),
        "all": row("all", outcomes),
        "sets": sets,
        "intents": _rows(outcomes, lambda outcome: outcome.intent),
        "small": [*_rows(small, lambda outcome: outcome.intent), row("all", small)],
        "turns": _rows(outcomes, lambda outcome: f"turn {outcome.turn}"),
        "errors": dict(Counter(error.partition(":")[0] for one in outcomes for error in one.errors)),
        "failed": len(failed),
        "wrong": kinds_of_failure((one.intent, one.why) for one in failed if not one.right),
        **({"failures": [asdict(outcome) for outcome in failed[:FAILURES]]} if words else {}),
    }


def kinds_of_failure(failed: Iterable[tuple[str, str]]) -> dict[str, dict[str, int]]:
    """Why answers were wrong: intent -> kind -> how many, the most frequent first. No word of any case."""
    counted: dict[str, Counter[str]] = {}
    for intent, why in failed:
        counted.setdefault(intent, Counter())[why] += 1
    return {intent: dict(some.most_common()) for intent, some in sorted(counted.items())}


def _share(one: dict[str, Any]) -> float:
    return float(one["share"])


def _rows(outcomes: Sequence[Outcome], key: Callable[[Outcome], str]) -> list[dict[str, Any]]:
    names = dict.fromkeys(key(outcome) for outcome in outcomes)
    return [row(name, [outcome for outcome in outcomes if key(outcome) == name]) for name in names]


def row(name: str, outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """One row of a table: shares in 0..1 (None of no cases) and 95 % intervals over families of phrasing.

    `blank_answer`, `once_answer` and `twice_answer` (two looks, as always) are all of the same `baseline_cases`.
    """
    both = [outcome for outcome in outcomes if outcome.blank is not None]
    looked = [outcome for outcome in both if outcome.once is not None]
    exact = sum(outcome.exact for outcome in outcomes)
    right = sum(outcome.right for outcome in outcomes)
    families = [(outcome.set, outcome.family) for outcome in outcomes]
    return {
        "name": name,
        "cases": len(outcomes),
        "exact": _part(exact, len(outcomes)),
        "exact_interval": over_templates([one.exact for one in outcomes], families),
        "exact_given_seen": _part(sum(outcome.exact_given_seen for outcome in outcomes), len(outcomes)),
        "answer": _part(right, len(outcomes)),
        "answer_interval": over_templates([one.right for one in outcomes], families),
        "baseline_cases": len(both),
        "blank_answer": _part(sum(bool(outcome.blank) for outcome in both), len(both)),
        "once_answer": _part(sum(bool(one.once) for one in looked), len(looked)),
        "twice_answer": _part(sum(outcome.right for outcome in both), len(both)),
    }


def _part(some: int, of: int) -> float | None:
    return round(some / of, 4) if of else None
