"""What a controller needs of the agent around it, as it declares it itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from langchain_core.language_models.chat_models import BaseChatModel
from pydantic import BaseModel, ConfigDict, Field


class Traits(BaseModel):
    """The needs of a controller.

    A model of ours, or of the user's, declares them in its `config.json` under "saccade"; the profile's
    `[options.controller]` goes before that. A chat model that declares nothing (any of LangChain's) gets what stands
    here.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    system_prompt: bool = True  # False: it was trained without one, and says what it learned from traces
    handles: bool = False  # it is given the conversation's handles with every request (constrained decoding)
    dtype: Literal["float32", "bfloat16"] = "float32"  # on a CPU; the second only where it computes it
    context: int | None = Field(default=None, ge=100)  # tokens that it was taught on, where that is fewer than it takes
    max_text: int = Field(default=1600, ge=1)  # characters that a thought or an answer of it may have
    condenses: bool = True  # it understands older turns without their steps
    verbatim: bool = False  # it was taught to repeat others only to the letter
    vocabulary: frozenset[str] | None = None  # the words of its answers, in lower case, where it was taught no others
    taught: frozenset[str] | None = None  # the tools of ours that it was taught; others of ours are not offered to it
    references: bool = False  # it was taught to refer to observations, which it reads in brief (`answers.references`)


def traits_of(model: BaseChatModel, options: Mapping[str, Any]) -> Traits:
    """What a chat model needs: what it declares itself (an attribute `traits`), the profile's options over it."""
    declared = getattr(model, "traits", None)
    base = declared if isinstance(declared, Traits) else Traits()
    return Traits.model_validate(base.model_dump() | dict(options))
