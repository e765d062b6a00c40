"""What every recipe shares: a budget, data drawn from seeds, a run that can be stopped and resumed, a zoo folder.

A recipe is a module with

    def train(budget: str, out: Path, resume: bool) -> None
    def evaluate(folder: Path, cases: int) -> dict

`train` leaves a whole zoo folder in `out` (`config.json`, `model.safetensors`, `card.json`) with the
curve of its losses (`curve.png`); what it needs to go on after a stop lies in `out/run/`.
"""

from __future__ import annotations

import json
import math
import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

import torch
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch.optim.lr_scheduler import LambdaLR
from torch.optim.swa_utils import AveragedModel
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from ..errors import UserError, suggest
from ..tools.weights import sha256

T = TypeVar("T")
Tensors = list[torch.Tensor] | tuple[torch.Tensor, ...]


@dataclass(frozen=True)
class Budget:
    """How much a training may cost. Only these numbers differ between a CPU and a GPU run."""

    steps: int
    batch: int
    patch: int | None = None  # patch size of a vision transformer, where there is one
    workers: int = 1  # processes that draw scenes

    @property
    def device(self) -> str:
        """The device to train on: the GPU where there is one."""
        return "cuda" if torch.cuda.is_available() else "cpu"


def choose(name: str, budgets: Mapping[str, Budget]) -> Budget:
    """The budget called `name` ("cpu", "gpu").

    Raises:
        UserError: there is no such budget.
    """
    if name not in budgets:
        raise UserError(f"Unknown budget {name!r}.{suggest(name, budgets)}", kind="unknown_budget")
    return budgets[name]


def autocast(device: str) -> torch.autocast:
    """bf16 for the heavy operations, where the hardware computes it natively; elsewhere nothing changes.

    A CPU with AVX-512 BF16 trains about twice as fast with it; one without would be several times slower.
    """
    fast = device == "cuda" or torch.cpu._is_avx512_bf16_supported()  # pyright: ignore[reportPrivateUsage]
    return torch.autocast(device, torch.bfloat16, enabled=fast)


def plain_attention(model: Any) -> None:
    """Have a transformers model compute attention step by step while it is trained on a CPU.

    PyTorch's fused attention is fast forwards and slow backwards there: for 65 tokens, a layer took 50 ms instead
    of 12. What the model computes stays the same.
    """
    if not torch.cuda.is_available():
        model.set_attn_implementation("eager")


class _Drawn(IterableDataset[T], Generic[T]):
    """`draw(seed)` for every seed of a range; each worker takes every n-th."""

    def __init__(self, draw: Callable[[int], T], seeds: range) -> None:
        self.draw, self.seeds = draw, seeds

    def __iter__(self) -> Iterator[T]:
        worker = get_worker_info()
        first, step = (worker.id, worker.num_workers) if worker else (0, 1)
        return (self.draw(seed) for seed in self.seeds[first::step])


def batches(
    draw: Callable[[int], T],
    seeds: range,
    batch: int,
    workers: int = 1,
    collate: Callable[[list[T]], Any] | None = None,
) -> DataLoader[Any]:
    """Batches drawn on the fly by other processes, the same for the same seeds and workers.

    Args:
        draw: makes one case from one seed; a function at the top of a module, or a `partial` of one.
        seeds: the seeds, in order. To resume at step s, begin at `s * batch`.
        batch: cases a batch.
        workers: processes; 0 draws in this one.
        collate: makes a batch of a list of cases; torch's own stacking when left out.
    """
    return DataLoader(
        _Drawn(draw, seeds),
        batch,
        num_workers=workers,
        collate_fn=collate,
        prefetch_factor=4 if workers else None,
        worker_init_fn=_leave_interrupts,
    )


def _leave_interrupts(_: int) -> None:
    """In a worker: Ctrl-C is for the process that trains, which saves first and then ends its workers."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


def warm_cosine(optimizer: torch.optim.Optimizer, steps: int, warm: float = 0.1) -> LambdaLR:
    """The rate rises for a share `warm` of the steps, then falls along a cosine to a hundredth.

    It depends on the step and on `steps` alone: a run that is resumed with more steps than it was begun with goes on
    at the rate of its new place, which is how a model is trained further.
    """

    def share(step: int) -> float:
        done = step / max(steps, 1)
        return (step + 1) / (warm * steps + 1) if done < warm else 0.01 + 0.99 * (1 + math.cos(math.pi * done)) / 2

    return LambdaLR(optimizer, share)


def running_average(model: torch.nn.Module, decay: float) -> AveragedModel:
    """An exponential average of weights and buffers (batch norm's too); call `update_parameters(model)` each step.

    It follows quickly at first, so that it soon forgets the random weights that it began with.
    """

    def follow(kept: Tensors, new: Tensors, count: torch.Tensor | int) -> None:
        steps = int(count)
        share = 1 - min(decay, (1 + steps) / (10 + steps))
        for old, value in zip(kept, new, strict=True):
            if old.is_floating_point():
                old.lerp_(value, share)
            else:
                old.copy_(value)

    return AveragedModel(model, multi_avg_fn=torch.no_grad()(follow), use_buffers=True)


class Stateful(Protocol):
    """A model, optimizer, schedule or running average: anything that can be saved and restored."""

    def state_dict(self) -> dict[str, Any]: ...  # noqa: D102
    def load_state_dict(self, state_dict: Any, /) -> Any: ...  # noqa: D102


class Run:
    """One training: counts its steps, shows them, saves itself every few minutes and on Ctrl-C.

        with Run(out, budget.steps, {"model": model, "optimizer": optimizer}, resume) as run:
            for step in run:
                ...
                run.log(loss=loss.item())

    Iterating goes from the first step that is still to do to the last. Ctrl-C (or SIGTERM) ends the
    step at hand, saves, and raises KeyboardInterrupt; a second Ctrl-C stops at once.
    """

    def __init__(
        self, out: Path, steps: int, state: Mapping[str, Stateful], resume: bool = False, save_minutes: float = 3.0
    ) -> None:
        self.out, self.steps, self.state, self.save_seconds = out, steps, dict(state), 60 * save_minutes
        self.folder = out / "run"
        self.folder.mkdir(parents=True, exist_ok=True)
        self.step = 0  # steps done
        self.seconds = 0.0  # of training, over every resume
        self.history: list[tuple[int, dict[str, float]]] = []
        self._stop = False
        if resume:
            self._restore()

    @property
    def checkpoint(self) -> Path:
        """The file that `--resume` reads: tensors and plain containers only."""
        return self.folder / "checkpoint.pt"

    @property
    def minutes(self) -> float:
        """Minutes of training so far, over every resume."""
        return round(self.seconds / 60, 1)

    def log(self, **losses: float) -> None:
        """Note the losses of the step at hand: on the bar, in `losses.jsonl`, and for the curve."""
        self.history.append((self.step, losses))
        words = "  ".join(f"{name} {value:.4g}" for name, value in losses.items())
        self._progress.update(self._task, losses=words)
        with (self.folder / "losses.jsonl").open("a") as file:
            file.write(json.dumps({"step": self.step, "minutes": self.minutes, **losses}) + "\n")

    def save(self) -> None:
        """Write the checkpoint; a crash while it is written leaves the one before."""
        state = {name: part.state_dict() for name, part in self.state.items()}
        facts = {"step": self.step, "seconds": self.seconds, "history": self.history}
        part = self.checkpoint.with_suffix(".part")
        torch.save({"state": state, **facts}, part)
        part.replace(self.checkpoint)

    def __enter__(self) -> Run:
        _keep_memory()
        self._progress = Progress(
            TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(),
            TextColumn("{task.fields[losses]}"),
        )  # fmt: skip
        self._task = self._progress.add_task(self.out.name, total=self.steps, completed=self.step, losses="")
        self._progress.start()
        self._handlers = {number: signal.signal(number, self._interrupt) for number in (signal.SIGINT, signal.SIGTERM)}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        self._progress.stop()

    def __iter__(self) -> Iterator[int]:
        saved = time.monotonic()
        while self.step < self.steps:
            begun = time.monotonic()
            yield self.step
            self.step += 1
            self.seconds += time.monotonic() - begun
            self._progress.update(self._task, completed=self.step)
            if self._stop or time.monotonic() - saved > self.save_seconds:
                self.save()
                saved = time.monotonic()
            if self._stop:
                raise KeyboardInterrupt
        self.save()

    def _interrupt(self, number: int, _: object) -> None:
        if self._stop:
            raise KeyboardInterrupt
        self._stop = True

    def _restore(self) -> None:
        if not self.checkpoint.is_file():
            raise UserError(
                f"There is nothing to resume in {str(self.out)!r}: leave --resume out.", kind="nothing_to_resume"
            )
        saved = torch.load(self.checkpoint, map_location="cpu", weights_only=True)
        for name, part in self.state.items():
            if name in saved["state"]:
                part.load_state_dict(saved["state"][name])
        self.step, self.seconds = saved["step"], saved["seconds"]
        self.history = [(int(step), dict(losses)) for step, losses in saved["history"]]


def _keep_memory() -> None:
    """Have glibc keep freed memory for the next step: a CPU training spends up to 28 % on giving it back and forth."""
    import ctypes
    import sys

    if sys.platform == "linux":
        mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
        if mallopt is not None:  # musl has none
            mallopt(-4, 0)  # M_MMAP_MAX: large blocks come from the heap too
            mallopt(-1, 2**31 - 1)  # M_TRIM_THRESHOLD: the heap does not shrink


def draw_curve(history: list[tuple[int, dict[str, float]]], path: Path) -> None:
    """Draw the losses over the steps as a PNG, one line a name, on a logarithmic scale."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(7, 4), layout="constrained")
    for name in dict.fromkeys(name for _, losses in history for name in losses):
        points = [(step, losses[name]) for step, losses in history if name in losses]
        axes.plot(*zip(*points, strict=True), label=name, linewidth=1)
    axes.set(xlabel="step", ylabel="loss", yscale="log")
    if history:
        axes.legend()
    figure.savefig(path, dpi=110)
    plt.close(figure)


@dataclass
class Card:
    """What `card.json` tells about a model: how it was made, on what, and how good it is."""

    recipe: str  # the name that `saccade train` knows it by
    arguments: dict[str, Any]  # the recipe's numbers: steps, batch, rate, sizes
    data: dict[str, Any]  # seeds and splits, of training and of testing
    steps: int
    minutes: float
    metrics: dict[str, Any]  # each with the number of held-out cases, "cases"
    hardware: str = ""
    parameters: int = 0
    notes: list[str] = field(default_factory=list)
    sha256: str = ""
    files: dict[str, str] = field(default_factory=dict)  # of a folder with several weight files: name -> SHA-256
    from_nothing: bool = True  # False: these weights are not what one run of the committed recipe gives
    phases: list[dict[str, Any]] = field(default_factory=list)  # {"what", "steps"}: which runs made these weights
    seen: dict[str, str] = field(default_factory=dict)  # held-out set -> who has looked at what of it, and how often


def hardware() -> str:
    """The device and how much of it was used, in words."""
    if torch.cuda.is_available():
        return torch.cuda.get_device_name()
    return f"CPU, {torch.get_num_threads()} of {os.cpu_count()} cores"


def write_zoo(folder: Path, config: Mapping[str, Any], state: Mapping[str, torch.Tensor], card: Card) -> Card:
    """Write a zoo folder: `config.json`, `model.safetensors` (floats as fp16), `card.json` with the hash.

    Each file is written beside its place and then moved there, so that a reader never sees half of one.
    Gives back the card as it was written, with hardware, parameters and hash filled in.
    """
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    tensors = {
        name: (value.half() if value.is_floating_point() else value).detach().cpu().contiguous().clone()
        for name, value in state.items()
    }
    save_file(tensors, folder / "model.safetensors.part")
    (folder / "model.safetensors.part").chmod(0o644)  # safetensors lets nobody else read what it writes
    (folder / "model.safetensors.part").replace(folder / "model.safetensors")
    card.hardware = card.hardware or hardware()
    card.parameters = card.parameters or sum(value.numel() for value in tensors.values() if value.is_floating_point())
    card.phases = card.phases or [{"what": "the committed recipe, from nothing", "steps": card.steps}]
    card.sha256 = sha256(folder / "model.safetensors")
    for name, value in (("config.json", dict(config)), ("card.json", asdict(card))):
        write_json(folder / name, value)
    return card


def write_json(path: Path, value: Any) -> None:
    """Write JSON beside its place, then move it there."""
    part = path.with_name(path.name + ".part")
    part.write_text(json.dumps(value, indent=1) + "\n", "utf-8")
    part.replace(path)


def install(out: Path, zoo_folder: Path) -> None:
    """Copy what a run made into the zoo, without what it needed to be resumed."""
    zoo_folder.mkdir(parents=True, exist_ok=True)
    for path in sorted(out.iterdir()):
        if path.is_file() and path.suffix != ".part":
            shutil.copy2(path, zoo_folder / path.name)
