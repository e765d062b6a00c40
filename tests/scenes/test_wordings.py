"""The wordings in files: their slots fit, none says what is held out, and all of them are drawn."""

from __future__ import annotations

import random
import re

import pytest

from saccade.scenes.language import dialogue, frames, nlvr
from saccade.scenes.language.dialogue import conversation
from saccade.scenes.language.made_up_words import strange
from saccade.scenes.language.wordings import LITTLE, apart, frames_of, telling
from saccade.scenes.sample import sample_scene
from saccade.training.llava import replies as llava_talk

FILES = ("questions", "conversation", "pairs", "asking")


def slots(frame):
    return set(re.findall(r"\{(\w*)\}", frame))


@pytest.mark.parametrize("file", FILES)
def test_a_file_is_well_formed(file):
    for intent, some in frames_of(file).items():
        assert len(some) >= 10, intent
        bare = [re.sub(r"[^a-z{}]+", " ", frame.lower()).strip() for frame in some]
        assert len(bare) == len(set(bare)), f"{intent} says something twice"
        assert all(frame == frame.strip() and frame.count("{") == frame.count("}") for frame in some), intent


@pytest.mark.parametrize("every", [frames.FRAMES, nlvr.FRAMES, dialogue.IT])
def test_added_frames_have_the_slots_of_their_intent(every):
    for intent, families in every.items():
        core = [frame for name, some in families.items() if some != (name,) for frame in some]
        known = {slot for frame in core for slot in slots(frame)}
        added = [name for name, some in families.items() if some == (name,)]
        assert added, intent
        assert not [frame for frame in added if not slots(frame) <= known], intent
        if all(slots(frame) for frame in core):
            assert all(slots(frame) for frame in added), intent


@pytest.mark.parametrize(
    ("every", "held_out"),
    [(frames.FRAMES, frames.HELD_OUT), (dialogue.IT, dialogue.HELD_OUT), (nlvr.FRAMES, nlvr.HELD_OUT)],
)
def test_no_frame_that_trains_says_what_is_held_out(every, held_out):
    assert set(every) == set(held_out)
    for intent, families in every.items():
        kept = [telling(frame) for frame in held_out[intent]]
        trained = [frame for name, some in families.items() if name not in held_out[intent] for frame in some]
        assert len(kept) >= 4, intent
        assert len(trained) >= 20, intent
        assert not [frame for frame in trained if any(marks <= telling(frame) for marks in kept)], intent


def test_a_frame_that_says_what_is_held_out_is_left_out():
    held_out = ("Do the {things} outnumber the {others}?", "How big is it?")
    said = (
        "Is it so that the {things} outnumber {others}?",
        "Are {things} in the majority?",
        "Big, how big is it?",
        "Its size?",
    )
    assert apart(said, held_out) == ("Are {things} in the majority?", "Its size?")


def test_a_frames_telling_words_are_without_slots_and_little_words():
    assert telling("How many {things} would you Tally in the picture?") == {"tally"}
    assert telling("How many are there?") == {"how", "many", "are", "there"}
    assert "tally" not in LITTLE


def test_a_strange_word_stands_for_one_that_matters_little():
    rng = random.Random(2)
    frame = "Please reveal whether {things} are lower in number than {others}."
    made = {strange(frame, rng) for _ in range(50)}
    assert len(made) > 10
    for one in made:
        changed = [old for old, new in zip(frame.split(), one.split(), strict=True) if old != new]
        assert changed == ["reveal"]
    assert strange("{things}: how many?", rng) == "{things}: how many?"
    assert sum(strange(frame, rng, 0.1) == frame for _ in range(200)) in range(160, 200)
    assert strange(frame, rng, 0.0) == frame


def test_conversations_are_worded_by_the_files():
    said = {
        line.text
        for index in range(60)
        for line in conversation(sample_scene(index), random.Random(index)) or []
        if line.kind == "place"
    }
    assert said & set(frames_of("conversation")["place"])


def test_what_llava_is_asked_keeps_its_first_wording_and_what_is_held_out():
    assert llava_talk.STATEMENT[0] == "True or false: {}"
    assert llava_talk.SIGN[0] == "What does the sign say?"
    for intent, some in (("statement", llava_talk.STATEMENT), ("sign", llava_talk.SIGN)):
        held_out = llava_talk.HELD_OUT_ASKED[intent]
        assert held_out
        assert apart(some, held_out) == some
    assert all(frame.count("{}") == 1 for frame in (*llava_talk.STATEMENT, *llava_talk.PAIR))
