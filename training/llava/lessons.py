"""LLaVA's lessons as rows of tokens: pictures first, then several conversations about them side by side.

A row is `<|user|>`, 64 places for each picture, and then *blocks*. A block is one conversation; it sees the
pictures and itself, never another block, and its positions begin where the pictures end. So a picture is seen
once for eight questions, and each question is learned exactly as it is asked later, alone. Learned are the
assistant's tokens only.
"""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, NamedTuple

import torch

from ...scenes.language.dialogue import conversation
from ...scenes.language.grammar import PLACING
from ...scenes.language.made_up_words import DECISIVE
from ...scenes.language.nlvr import statement as pair_statement
from ...scenes.language.phrases import WORDS, plural_of
from ...scenes.language.questions import FAMILIES, QuestionSampler
from .replies import (
    DENSE,
    DETAILED,
    PAIR,
    SHORT,
    SIGN,
    Turn,
    about_crop,
    dense,
    detailed,
    line,
    pair_reply,
    reply,
    short,
    statement,
)
from .store import Store
from .tokenizer import ANSWER, ASSISTANT, END, IMAGE, USER

PATCHES = 64
ROOM = 180  # tokens of blocks in a row
WEIGHT = 2.0  # of an answer's tokens beside those of the steps before it
HARD = ("count", "compare_integer", "same_relate", "single_and")  # parts of the names of families
REPLIED = (
    "first second and none true false yes no count exist equal more fewer same color material shape size place read "
    "both one any total"
)
STRANGERS = 0.08  # of the questions have a made-up word
MOST = 3600  # tokens of rows that are padded together

Picture = tuple[str, int]  # ("whole" | "crop" | "sign", number in the store)


@dataclass
class Block:
    """One conversation as tokens, with what each token's loss weighs: 0 for the user's."""

    tokens: list[int] = field(default_factory=list)
    weights: list[float] = field(default_factory=list)


class Row(NamedTuple):
    """Pictures, and conversations about them."""

    pictures: tuple[Picture, ...]
    blocks: list[Block]

    @property
    def length(self) -> int:
        """Tokens of all of it."""
        return 1 + PATCHES * len(self.pictures) + sum(len(block.tokens) for block in self.blocks)


class Words:
    """The tokenizer, and the numbers of its markers."""

    def __init__(self, tokenizer: Any) -> None:
        self.tokenizer = tokenizer
        number = tokenizer.convert_tokens_to_ids
        self.user, self.assistant, self.end, self.image = (number(name) for name in (USER, ASSISTANT, END, IMAGE))
        self.answer, self.pad = number(ANSWER), tokenizer.pad_token_id
        self._known: dict[str, list[int]] = {}

    def encode(self, text: str) -> list[int]:
        """The tokens of a text, without markers."""
        found = self._known.get(text)
        if found is None:
            found = self.tokenizer.encode(text, add_special_tokens=False)
            if len(self._known) < 200_000:
                self._known[text] = found
        return found

    def block(self, turns: Sequence[Turn]) -> Block:
        """A conversation after the pictures: what the chat template writes behind them."""
        made = Block()
        for n, turn in enumerate(turns):
            asked = [*([self.user] if n else []), *self.encode(turn.question), self.assistant]
            said = [*self.encode(turn.reply), self.end]
            at = said.index(self.answer) if self.answer in said else len(said)
            made.tokens += [*asked, *said]
            made.weights += [0.0] * len(asked) + [1.0] * at + [WEIGHT] * (len(said) - at)
        return made


@dataclass(frozen=True)
class Mix:
    """How many rows of each kind a batch has, and what scene rows hold."""

    scenes: int = 26
    pairs: int = 5
    crops: int = 4
    signs: int = 9
    dense_only: bool = False  # stage 1: only the list of everything
    read: bool = True  # whether questions may ask for words in the whole picture
    hops: int = 9  # the most hops of a question

    @property
    def batch(self) -> int:
        """Rows of a batch."""
        return self.scenes + self.pairs + self.crops + self.signs


@cache
def _families(hops: int, read: bool) -> tuple[str, ...]:
    late = ("one_hop", "two_hop", "three_hop")[hops:] if hops < 3 else ()
    if hops == 0:
        late = (*late, "single_and", "same_relate", "single_or", "comparison", "compare")
    return tuple(
        name for name in FAMILIES if not any(part in name for part in late) and (read or not name.startswith("read"))
    )


@cache
def _sampler(hops: int, read: bool, hard: bool = False) -> QuestionSampler:
    """Of all families, or of the hard ones, of which every scene is asked one more."""
    families = [name for name in _families(hops, read) if not hard or any(part in name for part in HARD)]
    return QuestionSampler(hops + 10 * read, families=families, fillers=0.12, typos=0.06, strangers=STRANGERS)


def draw_row(seed: int, store: Store, words: Words, mix: Mix, at: int) -> Row:
    """The row number `seed`: its place `at` in its batch says of which kind it is."""
    rng = random.Random(f"llava {seed}")
    if at < mix.scenes:
        return scene_row(rng.randrange(store.count), store, words, mix, rng)
    at -= mix.scenes
    if at < mix.pairs:
        return pair_row(rng.randrange(store.count), rng.randrange(store.count), store, words, rng)
    at -= mix.pairs
    if at < mix.crops:
        return crop_row(rng.randrange(len(store.crops)), store, words, rng)
    number = rng.randrange(len(store.words))
    return Row((("sign", number),), [words.block([Turn(rng.choice(SIGN), store.words[number])])])


def scene_row(at: int, store: Store, words: Words, mix: Mix, rng: random.Random) -> Row:
    """Questions, statements, a conversation and descriptions of one scene."""
    scene, boxes = store.scene(at), store.boxes_of(at).tolist()
    pictures: tuple[Picture, ...] = (("whole", at),)
    if mix.dense_only:
        turns = [Turn(rng.choice(DENSE), dense(scene, boxes))]
        if rng.random() < 0.5:
            turns.append(_described(scene, boxes, rng))
        return Row(pictures, [words.block([turn]) for turn in turns])
    blocks: list[Block] = []
    if rng.random() < 0.5 and (lines := conversation(scene, rng, rng.randint(3, 5), boxes)):
        blocks.append(words.block([line(said, scene, boxes) for said in lines]))
    if rng.random() < 0.4:
        blocks.append(words.block([_described(scene, boxes, rng)]))
    for _ in range(2):
        if rng.random() < 0.45 and (told := statement(scene, rng, boxes)):
            blocks.append(words.block([told[0]]))
    hard = _sampler(mix.hops, mix.read, hard=True).sample(scene, 1, boxes)
    for asked in (*hard, *_sampler(mix.hops, mix.read).sample(scene, 6, boxes)):
        blocks.append(words.block([Turn(asked.text, reply(asked.program, asked.answer, scene, boxes))]))
    return Row(pictures, _fitting(blocks))


def _fitting(blocks: list[Block]) -> list[Block]:
    kept, room = [], ROOM
    for block in blocks:
        if len(block.tokens) <= room:
            kept.append(block)
            room -= len(block.tokens)
    return kept


def _described(scene: Any, boxes: Any, rng: random.Random) -> Turn:
    draw = rng.random()
    if draw < 0.35:
        return Turn(rng.choice(SHORT), short(scene))
    if draw < 0.7:
        return Turn(rng.choice(DETAILED), detailed(scene, boxes))
    return Turn(rng.choice(DENSE), dense(scene, boxes))


def pair_row(one: int, other: int, store: Store, words: Words, rng: random.Random) -> Row:
    """Statements about two pictures."""
    scenes, boxes = (store.scene(one), store.scene(other)), (store.boxes_of(one), store.boxes_of(other))
    blocks = []
    for _ in range(5):
        told = pair_statement(scenes, rng, strangers=STRANGERS)
        asked = rng.choice(PAIR).format(told.text)
        blocks.append(words.block([Turn(asked, pair_reply(told, scenes, (boxes[0].tolist(), boxes[1].tolist())))]))
    return Row((("whole", one), ("whole", other)), _fitting(blocks))


def crop_row(at: int, store: Store, words: Words, rng: random.Random) -> Row:
    """Questions about a crop of one thing."""
    thing = store.scene(at).things[int(store.things[at])]
    turns = {turn.question: turn for turn in (about_crop(thing, rng) for _ in range(3))}
    return Row((("crop", at),), [words.block([turn]) for turn in turns.values()])


class Batch(NamedTuple):
    """Rows with equally many pictures, padded to the longest.

    Attributes:
        pictures: one a row and picture, row after row.
        tokens: (rows, longest) int64.
        positions: (rows, longest) int64; every block begins where the pictures end.
        block: (rows, longest) int64: 0 the pictures, from 1 the blocks, -1 padding.
        weights: (rows, longest) float32.
    """

    pictures: list[Picture]
    tokens: torch.Tensor
    positions: torch.Tensor
    block: torch.Tensor
    weights: torch.Tensor


def collate(rows: list[Row], words: Words, most: int = MOST) -> list[Batch]:
    """Micro-batches of rows alike in the number of pictures and in length."""
    made: list[Batch] = []
    for many in sorted({len(row.pictures) for row in rows}):
        alike = sorted((row for row in rows if len(row.pictures) == many), key=lambda row: row.length)
        part: list[Row] = []
        for row in alike:
            if part and (row.length > 1.3 * part[0].length or (len(part) + 1) * row.length > most):
                made.append(_padded(part, words))
                part = []
            part.append(row)
        made.append(_padded(part, words))
    return made


def _padded(rows: list[Row], words: Words) -> Batch:
    longest = max(row.length for row in rows)
    tokens = torch.full((len(rows), longest), words.pad)
    positions = torch.zeros((len(rows), longest), dtype=torch.long)
    block = torch.full((len(rows), longest), -1)
    weights = torch.zeros((len(rows), longest))
    for i, row in enumerate(rows):
        head = 1 + PATCHES * len(row.pictures)
        tokens[i, :head] = torch.tensor([words.user, *[words.image] * (head - 1)])
        positions[i, :head] = torch.arange(head)
        block[i, :head] = 0
        at = head
        for n, one in enumerate(row.blocks, 1):
            end = at + len(one.tokens)
            tokens[i, at:end] = torch.tensor(one.tokens)
            positions[i, at:end] = torch.arange(head, head + len(one.tokens))
            block[i, at:end] = n
            weights[i, at:end] = torch.tensor(one.weights)
            at = end
    return Batch([picture for row in rows for picture in row.pictures], tokens, positions, block, weights)


def mask_of(block: torch.Tensor) -> torch.Tensor:
    """(rows, 1, longest, longest) bool, which token sees which: the pictures, and the past of its own block."""
    before = torch.ones(block.shape[1], block.shape[1], dtype=torch.bool, device=block.device).tril()
    own = (block[:, :, None] == block[:, None, :]) | (block[:, None, :] == 0)
    return (before & own)[:, None]


def needed() -> list[str]:
    """Words that are tokens of their own before any others: for what things are, where they stand, what is asked."""
    said = {word for table in WORDS.values() for words in table.values() for word in words}
    said |= {plural_of(word) for words in WORDS["shape"].values() for word in words}
    return sorted({word for text in (*said, *PLACING, *DECISIVE) for word in re.findall("[a-z]+", text)})


def corpus(count: int = 700) -> list[str]:
    """Texts of training, from which the tokenizer takes its words: mostly questions, whose words matter most."""
    from ...scenes.sample import sample_scene

    texts: list[str] = []
    sampler = QuestionSampler(7, fillers=0.2)
    rng = random.Random(7)
    for seed in range(count):
        scene = sample_scene(2**27 + seed)
        texts += [asked.text for asked in sampler.sample(scene, 12)]
        texts += [said.text for said in conversation(scene, rng) or []]
        texts.append(pair_statement((scene, sample_scene(2**27 + seed + 1)), rng).text)
        texts += [short(scene), detailed(scene, None), dense(scene, None)]
        texts += [turn.question + " " + turn.reply for turn in [about_crop(scene.things[0], rng)]]
        texts.append(REPLIED)
        if seed % 5 == 0:
            told = statement(scene, rng, None)
            texts += [told[0].question] if told else []
            texts += [rng.choice(asked) for asked in (SIGN, PAIR, SHORT, DETAILED, DENSE)]
    return texts
