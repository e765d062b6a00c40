"""The memory that tools ask in a conversation: the user's own, through `memory.memory.Memory`."""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import datetime
from typing import TYPE_CHECKING, Any

from ..memory.query import Hit, Query
from .contracts import Experts, Recalled, View
from .requests import Embed

if TYPE_CHECKING:
    from ..memory.memory import Memory
    from ..memory.workspace import LedgerWorkspace

SURE = 0.5  # a lower score is a guess
MORE = 5  # hits that are asked for beyond k, in place of those that are the picture itself


class UserMemory:
    """Implements `contracts.VisualMemory` for the owner of one conversation.

    Args:
        memory: gives the memory of the home folder; asked for at the first use.
        workspace: the conversation.
        experts: who embeds what a view shows.
        readers: the tools whose regions are labelled with words out of pictures, which are data.
    """

    def __init__(
        self,
        memory: Callable[[], Memory],
        workspace: LedgerWorkspace,
        experts: Experts,
        readers: Collection[str] = (),
    ) -> None:
        self._memory = memory
        self._workspace = workspace
        self._experts = experts
        self._readers = readers

    def recall(
        self, words: str | None, view: View | None, *, k: int, since: datetime | None, kind: str
    ) -> list[Recalled]:
        """What the owner's memory has that is like the words, the view or both, best first.

        The picture that the view shows is left out, unless it was seen before this conversation.
        """
        filters: dict[str, Any] = {"since": since, "kind": None if kind == "any" else kind}
        hits = self._memory().recall(
            self._workspace.owner, Query(words=words, k=k + MORE, **self._look(view), **filters)
        )
        shown = None if view is None else view.picture
        found: dict[str, Recalled] = {}
        for hit in hits:
            if hit.score < SURE and (hit.why or "").startswith("looks like"):
                continue  # a guess: whoever is told of it in a sentence takes it for found
            if hit.picture == shown and hit.lineage.chat == self._workspace.chat:
                # What is in this very picture is no news, but earlier copies of it are.
                for id in hit.also:
                    found.setdefault(id, self._copy(id, hit))
            else:
                found.setdefault(hit.id, self._recalled(hit))
        return list(found.values())[:k]

    def _look(self, view: View | None) -> dict[str, Any]:
        """What a query looks like: a vector; pixels, where the model does not know such pictures."""
        if view is None:
            return {}
        knows = getattr(self._memory().embedder, "knows", None)
        if knows is not None and not knows([view.load()])[0]:
            return {"picture": view.pixels(), "unlike": True}
        return {"picture": self._experts.ask("clip", [Embed(view)])[0]}

    def remember(self, handle: str, note: str | None) -> None:
        """Put what `img_N` or `reg_N` names into the owner's memory, with the note as its tag."""
        one = self._workspace.region(handle) if handle.startswith("reg_") else self._workspace.picture(handle)
        memory = self._memory()
        memory.remember(self._workspace.owner, [one.id])
        if note is not None:
            memory.note(self._workspace.owner, one.id, tags=[note])

    def forget(self, picture: str) -> None:
        """Delete a picture of the owner for good; one that is gone already stays gone."""
        from ..errors import UserError

        try:
            self._memory().forget(self._workspace.owner, ids=[picture])
        except UserError as error:
            if error.kind != "unknown_picture":
                raise

    def _copy(self, id: str, like: Hit) -> Recalled:
        picture = self._workspace.store.get(id, self._workspace.owner)
        return Recalled(id, like.score, picture.created, picture.source)

    def _recalled(self, hit: Hit) -> Recalled:
        quoted = hit.kind == "region" and hit.lineage.tool in self._readers
        return Recalled(hit.id, hit.score, hit.seen, hit.source, quoted)
