"""Action Judgement fine-tuning: `python -m cleans2s.judge.train --sft MODEL --out DIR` teaches a causal language model to name
the strategy with one letter, by LoRA (peft), on the same families as the shipped judge. `judge.sft` loads the result."""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import ModelError
from ..stages import imported
from . import ENDS
from .dataset import Turn, kept_back, turns
from .network_torch import multiplies_bfloat16
from .sft import ADAPTER, INSTALL, LETTERS, base_model, letter_ids, letter_scores, tokens


@dataclass(frozen=True)
class SFTRecipe:
    epochs: float = 1.0
    minutes: float = 0.0
    """When to stop at the latest; 0 for no limit. The rate falls to nothing by then."""

    batch: int = 8
    rate: float = 4e-4
    rank: int = 16
    seed: int = 1


def train(
    model: str, out: Path, recipe: SFTRecipe, data: Sequence[Turn] | None = None, say: Callable[[str], None] | None = None
) -> Path:
    """Writes the adapter and the name of its model to the folder `out`."""
    torch, peft, say = imported("torch"), imported("peft"), say or _say
    torch.manual_seed(recipe.seed)
    chance = random.Random(recipe.seed)
    tokenizer, base = base_model(model)
    letters = letter_ids(tokenizer)
    config = peft.LoraConfig(r=recipe.rank, lora_alpha=2 * recipe.rank, target_modules="all-linear", task_type="CAUSAL_LM")
    if multiplies_bfloat16(torch):  # the adapter stays in float32
        base = base.to(torch.bfloat16)
    tuned = peft.get_peft_model(base, config).train()
    optimiser = torch.optim.AdamW([p for p in tuned.parameters() if p.requires_grad], lr=recipe.rate)
    left = kept_back()
    rows = list(data) if data is not None else [turn for turn in turns() if turn.family not in left]
    read = [(tokens(tokenizer, turn.situation), ENDS.index(turn.strategy)) for turn in rows]  # type: ignore[arg-type]
    steps, began_s = max(1, int(recipe.epochs * len(read) / recipe.batch)), time.perf_counter()
    total, done, minutes = 0.0, 0, 0.0
    for step, batch in enumerate(_endless(read, recipe.batch, chance)):
        minutes = (time.perf_counter() - began_s) / 60
        progress = max(step / steps, minutes / recipe.minutes if recipe.minutes else 0.0)
        if progress >= 1:
            break
        for group in optimiser.param_groups:
            group["lr"] = recipe.rate * min(1.0, (step + 1) / 20) * (1 - progress)
        loss = _loss(torch, tuned, letters, batch)
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_([p for p in tuned.parameters() if p.requires_grad], 1.0)
        optimiser.step()
        total, done = total + float(loss.detach()), done + 1
        if done % 25 == 0:
            say(f"step {done} of at most {steps}: loss {total / 25:.3f}, {minutes:.1f} min")
            total = 0.0
    out.mkdir(parents=True, exist_ok=True)
    tuned.save_pretrained(str(out))
    about = {"model": model, "letters": LETTERS, "steps": done, "examples": len(read), "minutes": round(minutes, 1)}
    (out / ADAPTER).write_text(json.dumps(about, indent=1), "utf-8")
    return out


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _endless(read: list[tuple[list[int], int]], size: int, chance: random.Random) -> Any:
    """Batches of texts of about the same length, epoch after epoch."""
    while True:
        order = list(range(len(read)))
        chance.shuffle(order)
        batches: list[list[int]] = []
        for start in range(0, len(order), size * 16):
            part = sorted(order[start : start + size * 16], key=lambda row: len(read[row][0]))
            batches += [part[i : i + size] for i in range(0, len(part), size)]
        chance.shuffle(batches)
        yield from ([read[row] for row in batch] for batch in batches)


def _loss(torch: Any, model: Any, letters: list[int], batch: list[tuple[list[int], int]]) -> Any:
    longest = max(len(ids) for ids, _ in batch)
    ids = torch.tensor([[0] * (longest - len(row)) + row for row, _ in batch])
    mask = torch.tensor([[0] * (longest - len(row)) + [1] * len(row) for row, _ in batch])
    positions = (mask.cumsum(-1) - 1).clamp(min=0)
    scores = letter_scores(model.get_base_model(), letters, input_ids=ids, attention_mask=mask, position_ids=positions)
    return torch.nn.functional.cross_entropy(scores, torch.tensor([label for _, label in batch]))


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser("python -m cleans2s.judge.train --sft")
    parser.add_argument("model", help="a name of `cleans2s models list`, a folder, a GGUF file, or a name of the hub")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR")
    parser.add_argument("--epochs", type=float, default=SFTRecipe.epochs, metavar="N")
    parser.add_argument("--minutes", type=float, default=SFTRecipe.minutes, metavar="N", help="stop then at the latest")
    parser.add_argument("--threads", type=int, default=2, metavar="N")
    options = parser.parse_args(arguments)
    try:
        imported("torch").set_num_threads(options.threads)
        recipe = SFTRecipe(epochs=options.epochs, minutes=options.minutes)
        folder = train(options.model, options.out, recipe, say=_say)
    except ModuleNotFoundError as error:
        raise ModelError(f"fine-tuning needs the package {error.name}: {INSTALL}") from None
    sys.stdout.write(f'{folder}: use it with --judge sft {folder}, or judge.engine = "sft" and judge.path\n')
    return 0
