"""What tests of connectors have in common."""

from __future__ import annotations

import contextlib

import pytest


@pytest.fixture
def opened():
    """Call it with a stand-in, a bot, a server: whatever has `close`. After the test the last is closed first."""
    with contextlib.ExitStack() as stack:
        yield lambda one: stack.enter_context(contextlib.closing(one))
