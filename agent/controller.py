"""The controller with all that is said to it: its system prompt, its tools, the rules of a turn, the compiled loop."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from .. import prompts

if TYPE_CHECKING:
    from langchain_core.language_models.chat_models import BaseChatModel

    from ..settings import Settings
    from ..tools.contracts import Tool
    from .controllers.traits import Traits


class Controller:
    """Loads the model, and compiles the loop around it, at the first use of either. Safe to share among threads.

    Args:
        load: makes the chat model; called once.
        name: what it is called in messages and events: its spec, or its class.
        tools: what it may call, by name.
        settings: the limits of a turn, and whether it is shown the pictures.
        options: what the profile says of it, before what it declares itself.
        checkpointer: gives what keeps the messages; called once.
    """

    def __init__(
        self,
        load: Callable[[], BaseChatModel],
        name: str,
        tools: Mapping[str, Tool[Any]],
        settings: Settings,
        options: Mapping[str, Any],
        checkpointer: Callable[[], Any],
    ) -> None:
        self.name = name
        self._load, self._tools, self._settings = load, tools, settings
        self._options, self._checkpointer = options, checkpointer
        self._lock = threading.RLock()
        self._model: BaseChatModel | None = None
        self._graph: Any = None

    @property
    def model(self) -> BaseChatModel:
        """The chat model. Raises UserError where its spec leads to nothing."""
        with self._lock:
            if self._model is None:
                self._model = self._load()
            return self._model

    @property
    def ready(self) -> bool:
        """Whether asking it begins at once; False while its weights are not in memory."""
        return getattr(self.model, "ready", True)

    @property
    def traits(self) -> Traits:
        """What the model needs of the agent around it."""
        from .controllers.traits import traits_of

        return traits_of(self.model, self._options)

    @property
    def graph(self) -> Any:
        """The compiled loop, the same for every conversation."""
        from .loop import TurnRules, build_graph

        with self._lock:
            if self._graph is None:
                rules = TurnRules(
                    max_steps=self._settings.max_steps,
                    max_repeats=self._settings.max_repeats,
                    sees=self._settings.sees,
                    takes_handles=self.traits.handles,
                    refers=self.traits.references,
                    vocabulary=self.traits.vocabulary,
                    names=self._offered(),
                )
                self._graph = build_graph(self.model, self._schemas(), rules, self._checkpointer(), self._system())
            return self._graph

    def warm_up(self) -> None:
        """Load the model and compile the loop now rather than at the first request. Raises UserError."""
        load = getattr(self.model, "load", None)  # a local model's; one behind a server has nothing to load
        if load is not None:
            load()
        _ = self.graph

    def check_fits(self, request: str) -> None:
        """Refuse a request that the model cannot take in even by itself. Raises UserError."""
        check = getattr(self.model, "check_fits", None)  # a local model's; a server answers for itself
        if check is not None:
            check(request, self._schemas(), self._system())

    def _schemas(self) -> list[dict[str, Any]]:
        from .loop import tool_schemas

        return tool_schemas(self._offered(), keep_handles=self.traits.handles)

    def _offered(self) -> Mapping[str, Tool[Any]]:
        """The tools that the model is told of: of ours only what it was taught, where it says what that is."""
        from ..tools.registry import builtin_tools

        taught = self.traits.taught
        ours = builtin_tools()
        return {
            name: tool for name, tool in self._tools.items() if taught is None or name in taught or name not in ours
        }

    def _system(self) -> str | None:
        return prompts.load("system") if self.traits.system_prompt else None
