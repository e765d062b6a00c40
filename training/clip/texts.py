"""The words of CLIP's training: its tokenizer, and the texts of one batch with the exact truth of every pair.

Truth comes from logic, not from which text was drawn for which picture: a phrase is true of every crop whose
thing it fits, a caption of every scene that it holds of.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

from ...scenes.language.captions import foil, full_caption, partial_caption
from ...scenes.language.forms import truths
from ...scenes.language.phrases import (
    HEADS,
    VALUES,
    WORDS,
    false_phrase,
    held_out,
    phrase_of,
    phrase_truths,
    plural_of,
    region_phrase,
)
from ...scenes.sample import sample_scene
from ...scenes.scene import Scene, Thing

SPECIAL = ("<pad>", "<unk>", "<bos>", "<eos>")
UNKNOWN = "zzz"  # no word of the vocabulary, so it reads as <unk>
LONGEST = 96  # tokens
SEEN = ("color", "material", "shape")  # the facets that a crop shows

# How each backdrop is named in a list of labels; the first is the canonical name.
BACKDROP_WORDS: dict[str, tuple[str, ...]] = {
    "plain": ("plain background", "a plain background", "plain", "nothing but a plain background"),
    "desk": ("desk", "a desk", "on a desk", "the top of a desk"),
    "street": ("street", "a street", "on a street", "in a street"),
    "shelf": ("shelf", "a shelf", "on a shelf", "standing on a shelf"),
}


def vocabulary(scenes: int = 4000) -> list[str]:
    """Every word of the language about scenes, by sampling it; the names on signs are left out."""
    words = {word for table in WORDS.values() for said in table.values() for word in said}
    words |= {plural_of(word) for word in (*HEADS, *(w for said in WORDS["shape"].values() for w in said))} | set(HEADS)
    words |= {
        "a",
        "an",
        "the",
        "this",
        "that",
        "it",
        "is",
        "are",
        "one",
        "made",
        "of",
        "with",
        "and",
        "or",
        "no",
        "not",
    }
    words |= {"picture", "drawing", "photo", "scene"}
    words |= {word for names in BACKDROP_WORDS.values() for name in names for word in name.split()}
    split = pre_tokenizers.BertPreTokenizer()
    for index in range(scenes):
        rng = random.Random(index)
        scene = sample_scene(index, "train")
        for made in (full_caption(scene, rng, words=False), *(partial_caption(scene, rng) for _ in range(3))):
            words.update(word for word, _ in split.pre_tokenize_str(made.text.lower()))
    return sorted(words)


def build_tokenizer(words: Sequence[str]) -> Tokenizer:
    """A word-level tokenizer: lower case, one token a word, `<unk>` for every word it does not know."""
    ids = {word: number for number, word in enumerate((*SPECIAL, *words))}
    tokenizer = Tokenizer(models.WordLevel(ids, unk_token="<unk>"))
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase()])  # pyright: ignore
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()  # pyright: ignore
    tokenizer.post_processor = processors.TemplateProcessing(  # pyright: ignore
        single="<bos> $A <eos>", special_tokens=[(name, ids[name]) for name in ("<bos>", "<eos>")]
    )
    tokenizer.add_special_tokens(list(SPECIAL))
    return tokenizer


def encode(tokenizer: Tokenizer, texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Token ids and attention mask, both (n, longest) int64, cut to LONGEST."""
    rows = [encoding.ids[:LONGEST] for encoding in tokenizer.encode_batch(list(texts))]
    width = max(map(len, rows))
    ids = np.zeros((len(rows), width), np.int64)
    for row, tokens in zip(ids, rows, strict=True):
        row[: len(tokens)] = tokens
    return ids, (ids > 0).astype(np.int64)


@dataclass
class Phrases:
    """Short texts, with what they are true of.

    Attributes:
        texts: the words.
        on_crops: (texts, crops) bool.
        on_wholes: (texts, scenes) bool.
        hard: (n, 2) int, pairs (text, crop) that were drawn for one another: a true phrase and one made false.
    """

    texts: list[str]
    on_crops: np.ndarray
    on_wholes: np.ndarray
    hard: np.ndarray


def draw_phrases(things: Sequence[Thing | None], scenes: Sequence[Scene], rng: random.Random) -> Phrases:
    """Phrases for a batch of crops (None: a crop of nothing) and of whole scenes."""
    made: list[tuple[str, dict[str, str] | None]] = []
    hard: list[tuple[int, int]] = []
    shown = [i for i, thing in enumerate(things) if thing is not None]
    for i in rng.sample(shown, min(len(shown), 56)):
        thing = things[i]
        assert thing is not None
        for drawn in (region_phrase(thing, rng), false_phrase(thing, rng)):
            if not held_out(drawn.attributes):
                hard.append((len(made), i))
                made.append((drawn.text, drawn.attributes))
    for _ in range(14):  # single values, as in a list of labels
        facet = rng.choice(SEEN)
        drawn = phrase_of({facet: rng.choice(VALUES[facet])}, rng)
        made.append((drawn.text, drawn.attributes))
    for _ in range(14):
        facets = [facet for facet in SEEN if rng.random() < 0.6]
        attributes = {facet: rng.choice(VALUES[facet]) for facet in facets}
        if not held_out(attributes):
            made.append((phrase_of(attributes, rng).text, attributes))
    for _ in range(14):
        made.append((_unknown(rng), None))
    backdrops = [(rng.choice(names), name) for name, names in BACKDROP_WORDS.items() for _ in range(2)]
    real = [at for at, (_, attributes) in enumerate(made) if attributes is not None]
    said = [made[at][1] or {} for at in real]
    on_crops = np.zeros((len(made) + len(backdrops), len(things)), bool)
    on_wholes = np.zeros((len(made) + len(backdrops), len(scenes)), bool)
    on_crops[np.ix_(real, shown)] = phrase_truths(said, [thing for thing in things if thing is not None])
    for column, scene in enumerate(scenes):
        on_wholes[real, column] = phrase_truths(said, scene.things).any(1)
        on_wholes[len(made) :, column] = [name == scene.backdrop for _, name in backdrops]
    return Phrases([text for text, _ in made] + [text for text, _ in backdrops], on_crops, on_wholes, np.array(hard))


def _unknown(rng: random.Random) -> str:
    """A phrase with a word that the vocabulary does not hold; it is true of nothing."""
    words = [
        rng.choice(WORDS[facet][rng.choice(VALUES[facet])]) for facet in ("color", "material") if rng.random() < 0.3
    ]
    draw = rng.random()
    if draw < 0.6:
        words = [*words, *(UNKNOWN,) * (1 if rng.random() < 0.7 else 2)]
    elif draw < 0.9:
        words = [*words, UNKNOWN, rng.choice(WORDS["shape"][rng.choice(VALUES["shape"])])]
    else:
        words = [*words, rng.choice(HEADS), "with", "a", UNKNOWN]
    return " ".join((rng.choice(("a", "the")), *words) if rng.random() < 0.3 else words)


@dataclass
class Captions:
    """Captions of a batch of scenes: the first `len(scenes)` are the full ones, one a scene, in order.

    Attributes:
        texts: the words.
        true: (texts, scenes) bool.
        hard: (n, 2) int, pairs (text, scene) that were drawn for one another, FOIL captions among them.
        foils: (n, 3) int, a scene, a text that is true of it, and the same text with one word made false.
    """

    texts: list[str]
    true: np.ndarray
    hard: np.ndarray
    foils: np.ndarray


def draw_captions(scenes: Sequence[Scene], rng: random.Random) -> Captions:
    """A full and a partial caption of each scene, a FOIL caption made of the full one and two of the partial one."""
    full = [full_caption(scene, rng, words=False) for scene in scenes]
    made, hard = list(full), [(i, i) for i in range(len(scenes))]
    foils: list[tuple[int, int, int]] = []
    for i, scene in enumerate(scenes):
        part = partial_caption(scene, rng)
        hard.append((len(made), i))
        made.append(part)
        for at, times in ((i, 1), (len(made) - 1, 2)):
            for _ in range(times):
                false = foil(made[at], scene, rng)
                if false is not None:
                    hard.append((len(made), i))
                    foils.append((i, at, len(made)))
                    made.append(false)
    true = truths([one.form for one in made], scenes)
    return Captions([one.text for one in made], true, np.array(hard), np.array(foils).reshape(-1, 3))
