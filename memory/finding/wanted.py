"""What a sentence looks for: "Have I shown you a green cone before?" looks for "green cone".

People ask memory as they ask each other. What carries a request ("find me the picture with ...") says nothing of
what is looked for, and would only blur its embedding; what is left is looked for by its looks and in every text.
Nothing is understood here beyond that: words that begin and end requests, what is to be left out, what is written.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from ..names import composed

# Words that begin a request, or stand between it and what it looks for.
_BEFORE = frozenset(
    """
    a about again all am an and another any anything anywhere are as at been before bring can could dear did display
    do does drawing drawings ever every everything fetch file files find for from get give got had hand has have
    hello help here hey hi how i id if im image images in is it ive just kindly know let list locate look looked
    looking me met memory my need of ok okay on once one ones our out photo photograph photographs photos pic pics
    picture pictures please pull recall remember remind saw scene scenes screenshots scan scans search see seeing
    seen send sent show showed showing shown shows so some something somewhere stored tell that the there these
    thing things this those to try up upload uploaded us want was we were what when where which who with within
    would you your containing contains contain includes include including having featuring features feature
    depicting depicts like called named
    """.split()  # noqa: SIM905 (a list of so many words is read more easily like this)
)
# Words that end one.
_AFTER = frozenset(
    """
    again already anywhere around at before earlier else ever for from here i image images in it me memory my now of
    on one ones or photo photos picture pictures please pls reading reads recently remember saw saying says see seen
    sent showed shown so somewhere that thank thanks the there to u uploaded with written yet you yours
    """.split()  # noqa: SIM905
)
_WITHOUT = re.compile(
    r"\s*,?\s*\b(?:without|but no|but not|except(?: for)?|minus|that has no|with no)\b\s+", re.IGNORECASE
)
# What is said to stand written there: words in capitals, else all up to the next part of the sentence. The sign that
# they stand on goes with them.
_SAID = re.compile(
    r"(?:\s*,?\s*(?:\b(?:with|beside|by|next to|near|has|having|bearing|and)\s+)?(?:\b(?:an?|the|some)\s+)?"
    r"\b(?:sign|label|board|plate|sticker|poster|note)s?)?\s*\b(?:(?:that|which)\s+)?"
    r"(?:says?|saying|said|reads?|reading|spells?|written|(?:with|has|have|bears?|bearing) the "
    r"(?:words?|text|letters|title|name))\b\s*:?\s*(?:on it\s*)?"
    r"(?P<words>(?-i:[A-Z0-9][A-Z0-9'&.-]+(?:\s+[A-Z0-9][A-Z0-9'&.-]+)*)(?![\w])|[^,.;:!?]+?)"
    r"(?=\s*(?:$|[,.;:!?]|\b(?:and|with|beside|next to|on|in|at|before|near|from|standing)\b))",
    re.IGNORECASE,
)
# What stands between two things.
_BETWEEN = re.compile(
    r"\s*[,;]\s*(?:and\s+)?|\s+(?:and|with|plus|as well as|next to|besides?|near|close to|left of|right of|"
    r"to the left of|to the right of|above|below|under|over|behind|in front of|before|against|between|"
    r"on top of|towards?|(?:standing |lying |sitting )?(?:on|in|at))"
    r"\s+(?=(?:an?|the|one|two|three|four|five|some|\d+)\b|\w+\s+\w)",
    re.IGNORECASE,
)
_COUNTED = re.compile(r"(?:an?|the|one|two|three|four|five|some|\d+)\s+\w", re.IGNORECASE)
_COLOURS = frozenset("red orange yellow green blue purple pink brown black white grey gray turquoise beige".split())  # noqa: SIM905
_SIZES = frozenset("small tiny little big large huge".split())  # noqa: SIM905
MOST_THINGS = 6
_MARKS = '"\u201c\u201d\u00ab\u00bb'
_QUOTED = re.compile(rf"[{_MARKS}]([^{_MARKS}]+)[{_MARKS}]|(?<!\w)'([^']+)'(?!\w)")
# What is too common to be looked for in texts.
UNSAID = _BEFORE | set("above be below beside by left next no not or right sign signs text word words".split())  # noqa: SIM905


@dataclass(frozen=True)
class Wanted:
    """What is looked for.

    Attributes:
        text: the core of the sentence, in its own words: what it should look like.
        every: all words of the sentence, in lower case: a text that has them all says just that.
        words: those of them that do not only carry the request.
        written: words that are said to stand written there.
        without: what must not be there, in words.
    """

    text: str
    every: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    written: tuple[str, ...] = ()
    without: tuple[str, ...] = ()


def wanted(sentence: str) -> Wanted:
    """What a sentence looks for; of one that is made of carrying words alone, all of it."""
    whole = " ".join(composed(sentence).split())
    rest, *gone = _WITHOUT.split(whole)
    if not core(rest):  # "without a hat": there is nothing else to look for
        rest, gone = whole, []
    written = [next(part for part in found if part) for found in _QUOTED.findall(rest)]
    bare = _QUOTED.sub(" ", rest)
    for said in _SAID.finditer(bare):
        if core(said["words"]):
            written.append(core(said["words"]))
    bare = _SAID.sub(lambda said: " " if core(said["words"]) else said[0], bare)
    bare = re.sub(r"\s+(?=[,.;:!?])", "", " ".join(bare.split()))
    text = _with_article(core(bare), bare)
    everything = " ".join([text, *written]) or whole
    return Wanted(
        text or " ".join(written) or whole,
        () if gone else tuple(dict.fromkeys(_tokens(whole))),
        tuple(dict.fromkeys(word for word in _tokens(everything) if word not in UNSAID)),
        tuple(dict.fromkeys(word for part in written for word in _tokens(part))),
        tuple(one for one in (core(part) for part in gone) if one),
    )


def core(text: str) -> str:
    """A text without the words that carry a request, at both ends, and without punctuation there."""
    words = text.split()
    while words and (_bare(words[0]) in _BEFORE or not _bare(words[0])):
        words.pop(0)
    while words and (_bare(words[-1]) in _AFTER or not _bare(words[-1])):
        words.pop()
    return " ".join(words).strip(" .,;:!?\u2026\u00bf\u00a1")


def things_of(text: str) -> tuple[str, ...]:
    """The things that a text names one after the other, without their sizes, which a thing by itself does not show.

    "a red cube next to a small blue ball" names "a red cube" and "a blue ball"; only where each of them stands for
    itself: "red and blue cubes" names none. A single thing is told where its size was left out.
    """
    parts = [part for part in _BETWEEN.split(text) if core(part)][:MOST_THINGS]
    whole = [
        len(core(part).split()) > 1 or (_COUNTED.match(part) and core(part).lower() not in _COLOURS) for part in parts
    ]
    if len(parts) > 1 and not all(whole):
        return ()
    things = [_with_article(core(part), part) for part in parts]
    bare = [" ".join(word for word in thing.split() if word.lower() not in _SIZES) for thing in things]
    return tuple(bare) if len(bare) > 1 or bare != things else ()


def _with_article(text: str, sentence: str) -> str:
    """The core with the article that it has in the sentence: a model of pictures knows "a green cone" best."""
    before = sentence[: sentence.find(text)].split() if text else []
    return f"{before[-1]} {text}" if before and before[-1].lower() in ("a", "an") else text


def _bare(word: str) -> str:
    return re.sub(r"[\W_]", "", word.lower())


def _tokens(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())
