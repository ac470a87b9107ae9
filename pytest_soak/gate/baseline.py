"""The noise of each KPI in a run with the tuner off (the A/A run)."""

from __future__ import annotations

from pytest_soak.gate.noise import KpiNoise, Reference
from pytest_soak.gate.window import LaneWindow
from pytest_soak.loop.model import History
from pytest_soak.loop.scenarios import fired_in
from pytest_soak.statistics import ar1_coefficient, standard_deviation

__all__ = ["KpiNoise", "Reference", "reference_of"]

_LEAST = 24
"""Iterations; the default of ``gate.pass_from``."""


def reference_of(history: History, least: int = 0) -> Reference:
    """The noise of every gated KPI in a tuner-off run.

    A KPI is left out if it has data in fewer iterations than 24, ``gate.pass_from`` of this run, or
    ``least`` (``gate.pass_from`` of the run to be judged): a reference must not have fewer values
    than a run itself needs. A KPI that never changed is left out too: a constant shows no φ. Raises
    ValueError for a run that was tuned, since the tuner adds to the spread of its KPIs.
    """
    if history.tune:
        raise ValueError(
            f"lane {history.lane.id}: a reference is a run with --soak-no-tune, this one was tuned"
        )
    # A disturbed iteration does not show the noise at constant parameters.
    disturbed = {item.number: "disturbed" for item in history.iterations if fired_in(item)}
    window = LaneWindow(history, excluded=disturbed)
    noise = {}
    for criterion in history.profile.gate.criteria:
        series = window.series(criterion.kpi)
        values = [value for value in series if value is not None]
        enough = len(values) >= max(_LEAST, history.profile.gate.pass_from, least)
        spread = standard_deviation(values) if enough else 0.0
        if spread > 0:
            figure = window.judged_series(criterion.kpi).figure()
            noise[criterion.kpi] = KpiNoise(ar1_coefficient(series), spread, len(values), figure)
    return Reference(noise)
