"""Pictures side by side, whose questions to an expert go together.

Each picture of a window runs in a thread of its own until it asks an expert, and each time of a step that is done for
several things as well. Once all of them wait, the role that most questions are for is asked with all of these at once;
then those run on. Which questions go together follows from the window alone, never from how fast a thread was.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, TypeVar

from ....errors import ExpertFailed
from ....tools.contracts import Experts, declared

Item = TypeVar("Item")
Place = tuple[int, ...]
_mine: ContextVar[Place] = ContextVar("_mine")  # the place in the window of what a thread runs
THREADS = 1024  # at most, of all pictures of a window


@dataclass
class _Question:
    place: Place
    role: str
    requests: Sequence[Any]
    answers: list[Any] | None = None
    error: BaseException | None = None
    ready: threading.Event = field(default_factory=threading.Event)


class Lockstep:
    """Experts for one window of pictures; each picture runs through `side_by_side`.

    Args:
        experts: who answers.
    """

    def __init__(self, experts: Experts) -> None:
        self._experts = experts
        self._lock = threading.Lock()
        self._waiting: list[_Question] = []
        self._running = 0
        self._stopped = False
        self._each = 1  # how many works of one picture go at once

    @property
    def device(self) -> str:
        """Where the experts run."""
        return str(getattr(self._experts, "device", "cpu"))

    def about(self, role: str) -> Mapping[str, Any]:
        """What the expert of a role declares of itself."""
        return declared(self._experts, role)

    def ask(self, role: str, requests: Sequence[Any]) -> list[Any]:
        """One answer a request; waits until the other pictures of the window wait, too.

        Raises:
            ExpertFailed: the expert failed for this picture.
        """
        question = _Question(_mine.get(), role, requests)
        with self._lock:
            self._waiting.append(question)
        self._answer_when_all_wait()
        question.ready.wait()
        if question.error is not None:
            raise question.error
        assert question.answers is not None  # it was answered or it failed
        return question.answers

    def side_by_side(self, items: Sequence[Item], run: Callable[[Item], object]) -> None:
        """Run something for every item, each in a thread of its own; Ctrl-C ends them at their next question."""
        self._running, self._stopped = len(items), False
        self._each = max(1, THREADS // max(1, len(items)))

        def one(place: int, item: Item) -> None:
            _mine.set((place,))
            try:
                run(item)
            finally:
                with self._lock:
                    self._running -= 1
                self._answer_when_all_wait()

        with ThreadPoolExecutor(max(1, len(items)), "saccade-task") as threads:
            futures = [threads.submit(one, place, item) for place, item in enumerate(items)]
            try:
                for future in futures:
                    future.result()
            except BaseException:
                self._stop()
                raise

    def together(self, works: Sequence[Callable[[], Item]]) -> list[Item | BaseException]:
        """What several works of one picture give, or raise, in order; their questions go together, too."""
        if len(works) == 1:
            return [_tried(works[0])]
        found: list[Item | BaseException] = []
        for start in range(0, len(works), self._each):
            found += self._together(works[start : start + self._each], start)
        return found

    def _together(self, works: Sequence[Callable[[], Item]], start: int) -> list[Item | BaseException]:
        mine, left = _mine.get(), len(works)
        with self._lock:
            self._running += len(works) - 1  # whoever waits for them does not run

        def one(number: int, work: Callable[[], Item]) -> Item | BaseException:
            nonlocal left
            _mine.set((*mine, start + number))
            try:
                return _tried(work)
            finally:
                with self._lock:
                    left -= 1
                    self._running -= left > 0  # the last one's place is taken by whoever waits for them
                if left:
                    self._answer_when_all_wait()

        with ThreadPoolExecutor(len(works), "saccade-task") as threads:
            return list(threads.map(one, range(len(works)), works))

    def _stop(self) -> None:
        """End what still runs, at its next question."""
        with self._lock:
            self._stopped = True
            waiting, self._waiting = self._waiting, []
        for question in waiting:
            question.error = ExpertFailed("The run was stopped.", kind="stopped")
            question.ready.set()

    def _answer_when_all_wait(self) -> None:
        """Ask an expert if every picture that still runs waits; whoever notices it does."""
        with self._lock:
            if self._stopped:
                some, self._waiting = self._waiting, []
                for question in some:
                    question.error = ExpertFailed("The run was stopped.", kind="stopped")
            elif not self._waiting or len(self._waiting) < self._running:
                return
            else:
                counts = Counter(question.role for question in self._waiting for _ in question.requests)
                role = max(sorted(counts), key=lambda one: counts[one]) if counts else self._waiting[0].role
                some = sorted((one for one in self._waiting if one.role == role), key=lambda one: one.place)
                self._waiting = [one for one in self._waiting if one.role != role]
                # They run on before others can notice: until they are answered nobody is missed.
        if not self._stopped:
            self._put(some)
        for question in some:
            question.ready.set()

    def _put(self, questions: Sequence[_Question]) -> None:
        """Ask once for all; where that fails, each half for itself, until one bad picture fails alone."""
        try:
            answers = self._experts.ask(questions[0].role, [one for each in questions for one in each.requests])
        except ExpertFailed as error:
            if len(questions) == 1:
                questions[0].error = error
                return
            half = len(questions) // 2
            self._put(questions[:half])
            self._put(questions[half:])
            return
        except BaseException as error:  # a fault of ours: told to each picture's thread, which ends with it
            for question in questions:
                question.error = error
            return
        start = 0
        for question in questions:
            question.answers = list(answers[start : start + len(question.requests)])
            start += len(question.requests)


def _tried(work: Callable[[], Item]) -> Item | BaseException:
    """What a work gives, or what it raised."""
    try:
        return work()
    except BaseException as error:  # is raised again by whoever asked for it
        return error
