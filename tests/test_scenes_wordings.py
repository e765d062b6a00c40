"""The wordings in files: their slots fit, none says what is held out, and all of them are drawn."""

from __future__ import annotations

import random
import re

import pytest

from saccade.scenes import dialogue, frames, nlvr
from saccade.scenes.dialogue import conversation
from saccade.scenes.sample import sample_scene
from saccade.scenes.wordings import LITTLE, apart, frames_of, telling
from saccade.training import llava_talk

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
    [
        (frames.FRAMES, frames.HELD_OUT),
        (dialogue.IT, {kind: (name,) for kind, name in dialogue.HELD_OUT.items()}),
        (nlvr.FRAMES, {kind: (name,) for kind, name in nlvr.HELD_OUT.items()}),
    ],
)
def test_no_added_frame_says_what_is_held_out(every, held_out):
    for intent, families in every.items():
        kept = [telling(frame) for name in held_out[intent] for frame in families[name]]
        added = [frame for name, some in families.items() if some == (name,) for frame in some]
        assert len(added) >= 10, intent
        assert not [frame for frame in added if any(marks <= telling(frame) for marks in kept)], intent


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
    assert not {*llava_talk.STATEMENT} & {*llava_talk.HELD_OUT_ASKED["statement"]}
    assert not {*llava_talk.SIGN} & {*llava_talk.HELD_OUT_ASKED["sign"]}
    assert all(frame.count("{}") == 1 for frame in (*llava_talk.STATEMENT, *llava_talk.PAIR))
