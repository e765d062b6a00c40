"""The tool that finds what was seen before: `search_memory`."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal

from pydantic import Field

from ...errors import ToolRetry
from ...memory.records import Region
from ..contracts import AnyHandle, Phrase, Recalled, Recorded, Tool, ToolArguments, ToolContext, ToolResult
from ..shared.consent import memory_of
from ..shared.quoting import quoted

DAYS = {"today": 0, "week": 7, "month": 31}
NAME_SHOWN = 60  # characters of a file's name


class SearchMemoryArguments(ToolArguments):
    """What to look for: words, a picture or region that it is like, or both."""

    words: Phrase | None = None
    image: AnyHandle | None = None
    k: Annotated[int, Field(ge=1, le=10)] = 5
    when: Literal["any", "today", "week", "month"] = "any"
    kind: Literal["any", "picture", "region"] = "any"


class SearchMemory(Tool[SearchMemoryArguments]):
    """Pictures and regions that the user showed before, in this conversation or an earlier one."""

    name = "search_memory"
    rank = 110
    Arguments = SearchMemoryArguments
    roles = ("clip",)

    def run(self, arguments: SearchMemoryArguments, context: ToolContext) -> ToolResult:
        """Ask the user's memory.

        Raises:
            ToolRetry: neither words nor an image, or no such handle.
            ExpertFailed: there is no memory here, or CLIP cannot be asked.
        """
        words = " ".join(arguments.words.split()) if arguments.words else ""
        if not words and arguments.image is None:
            raise ToolRetry(
                "Give `words`, an `image`, or both: search_memory needs something to look for.", kind="bad_arguments"
            )
        view = None if arguments.image is None else context.view(arguments.image)
        hits = memory_of(context).recall(
            words or None, view, k=arguments.k, since=begin_of(arguments.when), kind=arguments.kind
        )
        facts = {"words": words, "image": arguments.image, "hits": [_fact(hit) for hit in hits]}
        return ToolResult(recalled=hits, facts=facts)

    def observe(self, arguments: SearchMemoryArguments, recorded: Recorded) -> str:
        """How many there are, and each with its handle, when it was seen, and how well it fits."""
        facts = recorded.facts
        wanted = f" for {quoted(facts['words'])}" if facts["words"] else ""
        alike = f" like {facts['image']}" if facts["image"] else ""
        found = [_hit_text(one, fact) for one, fact in zip(recorded.recalled, facts["hits"], strict=True)]
        if not found:
            return (
                f"Nothing{wanted}{alike} in memory." if alike else f"Nothing like {quoted(facts['words'])} in memory."
            )
        return f"{len(found)} found in memory{wanted}{alike}: {'; '.join(found)}"

    def references(self, recorded: Recorded) -> dict[str, str]:
        """How many there are, their handles, and each with the day when it was seen."""
        found = recorded.recalled
        if not found:
            return {"count": "0"}
        told = [_hit_text(one, fact) for one, fact in zip(found, recorded.facts["hits"], strict=True)]
        return {
            "count": str(len(found)),
            "found": ", ".join(str(one.handle) for one in found),
            "hits": "; ".join(hit.rpartition(", ")[0] for hit in told),
        }


def begin_of(when: str, now: datetime | None = None) -> datetime | None:
    """From when on, for "today" (this day's first moment, local time), "week" and "month"; None for "any"."""
    if when == "any":
        return None
    local = (now or datetime.now(UTC)).astimezone()
    midnight = local.replace(hour=0, minute=0, second=0, microsecond=0)
    return (midnight - timedelta(days=DAYS[when])).astimezone(UTC)


def _fact(hit: Recalled) -> dict[str, Any]:
    return {
        "seen": hit.seen.astimezone().date().isoformat(),
        "source": None if hit.source is None or hit.is_region else hit.source.replace("\\", "/").rpartition("/")[2],
        "score": round(float(hit.score), 4),
        "quoted": hit.quoted,
    }


def _hit_text(one: Any, fact: dict[str, Any]) -> str:
    """One hit: `img_2 (seen 2026-11-20, "table.png"), 0.91` or `reg_4 green cone in img_3 (seen 2026-11-14), 0.88`."""
    if isinstance(one, Region):
        label = quoted(one.label) if fact["quoted"] else one.label
        return f"{one.handle} {label} in {one.image} (seen {fact['seen']}), {fact['score']:.2f}"
    name = "" if fact["source"] is None else f", {quoted(fact['source'], NAME_SHOWN)}"
    return f"{one.handle} (seen {fact['seen']}{name}), {fact['score']:.2f}"
