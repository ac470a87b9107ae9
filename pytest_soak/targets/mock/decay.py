"""Exponential memory along an array, without a loop over its elements."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_BLOCK, _LARGEST_EXPONENT = 64, 300.0


def decayed(pushes: Floats, speed: float, first: float) -> Floats:
    """(n,) ``x[i] = exp(-speed)·x[i-1] + pushes[i]``, from ``x[-1] = first``; ``speed`` > 0.

    Within a block it is ``exp(-speed·j) · Σ pushes[i]·exp(speed·i)``, a cumulative sum of growing
    terms, so no digits cancel. Blocks are short so that the exponential stays finite. The last
    value of a block decays through the next one.
    """
    block = max(1, min(_BLOCK, int(_LARGEST_EXPONENT / speed)))
    blocks = -(-len(pushes) // block)
    padded = np.zeros(blocks * block)
    padded[: len(pushes)] = pushes
    decay = np.exp(-speed * np.arange(1, block + 1))
    own = np.cumsum(padded.reshape(blocks, block) / decay, axis=1) * decay
    carried, before = [], first
    whole = float(decay[-1])
    for last in own[:, -1].tolist():
        carried.append(before)
        before = whole * before + last
    path: Floats = (own + np.outer(carried, decay)).ravel()[: len(pushes)]
    return path
