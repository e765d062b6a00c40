"""What a prompt costs on a picture that is embedded already, beside a bare `SamPredictor.predict`.

Both the bundled SAM and one of ViT-B's full size (random weights: time does not depend on them).
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from PIL import Image

from ..memory.records import Box
from ..scenes.render import render
from ..scenes.sample import sample_scene
from ..scenes.splits import split_seed
from ..settings import ModelSpec
from ..tools.contracts import View
from ..tools.experts.sam.expert import Sam
from ..tools.experts.sam.model import SamConfig, build_sam
from ..tools.requests import Segment

ROUNDS, PROMPTS = 7, 10
VIT_B = SamConfig(embed_dim=768, depth=12, num_heads=12, global_attn_indexes=(2, 5, 8, 11))


def timed(work: Callable[[], Any]) -> float:
    """Wall seconds of one call."""
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def eight_boxes(size: tuple[int, int]) -> tuple[Box, ...]:
    """Eight boxes spread over a picture."""
    width, height = size
    return tuple(
        (width * (i % 4) / 4, height * (i // 4) / 2, width * (i % 4 + 1) / 4, height * (i // 4 + 1) / 2)
        for i in range(8)
    )


def measure_model(expert: Sam, image: Image.Image) -> dict[str, Any]:
    """Ratios for one model, measured side by side, and how often the encoder ran for 20 prompts over two turns."""
    from segment_anything import SamPredictor

    view = View("pic_benchmark", image.size, (0, 0, *image.size), lambda: image)
    boxes = eight_boxes(image.size)
    predictor = SamPredictor(expert.model)
    predictor.set_image(np.asarray(image))
    for turn in range(2):
        for number in range(10):
            expert.predict([Segment(view, boxes=(boxes[(turn + number) % 8],))])
    encodes = expert.encodes

    def ours() -> None:
        for number in range(PROMPTS):
            expert.predict([Segment(view, boxes=(boxes[number % 8],))])

    def bare() -> None:
        for number in range(PROMPTS):
            predictor.predict(box=np.array(boxes[number % 8]), multimask_output=False)

    rounds = [(timed(ours), timed(bare)) for _ in range(ROUNDS)]
    together = [
        timed(lambda: expert.predict([Segment(view, boxes=boxes)]))
        / timed(lambda: [expert.predict([Segment(view, boxes=(box,))]) for box in boxes])
        for _ in range(ROUNDS)
    ]
    return {
        "encoder_runs_for_20_prompts_over_two_turns": encodes,
        "prompt_vs_bare_predictor": statistics.median(one / other for one, other in rounds),
        "prompt_ms": 1000 * statistics.median(one for one, _ in rounds) / PROMPTS,
        "eight_boxes_at_once_vs_one_by_one": statistics.median(together),
    }


def measure() -> dict[str, Any]:
    """The figures of the bundled SAM and of a full-size ViT-B."""
    import torch

    torch.set_num_threads(1)
    image = render(sample_scene(split_seed("test", 3), "test"), 512).image
    torch.manual_seed(0)
    return {
        "bundled": measure_model(Sam.load(ModelSpec.parse("zoo:sam"), "cpu"), image),
        "vit_b": measure_model(Sam(build_sam(VIT_B).eval(), "cpu"), image),
    }
