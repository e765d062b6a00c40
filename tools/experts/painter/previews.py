"""What a picture looks like while it is painted: its latents decoded small, a few times on the way."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from PIL import Image

from ...progress import Progress

SHOWN = 3  # previews of one run, so that looking costs little
CELLS = 32  # latents along a side that are decoded; more are averaged first


class Watcher:
    """Tells how far painting is; `step` is what a pipeline of diffusers calls after each step.

    Args:
        tell: is told.
        of: steps in all, over all runs.
    """

    def __init__(self, tell: Callable[[Progress], None], of: int) -> None:
        self.tell, self.of, self.done = tell, of, 0

    def run(self, steps: int) -> Callable[[Any, int, Any, dict[str, Any]], dict[str, Any]]:
        """The callback of one run of so many steps."""
        shown = {steps * part // (SHOWN + 1) for part in range(1, SHOWN + 1)} - {0, steps}
        begun = self.done

        def step(pipeline: Any, number: int, when: Any, values: dict[str, Any]) -> dict[str, Any]:
            self.done = begun + min(number + 1, steps)  # some schedulers look several times a step
            preview = look(pipeline, values.get("latents")) if number + 1 in shown else None
            self.tell(Progress(self.done, self.of, preview))
            return {}

        return step


@torch.inference_mode()
def look(pipeline: Any, latents: torch.Tensor | None) -> Image.Image | None:
    """The first picture of a batch of latents (n, channels, height, width); None where they are of another form."""
    vae = getattr(pipeline, "vae", None)
    if latents is None or latents.ndim != 4 or vae is None:
        return None
    one = latents[:1]
    if max(one.shape[2:]) > CELLS:
        share = CELLS / max(one.shape[2:])
        size = [max(1, round(side * share)) for side in one.shape[2:]]
        one = torch.nn.functional.interpolate(one.float(), size=size, mode="area")
    shift = getattr(vae.config, "shift_factor", None) or 0.0
    pixels = vae.decode(one.to(vae.dtype) / vae.config.scaling_factor + shift, return_dict=False)[0][0].float()
    if not torch.isfinite(pixels).all():  # some autoencoders overflow in half precision
        return None
    array = ((pixels.clamp(-1, 1) + 1) * 127.5).round().byte().permute(1, 2, 0).cpu().numpy()
    return Image.fromarray(array)
