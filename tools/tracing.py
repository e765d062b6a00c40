"""OpenTelemetry spans of the tools and of the experts that they ask; those of turns are in `connectors.tracing`.

Whoever wants spans has loaded OpenTelemetry, with an exporter (`opentelemetry-instrument`); where nobody has, nothing
is loaded and nothing is done. No words and no pictures are in spans, and so no messages of errors either.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from ..errors import SaccadeError

if TYPE_CHECKING:
    from opentelemetry.trace import Tracer

    from .contracts import Experts

API = "opentelemetry.trace"


def tracer() -> Tracer | None:
    """Ours, of whatever provider there is; None where OpenTelemetry was not loaded."""
    api = sys.modules.get(API)
    return None if api is None else api.get_tracer("saccade")


@contextlib.contextmanager
def span(name: str, **attributes: str | int) -> Iterator[None]:
    """What the block does is a span, within that of whatever is at work in this thread."""
    ours = tracer()
    if ours is None:
        yield
        return
    from opentelemetry.trace import Status, StatusCode

    named = {f"saccade.{key}": value for key, value in attributes.items()}
    with ours.start_as_current_span(
        name, attributes=named, record_exception=False, set_status_on_exception=False
    ) as made:
        try:
            yield
        except BaseException as error:
            kind = error.kind if isinstance(error, SaccadeError) else type(error).__name__
            made.set_status(Status(StatusCode.ERROR, kind))
            raise


class TracedExperts:
    """Experts whose every question is a span."""

    def __init__(self, experts: Experts) -> None:
        self._experts = experts

    def ask(self, role: str, requests: Sequence[Any]) -> list[Any]:
        """See `tools.contracts.Experts`."""
        with span("expert", role=role, asked=len(requests)):
            return self._experts.ask(role, requests)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._experts, name)
