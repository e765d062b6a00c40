"""What needs no tool: greetings, thanks, stops, requests that nobody here can serve, and what is not understood."""

from __future__ import annotations

import random

from ..controller.wording.noun_phrases import invented
from .wording import lines

CAN = (
    "find, count, compare, describe, read, cut out, change and remember what is in pictures, paint new ones, and "
    "calculate"
)
WELCOME = f"Hello! Send me a picture and ask: I can {CAN}."
WHO = f"I am Saccade, a visual agent. Tools look at pictures for me, and I can {CAN}."
THANKS = "You are welcome."
STOPPED = "All right, I leave it."
DECLINED = f"I cannot do that. I can {CAN}."
NO_PICTURE = "Please send me a picture first."
NO_THING = "Which thing do you mean? Please name it, as in: the red cube."
NO_PAIR = "Please send me a second picture to compare it with."
UNCLEAR = "I did not understand that. What shall I look for, and in which picture?"
KEPT = "All right, I keep it."
DELETE = "Shall I delete it for good? Please say yes or no."
FOREIGN = {
    "de": "Ich kann nur Englisch, das kann ich nicht beantworten. Können Sie bitte auf Englisch fragen?",
    "fr": "Je ne comprends que l'anglais. Pouvez-vous demander en anglais, s'il vous plaît ?",
    "es": "Solo entiendo inglés. ¿Puede preguntar en inglés, por favor?",
}
OTHER_LANGUAGE = "I only know English. Can you ask in English, please?"

_HELLO = lines("said_hello")
_WHO = lines("said_who")
_THANKS = lines("said_thanks")
_STOP = lines("said_stop")
_DECLINES = lines("said_declines")
_UNCLEAR = lines("said_unclear")
_GERMAN = lines("said_german")
_FRENCH = lines("said_french")
_SPANISH = lines("said_spanish")
_OTHERS = lines("said_others")

# What is said -> what is answered.
_TABLE: dict[str, tuple[tuple[str, ...], str]] = {
    "hello": (_HELLO, WELCOME), "who": (_WHO, WHO), "thanks": (_THANKS, THANKS), "stop": (_STOP, STOPPED),
    "decline": (_DECLINES, DECLINED), "unclear": (_UNCLEAR, UNCLEAR), "de": (_GERMAN, FOREIGN["de"]),
    "fr": (_FRENCH, FOREIGN["fr"]), "es": (_SPANISH, FOREIGN["es"]), "other": (_OTHERS, OTHER_LANGUAGE),
}  # fmt: skip
WEIGHTS = {"hello": 2, "who": 2, "thanks": 6, "stop": 4, "decline": 6, "unclear": 4, "de": 1.5, "fr": 1.5, "es": 1.5,
           "other": 1}  # fmt: skip


def draw_chatter(rng: random.Random, kind: str | None = None) -> tuple[str, str, str]:
    """Something that needs no tool: (kind, what is said, what is answered)."""
    kind = kind or rng.choices(list(WEIGHTS), list(WEIGHTS.values()))[0]
    said, answer = _TABLE[kind]
    text = rng.choice(said)
    while "{n}" in text:
        text = text.replace("{n}", invented(rng), 1)
    return kind, text, answer
