"""What memory embeds with: the expert in the role "clip", as an `Embedder` of `memory.query`.

Memory is given pictures and words as vectors of one space and never knows which model made them. The
hash of the weights names the space: vectors of one are never compared with those of another.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
from PIL import Image

from ..errors import ExpertFailed
from ..memory.finding.calibration import Calibration, Rule
from ..settings import ModelSpec, Profile
from .contracts import Experts, View
from .look import IN_DOMAIN
from .requests import Embed, Likeness
from .weights import read_json, resolve, sha256

BATCH = 64  # pictures in one forward on a GPU
CPU_BATCH = 16  # a CPU is no faster with more, and whoever waits for the first result waits less
WEIGHTS = ("model.safetensors", "model.safetensors.index.json", "pytorch_model.bin", "pytorch_model.bin.index.json")


class ClipEmbedder:
    """Vectors of the profile's CLIP or SigLIP, asked through the pool, so that it shares the model that tools use.

    Nothing is loaded before the first vector is asked for; `name` and `sha256` read files only.

    Args:
        experts: who serves the role "clip".
        profile: names the model in that role.
    """

    role = "clip"

    def __init__(self, experts: Experts, profile: Profile) -> None:
        self._experts = experts
        self._spec: ModelSpec = profile.spec(self.role)

    @property
    def name(self) -> str:
        """The model's spec, such as `zoo:clip`."""
        return str(self._spec)

    @property
    def batch(self) -> int:
        """How many pictures are best given at once."""
        return BATCH if str(getattr(self._experts, "device", "cpu")).startswith("cuda") else CPU_BATCH

    @property
    def sha256(self) -> str:
        """The hash of the weights. Raises UserError where they are not on this machine."""
        return self._sha256

    @property
    def dim(self) -> int:
        """How long a vector is, from the model's configuration."""
        return self._dim

    @cached_property
    def _sha256(self) -> str:
        return weights_hash(self._spec)

    @cached_property
    def _dim(self) -> int:
        config = read_json(resolve(self._spec) / "config.json")
        text = config.get("text_config") or {}
        wide = config.get("projection_dim") if "projection_dim" in config else text.get("projection_size")
        # SigLIP's configuration leaves out what is the default; then the model itself is asked.
        return int(wide) if wide else int(self.words(["a"]).shape[1])

    @cached_property
    def calibration(self) -> Calibration | None:
        """From which cosine on things are alike for this model; None where nobody has measured it."""
        place = resolve(self._spec)
        if not place.is_dir():
            return None
        return Calibration.read(place, self.sha256) or trained_rule(place)

    def pictures(self, images: Sequence[Image.Image]) -> np.ndarray:
        """(n, dim) float32 of unit length, for n RGB pictures of any size.

        Raises:
            ExpertFailed: the model cannot be loaded or ran out of memory.
        """
        return self._ask([Embed(view_of_image(image)) for image in images])

    def knows(self, images: Sequence[Image.Image]) -> list[bool]:
        """Whether whole pictures are of a kind that the model knows; a model that cannot tell knows all.

        Raises:
            ExpertFailed: the model cannot be loaded or ran out of memory.
        """
        told: list[float | None] = self._experts.ask(self.role, [Likeness(view_of_image(image)) for image in images])
        return [like is None or like >= IN_DOMAIN for like in told]

    def words(self, texts: Sequence[str]) -> np.ndarray:
        """(n, dim) float32 of unit length.

        Raises:
            ExpertFailed: the model cannot be loaded or ran out of memory.
        """
        return self._ask([Embed(text) for text in texts])

    def _ask(self, requests: list[Embed]) -> np.ndarray:
        if not requests:
            return np.zeros((0, self.dim), np.float32)
        parts = [requests[start : start + BATCH] for start in range(0, len(requests), BATCH)]
        vectors = np.stack([vector for part in parts for vector in self._experts.ask(self.role, part)])
        if not np.isfinite(vectors).all():
            raise ExpertFailed(f"{self.name} gave vectors that are no numbers.", kind="bad_embedding")
        return vectors.astype(np.float32, copy=False)


def trained_rule(folder: Path) -> Calibration | None:
    """What a CLIP that was trained with a bias (as SigLIP is) takes for true itself, for words; else None.

    It trained the bias on crops of single things, so it is a rule for regions above all.
    """
    config = read_json(folder / "config.json")
    bias, path = (config.get("saccade") or {}).get("match_bias"), folder / "model.safetensors"
    if bias is None or not path.is_file():
        return None
    from safetensors.numpy import load_file

    scale = float(np.exp(np.float32(load_file(path)["logit_scale"])))
    rule = Rule(-float(bias) / scale, scale)
    return Calibration({**Calibration().rules, "words:region": rule, "words:picture": rule})


def view_of_image(image: Image.Image) -> View:
    """A view of pixels that belong to no conversation. Its name follows from the pixels, so caches stay right."""
    rgb = image if image.mode == "RGB" else image.convert("RGB")
    digest = hashlib.blake2b(rgb.tobytes(), digest_size=16, person=b"picture").hexdigest()
    width, height = rgb.size
    return View(f"pixels_{width}x{height}_{digest}", rgb.size, (0, 0, width, height), lambda: rgb)


def weights_hash(spec: ModelSpec) -> str:
    """A SHA-256 that names the weights of a model: of its weight file, or of the index of its shards.

    For a zoo model it is the hash on its card, which the file has been compared with.

    Raises:
        UserError: the weights are not on this machine.
    """
    place = resolve(spec)
    return str(read_json(place / "card.json")["sha256"]) if spec.shipped else _hash_of(place)


def _hash_of(place: Path) -> str:
    if place.is_file():
        return sha256(place)
    named = [place / name for name in WEIGHTS if (place / name).is_file()]
    if named and named[0].suffix != ".json":
        # The hub's cache names a weight file by its SHA-256 (a link to blobs/<sha256>); reading gigabytes is saved.
        blob = named[0].resolve().name
        return blob if len(blob) == 64 and set(blob) <= set("0123456789abcdef") else sha256(named[0])
    files = named or sorted(place.glob("*.safetensors")) or sorted(place.glob("*.bin"))
    digest = hashlib.sha256()
    for file in files or sorted(path for path in place.iterdir() if path.is_file()):
        digest.update(f"{file.name} {sha256(file)}\n".encode())
    return digest.hexdigest()
