"""What is done about an answer that nothing bears out: the controller is asked once more, then the answer is marked."""

from __future__ import annotations

from collections.abc import Sequence

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, ToolMessage

from ..messages import turn_start
from ..status import ENDED
from .check import Problem

NOT_LOOKED = "I have not looked at the picture, so I cannot say. Please ask again, and name what I should look for."
NO_WORDS = "I could not put it into words. What I observed: {told}"
NOTHING = "I did not understand that. Please ask in other words, as in: How many red cubes are there?"
CHECK = "(Check of your answer)"  # with which a complaint begins
MARK = "(Not borne out by what I observed: {what}.)"


def complaint(found: Sequence[Problem]) -> HumanMessage:
    """What the controller is told of its answer; it is not kept in the conversation."""
    if found[0].kind == "no_look":
        text = "You have not looked at the picture yet. Do not answer now: call a tool that looks."
    elif found[0].kind == "failure":
        text = "The tool failed, and your answer does not say so. Say what could not be done, and why."
    elif found[0].kind == "babble":
        text = "Your answer repeated itself. Answer once more, in one plain sentence."
    else:
        text = (
            f"Your answer says {_listed(found)}, which stands neither in my request nor in a tool's result. Answer "
            f"once more with what the results say, or call a tool."
        )
    return HumanMessage(content=f"{CHECK} {text}")


def unchecked(messages: Sequence[BaseMessage]) -> list[BaseMessage]:
    """The messages without complaints and the answers that they are about, for one that does not listen to them."""
    about = {at for at, one in enumerate(messages) if isinstance(one, HumanMessage) and one.text.startswith(CHECK)}
    return [one for at, one in enumerate(messages) if at not in about and at + 1 not in about]


def marked(answer: AIMessage, found: Sequence[Problem], messages: Sequence[BaseMessage]) -> AIMessage:
    """The answer as a person gets it when asking again did not mend it."""
    kind = found[0].kind
    if kind == "failure":
        return AIMessage(content=f"I cannot do that: {found[0].what}", id=answer.id)
    if kind not in ("no_look", "babble"):
        text = f"{answer.text.rstrip()} {MARK.format(what=_listed(found))}"
        return AIMessage(content=text, id=answer.id, additional_kwargs=answer.additional_kwargs)
    turn = messages[turn_start(messages) :]
    told = [message.text for message in turn if isinstance(message, ToolMessage) and message.status != "error"]
    text = NOT_LOOKED if kind == "no_look" else NO_WORDS.format(told=told[-1]) if told else NOTHING
    return AIMessage(content=text, id=answer.id, additional_kwargs={ENDED: kind})


def _listed(found: Sequence[Problem]) -> str:
    return ", ".join(f'"{one.what}"' if one.kind == "quotation" else one.what for one in found[:4])
