"""How well memory finds things: recall by words, regions, near duplicates, what was never seen, zero-shot naming.

Everything goes the way of users: pictures are files that `saccade index` takes in, or are shown in conversations with
the bundled controller (`remembered`), regions are the detector's own, and queries go through `Memory.recall` with its
thresholds in place. A thing that the detector overlooked counts as missed. Scenes are of the split "test", from number
20,000 on; cases are drawn independently, one a picture or a thing, so intervals are over cases.
"""

from __future__ import annotations

import random
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ..agent.agent import Agent
from ..agent.indexing import Indexing
from ..memory.query import Query
from ..scenes.language.captions import full_caption, partial_caption
from ..scenes.language.forms import holds
from ..scenes.language.phrases import VALUES, phrase_of, phrase_true, region_phrase
from ..settings import Settings
from ..tools.embedder import view_of_image
from ..tools.requests import Classify
from .judging.intervals import independent
from .models import models_of
from .remembered import SIZE, TALKED, Pool, draw, fill
from .variants import CHANGES, lookalikes

FIRST = 20_000  # the first scene's number
FEW = 25  # pictures of one owner of the never-seen suite
OWNER, COPIES = "ann", "ben"  # the second has the near duplicates
AGAIN = 4  # one picture in so many gets its near duplicates and lookalikes
STRANGE = (
    "giraffe", "a bowl of soup", "helicopter", "man on a bicycle", "snowy mountains", "newspaper", "kitten",
    "grand piano", "a crowd at a concert", "traffic light", "a slice of pizza", "laptop", "wedding cake", "elephant",
    "ocean waves", "a city at night", "sunflower field", "tennis racket", "old map", "x-ray of a hand",
)  # fmt: skip

Done = Callable[[int, int], None]


def run(*, cases: int, profile: str, done: Done | None = None, workers: int = 1) -> dict[str, Any]:
    """Run the suite.

    Args:
        cases: how many held-out scenes are remembered; all figures scale with it.
        profile: the models.
        done: told how far it is.
        workers: not used: there is one memory.

    Returns:
        JSON values: `rows` of {group, name, cases, value, interval, baseline, bar}, shares all; and what was measured.

    Raises:
        UserError: a model of the profile is missing or does not fit its card.
    """
    begun = time.perf_counter()
    rng = random.Random(20_000)
    tell = done or (lambda some, of: None)
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(home=Path(folder) / "home", profile=profile, threads=1)
        models = models_of(settings.chosen, {"clip", "detector", "controller"})
        drawn = draw(Path(folder) / "pictures", range(FIRST, FIRST + cases))
        with Agent(profile, settings=settings) as agent:
            pool = fill(agent, OWNER, drawn, lambda some: tell(some, 3 * cases), talk=True)
            took = time.perf_counter() - begun
            rows = _found(pool) + _captions(agent, pool, rng)
            rows += _regions(agent, pool, rng)
            few: list[Pool] = []
            for start in range(0, cases, FEW):
                part = drawn[start : start + FEW]
                few.append(fill(agent, f"owner {start}", part, lambda some: None, talk=False))
                tell(cases + start + len(part), 3 * cases)
            rows += _never_seen(agent, few, rng)
            place = Path(folder) / "copies"
            rows += _near_duplicates(agent, pool, rng, place, lambda share: tell(round((2 + share) * cases), 3 * cases))
            rows += _zero_shot(agent, pool)
    tell(3 * cases, 3 * cases)
    return {
        "cases": cases,
        "regions": len(pool.things),
        "plan": {
            "cases": cases, "profile": profile, "split": "test", "first_scene": FIRST,
            "filled by": f"saccade index, and one picture in {TALKED} in conversations",
        },
        "models": models,
        "rows": rows,
        "seconds": round(time.perf_counter() - begun, 1),
        "remembering_seconds": round(took, 1),
    }  # fmt: skip


def _found(pool: Pool) -> list[dict[str, Any]]:
    """How many of the things on the pictures are in memory at all, as regions of the detector's."""
    there = [[thing for id, thing in pool.things.items() if id.startswith(f"{picture}.")] for picture in pool.scenes]
    hits = [thing in some for some, scene in zip(there, pool.scenes.values(), strict=True) for thing in scene.things]
    return [row("things on the pictures", "remembered as a region", hits, 0.0)]


def _captions(agent: Agent, pool: Pool, rng: random.Random) -> list[dict[str, Any]]:
    """Pictures by captions. A partial caption may be true of many pictures: each of them is right."""
    full: dict[int, list[bool]] = {1: [], 5: []}
    signs: dict[int, list[bool]] = {1: [], 5: []}
    part: dict[int, list[bool]] = {1: [], 5: []}
    own: list[bool] = []
    chance: list[float] = []
    shares: Any = pool.shares
    for picture, scene in pool.scenes.items():
        for some, words in ((full, False), (signs, True)):
            hits = _asked(agent, OWNER, Query(words=full_caption(scene, rng, words=words).text, k=5, kind="picture"))
            for k in some:
                some[k].append(picture in hits[:k])
        caption = partial_caption(scene, rng, shares[picture])
        true = {
            id for id, other in pool.scenes.items() if holds(caption.form, other, shares[id])
        } | {picture}  # fmt: skip
        hits = _asked(agent, OWNER, Query(words=caption.text, k=5, kind="picture"))
        for k in part:
            part[k].append(bool(true & set(hits[:k])))
        own.append(picture in hits)
        chance.append(len(true) / len(pool.scenes))
    count = len(pool.scenes)
    return [
        row("pictures by full captions", "recall@1", full[1], 1 / count, bar=0.75),
        row("pictures by full captions", "recall@5", full[5], min(1.0, 5 / count)),
        row("pictures by full captions", "recall@1, words on signs included", signs[1], 1 / count),
        row("pictures by full captions", "recall@5, words on signs included", signs[5], min(1.0, 5 / count)),
        row("pictures by partial captions", "recall@1, any true picture", part[1], _mean(chance)),
        row(
            "pictures by partial captions",
            "recall@5, any true picture",
            part[5],
            _mean(1 - (1 - p) ** 5 for p in chance),
        ),
        row("pictures by partial captions", "recall@5, the picture it was made from", own, min(1.0, 5 / count)),
    ]


def _regions(agent: Agent, pool: Pool, rng: random.Random) -> list[dict[str, Any]]:
    """Regions by phrases such as "a shiny red block"; every region that the phrase is true of is right."""
    found: dict[int, list[bool]] = {1: [], 5: []}
    chance: list[float] = []
    for thing in rng.sample(pool.every_thing, min(len(pool.every_thing), len(pool.scenes))):
        phrase = region_phrase(thing, rng)
        true = {id for id, other in pool.things.items() if phrase_true(phrase.attributes, other)}
        hits = _asked(agent, OWNER, Query(words=phrase.text, k=5, kind="region"))
        for k in found:
            found[k].append(bool(true & set(hits[:k])))
        chance.append(len(true) / len(pool.things))
    name = f"regions by phrases, among {len(pool.things)}"
    return [
        row(name, "recall@1", found[1], _mean(chance)),
        row(name, "recall@5", found[5], _mean(1 - (1 - p) ** 5 for p in chance)),
    ]


def _never_seen(agent: Agent, few: Sequence[Pool], rng: random.Random) -> list[dict[str, Any]]:
    """With one owner's few pictures: what is there must be found, what is not there must not be answered."""
    missed: list[bool] = []
    absent: list[bool] = []
    strange: list[bool] = []
    for pool in few:
        for thing in rng.sample(pool.every_thing, min(len(pool.every_thing), 10)):
            attributes = {facet: getattr(thing, facet) for facet in ("color", "shape")}
            if rng.random() < 0.4:
                attributes["material"] = thing.material
            true = {id for id, one in pool.things.items() if phrase_true(attributes, one)}
            hits = _asked(agent, pool.owner, Query(words=phrase_of(attributes, rng).text, k=5, kind="region"))
            missed.append(not true & set(hits))
            while any(phrase_true(attributes, one) for one in pool.every_thing):
                attributes = {facet: rng.choice(VALUES[facet]) for facet in attributes}
            hits = _asked(agent, pool.owner, Query(words=phrase_of(attributes, rng).text, k=5, kind="region"))
            absent.append(bool(hits))
        for words in rng.sample(STRANGE, 4):
            strange.append(bool(_asked(agent, pool.owner, Query(words=words, k=5))))
    noise = [bool(_asked(agent, OWNER, Query(picture=_noise(number), k=5))) for number in range(max(8, len(few)))]
    name = f"never seen, among {FEW} pictures"
    return [
        row(name, "misses: a thing that is there is not found", missed, 1.0, good="low"),
        row(name, "false alarms: colour and shape never seen together", absent, 1.0, good="low"),
        row(name, "false alarms: words from outside the drawn world", strange, 1.0, good="low"),
        row(name, "false alarms: pictures of nothing", noise, 1.0, good="low"),
    ]


def _noise(number: int) -> Image.Image:
    """A picture that shows nothing: coloured noise, coarse or fine."""
    grid = np.random.default_rng(number).integers(0, 256, (2 << number % 7, 2 << number % 7, 3), np.uint8)
    return Image.fromarray(grid).resize((SIZE, SIZE), Image.Resampling.BICUBIC)


def _near_duplicates(
    agent: Agent, pool: Pool, rng: random.Random, folder: Path, tell: Callable[[float], None]
) -> list[dict[str, Any]]:
    """Copies of pictures must be linked with them, lookalikes must not; each was given after the originals."""
    pictures = list(pool.scenes)
    _index(agent, [pool.files[one] for one in pictures])
    linked: dict[str, list[bool]] = {}
    alike: dict[str, list[bool]] = {}
    right = wrong = 0
    chosen = pictures[::AGAIN]
    for place, picture in enumerate(chosen):
        image = agent.store.open(picture, OWNER)
        family = _copies(agent, folder / picture, {name: change(image) for name, change in CHANGES.items()})
        others = lookalikes(pool.scenes[picture], rng, SIZE)
        strangers = _copies(agent, folder / f"{picture} alike", others)
        near = set(agent.memory.near_duplicates(COPIES, picture))
        same = {picture, *family.values()}
        for name, copy in family.items():
            linked.setdefault(name, []).append(copy in near)
            found = set(agent.memory.near_duplicates(COPIES, copy))
            right, wrong = right + len(found & same), wrong + len(found - same)
        for name, other in strangers.items():
            alike.setdefault(name, []).append(bool(same & set(agent.memory.near_duplicates(COPIES, other))))
        right, wrong = right + len(near & same), wrong + len(near - same)
        tell((place + 1) / len(chosen))
    every = [hit for hits in linked.values() for hit in hits]
    strange = [hit for hits in alike.values() for hit in hits]
    name = "near duplicates"
    return [
        row(name, "recall, all changes", every, 0.0),
        row(name, "precision of the links", [True] * right + [False] * wrong, 1 / max(1, len(pictures))),
        *(row(name, f"recall: {change}", hits, 0.0) for change, hits in linked.items()),
        row(name, "lookalikes linked by mistake, all", strange, 1.0, good="low"),
        *(row(name, f"linked by mistake: {change}", hits, 1.0, good="low") for change, hits in alike.items()),
    ]


def _copies(agent: Agent, folder: Path, images: dict[str, Image.Image]) -> dict[str, str]:
    """Write pictures to files and take them in; their ids by name."""
    folder.mkdir(parents=True)
    paths = {name: folder / f"{at}.png" for at, name in enumerate(images)}
    for name, image in images.items():
        image.save(paths[name], "PNG", compress_level=1)
    ids = _index(agent, list(paths.values()))
    return {name: ids[path] for name, path in paths.items()}


def _index(agent: Agent, paths: Sequence[Path]) -> dict[Path, str]:
    """Take files in for the owner of copies, as `saccade index --no-regions --no-words` does; the ids."""
    found = Indexing(agent.runtime, COPIES, regions=False, words=False).run(paths)
    return {one.path: one.id for one in found if one.id is not None}


def _zero_shot(agent: Agent, pool: Pool) -> list[dict[str, Any]]:
    """Naming the detector's regions by what they are nearest to, among all values of a facet."""
    chosen = list(pool.things.items())[: len(pool.scenes)]
    boxes = {hit.id: hit.box for hit in agent.memory.recall(OWNER, Query(kind="region", k=100_000))}
    crops: list[Any] = []
    for id, _ in chosen:
        whole = view_of_image(agent.store.open(id.partition(".")[0], OWNER))
        box = boxes[id]
        assert box is not None  # a region has one
        crops.append(replace(whole, box=box))
    rows: list[dict[str, Any]] = []
    for facet in ("shape", "color", "material"):
        values = VALUES[facet]
        answers: list[np.ndarray] = []
        for start in range(0, len(crops), 64):
            answers += agent.experts.ask("clip", [Classify(crop, values) for crop in crops[start : start + 64]])
        truth = [getattr(thing, facet) for _, thing in chosen]
        right = [values[int(np.argmax(answer))] == true for answer, true in zip(answers, truth, strict=True)]
        most = max(truth.count(value) for value in values) / max(1, len(truth))
        rows.append(row("zero-shot naming of crops", f"{facet}, of {len(values)}", right, most, bar=0.98))
    return rows


def _asked(agent: Agent, owner: str, query: Query) -> list[str]:
    return [hit.id for hit in agent.memory.recall(owner, query)]


def row(
    group: str, name: str, hits: Sequence[bool], baseline: float, *, good: str = "high", bar: float | None = None
) -> dict[str, Any]:
    """One line of the report: a share with its 95 % interval (Wilson), beside what a blind guess would reach."""
    share = sum(hits) / max(1, len(hits))
    return {
        "group": group,
        "name": name,
        "cases": len(hits),
        "value": round(share, 4),
        "interval": list(independent(sum(hits), len(hits)) or (0.0, 1.0)),
        "baseline": round(baseline, 4),
        "good": good,
        "bar": bar,
    }


def _mean(values: Any) -> float:
    return float(np.mean(list(values))) if values else 0.0
