"""A conversation played again: from its record, or anew with the models, up to the first difference."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ..agent import Agent
from ..chat import Chat


def recorded_turns(chat: Chat) -> list[dict[str, Any]]:
    """The turns of a conversation as they were written down: {said, images, calls, answer}. No model is asked."""
    workspace = chat.workspace
    history = chat.history
    said = [at for at, (who, _) in enumerate(history) if who == "user"]
    turns: list[dict[str, Any]] = []
    for number, (start, end) in enumerate(zip(said, [*said[1:], len(history)], strict=True), 1):
        answers = [text for who, text in history[start:end] if who == "agent"]
        pictures = [workspace.picture(handle) for handle in workspace.handles("picture")]
        given = [one for one in pictures if one.kind == "given" and one.lineage.turn == number]
        calls = [{"tool": call.tool, "arguments": call.arguments, "observation": call.observation, "ok": call.ok}
                 for call in workspace.calls(number)]  # fmt: skip
        turns.append({
            "said": history[start][1], "images": [str(one.path) for one in given], "calls": calls,
            "answer": answers[-1] if answers else "",
        })  # fmt: skip
    return turns


def played_anew(agent: Agent, turns: Sequence[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    """The same words and pictures said again, in a new conversation of an agent; a turn each, as it is answered."""
    chat = agent.chat(user="replay")
    for number, turn in enumerate(turns, 1):
        reply = chat.send(turn["said"], images=list(turn["images"]))
        calls = [{"tool": call.tool, "arguments": call.arguments, "observation": call.observation, "ok": call.ok}
                 for call in chat.workspace.calls(number)]  # fmt: skip
        yield {"said": turn["said"], "images": turn["images"], "calls": calls, "answer": reply.text}


def first_difference(before: Sequence[Mapping[str, Any]], after: Sequence[Mapping[str, Any]]) -> str | None:
    """The first thing in which two plays of a conversation differ, in words; None where they are the same."""
    for number, (one, other) in enumerate(zip(before, after, strict=False), 1):
        for at, (was, now) in enumerate(zip(one["calls"], other["calls"], strict=False), 1):
            for what in ("tool", "arguments", "observation"):
                if was[what] != now[what]:
                    return f"turn {number}, call {at}, {what}: {was[what]!r} then, {now[what]!r} now"
        if len(one["calls"]) != len(other["calls"]):
            return f"turn {number}: {len(one['calls'])} calls then, {len(other['calls'])} now"
        if one["answer"] != other["answer"]:
            return f"turn {number}, answer: {one['answer']!r} then, {other['answer']!r} now"
    return None if len(before) == len(after) else f"{len(before)} turns then, {len(after)} now"
