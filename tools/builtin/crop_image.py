"""The tool that makes a picture of a region: `crop_image`."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
from PIL import Image
from pydantic import Field

from ...errors import ToolRetry
from ...memory.records import Box, Region
from ..contracts import AnyHandle, PictureDraft, Recorded, ToolArguments, ToolContext, ToolResult
from ..shared.geometry import mask_box, size_text
from ..shared.making import PictureTool


class CropImageArguments(ToolArguments):
    """Which region, on what background, and how much wider than its box (a share of its longer side)."""

    image: AnyHandle
    background: Literal["keep", "transparent"] = "keep"
    margin: Annotated[float, Field(ge=0, le=1)] = 0.0


class CropImage(PictureTool[CropImageArguments]):
    """A new picture: a region cropped from the original, or cut out along its mask."""

    name = "crop_image"
    rank = 40
    Arguments = CropImageArguments

    def run(self, arguments: CropImageArguments, context: ToolContext) -> ToolResult:
        """Crop the region out of the original at its own resolution.

        Raises:
            ToolRetry: no such handle, a whole picture, or a cut-out of a region that has no mask yet.
        """
        handle = arguments.image
        if not handle.startswith("reg_"):
            context.workspace.picture(handle)
            known = [name for name in context.workspace.handles() if name.startswith("reg_")]
            have = f"Regions: {', '.join(known)}." if known else f'First call find_objects(image="{handle}").'
            raise ToolRetry(
                f"{handle} is a whole picture already; crop_image needs a region. {have}", kind="bad_arguments"
            )
        region = context.workspace.region(handle)
        assert region.image is not None  # it was found by its handle
        picture = context.workspace.picture(region.image)
        image = context.workspace.open(picture.id)
        if arguments.background == "transparent":
            mask = _mask(context, region)
            box = mask_box(mask) or region.box
            corners = _corners(context.view_of(picture, box, arguments.margin).box)
            draft = PictureDraft(_cut_out(image, mask, corners), "cutout", region.id)
        else:
            corners = _corners(context.view_of(picture, region.box, arguments.margin).box)
            draft = PictureDraft(image.crop(corners), "crop", region.id)
        return ToolResult(pictures=[draft], facts={"background": arguments.background})

    def observe(self, arguments: CropImageArguments, recorded: Recorded) -> str:
        """The new picture's handle and size, and what it was made from."""
        picture = recorded.pictures[0]
        what = f"a crop of {arguments.image}"
        if recorded.facts["background"] == "transparent":
            what = f"a cut-out of {arguments.image} on a transparent background"
        return f"Made {picture.handle} ({size_text(picture.size)}), {what}."


def _mask(context: ToolContext, region: Region) -> np.ndarray:
    mask = context.workspace.open_mask(region)
    if mask is None or not mask.any():
        raise ToolRetry(
            f'{region.handle} has no mask yet. First call segment_objects(regions=["{region.handle}"]), then '
            f'crop_image(image="{region.handle}", background="transparent") again.',
            kind="no_mask",
        )
    return mask


def _corners(box: Box) -> tuple[int, int, int, int]:
    x0, y0 = int(box[0]), int(box[1])
    return x0, y0, max(x0 + 1, round(box[2])), max(y0 + 1, round(box[3]))


def _cut_out(image: Image.Image, mask: np.ndarray, corners: tuple[int, int, int, int]) -> Image.Image:
    """RGBA, clear outside the mask; the colours there are wiped too, so that nothing hidden is handed on."""
    x0, y0, x1, y1 = corners
    inside = mask[y0:y1, x0:x1]
    pixels = np.dstack([np.asarray(image.convert("RGB").crop(corners)), np.where(inside, 255, 0).astype(np.uint8)])
    pixels[~inside] = 0
    return Image.fromarray(pixels, "RGBA")
