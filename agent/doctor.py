"""What this machine can run: its device and memory, the models of a profile, and what mends what is missing."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import platform
import shutil
from pathlib import Path
from typing import Any

from ..errors import UserError
from ..extras import missing_extra
from ..settings import ModelSpec, Settings, load_profile, schemes
from ..tools.registry import all_tools, expert_class, expert_roles, spec_of
from ..tools.weights import resolve
from .controllers.load import missing

PACKAGES = (
    "torch",
    "transformers",
    "ultralytics",
    "segment-anything",
    "diffusers",
    "chromadb",
    "langchain",
    "langgraph",
)


def examine(profile: str) -> dict[str, Any]:
    """A report in JSON values: `python`, `device`, `memory_gb`, `disk_gb`, `packages`, `home`, `models`, `ready`.

    Each model has `role`, `spec`, `there`, `megabytes`, and where it is missing `problem` (which names the mend).

    Raises:
        UserError: there is no such profile.
    """
    chosen = load_profile(profile)
    models = [examine_model(role, chosen.spec(role)) for role in chosen.models]
    asked = {role for tool in all_tools().values() for role in tool.roles}
    for role in ("controller", *(role for role in expert_roles() if role in asked)):
        if role in chosen.models:
            continue
        try:
            models.append(examine_model(role, spec_of(role, chosen)))
        except UserError:
            if expert_class(role).optional:
                continue
            problem = f"The profile {chosen.name!r} names no model for the role {role!r}: add one under [models]."
            models.append({"role": role, "spec": "-", "there": False, "megabytes": None, "problem": problem})
    home = Settings.from_environment().home
    return {
        "profile": chosen.name,
        "python": platform.python_version(),
        "packages": {name: _version(name) for name in PACKAGES},
        "device": _device(),
        "cores": os.cpu_count(),
        "memory_gb": _memory_gb(),
        "disk_gb": round(shutil.disk_usage(_existing(home)).free / 2**30, 1),
        "home": str(home),
        "models": models,
        "ready": all(model["there"] for model in models),
    }


def examine_model(role: str, spec: ModelSpec) -> dict[str, Any]:
    """Whether one model's weights are on this machine and are what their card says."""
    report: dict[str, Any] = {"role": role, "spec": str(spec), "there": True, "megabytes": None, "problem": None}
    try:
        if not spec.has_files:
            lacks = missing(spec) if role == "controller" else expert_class(role, spec.scheme).missing(spec)
            return report if lacks is None else report | {"there": False, "problem": lacks}
        path = resolve(spec)
        if spec.adapter is not None and (lacks := missing_extra("adapters")):
            return report | {"there": False, "problem": lacks}
    except UserError as error:
        return report | {"there": False, "problem": error.message}
    files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
    return report | {"megabytes": round(sum(file.stat().st_size for file in files) / 1e6, 1)}


def fetch(what: str) -> list[ModelSpec]:
    """Download the published checkpoints that a profile names, or the one model of an `hf:` spec.

    The only code of Saccade that uses the network without a server being named; it runs when a person asks.

    Raises:
        UserError: no such profile, or the hub cannot be reached or refuses.
    """
    scheme, colon, _ = what.partition(":")
    if colon and scheme != "hf" and scheme in schemes():
        raise UserError(
            f"{what!r} has nothing to download: only hf: models come from the network. See: saccade models list",
            kind="nothing_to_fetch",
        )
    named = [what] if scheme == "hf" else list(load_profile(what).models.values())
    wanted = [spec for spec in map(ModelSpec.parse, named) if spec.scheme == "hf"]
    # The hub's client reads this when it is imported; a fetch is the one time when we are to go online.
    os.environ["HF_HUB_OFFLINE"] = "0"
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    for spec in wanted:
        try:
            # No pickles from outside: the safetensors of a checkpoint are all that is taken. Those of a pipeline lie in
            # folders; what lies beside them is the same once more in one file, gigabytes of it.
            index = Path(snapshot_download(spec.base.name, allow_patterns=["model_index.json"])) / "model_index.json"
            weights = "*/*.safetensors" if index.is_file() else "*.safetensors"
            snapshot_download(spec.base.name, allow_patterns=[weights, "*.json", "*.txt", "*.jinja", "*.model"])
        except (HfHubHTTPError, LocalEntryNotFoundError, OSError, ValueError) as error:
            reason = str(error).strip().split("\n")[0]
            raise UserError(
                f"{str(spec)!r} could not be downloaded: {reason} Check the network and the name, "
                f"then run `saccade models fetch {what}` again; what has come stays.",
                kind="fetch_failed",
            ) from error
    return wanted


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _device() -> dict[str, Any]:
    if importlib.util.find_spec("torch") is None:
        return {"kind": "none", "name": "torch is not installed: run `make setup`", "memory_gb": None}
    import torch

    if torch.cuda.is_available():
        properties = torch.cuda.get_device_properties(0)
        return {"kind": "cuda", "name": properties.name, "memory_gb": round(properties.total_memory / 2**30, 1)}
    return {"kind": "cpu", "name": platform.processor() or platform.machine(), "memory_gb": None}


def _memory_gb() -> float | None:
    try:
        return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1)
    except (AttributeError, ValueError, OSError):  # not on every platform
        return None


def _existing(path: Path) -> Path:
    return path if path.exists() else _existing(path.parent)
