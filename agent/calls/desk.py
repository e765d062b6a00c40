"""Tools called by name over one conversation's pictures, by a controller of somebody else's (MCP, LangChain)."""

from __future__ import annotations

import base64
import io
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from PIL import Image

from ...errors import UserError
from ...memory.ledger.pending_turns import PendingTurn
from ...tools.runner import Observation, ToolRunner
from ...tools.user_memory import UserMemory

if TYPE_CHECKING:
    from ...memory.memory import Memory
    from ...memory.pictures.decode import Source
    from ...memory.records import Picture
    from ...settings import Settings
    from ...tools.contracts import Experts, Tool
    from ..chat import Chat
    from ..events import Event
    from ..remembering import Remembering
    from ..reply import Reply

SHOWN_SIDE = 1024  # px: the longer side of a picture as a model is shown it


class Host(Protocol):
    """What of an agent a desk needs."""

    @property
    def settings(self) -> Settings:
        """What is set."""
        ...

    @property
    def tools(self) -> Mapping[str, Tool[Any]]:
        """The tools by name."""
        ...

    @property
    def experts(self) -> Experts:
        """Who answers their questions."""
        ...

    @property
    def memory(self) -> Memory:
        """What was met."""
        ...

    @property
    def remembering(self) -> Remembering:
        """What has turns remembered."""
        ...

    def chat(self, user: str | None = None, id: str | None = None) -> Chat:
        """A conversation."""
        ...


class Desk:
    """One conversation in which whoever holds it calls the tools; `ask` lets our own controller work in it, too.

    Safe for threads: calls wait for each other.

    Args:
        agent: whose tools, experts and memory.
        user: whose pictures.
        chat: go on with this conversation.
    """

    def __init__(self, agent: Host, user: str | None = None, chat: str | None = None) -> None:
        self.agent = agent
        self.chat = agent.chat(user, chat)
        self.workspace = self.chat.workspace
        readers = {name for name, tool in agent.tools.items() if tool.reads}
        memory = UserMemory(lambda: agent.memory, self.workspace, agent.experts, readers)
        self._runner = ToolRunner(agent.tools, self.workspace, agent.experts, memory=memory)
        self._lock = threading.Lock()
        self._calls = 0

    def show(self, sources: Sequence[Source]) -> list[Picture]:
        """Take pictures in: paths, bytes, Pillow images. All are taken in, or none.

        Raises:
            UserError: one of them is no picture, or is too large.
        """
        decoded = [self.workspace.store.decode(source) for source in sources]
        with self._lock:
            self._remember()
            _, pictures = self.workspace.begin_turn(decoded, remember=self.agent.settings.remember)
        return pictures

    def call(self, tool: str, arguments: dict[str, Any]) -> Observation:
        """Call a tool; what is wrong with a call is told in its observation (`ok` is False then)."""
        with self._lock:
            if not self.workspace.turn:
                self.workspace.begin_turn([], remember=self.agent.settings.remember)
            turn = self.workspace.turn
            self._calls += 1
            name = f"call_{turn}_{len(self.workspace.calls(turn)) + 1}"
            return self._runner.run(name, tool, arguments, turn)

    def ask(self, request: str, pictures: Sequence[Source] = (), emit: Callable[[Event], None] | None = None) -> Reply:
        """Let our own controller work; the regions and pictures that it makes have handles here.

        Args:
            request: in plain words.
            pictures: that come with it.
            emit: is told each event but the last, from the thread that works.

        Raises:
            UserError: as `Chat.send`.
        """
        with self._lock:
            self._remember()
        if emit is None:
            return self.chat.send(request, pictures)
        return self.chat.follow(request, pictures, emit=emit, cancelled=threading.Event())

    def image(self, handle: str, side: int | None = SHOWN_SIDE) -> bytes:
        """The PNG of a picture of the conversation, no larger than `side`.

        Raises:
            ToolRetry: there is no such picture.
        """
        return png_of(self.workspace.open(self.workspace.picture(handle).id, alpha=True), side)

    def close(self) -> None:
        """Have what was met remembered."""
        with self._lock:
            self._remember()

    def _remember(self) -> None:
        turn = self.workspace.turn
        if turn and self.agent.settings.remember and self.workspace.met_anything(turn):
            self.agent.remembering.put(PendingTurn(self.chat.user, self.chat.id, turn))


def png_of(image: Image.Image, side: int | None) -> bytes:
    """A picture as a PNG, made smaller where it is larger than `side`."""
    if side is not None:
        image.thumbnail((side, side), Image.Resampling.LANCZOS, reducing_gap=2.0)
    data = io.BytesIO()
    image.save(data, "PNG")
    return data.getvalue()


def source_of(given: str, *, paths: bool) -> Source:
    """A picture as a model names it: a data URL or base64, or, where files may be opened, a path.

    Raises:
        UserError: it is neither.
    """
    head, comma, data = given.partition(",")
    text = data if comma and head.startswith("data:") else given
    if (comma and head.startswith("data:")) or not paths:
        try:
            return base64.b64decode(text, validate=True)
        except ValueError as error:
            raise UserError(
                f"{given[:40]!r} is no picture: send it as base64, or as data:image/png;base64,....",
                kind="not_a_picture",
            ) from error
    return Path(given).expanduser()
