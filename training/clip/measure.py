"""How good a CLIP is on held-out scenes: what `saccade train clip` writes on the card.

Everything is asked through the expert, on views cut from 512 px pictures, as the tools ask it.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ...scenes.language.captions import foil, full_caption, partial_caption
from ...scenes.language.phrases import HEADS, VALUES, Attributes, false_phrase, noun_phrase, phrase_true, region_phrase
from ...scenes.render import Rendered, render
from ...scenes.sample import sample_scene
from ...scenes.scene import HELD_OUT_PAIRS, Scene, Thing
from ...settings import ModelSpec
from ...tools.contracts import View
from ...tools.experts.clip.expert import Clip
from ...tools.requests import Classify, Embed, Match
from ..controller.wording.noun_phrases import outside_noun
from ..scene_views import PICTURE, empty_square
from .texts import BACKDROP_WORDS, SEEN

MARGIN = 0.1  # of the crops, as find_objects cuts them
SHARES = ("color", "material", "shape")


def measure(folder: Path, cases: int) -> dict[str, Any]:
    """Every figure of the card, each with its blind baseline where there is one.

    Args:
        folder: the zoo folder.
        cases: held-out crops, and scenes for the figures about whole pictures.
    """
    clip = Clip.load(ModelSpec("file", str(folder)), "cuda" if torch.cuda.is_available() else "cpu")
    crops = list(single_crops(cases, compositional=False))
    strange = [
        case for case in single_crops(cases, compositional=True) if (case[1].shape, case[1].color) in HELD_OUT_PAIRS
    ]
    return (
        {"cases": cases}
        | attribute_shares(clip, crops, "")
        | attribute_shares(clip, strange, "unseen_pair_")
        | matching(clip, crops)
        | {"unseen_pair_cases": len(strange)}
        | _empty(clip, cases // 4)
        | _wholes(clip, cases)
    )


def whole_view(index: int, scene: Scene, rendered: Rendered) -> View:
    """A view of a whole drawn picture."""
    size = rendered.image.size
    return View(f"scene-{scene.seed}-{index}", size, (0, 0, *size), lambda image=rendered.image: image)


def crop_view(whole: View, box: Sequence[float], margin: float = MARGIN) -> View:
    """A box of a drawn picture, as the tools cut it."""
    x0, y0, x1, y1 = (float(value) for value in box)
    extra = margin * max(x1 - x0, y1 - y0)
    near = (
        max(0.0, x0 - extra),
        max(0.0, y0 - extra),
        min(float(whole.size[0]), x1 + extra),
        min(float(whole.size[1]), y1 + extra),
    )
    return View(whole.picture, whole.size, near, whole.load)


def single_crops(count: int, compositional: bool) -> Iterable[tuple[View, Thing]]:
    """`count` views of single things of test scenes; beginning far from the scenes for figures about wholes."""
    index, made = 100_000, 0
    while made < count:
        scene = sample_scene(index, "test", compositional=compositional)
        rendered = render(scene, PICTURE)
        whole = whole_view(index, scene, rendered)
        for thing, box in zip(scene.things, rendered.boxes, strict=True):
            if made < count:
                yield crop_view(whole, box), thing
                made += 1
        index += 1


def attribute_shares(clip: Clip, crops: Sequence[tuple[View, Thing]], prefix: str) -> dict[str, Any]:
    """How often the right value wins among all of its facet, by the canonical words."""
    found: dict[str, Any] = {}
    for facet in SHARES:
        values = VALUES[facet]
        requests = [Classify(view, values) for view, _ in crops]
        truth = [values.index(getattr(thing, facet)) for _, thing in crops]
        guesses = [int(np.argmax(chances)) for chances in clip.predict(requests)]
        found[f"{prefix}{facet}"] = _share(guess == true for guess, true in zip(guesses, truth, strict=True))
        if not prefix:
            found[f"blind_{facet}"] = _share(true == max(set(truth), key=truth.count) for true in truth)
    return found


def matching(clip: Clip, crops: Sequence[tuple[View, Thing]], seed: int = 0) -> dict[str, Any]:
    """How well `Match` at 0.5 tells true phrases of one to three attributes from false ones.

    False ones have one attribute changed (`match_foil_rejected`), are another thing's (`match_other_rejected`), or
    name what the drawn world does not hold (`match_unknown_rejected`). The balanced accuracy is over true phrases
    and changed ones, the hardest.
    """
    rng = random.Random(seed)
    hits: dict[str, list[bool]] = {name: [] for name in ("true", "foil", "other", "unknown")}
    requests: list[Match] = []
    for view, thing in crops:
        true, false = region_phrase(thing, rng).text, false_phrase(thing, rng, compositional=True).text
        _, other = crops[rng.randrange(len(crops))]
        phrase = region_phrase(other, rng)
        strange = outside_noun(rng).phrase
        requests.append(Match(view, (true, false, strange, phrase.text)))
        answer = clip.predict(requests[-1:])[0] >= 0.5
        hits["true"].append(bool(answer[0]))
        hits["foil"].append(not answer[1])
        hits["unknown"].append(not answer[2])
        if not phrase_true(phrase.attributes, thing):
            hits["other"].append(not answer[3])
    shares = {name: _share(values) for name, values in hits.items()}
    return {
        "match_true_accepted": shares["true"],
        "match_foil_rejected": shares["foil"],
        "match_other_rejected": shares["other"],
        "match_unknown_rejected": shares["unknown"],
        "match_balanced": round((shares["true"] + shares["foil"]) / 2, 4),
    }


def _empty(clip: Clip, cases: int) -> dict[str, Any]:
    """How often every phrase is refused on a crop of a sign or of the bare backdrop."""
    rng = random.Random(1)
    refused: list[bool] = []
    index = 200_000
    while len(refused) < cases:
        scene = sample_scene(index, "test")
        rendered = render(scene, PICTURE)
        spot = empty_square(rendered, rng)
        index += 1
        if spot is None:
            continue
        x, y, side = spot[0], spot[1], spot[2] / 1.6
        view = crop_view(whole_view(index, scene, rendered), (x - side / 2, y - side / 2, x + side / 2, y + side / 2))
        phrases = (HEADS[0], *(noun_phrase(_some(rng), rng) for _ in range(4)))
        refused.append(bool((clip.predict([Match(view, phrases)])[0] < 0.5).all()))
    return {"empty_crops_refused": _share(refused), "empty_crops": len(refused)}


def _some(rng: random.Random) -> Attributes:
    return {facet: rng.choice(VALUES[facet]) for facet in SEEN if rng.random() < 0.6}


def _wholes(clip: Clip, cases: int) -> dict[str, Any]:
    """Backdrops, retrieval among full captions, and FOIL captions, on whole scenes."""
    rng = random.Random(2)
    names = {backdrop: words[0] for backdrop, words in BACKDROP_WORDS.items()}
    pictures, captions, backdrops, foils = [], [], [], []
    for index in range(cases):
        scene = sample_scene(index, "test")
        view = whole_view(index, scene, render(scene, PICTURE))
        guess = clip.predict([Classify(view, tuple(names.values()))])[0]
        backdrops.append(list(names)[int(np.argmax(guess))] == scene.backdrop)
        full = full_caption(scene, rng, words=False)
        pictures.append(clip.predict([Embed(view)])[0])
        captions.append(full.text)
        true = full if rng.random() < 0.5 else partial_caption(scene, rng)
        false = foil(true, scene, rng, compositional=True)
        if false is not None:
            right, wrong = clip.predict([Classify(view, (true.text, false.text))])[0]
            foils.append(right > wrong)
    texts = np.stack(clip.predict([Embed(text) for text in captions]))
    likeness = np.stack(pictures) @ texts.T
    own = np.diag(likeness)
    return {
        "backdrop": _share(backdrops),
        "recall_at_1_image_to_text": _share(likeness.max(1) <= own),
        "recall_at_1_text_to_image": _share(likeness.max(0) <= own),
        "retrieval_pool": cases,
        "foil": _share(foils),
        "foil_cases": len(foils),
        "blind_foil": 0.5,
    }


def _share(hits: Iterable[Any]) -> float:
    """The share of true values, to four places."""
    values = [bool(hit) for hit in hits]
    return round(sum(values) / max(1, len(values)), 4)
