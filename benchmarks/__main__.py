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

from ..evals.models import models_of
from ..settings import load_profile

NAMES = ("agent_overhead", "startup", "sam_prompts", "llava", "index", "memory")
# Run only when named: minutes to half an hour each, and `install` takes the network, `serving` the extras.
OWN_FILE = {
    name: Path(f"docs/results/{name}.json")
    for name in ("kills", "install", "serving", "tasks", "task_kills", "fuzzed_files", "painting")
}


def rows(figures: dict[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """Nested figures as (name, value) lines."""
    lines: list[tuple[str, str]] = []
    for name, value in figures.items():
        if isinstance(value, dict):
            lines += rows(value, f"{prefix}{name}: ")
        else:
            lines.append((prefix + name, f"{value:.3f}" if isinstance(value, float) else str(value)))
    return lines


def plain_table(name: str, figures: dict[str, Any]) -> Table:
    """A line a figure."""
    table = Table("figure", "value", title=name, title_justify="left")
    for line in rows(figures):
        table.add_row(*line)
    return table


def main() -> None:
    """Run the benchmarks that were named, or all."""
    parser = argparse.ArgumentParser(prog="saccade.benchmarks", description=__doc__)
    parser.add_argument(
        "names", nargs="*", help=f"any of {', '.join(NAMES)} (all where none is named), or {' or '.join(OWN_FILE)}"
    )
    parser.add_argument(
        "--out", type=Path, help=f"docs/results/benchmarks.json unless told; of {' and '.join(OWN_FILE)}, their own"
    )
    chosen = parser.parse_args()
    unknown = set(chosen.names) - set(NAMES) - set(OWN_FILE)
    if unknown:
        parser.error(f"unknown benchmark {', '.join(sorted(unknown))}; there are {', '.join((*NAMES, *OWN_FILE))}")
    console = Console()
    for name in chosen.names or NAMES:
        module = importlib.import_module(f".{name}", __package__)
        with console.status(f"measuring {name}"):
            figures = module.measure()
        console.print(module.table(figures) if hasattr(module, "table") else plain_table(name, figures))
        out = chosen.out or OWN_FILE.get(name, Path("docs/results/benchmarks.json"))
        report: dict[str, Any] = json.loads(out.read_text("utf-8")) if out.is_file() and name not in OWN_FILE else {}
        report |= figures if name in OWN_FILE else {name: figures}
        if name not in OWN_FILE:
            report["models"] = models_of(load_profile("bundled"))
        report["machine"] = {"python": platform.python_version(), "processor": platform.machine()}
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(json.dumps(report, indent=1) + "\n", "utf-8")
        console.print(f"Written to {out}")


if __name__ == "__main__":
    main()
