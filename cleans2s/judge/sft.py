"""A causal language model that was fine-tuned to judge (`python -m cleans2s.judge.train --sft MODEL`).

It reads the situation and is asked for one letter. Nothing is generated: the letters' probabilities at that place are the
judgement, so there can be no nonsense.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ..catalogue import CATALOGUE
from ..errors import ConfigError, ModelError
from ..models import path
from ..stages import imported, load, shared
from . import ENDS, Judge, Judgement, Situation
from .asked import turns_that_matter
from .reasons import reason, spoken_in
from .small import Small

LETTERS = dict(zip(ENDS, "ABCD", strict=True))
ADAPTER = "judge.json"
"""Written beside the adapter's weights: which model it belongs to."""

LONGEST_TOKENS = 320
INSTALL = "pip install 'cleans2s[train]'"


def prompt(situation: Situation) -> str:
    """What the model reads; the letter follows."""
    lines = [f"Character: {situation.character}"] if situation.character else []
    lines += [f"Remembered: {fact}" for fact in (*situation.facts, *situation.contradictions)]
    lines += [f"{'User' if role == 'user' else 'Agent'}: {words}" for role, words in turns_that_matter(situation)]
    plain = "\n".join([*lines, f"Heard: {situation.words}"]).replace("<|", "< |")
    return f"{plain}\nReaction (A answer, B refuse, C deflect, D silence):"


@dataclass(frozen=True)
class SFT:
    """A causal language model that was fine-tuned on the data set (`python -m cleans2s.judge.train --sft MODEL`)."""

    path: str = ""
    """The folder that training wrote."""

    small: Small = field(default_factory=Small)
    """Who judges while the user still speaks, and names the kind of reason."""

    threads: int = 1

    def load(self) -> LoadedSFT:
        if not self.path:
            raise ConfigError("judge.path is not set; expected the folder that `python -m cleans2s.judge.train --sft` wrote")
        folder = Path(self.path).expanduser()
        return shared((SFT, folder, self.threads, self.small), lambda: self._loaded(folder))

    def _loaded(self, folder: Path) -> LoadedSFT:
        try:
            imported("torch").set_num_threads(self.threads)
            tokenizer, model = tuned_model(folder)
        except ModuleNotFoundError as error:
            raise ModelError(f"the package {error.name} is not installed, and this judge needs it: {INSTALL}") from None
        return LoadedSFT(tokenizer, model, load(self.small))


def tuned_model(folder: Path) -> tuple[Any, Any]:
    """Tokenizer and weights as training left them in this folder."""
    try:
        base: str = json.loads((folder / ADAPTER).read_text("utf-8"))["model"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(f"{folder} holds no judge ({error}); write one with `train --sft MODEL --out {folder}`") from None
    try:
        tokenizer, model = base_model(base)
        return tokenizer, imported("peft:PeftModel").from_pretrained(model, str(folder)).merge_and_unload().eval()
    except (OSError, ValueError) as error:
        said = " ".join(str(error).split())[:200]
        raise ModelError(f"{folder}: the judge cannot be loaded ({said}); train it again") from None


def base_model(model: str) -> tuple[Any, Any]:
    """Tokenizer and weights by a name of the catalogue, a folder, a GGUF file or a name of the hub."""
    source, gguf = _located(model)
    transformers = imported("transformers")
    transformers.utils.logging.disable_progress_bar()
    tokenizer = transformers.AutoTokenizer.from_pretrained(source, gguf_file=gguf)
    return tokenizer, transformers.AutoModelForCausalLM.from_pretrained(source, gguf_file=gguf, dtype="float32")


def _located(model: str) -> tuple[str, str | None]:
    """A folder or a name of the hub, and the GGUF file in it if it is one."""
    found = path(model) if any(model == row.name for row in CATALOGUE) else Path(model).expanduser()
    if found.suffix == ".gguf":
        return str(found.parent), found.name
    if not found.is_dir():
        return model, None
    files = sorted(file.name for file in found.glob("*.gguf"))
    return str(found), files[0] if files and not (found / "config.json").exists() else None


def letter_ids(tokenizer: Any) -> list[int]:
    """The token of each letter as it follows a colon. Raises ModelError where two letters share one."""
    ids = [tokenizer(f": {letter}", add_special_tokens=False).input_ids[-1] for letter in LETTERS.values()]
    if len(set(ids)) < len(ids):
        raise ModelError("this tokenizer does not tell the letters A to D apart; choose another model")
    return ids


def tokens(tokenizer: Any, situation: Situation) -> list[int]:
    return tokenizer(prompt(situation), add_special_tokens=False).input_ids[-LONGEST_TOKENS:]


def letter_scores(model: Any, letters: list[int], **inputs: Any) -> Any:
    """Of shape (texts, letters): how likely each is to follow. The rest of the vocabulary is left alone: multiplying
    it was half of the time of a step in bfloat16."""
    last = model.get_decoder()(**inputs).last_hidden_state[:, -1]
    return (last @ model.get_output_embeddings().weight[letters].T).float()


@dataclass
class LoadedSFT:
    tokenizer: Any
    model: Any
    instead: Judge

    def __post_init__(self) -> None:
        self._letters = letter_ids(self.tokenizer)

    @property
    def encoder(self) -> Any:
        """The small judge's, for memory."""
        return getattr(self.instead, "encoder", None)

    def judge(self, situation: Situation) -> Judgement:
        small: Any = self.instead.judge(situation)
        if situation.partial or not situation.words.strip():
            return small
        shares = self.shares(situation)
        probabilities = {**shares, "interruption": 0.0}
        judged = replace(small, probabilities=probabilities, addressed=1.0 - shares["silence"], judged_by="sft")
        if judged.strategy == small.strategy:
            return judged
        why = reason(judged.strategy, "", spoken_in(situation.words, situation.language))
        return replace(judged, kind="", kinds={}, reason=why)

    def shares(self, situation: Situation) -> dict[str, float]:
        torch = imported("torch")
        with torch.inference_mode():
            ids = torch.tensor([tokens(self.tokenizer, situation)])
            scores = letter_scores(self.model, self._letters, input_ids=ids)
        return dict(zip(ENDS, scores[0].softmax(-1).tolist(), strict=True))
