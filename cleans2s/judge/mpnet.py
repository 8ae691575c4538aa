"""all-mpnet-base-v2 (Apache-2.0, sentence-transformers) as `bert` takes an encoder; only training opens it.

Its vocabulary is BERT's with four marks before it, so it is read with MiniLM's tokenizer, whose words are the same. It knows
where a token stands and how far it is from the others; both are needed: without the first the loss after two epochs of 4,000
turns is 1.25 instead of 1.20, without the second 1.79.
"""

from __future__ import annotations

import tempfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from ..bert import POSITIONS, RELATIVE, WORDS, Vectors
from ..embedding import read_safetensors
from ..errors import ModelError

MEMBER = "all-mpnet-base-v2/model.safetensors"

BEFORE = 4
"""Rows of word embeddings that stand before those of BERT's vocabulary."""

FIRST = 2
"""Row of the first position: those before it are for padding."""

MARKS = {"[CLS]": 0, "[PAD]": 1, "[SEP]": 2}
"""What BERT calls the marks among these, and their rows."""

NAMES = {
    "attention.attn.q": "attention.self.query",
    "attention.attn.k": "attention.self.key",
    "attention.attn.v": "attention.self.value",
    "attention.attn.o": "attention.output.dense",
    "attention.LayerNorm": "attention.output.LayerNorm",
}
"""Of parts of a layer that transformers' BertModel names otherwise."""


def weights(archive: Path, tokenizer: Any) -> dict[str, Vectors]:
    """Those of the published archive, named as in transformers' BertModel, with word embeddings by BERT's numbers.
    Raises ModelError for another archive."""
    try:
        with tempfile.TemporaryDirectory(prefix="cleans2s-") as folder, zipfile.ZipFile(archive) as opened:
            found = read_safetensors(Path(opened.extract(MEMBER, folder)))
            kept = {_as_bert(name): np.array(value, np.float32) for name, value in found.items() if _is_kept(name)}
            of_marks = found[WORDS][:BEFORE].astype(np.float32)
    except (zipfile.BadZipFile, KeyError, OSError) as error:
        raise ModelError(f"{archive} does not hold {MEMBER} ({error}); fetch it again") from None
    kept[POSITIONS] = kept[POSITIONS][FIRST:]
    kept[WORDS] = kept[WORDS][BEFORE : BEFORE + tokenizer.get_vocab_size()]
    for mark, row in MARKS.items():
        kept[WORDS][tokenizer.token_to_id(mark)] = of_marks[row]
    return kept


def _is_kept(name: str) -> bool:
    return name in (WORDS, POSITIONS, RELATIVE) or name.startswith(("embeddings.LayerNorm.", "encoder.layer."))


def _as_bert(name: str) -> str:
    return next((name.replace(theirs, ours) for theirs, ours in NAMES.items() if f".{theirs}." in name), name)
