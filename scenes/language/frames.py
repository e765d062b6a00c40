"""Sentence frames for questions: intent -> family -> frames. A family shares its head verb and its build.

Those that are written here are the core; `wordings` adds many more to train with, and those that are held out.

Slots: {things} "red cubes", {a} "a red cube", {the} "the red cube"; {other} and {others} are the second side of a
comparison; {facet} is a word for what is asked. No question in training is ever worded by one of HELD_OUT.
"""

from __future__ import annotations

from .wordings import Families, frames_of, held_out_of, widened

Frames = dict[str, Families]

FACET_WORDS = {
    "color": ("colour", "color", "hue"),
    "material": ("material", "kind of material"),
    "shape": ("shape", "form"),
    "size": ("size",),
}

# Families that ask for any facet of one thing.
_FACET_FRAMES: dict[str, tuple[str, ...]] = {
    "what is": ("What {facet} is {the}?", "Which {facet} is {the}?", "{the} is what {facet}?"),
    "the of": ("What is the {facet} of {the}?", "What's the {facet} of {the}?"),
    "tell": ("Tell me the {facet} of {the}.", "Tell me what {facet} {the} is.", "Say what {facet} {the} is."),
    "have": ("What {facet} does {the} have?", "Which {facet} does {the} have?"),
    "can you": ("Can you tell me the {facet} of {the}?", "Can you say what {facet} {the} is?"),
    "know": ("I want to know the {facet} of {the}.", "I'd like to know what {facet} {the} is."),
    "name": ("Name the {facet} of {the}.", "Give the {facet} of {the}."),
    "there is": ("There is {a}; what {facet} is it?", "There is {a}. What is its {facet}?"),
    "look": ("Look at {the}: what {facet} is it?", "Look for {the} and give me its {facet}."),
    "identify": ("Identify the {facet} of {the}.", "Determine what {facet} {the} is."),
    "would": ("What {facet} would you say {the} is?", "What would you call the {facet} of {the}?"),
    "considering": ("As for {the}, what {facet} is it?", "Concerning {the}: which {facet}?"),
    "colon": ("{the}: what {facet}?", "{the}, which {facet} is that?"),
    "need": ("I need the {facet} of {the}.", "I need to know what {facet} {the} is."),
    "do you know": ("Do you know the {facet} of {the}?", "Do you know what {facet} {the} is?"),
    "noun": ("The {facet} of {the}?", "The {facet} of {the}, please."),
    "describe": ("Describe the {facet} of {the}.",),
    "find": ("Find {the} and tell me its {facet}.", "Find {the}. What is its {facet}?"),
    "check": ("Check what {facet} {the} is.", "Check the {facet} of {the}."),
    "wonder": ("I wonder what {facet} {the} is.", "I was wondering about the {facet} of {the}."),
    "seem": ("What {facet} does {the} seem to be?", "{the} seems to be what {facet}?"),
}

_CORE: Frames = {
    "count": {
        "how many are": ("How many {things} are there?", "How many {things} are in the picture?"),
        "how many see": ("How many {things} can you see?", "How many {things} do you see here?"),
        "number": ("What number of {things} are there?", "What is the number of {things}?"),
        "count": ("Count the {things}.", "Count all {things}, please.", "Please count the {things} in this picture."),
        "tell": ("Tell me how many {things} there are.", "Tell me the number of {things}."),
        "there are": ("There are how many {things}?", "In this picture there are how many {things}?"),
        "can you": ("Can you count the {things}?", "Can you tell me how many {things} there are?"),
        "know": ("I want to know how many {things} there are.", "I'd like to know the number of {things}."),
        "have": ("How many {things} do we have?", "How many {things} does the picture have?"),
        "show": ("How many {things} does the image show?", "How many {things} are shown?"),
        "amount": ("Give the count of {things}.", "Work out the total of {things}."),
        "appear": ("How many {things} appear here?", "In total, how many {things} appear?"),
        "find": ("How many {things} could one find in this scene?", "If you look around, how many {things} turn up?"),
        "colon": ("{things}: how many?", "{things}, how many of them are there?"),
        "do you know": ("Do you know how many {things} there are?",),
        "need": ("I need the number of {things}.", "I need to know how many {things} there are."),
        "exactly": ("Exactly how many {things} are there?", "Just how many {things} are in there?"),
        "stand": ("How many {things} stand here?", "How many {things} are standing in the picture?"),
        "contain": ("How many {things} does the image contain?", "How many {things} are contained in this picture?"),
        "wonder": ("I wonder how many {things} there are.", "I was wondering how many {things} are in here."),
        "noun": ("The number of {things}?", "The number of {things}, please."),
        "get": ("Counting {things}, how many do you get?", "How many do you get if you count {things}?"),
    },
    "exist": {
        "is there": ("Is there {a}?", "Is there {a} in the picture?"),
        "are there": ("Are there any {things}?", "Are there any {things} here?"),
        "see": ("Do you see {a}?", "Can you see any {things}?"),
        "contain": ("Does the picture contain {a}?", "Does the image contain any {things}?"),
        "tell": ("Tell me whether there is {a}.", "Tell me if there are any {things}."),
        "have": ("Do we have {a} here?", "Does this scene have any {things}?"),
        "check": ("Check whether there is {a}.", "Check if there are {things}."),
        "know": ("I want to know if there is {a}.", "I'd like to know whether there are any {things}."),
        "find": ("Can {a} be found in the picture?", "Could I find any {things} here?"),
        "visible": ("Is {a} visible?", "Are any {things} visible?"),
        "exist": ("Does {a} exist in the picture?", "Do any {things} exist here?"),
        "right": ("There is {a} here, right?", "There are {things} in the picture, right?"),
        "include": ("Does the picture include {a}?", "Does the image include any {things}?"),
        "spot": ("Do you spot {a}?", "Can you spot any {things}?"),
        "wonder": ("I wonder if there is {a}.", "I wonder whether there are any {things}."),
        "true": ("Is it true that there is {a}?", "Is it true that there are {things} here?"),
        "any": ("Any {things}?", "Any {things} in the picture?"),
        "present": ("Is {a} present?", "Are any {things} present?"),
        "show": ("Does the picture show {a}?", "Are any {things} shown?"),
    },
    "place": {
        "where": ("Where is {the}?", "Where's {the}?", "Where in the picture is {the}?"),
        "part": ("In which part of the picture is {the}?", "What part of the image holds {the}?"),
        "tell": ("Tell me where {the} is.", "Say where {the} is."),
        "find": ("Where can I find {the}?", "Where do I find {the}?"),
        "located": ("Where is {the} located?", "Where does {the} lie?"),
        "know": ("I want to know where {the} is.", "I'd like to know the place of {the}."),
        "position": ("What is the position of {the}?", "Give the position of {the}."),
        "whereabouts": ("Whereabouts is {the}?", "Point me to {the}: where is it?"),
        "look": ("Where should I look for {the}?", "Where must one look to see {the}?"),
        "can you": ("Can you tell me where {the} is?", "Can you say where {the} is?"),
        "wonder": ("I wonder where {the} is.", "I was wondering where {the} is."),
        "noun": ("The place of {the}?", "The place of {the}, please."),
        "stand": ("Where does {the} stand?", "Where is {the} standing?"),
        "put": ("Where was {the} put?", "Where has {the} been put?"),
        "colon": ("{the}: where?", "{the}, where is it?"),
    },
    "color": _FACET_FRAMES,
    "material": _FACET_FRAMES
    | {
        "made of": ("What is {the} made of?", "What's {the} made from?", "{the} is made of what?"),
        "consist": ("What does {the} consist of?", "Of what is {the} made?"),
        "built": ("What is {the} built from?", "From what is {the} built?"),
        "stuff": ("What stuff is {the}?", "What stuff is {the} made of?"),
    },
    "shape": _FACET_FRAMES
    | {
        "what thing": ("What is {the}?", "What sort of object is {the}?"),
        "kind": ("What kind of thing is {the}?", "Which kind of object is {the}?"),
        "really": ("What is {the} really?", "{the} is what?"),
    },
    "size": _FACET_FRAMES
    | {
        "how big": ("How big is {the}?", "How large is {the}?"),
        "or": ("Is {the} small or large?", "Is {the} big or small?", "Would one call {the} large or small?"),
    },
    "read": {
        "say": ("What does the sign beside {the} say?", "What does the sign by {the} say?"),
        "word": ("What word is beside {the}?", "Which word is on the sign of {the}?"),
        "read": ("Read the sign beside {the}.", "Read me the word next to {the}."),
        "written": ("What is written beside {the}?", "What is written on the sign of {the}?"),
        "tell": ("Tell me the word beside {the}.", "Tell me what the sign near {the} says."),
        "spell": ("What does the text near {the} spell?", "Spell out the sign beside {the}."),
        "letters": ("Which letters stand on the sign by {the}?", "What letters are next to {the}?"),
        "make out": ("Can you make out the word by {the}?", "Can you read the sign beside {the}?"),
        "there is": ("There is a sign by {the}; what does it say?",),
        "name": ("Name the word beside {the}.", "Give me the word on the sign by {the}."),
    },
    "same": {
        "same as": (
            "Is {the} the same {facet} as {other}?",
            "Is the {facet} of {the} the same as the {facet} of {other}?",
        ),
        "do have": ("Do {the} and {other} have the same {facet}?", "Does {the} have the same {facet} as {other}?"),
        "are": ("Are {the} and {other} the same {facet}?", "Are {the} and {other} of the same {facet}?"),
        "tell": ("Tell me whether {the} and {other} have the same {facet}.",),
        "match": ("Does the {facet} of {the} match that of {other}?", "Do {the} and {other} match in {facet}?"),
        "share": ("Do {the} and {other} share their {facet}?", "Is their {facet} shared by {the} and {other}?"),
        "equal": ("Is {the} equal in {facet} to {other}?", "Compare {the} with {other}: one {facet}?"),
        "true": ("Is it true that {the} has the same {facet} as {other}?",),
        "check": ("Check whether {the} and {other} have the same {facet}.",),
        "alike": ("Are {the} and {other} alike in {facet}?", "Is {the} like {other} in {facet}?"),
        "identical": ("Is the {facet} of {the} identical to that of {other}?",),
        "agree": ("Do {the} and {other} agree in {facet}?", "Does the {facet} of {the} agree with that of {other}?"),
        "colon": ("{the} and {other}: same {facet}?", "{the} and {other}, is their {facet} the same?"),
        "know": ("I want to know if {the} has the same {facet} as {other}.",),
        "come": ("Do {the} and {other} come in the same {facet}?",),
    },
    "equal": {
        "as many": ("Are there as many {things} as {others}?", "Are there exactly as many {things} as {others}?"),
        "same number": (
            "Is the number of {things} the same as the number of {others}?",
            "Are there the same number of {things} and {others}?",
        ),
        "equal": ("Are there an equal number of {things} and {others}?",),
        "tell": ("Tell me whether there are as many {things} as {others}.",),
        "match": ("Does the count of {things} match the count of {others}?",),
        "see": ("Do you see as many {things} as {others}?",),
        "true": ("Is it true that there are as many {things} as {others}?",),
        "check": ("Check whether there are as many {things} as {others}.",),
        "have": ("Do we have as many {things} as {others}?", "Does the picture have as many {things} as {others}?"),
        "equally": ("Are {things} and {others} equally many?", "Are {things} and {others} equal in number?"),
        "agree": ("Do the numbers of {things} and {others} agree?",),
        "colon": ("{things} and {others}: the same number of both?",),
        "know": ("I want to know if there are as many {things} as {others}.",),
    },
    "more": {
        "are more": ("Are there more {things} than {others}?", "Are there more {things} here than {others}?"),
        "greater": ("Is the number of {things} greater than the number of {others}?",),
        "tell": ("Tell me whether there are more {things} than {others}.",),
        "see": ("Do you see more {things} than {others}?", "Can more {things} be seen than {others}?"),
        "outnumber": ("Do the {things} outnumber the {others}?",),
        "exceed": ("Does the count of {things} exceed the count of {others}?",),
        "true": ("Is it true that there are more {things} than {others}?",),
        "check": ("Check whether there are more {things} than {others}.",),
        "have": ("Do we have more {things} than {others}?", "Does the picture have more {things} than {others}?"),
        "numerous": ("Are the {things} more numerous than the {others}?",),
        "larger": ("Is the number of {things} larger than that of {others}?",),
        "right": ("There are more {things} than {others}, right?",),
        "colon": ("{things} and {others}: more of the first?",),
        "know": ("I want to know if there are more {things} than {others}.",),
    },
    "fewer": {
        "are fewer": ("Are there fewer {things} than {others}?", "Are there fewer {things} here than {others}?"),
        "less": ("Is the number of {things} less than the number of {others}?",),
        "tell": ("Tell me whether there are fewer {things} than {others}.",),
        "see": ("Do you see fewer {things} than {others}?", "Can fewer {things} be seen than {others}?"),
        "outnumbered": ("Are the {things} outnumbered by the {others}?",),
        "below": ("Does the count of {things} stay below the count of {others}?",),
        "true": ("Is it true that there are fewer {things} than {others}?",),
        "check": ("Check whether there are fewer {things} than {others}.",),
        "have": ("Do we have fewer {things} than {others}?", "Does the picture have fewer {things} than {others}?"),
        "numerous": ("Are the {things} less numerous than the {others}?",),
        "smaller": ("Is the number of {things} smaller than that of {others}?",),
        "right": ("There are fewer {things} than {others}, right?",),
        "colon": ("{things} and {others}: fewer of the first?",),
        "know": ("I want to know if there are fewer {things} than {others}.",),
    },
}

# What a thing is of which only the place is said: {beside} "left of the red cube". No noun stands for it.
BARE = (
    "What is {beside}?",
    "What's {beside}?",
    "What stands {beside}?",
    "What lies {beside}?",
    "What do you see {beside}?",
    "What can be seen {beside}?",
    "Tell me what is {beside}.",
    "Name what stands {beside}.",
    "Which thing is {beside}?",
    "What thing do you find {beside}?",
)


def _with_facets(intent: str, known: Families) -> tuple[str, ...]:
    return known.get(intent, ()) + (known["facet"] if intent in FACET_WORDS else ())


HELD_OUT: Families = {intent: _with_facets(intent, held_out_of("questions")) for intent in _CORE}
FRAMES: Frames = {
    intent: widened(core, _with_facets(intent, frames_of("questions")), HELD_OUT[intent])
    for intent, core in _CORE.items()
}


def families(intent: str, held_out: bool) -> list[str]:
    """The families of an intent that train, or those that are held out."""
    return [name for name in FRAMES[intent] if (name in HELD_OUT[intent]) == held_out]
