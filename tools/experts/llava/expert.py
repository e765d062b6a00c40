"""The expert that talks about pictures: LLaVA 1.5 (Liu et al. 2023) and LLaVA-NeXT, in the classes of transformers.

One class serves the bundled model (`zoo:llava`), published ones (`hf:llava-hf/llava-1.5-7b-hf`,
`hf:llava-hf/llava-v1.6-mistral-7b-hf`), folders of the user's, and adapters on any of them (see `llava_model`).
A picture is encoded once and its features are kept, as are the answers; decoding is greedy.

What our own training adds stands in `config.json` under the key "saccade", and every part of it may be missing:

    answer_after      the mark before an answer ("Answer:"); what stands before it is the rationale, and is not said
    most_tokens       how long an answer may become, rationale and all; a detailed description twice as long
    short, detailed   how a description is asked for, instead of `prompts/describe_*.md`
    statement, pair   how it is asked whether a statement "{}" holds of one picture, and of several
"""

from __future__ import annotations

from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any, Self

import torch

from .... import prompts
from ....errors import ToolRetry
from ....settings import ModelSpec
from ...contracts import Expert, View
from ...requests import STATEMENT, Answer, Describe, Said
from .decode import Decoder
from .model import fingerprint, load_llava
from .prompt import Prompt, Prompter, embed

MOST_TOKENS = 128  # of an answer; a detailed description has twice as many
MOST_VIEWS = 4
KEEP_VIEWS_SMALL, KEEP_VIEWS_LARGE = 256, 32  # features of views that are kept
KEEP_ANSWERS = 1024
SMALL = 200e6  # parameters: a small model answers many questions at once
ROWS_SMALL, ROWS_LARGE = 64, 8
KEEP_SMALL, KEEP_LARGE = 16, 2  # beginnings that are kept: hundreds of MB each for a 7B model
CHUNK = 16  # views in one run of the vision tower


class Llava(Expert[Answer | Describe, Said]):
    """LLaVA behind one interface: `Answer` and `Describe`. `encodes` counts the views that the tower has seen."""

    role = "llava"
    says = ("describe_short", "describe_detailed")

    def __init__(self, model: Any, processor: Any, device: str, name: str = "") -> None:
        """Wrap a loaded model.

        Args:
            model: a LlavaForConditionalGeneration or LlavaNextForConditionalGeneration, in eval mode, on `device`.
            processor: its processor.
            device: "cpu", "cuda", "cuda:1".
            name: the hash of the weights; part of every cache key.
        """
        self.model, self.device, self.name = model, device, name
        self.prompter = Prompter(model, processor)
        ours: dict[str, Any] = getattr(model.config, "saccade", None) or {}
        self.told = ours
        self.mark: str = ours.get("answer_after", "")
        self.most: int = ours.get("most_tokens", MOST_TOKENS)
        ends = model.generation_config.eos_token_id
        ends = [*(ends if isinstance(ends, list) else [ends]), processor.tokenizer.eos_token_id]
        small = sum(value.numel() for value in model.parameters()) < SMALL
        self.rows = ROWS_SMALL if small else ROWS_LARGE
        self.keep_views = KEEP_VIEWS_SMALL if small else KEEP_VIEWS_LARGE
        ends = [end for end in ends if end is not None]
        self.decoder = Decoder(model, ends, self._begin, KEEP_SMALL if small else KEEP_LARGE)
        self.encodes = 0
        self._features: OrderedDict[str, torch.Tensor] = OrderedDict()
        self._answers: OrderedDict[Any, Said] = OrderedDict()

    @classmethod
    def load(cls, spec: ModelSpec, device: str) -> Self:
        """Load a model, a model with an adapter, or an adapter that names its base (see `llava_model`).

        Raises:
            UserError: there is no such model, it is no LLaVA, or the adapter is damaged or another model's.
        """
        model, processor = load_llava(spec, device)
        return cls(model, processor, device, fingerprint(spec))

    def fix_rows(self, rows: int | None) -> None:
        """See `Expert.fix_rows`; questions are then answered one at a time, and a picture is encoded alone."""
        self.fixed = rows
        self._features.clear()
        self._answers.clear()
        self.decoder.forget()

    def predict(self, requests: Sequence[Answer | Describe]) -> list[Said]:
        """Answer a batch; the same question about the same view is answered once and kept.

        Raises:
            ToolRetry: a question is empty or too long, or there are no views or more than four.
        """
        asked = [self.question(request) for request in requests]
        keys = [self._key(one) for one in asked]
        new = {key: one for key, one in zip(keys, asked, strict=True) if key not in self._answers}
        self._check(new.values())
        said = [one for part in self._parts(list(new.values())) for one in self._say(part)]
        fresh = dict(zip(new, said, strict=True))
        for key in dict.fromkeys(keys):
            self._keep(key, fresh.get(key) or self._answers[key])
        return [fresh.get(key) or self._answers[key] for key in keys]

    def stream(self, request: Answer | Describe, tell: Callable[[str], None]) -> Said:
        """As `predict` for one request; `tell` gets the words as they are written (not the rationale)."""
        asked = self.question(request)
        key = self._key(asked)
        said = self._answers.get(key)
        if said is not None:
            tell(said.text)
            return said
        prompt, most = self.prompt(asked)
        ids, odds, shown = [], [], ""
        for token in self.decoder.decode([prompt], most):
            ids.append(token.id)
            odds.append(token.probability)
            text = self._words(ids)
            if text.endswith("�"):  # half of a character
                continue
            ready = _ready(text, self.mark)
            if len(ready) > len(shown) and ready.startswith(shown):
                tell(ready[len(shown) :])
                shown = ready
        said = self._said(ids, odds)
        if said.text.startswith(shown) and len(said.text) > len(shown):
            tell(said.text[len(shown) :])
        self._keep(key, said)
        return said

    @torch.inference_mode()
    def features(self, views: Sequence[View]) -> list[torch.Tensor]:
        """(tokens, width) features of each view, as the language model reads them; the tower sees a view once."""
        wanted = {view.key: view for view in views}
        new = [view for key, view in wanted.items() if key not in self._features]
        chunk = CHUNK if self.fixed is None else 1
        for start in range(0, len(new), chunk):
            part = new[start : start + chunk]
            tensors = self.prompter.pixels(part)
            pixels = tensors.pop("pixel_values").to(self.device, self.model.dtype)
            rest = {name: value.to(self.device) for name, value in tensors.items() if name == "image_sizes"}
            made = self.model.get_image_features(pixel_values=pixels, **rest).pooler_output
            self.encodes += len(part)
            self._features.update((view.key, one) for view, one in zip(part, made, strict=True))
        found = {key: self._features[key] for key in wanted}
        for key in wanted:
            self._features.move_to_end(key)
        while len(self._features) > self.keep_views:
            self._features.popitem(last=False)
        return [found[view.key] for view in views]

    def _say(self, asked: Sequence[Answer]) -> list[Said]:
        """Answers of new questions, batched by the length of their beginnings and by how long they may become."""
        self.features([view for one in asked for view in one.views])
        batches: dict[tuple[int, int], list[tuple[int, Prompt]]] = {}
        for place, one in enumerate(asked):
            prompt, most = self.prompt(one)
            batches.setdefault((len(prompt.beginning), most), []).append((place, prompt))
        said: dict[int, Said] = {}
        for (_, most), members in batches.items():
            for start in range(0, len(members), self.rows):
                part = members[start : start + self.rows]
                ids: list[list[int]] = [[] for _ in part]
                odds: list[list[float]] = [[] for _ in part]
                for token in self.decoder.decode([prompt for _, prompt in part], most):
                    ids[token.row].append(token.id)
                    odds[token.row].append(token.probability)
                said |= {place: self._said(ids[row], odds[row]) for row, (place, _) in enumerate(part)}
        return [said[place] for place in range(len(asked))]

    def _check(self, asked: Iterable[Answer]) -> None:
        """Refuse what cannot be answered before the tower runs at all."""
        for one in asked:
            self.prompter.checked(one.question)
            if not 1 <= len(one.views) <= MOST_VIEWS:
                raise ToolRetry(f"{len(one.views)} pictures were shown: show one to {MOST_VIEWS}.", kind="bad_views")

    def _parts(self, asked: Sequence[Answer]) -> Iterator[list[Answer]]:
        """Questions in parts whose pictures can all be kept, so that none is encoded twice."""
        part: list[Answer] = []
        views: set[str] = set()
        for one in asked:
            more = {view.key for view in one.views}
            if part and len(views | more) > self.keep_views:
                yield part
                part, views = [], set()
            part.append(one)
            views |= more
        if part:
            yield part

    def question(self, request: Answer | Describe) -> Answer:
        """A request as a question in the words that the model was taught."""
        if isinstance(request, Describe):
            return Answer((request.view,), self._describe(request.detail))
        before, after = STATEMENT.split("{}")
        form = self.told.get("pair" if len(request.views) > 1 else "statement")
        if form is None or not request.question.startswith(before):
            return request
        statement = request.question[len(before) :].removesuffix(after).strip().rstrip(".?!")
        return replace(request, question=form.format(statement)) if statement else request

    def _describe(self, detail: str) -> str:
        return self.told.get(detail) or prompts.load(f"describe_{detail}")

    def prompt(self, asked: Answer) -> tuple[Prompt, int]:
        """A question as the decoder takes it, and how many tokens its answer may have. Raises ToolRetry."""
        self._check([asked])
        most = 2 * self.most if asked.question == self._describe("detailed") else self.most
        most = min(most, self.prompter.context // 2)
        lengths = [len(one) for one in self.features(asked.views)]
        history = [(question, self._written(said)) for question, said in asked.history]
        return self.prompter.prompt(asked.views, lengths, asked.question, history, most), most

    def _written(self, said: str | Said) -> str:
        """An earlier answer as the model wrote it, thoughts and all: without them it loses what was spoken of."""
        if isinstance(said, str):
            return said
        return f"{said.rationale} {self.mark} {said.text}" if said.rationale and self.mark else said.text

    def _begin(self, prompt: Prompt) -> torch.Tensor:
        ids = torch.tensor([prompt.beginning], device=self.device)
        return embed(self.model, ids, torch.cat(self.features(prompt.views)), self.prompter.image_id)

    def _words(self, ids: Sequence[int]) -> str:
        return self.prompter.tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)

    def _said(self, ids: list[int], odds: list[float]) -> Said:
        """The answer out of what was written, and how sure the model was of *its* tokens."""
        whole = self._words(ids)
        rationale, mark, text = whole.partition(self.mark) if self.mark else (whole, "", "")
        first = 0
        if not mark:
            rationale, text = "", whole
        else:  # the first token at which the mark is complete
            reached = len(rationale) + len(mark)
            first = bisect_left(range(len(ids)), reached, key=lambda n: len(self._words(ids[:n])))
        sure = odds[first:] or odds
        return Said(text.strip(), sum(sure) / len(sure) if sure else 0.0, rationale.strip())

    def _key(self, asked: Answer) -> Any:
        return (self.name, tuple(view.key for view in asked.views), asked.question, asked.history)

    def _keep(self, key: Any, said: Said) -> None:
        self._answers[key] = said
        self._answers.move_to_end(key)
        while len(self._answers) > KEEP_ANSWERS:
            self._answers.popitem(last=False)


def _ready(text: str, mark: str) -> str:
    """The beginning of the answer that is sure not to change: nothing before the mark, no trailing space."""
    if mark:
        _, found, text = text.partition(mark)
        if not found:
            return ""
    return text.strip()
