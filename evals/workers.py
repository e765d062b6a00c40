"""Cases put to benches side by side: one bench in this process, or one in each of several."""

from __future__ import annotations

import multiprocessing
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol


class Bench(Protocol):
    """What cases are put to; it has its models loaded once."""

    def close(self) -> None:
        """Close its databases."""
        ...


Make = Callable[[Path], Bench]  # a bench with its home in a folder; it must go through pickle


@contextmanager
def bench_of(make: Make) -> Iterator[Any]:
    """A bench whose home is a folder that goes away, in memory where the system has such a place."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(prefix="saccade-eval-", dir=memory if memory.is_dir() else None) as home:
        bench = make(Path(home))
        try:
            yield bench
        finally:
            bench.close()


def outcomes(make: Make, cases: Sequence[tuple[Any, ...]], workers: int, put: str = "run") -> Iterator[Any]:
    """What the bench says of each case, as it comes.

    Args:
        make: makes a bench; called once in each process.
        cases: the arguments of `put`.
        workers: processes side by side; 1: this one.
        put: the method of the bench that takes a case.
    """
    if workers == 1:
        with bench_of(make) as bench:
            yield from (getattr(bench, put)(*case) for case in cases)
        return
    context = multiprocessing.get_context("spawn")  # forked children would share torch's threads and locks
    with ProcessPoolExecutor(workers, context, _begin, (make,)) as pool:
        waiting = [pool.submit(_run, put, *case) for case in cases]
        try:
            for future in as_completed(waiting):
                yield future.result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


_worker: dict[str, Any] = {}  # of this process: its bench, which lives as long as the process


def _begin(make: Make) -> None:
    import atexit

    import torch

    torch.set_num_threads(1)
    made = bench_of(make)
    _worker["bench"] = made.__enter__()
    atexit.register(made.__exit__, None, None, None)


def _run(put: str, *case: Any) -> Any:
    return getattr(_worker["bench"], put)(*case)
