"""Tick and lot size of a recording: the steps of which its prices and quantities are multiples."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pytest_soak.targets.replay.event_file import RecordingError, shown

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_GRID_TOLERANCE = 1e-3
_MOST_STEPS = 2.0**53
"""Of tick or lot in one value: beyond this a float does not tell two neighbours apart."""


def price_step(prices: NDArray[np.float64], file: Path) -> float:
    """Smallest distance between two recorded prices, which are distinct and sorted."""
    import numpy as np

    gaps = np.diff(prices)
    gaps = gaps[gaps > 1e-9 * prices[-1]]
    if prices.size == 1:
        raise RecordingError(
            f"replay: {shown(file)} has a single price, {prices[0]:g}; no tick size can be read "
            "off it; give ReplaySettings(tick_size=...) to make_replay"
        )
    if not gaps.size or gaps.min() > prices[0]:
        raise _too_far_apart(prices, "prices", "tick_size", file)
    return _step(float(gaps.min()), prices, "tick_size", file)


def quantity_step(quantities: NDArray[np.float64], file: Path) -> float:
    """Smallest recorded quantity, or distance between two of them, distinct and sorted."""
    import numpy as np

    above = quantities[quantities > 0]
    if not above.size:
        raise RecordingError(
            f"replay: {shown(file)} has no quantity above 0; no lot size can be read off it, and "
            "a book without quantities is empty"
        )
    gaps = np.diff(above)
    gaps = gaps[gaps > 1e-9 * above[-1]]
    smallest = min(float(above[0]), float(gaps.min()) if gaps.size else float("inf"))
    return _step(smallest, above, "lot_size", file)


def _step(step: float, values: NDArray[np.float64], name: str, file: Path) -> float:
    """``step`` without floating-point noise, if all values are whole multiples of it."""
    import numpy as np

    step = float(f"{step:.6g}")
    off = np.abs(values / step - np.round(values / step))
    if off.max() > _GRID_TOLERANCE:
        raise RecordingError(
            f"replay: the values of {shown(file)} are no whole multiples of {step:g} (for one, "
            f"{float(values[off.argmax()]):.12g}), so {name} cannot be read off them; give "
            f"ReplaySettings({name}=...) to make_replay"
        )
    return step


def checked_step(step: float, values: NDArray[np.float64], name: str, file: Path) -> float:
    """``step``, if the largest of the values, which are sorted, is a number of steps to count."""
    if not values[-1] / step < _MOST_STEPS:
        kind = "prices" if name == "tick_size" else "quantities"
        raise _too_far_apart(values, kind, name, file)
    return step


def _too_far_apart(values: NDArray[np.float64], kind: str, name: str, file: Path) -> RecordingError:
    return RecordingError(
        f"replay: the {kind} of {shown(file)} run from {values[0]:g} to {values[-1]:g}, too far "
        f"for one {name}; one of them is wrong"
    )
