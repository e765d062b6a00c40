"""What LLaVA is shown in training: pictures as pixels, and in stage 0 the same pictures as text."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from torch import nn

from ..clip.recipe import SIDE
from ..scene_views import PARTS, WIDE
from .lessons import PATCHES, Picture, Words
from .replies import mention
from .store import LETTERS, Store
from .tower import aligned, cells_of, pixels_of, scene_codes, signs_anew


class Looked(NamedTuple):
    """A batch's pictures in their order, with what their patches show where that is known."""

    pixels: torch.Tensor  # (n, 3, SIDE, SIDE)
    wholes: list[int]  # which of them are whole scenes
    codes: torch.Tensor  # (wholes, 64, 6), as `llava_tower.scene_codes`
    signs: list[int]
    letters: torch.Tensor  # (signs, 64)


def looked(pictures: list[Picture], store: Store, rng: np.random.Generator) -> Looked:
    """The pictures of a batch; crops are cut anew each time."""
    made = torch.empty(len(pictures), 3, SIDE, SIDE)
    at = {kind: [i for i, (name, _) in enumerate(pictures) if name == kind] for kind in ("whole", "crop", "sign")}
    numbers = {kind: [pictures[i][1] for i in places] for kind, places in at.items()}
    codes, letters = torch.zeros(0, PATCHES, 6, dtype=torch.long), torch.zeros(0, PATCHES, dtype=torch.long)
    if at["whole"]:
        made[at["whole"]] = pixels_of(np.stack([store.wholes[number] for number in numbers["whole"]]), rng)
        codes = torch.from_numpy(np.stack([scene_codes(store, number) for number in numbers["whole"]]))
    if at["crop"]:
        crops = np.stack([store.crops[number] for number in numbers["crop"]])
        made[at["crop"]] = signs_anew(crops, np.zeros((len(crops), PARTS, PARTS), np.uint8), rng)[0]
    if at["sign"]:
        crops, maps = (
            np.stack([source[number] for number in numbers["sign"]]) for source in (store.signs, store.letters)
        )
        made[at["sign"]], letters = signs_anew(crops, maps, rng)
    return Looked(made, at["whole"], codes, at["sign"], letters)


class Written:
    """Pictures as text: for each patch the words of the thing that it shows, or of the backdrop; of signs letters."""

    def __init__(self, store: Store, words: Words) -> None:
        self.store, self.words = store, words
        self._kept: dict[int, torch.Tensor] = {}
        self._alphabet: torch.Tensor | None = None

    def letters(self, shown: torch.Tensor) -> torch.Tensor:
        """(n, 64, 6) int64 for signs with the letters (n, 64) in their patches, 0 for none."""
        if self._alphabet is None:
            (nothing,) = self.words.encode("sign")
            spelled = [self.words.tokenizer.convert_tokens_to_ids(letter) for letter in LETTERS]
            self._alphabet = torch.tensor([nothing, *spelled])
        return self._alphabet[shown][..., None].expand(-1, -1, 6)

    def sign(self, at: int) -> torch.Tensor:
        """(64, 6) int64 for a sign, as it is seen at one of its zooms."""
        maps = np.asarray(self.store.letters[at : at + 1])
        crop = np.zeros((1, WIDE, WIDE, 3), np.uint8)
        return self.letters(signs_anew(crop, maps, np.random.default_rng(at))[1])[0]

    def tokens(self, at: int) -> torch.Tensor:
        """(64, 6) int64: six words a patch, the same word six times for the backdrop."""
        if at not in self._kept:
            scene, boxes = self.store.scene(at), self.store.boxes_of(at).tolist()
            (ground,) = self.words.encode(scene.backdrop)
            rows = [[ground] * 6, *(self.words.encode(mention(scene, i, boxes)) for i in range(len(scene.things)))]
            self._kept[at] = torch.tensor(rows)[torch.from_numpy(cells_of(scene, self.store.boxes_of(at)) + 1)]
        return self._kept[at]

    def embedded(self, pictures: list[Picture], table: nn.Embedding) -> torch.Tensor:
        """(n, 64, hidden): the sum of each patch's words."""
        tokens = [self.sign(at) if kind == "sign" else self.tokens(at) for kind, at in pictures]
        return table(torch.stack(tokens).to(table.weight.device)).sum(-2)

    def off(self, placed: torch.Tensor, shown: Looked, pictures: list[Picture], table: nn.Embedding) -> torch.Tensor:
        """How far the places of pictures are from their words (`llava_tower.aligned`), summed over pictures."""
        loss = torch.zeros((), device=placed.device)
        with torch.no_grad():
            words = self.embedded([pictures[i] for i in shown.wholes], table) if shown.wholes else None
            letters = table(self.letters(shown.letters).to(placed.device)).sum(-2) if shown.signs else None
        if words is not None:
            loss = loss + len(words) * aligned(placed[shown.wholes], words, shown.codes.to(placed.device))
        if letters is not None:
            marked = shown.letters[..., None].to(placed.device)
            loss = loss + len(letters) * aligned(placed[shown.signs], letters, marked)
        return loss

    def scenes(self, model: Any, numbers: list[int]) -> torch.Tensor:
        """The same for whole scenes by their numbers, with the words as a model has them."""
        return self.embedded([("whole", number) for number in numbers], model.get_input_embeddings())
