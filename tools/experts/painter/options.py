"""What can be said of a painter: by its own `config.json` under "saccade", and by a profile.

A profile like this one has a painter with others beside it, few steps, and a style.

    [models]
    painter = "hf:stable-diffusion-v1-5/stable-diffusion-v1-5"
    "painter.inpaint" = "hf:stable-diffusion-v1-5/stable-diffusion-inpainting"   # parts painted anew
    "painter.instruct" = "hf:timbrooks/instruct-pix2pix"                         # "make it winter"
    "painter.edges" = "hf:lllyasviel/control_v11p_sd15_canny"                    # ControlNets: by edges,
    "painter.depth" = "hf:lllyasviel/control_v11f1p_sd15_depth"                  # by depth, which
    "painter.depth-from" = "hf:Intel/dpt-large"                                  # this one sees,
    "painter.segments" = "hf:lllyasviel/control_v11p_sd15_seg"                   # and by boxes

    [options.painter]
    steps = 4                                                # a few-step model: LCM, Turbo, Lightning
    guidance = 1.0
    scheduler = {name = "euler", timestep_spacing = "trailing"}
    [options.painter.styles.drawings]                        # "... in the style of my drawings"
    lora = "file:/home/ann/drawings.safetensors"
    words = "a pencil drawing"
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from ....errors import UserError, suggest

PARTS = ("inpaint", "instruct", "edges", "depth", "depth-from", "segments")  # models that a painter may have beside it
GUIDES = ("edges", "depth", "segments")  # those of them that are ControlNets
SCHEDULERS = {  # by the names that people know them by
    "ddim": "DDIMScheduler", "pndm": "PNDMScheduler", "euler": "EulerDiscreteScheduler",
    "euler-ancestral": "EulerAncestralDiscreteScheduler", "dpm": "DPMSolverMultistepScheduler",
    "unipc": "UniPCMultistepScheduler", "lcm": "LCMScheduler", "tcd": "TCDScheduler",
    "flow-euler": "FlowMatchEulerDiscreteScheduler",
}  # fmt: skip


class Style(BaseModel):
    """A style by name: a LoRA, a textual inversion, or both, and words that call it up."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    lora: str | None = None  # a model spec: file:/a/b.safetensors, or hf:OWNER/NAME
    embedding: str | None = None  # of a textual inversion, likewise
    words: str = ""  # put in the place of "in the style of my NAME"; "": NAME itself, or the embedding's token
    scale: Annotated[float, Field(ge=0, le=4)] = 1.0  # of the LoRA
    always: bool = False  # on whatever is asked for, as a LoRA is that makes a model one of few steps

    @model_validator(mode="after")
    def _some(self) -> Style:
        if self.lora is None and self.embedding is None:
            raise ValueError("give `lora`, `embedding` or both")
        return self


class Options(BaseModel):
    """The settings of a painter; what is not said is the model's own."""

    model_config = ConfigDict(extra="ignore", frozen=True)  # a model declares more than this of itself

    native: Annotated[int, Field(ge=8, le=4096)] | None = None  # px: the side of what it was trained on, if not told
    steps: Annotated[int, Field(ge=1, le=200)] | None = None
    guidance: Annotated[float, Field(ge=0, le=30)] | None = None
    image_guidance: Annotated[float, Field(ge=1, le=10)] = 1.5  # how near an instructed edit stays to its picture
    strength: Annotated[float, Field(gt=0, le=1)] = 0.6  # of image to image, where nothing is asked
    control: Annotated[float, Field(ge=0, le=2)] = 1.0  # the weight of a ControlNet
    scheduler: str | dict[str, Any] | None = None  # one of SCHEDULERS, or a table with `name` and its own settings
    parts: dict[str, str] = {}  # "inpaint" -> spec, from the profile's [models]
    styles: dict[str, Style] = {}
    segment_colors: dict[str, tuple[int, int, int]] = {}  # of words, for a ControlNet that knows other colours

    @model_validator(mode="after")
    def _known(self) -> Options:
        name = self.scheduler.get("name") if isinstance(self.scheduler, dict) else self.scheduler
        if self.scheduler is not None and name not in SCHEDULERS:
            raise ValueError(f"{name!r} is no scheduler.{suggest(str(name), SCHEDULERS)}")
        for part in self.parts:
            if part not in PARTS:
                raise ValueError(f"'painter.{part}' is no part of a painter.{suggest(part, PARTS)}")
        return self


def read_options(about: Mapping[str, Any]) -> Options:
    """The settings in what is declared of a painter.

    Raises:
        UserError: a setting does not fit (kind "bad_profile").
    """
    try:
        return Options.model_validate(dict(about))
    except ValidationError as error:
        wrong = "; ".join(
            f"{'.'.join(map(str, one['loc'])) or 'painter'}: {one['msg'].removeprefix('Value error, ')} "
            f"(given {str(one['input'])[:80]!r})"
            for one in error.errors(include_url=False)
        )
        raise UserError(
            f"[options.painter] of the profile does not fit: {wrong}. See docs/guide.md, Painters.", kind="bad_profile"
        ) from error
