"""The noise of KPIs at constant parameters, from a tuner-off run (the A/A run)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pytest_soak.statistics import Noise as KpiNoise

__all__ = ["KpiNoise", "Reference"]


@dataclass(frozen=True, slots=True)
class Reference:
    """KPI to its noise. This φ replaces that of the run to be judged; of both standard deviations
    the larger one counts."""

    kpis: Mapping[str, KpiNoise]
