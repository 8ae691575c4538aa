"""Train the judge that is shipped: `python -m cleans2s.judge.train`: an hour of two cores, or more.

The lower layers of an encoder read every example once and stay as they are; the upper ones are tuned together with a small
head, in bfloat16 where the processor multiplies it. Beside them a linear model learns from n-grams, which a few thousand
examples teach better than sense. What is written to `weights/` is, for each network, the tuned layers in 8 bits, the head and
the linear model, which a second network of a language does without. Families in data/heldout.json are not looked at.

`--sft MODEL` tunes a causal language model on the same data instead (see `sft_train`).
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from importlib.util import find_spec
from multiprocessing import get_context
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from ..embedding import Vectors
from ..errors import Cleans2sError, ModelError
from ..models import path
from ..stages import imported
from . import ENDS, WEIGHTS, in_character
from .dataset import kept_back
from .examples import CUTS, KIND_ROWS, UNKNOWN, Example, Item, ends, everything, items
from .linear import fit_linear
from .network import LANGUAGES, NETWORKS, TRAINED_FROM, TunedLayers, heads, published
from .network_torch import judge_module, quick_numbers
from .reading import Read, read
from .reasons import spoken_in
from .sft import INSTALL
from .telling import NAMES as COUNTED
from .telling import features
from .untuned import Untuned

SECONDARY = 0.3
"""Weight of telling the kind of reason, beside telling the strategy."""

STRATEGY_WEIGHTS = (1.0, 1.3, 1.4, 1.15)
"""Of the rarer ones a mistake costs more."""

BY_KIND = 0.5
"""Weight of telling which reason to cut in is evident, beside telling that one is."""

AGAIN = 0.25
"""Share of the better known half of the examples that an epoch after the first sees: the others teach more."""

PARTS = 2
"""In which a batch is gone through: what one of them needs stays in the processor's cache, which takes a sixth off the time."""

SORTED_TOGETHER = 1024
"""Examples among which those of a like length are put into a batch."""


@dataclass(frozen=True)
class Recipe:
    below: int = 0
    """Layers of the encoder that stay as they were published; those above are tuned."""

    layers: tuple[int, ...] | None = None
    """Those of the published encoder that are in it; None: all."""

    epochs: int = 3
    batch_tokens: int = 1600
    """Fewer make the steps so uneven that long beginnings of turns undo what was learnt."""

    rate: float = 2e-4
    head_rate: float = 1e-3
    dropout: float = 0.1
    smoothing: float = 0.05
    warm_up: float = 0.1
    decay: float = 0.01
    inner: int = 192
    seed: int = 1
    threads: int = 1
    """What more of them add up differs in its last digits, and so do the weights."""

    data: Callable[[frozenset[str], int], list[Item]] = items
    """`examples.ends` for a second network, of ends of turns alone, which has no linear model."""

    then: Recipe | None = None
    """How it reads once more, from what it has learnt."""


_ONCE_MORE = Recipe(epochs=1, rate=5e-5, head_rate=2e-4, threads=2, data=in_character.once_more)

RECIPES = {
    "en": Recipe(layers=tuple(range(6)), rate=8e-5, threads=2, data=everything, then=replace(_ONCE_MORE, below=2)),
    "zh": Recipe(below=6, threads=2, then=replace(_ONCE_MORE, below=8)),
    "zh-ends": Recipe(layers=(0, 2, 4, 6, 8, 10), data=ends, then=replace(_ONCE_MORE, below=3, data=in_character.ended)),
}
"""By the name of the weights, the longest first. Half of e5's layers, all of them tuned, learn as well as twelve of which the
upper six are, and take half the time. Of MPNet the lower six do far better than every second one (macro-F1 0.88 and 0.81
after two epochs of 4,000 turns, on the families for bars)."""


# ── the tuned layers and their head ───────────────────────────────────────────────────────────────────────────────────


Say: TypeAlias = Callable[[str], None]


def tune(
    base: Untuned, data: list[Item], recipe: Recipe, say: Say, head: dict[str, Vectors] | None = None
) -> tuple[TunedLayers, dict[str, Vectors]]:
    """The upper layers and the head (this one, if it is there already), trained on these examples."""
    torch = imported("torch")
    torch.manual_seed(recipe.seed)
    chance, dropped = random.Random(recipe.seed), torch.Generator().manual_seed(recipe.seed)
    began_s = time.perf_counter()
    drawn = [_drawn(data, chance) for _ in range(recipe.epochs)]
    examples = list({id(example): example for epoch in drawn for example in epoch}.values())
    place = {id(example): row for row, example in enumerate(examples)}
    reads = [read(base.tokenizer, example.situation) for example in examples]
    states = base.lower_states(reads, recipe.threads)
    counted = torch.from_numpy(np.stack([features(example.situation) for example in examples]))
    say(f"{len(examples)} different ones read, {time.perf_counter() - began_s:.0f} s")
    module = _module(base, recipe)
    if head is not None:
        module.head.load_state_dict({name: torch.from_numpy(value) for name, value in head.items()})
    groups = [
        {"params": list(module.layers.parameters())},
        {"params": list(module.head.parameters())},
    ]
    optimiser = torch.optim.AdamW(groups, weight_decay=recipe.decay, fused=True)
    lengths = np.array([len(r.tokens) for r in reads])
    losses = np.full(len(examples), np.inf)
    usual, rates = recipe.batch_tokens / float(lengths.mean()), (recipe.rate, recipe.head_rate)
    for epoch, each in enumerate(drawn):
        began_s = time.perf_counter()
        rows = _worth_seeing([place[id(example)] for example in each], losses, chance)
        parts = _batches(rows, lengths, recipe.batch_tokens, chance)
        for number, batch in enumerate(parts):
            share = _rising_and_falling((epoch + number / len(parts)) / recipe.epochs, recipe.warm_up)
            for group, rate in zip(optimiser.param_groups, rates, strict=True):
                group["lr"] = rate * share
            optimiser.zero_grad()
            for part in filter(None, (batch[number::PARTS] for number in range(PARTS))):
                hidden = _padded(torch, [states[i] for i in part], [reads[i] for i in part])
                with quick_numbers(torch):
                    scores = module(*hidden, counted[part], dropped)
                loss = _losses(torch, scores.float(), [examples[i] for i in part], recipe)
                losses[part] = loss.detach().numpy()
                (loss.sum() / usual).backward()
            torch.nn.utils.clip_grad_norm_(module.parameters(), 1.0)
            optimiser.step()
        took_s, mean = time.perf_counter() - began_s, losses[rows].mean()
        say(f"epoch {epoch + 1} of {recipe.epochs}: {len(rows)} examples, loss {mean:.3f}, {took_s:.0f} s")
    tuned = {name: value.detach().numpy() for name, value in module.layers.state_dict().items()}
    return TunedLayers.from_module(tuned, base.below), {n: v.detach().numpy() for n, v in module.head.state_dict().items()}


def _drawn(data: list[Item], chance: random.Random) -> list[Example]:
    return [each for item in data if chance.random() < item.share for each in chance.sample(item.choices, item.take)]


def _worth_seeing(rows: list[int], losses: npt.NDArray[np.float64], chance: random.Random) -> list[int]:
    """Those of an epoch without most of what is known by now: where the loss, when last seen, was below the median."""
    seen = losses[np.isfinite(losses)]
    bar = float(np.median(seen)) if len(seen) else 0.0
    return [row for row in rows if losses[row] >= bar or chance.random() < AGAIN]


def _rising_and_falling(done: float, warm_up: float) -> float:
    """The share of the rate of learning, by the share of the training that is done."""
    return min(1.0, max(done, 1e-3) / warm_up) * (1 - done)


def _say(name: str, line: str) -> None:
    sys.stdout.write(f"{name}  {line}\n")
    sys.stdout.flush()


def _batches(rows: Sequence[int], lengths: npt.NDArray[np.int64], tokens: int, chance: random.Random) -> list[list[int]]:
    """In random order, those of about the same length together, so that little is padding; of at most so many tokens."""
    order = list(rows)
    chance.shuffle(order)
    found: list[list[int]] = []
    for start in range(0, len(order), SORTED_TOGETHER):
        batch: list[int] = []
        for row in sorted(order[start : start + SORTED_TOGETHER], key=lengths.__getitem__):
            if batch and (len(batch) + 1) * lengths[row] > tokens:
                found.append(batch)
                batch = []
            batch.append(row)
        found.append(batch)
    chance.shuffle(found)
    return found


def _padded(torch: Any, states: list[Any], reads: list[Read]) -> tuple[Any, Any, Any]:
    longest = max(len(r.tokens) for r in reads)
    hidden = torch.zeros(len(reads), longest, states[0].shape[1])
    for row, state in enumerate(states):
        hidden[row, : len(state)] = torch.from_numpy(state.astype(np.float32))
    return hidden, torch.tensor([r.words_at for r in reads]), torch.tensor([len(r.tokens) for r in reads])


def _losses(torch: Any, scores: Any, batch: list[Example], recipe: Recipe) -> Any:
    """One for each example; what is unknown of it counts nothing."""
    functional = torch.nn.functional
    ends, cut, kinds = scores[:, : len(ENDS)], scores[:, len(ENDS), None], scores[:, len(ENDS) + 1 : -len(CUTS)]
    strategy = torch.tensor([e.strategy for e in batch])
    weight = torch.tensor([e.weight * (STRATEGY_WEIGHTS[e.strategy] if e.strategy >= 0 else 0.0) for e in batch])
    chosen = functional.cross_entropy(ends, strategy.clamp(min=0), label_smoothing=recipe.smoothing, reduction="none")
    kind = torch.tensor([e.kind for e in batch])
    of_kind = functional.cross_entropy(kinds, kind.clamp(min=0), reduction="none") * (kind >= 0)
    evident = _unless_unknown(torch, cut, torch.tensor([[e.cut] for e in batch]))
    reasons = _unless_unknown(torch, scores[:, -len(CUTS) :], torch.tensor([e.cuts for e in batch]))
    return weight * chosen + SECONDARY * of_kind + evident + BY_KIND * reasons


def _unless_unknown(torch: Any, scores: Any, wanted: Any) -> Any:
    each = torch.nn.functional.binary_cross_entropy_with_logits(scores, wanted.clamp(min=0.0), reduction="none")
    return (each * (wanted != UNKNOWN)).sum(1)


def _module(base: Untuned, recipe: Recipe) -> Any:
    outputs = len(ENDS) + 1 + len(KIND_ROWS)
    return judge_module(base.weights, base.below, len(COUNTED), recipe.inner, outputs, recipe.dropout)


# ── from the command line ─────────────────────────────────────────────────────────────────────────────────────────────


def train(out: Path, recipes: dict[str, Recipe] = RECIPES, go_on_from: Path | None = None) -> None:
    """Writes the weights of every network to the folder `out`; from those in the folder `go_on_from` on, if it is given, which
    then are read once more alone. One after another, as two wait for each other's threads: an epoch of the English one took
    1,871 seconds instead of 670. Each has a process of its own, whose memory goes with it."""
    for package in ("torch", "sklearn"):
        if not find_spec(package):
            raise ModelError(f"training needs the package {package}: {INSTALL}")
    out.mkdir(parents=True, exist_ok=True)
    for name in recipes:
        _files(_language_of(name))  # fetched here, if need be, with the progress shown
    for name, recipe in recipes.items():
        steps = [] if go_on_from else [partial(train_one, name, recipe, out)]
        for step in (*steps, partial(read_once_more, name, recipe, go_on_from or out, out)):
            with ProcessPoolExecutor(1, get_context("spawn")) as process:
                process.submit(step).result()


def train_one(name: str, recipe: Recipe, out: Path) -> None:
    """From what was published; without a linear model, which is trained last."""
    language, say = _language_of(name), partial(_say, name)
    base = Untuned.load(_files(language), recipe.below, recipe.layers)
    layers, head = tune(base, _prepared(name, recipe, say), recipe, say)
    if _files(language) != published(language):  # what is read with has no encoder
        layers.weights |= base.beside_layers()
    layers.save(out / f"{name}.npz", head, None)


def read_once_more(name: str, recipe: Recipe, learnt: Path, out: Path) -> None:
    """From the weights in the folder `learnt`."""
    began_s, say, language = time.perf_counter(), partial(_say, name), _language_of(name)
    layers, (head, _) = TunedLayers.load(learnt / f"{name}.npz"), heads(learnt / f"{name}.npz")
    if again := recipe.then:
        base = Untuned.load(_files(language), recipe.below, recipe.layers)
        base.weights |= layers.weights
        base.below = again.below
        tuned, head = tune(base, _prepared(name, again, say), again, say, head)
        layers.weights |= tuned.weights
    file, data = out / f"{name}.npz", _prepared(name, recipe, say)
    layers.save(file, head, None if recipe.data is ends else fit_linear([one for item in data for one in item.choices]))
    say(f"{file}: {file.stat().st_size / 1e6:.1f} MB after {time.perf_counter() - began_s:.0f} s")


def _prepared(name: str, recipe: Recipe, say: Say) -> list[Item]:
    """What this network reads; torch does the same with it every time."""
    torch = imported("torch")
    torch.set_num_threads(recipe.threads)
    torch.use_deterministic_algorithms(True)
    torch.utils.deterministic.fill_uninitialized_memory = False  # nothing reads what it has not written
    data = [item for item in recipe.data(kept_back(), recipe.seed) if _language(item) == _language_of(name)]
    say(f"{sum(item.take * item.share for item in data):.0f} examples an epoch")
    return data


def _files(language: str) -> list[Path]:
    return [path(model) / file for model, file in TRAINED_FROM[language]]


def _language_of(name: str) -> str:
    return next(language for language, names in NETWORKS.items() if name in names)


def _language(item: Item) -> str:
    situation = item.choices[0].situation
    return spoken_in(situation.words, situation.language)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser("python -m cleans2s.judge.train", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--out", type=Path, default=WEIGHTS, metavar="DIR", help="where the weights go (default: the package)")
    parser.add_argument("--languages", nargs="+", choices=LANGUAGES, default=[*LANGUAGES], help="which to train (default: all)")
    parser.add_argument("--go-on-from", type=Path, metavar="DIR", help="weights with which to read once more alone")
    parser.add_argument("--epochs", type=int, metavar="N", help=f"times that all is read (default: {Recipe.epochs})")
    parser.add_argument("--rate", type=float, metavar="R", help="of learning (default: each network's own)")
    parser.add_argument("--sft", metavar="MODEL", help="tune this causal language model instead; see --sft --help")
    words = list(sys.argv[1:] if arguments is None else arguments)
    if "--sft" in words:
        from . import sft_train

        words.remove("--sft")
        return sft_train.main(words)
    options = parser.parse_args(words)
    chosen = {name: recipe for name, recipe in RECIPES.items() if _language_of(name) in options.languages}
    asked: dict[str, Any] = {name: value for name in ("epochs", "rate") if (value := getattr(options, name)) is not None}
    train(options.out, {name: replace(recipe, **asked) for name, recipe in chosen.items()}, options.go_on_from)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Cleans2sError as error:
        sys.exit(str(error))
