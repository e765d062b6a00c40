"""The reader of documents that is a program of its own: Tesseract, where it is installed."""

from __future__ import annotations

import os
import shutil
from typing import Any

from PIL import Image

from ....errors import ExpertFailed, UserError
from ....extras import missing_extra, need
from ...contracts import View
from ...requests import Likeness, Word
from .lines import reading_order

DOCUMENT = 1600  # px: smaller pictures are enlarged, up to three times
PATIENCE = 120  # s: how long it may take for one picture
SURE_FROM = 30  # per cent: what it is less sure of is mostly no word


def missing() -> str | None:
    """What is not installed, the program or its binding, and how to mend it."""
    if shutil.which("tesseract") is None:
        return "Tesseract is not installed: sudo apt install tesseract-ocr"
    return missing_extra("tesseract")


class Tesseract:
    """Reads documents with Tesseract, a program of its own, through pytesseract.

    Args:
        languages: as Tesseract names them, "eng" or "deu+eng".

    Raises:
        UserError: the program, its binding or a language is not installed.
    """

    def __init__(self, languages: str) -> None:
        if shutil.which("tesseract") is None:
            raise UserError(
                "Reading documents needs Tesseract, which is not installed: `sudo apt install tesseract-ocr` on Debian "
                "and Ubuntu, `brew install tesseract` on macOS, `winget install UB-Mannheim.TesseractOCR` on Windows.",
                kind="missing_program",
            )
        need("tesseract", "Reading documents")
        import pytesseract

        # Its threads wait for each other, spinning: on a machine whose cores are taken, a page took minutes.
        os.environ.setdefault("OMP_THREAD_LIMIT", "1")
        self.binding: Any = pytesseract
        self.languages = languages
        there = set(self.binding.get_languages(config=""))
        missing = [name for name in languages.split("+") if name not in there]
        if missing:
            raise UserError(
                f"Tesseract has no language {', '.join(map(repr, missing))}. Installed: {', '.join(sorted(there))}. "
                f"Add one with `sudo apt install tesseract-ocr-{missing[0]}`, or name another in the profile.",
                kind="missing_program",
            )

    def read(self, view: View) -> list[Word]:
        """Every word that Tesseract is at all sure of, in reading order."""
        image = view.pixels()
        scale = min(3.0, max(1.0, DOCUMENT / max(image.size)))
        if scale > 1:
            image = image.resize((round(image.width * scale), round(image.height * scale)), Image.Resampling.BICUBIC)
        try:
            found = self.binding.image_to_data(
                image, lang=self.languages, output_type=self.binding.Output.DICT, timeout=PATIENCE
            )
        except (self.binding.TesseractError, RuntimeError) as error:
            raise ExpertFailed(f"Tesseract failed: {str(error)[:200]}", kind="tesseract_failed") from error
        left, top = (int(value) for value in view.box[:2])  # as `View.pixels` cuts
        columns = (found[name] for name in ("text", "conf", "left", "top", "width", "height"))
        words = []
        for text, sure, x, y, width, height in zip(*columns, strict=True):
            if text.strip() and float(sure) >= SURE_FROM:
                x0, y0 = left + x / scale, top + y / scale
                box = (x0, y0, x0 + width / scale, y0 + height / scale)
                words.append(Word(text.strip(), box, float(sure) / 100))
        return reading_order(words)

    def likeness(self, request: Likeness) -> float | None:
        """Every picture will do."""
        return None
