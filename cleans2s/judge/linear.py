"""The linear model of n-grams beside the small judge's networks, as it is trained."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..embedding import Vectors
from ..stages import imported
from . import ENDS, NAMES
from .examples import CUTS, UNKNOWN, Example
from .reading import BUCKETS, n_grams

C = 8.0
"""Inverse strength of its regularisation."""


def fit_linear(data: list[Example], c: float = C) -> Vectors:
    """Weights of shape (buckets + 1, strategies and reasons to cut in): n-grams to scores, the last row is the bias. What
    has to do with cutting in comes from the beginnings of streams."""
    table = np.zeros((BUCKETS + 1, len(NAMES) + len(CUTS)), np.float32)
    ends = [example for example in data if example.cut == UNKNOWN]
    parts = [example for example in data if example.cut != UNKNOWN]
    model = _logistic(c).fit(_sparse(ends), [example.strategy for example in ends])
    table[:-1, : len(ENDS)], table[-1, : len(ENDS)] = model.coef_.T, model.intercept_
    seen = _sparse(parts)
    for column, wanted in enumerate(zip(*((example.cut, *example.cuts) for example in parts), strict=True), len(ENDS)):
        if len({*wanted}) > 1:
            model = _logistic(c).fit(seen, [int(each) for each in wanted])
            table[:-1, column], table[-1, column] = model.coef_[0], model.intercept_[0]
    return table


def _logistic(c: float) -> Any:
    return imported("sklearn.linear_model").LogisticRegression(C=c, max_iter=400, class_weight="balanced")


def _sparse(data: list[Example]) -> Any:
    found = [n_grams(example.situation) for example in data]
    rows = np.repeat(np.arange(len(found)), [len(buckets) for buckets, _ in found])
    columns = np.concatenate([buckets for buckets, _ in found])
    values = np.concatenate([weights for _, weights in found])
    return imported("scipy.sparse").csr_matrix((values, (rows, columns)), shape=(len(found), BUCKETS))
