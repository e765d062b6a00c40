"""Pictures whose truth is known, and an agent whose experts answer from it: what tests of tasks run on."""

from __future__ import annotations

import hashlib

from saccade import Agent
from saccade.memory.pictures.decode import decode
from saccade.scenes.render import render
from saccade.scenes.sample import sample_scene
from saccade.settings import Settings
from saccade.testing.experts import TrueExperts


class Counting(TrueExperts):
    """True experts that count what they are asked."""

    def __init__(self, lookup):
        super().__init__(lookup)
        self.asked = 0
        self.fails = None  # (role, error): what one role raises
        self.heard = None  # is told of every question

    def ask(self, role, requests):
        self.asked += len(requests)
        if self.heard is not None:
            self.heard(role, requests)
        if self.fails is not None and self.fails[0] == role:
            raise self.fails[1]
        return super().ask(role, requests)


class Scenes:
    """Rendered scenes in a folder, with the agent that knows them."""

    def __init__(self, folder, count=4, first=70):
        self.folder, self.truths, self.scenes = folder, {}, []
        (folder / "photos").mkdir(parents=True)
        for number in range(count):
            scene = sample_scene(first + number, "val")
            drawn = render(scene, 256)
            path = folder / "photos" / f"{number:02d}.png"
            drawn.image.save(path)
            self.scenes.append((path, scene, drawn))
            self.truths[f"pic_{decode(path).sha256[:12]}"] = (scene, drawn.boxes.astype(float), drawn.masks)
        self.experts = Counting(self.truths.__getitem__)
        self.agent = Agent(settings=Settings(home=folder / "home", threads=1), experts=self.experts)

    def count(self, number, shape):
        """How many things of a shape a scene has."""
        return sum(thing.shape == shape for thing in self.scenes[number][1].things)


def files_of(folder):
    """Every file of a folder but the record, by name, as the hash of its bytes."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and ".saccade" not in path.parts
    }
