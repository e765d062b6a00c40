"""What people do to their sentences: fillers, politeness, asides, typos, careless case and points.

Applied alike to every family, so that none of it tells an intent. Words that came from a slot (noun
phrases, handles, labels) are never misspelt: they must be copied as they stand.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

from .synonyms import swap

Parts = Sequence[tuple[str, bool]]  # (words, whether they came from a slot)

_OPENERS = (
    "hey", "hi", "hello", "ok", "okay", "so", "well", "um", "right", "now", "next", "alright", "great", "thanks",
    "hey there", "hi there", "ok so", "hmm", "cool", "perfect", "good", "yo", "hello again", "excuse me", "saccade",
    "hey saccade", "quick question", "one question", "one more thing", "one more", "also", "and", "then", "and now",
    "thank you", "nice", "sorry", "sorry to bother you", "listen", "look", "again", "first", "actually", "oh", "please",
    "good morning", "good evening", "if you don't mind", "when you have a moment", "for my notes", "just curious",
    "just wondering", "say", "new question", "another question", "a question for you", "next question", "go on",
)  # fmt: skip
_ASIDES = (
    "I took this yesterday.", "My daughter made this.", "This is for a report.", "I am sorting my things.",
    "I need it for a talk.", "We are in a hurry.", "I left my glasses at home.", "It is a bit crowded.",
    "I am not sure myself.", "My eyes are bad.", "This is a test.", "I have a bet running.", "Take your time.",
    "It is for school.", "My boss wants to know.", "I could not tell.", "There is a lot going on here.",
    "A friend sent me this.", "I am making a list.", "We argued about this.", "I am new here.", "Be careful.",
    "This one is tricky.", "Do not guess.", "Have a good look.", "I want to be sure.", "Here you go.", "Here it is.",
    "Let us begin.", "I have a question.", "Can you help me?", "Could you help me with something?", "I need your help.",
)  # fmt: skip
_LEADS = (
    "please", "could you please", "can you please", "would you", "could you", "can you", "would you please", "kindly",
    "i need you to", "i want you to", "i would like you to", "i'd like you to", "let us", "let's", "go ahead and",
    "do me a favour and", "would you mind to", "try to", "you should", "just", "will you", "be so kind and",
    "help me and", "your task: ", "now", "quickly", "go and", "i'd love for you to", "might you", "be a dear and",
)  # fmt: skip
_ENDINGS = (
    "please", "thanks", "thank you", "for me", "if you can", "if possible", "now", "right now", "quickly", "pls", "thx",
    "would you", "will you", "ok", "okay", "cheers", "many thanks", "when you can", "please and thank you", "asap",
    "then", "just so i know", "i wonder", "at once", "if you would", "today", "again", "by the way", "exactly",
)  # fmt: skip
_IMPERATIVE_WORDS = """
    add analyse analyze box bring calculate carve check choose classify clip compare compute confirm contour count
    create crop cut decide delineate describe detect determine draw enlarge enumerate estimate evaluate examine
    extract figure find focus frame generate get give go grab have help highlight identify indicate inspect isolate
    itemise itemize label let lift list locate look magnify make mark mask name outline paint pick pinpoint point
    produce provide pull put read recognise recognize remove report return run say scan search see segment select
    separate show sketch snip solve sort spot state strip study subtract sum take tally tell total trace trim verify
    work zoom
"""
_IMPERATIVES = frozenset(_IMPERATIVE_WORDS.split())
_NEIGHBOURS = dict(zip("qwertyuiopasdfghjklzxcvbnm", "wqeryuioplpsdfghjkaxzcvbnm", strict=False))
_SHORT = {"you": "u", "are": "r", "what": "wat", "please": "plz", "picture": "pic", "your": "ur", "what's": "whats"}
_DROPPED = frozenset({"the", "a", "an", "of", "there", "do", "is", "are", "any", "that", "all", "to", "me"})


def disturb(parts: Parts, rng: random.Random, strength: float = 1.0) -> str:
    """Put a request together, with noise.

    Args:
        parts: words and where they came from, as `phrasings.fill` gives them.
        rng: draws the noise.
        strength: 0 gives the clean text; 1 is what training uses.
    """
    text = "".join(_spell(words, rng, strength) if not slot else words for words, slot in parts)
    text = _tidy(text)
    if rng.random() < 0.10 * strength:
        text = text.rstrip(" .?!")
    if text.split(" ", 1)[0].lower() in _IMPERATIVES and rng.random() < 0.3 * strength:
        text = f"{rng.choice(_LEADS)} {_lower_first(text)}"
    if rng.random() < 0.18 * strength:
        text = f"{rng.choice(_OPENERS)}{rng.choice((', ', ' ', ': ', '! ', ' - ', '... '))}{_lower_first(text)}"
    if rng.random() < 0.12 * strength:
        end = text[-1:] if text[-1:] in "?.!" else ""
        text = f"{text.rstrip(' .?!')}{rng.choice((', ', ' ', ' '))}{rng.choice(_ENDINGS)}{end}"
    if rng.random() < 0.10 * strength:
        aside = rng.choice(_ASIDES)
        end = "" if text[-1:] in "?.!" else "."
        text = f"{aside} {_upper_first(text)}" if rng.random() < 0.7 else f"{text}{end} {aside}"
    return _case(text, rng, strength)


def _case(text: str, rng: random.Random, strength: float) -> str:
    draw = rng.random() / strength if strength else 1.0
    if draw < 0.40:
        text = _upper_first(text)
    elif draw < 0.65:
        text = text.lower()
    elif draw >= 1.0:
        text = _upper_first(text)
    draw = rng.random() / strength if strength else 1.0
    if draw < 0.15:
        text = text.rstrip(" .?!")
    elif draw < 0.20:
        text = text.rstrip(" .?!") + rng.choice(("??", "!", "...", " ?", ".", "?", "?!"))
    return text


def _spell(words: str, rng: random.Random, strength: float) -> str:
    """Misspell, shorten or drop a few of the frame's words."""
    if strength == 0:
        return words
    out: list[str] = []
    for word in words.split(" "):
        if rng.random() < 0.10 * strength:
            word = swap(word, rng)
        draw = rng.random() / strength
        if (draw < 0.02 and word.lower() in _DROPPED) or 0.07 < draw < 0.075:
            continue
        if draw < 0.04 and word.lower() in _SHORT:
            out.append(_SHORT[word.lower()])
        elif 0.04 < draw < 0.062 and len(word) > 3 and word.isalpha():
            out.append(_typo(word, rng))
        else:
            out.append(word)
    return " ".join(out)


def _typo(word: str, rng: random.Random) -> str:
    at = rng.randrange(1, len(word) - 1)
    kind = rng.random()
    if kind < 0.35:
        return word[:at] + word[at + 1] + word[at] + word[at + 2 :]
    if kind < 0.6:
        return word[:at] + word[at + 1 :]
    if kind < 0.8:
        return word[:at] + word[at] + word[at:]
    return word[:at] + _NEIGHBOURS.get(word[at].lower(), word[at]) + word[at + 1 :]


def _tidy(text: str) -> str:
    text = " ".join(text.split())
    for mark in ",.?!:;":
        text = text.replace(f" {mark}", mark)
    return text


def _upper_first(text: str) -> str:
    return text[:1].upper() + text[1:]


def _lower_first(text: str) -> str:
    return text if text[:2] in ("I ", "I'") else text[:1].lower() + text[1:]
