"""Words on their way to Slack and from it: nothing that a model or a picture says becomes a link or calls anybody."""

from __future__ import annotations

import re

from ..words import shortened, unlinked

MOST = 3_900  # characters of a message; Slack cuts at 4,000 where it is updated
_MENTION = re.compile(r"<@[A-Z0-9]+(?:\|[^>]*)?>")
_MARKED = re.compile(r"<(?:([^|>]*)\|)?([^>]*)>")


def escaped(text: str) -> str:
    """A text that Slack shows as it is: no mentions, no links, no channel-wide calls, and not too long."""
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return shortened(unlinked(text), MOST)  # Slack makes links of bare addresses, too


def said(text: str) -> str:
    """What a person wrote, without Slack's marks: mentions of us are left out, links are what they show."""
    plain = _MENTION.sub(" ", text)
    plain = _MARKED.sub(lambda found: found[2].lstrip("#!@"), plain)  # what is marked, or the words that stand for it
    plain = plain.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
    return " ".join(plain.split())
