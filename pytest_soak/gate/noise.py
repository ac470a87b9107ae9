"""The noise of KPIs at constant parameters, as a tuner-off run (the A/A run) shows it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pytest_soak.statistics import Noise as KpiNoise

__all__ = ["KpiNoise", "Reference"]


@dataclass(frozen=True, slots=True)
class Reference:
    """A KPI's own φ replaces the run's, and the larger of both standard deviations counts."""

    kpis: Mapping[str, KpiNoise]
