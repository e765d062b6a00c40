"""Gold traces for the controller: conversations in which every thought, call and answer is the right one.

Requests are drawn from the families of phrasing, calls are made by the real tools over a `Desk`, and the
plans of `plans.py` say what to do. Nothing here is about tokens; see `controller.py` for those.
"""

from __future__ import annotations

import json
import random
import re
from dataclasses import dataclass, field
from typing import Any

from ..errors import SaccadeError
from ..scenes.phrases import article
from ..tools.registry import all_tools
from ..tools.runner import ToolRunner
from .desk import Desk, DeskExperts, Sheet, draw_sheet
from .noise import disturb
from .nouns import Noun, any_world_noun, outside_noun, world_noun
from .phrasings import Family, families, fill, slots_of
from .plans import PLANS, Ask, Call, Seen, Step, seen
from .wording import IDLE, IT, ORDERS, ORDINALS, THE_PICTURE, THEM, draw_expression, draw_labels

# How often each intent is asked for.
WEIGHTS: dict[str, float] = {
    "count": 12, "exist": 9.5, "color": 7, "material": 6, "shape": 6, "where": 8, "cut_out": 8, "outline": 3.5,
    "crop": 4, "list": 2.5, "biggest": 4, "biggest_query": 3, "biggest_cut_out": 3, "compare_more": 3.5,
    "difference": 3, "total": 3, "backdrop": 2, "labels": 3, "look_closer": 3, "arithmetic": 2.5,
    "it_color": 2.5, "it_material": 2, "it_shape": 2, "it_where": 2, "it_cut_out": 3, "it_crop": 2,
    "it_outline": 2, "decline": 3, "smalltalk": 1.5,
}  # fmt: skip
DRILLS = 0.16  # the share of short conversations with one request, whose answers copy what was observed
DRILLED = ("where", "where", "where", "color", "color", "material", "shape", "biggest", "biggest_query", "count")
OPENINGS = 0.48  # the share of conversations that end with the first step of their first request
FOLLOW_UPS = tuple(intent for intent in WEIGHTS if intent.startswith("it_"))
BLIND = ("arithmetic", "decline", "smalltalk")  # intents that need no picture


@dataclass
class Message:
    """One message of a trace. `learn` is False for mistakes that are there only to be mended."""

    role: str  # "user", "assistant", "tool"
    content: str
    calls: list[Call] = field(default_factory=list)
    learn: bool = True


@dataclass
class Turn:
    """What was asked in a turn, for tests: where it begins in the messages, and the calls that are right."""

    intent: str
    family: str
    start: int
    calls: list[list[Call]] = field(default_factory=list)


@dataclass
class Trace:
    """A whole conversation."""

    messages: list[Message] = field(default_factory=list)
    turns: list[Turn] = field(default_factory=list)


class Talk:
    """A conversation while it is being made.

    Args:
        rng: draws everything.
        noise: how much requests are disturbed, see `noise.disturb`.
        outside: how often a noun phrase is from outside the drawn world.
        flawless: no experts that fail, no unknown pictures, no mistakes to mend.
        opening: end with the first step of a request; no tool is run.
    """

    def __init__(
        self,
        rng: random.Random,
        noise: float = 1.0,
        outside: float = 0.42,
        flawless: bool = False,
        opening: bool = False,
    ) -> None:
        self.rng, self.noise, self.outside, self.flawless, self.opening = rng, noise, outside, flawless, opening
        self.desk = Desk()
        self.experts = DeskExperts(self.desk, rng, missed=0 if flawless else 0.02)
        self.runner = ToolRunner(all_tools(), self.desk, self.experts)
        self.trace = Trace()
        self.given: list[str] = []  # handles of the pictures that the user sent
        self.image = ""  # the picture that was spoken of last
        self.it: tuple[Seen, ...] = ()  # what was spoken of last
        self.calls = 0

    # The user's side ------------------------------------------------------------------------------------------------

    def ask(self, intent: str, family: Family, pictures: int = 0) -> None:
        """One request, from its words to the answer; the user sends `pictures` new pictures with it."""
        rng = self.rng
        new: list[str] = []
        for _ in range(pictures):
            sheet = draw_sheet(rng)
            sheet.known = self.flawless or rng.random() >= 0.03
            new.append(self.desk.give(sheet))
        self.given += new
        if new:
            self.image = new[0] if len(new) > 1 else new[-1]
        slots = slots_of(family.text)
        chosen, named = self._choose_picture(intent, new)
        ask, words = self._fill(intent, slots, chosen, named)
        text = disturb(fill(family.expand(rng), words), rng, self.noise)
        if named and "the picture" not in slots and intent not in BLIND:
            text = self._append(text, f"{rng.choice(('in', 'on'))} {named}")
        if new:
            sizes = ", ".join("{} ({} x {} px)".format(handle, *self.desk.sheets[handle].size) for handle in new)
            text = f"Pictures: {sizes}.\n{text}"
        self.trace.turns.append(Turn(ask.intent, family.name, len(self.trace.messages)))
        self.trace.messages.append(Message("user", text))
        self._answer(ask)

    def _append(self, text: str, words: str) -> str:
        bare = text.rstrip(" .?!")
        return f"{bare} {words}{text[len(bare) :].strip()}"

    def _choose_picture(self, intent: str, new: list[str]) -> tuple[str, str]:
        """The picture that the request is about, and how it is named ("" where it need not be)."""
        rng = self.rng
        if not self.given or intent in BLIND or intent in FOLLOW_UPS:
            return self.image, ""
        must = len(new) > 1
        if not must and rng.random() < 0.75:
            return self.image, ""
        handle = rng.choice(self.given)
        index = self.given.index(handle)
        ways = [handle, handle]
        first, last = self.given[0], int(self.given[-1][4:])
        if first == "img_1" and last == len(self.given) and len(self.given) > 1:  # no crops between them
            ordinal = ORDINALS[index] if index < len(ORDINALS) else handle
            ways += [f"the {ordinal} {rng.choice(('picture', 'image', 'photo', 'one'))}"] * 2
            ways += [f"{rng.choice(('picture', 'image', 'photo', 'picture number'))} {index + 1}"]
            if index == len(self.given) - 1:
                ways += [f"the last {rng.choice(('picture', 'image', 'photo', 'one'))}"]
        return handle, rng.choice(ways)

    def _fill(self, intent: str, slots: set[str], image: str, named: str) -> tuple[Ask, dict[str, str]]:
        rng = self.rng
        if intent in BLIND:
            surface, expression = draw_expression(rng)
            return Ask(intent, image, expression=expression), {"expression": surface, "the picture": "the picture"}
        if not self.given:
            intent = "no_picture"
        words: dict[str, str] = {"the picture": named or ("" if rng.random() < 0.12 else rng.choice(THE_PICTURE))}
        noun = noun2 = None
        order = "largest"
        if {"things", "thing", "a thing", "the thing"} & slots:
            one = bool({"thing", "a thing", "the thing"} & slots) and intent not in ("exist", "count")
            noun = self._noun(intent, image, one)
            words |= self._said(noun, "")
        if any(slot.endswith("2") for slot in slots):
            noun2 = self._noun(intent, image, False)
            while noun is not None and noun2.phrase == noun.phrase:
                noun2 = outside_noun(rng)
            words |= self._said(noun2, "2")
        if "sup" in slots:
            order = rng.choice(tuple(ORDERS))
            words["sup"] = rng.choice(ORDERS[order])
        labels, words["labels"] = draw_labels(rng)
        it: tuple[Seen, ...] = ()
        if intent in FOLLOW_UPS:
            it, words["it"] = self._it(intent) if "it" in slots else (self.it[:1], "")
            if not it:
                intent = "no_thing"
        elif "it" in slots:
            words["it"] = "it"
        return Ask(intent, image, noun, noun2, order, labels, it=it), words

    def _said(self, noun: Noun, number: str) -> dict[str, str]:
        """The noun in its slots, now and then with a word before it that tells nothing ("individual mugs")."""
        idle = f"{self.rng.choice(IDLE)} " if self.rng.random() < 0.06 * self.noise else ""
        one, many = f"{idle}{noun.one}", f"{idle}{noun.many}"
        forms = {"things": many, "thing": one, "a thing": article(one), "the thing": f"the {one}"}
        return {f"{slot}{number}": words for slot, words in forms.items()}

    def _it(self, intent: str) -> tuple[tuple[Seen, ...], str]:
        rng = self.rng
        if not self.it:
            return (), rng.choice(IT)
        if len(self.it) == 1:
            return self.it, self.it[0].handle if rng.random() < 0.08 else rng.choice(IT)
        draw = rng.random()
        if intent in ("it_cut_out", "it_crop", "it_outline") and draw < 0.45 and len(self.it) <= 3:
            return self.it, rng.choice(THEM)
        index = rng.randrange(min(len(self.it), 4))
        if draw < 0.8:
            name = f"the {ORDINALS[index]} one"
            if index == len(self.it) - 1 and rng.random() < 0.4:
                name = "the last one"
        else:
            name = self.it[index].handle
        return (self.it[index],), name

    def _noun(self, intent: str, image: str, one: bool) -> Noun:
        """A noun phrase for a request about a picture: mostly of something there, one thing where one is meant."""
        rng = self.rng
        sheet = self._sheet(image)
        if sheet is None or not sheet.items or rng.random() < 0.12:
            return any_world_noun(rng)
        if rng.random() < self.outside:
            noun = outside_noun(rng)
            number = rng.choice((0, 1, 1, 1, 1, 2)) if one else rng.choice((0, 0, 1, 1, 1, 2, 2, 3, 4, 5))
            chosen = rng.sample(range(len(sheet.items)), min(number, len(sheet.items)))
            sheet.meanings.setdefault(noun.phrase, frozenset(chosen))
            return noun
        item = rng.choice(sheet.items)
        facets = {
            "color": ("shape", "material"), "material": ("shape", "color"), "shape": ("color", "material"),
            "biggest_query": ("shape", "material"), "biggest": ("shape", "color", "material"),
            "biggest_cut_out": ("shape", "color", "material"),
        }.get(intent, ("shape", "color", "material"))  # fmt: skip
        keep = {facet for facet in facets if rng.random() < 0.55}
        if intent == "shape":
            keep |= {"color"} if rng.random() < 0.8 else {"material"}
        elif rng.random() < 0.85 or not keep:
            keep |= {"shape"}
        if rng.random() < 0.2 and not intent.startswith("biggest"):
            keep |= {"size"}
        attributes = {facet: value for facet, value in item.attributes.items() if facet in keep}
        return world_noun(attributes, rng)

    def _sheet(self, image: str) -> Sheet | None:
        return self.desk.sheets.get(image)

    # The controller's side ------------------------------------------------------------------------------------------

    def _answer(self, ask: Ask) -> None:
        rng = self.rng
        plan = PLANS[ask.intent](ask)
        turn = self.trace.turns[-1]
        found: list[Seen] = []
        broken = not self.flawless and rng.random() < 0.01
        try:
            step = next(plan)
            if self.opening:
                turn.calls.append(step.calls)
                self.trace.messages.append(Message("assistant", step.thought, step.calls))
                return
            while True:
                self._stumble(step)
                self.experts.broken = rng.choice(_BROKEN) if broken else None
                turn.calls.append(step.calls)
                observations, failure = self._run(step)
                if failure is not None:
                    self.trace.messages.append(Message("assistant", f"I cannot do that now: {failure}"))
                    return
                found += [region for text in observations for region in seen(text)]
                step = plan.send(observations)
        except StopIteration as stop:
            answer = str(stop.value)
        self.trace.messages.append(Message("assistant", answer))
        if ask.intent in BLIND or ask.intent in ("no_picture", "no_thing"):
            return
        self.image = ask.image
        cited = re.findall(r"reg_\d+", answer)
        by_handle = {region.handle: region for region in (*found, *ask.it)}
        about = tuple(by_handle[handle] for handle in dict.fromkeys(cited) if handle in by_handle)
        self.it = about if ask.intent not in ("compare_more", "difference", "total", "list", "look_closer") else ()

    def _run(self, step: Step) -> tuple[list[str], str | None]:
        self.trace.messages.append(Message("assistant", step.thought, step.calls))
        told: list[str] = []
        failure: str | None = None
        for name, arguments in step.calls:
            self.calls += 1
            observation = self.runner.run(f"call_{self.calls}", name, dict(arguments), len(self.trace.turns))
            self.trace.messages.append(Message("tool", observation.text))
            told.append(observation.text)
            if not observation.ok:
                failure = observation.text
        return told, failure

    def _stumble(self, step: Step) -> None:
        """Now and then, make a wrong call first, so that mending one is learned; the mistake itself is not."""
        rng = self.rng
        if self.flawless or rng.random() > 0.025:
            return
        name, arguments = step.calls[0]
        wrong: dict[str, Any] = dict(arguments)
        if "regions" in wrong:
            wrong["regions"] = [f"reg_{rng.randrange(50, 99)}"]
        elif "image" in wrong:
            wrong["image"] = f"{wrong['image'][:4]}{rng.randrange(50, 99)}"
        else:
            wrong["expression"] = wrong["expression"].rstrip("0123456789 )") or "+"
        before = len(self.trace.messages)
        _, failure = self._run(Step(step.thought, [(name, wrong)]))
        self.trace.messages[before].learn = False
        if failure is None:  # it was no mistake after all
            del self.trace.messages[before:]


_BROKEN = (
    "The detector ran out of memory, even after a second try. Close other programs, or set SACCADE_DEVICE=cpu.",
    "The model zoo:detector is missing. Run `saccade models verify` to see what is there.",
    "The model zoo:sam could not be loaded. Run `saccade doctor` to see why.",
    "sam failed after a retry: the device is gone. Run `saccade doctor`.",
)


def draw_trace(seed: int, folder_families: Any = families) -> Trace:
    """One training conversation: 1 to 4 requests, or (for breadth at little cost) one and its first step alone.

    Raises:
        SaccadeError: there are no families to draw from.
    """
    rng = random.Random(seed)
    draw = rng.random()
    if draw < DRILLS:
        talk = Talk(rng)
        intent = rng.choice(DRILLED)
        known = folder_families(intent)
        if known:
            talk.ask(intent, rng.choice(known), 1)
            return talk.trace
    opening = draw < DRILLS + OPENINGS
    talk = Talk(rng, opening=opening)
    first = True
    for _ in range(1 if opening else rng.choices((1, 2, 3, 4), (40, 32, 18, 10))[0]):
        intent, family = draw_family(rng, folder_families, follow_up=bool(talk.it))
        pictures = 0
        if (first and rng.random() < 0.96) or (not talk.given and rng.random() < 0.8) or rng.random() < 0.08:
            pictures = 1 if rng.random() < 0.88 else rng.choice((2, 2, 3))
        if intent in FOLLOW_UPS and pictures and talk.it:
            pictures = 0
        talk.ask(intent, family, pictures)
        first = False
    if rng.random() < 0.4:
        _renumber(talk.trace, rng.randrange(0, 9), rng.randrange(0, 40))
    return talk.trace


def _renumber(trace: Trace, pictures: int, regions: int) -> None:
    """Count all handles on from higher numbers, as in a long conversation whose beginning is not shown."""

    def higher(text: str) -> str:
        text = re.sub(r"\bimg_(\d+)", lambda match: f"img_{int(match[1]) + pictures}", text)
        return re.sub(r"\breg_(\d+)", lambda match: f"reg_{int(match[1]) + regions}", text)

    if any("picture 1" in message.content or "number" in message.content for message in trace.messages):
        pictures = 0
    for message in trace.messages:
        message.content = higher(message.content)
        message.calls = [(name, json.loads(higher(json.dumps(arguments)))) for name, arguments in message.calls]
    for turn in trace.turns:
        turn.calls = [[(n, json.loads(higher(json.dumps(a)))) for n, a in calls] for calls in turn.calls]


def draw_family(rng: random.Random, source: Any = families, follow_up: bool = False) -> tuple[str, Family]:
    """An intent by its weight, and one of its families."""
    weights = {
        intent: weight * (3.0 if follow_up else 0.02) if intent in FOLLOW_UPS else weight
        for intent, weight in WEIGHTS.items()
        if source(intent)
    }
    if not weights:
        raise SaccadeError("There are no families of phrasing to draw from.")
    intent = rng.choices(list(weights), list(weights.values()))[0]
    return intent, rng.choice(source(intent))
