"""How well memory finds things: recall by words, regions, near duplicates, what was never seen, zero-shot naming.

Everything goes through `Memory` as users get it, in a home folder of its own: pictures are given in
conversations, things are regions under the names that the detector gives, and queries are asked with
the thresholds in place. Scenes are of the split "test", from number 20,000 on.
"""

from __future__ import annotations

import random
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ..agent.agent import Agent
from ..memory.query import Query
from ..memory.records import RegionDraft, ToolResult
from ..memory.workspace import LedgerWorkspace
from ..scenes.language.captions import full_caption, partial_caption
from ..scenes.language.forms import holds
from ..scenes.language.phrases import VALUES, phrase_of, phrase_true, region_phrase
from ..scenes.render import render
from ..scenes.sample import sample_scene
from ..scenes.scene import Scene, Thing
from ..settings import Settings
from ..tools.embedder import view_of_image
from ..tools.requests import Classify
from .agent import wilson
from .variants import CHANGES, lookalikes

FIRST = 20_000  # the first scene's number
SIZE = 512  # px
IN_A_CHAT = 25  # pictures of one conversation, which is also the pool of the never-seen suite
OWNER, COPIES = "ann", "ben"  # the second has the near duplicates
AGAIN = 4  # one picture in so many gets its near duplicates and lookalikes
STRANGE = (
    "giraffe", "a bowl of soup", "helicopter", "man on a bicycle", "snowy mountains", "newspaper", "kitten",
    "grand piano", "a crowd at a concert", "traffic light", "a slice of pizza", "laptop", "wedding cake", "elephant",
    "ocean waves", "a city at night", "sunflower field", "tennis racket", "old map", "x-ray of a hand",
)  # fmt: skip

Done = Callable[[int, int], None]


@dataclass
class Pool:
    """What was remembered, with its truth."""

    scenes: dict[str, Scene] = field(default_factory=dict)  # by the picture's id
    boxes: dict[str, np.ndarray] = field(default_factory=dict)  # by the picture's id: (n, 4)
    shares: dict[str, Any] = field(default_factory=dict)  # the same in shares of the side, as `forms.holds` takes them
    things: dict[str, Thing] = field(default_factory=dict)  # by the region's id
    chats: dict[str, list[str]] = field(default_factory=dict)  # pictures by conversation


def run(*, cases: int, profile: str, done: Done | None = None, workers: int = 1) -> dict[str, Any]:
    """Run the suite.

    Args:
        cases: how many held-out scenes are remembered; all figures scale with it.
        profile: the models; its role "clip" is measured.
        done: told how far it is.
        workers: not used: there is one memory.

    Returns:
        JSON values: `rows` of {group, name, cases, value, interval, baseline, bar}, shares all; and what was measured.
    """
    begun = time.perf_counter()
    rng = random.Random(20_000)
    tell = done or (lambda some, of: None)
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(home=Path(folder) / "home", profile=profile, threads=1)
        with Agent(profile, settings=settings) as agent:
            pool = _remember(agent, cases, lambda some: tell(some, 2 * cases))
            took = time.perf_counter() - begun
            rows = _captions(agent, pool, rng)
            tell(cases + cases // 4, 2 * cases)
            rows += _regions(agent, pool, rng)
            tell(cases + cases // 2, 2 * cases)
            rows += _never_seen(agent, pool, rng)
            rows += _near_duplicates(agent, pool, rng, lambda share: tell(round((1.5 + share / 2) * cases), 2 * cases))
            rows += _zero_shot(agent, pool)
            embedder = agent.memory.embedder
            assert embedder is not None  # the profile has a CLIP
            model = {"name": embedder.name, "sha256": embedder.sha256, "dim": embedder.dim}
    tell(2 * cases, 2 * cases)
    return {
        "cases": cases,
        "regions": len(pool.things),
        "plan": {"cases": cases, "profile": profile, "split": "test", "first_scene": FIRST},
        "models": {"clip": model},
        "rows": rows,
        "seconds": round(time.perf_counter() - begun, 1),
        "remembering_seconds": round(took, 1),
    }


def _remember(agent: Agent, cases: int, tell: Callable[[int], None]) -> Pool:
    pool = Pool()
    for start in range(0, cases, IN_A_CHAT):
        numbers = range(FIRST + start, FIRST + min(cases, start + IN_A_CHAT))
        scenes = [sample_scene(number, "test") for number in numbers]
        drawn = [render(scene, SIZE) for scene in scenes]
        chat = agent.chats.new_id()
        workspace = LedgerWorkspace(agent.store, chat, OWNER)
        _, pictures = workspace.begin_turn([one.image for one in drawn])
        items: list[str] = []
        for scene, one, picture in zip(scenes, drawn, pictures, strict=True):
            drafts = [
                RegionDraft(picture.id, tuple(map(float, box)), thing.shape, 0.9)  # pyright: ignore
                for box, thing in zip(one.boxes, scene.things, strict=True)
            ]
            call, said = f"find_{picture.handle}", {"image": picture.handle}
            found, _ = workspace.record(call, "find_objects", said, ToolResult(drafts), lambda _: "", turn=1)
            pool.scenes[picture.id], pool.boxes[picture.id] = scene, one.boxes
            pool.shares[picture.id] = one.boxes / SIZE
            pool.things |= {region.id: thing for region, thing in zip(found.regions, scene.things, strict=True)}
            items += [picture.id, *(region.id for region in found.regions)]
        pool.chats[chat] = [picture.id for picture in pictures]
        agent.memory.remember(OWNER, items)
        tell(start + len(scenes))
    return pool


def _captions(agent: Agent, pool: Pool, rng: random.Random) -> list[dict[str, Any]]:
    """Pictures by captions. A partial caption may be true of many pictures: each of them is right."""
    full: dict[int, list[bool]] = {1: [], 5: []}
    part: dict[int, list[bool]] = {1: [], 5: []}
    own: list[bool] = []
    chance: list[float] = []
    for picture, scene in pool.scenes.items():
        hits = _asked(agent, Query(words=full_caption(scene, rng, words=False).text, k=5, kind="picture"))
        for k in full:
            full[k].append(picture in hits[:k])
        caption = partial_caption(scene, rng, pool.shares[picture])
        true = {
            id for id, other in pool.scenes.items() if holds(caption.form, other, pool.shares[id])
        } | {picture}  # fmt: skip
        hits = _asked(agent, Query(words=caption.text, k=5, kind="picture"))
        for k in part:
            part[k].append(bool(true & set(hits[:k])))
        own.append(picture in hits)
        chance.append(len(true) / len(pool.scenes))
    count = len(pool.scenes)
    return [
        row("pictures by full captions", "recall@1", full[1], 1 / count, bar=0.75),
        row("pictures by full captions", "recall@5", full[5], min(1.0, 5 / count)),
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
    for thing in rng.sample(list(pool.things.values()), min(len(pool.things), len(pool.scenes))):
        phrase = region_phrase(thing, rng)
        true = {id for id, other in pool.things.items() if phrase_true(phrase.attributes, other)}
        hits = _asked(agent, Query(words=phrase.text, k=5, kind="region"))
        for k in found:
            found[k].append(bool(true & set(hits[:k])))
        chance.append(len(true) / len(pool.things))
    name = f"regions by phrases, among {len(pool.things)}"
    return [
        row(name, "recall@1", found[1], _mean(chance)),
        row(name, "recall@5", found[5], _mean(1 - (1 - p) ** 5 for p in chance)),
    ]


def _never_seen(agent: Agent, pool: Pool, rng: random.Random) -> list[dict[str, Any]]:
    """Within one conversation each: what is there must be found, what is not there must not be answered."""
    missed: list[bool] = []
    absent: list[bool] = []
    strange: list[bool] = []
    for chat, pictures in pool.chats.items():
        things = {id: thing for id, thing in pool.things.items() if id.partition(".")[0] in pictures}
        for thing in rng.sample(list(things.values()), min(len(things), 10)):
            attributes = {facet: getattr(thing, facet) for facet in ("color", "shape")}
            if rng.random() < 0.4:
                attributes["material"] = thing.material
            true = {id for id, one in things.items() if phrase_true(attributes, one)}
            hits = _asked(agent, Query(words=phrase_of(attributes, rng).text, k=5, kind="region", chat=chat))
            missed.append(not true & set(hits))
            while any(phrase_true(attributes, one) for one in things.values()):
                attributes = {facet: rng.choice(VALUES[facet]) for facet in attributes}
            hits = _asked(agent, Query(words=phrase_of(attributes, rng).text, k=5, kind="region", chat=chat))
            absent.append(bool(hits))
        for words in rng.sample(STRANGE, 4):
            strange.append(bool(_asked(agent, Query(words=words, k=5, chat=chat))))
    noise = [bool(_asked(agent, Query(picture=_noise(number), k=5))) for number in range(max(8, len(pool.chats)))]
    name = f"never seen, among {IN_A_CHAT} pictures"
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
    agent: Agent, pool: Pool, rng: random.Random, tell: Callable[[float], None]
) -> list[dict[str, Any]]:
    """Copies of pictures must be linked with them, lookalikes must not; each was given after the originals."""
    pictures = list(pool.scenes)
    originals = [agent.store.add(agent.store.open(one, OWNER), owner=COPIES).id for one in pictures]
    agent.memory.remember(COPIES, originals)
    linked: dict[str, list[bool]] = {}
    alike: dict[str, list[bool]] = {}
    right = wrong = 0
    chosen = pictures[::AGAIN]
    for place, picture in enumerate(chosen):
        image = agent.store.open(picture, OWNER)
        copies = {name: change(image) for name, change in CHANGES.items()}
        family = {name: agent.store.add(copy, owner=COPIES).id for name, copy in copies.items()}
        others = lookalikes(pool.scenes[picture], rng, SIZE)
        strangers = {name: agent.store.add(other, owner=COPIES).id for name, other in others.items()}
        agent.memory.remember(COPIES, [*family.values(), *strangers.values()])
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


def _zero_shot(agent: Agent, pool: Pool) -> list[dict[str, Any]]:
    """Naming crops of single things by what they are nearest to, among all values of a facet."""
    chosen = list(pool.things.items())[: len(pool.scenes)]
    crops: list[Any] = []
    for id, _ in chosen:
        picture, number = id.split(".r")
        place = [one for one in pool.things if one.startswith(f"{picture}.")].index(f"{picture}.r{number}")
        box = tuple(float(value) for value in pool.boxes[picture][place])
        whole = view_of_image(agent.store.open(picture, OWNER))
        crops.append(type(whole)(whole.picture, whole.size, box, whole.load))  # pyright: ignore
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


def _asked(agent: Agent, query: Query) -> list[str]:
    return [hit.id for hit in agent.memory.recall(OWNER, query)]


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
        "interval": [round(bound, 4) for bound in wilson(sum(hits), len(hits)) or (0.0, 1.0)],
        "baseline": round(baseline, 4),
        "good": good,
        "bar": bar,
    }


def _mean(values: Any) -> float:
    return float(np.mean(list(values))) if values else 0.0
