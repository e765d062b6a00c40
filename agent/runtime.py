"""What the conversations of one agent share: put together once, and never replaced."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..memory.chats import Chats
    from ..memory.memory import Memory
    from ..memory.pictures.store import PictureStore
    from ..settings import Profile, Settings
    from ..tools.contracts import Experts, Tool
    from .controller import Controller
    from .remembering import Remembering


@dataclass(frozen=True)
class Runtime:
    """The parts of an agent, as a conversation uses them.

    Attributes:
        settings: as the agent was made with.
        profile: names the models.
        tools: by name.
        experts: who the tools ask.
        store: the pictures and the ledger.
        chats: the conversations that are kept.
        controller: the model that plans, with all that is said to it.
        open_memory: gives the memory; opening it takes seconds, so it is asked for only when it is needed.
        remembering: what puts turns into memory, in a thread of its own.
    """

    settings: Settings
    profile: Profile
    tools: Mapping[str, Tool[Any]]
    experts: Experts
    store: PictureStore
    chats: Chats
    controller: Controller
    open_memory: Callable[[], Memory]
    remembering: Remembering
