"""`python -m saccade.benchmarks [NAME ...]`: measure, print, and write `docs/results/benchmarks.json`."""

from __future__ import annotations

import argparse
import importlib
import json
import platform
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

NAMES = ("agent_overhead", "startup", "sam_prompts")


def rows(figures: dict[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """Nested figures as (name, value) lines."""
    lines: list[tuple[str, str]] = []
    for name, value in figures.items():
        if isinstance(value, dict):
            lines += rows(value, f"{prefix}{name}: ")
        else:
            lines.append((prefix + name, f"{value:.3f}" if isinstance(value, float) else str(value)))
    return lines


def main() -> None:
    """Run the benchmarks that were named, or all."""
    parser = argparse.ArgumentParser(prog="saccade.benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", help=f"any of {', '.join(NAMES)}; all where none is named")
    parser.add_argument("--out", type=Path, default=Path("docs/results/benchmarks.json"))
    chosen = parser.parse_args()
    unknown = set(chosen.names) - set(NAMES)
    if unknown:
        parser.error(f"unknown benchmark {', '.join(sorted(unknown))}; there are {', '.join(NAMES)}")
    console = Console()
    report: dict[str, Any] = json.loads(chosen.out.read_text("utf-8")) if chosen.out.is_file() else {}
    for name in chosen.names or NAMES:
        with console.status(f"measuring {name}"):
            report[name] = importlib.import_module(f".{name}", __package__).measure()
        table = Table("figure", "value", title=name, title_justify="left")
        for line in rows(report[name]):
            table.add_row(*line)
        console.print(table)
    report["machine"] = {"python": platform.python_version(), "processor": platform.machine()}
    chosen.out.parent.mkdir(parents=True, exist_ok=True)
    chosen.out.write_text(json.dumps(report, indent=1) + "\n", "utf-8")
    console.print(f"Written to {chosen.out}")


if __name__ == "__main__":
    main()
