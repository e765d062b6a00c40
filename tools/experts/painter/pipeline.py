"""Loading a painter's pipeline from a folder in the hub's format."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def load_pipeline(folder: Path, device: str) -> Any:
    """A diffusers pipeline, weights in fp32 on a CPU and in fp16 on a GPU, read from safetensors alone.

    Raises:
        OSError, ValueError: something is missing, or no safetensors.
    """
    import torch
    from diffusers.pipelines.pipeline_utils import DiffusionPipeline
    from diffusers.utils import logging

    logging.disable_progress_bar()
    logging.set_verbosity_error()
    dtype = torch.float32 if device == "cpu" else torch.float16
    pipeline: Any = DiffusionPipeline.from_pretrained(folder, dtype=dtype, use_safetensors=True, local_files_only=True)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline.to(device)


def as_inpainting(pipeline: Any) -> Any:
    """The pipeline of the same parts that paints a part of a picture; itself, where it is one."""
    from diffusers.pipelines.auto_pipeline import AutoPipelineForInpainting

    if "Inpaint" in type(pipeline).__name__:
        return pipeline
    made: Any = AutoPipelineForInpainting.from_pipe(pipeline)
    made.set_progress_bar_config(disable=True)
    return made
