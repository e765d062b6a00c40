"""`python -m saccade.evals.readme`: write the table of README.md, and all figures in docs/figures.md.

Nothing is typed by hand: the tables come from `docs/results/agent.json`, `tools.json`, `mixed.json`, `experts.json`,
`documents.json` and `memory.json` (`saccade eval --out`), `benchmarks.json`, `kills.json`, `install.json` and
`serving.json` (`python -m saccade.benchmarks`) and the cards in `zoo/`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ..settings import PACKAGE, ZOO
from .headlines import headlines, read_result
from .tables import interval, percent

README = PACKAGE / "README.md"
EVERY = PACKAGE / "docs" / "figures.md"
TITLE = """# How good it is: every figure

Written by `python -m saccade.evals.readme` from the files in `docs/results`.
"""
BEGIN, END = "<!-- figures:", "<!-- end of figures -->"
SETS = ("first", "second", "third")


def figures() -> str:
    """Every table as Markdown, from the files as they are now."""
    names = ("agent", "tools", "mixed", "experts", "documents", "memory", "benchmarks", "kills", "install",
             "serving")  # fmt: skip
    agent, tools, mixed, experts, documents, memory, bench, kills, install, serving = map(read_result, names)
    parts = [
        _agent(agent), _tools(tools), _models(), _experts(experts), _stages(), _mixed(mixed), _documents(documents),
        _memory(memory), _kills(kills), _speed(bench), _serving(serving), _install(install),
    ]  # fmt: skip
    return "\n\n".join("\n".join(part) for part in parts if part)


def _agent(report: dict[str, Any]) -> list[str]:
    lines = [
        f"{report['cases']} held-out requests about scenes that no model was trained on, in three sets of phrasings",
        "that the controller was never trained on, in conversations of",
        f"{report['plan']['turns of a conversation']} turns with a picture each, everything remembered. *Exact*: every",
        "tool and argument is right. *Right*: the answer is, with its 95 % interval over families of phrasing. Beside",
        "it the same controller on blank pictures, and with one small look at each picture instead of a second look at",
        "regions (both on every second block of cases). The agent would decline a blank picture, as unlike the drawn",
        "world; here it is made to guess. No request that was missed had been looked at. They have been since: a",
        "controller that is trained from now on needs new sets.",
        "",
        "| request | cases | exact | right | 95 % | right, blank picture | right, one look | right, two looks |",
        "|---|---|---|---|---|---|---|---|",
    ]
    every = {**report["all"], "name": "**all**"}
    sets = [{**one, "name": f"{name} set"} for name, one in zip(SETS, report["sets"].values(), strict=True)]
    for row in [*report["intents"], every, *sets, *report["turns"]]:
        cells = [row["name"].replace("_", " "), str(row["cases"]), percent(row["exact"]), percent(row["answer"])]
        cells.append(interval(row["answer_interval"]))
        cells += [percent(row["blank_answer"]), percent(row["once_answer"]), percent(row["twice_answer"])]
        lines.append(f"| {' | '.join(cells)} |")
    worst = report["worst"]
    told = [f"{name} {percent(one['share'])} % (bar {percent(one['bar'])} %)" for name, one in worst.items()]
    return [*lines, "", f"In the worst set: {', '.join(told)}. `saccade eval` measures it again."]


def _tools(report: dict[str, Any]) -> list[str]:
    lines = [
        f"{report['cases']} requests for the tools that write, read, compare and remember, while experts never err:",
        "every call is right.",
        "",
        "| request | cases | exact |",
        "|---|---|---|",
    ]
    sets = iter(SETS)
    for row in report["rows"]:
        if row["group"] in ("sets", "intents, all sets"):
            name = f"{next(sets)} set" if row["group"] == "sets" else row["name"].replace("_", " ")
            lines.append(f"| {name} | {row['cases']} | {percent(row['value'])} |")
    return lines


# The figures of a card that count most: where they are on it, what to call them, and the target (TRAINING's floor).
HEADLINES: dict[str, tuple[tuple[str, str, float | None], ...]] = {
    "clip": (
        ("color", "colour of a crop", 0.98),
        ("material", "material", 0.98),
        ("shape", "shape", 0.98),
        ("recall_at_1_image_to_text", "R@1 among 1,000 captions", 0.75),
        ("foil", "FOIL", 0.88),
    ),
    "controller-tiny": (
        ("end_to_end.worst.exact.share", "exact, worst set", 0.9),
        ("end_to_end.worst.answer.share", "right, worst set", 0.85),
    ),
    "detector": (
        ("test.precision", "precision", 0.98),
        ("test.recall", "recall", 0.98),
        ("test.map50_95", "mAP50-95", 0.75),
    ),
    "sam": (("miou_box", "mIoU from boxes", 0.92), ("miou_point", "mIoU from points", 0.85)),
    "captioner": (("exact", "exact set of things", 0.8), ("recall", "things named", None)),
    "llava": (
        ("vqa", "questions about scenes", 0.88),
        ("vqa, phrasings held out", "in held-out phrasings", 0.88),
        ("words in a crop", "words in a crop", 0.8),
    ),
}


def _models() -> list[str]:
    lines = ["| model | parameters | held-out figures (target) | trained |", "|---|---|---|---|"]
    for name, chosen in HEADLINES.items():
        card = json.loads((ZOO / name / "card.json").read_text("utf-8"))
        told = ", ".join(
            f"{said} {_figure(card['metrics'], at):.3f}" + (f" ({target})" if target else "")
            for at, said, target in chosen
        )
        trained = f"{card['minutes']:.0f} minutes, {card['hardware']}"
        lines.append(f"| `{name}` | {card['parameters'] / 1e6:.1f} M | {told} | {trained} |")
    return [*lines, "", "The cards in `zoo/` say more: recipe, seeds, baselines, numbers of cases."]


def _figure(metrics: dict[str, Any], at: str) -> float:
    """A figure of a card by its path, as in `test.recall`."""
    found: Any = metrics
    for part in at.split("."):
        found = found[part]
    return found


def _experts(report: dict[str, Any]) -> list[str]:
    lines = [
        "LLaVA and captioner, asked through their experts about held-out scenes of 512 px, in held-out phrasings and",
        "about held-out words, beside the same model before a blank picture;",
        "and how often pictures are taken for the wrong kind. Held-out phrasings are of families that never trained,",
        "written without sight of those that did, and unlike each of them in a word that tells. Targets of kinds and",
        "hops of questions are those of a training on a GPU, which these weights did not have:",
        "",
        "| what is asked of them | cases | share | before a blank picture | target |",
        "|---|---|---|---|---|",
    ]
    for row in report["rows"]:
        name = row["group"] if row["name"] == "all" else f"{row['group']}: {row['name']}"
        target = "" if row["bar"] is None else percent(row["bar"])
        cells = [name, str(row["cases"]), percent(row["value"]), percent(row["baseline"]), target]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def _stages() -> list[str]:
    """What each stage of LLaVA's training is worth, and whether its tower shall learn: from its card."""
    metrics = json.loads((ZOO / "llava" / "card.json").read_text("utf-8"))["metrics"]
    one, two = metrics["after_stage_1"], metrics["after_stage_2"]
    lines = [
        "What LLaVA's stages are worth: the same questions after stage 1, when only the projector has learned to show",
        "pictures to the language model of stage 0, and after stage 2.",
        "",
        "| what is asked of it | after stage 1 | cases | after stage 2 | cases |",
        "|---|---|---|---|---|",
    ]
    for group, told in two.items():
        if isinstance(told, dict) and isinstance(one.get(group), dict):
            cells = [group, percent(one[group]["right"]), str(one[group]["cases"])]
            lines.append(f"| {' | '.join([*cells, percent(told['right']), str(told['cases'])])} |")
    tower = metrics["tower frozen or learning"]
    lines += ["", f"The tower frozen, or learning, for {tower['steps']} steps of stage 2 on the same rows:", ""]
    lines += ["| what is asked of it | cases | frozen | learning |", "|---|---|---|---|"]
    for group, told in tower["groups"].items():
        cells = [group, str(told["cases"]), percent(told["frozen"]), percent(told["learning"])]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def _mixed(report: dict[str, Any]) -> list[str]:
    lines = [
        f"What LLaVA adds to the agent: {report['cases']} requests, right answers with the whole profile, without",
        f"{', '.join(report['plan']['roles taken away'])}, and before a blank picture:",
        "",
        "| request | cases | with | without | blank picture |",
        "|---|---|---|---|---|",
    ]
    for row in report["rows"]:
        name = row["group"] if row["name"] == row["group"] else f"{row['group']}: {row['name'].replace('_', ' ')}"
        shares = [percent(row[share]) for share in ("value", "without", "baseline")]
        lines.append(f"| {' | '.join([name, str(row['cases']), *shares])} |")
    return lines


def _documents(report: dict[str, Any]) -> list[str]:
    lines = [
        'Drawn receipts, forms, tables, letters and screens of the split "test" (`scenes.documents`); all but letters',
        "and screens are tilted, blurred, noisy, shadowed and saved as JPEG. *read* is the reader, *tool* a call by",
        "the right name,",
        f"*chat* a question in words to {report['models']['controller']['spec']}.",
        "",
        "| what | cases | measured | 95 % | target | |",
        "|---|---|---|---|---|---|",
    ]
    for row in report["rows"]:
        low, bar = row.get("good") == "low", row["bar"]
        target = "" if bar is None else f"{'at most ' if low else ''}{percent(bar)} %"
        good = bar is None or (row["value"] <= bar if low else row["value"] >= bar)
        met = "" if bar is None else "met" if good else "**missed**"
        span = interval(row["interval"]) if row["interval"] else ""
        lines.append(f"| {row['name']} | {row['cases']} | {percent(row['value'])} % | {span} | {target} | {met} |")
    return lines


def _memory(report: dict[str, Any]) -> list[str]:
    lines = [
        f"Memory, asked about {report['cases']} held-out pictures and {report['regions']} things in them, filled by",
        f"{report['plan']['filled by']}; regions are the detector's own:",
        "",
        "| what is found again | cases | share | blind guess |",
        "|---|---|---|---|",
    ]
    for row in report["rows"]:
        cells = [f"{row['group']}: {row['name']}", str(row["cases"]), percent(row["value"]), percent(row["baseline"])]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def _kills(report: dict[str, Any]) -> list[str]:
    ours, raw = report["with_the_ledger"], report["chroma_alone"]
    lost, acknowledged = ours["lost"], ours["acknowledged"]
    return [
        f"Killed {ours['kills']} times while it was writing, memory lost {lost} of {acknowledged} pictures that it had",
        f"acknowledged. Chroma by itself, killed {raw['kills']} times in the same way, lost {raw['lost']} of",
        f"{raw['acknowledged']}.",
    ]


def _speed(bench: dict[str, Any]) -> list[str]:
    agent, sam, start = bench["agent_overhead"], bench["sam_prompts"], bench["startup"]
    rows = [
        ("one tool round beside a bare `create_agent`, CPU time", agent["tool_round_cpu_vs_bare"], 1.25),
        (
            "a SAM prompt beside a bare `SamPredictor.predict`, bundled",
            sam["bundled"]["prompt_vs_bare_predictor"],
            1.15,
        ),
        ("a SAM prompt beside a bare `SamPredictor.predict`, ViT-B", sam["vit_b"]["prompt_vs_bare_predictor"], 1.15),
        ("8 boxes in one call beside 8 calls, bundled", sam["bundled"]["eight_boxes_at_once_vs_one_by_one"], 0.5),
        ("8 boxes in one call beside 8 calls, ViT-B", sam["vit_b"]["eight_boxes_at_once_vs_one_by_one"], 0.5),
        ("`import saccade`, seconds", start["import_saccade_s"], 0.3),
        ("`saccade --help`, seconds", start["help_s"], 1.0),
    ]
    for size in ("10000", "100000"):
        one = bench["memory"][f"{size}_vectors"]
        of = f"{int(size):,} vectors"
        rows += [
            (f"a search among {of} beside raw Chroma, p50", one["unfiltered"]["vs_raw_p50"], 1.3),
            ("the same among the 2 % with a tag, beside numpy", one["kept_2_percent"]["vs_numpy_p50"], 1.5),
            ("the same beside raw Chroma", one["kept_2_percent"]["vs_raw_p50"], 0.33),
            ("the same among the later 50 %, beside numpy", one["kept_50_percent"]["vs_numpy_p50"], 1.5),
            ("the same beside raw Chroma", one["kept_50_percent"]["vs_raw_p50"], 0.33),
        ]
    acks = bench["memory"]["10000_vectors"]["acknowledging_single_pictures"]
    whole = bench["index"]["whole pictures: share of the slowest stage"]
    more = [
        ("single pictures acknowledged, durably, beside raw Chroma's rate", acks["vs_raw"], 20),
        ("the same by 64 threads together", acks["vs_raw_64_threads"], 20),
        ("indexing a folder, share of its slowest stage's rate", whole, 0.9),
    ]
    lines = ["| cost | measured | at most |", "|---|---|---|"]
    ends = ["", "| rate | measured | at least |", "|---|---|---|"]
    ends += [f"| {name} | {value:.2f} | {least} |" for name, value, least in more]
    return [*lines, *(f"| {name} | {value:.2f} | {most} |" for name, value, most in rows), *ends]


def _serving(report: dict[str, Any]) -> list[str]:
    """Conversations side by side, and how long commands take until they answer."""
    held = report["conversations"]
    lines = [
        f"{held['conversations']} conversations at once over HTTP, {held['turns']} turns in all, with a controller "
        "that repeats what it is told; in each a word of its own, and none of another's came back.",
        "", "| | at once | one alone |", "|---|---|---|",
        f"| turns a second | {held['turns a second']:.1f} | {held['turns a second, one alone']:.1f} |",
        f"| median wait | {held['median ms']:.0f} ms | {held['median ms, one conversation alone']:.0f} ms |",
        f"| 95 % of the waits are below | {held['p95 ms']:.0f} ms | |",
        f"| memory afterwards; after as many again | {held['megabytes after all']:.0f} MB; "
        f"{held['megabytes after as many again']:.0f} MB | {held['megabytes after one']:.0f} MB |",
        "", "| command | seconds until it answers |", "|---|---|",
    ]  # fmt: skip
    return [*lines, *(f"| {name} | {seconds:.1f} |" for name, seconds in report["cold start"].items())]


def _install(report: dict[str, Any]) -> list[str]:
    lines = ["| set-up | megabytes | packages | seconds, downloading | seconds, from cache |", "|---|---|---|---|---|"]
    for name, one in report.items():
        if "packages" in one:
            cells = (
                one["megabytes"],
                one["packages"],
                one.get("seconds, downloading", "-"),
                one["seconds, from cache"],
            )
            lines.append(f"| {name} | {' | '.join(map(str, cells))} |")
    return lines


def write(readme: Path = README, every: Path = EVERY) -> None:
    """Put the table between the marks of the README, and all figures into a file of their own."""
    text = readme.read_text("utf-8")
    head, _, rest = text.partition(BEGIN)
    mark, _, _ = rest.partition("\n")
    tail = rest.partition(END)[2]
    readme.write_text(f"{head}{BEGIN}{mark}\n{headlines()}\n{END}{tail}", "utf-8")
    every.write_text(f"{TITLE}\n{figures()}\n", "utf-8")


if __name__ == "__main__":
    write()
