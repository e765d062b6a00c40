"""The expert that paints: a diffusion pipeline (Rombach et al. 2022) in the classes of diffusers.

`zoo:diffusion`, published checkpoints (`hf:stable-diffusion-v1-5/stable-diffusion-v1-5`) and folders of the user's go
through the same class. What a model is told besides words it declares in the folder's `config.json`:

    "saccade": {"side": 128, "steps": 20, "guidance": 3.0, "grounded": true, "kinds": [...], "colors": [...],
                "backgrounds": [...]}

`side`: what it makes is so many pixels wide and high; `grounded`: it takes boxes, as `wording` writes them; `kinds`,
`colors`, `backgrounds`: it knows no others. A model without that key takes any words, and no boxes.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from PIL import Image

from ....errors import UserError
from ....settings import ModelSpec
from ...contracts import Expert
from ...requests import Paint
from ...weights import read_json, resolve
from .pipeline import as_inpainting, load_pipeline
from .wording import grounded_prompt, sketch

STEPS, GUIDANCE, SIDE = 30, 7.0, 512  # of models that say nothing themselves
CHUNK = 8  # pictures in one run of the pipeline


class Painter(Expert[Paint, Image.Image]):
    """A pipeline behind one interface: `Paint`, batched where steps, guidance and size are the same."""

    role = "painter"
    optional = True

    def __init__(self, pipeline: Any, about: dict[str, Any], device: str) -> None:
        """Wrap a loaded pipeline.

        Args:
            pipeline: one of diffusers that makes pictures from words, or mends parts of them.
            about: what its `config.json` says under "saccade"; {} for a published one.
            device: "cpu", "cuda", "cuda:1".
        """
        self.pipeline, self.about, self.device = pipeline, about, device

    @classmethod
    def load(cls, spec: ModelSpec, device: str) -> Self:
        """Load `zoo:NAME`, `hf:OWNER/NAME` or `file:FOLDER`.

        Raises:
            UserError: there is no pipeline of diffusers in the folder, or one whose weights are no safetensors.
        """
        folder = resolve(spec)
        if not (folder / "model_index.json").is_file():
            raise UserError(
                f"{str(spec)!r} is no pipeline of diffusers: there is no model_index.json in {str(folder)!r}. Name a "
                f"folder that `save_pretrained` wrote, or hf:stable-diffusion-v1-5/stable-diffusion-v1-5.",
                kind="bad_weights",
            )
        try:
            pipeline = load_pipeline(folder, device)
        except (OSError, ValueError, AttributeError) as error:
            reason = str(error).split("\n")[0]
            raise UserError(
                f"{str(spec)!r} cannot be loaded: {reason}. Its weights must be .safetensors, whole and of one model.",
                kind="bad_weights",
            ) from error
        return cls(pipeline, _declared(folder), device)

    def predict(self, requests: Sequence[Paint]) -> list[Image.Image]:
        """Paint a batch; what a seed gives does not depend on its company."""
        groups: dict[tuple[Any, ...], list[int]] = {}
        for at, request in enumerate(requests):
            groups.setdefault((request.steps, request.guidance, request.size, request.image is None), []).append(at)
        made: dict[int, Image.Image] = {}
        for rows in groups.values():
            for start in range(0, len(rows), CHUNK):
                part = rows[start : start + CHUNK]
                made |= dict(zip(part, self._paint([requests[at] for at in part]), strict=True))
        return [made[at] for at in range(len(requests))]

    @torch.inference_mode()
    def _paint(self, requests: Sequence[Paint]) -> list[Image.Image]:
        first = requests[0]
        side = self.about.get("side")
        size = (side, side) if side else first.size or (SIDE, SIDE)
        grounded = bool(self.about.get("grounded"))
        options: dict[str, Any] = {
            "prompt": [_words(request, grounded) for request in requests],
            "negative_prompt": [request.negative for request in requests],
            "num_inference_steps": first.steps or self.about.get("steps", STEPS),
            "guidance_scale": self.about.get("guidance", GUIDANCE) if first.guidance is None else first.guidance,
            "generator": [torch.Generator("cpu").manual_seed(request.seed) for request in requests],
            "width": size[0],
            "height": size[1],
        }
        pipeline = self.pipeline
        if first.image is not None or self._always_mends:
            pipeline = as_inpainting(pipeline)
            whole = Image.new("RGB", size, (128, 128, 128)), np.ones(size[::-1], bool)
            shown = [whole if one.image is None or one.mask is None else (one.image, one.mask) for one in requests]
            options["image"] = [image.convert("RGB").resize(size, Image.Resampling.LANCZOS) for image, _ in shown]
            options["mask_image"] = [Image.fromarray(mask).convert("L").resize(size) for _, mask in shown]
            options["strength"] = 1.0
            if grounded:
                options["masked_image_latents"] = self._sketched(requests, options["image"], options["mask_image"])
        made: list[Image.Image] = pipeline(**options).images
        return [
            image if request.size in (None, image.size) else image.resize(request.size, Image.Resampling.LANCZOS)
            for image, request in zip(made, requests, strict=True)
        ]

    def _sketched(
        self, requests: Sequence[Paint], images: Sequence[Image.Image], masks: Sequence[Image.Image]
    ) -> torch.Tensor:
        """Latents of what stays, with the things' boxes in their colours where it does not (see `wording.sketch`)."""
        shown: list[np.ndarray] = []
        for request, image, mask in zip(requests, images, masks, strict=True):
            drawn = sketch(request.things or (), self.about["sketch"], image.width, outlines=self.about.get("outlines"))
            shown.append(np.where(np.asarray(mask)[..., None] >= 128, np.asarray(drawn), np.asarray(image)))
        pixels = torch.from_numpy(np.stack(shown)).permute(0, 3, 1, 2).to(self.device, self.pipeline.vae.dtype)
        latents = self.pipeline.vae.encode(pixels / 127.5 - 1).latent_dist.mode()
        return latents * self.pipeline.vae.config.scaling_factor

    @property
    def _always_mends(self) -> bool:
        """Whether the pipeline makes whole pictures by mending all of one."""
        return self.pipeline.unet.config.in_channels > self.pipeline.vae.config.latent_channels


def _declared(folder: Path) -> dict[str, Any]:
    return (read_json(folder / "config.json").get("saccade") or {}) if (folder / "config.json").is_file() else {}


def _words(request: Paint, grounded: bool) -> str:
    """The prompt: with boxes where the model takes them, and in plain words elsewhere."""
    if grounded and request.things is not None:
        return grounded_prompt(request.things, request.background)
    return request.prompt
