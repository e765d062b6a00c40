"""How well documents are read: characters, cells of tables, values by their labels, totals over several receipts.

The documents are of the split "test" (`scenes.documents`), the reader and the tools are those that users have. Receipts
and every other page but screens and letters are worn: tilted, blurred, noisy, shadowed, saved as JPEG. A row names what
it went through: "read" is the reader, "tool" a call of the tool by the right name, "chat" a question to the agent in
words, controller and all. The words of the drawn world's signs are read in whole pictures.
"""

from __future__ import annotations

import csv
import io
import random
import re
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from ..agent.agent import Agent
from ..memory.pictures.store import PictureStore
from ..memory.workspace import LedgerWorkspace
from ..scenes.documents.document import Document, Kind, sample_document
from ..scenes.documents.render import CLEAN, Page, render_document, worn
from ..scenes.render import render
from ..scenes.sample import sample_scene
from ..settings import Settings
from ..tools.pool import ExpertPool
from ..tools.registry import all_tools
from ..tools.runner import Observation, ToolRunner
from ..tools.shared.amounts import amount_in
from ..training.llava.measure import edits
from .judging.intervals import independent
from .models import models_of

Done = Callable[[int, int], None]

FIRST = 30_000  # the first document's and scene's number
TALKED = 5  # one case in so many is asked in a conversation as well
SIZE = 512  # px of a drawn scene
ASKED = (
    "How much is the {l}?", "{l} on this one?", "Can you tell me what it says next to {l}?", "I need to know the {l}.",
    "whats the {l}", "Please look for the {l} and read it to me.", "What did I have to pay: the {l}?",
)  # fmt: skip
SUMMED = (
    "What do these three come to altogether, by {l}?", "Sum up the {l} of the three receipts.",
    "I'd like the {l} of all three added together.", "how much is it for all three, going by the {l}",
)  # fmt: skip
TABULATED = ("Turn this into a CSV.", "Could you copy the table out for me?", "table to csv pls", "Type up this table.")


class _Desk:
    """Tools over pictures, without a controller."""

    def __init__(self, experts: ExpertPool, pictures: Sequence[Image.Image]) -> None:
        workspace = LedgerWorkspace(PictureStore(None), "chat_000000000000", "ann")
        workspace.begin_turn(list(pictures))
        self._runner = ToolRunner(all_tools(), workspace, experts)

    def __call__(self, tool: str, **arguments: Any) -> Observation:
        return self._runner.run(f"call_{tool}", tool, arguments, 1)


class _Tally:
    """Cases and how many of them went well, by the name of a row."""

    def __init__(self) -> None:
        self.right: dict[str, list[bool]] = {}
        self.wrong_letters: dict[str, list[tuple[int, int]]] = {}
        self.seconds: list[float] = []

    def add(self, name: str, right: bool) -> None:
        """Count a case."""
        self.right.setdefault(name, []).append(right)

    def read(self, name: str, truth: str, said: str) -> None:
        """Count the letters of a text; white space does not count."""
        truth, said = ("".join(text.split()) for text in (truth, said))
        self.wrong_letters.setdefault(name, []).append((edits(truth, said), len(truth)))

    def rows(self) -> list[dict[str, Any]]:
        """A row each, with its bar."""
        made = []
        for name, counts in self.wrong_letters.items():
            wrong, length = (sum(column) for column in zip(*counts, strict=True))
            made.append({"group": "documents", "name": name, "cases": len(counts), "value": round(wrong / length, 4),
                         "interval": None, "baseline": None, "bar": BARS.get(name), "good": "low"})  # fmt: skip
        for name, right in self.right.items():
            made.append({"group": "documents", "name": name, "cases": len(right), "baseline": None, "good": "high",
                         "value": round(sum(right) / len(right), 4), "interval": independent(sum(right), len(right)),
                         "bar": BARS.get(name)})  # fmt: skip
        return made


BARS = {
    "read: wrong characters of letters and screens": 0.01,
    "read: wrong characters of worn receipts and forms": 0.03,
    "read: words on signs": 0.98,
    "tool: cells of tables": 0.98,
    "tool: values by label": 0.97,
    "tool: totals over three receipts": 0.95,
    "chat: cells of tables": 0.98,
    "chat: values by label": 0.97,
    "chat: totals over three receipts": 0.95,
}


def run(*, cases: int, profile: str, controller: str | None = None, done: Done | None = None) -> dict[str, Any]:
    """Run the suite.

    Args:
        cases: documents of each kind, and scenes with signs.
        profile: the models.
        controller: a model spec, instead of the profile's controller.
        done: told how far it is.

    Returns:
        JSON values: `rows` of {group, name, cases, value, interval, bar}, and how long the reader took.

    Raises:
        UserError: a model of the profile is missing.
    """
    begun = time.perf_counter()
    tell, tally = done or (lambda some, of: None), _Tally()
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(home=Path(folder), profile=profile, controller=controller, threads=1)
        models = models_of(settings.chosen, {"reader", "controller"})
        experts = ExpertPool(settings.chosen, settings.device, settings.threads)
        agent = Agent(profile, controller=controller, settings=settings, experts=experts)
        try:
            for number in range(cases):
                talks = number % TALKED == 0
                rng = random.Random(number)
                _letters(tally, experts, number)
                _table(tally, experts, agent if talks else None, number, rng)
                _values(tally, experts, agent if talks else None, number, rng)
                _totals(tally, experts, agent if talks else None, number, rng)
                _signs(tally, experts, number)
                tell(number + 1, cases)
        finally:
            agent.close()
    return {
        "cases": cases,
        "rows": tally.rows(),
        "seconds a page": {"median": round(statistics.median(tally.seconds), 2), "most": round(max(tally.seconds), 2)},
        "models": models,
        "seconds": round(time.perf_counter() - begun, 1),
    }


def _drawn(number: int, kind: Kind, *, wear: bool) -> tuple[Document, Page]:
    document = sample_document(FIRST + number, kind, "test")
    return document, render_document(document, worn(number) if wear else CLEAN)


def _letters(tally: _Tally, experts: ExpertPool, number: int) -> None:
    clean, marred = "letters and screens", "worn receipts and forms"
    kinds: tuple[tuple[Kind, str], ...] = (("letter", clean), ("screen", clean), ("receipt", marred), ("form", marred))
    for kind, name in kinds:
        _, page = _drawn(number, kind, wear=name == marred)
        begun = time.perf_counter()
        told = _Desk(experts, [page.image])("read_text", image="img_1")
        tally.seconds.append(time.perf_counter() - begun)
        said = " ".join(region.label for region in told.recorded.regions)
        tally.read(f"read: wrong characters of {name}", " ".join(text.text for text in page.texts), said)


def _table(tally: _Tally, experts: ExpertPool, agent: Agent | None, number: int, rng: random.Random) -> None:
    document, page = _drawn(number, "table", wear=True)
    told = _Desk(experts, [page.image])("read_table", image="img_1")
    for name, said in (
        ("tool", told.references.get("table", "")),
        ("chat", _asked(agent, rng.choice(TABULATED), page)),
    ):
        if said is None:
            continue
        got = list(csv.reader(io.StringIO(said.strip())))
        for at, row in enumerate(document.cells):
            same = [have for have in got if len(have) == len(row) and _alike(have[0], row[0])]
            have = got[at] if at < len(got) and len(got[at]) == len(row) else same[0] if same else [""] * len(row)
            for one, other in zip(row, have, strict=True):
                tally.add(f"{name}: cells of tables", _alike(one, other))


def _values(tally: _Tally, experts: ExpertPool, agent: Agent | None, number: int, rng: random.Random) -> None:
    document, page = _drawn(number, "form", wear=True)
    label, value = rng.choice(document.pairs)
    told = _Desk(experts, [page.image])("read_text", image="img_1", find=label.lower())
    tally.add("tool: values by label", _alike(told.references.get("value", "").strip('"'), value))
    said = _asked(agent, rng.choice(ASKED).format(l=label.lower()), page)
    if said is not None:
        tally.add("chat: values by label", _bare(value) in _bare(said))


def _totals(tally: _Tally, experts: ExpertPool, agent: Agent | None, number: int, rng: random.Random) -> None:
    drawn = _receipts(number)
    pages = [render_document(one, worn(10 * number + at)) for at, one in enumerate(drawn)]
    sums = [one.total[1] for one in drawn if one.total is not None]
    desk = _Desk(experts, [page.image for page in pages])
    told = desk("read_text", image=["img_1", "img_2", "img_3"], find="total")
    found = amount_in(told.references.get("sum", ""))
    tally.add("tool: totals over three receipts", found is not None and found.value == sum(sums))
    said = _asked(agent, rng.choice(SUMMED).format(l="total"), *pages)
    if said is not None:
        tally.add("chat: totals over three receipts", f"{sum(sums):.2f}" in said.replace(",", ""))


def _receipts(number: int) -> list[Document]:
    """Three receipts that call their total a total, so that one word asks for all of them."""
    found: list[Document] = []
    for seed in range(FIRST + 100 * number, FIRST + 100 * (number + 1)):
        document = sample_document(seed, "receipt", "test")
        if document.total is not None and "total" in document.total[0].lower():
            found.append(document)
    return found[:3]


def _signs(tally: _Tally, experts: ExpertPool, number: int) -> None:
    scene = sample_scene(FIRST + number, "test")
    words = [thing.word for thing in scene.things if thing.word]
    if not words:
        return
    told = _Desk(experts, [render(scene, SIZE).image])("read_text", image="img_1")
    read = [region.label.upper() for region in told.recorded.regions]
    for word in words:
        tally.add("read: words on signs", word in read)
    tally.add("read: no words beside those on signs", all(word in words for word in read))


def _asked(agent: Agent | None, request: str, *pages: Page) -> str | None:
    """The agent's answer in a conversation of its own; None where it is not asked."""
    if agent is None:
        return None
    files = []
    for page in pages:
        file = io.BytesIO()
        page.image.save(file, "PNG")
        files.append(file.getvalue())
    text = agent.chat(user="ann").send(request, images=files).text
    rows = re.search(r"(?:^|: )\n?((?:[^\n]*,[^\n]*\n?){2,})", text)
    return rows[1] if rows else text


def _bare(text: str) -> str:
    return re.sub(r"[^a-z0-9.]", "", text.lower())


def _alike(one: str, other: str) -> bool:
    """Whether two texts are the same but for case, white space and a colon at the end."""
    return _bare(one).rstrip(".") == _bare(other).rstrip(".")
