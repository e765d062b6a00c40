"""The recipe of `zoo/llava`: a LLaVA (Liu et al. 2023) trained from scratch on the drawn world, in stages.

Stage 0 teaches the language model alone, on scenes that are written as text: where a patch of the picture would
stand, the words of the thing in it. Then the tower, which is CLIP's, learns to spell and where things stand, and
the projector to put such words in the places of patches (`llava_tower`): what was learned from text then holds of
pictures. Stage 1 teaches the projector alone, from the list of everything in a picture. Stage 2 teaches
projector and language model all kinds of instructions (`llava_data`), and the tower at a small share of the rate,
which departs from the paper; the card has both figures, with the tower frozen and with it learning.

What those who ask must know (`tools/experts/llava/llava.py`), also in `config.json` under "saccade":

    one picture     <|user|><image>QUESTION<|assistant|>       two: <|user|><image><image>QUESTION<|assistant|>
    an answer       "color: 1 ball c12 r7 large red rubber ball Answer: red": what is asked, steps, the answer
    statements      "Is this true of the picture: STATEMENT?" (of two: "of the pictures") -> true, false
    descriptions    "Describe the picture in short.", "Describe the picture in detail."
    reading         "What does the sign say?" on the square around a sign -> the word alone
    crops           "What is this?", "What colour is it?", "What is it made of?" on the square around a thing
    conversations   further questions follow after <|end|> as <|user|>QUESTION<|assistant|>

A region is shown as the square around its centre, 1.0 to 1.4 times its longer side, grey (128) where the picture ends.
"""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from ...errors import UserError, suggest
from ..clip.recipe import SIDE
from ..common import Card, Run, batches, draw_curve, plain_attention, write_json, write_zoo
from ..data_parallel import Replicas
from .inputs import Looked, Written, looked
from .lessons import PATCHES, Batch, Mix, Words, collate, corpus, draw_row, needed
from .loss import losses_of, naming
from .store import Store, draw_store
from .tokenizer import END, IMAGE, PAD, SPECIAL, build_tokenizer, words_in
from .tower import Prepared, load_tower, patches, prepare


@dataclass(frozen=True)
class Plan:
    """How much each stage may cost: steps, and what a batch holds."""

    tower: int = 1200
    words: int = 700
    projector: int = 60
    all: int = 4000
    scenes: int = 80000  # drawn; with 16,000 the tower knew them by heart: twice the loss on new ones
    sign_scenes: int = 20000
    workers: int = 1
    mix: Mix = Mix()  # noqa: RUF009 - frozen


BUDGETS = {
    "cpu": Plan(),
    "long": Plan(all=14000, scenes=240000),  # as much as the weights in `zoo/` got, in one piece
    "gpu": Plan(tower=6000, words=4000, projector=200, all=12000, scenes=200000, sign_scenes=40000, workers=14,
                mix=Mix(88, 16, 20, 64)),
    "test": Plan(1, 3, 3, 3, 16, 16, 0, Mix(2, 1, 1, 1)),
}  # fmt: skip
HIDDEN, LAYERS, HEADS, INNER = 256, 4, 4, 464
CONTEXT = 1024
MOST_WORDS = 455  # that are tokens of their own: each costs 256 of the 5.6 M parameters
RATES = {"words": 2.5e-3, "projector": 3e-3, "all": 1.5e-3}
TOWER_SHARE = 0.4  # of the rate, in stage 2
HOPS_AT = (0.12, 0.25, 0.4)  # of stage 0: until then no hop, one, two
WARM = 30  # steps
REPLICAS = 2  # micro-batches worked on at once on a CPU
NAMING = 1.0  # how much the naming of patches weighs in stage 2


def make_model(tokenizer: Any, tower: Any) -> Any:
    """A `LlavaForConditionalGeneration` with the tower's weights and random others."""
    from transformers import LlamaConfig, LlavaConfig, LlavaForConditionalGeneration

    number = tokenizer.convert_tokens_to_ids
    text = LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=HIDDEN, num_hidden_layers=LAYERS, num_attention_heads=HEADS,
        num_key_value_heads=HEADS, intermediate_size=INNER, max_position_embeddings=CONTEXT, tie_word_embeddings=True,
        bos_token_id=None, eos_token_id=number(END), pad_token_id=number(PAD), initializer_range=0.02,
    )  # fmt: skip
    config = LlavaConfig(
        vision_config=tower.config, text_config=text, image_token_index=number(IMAGE), projector_hidden_act="gelu",
        vision_feature_layer=-1, vision_feature_select_strategy="default", image_seq_length=PATCHES,
        tie_word_embeddings=True,
    )  # fmt: skip
    model = LlavaForConditionalGeneration(config)
    model.model.vision_tower.load_state_dict(tower.state_dict())
    model.generation_config.update(eos_token_id=number(END), pad_token_id=number(PAD), max_new_tokens=160)
    return model


# ---------------------------------------------------------------- the stages


def shape_of_rate(step: int, steps: int) -> float:
    """The share of the rate: a short rise, level for 40 %, then down to a hundredth."""
    rise = min(WARM, steps / 10 + 1)
    return min(1.0, (step + 1) / rise, 0.01 + (steps - step) / (0.6 * steps))


def optimizers(model: Any, rates: dict[str, float]) -> list[torch.optim.Optimizer]:
    """Muon for the matrices of the layers, AdamW for the rest; `rates` by the name of a part, others stay frozen."""
    matrices, others = [], []
    for name, parameter in model.named_parameters():
        rate = next((rate for part, rate in rates.items() if part in name), None)
        parameter.requires_grad_(rate is not None)
        if rate is None:
            continue
        flat = parameter.ndim == 2 and ".layers." in name
        group = {"params": [parameter], "lr": rate if flat else rate / 2}
        (matrices if flat else others).append(group | ({} if parameter.ndim > 1 else {"weight_decay": 0.0}))
    made: list[torch.optim.Optimizer] = [torch.optim.AdamW(others, betas=(0.9, 0.98), weight_decay=0.02)]
    if matrices:
        made.append(torch.optim.Muon(matrices, weight_decay=0.05, adjust_lr_fn="match_rms_adamw"))
    return made


@dataclass
class Stage:
    """One stage: what learns at what rate, on which rows, and how pictures become places in a row."""

    name: str
    steps: int
    rates: dict[str, float]
    mix: Mix
    text: bool = False  # pictures are written as text
    aligned: bool = False  # the projector is also told the words of each patch
    seed: int = 0


LM, PROJECTOR, TOWER = "language_model", "multi_modal_projector", "vision_tower"


def stages_of(plan: Plan, tower: float = TOWER_SHARE) -> list[Stage]:
    """The three stages of a plan; `tower` is the tower's share of the rate in the last."""
    rows, both = plan.mix.scenes, {LM: RATES["all"], PROJECTOR: RATES["all"]}
    return [
        Stage("words", plan.words, {LM: RATES["words"]},
              replace(plan.mix, scenes=rows + rows // 4, crops=0, read=False), text=True, seed=1),
        Stage("projector", plan.projector, {PROJECTOR: RATES["projector"]},
              replace(plan.mix, scenes=rows, pairs=0, crops=0, dense_only=True), aligned=True, seed=2),
        Stage("all", plan.all, both | ({TOWER: tower * RATES["all"]} if tower else {}), plan.mix, seed=3),
    ]  # fmt: skip


def _hops(stage: Stage, step: int) -> int:
    """The curriculum: the most hops of a question at a step of stage 0."""
    if not stage.text:
        return 9
    return next((hops for hops, until in enumerate(HOPS_AT) if step < until * stage.steps), 9)


def _draw(seed: int, stage: Stage, store: Store, words: Words) -> Any:
    mix = replace(stage.mix, hops=_hops(stage, seed // stage.mix.batch))
    return draw_row((stage.seed << 40) + seed, store, words, mix, seed % mix.batch)


def run_stage(
    stage: Stage, model: Any, store: Store, words: Words, out: Path, *, resume: bool = False, workers: int = 1,
    device: str = "cpu", heads: Prepared | None = None, early: Callable[[Run], None] | None = None,
) -> Run:  # fmt: skip
    """Train one stage; it goes on where it was stopped when `resume` and there is something to resume.

    Where the tower learns, `heads` help it: they name what patches show, and are no part of the model.
    """
    frozen = TOWER not in stage.rates
    heads = None if frozen else heads
    both = optimizers(model, stage.rates)
    if heads is not None:
        both[0].add_param_group({"params": [*heads.scene.parameters(), *heads.letter.parameters()], "lr": 1e-3})
    for optimizer in both:
        for group in optimizer.param_groups:
            group["peak"] = group["lr"]
    state = {"model": model} | {type(one).__name__: one for one in both}
    if heads is not None:
        state |= {"scene": heads.scene, "letter": heads.letter}
    run = Run(out, stage.steps, state, resume and (out / "run" / "checkpoint.pt").is_file())
    written = Written(store, words)
    drawn: Iterator[list[Batch]] = iter(
        batches(
            partial(_draw, stage=stage, store=store, words=words),
            range(run.step * stage.mix.batch, stage.steps * stage.mix.batch),
            stage.mix.batch,
            workers,
            partial(collate, words=words),
        )
    )
    model.train()
    plain_attention(model)
    learner = _Learner(stage, model, heads, written)
    replicas = Replicas(learner, REPLICAS if device == "cpu" else 1)
    with run:
        for step in run:
            rng = np.random.default_rng((stage.seed, step))
            made = next(drawn)
            whole = sum(float(part.weights[:, 1:].sum()) for part in made)
            pictures = sum(len(part.pictures) for part in made)
            parts = [_Part(part, None if stage.text else looked(part.pictures, store, rng)) for part in made]
            parts.sort(key=lambda part: part.rows.tokens.numel())
            replicas.gradients(parts, partial(_Learner.loss, whole=whole, pictures=pictures), device)
            _descend(model, both, step, stage.steps)
            right, answers = (sum(part.told[i] for part in parts) for i in (2, 3))
            total, named = (sum(part.told[i] for part in parts) for i in (0, 1))
            beside = {"patches": named / pictures} if heads is not None or stage.aligned else {}
            run.log(**{stage.name: total / whole, "wrong answers": 1 - right / max(1, answers)}, **beside)
            if early and step and step % 100 == 0:
                early(run)
    return run


@dataclass
class _Part:
    """A micro-batch with its pictures; and what came of it: loss, loss of the patches, right answers, answers."""

    rows: Batch
    shown: Looked | None  # None: as text
    told: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)


class _Learner(nn.Module):
    """The model, with the heads that help its tower, as one."""

    def __init__(self, stage: Stage, model: Any, heads: Prepared | None, written: Written) -> None:
        super().__init__()
        self.model, self.heads = model, heads
        self.stage, self.written = stage, written

    def __deepcopy__(self, memo: dict[int, Any]) -> _Learner:
        model, heads = copy.deepcopy((self.model, self.heads), memo)
        return _Learner(self.stage, model, heads, self.written)  # what was drawn is shared

    def loss(self, part: _Part, whole: float, pictures: int) -> torch.Tensor:
        """The loss of a part of a batch, which weighs `whole` and has so many pictures."""
        model, stage, rows, shown = self.model, self.stage, part.rows, part.shown
        table = model.get_input_embeddings()
        aside = torch.zeros((), device=table.weight.device)
        if shown is None:
            seen = self.written.embedded(rows.pictures, table)
        else:
            with torch.set_grad_enabled(TOWER in stage.rates):
                states = patches(model.model.vision_tower, shown.pixels.to(aside.device))
            seen = model.model.multi_modal_projector(states)
            if stage.aligned:
                aside = self.written.off(seen, shown, rows.pictures, table)
            elif self.heads is not None:
                aside = naming(self.heads, states, shown)
        loss, counted = losses_of(model, rows, seen)
        part.told = (loss.item(), aside.item(), *counted.tolist())
        return loss / whole + (1.0 if stage.aligned else NAMING) * aside / pictures


def _descend(model: Any, both: list[torch.optim.Optimizer], step: int, steps: int) -> None:
    for optimizer in both:
        for group in optimizer.param_groups:
            group["lr"] = group["peak"] * shape_of_rate(step, steps)
    nn.utils.clip_grad_norm_([p for p in model.parameters() if p.grad is not None], 1.0)
    for optimizer in both:
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)


def train(budget: str, out: Path, resume: bool) -> None:
    """Train through all stages, and leave the zoo folder in `out`; each stage is resumed by itself."""
    if budget not in BUDGETS:
        raise UserError(f"Unknown budget {budget!r}.{suggest(budget, BUDGETS)}", kind="unknown_budget")
    plan = BUDGETS[budget]
    device = "cuda" if torch.cuda.is_available() else "cpu"
    runs = out / "run"
    if resume and not runs.is_dir():
        raise UserError(f"There is nothing to resume in {str(out)!r}: leave --resume out.", kind="nothing_to_resume")
    torch.manual_seed(0)
    store = draw_store(runs / "store", plan.scenes, plan.sign_scenes, plan.workers)
    tokenizer = make_tokenizer(runs, 1500 if plan.scenes > 100 else 20)
    words = Words(tokenizer)
    heads = Prepared(load_tower()).to(device).train()
    model = make_model(tokenizer, heads.tower).to(device)
    heads.tower = model.model.vision_tower
    history: list[tuple[int, dict[str, float]]] = []
    metrics: dict[str, Any] = {}
    for stage in stages_of(plan):
        folder = runs / stage.name
        if stage.name == "projector":
            run = prepare(
                store, runs / "tower", plan.tower, _begun(runs / "tower", resume), heads,
                model.model.multi_modal_projector, partial(Written(store, words).scenes, model), device,
            )  # fmt: skip
            history += _after(history, run)
        run = run_stage(
            stage, model, store, words, folder, resume=_begun(folder, resume), workers=plan.workers, device=device,
            heads=heads, early=None if stage.text else partial(_early, model, tokenizer, out, plan),
        )  # fmt: skip
        history += _after(history, run)
        if stage.name != "words" and plan.scenes > 100:
            export(model, tokenizer, out, plan, run.step, run.minutes, metrics)
            metrics["after_stage_1" if stage.name == "projector" else "after_stage_2"] = evaluate(out, 200)
    draw_curve(history, out / "curve.png")
    minutes = sum(
        json.loads(path.read_text("utf-8").splitlines()[-1])["minutes"] for path in runs.glob("*/run/*.jsonl")
    )
    export(model, tokenizer, out, plan, sum(stage.steps for stage in stages_of(plan)), round(minutes, 1), metrics)


def _early(model: Any, tokenizer: Any, out: Path, plan: Plan, run: Run) -> None:
    export(model, tokenizer, out, plan, run.step, run.minutes, {})


def _after(history: list[tuple[int, dict[str, float]]], run: Run) -> list[tuple[int, dict[str, float]]]:
    """A stage's losses, its steps counted on from those before."""
    start = history[-1][0] + 1 if history else 0
    return [(start + step, losses) for step, losses in run.history]


def _begun(folder: Path, resume: bool) -> bool:
    return resume and (folder / "run" / "checkpoint.pt").is_file()


def make_tokenizer(folder: Path, scenes: int = 1500) -> Any:
    """The tokenizer of a run: its words are gathered once, and kept."""
    path = folder / "words.json"
    if not path.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        write_json(path, words_in(corpus(scenes), 3 if scenes > 100 else 1, MOST_WORDS, needed()))
    return build_tokenizer(json.loads(path.read_text("utf-8")))


# ---------------------------------------------------------------- the zoo folder

OURS = {
    "answer_after": "Answer:",
    "most_tokens": 160,
    "question": "{}",
    "statement": "Is this true of the picture: {}?",
    "pair": "Is this true of the pictures: {}?",
    "short": "Describe the picture in short.",
    "detailed": "Describe the picture in detail.",
    "read": "What does the sign say?",
    "crop_margin": 1.15,
}


def export(
    model: Any, tokenizer: Any, out: Path, plan: Plan, steps: int, minutes: float, metrics: dict[str, Any],
    notes: list[str] | None = None,
) -> Card:  # fmt: skip
    """Write the zoo folder: the model, its processor, chat template and generation settings, and the card."""
    out.mkdir(parents=True, exist_ok=True)
    write_processor(out, tokenizer)
    model.generation_config.save_pretrained(out)
    state = {name: value for name, value in model.state_dict().items() if name != "lm_head.weight"}  # it is tied
    config = model.config.to_dict() | {
        "architectures": ["LlavaForConditionalGeneration"], "dtype": "float16", "saccade": OURS,
    }  # fmt: skip
    card = Card(
        "llava",
        {"stages": asdict(plan), "rates": RATES, "tower": f"{TOWER_SHARE} of the rate in the last stage",
         "hidden": HIDDEN, "layers": LAYERS, "inner": INNER, "vocabulary": len(tokenizer)},
        {"training": f"{plan.scenes} scenes of the split train; signs of {plan.sign_scenes} more, with training words "
                     "and random letters", "testing": "the split test"},
        steps, minutes, metrics, notes=notes or [],
    )  # fmt: skip
    return write_zoo(out, config, state, card)


def write_processor(out: Path, tokenizer: Any) -> None:
    """The files that `AutoProcessor` reads."""
    from transformers import CLIPImageProcessor, LlavaProcessor

    images = CLIPImageProcessor(
        do_center_crop=False, do_convert_rgb=True, size={"height": SIDE, "width": SIDE}, resample=3,
        image_mean=[0.5] * 3, image_std=[0.5] * 3,
    )  # fmt: skip
    processor = LlavaProcessor(
        images, tokenizer, patch_size=SIDE // math.isqrt(PATCHES), vision_feature_select_strategy="default",
        image_token=IMAGE, num_additional_image_tokens=1, chat_template=tokenizer.chat_template,
    )  # fmt: skip
    processor.save_pretrained(out)


def evaluate(folder: Path, cases: int) -> dict[str, Any]:
    """Measure a zoo folder on held-out scenes: see `llava_test`."""
    from .measure import measure

    return measure(folder, cases)


__all__ = ["BUDGETS", "SPECIAL", "Plan", "Stage", "evaluate", "load_tower", "train"]
