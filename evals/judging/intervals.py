"""How sure a share is: 95 % intervals over templates.

Cases of one template (a family of phrasing, a conversation, a scene) are alike, so five hundred cases out of twenty
templates say less than five hundred that are independent. The variance is taken between templates, as of a ratio under
cluster sampling (Cochran 1977, section 11.2), and turned into the number of independent cases that would be as sure;
Wilson's score then gives the interval, which holds near 0 and 1 too (the way of Korn and Graubard 1998).
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence

NORMAL_95 = 1.959964

Interval = tuple[float, float]


def over_templates(right: Sequence[bool], templates: Sequence[Hashable]) -> Interval | None:
    """The 95 % interval of a share of cases that come from templates; None of no cases.

    Args:
        right: one a case.
        templates: which template each case comes from; one of its own for each where they are independent.
    """
    if not right:
        return None
    return wilson(sum(right) / len(right), effective_cases(right, templates))


def effective_cases(right: Sequence[bool], templates: Sequence[Hashable]) -> float:
    """How many independent cases would be as sure of the share; never more than there are.

    Where all are right, or all wrong, nothing is known of how alike the cases of a template are: then each template
    counts as one case, which errs on the side of too wide.
    """
    cases = len(right)
    share = sum(right) / cases
    by_template: dict[Hashable, list[bool]] = {}
    for good, template in zip(right, templates, strict=True):
        by_template.setdefault(template, []).append(good)
    count = len(by_template)
    if count in (1, cases):
        return float(cases) if count == cases else 1.0
    if share in (0.0, 1.0):
        return float(count)
    squares = sum((sum(some) - share * len(some)) ** 2 for some in by_template.values())
    variance = count / (count - 1) * squares / cases**2
    return min(float(cases), share * (1 - share) / variance) if variance > 0 else float(cases)


def wilson(share: float, cases: float) -> Interval | None:
    """Wilson's 95 % interval of a share of independent cases; None of no cases."""
    if not cases:
        return None
    z = NORMAL_95
    centre = (share + z * z / (2 * cases)) / (1 + z * z / cases)
    half = z / (1 + z * z / cases) * math.sqrt(share * (1 - share) / cases + z * z / (4 * cases * cases))
    return round(max(0.0, centre - half), 4), round(min(1.0, centre + half), 4)


def independent(right: int, cases: int) -> Interval | None:
    """The 95 % interval of a share of cases that are drawn independently of each other (scenes, pictures)."""
    return wilson(right / cases, cases) if cases else None
