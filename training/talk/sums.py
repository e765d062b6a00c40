"""Requests for sums: of numbers in the request, of counts, of counts over pictures."""

from __future__ import annotations

import random
from functools import partial

from ...scenes.language.phrases import SIZE_WORDS
from ...scenes.scene import COLORS, MATERIALS
from ..controller.wording.mentions import ORDINALS, draw_expression
from . import comparing, plans
from .plans import Plan
from .state import Last, Request, State
from .targets import ADJECTIVES, Target, any_plain, draw_target, plain, some_facets, typed
from .things import two_things, versus
from .wording import TYPOS, a_picture, ended, lines, said, worded


def share(state: State) -> Request:
    """What percentage of some things are of a kind."""
    rng = state.rng
    image, named = a_picture(state, front=True)
    whole = plain({}, rng) if rng.random() < 0.65 else plain(some_facets(rng, state.sheet(image)), rng)
    part_facets = {k: v for k, v in some_facets(rng, state.sheet(image)).items() if k not in (whole.facets or {})}
    if not part_facets or "size" in (whole.facets or {}):
        return versus(state)
    part = plain(part_facets, rng)
    words = worded(state, "share", said(part, rng) | said(whole, rng, "2"), own=True)
    if not whole.facets and rng.random() < 0.5:
        words = rng.choice(lines("share_all")).format(x=said(part, rng)["things"] if "shape" in part_facets else
                                                      _quality(part_facets, rng))  # fmt: skip
    both = plain((whole.facets or {}) | part_facets, rng)
    return Request("share", ended(words, named), comparing.share(image, both, whole),
                   Last(image=image, more=partial(_share_again, image, whole)))  # fmt: skip


def _quality(facets: dict[str, str], rng: random.Random) -> str:
    """Facets without a noun: "red", "wooden", "metal", "small"."""
    words = [rng.choice(SIZE_WORDS[value]) if name == "size" else ADJECTIVES.get(value, value)
             for name, value in facets.items()]  # fmt: skip
    return " and ".join(words)


def _share_again(image: str, whole: Target, state: State) -> Request:
    """The share of others among the same: "and what percent is metal"."""
    rng = state.rng
    facets = some_facets(rng, state.sheet(image))
    facets = {k: v for k, v in facets.items() if k not in (whole.facets or {})} or {"material": rng.choice(MATERIALS)}
    facets = facets if "size" not in (whole.facets or {}) else {k: v for k, v in facets.items() if k != "size"}
    part = plain(facets or {"color": rng.choice(tuple(COLORS))}, rng)
    named = said(part, rng)["things"] if "shape" in facets or rng.random() < 0.4 else _quality(part.facets or {}, rng)
    words = rng.choice(lines("share_again")).format(x=named)
    both = plain((whole.facets or {}) | (part.facets or {}), rng)
    return Request("share_again", words, comparing.share(image, both, whole), state.last)


_REMAIN = lines("remain")


def remaining(state: State) -> Request:
    """How many are left without some."""
    rng = state.rng
    image, named = a_picture(state, front=True)
    gone = any_plain(rng, state.sheet(image))
    while "size" in gone.arguments:
        gone = any_plain(rng, state.sheet(image))
    head = rng.choice(("things", "things", "objects", "items"))
    target = Target(head[:-1], head, {"phrase": "everything", "exceptions": [gone.arguments["phrase"]]})
    words = rng.choice(_REMAIN).format(x=f"the {typed(gone.many, rng, TYPOS)}", w=head)
    return Request("remaining", ended(words, named), plans.count(image, target),
                   Last(image=image, more=partial(_remain_again, image, head)))  # fmt: skip


def _remain_again(image: str, head: str, state: State) -> Request:
    """How many are left without others."""
    rng = state.rng
    gone = any_plain(rng, state.sheet(image))
    while "size" in gone.arguments:
        gone = any_plain(rng, state.sheet(image))
    target = Target(head[:-1], head, {"phrase": "everything", "exceptions": [gone.arguments["phrase"]]})
    words = rng.choice(lines("remain_again")).format(x=f"the {typed(gone.many, rng, TYPOS)}")
    return Request("remain_again", words, plans.count(image, target), state.last)


def times_larger(state: State) -> Request:
    """How many times larger, wider or taller one thing is than another; how many times as many some are."""
    rng = state.rng
    image, named = a_picture(state, front=True)
    if rng.random() < 0.4:
        one, two = (plain(some_facets(rng, state.sheet(image)), rng) for _ in range(2))
        a, b = said(one, rng), said(two, rng)
        words = rng.choice(lines("times_as_many")).format(a=a["things"], b=b["things"], b2=b["thing"])
        plan = comparing.counts_summed([image] * 2, [one, two], "{count} / {count2}", "{result}.")
        return Request("sums", ended(words, named), plan, Last())
    one, two = two_things(state, image)
    frame, _, side = rng.choice(lines("times_larger")).partition("|")
    words = frame.format(a=said(one, rng)["the thing"], b=said(two, rng)["the thing"])
    if not side and rng.random() < 0.2:
        words += rng.choice((" by area", ", by area", " in area", "? by area", " (by area)"))
    plan = comparing.times_larger(image, one, two, side or "area")
    return Request("times_larger", ended(words, named), plan, Last())


def measured(state: State) -> Request:
    """How large a thing is in pixels, or what part of the picture it takes up."""
    rng = state.rng
    image, named = a_picture(state, front=True)
    target = draw_target(rng, state.sheet(image), one=True)
    while target.before is not None:
        target = draw_target(rng, state.sheet(image), one=True)
    frame, what = rng.choice(lines("measured")).split("|")

    def make(image: str | list[str], target: Target) -> Plan:
        return comparing.measured(str(image), target, what)

    return Request("measured", ended(frame.format(t=said(target, rng)["the thing"]), named), make(image, target),
                   Last(make, image, target, True))  # fmt: skip


_SUMS = (
    ("multiply the number of {a} by the number of {b}", "{count} * {count2}", 2),
    ("what is the number of {a} times the number of {b}", "{count} * {count2}", 2),
    ("add the number of {a} to the number of {b}", "{count} + {count2}", 2),
    ("{a} plus {b}, how many is that", "{count} + {count2}", 2),
    ("what do you get if you subtract the number of {b} from the number of {a}", "{count} - {count2}", 2),
    ("number of {a} minus number of {b}", "{count} - {count2}", 2),
    ("the mean of the number of {a} and the number of {b}", "mean({count}, {count2})", 2),
    ("what is the average of the counts of {a} and {b}", "mean({count}, {count2})", 2),
    ("what is twice the number of {a}", "{count} * 2", 1), ("double the number of {a}", "{count} * 2", 1),
    ("what's half the number of {a}", "{count} / 2", 1), ("three times the number of {a}", "{count} * 3", 1),
    ("square the number of {a}", "{count} ** 2", 1), ("the number of {a} squared", "{count} ** 2", 1),
    ("if every {o} costs {m} euros, what do all of them cost", "{count} * {m}", 1),
    ("each {o} weighs {m} kilos. how much do they weigh together", "{count} * {m}", 1),
    ("if i add {m} more {a}, how many are there", "{count} + {m}", 1),
    ("suppose {m} more {a} arrive. how many are there then", "{count} + {m}", 1),
    ("i share {m} sweets among the {a}. how many does each get", "{m} / {count}", 1),
    ("how many {a} would {m} such pictures have", "{count} * {m}", 1),
    ("take {m} away from the number of {a}", "{count} - {m}", 1),
    ("what's {m} times the number of {a}", "{count} * {m}", 1),
    ("how many do {a} and {b} make together", "{count} + {count2}", 2),
    ("how many are {a} and {b} when added up", "{count} + {count2}", 2),
    ("{a} and {b} added up", "{count} + {count2}", 2), ("sum of {a} and {b}", "{count} + {count2}", 2),
    ("what's the total of {a} and {b}", "{count} + {count2}", 2),
    ("how many would there be with {m} {a} more", "{count} + {m}", 1),
    ("the {a} pay {m} dollars each. how much is that", "{count} * {m}", 1),
    ("how many {a} are missing to make {m}", "{m} - {count}", 1),
    ("how many more {a} would i need to have {m}", "{m} - {count}", 1),
    ("{m} percent of the number of {a}, please", "{m} / 100 * {count}", 1),
    ("how many {a} are there for each {b}", "{count} / {count2}", 2),
    ("the ratio of {a} to {b}", "{count} / {count2}", 2),
    ("how many times does the number of {b} go into the number of {a}", "{count} / {count2}", 2),
    ("if half of the {a} leave, how many stay", "{count} / 2", 1), ("a third of the {a} is how many", "{count} / 3", 1),
    ("what if there were twice as many {a}", "{count} * 2", 1),
    ("how many {a} make {m} percent of them", "{m} / 100 * {count}", 1),
    ("{m} people share the {a} equally. how many does each get", "{count} / {m}", 1),
    ("every {o} has {m} spots. how many spots are that in all", "{count} * {m}", 1),
    ("{a} times {b}", "{count} * {count2}", 2), ("{a} minus {b}", "{count} - {count2}", 2),
    ("how many more {a} than {b}, doubled", "({count} - {count2}) * 2", 2),
)  # fmt: skip


def sums(state: State) -> Request:
    """A sum over counts, with numbers of the request's own now and then."""
    rng = state.rng
    image, named = a_picture(state, front=True)
    frame, expression, number = rng.choice(_SUMS)
    targets = [plain(some_facets(rng, state.sheet(image)), rng) for _ in range(number)]
    slots = [said(target, rng) for target in targets]
    amount = str(rng.randrange(4, 60))
    words = frame.format(a=slots[0]["things"], o=slots[0]["thing"], b=slots[-1]["things"], m=amount)
    plan = comparing.counts_summed([image] * number, targets, expression.replace("{m}", amount), "{result}.")
    return Request("sums", ended(words, named), plan)


_OVER = {key: lines(f"{key}_over") for key in ("mean", "difference")}


def sums_over_pictures(state: State) -> Request:
    """Sums, averages and differences over pictures."""
    rng = state.rng
    images = state.given[-2:] if len(state.given) > 3 else list(state.given)
    if len(images) < 2:
        return sums(state)
    target = any_plain(rng, state.sheet(images[0])) if rng.random() < 0.7 else plain({}, rng)
    slots = said(target, rng)
    draw = rng.random()
    if draw < 0.25 and len(images) == 2:
        words = rng.choice(_OVER["difference"]).format(a=slots["things"])
        return Request("sums", words, comparing.grouped(images, target, "picture", "difference"), Last())
    if draw < 0.5:
        words = rng.choice(_OVER["mean"]).format(a=slots["things"])
        return Request("sums", words, _mean(images, target), Last())
    if draw < 0.75:
        words = rng.choice(lines("add_up")).format(a=slots["things"])
        return Request("sums", words, plans.count(images, target), Last(more=partial(_average, images, target)))
    return _across(state)


def _mean(images: list[str], target: Target) -> Plan:
    return comparing.grouped(images, target, "picture", "mean")


def _average(images: list[str], target: Target, state: State) -> Request:
    return Request("average", state.rng.choice(lines("average")), _mean(images, target), state.last)


def _across(state: State) -> Request:
    """Some of one picture and others of another, added up or compared."""
    rng = state.rng
    first, second = rng.sample(range(min(4, len(state.given))), 2)
    images = [state.given[first], state.given[second]]
    one = any_plain(rng, state.sheet(images[0]))
    two = one if rng.random() < 0.5 else any_plain(rng, state.sheet(images[1]))
    less = rng.random() < 0.4
    ways = [(image, f"the {ORDINALS[at]} {rng.choice(('picture', 'one', 'image'))}", f"the {ORDINALS[at]}")
            for image, at in zip(images, (first, second), strict=True)]  # fmt: skip
    p, q = (rng.choice(way) for way in ways)
    words = rng.choice(lines("across_less" if less else "across"))
    words = words.format(a=said(one, rng)["things"], b=said(two, rng)["things"], p=p, q=q)
    plan = comparing.counts_summed(images, [one, two], f"{{count}} {'-' if less else '+'} {{count2}}", "{result}.")
    return Request("across", words, plan, Last())


def arithmetic(state: State) -> Request:
    """A sum of the request's own numbers."""
    surface, expression = draw_expression(state.rng)
    if state.rng.random() < 0.2:
        number, part = state.rng.randrange(2, 900), state.rng.randrange(2, 99)
        ways = ((f"what is {part} percent of {number}", f"{part} / 100 * {number}"),
                (f"what's {part}% of {number}", f"{part} / 100 * {number}"),
                (f"square root of {number}", f"sqrt({number})"), (f"{number} squared", f"{number} ** 2"),
                (f"the average of {part} and {number}", f"mean({part}, {number})"))  # fmt: skip
        words, expression = state.rng.choice(ways)
    else:
        words = worded(state, "arithmetic", {"expression": surface})
    return Request("arithmetic", words, plans.say("calculate", {"expression": expression}, "{result}."), frame=False)
