"""`read_text` over several pictures, over things whose sign stands beside them, and the figures that it adds up."""

from __future__ import annotations

from decimal import Decimal

import pytest
from PIL import Image

from saccade.memory.pictures.store import PictureStore
from saccade.memory.records import RegionDraft, ToolResult
from saccade.memory.workspace import LedgerWorkspace
from saccade.tools.registry import all_tools
from saccade.tools.requests import Read, Word
from saccade.tools.runner import ToolRunner
from saccade.tools.shared.amounts import Amount, amount_in, total_of


class WrittenOn:
    """A reader that knows what stands on each picture: lines of a label and a value, and where a sign is."""

    def __init__(self, pages):
        self.pages = pages  # of each picture's width, its words with their boxes

    def about(self, role):
        return {}

    def ask(self, role, requests):
        assert role == "reader"
        return [self._in(one.view) if isinstance(one, Read) else 1.0 for one in requests]

    def _in(self, view):
        x0, y0, x1, y1 = view.box
        middles = [((b[0] + b[2]) / 2, (b[1] + b[3]) / 2, text, b) for text, b in self.pages[view.size[0]]]
        return [Word(text, box, 0.9, at) for at, (x, y, text, box) in enumerate(middles)
                if x0 <= x <= x1 and y0 <= y <= y1]  # fmt: skip


def receipt(*rows):
    words = []
    for at, (label, value) in enumerate(rows):
        words += [(label, (10, 20 * at, 60, 20 * at + 12)), (value, (90, 20 * at, 140, 20 * at + 12))]
    return words


def running(pages):
    workspace = LedgerWorkspace(PictureStore(None), "chat_000000000000", "ann")
    pictures = [Image.new("RGB", (width, 400), (width % 255, 9, 9)) for width in pages]
    workspace.begin_turn(pictures)
    return workspace, ToolRunner(all_tools(), workspace, WrittenOn(pages))


RECEIPTS = {
    200: receipt(("Tea", "3.10"), ("Total", "12.40 EUR")),
    201: receipt(("Soup", "7.00"), ("Total", "1.019,90 EUR")),
    202: receipt(("Bread", "2.20"), ("Sum", "9.00")),
}


def told_of(handles, pages=RECEIPTS, find="total"):
    return running(pages)[1].run("call_1", "read_text", {"image": handles, "find": find}, 1)


def test_a_value_is_looked_for_in_several_pictures_at_once_and_added_up():
    told = told_of(["img_1", "img_2", "img_3"])
    assert told.references["values"] == 'img_1: "12.40 EUR"; img_2: "1.019,90 EUR"; together 1032.30 EUR'
    assert told.references["sum"] == "1032.30 EUR"
    assert told.references["difference"] == "1007.50 EUR"
    assert (told.references["most"], told.references["fewest"]) == ("img_2", "img_1")
    assert told.references["pictures"] == "img_1, img_2"
    assert told.text.endswith(". Sum 1032.30 EUR; most: img_2; fewest: img_1")
    assert told.brief == (
        '2 read: img_1 reg_1 "Total": "12.40 EUR"; img_2 reg_3 "Total": "1.019,90 EUR". '
        "Sum 1032.30 EUR; most: img_2; fewest: img_1"
    )


def test_of_one_value_alone_nothing_is_added_up():
    told = told_of(["img_1", "img_3"])
    assert told.references["values"] == 'img_1: "12.40 EUR"'
    assert "sum" not in told.references


def test_of_two_currencies_nothing_is_added_up():
    pages = {200: receipt(("Total", "12.40 EUR")), 201: receipt(("Total", "$3.00"))}
    assert "sum" not in told_of(["img_1", "img_2"], pages).references


def test_of_one_picture_the_value_is_told_as_before():
    told = told_of("img_1")
    assert told.references["value"] == '"12.40 EUR"'
    assert "values" not in told.references


def test_pictures_are_read_each_under_its_own_name():
    told = running(RECEIPTS)[1].run("call_1", "read_text", {"image": ["img_1", "img_3"]}, 1)
    assert told.text.startswith('4 lines in img_1: reg_1 "Tea", ')
    assert '. 4 lines in img_3: reg_5 "Bread", ' in told.text
    assert told.brief.startswith('8 read. img_1: reg_1 "Tea"; ')


def test_nothing_that_says_so_names_every_picture():
    assert told_of(["img_1", "img_2"], find="tip").text == 'Nothing in img_1, img_2 says "tip".'


# ---------------------------------------------------------------- signs beside things


def beside(sign, thing=(100, 100, 180, 180)):
    workspace, runner = running({400: [("BEAR", sign), ("FAR", (10, 380, 40, 395))]})
    found = ToolResult(regions=[RegionDraft(workspace.picture("img_1").id, thing, "mug", 0.9)])
    workspace.record("call_0", "find_objects", {}, found, lambda _: "1 found")
    return runner.run("call_1", "read_text", {"image": "reg_1"}, 1)


@pytest.mark.parametrize("sign", [(190, 160, 230, 180), (60, 100, 95, 120)], ids=["right", "left"])
def test_a_thing_without_words_is_read_by_the_sign_beside_it(sign):
    told = beside(sign)
    assert told.text.startswith('No words in reg_1; 1 line beside it: reg_2 "BEAR", ')
    assert told.brief == '1 read beside reg_1: reg_2 "BEAR"'
    assert told.references["words"] == '"BEAR"'


def test_what_stands_far_from_a_thing_is_not_its_sign():
    assert beside((300, 100, 340, 120)).text == "No words found in reg_1."


def test_words_on_the_thing_itself_come_first():
    assert beside((120, 120, 160, 140)).text.startswith('1 line in reg_1: reg_2 "BEAR", ')


# ---------------------------------------------------------------- amounts

PRINTED = [
    ("Total 12.40 EUR", "12.40", "EUR"),
    ("1.234,56 \u20ac", "1234.56", "\u20ac"),
    ("$1,234.50", "1234.50", "$"),
    ("7'500.00", "7500.00", None),
    ("-3,20", "-3.20", None),
    ("45", "45", None),
]


@pytest.mark.parametrize(("text", "value", "currency"), PRINTED)
def test_amounts_are_read_as_people_print_them(text, value, currency):
    assert amount_in(text) == Amount(Decimal(value), currency)


def test_where_there_is_no_figure_there_is_no_amount():
    assert amount_in("thank you") is None


def test_amounts_of_one_currency_add_up_without_rounding():
    assert total_of([Amount(Decimal("0.10"), "EUR"), Amount(Decimal("0.20"), None)]) == Amount(Decimal("0.30"), "EUR")
