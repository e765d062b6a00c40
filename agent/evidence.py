"""One picture that shows what an answer rests on: boxes, masks, and the handle and label of each region."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

from ..memory.records import Region

if TYPE_CHECKING:
    import numpy as np
    from PIL import Image

    from ..tools.contracts import Workspace

# Clearly apart from each other and from most pictures; regions take them in turn.
COLORS = ["#e6194b", "#0082c8", "#3cb44b", "#f58231", "#911eb4", "#008080", "#f032e6", "#806000", "#000080", "#c0392b"]
SHORTEST, LONGEST = 768, 1536  # px: small pictures are enlarged so that words are legible, large ones reduced
GAP = 12  # px between two pictures


def draw_evidence(workspace: Workspace, regions: Sequence[Region], path: Path) -> Path:
    """Draw the regions on their pictures and write the result as one PNG.

    Regions of several pictures give those pictures side by side, in the order of their first mention.

    Args:
        workspace: gives pixels and masks.
        regions: at least one.
        path: where the PNG goes; folders are made, and the file is whole or not there.
    """
    by_picture: dict[str, list[Region]] = {}
    for region in regions:
        by_picture.setdefault(region.picture, []).append(region)
    order = {region.id: index for index, region in enumerate(regions)}
    panels: list[Image.Image] = []
    for picture, several in by_picture.items():
        masks = [workspace.open_mask(one) for one in several]
        panels.append(annotate(workspace.open(picture), several, masks, [order[one.id] for one in several]))
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.stem}-{uuid4().hex[:8]}.png")
    side_by_side(panels).save(unfinished, "PNG")
    unfinished.replace(path)
    return path


def annotate(
    image: Image.Image, regions: Sequence[Region], masks: Sequence[np.ndarray | None], colors: Sequence[int]
) -> Image.Image:
    """A copy of the picture, scaled to a size that is good to look at, with its regions drawn.

    Args:
        image: RGB, the whole picture.
        regions: boxes in pixels of that picture.
        masks: one a region: (height, width) bool or None.
        colors: one a region: which of `COLORS`, taken in turn.
    """
    import numpy as np
    import supervision as sv

    scale = _scale(image.size)
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    drawn = image.convert("RGB").resize(size)
    boxes = np.array([region.box for region in regions], dtype=np.float32) * scale
    found = sv.Detections(xyxy=boxes, class_id=np.array([color % len(COLORS) for color in colors]))
    palette = sv.ColorPalette.from_hex(COLORS)
    masked = {place: mask for place, mask in enumerate(masks) if mask is not None}
    if masked:
        inside = found[np.array(list(masked))]
        assert isinstance(inside, sv.Detections)  # a list of places gives several
        inside.mask = np.stack([_resized(mask, size) for mask in masked.values()])
        drawn = sv.MaskAnnotator(palette, opacity=0.25).annotate(drawn, inside)
        drawn = sv.PolygonAnnotator(palette, thickness=2).annotate(drawn, inside)
    text = max(size) / 1600 + 0.1
    drawn = sv.BoxAnnotator(palette, thickness=max(2, round(max(size) / 300))).annotate(drawn, found)
    labels = sv.LabelAnnotator(palette, text_scale=text, text_padding=4, text_color=sv.Color.WHITE, smart_position=True)
    return labels.annotate(drawn, found, [f"{region.handle or region.id} {region.label}".strip() for region in regions])


def side_by_side(panels: Sequence[Image.Image]) -> Image.Image:
    """The panels from left to right on white, all of the height of the smallest."""
    from PIL import Image

    if len(panels) == 1:
        return panels[0]
    height = min(panel.height for panel in panels)
    even = [panel.resize((max(1, round(panel.width * height / panel.height)), height)) for panel in panels]
    sheet = Image.new("RGB", (sum(panel.width for panel in even) + GAP * (len(even) - 1), height), "white")
    left = 0
    for panel in even:
        sheet.paste(panel, (left, 0))
        left += panel.width + GAP
    return sheet


def _scale(size: tuple[int, int]) -> float:
    longer = max(size)
    return max(SHORTEST / longer, 1.0) if longer < SHORTEST else min(LONGEST / longer, 1.0)


def _resized(mask: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    import numpy as np
    from PIL import Image

    return np.asarray(Image.fromarray(mask.astype(np.uint8) * 255).resize(size, Image.Resampling.NEAREST)) > 127
