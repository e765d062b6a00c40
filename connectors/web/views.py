"""What the page and programs are told: JSON without a path of this machine; pictures are named by their addresses."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...agent.events import Event, ExpertSaid, ExpertWorking, Loading, ReplyReady, StepFinished, StepStarted, TextDelta

if TYPE_CHECKING:
    from PIL import Image

    from ...agent.chat import Chat
    from ...agent.reply import Reply, Step
    from ...memory.query import Hit
    from ...memory.records import Picture, Region


class Views:
    """Makes views; `home` is the folder whose path is taken out of whatever is said."""

    def __init__(self, home: Path) -> None:
        self._home = str(home)

    def words(self, text: str) -> str:
        """A text without the place of the home folder."""
        return text.replace(self._home, "...")

    def picture(self, picture: Picture) -> dict[str, Any]:
        """`{handle, id, kind, width, height, url}`."""
        return {"handle": picture.handle, "id": picture.id, "kind": picture.kind, "width": picture.width,
                "height": picture.height, "url": f"/pictures/{picture.id}.png"}  # fmt: skip

    def region(self, region: Region, chat: str) -> dict[str, Any]:
        """`{handle, id, image, picture, box, label, score, mask}`; `mask` is an address, or null."""
        mask = f"/chats/{chat}/masks/{region.handle}.png" if region.mask is not None and region.handle else None
        return {
            "handle": region.handle, "id": region.id, "image": region.image or region.picture,
            "picture": region.picture, "box": [float(value) for value in region.box], "label": region.label,
            "score": None if region.score is None else float(region.score), "mask": mask,
        }  # fmt: skip

    def step(self, step: Step) -> dict[str, Any]:
        """The step as `Step.to_json` gives it."""
        return step.to_json() | {"observation": self.words(step.observation)}

    def reply(self, reply: Reply) -> dict[str, Any]:
        """The reply as `saccade ask --json` gives it, but for pictures, which are addresses."""
        evidence = None if reply.evidence is None else f"/chats/{reply.chat}/evidence/{reply.evidence.name}"
        return {
            "status": reply.status, "text": reply.text, "images": [self.picture(one) for one in reply.images],
            "regions": [self.region(one, str(reply.chat)) for one in reply.regions], "evidence": evidence,
            "steps": [self.step(one) for one in reply.steps], "chat": reply.chat,
            "warnings": [self.words(one) for one in reply.warnings],
        }  # fmt: skip

    def event(self, event: Event) -> dict[str, Any]:
        """An event as `{type, ...}`."""
        match event:
            case Loading():
                return {"type": "loading", "what": self.words(event.what)}
            case TextDelta():
                return {"type": "text", "text": event.text}
            case StepStarted():
                return {"type": "step_started", "call": event.call, "tool": event.tool, "arguments": event.arguments,
                        "thought": event.thought}  # fmt: skip
            case ExpertSaid():
                return {"type": "expert_said", "role": event.role, "text": event.text}
            case ExpertWorking():
                preview = None if event.preview is None else _data_url(event.preview)
                return {"type": "expert_working", "role": event.role, "done": event.done, "of": event.of,
                        "preview": preview}  # fmt: skip
            case StepFinished():
                return {"type": "step_finished", "call": event.call, "step": self.step(event.step)}
            case ReplyReady():
                return {"type": "reply", "reply": self.reply(event.reply)}

    def chat(self, chat: Chat) -> dict[str, Any]:
        """A conversation with all that was said: `{id, turns: [{text, images, reply}], regions}`."""
        workspace = chat.workspace
        turns = [
            {"text": text, "images": [self.picture(workspace.picture(handle)) for handle in handles],
             "reply": self.reply(reply)}
            for text, handles, reply in chat.replies()
        ]  # fmt: skip
        return {"id": chat.id, "turns": turns}

    def hit(self, hit: Hit) -> dict[str, Any]:
        """What was found in memory, as `saccade search --json` names it; of a file its name alone."""
        return {
            "id": hit.id, "picture": hit.picture, "kind": hit.kind, "score": round(float(hit.score), 4),
            "seen": hit.seen.isoformat(timespec="seconds"), "label": hit.label, "caption": hit.caption,
            "box": None if hit.box is None else [float(value) for value in hit.box],
            "words": hit.words, "why": hit.why, "source": None if hit.source is None else Path(hit.source).name,
            "width": hit.size[0], "height": hit.size[1],
            "url": f"/pictures/{hit.picture}.png", "thumbnail": f"/thumbnails/{hit.id}.jpg",
        }  # fmt: skip


def _data_url(image: Image.Image) -> str:
    """A small picture inside an event: it is of no conversation, and nobody could fetch it."""
    data = io.BytesIO()
    image.save(data, "JPEG", quality=80)
    return f"data:image/jpeg;base64,{base64.b64encode(data.getvalue()).decode()}"


def error_view(message: str, kind: str) -> Mapping[str, Any]:
    """An error, in the form of OpenAI's."""
    return {"error": {"message": message, "type": kind, "code": kind}}
