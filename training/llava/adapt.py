"""Tune a published LLaVA on a user's own pictures: `saccade train llava --base hf:... --images FOLDER`.

As in LLaVA's own recipe for LoRA (Hu et al. 2021): low-rank matrices in every linear layer of the language model, the
projector whole, the tower left as it is; the loss is on the assistant's words alone. What it leaves is an adapter
folder in peft's format that a profile names: `llava = "file:/my/adapter"`, or with its base,
`llava = "hf:llava-hf/llava-1.5-7b-hf+file:/my/adapter"`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch.nn import functional as F

from ...errors import UserError
from ...extras import need
from ...settings import ModelSpec
from ...tools.contracts import Experts, View
from ...tools.experts.llava.model import ADAPTER_WEIGHTS, load_llava, split, with_lora
from ...tools.experts.llava.prompt import Prompter, embed
from ...tools.weights import sha256
from ..common import Run, autocast, draw_curve, hardware, warm_cosine, write_json
from .own_pictures import Record, epochs, pictures_of, read_folder, view_of, write_records
from .teacher import Teacher

# Every linear layer of the language model (a CLIP tower has layers of the same names).
LAYERS = r".*language_model.*\.(q_proj|k_proj|v_proj|o_proj|gate_proj|up_proj|down_proj)"
PROJECTOR = "multi_modal_projector"


@dataclass(frozen=True)
class Tuning:
    """The numbers of a tuning; those of LLaVA's own LoRA recipe, but for a smaller rank and more passes."""

    rank: int = 16
    alpha: int = 32
    rate: float = 2e-4
    projector_rate: float = 2e-5
    passes: int = 3  # over all instructions
    batch: int = 4
    seed: int = 0


def tune(
    base: str,
    images: Path,
    out: Path,
    *,
    teacher: Teacher | None = None,
    experts: Experts | None = None,
    resume: bool = False,
    tuning: Tuning = Tuning(),
    device: str | None = None,
    tell: Callable[[int], None] | None = None,
) -> list[float]:
    """Tune, leave an adapter in `out`, and give the losses back, step by step.

    Args:
        base: the spec of a LLaVA.
        images: a folder of pictures, with instructions in LLaVA's JSON form beside them unless a teacher is given.
        out: where the adapter goes, with `card.json`, `curve.png` and the teacher's `instructions.json`.
        teacher: writes the instructions.
        experts: tell the teacher of boxes and captions.
        resume: go on from the checkpoint in `out`.
        tuning: the numbers.
        device: "cpu" or "cuda"; the GPU where there is one.
        tell: is told of how many pictures the teacher has written.

    Raises:
        UserError: the base, the folder or what lies in it cannot be used, or peft is not installed; nothing was
            trained then.
        KeyboardInterrupt: after saving, on Ctrl-C.
    """
    need("adapters", "Tuning with --base")
    spec = ModelSpec.parse(base)
    if split(spec)[1] is not None:
        raise UserError(f"--base {base!r} is an adapter: name the model that it was made for.", kind="bad_base")
    pictures = pictures_of(images)
    records = [] if teacher is not None else read_folder(images)
    if teacher is None and not records:
        raise UserError(
            f"--images {str(images)!r} holds {len(pictures)} pictures and no instructions: put a JSON file in LLaVA's "
            f"form beside them, or name a teacher who writes them, as in --teacher hf:Qwen/Qwen2.5-7B-Instruct.",
            kind="no_instructions",
        )
    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    model, processor = load_llava(spec, device)
    if device != "cpu":
        model = model.to(torch.bfloat16)  # as autocast computes
    if teacher is not None:
        assert experts is not None, "a teacher is told what experts see"
        kept = out / "instructions.json"
        if not resume:
            kept.unlink(missing_ok=True)
        records = write_records(pictures, teacher, experts, kept, tell)
    views = {record.picture: view_of(record.picture) for record in records}  # bad files are told before the training
    model = wrap(model, tuning)
    return _train(model, Lessons(model, processor, records, views), out, base, tuning, resume, device)


def wrap(model: Any, tuning: Tuning = Tuning()) -> Any:
    """The model with LoRA in its language model and a projector of its own, all else frozen."""
    from peft import LoraConfig

    torch.manual_seed(tuning.seed)
    config = LoraConfig(
        r=tuning.rank,
        lora_alpha=tuning.alpha,
        lora_dropout=0.05,
        target_modules=LAYERS,
        modules_to_save=[PROJECTOR],
    )
    adapted = with_lora(model, config)
    for value in adapted.parameters():
        if value.requires_grad:
            value.data = value.data.float()
    return adapted


class Lessons:
    """Batches of records as the model reads them.

    Args:
        model: the adapted model.
        processor: its processor.
        records: the instructions.
        views: the views of their pictures.
    """

    def __init__(self, model: Any, processor: Any, records: Sequence[Record], views: dict[Path, View]) -> None:
        self.inner = model.base_model.model
        self.prompter = Prompter(self.inner, processor)
        self.records, self.views = records, views
        self.device = next(self.inner.parameters()).device

    def loss(self, numbers: Sequence[int]) -> torch.Tensor:
        """The mean cross entropy of the assistant's tokens in the records of these numbers."""
        records = [self.records[number] for number in numbers]
        tensors = self.prompter.pixels([self.views[record.picture] for record in records])
        pixels = tensors["pixel_values"].to(self.device, self.inner.model.vision_tower.dtype)
        sizes = {"image_sizes": tensors["image_sizes"].to(self.device)} if "image_sizes" in tensors else {}
        with autocast(self.device.type):
            features = self.inner.get_image_features(pixel_values=pixels, **sizes).pooler_output
            rows = [self.row(record, len(one)) for record, one in zip(records, features, strict=True)]
            longest = max(len(ids) for ids, _ in rows)
            ids = torch.tensor([[*row, *[0] * (longest - len(row))] for row, _ in rows], device=self.device)
            mask = torch.tensor([[1] * len(row) + [0] * (longest - len(row)) for row, _ in rows], device=self.device)
            taught = torch.tensor([[*row, *[0] * (longest - len(row))] for _, row in rows], device=self.device)
            states = self.inner.model.language_model(
                inputs_embeds=embed(self.inner, ids, torch.cat(list(features)), self.prompter.image_id),
                attention_mask=mask,
                use_cache=False,
            ).last_hidden_state
            wanted = taught[:, 1:].bool()
            logits = self.inner.get_output_embeddings()(states[:, :-1][wanted])
        return F.cross_entropy(logits.float(), ids[:, 1:][wanted])

    def row(self, record: Record, length: int) -> tuple[list[int], list[int]]:
        """Token ids of a conversation, and for each whether it is taught: the assistant's words and its end.

        Whatever the chat template is: what it adds when the assistant's turn is put in is the assistant's.

        Raises:
            UserError: the template writes a turn differently once it has been answered.
        """
        prompter, end = self.prompter, self.prompter.tokenizer.eos_token or ""
        turns = [(prompter.clean(one.question), prompter.clean(one.answer)) for one in record.exchanges]
        text, spans = "", list[tuple[int, int]]()
        for place in range(len(turns)):
            asked = prompter.text([*turns[:place], (turns[place][0], "")], 1)
            whole = prompter.text(turns[: place + 1], 1, open_end=False)
            before = prompter.text(turns[:place], 1, open_end=False) if place else ""
            if not whole.startswith(asked) or not asked.startswith(before):
                raise UserError(
                    "The base's chat template rewrites earlier turns, so its answers cannot be told apart.",
                    kind="bad_base",
                )
            answer = whole[len(asked) :].rstrip()
            answer = answer if answer.endswith(end) else answer + end
            text += asked[len(before) :]
            spans.append((len(text), len(text) + len(answer)))
            text += answer
        extra = len(prompter.expand(text, [length])) - len(text)
        begun = text.index(prompter.image_token)
        spans = [(start + extra * (start > begun), stop + extra * (stop > begun)) for start, stop in spans]
        bos = prompter.tokenizer.bos_token
        coded = prompter.tokenizer(
            prompter.expand(text, [length]),
            add_special_tokens=not (bos and text.startswith(bos)),
            return_offsets_mapping=True,
        )
        taught = [
            int(stop > start and any(first <= start < last for first, last in spans))
            for start, stop in coded["offset_mapping"]
        ]
        most = prompter.context
        return coded["input_ids"][:most], taught[:most]


class _Adapter:
    """The trained part of a model, for checkpoints."""

    def __init__(self, model: Any) -> None:
        self.model = model

    def state_dict(self) -> dict[str, Any]:
        return {name: value.detach() for name, value in self.model.named_parameters() if value.requires_grad}

    def load_state_dict(self, state: dict[str, Any], /) -> None:
        own = dict(self.model.named_parameters())
        with torch.no_grad():
            for name, value in state.items():
                own[name].copy_(value)


def save_adapter(model: Any, folder: Path, base: str) -> None:
    """Write an adapted model's adapter in peft's format; it names its base as peft does, or as a spec of ours."""
    spec = ModelSpec.parse(base)
    names = {"hf": spec.name, "file": str(spec.path.absolute())}
    model.peft_config["default"].base_model_name_or_path = names.get(spec.scheme, str(spec))
    model.save_pretrained(folder, save_embedding_layers=False)  # they are not trained; peft would ask the hub
    for path in folder.glob("adapter_*"):
        path.chmod(0o644)
    (folder / "README.md").unlink(missing_ok=True)  # peft's, an empty form


def _train(
    model: Any, lessons: Lessons, out: Path, base: str, tuning: Tuning, resume: bool, device: str
) -> list[float]:
    steps = math.ceil(tuning.passes * len(lessons.records) / tuning.batch)
    trained = [(name, value) for name, value in model.named_parameters() if value.requires_grad]
    groups = [
        {"params": [value for name, value in trained if PROJECTOR not in name], "lr": tuning.rate},
        {"params": [value for name, value in trained if PROJECTOR in name], "lr": tuning.projector_rate},
    ]
    optimizer = torch.optim.AdamW(groups, weight_decay=0.0, betas=(0.9, 0.999))
    schedule = warm_cosine(optimizer, steps, warm=0.03)
    if device != "cpu":
        lessons.inner.model.language_model.activation_checkpointing_enable({"use_reentrant": False})
    model.train()
    lessons.inner.model.vision_tower.eval()
    state = {"adapter": _Adapter(model), "optimizer": optimizer, "schedule": schedule}
    with Run(out, steps, state, resume) as run:
        batches = list(epochs(len(lessons.records), tuning.batch, steps, tuning.seed))
        for step in run:
            torch.manual_seed(tuning.seed * 1_000_003 + step)  # dropout, the same after a stop
            loss = lessons.loss(batches[step])
            if not torch.isfinite(loss):
                raise UserError(
                    f"The loss is {loss.item()} at step {step}: the base's weights are damaged, or the rate "
                    f"{tuning.rate:g} is too high for them.",
                    kind="diverged",
                )
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_([value for _, value in trained], 1.0)
            optimizer.step()
            schedule.step()
            run.log(loss=loss.item())
    model.eval()
    save_adapter(model, out, base)
    history = [losses["loss"] for _, losses in run.history]
    draw_curve(run.history, out / "curve.png")
    write_json(
        out / "card.json",
        {
            "recipe": "llava adapter",
            "base": base,
            "arguments": asdict(tuning),
            "data": {"records": len(lessons.records), "pictures": len(lessons.views)},
            "steps": steps,
            "minutes": run.minutes,
            "hardware": hardware(),
            "loss": {"first": history[0], "last": history[-1]},
            "parameters": sum(value.numel() for _, value in trained),
            "sha256": sha256(out / ADAPTER_WEIGHTS),
        },
    )
    return history
