"""The contract of experts: a `View` to look at, and a model behind one interface, asked in batches.

Tools ask experts through `Experts`: by the name of a role, never of a model.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, Protocol, Self, TypeVar

from PIL import Image

from ...memory.records import Box
from ...settings import ModelSpec
from ..progress import Progress

Request = TypeVar("Request")
Answer = TypeVar("Answer")


@dataclass(frozen=True)
class View:
    """What an expert looks at: a whole picture, or a box of it at the original's own resolution."""

    picture: str  # the picture's id
    size: tuple[int, int]  # (width, height) of the whole picture
    box: Box  # xyxy pixels of the upright original; the whole picture when nothing was chosen
    load: Callable[[], Image.Image]  # opens the whole picture, RGB

    @property
    def key(self) -> str:
        """A name for caches: the same key always shows the same pixels."""
        return f"{self.picture}:{','.join(f'{value:g}' for value in self.box)}"

    @property
    def whole(self) -> bool:
        """Whether the view shows the whole picture."""
        return self.box == (0, 0, *self.size)

    def pixels(self) -> Image.Image:
        """The RGB pixels of the view, cropped from the original and never scaled."""
        image = self.load()
        if self.whole:
            return image
        x0, y0, x1, y1 = self.box
        return image.crop((int(x0), int(y0), max(int(x0) + 1, round(x1)), max(int(y0) + 1, round(y1))))


class Expert(ABC, Generic[Request, Answer]):
    """A model behind one interface. The pool loads it at first use and holds its lock in `predict`."""

    role: ClassVar[str]  # what a profile calls it: "detector", "clip", "sam", ...
    schemes: ClassVar[tuple[str, ...]] = ("zoo", "hf", "file")  # of the specs that it loads
    default: ClassVar[str | None] = None  # the spec, where a profile names no model for the role
    optional: ClassVar[bool] = False  # a profile without it is whole; what needs it says so
    says: ClassVar[tuple[str, ...]] = ()  # the files of `saccade.prompts` whose words it puts to its model
    fixed: int | None = None  # rows of each of its forwards while these are fixed

    @classmethod
    @abstractmethod
    def load(cls, spec: ModelSpec, device: str) -> Self:
        """Load the model that `spec` names onto `device` ("cpu", "cuda", "cuda:1").

        Raises:
            UserError: the spec names nothing that can be loaded (wrong hash, wrong format, missing).
        """

    @classmethod
    def missing(cls, spec: ModelSpec) -> str | None:
        """What this machine lacks for `spec`, in a sentence that names the mend; None where nothing is missing.

        Weight files are looked for by whoever asks; this is about programs and the like.
        """
        return None

    def connect(self, experts: Experts) -> None:
        """Called once after loading, with what the expert may ask in its turn; most ask nobody.

        Such asking goes one way: whom an expert asks must never ask it.
        """

    @classmethod
    def best_rows(cls, device: str) -> int:
        """How many rows a forward has while batches are fixed; 1: requests are answered one at a time."""
        return 1

    @classmethod
    def dtype_on(cls, device: str) -> str:
        """In which numbers it computes there."""
        return "float32"

    def fix_rows(self, rows: int | None) -> None:
        """From now on every forward has just so many rows, the last of them repeated where there are fewer.

        At a fixed shape an answer is the same bits whatever else is asked with it; at changing shapes it is not. What
        was kept of other shapes is dropped. None: as many rows as there are requests.
        """
        self.fixed = rows

    def probe(self) -> None:
        """Run one forward at the fixed rows, to see whether it fits."""

    @abstractmethod
    def predict(self, requests: Sequence[Request]) -> list[Answer]:
        """Answer a batch; one answer a request, in order."""

    def stream(self, request: Request, tell: Callable[[str], None]) -> Answer:
        """Answer one request; an expert that writes words tells them as they come. The others just answer."""
        return self.predict([request])[0]

    def watched(self, requests: Sequence[Request], tell: Callable[[Progress], None]) -> list[Answer]:
        """As `predict`; an expert that works for long tells how far it is. The others just answer."""
        return self.predict(requests)


class Experts(Protocol):
    """What a tool asks: the pool in production, a scene's exact truth in tests and training.

    Where there is an `about(role) -> Mapping[str, Any]` too, it gives what the model in a role declares of itself:
    `config.json["saccade"]`, and the profile's `[options.ROLE]` over it (see `declared`).
    """

    def ask(self, role: str, requests: Sequence[Any]) -> list[Any]:
        """The answers of the expert in `role`, one a request, in order.

        Raises:
            ExpertFailed: the expert cannot be loaded or failed after a retry.
        """
        ...


def declared(experts: Experts, role: str) -> Mapping[str, Any]:
    """What the model in a role declares of itself; {} where the experts cannot tell."""
    about = getattr(experts, "about", None)
    return {} if about is None else about(role)
