"""The calibration benchmark: its promises on few runs, its layout, and a broken promise."""

from __future__ import annotations

import pytest

pytest.importorskip("scipy.special")

from benchmarks import gate_calibration
from benchmarks.calibration import bound_tables, drift_tables, statistic_tables
from benchmarks.calibration.tables import Promise, Table, percent


def test_every_promise_is_kept_within_its_monte_carlo_error() -> None:
    promises = [
        promise
        for module in (bound_tables, drift_tables, statistic_tables)
        for promise in module.promises(400)
    ]
    assert [line for promise in promises if promise.broken for line in promise.lines()] == []
    assert sum(len(promise.cells) for promise in promises) > 500


def test_every_table_is_at_most_100_columns_wide() -> None:
    tables = [
        table
        for module in (bound_tables, drift_tables, statistic_tables)
        for table in module.tables(12)
    ]
    lines = [line for table in tables for line in table.lines()]
    assert len(lines) > 150
    assert max(map(len, lines)) <= 100


def test_a_broken_promise_is_named() -> None:
    promise = Promise("false alarms", 0.05)
    promise.add("quiet", 0.061, 2000)
    assert not promise.broken  # within 3 Monte-Carlo errors of .5 points
    promise.add("loud", 0.07, 2000)
    assert [cell.row for cell in promise.broken] == ["loud"]
    assert "BROKEN in loud: 7.00 %" in "\n".join(promise.lines())
    power = Promise("power", 0.9, at_most=False)
    power.add("weak", 0.5, 2000)
    power.add("strong", 0.95, 2000)
    assert power.worst.row == "weak"
    assert [cell.row for cell in power.broken] == ["weak"]
    never = Promise("never", 0.0)
    never.add("once", 0.0005, 2000)
    assert never.broken


def test_the_exit_status_is_1_for_a_broken_promise(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    kept, broken = Promise("kept", 0.5), Promise("lost", 0.1)
    kept.add("row", 0.4, 100)
    broken.add("the row", 0.9, 100)
    monkeypatch.setattr("sys.argv", ["gate_calibration.py", "--quick", "--runs", "10"])
    monkeypatch.setattr(gate_calibration, "difference", lambda: (1, 0.0))
    monkeypatch.setattr(bound_tables, "promises", lambda runs: iter([kept]))
    monkeypatch.setattr(statistic_tables, "promises", lambda runs: iter([kept]))
    monkeypatch.setattr(drift_tables, "promises", lambda runs: iter([broken]))
    assert gate_calibration.main() == 1
    assert "BROKEN in the row: 90.00 %" in capsys.readouterr().out
    monkeypatch.setattr(drift_tables, "promises", lambda runs: iter([kept]))
    assert gate_calibration.main() == 0


def test_the_replica_is_compared_before_anything_is_printed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(gate_calibration, "COMPARED", 2)
    compared, largest = gate_calibration.difference()
    assert compared == 60
    assert largest < gate_calibration.TOLERANCE


def test_shares_have_two_digits_and_columns_are_aligned() -> None:
    assert [percent(x) for x in (0.0, 0.004, 0.0994, 0.0996, 0.41, 1.0)] == [
        "0.0", "0.4", "9.9", "10", "41", "100",
    ]  # fmt: skip
    table = Table("title", ["φ 0", "φ 0.3"])
    table.add("24", [0.031, 0.5])
    assert list(table.lines()) == ["title", "", "    φ 0  φ 0.3", "24  3.1     50", ""]
