"""Turns of many people at once: a queue for each conversation, a bound on how many run, a polite word when busy."""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ..errors import SaccadeError
from .listeners import Listener

if TYPE_CHECKING:
    from ..agent.chat import Chat, Images
    from ..agent.events import Event
    from ..agent.reply import Reply

AT_ONCE = 2  # turns that run side by side: more wait for the same models
WAITING = 256  # turns that wait, of everybody together
OF_ONE = 16  # turns of one user that run or wait


class Busy(SaccadeError):
    """There is more to do than can be taken on; ask again later."""

    kind = "busy"


@dataclass
class Ticket:
    """One turn that was taken on. `done` gives its reply, or raises what went wrong."""

    chat: Chat
    text: str
    images: Images
    emit: Callable[[Event], None]
    cancelled: threading.Event = field(default_factory=threading.Event)
    done: Future[Reply] = field(default_factory=Future)

    def cancel(self) -> None:
        """End the turn at its next step, or before it begins."""
        self.cancelled.set()


class Turns:
    """Runs turns in threads.

    Turns of one conversation run in the order in which they came. Safe for threads.

    Args:
        at_once: turns that run side by side.
        waiting: turns that may wait, of everybody together.
        of_one: turns of one user that may run or wait.
        listener: is told what happens, for figures and logs.
    """

    def __init__(
        self, *, at_once: int = AT_ONCE, waiting: int = WAITING, of_one: int = OF_ONE, listener: Listener | None = None
    ) -> None:
        self.most_waiting, self.of_one = waiting, of_one
        self.listener = listener or Listener()
        self._workers = ThreadPoolExecutor(at_once, thread_name_prefix="turn")
        self._lock = threading.Lock()
        self._queues: dict[str, deque[Ticket]] = {}  # by conversation; the first of each runs, or is about to
        self._users: Counter[str] = Counter()
        self._running: set[int] = set()
        self._tickets: dict[int, Ticket] = {}
        self._closed = False

    @property
    def running(self) -> int:
        """How many turns run now."""
        return len(self._running)

    @property
    def waiting(self) -> int:
        """How many turns wait."""
        return len(self._tickets) - len(self._running)

    def submit(self, chat: Chat, text: str, images: Images, emit: Callable[[Event], None]) -> Ticket:
        """Take on a turn; `emit` is told its events but the last, from the thread that works.

        Raises:
            Busy: too much is waiting, of this user or of everybody, or the server is about to stop.
        """
        ticket = Ticket(chat, text, images, emit)
        with self._lock:
            if self._closed:
                raise Busy("The server is about to stop; ask again in a minute.")
            if self._users[chat.user] >= self.of_one:
                raise Busy(f"{self.of_one} of your requests are waiting already; ask again when one is done.")
            if self.waiting >= self.most_waiting:
                raise Busy("Too many requests are waiting; ask again in a minute.")
            self._users[chat.user] += 1
            self._tickets[id(ticket)] = ticket
            queue = self._queues.setdefault(chat.id, deque())
            queue.append(ticket)
            if len(queue) == 1:
                self._workers.submit(self._work, ticket)
        return ticket

    def close(self, seconds: float = 10.0) -> bool:
        """Take on nothing more, let what runs come to its end, and cancel the rest; whether all has ended.

        What has not ended after `seconds` is stopped at its next step; a model that is at work cannot be interrupted.
        Nothing is lost by leaving it: each step is on disk, and the next message of its conversation finishes the turn.
        """
        with self._lock:
            self._closed = True
        self._ended(seconds)
        for ticket in list(self._tickets.values()):
            ticket.cancel()
        self._workers.shutdown(wait=False, cancel_futures=True)
        return self._ended(1.0)

    def _ended(self, seconds: float) -> bool:
        until = time.monotonic() + seconds
        while self._running and time.monotonic() < until:
            time.sleep(0.02)
        return not self._running

    def _work(self, ticket: Ticket) -> None:
        from ..agent.chat import TurnCancelled

        began = time.perf_counter()
        try:
            if ticket.cancelled.is_set():
                raise TurnCancelled
            with self._lock:
                self._running.add(id(ticket))
            self.listener.begin(ticket.chat)
            reply = ticket.chat.follow(ticket.text, ticket.images, emit=self._told(ticket), cancelled=ticket.cancelled)
            self._finished(ticket, began, reply)
        except BaseException as error:  # whoever waits is told, and no worker ends
            self._finished(ticket, began, error)

    def _told(self, ticket: Ticket) -> Callable[[Event], None]:
        def tell(event: Event) -> None:
            self.listener.event(ticket.chat, event)
            ticket.emit(event)

        return tell

    def _finished(self, ticket: Ticket, began: float, outcome: Reply | BaseException) -> None:
        with self._lock:
            self._running.discard(id(ticket))
            self._tickets.pop(id(ticket), None)
            user, chat = ticket.chat.user, ticket.chat.id
            self._users[user] -= 1
            if self._users[user] <= 0:
                del self._users[user]
            queue = self._queues[chat]
            queue.remove(ticket)
            if queue:
                self._workers.submit(self._work, queue[0])
            else:
                del self._queues[chat]
        self.listener.turn(ticket.chat, time.perf_counter() - began, outcome)
        if isinstance(outcome, BaseException):
            ticket.done.set_exception(outcome)
        else:
            ticket.done.set_result(outcome)
