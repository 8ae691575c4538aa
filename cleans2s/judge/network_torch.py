"""The part of the small judge that is trained, in torch: the encoder's upper layers and a head. Only training needs it."""

from __future__ import annotations

from typing import Any

from ..bert import HEAD_WIDTH, Weights
from ..stages import imported
from .e5 import INNER, LAYER, WIDTH


def judge_module(weights: Weights, below: int, counts: int, inner: int, outputs: int, dropout: float) -> Any:
    """Takes hidden states, where the words begin, lengths, and `counts` numbers beside them; gives one row of `outputs` scores
    for each."""
    torch = imported("torch")
    nn = torch.nn

    class Layer(nn.Module):
        def __init__(self, number: int) -> None:
            super().__init__()
            sizes = {"fi": (WIDTH, INNER), "fo": (INNER, WIDTH)}
            for short, name in LAYER.items():
                is_norm = short.endswith("ln")
                part = nn.LayerNorm(WIDTH, eps=1e-12) if is_norm else nn.Linear(*sizes.get(short, (WIDTH, WIDTH)))
                with torch.no_grad():
                    part.weight.copy_(torch.from_numpy(weights[f"encoder.layer.{number}.{name}.weight"]))
                    part.bias.copy_(torch.from_numpy(weights[f"encoder.layer.{number}.{name}.bias"]))
                setattr(self, short, part)
            self.dropout = nn.Dropout(dropout)

        def forward(self, x: Any, mask: Any) -> Any:
            def heads(values: Any) -> Any:
                return values.view(*values.shape[:2], -1, HEAD_WIDTH).transpose(1, 2)

            attend = nn.functional.scaled_dot_product_attention
            seen = attend(heads(self.q(x)), heads(self.k(x)), heads(self.v(x)), attn_mask=mask)
            x = self.aln(x + self.dropout(self.ao(seen.transpose(1, 2).reshape(x.shape))))
            return self.oln(x + self.dropout(self.fo(nn.functional.gelu(self.fi(x)))))

    class Judge(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            depth = 1 + max(int(name.split(".")[2]) for name in weights if name.startswith("encoder.layer."))
            self.layers = nn.ModuleList([Layer(number) for number in range(below, depth)])
            wide, drop = 3 * WIDTH + counts, nn.Dropout(2 * dropout)
            self.head = nn.Sequential(drop, nn.Linear(wide, inner), nn.GELU(), drop, nn.Linear(inner, outputs))

        def forward(self, x: Any, begins: Any, lengths: Any, counted: Any) -> Any:
            place = torch.arange(x.shape[1])[None, :]
            inside = place < lengths[:, None]
            for layer in self.layers:
                x = layer(x, torch.where(inside, 0.0, -1e9)[:, None, None, :])
            words, before = inside & (place >= begins[:, None]), place < begins[:, None]
            return self.head(torch.cat([x[:, 0], _mean(x, words), _mean(x, before), counted], dim=1))

    def _mean(x: Any, chosen: Any) -> Any:
        weight = chosen[..., None].float()
        return (x * weight).sum(1) / weight.sum(1)

    return Judge()
