"""The captioner's rows of the suite "experts": what its captions say of held-out scenes, read back word by word."""

from __future__ import annotations

from typing import Any

from ..settings import load_profile
from .judging.intervals import independent

ROLE = "captioner"
GROUP = "captions"
BAR = 0.8  # the least share of exact object sets that the training notes ask for

# (figure of the report, how the row is called, the figure of the same model that cannot see, the bar)
ROWS = (
    ("exact", "exact object set (colour and shape)", "blind_exact", BAR),
    ("exact_material", "exact object set, with material", None, None),
    ("exact_all", "exact object set, with material and size", None, None),
    ("recall", "things that are named", None, None),
    ("precision", "named things that are there", None, None),
    ("backdrop", "backdrop", None, None),
    ("short_true", "short captions that are true", "blind_short_true", None),
    ("crop", "one thing seen from near", None, None),
    ("unseen_pair_exact", "exact object set, pairs never trained on", None, None),
)


def run(cases: int, profile: str = "bundled") -> dict[str, Any]:
    """Measure the profile's captioner on scenes of the split test.

    Args:
        cases: scenes; a quarter as many with unseen pairs of shape and colour besides.
        profile: whose captioner.

    Returns:
        `report` (see `training.captioner.measure.figures`), and `rows` for the suite's table.

    Raises:
        UserError: the profile has no captioner, or its files are missing.
    """
    from ..tools.weights import resolve
    from ..training.captioner.measure import measure

    spec = load_profile(profile).spec(ROLE)
    folder = resolve(spec)
    report = measure(folder, cases)
    return {"report": report, "rows": rows_of(report)}


def rows_of(report: dict[str, Any]) -> list[dict[str, Any]]:
    """A measured report as rows of the suite's table; `baseline` is the same for the caption of another scene."""
    rows = [
        row(name, report[figure], _cases(report, figure), report[blind] if blind else None, bar)
        for figure, name, blind, bar in ROWS
    ]
    counts = report["exact_by_count"]
    return rows + [row(f"exact object set, {count} things", share, None, None, None) for count, share in counts.items()]


def row(name: str, value: float, cases: int | None, blind: float | None, bar: float | None) -> dict[str, Any]:
    """One row; shares in 0..1."""
    bounds = independent(round(value * cases), cases) if cases else None
    return {"group": GROUP, "name": name, "cases": cases or 0, "value": value, "interval": bounds, "baseline": blind,
            "bar": bar, "good": "high"}  # fmt: skip


def _cases(report: dict[str, Any], figure: str) -> int:
    return int(report["unseen_pair_cases"] if figure.startswith("unseen_pair") else report["cases"])
