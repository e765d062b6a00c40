"""Parallel calls are written down in the order in which the controller wrote them.

Their experts may work at the same time, but handles are given when a result is recorded: without an
order, `reg_1` would belong to whichever call was faster.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

from ..memory.records import Recorded
from ..memory.workspace import LedgerWorkspace


class OrderedWorkspace(LedgerWorkspace):
    """A conversation's workspace in which a call is recorded only after those written before it.

    Every call is recorded, failures too, so an earlier call of the same turn is either in the ledger
    already (when the turn is gone on with after a crash) or running now in another thread.
    """

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._earlier: dict[str, list[str]] = {}
        self._ended: set[str] = set()
        self._changed = threading.Condition()

    def begin(self, call_id: str, earlier: Sequence[str]) -> None:
        """A call starts; `earlier` are the calls that were written before it in the same message."""
        if earlier:
            self._earlier[call_id] = [one for one in earlier if one not in self._ended]

    def end(self, call_id: str) -> None:
        """A call is over, however it ended."""
        with self._changed:
            self._ended.add(call_id)
            self._changed.notify_all()

    def record(self, call_id: str, *arguments: Any, **named: Any) -> tuple[Recorded, str]:
        """Wait for the calls before this one, then write it down."""
        running = [one for one in self._earlier.pop(call_id, ()) if self.call(one) is None]
        if running:
            with self._changed:
                self._changed.wait_for(lambda: self._ended.issuperset(running))
        return super().record(call_id, *arguments, **named)
