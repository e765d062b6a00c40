"""Conversations about one drawn scene with experts that never err, and painters of choice."""

from __future__ import annotations

import numpy as np
import supervision as sv
from PIL import Image

from saccade.errors import ExpertFailed
from saccade.memory.pictures.store import PictureStore
from saccade.memory.workspace import LedgerWorkspace
from saccade.testing import SceneBook, TrueExperts
from saccade.tools.contracts import Talk, ToolContext
from saccade.tools.registry import all_tools
from saccade.tools.requests import Match
from saccade.tools.runner import ToolRunner


class World:
    """A conversation about one drawn scene, with experts that never err, and a painter of choice."""

    def __init__(self, paint=None, scene=559):
        self.book = SceneBook()
        self.image = self.book.draw(scene)
        self.workspace = LedgerWorkspace(PictureStore(None), "chat_000000000000", "ann")
        self.workspace.begin_turn([self.image])
        self.asked = []
        self.truth = TrueExperts(self.book)
        self.paint = paint
        self.runner = ToolRunner(all_tools(), self.workspace, self)
        self.context = ToolContext(self.workspace, self, None, Talk(turn=1))

    def ask(self, role, requests):
        if role != "painter":
            return self.truth.ask(role, requests)
        self.asked += requests
        return [self.paint(one) for one in requests] if self.paint else self.truth.ask(role, requests)

    def or_nothing(self, role, requests):
        """What there is, and nothing in pictures of which nobody knows what is in them."""
        try:
            return World.ask(self, role, requests)
        except (KeyError, ExpertFailed):
            if role != "detector":
                raise
            return [sv.Detections.empty() for _ in requests]

    def about(self, role):
        return self.truth.about(role)

    def __call__(self, **arguments):
        return self.runner.run(f"call_{len(self.asked)}{arguments}", "generate_image", arguments, 1)


def grey(request):
    return Image.new("RGB", request.size, (120, 130, 140))


def noise(size=(90, 70), alpha=False):
    rng = np.random.default_rng(5)
    return Image.fromarray(rng.integers(0, 256, (size[1], size[0], 4 if alpha else 3), dtype=np.uint8))


class Blind(World):
    """Nothing is ever seen: what is painted is judged as a removal that worked."""

    def ask(self, role, requests):
        if role == "detector":
            return [sv.Detections.empty() for _ in requests]
        if role == "clip":
            return [np.full(len(getattr(one, "labels", one.phrases if hasattr(one, "phrases") else ())), 0.1)
                    for one in requests]  # fmt: skip
        return super().ask(role, requests)


class Behind(World):
    """Experts that know the drawn scene, and see nothing new in what is painted; CLIP takes it for a street."""

    def __init__(self, paint=grey, street=True, **more):
        super().__init__(paint, **more)
        self.street = street

    def ask(self, role, requests):
        if role == "clip" and hasattr(requests[0], "labels"):
            return [np.array([float((name == "street") == self.street) for name in one.labels]) for one in requests]
        return self.or_nothing(role, requests)

    def edit(self, **edit):
        return self.runner.run(f"call_{len(self.asked)}{edit}", "edit_image", {"image": "img_1", "edits": [edit]}, 1)


class Open(World):
    """A painter that takes any words, and CLIP that finds every prompt true of whole pictures, or none."""

    def __init__(self, paint=None, true=True, about=None):
        super().__init__(paint)
        self.true, self.said = true, about or {}

    def about(self, role):
        return self.said if role == "painter" else super().about(role)

    def ask(self, role, requests):
        if role == "clip" and isinstance(requests[0], Match) and requests[0].view.whole:
            return [np.full(len(one.phrases), 0.9 if self.true else 0.1) for one in requests]
        return self.or_nothing(role, requests)
