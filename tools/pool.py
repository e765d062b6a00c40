"""The pool that owns the device: experts are loaded at first use and asked under one lock each.

One expert is loaded at a time, because loading is what fills memory up. When the device runs out of
memory in the middle of a batch, the cache is emptied and the requests are tried one by one.
"""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from ..errors import ExpertFailed, SaccadeError, UserError
from ..settings import Profile
from .contracts import Expert
from .progress import Progress
from .registry import expert_class, spec_of
from .weights import declared_by, fingerprint

DEEPEST = 3  # attributes from an expert to the modules that it asks


@dataclass(frozen=True)
class PoolEvent:
    """Something that a person who waits may like to know: "loading detector (zoo:detector)", or words as they come."""

    stage: Literal["loading", "loaded", "unloaded", "said", "working"]
    role: str
    spec: str
    seconds: float = 0.0  # how long the loading took
    text: str = ""  # what the expert has just written
    progress: Progress | None = None  # how far the expert is


@dataclass(frozen=True)
class Spent:
    """What a role has cost so far: seconds of loading and of answering, and how many requests it answered."""

    load: float = 0.0
    predict: float = 0.0
    requests: int = 0


@dataclass
class _Slot:
    """The place of one role: its lock, and its expert once it is loaded."""

    lock: threading.RLock = field(default_factory=threading.RLock)
    expert: Expert[Any, Any] | None = None
    spent: Spent = field(default_factory=Spent)


class ExpertPool:
    """Implements `contracts.Experts` with the models that a profile names. Safe to share among threads.

    Args:
        profile: which model serves which role.
        device: "auto" (a GPU where there is one), "cpu", "cuda" or "cuda:1".
        threads: how many CPU threads torch may use for one operation.
        listener: told of every loading, in the thread that loads.
        classes: expert classes by role instead of the registered ones.
    """

    def __init__(
        self,
        profile: Profile,
        device: str = "auto",
        threads: int = 1,
        *,
        listener: Callable[[PoolEvent], None] | None = None,
        classes: Mapping[str, type[Expert[Any, Any]]] | None = None,
    ) -> None:
        self.profile = profile
        self.threads = threads
        self.listener = listener
        self._wanted = device
        self._device: str | None = None
        self._classes = dict(classes or {})
        self._slots: dict[str, _Slot] = {}
        self._about: dict[str, Mapping[str, Any]] = {}
        self._weights: dict[str, str | None] = {}
        self._rows: dict[str, int] | None = None  # of each role's forwards while batches are fixed
        self._fits: set[tuple[str, int]] = set()  # rows that were found to fit, by role
        self._guard = threading.Lock()  # of the dictionary of slots
        self._loading = threading.Lock()  # one load at a time

    def ask(self, role: str, requests: Sequence[Any]) -> list[Any]:
        """The answers of the expert in `role`, one a request, in order; loads the expert where needed.

        Raises:
            ExpertFailed: the expert cannot be loaded, or ran out of memory even one request at a time.
        """
        if not requests:
            return []
        slot = self._slot(role)
        with slot.lock:
            expert = self._load(role, slot) if slot.expert is None else slot.expert
            begun = time.perf_counter()
            try:
                answers = self._predict(role, expert, requests)
            finally:
                slot.spent = replace(
                    slot.spent,
                    predict=slot.spent.predict + time.perf_counter() - begun,
                    requests=slot.spent.requests + len(requests),
                )
        return answers

    def about(self, role: str) -> Mapping[str, Any]:
        """What the model in a role declares: its `config.json["saccade"]`, the profile's options over it.

        Models that the profile names beside it ("painter.inpaint") are under "parts", by what follows the dot.
        Nothing is loaded for it; a role without a model, or without such a file, declares nothing.
        """
        if role not in self._about:
            declared: Mapping[str, Any] = {}
            with contextlib.suppress(UserError):
                declared = declared_by(spec_of(role, self.profile))
            beside = {name.removeprefix(f"{role}."): spec for name, spec in self.profile.models.items()
                      if name.startswith(f"{role}.")}  # fmt: skip
            parts = {"parts": beside} if beside else {}
            self._about[role] = {**declared, **self.profile.options.get(role, {}), **parts}
        return self._about[role]

    def fix_rows(self, rows: Mapping[str, int] | None) -> None:
        """From now on every forward of an expert has one number of rows (see `Expert.fix_rows`), by role.

        Roles that are not named take what is best on the device, less where that does not fit. None: as many rows as
        there are requests, as in conversations.
        """
        self._rows = None if rows is None else dict(rows)
        for role in self.loaded():
            slot = self._slot(role)
            with slot.lock:
                if slot.expert is not None:
                    self._fix(role, slot.expert)

    def rows(self, role: str) -> int | None:
        """How many rows each forward of a role has now; None where they are not fixed, or it has no model."""
        if self._rows is None:
            return None
        if role not in self._rows:
            try:
                kind = self._classes.get(role) or expert_class(role, spec_of(role, self.profile).scheme)
            except UserError:
                return None
            self._rows[role] = kind.best_rows(self.device)
        return self._rows[role]

    def computing(self, role: str) -> dict[str, Any]:
        """How a role computes while batches are fixed: `rows` of a forward, `dtype`, the prompts that it `says`."""
        kind = self._classes.get(role) or expert_class(role, spec_of(role, self.profile).scheme)
        return {"rows": self.rows(role), "dtype": kind.dtype_on(self.device), "says": list(kind.says)}

    def _fix(self, role: str, expert: Expert[Any, Any]) -> None:
        """Fix the rows of a loaded expert; half of them, and half again, where a forward does not fit."""
        rows = self.rows(role)
        expert.fix_rows(rows)
        while rows is not None and rows > 1 and self._rows is not None and (role, rows) not in self._fits:
            try:
                expert.probe()
            except Exception as error:
                if not _out_of_memory(error):
                    raise
                _empty_cache()
                rows = self._rows[role] = rows // 2
                expert.fix_rows(rows)
            else:
                self._fits.add((role, rows))

    def weights(self, role: str) -> str | None:
        """A SHA-256 that names the weights in a role (see `weights.fingerprint`); None where there are none."""
        if role not in self._weights:
            try:
                self._weights[role] = fingerprint(spec_of(role, self.profile))
            except UserError:
                return None
        return self._weights[role]

    @property
    def device(self) -> str:
        """Where experts are loaded to: "cpu", "cuda" or "cuda:1"."""
        if self._device is None:
            self._device = self._wanted
            if self._wanted == "auto":
                import torch

                self._device = "cuda" if torch.cuda.is_available() else "cpu"
        return self._device

    @property
    def seconds(self) -> dict[str, Spent]:
        """What each role that was asked has cost so far."""
        with self._guard:
            return {role: slot.spent for role, slot in self._slots.items()}

    def loaded(self) -> list[str]:
        """The roles whose experts are in memory."""
        with self._guard:
            return [role for role, slot in self._slots.items() if slot.expert is not None]

    def bytes(self) -> dict[str, int]:
        """How many bytes the tensors of each loaded expert have; what onnxruntime holds is not told by it."""
        with self._guard:
            held = {role: slot.expert for role, slot in self._slots.items() if slot.expert is not None}
        return {role: _bytes_of(expert) for role, expert in held.items()}

    def unload(self, role: str) -> bool:
        """Let go of the expert in `role`; False where it was not loaded. The next request loads it again."""
        slot = self._slot(role)
        with slot.lock:
            if slot.expert is None:
                return False
            slot.expert = None
            self._fits = {one for one in self._fits if one[0] != role}
            _empty_cache()
        self._tell(PoolEvent("unloaded", role, self.profile.models.get(role, "")))
        return True

    def _slot(self, role: str) -> _Slot:
        with self._guard:
            return self._slots.setdefault(role, _Slot())

    def _load(self, role: str, slot: _Slot) -> Expert[Any, Any]:
        with self._loading:
            begun = time.perf_counter()
            try:
                spec = spec_of(role, self.profile)
                self._tell(PoolEvent("loading", role, str(spec)))
                kind = self._classes.get(role) or expert_class(role, spec.scheme)
                import torch

                torch.set_num_threads(self.threads)
                expert = kind.load(spec, self._checked_device())
                expert.connect(self)
                self._fix(role, expert)
            except UserError as error:
                raise ExpertFailed(error.message, kind=error.kind) from error
            except Exception as error:
                if not _out_of_memory(error):
                    raise
                _empty_cache()
                raise ExpertFailed(
                    f"There is not enough memory on {self.device} to load {self.profile.models.get(role, role)} for "
                    f"the role {role!r}. Name a smaller model in the profile, or set SACCADE_DEVICE=cpu.",
                    kind="out_of_memory",
                ) from error
            slot.expert = expert
            took = time.perf_counter() - begun
            slot.spent = replace(slot.spent, load=slot.spent.load + took)
        self._tell(PoolEvent("loaded", role, str(spec), took))
        return expert

    def _checked_device(self) -> str:
        import torch

        if self.device.startswith("cuda") and not torch.cuda.is_available():
            raise UserError(
                f"The device {self.device!r} was asked for, but there is no GPU here. Set SACCADE_DEVICE=cpu.",
                kind="bad_device",
            )
        return self.device

    def _predict(self, role: str, expert: Expert[Any, Any], requests: Sequence[Any]) -> list[Any]:
        if self._rows is not None:
            return self._predict_fixed(role, expert, requests)
        try:
            if self.listener is None:
                return expert.predict(requests)
            spec = self.profile.models.get(role, "")
            if len(requests) == 1 and type(expert).stream is not Expert.stream:
                return [expert.stream(requests[0], lambda text: self._tell(PoolEvent("said", role, spec, text=text)))]
            return expert.watched(requests, lambda far: self._tell(PoolEvent("working", role, spec, progress=far)))
        except UserError as error:  # of settings of the profile: the model cannot do what is asked
            raise ExpertFailed(error.message, kind=error.kind) from error
        except Exception as error:
            if not _out_of_memory(error):
                raise
        # Outside of the handler, so that the traceback no longer holds on to the batch's tensors.
        _empty_cache()
        try:
            return [answer for request in requests for answer in expert.predict([request])]
        except Exception as error:
            if isinstance(error, SaccadeError) or not _out_of_memory(error):
                raise
            _empty_cache()
            raise ExpertFailed(
                f"The {role} ran out of memory on {self.device}, even with one request at a time. "
                f"Look at a smaller region, or set SACCADE_DEVICE=cpu.",
                kind="out_of_memory",
            ) from error

    def _predict_fixed(self, role: str, expert: Expert[Any, Any], requests: Sequence[Any]) -> list[Any]:
        """At the fixed rows; nothing else is tried where they do not fit, for it would give other bits."""
        try:
            if self.rows(role) == 1:
                return [answer for request in requests for answer in expert.predict([request])]
            return expert.predict(requests)
        except Exception as error:
            if not _out_of_memory(error):
                raise
            _empty_cache()
            raise ExpertFailed(
                f"The {role} ran out of memory on {self.device}, at {self.rows(role)} rows a forward. Look at smaller "
                "pictures, or set SACCADE_DEVICE=cpu.",
                kind="out_of_memory",
            ) from error

    def _tell(self, event: PoolEvent) -> None:
        if self.listener is not None:
            self.listener(event)


def _bytes_of(expert: Any) -> int:
    """The bytes of the parameters and buffers of the modules that an expert, or a part of it, holds."""
    import torch

    tensors: dict[int, torch.Tensor] = {}  # by where they begin: modules may share some
    waiting: list[tuple[Any, int]] = [(expert, 0)]
    while waiting:
        one, depth = waiting.pop()
        if isinstance(one, torch.nn.Module):
            tensors.update({held.data_ptr(): held for held in (*one.parameters(), *one.buffers())})
        elif depth < DEEPEST and hasattr(one, "__dict__"):
            waiting.extend((part, depth + 1) for part in vars(one).values())
        elif depth < DEEPEST and isinstance(one, Mapping):
            waiting.extend((part, depth + 1) for part in one.values())
    return sum(tensor.nbytes for tensor in tensors.values())


def _out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory has run out; torch's class is known by name, so torch need not be loaded."""
    return isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError"


def _empty_cache() -> None:
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        with contextlib.suppress(RuntimeError):
            torch.cuda.empty_cache()
