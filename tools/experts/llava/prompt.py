"""What a LLaVA reads: the picture as it wants to see it, and a question in its own chat template.

A prompt falls into two parts: the beginning up to the last token of the last picture, which is the same for every
question about these pictures and is computed once, and the rest.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from PIL import Image

from ....errors import ToolRetry, UserError
from ...contracts import View
from ..clip.expert import square

MOST_CHARACTERS = 1000  # of a question


@dataclass(frozen=True)
class Prompt:
    """Token ids of a prompt in two parts, and the views whose features take the image tokens' places, in order."""

    beginning: tuple[int, ...]  # ends with the last image token
    rest: tuple[int, ...]
    views: tuple[View, ...]

    @property
    def key(self) -> tuple[Any, ...]:
        """Names what is computed for the beginning: the same key, the same keys and values."""
        return (self.beginning, tuple(view.key for view in self.views))


class Prompter:
    """Makes prompts for one model.

    Args:
        model: a LlavaForConditionalGeneration or LlavaNextForConditionalGeneration.
        processor: its processor; a chat template is needed.

    Raises:
        UserError: there is no chat template, or no image token.
    """

    def __init__(self, model: Any, processor: Any) -> None:
        self.processor, self.tokenizer = processor, processor.tokenizer
        self.image_id: int = model.config.image_token_id
        self.image_token: str = self.tokenizer.convert_ids_to_tokens(self.image_id) or ""
        if not (getattr(processor, "chat_template", None) or self.tokenizer.chat_template):
            raise UserError("The LLaVA's processor has no chat template (chat_template.jinja).", kind="bad_weights")
        if not self.image_token:
            raise UserError(f"The LLaVA's tokenizer has no token {self.image_id} for pictures.", kind="bad_weights")
        text = model.config.get_text_config()
        self.context: int = getattr(text, "max_position_embeddings", None) or 4096
        self.anyres = model.config.model_type == "llava_next"  # cuts a picture into tiles by itself
        mean = getattr(processor.image_processor, "image_mean", None) or (0.5, 0.5, 0.5)
        self.fill: tuple[int, int, int] = tuple(round(255 * float(value)) for value in mean)  # pyright: ignore
        added = [token.content for token in self.tokenizer.added_tokens_decoder.values() if token.special]
        marks = {*self.tokenizer.all_special_tokens, *added, self.image_token}
        self.marks = sorted(marks, key=len, reverse=True)

    def shown(self, view: View) -> Image.Image:
        """What the image processor is given: LLaVA-NeXT tiles any shape itself, LLaVA 1.5 was trained on squares.

        Regions are cut from the original at its own resolution, as `clip.square` does it.
        """
        return view.pixels().convert("RGB") if self.anyres else square(view, self.fill)

    def pixels(self, views: Sequence[View]) -> dict[str, torch.Tensor]:
        """The image processor's tensors: `pixel_values`, and `image_sizes` where the model tiles."""
        return dict(self.processor.image_processor(images=[self.shown(view) for view in views], return_tensors="pt"))

    def clean(self, text: str) -> str:
        """Words of a person without anything that the tokenizer would take for a mark of its own."""
        for token in self.marks:
            text = text.replace(token, " ")
        return " ".join(text.split())

    def text(self, turns: Sequence[tuple[str, str]], pictures: int, *, open_end: bool = True) -> str:
        """A conversation in the chat template, pictures first.

        Args:
            turns: (question, answer) pairs; the last one's answer is left out where `open_end`.
            pictures: how many pictures stand in the first question.
            open_end: the assistant is to speak next.
        """
        messages: list[dict[str, Any]] = []
        for place, (question, answer) in enumerate(turns):
            content: list[dict[str, Any]] = [{"type": "image"}] * (pictures if place == 0 else 0)
            messages.append({"role": "user", "content": [*content, {"type": "text", "text": question}]})
            if place + 1 < len(turns) or not open_end:
                messages.append({"role": "assistant", "content": [{"type": "text", "text": answer}]})
        return self.processor.apply_chat_template(messages, add_generation_prompt=open_end, tokenize=False)

    def expand(self, text: str, lengths: Sequence[int]) -> str:
        """The text with every image token repeated as often as its picture has features.

        Raises:
            UserError: the template does not have one image token a picture.
        """
        parts = text.split(self.image_token)
        if len(parts) != len(lengths) + 1:
            raise UserError(
                f"The LLaVA's chat template makes {len(parts) - 1} of {len(lengths)} pictures.", kind="bad_weights"
            )
        marks = [self.image_token * length for length in (*lengths, 0)]
        return "".join(part + mark for part, mark in zip(parts, marks, strict=True))

    def encode(self, text: str) -> list[int]:
        """Token ids of a text in the chat template; the first mark is put before it where the template does not."""
        bos = self.tokenizer.bos_token
        return self.tokenizer(text, add_special_tokens=not (bos and text.startswith(bos)))["input_ids"]

    def prompt(
        self,
        views: tuple[View, ...],
        lengths: Sequence[int],
        question: str,
        history: Sequence[tuple[str, str]] = (),
        room: int = 0,
    ) -> Prompt:
        """The prompt of a question about views.

        Args:
            views: what is shown.
            lengths: how many features each view has.
            question: in a person's words.
            history: (question, answer) pairs before it.
            room: tokens that must be left for the answer.

        Raises:
            ToolRetry: the question is empty, or too long for a question or for the model.
        """
        question = self.checked(question)
        turns = [(self.clean(asked), self.clean(said)) for asked, said in history] + [(question, "")]
        ids = self.encode(self.expand(self.text(turns, len(views)), lengths))
        if len(ids) + room > self.context:
            raise ToolRetry(
                f"The question takes {len(ids)} tokens with its pictures, and this model takes {self.context - room}: "
                f"ask in fewer words, or about fewer pictures.",
                kind="question_too_long",
            )
        end = len(ids) - ids[::-1].index(self.image_id)
        return Prompt(tuple(ids[:end]), tuple(ids[end:]), views)

    def checked(self, question: str) -> str:
        """The question, cleaned. Raises ToolRetry where it is empty or has over `MOST_CHARACTERS` characters."""
        if len(question) > MOST_CHARACTERS:
            raise ToolRetry(
                f"The question has {len(question)} characters, and at most {MOST_CHARACTERS} are taken "
                f"({question[:40]!r} ...): ask one thing at a time.",
                kind="question_too_long",
            )
        cleaned = self.clean(question)
        if not cleaned:
            raise ToolRetry(f"The question {question!r} is empty: say what to look for.", kind="empty_question")
        return cleaned


def embed(model: Any, ids: torch.Tensor, features: torch.Tensor, image_id: int) -> torch.Tensor:
    """(n, length, width) embeddings of tokens, those of image tokens replaced by features.

    Args:
        model: the LLaVA.
        ids: (n, length) token ids.
        features: (image tokens in all rows, width), row by row.
        image_id: the id of image tokens.
    """
    pictured = ids == image_id
    words = model.get_input_embeddings()(ids.masked_fill(pictured, 0))
    return words.masked_scatter(pictured[..., None].expand_as(words), features.to(words.dtype))
