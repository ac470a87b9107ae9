"""What a run with the tuner off (the A/A run) tells a gate: the noise as it is."""

from __future__ import annotations

from pytest_soak.gate.noise import KpiNoise, Reference
from pytest_soak.gate.window import LaneWindow
from pytest_soak.loop.model import History
from pytest_soak.loop.scenarios import fired_in
from pytest_soak.statistics import ar1_coefficient, standard_deviation

__all__ = ["KpiNoise", "Reference", "reference_of"]


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
    # A disturbed iteration says nothing of the noise at constant parameters.
    disturbed = {item.number: "disturbed" for item in history.iterations if fired_in(item)}
    window = LaneWindow(history, excluded=disturbed)
    noise = {}
    for criterion in history.profile.gate.criteria:
        series = window.series(criterion.kpi)
        values = [value for value in series if value is not None]
        if len(values) >= history.profile.gate.pass_from:
            noise[criterion.kpi] = KpiNoise(
                ar1_coefficient(series), standard_deviation(values), len(values)
            )
    return Reference(noise)
