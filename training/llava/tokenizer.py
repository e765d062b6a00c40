"""LLaVA's tokenizer: a word of the drawn world is one token, every other word is spelled by its characters.

Words in capitals (signs) are spelled always, so that reading is naming letter after letter. The capital that
begins a sentence is made small first, so that a word is the same token wherever it stands. Columns and rows
("c7 r12": the picture in 20 x 20) are one token each.
"""

from __future__ import annotations

import string
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

PAD, UNKNOWN, USER, ASSISTANT, END, IMAGE = "<|pad|>", "<|unk|>", "<|user|>", "<|assistant|>", "<|end|>", "<image>"
SPECIAL = (PAD, UNKNOWN, USER, ASSISTANT, END, IMAGE)
ANSWER = " Answer:"  # stands before the answer where steps are told first
TEMPLATE = Path(__file__).parent / "template.jinja"
LONGEST = 768
BINS = 20
_PIECES = r"▁[cr][0-9]{1,2}(?![0-9A-Za-z])|▁?[a-z]+|▁?[A-Z]|▁?[0-9]|▁?[^\sA-Za-z0-9▁]|▁"


def _core(words: Iterable[str]) -> Any:
    from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers

    characters = list(map(chr, range(33, 127)))
    pieces = [*SPECIAL, *characters, *(f"▁{c}" for c in characters), "▁"]
    pieces += [f"▁{axis}{number}" for axis in "cr" for number in range(BINS)]
    pieces += [f"▁{word}" for word in words]
    vocabulary = {piece: at for at, piece in enumerate(dict.fromkeys(pieces))}
    core = Tokenizer(models.WordPiece(vocabulary, unk_token=UNKNOWN, continuing_subword_prefix=""))
    small = [
        normalizers.Replace(Regex(f"(?<![A-Za-z]){letter}(?=[a-z])"), letter.lower())
        for letter in string.ascii_uppercase
    ]
    core.normalizer = normalizers.Sequence([*small, normalizers.Replace(Regex("(?<![A-Za-z])A(?= [a-z])"), "a")])
    core.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always"),
            pre_tokenizers.Split(Regex(_PIECES), "isolated"),
        ]
    )
    core.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.Fuse(), decoders.Strip(" ", 1, 0)])
    core.add_special_tokens([AddedToken(name, special=True, normalized=False) for name in SPECIAL])
    core.add_tokens([AddedToken(ANSWER, special=False, normalized=False)])
    return core


def words_in(texts: Iterable[str], least: int = 3, most: int | None = None, sure: Iterable[str] = ()) -> list[str]:
    """The words in small letters that stand in the texts `least` times, in the order of the alphabet.

    Args:
        texts: of training.
        least: how often a word must stand there.
        most: how many words, the most frequent ones; the others are spelled.
        sure: words that are taken before the frequent ones.
    """
    counts: Counter[str] = Counter()
    for text in texts:
        for word in text.replace("'", " ' ").split():
            bare = word.strip(string.punctuation)
            if bare.isalpha() and (len(bare) == 1 or not bare.isupper()):
                counts[bare.lower()] += 1
    frequent = sorted((-count, word) for word, count in counts.items() if count >= least and len(word) > 1)
    return sorted([*dict.fromkeys([*sure, *(word for _, word in frequent)])][:most])


def build_tokenizer(words: Iterable[str]) -> Any:
    """A `PreTrainedTokenizerFast` of these words, with the chat template."""
    from transformers import PreTrainedTokenizerFast

    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=_core(words), pad_token=PAD, unk_token=UNKNOWN, eos_token=END,
        additional_special_tokens=[USER, ASSISTANT, IMAGE], clean_up_tokenization_spaces=False,
        model_max_length=LONGEST,
    )  # fmt: skip
    tokenizer.chat_template = TEMPLATE.read_text("utf-8")
    return tokenizer


def answer_of(text: str) -> str:
    """The answer proper of what the model said: what stands after "Answer:", or all of it."""
    return text.rpartition(ANSWER.strip())[2].strip()
