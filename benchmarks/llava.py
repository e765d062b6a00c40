"""How fast LLaVA answers: the first word, words a second, and eight questions on one picture at once or one by one.

The bundled model where it is there, else one of its shape with random weights (time does not depend on them, but for
how long an answer is: every answer is cut at the same number of tokens). On a GPU also one of LLaVA 1.5 7B's shape.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator, Sequence
from typing import Any

from PIL import Image

from ..scenes.render import render
from ..scenes.sample import sample_scene
from ..scenes.splits import split_seed
from ..settings import ZOO, ModelSpec
from ..tools.contracts import View
from ..tools.experts.llava.expert import Llava
from ..tools.requests import Answer
from .random_models import BUNDLED, LLAVA_7B, Shape, make_llava

ROUNDS, TOKENS = 5, 24
QUESTIONS = (
    "What colour is the cube?", "How many red things are there?", "Is there a ball left of the cone?",
    "What is the largest thing?", "Are there more cubes than balls?", "What is right of the small key?",
    "What is the material of the blue thing?", "Is the house above the fish?",
)  # fmt: skip


def views(images: Sequence[Image.Image]) -> Iterator[View]:
    """Views that no cache has met, of the same pictures again and again."""
    number = 0
    while True:
        image = images[number % len(images)]
        number += 1
        yield View(f"pic_{number}", image.size, (0, 0, *image.size), lambda image=image: image)


def first_word(expert: Llava, view: View) -> tuple[float, float, int]:
    """Seconds to the first token and from it to the last, and how many tokens, of one question on a new picture."""
    asked = Answer((view,), QUESTIONS[0])
    begun = time.perf_counter()
    prompt, most = expert.prompt(asked)
    times = [time.perf_counter() for _ in expert.decoder.decode([prompt], most)]
    return (times[0] - begun, times[-1] - times[0], len(times)) if times else (time.perf_counter() - begun, 0.0, 0)


def measure_model(expert: Llava, images: Sequence[Image.Image], rounds: int = ROUNDS) -> dict[str, Any]:
    """Figures of one model; batched and one by one are measured side by side, each on pictures that are new."""
    expert.most, expert.decoder.ends = TOKENS, frozenset()  # every answer is as long as the others
    fresh = views(images)
    first_word(expert, next(fresh))  # the first run warms up
    words = [first_word(expert, next(fresh)) for _ in range(rounds)]
    ratios: list[float] = []
    encoded = 0
    for _ in range(rounds):
        seconds: list[float] = []
        for batched in (True, False):
            view, before = next(fresh), expert.encodes
            asked = [Answer((view,), question) for question in QUESTIONS]
            begun = time.perf_counter()
            if batched:
                expert.predict(asked)
                encoded = expert.encodes - before
            else:
                for number, one in enumerate(asked):  # each as if it came alone, on a picture of its own name
                    expert.predict([Answer((next(fresh),), one.question)] if number else [one])
            seconds.append(time.perf_counter() - begun)
        ratios.append(seconds[1] / seconds[0])
    kept = next(fresh)
    expert.predict([Answer((kept,), "What is it?")])
    again = [_seconds(expert, Answer((kept,), question)) for question in QUESTIONS]
    return {
        "first_token_ms": 1000 * statistics.median(first for first, _, _ in words),
        "first_answer_on_a_known_picture_ms": 1000 * statistics.median(again),
        "tokens_a_second": statistics.median((count - 1) / rest for _, rest, count in words if rest > 0),
        "tokens_an_answer": TOKENS,
        "eight_questions_one_by_one_vs_batched": statistics.median(ratios),
        "encoder_runs_for_eight_questions": encoded,
    }


def _seconds(expert: Llava, asked: Answer) -> float:
    begun = time.perf_counter()
    expert.predict([asked])
    return time.perf_counter() - begun


def random_expert(shape: Shape, device: str = "cpu") -> Llava:
    """An expert of that shape with random weights."""
    return Llava(*make_llava(shape, device=device, half=device != "cpu"), device, "random")


def measure() -> dict[str, Any]:
    """The figures of the bundled LLaVA on a CPU, and of the 7B shape on a GPU."""
    import torch

    torch.set_num_threads(1)
    images = [render(sample_scene(split_seed("test", number), "test"), 512).image for number in range(8)]
    there = (ZOO / "llava" / "card.json").is_file()
    expert = Llava.load(ModelSpec.parse("zoo:llava"), "cpu") if there else random_expert(BUNDLED)
    figures = {("bundled" if there else "bundled_shape_random_weights"): measure_model(expert, images)}
    if torch.cuda.is_available():
        figures["llava_1_5_7b_shape_on_" + torch.cuda.get_device_name().replace(" ", "_")] = measure_model(
            random_expert(LLAVA_7B, "cuda"), images
        )
    return figures
