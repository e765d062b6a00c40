"""Every word that a model is told, as files, with a small checked loader."""

from __future__ import annotations

import re
from pathlib import Path

from ..errors import UserError, suggest

FOLDER = Path(__file__).parent
_PLACEHOLDER = re.compile(r"\{\{\s*([a-z_]+)\s*\}\}")


def names() -> list[str]:
    """Every prompt there is, as `system` or `tools/find_objects`."""
    return sorted(path.relative_to(FOLDER).with_suffix("").as_posix() for path in FOLDER.rglob("*.md"))


def load(name: str) -> str:
    """The text of a prompt that has no placeholders.

    Raises:
        UserError: no such prompt, or one with placeholders, which `render` fills in.
    """
    return render(name)


def render(name: str, /, **values: object) -> str:
    """The text of a prompt, every `{{placeholder}}` filled in.

    Values are put in as they are and never read for placeholders again.

    Raises:
        UserError: no such prompt, a placeholder without a value, or a value without a placeholder.
    """
    known = names()
    if name not in known:
        raise UserError(f"There is no prompt {name!r}.{suggest(name, known)}", kind="unknown_prompt")
    text = (FOLDER / f"{name}.md").read_text("utf-8").strip()
    wanted = set(_PLACEHOLDER.findall(text))
    if wanted - values.keys():
        missing = ", ".join(sorted(wanted - values.keys()))
        raise UserError(f"The prompt {name!r} needs a value for: {missing}.", kind="bad_prompt")
    for extra in sorted(values.keys() - wanted):
        raise UserError(f"The prompt {name!r} has no placeholder {extra!r}.{suggest(extra, wanted)}", kind="bad_prompt")
    return _PLACEHOLDER.sub(lambda match: str(values[match[1]]), text)
