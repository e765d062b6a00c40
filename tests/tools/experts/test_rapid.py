"""The reader of any picture: pages turned and tilted, light on dark, faint, in columns; rings are no words."""

from __future__ import annotations

from pathlib import Path

import matplotlib
import pytest
from PIL import Image, ImageDraw, ImageFont

from saccade.settings import ModelSpec
from saccade.tools.contracts import View
from saccade.tools.experts.reader.expert import Reader
from saccade.tools.requests import Likeness, Read
from saccade.tools.shared.reading import lines_of, saying, tokens

FONT = Path(matplotlib.get_data_path(), "fonts/ttf/DejaVuSans.ttf")
LINES = ("Harbour Books, 12 Mill Lane", "Two maps of the old town", "Total due by 3 March: 41.20")


@pytest.fixture(scope="module")
def reader():
    return Reader.load(ModelSpec.parse("rapidocr:"), "cpu")


def page(lines=LINES, ink="black", paper="white", size=(460, 180), font=24, at=(24, 20), step=48):
    image = Image.new("RGB", size, paper)
    pen = ImageDraw.Draw(image)
    for number, line in enumerate(lines):
        pen.text((at[0], at[1] + step * number), line, ink, font=ImageFont.truetype(str(FONT), font))
    return image


def read(reader, image, box=None):
    view = View("page", image.size, box or (0, 0, *image.size), lambda: image)
    return reader.predict([Read(view)])[0]


def texts(words):
    return [line.text for line in lines_of(words)]


def test_every_picture_will_do(reader):
    image = page()
    assert reader.predict([Likeness(View("page", image.size, (0, 0, *image.size), lambda: image))]) == [None]


@pytest.mark.parametrize("turn", [90, 180, 270, 6, -8])
def test_a_page_is_read_however_it_lies(reader, turn):
    image = page().rotate(turn, expand=True, fillcolor="white", resample=Image.Resampling.BICUBIC)
    assert texts(read(reader, image)) == list(LINES)


@pytest.mark.parametrize(("ink", "paper"), [("#e8e8e8", "#181c24"), ("#8c8c8c", "#969696")])
def test_light_on_dark_and_faint_print_are_read(reader, ink, paper):
    assert texts(read(reader, page(ink=ink, paper=paper))) == list(LINES)


def test_letters_with_accents_are_read(reader):
    lines = ("Größe: zwölf Flügel", "Noël fut déjà à côté", "Mañana será él")
    assert texts(read(reader, page(lines))) == list(lines)


def test_small_print_is_read_and_boxes_are_where_the_words_are(reader):
    image = page(font=10, step=16, size=(300, 80))
    words = read(reader, image)
    assert texts(words) == list(LINES)
    pen = ImageDraw.Draw(image)
    for number, place in ((0, 0), (5, 1)):  # "Harbour" and "Two", the first words of two lines
        wanted = pen.textbbox((24, 20 + 16 * place), words[number].text, font=ImageFont.truetype(str(FONT), 10))
        assert words[number].box == pytest.approx(wanted, abs=5)
    part = read(reader, image, (0, 32, 300, 48))
    assert texts(part) == [LINES[1]]
    assert part[0].box == pytest.approx(words[5].box, abs=4)  # in pixels of the whole page


def test_columns_of_text_are_read_one_after_the_other_and_values_beside_their_labels(reader):
    left = (
        "The ferry leaves the quay",
        "at nine every morning and",
        "comes back before it is",
        "dark, except on Sundays.",
    )
    right = (
        "Tickets are sold on board",
        "by the mate, who gives no",
        "change for large notes in",
        "the summer months.",
    )
    image = page(left, size=(900, 240))
    image.paste(page(right, size=(420, 240)), (460, 0))
    assert texts(read(reader, image)) == [*left, *right]
    receipt = page(("Bread", "Honey", "Total"), size=(460, 180))
    receipt.paste(page(("2.10", "6.40", "8.50"), size=(100, 180)), (330, 0))
    assert texts(read(reader, receipt)) == ["Bread", "2.10", "Honey", "6.40", "Total", "8.50"]


def test_a_ring_is_no_letter_but_a_nought_in_a_list_is(reader):
    image = page(("EXIT",), size=(400, 300))
    ImageDraw.Draw(image).ellipse((200, 120, 330, 250), outline="black", width=26)
    assert texts(read(reader, image)) == ["EXIT"]
    assert texts(read(reader, page(("Boats 4", "0"), size=(200, 120)))) == ["Boats 4", "0"]


def test_what_is_looked_for_is_found_with_its_value(reader):
    receipt = page(("HARBOUR CAFE", "Soup", "TOTAL", "Table 7"), size=(460, 230))
    receipt.paste(page(("", "6.40", "12.90"), size=(110, 150), at=(10, 20)), (330, 0))
    lines = lines_of(read(reader, receipt))
    said = saying(lines, "the total".removeprefix("the "))
    assert [one.line.text for one in said] == ["TOTAL"]
    assert said[0].value is said[0].right
    assert said[0].right.text == "12.90"
    assert saying(lines, "Totl")[0].right.text == "12.90"  # mistyped
    assert saying(lines, "table")[0].value == "7"  # the rest of its own line
    assert not saying(lines, "change")
    assert not saying(lines, "?!")


def test_words_are_compared_without_case_and_accents():
    assert tokens("Café, MÜNCHEN – 3.50") == ["cafe", "munchen", "3", "50"]
