"""`Agent`: the models, the memory and the loop, put together once; `Agent.chat` gives conversations."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Self

from ..errors import UserError

if TYPE_CHECKING:
    from langchain_core.language_models.chat_models import BaseChatModel

    from ..memory.chats import Chats
    from ..memory.memory import Memory
    from ..memory.pictures.store import PictureStore
    from ..settings import ModelSpec, Profile, Settings
    from ..tools.contracts import Experts
    from .chat import Chat
    from .controller import Controller
    from .events import Event
    from .locks import TurnLock
    from .remembering import Remembering
    from .runtime import Runtime

ME = "me"  # the user where none is named


def check_user(user: str) -> None:
    """Refuse a name that could be anybody's, or that cannot be stored. Raises UserError."""
    if not user.strip() or user != user.encode("utf-8", "replace").decode("utf-8"):
        raise UserError(f"{user!r} is no user: give a name that is not empty, in plain Unicode.", kind="bad_user")


def check_folder(path: Path) -> None:
    """Make the folder that results are to be written to, before any work is done. Raises UserError."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(
            f"{str(path)!r} cannot be the folder for results ({error.strerror}): name a folder that can be written.",
            kind="bad_out",
        ) from error


class Agent:
    """A visual agent: a controller that plans, vision experts that look, and a memory of pictures.

    Args:
        profile: the models to use, by name ("bundled", "gpu") or as the path of a TOML file; None
            takes what the settings say, which is "bundled" unless told otherwise.
        controller: a model spec (`zoo:controller`, `zoo:controller-tiny`, `hf:...`, `file:...`, `openai:...`,
            `script:FILE.json`) or any LangChain chat model, instead of the profile's controller.
        home: the folder where everything is kept; None takes what the settings say.
        device: "auto", "cpu", "cuda" or "cuda:1".
        settings: the other settings; None reads them from the environment (`SACCADE_...`).
        experts: what answers in place of the profile's experts (for tests, see `saccade.testing`).
        tools: further tools for the controller: `saccade.Tool` classes, or any LangChain tools.

    `agent.tools` are all of them by name, for scripts to call, too: `agent.tools.find_objects(image="a.png")`.

    Nothing is loaded or written before the first request. An agent may be used by several threads;
    turns of one conversation wait for each other.

    Raises:
        UserError: there is no such profile, a spec cannot be read, or a tool is refused (the message names it).
    """

    def __init__(
        self,
        profile: str | None = None,
        *,
        controller: str | BaseChatModel | None = None,
        home: Path | str | None = None,
        device: str | None = None,
        settings: Settings | None = None,
        experts: Experts | None = None,
        tools: Iterable[Any] = (),
    ) -> None:
        from ..settings import Settings
        from ..tools.registry import all_tools
        from .calls.toolbox import Toolbox

        given = {
            "profile": profile,
            "controller": controller if isinstance(controller, str) else None,
            "home": None if home is None else Path(home),
            "device": device,
        }
        base = settings or Settings.from_environment()
        changed = {name: value for name, value in given.items() if value is not None}
        # Absolute: paths in replies stay right wherever the process goes from here.
        changed["home"] = Path(changed.get("home", base.home)).expanduser().absolute()
        self.settings = base.model_copy(update=changed)
        self.profile: Profile = self.settings.chosen
        self._given_model = None if isinstance(controller, str) else controller
        self._given_experts = experts
        self._spec: ModelSpec | None = None if self._given_model is not None else self.profile.spec("controller")
        every = MappingProxyType(all_tools(tools, self.settings.tools))
        self.tools = Toolbox(every, self)  # pyright: ignore[reportArgumentType]  # cached properties serve as properties
        self._runtime: Runtime | None = None
        self._lock = threading.RLock()
        self._turn_locks: weakref.WeakValueDictionary[str, TurnLock] = weakref.WeakValueDictionary()

    def chat(self, user: str | None = None, id: str | None = None, *, out: Path | str | None = None) -> Chat:
        """Begin a conversation, or go on with an earlier one.

        Args:
            user: whose it is; "me" for a new one where not given. Users never see each other's pictures.
            id: the conversation to go on with.
            out: a folder for what a reply shows: made pictures and evidence are written there too.

        Raises:
            UserError: there is no conversation of this id, or it is another user's.
        """
        from .call_order import OrderedWorkspace
        from .chat import Chat

        if user is not None:
            check_user(user)
        owner = self._owner(id, user) if id is not None else user or ME
        chat = self.chats.new_id() if id is None else id
        if out is not None:
            check_folder(Path(out).expanduser())
        workspace = OrderedWorkspace(self.store, chat, owner)
        return Chat(self.runtime, workspace, self._turn_lock(chat), None if out is None else Path(out).expanduser())

    def __repr__(self) -> str:
        return (
            f"Agent(profile={self.profile.name!r}, controller={self._controller_name!r}, "
            f"home={str(self.settings.home)!r}, tools={len(self.tools)})"
        )

    def watching(self, hear: Callable[[Event], None]) -> AbstractContextManager[None]:
        """Within `with agent.watching(print):` typed calls of this thread tell what happens while they work.

        `hear` is given what `Chat.stream` gives between a step's begin and its end: `Loading`, `ExpertSaid`,
        `ExpertWorking` with how far a painter is and previews.
        """
        from .loop import heard_by

        return heard_by(hear)

    def close(self) -> None:
        """Finish remembering, then close the databases. The agent may be used again, for new `chat(...)` objects."""
        self.tools.close()
        if self._runtime is not None:
            self._runtime.remembering.wait()
        with self._lock:
            self._runtime = None
            for name in ("chats", "memory", "store"):
                made = self.__dict__.pop(name, None)
                if made is not None:
                    made.close()

    def settled(self, seconds: float) -> bool:
        """Wait, for so long, until all that was met is remembered; False: some is not, and the next start does it."""
        return self._runtime is None or self._runtime.remembering.wait(seconds)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def warm_up(self) -> None:
        """Load the controller and compile the loop now rather than at the first request.

        Raises:
            UserError: the controller's spec leads to nothing that can be loaded.
        """
        self.runtime.controller.warm_up()

    # The parts, each made at its first use

    @property
    def runtime(self) -> Runtime:
        """What the conversations share."""
        from .remembering import Remembering
        from .runtime import Runtime

        with self._lock:
            if self._runtime is None:
                readers = self.experts if "reader" in self.profile.models else None
                self._runtime = Runtime(
                    settings=self.settings,
                    profile=self.profile,
                    tools=self.tools,
                    experts=self.experts,
                    store=self.store,
                    chats=self.chats,
                    controller=self._controller(),
                    open_memory=lambda: self.memory,
                    remembering=Remembering(lambda: self.memory, readers),
                )
            return self._runtime

    @cached_property
    def store(self) -> PictureStore:
        """The pictures and the ledger."""
        from ..memory.pictures.decode import Limits
        from ..memory.pictures.store import PictureStore

        return PictureStore(self.settings.home, limits=Limits.of(self.settings))

    @cached_property
    def memory(self) -> Memory:
        """The visual memory: `agent.memory.recall(user, Query(words="green cone"))` and all else that it can do."""
        from ..memory.memory import Memory
        from ..tools.embedder import ClipEmbedder

        with self._lock:
            if "memory" in self.__dict__:  # another thread was first
                return self.__dict__["memory"]
            embedder = ClipEmbedder(self.experts, self.profile) if "clip" in self.profile.models else None
            return Memory(self.store, embedder, settings=self.settings)

    @cached_property
    def experts(self) -> Experts:
        """The vision experts: the pool of the profile's models, or what was given."""
        if self._given_experts is not None:
            return self._given_experts
        from ..tools.pool import ExpertPool
        from .loop import tell_loading

        return ExpertPool(self.profile, self.settings.device, self.settings.threads, listener=tell_loading)

    @cached_property
    def chats(self) -> Chats:
        """The conversations that are kept."""
        from ..memory.chats import Chats

        return Chats(self.settings.home, self.store.ledger)

    @property
    def remembering(self) -> Remembering:
        """What puts the turns of conversations into memory, in a thread of its own."""
        return self.runtime.remembering

    @property
    def model(self) -> BaseChatModel:
        """The controller's chat model. Raises UserError where its spec leads to nothing."""
        return self.runtime.controller.model

    @property
    def _controller_name(self) -> str:
        if self._given_model is None:
            return str(self._spec)
        return str(getattr(self._given_model, "spec", type(self._given_model).__name__))

    def _controller(self) -> Controller:
        from .controller import Controller

        return Controller(
            self._load_model,
            self._controller_name,
            self.tools,
            self.settings,
            self.profile.options.get("controller", {}),
            self.chats.checkpointer,
        )

    def _load_model(self) -> BaseChatModel:
        if self._given_model is not None:
            return self._given_model
        from ..settings import ControllerSettings
        from .controllers.load import load_controller

        assert self._spec is not None  # one of both is given
        settings = ControllerSettings(
            self.settings.device, self.settings.threads, self.profile.options.get("controller", {})
        )
        return load_controller(self._spec, settings)

    def _owner(self, chat: str, user: str | None) -> str:
        from ..memory.ledger.chat_rows import unknown_chat

        rows = self.store.ledger.read("SELECT owner FROM chats WHERE id = ?", (chat,))
        if not rows or user not in (None, rows[0]["owner"]):
            raise unknown_chat(chat)
        return rows[0]["owner"]

    def _turn_lock(self, chat: str) -> TurnLock:
        from .locks import TurnLock

        with self._lock:
            lock = self._turn_locks.get(chat)
            if lock is None:
                path = self.settings.home / "locks" / f"{chat}.lock"
                lock = self._turn_locks[chat] = TurnLock(path)
            return lock
