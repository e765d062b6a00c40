"""Experts that a measurement changes for a while: what a whole agent is measured beside.

An agent is made once, over `Varied`; a baseline then puts a wrapper between the tools and the models, and takes it away
again. Nothing of the agent itself is touched.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields, is_dataclass, replace
from typing import Any

from PIL import Image

from ..errors import ExpertFailed, UserError
from ..settings import Profile
from ..tools.contracts import Experts, View, declared
from ..tools.requests import Likeness

FIRST_LOOK = 128  # px: how much of a whole picture the small models take in at one look


class Wrapper:
    """Experts that answer as others do."""

    def __init__(self, experts: Experts) -> None:
        self.experts = experts

    def ask(self, role: str, requests: Sequence[Any]) -> list[Any]:
        """See `tools.contracts.Experts`."""
        return self.experts.ask(role, requests)

    def about(self, role: str) -> Mapping[str, Any]:
        """See `tools.contracts.declared`."""
        return declared(self.experts, role)


class Varied(Wrapper):
    """Experts that can be wrapped for a while."""

    @contextmanager
    def under(self, wrap: Callable[[Experts], Experts]) -> Iterator[None]:
        """Meanwhile the wrapper answers."""
        kept = self.experts
        self.experts = wrap(kept)
        try:
            yield
        finally:
            self.experts = kept


class Trusting(Wrapper):
    """Takes every picture for one of a kind that the models know, so that a blank one is not refused."""

    def ask(self, role: str, requests: Sequence[Any]) -> list[Any]:
        """See `tools.contracts.Experts`."""
        if requests and all(isinstance(request, Likeness) for request in requests):
            return [1.0] * len(requests)
        return super().ask(role, requests)


class Without(Wrapper):
    """Experts as a profile has them that names no models for some roles: whoever asks these is told so.

    Args:
        experts: who answer for the other roles.
        profile: the whole profile.
        roles: that are taken away.
    """

    def __init__(self, experts: Experts, profile: Profile, roles: Sequence[str]) -> None:
        super().__init__(experts)
        kept = {role: spec for role, spec in profile.models.items() if role not in roles}
        self._profile = profile.model_copy(update={"models": kept})

    def ask(self, role: str, requests: Sequence[Any]) -> list[Any]:
        """See `tools.contracts.Experts`."""
        try:
            self._profile.spec(role)
        except UserError as error:
            raise ExpertFailed(error.message, kind=error.kind) from error
        return super().ask(role, requests)


class OneLook(Wrapper):
    """Regions are cut from the first, small look at the whole picture: what looking again is worth."""

    def ask(self, role: str, requests: Sequence[Any]) -> list[Any]:
        """See `tools.contracts.Experts`."""
        return super().ask(role, [_once(request) for request in requests])


def _once(request: Any) -> Any:
    """The request, its views of the small look."""
    if not is_dataclass(request):
        return request
    changed: dict[str, Any] = {}
    for field in fields(request):
        value = getattr(request, field.name)
        if isinstance(value, View):
            changed[field.name] = small(value)
        elif isinstance(value, tuple) and value and all(isinstance(one, View) for one in value):
            changed[field.name] = tuple(small(one) for one in value)
    return replace(request, **changed) if changed else request  # pyright: ignore[reportArgumentType]


def small(view: View) -> View:
    """The same view of the picture as the first look shows it, under a name of its own."""

    def load() -> Image.Image:
        image = view.load()
        shrunk = image.copy()
        shrunk.thumbnail((FIRST_LOOK, FIRST_LOOK))
        return shrunk.resize(image.size)

    return replace(view, picture=f"{view.picture}@{FIRST_LOOK}", load=load)
