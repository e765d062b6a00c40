"""The suite "experts": LLaVA by itself on held-out scenes, each figure beside the same model's before a blank picture.

Everything is asked through the experts, as tools ask them, of pictures of 512 px.

Rows are those of the training notes: VQA as a whole and by kind, hops, type of answer and family, conversations of
five turns, statements about one picture (FOIL) and about two (NLVR), words, and one look against two. The captioner's
rows follow, and how well pictures that the models do not know are told (`likeness`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Sequence
from typing import Any

from ..settings import load_profile
from ..training.llava.cases import Case
from ..training.llava.measure import right
from .captions import run as caption_figures
from .judging.intervals import over_templates
from .models import models_of
from .outside.likeness import run as likeness_figures

ROLE = "llava"
# (group, tag) -> the least share that the training notes ask for; "" is the whole group.
BARS: dict[tuple[str, str], float] = {
    ("vqa", ""): 0.88,
    ("vqa", "kind query"): 0.98,
    ("vqa", "kind exist"): 0.98,
    ("vqa", "kind count"): 0.94,
    ("vqa", "kind compare"): 0.94,
    ("vqa", "hops two_hop"): 0.92,
    ("vqa, phrasings held out", ""): 0.88,
    ("dialog", ""): 0.93,
    ("dialog, phrasings held out", ""): 0.93,
    ("nlvr", ""): 0.90,
    ("nlvr, phrasings held out", ""): 0.90,
    ("words in a crop", ""): 0.80,
}
MOST_SCENES = 1000  # that the captioner, and the likeness to the drawn world, are measured on
HIDDEN_TAGS = ("family",)  # too many for a table; they stand in the JSON


def run(cases: int, profile: str = "bundled", done: Callable[[int, int], None] | None = None) -> dict[str, Any]:
    """Measure the profile's LLaVA, its captioner, and how it tells pictures that it does not know.

    Args:
        cases: questions of VQA; the other groups follow in proportion, about twice as many in all.
        profile: whose models.
        done: is told how many questions are done, and of how many.

    Raises:
        UserError: the profile has no LLaVA or no captioner, or files are missing.
    """
    from ..tools.pool import ExpertPool
    from ..training.llava.cases import all_cases
    from ..training.llava.measure import report_of
    from .llava_expert import ExpertAsker

    chosen = load_profile(profile)
    chosen.spec(ROLE)
    models = models_of(chosen, {ROLE, "captioner", "clip"})
    begun = time.perf_counter()
    captions = caption_figures(min(cases, MOST_SCENES), profile)
    likeness = likeness_figures(min(cases, MOST_SCENES), profile)
    every = all_cases(cases)
    report = report_of(ExpertAsker(ExpertPool(chosen)), every, done=done)
    return {
        "cases": report["cases"],
        "plan": {"cases": cases, "profile": profile, "split": "test", "asked through": "the experts, at 512 px"},
        "models": models,
        "rows": [*rows_of(report, every), *captions["rows"], *likeness["rows"]],
        "groups": report | {"captions": captions["report"], "likeness": likeness["report"]},
        "seconds": round(time.perf_counter() - begun, 1),
    }


def marks_of(cases: Sequence[Case]) -> dict[tuple[str, str], tuple[list[bool], list[Hashable]]]:
    """(group, tag) -> whether each answer was right, and the template that it comes from; "" is the whole group.

    Of VQA a template is a family of questions, of a conversation all its turns are of one; other cases stand for
    themselves.
    """
    marks: dict[tuple[str, str], tuple[list[bool], list[Hashable]]] = {}
    for number, case in enumerate(cases):
        for said, answer, tags in zip(case.said, case.answers, case.tags, strict=True):
            good = right(case.group, said, answer)
            for tag in ("", *tags):
                some, templates = marks.setdefault((case.group, tag), ([], []))
                some.append(good)
                templates.append(case.template or number)
    return marks


def rows_of(report: dict[str, Any], cases: Sequence[Case] = ()) -> list[dict[str, Any]]:
    """A measured report as rows of a table, group by group; of its cases come the intervals."""
    rows: list[dict[str, Any]] = []
    marks = marks_of(cases)
    for group, one in report.items():
        if not isinstance(one, dict):
            continue
        rows.append(
            _row(
                group,
                "all",
                one["right"],
                one["cases"],
                one.get("blind"),
                BARS.get((group, "")),
                mark=marks.get((group, "")),
            )
        )
        if "whole conversations" in one:
            rows.append(
                _row(group, "whole conversations", one["whole conversations"], one["conversations"], None, None)
            )
        if "character_error_rate" in one:
            rows.append(
                _row(group, "character error rate", one["character_error_rate"], one["cases"], None, None, "low")
            )
        for tag, part in one["by"].items():
            if not tag.startswith(HIDDEN_TAGS):
                rows.append(
                    _row(
                        group,
                        tag,
                        part["right"],
                        part["cases"],
                        part.get("blind"),
                        BARS.get((group, tag)),
                        mark=marks.get((group, tag)),
                    )
                )
    return rows


def _row(
    group: str,
    name: str,
    value: float,
    cases: int,
    blind: float | None,
    bar: float | None,
    good: str = "high",
    mark: tuple[list[bool], list[Hashable]] | None = None,
) -> dict[str, Any]:
    bounds = None if mark is None else over_templates(*mark)
    return {"group": group, "name": name, "cases": cases, "value": value, "interval": bounds, "baseline": blind,
            "bar": bar, "good": good}  # fmt: skip
