"""The expert that compares pictures with words: CLIP (Radford et al. 2021) or SigLIP (Zhai et al. 2023).

Any `CLIPModel` or `SiglipModel` folder in the format of transformers serves: the bundled one (`zoo:clip`),
a folder of the user's (`file:`), a published one (`hf:`). What our own training adds stands in
`config.json` under the key "saccade", and every part of it may be missing:

    prompt      how a phrase is put into words, "{}" or "a photo of a {}."
    match_bias  the bias b of sigmoid(scale * cosine + b), where the training was SigLIP's
    known       the file with what training pictures look like, for `Likeness`, and `known_sha256`
    domain      which pictures these are, in words
    colors      the colours that it tells apart, and
    materials   the materials, with the adjective that is said of a thing (see `shared.naming`)
"""

from __future__ import annotations

import contextlib
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from PIL import Image

from ....errors import UserError
from ....settings import ModelSpec
from ...contracts import Expert, View
from ...requests import Classify, Embed, Likeness, Match
from ...weights import quiet_transformers, resolve, sha256
from ..batches import blank_view, fill_up
from .out_of_domain import FLAT, DomainModel, one_colour

ClipRequest = Match | Classify | Embed | Likeness

PUBLISHED_PROMPT = "a photo of a {}."
KEEP_PICTURES = 256  # embeddings of views that are kept
KEEP_TEXTS = 4096
CHUNK = 64  # views in one forward
FIXED, FIXED_CPU = 64, 16  # the same while batches are fixed, on a GPU and on a CPU

# What a published CLIP, which has no bias, compares a phrase with: the phrase is likely where it wins against
# all of these together.
DISTRACTORS = (
    "an object", "something else", "a background", "an empty scene", "a blurry picture", "a plain wall", "a texture",
    "a person", "an animal", "a plant", "a vehicle", "a piece of furniture", "food", "a building", "text", "a pattern",
)  # fmt: skip


def square(view: View, fill: tuple[int, int, int]) -> Image.Image:
    """The square around a view's centre, as far as the picture reaches; `fill` where it ends.

    A region is shown with its surroundings and keeps its proportions, so that no processor squashes it or cuts
    off its ends. A whole picture is padded to a square.
    """
    x0, y0, x1, y1 = view.box
    side = max(1, round(max(x1 - x0, y1 - y0)))
    left, top = round((x0 + x1 - side) / 2), round((y0 + y1 - side) / 2)
    image = view.load()
    shown = (max(0, left), max(0, top), min(image.width, left + side), min(image.height, top + side))
    part = image if shown == (0, 0, *image.size) else image.crop(shown)
    if part.size == (side, side):
        return part
    canvas = Image.new("RGB", (side, side), fill)
    canvas.paste(part, (shown[0] - left, shown[1] - top))
    return canvas


class Clip(Expert[ClipRequest, Any]):
    """CLIP behind one interface: `Match`, `Classify`, `Embed` and `Likeness`, batched over all requests of a call.

    Every view and every text is encoded once; embeddings of recent ones are kept.
    """

    role = "clip"

    def __init__(self, model: Any, processor: Any, device: str, known: DomainModel | None = None) -> None:
        """Wrap a loaded model.

        Args:
            model: a CLIPModel or SiglipModel, in eval mode, on `device`.
            processor: its processor: tokenizer and image processor.
            device: "cpu", "cuda", "cuda:1".
            known: what training pictures look like, where that was measured.
        """
        self.model, self.processor, self.device, self.known = model, processor, device, known
        ours: dict[str, Any] = getattr(model.config, "saccade", None) or {}
        self.prompt: str = ours.get("prompt", PUBLISHED_PROMPT)
        self.bias: float | None = ours.get("match_bias")
        trained_bias = getattr(model, "logit_bias", None)  # SigLIP's own
        if self.bias is None and trained_bias is not None:
            self.bias = trained_bias.item()
        self.scale = model.logit_scale.exp().item()
        self.padding = "max_length" if trained_bias is not None else True  # SigLIP was trained on padded texts
        mean = getattr(processor.image_processor, "image_mean", None) or (0.5, 0.5, 0.5)
        self.fill: tuple[int, int, int] = tuple(round(255 * float(value)) for value in mean)  # pyright: ignore
        self._views: OrderedDict[str, np.ndarray] = OrderedDict()
        self._texts: OrderedDict[str, np.ndarray] = OrderedDict()
        self._likeness: OrderedDict[str, float] = OrderedDict()

    @classmethod
    def load(cls, spec: ModelSpec, device: str) -> Self:
        """Load `zoo:NAME`, `hf:OWNER/NAME` or `file:FOLDER`.

        Raises:
            UserError: there is no such folder, or no CLIP or SigLIP model with its processor in it.
        """
        from transformers import AutoModel, AutoProcessor

        folder = resolve(spec)
        if not folder.is_dir():
            raise UserError(
                f"{str(spec)!r} is a single file: CLIP is read from a folder with config.json, the weights and the "
                f"files of its processor, as `save_pretrained` writes it.",
                kind="bad_weights",
            )
        quiet_transformers()
        try:
            dtype = torch.float16 if device.startswith("cuda") else torch.float32
            model = AutoModel.from_pretrained(folder, dtype=dtype, local_files_only=True).to(device).eval()
            processor = AutoProcessor.from_pretrained(folder, local_files_only=True)
        except (OSError, ValueError, KeyError, RuntimeError) as error:
            reason = str(error).strip().split("\n")[0]
            raise UserError(f"{str(spec)!r} cannot be loaded as a CLIP model: {reason}", kind="bad_weights") from error
        wanted = ("get_image_features", "get_text_features", "logit_scale")
        if not all(hasattr(model, name) for name in wanted) or not hasattr(processor, "image_processor"):
            raise UserError(
                f"{str(spec)!r} is a {type(model).__name__}, which does not compare pictures with words: name a "
                f"CLIPModel or SiglipModel, as in zoo:clip or hf:openai/clip-vit-large-patch14.",
                kind="bad_weights",
            )
        return cls(model, processor, device, _known(folder, getattr(model.config, "saccade", None) or {}, device))

    @classmethod
    def best_rows(cls, device: str) -> int:
        """See `Expert.best_rows`."""
        return FIXED if device.startswith("cuda") else FIXED_CPU

    @classmethod
    def dtype_on(cls, device: str) -> str:
        """See `Expert.dtype_on`."""
        return "float16" if device.startswith("cuda") else "float32"

    def fix_rows(self, rows: int | None) -> None:
        """See `Expert.fix_rows`."""
        self.fixed = rows
        for kept in (self._views, self._texts, self._likeness):
            kept.clear()

    def probe(self) -> None:
        """See `Expert.probe`."""
        self.predict([Match(blank_view(), ("thing",))])
        self.fix_rows(self.fixed)

    @torch.inference_mode()
    def predict(self, requests: Sequence[ClipRequest]) -> list[Any]:
        """Answer a batch: one forward over all views that are new, one over all texts that are new."""
        looks = [view for request in requests if (view := _view(request)) is not None]
        phrases = [text for request in requests for text in self._words(request)]
        self._likenesses([request.view for request in requests if isinstance(request, Likeness)])
        pictures = _kept(self._views, {view.key: view for view in looks}, self._encode_views, KEEP_PICTURES)
        texts = _kept(self._texts, {text: text for text in phrases}, self._encode_texts, KEEP_TEXTS)
        return [self._answer(request, pictures, texts) for request in requests]

    def _answer(self, request: ClipRequest, pictures: dict[str, np.ndarray], texts: dict[str, np.ndarray]) -> Any:
        match request:
            case Likeness(view):
                return None if self.known is None else self._likeness[view.key]
            case Embed(str() as words):
                return texts[words]
            case Embed(View() as view):
                return pictures[view.key]
            case Classify(view):
                return _softmax(self._logits(view, self._words(request), pictures, texts))
            case Match(view, phrases):
                logits = self._logits(view, self._words(request), pictures, texts)
                if self.bias is not None:
                    return (1 / (1 + np.exp(-(logits + self.bias)))).astype(np.float32)
                own, others = logits[: len(phrases)], logits[len(phrases) :]
                rivals = others.max() + np.log(np.exp(others - others.max()).sum())
                return (1 / (1 + np.exp(rivals - own))).astype(np.float32)

    def _logits(
        self, view: View, words: list[str], pictures: dict[str, np.ndarray], texts: dict[str, np.ndarray]
    ) -> np.ndarray:
        """(len(words),) cosines of a view with words, scaled."""
        return self.scale * (np.stack([texts[text] for text in words]) @ pictures[view.key])

    def _words(self, request: ClipRequest) -> list[str]:
        """The texts that a request needs, as the model reads them."""
        match request:
            case Match(_, phrases):
                return [
                    self.prompt.format(text) for text in (*phrases, *(() if self.bias is not None else DISTRACTORS))
                ]
            case Classify(_, labels):
                return [self.prompt.format(text) for text in labels]
            case Embed(str() as words):
                return [words]
        return []

    def _pixels(self, views: Sequence[View]) -> torch.Tensor:
        """(n, 3, side, side) pixels as the vision tower wants them."""
        images = [square(view, self.fill) for view in views]
        pixels = fill_up(self.processor.image_processor(images=images, return_tensors="pt")["pixel_values"], self.fixed)
        return pixels.to(self.device, self.model.dtype)

    def _encode_views(self, views: Sequence[View]) -> Iterator[np.ndarray]:
        for part in _chunks(views, self.fixed):
            made = self.model.get_image_features(pixel_values=self._pixels(part)).pooler_output
            yield from _unit(made[: len(part)])

    def _encode_texts(self, texts: Sequence[str]) -> Iterator[np.ndarray]:
        longest = self.model.config.text_config.max_position_embeddings
        padding = self.padding if self.fixed is None else "max_length"
        for part in _chunks(texts, self.fixed):
            words = self.processor.tokenizer(
                list(part), padding=padding, truncation=True, max_length=longest, return_tensors="pt"
            )
            inputs = {
                name: fill_up(words[name], self.fixed).to(self.device)
                for name in ("input_ids", "attention_mask")
                if name in words
            }
            yield from _unit(self.model.get_text_features(**inputs).pooler_output[: len(part)])

    def _likenesses(self, views: Sequence[View]) -> None:
        """Measure the views that have no likeness yet."""
        if self.known is None:
            return
        known = self.known
        _kept(self._likeness, {view.key: view for view in views}, lambda new: self._measure(known, new), KEEP_PICTURES)

    def _measure(self, known: DomainModel, views: Sequence[View]) -> Iterator[float]:
        for part in _chunks(views, self.fixed):
            likeness = known.likeness(self.hidden(part)).tolist()[: len(part)]
            yield from (
                0.0 if one_colour(view.pixels()) > FLAT else like for view, like in zip(part, likeness, strict=True)
            )

    @torch.inference_mode()
    def hidden(self, views: Sequence[View]) -> tuple[torch.Tensor, ...]:
        """The vision tower's states for each view, layer by layer: (n, 1 + patches, width)."""
        return self.model.vision_model(pixel_values=self._pixels(views), output_hidden_states=True).hidden_states


def _known(folder: Path, ours: dict[str, Any], device: str) -> DomainModel | None:
    """What training pictures look like, where the folder tells it.

    Raises:
        UserError: the file is missing or damaged, or not the one that the configuration names ("wrong_hash").
    """
    if "known" not in ours:
        return None
    path = folder / Path(ours["known"]).name
    known = DomainModel.load(path, device)
    if sha256(path) != ours.get("known_sha256"):
        raise UserError(
            f"{str(path)!r} has not the SHA-256 that config.json says: the file is damaged or was replaced. "
            f"Bring the right one back with `git checkout -- zoo/{folder.name}`, or by installing saccade again.",
            kind="wrong_hash",
        )
    return known


def _view(request: ClipRequest) -> View | None:
    """The view whose embedding a request needs."""
    match request:
        case Match(view) | Classify(view) | Embed(View() as view):
            return view
    return None


def _kept(
    kept: OrderedDict[str, Any], wanted: dict[str, Any], make: Callable[..., Iterable[Any]], most: int
) -> dict[str, Any]:
    """The values under the wanted keys, those that were not kept made in one go; the oldest are dropped."""
    new = [key for key in wanted if key not in kept]
    if new:
        kept.update(zip(new, make([wanted[key] for key in new]), strict=True))
    for key in wanted:
        kept.move_to_end(key)
    found = {key: kept[key] for key in wanted}
    while len(kept) > max(most, len(wanted)):
        with contextlib.suppress(KeyError):
            kept.popitem(last=False)
    return found


def _chunks(items: Sequence[Any], rows: int | None) -> Iterator[Sequence[Any]]:
    chunk = rows or CHUNK
    return (items[start : start + chunk] for start in range(0, len(items), chunk))


def _unit(embeddings: torch.Tensor) -> np.ndarray:
    """(n, dim) embeddings as float32 of length 1."""
    return torch.nn.functional.normalize(embeddings.float(), dim=-1).cpu().numpy()


def _softmax(logits: np.ndarray) -> np.ndarray:
    odds = np.exp(logits - logits.max())
    return (odds / odds.sum()).astype(np.float32)
