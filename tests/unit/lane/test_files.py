"""The files of a lane: what it writes when another run took its place, and what it reads once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from pytest_soak.canonical import canonical_json
from pytest_soak.lane.driver import TargetFailed
from pytest_soak.lane.files import StoredFiles
from pytest_soak.lane.run import create_lane, lane_of
from pytest_soak.lane.runner import LaneHalted, LaneRunner
from pytest_soak.loop.entries import runtime_of, start_entry
from pytest_soak.loop.history import Past
from pytest_soak.profile.resolve import resolve
from pytest_soak.store import names, records
from pytest_soak.store.errors import StoreError
from pytest_soak.store.journal import Journal, JournalRead, read_journal
from pytest_soak.store.rundir import LaneDirectory
from pytest_soak.store.sources import read_source

PROFILE = resolve("steady", read_source).profile
START = {key: parameter.start for key, parameter in PROFILE.parameters.items()}


class Slow:
    """Its latency asks the tuner for changes. ``during`` is called in iteration 3."""

    def __init__(self, during: Callable[[], None] = lambda: None) -> None:
        self.during = during

    def run(self, iteration: int, runtime: Mapping[str, Any]) -> dict[str, Any]:
        if iteration == 3:
            self.during()
        return {
            "totals": {"net_bps": 3.5, "p95_latency_ms": 400.0 + iteration},
            "fills": {"maker_volume": 90.0, "taker_volume": 10.0},
            "block_reasons": {"risk": 30, "min_interval": 70},
        }


def new_lane(path: Path, values: Mapping[str, float] = START) -> Path:
    path.mkdir()
    lane = lane_of(PROFILE, 6, 1)
    first = start_entry(lane, PROFILE, "slow", values, mock=False, tune=True, dry_run=False)
    create_lane(LaneDirectory(path), PROFILE, values, first)
    return path


def runner(path: Path, target: Any, earlier: JournalRead | None = None) -> LaneRunner:
    return LaneRunner(lane_of(PROFILE, 6, 1), StoredFiles(path, earlier), lambda _: target)


def run(lane: LaneRunner, first: int, last: int) -> None:
    for number in range(first, last + 1):
        lane.observe(number)
        lane.decide({}, ())


def contents(path: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in path.iterdir() if file.is_file()}


@pytest.mark.parametrize("other", [START, {**START, "base_spread_bps": 1.0}], ids=["same", "other"])
@pytest.mark.parametrize("missing", [False, True], ids=["runtime", "no runtime"])
def test_a_lane_whose_directory_became_another_runs_writes_nothing_there(
    tmp_path: Path, other: Mapping[str, float], missing: bool
) -> None:
    path = new_lane(tmp_path / "latest")
    before: dict[str, bytes] = {}

    def retire() -> None:
        path.rename(tmp_path / "old")
        new_lane(path, other)
        if missing:
            (path / names.RUNTIME).unlink()
        before.update(contents(path))

    lane = runner(path, Slow(retire))
    with pytest.raises(LaneHalted, match="was replaced by another file") as caught:
        run(lane, 1, 4)
    assert caught.value.halt.kind == "write"
    assert not caught.value.in_journal
    lane.stop()
    assert contents(path) == before
    assert len(read_journal(tmp_path / "old" / names.JOURNAL).entries) == 5


def test_a_missing_runtime_file_of_another_run_is_not_written(tmp_path: Path) -> None:
    path = new_lane(tmp_path / "latest")
    lane = runner(path, Slow())
    lane.observe(1)
    path.rename(tmp_path / "old")
    new_lane(path)
    (path / names.RUNTIME).unlink()
    with pytest.raises(LaneHalted, match="was replaced by another file"):
        lane.decide({}, ())
    lane.stop()
    assert not (path / names.RUNTIME).exists()


def test_a_read_only_copy_in_another_runs_file_is_not_corrected(tmp_path: Path) -> None:
    """The values are the same, so that no edit would be journaled."""
    path = new_lane(tmp_path / "latest")

    def retire() -> None:
        path.rename(tmp_path / "old")
        new_lane(path)
        document = {**runtime_of(PROFILE, START), "tuner": {"cooldown_iters": 9, "freeze_iters": 4}}
        (path / names.RUNTIME).write_bytes(canonical_json(document))

    lane = runner(path, Slow())
    retire()
    before = contents(path)
    with pytest.raises(LaneHalted):
        lane.observe(1)
    lane.stop()
    assert contents(path) == before


def test_all_files_are_closed_also_if_one_cannot_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = new_lane(tmp_path / "latest")
    files = StoredFiles(path)
    with monkeypatch.context() as patch:

        def failing(file: Any) -> None:
            raise StoreError("cannot close timing.jsonl: No space left on device")

        patch.setattr("pytest_soak.store.lines.LineFile.close", failing)
        with pytest.raises(StoreError, match="cannot close timing"):
            files.release()
    Journal.open(path / names.JOURNAL).close()  # its lock is free
    files.release()


def test_an_error_of_the_target_and_one_of_the_files_are_one_text(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Stuck(Slow):
        def stop(self) -> None:
            raise OSError("stuck")

    def failing(directory: LaneDirectory, name: str, document: Any) -> None:
        raise StoreError(f"cannot write {name}: No space left on device")

    lane = runner(new_lane(tmp_path / "latest"), Stuck())
    run(lane, 1, 1)
    monkeypatch.setattr(LaneDirectory, "write_json", failing)
    with pytest.raises(TargetFailed) as caught:
        lane.stop()
    assert str(caught.value) == (
        "stop() raised: OSError: stuck; cannot write TUNING_STATE.json: No space left on device"
    )
    assert caught.value.__context__ is None or isinstance(caught.value.__cause__, OSError)
    Journal.open(tmp_path / "latest" / names.JOURNAL).close()


# -- a journal is read once ------------------------------------------------------------------------


def test_a_journal_that_grew_is_read_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = new_lane(tmp_path / "latest")
    lane = runner(path, Slow())
    run(lane, 1, 2)
    lane.stop()
    earlier = JournalRead.of(read_journal(path / names.JOURNAL))
    lane = runner(path, Slow(), earlier)
    run(lane, 3, 4)
    lane.stop()

    whole = read_journal(path / names.JOURNAL)
    decoded: list[bytes] = []
    decode = records.decode

    def counted(line: bytes) -> dict[str, Any]:
        decoded.append(line)
        return decode(line)

    monkeypatch.setattr(records, "decode", counted)
    again = read_journal(path / names.JOURNAL, earlier.records)
    assert len(decoded) == len(whole.entries) - len(earlier.records.entries)
    assert again == whole
    assert (again.digest, again.last) == (whole.digest, whole.last)
    read = JournalRead.of(again, earlier)
    assert read.past == Past.of(whole.entries)
    assert read.past.decided[0] is earlier.past.decided[0]
    assert read.past.history.iterations == read.past.decided


@pytest.mark.parametrize(
    ("change", "is_whole"),
    [
        (lambda data: data.replace(b'"net_bps":3.5', b'"net_bps":3.6', 1), False),
        (lambda data: data[:-40], True),
        (lambda data: b"".join(data.splitlines(keepends=True)[:-2]), True),
        (lambda data: b"", True),
    ],
    ids=["changed", "torn", "shorter", "empty"],
)
def test_a_journal_that_changed_is_read_anew(
    tmp_path: Path, change: Callable[[bytes], bytes], is_whole: bool
) -> None:
    path = new_lane(tmp_path / "latest") / names.JOURNAL
    lane = runner(path.parent, Slow())
    run(lane, 1, 2)
    lane.stop()
    earlier = JournalRead.of(read_journal(path))
    path.write_bytes(change(path.read_bytes()))
    if not is_whole:
        with pytest.raises(StoreError, match="line 2 is damaged: its checksum does not fit"):
            read_journal(path, earlier.records)
        return
    expected, again = read_journal(path), read_journal(path, earlier.records)
    assert again == expected
    if expected.entries:
        assert JournalRead.of(again, earlier).past == Past.of(expected.entries)
