"""``--soak-export-json``: the metrics of a run and a row for each iteration, as JSON lines."""

from __future__ import annotations

from pytest_soak.canonical import canonical_json
from pytest_soak.loop.model import History, Iteration
from pytest_soak.report.documents import IterationRow
from pytest_soak.report.metric_names import NameSet
from pytest_soak.report.metric_values import RunFigures
from pytest_soak.report.metrics import metrics_lines
from pytest_soak.report.summary import outer_values, tuning


def export_lines(figures: RunFigures, names: NameSet = "original") -> str:
    """The rows of the metrics, then those of the iterations, lane by lane."""
    rows = [
        canonical_json(iteration_row(lane.history, iteration)).decode()
        for lane in figures.lanes
        for iteration in lane.history.iterations
    ]
    return metrics_lines(figures, names) + "".join(f"{row}\n" for row in rows)


def iteration_row(history: History, iteration: Iteration) -> IterationRow:
    """One iteration: what was measured, under which values, and what was decided after it."""
    table = history.profile.parameters
    decided = tuning(iteration, table)
    return {
        "type": "iteration",
        "lane": history.lane.id,
        "iteration": iteration.number,
        "verdict": str(iteration.verdict),
        "reasons": list(iteration.reasons),
        "kpis": {name: reading.usable for name, reading in iteration.readings.items()},
        "values": outer_values(table, iteration.values),
        "rules": decided["rules"],
        "outcomes": decided["outcomes"],
    }
