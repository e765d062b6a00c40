"""A conversation about real PNG files, every step shown: run it with `make demo`.

It draws two pictures of the world that the bundled models know, from seeds on which none of them was
trained, saves them as PNG files, and asks about them. Nothing that follows knows the truth about them.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from rich.console import Console

from saccade import Agent
from saccade.cli.terminal import follow
from saccade.scenes.render import render
from saccade.scenes.sample import sample_scene

PICTURES = {"desk.png": 559, "street.png": 318}  # names, and which scenes of the test split they show

CONVERSATION = (
    ("A count", "How many umbrellas are there?", ("desk.png",)),
    ("Is there one?", "Is there a purple mug?", ()),
    ("Where is it?", "Where is the green bottle?", ()),
    ("A cut-out", "Cut out the car", ()),
    ("Two tools", "What colour is the pyramid?", ()),
    ("A second look, at a region", "What is the small house made of?", ()),
    ("A follow-up", "Where is it?", ()),
    ("Two searches at once, in a second picture", "Are there more keys than hearts in img_3?", ("street.png",)),
    ("What no tool can do", "What will the weather be tomorrow?", ()),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("out/demo"), help="where the pictures go")
    out: Path = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    for name, seed in PICTURES.items():
        render(sample_scene(seed, "test"), 512).image.save(out / name)

    console = Console()
    evidence = None
    with Agent(home=out / "home") as agent:
        chat = agent.chat(user="demo", out=out)
        for title, request, images in CONVERSATION:
            console.rule(f"[bold]{title}")
            files = "".join(f" [magenta]{out / name}[/]" for name in images)
            console.print(f"[bold green]>[/] {request}{files}")
            reply = follow(chat.stream(request, [out / name for name in images]), console)
            if reply.evidence is not None:
                evidence = reply.evidence
    console.rule()
    print(f"Evidence: {evidence}")


if __name__ == "__main__":
    main()
