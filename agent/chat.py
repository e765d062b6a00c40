"""`Chat`: one conversation. A turn is sent, streamed, cancelled, and gone on with after a crash."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import dataclasses
import queue
import re
import threading
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, HumanMessage, ToolMessage

from ..memory.ledger.pending_turns import PendingTurn
from ..memory.pictures.decode import Source
from ..memory.recipes import made, recipe_of
from ..memory.records import Picture
from ..prompts.references import request_text, split_request
from ..tools.runner import ToolRunner
from ..tools.user_memory import UserMemory
from .call_order import OrderedWorkspace
from .events import Event, Loading, ReplyReady, TextDelta
from .evidence import draw_evidence
from .exports import export
from .locks import TurnLock
from .loop import TurnCancelled, TurnContext, step_of, tool_message
from .messages import turn_start, unanswered
from .reply import Reply, Step, cited_regions, named_pictures
from .request import checked_request, several
from .status import ENDED, OWN_AFFAIRS, status_of

if TYPE_CHECKING:
    from .runtime import Runtime

STOPPED = "I was stopped before I had an answer."
TURN = "turn"  # with the request: the number of its turn
NOT_DONE = "This call was not done: the turn was stopped before it."

Images = Iterable[Source] | Source | None

_END = object()
_HANDLES = re.compile(r"img_\d+")


class Chat:
    """A conversation that lasts: everything of a finished turn is on disk when its reply comes back.

    Made by `Agent.chat`. One turn runs at a time; a second `send` waits for the first. A turn that a
    crash cut off is finished by the next `send`, or by `resume`.
    """

    def __init__(self, runtime: Runtime, workspace: OrderedWorkspace, lock: TurnLock, out: Path | None = None) -> None:
        self._runtime = runtime
        self._workspace = workspace
        self._lock = lock
        self._out = out
        self._settled = -1  # the last turn that is known to be over; another process may begin one too
        readers = {name for name, tool in runtime.tools.items() if tool.reads}
        memory = UserMemory(runtime.open_memory, workspace, runtime.experts, readers)
        self._runner = ToolRunner(runtime.tools, workspace, runtime.experts, memory=memory)
        self._config: Any = {"configurable": {"thread_id": workspace.chat}}

    def __repr__(self) -> str:
        return f"Chat(id={self.id!r}, user={self.user!r}, turns={self._workspace.turn})"

    @property
    def id(self) -> str:
        """The id by which `Agent.chat(id=...)` finds the conversation again, in any process."""
        return self._workspace.chat

    @property
    def user(self) -> str:
        """Whose conversation it is."""
        return self._workspace.owner

    @property
    def workspace(self) -> OrderedWorkspace:
        """Its pictures, its regions and the calls that were made."""
        return self._workspace

    @property
    def begun(self) -> bool:
        """Whether anything was said yet; a conversation of which nothing was said is not kept."""
        return self._workspace.turn > 0

    @property
    def history(self) -> list[tuple[str, str]]:
        """What was said, oldest first: ("user" or "agent", text)."""
        said: list[tuple[str, str]] = []
        for message in self._messages():
            if isinstance(message, HumanMessage):
                said.append(("user", split_request(message.text)[1]))
            elif isinstance(message, AIMessage) and not message.tool_calls:
                said.append(("agent", message.text))
        return said

    def send(self, text: str, images: Images = ()) -> Reply:
        """Ask, and wait for the reply.

        Args:
            text: the request, in plain words.
            images: pictures that come with it, one or several: paths, bytes, open binary files, Pillow images, or
                (height, width, 3) uint8 arrays of RGB pixels. All are taken in, or none.

        Raises:
            UserError: the request is empty (kind "empty_request") or longer than the controller can take, a
                picture cannot be taken in, or the controller cannot be loaded; nothing was written then.
        """
        return self._turn(text, images, None, threading.Event())

    async def asend(self, text: str, images: Images = ()) -> Reply:
        """As `send`, for asyncio; the turn itself runs in a thread. Cancelling the task cancels the turn."""
        async for event in self.astream(text, images):
            if isinstance(event, ReplyReady):
                return event.reply
        raise AssertionError("a turn that ends without a reply has raised")

    def stream(self, text: str, images: Images = ()) -> Iterator[Event]:
        """Ask, and follow the turn as it happens; the last event is `ReplyReady`.

        Closing the iterator early (a `break`) cancels the turn: what was done stays, the rest is not done.
        Takes and raises what `send` does.
        """
        events: queue.SimpleQueue[Any] = queue.SimpleQueue()
        cancelled = threading.Event()
        worker = self._start(text, images, events.put, cancelled)
        try:
            while (event := events.get()) is not _END:
                if isinstance(event, BaseException):
                    raise event
                yield event
        finally:
            cancelled.set()
            worker.join()

    async def astream(self, text: str, images: Images = ()) -> AsyncIterator[Event]:
        """As `stream`, for asyncio; the turn itself runs in a thread. Cancelling the task cancels the turn."""
        loop = asyncio.get_running_loop()
        events: asyncio.Queue[Any] = asyncio.Queue()

        def put(event: Any) -> None:
            with contextlib.suppress(RuntimeError):  # the loop was closed: nobody listens any more
                loop.call_soon_threadsafe(events.put_nowait, event)

        cancelled = threading.Event()
        worker = self._start(text, images, put, cancelled)
        try:
            while (event := await events.get()) is not _END:
                if isinstance(event, BaseException):
                    raise event
                yield event
        finally:
            cancelled.set()
            await asyncio.to_thread(worker.join)

    def follow(
        self, text: str, images: Images = (), *, emit: Callable[[Event], None], cancelled: threading.Event
    ) -> Reply:
        """As `send`, telling `emit` each event but the last from the thread that works; for servers with their own.

        Once `cancelled` is set the turn ends at its next step: what was done stays, the rest is not done.

        Raises:
            TurnCancelled: it was cancelled. Else as `send`.
        """
        return self._turn(text, images, emit, cancelled)

    def replies(self) -> list[tuple[str, tuple[str, ...], Reply]]:
        """What was asked so far, oldest first: the words, the handles of the pictures that came with them, the reply.

        The replies have no evidence drawn anew (`evidence` is the picture that was drawn at the time, where it is still
        there) and no warnings of pictures that were mended when they were taken in.
        """
        told: list[tuple[str, tuple[str, ...], Reply]] = []
        for number, turn in self._answered():
            named, words = split_request(turn[0].text)
            told.append((words, tuple(_HANDLES.findall(named)), self._reply(turn, number, draw=False)))
        return told

    def reply_of(self, number: int) -> Reply | None:
        """The reply of a turn, counted as the workspace counts them; None where it never came so far as to have one."""
        return next((self._reply(turn, known, draw=False) for known, turn in self._answered() if known == number), None)

    def _answered(self) -> Iterator[tuple[int, list[BaseMessage]]]:
        """The turns that have an answer: number and messages. A turn that a crash cut off at once may have neither."""
        messages = self._messages()
        starts = [at for at, message in enumerate(messages) if isinstance(message, HumanMessage)]
        number = 0
        for start, end in pairwise([*starts, len(messages)]):
            turn = messages[start:end]
            number = turn[0].additional_kwargs.get(TURN, number + 1)
            if len(turn) > 1 and not unanswered(turn):
                yield number, turn

    def resume(self) -> Reply | None:
        """Finish the turn that a crash cut off, and give its reply; None where there is none."""
        with self._held():
            return self._settle()

    def _held(self) -> AbstractContextManager[None]:
        return self._lock.held(by_process=self._workspace.turn > 0)

    # One turn

    def _start(
        self, text: str, images: Any, put: Callable[[Any], None], cancelled: threading.Event
    ) -> threading.Thread:
        def work() -> None:
            try:
                put(ReplyReady(self._turn(text, images, put, cancelled)))
            except BaseException as error:  # it is raised again where the events are read
                put(error)
            finally:
                put(_END)

        worker = threading.Thread(target=contextvars.copy_context().run, args=(work,), daemon=True)
        worker.start()
        return worker

    def _turn(self, text: str, images: Any, emit: Callable[[Event], None] | None, cancelled: threading.Event) -> Reply:
        text = checked_request(text)
        # Bad pictures, a controller that cannot be loaded and a request that does not fit into it are told before
        # anything is written.
        decoded = [self._workspace.store.decode(source) for source in several(images)]
        controller = self._runtime.controller
        if emit and not controller.ready:
            emit(Loading(f"controller {controller.name}"))
        # Handles are given with the turn; the longest ones stand for them here.
        longest = [(f"img_{9999 - place}", one.image.size) for place, one in enumerate(decoded)]
        controller.check_fits(request_text(text, longest))
        controller.warm_up()
        with self._held():
            self._settle()
            number, pictures = self._workspace.begin_turn(decoded, remember=self._runtime.settings.remember)
            named = [(str(picture.handle), picture.size) for picture in pictures]
            asked = HumanMessage(content=request_text(text, named), additional_kwargs={TURN: number})
            turn = TurnContext(self._workspace, self._runner, number, emit, cancelled)
            messages = self._run({"messages": [asked]}, turn)
            self._settled = number
            reply = self._reply(messages, number)
            self._remember(number)
            notes = [note for one in decoded for note in one.notes]
            return dataclasses.replace(reply, warnings=(*notes, *reply.warnings)) if notes else reply

    def _run(self, given: Any, turn: TurnContext) -> list[BaseMessage]:
        """Run the graph to its end; a turn that fails or is cancelled is closed, so that nothing hangs."""
        graph = self._runtime.controller.graph
        self._runner.refers = self._runtime.controller.traits.references
        options: dict[str, Any] = {"config": self._config, "context": turn, "durability": "sync"}
        try:
            if turn.emit is None:
                return graph.invoke(given, **options)["messages"]
            messages: list[BaseMessage] = []
            written: list[str] = []  # it is told once it was checked: what the loop refuses is never shown
            for mode, data in graph.stream(given, stream_mode=["messages", "values"], **options):
                if mode == "values":
                    messages = data["messages"]
                    for piece in _told(written, messages[-1]):
                        turn.emit(TextDelta(piece))
                    written = []
                elif isinstance(data[0], AIMessageChunk | AIMessage) and data[0].text:
                    written.append(data[0].text)
            return messages
        except (Exception, KeyboardInterrupt):
            with contextlib.suppress(Exception):  # the first error is the one to tell
                self._close_turn()
            raise

    def _settle(self) -> Reply | None:
        """Finish a turn that another process left in the middle, or, where that fails, close it."""
        number = self._workspace.turn
        if self._settled == number:
            return None
        graph = self._runtime.controller.graph
        reply = None
        # `tasks` and not `next`: a step whose writes are saved, but of which no checkpoint tells yet, is
        # missing in `next`, and new input would throw its writes away.
        if graph.get_state(self._config).tasks:
            with contextlib.suppress(Exception):  # `_run` has closed the turn then; the new one goes on
                reply = self._reply(self._run(None, TurnContext(self._workspace, self._runner, number)), number)
        if unanswered(self._messages()):
            self._close_turn()
        self._settled = number
        if reply is not None:
            self._remember(number)
        return reply

    def _remember(self, number: int) -> None:
        """Have what the turn met remembered, after its reply. What never gets so far is caught up with later."""
        if self._runtime.settings.remember and self._workspace.met_anything(number):
            self._runtime.remembering.put(PendingTurn(self.user, self.id, number))

    def _close_turn(self) -> None:
        """End a turn without its answer: every call gets its observation, and the conversation can go on."""
        graph = self._runtime.controller.graph
        state = graph.get_state(self._config)
        messages = state.values.get("messages", [])
        if not messages or not (state.tasks or unanswered(messages)):
            return
        answers: list[BaseMessage] = []
        for call in unanswered(messages):
            done = self._workspace.call(str(call["id"]))
            answers.append(
                tool_message(call, done.observation, ok=done.ok) if done else tool_message(call, NOT_DONE, ok=False)
            )
        # The turn's own messages once more: some may be saved as pending writes only, which an update
        # drops. Those that are there already are the same by their ids.
        turn = messages[turn_start(messages) :]
        answered = isinstance(turn[-1], AIMessage) and not turn[-1].tool_calls
        end = [] if answered else [AIMessage(content=STOPPED, additional_kwargs={ENDED: "stopped"})]
        graph.update_state(self._config, {"messages": [*turn, *answers, *end]}, as_node="model")
        self._settled = self._workspace.turn

    def _messages(self) -> list[BaseMessage]:
        return self._runtime.controller.graph.get_state(self._config).values.get("messages", [])

    # The reply

    def _reply(self, messages: list[BaseMessage], number: int, *, draw: bool = True) -> Reply:
        turn = messages[turn_start(messages) :]
        observed = {message.tool_call_id: message for message in turn if isinstance(message, ToolMessage)}
        steps: list[Step] = []
        warnings: list[str] = []
        made = False
        for message in turn:
            if not isinstance(message, AIMessage):
                continue
            for place, call in enumerate(message.tool_calls):
                seen = observed[str(call["id"])]
                steps.append(step_of(message.text if place == 0 else "", call, seen))
                facts = seen.artifact or {}
                made = made or bool(facts.get("pictures"))
                if seen.status == "error" and facts.get("kind") not in OWN_AFFAIRS:
                    warnings.append(seen.text)
        text = messages[-1].text
        regions = (
            cited_regions(text, self._workspace.handles("region"), self._workspace.region) if "reg_" in text else ()
        )
        images = self._workspace.pictures_of_turn(number) if made else []
        images += named_pictures(text, self._workspace.brought_back(number), images) if "img_" in text else ()
        place = self._runtime.settings.home / "evidence" / self.id / f"evidence_{number}.png"
        evidence = draw_evidence(self._workspace, regions, place) if regions and draw else None
        if not draw and place.is_file():
            evidence = place
        if self._out is not None:
            images = [dataclasses.replace(picture, path=self._exported(picture, self._out)) for picture in images]
            evidence = evidence and export(evidence, self._out, evidence.name)
        return Reply(
            text,
            tuple(images),
            regions,
            evidence,
            tuple(steps),
            self.id,
            tuple(dict.fromkeys(warnings)),
            status_of(turn),
        )

    def _exported(self, picture: Picture, folder: Path) -> Path:
        """A copy of a picture that was made, with its recipe in it."""
        recipe = recipe_of(self._workspace.store, picture.id, self.user) if made(picture) else None
        return export(picture.path, folder, f"{picture.handle}.png", recipe)


def _told(written: list[str], message: BaseMessage) -> list[str]:
    """The pieces of a message that was kept: as they were written, or whole where something else was kept."""
    if not isinstance(message, AIMessage) or not message.text:
        return []
    return written if "".join(written) == message.text else [message.text]


__all__ = ["Chat", "TurnCancelled"]
