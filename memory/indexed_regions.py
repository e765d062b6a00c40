"""Regions that were found outside of any conversation, as when a folder is indexed.

They have no handle and no tool call; memory is the only place that knows them. A region that lies where
one is already remembered is the same thing and is not kept twice.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Literal

from PIL import Image

from .ledger.ledger import now
from .ledger.memory_rows import Item, item_of
from .ledger.pending_turns import SAME_BOX, overlap
from .pictures.store import PictureStore, readable
from .pictures.thumbnails import crop
from .records import Box, Lineage, RegionDraft
from .remembering import Ready, Remembering


def region_items(
    store: PictureStore, owner: str, found: Mapping[str, Sequence[RegionDraft]], lineage: Lineage
) -> list[Item]:
    """The new regions among drafts, by picture, with their ids; their rows are not written yet.

    Ids are drawn from the pictures' counters, so no two regions ever share one, whatever is killed when.

    Raises:
        UserError: the owner holds no such picture.
    """
    items: list[Item] = []
    for picture, drafts in found.items():
        whole = item_of(store.ledger, owner, picture)
        there = _boxes(store, owner, picture)
        new: list[RegionDraft] = []
        for draft in drafts:
            if all(overlap(draft.box, box) <= SAME_BOX for box in there):
                there.append(draft.box)
                new.append(draft)
        if not new:
            continue
        with store.ledger.write() as db:
            sql = "UPDATE pictures SET next_region = next_region + ? WHERE id = ? RETURNING next_region - ?"
            first = db.execute(sql, (len(new), picture, len(new))).fetchall()[0][0]
        told = json.dumps(asdict(lineage) | {"parent": picture}, ensure_ascii=False)
        for number, draft in enumerate(new, first):
            box = (float(draft.box[0]), float(draft.box[1]), float(draft.box[2]), float(draft.box[3]))
            item = f"{picture}.r{number}"
            values: dict[str, object] = {
                "owner": owner, "item": item, "picture": picture, "kind": "region", "source": whole.values["source"],
                "chat": None, "seen": now(), "lineage": told, "label": readable(draft.label), "score": draft.score,
                "x0": box[0], "y0": box[1], "x1": box[2], "y1": box[3],
            }  # fmt: skip
            items.append(Item(item, picture, whole.sha256, whole.size, box, values))
    return items


def ready_regions(
    store: PictureStore, remembering: Remembering, owner: str, items: Sequence[Item]
) -> list[tuple[Ready, Image.Image]]:
    """Embed new regions in batches: what is to be written of each, and its crop."""
    ready: list[tuple[Ready, Image.Image]] = []
    for start in range(0, len(items), remembering.batch):
        part = items[start : start + remembering.batch]
        crops = [crop(store.pixels(item.sha256), item.box) for item in part]
        ready += zip(remembering.made_ready(owner, part, crops), crops, strict=True)
    return ready


def write_regions(
    remembering: Remembering,
    owner: str,
    ready: Sequence[tuple[Ready, Image.Image]],
    pictures: Sequence[str],
    finder: str,
) -> list[str]:
    """Write the regions that `finder` has found in pictures durably, in one transaction; the ids of those that are new.

    Another process may have looked through the same pictures meanwhile: of each picture what was written first stays.
    """
    done = remembering.write_found(owner, [one for one, _ in ready], pictures, finder)
    new = set(done)
    shown = [(one.item, image) for one, image in ready if one.item.id in new]
    remembering.thumbnails([item for item, _ in shown], [image for _, image in shown])
    return done


# What is done to a file that was taken in, and the column that says that it is done.
Stage = Literal["things", "words"]
_COLUMNS: dict[Stage, str] = {"things": "looked", "words": "words_read"}


def stage_done(store: PictureStore, owner: str, paths: Sequence[str], stage: Stage) -> None:
    """Note that the things in files were looked for, or their words read, so that it is not done again."""
    with store.ledger.write() as db:
        sql = f"UPDATE files SET {_COLUMNS[stage]} = 1 WHERE owner = ? AND path = ?"
        db.executemany(sql, [(owner, path) for path in paths])


def stages_left(store: PictureStore, owner: str, path: str, stages: Sequence[Stage]) -> list[Stage]:
    """Those of the stages that a file that was taken in has not been through."""
    rows = store.ledger.read("SELECT * FROM files WHERE owner = ? AND path = ?", (owner, path))
    return [stage for stage in stages if not (rows and rows[0][_COLUMNS[stage]])]


def _boxes(store: PictureStore, owner: str, picture: str) -> list[Box]:
    rows = store.ledger.read(
        "SELECT x0, y0, x1, y1 FROM memories WHERE owner = ? AND picture = ? AND kind = 'region'", (owner, picture)
    )
    return [(row["x0"], row["y0"], row["x1"], row["y1"]) for row in rows]
