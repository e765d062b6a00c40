"""Conversations that teach: requests, right calls made by the real tools, answers that refer to what came of them."""

from __future__ import annotations

import random
import re
from dataclasses import replace
from typing import Any

from ...prompts.references import filled, numbered, request_text
from ...tools import contracts
from ...tools.registry import all_tools
from ...tools.runner import ToolRunner
from ..controller.synthetic.workspace import draw_picture
from ..controller.trace import Message, Trace, Turn
from ..controller.wording.families import families, fill
from ..controller.wording.noise import disturb
from . import plans
from .chatter import DELETE, KEPT, NO_PICTURE, draw_chatter
from .documents import draw_page, of_page, of_pages
from .follow_ups import draw_any, no_thing
from .making import paint
from .plans import Seen
from .requests import draw_request
from .state import Last, Request, State
from .targets import RANKS, SHORT_RANKS
from .wholes import search
from .wording import lines, texted

_SHORT = re.compile(rf"\b({'|'.join(SHORT_RANKS)})\b")  # an answer has no digits of its own
TURNS = (38, 30, 18, 9, 5)  # how often a conversation has 1 to 5 requests
CHATTER = 0.1  # of the requests
PAINTS = 0.05  # of the requests before there is a picture ask for one
RECALLS = 0.08  # of them ask what was shown in other conversations
PAGES = 0.1  # of the messages with pictures bring documents
# A call that does not ask to be told what the answer needs: nothing is learned from it, but how to answer all the same.
FORGETS = 0.15
FORGETTING = frozenset({"query", "color", "material", "shape", "size", "facet_short", "is_facet"})
MAY_FAIL = frozenset({"paint", "paint_other", "paint_again", "edit", "edit_two", "edit_add", "edit_it", "undo"})
_EMOJI = ("🙂", "😀", "🙏", "👍", "🤔", "😅", "👀", "❤️", "🎉", "😊", "🔍", "🟥", "⭐", "🤷")
_RAMBLE_BEFORE = lines("ramble_before")
_RAMBLE_AFTER = lines("ramble_after")


class Conversation:
    """One conversation while it is being made."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.state = State(self.rng)
        state = self.state
        tools = all_tools() | {"inspect_image": state.inspect, "generate_image": state.generate,
                               "edit_image": state.edit}  # fmt: skip
        self.runner = ToolRunner(tools, state.workspace, state.experts, memory=state.memory, refers=True)
        self.trace = Trace()
        self.calls = 0

    def send_pictures(self, number: int) -> list[tuple[str, tuple[int, int]]]:
        """New pictures that come with the next request."""
        sent: list[tuple[str, tuple[int, int]]] = []
        last = self.state.sheet(self.state.given[-1]) if self.state.given else None
        page = self.rng.random() < (0.6 if last is not None and last.page else PAGES)
        for _ in range(number):
            last = self.state.sheet(sent[-1][0]) if sent else last
            like = last if last is not None and last.page else None
            handle = self.state.workspace.give(draw_page(self.rng, like) if page else draw_picture(self.rng))
            sent.append((handle, self.state.workspace.by_handle[handle].size))
        if sent:
            self.state.given += [handle for handle, _ in sent]
            self.state.image = sent[0][0] if number > 1 else sent[-1][0]
            self.state.it = []
        return sent

    def ask(self, request: Request, new: list[tuple[str, tuple[int, int]]]) -> None:
        """One turn, from its words to the answer."""
        state = self.state
        text = self._noisy(request.words) if request.frame else request.words
        message = request_text(text, new)
        self.trace.turns.append(Turn(request.kind, "", len(self.trace.messages)))
        before = self.trace.messages[-1].content if self.trace.messages else None
        self.trace.messages.append(Message("user", message))
        talk = contracts.Talk(len(self.trace.turns), text, before, None)
        answer, found = self._carried_out(request, talk)
        self.trace.messages.append(Message("assistant", answer))
        state.doubtful = answer == DELETE
        if request.last is not None:
            state.last = request.last
            if isinstance(request.last.image, str) and request.last.image:
                state.image = request.last.image
        if found is not None:
            state.it = found
            if len({self._image_of(handle) for handle in found}) == 1:
                state.image = self._image_of(found[0]) or state.image

    def _image_of(self, handle: str) -> str:
        return str(self.state.workspace.region(handle).image or "")

    def _carried_out(self, request: Request, talk: contracts.Talk) -> tuple[str, list[str] | None]:
        """The answer as it is to be written, and the regions that it cites (None: it looked at nothing)."""
        known: dict[str, str] = {}
        plan, seen_so_far = request.plan, 0
        try:
            calls = next(plan)
            while True:
                forgets = request.kind in FORGETTING and self.rng.random() < FORGETS
                calls = [(name, self._ordered(name, arguments, forgets)) for name, arguments in calls]
                self.trace.messages.append(Message("assistant", "", calls, learn=not forgets))
                self.trace.turns[-1].calls.append(calls)
                seen: list[Seen] = []
                for name, arguments in calls:
                    self.calls += 1
                    seen_so_far += 1
                    ready = {k: filled(v, known) if isinstance(v, str) else v for k, v in arguments.items()}
                    told = self.runner.run(f"call_{self.calls}", name, ready, talk.turn, talk)
                    self.trace.messages.append(Message("tool", told.brief))
                    if not told.ok and request.kind not in MAY_FAIL:
                        raise NotPossible(told.text)
                    known |= {numbered(name, seen_so_far): value for name, value in told.references.items()}
                    seen.append(Seen(told.brief, dict(told.references)))
                calls = plan.send(seen)
        except StopIteration as stop:
            answer = _SHORT.sub(lambda match: RANKS[SHORT_RANKS.index(match[0])], str(stop.value))
        said = filled(answer, known)
        if re.search(r"\{[a-z_]+\d*\}", said):
            raise NotPossible(f"{answer!r} refers to what is not there")
        cited = list(dict.fromkeys(re.findall(r"reg_\d+", said)))
        return answer, cited if seen_so_far else None

    def _ordered(self, name: str, arguments: dict[str, Any], forgets: bool) -> dict[str, Any]:
        """Arguments in the order of the tool's schema, in which they are written under a grammar."""
        fields = [one for one in self.runner.tools[name].Arguments.model_fields if one != "tell" or not forgets]
        return {one: arguments[one] for one in fields if one in arguments}

    def _noisy(self, words: str) -> str:
        """A request as people type it."""
        rng = self.rng
        text = disturb([(words, True)], rng, 1.1)
        draw = rng.random()
        if draw < 0.04:
            text = text.upper()
        elif draw < 0.1:
            text = re.sub(r"[.,?!']", "", text).lower()
        elif draw < 0.14:
            text = texted(text, rng)
        if rng.random() < 0.05:
            text = f"{text} {rng.choice(_EMOJI)}"
        if rng.random() < 0.05:
            text = f"{rng.choice(_RAMBLE_BEFORE)} {text}"
        if rng.random() < 0.04:
            text = f"{text}{'' if text[-1:] in '.?!' else '.'} {rng.choice(_RAMBLE_AFTER)}"
        return text


class NotPossible(Exception):
    """A request that cannot be answered as planned, by chance of what is there: the conversation is not used."""


def draw_conversation(seed: int) -> Trace:
    """A training conversation; the same seed gives the same."""
    while True:
        try:
            return _drawn(seed)
        except NotPossible:
            seed += 2**40


def _drawn(seed: int) -> Trace:
    made = Conversation(seed)
    rng, state = made.rng, made.state
    number = rng.choices((1, 2, 3, 4, 5), TURNS)[0]
    for turn in range(number):
        pictures = 0
        if not state.given and rng.random() < PAINTS:
            made.ask(paint(state), [])
            continue
        if not state.given and rng.random() < RECALLS:
            made.ask(search(state), [])
            continue
        if not turn and rng.random() < 0.95:
            pictures = rng.choices((1, 2, 3), (72, 22, 6))[0]
        elif turn and rng.random() < (0.1 if state.given else 0.7):
            pictures = 1
        if state.doubtful and rng.random() < 0.8:
            made.ask(_reply(state), [])
            continue
        if rng.random() < CHATTER and not (pictures and rng.random() < 0.6):
            _, words, answer = draw_chatter(rng)
            made.ask(Request("chatter", words, plans.only(answer)), made.send_pictures(pictures))
            continue
        new = made.send_pictures(pictures)
        if not state.given:
            request = _blind(state)
            made.ask(replace(request, last=None), [])
            if request.last is not None and request.last.again is not None and rng.random() < 0.6:
                made.ask(_sent_late(state, request.last), made.send_pictures(1))
            continue
        sheet = state.sheet(state.image)
        if sheet is not None and sheet.page:
            request = _of_documents(state, new=bool(new))
        elif len(state.given) > 1 and new and rng.random() < 0.35:
            request = draw_request(state)
        elif not turn and rng.random() < 0.01:
            request = no_thing(state)
        else:
            request = draw_any(state, 0.0 if new else 0.68)
        made.ask(request, new)
    return made.trace


def _of_documents(state: State, *, new: bool) -> Request:
    """A request about a document, or about all that were sent; often one that follows on the last."""
    rng = state.rng
    if state.last.more is not None and not new and rng.random() < 0.4:
        return state.last.more(state)
    sheets = [state.sheet(image) for image in state.given]
    if len(sheets) > 1 and all(sheet is not None and sheet.page for sheet in sheets) and rng.random() < 0.6:
        return of_pages(state)
    return of_page(state)


def _blind(state: State) -> Request:
    """A request about a picture where there is none."""
    state.given, state.image = ["img_1"], "img_1"
    request = draw_request(state)
    while request.kind in ("arithmetic", "search", "paint"):
        request = draw_request(state)
    state.given, state.image = [], ""
    return Request("no_picture", request.words, plans.only(NO_PICTURE), request.last)


_HERE = lines("here_it_is")


def _sent_late(state: State, asked: Last) -> Request:
    """The picture that was missing: what was asked before is done now."""
    assert asked.again is not None
    assert asked.target is not None
    words = state.rng.choice(_HERE)
    return Request("sent_late", words, asked.again("img_1", asked.target), replace(asked, image="img_1"))


def _reply(state: State) -> Request:
    """Yes or no to the question whether a picture is to be deleted."""
    yes = state.rng.random() < 0.6
    family = state.rng.choice(families("yes" if yes else "no"))
    words = "".join(text for text, _ in fill(family.expand(state.rng), {"the picture": "the picture"}))
    if not yes:
        return Request("no", words, plans.only(KEPT))
    return Request("yes", words, plans.say("forget_image", {"image": state.image}, "It is forgotten."))
