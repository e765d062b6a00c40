"""The errors of Saccade, split by who can mend them.

A message quotes the value that was wrong, lists what would have been right, and names the
next command. Anything that is not one of these classes is a fault of ours and stays a traceback.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class SaccadeError(Exception):
    """The root of every error that Saccade raises on purpose.

    `kind` is a short machine-readable name; it appears in the JSON of the command line.
    """

    kind = "error"

    def __init__(self, message: str, *, kind: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        if kind is not None:
            self.kind = kind


class UserError(SaccadeError):
    """The person who called must change something: a bad file, a bad setting (exit code 2)."""

    kind = "user_error"


class ToolRetry(SaccadeError):
    """The controller must change its call: a bad argument, an unknown handle.

    Never reaches the user: it becomes an observation that says what was wrong and what would fit.
    """

    kind = "tool_retry"


class ExpertFailed(SaccadeError):
    """A vision expert could not do its work: out of memory after a retry, a model missing.

    Becomes an observation for the controller and a warning for the user.
    """

    kind = "expert_failed"


def suggest(given: str, valid: Iterable[str]) -> str:
    """End a message about an unknown name: the nearest valid one, then all of them."""
    names = sorted(valid)
    near = difflib.get_close_matches(given, names, n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    return f"{hint} Valid: {', '.join(names) if names else '(none)'}."
