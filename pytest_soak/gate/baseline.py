"""The noise of each KPI in a run with the tuner off (the A/A run)."""

from __future__ import annotations

from pytest_soak.gate.noise import KpiNoise, Reference
from pytest_soak.gate.window import LaneWindow
from pytest_soak.loop.model import History
from pytest_soak.loop.scenarios import fired_in
from pytest_soak.statistics import ar1_coefficient, standard_deviation

__all__ = ["KpiNoise", "Reference", "reference_of"]

_LEAST = 24
"""Iterations: what ``gate.pass_from`` is where a profile does not say otherwise."""


def reference_of(history: History, least: int = 0) -> Reference:
    """The noise of every gated KPI in a tuner-off run.

    Left out are KPIs with data in fewer iterations than 24, than ``gate.pass_from`` of the run and
    than ``least``, that of the run to be judged: they would be judged by less than a run itself
    must have. So are KPIs that never moved: a constant shows no φ. Raises ValueError for
    a run that was tuned, whose spread is the tuner's as well.
    """
    if history.tune:
        raise ValueError(
            f"lane {history.lane.id}: a reference is a run with --soak-no-tune, this one was tuned"
        )
    # A disturbed iteration says nothing of the noise at constant parameters.
    disturbed = {item.number: "disturbed" for item in history.iterations if fired_in(item)}
    window = LaneWindow(history, excluded=disturbed)
    noise = {}
    for criterion in history.profile.gate.criteria:
        series = window.series(criterion.kpi)
        values = [value for value in series if value is not None]
        enough = len(values) >= max(_LEAST, history.profile.gate.pass_from, least)
        spread = standard_deviation(values) if enough else 0.0
        if spread > 0:
            noise[criterion.kpi] = KpiNoise(ar1_coefficient(series), spread, len(values))
    return Reference(noise)
