"""Receipts, forms, tables, screens and letters: pages of words, and what people ask of them."""

from __future__ import annotations

import random
import re

from ..controller.synthetic.workspace import SyntheticPicture
from ..controller.wording.noun_phrases import invented
from . import plans
from .plans import Plan
from .state import Last, Request, State
from .wording import a_picture, ended, lines

Page = tuple[tuple[str, ...], ...]
_SUMS = ("Total", "TOTAL", "Total due", "Sum", "Amount due", "Subtotal", "Tax", "VAT 20%", "Tip", "Change", "Cash",
         "Card")  # fmt: skip
_FORM = ("Name", "Date", "Address", "Phone", "Invoice", "Order number", "Customer", "Due date", "Table", "Room", "Gate",
         "Seat", "Flight", "From", "To", "Platform", "Weight", "Price", "Reference", "Email", "Birthday",
         "City")  # fmt: skip
_HEADS = ("Name", "City", "Item", "Date", "Price", "Seats", "Guide", "Tour", "Team", "Points", "Won", "Lost", "Country",
          "Year", "Amount", "Code", "Length", "Score")  # fmt: skip
_SCREENS = ("Error", "Warning", "Could not save the file", "Connection refused", "Update ready", "Low battery",
            "File not found", "Permission denied", "Try again later", "OK", "Cancel", "Settings", "Sign in",
            "Your session has ended", "Disk is full", "Restart now", "Page not found")  # fmt: skip
_PAGES = lines("page_read")
_SAYS = lines("page_says")
_TABLES = lines("page_table")


def draw_page(rng: random.Random, like: SyntheticPicture | None = None) -> SyntheticPicture:
    """A document, nothing but words on it; another one of the kind of `like`, with values of its own."""
    if like is not None and rng.random() < 0.8:
        rows = [
            (row[0], _money(rng) if row[0] in _SUMS else _entry(rng)) if len(row) == 2 else row for row in like.page
        ]
        return SyntheticPicture(like.size, [], "plain background", page=tuple(rows))
    size = rng.choice(((720, 1040), (640, 900), (1280, 720), (1080, 1920), (480, 1100), (800, 600)))
    kind = rng.choice(("receipt", "form", "table", "screen"))
    if kind == "receipt":
        rows = [(invented(rng).upper(),)]
        rows += [(invented(rng), _money(rng)) for _ in range(rng.randrange(2, 7))]
        rows += [(label, _money(rng)) for label in rng.sample(_SUMS, rng.randrange(1, 4))]
    elif kind == "form":
        rows = [(invented(rng).title(),), *((label, _entry(rng)) for label in rng.sample(_FORM, rng.randrange(3, 8)))]
    elif kind == "table":
        heads = tuple(rng.sample(_HEADS, rng.randrange(2, 5)))
        rows = [heads, *(tuple(_entry(rng) for _ in heads) for _ in range(rng.randrange(2, 6)))]
    else:
        rows = [(text,) for text in rng.sample(_SCREENS, rng.randrange(2, 6))]
    return SyntheticPicture(size, [], "plain background", page=tuple(rows))


def _money(rng: random.Random) -> str:
    return f"{rng.randrange(1, 400)}.{rng.randrange(100):02d}"


def _entry(rng: random.Random) -> str:
    return rng.choice((_money(rng), str(rng.randrange(1, 3000)), invented(rng).title(), invented(rng),
                       f"{rng.randrange(1, 29)} May {rng.randrange(2019, 2027)}"))  # fmt: skip


def of_page(state: State) -> Request:
    """A request about a document."""
    rng = state.rng
    image, named = a_picture(state, front=True)
    sheet = state.sheet(image)
    page: Page = sheet.page if sheet is not None else ()
    labels = [row[0] for row in page if len(row) == 2]
    draw = rng.random()
    if (page and len(page[0]) > 1 and draw < 0.5) or draw < 0.08:
        return Request("page_table", ended(rng.choice(_TABLES), named), _table(image), Last())
    if (labels and draw < 0.72) or draw < 0.2:
        return _asked_for(state, image, labels, named, "page_value")
    if draw < 0.82:
        text = rng.choice([cell for row in page for cell in row] or [""]) if rng.random() < 0.6 else invented(rng)
        return Request("page_says", ended(rng.choice(_SAYS).format(w=text or "OK"), named),
                       _says(image, text or "OK"), frame=False)  # fmt: skip
    return Request("page_read", ended(rng.choice(_PAGES), named), _read(image), Last())


def _asked_for(state: State, image: str, labels: list[str], named: str, ways: str) -> Request:
    """The value of a label, now and then of one that is not there."""
    rng = state.rng
    label = rng.choice(labels) if labels and rng.random() < 0.85 else rng.choice((*_SUMS, *_FORM))
    words = ended(rng.choice(lines(ways)).format(l=_said(label, rng)), named)

    def more(state: State) -> Request:
        return _asked_for(state, image, labels, "", "page_value_more" if state.rng.random() < 0.6 else "page_value")

    return Request("page_value", words, _value(image, label), Last(image=image, more=more))


def of_pages(state: State) -> Request:
    """A value over several documents: which has the most, what they come to together, what it is on each."""
    rng = state.rng
    images = list(state.given[-4:])
    sheets = [sheet for image in images if (sheet := state.sheet(image)) is not None]
    labels = [row[0] for sheet in sheets for row in sheet.page if len(row) == 2]
    sums = [label for label in labels if label in _SUMS]
    label = rng.choice(sums or [label for label in labels if label in _FORM] or _SUMS)
    ways = rng.choice(("page_over", "page_over_sum", "page_over_each"))
    kind = rng.choice(("receipt", "bill", "page", "document", "picture", "invoice"))
    frame = rng.choice(lines(ways))
    words = frame.format(d=kind, l=_said(label, rng))
    if ways == "page_over_each":
        return Request("of_pages", words, _values(images, label, "values"), Last())
    which = "fewest" if re.search("lowest|smallest", frame) else "most"
    return Request("of_pages", words, _values(images, label, "sum" if ways == "page_over_sum" else which), Last())


def _values(images: list[str], label: str, asked: str) -> Plan:
    (seen,) = yield [("read_text", {"image": images, "find": label.lower()})]
    if not seen.count:
        return _unread(label)
    if asked not in seen.references:
        return "I can read only this: {values}."
    return "{values}." if asked == "values" else f"{{{asked}}}: {{values}}."


def _unread(label: str) -> str:
    """What is said where a label is not found; an answer has no digits of its own."""
    return "I can read nothing like that there." if re.search(r"\d", label) else f"I can read no {label.lower()} there."


def _said(label: str, rng: random.Random) -> str:
    """A label as people say it."""
    return label.lower() if rng.random() < 0.8 else label


def _value(image: str, label: str) -> Plan:
    (seen,) = yield [("read_text", {"image": image, "find": label.lower()})]
    if not seen.count:
        return _unread(label)
    return "{value}: it says {words}." if "value" in seen.references else "It says {words}."


def _says(image: str, text: str) -> Plan:
    (seen,) = yield [("read_text", {"image": image, "find": text})]
    return "Yes, it says {words}." if seen.count else "No, I can read nothing like that there."


def _read(image: str) -> Plan:
    (seen,) = yield [("read_text", {"image": image})]
    return plans.told_words(seen, 1)


def _table(image: str) -> Plan:
    (seen,) = yield [("read_table", {"image": image})]
    if "table" in seen.references:
        return "Here it is: {table}"
    if "pairs" in seen.references:
        return "I see no table there, but labels and values: {pairs}."
    return "I see no table there."
