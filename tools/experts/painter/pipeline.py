"""Painters' pipelines from folders in the hub's format, and those that are made of the same parts for other tasks."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

from ....errors import UserError
from ....settings import ModelSpec
from ...weights import quiet_transformers, read_json, resolve
from .options import SCHEDULERS, Options

Task = Literal["whole", "part", "like", "instruct", "edges", "depth", "segments"]
WEIGHTS = ("*.safetensors", "*/*.safetensors")


def load_pipeline(folder: Path, device: str) -> Any:
    """A diffusers pipeline, weights in fp32 on a CPU and in fp16 on a GPU, read from safetensors alone.

    Files named `.fp16.safetensors`, as the hub calls a half-precision variant, are taken on a GPU, and elsewhere where
    there are no others.

    Raises:
        OSError, ValueError: something is missing, or no safetensors.
    """
    import torch
    from diffusers.pipelines.pipeline_utils import DiffusionPipeline
    from diffusers.utils import logging

    quiet_transformers()
    logging.disable_progress_bar()
    logging.set_verbosity_error()
    dtype = torch.float32 if device == "cpu" else torch.float16
    pipeline: Any = DiffusionPipeline.from_pretrained(
        folder, dtype=dtype, use_safetensors=True, local_files_only=True, variant=variant_of(folder, device)
    )
    pipeline.set_progress_bar_config(disable=True)
    if device != "cpu" and hasattr(getattr(pipeline, "vae", None), "enable_tiling"):
        pipeline.vae.enable_tiling()  # a large picture is decoded in tiles, so that memory stays bounded
        pipeline.vae.enable_slicing()
    return pipeline.to(device)


def variant_of(folder: Path, device: str) -> str | None:
    """The variant "fp16" where those files of a checkpoint are the ones to take."""
    names = [path.name for pattern in WEIGHTS for path in folder.glob(pattern)]
    half = [name for name in names if name.endswith(".fp16.safetensors")]
    return "fp16" if half and (device != "cpu" or len(half) == len(names)) else None


class Pipelines:
    """The pipelines of one painter, by task; each is made or loaded when it is first asked for.

    Those for other tasks share the parts of the first (`AutoPipelineFor...`); where the profile names a checkpoint for
    a task ("painter.inpaint"), it is loaded for it.
    """

    def __init__(self, base: Any, device: str, spec: str = "this painter") -> None:
        self.base, self.device, self.spec = base, device, spec
        self.options = Options()
        self._made: dict[Task, Any] = {}

    def configure(self, options: Options) -> None:
        """Take settings; the base's scheduler is changed at once, those of others when they are loaded."""
        self.options = options
        self._made.clear()
        self._schedule(self.base)

    def get(self, task: Task) -> Any:
        """The pipeline for a task.

        Raises:
            UserError: neither the painter itself nor one beside it can do that; the message names the mend.
        """
        if task not in self._made:
            self._made[task] = self._make(task)
        return self._made[task]

    @property
    def roots(self) -> list[Any]:
        """The pipelines that share no parts with each other, as far as they were made."""
        own = [self._made[task] for task in ("part", "instruct") if task in self._made and task in self._own()]
        return [self.base, *own]

    def root_of(self, task: Task) -> Any:
        """The pipeline whose parts the one for a task has."""
        return self.get(task) if task in self._own() else self.base

    def _own(self) -> set[str]:
        named = {"part": "inpaint", "instruct": "instruct"}
        return {task for task, part in named.items() if part in self.options.parts}

    def _make(self, task: Task) -> Any:
        from diffusers.pipelines.auto_pipeline import (
            AutoPipelineForImage2Image,
            AutoPipelineForInpainting,
            AutoPipelineForText2Image,
        )

        match task:
            case "whole":
                return self._derived(AutoPipelineForText2Image, "makes no pictures from words alone", None)
            case "part":
                if "inpaint" in self.options.parts:
                    return self._loaded("inpaint")
                if "Inpaint" in type(self.base).__name__:
                    return self.base
                return self._derived(AutoPipelineForInpainting, "cannot paint a part of a picture", "inpaint")
            case "like":
                return self._derived(AutoPipelineForImage2Image, "cannot begin from a picture", None)
            case "instruct":
                if "instruct" in self.options.parts:
                    return self._loaded("instruct")
                if _takes_instructions(self.base):
                    return self.base
                raise self._cannot("follows no instructions", "instruct")
            case _:
                if task not in self.options.parts:
                    raise self._cannot(f"cannot be guided by {task}", task)
                controlnet = self._controlnet(task)
                return self._derived(AutoPipelineForText2Image, "takes no ControlNet", None, controlnet=controlnet)

    def _derived(self, auto: Any, cannot: str, part: str | None, **more: Any) -> Any:
        """The pipeline of the same parts for another task; the base itself, where it is of that class."""
        try:
            made: Any = auto.from_pipe(self.base, **more)
        except ValueError as error:
            unlisted = "can't find a pipeline" in str(error) and not _takes_instructions(self.base)
            if unlisted and auto.__name__.endswith("Text2Image") and not more:
                return self.base  # it is asked as it is
            raise self._cannot(cannot, part) from error
        if type(made) is type(self.base):
            return self.base
        made.set_progress_bar_config(disable=True)
        return made

    def _loaded(self, part: str) -> Any:
        spec = ModelSpec.parse(self.options.parts[part])
        pipeline = checked(spec, lambda folder: load_pipeline(folder, self.device))
        self._schedule(pipeline)
        return pipeline

    def _controlnet(self, part: str) -> Any:
        import diffusers

        def read(folder: Path) -> Any:
            name = str(read_json(folder / "config.json").get("_class_name"))
            if not name.endswith("ControlNetModel") or not hasattr(diffusers, name):
                raise ValueError(f"its class {name!r} is no ControlNet")
            return getattr(diffusers, name).from_pretrained(
                folder, dtype=self.base.dtype, use_safetensors=True, local_files_only=True,
                variant=variant_of(folder, self.device),
            )  # fmt: skip

        spec = ModelSpec.parse(self.options.parts[part])
        return checked(spec, read, index="config.json").to(self.device)

    def _schedule(self, pipeline: Any) -> None:
        """The scheduler that the settings name, with what the model's own was configured to."""
        wanted = self.options.scheduler
        if wanted is None:
            return
        import diffusers

        told = {"name": wanted} if isinstance(wanted, str) else dict(wanted)
        kind: Any = getattr(diffusers, SCHEDULERS[told.pop("name")])
        unknown = set(told) - set(inspect.signature(kind.__init__).parameters)
        if unknown:
            raise UserError(
                f"[options.painter] scheduler: {', '.join(sorted(unknown))} is no setting of {kind.__name__}.",
                kind="bad_profile",
            )
        if kind.__name__ == "PNDMScheduler":
            told = {"skip_prk_steps": True} | told  # as every latent model has it; else few steps would not do
        pipeline.scheduler = kind.from_config(pipeline.scheduler.config, **told)

    def _cannot(self, why: str, part: str | None) -> UserError:
        mend = f'name one that does in the profile under [models]: "painter.{part}" = "hf:..."' if part else (
            "name another painter in the profile")  # fmt: skip
        return UserError(
            f"{self.spec} ({type(self.base).__name__}) {why}: {mend}. See docs/guide.md, Painters.",
            kind="painter_cannot",
        )


def checked(spec: ModelSpec, read: Callable[[Path], Any], index: str = "model_index.json") -> Any:
    """What `read` makes of a spec's folder.

    Raises:
        UserError: there is no such folder or no `index` in it, or what lies there cannot be read (kind "bad_weights").
    """
    folder = resolve(spec)
    if not (folder / index).is_file():
        raise UserError(
            f"{str(spec)!r} is no {'pipeline' if index == 'model_index.json' else 'model'} of diffusers: there is no "
            f"{index} in {str(folder)!r}. Name a folder that `save_pretrained` wrote, or "
            f"hf:stable-diffusion-v1-5/stable-diffusion-v1-5.",
            kind="bad_weights",
        )
    try:
        return read(folder)
    except (OSError, ValueError, AttributeError) as error:
        reason = str(error).split("\n")[0]
        raise UserError(
            f"{str(spec)!r} cannot be loaded: {reason}. Its weights must be .safetensors, whole and of one model.",
            kind="bad_weights",
        ) from error


def _takes_instructions(pipeline: Any) -> bool:
    """Whether a pipeline's prompt is what to do with a picture: InstructPix2Pix, and the editors among the DiTs."""
    return any(mark in type(pipeline).__name__ for mark in ("InstructPix2Pix", "Kontext", "Edit"))
