"""Find the things that a phrase names: a detector proposes boxes, CLIP judges a crop of each.

The idea is RegionCLIP's: a detector knows few names but good boxes, and CLIP knows whole phrases.
Each crop is cut from the original at its own resolution, so a small thing is seen as well as a
large one. A crop hides how big a thing is, so size is judged from the box.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np

from ...errors import ToolRetry
from ...memory.records import Box, Picture, Region
from ..contracts import RegionDraft, ToolContext, View
from ..look import Look
from ..requests import Detect, Match
from .geometry import SMALL_BELOW, Order, Size, box_text, clip_box, position, size_class, size_text, sort_key

EVERYTHING = "everything"
ANYTHING = frozenset({EVERYTHING, "anything", "thing", "object", "item"})  # words that say nothing for CLIP to judge
MARGIN = 0.1  # how much of the surroundings a crop shows, as a share of its longer side
TRUE_FROM = 0.5  # the likelihood from which a phrase is taken to be true of a crop
SAME_THING = 0.7  # boxes that overlap by more (IoU) are of one thing


@dataclass(frozen=True)
class Found:
    """What was found in a picture, in the order that was asked for. `total` counts what `at_most` cut off, too."""

    picture: Picture
    view: View
    regions: list[RegionDraft]
    total: int


def clean(phrase: str) -> str:
    """A phrase with every run of white space made one blank.

    Raises:
        ToolRetry: nothing is left.
    """
    words = " ".join(phrase.split())
    if not words:
        raise ToolRetry('`phrase` is empty; name a thing, as in "red cube", or "everything".', kind="bad_arguments")
    return words


def find(
    context: ToolContext,
    seen: Look,
    phrase: str = EVERYTHING,
    *,
    size: Size = "any",
    order: Order = "score",
    at_most: int = 20,
) -> Found:
    """The regions of a picture, or of a part of one, that a phrase names.

    Args:
        context: where the pictures are and who to ask.
        seen: what to look at; in a region, the detector sees only its crop.
        phrase: what to look for, in singular; "everything" (or just "thing") keeps each box under the detector's
            own name for it.
        size: keep only things whose longer side is small or large beside the picture.
        order: what comes first.
        at_most: how many are kept.

    Returns:
        Drafts with boxes in pixels of the whole picture. `score` is CLIP's likelihood of the phrase,
        or the detector's confidence where everything was asked for.

    Raises:
        ToolRetry: an empty phrase.
        ExpertFailed: an expert failed.
    """
    phrase = clean(phrase)
    apart = asked_for_only(context.about("detector"))
    named = phrase.lower() not in ANYTHING | apart
    picture = seen.picture
    load = cache(seen.view.load)  # all the crops are cut from one opening of the picture
    view = replace(seen.view, load=load)
    detections = context.experts.ask("detector", [Detect(view, phrase if phrase.lower() not in ANYTHING else None)])[0]
    detections = apart_for(detections, [phrase.lower()], apart)
    boxes, scores, labels = thin_out(detections, picture.size)
    if named and boxes:
        crops = [replace(context.view_of(picture, box, MARGIN), load=load) for box in boxes]
        scores = [float(p[0]) for p in context.experts.ask("clip", [Match(crop, (phrase,)) for crop in crops])]
        labels = [phrase] * len(boxes)
    small = float(context.about("detector").get("small_below", SMALL_BELOW))
    drafts = [
        RegionDraft(picture.id, box, label, round(score, 4))
        for box, label, score in zip(boxes, labels, scores, strict=True)
        if (not named or score >= TRUE_FROM) and size in ("any", size_class(box, picture.size, small))
    ]
    drafts.sort(key=lambda draft: sort_key(order, draft.box, draft.score or 0.0))
    return Found(picture, view, drafts[:at_most], len(drafts))


def asked_for_only(about: Mapping[str, Any]) -> frozenset[str]:
    """The names, singular and plural, of things that are left out unless they are asked for.

    A detector declares them as "asked_for_only" (the bundled one: signs, whose boxes are for reading).
    """
    names = about.get("asked_for_only", ())
    return frozenset([*names, *(f"{name}s" for name in names)])


def apart_for(detections: Any, phrases: Sequence[str], apart: frozenset[str]) -> Any:
    """Without the things that are asked for only by name, where no phrase names them; only those where all do."""
    names = detections.data.get("class_name")
    if names is None or not len(detections):
        return detections
    alone = [phrase in apart for phrase in phrases]
    if all(alone):
        return detections[np.isin(names, list(apart))]
    if any(alone) or any(apart & set(phrase.split()) for phrase in phrases):
        return detections
    return detections[~np.isin(names, list(apart))]


def things_in(
    detections: Any, size: tuple[int, int], apart: frozenset[str] = frozenset()
) -> tuple[list[Box], list[float], list[str]]:
    """Boxes, scores and labels of all the things in `sv.Detections` but those named in `apart`, best first."""
    return thin_out(apart_for(detections, [EVERYTHING], apart), size)


def thin_out(detections: Any, size: tuple[int, int]) -> tuple[list[Box], list[float], list[str]]:
    """Boxes, scores and labels of `sv.Detections`, one a thing, best first."""
    if not len(detections):
        return [], [], []
    if detections.confidence is None:
        detections.confidence = np.ones(len(detections))
    # Whatever their classes: two names for one thing are one thing.
    kept = detections.with_nms(SAME_THING, class_agnostic=True)
    order = np.argsort(-kept.confidence, kind="stable")
    names = kept.data.get("class_name", np.full(len(kept), "thing"))
    boxes = [clip_box(kept.xyxy[index], size) for index in order]
    return boxes, [float(kept.confidence[index]) for index in order], [str(names[index]) for index in order]


def finding_facts(found: Found, handle: str, phrase: str, size: str = "any", order: str = "score") -> dict[str, Any]:
    """What `finding_text` needs besides the regions, as JSON values."""
    return {
        "look": handle,
        "image": found.picture.handle,
        "size": list(found.picture.size),
        "phrase": clean(phrase),
        "only": size,
        "order": order,
        "total": found.total,
    }


def finding_text(facts: dict[str, Any], regions: Sequence[Region], verb: str = "found") -> str:
    """The observation of a search: how many, where one looked, and each region with place, box and score."""
    size = (facts["size"][0], facts["size"][1])
    inside = "" if facts["look"] == facts["image"] else f"in {facts['image']}, "
    place = f"{facts['look']} ({inside}{size_text(size)})"
    wanted = "" if facts["phrase"].lower() == EVERYTHING else f' for "{facts["phrase"]}"'
    if facts["only"] != "any":
        wanted += f", {facts['only']} only"
    if not regions:
        return f"Nothing found in {place}{wanted}."
    count = f"{len(regions)}" if facts["total"] == len(regions) else f"{len(regions)} of {facts['total']}"
    if facts["order"] != "score":
        wanted += f", {facts['order']} first"
    return f"{count} {verb} in {place}{wanted}: {'; '.join(region_text(region, size) for region in regions)}"


def region_text(region: Region, size: tuple[int, int]) -> str:
    """One region in words: "reg_1 red cube, upper left, (34, 50, 100, 120), 0.98"."""
    score = "" if region.score is None else f", {region.score:.2f}"
    return f"{region.handle} {region.label}, {position(region.box, size)}, {box_text(region.box)}{score}"
