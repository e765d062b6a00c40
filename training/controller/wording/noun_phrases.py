"""NounPhrase phrases of requests: of the drawn world, of the world outside it, and of no world at all.

The controller copies the user's own words into its calls, so it must not matter whether it knows them:
besides the things that scenes hold, requests name everyday things ("laptop", "traffic lights") and words
that were made up on the spot ("brelk", "snortlings").
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from ....scenes.language.phrases import HEADS, SIZE_WORDS, article, noun_phrase, plural_of
from ....scenes.scene import COLORS, MATERIALS, SHAPES


@dataclass(frozen=True)
class NounPhrase:
    """A noun phrase as a user says it, and as a call takes it."""

    phrase: str  # singular, without article and size word: the argument ("everything" for a bare "thing")
    one: str  # as the user says it in the singular, size word included
    many: str  # the same in the plural
    size: str = "any"  # the argument: "any", "small", "large"
    attributes: tuple[tuple[str, str], ...] | None = None  # facet and value, size included; None outside the world

    @property
    def a(self) -> str:
        """With "a" or "an"."""
        return article(self.one)

    @property
    def arguments(self) -> dict[str, str]:
        """What it adds to a call of `find_objects`."""
        return {"phrase": self.phrase} | ({} if self.size == "any" else {"size": self.size})


def world_noun(attributes: dict[str, str], rng: random.Random) -> NounPhrase:
    """Words for attributes of the drawn world: synonyms and the order of adjectives are drawn."""
    seed = rng.getrandbits(32)
    bare = {facet: value for facet, value in attributes.items() if facet != "size"}
    canonical = rng.random() < 0.3
    one, many = (noun_phrase(bare, None if canonical else random.Random(seed), plural) for plural in (False, True))
    size = attributes.get("size", "any")
    phrase = "everything" if not bare else one
    if size != "any":
        word = rng.choice(SIZE_WORDS[size])
        one, many = f"{word} {one}", f"{word} {many}"
    return NounPhrase(phrase, one, many, size, tuple(sorted(attributes.items())))


def any_world_noun(rng: random.Random) -> NounPhrase:
    """A noun phrase of the drawn world, whether or not a scene holds such a thing."""
    attributes: dict[str, str] = {}
    if rng.random() < 0.22:
        attributes["size"] = rng.choice(tuple(SIZE_WORDS))
    if rng.random() < 0.55:
        attributes["color"] = rng.choice(tuple(COLORS))
    if rng.random() < 0.3:
        attributes["material"] = rng.choice(MATERIALS)
    if rng.random() < 0.85 or not attributes:
        attributes["shape"] = rng.choice(SHAPES)
    return world_noun(attributes, rng)


def outside_noun(rng: random.Random) -> NounPhrase:
    """A noun phrase from outside the drawn world, made up in part."""
    draw = rng.random()
    if draw < 0.45:
        one = rng.choice(EVERYDAY)
        many = _IRREGULAR.get(one) or _plural(one)
    elif draw < 0.55:
        first, one = rng.choice(EVERYDAY), rng.choice(EVERYDAY)
        many = f"{first} {_IRREGULAR.get(one) or _plural(one)}"
        one = f"{first} {one}"
    else:
        one = invented(rng)
        many = _plural(one)
        if rng.random() < 0.2:
            first = invented(rng)
            one, many = f"{first} {one}", f"{first} {many}"
    words: list[str] = []
    if rng.random() < 0.3:
        words.append(rng.choice(tuple(COLORS)))
    if rng.random() < 0.2:
        words.append(rng.choice(_ADJECTIVES) if rng.random() < 0.6 else invented(rng))
    rng.shuffle(words)
    one, many = " ".join([*words, one]), " ".join([*words, many])
    if rng.random() < 0.12:
        size = rng.choice(tuple(SIZE_WORDS))
        word = rng.choice(SIZE_WORDS[size])
        return NounPhrase(one, f"{word} {one}", f"{word} {many}", size)
    return NounPhrase(one, one, many)


def invented(rng: random.Random) -> str:
    """A word that does not exist but could: "brelk", "sontapi"."""
    word = ""
    for _ in range(rng.choice((1, 1, 2, 2, 2, 3))):
        word += rng.choice(_ONSETS) + rng.choice(_VOWELS) + rng.choice(_CODAS)
    return word if len(word) > 2 and word not in _TAKEN else invented(rng)


def _plural(one: str) -> str:
    head = one.split()[-1]
    if head.endswith(("s", "x", "z", "ch", "sh")):
        return one + "es"
    if head.endswith("y") and head[-2:-1] not in tuple("aeiou"):
        return one[:-1] + "ies"
    return plural_of(one)


_TAKEN = frozenset({"it", "at", "in", "on", "the", "and", "are", "you", "them", "that", "this", "can", *HEADS})
_ADJECTIVE_WORDS = """
    black white grey golden silver old new broken striped spotted empty full open closed round square flat tall
    short long thin wide wet dirty clean fluffy glass plastic paper leather stone painted parked sleeping standing
    ripe fresh electric antique checkered transparent dark bright
"""
# A swung dash stands for the blank inside a name.
_EVERYDAY_WORDS = """
    giraffe laptop zebra elephant lion tiger bear dog cat horse cow sheep goat pig chicken duck goose swan owl eagle
    parrot penguin rabbit squirrel hedgehog fox wolf deer moose camel monkey gorilla kangaroo koala panda dolphin
    whale shark octopus crab lobster snail frog toad lizard snake turtle crocodile spider bee wasp ant butterfly
    beetle mosquito person man woman child boy girl baby player driver cyclist pedestrian tourist waiter chef doctor
    policeman bus truck van taxi train tram bicycle motorbike scooter plane helicopter rocket drone tractor crane
    ambulance trailer wheel tyre headlight window door gate fence wall roof chimney balcony stairway ladder bridge
    tower castle church barn tent bench lamp chair table sofa armchair desk shelf drawer wardrobe bed pillow blanket
    curtain carpet mirror clock vase candle painting poster computer keyboard mouse monitor screen printer phone
    tablet camera television radio speaker headphone microphone charger cable battery plug socket switch light bulb
    fan heater oven stove fridge kettle toaster blender pan pot plate bowl glass fork knife spoon chopstick napkin
    tray jar can box basket bucket barrel crate bag backpack suitcase purse wallet hat cap scarf glove sock shoe
    boot sandal shirt jacket coat dress skirt belt button zip watch necklace bracelet earring apple banana pear
    peach plum cherry grape lemon lime melon strawberry pineapple mango tomato potato carrot onion pepper cucumber
    cabbage mushroom pumpkin corn loaf sandwich burger pizza pancake waffle cookie cake pie donut candy egg sausage
    book notebook newspaper magazine letter envelope stamp pen pencil marker brush eraser ruler scissor stapler
    folder card coin banknote ticket map globe hammer screwdriver wrench saw drill nail screw bolt nut axe shovel
    rake hose flower rose tulip daisy sunflower bush cactus palm branch root stone rock pebble shell cloud mountain
    hill river lake wave island beach road sign pole billboard hydrant mailbox bin flag balloon kite doll robot
    puzzle dice guitar violin piano drum trumpet flute harp racket bat net goal helmet ski skateboard surfboard sled
    trophy medal ribbon gift toothbrush comb razor towel soap sponge needle thread yarn rope chain hook anchor sail
    oar raft traffic~light coffee~cup wine~glass street~lamp soup~bowl tennis~racket fire~engine shopping~bag
    picture~frame paper~clip remote~control coffee~machine parking~meter stop~sign park~bench dining~table
    cell~phone hot~dog teddy~bear hair~dryer baseball~bat water~bottle sewing~machine post~box rubber~duck
    life~jacket
"""
_ONSET_LETTERS = (
    "b bl br c ch cl cr d dr f fl fr g gl gr h j k kl kr l m n p pl pr qu r s sc sh sk sl sm sn sp st str sw t th tr"
)
_VOWEL_LETTERS = "a e i o u a e i o u ai ea ee oa oo ou"
_CODA_LETTERS = "b ck d ft g k l ld lk lm lt m mp n nd ng nk nt p r rd rk rn rt sk st t tt ff x ch sh th y"
_ONSETS = (*_ONSET_LETTERS.split(), "v", "w", "y", "z", "")
_VOWELS = tuple(_VOWEL_LETTERS.split())
_CODAS = (*_CODA_LETTERS.split(), *[""] * 9)
_ADJECTIVES = tuple(_ADJECTIVE_WORDS.split())
EVERYDAY = tuple(word.replace("~", " ") for word in _EVERYDAY_WORDS.split() if word not in SHAPES)
_IRREGULAR = {
    "person": "people", "man": "men", "woman": "women", "child": "children", "policeman": "policemen",
    "mouse": "mice", "goose": "geese", "sheep": "sheep", "deer": "deer", "wolf": "wolves", "knife": "knives",
    "shelf": "shelves", "loaf": "loaves", "scarf": "scarves", "dice": "dice", "moose": "moose", "tomato": "tomatoes",
    "potato": "potatoes", "mango": "mangoes", "ski": "skis",
}  # fmt: skip
