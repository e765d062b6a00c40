"""The detector: ultralytics' YOLO and its loss in a loop of our own, on scenes drawn on the fly.

A model sees 256 px of whatever it looks at. Half of the training pictures are whole scenes, half are
windows cut out of one, so that it also finds things in a region that is looked at again, where they
stand larger and may be cut off by the edge.

A sign with a word is a class of its own, beside the shapes of things, so that words are found before they are read.
"""

from __future__ import annotations

import io
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageEnhance
from torch.optim.swa_utils import AveragedModel

from ...scenes.about import about
from ...scenes.render import render
from ...scenes.sample import sample_scene
from ...scenes.scene import SHAPES
from ...scenes.splits import Split
from ...tools.experts.detector.yolo import Yolo, build, letterbox
from ..common import Budget, Card, Run, autocast, batches, choose, draw_curve, running_average, warm_cosine, write_zoo

BUDGETS = {"cpu": Budget(steps=4500, batch=16, workers=1), "gpu": Budget(steps=12000, batch=64, workers=14)}
RATE, DECAY, EMA = 2e-3, 0.02, 0.998
PICTURE, SIDE = 512, 256  # px of a drawn picture, and of what the model sees
ZOOM = 2.5  # a region is shown at most this much larger than in the whole picture; the scales to learn stay few
GAINS = {"box": 7.5, "cls": 0.5, "dfl": 1.5}  # the weights of the three losses, as ultralytics has them
NAMES = (*SHAPES, "sign")
SIGN = len(SHAPES)  # the class of signs
FIRST_TEST = 10_000  # of the split test: nothing before it is measured, for earlier detectors were chosen by those
LEAST_VISIBLE = 0.4  # a thing that a window cuts down to less of its box is no longer a thing in it

# Width 0.25, as the n scale of YOLO11. Things are 29 to 55 px long in a whole picture, so no head stands at
# stride 32; the stage at stride 32 stays for what it sees of the surroundings.
ARCHITECTURE: dict[str, Any] = {
    "nc": len(NAMES),
    "reg_max": 16,
    "scale": "n",
    "scales": {"n": [0.5, 0.25, 1024]},
    "backbone": [
        [-1, 1, "Conv", [64, 3, 2]],
        [-1, 1, "Conv", [128, 3, 2]],
        [-1, 2, "C3k2", [128, False, 0.25]],
        [-1, 1, "Conv", [256, 3, 2]],
        [-1, 2, "C3k2", [512, False, 0.25]],  # 4: stride 8
        [-1, 1, "Conv", [512, 3, 2]],
        [-1, 2, "C3k2", [512, True]],  # 6: stride 16
        [-1, 1, "Conv", [512, 3, 2]],
        [-1, 2, "C3k2", [512, True]],
        [-1, 1, "SPPF", [512, 5]],  # 9: stride 32
    ],
    "head": [
        [-1, 1, "nn.Upsample", [None, 2, "nearest"]],
        [[-1, 6], 1, "Concat", [1]],
        [-1, 2, "C3k2", [512, False]],  # 12
        [-1, 1, "nn.Upsample", [None, 2, "nearest"]],
        [[-1, 4], 1, "Concat", [1]],
        [-1, 2, "C3k2", [256, False]],  # 15: stride 8
        [-1, 1, "Conv", [256, 3, 2]],
        [[-1, 12], 1, "Concat", [1]],
        [-1, 2, "C3k2", [512, False]],  # 18: stride 16
        [[15, 18], 1, "Detect", ["nc"]],
    ],
}
CONFIG: dict[str, Any] = {
    "model_type": "ultralytics-yolo",
    "yaml": ARCHITECTURE,
    "names": list(NAMES),
    "image_size": SIDE,
    "threshold": 0.4,
    "overlap": 0.7,
    "one_class_a_place": True,
    "zoom": ZOOM,
}


def truth(seed: int, split: Split = "train", **options: Any) -> tuple[Image.Image, np.ndarray, np.ndarray]:
    """One scene: its picture, boxes (n, 4) xyxy in the picture's pixels, and classes (n,), things before signs."""
    scene = sample_scene(seed, split=split, **options)
    drawn = render(scene, PICTURE)
    signs = np.array([box for box in drawn.sign_boxes if box is not None], np.float32).reshape(-1, 4)
    classes = [SHAPES.index(thing.shape) for thing in scene.things] + [SIGN] * len(signs)
    return drawn.image, np.concatenate([drawn.boxes, signs]), np.array(classes, dtype=int)


def cut(
    image: Image.Image, boxes: np.ndarray, classes: np.ndarray, window: tuple[int, int, int, int]
) -> tuple[Image.Image, np.ndarray, np.ndarray]:
    """A window (xyxy pixels) of a picture, with the things of which enough lies within it."""
    x0, y0, x1, y1 = window
    inside = boxes.clip((x0, y0, x0, y0), (x1, y1, x1, y1))
    share = area(inside) / np.maximum(area(boxes), 1)
    kept = share >= LEAST_VISIBLE
    return image.crop(window), inside[kept] - np.array((x0, y0, x0, y0), np.float32), classes[kept]


def area(boxes: np.ndarray) -> np.ndarray:
    """The areas of boxes (n, 4) xyxy: (n,)."""
    return (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])


def any_window(boxes: np.ndarray, random: np.random.Generator) -> tuple[int, int, int, int]:
    """A window to look at: most often one thing, alone as a region shows it or with surroundings; else anywhere."""
    if len(boxes) and random.random() < 0.75:
        x0, y0, x1, y1 = boxes[random.integers(len(boxes))]
        least, most = (-0.04, 0.15) if random.random() < 0.4 else (-0.05, 1.2)
        left, top, right, bottom = random.uniform(least, most, 4) * max(x1 - x0, y1 - y0)
        corners = x0 - left, y0 - top, x1 + right, y1 + bottom
    else:
        width, height = PICTURE * np.exp(random.uniform(np.log(0.25), 0, 2))
        x, y = random.uniform(0, PICTURE - width), random.uniform(0, PICTURE - height)
        corners = x, y, x + width, y + height
    x0, y0, x1, y1 = (round(float(np.clip(value, 0, PICTURE))) for value in corners)
    return x0, y0, max(x1, x0 + 24), max(y1, y0 + 24)


def draw(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """One training case: (256, 256, 3) uint8, and (n, 5): class, then centre and size as shares of the side."""
    random = np.random.default_rng((seed, 1))
    # More often many things than few: a step costs the same, and there is more to learn in it.
    image, boxes, classes = truth(seed, things=(2, 8) if random.random() < 0.4 else (5, 8))
    if random.random() < 0.5:
        image, boxes, classes = cut(image, boxes, classes, any_window(boxes, random))
    if random.random() < 0.2:  # a little of what cameras and files do to a picture
        image = ImageEnhance.Brightness(image).enhance(random.uniform(0.85, 1.15))
        saved = io.BytesIO()
        image.save(saved, "JPEG", quality=int(random.integers(50, 95)))
        image = Image.open(saved)
    square, scale, padding = letterbox(image, SIDE, ZOOM * SIDE / PICTURE)
    placed = (boxes * scale + np.array(padding * 2)) / SIDE
    centres, sizes = (placed[:, :2] + placed[:, 2:]) / 2, placed[:, 2:] - placed[:, :2]
    return square, np.concatenate([classes[:, None], centres, sizes], 1).astype(np.float32)


def collate(cases: list[tuple[np.ndarray, np.ndarray]]) -> dict[str, torch.Tensor]:
    """What ultralytics' loss takes: `img` (b, 3, 256, 256) uint8, `batch_idx` (n,), `cls` (n,), `bboxes` (n, 4)."""
    targets = torch.from_numpy(np.concatenate([boxes for _, boxes in cases]))
    return {
        "img": torch.from_numpy(np.stack([image for image, _ in cases])).permute(0, 3, 1, 2),
        "batch_idx": torch.repeat_interleave(torch.tensor([len(boxes) for _, boxes in cases])),
        "cls": targets[:, 0],
        "bboxes": targets[:, 1:],
    }


def train(budget: str, out: Path, resume: bool = False) -> None:
    """Train the detector and leave `config.json`, `model.safetensors`, `card.json` and `curve.png` in `out`."""
    from ultralytics.utils.loss import v8DetectionLoss

    chosen = choose(budget, BUDGETS)
    torch.manual_seed(0)
    model: Any = build(ARCHITECTURE)
    model = model.to(chosen.device, memory_format=torch.channels_last)
    model.args = SimpleNamespace(**GAINS)
    loss_of = v8DetectionLoss(model)
    optimizer = torch.optim.AdamW(model.parameters(), RATE, weight_decay=DECAY)
    schedule = warm_cosine(optimizer, chosen.steps)
    average = running_average(model, EMA)
    state = {"model": model, "optimizer": optimizer, "schedule": schedule, "average": average}
    run = Run(out, chosen.steps, state, resume)
    seeds = range(run.step * chosen.batch, chosen.steps * chosen.batch)
    data = iter(batches(draw, seeds, chosen.batch, chosen.workers, collate))
    model.train()
    with run:
        for step in run:
            batch = {name: value.to(chosen.device) for name, value in next(data).items()}
            batch["img"] = batch["img"].float().div_(255).contiguous(memory_format=torch.channels_last)
            with autocast(chosen.device):
                seen = model(batch["img"])
            seen = {name: value.float() if name != "feats" else value for name, value in seen.items()}
            losses, items = loss_of(seen, batch)
            optimizer.zero_grad(set_to_none=True)
            (losses.sum() / chosen.batch).backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 10.0)
            optimizer.step()
            schedule.step()
            average.update_parameters(model)
            if step % 20 == 0:
                run.log(**{name.removesuffix("_loss"): float(value) for name, value in items.items()})
    finish(average, run, chosen)


def finish(average: AveragedModel, run: Run, budget: Budget, cases: int = 1000) -> None:
    """Write the zoo folder of the running average, measure it, and put the figures on its card."""
    draw_curve(run.history, run.out / "curve.png")
    card = Card(
        recipe="detector",
        arguments={"steps": budget.steps, "batch": budget.batch, "rate": RATE, "weight_decay": DECAY, "ema": EMA},
        data={
            "train": f"split train, seeds 0 to {run.step * budget.batch - 1}",
            "test": f"split test, seeds {FIRST_TEST} to {FIRST_TEST + cases - 1}, which no detector was chosen by",
        },
        steps=run.step,
        minutes=run.minutes,
        metrics={},
        parameters=sum(value.numel() for value in average.module.parameters()),
    )
    state = average.module.state_dict()
    write_zoo(run.out, CONFIG | {"saccade": about("detector")}, state, card)
    card.metrics = evaluate(run.out, cases)
    write_zoo(run.out, CONFIG | {"saccade": about("detector")}, state, card)


def evaluate(folder: Path, cases: int = 1000) -> dict[str, Any]:
    """Measure a zoo folder on held-out scenes.

    Returns:
        `test` and `compositional` (attribute pairs that no training scene has), each with `precision`, `recall`
        (at the model's own threshold, a box counts with IoU 0.5 and the right class), `map50_95`, and `blind_recall`
        (the boxes found in another scene), for things; `signs`: the same for the signs of `test`; `windows`: things
        in windows of all sorts, `regions`: on one thing's own box, as a second look at a region shows it; `cases`;
        `milliseconds`: the median processor time for one picture, over the threads that torch has here.
    """
    yolo = Yolo.from_folder(folder, "cuda" if torch.cuda.is_available() else "cpu")
    seeds = range(FIRST_TEST, FIRST_TEST + cases)
    test = [truth(seed, "test") for seed in seeds]
    odd = [truth(seed, "test", compositional=True) for seed in seeds]
    random = np.random.default_rng(0)
    windows = [cut(*case, any_window(case[1], random)) for case in test]
    regions = [cut(*case, _around(case[1][random.integers((case[2] != SIGN).sum())])) for case in test]
    seconds = []
    for image, _, _ in test[:30]:
        begun = time.process_time()
        yolo.find([image])
        seconds.append(time.process_time() - begun)
    scored = _score(yolo, test)
    return {
        "cases": cases,
        "test": scored["things"],
        "signs": scored["signs"],
        "compositional": _score(yolo, odd)["things"],
        "windows": _score(yolo, windows)["things"],
        "regions": _score(yolo, regions)["things"],
        "milliseconds": round(1000 * float(np.median(seconds)), 1),
        "threads": torch.get_num_threads(),
    }


def _around(box: np.ndarray) -> tuple[int, int, int, int]:
    """A box as the window of a region."""
    x0, y0, x1, y1 = (int(value) for value in box)
    return x0, y0, x1, y1


def _score(yolo: Yolo, cases: list[tuple[Image.Image, np.ndarray, np.ndarray]]) -> dict[str, dict[str, float]]:
    """Precision, recall, mAP and the blind baseline of one set of cases, for `things` and for `signs`."""
    import supervision as sv

    found, truths = [], []
    for first in range(0, len(cases), 32):
        part = cases[first : first + 32]
        for (boxes, scores, classes), (_, true, kinds) in zip(
            yolo.find([image for image, _, _ in part], 0.001, [(PICTURE, PICTURE)] * len(part)), part, strict=True
        ):
            found.append(sv.Detections(boxes, confidence=scores, class_id=classes))
            truths.append(sv.Detections(true, class_id=kinds) if len(true) else sv.Detections.empty())
    return {
        "things": _figures(yolo, *([one[one.class_id != SIGN] for one in side] for side in (found, truths))),
        "signs": _figures(yolo, *([one[one.class_id == SIGN] for one in side] for side in (found, truths))),
    }


def _figures(yolo: Yolo, found: list[Any], truths: list[Any]) -> dict[str, float]:
    """The figures of what was found, at any score, against what is there: `sv.Detections` for each picture."""
    from supervision.metrics import MeanAveragePrecision

    sure = [detections[detections.confidence >= yolo.threshold] for detections in found]
    hits = sum(matches(one, other) for one, other in zip(sure, truths, strict=True))
    blind = sum(matches(one, other) for one, other in zip(sure[1:] + sure[:1], truths, strict=True))
    claimed, there = sum(map(len, sure)), sum(map(len, truths))
    mean = MeanAveragePrecision().update(found, truths).compute()
    return {
        "precision": round(hits / max(claimed, 1), 4),
        "recall": round(hits / max(there, 1), 4),
        "map50_95": round(float(mean.map50_95), 4),
        "blind_recall": round(blind / max(there, 1), 4),
        "boxes": there,
    }


def matches(found: Any, true: Any, iou: float = 0.5) -> int:
    """How many true boxes were found with the right class, each box used once, the best score first."""
    import supervision as sv

    if not len(found) or not len(true):
        return 0
    overlap = sv.box_iou_batch(true.xyxy, found.xyxy) * (true.class_id[:, None] == found.class_id[None])
    hits = 0
    for column in np.argsort(-found.confidence):
        row = int(overlap[:, column].argmax())
        if overlap[row, column] >= iou:
            hits += 1
            overlap[row] = 0
    return hits
