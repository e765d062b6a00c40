"""The program as LLaVA's teacher: it knows a scene's truth, and so never errs.

It serves the same `Teacher` protocol as a chat model (`teacher.ChatTeacher`), which is told of a picture by a
`Context` in the paper's form: captions, then `label: [x1, y1, x2, y2]`. So the same instructions of three kinds can
be had of a scene from either, and on a user's own pictures from a chat model alone.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

from ...scenes.language.captions import captions
from ...scenes.language.dialogue import conversation
from ...scenes.language.phrases import noun_phrase
from ...scenes.language.questions import FAMILIES, QuestionSampler
from ...scenes.scene import Scene
from .replies import DETAILED, detailed, line, reply
from .teacher import Context, Exchange, Kind

_REASONING = tuple(name for name in FAMILIES if not name.endswith("zero_hop") and not name.startswith("read"))


def context_of(scene: Scene, boxes: Sequence[Sequence[float]], seed: int = 0) -> Context:
    """What a teacher is told of a scene.

    Args:
        scene: the scene.
        boxes: its visible boxes, (things, 4) xyxy in shares of the picture's side.
        seed: draws the captions.
    """
    told = captions(scene, random.Random(seed), 5, boxes)
    things = tuple(
        (noun_phrase(thing), (float(box[0]), float(box[1]), float(box[2]), float(box[3])))
        for thing, box in zip(scene.things, boxes, strict=True)
    )
    return Context(tuple(caption.text for caption in told), things)


class SceneTeacher:
    """Teaches about one scene; of the context it needs nothing, because it knows the scene.

    Args:
        scene: the scene.
        boxes: its visible boxes in shares.
        seed: draws what is asked.
    """

    def __init__(self, scene: Scene, boxes: Sequence[Sequence[float]], seed: int = 0) -> None:
        self.scene, self.boxes, self.seed = scene, boxes, seed

    def teach(self, context: Context, kind: Kind) -> list[Exchange]:
        """Exchanges of a kind; every answer is the executor's."""
        rng = random.Random(f"{self.seed} {kind}")
        if kind == "detail":
            return [Exchange(rng.choice(DETAILED), detailed(self.scene, self.boxes))]
        if kind == "conversation":
            lines = conversation(self.scene, rng, 5, self.boxes) or []
            turns = [line(said, self.scene, self.boxes) for said in lines]
            return [Exchange(turn.question, turn.reply) for turn in turns]
        sampler = QuestionSampler(rng.getrandbits(32), families=_REASONING)
        return [
            Exchange(asked.text, reply(asked.program, asked.answer, self.scene, self.boxes))
            for asked in sampler.sample(self.scene, 4, self.boxes)
        ]
