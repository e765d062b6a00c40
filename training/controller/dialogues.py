"""A conversation while it is being made: the user's requests in words, and what the controller should do about them.

Requests are filled from families of phrasing, calls are made by the real tools over a `SyntheticWorkspace`, and the
plans of `plans/` say what to do.
"""

from __future__ import annotations

import random
import re
from dataclasses import replace
from functools import partial
from typing import Any

from ...scenes.language.phrases import article
from ...tools import contracts
from ...tools.registry import all_tools
from ...tools.runner import ToolRunner
from .plans.memory import when_of
from .plans.plans import PLANS
from .plans.steps import Ask, Seen, Step, seen
from .synthetic.memory import SyntheticInspect, SyntheticMemory
from .synthetic.workspace import SyntheticExperts, SyntheticPicture, SyntheticWorkspace, draw_picture
from .trace import Message, Trace, Turn
from .wording.families import Family, fill, slots_of
from .wording.free_requests import PAST, TIMES, draw_change, draw_note, draw_question, draw_statement
from .wording.mentions import (
    IDLE,
    IT,
    ORDERS,
    ORDINALS,
    THE_PICTURE,
    THEM,
    THIS,
    draw_expression,
    draw_labels,
    draw_pictures,
)
from .wording.noise import disturb
from .wording.noun_phrases import NounPhrase, any_world_noun, outside_noun, world_noun

FOLLOW_UPS = (*(intent for intent in PLANS if intent.startswith("it_")), "describe_it", "read_it")
BLIND = ("arithmetic", "decline", "smalltalk", "find_memory")  # intents that need no picture
PAIRS = ("compare", "likeness", "statement")  # intents about several pictures
REPLIES = ("yes", "no")  # to the question whether a picture is to be deleted for good
OBJECTS = (
    "describe",
    "describe_detail",
    "inspect",
    "find_like",
    "find_like_but",
    "remember",
    "forget",
)  # name a picture


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
        self.workspace = SyntheticWorkspace()
        self.experts = SyntheticExperts(self.workspace, rng, missed=0 if flawless else 0.02)
        self.memory = SyntheticMemory(self.workspace, rng)
        tools = all_tools() | {"inspect_image": SyntheticInspect(rng)}
        self.runner = ToolRunner(tools, self.workspace, self.experts, memory=self.memory)
        self.trace = Trace()
        self.given: list[str] = []  # handles of the pictures that the user sent
        self.new: list[str] = []  # those that came with the request at hand
        self.image = ""  # the picture that was spoken of last
        self.it: tuple[Seen, ...] = ()  # what was spoken of last
        self.doubtful = ""  # the picture that the user was asked about: shall it be deleted?
        self.said = contracts.Talk()
        self.calls = 0

    # The user's side ------------------------------------------------------------------------------------------------

    def ask(self, intent: str, family: Family, pictures: int = 0) -> None:
        """One request, from its words to the answer; the user sends `pictures` new pictures with it."""
        rng = self.rng
        new: list[str] = []
        for _ in range(pictures):
            sheet = draw_picture(rng)
            sheet.known = self.flawless or rng.random() >= 0.03
            new.append(self.workspace.give(sheet))
        self.given += new
        self.new = new
        if new:
            self.image = new[0] if len(new) > 1 else new[-1]
        slots = slots_of(family.text)
        chosen, named = self._choose_picture(intent, new)
        ask, words = self._fill(intent, slots, chosen, named)
        pieces = family.expand(rng)
        text = disturb(fill(pieces, words), rng, self.noise)
        if intent == "find_memory":
            told = [piece for piece in pieces if not piece.startswith("{")]
            ask = replace(
                ask, when=when_of(" ".join([*told, *(words[s] for s in ("when", "past") if f"{{{s}}}" in pieces)]))
            )
        elif intent == "open_question":
            ask = replace(ask, words=as_written(ask.words, text) + "?")
        elif ask.words:
            ask = replace(ask, words=as_written(ask.words, text))
        if named and not {"the picture", "the pictures"} & slots and intent not in (*BLIND, *PAIRS, *REPLIES):
            text = self._append(text, f"{rng.choice(('in', 'on'))} {named}")
        if new:
            sizes = ", ".join(
                "{} ({} x {} px)".format(handle, *self.workspace.by_handle[handle].size) for handle in new
            )
            text = f"Pictures: {sizes}.\n{text}"
        self.trace.turns.append(Turn(ask.intent, family.name, len(self.trace.messages)))
        self.trace.messages.append(Message("user", text))
        before = self.trace.messages[-2].content if len(self.trace.messages) > 1 else None
        self.said = contracts.Talk(len(self.trace.turns), text.split("\n")[-1], before)
        self._answer(ask)

    def _append(self, text: str, words: str) -> str:
        bare = text.rstrip(" .?!")
        return f"{bare} {words}{text[len(bare) :].strip()}"

    def _choose_picture(self, intent: str, new: list[str]) -> tuple[str, str]:
        """The picture that the request is about, and how it is named ("" where it need not be)."""
        rng = self.rng
        if intent in REPLIES:
            return self.doubtful, ""
        if not self.given or intent in (*BLIND, *PAIRS, *FOLLOW_UPS):
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
        if intent in BLIND and intent != "find_memory":
            surface, expression = draw_expression(rng)
            return Ask(intent, image, expression=expression), {"expression": surface, "the picture": "the picture"}
        if not self.image and intent != "find_memory":
            intent = "no_picture"
        if intent in FOLLOW_UPS[-2:] and not self.it and self.image:
            intent = intent.removesuffix("_it")  # with no thing spoken of, "it" is the picture
        the_picture = named or ("" if rng.random() < 0.12 and intent not in OBJECTS else rng.choice(THE_PICTURE))
        if intent in OBJECTS and not named and not self.it and rng.random() < 0.35:
            the_picture = rng.choice(THIS)
        words = {"the picture": the_picture, "the pictures": "both pictures", "when": "", "past": rng.choice(PAST)}
        if rng.random() < 0.7:
            words["when"] = rng.choice(TIMES)
        images: tuple[str, ...] = ()
        if intent in PAIRS:
            images, words["the pictures"] = self._several(intent)
            if not images:
                intent = "no_pair"
        draw = partial(self._noun, intent, image, False)
        own = ""
        if "question" in slots:
            own = words["question"] = draw_question(rng, draw)
        elif "statement" in slots:
            own = words["statement"] = draw_statement(rng, draw)
        elif "note" in slots:
            own = words["note"] = draw_note(rng)
        elif "words" in slots:
            words["words"], own = draw_change(rng, draw)
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
        return Ask(intent, image, noun, noun2, order, labels, it=it, images=images, words=own), words

    def _several(self, intent: str) -> tuple[tuple[str, ...], str]:
        """Which pictures a comparison is about, and how they are named; none where there are too few."""
        rng = self.rng
        new = self.new if len(self.new) > 1 else []
        chosen = new or (self.given if len(self.given) == 2 else [])
        if chosen and len(chosen) <= 4 and rng.random() < 0.75:
            first = chosen[0] == "img_1" and len(chosen) == len(self.given)
            return tuple(chosen), draw_pictures(rng, chosen, first)
        if len(self.given) < 2:
            return (), rng.choice(("the two pictures", "both pictures", "the pictures", "these pictures"))
        some = sorted(rng.sample(self.given, 2), key=lambda handle: int(handle[4:]))
        return tuple(some), f"{some[0]} {rng.choice(('and', 'and', 'and', 'with', '&'))} {some[1]}"

    def _said(self, noun: NounPhrase, number: str) -> dict[str, str]:
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

    def _noun(self, intent: str, image: str, one: bool) -> NounPhrase:
        """A noun phrase for a request about a picture: mostly of something there, one thing where one is meant."""
        rng = self.rng
        sheet = self._picture_of(image)
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

    def _picture_of(self, image: str) -> SyntheticPicture | None:
        return self.workspace.by_handle.get(image)

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
                self.experts.broken = self.memory.broken = rng.choice(_BROKEN) if broken else None
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
        self.doubtful = ask.image if answer.startswith("Shall I delete") else ""
        if ask.intent == "find_memory":
            hits = re.findall(r"\bimg_\d+", answer)
            self.image = hits[0] if hits else self.image
            self.it = () if hits else self.it
        if answer.endswith(" is forgotten."):
            self._gone(ask.image)
            return
        if ask.intent in (*BLIND, *REPLIES, "no_picture", "no_thing", "no_pair"):
            return
        if ask.intent in PAIRS:
            self.it = ()
            return
        self.image = ask.image
        cited = re.findall(r"reg_\d+", answer)
        by_handle = {region.handle: region for region in (*found, *ask.it)}
        about = tuple(by_handle[handle] for handle in dict.fromkeys(cited) if handle in by_handle)
        self.it = about if ask.intent not in ("compare_more", "difference", "total", "list", "look_closer") else ()

    def _gone(self, image: str) -> None:
        """A picture was forgotten: nobody speaks of it again."""
        self.given = [handle for handle in self.given if handle != image]
        self.image = self.given[-1] if self.given else ""
        self.it = ()

    def _run(self, step: Step) -> tuple[list[str], str | None]:
        self.trace.messages.append(Message("assistant", step.thought, step.calls))
        told: list[str] = []
        failure: str | None = None
        for name, arguments in step.calls:
            self.calls += 1
            self.experts.counted = len(seen(told[-1])) if told else None
            observation = self.runner.run(f"call_{self.calls}", name, dict(arguments), len(self.trace.turns), self.said)
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
        elif "images" in wrong:
            wrong["images"] = [f"img_{rng.randrange(50, 99)}", *wrong["images"][1:]]
        elif "image" in wrong:
            wrong["image"] = f"{wrong['image'][:4]}{rng.randrange(50, 99)}"
        elif "expression" not in wrong:
            return
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
    "The model zoo:llava could not be loaded. Run `saccade doctor` to see why.",
    "There is no memory of pictures here: this conversation was opened without one. Only the pictures of this "
    "conversation can be looked at.",
)


def as_written(words: str, text: str) -> str:
    """Words as they stand in a text, whose noise may have changed their case."""
    at = text.lower().rfind(words.lower())
    return text[at : at + len(words)] if at >= 0 else words
