"""KPIs that a verdict, a rule or the gate reads, and that the first measured iteration lacks.

A path with a typing error would be noticed at the end of the run only, when the gate has no data.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from pytest_soak.loop.kpis import FAULT
from pytest_soak.loop.model import Iteration, Reading, Readings
from pytest_soak.profile.conditions import kpis_in
from pytest_soak.profile.model import Profile


@dataclass(frozen=True, slots=True)
class MissingKpi:
    """A KPI that is read and has no data."""

    kpi: str
    readers: tuple[str, ...]
    """``verdict``, ``rule NAME``, ``freeze``, ``gate``; in the order in which they read it."""
    why: str
    """``no field p95_ms; totals has p95``."""


def readers_of(profile: Profile) -> Mapping[str, tuple[str, ...]]:
    """KPI to what reads it, for the KPIs that anything reads, in the order of the profile."""
    readers: dict[str, list[str]] = {kpi: [] for kpi in profile.kpis}

    def add(reader: str, kpis: Iterable[str]) -> None:
        for kpi in dict.fromkeys(kpis):
            readers[kpi].append(reader)

    add("verdict", kpis_in((*profile.verdict.fail, *profile.verdict.warn)))
    for rule in profile.rules:
        add(f"rule {rule.name}", (*kpis_in(rule.when), *(item.kpi for item in rule.hysteresis)))
    if profile.guards.freeze is not None:
        add("freeze", kpis_in(profile.guards.freeze.stable))
    gate = profile.gate
    throughput = [] if gate.throughput is None else [gate.throughput]
    add("gate", (*(item.kpi for item in gate.criteria), *gate.drift, *throughput))
    return {kpi: tuple(names) for kpi, names in readers.items() if names}


def missing_kpis(profile: Profile, readings: Readings) -> tuple[MissingKpi, ...]:
    """The KPIs that are read and have no data in ``readings``."""
    missing = []
    for kpi, readers in readers_of(profile).items():
        reading = readings.get(kpi)
        if reading is None or reading.usable is None:
            missing.append(MissingKpi(kpi, readers, _why(reading)))
    return tuple(missing)


def _why(reading: Reading | None) -> str:
    if reading is not None and (reading.why or reading.placeholder):
        return reading.why or f"{reading.source} only stands in for missing data"
    return "its source is not in the report"


def is_measured(iteration: Iteration) -> bool:
    """Whether the target gave a report, and no fault in place of it."""
    return iteration.report.get(FAULT) is None
