"""The recipe of the tiny controller: a Llama of two million parameters that plans calls, trained on gold traces.

First copying: heads that copy are planted, and a *warm-up* of repeating random words and handles has them
work (`copying.py`). Then conversations (`traces.py`), with the loss on thoughts, calls and answers only.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import nn

from ..common import Budget, Card, Run, batches, choose, draw_curve, plain_attention, write_json, write_zoo
from ..data_parallel import Replicas
from .copying import copy_trace, plant_copying
from .held_out import LEARNED, held_out_traces, learned_traces
from .tokenizer import END, PAD, save_tokenizer, train_tokenizer
from .trace import Message, Trace
from .traces import draw_trace
from .wording.families import DEV, HELD_OUT, families, intents

if TYPE_CHECKING:
    from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

BUDGETS = {
    "cpu": Budget(steps=8000, batch=16, workers=1),
    "gpu": Budget(steps=6000, batch=64, workers=12),
    "test": Budget(steps=3, batch=2, workers=0),
}
WARM_UP = 0.018  # the share of the steps that only copy
LATE = 0.32  # the share of the steps after which whole conversations come more often
RATE = 2e-3
ANSWER = 3.0  # how much a token of an answer weighs beside one of a thought or call: few of them, and each decides
MICRO = 800  # tokens, padding included, of rows worked on together; a batch is several of these, sorted by length
ROWS = 8  # measured together
REPLICAS = 2  # micro-batches worked on at once on a CPU
LONGEST = 640  # tokens; longer conversations are left out
FIRST_SEED = 1_000_000  # of the training conversations
HIDDEN, LAYERS, HEADS, INNER = 192, 4, 6, 512
# Tokens that it is shown at use: a request or three. Few training conversations are longer, and in longer ones it
# confuses earlier requests with the last; what does not fit is left out by whole turns, the oldest first.
CONTEXT = 640


DECLARED = {
    "verbatim": True,
    "system_prompt": False,
    "max_text": 400,
    "condenses": False,
}  # see `agent.controllers.traits`


class Row(NamedTuple):
    """A conversation as tokens, and how much each is learned from: not at all, 1 in a plan, ANSWER in an answer."""

    tokens: list[int]
    weights: list[float]


def messages_for(trace: Trace) -> list[dict[str, Any]]:
    """A trace as `apply_chat_template` takes it."""
    return [_message(message) for message in trace.messages]


def _message(message: Message) -> dict[str, Any]:
    calls = [{"type": "function", "function": {"name": n, "arguments": a}} for n, a in message.calls]
    return {"role": message.role, "content": message.content} | ({"tool_calls": calls} if calls else {})


def encode(trace: Trace, tokenizer: PreTrainedTokenizerFast, answer: float = ANSWER) -> Row:
    """Tokens of a conversation; learned are the assistant's, save for mistakes that are only there to be mended.

    `answer` is how much a token of an answer weighs beside one of a thought or call.
    """
    encoded: Any = tokenizer.apply_chat_template(
        messages_for(trace), tokenize=True, return_dict=True, return_assistant_tokens_mask=True
    )
    speaks = iter([message for message in trace.messages if message.role == "assistant"])
    weights: list[float] = []
    before, weight = 0, 0.0
    for flag in encoded["assistant_masks"]:
        if flag and not before:
            message = next(speaks)
            weight = 0.0 if not message.learn else 1.0 if message.calls else answer
        weights.append(weight if flag else 0.0)
        before = flag
    return Row(list(encoded["input_ids"]), weights)


def _draw(seed: int, tokenizer: PreTrainedTokenizerFast, copying: int, late: int) -> Row:
    """One row: before `copying` a copy exercise, then a conversation, from `late` on more often a whole one."""
    if seed < copying:
        return encode(copy_trace(seed), tokenizer)
    late = -1 if late <= seed else 2**60  # where a row is too long, the next try is of the same kind
    while True:
        row = encode(draw_trace(FIRST_SEED + seed, late=late <= seed), tokenizer)
        if len(row.tokens) <= LONGEST:
            return row
        seed += 2**40


class Batch(NamedTuple):
    """Rows of similar length, padded."""

    tokens: torch.Tensor  # (rows, longest) int64
    mask: torch.Tensor  # (rows, longest) int64, 1 where there is a token
    weights: torch.Tensor  # (rows, longest) float32


def collate(rows: list[Row], pad: int, micro: int = MICRO) -> list[Batch]:
    """Sort by length, cut into micro-batches of at most `micro` tokens (or one row), pad each to its longest row."""
    rows = sorted(rows, key=lambda row: len(row.tokens))
    parts: list[list[Row]] = [[]]
    for row in rows:
        if parts[-1] and (len(parts[-1]) + 1) * len(row.tokens) > micro:
            parts.append([])
        parts[-1].append(row)
    return [padded(part, pad) for part in parts]


def padded(part: list[Row], pad: int) -> Batch:
    """Rows as one micro-batch."""
    longest = max(len(row.tokens) for row in part)
    tokens = torch.full((len(part), longest), pad)
    mask = torch.zeros((len(part), longest), dtype=torch.long)
    weights = torch.zeros((len(part), longest))
    for at, row in enumerate(part):
        tokens[at, : len(row.tokens)] = torch.tensor(row.tokens)
        mask[at, : len(row.tokens)] = 1
        weights[at, : len(row.tokens)] = torch.tensor(row.weights)
    return Batch(tokens, mask, weights)


def make_tokenizer(traces: int = 6000) -> PreTrainedTokenizerFast:
    """The tokenizer, learned from training conversations."""
    texts: list[str] = []
    for seed in range(traces):
        trace = draw_trace(FIRST_SEED - 1 - seed)
        for message in trace.messages:
            if message.role != "tool" or seed % 4 == 0:
                texts.append(message.content)
            texts += [
                str({"name": name, "arguments": arguments}).replace("'", '"') for name, arguments in message.calls
            ]
    return train_tokenizer(texts)


def make_model(tokenizer: PreTrainedTokenizerFast) -> LlamaForCausalLM:
    """The network with random weights."""
    from transformers import LlamaConfig, LlamaForCausalLM

    end, pad = tokenizer.encode(END + PAD)
    config = LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=HIDDEN, num_hidden_layers=LAYERS, num_attention_heads=HEADS,
        num_key_value_heads=HEADS, intermediate_size=INNER, max_position_embeddings=CONTEXT, tie_word_embeddings=True,
        bos_token_id=None, eos_token_id=end, pad_token_id=pad, initializer_range=0.02,
        rope_parameters={"rope_type": "default", "rope_theta": 100_000.0},
    )  # fmt: skip
    model = LlamaForCausalLM(config)
    plant_copying(model)
    return model


def loss_sum(model: nn.Module, batch: Batch) -> torch.Tensor:
    """The weighted sum of the cross entropies of a micro-batch."""
    device = next(model.parameters()).device
    tokens, mask, weights = (part.to(device) for part in batch)
    chosen = weights[:, 1:] > 0
    hidden = model.get_submodule("model")(input_ids=tokens, attention_mask=mask).last_hidden_state
    logits = model.get_submodule("lm_head")(hidden[:, :-1][chosen])
    losses = nn.functional.cross_entropy(logits.float(), tokens[:, 1:][chosen], reduction="none")
    return (losses * weights[:, 1:][chosen]).sum()


def _rate(step: int, steps: int) -> float:
    """The share of the learning rate at a step: a short rise, then a cosine to a twentieth."""
    rise = max(1, min(100, steps // 10))
    if step < rise:
        return (step + 1) / rise
    done = (step - rise) / max(1, steps - rise)
    return 0.05 + 0.95 * 0.5 * (1 + torch.cos(torch.tensor(done * torch.pi)).item())


def train(budget: str, out: Path, resume: bool) -> None:
    """Train, and leave a zoo folder in `out`.

    Raises:
        UserError: there is no such budget, or nothing to resume.
        KeyboardInterrupt: after saving, on Ctrl-C.
    """
    plan = choose(budget, BUDGETS)
    torch.manual_seed(0)
    tokenizer = _tokenizer(out, resume, 6000 if plan.steps > 100 else 200)
    model: Any = make_model(tokenizer)
    model.to(plan.device)
    plain_attention(model)
    decayed = [p for p in model.parameters() if p.ndim > 1]
    plain = [p for p in model.parameters() if p.ndim <= 1]
    optimizer = torch.optim.AdamW(
        [{"params": decayed, "weight_decay": 0.05}, {"params": plain, "weight_decay": 0.0}], RATE, betas=(0.9, 0.98)
    )
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: _rate(step, plan.steps))
    copying = int(plan.steps * WARM_UP) * plan.batch
    run = Run(out, plan.steps, {"model": model, "optimizer": optimizer, "schedule": schedule}, resume)
    data = batches(
        partial(_draw, tokenizer=tokenizer, copying=copying, late=int(plan.steps * LATE) * plan.batch),
        range(run.step * plan.batch, plan.steps * plan.batch),
        plan.batch,
        plan.workers,
        partial(collate, pad=tokenizer.convert_tokens_to_ids(PAD)),
    )
    model.train()
    replicas = Replicas(model, REPLICAS if plan.device == "cpu" else 1)

    def loss_of(model: nn.Module, part: Batch, learned: float) -> torch.Tensor:
        return loss_sum(model, part) / learned

    if plan.device == "cpu":
        torch.set_num_threads(1)
    with run:
        for _, parts in zip(run, data, strict=False):
            learned = sum(float(part.weights[:, 1:].sum()) for part in parts)
            total = replicas.gradients(parts, partial(loss_of, learned=learned), plan.device)
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            optimizer.zero_grad()
            run.log(loss=total)
    draw_curve(run.history, out / "curve.png")
    export(model, tokenizer, out, run, plan)


def _tokenizer(out: Path, resume: bool, traces: int) -> Any:
    """The tokenizer of the run: learned at its start, read again when it is resumed."""
    folder = out / "run" / "tokenizer"
    if resume and folder.is_dir():
        from transformers import PreTrainedTokenizerFast

        return PreTrainedTokenizerFast.from_pretrained(folder, local_files_only=True)
    tokenizer = make_tokenizer(traces)
    folder.mkdir(parents=True, exist_ok=True)
    save_tokenizer(tokenizer, folder)
    return tokenizer


def export(model: Any, tokenizer: Any, out: Path, run: Run, plan: Budget, cases: int = 300) -> None:
    """Write the zoo folder, with figures on families that were kept back. The held-out sets are not looked at here."""
    save_tokenizer(tokenizer, out)
    model.generation_config.save_pretrained(out)
    metrics = measure(model, tokenizer, cases if plan.steps > 100 else 4)
    state = {name: value for name, value in model.state_dict().items() if name != "lm_head.weight"}  # it is tied
    config = model.config.to_dict() | {
        "architectures": ["LlamaForCausalLM"], "dtype": "float16", "saccade": DECLARED,
    }  # fmt: skip
    card = Card(
        recipe="controller-tiny",
        arguments={"steps": plan.steps, "batch": plan.batch, "rate": RATE, "warm_up": WARM_UP, "hidden": HIDDEN,
                   "layers": LAYERS, "heads": HEADS, "inner": INNER, "vocabulary": len(tokenizer)},
        data={"train": {"first_seed": FIRST_SEED, "traces": plan.steps * plan.batch,
                        "families": sum(len(families(intent)) for intent in intents())},
              "dev": {"families": sum(len(families(intent, DEV)) for intent in intents())},
              "test": {f"held_out_{name}": sum(len(families(intent, name)) for intent in intents(name))
                       for name in HELD_OUT}},
        steps=run.step, minutes=run.minutes, metrics=metrics,
        notes=["exact: every token of all thoughts and calls of a request, greedily decoded without a grammar"],
    )  # fmt: skip
    write_zoo(out, config, state, card)
    write_json(out / "config.json", config)


@torch.inference_mode()
def measure(model: Any, tokenizer: Any, cases: int, names: tuple[str, ...] = (DEV,)) -> dict[str, Any]:
    """Exact requests in families that were not trained on, a set at a time: greedy decoding writes the gold.

    "exact", and the figures by intent, are about thoughts and calls: a strict lower bound of "exact tool and
    arguments", as a thought in other words counts as wrong here. "answer" is the same about answers. "learned"
    holds the same two of the requests for describing, reading, memory and the like.

    Args:
        model: on any device.
        tokenizer: its tokenizer.
        cases: how many of the core intents, and about as many of the others.
        names: the sets.
    """
    model.eval()
    table: dict[str, Any] = {"cases": cases}
    for name in names:
        core = _exact(model, tokenizer, held_out_traces(name, cases, seed=0))
        learned = _exact(model, tokenizer, learned_traces(name, max(1, cases // len(LEARNED)), seed=0))
        table[name if name == DEV else f"held_out_{name}"] = core | ({"learned": learned} if learned else {})
    model.train()
    return table


def _exact(model: Any, tokenizer: Any, traces: list[Trace]) -> dict[str, Any]:
    device = next(model.parameters()).device
    right: dict[str, list[bool]] = {}
    answered: list[bool] = []
    rows = [encode(trace, tokenizer) for trace in traces]
    order = sorted(range(len(rows)), key=lambda at: len(rows[at].tokens))
    for start in range(0, len(order), ROWS):
        part = order[start : start + ROWS]
        batch = padded([rows[at] for at in part], tokenizer.pad_token_id)
        logits = model(input_ids=batch.tokens.to(device), attention_mask=batch.mask.to(device)).logits.cpu()
        good = logits[:, :-1].argmax(-1) == batch.tokens[:, 1:]
        planned, answer = batch.weights[:, 1:] == 1, batch.weights[:, 1:] == ANSWER
        answered += (good | ~answer).all(-1).tolist()
        for at, exact in zip(part, (good | ~planned).all(-1).tolist(), strict=True):
            right.setdefault(traces[at].turns[-1].intent, []).append(exact)
    every = [exact for some in right.values() for exact in some]
    if not every:
        return {}
    return {
        "exact": round(sum(every) / len(every), 4),
        "answer": round(sum(answered) / len(answered), 4),
        **{intent: round(sum(some) / len(some), 4) for intent, some in sorted(right.items())},
    }


def evaluate(folder: Path, cases: int, names: tuple[str, ...] = (DEV,)) -> dict[str, Any]:
    """Measure a zoo folder on families that were not trained on; see `measure`."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, local_files_only=True)
    return measure(model, AutoTokenizer.from_pretrained(folder, local_files_only=True), cases, names)
