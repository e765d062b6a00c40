"""How far an expert is that works for long."""

from __future__ import annotations

from dataclasses import dataclass

from PIL import Image


@dataclass(frozen=True)
class Progress:
    """Steps done of all that an expert was asked for, and now and then what its work looks like so far, RGB."""

    done: int
    of: int
    preview: Image.Image | None = None
