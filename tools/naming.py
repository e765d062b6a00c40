"""Names for things that were found: colour and material by CLIP, the kind by the detector ("red metal cube")."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from .contracts import ToolContext
from .finding import MARGIN, Found
from .requests import Classify

COLORS = ("red", "orange", "yellow", "green", "blue", "purple", "pink", "brown", "black", "white", "grey")
MATERIALS = {"rubber": "rubber", "metal": "metal", "wood": "wooden"}  # the label, and the adjective
SURE_FROM = 0.5  # the share from which an adjective is said


def names_of(context: ToolContext, found: Sequence[Found]) -> list[list[str]]:
    """A name for every region that was found, picture by picture, in one batch.

    Raises:
        ExpertFailed: CLIP failed.
    """
    crops = [
        replace(context.view_of(one.picture, region.box, MARGIN), load=one.view.load)
        for one in found
        for region in one.regions
    ]
    kinds = [region.label for one in found for region in one.regions]
    labels = (COLORS, tuple(MATERIALS))
    shares = context.experts.ask("clip", [Classify(crop, of) for crop in crops for of in labels])
    names = iter(
        " ".join([*_said(COLORS, color), *(MATERIALS[word] for word in _said(tuple(MATERIALS), material)), kind])
        for kind, color, material in zip(kinds, shares[::2], shares[1::2], strict=True)
    )
    return [[next(names) for _ in one.regions] for one in found]


def _said(labels: Sequence[str], shares: Sequence[float]) -> list[str]:
    best = max(range(len(labels)), key=lambda index: float(shares[index]))
    return [labels[best]] if float(shares[best]) >= SURE_FROM else []
