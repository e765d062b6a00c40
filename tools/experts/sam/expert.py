"""The expert that outlines: SAM (Kirillov et al. 2023), in the classes of `segment_anything`.

`zoo:sam` and folders hold `config.json` and `model.safetensors`; `file:` also takes the published `.pth` files
(ViT-B, ViT-L, ViT-H), and `hf:` (or a folder) the checkpoints of transformers' `SamModel`. A picture is
embedded once and its embedding kept; each request then costs one call of the small decoder.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import torch

from ....errors import UserError
from ....settings import ModelSpec
from ...contracts import Expert, View
from ...requests import Masks, Segment
from ...weights import fit_state, load_state, read_json, resolve
from .decoder import decode_boxes
from .masks import enlarge
from .model import SamConfig, build_sam, rename_published

if TYPE_CHECKING:
    from segment_anything.modeling import Sam as SamModel

KEEP = 8  # embeddings of views that are kept


@dataclass(frozen=True)
class Embedded:
    """A view as the decoder needs it. Sizes are (height, width), as in segment_anything."""

    features: torch.Tensor  # (1, channels, side, side)
    original: tuple[int, int]
    resized: tuple[int, int]


class Sam(Expert[Segment, Masks]):
    """SAM behind one interface. `encodes` counts how often the image encoder has run."""

    role = "sam"

    def __init__(self, model: SamModel, device: str) -> None:
        """Wrap a loaded model, in eval mode, on `device`."""
        from segment_anything.utils.transforms import ResizeLongestSide

        self.model, self.device = model, device
        self.resize = ResizeLongestSide(model.image_encoder.img_size)
        self.encodes = 0
        self._kept: OrderedDict[str, Embedded] = OrderedDict()

    @classmethod
    def load(cls, spec: ModelSpec, device: str) -> Self:
        """Load `zoo:NAME`, `hf:OWNER/NAME`, or `file:` with a `.pth`, a `.safetensors` or a folder.

        Raises:
            UserError: there is nothing there, or no weights of a SAM.
        """
        path = resolve(spec)
        config = read_json(path / "config.json") if path.is_dir() else {}
        state = rename_published(load_state(path))
        try:
            shape = SamConfig(**config["saccade"]) if "saccade" in config else SamConfig.of_state(state)
        except (KeyError, IndexError, TypeError, ValueError) as error:
            raise UserError(
                f"{str(spec)!r} holds no weights of a SAM ({error}): name a checkpoint of segment-anything "
                f"(sam_vit_b_01ec64.pth, say) or of transformers' SamModel.",
                kind="bad_weights",
            ) from error
        model = build_sam(shape)
        fit_state(model, state, path)
        return cls(model.to(device).eval(), device)

    @torch.inference_mode()
    def predict(self, requests: Sequence[Segment]) -> list[Masks]:
        """Answer a batch: every view is embedded at most once, every request is one call of the decoder."""
        return [self._segment(request) for request in requests]

    def _segment(self, request: Segment) -> Masks:
        width, height = request.view.size
        if not request.boxes and not request.points:
            return Masks(np.zeros((0, height, width), bool), np.zeros(0, np.float32))
        embedded = self.embed(request.view)
        left, top = int(request.view.box[0]), int(request.view.box[1])
        boxes = points = None
        if request.boxes:
            corners = np.array(request.boxes, np.float32) - np.array([left, top, left, top], np.float32)
            boxes = torch.from_numpy(self.resize.apply_boxes(corners, embedded.original)).float().to(self.device)
        if request.points:
            at = np.array(request.points, np.float32) - np.array([left, top], np.float32)
            labels = request.labels or (1,) * len(request.points)
            coords = torch.from_numpy(self.resize.apply_coords(at, embedded.original)).float().to(self.device)
            points = (coords[None], torch.tensor([labels], dtype=torch.int, device=self.device))
        masks, scores = self._decode(embedded, boxes, points)
        if request.view.whole:
            return Masks(masks, scores)
        pasted = np.zeros((len(masks), height, width), bool)
        pasted[:, top : top + embedded.original[0], left : left + embedded.original[1]] = masks
        return Masks(pasted, scores)

    def embed(self, view: View) -> Embedded:
        """The view's embedding: kept from before, or made by one run of the encoder."""
        kept = self._kept.get(view.key)
        if kept is None:
            pixels = np.asarray(view.pixels().convert("RGB"))
            image = torch.from_numpy(self.resize.apply_image(pixels)).to(self.device).permute(2, 0, 1)[None].float()
            features = self.model.image_encoder(self.model.preprocess(image))
            self.encodes += 1
            kept = Embedded(features, (pixels.shape[0], pixels.shape[1]), (image.shape[2], image.shape[3]))
            self._kept[view.key] = kept
            while len(self._kept) > KEEP:
                self._kept.popitem(last=False)
        self._kept.move_to_end(view.key)
        return kept

    def _decode(
        self, embedded: Embedded, boxes: torch.Tensor | None, points: tuple[torch.Tensor, torch.Tensor] | None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Masks (n, height, width) bool over the view and their predicted IoU (n,), in one call of the decoder.

        One point may mean a thing or a part of it: of the decoder's three masks the one that it trusts most is
        taken. Boxes and several points are clear, and get the decoder's single mask. A single prompt goes through
        the stock decoder; several boxes on a CPU share the picture's side of the work (`sam_decoder`).
        """
        several = boxes is None and points is not None and points[0].shape[1] == 1
        if boxes is not None and points is not None:  # one thing: the points mend the box
            boxes = boxes[:1]
        if boxes is not None and points is None and len(boxes) > 1 and boxes.device.type == "cpu":
            logits, quality = decode_boxes(self.model, embedded.features, boxes)
            masks = enlarge(self.model, logits, embedded.resized, embedded.original)
            return masks, quality[:, 0].clamp(0, 1).numpy()
        sparse, dense = self.model.prompt_encoder(points=points, boxes=boxes, masks=None)
        logits, quality = self.model.mask_decoder(
            image_embeddings=embedded.features,
            image_pe=self.model.prompt_encoder.get_dense_pe(),
            sparse_prompt_embeddings=sparse,
            dense_prompt_embeddings=dense,
            multimask_output=several,
        )
        best = quality.argmax(1)
        each = torch.arange(len(best), device=best.device)
        full: Any = self.model.postprocess_masks(logits[each, best][:, None], embedded.resized, embedded.original)
        masks = (full[:, 0] > self.model.mask_threshold).cpu().numpy()
        return masks, quality[each, best].clamp(0, 1).float().cpu().numpy()
