"""Which tools and experts there are: ours by their files, other packages' by their entry points.

A tool of ours is one file in `builtin/` that holds a `Tool` class. Experts are heavy (torch, transformers), so each
public module or package in `experts/` serves the role that it is named after, but for what they share, and is imported
at its first use (`experts/captioner.py`, `experts/clip/expert.py`).

Another package brings a tool or an expert by an entry point, without a line changed here:

    [project.entry-points."saccade.tools"]
    measure_edges = "edges:MeasureEdges"      # a Tool class, or a LangChain tool

    [project.entry-points."saccade.experts"]
    edges = "edges:Edges"                     # serves a role of its own
    "detector.mine" = "mine:Detector"         # serves the role "detector" for specs that begin with "mine:"

What does not fit is refused by its name and that of its package. A name or a role that is not known is answered with
the nearest one that is, an idea of timm's registry.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Iterable, Iterator
from functools import cache
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

from ..errors import UserError, suggest
from ..settings import EXPERTS_GROUP, TOOLS_GROUP, ModelSpec, Profile, entry_points
from . import builtin, experts
from .adapters import as_tool
from .contracts import Expert, Tool

_SHARED = frozenset({"batches", "contract"})  # modules of `experts/` that serve no role: what experts have in common


@cache
def _builtin_classes() -> tuple[type[Tool[Any]], ...]:
    found: list[type[Tool[Any]]] = []
    for name in _modules(builtin):
        module = importlib.import_module(f"{builtin.__name__}.{name}")
        found += [
            one
            for one in vars(module).values()
            if inspect.isclass(one) and issubclass(one, Tool) and one.__module__ == module.__name__
        ]
    return tuple(found)


def builtin_tools() -> dict[str, Tool[Any]]:
    """A fresh instance of every tool that comes with Saccade, by name, in the order in which a controller reads them.

    Raises:
        ValueError: two of them have one name (our fault).
    """
    made: dict[str, Tool[Any]] = {}
    for kind in sorted(_builtin_classes(), key=lambda one: (one.rank, one.name)):
        if kind.name in made:
            other = type(made[kind.name]).__qualname__
            raise ValueError(f"two tools are named {kind.name!r}: {other} and {kind.__qualname__}")
        made[kind.name] = kind()
    return made


def all_tools(more: Iterable[Any] = (), file: Path | None = None) -> dict[str, Tool[Any]]:
    """Every tool, by name: ours, then those of installed packages, then those that a file names, then `more`.

    Args:
        more: `Tool` classes, instances of them, or LangChain tools.
        file: names MCP servers and LangChain tools (see `brought`).

    Raises:
        UserError: one of them is no tool, cannot be loaded, or has the name of another (kind "bad_tool").
    """
    tools = builtin_tools()
    for one, where in [*_from_packages(), *_from_file(file), *((one, "given to the agent") for one in more)]:
        tool = as_tool(one, where)
        if tool.name in tools:
            raise UserError(
                f"The tool {tool.name!r} ({where}) has the name of another, {type(tools[tool.name]).__qualname__}: "
                f"give it a name of its own.",
                kind="bad_tool",
            )
        tools[tool.name] = tool
    return tools


def tool_origins(file: Path | None = None) -> dict[str, str]:
    """Which package, or what in a user's file, each tool comes from, by the tool's name."""
    origins = dict.fromkeys(builtin_tools(), "saccade")
    return origins | {as_tool(one, where).name: where for one, where in [*_from_packages(), *_from_file(file)]}


def expert_roles() -> list[str]:
    """Every role that an expert can be loaded for."""
    return sorted({*_our_roles(), *(one.name.partition(".")[0] for one in entry_points(EXPERTS_GROUP))})


def _our_roles() -> list[str]:
    return [name for name in _modules(experts) if name not in _SHARED]


def expert_class(role: str, scheme: str | None = None) -> type[Expert[Any, Any]]:
    """Import and return the class that serves a role, for specs of a scheme where several do.

    Args:
        role: "clip", "detector" ...
        scheme: what stands before the colon of the model's spec; None takes our own class.

    Raises:
        UserError: nobody serves that role, or nobody in it that scheme.
    """
    by_name = {one.name: one for one in entry_points(EXPERTS_GROUP)}
    if f"{role}.{scheme}" in by_name:
        return _checked(by_name[f"{role}.{scheme}"], role, scheme)
    if role in _our_roles():
        kind = _ours(role)
    elif entry := next((one for name, one in by_name.items() if name.partition(".")[0] == role), None):
        kind = _checked(entry, role, None)
    else:
        raise UserError(f"No expert serves the role {role!r}.{suggest(role, expert_roles())}", kind="unknown_role")
    if scheme is not None and scheme not in kind.schemes:
        valid = [*kind.schemes, *(name.partition(".")[2] for name in by_name if name.startswith(f"{role}."))]
        raise UserError(
            f"A model for the role {role!r} is not named with {scheme!r}.{suggest(scheme, valid)}",
            kind="bad_model_spec",
        )
    return kind


def spec_of(role: str, profile: Profile) -> ModelSpec:
    """The model in a role: the profile's, else the one that the expert itself takes where none is named.

    Raises:
        UserError: neither names one.
    """
    if role not in profile.models and role in expert_roles():
        default = expert_class(role).default
        if default is not None:
            return ModelSpec.parse(default)
    return profile.spec(role)


def _modules(package: Any) -> list[str]:
    return sorted(one.name for one in pkgutil.iter_modules(package.__path__) if not one.name.startswith("_"))


def _ours(role: str) -> type[Expert[Any, Any]]:
    module = importlib.import_module(f"{experts.__name__}.{role}")
    if hasattr(module, "__path__"):  # a package, because the model takes several files
        module = importlib.import_module(f"{experts.__name__}.{role}.expert")
    return next(
        one
        for one in vars(module).values()
        if inspect.isclass(one) and issubclass(one, Expert) and one.__module__ == module.__name__ and one.role == role
    )


def _checked(entry: EntryPoint, role: str, scheme: str | None) -> type[Expert[Any, Any]]:
    kind = _load(entry, "expert")
    if not (inspect.isclass(kind) and issubclass(kind, Expert)) or inspect.isabstract(kind):
        raise _refused(entry, "expert", "it is no whole class of saccade.Expert")
    if getattr(kind, "role", None) != role:
        raise _refused(entry, "expert", f"its class serves the role {getattr(kind, 'role', None)!r}")
    if scheme is not None and scheme not in kind.schemes:
        raise _refused(entry, "expert", f"its class takes the schemes {', '.join(kind.schemes)}")
    return kind


def _from_packages() -> Iterator[tuple[Any, str]]:
    for entry in entry_points(TOOLS_GROUP):
        yield _load(entry, "tool"), _package(entry)


def _from_file(path: Path | None) -> Iterable[tuple[Any, str]]:
    if path is None:
        return ()
    from .brought import tools_of  # few have such a file

    return tools_of(path)


def _load(entry: EntryPoint, what: str) -> Any:
    try:
        return entry.load()
    except (ImportError, AttributeError) as error:
        raise _refused(entry, what, str(error)) from error


def _package(entry: EntryPoint) -> str:
    return f"{entry.dist.name} {entry.dist.version}" if entry.dist is not None else entry.value


def _refused(entry: EntryPoint, what: str, why: str) -> UserError:
    return UserError(
        f"The package {_package(entry)} brings the {what} {entry.name!r} as {entry.value!r}, which cannot be used: "
        f"{why}. Mend the package, or uninstall it.",
        kind=f"bad_{what}",
    )
