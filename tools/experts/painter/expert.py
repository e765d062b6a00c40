"""The expert that paints: a diffusion pipeline (Rombach et al. 2022) in the classes of diffusers.

`zoo:diffusion`, published checkpoints (`hf:stable-diffusion-v1-5/stable-diffusion-v1-5`) and folders of the user's go
through the same class. What a model is told besides words it declares in the folder's `config.json`:

    "saccade": {"side": 128, "steps": 20, "guidance": 3.0, "grounded": true, "kinds": [...], "colors": [...],
                "backgrounds": [...]}

`side`: what it makes is so many pixels wide and high; `grounded`: it takes boxes, as `wording` writes them; `kinds`,
`colors`, `backgrounds`: it knows no others. A model without that key takes any words, and no boxes. What the user sets
besides is in `options`.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from PIL import Image

from ....errors import UserError
from ....settings import ModelSpec
from ...contracts import Expert, Experts, declared
from ...progress import Progress
from ...requests import Paint
from ...weights import read_json, resolve
from .guides import depth, edges, segments
from .options import Options, read_options
from .pipeline import Pipelines, Task, checked, load_pipeline
from .previews import Watcher
from .styles import Styles, called
from .wording import grounded_prompt, sketch

STEPS, GUIDANCE, SIDE = 30, 7.0, 512  # of models that say nothing themselves
CHUNK = 8  # pictures in one run of the pipeline
MULTIPLE = 8  # pixels: sides of what a published model makes are multiples of it
LEAST, MOST = 0.5, 2.0  # areas that a model makes well, beside the one that it was trained on


class Painter(Expert[Paint, Image.Image]):
    """A pipeline behind one interface: `Paint`, batched where all but words and seed is the same."""

    role = "painter"
    optional = True

    def __init__(self, pipeline: Any, about: dict[str, Any], device: str, spec: str = "this painter") -> None:
        """Wrap a loaded pipeline.

        Args:
            pipeline: one of diffusers that makes pictures from words, or mends parts of them.
            about: what its `config.json` says under "saccade"; {} for a published one.
            device: "cpu", "cuda", "cuda:1".
            spec: what it is called in messages.
        """
        self.pipelines, self.about, self.device = Pipelines(pipeline, device, spec), about, device
        self.options = Options()
        self.styles = Styles(self.options)
        self._depth: Any = None
        if about:
            self.configure(about)

    @property
    def pipeline(self) -> Any:
        """The pipeline that was loaded."""
        return self.pipelines.base

    @classmethod
    def load(cls, spec: ModelSpec, device: str) -> Self:
        """Load `zoo:NAME`, `hf:OWNER/NAME` or `file:FOLDER`.

        Raises:
            UserError: there is no pipeline of diffusers in the folder, or one whose weights are no safetensors.
        """
        pipeline = checked(spec, lambda folder: load_pipeline(folder, device))
        return cls(pipeline, _declared(resolve(spec)), device, str(spec))

    def connect(self, experts: Experts) -> None:
        """Take what the profile says of the painter. Raises UserError where it does not fit."""
        self.configure({**self.about, **declared(experts, self.role)})

    def configure(self, about: dict[str, Any]) -> None:
        """Take settings, as `options` has them. Raises UserError where one does not fit."""
        self.about = about
        self.options = read_options(about)
        self.styles = Styles(self.options)
        self.pipelines.configure(self.options)

    def predict(self, requests: Sequence[Paint]) -> list[Image.Image]:
        """Paint a batch; what a seed gives does not depend on its company.

        Raises:
            UserError: this painter cannot do what is asked, or a style or a part of it cannot be loaded.
        """
        return self._all(requests, None)

    def watched(self, requests: Sequence[Paint], tell: Callable[[Progress], None]) -> list[Image.Image]:
        """Paint a batch, and tell after every step how far it is, now and then with what it looks like."""
        return self._all(requests, tell)

    def _all(self, requests: Sequence[Paint], tell: Callable[[Progress], None] | None) -> list[Image.Image]:
        groups: dict[tuple[Any, ...], list[int]] = {}
        for at, request in enumerate(requests):
            styles = called(request.prompt, self.options)[1]
            same = request.steps, request.guidance, self._size(request), self._task(request), request.strength, styles
            groups.setdefault(same, []).append(at)
        parts = [rows[at : at + CHUNK] for rows in groups.values() for at in range(0, len(rows), CHUNK)]
        watcher = None if tell is None else Watcher(tell, sum(self._taken(requests[part[0]]) for part in parts))
        made: dict[int, Image.Image] = {}
        for part in parts:
            made |= dict(zip(part, self._paint([requests[at] for at in part], watcher), strict=True))
        return [made[at] for at in range(len(requests))]

    @torch.inference_mode()
    def _paint(self, requests: Sequence[Paint], watcher: Watcher | None) -> list[Image.Image]:
        pipeline, options = self.call_for(requests)
        if watcher is not None:
            options["callback_on_step_end"] = watcher.run(self._taken(requests[0]))
        made: list[Image.Image] = pipeline(**options).images
        wanted = [request.size or self._size(request) for request in requests]
        return [
            image if image.size == size else image.resize(size, Image.Resampling.LANCZOS)
            for image, size in zip(made, wanted, strict=True)
        ]

    @torch.inference_mode()
    def call_for(self, requests: Sequence[Paint]) -> tuple[Any, dict[str, Any]]:
        """The pipeline that paints requests of one kind, with their styles on, and what it is called with."""
        first = requests[0]
        size, task = self._size(first), self._task(first)
        pipeline = self.pipelines.get(task)
        self.styles.put_on(self.pipelines.root_of(task), called(first.prompt, self.options)[1])
        options: dict[str, Any] = {
            "prompt": [self._words(request) for request in requests],
            "negative_prompt": [request.negative for request in requests],
            "num_inference_steps": self._steps(first),
            "guidance_scale": self._guidance(first),
            "generator": [torch.Generator("cpu").manual_seed(request.seed) for request in requests],
            "width": size[0],
            "height": size[1],
        }
        options |= self._shown(requests, task, size)
        taken = inspect.signature(pipeline.__call__).parameters
        return pipeline, {name: value for name, value in options.items() if name in taken}

    def _shown(self, requests: Sequence[Paint], task: Task, size: tuple[int, int]) -> dict[str, Any]:
        """The pictures that a task is given, and what belongs to them."""
        given = [None if one.image is None else _scaled(one.image, size) for one in requests]
        pictures = [image for image in given if image is not None]
        match task:
            case "whole":
                return {}
            case "part":
                return self._masked(requests, size)
            case "like":
                return {"image": pictures, "strength": self._strength(requests[0]), "_auto_resize": False}
            case "instruct":
                # Editors that scale pictures to sizes of their own are told not to: these have been scaled.
                more = {"_auto_resize": False, "max_area": size[0] * size[1]}
                return {"image": pictures, "image_guidance_scale": self.options.image_guidance} | more
            case "edges":
                images = [edges(image) for image in pictures]
            case "depth":
                model, processor = self._depth_model()
                images = [depth(image, model, processor) for image in pictures]
            case "segments":
                colors = self.options.segment_colors
                images = [segments(one.things or (), size, one.background, colors) for one in requests]
        return {"image": images, "control_image": images, "controlnet_conditioning_scale": self.options.control}

    def _masked(self, requests: Sequence[Paint], size: tuple[int, int]) -> dict[str, Any]:
        """Pictures of which a part is painted anew; of one from nothing, all of it."""
        whole = Image.new("RGB", size, (128, 128, 128)), np.ones(size[::-1], bool)
        shown = [whole if one.image is None or one.mask is None else (one.image, one.mask) for one in requests]
        images = [_scaled(image, size) for image, _ in shown]
        masks = [Image.fromarray(mask).convert("L").resize(size) for _, mask in shown]
        options = {"image": images, "mask_image": masks, "strength": 1.0}
        if self.about.get("grounded"):
            options["masked_image_latents"] = self._sketched(requests, images, masks)
        return options

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

    def _task(self, request: Paint) -> Task:
        if request.way in ("instruct", "edges", "depth") and request.image is None:
            raise UserError(f"To paint by {request.way} takes a picture to begin from.", kind="painter_cannot")
        if request.way != "paint":
            return request.way
        if request.image is not None:
            return "like" if request.mask is None else "part"
        if request.things and not self.about.get("grounded") and "segments" in self.options.parts:
            return "segments"
        return "part" if self._always_mends else "whole"

    @property
    def _always_mends(self) -> bool:
        """Whether the pipeline makes whole pictures by mending all of one."""
        unet = getattr(self.pipeline, "unet", None)
        return unet is not None and unet.config.in_channels > 2 * self.pipeline.vae.config.latent_channels

    def _steps(self, request: Paint) -> int:
        steps = request.steps or self.options.steps or STEPS
        if self._task(request) != "like":
            return steps
        return max(steps, math.ceil(1 / self._strength(request)))  # of few steps one at least is taken

    def _taken(self, request: Paint) -> int:
        """The steps that are really taken: from a picture on, only the last ones."""
        steps = self._steps(request)
        return steps if self._task(request) != "like" else max(1, int(steps * self._strength(request)))

    def _strength(self, request: Paint) -> float:
        return self.options.strength if request.strength is None else request.strength

    def _guidance(self, request: Paint) -> float:
        given = self.options.guidance if request.guidance is None else request.guidance
        return GUIDANCE if given is None else given

    def _words(self, request: Paint) -> str:
        """The prompt: with boxes where the model takes them, and elsewhere in words, with those of styles."""
        if self.about.get("grounded") and request.things is not None:
            return grounded_prompt(request.things, request.background)
        prompt = called(request.prompt, self.options)[0]
        expand = getattr(self.pipeline, "maybe_convert_prompt", None)  # an embedding may have several vectors
        return expand(prompt, self.pipeline.tokenizer) if expand and self.options.styles else prompt

    def _size(self, request: Paint) -> tuple[int, int]:
        """The size at which is painted: as asked where the model makes such well, else of the area that it knows."""
        side = self.about.get("side")
        if side:
            return side, side
        own = self._side
        asked = request.size or (None if request.image is None else request.image.size) or (own, own)
        area = asked[0] * asked[1]
        share = 1.0 if LEAST * own**2 <= area <= MOST * own**2 else own / math.sqrt(area)
        width, height = (max(1, round(value * share / MULTIPLE)) * MULTIPLE for value in asked)
        return width, height

    @property
    def _side(self) -> int:
        """The side of the pictures that the model was trained on, in pixels."""
        if self.options.native:
            return self.options.native
        net = getattr(self.pipeline, "unet", None)
        cells = getattr(getattr(net, "config", None), "sample_size", None) or getattr(
            self.pipeline, "default_sample_size", None
        )
        scale = getattr(self.pipeline, "vae_scale_factor", None)
        return int(cells) * int(scale) if isinstance(cells, int) and scale else SIDE

    def _depth_model(self) -> tuple[Any, Any]:
        if self._depth is None:
            text = self.options.parts.get("depth-from")
            if text is None:
                raise UserError(
                    'Nothing sees depth here: name a model for it in the profile under [models], as in "painter.'
                    'depth-from" = "hf:Intel/dpt-large".',
                    kind="painter_cannot",
                )
            from transformers import AutoImageProcessor, AutoModelForDepthEstimation

            def read(folder: Path) -> tuple[Any, Any]:
                model = AutoModelForDepthEstimation.from_pretrained(folder, local_files_only=True, use_safetensors=True)
                processor: Any = AutoImageProcessor.from_pretrained(folder, local_files_only=True)
                return model.to(self.device).eval(), processor

            self._depth = checked(ModelSpec.parse(text), read, index="config.json")
        return self._depth


def _scaled(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    return image.convert("RGB").resize(size, Image.Resampling.LANCZOS)


def _declared(folder: Path) -> dict[str, Any]:
    return (read_json(folder / "config.json").get("saccade") or {}) if (folder / "config.json").is_file() else {}
