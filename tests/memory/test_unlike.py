"""Pictures of kinds that the model does not know: kept apart, and found by what is true without it."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw
from small_memory import Opened, scene

from saccade.memory.memory import Memory
from saccade.memory.query import Query
from saccade.memory.records import Lineage
from saccade.testing.embedder import SmallEmbedder


class Choosy(SmallEmbedder):
    """Knows no picture with a black corner, and takes all pictures for nearly the same."""

    def knows(self, images):
        return [image.getpixel((0, 0)) != (0, 0, 0) for image in images]

    def pictures(self, images):
        vectors = 0.05 * super().pictures(images)
        vectors[:, 0] += 1
        return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def stranger(number: int) -> Image.Image:
    image = scene(number)
    ImageDraw.Draw(image).rectangle((0, 0, 8, 8), fill="black")
    return image


@pytest.fixture
def memory(home: Path, opened: Opened) -> Memory:
    return opened(home, Choosy())


def add(memory: Memory, *images: Image.Image) -> list[str]:
    ids = [memory.store.add(image, owner="ann").id for image in images]
    memory.remember("ann", ids)
    return ids


def found(memory: Memory, **asked: object) -> list[str]:
    return [hit.id for hit in memory.recall("ann", Query(**asked))]  # type: ignore[arg-type]


@pytest.mark.parametrize("indexed", [False, True])
def test_what_is_not_known_neither_finds_nor_is_found_by_its_looks(memory: Memory, indexed: bool):
    known = add(memory, scene(1), scene(2))
    strange = add(memory, stranger(3), stranger(4))
    if indexed:
        memory.sync()
        assert memory.verify().healthy
    assert set(found(memory, picture=scene(5))) == set(known)
    assert found(memory, picture=stranger(5)) == found(memory, picture=np.asarray(stranger(5))) == []
    assert found(memory, picture=known[0]) == [known[1]]
    assert found(memory, picture=strange[0]) == []
    assert not set(found(memory, words="anything", k=9)) & set(strange)
    assert memory.count("ann") == {"pictures": 4, "regions": 0, "vectors": 4}
    assert memory.notice is None


def test_the_same_picture_is_found_all_the_same(memory: Memory):
    (first, *_) = add(memory, stranger(3), stranger(4), scene(1))
    file = BytesIO()
    stranger(3).resize((150, 150)).save(file, "JPEG", quality=80)
    copy = Image.open(file).convert("RGB")
    copy.paste((0, 0, 0), (0, 0, 3, 3))
    (hit,) = memory.recall("ann", Query(picture=copy))
    assert (hit.id, hit.why, hit.score > 0.9) == (first, "is the same picture", True)
    (second,) = add(memory, copy)
    assert memory.near_duplicates("ann", second) == [first]
    assert found(memory, picture=first) == [second]
    assert found(memory, picture=copy, kind="region") == []


def test_words_and_names_find_it(memory: Memory):
    (one, _) = add(memory, stranger(3), stranger(4))
    memory.note("ann", one, words="Harbour Books, total 41.20", tags=["trip"])
    assert found(memory, words="harbour books")[0] == one
    assert found(memory, tag="trip") == [one]
    assert found(memory, picture=stranger(9), words="harbour books")[0] == one


def test_a_crop_is_judged_by_the_picture_that_it_comes_from(memory: Memory):
    (whole,) = add(memory, stranger(3))
    part = stranger(3).crop((30, 30, 80, 80))
    lineage = Lineage(tool="crop_image", arguments={"image": "img_1"}, parent=whole)
    crop = memory.store.add(part, owner="ann", kind="crop", lineage=lineage).id
    memory.remember("ann", [crop])
    assert found(memory, picture=scene(5)) == []


def test_a_new_model_judges_anew(memory: Memory, home: Path, opened: Opened):
    ids = add(memory, scene(1), stranger(3))
    memory.close()
    other = opened(home, SmallEmbedder(seed=1))
    assert other.notice is not None
    assert other.rebuild().healthy
    assert other.notice is None
    assert found(other, picture=stranger(3), k=1) == [ids[1]]
    again = opened(home, Choosy())
    assert again.remember("ann", ids) == ids
    assert found(again, picture=scene(5)) == [ids[0]]
