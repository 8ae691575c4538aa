"""Train the judge that is shipped: `python -m cleans2s.judge.train`, on two cores in less than ten minutes.

The lower layers of multilingual-e5-small read every example once and stay as they are; the upper ones are tuned together
with a small head. Beside them a linear model learns from n-grams, which a few thousand examples teach better than sense.
What is written to `weights/` is the tuned layers in 8 bits, the head and the linear model. Families in data/heldout.json
are not looked at; `--fold N` also leaves out a fifth of the others and tells how they were judged.

`--sft MODEL` tunes a causal language model on the same data instead (see `sft_train`).
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ..embedding import Vectors
from ..errors import ConfigError, ModelError
from ..stages import imported
from . import ENDS, KINDS, NAMES, WEIGHTS, Situation
from .dataset import Stream, folds, held_out, prefix, streams, turns, units
from .network import Reader, TunedLayers
from .reading import BUCKETS, Read, n_grams, read
from .telling import NAMES as COUNTED
from .telling import features

KIND_ROWS = [(name, kind) for name in NAMES for kind in KINDS[name]]
SECONDARY = 0.3
"""Weight of telling the kind of reason, beside telling the strategy."""

STRATEGY_WEIGHTS = (1.0, 1.3, 1.4, 1.15)
"""Of the rarer ones a mistake costs more."""

INSTALL = "pip install 'cleans2s[train]'"


@dataclass(frozen=True)
class Example:
    """`strategy` is a place in `ENDS`, -1 for the beginning of a stream, where `interrupt` is 0 or 1."""

    situation: Situation
    strategy: int
    interrupt: int
    kind: int
    family: str


@dataclass(frozen=True)
class Recipe:
    below: int = 6
    """Layers of the encoder that stay as they were published; the others, to the twelfth, are tuned."""

    epochs: int = 4
    batch: int = 32
    rate: float = 2.5e-4
    head_rate: float = 1e-3
    dropout: float = 0.1
    smoothing: float = 0.05
    warm_up: float = 0.1
    decay: float = 0.01
    inner: int = 192
    seed: int = 1
    linear_c: float = 8.0
    """Inverse strength of the linear model's regularisation."""


def examples(leave_out: frozenset[str], seed: int) -> list[Example]:
    chance = random.Random(seed)
    found = [
        Example(turn.situation, ENDS.index(turn.strategy), -1, _kind(turn.strategy, turn.kind), turn.family)  # type: ignore[arg-type]
        for turn in turns()
        if turn.family not in leave_out
    ]
    for stream in streams():
        if stream.family not in leave_out:
            found += _beginnings(stream, chance)
    return found


def _beginnings(stream: Stream, chance: random.Random) -> list[Example]:
    """Before the moment to cut in and after it; of a stream that deserves none, three places."""
    total = len(units(stream.situation.words, stream.situation.language))
    if stream.interrupt_at is None:
        places = [(chance.randint(total // 4, total * 2 // 3), 0), (chance.randint(total // 2, total), 0), (total, 0)]
    else:
        early = max(4, stream.interrupt_at - chance.randint(4, 16))
        late = min(total, stream.interrupt_at + chance.randint(0, 8))
        places = [(early, 0), (late, 1), (chance.randint(late, total), 1)]
    kind = _kind("interruption", stream.kind)
    return [Example(beginning(stream, count), -1, yes, kind if yes else -1, stream.family) for count, yes in places]


def beginning(stream: Stream, count: int) -> Situation:
    return replace(stream.situation, words=prefix(stream.situation.words, stream.situation.language, count))


def _kind(strategy: str, kind: str) -> int:
    return KIND_ROWS.index((strategy, kind)) if (strategy, kind) in KIND_ROWS else -1  # type: ignore[arg-type]


# ── the tuned layers and their head ───────────────────────────────────────────────────────────────────────────────────


def tune(reader: Reader, data: list[Example], recipe: Recipe, say: Any) -> tuple[TunedLayers, dict[str, Vectors]]:
    """The upper layers and the head, trained on these examples."""
    torch = imported("torch")
    torch.manual_seed(recipe.seed)
    chance = random.Random(recipe.seed)
    reads = [read(reader.tokenizer, example.situation) for example in data]
    states = reader.lower_states(reads)
    counted = torch.from_numpy(np.stack([features(example.situation) for example in data]))
    module = _module(torch, reader, recipe)
    groups = [
        {"params": list(module.layers.parameters()), "lr": recipe.rate},
        {"params": list(module.head.parameters()), "lr": recipe.head_rate},
    ]
    optimiser = torch.optim.AdamW(groups, weight_decay=recipe.decay)
    steps, step = recipe.epochs * (len(data) // recipe.batch), 0
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, _rising_and_falling(steps, recipe.warm_up))
    for epoch in range(recipe.epochs):
        module.train()
        began_s, total = time.perf_counter(), 0.0
        for batch in _batches([len(r.tokens) for r in reads], recipe.batch, chance):
            hidden = _padded(torch, [states[i] for i in batch], [reads[i] for i in batch])
            loss = _loss(torch, module(*hidden, counted[batch]), [data[i] for i in batch], recipe)
            optimiser.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(module.parameters(), 1.0)
            optimiser.step()
            schedule.step()
            step, total = step + 1, total + float(loss.detach()) * len(batch)
        say(f"epoch {epoch + 1} of {recipe.epochs}: loss {total / len(data):.3f}, {time.perf_counter() - began_s:.0f} s")
    module.eval()
    tuned = {name: value.detach().numpy() for name, value in module.layers.state_dict().items()}
    return TunedLayers.from_module(tuned, reader.below), {n: v.detach().numpy() for n, v in module.head.state_dict().items()}


def _rising_and_falling(steps: int, warm_up: float) -> Callable[[int], float]:
    def share(step: int) -> float:
        return min((step + 1) / (warm_up * steps + 1), max(0.0, 1 - step / (steps + 1)))

    return share


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _batches(lengths: Sequence[int], size: int, chance: random.Random) -> list[list[int]]:
    """In random order, those of about the same length together, so that little is padding."""
    order = list(range(len(lengths)))
    chance.shuffle(order)
    found: list[list[int]] = []
    for start in range(0, len(order), size * 16):
        part = sorted(order[start : start + size * 16], key=lengths.__getitem__)
        found += [part[i : i + size] for i in range(0, len(part), size)]
    chance.shuffle(found)
    return found


def _padded(torch: Any, states: list[Any], reads: list[Read]) -> tuple[Any, Any, Any]:
    longest = max(len(r.tokens) for r in reads)
    hidden = torch.zeros(len(reads), longest, states[0].shape[1])
    for row, state in enumerate(states):
        hidden[row, : len(state)] = torch.from_numpy(state.astype(np.float32))
    return hidden, torch.tensor([r.words_at for r in reads]), torch.tensor([len(r.tokens) for r in reads])


def _loss(torch: Any, logits: Any, batch: list[Example], recipe: Recipe) -> Any:
    functional = torch.nn.functional
    ends, cut, kinds = logits[:, : len(ENDS)], logits[:, len(ENDS)], logits[:, len(ENDS) + 1 :]
    strategy = torch.tensor([e.strategy for e in batch])
    weights = torch.tensor(STRATEGY_WEIGHTS)
    is_turn = strategy >= 0
    loss = logits.sum() * 0
    if is_turn.any():
        loss = loss + is_turn.float().mean() * functional.cross_entropy(
            ends[is_turn], strategy[is_turn], weight=weights, label_smoothing=recipe.smoothing
        )
    if (~is_turn).any():
        wanted = torch.tensor([float(e.interrupt) for e in batch])[~is_turn]
        loss = loss + (~is_turn).float().mean() * functional.binary_cross_entropy_with_logits(cut[~is_turn], wanted)
    kind = torch.tensor([e.kind for e in batch])
    if (kind >= 0).any():
        loss = loss + SECONDARY * functional.cross_entropy(kinds[kind >= 0], kind[kind >= 0])
    return loss


def _module(torch: Any, reader: Reader, recipe: Recipe) -> Any:
    from .network_torch import judge_module

    outputs = len(ENDS) + 1 + len(KIND_ROWS)
    return judge_module(reader.upper_weights(), reader.below, len(COUNTED), recipe.inner, outputs, recipe.dropout)


# ── the linear model ──────────────────────────────────────────────────────────────────────────────────────────────────


def fit_linear(data: list[Example], recipe: Recipe) -> Vectors:
    """Weights of shape (buckets + 1, strategies): n-grams to scores, the last row is the bias. The column of interruption
    comes from the beginnings of streams."""
    table = np.zeros((BUCKETS + 1, len(NAMES)), np.float32)
    ends = [example for example in data if example.strategy >= 0]
    model = _logistic(recipe).fit(_sparse(ends), [example.strategy for example in ends])
    table[:-1, : len(ENDS)], table[-1, : len(ENDS)] = model.coef_.T, model.intercept_
    parts = [example for example in data if example.strategy < 0]
    model = _logistic(recipe).fit(_sparse(parts), [example.interrupt for example in parts])
    table[:-1, -1], table[-1, -1] = model.coef_[0], model.intercept_[0]
    return table


def _logistic(recipe: Recipe) -> Any:
    return imported("sklearn.linear_model").LogisticRegression(C=recipe.linear_c, max_iter=200, class_weight="balanced")


def _sparse(data: list[Example]) -> Any:
    found = [n_grams(example.situation) for example in data]
    rows = np.repeat(np.arange(len(found)), [len(buckets) for buckets, _ in found])
    columns = np.concatenate([buckets for buckets, _ in found])
    values = np.concatenate([weights for _, weights in found])
    return imported("scipy.sparse").csr_matrix((values, (rows, columns)), shape=(len(found), BUCKETS))


# ── from the command line ─────────────────────────────────────────────────────────────────────────────────────────────


def train(out: Path, fold: int | None = None, recipe: Recipe = Recipe(), threads: int = 2, say: Any = print) -> Path:
    """Writes the weights to the folder `out`; with a fold, its families are left out besides those held out."""
    began_s = time.perf_counter()
    left = held_out()
    if fold is not None:
        left |= folds(5)[fold]
    data = examples(left, recipe.seed)
    imported("torch").set_num_threads(threads)
    imported("torch").use_deterministic_algorithms(True)
    reader = Reader.untuned(threads, recipe.below)
    say(f"{len(data)} examples; the encoder's lower {reader.below} layers read them …")
    layers, head = tune(reader, data, recipe, say)
    linear = fit_linear(data, recipe)
    out.mkdir(parents=True, exist_ok=True)
    layers.save(out / "small.npz", head, linear)
    say(f"{out / 'small.npz'}: {(out / 'small.npz').stat().st_size / 1e6:.1f} MB after {time.perf_counter() - began_s:.0f} s")
    return out / "small.npz"


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser("python -m cleans2s.judge.train", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--out", type=Path, default=WEIGHTS, metavar="DIR", help="where the weights go (default: the package)")
    parser.add_argument("--fold", type=int, metavar="N", help="leave out fold N (0 to 4) of the training families as well")
    parser.add_argument("--epochs", type=int, default=Recipe.epochs, metavar="N")
    parser.add_argument("--below", type=int, default=Recipe.below, metavar="N", help="layers that are not tuned")
    parser.add_argument("--rate", type=float, default=Recipe.rate, metavar="R")
    parser.add_argument("--threads", type=int, default=2, metavar="N")
    parser.add_argument("--sft", metavar="MODEL", help="tune this causal language model instead; see --sft --help")
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        if "--sft" in words:
            from . import sft_train

            words.remove("--sft")
            return sft_train.main(words)
        options = parser.parse_args(words)
        if options.fold is not None and not 0 <= options.fold < 5:
            raise ConfigError(f"--fold {options.fold}: expected 0 to 4")
        recipe = replace(Recipe(), epochs=options.epochs, below=options.below, rate=options.rate)
        train(options.out, options.fold, recipe, options.threads, _say)
    except ModuleNotFoundError as error:
        raise ModelError(f"training needs the package {error.name}: {INSTALL}") from None
    return 0


if __name__ == "__main__":
    sys.exit(main())
