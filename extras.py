"""What the default set-up leaves out because only some use it, and what to say where it is missing."""

from __future__ import annotations

import importlib.util

from .errors import UserError

# The extras of pyproject.toml that add to what Saccade can do, each with the module that it brings.
EXTRAS = {
    "adapters": "peft",
    "discord": "discord",
    "mcp": "mcp",
    "openai": "langchain_openai",
    "ray": "ray",
    "slack": "slack_bolt",
    "telegram": "telegram",
    "tesseract": "pytesseract",
    "web": "fastapi",
}


def missing_extra(extra: str) -> str | None:
    """How to install an extra; None where it is installed."""
    module = EXTRAS[extra]
    if importlib.util.find_spec(module) is not None:
        return None
    name = module.replace("_", "-")
    return f"{name} is not installed: run `make extras` in a clone, elsewhere `pip install 'saccade[{extra}]'`."


def need(extra: str, what: str) -> None:
    """Say so where an extra is missing that something stands on, before any work is done for it.

    Args:
        extra: a name among `EXTRAS`.
        what: the subject of the message, as in "A LLaVA adapter".

    Raises:
        UserError: the extra is not installed ("missing_extra").
    """
    mend = missing_extra(extra)
    if mend is not None:
        raise UserError(f"{what} needs an extra: {mend}", kind="missing_extra")
