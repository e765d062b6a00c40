"""Names for things that were found: colour and material by CLIP, the kind by the detector ("red metal cube")."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from ..contracts import ToolContext
from ..requests import Classify
from .finding import MARGIN, Found

COLORS = ("red", "orange", "yellow", "green", "blue", "purple", "pink", "brown", "black", "white", "grey")
MATERIALS = ("wood", "metal", "plastic", "glass", "fabric", "paper", "stone", "leather", "rubber")
SURE_FROM = 0.5  # the share from which an adjective is said


def labels_of(about: Mapping[str, Any], facet: str) -> tuple[str, ...]:
    """The labels that CLIP chooses among for a facet: those that it declares; common ones for "color", "material".

    "colors" and "kinds" are lists, "materials" each label with the adjective that is said.
    """
    common = {"color": COLORS, "material": MATERIALS}
    return tuple(about.get(f"{facet}s", common.get(facet, ())))


def names_of(context: ToolContext, found: Sequence[Found]) -> list[list[str]]:
    """A name for every region that was found, picture by picture, in one batch.

    Which colours and materials CLIP is asked to choose from it declares itself: "colors" (a list) and "materials" (the
    label for each, and the adjective that is said). One that declares none is asked for common colours alone.

    Raises:
        ExpertFailed: CLIP failed.
    """
    crops = [
        replace(context.view_of(one.picture, region.box, MARGIN), load=one.view.load)
        for one in found
        for region in one.regions
    ]
    kinds = [region.label for one in found for region in one.regions]
    about = context.about("clip")
    colors: dict[str, str] = {name: name for name in about.get("colors", COLORS)}
    facets = [facet for facet in (colors, dict(about.get("materials", {}))) if facet]
    shares = iter(context.experts.ask("clip", [Classify(crop, tuple(facet)) for crop in crops for facet in facets]))
    names = iter(
        " ".join([*(facet[label] for facet in facets for label in _said(tuple(facet), next(shares))), kind])
        for kind in kinds
    )
    return [[next(names) for _ in one.regions] for one in found]


def _said(labels: Sequence[str], shares: Sequence[float]) -> list[str]:
    best = max(range(len(labels)), key=lambda index: float(shares[index]))
    return [labels[best]] if float(shares[best]) >= SURE_FROM else []
