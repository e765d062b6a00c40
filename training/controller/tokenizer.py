"""The controller's tokenizer: a small byte-level BPE in which words are the same wherever they stand.

A blank is a token of its own, so "cube" in a sentence and "cube" after a quotation mark are the same tokens:
copying the user's words into a call is then copying tokens. Digits are single tokens, for handles and boxes.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...prompts import FOLDER
from ...prompts.calls import CLOSE, OPEN

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

PAD, END, USER, ASSISTANT, TOOL = "<|pad|>", "<|end|>", "<|user|>", "<|assistant|>", "<|tool|>"
SPECIAL = (PAD, END, USER, ASSISTANT, TOOL, OPEN, CLOSE)
TEMPLATE = FOLDER / "controller.jinja"
# Digits one by one; words; signs, with single blanks between and after them: `": "` is one piece.
_PIECES = r"\p{N}|[\p{L}\p{M}_]+|[^\s\p{L}\p{M}\p{N}_]+(?: [^\s\p{L}\p{M}\p{N}_]+)* ?|\n| |\s"


def train_tokenizer(texts: Iterable[str], vocabulary: int = 1400) -> PreTrainedTokenizerFast:
    """Learn a vocabulary from texts, and add the markers and the chat template."""
    from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    core = Tokenizer(models.BPE())
    core.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_PIECES), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    core.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=[AddedToken(name, special=True, normalized=False) for name in SPECIAL],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    core.train_from_iterator(texts, trainer)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=core, eos_token=END, pad_token=PAD, clean_up_tokenization_spaces=False, model_max_length=1536
    )
    tokenizer.chat_template = TEMPLATE.read_text("utf-8")
    return tokenizer


def save_tokenizer(tokenizer: Any, folder: Path) -> None:
    """Write the tokenizer's files, the template inside its config, as every version of the library reads it."""
    tokenizer.save_pretrained(folder, save_jinja_files=False)
