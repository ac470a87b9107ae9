"""Which KPIs something reads, and which of them an iteration lacks."""

from __future__ import annotations

from pytest_soak.loop.missing import missing_kpis, readers_of
from pytest_soak.loop.model import Reading
from pytest_soak.profile.resolve import resolve
from pytest_soak.store.sources import read_source
from tests.unit.profile.test_short_profiles import files

TEXT = """
parameters: {workers: {path: pool, type: int, start: 8, min: 1, max: 64}}
kpis:
  a: totals.a
  b: totals.b
  c: totals.c
  d: totals.d
  e: totals.e
  f: totals.f
  g: totals.g
verdict: {fail: {a: "> 9"}, warn: {any: [{b: "> 9"}, {not: {a: "> 2"}}]}}
rules:
  GROW: {when: {b: "> 1"}, hysteresis: {c: {stop: 5, start: 4}}, moves: {workers: {add: 1}}}
guards: {freeze: {after: 2, stable: {d: "< 1"}, keys: [workers], iterations: 3}}
gate: {criteria: {a: "<= 1", e: "<= 1"}, throughput: f}
"""
PROFILE = resolve("short", files(short=TEXT)).profile


def test_every_reader_of_a_kpi_is_named() -> None:
    assert readers_of(PROFILE) == {
        "a": ("verdict", "gate"),
        "b": ("verdict", "rule GROW"),
        "c": ("rule GROW",),
        "d": ("freeze",),
        "e": ("gate",),
        "f": ("gate",),
    }


def test_a_kpi_is_missing_without_a_value_that_counts() -> None:
    readings = {
        "a": Reading(1.0, "totals.a"),
        "b": Reading(None, "totals.b", why="totals.b is a text, 'x'"),
        "c": Reading(0.5, "placeholder", placeholder=True),
        "d": Reading(0.0, "totals.d"),
        "e": Reading(2.0, "weekly", weak=True),
        "g": Reading(None, "totals.g", why="nothing reads it"),
    }
    missing = missing_kpis(PROFILE, readings)
    assert [item.kpi for item in missing] == ["b", "c", "f"]
    assert missing[0].why == "totals.b is a text, 'x'"
    assert missing[2].why == "its source is not in the report"


def test_the_shipped_profile_reads_its_main_kpis() -> None:
    readers = readers_of(resolve("market_maker", read_source).profile)
    assert readers["risk_ratio"][0] == "verdict"
    assert "hit_ratio" not in readers
