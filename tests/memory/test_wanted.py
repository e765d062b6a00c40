"""What a sentence looks for, and the search by words: misspelt, in part, written, left out; and why it was found."""

from __future__ import annotations

import pytest
from small_memory import Opened, give, scene

from saccade.memory.finding.calibration import Calibration, Rule
from saccade.memory.finding.wanted import things_of, wanted
from saccade.memory.indexed_regions import ready_regions, region_items, write_regions
from saccade.memory.query import Query
from saccade.memory.records import Lineage, RegionDraft
from saccade.testing.embedder import SmallEmbedder


@pytest.mark.parametrize(
    ("sentence", "text"),
    [
        ("yellow cube.", "yellow cube"),
        ("YELLOW CUBE!!", "YELLOW CUBE"),
        ("Have I shown you a green cone before?", "a green cone"),
        ("Can you pull up the photo of the big green boat again", "big green boat"),
        ("Show me all pictures of cats, please!", "cats"),
        ("I'm looking for something with a purple umbrella in it", "a purple umbrella"),
        ("receipts from Harbour Books", "receipts from Harbour Books"),
        ("what did I send you?", "what did I send you?"),  # of carrying words alone: all of it
        ("a red cube next to a blue ball", "a red cube next to a blue ball"),
    ],
)
def test_the_core_of_a_sentence(sentence, text):
    assert wanted(sentence).text == text


@pytest.mark.parametrize(
    ("text", "things"),
    [
        ("a red cube next to a blue ball", ("a red cube", "a blue ball")),
        ("a tree and a small blue metal house", ("a tree", "a blue metal house")),
        ("an orange mug, a red ball and a cone on a desk", ("an orange mug", "a red ball", "a cone", "a desk")),
        ("a tiny green cone", ("a green cone",)),
        ("a green cone", ()),
        ("red and blue cubes", ()),
        ("a red and a blue cube", ()),
        ("receipts from Harbour Books", ()),
        ("terms and conditions", ()),
    ],
)
def test_several_things_are_told_apart(text, things):
    assert things_of(text) == things


def test_what_is_written_and_what_is_left_out():
    sign = wanted("find me the picture with the sign that says WHALE")
    assert (sign.written, sign.words) == (("whale",), ("whale",))
    quoted = wanted("where did I see 'connection refused'?")
    assert quoted.written == ("connection", "refused")
    ball = wanted("do you remember the red cube without a blue ball?")
    assert (ball.text, ball.without) == ("red cube", ("blue ball",))


def test_signs_are_taken_out_of_a_caption():
    told = wanted("a small orange mug with a sign that says VAN, a red ball beside a sign that reads NOAH and a blue "
                  "wooden heart with the word SALT on a desk")  # fmt: skip
    assert told.written == ("van", "noah", "salt")
    assert told.text == "a small orange mug, a red ball and a blue wooden heart on a desk"


@pytest.fixture
def local(home, opened: Opened):
    return opened(home)


@pytest.fixture
def desk(local):
    ids = give(local, range(4))
    local.note("ann", ids[0], words="HARBOUR BOOKS\nTwo maps of the old town\nTotal 41.20")
    local.note("ann", ids[1], words="Error: connection refused\nRetry")
    local.note("ann", ids[2], tags=["my summer trip"])
    return ids


def first(memory, words):
    hits = memory.recall("ann", Query(words=words, k=1))
    return (hits[0].id, hits[0].why) if hits else None


def test_words_are_found_however_they_are_asked_for(local, desk):
    for words in ("connection refused", "where was that 'connection refused'?", "the one that says conection refused",
                  "CONNECTION REFUSED!", "screenshot where the connection is refused"):  # fmt: skip
        assert first(local, words) == (desk[1], 'says "Error: connection refused"'), words
    assert first(local, "receipt for maps of the town from Harbour Books")[0] == desk[0]
    assert first(local, "pictures from my summer trip") == (desk[2], 'was noted as "my summer trip"')


def test_words_that_mostly_carry_a_request_are_looked_for_where_they_stand_written(local, desk):
    local.note("ann", desk[3], words="File not found\nSign in again")
    for words in ("file not found", "sign in again", "Sign in"):
        assert first(local, words)[0] == desk[3], words


def test_what_is_to_be_left_out_is_and_no_more(local, desk):
    found = [hit.id for hit in local.recall("ann", Query(words="total without maps"))]
    assert desk[0] not in found
    assert first(local, "total without mops")[0] == desk[0]  # nothing says so: no text is left out for a likeness


def test_all_that_is_said_to_be_written_must_stand_there(local, desk):
    hits = local.recall("ann", Query(words='a page that says "harbour refused"'))
    assert not [hit.why for hit in hits if hit.why and hit.why.startswith("says")]


class Measured(SmallEmbedder):
    """With rules of its own, as a model has that was measured."""

    calibration = Calibration({"words:region": Rule(0.8, 30.0), "words:picture": Rule(0.9, 30.0)})


def test_a_picture_of_several_things_is_found_by_all_of_them(home, opened):
    """By its regions, each by itself: a picture that has one of two things only is a guess at most."""
    embedder = Measured()
    local = opened(home, embedder)
    cone, cube = scene(70), scene(71)
    embedder.teach("a cone", cone)
    embedder.teach("a cube", cube)
    pictures = []
    for number, things in enumerate(((cone, cube), (cone, cone), (cube,), (cone, cube))):
        page = scene(80 + number, 200)
        drafts = []
        for at, thing in enumerate(things):
            page.paste(thing, (96 * at, 0))
            drafts.append((96.0 * at, 0.0, 96.0 * at + 96, 96.0))
        picture = local.store.add(page, owner="ann").id
        local.remember("ann", [picture])
        found = {picture: [RegionDraft(picture, box, "thing", 0.9) for box in drafts]}
        items = region_items(local.store, "ann", found, Lineage(tool="x"))
        ready = ready_regions(local.store, local.remembering, "ann", items)
        write_regions(local.remembering, "ann", ready, [picture], "x")
        pictures.append(picture)
    for kind in ("picture", None):
        hits = local.recall("ann", Query(words="a cone next to a cube", kind=kind, k=4))
        assert {hit.id for hit in hits[:2]} == {pictures[0], pictures[3]}, kind
        assert all(hit.score >= 0.5 for hit in hits[:2])
        assert all(hit.score < 0.5 for hit in hits[2:])
