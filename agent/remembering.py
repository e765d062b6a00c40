"""Remembering what the turns of conversations met, in a thread of its own, so that no reply waits for it.

What is to be remembered stands in the ledger (see `memory.ledger.pending_turns`), so nothing is lost when the process
is killed: the next agent over the same home goes on with it.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

from ..errors import SaccadeError
from ..memory.ledger.pending_turns import Met, PendingTurn, done, met, pending_turns, settle
from ..tools.picture_words import read_words

if TYPE_CHECKING:
    from ..memory.memory import Memory
    from ..tools.contracts import Experts

log = logging.getLogger("saccade")


class Remembering:
    """Takes turns that are over and puts what they met into memory, one after the other.

    Args:
        memory: gives the memory; asked for only when there is something to remember.
        experts: who reads the words in new pictures; None: nobody does.
    """

    def __init__(self, memory: Callable[[], Memory], experts: Experts | None = None) -> None:
        self._memory = memory
        self._experts = experts
        self._turns: deque[PendingTurn] = deque()
        self._changed = threading.Condition()
        self._busy = False
        self._worker: threading.Thread | None = None

    def put(self, turn: PendingTurn) -> None:
        """A turn is over; returns at once."""
        with self._changed:
            self._turns.append(turn)
            if self._worker is None:
                self._worker = threading.Thread(target=self._work, name="saccade-remember", daemon=True)
                self._worker.start()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until nothing is left to do; False where the time ran out."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._turns and not self._busy, timeout)

    def catch_up(self, owner: str | None = None) -> int:
        """Remember, now, what a crash (or an agent that was not closed) left waiting; how many turns it was.

        Raises:
            SaccadeError: the model that embeds cannot be asked; the turns go on waiting.
        """
        memory = self._memory()
        left = pending_turns(memory.store.ledger, owner)
        for turn in left:
            remember_turn(memory, turn, self._experts)
            settle(memory.store.ledger, turn)
        return len(left)

    def _work(self) -> None:
        caught_up = False
        while True:
            with self._changed:
                if not self._turns:
                    self._busy, self._worker = False, None
                    self._changed.notify_all()
                    return
                turn, self._busy = self._turns.popleft(), True
            try:
                memory = self._memory()
                remember_turn(memory, turn, self._experts)
                done(memory.store.ledger, turn)
                if not caught_up:
                    caught_up = True
                    self.catch_up(turn.owner)
            except SaccadeError as error:  # the turn goes on waiting; a conversation does not fail for it
                log.warning("What turn %s of %s met is not remembered yet: %s", turn.turn, turn.chat, error.message)
            except Exception:
                log.exception("What turn %s of %s met is not remembered yet", turn.turn, turn.chat)


def remember_turn(memory: Memory, turn: PendingTurn, experts: Experts | None = None) -> list[str]:
    """Remember what a turn met, with the labels, captions and words that were found; the ids that are new.

    With `experts`, the words in new pictures are read, where the turn itself has not read them.
    """
    found = met(memory.store.ledger, turn)
    new = _remember(memory, turn.owner, found.items)
    _note(memory, turn.owner, found)
    unread = [item for item in new if "." not in item and item not in found.words]
    if experts is not None and unread:
        _read(memory, turn.owner, unread, experts)
    return new


def _read(memory: Memory, owner: str, pictures: list[str], experts: Experts) -> None:
    try:
        for id, words in read_words(experts, memory.store, owner, pictures).items():
            memory.note(owner, id, words=words)
    except SaccadeError as error:  # it is remembered all the same
        log.info("The words in %s are not remembered: %s", ", ".join(pictures), error.message)


def _remember(memory: Memory, owner: str, items: list[str]) -> list[str]:
    if not items:
        return []
    try:
        return memory.remember(owner, items)
    except SaccadeError as error:
        if error.kind not in ("unknown_picture", "stored_file_lost") or len(items) == 1:
            raise
    new: list[str] = []  # one of them was forgotten in the meantime: the others one by one
    for item in items:
        try:
            new += memory.remember(owner, [item])
        except SaccadeError as error:
            log.info("%s is not remembered: %s", item, error.message)
    return new


def _note(memory: Memory, owner: str, found: Met) -> None:
    for item in dict.fromkeys([*found.tags, *found.captions, *found.words]):
        try:
            memory.note(
                owner,
                item,
                tags=found.tags.get(item, ()),
                caption=found.captions.get(item),
                words=found.words.get(item),
            )
        except SaccadeError as error:
            log.info("Nothing is noted of %s: %s", item, error.message)
