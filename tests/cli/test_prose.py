"""Pictures that are named in a sentence, as people write sentences."""

from __future__ import annotations

from pathlib import Path

import pytest

from saccade.cli.prose import split_pictures


@pytest.mark.parametrize(
    ("line", "text", "pictures"),
    [
        ("how many cubes?", "how many cubes?", []),
        ("what's   up \\o/ 'quoted' \"words\"", "what's   up \\o/ 'quoted' \"words\"", []),
        ("what is this? cat.png", "what is this?", ["cat.png"]),
        ("what's this? cat.png", "what's this?", ["cat.png"]),
        ("how many stars are in a.png?", "how many stars are in the picture?", ["a.png"]),
        ("In a.png, what's red?", "In the picture, what's red?", ["a.png"]),
        ("compare 'my cat.png' b.JPG please", "compare the 2 pictures please", ["my cat.png", "b.JPG"]),
        (
            "is a.png like b.png and c.jfif?",
            "is the first picture like the second picture and the third picture?",
            ["a.png", "b.png", "c.jfif"],
        ),
        ("cat.png", "", ["cat.png"]),
        ("(see a.webp)", "(see)", ["a.webp"]),
        ("what does \u201cthe sign.png\u201d say", "what does the picture say", ["the sign.png"]),
        ("read file:///tmp/my%20page.png aloud", "read the picture aloud", ["/tmp/my page.png"]),
        ("it ends with .png", "it ends with .png", []),
        ("who's in my\\ trip/a\\ b.png?", "who's in the picture?", ["my trip/a b.png"]),
    ],
)
def test_names_are_found_in_prose(line, text, pictures):
    said, found = split_pictures(line)
    assert (said, [str(path).replace("\\ ", " ") for path in found]) == (text, pictures)


def test_a_name_with_blanks_is_found_where_there_is_such_a_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my summer trip.png").touch()
    assert split_pictures("what is in my summer trip.png?") == (
        "what is in the picture?", [Path("my summer trip.png")])  # fmt: skip
    (tmp_path / "a b.png").touch()
    assert split_pictures(r"count the cubes a\ b.png") == ("count the cubes", [Path("a b.png")])


def test_a_long_message_and_a_name_that_no_file_can_have_are_prose_too():
    long = "word's " * 8000
    assert split_pictures(long) == (long, [])
    name = "x" * 300 + ".png"
    assert split_pictures(f"look at {name}") == ("look at the picture", [Path(name)])
