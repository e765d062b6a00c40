"""What every chat service has in common: messages come in, a turn answers each, the answer goes out once.

A service brings messages (`Bot.receive`) and says how pictures are fetched and answers posted (`Service`); all else is
here, so that a further service is short.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from ..agent.events import Event, ExpertWorking, Loading, StepStarted
from ..errors import SaccadeError, UserError
from ..memory.query import Hit, Query
from .inbox import Answer, Inbox, Incoming, Waiting
from .listeners import Listener

if TYPE_CHECKING:
    from ..agent.agent import Agent
    from ..agent.chat import Chat
    from ..agent.reply import Reply

LOG = logging.getLogger("saccade.bot")
AT_ONCE = 2  # turns that run side by side
OF_ONE = 8  # messages of one user that may wait
HITS = 8  # of a search
TRIES = 3  # of a turn that dies each time
PAUSE = 1.0  # seconds between two words about how far a turn is
AGAIN = (1.0, 2.0, 5.0, 15.0, 30.0)  # seconds before the service is tried once more
LATER = 60.0  # seconds until what could not be said for so long is taken up anew
BUSY = "You have asked for a lot already; I answer that first. Please ask this again in a minute."
FORGET_FIRST = "This deletes every picture and conversation of yours, for good. If you mean it: {command} everything"
FAULT = "Something went wrong on my side, and I could not answer this. Please ask again."


class Service(Protocol):
    """A chat service. Its methods are called from the threads that work, and again where they raised or were killed."""

    name: str

    def fetch(self, message: Incoming) -> list[bytes]:
        """The pictures that came with a message. Raises UserError, with words for the person, where one is refused."""
        ...

    def open_answer(self, message: Incoming, *, again: bool) -> str:
        """Post an answer that says that one is at it; what the service calls it.

        `again`: it may have been posted already, by a process that was killed just then; then that one is to be found.
        """
        ...

    def tell(self, message: Incoming, ref: str, text: str) -> None:
        """Say in the posted answer how far it is."""
        ...

    def answer(self, message: Incoming, ref: str, answer: Answer, *, again: bool) -> None:
        """Put the answer in the place of what was posted.

        `again`: that may have been done already, all of it or a part; still it is to be there once.
        """
        ...


class _Later(Exception):
    """The service cannot be reached now."""


class Bot:
    """Answers the messages of one service.

    Args:
        agent: who answers.
        service: where the messages come from.
        at_once: turns that run side by side.
        of_one: messages of one user that may wait; more are answered with a polite word.
        listener: is told of every turn.
    """

    def __init__(
        self, agent: Agent, service: Service, *, at_once: int = AT_ONCE, of_one: int = OF_ONE,
        listener: Listener | None = None,
    ) -> None:  # fmt: skip
        self.agent, self.service, self.of_one = agent, service, of_one
        self.inbox = Inbox(agent.settings.home, service.name)
        self._listener = listener or Listener()
        self._workers = ThreadPoolExecutor(at_once, thread_name_prefix=service.name)
        self._lock = threading.Lock()
        self._busy: set[str] = set()  # threads that a worker has
        self._stopping = threading.Event()
        self._timers: dict[str, threading.Timer] = {}  # of threads that are taken up anew later

    def start(self) -> None:
        """Go on with what was left when the process ended last."""
        for thread in self.inbox.threads():
            self._wake(thread)

    def receive(self, message: Incoming, answer: Answer | None = None) -> bool:
        """Take a message on, durably and at once.

        Args:
            message: what came.
            answer: what to answer with, where no turn is needed for that (a command, say).

        Returns:
            False where it was known, or there is no more room, which the person is told.
        """
        full = answer is None and self.inbox.waiting_of(message.user) >= self.of_one
        if not self.inbox.claim(message):
            return False
        if answer is not None or full:
            self.inbox.answer(message.id, answer or Answer(BUSY))
        self._wake(message.thread)
        return not full

    def found(self, user: str, words: str) -> str:
        """What a person has shown and words lead to, a line each."""
        hits = self.agent.memory.recall(user, Query(words=words, k=HITS))
        return "\n".join(_line(hit) for hit in hits) or "I have seen nothing like that."

    def forget(self, user: str) -> str:
        """Delete all that is kept of a person's, for good; what to tell them."""
        gone = self.agent.memory.forget(user, everything=True)
        self.inbox.forget_user(user)
        return f"Deleted for good: {len(gone.pictures)} pictures and {len(gone.chats)} conversations."

    def idle(self) -> bool:
        """Whether nothing is to be done."""
        with self._lock:
            return not self._busy and not self.inbox.threads()

    def close(self, seconds: float = 8.0) -> int:
        """Take on no more; what runs has so many seconds to end, and goes on at the next start where it does not.

        Returns:
            How many threads are still at work: a model cannot be interrupted.
        """
        self._stopping.set()
        for timer in list(self._timers.values()):
            timer.cancel()
        until = time.monotonic() + seconds
        while self._busy and time.monotonic() < until:
            time.sleep(0.02)
        self._workers.shutdown(wait=False, cancel_futures=True)
        if not self._busy:
            self.inbox.close()
        return len(self._busy)

    def _wake(self, thread: str) -> None:
        with self._lock:
            if thread in self._busy or self._stopping.is_set():
                return
            self._busy.add(thread)
        self._workers.submit(self._work, thread)

    def _work(self, thread: str) -> None:
        """Answer all that waits in a thread, one message after another."""
        try:
            while not self._stopping.is_set() and (waiting := self.inbox.next(thread)) is not None:
                self._do(waiting)
        except _Later:
            LOG.warning("%s does not answer; what waits is tried again in %g s", self.service.name, LATER)
            self._wake_later(thread)
        except Exception:
            LOG.exception("%s: a thread could not be worked on", self.service.name)
        else:
            self._let_go(thread)
            return
        with self._lock:
            self._busy.discard(thread)

    def _wake_later(self, thread: str) -> None:
        timer = threading.Timer(LATER, self._wake, [thread])
        timer.daemon = True
        with self._lock:
            if not self._stopping.is_set():
                self._timers[thread] = timer
                timer.start()

    def _let_go(self, thread: str) -> None:
        with self._lock:
            self._busy.discard(thread)
        if not self._stopping.is_set() and self.inbox.next(thread) is not None:  # it came while this one ended
            self._wake(thread)

    def _do(self, waiting: Waiting) -> None:
        message = waiting.message
        ref = waiting.ref or self._opened(waiting)
        if ref is None:
            self.inbox.give_up(message.id)
            return
        answer = waiting.answer
        if answer is None:
            answer = self._answered(waiting, ref)
            self.inbox.answer(message.id, answer)
        if self._sent(waiting, ref, answer):
            self.inbox.sent(message.id)
        else:
            self.inbox.give_up(message.id)

    def _opened(self, waiting: Waiting) -> str | None:
        """Our answer as it was posted; None: the service will not have it."""
        message, again = waiting.message, waiting.ref is not None
        self.inbox.opening(message.id)
        for _ in self._attempts():
            try:
                ref = self.service.open_answer(message, again=again)
            except UserError as error:
                LOG.warning("%s refused an answer: %s", self.service.name, error.message)
                return None
            except Exception as error:
                self._failed(error)
                again = True
            else:
                self.inbox.posted(message.id, ref)
                return ref
        raise _Later

    def _sent(self, waiting: Waiting, ref: str, answer: Answer) -> bool:
        """Send the answer; False: the service will not have it."""
        message, again = waiting.message, waiting.state == "sending"
        self.inbox.sending(message.id)
        for _ in self._attempts():
            try:
                self.service.answer(message, ref, answer, again=again)
            except UserError as error:
                LOG.warning("%s refused an answer: %s", self.service.name, error.message)
                return False
            except Exception as error:
                self._failed(error)
                again = True
            else:
                return True
        raise _Later

    def _attempts(self) -> Iterator[int]:
        """Attempts, with pauses that grow; fewer where one is about to stop."""
        for number, pause in enumerate((0.0, *AGAIN)):
            if self._stopping.wait(pause) and number:
                return
            yield number

    def _failed(self, error: Exception) -> None:
        LOG.warning("%s failed: %s", self.service.name, type(error).__name__)

    def _answered(self, waiting: Waiting, ref: str) -> Answer:
        """The answer to a message."""
        message = waiting.message
        began = time.perf_counter()
        chat: Chat | None = None
        try:
            if waiting.tries >= TRIES:  # it has taken the process down each time
                return Answer(FAULT)
            chat = self._chat(message)
            self._listener.begin(chat)
            reply = self._resumed(chat, waiting)
            if reply is None:
                pictures = self.service.fetch(message)
                self.inbox.begin(message.id, chat.workspace.turn + 1)
                tell = self._teller(chat, message, ref)
                reply = chat.follow(message.text, pictures, emit=tell, cancelled=threading.Event())
            self._listener.turn(chat, time.perf_counter() - began, reply)
            return answer_of(reply, chat)
        except SaccadeError as error:
            if chat is not None:
                self._listener.turn(chat, time.perf_counter() - began, error)
            return Answer(error.message)
        except Exception as error:
            LOG.exception("%s: a message could not be answered", self.service.name)
            if chat is not None:
                self._listener.turn(chat, time.perf_counter() - began, error)
            return Answer(FAULT)

    def _chat(self, message: Incoming) -> Chat:
        """The conversation of the message's thread, a new one where it has none."""
        known = self.inbox.chat_of(message.thread)
        if known is None:
            known = self.inbox.keep_chat(message.thread, self.agent.chats.create(message.user).id)
        return self.agent.chat(message.user, known)

    def _resumed(self, chat: Chat, waiting: Waiting) -> Reply | None:
        """The reply of the turn that was begun for this message before a crash; None: it did not get so far."""
        if waiting.turn is None or chat.workspace.turn < waiting.turn:
            return None
        chat.resume()
        return chat.reply_of(waiting.turn)

    def _teller(self, chat: Chat, message: Incoming, ref: str) -> Callable[[Event], None]:
        """Tells the service how far a turn is, not too often and never at the turn's expense."""
        last = 0.0

        def tell(event: Event) -> None:
            nonlocal last
            self._listener.event(chat, event)
            text = progress_of(event)
            if text is None or time.monotonic() - last < PAUSE:
                return
            last = time.monotonic()
            try:
                self.service.tell(message, ref, text)
            except Exception as error:
                LOG.info("%s was not told how far it is: %s", self.service.name, type(error).__name__)

        return tell


def _line(hit: Hit) -> str:
    name = hit.label or hit.caption or Path(hit.source or hit.id).name
    return f"• {name}, seen {hit.seen:%Y-%m-%d %H:%M}{f': {hit.why}' if hit.why else ''}"


def progress_of(event: Event) -> str | None:
    """How far a turn is, in a few words; None for events that say nothing of that."""
    match event:
        case Loading():
            return f"Loading {event.what} …"
        case StepStarted():
            return f"{event.tool.replace('_', ' ')} …"
        case ExpertWorking():
            return f"{event.role}: {event.done} of {event.of} steps …"
        case _:
            return None


def answer_of(reply: Reply, chat: Chat) -> Answer:
    """What a reply says, with its evidence and the pictures that were made."""
    warnings = [warning for warning in reply.warnings if warning not in reply.text]
    text = "\n".join([reply.text, *warnings])
    came = ((one, "found" if one.kind == "given" else "made") for one in reply.images)
    pictures: list[tuple[Path, str]] = [(one.path, f"{one.handle}, {how} for: {reply.text}") for one, how in came]
    if reply.evidence is not None:
        pictures.append((reply.evidence, f"What the answer rests on: {', '.join(one.label for one in reply.regions)}"))
    return Answer(text, tuple((str(path), words[:400]) for path, words in pictures))
