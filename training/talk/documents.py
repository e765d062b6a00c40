"""Receipts, forms, tables, screens and letters: pages of words, and what people ask of them."""

from __future__ import annotations

import random

from ..controller.synthetic.workspace import SyntheticPicture
from ..controller.wording.noun_phrases import invented
from . import plans
from .plans import Plan
from .state import Last, Request, State
from .wording import a_picture, ended, lines

VALUE = "value"  # what was asked for last, of a document
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
_VALUES = lines("page_value")
_MORE = lines("page_value_more")
_SAYS = lines("page_says")
_TABLES = lines("page_table")


def draw_page(rng: random.Random) -> SyntheticPicture:
    """A document; nothing but words is on it."""
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
        label = rng.choice(labels) if labels and rng.random() < 0.85 else rng.choice((*_SUMS, *_FORM))
        again = state.last.asked == VALUE and rng.random() < 0.5
        words = rng.choice(_MORE if again else _VALUES).format(l=_said(label, rng))
        return Request("page_value", ended(words, "" if again else named), _value(image, label),
                       Last(image=image, asked=VALUE))  # fmt: skip
    if draw < 0.82:
        text = rng.choice([cell for row in page for cell in row] or [""]) if rng.random() < 0.6 else invented(rng)
        return Request("page_says", ended(rng.choice(_SAYS).format(w=text or "OK"), named),
                       _says(image, text or "OK"), frame=False)  # fmt: skip
    return Request("page_read", ended(rng.choice(_PAGES), named), _read(image), Last())


def _said(label: str, rng: random.Random) -> str:
    """A label as people say it."""
    return label.lower() if rng.random() < 0.8 else label


def _value(image: str, label: str) -> Plan:
    (seen,) = yield [("read_text", {"image": image, "find": label.lower()})]
    if not seen.count:
        return f"I can read no {label.lower()} there."
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
