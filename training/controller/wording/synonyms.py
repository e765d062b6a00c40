"""Words that can stand for each other in a request's frame, whatever it asks for.

Families of phrasing differ in frame; these widen the words inside a frame. Nothing here belongs to one
intent alone except the names of attributes and the verbs that every speaker knows.
"""

from __future__ import annotations

import random

_GROUPS = """
colour color hue tint shade
colours colors hues shades
colored coloured tinted
material substance stuff
shape form
picture image photo photograph pic shot snapshot scene
pictures images photos photographs pics shots
show display present reveal
find locate spot discover detect
locate find pinpoint
see spot notice perceive
count tally enumerate
number count quantity amount
tell inform
say state mention declare
name state give say
give provide hand get
identify determine establish recognise recognize
determine establish ascertain identify
check verify see confirm
verify confirm check
whether if
want need wish
exactly precisely
amount quantity number
total sum
contain hold include have feature
contains holds includes has features
visible present shown seen
present visible
place spot position location
position location place spot
located placed positioned situated
situated located positioned
standing sitting resting lying
cut clip snip
clip cut snip
extract isolate pull lift
isolate extract separate
remove erase delete strip
background backdrop surroundings
outline trace contour
zoom focus
bigger larger greater
closer nearer
look glance peek
inspect examine study
examine inspect study
describe report
list enumerate itemize itemise
kind sort type
made built constructed crafted fashioned
consist comprise
consists comprises
appear occur show
appears occurs
quickly fast
transparent see-through clear
produce make create generate
make create produce
create make produce
calculate compute
compute calculate
compare contrast
answer reply respond
figure work
anywhere somewhere
currently now presently
wondering curious asking
know learn hear
"""


def _table() -> dict[str, tuple[str, ...]]:
    found: dict[str, set[str]] = {}
    for line in _GROUPS.strip().splitlines():
        first, *others = line.split()
        found.setdefault(first, set()).update(others)
        if first in ("colour", "picture", "pictures", "shape"):
            for word in others:
                found.setdefault(word, set()).update({first, *others} - {word})
    return {word: tuple(sorted(others)) for word, others in found.items()}


SYNONYMS = _table()


def swap(word: str, rng: random.Random) -> str:
    """Another word for it, in the same case, or the word itself."""
    core = word.rstrip(",.?!:;")
    others = SYNONYMS.get(core.lower())
    if not others:
        return word
    other = rng.choice(others)
    return (other.capitalize() if core[:1].isupper() else other) + word[len(core) :]
