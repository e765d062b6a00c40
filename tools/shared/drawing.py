"""Regions drawn into a picture at its own size: outline of the mask or box, and the label."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image

from ...memory.records import Region

COLORS = ("#e6194b", "#3cb44b", "#4363d8", "#f58231", "#911eb4", "#008080", "#9a6324", "#808000")


def labelled(image: Image.Image, regions: Sequence[Region], masks: Sequence[np.ndarray | None]) -> Image.Image:
    """A copy of the picture with its regions drawn in, each in a colour of its own. Boxes are in its pixels."""
    import supervision as sv

    drawn = image.convert("RGB")
    palette = sv.ColorPalette.from_hex(list(COLORS))
    boxes = np.array([region.box for region in regions], dtype=np.float32)
    found = sv.Detections(xyxy=boxes, class_id=np.arange(len(regions)) % len(COLORS))
    masked = [at for at, mask in enumerate(masks) if mask is not None]
    if masked:
        inside = found[np.array(masked)]
        assert isinstance(inside, sv.Detections)  # a list of places gives several
        inside.mask = np.stack([mask for mask in masks if mask is not None])
        drawn = sv.PolygonAnnotator(palette, thickness=2).annotate(drawn, inside)
    thick = max(2, round(max(image.size) / 300))
    drawn = sv.BoxAnnotator(palette, thickness=thick).annotate(drawn, found)
    labels = sv.LabelAnnotator(palette, text_scale=max(image.size) / 1600 + 0.1, text_padding=4,
                               text_color=sv.Color.WHITE, smart_position=True)  # fmt: skip
    return labels.annotate(drawn, found, [region.label for region in regions])
