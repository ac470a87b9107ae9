"""The grid of the simulated market."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

DT = 0.1
"""Grid of the market, seconds."""

FINE_PER_TICK = 5
"""The gateway's and the venue's own noise comes on a grid of 20 ms."""
