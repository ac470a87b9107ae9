"""The noise of KPIs at constant parameters, as a tuner-off run (the A/A run) shows it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class KpiNoise:
    """Of one KPI at constant parameters."""

    phi: float
    """Lag-1 autocorrelation, within [0, .95]."""
    sd: float
    """Of one iteration, in the KPI's unit."""
    n: int


@dataclass(frozen=True, slots=True)
class Reference:
    """A KPI's own φ replaces the run's, and the larger of both standard deviations counts."""

    kpis: Mapping[str, KpiNoise]
