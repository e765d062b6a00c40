"""What was chosen, in words: the observation with places and boxes, a brief one, and what answers may refer to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ...memory.records import Box, Region
from ..contracts import RegionDraft, ToolResult
from .choosing import Choice, Chosen, Outcome
from .finding import EVERYTHING, clean
from .geometry import box_text, position, size_text

MOST_BRIEF = 12  # things that the brief observation names


@dataclass(frozen=True)
class Row:
    """A thing that was kept, with its handle. `size` is its picture's, (width, height) px."""

    handle: str
    label: str
    box: Box
    score: float | None
    image: str
    size: tuple[int, int]
    values: dict[str, str]
    known: dict[str, str]
    so: bool | None = None


def choice_result(outcome: Outcome, phrase: str, choice: Choice, looked: Sequence[str]) -> ToolResult:
    """The drafts of what is new, and the facts that the texts below are made from (JSON values only).

    Args:
        outcome: what was chosen.
        phrase: what was asked for.
        choice: how.
        looked: the handles that were looked at.
    """
    everything = [*outcome.chosen, *outcome.anchors]
    drafts = [RegionDraft(one.look.picture.id, one.box, one.label, one.score) for one in everything if not one.handle]
    looks = {one.look.handle: one.look for one in everything}
    facts: dict[str, Any] = {
        "phrase": clean(phrase),
        "choice": choice.model_dump(mode="json", exclude_defaults=True, include=set(Choice.model_fields)),
        "looked": list(looked),
        "total": outcome.total,
        "chosen": [_kept(one) for one in outcome.chosen],
        "anchors": [_kept(one) for one in outcome.anchors],
        "missing": outcome.missing,
    }
    if len(looks) == 1 or len(looked) == 1:
        facts["image"] = next((str(look.picture.handle) for look in looks.values()), None)
    return ToolResult(regions=drafts, facts=facts)


def _kept(one: Chosen) -> dict[str, Any]:
    picture = one.look.picture
    return {"handle": one.handle, "label": one.label, "box": list(one.box), "score": one.score,
            "image": picture.handle, "size": list(picture.size), "values": one.values, "known": one.known,
            "so": one.so}  # fmt: skip


def rows_of(facts: dict[str, Any], regions: Sequence[Region]) -> tuple[list[Row], list[Row]]:
    """What was kept and the anchors, each with its handle: its own, or that of the region recorded for it."""
    new = iter(regions)

    def row(one: dict[str, Any]) -> Row:
        region = None if one["handle"] else next(new)
        box = tuple(one["box"]) if region is None else region.box
        handle = one["handle"] if region is None else str(region.handle)
        return Row(handle, one["label"], box, one["score"], one["image"], tuple(one["size"]), one["values"],
                   one.get("known", {}), one.get("so"))  # fmt: skip

    return [row(one) for one in facts["chosen"]], [row(one) for one in facts["anchors"]]


def choice_text(facts: dict[str, Any], regions: Sequence[Region], places: Sequence[str], verb: str) -> str:
    """The observation: how many, where one looked, how it was chosen, and each with place, box and score.

    Args:
        facts: of `choice_result`.
        regions: those that were recorded.
        places: what was looked at, in words, as "img_1 (512 x 512 px)".
        verb: "found" or "kept".
    """
    rows, anchors = rows_of(facts, regions)
    where = f"in {', '.join(places)}"
    asked = _asked(facts, anchors)
    if not rows:
        lacking = f": there is no {_quoted(facts['missing'], ' and no ')} there" if facts["missing"] else ""
        return f"Nothing {verb} {where}{asked}{lacking}."
    several = len({row.image for row in rows}) > 1 or len(places) > 1
    listed = "; ".join(_row_text(row, several) for row in rows)
    return f"{_count(facts, rows)} {verb} {where}{asked}: {listed}{_summary(facts, rows)}"


def brief_text(facts: dict[str, Any], regions: Sequence[Region]) -> str:
    """The same without coordinates and scores, for a controller whose answers refer to observations."""
    rows, anchors = rows_of(facts, regions)
    if not rows:
        return f"nothing found, no {' and no '.join(facts['missing'])}" if facts["missing"] else "nothing found"
    several = len(facts["looked"]) > 1
    listed = "; ".join(
        " ".join([*([row.image] if several else []), row.handle, ", ".join([row.label, *_values(row)])])
        for row in rows[:MOST_BRIEF]
    )
    more = "; ..." if len(rows) > MOST_BRIEF else ""
    relation = facts["choice"].get("relation")
    to = f" {relation} {' and '.join(f'{row.handle} {row.label}' for row in anchors)}" if relation and anchors else ""
    return f"{_count(facts, rows)} found{to}: {listed}{more}{_summary(facts, rows)}"


def choice_references(facts: dict[str, Any], regions: Sequence[Region]) -> dict[str, str]:
    """What an answer may refer to, by name: count, regions, label, place, box, what was told, groups, most ..."""
    rows, anchors = rows_of(facts, regions)
    refs = {"count": str(len(rows)), "total": str(facts["total"])}
    if anchors:
        refs["anchor"] = ", ".join(row.handle for row in anchors)
    if not rows:
        return refs
    refs |= {
        "regions": ", ".join(row.handle for row in rows),
        "label": rows[0].label,
        "place": position(rows[0].box, rows[0].size),
        "box": box_text(rows[0].box),
        **_measures(rows[0]),
        "list": "; ".join(f"{row.label} ({row.handle})" for row in rows),
        "places": "; ".join(f"{row.label}: {position(row.box, row.size)} ({row.handle})" for row in rows),
    }
    for facet in rows[0].known | rows[0].values:
        refs[facet] = _joined(list(dict.fromkeys((row.known | row.values).get(facet, "") for row in rows)))
    if len(rows) > 1 and any(row.values for row in rows):
        refs["each"] = "; ".join(f"{row.label} ({row.handle}): {', '.join(row.values.values())}" for row in rows)
    counts = _groups(facts, rows)
    if facts["choice"].get("are"):
        those = [row.handle for row in rows if row.so]
        refs |= {"so": str(len(those)), "those": ", ".join(those) or "none"}
    if counts:
        refs["groups"] = ", ".join(f"{name}: {count}" for name, count in counts)
        refs["most"], refs["fewest"] = counts[0][0], counts[-1][0]
        refs["difference"] = str(counts[0][1] - counts[-1][1])
        refs["different"] = str(sum(count > 0 for _, count in counts))
        refs["mean"] = f"{len(rows) / len(counts):.4g}"  # a group; pictures and phrases without any count
    return refs | _verdicts(facts, rows, dict(counts))


def _measures(row: Row) -> dict[str, str]:
    """How large a thing is: its box's sides in pixels, their product, and its part of the picture in percent."""
    x0, y0, x1, y1 = (round(value) for value in row.box)
    area = (x1 - x0) * (y1 - y0)
    return {
        "width": str(x1 - x0),
        "height": str(y1 - y0),
        "area": str(area),
        "share": f"{100 * area / (row.size[0] * row.size[1]):.1f}",
    }


def _verdicts(facts: dict[str, Any], rows: Sequence[Row], counts: Mapping[str, int]) -> dict[str, str]:
    """Yes or No to what can be computed.

    Of two groups, in the order in which they were asked for: "more", "fewer", "equal". Where something was told of
    several things: "same", "differ". Where something was asked of things: "are" all so, are "mostly" so.
    """
    verdicts: dict[str, bool] = {}
    if facts["choice"].get("are"):
        so = sum(bool(row.so) for row in rows)
        verdicts = {"are": so == len(rows), "mostly": 2 * so > len(rows)}
    names = _asked_groups(facts)
    if len(names) == 2 and counts:
        one, two = (counts[name] for name in names)
        verdicts |= {"more": one > two, "fewer": one < two, "equal": one == two}
    told = [facet for facet in facts["choice"].get("tell", []) if facet != "distance"]
    if told and len(rows) > 1:
        same = all(len({row.values.get(facet) for row in rows}) == 1 for facet in told)
        verdicts |= {"same": same, "differ": not same}
    return {name: "Yes" if true else "No" for name, true in verdicts.items()}


def _asked_groups(facts: dict[str, Any]) -> list[str]:
    """The names of groups that were asked for, in their order: phrases, or pictures; else nothing."""
    known = {"phrase": [facts["phrase"], *facts["choice"].get("alternatives", [])], "picture": facts["looked"]}
    return list(dict.fromkeys(known.get(facts["choice"].get("count_by"), ())))


def _asked(facts: dict[str, Any], anchors: Sequence[Row]) -> str:
    """What was asked for, as the end of "2 found in img_1"."""
    choice = facts["choice"]
    phrases = [facts["phrase"], *choice.get("alternatives", [])]
    plain = [phrase for phrase in phrases if phrase.lower() != EVERYTHING]
    wanted = f" for {_quoted(plain, ' or ')}" if plain else ""
    if choice.get("exceptions"):
        wanted += f", but not {_quoted(choice['exceptions'], ' nor ')}"
    if "size" in choice:
        wanted += f", {choice['size']} only"
    if "relation" in choice:
        ends = [choice["anchor"], *([choice["anchor2"]] if choice.get("anchor2") else [])]
        known = [f"{row.handle} {row.label}, {position(row.box, row.size)}, {box_text(row.box)}" for row in anchors]
        wanted += f", {choice['relation']} {' and '.join(known) if known else _quoted(ends, ' and ')}"
    if choice.get("order", "score") != "score" and facts["chosen"]:
        wanted += f", {choice['order']} first" if "rank" not in choice else f", number {choice['rank']} {_from(choice)}"
    return wanted


def _from(choice: dict[str, Any]) -> str:
    return f"by {choice['order']}"


def _quoted(phrases: Sequence[str], between: str) -> str:
    return between.join(f'"{phrase}"' for phrase in phrases)


def _count(facts: dict[str, Any], rows: Sequence[Row]) -> str:
    return f"{len(rows)}" if facts["total"] == len(rows) else f"{len(rows)} of {facts['total']}"


def _row_text(row: Row, several: bool) -> str:
    score = [] if row.score is None else [f"{row.score:.2f}"]
    place = f"{position(row.box, row.size)} of {row.image}" if several else position(row.box, row.size)
    return ", ".join([f"{row.handle} {row.label}", place, box_text(row.box), *score, *_values(row)])


def _values(row: Row) -> list[str]:
    return [f"{facet} {value}" for facet, value in row.values.items() if facet not in ("phrase", "picture")]


def _groups(facts: dict[str, Any], rows: Sequence[Row]) -> list[tuple[str, int]]:
    """How many of each, the most frequent first; of words and pictures those that nothing fits, too."""
    by = facts["choice"].get("count_by")
    if by is None:
        return []
    counts = Counter(dict.fromkeys(_asked_groups(facts), 0))
    counts.update(row.values[by] for row in rows)
    return counts.most_common()


def _summary(facts: dict[str, Any], rows: Sequence[Row]) -> str:
    """What the things come to together: counts by group, and whether what was told of them is the same."""
    counts = _groups(facts, rows)
    text = ""
    if counts:
        text += f". By {facts['choice']['count_by']}: {', '.join(f'{name} {count}' for name, count in counts)}"
        if len(counts) > 1:
            tied = counts[0][1] == counts[1][1]
            text += "; equal" if counts[0][1] == counts[-1][1] else f"; most: {'a tie' if tied else counts[0][0]}"
    if len(rows) > 1:
        for facet in facts["choice"].get("tell", []):
            values = {row.values.get(facet) for row in rows}
            if facet != "distance":
                text += f". Same {facet}: {'yes' if len(values) == 1 else 'no'}"
    asked = facts["choice"].get("are")
    if asked:
        so = [row.handle for row in rows if row.so]
        told = "yes" if len(so) == len(rows) else f"{len(so)} of {len(rows)}, {', '.join(so)}" if so else "no"
        text += f". {asked}: {told}"
    return text


def _joined(values: Sequence[str]) -> str:
    return values[0] if len(values) == 1 else f"{', '.join(values[:-1])} and {values[-1]}"


def place_text(handle: str, image: str, size: Sequence[int]) -> str:
    """What was looked at: "img_1 (512 x 512 px)", or "reg_1 (in img_1, 512 x 512 px)"."""
    inside = "" if handle == image else f"in {image}, "
    return f"{handle} ({inside}{size_text(size)})"
