"""The suite "tools": does the controller call the right tool, with the right arguments, for each kind of request?

Requests in held-out families of phrasing are put to the whole agent; its experts answer from the scenes' truth, so
that the controller alone is measured. A case is exact when every call is the one that the gold behaviour makes after
what was observed before. Beside it stands what a controller would reach that always makes the most frequent call.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..training.controller.wording.families import HELD_OUT
from .cases.tools import ToolCase, tool_cases
from .judging.intervals import over_templates
from .workers import outcomes as side_by_side

if TYPE_CHECKING:
    from langchain_core.language_models.chat_models import BaseChatModel

SEED = 2026
BAR = 0.90
FAILURES = 60  # that the report shows

Done = Callable[[int, int], None]


@dataclass(frozen=True)
class Called:
    """How a case went, in JSON values."""

    name: str
    set: str
    intent: str
    family: str
    request: str
    tools: tuple[str, ...]  # that the gold behaviour calls first
    steps: list[dict[str, Any]] = field(default_factory=list)
    answer: str = ""
    exact: bool = False
    error: str = ""


class ToolBench:
    """One agent with experts that never err, for many cases."""

    def __init__(self, home: Path, profile: str, controller: str | BaseChatModel | None) -> None:
        from ..agent.agent import Agent
        from ..settings import Settings
        from ..testing.experts import TrueExperts, Truth

        self._truths: dict[str, Truth] = {}
        settings = Settings(home=home, profile=profile, threads=1)
        experts = TrueExperts(self._truths.__getitem__)
        self._agent = Agent(profile, controller=controller, settings=settings, experts=experts)

    def close(self) -> None:
        """Close the agent's databases."""
        self._agent.close()

    def run(self, case: ToolCase) -> Called:
        """Put a case to the agent. A turn that ends in an error of any kind is wrong; `error` tells it."""
        from PIL import Image

        from ..scenes.sample import sample_scene
        from ..tools.embedder import view_of_image
        from ..training.controller.plans.plans import PLANS
        from .bench import follows, png, show

        shown = [show(sample_scene(seed, "test")) for seed in case.scenes]
        pictures = [png(one.picture) for one in shown]
        for one, data in zip(shown, pictures, strict=True):
            truth = one.scene, one.boxes, one.masks
            self._truths[f"pic_{self._agent.store.decode(data).sha256[:12]}"] = truth
            self._truths[view_of_image(Image.fromarray(one.picture)).picture] = truth  # as memory asks for it
        first = next(PLANS[case.intent](case.ask))
        tools = tuple(name for name, _ in first.calls)
        made = Called(case.name, case.set, case.intent, case.family, case.request, tools)
        try:
            reply = self._agent.chat(user=case.name).send(case.request, pictures)
        except Exception as error:  # a fault in one turn must not cost the other cases; the report tells it
            return replace(made, error=f"{type(error).__name__}: {error}"[:500])
        finally:
            self._agent.remembering.wait()
            self._truths.clear()
        exact = follows(PLANS[case.intent](case.ask), reply.steps, self._agent.tools)
        return replace(made, steps=[one.to_json() for one in reply.steps], answer=reply.text, exact=exact)


def run(
    *,
    cases: int,
    profile: str,
    controller: str | None = None,
    workers: int = 1,
    done: Done | None = None,
    sets: Sequence[str] = HELD_OUT,
    show_failures: bool = False,
) -> dict[str, Any]:
    """Run the suite; the same cases give the same figures.

    Args:
        cases: for each held-out set, spread evenly over its intents.
        profile: whose controller is measured.
        controller: a model spec, instead of the profile's controller.
        workers: processes side by side.
        done: told how far it is.
        sets: the held-out sets.
        show_failures: the report holds failed cases in words.

    Returns:
        JSON values: `rows` of {group, name, cases, value, interval, baseline, bar, good}, shares all; and what was
        measured.

    Raises:
        UserError: the controller is missing or does not fit its card.
    """
    from .agent import Plan, require_models

    models = require_models(Plan(profile=profile, controller=controller, true_experts=True))
    begun = time.monotonic()
    asked = [case for name in sets for case in tool_cases(SEED, cases, name)]
    outcomes: list[Called] = []
    make = partial(ToolBench, profile=profile, controller=controller)
    for outcome in side_by_side(make, [(case,) for case in asked], workers):
        outcomes.append(outcome)
        if done is not None:
            done(len(outcomes), len(asked))
    outcomes.sort(key=lambda one: one.name)
    return report(outcomes, words=show_failures) | {
        "plan": {
            "cases": cases,
            "seed": SEED,
            "profile": profile,
            "controller": controller,
            "turns of a conversation": 1,
            "remembering": True,
        },
        "models": models,
        "seconds": round(time.monotonic() - begun, 1),
    }


def report(outcomes: Sequence[Called], *, words: bool = False) -> dict[str, Any]:
    """The figures of all outcomes: every set, the intents over all sets, the intents of each set.

    `wrong`: how many cases of each intent were not exact; with `words` also `failures`, the first of them, whole.
    """
    usual = Counter(one.tools for one in outcomes).most_common(1)[0][0] if outcomes else ()

    def row(group: str, name: str, some: Sequence[Called], bar: float | None = None) -> dict[str, Any]:
        exact = sum(one.exact for one in some)
        families = [(one.set, one.family) for one in some]
        return {
            "group": group, "name": name, "cases": len(some), "value": round(exact / len(some), 4),
            "interval": over_templates([one.exact for one in some], families), "bar": bar, "good": "high",
            "baseline": round(sum(one.tools == usual for one in some) / len(some), 4),
        }  # fmt: skip

    sets = list(dict.fromkeys(one.set for one in outcomes))
    intents = list(dict.fromkeys(one.intent for one in outcomes))
    rows = [row("sets", name, [one for one in outcomes if one.set == name], BAR) for name in sets]
    rows += [row("intents, all sets", name, [one for one in outcomes if one.intent == name]) for name in intents]
    for chosen in sets:
        of_set = [one for one in outcomes if one.set == chosen]
        rows += [
            row(f"intents, set {chosen}", name, [one for one in of_set if one.intent == name])
            for name in intents
            if any(one.intent == name for one in of_set)
        ]
    wrong = [one for one in outcomes if not one.exact]
    return {
        "cases": len(outcomes),
        "rows": rows,
        "worst": min((one["value"] for one in rows[: len(sets)]), default=None),
        "errors": dict(Counter(one.error.partition(":")[0] for one in outcomes if one.error)),
        "failed": len(wrong),
        "wrong": dict(Counter(one.intent for one in wrong)),
        **({"failures": [asdict(one) for one in wrong[:FAILURES]]} if words else {}),
    }
