"""What tools give to scripts: each tool's output as a pydantic model, so that references are checked before a run.

A controller reads observations; a task file says `mugs.count`, `mug.box`, `words.text`. Boxes are xyxy pixels of the
upright original.
"""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict, Field

from ..memory.records import Picture, Recorded, Region


class Value(BaseModel):
    """The base of what scripts read."""

    model_config = ConfigDict(frozen=True)


class PictureValue(Value):
    """A picture: given or made."""

    handle: str = Field(json_schema_extra={"x-is": "picture"})
    id: str
    path: str  # the file as it was given; of a picture that was made, the file that it is written to
    width: int
    height: int
    kind: str


class RegionValue(Value):
    """A part of a picture."""

    handle: str = Field(json_schema_extra={"x-is": "region"})
    id: str
    image: str  # the handle of its picture
    box: list[float]
    label: str
    score: float | None
    masked: bool


class Output(Value):
    """What any tool gives: the regions that it found or outlined, the pictures that it made, and its observation."""

    count: int
    regions: list[RegionValue]
    images: list[PictureValue]
    observation: str


class MadeOutput(Output):
    """Of a tool that makes one picture."""

    image: PictureValue


class TextOutput(Output):
    """Of a tool that says or reads something."""

    text: str


class ReadOutput(TextOutput):
    """Of `read_text`: with `find`, the value of what was looked for; "" where nothing says so."""

    value: str


class PairValue(Value):
    """A label and its value, as on receipts and forms."""

    label: str
    value: str


class TableOutput(Output):
    """Of `read_table`: the first table as CSV and as rows, "" and [] where there is none; labels with their values."""

    csv: str
    rows: list[list[str]]
    pairs: list[PairValue]


class LabelOutput(Output):
    """Of `classify_image`: the label that fits best, and its share 0..1."""

    label: str
    share: float


class NumberOutput(Output):
    """Of `calculate`."""

    result: float


def picture_value(picture: Picture) -> PictureValue:
    """A picture as scripts read it."""
    return PictureValue(
        handle=str(picture.handle), id=picture.id, path=picture.source or f"{picture.id}.png", width=picture.width,
        height=picture.height, kind=picture.kind,
    )  # fmt: skip


def region_value(region: Region) -> RegionValue:
    """A region as scripts read it."""
    return RegionValue(
        handle=str(region.handle), id=region.id, image=str(region.image), box=[round(v, 2) for v in region.box],
        label=region.label, score=region.score, masked=region.mask is not None,
    )  # fmt: skip


def common(recorded: Recorded, observation: str, regions: Sequence[Region] | None = None) -> dict[str, object]:
    """The fields of `Output`.

    Args:
        recorded: what the tool wrote down.
        observation: in words.
        regions: those that it is about, where these are not the ones that were found or outlined.
    """
    some = [*recorded.regions, *recorded.masked] if regions is None else regions
    made = recorded.pictures
    return {"count": len(some) or len(made), "regions": [region_value(one) for one in some],
            "images": [picture_value(one) for one in made], "observation": observation}  # fmt: skip
