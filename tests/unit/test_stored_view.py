"""The view of runs on disk: read at once, or read on while they grow."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest

from pytest_soak import run_lane
from pytest_soak.report.view.model import RunView
from pytest_soak.run_reader import RunReader
from pytest_soak.store.errors import StoreError
from pytest_soak.store.lock import DirectoryLock
from pytest_soak.store.rundir import RunDirectory
from pytest_soak.stored_view import stored_view
from pytest_soak.targets.mock import make_mock
from tests.unit.report.runs import decided_entries


@pytest.fixture
def soaked(tmp_path: Path) -> Path:
    """A soak directory with a run of 24 iterations in the mock market."""
    run_lane(make_mock, iterations=24, mock=True, directory=tmp_path / "soak")
    return tmp_path / "soak"


def without_gate(view: RunView) -> RunView:
    """The view without what only a judgement adds."""
    document = msgspec.to_builtins(view)
    document |= {"verdict": None, "why": "", "notes": (), "sealed": False}
    for lane in document["lanes"]:
        lane |= {"verdict": None, "why": "", "judged": 0, "freeze_ready": None, "gate": ()}
        for kpi in lane["kpis"]:
            kpi["window"] = None
    return msgspec.convert(document, RunView)


def test_a_stored_run_without_a_seal_says_so(soaked: Path) -> None:
    view = stored_view(soaked)
    assert view.state == "done"
    assert not view.sealed
    (note,) = view.notes
    assert note.startswith("The run is not sealed: it has no judgement.jsonl; ")
    assert note.endswith(". Judged from the journals alone")
    (lane,) = view.lanes
    assert (lane.measured, lane.planned, lane.verdict) == (24, 24, view.verdict)
    assert None not in lane.iterations.seconds
    assert lane.last_utc is not None
    assert lane.eta_s is None  # it does not go on


@pytest.mark.parametrize("size", [997, 20_011])
def test_a_run_that_is_read_on_has_the_view_of_one_that_is_read_at_once(
    soaked: Path, size: int
) -> None:
    journal = soaked / "latest" / "journal.jsonl"
    whole = journal.read_bytes()
    journal.write_bytes(b"")
    reader = RunReader(RunDirectory.open(soaked))
    measured = []
    for first in range(0, len(whole), size):
        with journal.open("ab") as stream:
            stream.write(whole[first : first + size])
        reader.read()
        measured.append(reader.view().lanes[0].measured)
    assert measured == sorted(measured)
    assert without_gate(stored_view(soaked)) == reader.view()
    assert not reader.read()


def test_a_reader_keeps_the_gate_that_it_is_given(soaked: Path) -> None:
    from pytest_soak.gate.judge import judge_lane, judge_run

    reader = RunReader(RunDirectory.open(soaked))
    reader.read()
    history = reader.lanes[0].history
    assert history is not None
    judgement = judge_run([judge_lane(history)])
    view = reader.view(judgement)
    assert view.verdict == judgement.verdict
    assert view.lanes[0].gate


def test_a_lane_that_has_not_begun_is_planned(soaked: Path) -> None:
    (soaked / "latest" / "journal.jsonl").unlink()
    reader = RunReader(RunDirectory.open(soaked))
    assert not reader.read()
    (lane,) = reader.view().lanes
    assert (lane.state, lane.planned, lane.measured) == ("planned", 24, 0)
    with pytest.raises(StoreError):
        stored_view(soaked)


def test_a_lane_that_did_not_begin_in_a_judged_run_has_its_verdict(tmp_path: Path) -> None:
    """As in a session that was killed between two lanes."""
    soak = tmp_path / "soak"
    run_lane(make_mock, iterations=2, mock=True, directory=soak)
    journal = soak / "latest" / "journal.jsonl"
    journal.write_bytes(journal.read_bytes().splitlines(keepends=True)[0])
    view = stored_view(soak)
    (lane,) = view.lanes
    assert (lane.state, lane.measured) == ("planned", 0)
    assert (lane.verdict, view.verdict) == ("FAIL", "FAIL")
    assert lane.why
    assert "completeness" in {row.criterion for row in lane.gate}


def test_a_running_run_is_judged_as_information(soaked: Path) -> None:
    lock = DirectoryLock.acquire(soaked, RunDirectory.open(soaked).run_id)
    try:
        cut = (soaked / "latest" / "journal.jsonl").read_bytes().splitlines(keepends=True)[:40]
        (soaked / "latest" / "journal.jsonl").write_bytes(b"".join(cut))
        view = stored_view(soaked)
    finally:
        lock.release()
    assert view.state == "running"
    (lane,) = view.lanes
    assert view.eta_s == lane.eta_s
    assert lane.eta_s is not None
    assert lane.eta_s > 0.0
    assert view.notes[0].startswith("RUNNING: iteration ")
    assert not view.sealed


def test_a_resumed_lane_that_was_cut_is_read_again(soaked: Path) -> None:
    journal = soaked / "latest" / "journal.jsonl"
    whole = journal.read_bytes().splitlines(keepends=True)
    reader = RunReader(RunDirectory.open(soaked))
    reader.read()
    before = reader.view()
    journal.write_bytes(b"".join(whole[:20]))
    assert reader.read()
    assert reader.view().lanes[0].measured < before.lanes[0].measured
    journal.write_bytes(b"".join(whole))
    assert reader.read()
    assert reader.view() == before


def test_damage_is_a_store_error(soaked: Path) -> None:
    journal = soaked / "latest" / "journal.jsonl"
    journal.write_bytes(journal.read_bytes().replace(b'"iteration":5', b'"iteration":6', 1))
    with pytest.raises(StoreError, match="is damaged"):
        RunReader(RunDirectory.open(soaked)).read()


def test_the_command_is_that_of_run_json(soaked: Path) -> None:
    directory = RunDirectory.resume(soaked)
    directory.update(command=["pytest", "--soak-mock"])
    view = stored_view(soaked)
    assert view.command == ("pytest", "--soak-mock")
    assert view.fingerprint["mock"] is True


def test_entries_of_no_lane_are_a_store_error(soaked: Path) -> None:
    entries: list[Mapping[str, Any]] = decided_entries(2)
    from pytest_soak.store.journal import Journal

    path = soaked / "latest" / "journal.jsonl"
    path.unlink()
    journal = Journal.create(path)
    journal.append(*({k: v for k, v in item.items() if k != "seq"} for item in entries[:1]))
    journal.append({"type": "decision", "iteration": 1})
    journal.close()
    with pytest.raises(StoreError):
        RunReader(RunDirectory.open(soaked)).read()
