"""From which cosine on two things are alike: measured for each model, because spaces differ.

A rule turns a cosine into 0..1, where 0.5 is the threshold. The bundled CLIP's rules were fitted on
scenes of the train split (`python -m saccade.training.clip.calibration`) and lie beside its weights. For a model that
nobody has measured, words are weighed against texts that say nothing, and pictures by a cautious
threshold.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np

NAME = "recall.json"
Asked = Literal["words", "caption", "picture", "both"]  # a caption: words that say all that there is

CAPTION = 12  # words of a text that is taken for one

# What a picture that has nothing to do with a query is as near to as to the query.
NOTHING_SAID = (
    "an object", "something else", "a background", "an empty scene", "a blurry picture", "a plain wall", "a texture",
    "a person", "an animal", "a plant", "a vehicle", "a piece of furniture", "food", "a building", "text", "a pattern",
)  # fmt: skip
SHARPNESS = 100.0  # the scale at which contrastive models compare


@dataclass(frozen=True)
class Rule:
    """sigmoid(slope * (cosine - threshold))."""

    threshold: float
    slope: float

    def __call__(self, cosines: np.ndarray) -> np.ndarray:
        """(n,) in 0..1, of (n,) cosines."""
        steep = self.slope / 2  # by the tangent: it cannot overflow
        return 0.5 + 0.5 * np.tanh(steep * (np.asarray(cosines, np.float64) - self.threshold))


def _cautious() -> dict[str, Rule]:
    rules = {"picture": Rule(0.75, 20.0), "both": Rule(0.6, 20.0)}
    return {f"{asked}:{kind}": rule for asked, rule in rules.items() for kind in ("picture", "region")}


@dataclass(frozen=True)
class Calibration:
    """The rules of one model.

    `rules` has the keys "words:picture", "words:region", "picture:picture", ...: what was asked with, and what was
    found. Where one is missing, a caption is judged as any words, and words are weighed against `NOTHING_SAID`.
    """

    rules: Mapping[str, Rule] = field(default_factory=_cautious)
    words_share: float = 0.5  # of the words, in a query of picture and words

    def rule(self, asked: Asked, kind: str) -> Rule | None:
        """The rule for a kind of query and a kind of hit, if it was measured."""
        found = self.rules.get(f"{asked}:{kind}")
        return self.rules.get(f"words:{kind}") if found is None and asked == "caption" else found

    def both(self, picture: np.ndarray, words: np.ndarray) -> np.ndarray:
        """(dim,) of unit length: what is like the picture and like the words."""
        mixed = (1 - self.words_share) * picture + self.words_share * words
        return (mixed / max(float(np.linalg.norm(mixed)), 1e-12)).astype(np.float32)

    @classmethod
    def read(cls, folder: Path, sha256: str) -> Calibration | None:
        """The calibration beside a model's weights; None where there is none, or one of other weights."""
        path = folder / NAME
        if not path.is_file():
            return None
        told = json.loads(path.read_text("utf-8"))
        if told["sha256"] != sha256:
            return None
        rules = {key: Rule(float(rule["threshold"]), float(rule["slope"])) for key, rule in told["rules"].items()}
        return cls(rules, float(told["words_share"]))

    def write(self, folder: Path, sha256: str, figures: Mapping[str, object]) -> None:
        """Write it beside the weights that it belongs to, with the figures that it was fitted on."""
        rules = {key: {"threshold": rule.threshold, "slope": rule.slope} for key, rule in self.rules.items()}
        told = {"sha256": sha256, "words_share": self.words_share, "rules": rules, "figures": figures}
        (folder / NAME).write_text(json.dumps(told, indent=1) + "\n", "utf-8")


def against_nothing(cosines: np.ndarray, others: np.ndarray) -> np.ndarray:
    """(n,) in 0..1: how much likelier the query's words are for each thing than words that say nothing.

    Args:
        cosines: (n,) of the query's words with each thing.
        others: (n, m) of `NOTHING_SAID` with each thing.
    """
    top = others.max(1)
    rivals = top * SHARPNESS + np.log(np.exp(SHARPNESS * (others - top[:, None])).sum(1))
    return 1 / (1 + np.exp(np.clip(rivals - SHARPNESS * cosines, -60, 60)))


def fit(near: np.ndarray, far: np.ndarray, *, alarms: float = 0.01) -> Rule:
    """The rule that lets at most a share of `alarms` of the far cosines pass, as sharp as both spread.

    Args:
        near: (n,) cosines of queries with what they mean.
        far: (m,) for queries of what is not there: the highest cosine with anything at all.
        alarms: the share of `far` that may pass.
    """
    threshold = float(np.quantile(far, 1 - alarms))
    spread = max(float(np.std(near)), 1e-3)
    return Rule(threshold, math.log(19) / (2 * spread))  # two deviations above the threshold: 0.95
