"""The readers of words: Tesseract, reading order, and the word in an answer."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from PIL import Image, ImageDraw, ImageFont

from saccade.errors import UserError
from saccade.settings import ModelSpec
from saccade.tools.contracts import View
from saccade.tools.experts.reader.expert import Reader
from saccade.tools.experts.reader.lines import reading_order
from saccade.tools.experts.reader.signs import word_in
from saccade.tools.experts.reader.tesseract import Tesseract
from saccade.tools.requests import Likeness, Read, Word

TABLE = """level\tpage_num\tblock_num\tpar_num\tline_num\tword_num\tleft\ttop\twidth\theight\tconf\ttext
1\t1\t0\t0\t0\t0\t0\t0\t512\t512\t-1\t
5\t1\t1\t1\t2\t1\t300\t400\t120\t40\t91.5\tsecond
5\t1\t1\t1\t1\t2\t600\t104\t120\t40\t88\tline
5\t1\t1\t1\t1\t1\t300\t100\t120\t40\t96\tfirst
5\t1\t1\t1\t1\t3\t900\t100\t20\t40\t12\t~
"""


PAGE = View("page", (512, 512), (0, 0, 512, 512), lambda: Image.new("RGB", (512, 512), "white"))


@pytest.fixture
def tesseract(tmp_path, monkeypatch):
    """A stand-in for the program: pytesseract runs it and reads what it writes."""
    folder = tmp_path / "bin"
    folder.mkdir()
    program = folder / "tesseract"
    (tmp_path / "table.tsv").write_text(TABLE)
    program.write_text(
        "#!/bin/sh\n"
        'if [ "$1" = --list-langs ]; then echo "List of available languages (1):"; echo eng; exit 0; fi\n'
        'if [ "$1" = --version ]; then echo "tesseract 5.3.0"; exit 0; fi\n'
        f'cp "{tmp_path}/table.tsv" "$2.tsv"\n'
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")


@pytest.mark.usefixtures("tesseract")
def test_tesseract_reads_any_picture_in_reading_order():
    reader = Reader.load(ModelSpec.parse("tesseract:eng"), "cpu")
    words, likeness = reader.predict([Read(PAGE), Likeness(PAGE)])
    assert likeness is None
    assert [word.text for word in words] == ["first", "line", "second"]
    assert words[0].score == pytest.approx(0.96)
    assert words[0].box == pytest.approx((100, 100 / 3, 140, 140 / 3))  # 512 px are enlarged three times


@pytest.mark.usefixtures("tesseract")
def test_a_language_that_tesseract_lacks_is_named():
    with pytest.raises(UserError, match=r"no language 'deu'. Installed: eng.*tesseract-ocr-deu"):
        Tesseract("eng+deu")


def test_without_tesseract_the_message_says_how_to_get_it(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError, match="sudo apt install tesseract-ocr"):
        Reader.load(ModelSpec.parse("tesseract:eng"), "cpu")
    with pytest.raises(UserError, match="names no reader"):
        Reader.load(ModelSpec.parse("roles:clip"), "cpu")


def test_reading_goes_line_by_line_from_left_to_right():
    def word(text, x, y, height=10):
        return Word(text, (x, y, x + 20, y + height), 1)

    words = [word("d", 5, 40), word("b", 40, 3), word("c", 70, -2), word("a", 10, 0), word("e", 50, 44)]
    assert "".join(one.text for one in reading_order(words)) == "abcde"


@pytest.mark.parametrize(
    ("answer", "word"),
    [("KITE", "KITE"), ('It says "KITE".', "KITE"), ("The sign says KITE.", "KITE"), ("kite", "kite"), (" .", "")],
)
def test_the_word_in_an_answer(answer, word):
    assert word_in(answer) == word


# ---------------------------------------------------------------- comparing


@pytest.mark.skipif(shutil.which("tesseract") is None, reason="Tesseract is not installed here")
def test_a_real_document_is_read_word_by_word_with_boxes():
    import matplotlib

    font = ImageFont.truetype(str(Path(matplotlib.get_data_path(), "fonts/ttf/DejaVuSans.ttf")), 22)
    page = Image.new("RGB", (700, 300), "white")
    pen = ImageDraw.Draw(page)
    lines = ["Invoice 2041 from Harbour Books", "Two maps of the old town 38.50", "Total due by 3 March 41.20"]
    for number, line in enumerate(lines):
        pen.text((40, 40 + 60 * number), line, "black", font=font)
    reader = Reader.load(ModelSpec.parse("tesseract:eng"), "cpu")
    whole = View("page", page.size, (0, 0, *page.size), lambda: page)
    part = View("page", page.size, (0, 80, 700, 140), lambda: page)
    words, second = reader.predict([Read(whole), Read(part)])
    assert " ".join(word.text for word in words) == " ".join(lines)
    assert words[0].box == pytest.approx(pen.textbbox((40, 40), "Invoice", font=font), abs=6)
    assert " ".join(word.text for word in second) == lines[1]
    assert second[0].box == pytest.approx(words[5].box, abs=3)  # in pixels of the whole page
