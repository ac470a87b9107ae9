"""What a run with the tuner off (the A/A run) tells a gate: the noise as it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pytest_soak.gate.figures import measured_iterations, series_of
from pytest_soak.loop.model import History
from pytest_soak.loop.scenarios import fired_in
from pytest_soak.statistics import ar1_coefficient, standard_deviation


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


def reference_of(history: History) -> Reference:
    """The noise of every gated KPI in a tuner-off run.

    KPIs with data in fewer than ``gate.pass_from`` iterations are left out: they would be judged
    by less than the run itself has. Raises ValueError for a run that was tuned, whose spread is
    the tuner's as well.
    """
    if history.tune:
        raise ValueError(
            f"lane {history.lane.id}: a reference is a run with --soak-no-tune, this one was tuned"
        )
    iterations = measured_iterations(history)
    # A disturbed iteration says nothing of the noise at constant parameters.
    disturbed = [bool(fired_in(item)) for item in iterations]
    noise = {}
    for criterion in history.profile.gate.criteria:
        series = [
            None if away else value
            for away, value in zip(disturbed, series_of(iterations, criterion.kpi), strict=True)
        ]
        values = [value for value in series if value is not None]
        if len(values) >= history.profile.gate.pass_from:
            noise[criterion.kpi] = KpiNoise(
                ar1_coefficient(series), standard_deviation(values), len(values)
            )
    return Reference(noise)
