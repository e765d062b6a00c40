"""The tool that makes pictures from words: `generate_image`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from PIL import Image
from pydantic import Field, model_validator

from ...errors import ExpertFailed, ToolRetry
from ..contracts import PictureDraft, Recorded, ToolArguments, ToolContext, ToolResult
from ..requests import Paint
from ..shared.geometry import size_text
from ..shared.making import PictureTool, made_with
from ..shared.painting.judging import Verdict, judge, judge_any
from ..shared.painting.layout import lay_out
from ..shared.painting.wanted import Asked, Wanted, read_prompt

Share = Annotated[float, Field(ge=0, le=1)]
Side = Annotated[int, Field(ge=64, le=2048)]
MOST_SEED = 2**31 - 1
PLAIN = "plain background"  # where nothing is said of it and the painter knows it: things can stand anywhere on it


class Placed(ToolArguments):
    """A thing and where it shall stand: [x0, y0, x1, y1] in shares of the picture's width and height, 0 to 1."""

    words: Annotated[str, Field(min_length=1, max_length=80)]
    box: tuple[Share, Share, Share, Share]

    @model_validator(mode="after")
    def _some(self) -> Placed:
        if self.box[2] <= self.box[0] or self.box[3] <= self.box[1]:
            raise ValueError(f"{list(self.box)} is no box: [x0, y0, x1, y1] with x0 < x1 and y0 < y1, as shares")
        return self


class GenerateImageArguments(ToolArguments):
    """What to paint, how many, and how."""

    prompt: Annotated[str, Field(min_length=1, max_length=400)]
    negative: Annotated[str, Field(max_length=200)] = ""
    things: Annotated[tuple[Placed, ...], Field(max_length=8)] = ()
    width: Side | None = None
    height: Side | None = None
    count: Annotated[int, Field(ge=1, le=4)] = 1
    tries: Annotated[int, Field(ge=1, le=8)] = 4  # painted for each that is kept
    seed: Annotated[int, Field(ge=0, le=MOST_SEED)] | None = None
    steps: Annotated[int, Field(ge=1, le=100)] | None = None
    guidance: Annotated[float, Field(ge=0, le=20)] | None = None


class GenerateImage(PictureTool[GenerateImageArguments]):
    """New pictures from words: several are painted, the best by what detector and CLIP see in them is kept."""

    name = "generate_image"
    rank = 46
    Arguments = GenerateImageArguments
    roles = ("painter", "detector", "clip")

    def run(self, arguments: GenerateImageArguments, context: ToolContext) -> ToolResult:
        """Lay out, paint, judge, and keep the best.

        Raises:
            ToolRetry: the things given are not what the painter knows.
            ExpertFailed: the painter does not know what is asked for (kind "unknown_words"), or an expert failed.
        """
        about = context.about("painter")
        wanted = wanted_by(arguments, about)
        seed = arguments.seed if arguments.seed is not None else (7919 * context.talk.turn) % MOST_SEED
        drafts: list[PictureDraft] = []
        told: list[dict[str, Any]] = []
        for number in range(arguments.count):
            first = (seed + number * arguments.tries) % MOST_SEED
            image, verdict, recipe = _best(arguments, context, wanted, about, first)
            drafts.append(PictureDraft(image, "generation"))
            told.append(recipe | {"score": round(verdict.score, 3), "lacks": verdict.text()})
        return ToolResult(pictures=drafts, facts={"painted": told, "tries": arguments.tries})

    def observe(self, arguments: GenerateImageArguments, recorded: Recorded) -> str:
        """The new pictures' handles and sizes, and what is not as it was asked."""
        lines = [
            f"Made {picture.handle} ({size_text(picture.size)})"
            + (f", but {recipe['lacks']}" if recipe["lacks"] else ", as it was asked")
            + f" (the best of {recorded.facts['tries']}, seed {recipe['seed']})."
            for picture, recipe in zip(recorded.pictures, recorded.facts["painted"], strict=True)
        ]
        return " ".join(lines)

    def brief(self, recorded: Recorded) -> str:
        """The handles, and what is not as it was asked."""
        return "; ".join(
            f"made {picture.handle}" + (f", but {recipe['lacks']}" if recipe["lacks"] else "")
            for picture, recipe in zip(recorded.pictures, recorded.facts["painted"], strict=True)
        )

    def references(self, recorded: Recorded) -> dict[str, str]:
        """The handles, and what is not as it was asked."""
        handles = [str(picture.handle) for picture in recorded.pictures]
        lacks = "; ".join(recipe["lacks"] for recipe in recorded.facts["painted"] if recipe["lacks"])
        return {"picture": handles[0], "pictures": ", ".join(handles), "lacks": lacks or "nothing"}


def wanted_by(arguments: GenerateImageArguments, about: Any) -> Wanted:
    """What is asked for, in words and boxes, of a painter that declares `about`.

    Raises:
        ExpertFailed: the painter does not know it (kind "unknown_words").
    """
    wanted = read_prompt(arguments.prompt, about)
    if arguments.things:
        given = [read_prompt(thing.words, about) for thing in arguments.things]
        unknown = tuple(word for one in given for word in one.unknown)
        wanted = Wanted(tuple(Asked(thing.words) for thing in arguments.things), (), wanted.background, unknown)
    if not about.get("kinds"):
        return wanted
    if wanted.unknown or not (wanted.things or wanted.background):
        bad = ", ".join(repr(word) for word in wanted.unknown) or repr(arguments.prompt[:80])
        raise ExpertFailed(
            f"The painter of this profile knows only drawn things, and not {bad}. It paints "
            f"{', '.join(about['kinds'])}, in {', '.join(about.get('colors', ()))}, on "
            f"{', '.join(about.get('backgrounds', ()))}. For anything else, "
            f"run `saccade models fetch gpu` once and ask again with `--profile gpu`.",
            kind="unknown_words",
        )
    return wanted


def _best(
    arguments: GenerateImageArguments, context: ToolContext, wanted: Wanted, about: Any, seed: int
) -> tuple[Image.Image, Verdict, dict[str, Any]]:
    """Paint several, and keep the one that meets best what was asked, with what it was made from."""
    size = _size(arguments)
    seeds = [(seed + at) % MOST_SEED for at in range(arguments.tries)]
    requests: list[Paint] = []
    for one in seeds:
        boxes = [thing.box for thing in arguments.things] or (
            lay_out(wanted, one, about) if takes_boxes(about) and wanted.things else None
        )
        things = None
        if about.get("grounded") or (boxes and takes_boxes(about)):
            if boxes is None and wanted.things:
                raise ToolRetry("There is no room for all of that in one picture: ask for fewer things.",
                                kind="bad_arguments")  # fmt: skip
            things = tuple((asked.words, box) for asked, box in zip(wanted.things, boxes or (), strict=True))
        background = wanted.background or (PLAIN if PLAIN in about.get("backgrounds", ()) else "")
        requests.append(
            Paint(
                arguments.prompt, arguments.negative, things, background, size, one, arguments.steps, arguments.guidance
            )
        )
    made = context.experts.ask("painter", requests)
    best: tuple[Image.Image, Verdict, dict[str, Any]] | None = None
    for request, image in zip(requests, made, strict=True):
        verdict = _judged(context, image, wanted, request, arguments.things)
        if best is None or verdict.score > best[1].score:
            recipe = {
                "prompt": request.prompt, "negative": request.negative, "seed": request.seed, "steps": request.steps,
                "guidance": request.guidance, "background": request.background,
                "things": [[words, [round(value, 4) for value in box]] for words, box in request.things or ()],
            } | made_with(context, "painter")  # fmt: skip
            best = image, verdict, recipe
    assert best is not None  # `tries` is at least 1
    return best


def takes_boxes(about: Mapping[str, Any]) -> bool:
    """Whether a painter is told where things stand: in its words, or by a ControlNet for segments."""
    return bool(about.get("grounded")) or "segments" in about.get("parts", {})


def _judged(
    context: ToolContext, image: Image.Image, wanted: Wanted, request: Paint, things: tuple[Placed, ...]
) -> Verdict:
    """By the things that are asked for, and where they shall stand."""
    w, h = image.size
    shares = [box for _, box in request.things] if request.things is not None else [one.box for one in things] or None
    boxes = None if shares is None else [(b[0] * w, b[1] * h, b[2] * w, b[3] * h) for b in shares]
    if context.about("painter").get("kinds"):
        return judge(context, image, wanted, boxes)
    return judge_any(context, image, wanted, request.prompt, boxes)


def _size(arguments: GenerateImageArguments) -> tuple[int, int] | None:
    if arguments.width is None and arguments.height is None:
        return None
    return (arguments.width or arguments.height or 0, arguments.height or arguments.width or 0)
