"""The bot's parameters, and their nested form in a file."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

_SECTIONS = {
    "risk": (
        "base_spread_bps",
        "impact_cap_ratio",
        "max_delta_ratio",
        "slippage_penalty_coef",
        "inventory_tilt_cap",
        "vip_tilt_cap",
    ),
    "engine": ("replace_rate_per_min", "concurrency_limit", "tail_age_ms", "min_interval_ms"),
}


@dataclass(frozen=True)
class Params:
    """What can be tuned. The defaults are those of a start without any parameters."""

    base_spread_bps: float = 0.5
    impact_cap_ratio: float = 0.1
    max_delta_ratio: float = 0.15
    slippage_penalty_coef: float = 0.0
    inventory_tilt_cap: float = 0.3
    vip_tilt_cap: float = 0.0
    replace_rate_per_min: float = 400.0
    concurrency_limit: float = 2.0
    tail_age_ms: float = 600.0
    min_interval_ms: float = 50.0

    @classmethod
    def read(cls, runtime: Mapping[str, Any]) -> Params:
        """From the nested form. Raises KeyError, TypeError or ValueError for what is not there."""
        keys = [(section, key) for section, keys in _SECTIONS.items() for key in keys]
        values = {key: float(runtime[section][key]) for section, key in keys}
        wrong = [key for key, value in values.items() if not math.isfinite(value) or value < 0]
        if wrong:
            raise ValueError(f"not a finite number of at least 0: {', '.join(wrong)}")
        return cls(**values)

    def nested(self) -> dict[str, dict[str, float]]:
        """In the form of the file of parameters."""
        values = asdict(self)
        return {section: {key: values[key] for key in keys} for section, keys in _SECTIONS.items()}
