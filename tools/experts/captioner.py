"""The expert that captions: BLIP (Li et al. 2022) and BLIP-2 (Li et al. 2023), in the classes of transformers.

`zoo:captioner`, `hf:Salesforce/blip-image-captioning-large`, `hf:Salesforce/blip2-opt-2.7b` and folders of the user's
go through the same class. How a model is asked for a short and a detailed caption may stand in its `config.json`:

    "saccade": {"prompts": {"short": "", "detailed": "in detail:"}, "most_tokens": {"short": 24, "detailed": 96}}

A caption continues its prompt and is given without it. Models without that key get no words at all for a short
caption; for a detailed one they are made to go on, which is little: LLaVA describes better.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any, Self

import torch
from PIL import Image

from ...errors import UserError
from ...settings import ModelSpec
from ..contracts import Expert, View
from ..requests import Describe, Said
from ..weights import read_json, resolve
from .batches import blank_view, fill_up
from .clip.expert import square
from .llava.model import from_folder

TYPES = ("blip", "blip-2")  # of `model_type` in config.json
MOST_TOKENS = {"short": 32, "detailed": 96}
LEAST_TOKENS = 24  # of a detailed caption by a model that was not told how
BLIP2_DETAILED = "Question: What does the picture show, in detail? Answer:"
KEEP = 512  # captions that are kept
CHUNK = 32  # views in one forward
FIXED, FIXED_CPU = 32, 16  # the same while batches are fixed, on a GPU and on a CPU


class Captioner(Expert[Describe, Said]):
    """BLIP behind one interface: `Describe`, batched. `encodes` counts the views that the tower has seen."""

    role = "captioner"

    def __init__(self, model: Any, processor: Any, device: str) -> None:
        """Wrap a loaded model.

        Args:
            model: a BlipForConditionalGeneration or Blip2ForConditionalGeneration, in eval mode, on `device`.
            processor: its processor: tokenizer and image processor.
            device: "cpu", "cuda", "cuda:1".
        """
        self.model, self.processor, self.device = model, processor, device
        self.two = model.config.model_type == "blip-2"
        ours: dict[str, Any] | None = getattr(model.config, "saccade", None)
        self.trained_here = ours is not None
        told = (ours or {}).get("prompts") or {"short": "", "detailed": BLIP2_DETAILED if self.two else ""}
        self.prompts: dict[str, str] = {"short": "", "detailed": ""} | told
        self.most: dict[str, int] = MOST_TOKENS | (ours or {}).get("most_tokens", {})
        mean = getattr(processor.image_processor, "image_mean", None) or (0.5, 0.5, 0.5)
        self.fill: tuple[int, int, int] = tuple(round(255 * float(value)) for value in mean)  # pyright: ignore
        self.encodes = 0
        self._kept: OrderedDict[tuple[str, str], Said] = OrderedDict()

    @classmethod
    def load(cls, spec: ModelSpec, device: str) -> Self:
        """Load `zoo:NAME`, `hf:OWNER/NAME` or `file:FOLDER`.

        Raises:
            UserError: there is no such folder, or no BLIP or BLIP-2 that captions, with its processor, in it.
        """
        folder = resolve(spec)
        kind = read_json(folder / "config.json").get("model_type") if folder.is_dir() else None
        if kind not in TYPES:
            found = f"its model_type is {kind!r}" if kind else "no folder with config.json"
            raise UserError(
                f"{str(spec)!r} is no BLIP ({found}): name a folder that `save_pretrained` wrote, or "
                f"hf:Salesforce/blip-image-captioning-large.",
                kind="bad_weights",
            )
        return cls(*from_folder(folder, spec, device), device)

    @classmethod
    def best_rows(cls, device: str) -> int:
        """See `Expert.best_rows`."""
        return FIXED if device.startswith("cuda") else FIXED_CPU

    def fix_rows(self, rows: int | None) -> None:
        """See `Expert.fix_rows`."""
        self.fixed = rows
        self._kept.clear()

    def probe(self) -> None:
        """See `Expert.probe`."""
        self._caption([blank_view()], "detailed")

    def predict(self, requests: Sequence[Describe]) -> list[Said]:
        """Caption a batch; a view is captioned once with the same detail."""
        found: dict[tuple[str, str], Said] = {}
        for detail in ("short", "detailed"):
            views = {request.view.key: request.view for request in requests if request.detail == detail}
            found |= {(key, detail): self._kept[key, detail] for key in views if (key, detail) in self._kept}
            new = [view for key, view in views.items() if (key, detail) not in self._kept]
            chunk = self.fixed or CHUNK
            for start in range(0, len(new), chunk):
                part = new[start : start + chunk]
                found |= {
                    (view.key, detail): said for view, said in zip(part, self._caption(part, detail), strict=True)
                }
        for key, said in found.items():
            self._kept[key] = said
            self._kept.move_to_end(key)
        while len(self._kept) > KEEP:
            self._kept.popitem(last=False)
        return [found[request.view.key, request.detail] for request in requests]

    def shown(self, view: View) -> Image.Image:
        """What the image processor is given: a square with a region's surroundings (see `clip.square`).

        Published models were trained on whole pictures that their processor squeezes into a square by itself.
        """
        return square(view, self.fill) if self.trained_here or not view.whole else view.pixels().convert("RGB")

    @torch.inference_mode()
    def _caption(self, views: Sequence[View], detail: str) -> list[Said]:
        images = [self.shown(view) for view in views]
        pixels = fill_up(self.processor.image_processor(images=images, return_tensors="pt")["pixel_values"], self.fixed)
        self.encodes += len(views)
        options: dict[str, Any] = {"max_new_tokens": self.most[detail], "num_beams": 1, "do_sample": False}
        if detail == "detailed" and not self.trained_here:
            options |= {"min_new_tokens": LEAST_TOKENS, "no_repeat_ngram_size": 3}
        made = self.model.generate(
            pixel_values=pixels.to(self.device, self.model.dtype),
            **self._words(self.prompts[detail], len(pixels)),
            **options,
            output_logits=True,
            return_dict_in_generate=True,
        )
        written = made.sequences[: len(views), -len(made.logits) :]
        odds = torch.stack([step[: len(views)].float().softmax(-1) for step in made.logits], 1)
        sure = odds.gather(2, written[..., None])[..., 0]
        tokenizer = self.processor.tokenizer
        marks = torch.tensor(sorted(tokenizer.all_special_ids), device=written.device)
        words = ~torch.isin(written, marks)
        texts = tokenizer.batch_decode(written, skip_special_tokens=True)
        return [
            Said(" ".join(text.split()), chance[word].mean().item() if word.any() else 0.0)
            for text, chance, word in zip(texts, sure, words, strict=True)
        ]

    def _words(self, prompt: str, rows: int) -> dict[str, torch.Tensor]:
        """The prompt's tokens for every row; BLIP-2 takes its picture's tokens in front of them."""
        if not prompt:
            return {}
        if self.two:
            marks = [self.model.config.image_token_index] * self.model.config.num_query_tokens
            ids = [*marks, *self.processor.tokenizer(prompt)["input_ids"]]
        else:  # ends with a mark, which `generate` takes off
            ids = self.processor.tokenizer(prompt)["input_ids"]
        tokens = torch.tensor([ids], device=self.device).repeat(rows, 1)
        return {"input_ids": tokens, "attention_mask": torch.ones_like(tokens)}
