"""The expert that reads words: the role "reader". Three readers behind one interface, chosen by the model spec.

- `rapidocr:` reads any picture: printed words in Latin, Chinese and Japanese script, turned and tilted, too.
- `tesseract:eng` (or `tesseract:deu+eng`) reads documents, where Tesseract is installed.
- `roles:detector+llava` reads the signs of the drawn world with models of this project, and nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Protocol, Self

from ....errors import UserError
from ....settings import ModelSpec
from ...contracts import Expert, Experts, View
from ...requests import Likeness, Read, Word
from . import tesseract
from .rapid import Rapid
from .signs import Signs

ReadRequest = Read | Likeness


class _Backend(Protocol):
    def read(self, view: View) -> list[Word]:
        """The words of a view, in reading order."""
        ...

    def likeness(self, request: Likeness) -> float | None:
        """Whether such pictures are known, as CLIP answers it; None where every picture will do."""
        ...


class Reader(Expert[ReadRequest, Any]):
    """Reads words in views."""

    role: ClassVar[str] = "reader"
    schemes: ClassVar[tuple[str, ...]] = ("rapidocr", "tesseract", "roles")

    def __init__(self, backend: _Backend) -> None:
        self.backend = backend

    @classmethod
    def load(cls, spec: ModelSpec, device: str) -> Self:
        """Choose a reader by the spec's scheme.

        Raises:
            UserError: the scheme names no reader, or Tesseract is not installed.
        """
        if spec.scheme == "tesseract":
            return cls(tesseract.Tesseract(spec.name))
        if spec.scheme == "rapidocr" and not spec.name:
            return cls(Rapid())
        if str(spec) != "roles:detector+llava":
            raise UserError(
                f"{str(spec)!r} names no reader. Valid: rapidocr: (any picture), tesseract:eng (documents, where "
                f"Tesseract is installed), roles:detector+llava (signs of the drawn world).",
                kind="bad_model_spec",
            )
        return cls(Signs())

    @classmethod
    def missing(cls, spec: ModelSpec) -> str | None:
        """Tesseract's program or its binding, where one is not installed."""
        return tesseract.missing() if spec.scheme == "tesseract" else None

    def connect(self, experts: Experts) -> None:
        """Give the reader of signs the experts that it asks."""
        if isinstance(self.backend, Signs):
            self.backend.experts = experts

    def predict(self, requests: Sequence[ReadRequest]) -> list[Any]:
        """A list of `Word` in reading order for each `Read`; a number or None for each `Likeness`."""
        return [
            self.backend.likeness(request) if isinstance(request, Likeness) else self.backend.read(request.view)
            for request in requests
        ]
