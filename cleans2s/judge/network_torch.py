"""The part of the small judge that is trained, in torch: the encoder's upper layers and a head. Only training needs it."""

from __future__ import annotations

import math
from typing import Any

from ..bert import FARTHEST, RELATIVE, Weights, heads
from ..stages import imported
from .e5 import LAYER


def multiplies_bfloat16(torch: Any) -> bool:
    """Whether the processor does that itself, and so in half the time."""
    return bool(torch.cpu.get_capabilities().get("avx512_bf16"))


def quick_numbers(torch: Any) -> Any:
    """A context in which matrices are multiplied in bfloat16, where that is quicker."""
    return torch.autocast("cpu", torch.bfloat16, enabled=multiplies_bfloat16(torch))


def judge_module(weights: Weights, below: int, counts: int, inner: int, outputs: int, dropout: float) -> Any:
    """Takes hidden states, where the words begin, lengths, `counts` numbers beside them, and while it is trained a generator of
    random numbers; gives one row of `outputs` scores for each. Of the encoder with these weights it has the layers from `below`
    on."""
    torch = imported("torch")
    nn = torch.nn
    count = heads(weights)
    wide = weights[f"encoder.layer.{below}.{LAYER['fi']}.weight"].shape  # (inner, width)
    relative = torch.from_numpy(weights[RELATIVE]) if RELATIVE in weights else None

    class Layer(nn.Module):
        def __init__(self, number: int) -> None:
            super().__init__()
            inner, width = wide
            sizes = {"fi": (width, inner), "fo": (inner, width)}
            for short, name in LAYER.items():
                is_norm = short.endswith("ln")
                part = nn.LayerNorm(width, eps=1e-12) if is_norm else nn.Linear(*sizes.get(short, (width, width)))
                with torch.no_grad():
                    part.weight.copy_(torch.from_numpy(weights[f"encoder.layer.{number}.{name}.weight"]))
                    part.bias.copy_(torch.from_numpy(weights[f"encoder.layer.{number}.{name}.bias"]))
                setattr(self, short, part)

        def forward(self, x: Any, mask: Any, chance: Any) -> Any:
            def apart(values: Any) -> Any:
                return values.view(*values.shape[:2], count, -1).transpose(1, 2)

            # Written out: for texts as short as these, torch's own attention took 28 % of the training to go backwards.
            narrow = _narrow(x)
            scores = apart(self.q(narrow)) @ apart(self.k(narrow)).transpose(2, 3) / (x.shape[2] // count) ** 0.5
            seen = torch.softmax(scores + mask, -1) @ apart(self.v(narrow))
            x = self.aln(x + _drop(self.ao(seen.transpose(1, 2).reshape(x.shape)), dropout, chance))
            return self.oln(x + _drop(self.fo(nn.functional.gelu(self.fi(x))), dropout, chance))

    class Judge(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            depth = 1 + max(int(name.split(".")[2]) for name in weights if name.startswith("encoder.layer."))
            self.layers = nn.ModuleList([Layer(number) for number in range(below, depth)])
            # Named as in files of weights.
            self.head = nn.ModuleDict({"1": nn.Linear(3 * wide[1] + counts, inner), "4": nn.Linear(inner, outputs)})

        def forward(self, x: Any, begins: Any, lengths: Any, counted: Any, chance: Any = None) -> Any:
            place = torch.arange(x.shape[1])[None, :]
            inside = place < lengths[:, None]
            mask = torch.where(inside, 0.0, -1e9)[:, None, None, :]
            if relative is not None:
                mask = mask + relative[_distances(torch, x.shape[1], len(relative))].permute(2, 0, 1)
            for layer in self.layers:
                x = layer(x, mask, chance)
            words, before = inside & (place >= begins[:, None]), place < begins[:, None]
            seen = torch.cat([x[:, 0], _mean(x, words), _mean(x, before), counted], dim=1)
            inner = nn.functional.gelu(self.head["1"](_drop(seen, 2 * dropout, chance)))
            return self.head["4"](_drop(inner, 2 * dropout, chance))

    def _drop(x: Any, share: float, chance: Any) -> Any:
        """Dropout, by a byte for each value: torch's own draws one number after another, which is an eighth of the training."""
        if chance is None:
            return x
        out_of_256 = round(256 * share)
        drawn = torch.empty(-(-x.numel() // 8), dtype=torch.int64).random_(-(2**63), None, generator=chance)
        kept = drawn.view(torch.uint8)[: x.numel()].view_as(x) >= out_of_256
        return x * kept.to(x.dtype).mul_(256 / (256 - out_of_256))

    def _narrow(x: Any) -> Any:
        """Once for all that multiply it."""
        return x.to(torch.get_autocast_dtype("cpu")) if torch.is_autocast_enabled("cpu") else x

    def _mean(x: Any, chosen: Any) -> Any:
        weight = chosen[..., None].float()
        return (x * weight).sum(1) / weight.sum(1)

    return Judge()


def _distances(torch: Any, length: int, rows: int) -> Any:
    """Of every two places which row tells how far apart they are: half of the rows are for those to the right, half of
    these for one place each."""
    place = torch.arange(length)
    apart = place[None, :] - place[:, None]
    half, single = rows // 2, rows // 4
    far = torch.log(apart.abs().clamp(min=1) / single) / math.log(FARTHEST / single) * (half - single)
    return (apart > 0) * half + torch.where(apart.abs() < single, apart.abs(), (single + far.long()).clamp(max=half - 1))
