"""Requests about pictures, each in words and with its plan. What follows on an earlier turn is in `follow_ups`."""

from __future__ import annotations

from . import plans
from .joined import done_then_placed, in_common, look_then, same, two_facets, where_and_color
from .making import edit_thing, edit_whole, paint, undo
from .over_pictures import over_pictures, pictures_together
from .qualities import alike, at_once, bare_not, both_of, but_not, except_has, how_many_pictures, than_else
from .signs import any_words, sign, sign_by, signless, signs, with_sign
from .state import Request, State
from .sums import arithmetic, measured, remaining, share, sums, sums_over_pictures, times_larger
from .things import (
    Draw,
    all_are,
    count,
    different,
    distance,
    do_all,
    doing,
    exist,
    facet_short,
    groups,
    how_many_are,
    is_facet,
    is_ordered,
    larger,
    of_kind,
    ordered_query,
    queries,
    see_then,
    size_query,
    stands,
    two_relations,
    versus,
    what_place,
    where,
    which,
)
from .wholes import (
    backdrop,
    describe,
    everything,
    forget,
    inspect,
    labels,
    open_question,
    read,
    remember,
    search,
    search_like,
)

# How often each is asked for.
REQUESTS: tuple[tuple[Draw, float], ...] = (
    (count, 13), (exist, 12), (which, 9), (what_place, 9), (where, 13), *((draw, 6) for draw in queries),
    (ordered_query, 3), (stands, 5), (same, 4), (larger, 4.5), (versus, 6), (groups, 2.5), (distance, 1.2),
    (is_facet, 5), (how_many_are, 4), (see_then, 2), (look_then, 4), (two_facets, 3), (in_common, 1.5),
    (done_then_placed, 2), (where_and_color, 2.5),
    (facet_short, 3), (at_once, 4), (bare_not, 4), (but_not, 2.5), (both_of, 2), (alike, 2), (than_else, 1.5),
    (how_many_pictures, 1), (except_has, 3), (is_ordered, 3),
    (all_are, 1.5), (two_relations, 3), (size_query, 2), (different, 1.2), (share, 6), (remaining, 4),
    (arithmetic, 1.5), (times_larger, 2.5), (measured, 2.5),
    (sums, 4), (sums_over_pictures, 8), (over_pictures, 6), (pictures_together, 3), (describe, 4),
    (everything, 2),
    (read, 3), (sign, 5), (signs, 1.5), (any_words, 2), (sign_by, 6), (signless, 1), (with_sign, 1.5),
    (of_kind("describe_thing", plans.describe_thing, one=True), 1.5), (backdrop, 1), (labels, 1), (inspect, 1.2),  # pyright: ignore
    (open_question, 3), (search, 2.5), (search_like, 1.5), (remember, 2), (forget, 1.5), (do_all, 3),
    *zip(doing, (14, 5, 3), strict=True), (paint, 9), (edit_thing, 16), (edit_whole, 9), (undo, 0.8),
)  # fmt: skip


def draw_request(state: State) -> Request:
    """A request about the pictures that there are."""
    draws, weights = zip(*REQUESTS, strict=True)
    return state.rng.choices(draws, weights)[0](state)


# What may be one of several requests in a message.
JOINED: tuple[Draw, ...] = (
    count, exist, which, where, *queries, count, exist, read, everything, describe, signs, *doing, sign_by,
    ordered_query, is_facet, larger, what_place, two_facets, versus, remaining, share, is_facet, sign_by,
    where_and_color, how_many_are, stands,
)  # fmt: skip
