"""Tables and pairs, out of lines and out of drawn pages."""

from __future__ import annotations

from pathlib import Path

import matplotlib
import pytest
from PIL import Image, ImageDraw, ImageFont

from saccade.settings import ModelSpec
from saccade.tools.contracts import View
from saccade.tools.experts.reader.expert import Reader
from saccade.tools.requests import Read
from saccade.tools.shared.reading import Line, lines_of
from saccade.tools.shared.tables import pairs_in, tables_in

FONT = ImageFont.truetype(str(Path(matplotlib.get_data_path(), "fonts/ttf/DejaVuSans.ttf")), 18)
CELLS = [
    ["Tour", "Guide", "Seats", "Price"],
    ["Old harbour", "Mara", "12", "18.50"],
    ["Night walk", "", "8", "22.00"],
    ["Islands by boat, with lunch", "Theo", "24", "61.90"],
    ["Museum", "Mara", "", "9.00"],
]


def laid_out(cells, columns=(20, 300, 420, 520), right=(), grid=False):
    page = Image.new("RGB", (640, 40 + 44 * len(cells)), "white")
    pen = ImageDraw.Draw(page)
    for number, row in enumerate(cells):
        for at, text in enumerate(row):
            x = columns[at] + (90 - pen.textlength(text, FONT) if at in right else 0)
            pen.text((x, 24 + 44 * number), text, "black", font=FONT)
        if grid:
            pen.line((10, 14 + 44 * number, 630, 14 + 44 * number), "grey")
    return page


def lines_on(page):
    view = View("page", page.size, (0, 0, *page.size), lambda: page)
    return lines_of(Reader.load(ModelSpec.parse("rapidocr:"), "cpu").predict([Read(view)])[0])


@pytest.mark.parametrize(("right", "grid", "tilt"), [((), False, 0), ((2, 3), True, 0), ((3,), False, 1.0)])
def test_a_drawn_table_comes_out_cell_by_cell(right, grid, tilt):
    page = laid_out(CELLS, right=right, grid=grid).rotate(tilt, fillcolor="white", resample=Image.Resampling.BICUBIC)
    (table,) = tables_in(lines_on(page))
    assert table.rows == CELLS
    assert table.csv.splitlines()[3] == '"Islands by boat, with lunch",Theo,24,61.90'


def test_a_receipt_gives_labels_with_their_values_and_a_heading_is_no_row():
    bought = [["Soup", "6.40"], ["Bread", "2.10"], ["TOTAL", "8.50"]]
    lines = lines_on(laid_out([["HARBOUR CAFE"], *bought, ["Thank you!"]], (20, 420)))
    assert [[one.label, one.value] for one in pairs_in(lines)] == bought
    assert tables_in(lines)[0].rows == bought


def test_a_colon_makes_a_pair_and_a_time_does_not():
    lines = [Line("Name: Ada Byron", (0, 0, 120, 10), 1.0), Line("Opens 12:30", (0, 20, 90, 30), 1.0)]
    assert [(one.label, one.value) for one in pairs_in(lines)] == [("Name", "Ada Byron")]


def test_running_text_is_no_table():
    lines = [Line(f"line {n} of a letter", (0, 20 * n, 200, 20 * n + 12), 1.0) for n in range(5)]
    assert tables_in(lines) == []
    assert pairs_in(lines) == []
    assert tables_in([]) == []
