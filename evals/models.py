"""Which models a figure was made with: by role, the spec and the SHA-256 of the weights."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from ..errors import UserError
from ..settings import ZOO, Profile
from ..tools.embedder import weights_hash
from ..tools.weights import read_json, verify


def models_of(profile: Profile, roles: Collection[str] | None = None) -> dict[str, dict[str, str | None]]:
    """Role -> {"spec", "sha256"} for the models of a profile that take part; the hash is None where no files are.

    Args:
        profile: whose models.
        roles: of these alone; None: all of them.

    Raises:
        UserError: a model is missing, or its weights are not what its card says. Told before the first case.
    """
    chosen = profile.models if roles is None else [role for role in profile.models if role in roles]
    found: dict[str, dict[str, str | None]] = {}
    for role in chosen:
        spec = profile.spec(role)
        found[role] = {"spec": str(spec), "sha256": weights_hash(spec) if spec.has_files else None}
    return found


def strangers_in(report: dict[str, Any]) -> list[str]:
    """What is wrong with the models of a report that is to be committed; [] where they are the zoo's, all of them.

    A report says of each model by which hash it was made; a bundled one must have that of the zoo as it is now.
    """
    models = report.get("models")
    if not isinstance(models, dict):
        return ["it does not say which models it was made with"]
    wrong: list[str] = []
    for role, one in models.items():
        scheme, _, name = one["spec"].partition(":")
        if scheme != "zoo":
            continue
        try:
            now = verify(ZOO / name)
        except UserError as error:
            wrong.append(f"{role}: {error.message}")
            continue
        if one["sha256"] != now:
            wrong.append(f"{role}: made with {one['sha256']}, but zoo/{name} is {now} now: measure it again")
    return wrong


def card_of(name: str) -> dict[str, Any]:
    """The card of a zoo model."""
    return read_json(ZOO / name / "card.json")
