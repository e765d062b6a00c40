"""Requests for sums: of numbers in the request, of counts, of counts over pictures."""

from __future__ import annotations

from ..controller.wording.mentions import draw_expression
from . import comparing, plans
from .state import Last, Request, State
from .targets import Target, any_plain, plain, some_facets, typed
from .things import versus
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
    both = plain((whole.facets or {}) | part_facets, rng)
    return Request("share", ended(words, named), comparing.share(image, both, whole))


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
    return Request("remaining", ended(words, named), plans.count(image, target), Last(plans.count, image, target))


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
    """Averages and differences over pictures."""
    rng = state.rng
    images = state.given[-2:]
    if len(images) < 2:
        return sums(state)
    what = rng.choice(tuple(_OVER))
    frame = rng.choice(_OVER[what])
    target = plain(some_facets(rng, state.sheet(images[0])), rng)
    words = frame.format(a=said(target, rng)["things"])
    if what == "difference":
        return Request("sums", words, comparing.grouped(images, target, "picture", "difference"))
    images = state.given if len(state.given) <= 3 else images
    expression = f"mean({', '.join(plans.n('count', at + 1) for at in range(len(images)))})"
    return Request("sums", words, comparing.counts_summed(images, [target] * len(images), expression, "{result}."))


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
