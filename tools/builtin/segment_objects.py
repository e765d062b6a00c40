"""The tool that outlines things: `segment_objects`."""

from __future__ import annotations

from collections import defaultdict
from typing import Annotated, Any

import numpy as np
from pydantic import Field

from ...errors import ToolRetry
from ...memory.records import Region
from ..contracts import (
    AnyHandle,
    MaskDraft,
    Phrase,
    Recorded,
    RegionDraft,
    RegionHandle,
    Tool,
    ToolArguments,
    ToolContext,
    ToolResult,
)
from ..look import look
from ..requests import Masks, Segment
from ..shared.finding import MARGIN, find, finding_facts, finding_text, region_text
from ..shared.geometry import clip_box, mask_box, size_text

Pixel = Annotated[int, Field(ge=0, le=65535)]


class SegmentObjectsArguments(ToolArguments):
    """One of `phrase`, `regions` and `points`; `image` says where, unless regions say it already."""

    image: AnyHandle | None = None
    phrase: Phrase | None = None
    regions: Annotated[list[RegionHandle], Field(min_length=1, max_length=8)] | None = None
    points: Annotated[list[tuple[Pixel, Pixel]], Field(min_length=1, max_length=8)] | None = None


class SegmentObjects(Tool[SegmentObjectsArguments]):
    """Masks for regions that are known, for points, or for whatever a phrase names (the idea of LangSAM)."""

    name = "segment_objects"
    rank = 20
    Arguments = SegmentObjectsArguments
    roles = ("sam", "detector", "clip")

    def run(self, arguments: SegmentObjectsArguments, context: ToolContext) -> ToolResult:
        """Ask SAM with the boxes or points; all boxes on one picture go in one call of its decoder.

        Raises:
            ToolRetry: not exactly one of phrase, regions and points; no image; a point outside.
            ExpertFailed: an expert failed, or does not know such pictures.
        """
        chosen = [name for name in ("phrase", "regions", "points") if getattr(arguments, name) is not None]
        if len(chosen) != 1:
            given = f"{' and '.join(chosen)} were given" if chosen else "none of them was given"
            raise ToolRetry(f"Give exactly one of phrase, regions and points: {given}.", kind="bad_arguments")
        if arguments.regions is not None:
            return self._regions(arguments.regions, context)
        if arguments.image is None:
            known = ", ".join(context.workspace.handles()) or "none yet"
            raise ToolRetry(f"`image` is missing; with {chosen[0]}, say where. Handles: {known}.", kind="bad_arguments")
        if arguments.phrase is not None:
            return self._phrase(arguments.image, arguments.phrase, context)
        return self._points(arguments.image, arguments.points or [], context)

    def observe(self, arguments: SegmentObjectsArguments, recorded: Recorded) -> str:
        """What has a mask now, and how much of the picture each covers."""
        if arguments.phrase is not None:
            return finding_text(recorded.facts, recorded.regions, verb="outlined")
        areas = recorded.facts["areas"]
        if arguments.regions is not None:
            parts = [f"{region.handle} {region.label}, {areas[region.handle]} px" for region in recorded.masked]
            return f"Outlined {len(parts)}: {'; '.join(parts)}"
        place = f"{recorded.facts['image']} ({size_text(recorded.facts['size'])})"
        if not recorded.regions:
            return f"Nothing to outline at these points of {place}."
        region, size = recorded.regions[0], tuple(recorded.facts["size"])
        return f"1 outlined in {place}: {region_text(region, size)}, {areas['points']} px"

    def brief(self, recorded: Recorded) -> str:
        """What has a mask now."""
        masked = [*recorded.regions, *recorded.masked]
        listed = "; ".join(f"{one.handle} {one.label}" for one in masked)
        return f"{len(masked)} outlined: {listed}" if masked else "nothing to outline"

    def references(self, recorded: Recorded) -> dict[str, str]:
        """How many were outlined, and their handles."""
        masked = [*recorded.regions, *recorded.masked]
        handles = {"regions": ", ".join(str(one.handle) for one in masked)} if masked else {}
        return {"count": str(len(masked))} | handles

    def _regions(self, handles: list[str], context: ToolContext) -> ToolResult:
        by_picture: dict[str, list[Region]] = defaultdict(list)
        for handle in dict.fromkeys(handles):
            region = context.workspace.region(handle)
            by_picture[region.image or ""].append(region)
        drafts: dict[str, MaskDraft] = {}
        for image, regions in by_picture.items():
            view = look(context, image).view
            answer: Masks = context.experts.ask("sam", [Segment(view, boxes=tuple(one.box for one in regions))])[0]
            for region, mask, score in zip(regions, answer.masks, answer.scores, strict=True):
                assert region.handle is not None  # it was found by its handle
                drafts[region.handle] = MaskDraft(region.handle, np.asarray(mask, dtype=bool), round(float(score), 4))
        ordered = [drafts[handle] for handle in dict.fromkeys(handles)]
        return ToolResult(masks=ordered, facts={"areas": {one.region: int(one.mask.sum()) for one in ordered}})

    def _phrase(self, image: str, phrase: str, context: ToolContext) -> ToolResult:
        found = find(context, look(context, image, MARGIN), phrase)
        drafts = found.regions
        if drafts:
            view = context.view_of(found.picture, (0, 0, *found.picture.size))
            boxes = tuple(draft.box for draft in drafts)
            masks: Masks = context.experts.ask("sam", [Segment(view, boxes=boxes)])[0]
            drafts = [
                RegionDraft(draft.picture, draft.box, draft.label, draft.score, np.asarray(mask, dtype=bool))
                for draft, mask in zip(drafts, masks.masks, strict=True)
            ]
        return ToolResult(regions=drafts, facts=finding_facts(found, image, phrase))

    def _points(self, image: str, points: list[tuple[int, int]], context: ToolContext) -> ToolResult:
        picture = look(context, image).picture
        width, height = picture.size
        for x, y in points:
            if x >= width or y >= height:
                raise ToolRetry(
                    f"The point ({x}, {y}) lies outside {picture.handle}: x goes from 0 to {width - 1} and y from "
                    f"0 to {height - 1}, in pixels of the whole picture.",
                    kind="bad_arguments",
                )
        whole = context.view_of(picture, (0, 0, *picture.size))
        request = Segment(whole, points=tuple((float(x), float(y)) for x, y in points), labels=(1,) * len(points))
        answer: Masks = context.experts.ask("sam", [request])[0]
        mask = np.asarray(answer.masks[0], dtype=bool)
        box = mask_box(mask)
        facts: dict[str, Any] = {"image": picture.handle, "size": list(picture.size), "areas": {}}
        if box is None:
            return ToolResult(facts=facts)
        facts["areas"] = {"points": int(mask.sum())}
        label = f"part at ({points[0][0]}, {points[0][1]})"
        draft = RegionDraft(picture.id, clip_box(box, picture.size), label, round(float(answer.scores[0]), 4), mask)
        return ToolResult(regions=[draft], facts=facts)
