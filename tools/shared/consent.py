"""What the memory tools share: the memory of the user, and whether the user has said yes."""

from __future__ import annotations

import re

from ...errors import ExpertFailed
from ..contracts import Talk, ToolContext, VisualMemory


def memory_of(context: ToolContext) -> VisualMemory:
    """The memory that tools may ask.

    Raises:
        ExpertFailed: there is none.
    """
    if context.memory is None:
        raise ExpertFailed(
            "There is no memory of pictures here: this conversation was opened without one. Only the pictures of "
            "this conversation can be looked at.",
            kind="no_memory",
        )
    return context.memory


_YES = re.compile(
    r"\b(yes|yeah|yep|yup|yea|aye|sure|certainly|absolutely|definitely|of course|ok|okay|okey|fine|alright|all right|"
    r"go ahead|do it|do so|please do|go for it|proceed|confirm|confirmed|i confirm|i agree|agreed|affirmative|"
    r"by all means|i'?m sure|i am sure|that'?s right|correct|exactly|indeed|y)\b",
    re.I,
)
_NO = re.compile(
    r"\b(no|nope|nah|not|never|stop|wait|cancel|keep|leave|hold on|don'?t|do not|neither|none|but|unless|except|"
    r"instead|rather|only if|before|later|undo|why|what|which|how|when)\b|n['’]t\b|\?",
    re.I,
)
_HANDLE = re.compile(r"\b(?:img|reg)_\d+\b", re.I)
_DELETING = re.compile(
    r"\b(forget|forgotten|delet\w*|remov\w*|eras\w*|wip\w*|discard\w*|drop\w*|purg\w*|destroy\w*|throw\w*|"
    r"get rid|clear\w*|trash\w*|scrub\w*|unlearn\w*)\b",
    re.I,
)


_NEVER_MIND = re.compile(
    r"^\W*(?:(?:oh|ok|okay|no|just|please|well|ah|and|so|then)\W+)*(?:forget (?:it|that|this|about (?:it|that|this))|"
    r"never ?mind|drop (?:it|that)|stop|cancel|leave it)\b\W*(?:then|please|thanks|thank you|now|sorry)?\W*$",
    re.I,
)
_WHAT = re.compile(
    r"\b(pic|pics|pictures?|images?|photos?|photographs?|shots?|screenshots?|scans?|files?|this|that|these|those|ones?|"
    r"it|them|img_\d+|memory|everything|all)\b",
    re.I,
)
_OTHERWISE = re.compile(
    r"\b(how many|how much|background|what if|if i|suppose|left over|wrong|i said|you said)\b", re.I
)


def orders(said: str) -> bool:
    """Whether someone's own words tell to delete a picture: "delete the second one", but not "forget it"."""
    text = said.replace("’", "'")
    if _NEVER_MIND.match(text) or _OTHERWISE.search(text):
        return False
    verb = _DELETING.search(text)
    return verb is not None and _WHAT.search(text[verb.end() :] or text) is not None


def agrees(talk: Talk, handle: str) -> bool:
    """Whether the user's own words of this turn are a plain yes to deleting `handle`, asked in the turn before.

    A yes with a condition, a question or a refusal in it is none; nor is one that names other pictures
    only. Where the agent's last answer is known, it must have been a question about deleting.

    Args:
        talk: what is being said.
        handle: the picture that is to be deleted.
    """
    said = talk.said.replace("’", "'")
    named = {one.lower() for one in _HANDLE.findall(said)}
    if not _YES.search(said) or _NO.search(said) or (named and handle not in named):
        return False
    if talk.answered is None or _DELETING.search(said):
        return True
    return "?" in talk.answered and (handle in talk.answered or bool(_DELETING.search(talk.answered)))
