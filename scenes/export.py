"""Scenes as files: a picture and a JSON file of its truth, `0000.png` and `0000.json`, and so on."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import numpy as np

from .language.captions import captions
from .language.programs import to_json
from .language.questions import QuestionSampler
from .render import Rendered, render
from .sample import sample_scene
from .scene import Scene
from .splits import Split

CAPTIONS = 5
QUESTIONS = 10


def export_scenes(
    count: int, seed: int, size: int, out: str | Path, *, split: Split = "train", held_out: bool = False
) -> list[Path]:
    """Write `count` scenes into `out`: the scenes number `seed`, `seed` + 1 ... of the split.

    Each JSON file holds `seed, width, height, background, objects, captions, questions`. An object has `id, shape,
    color, size, material, word, box, mask`: `box` is the tight box of its visible pixels, [x0, y0, x1, y1] in
    pixels with exclusive right and lower edges; `mask` is COCO's run-length encoding, {"size": [height, width],
    "counts": [...]}, not compressed. A question has `question, program, answer, family`. What is said and asked
    about places rests on the visible boxes. The same arguments write the same bytes.

    Args:
        count: how many scenes.
        seed: the number of the first scene within its split.
        size: the picture's side in pixels.
        out: the folder; made where it is missing. Nothing else in it is touched.
        split: which scenes.
        held_out: word the questions by families of phrasings that training never uses.

    Returns:
        The pictures' paths.
    """
    folder = Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    sampler = QuestionSampler(seed, held_out=held_out)
    written = []
    for number in range(count):
        scene = sample_scene(seed + number, split)
        rendered = render(scene, size)
        truth = scene_record(scene, rendered, sampler)
        path = folder / f"{number:04d}.png"
        rendered.image.save(path)
        path.with_suffix(".json").write_text(json.dumps(truth, indent=1) + "\n", encoding="utf-8")
        written.append(path)
    return written


def scene_record(scene: Scene, rendered: Rendered, sampler: QuestionSampler) -> dict[str, Any]:
    """The truth of a rendered scene as the JSON file holds it."""
    width, height = rendered.image.size
    objects = [
        {
            "id": thing.id,
            "shape": thing.shape,
            "color": thing.color,
            "size": thing.size,
            "material": thing.material,
            "word": thing.word,
            "box": [int(value) for value in box],
            "mask": encode_mask(mask),
        }
        for thing, box, mask in zip(scene.things, rendered.boxes, rendered.masks, strict=True)
    ]
    shares = (rendered.boxes / np.array([width, height, width, height])).tolist()
    return {
        "seed": scene.seed,
        "width": width,
        "height": height,
        "background": scene.backdrop,
        "objects": objects,
        "captions": [caption.text for caption in captions(scene, random.Random(scene.seed), CAPTIONS, shares)],
        "questions": [
            {
                "question": question.text,
                "program": to_json(question.program),
                "answer": question.answer,
                "family": question.family,
            }
            for question in sampler.sample(scene, QUESTIONS, shares)
        ],
    }


def encode_mask(mask: np.ndarray) -> dict[str, list[int]]:
    """A (height, width) bool mask in COCO's run-length encoding, column by column, not compressed."""
    import supervision as sv  # heavy: it brings matplotlib

    height, width = mask.shape
    return {"size": [height, width], "counts": [int(run) for run in sv.mask_to_rle(mask.astype(bool))]}
