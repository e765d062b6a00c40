"""Draw `docs/pictures/evidence.png`: two real turns of the bundled agent, its steps beside its evidence."""

from __future__ import annotations

import json
import tempfile
import textwrap
from pathlib import Path

import matplotlib
from PIL import Image, ImageDraw, ImageFont

from saccade import Agent, Reply
from saccade.scenes.render import render
from saccade.scenes.sample import sample_scene

SCENE = 559
REQUESTS = ("What is the small house made of?", "How many umbrellas are there?")
OUT = Path(__file__).parent.parent / "docs" / "pictures" / "evidence.png"
FONTS = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
WIDTH, COLUMNS, PAPER = 560, 52, (24, 26, 32)
GREEN, WHITE, GREY, BLUE = (120, 220, 140), (240, 240, 240), (160, 165, 175), (120, 200, 235)


def lines_of(request: str, reply: Reply) -> list[tuple[str, tuple[int, int, int], bool]]:
    """A turn as (line, colour, bold)."""
    told = [(f"> {request}", GREEN, True), ("", WHITE, False)]
    for step in reply.steps:
        arguments = ", ".join(f"{name}={json.dumps(value)}" for name, value in step.arguments.items())
        told += [(step.thought, GREY, False), (f"{step.tool}({arguments})", BLUE, True)]
        told += [(f"  {step.observation}", GREY, False), ("", WHITE, False)]
    return [*told, (reply.text, WHITE, True), ("", WHITE, False)]


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, Agent(home=Path(folder) / "home") as agent:
        chat, picture = agent.chat(), render(sample_scene(SCENE, "test"), 512).image
        replies = [chat.send(request, [] if number else [picture]) for number, request in enumerate(REQUESTS)]
        reply = replies[-1]
        with Image.open(str(reply.evidence)) as shown:
            evidence = shown.convert("RGB")
    picture = Image.new("RGB", (WIDTH + evidence.width, evidence.height), PAPER)
    picture.paste(evidence, (WIDTH, 0))
    draw, y = ImageDraw.Draw(picture), 28
    fonts = {
        bold: ImageFont.truetype(str(FONTS / f"DejaVuSansMono{'-Bold' if bold else ''}.ttf"), 16)
        for bold in (False, True)
    }
    said = [line for request, one in zip(REQUESTS, replies, strict=True) for line in lines_of(request, one)]
    for text, colour, bold in said:
        for line in textwrap.wrap(text, COLUMNS, subsequent_indent="  ") or [""]:
            draw.text((24, y), line, fill=colour, font=fonts[bold])
            y += 24
    OUT.parent.mkdir(parents=True, exist_ok=True)
    picture.save(OUT, optimize=True)
    print(OUT)


if __name__ == "__main__":
    main()
