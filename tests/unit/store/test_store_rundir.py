"""The directory of a run: created, resumed, opened read-only; nothing is overwritten."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from pytest_soak.canonical import compute_json_hash
from pytest_soak.protocol import Lane
from pytest_soak.store import names
from pytest_soak.store.atomic import atomic_write_json, read_json_with_hash
from pytest_soak.store.errors import StoreError
from pytest_soak.store.rundir import LaneDirectory, RunDirectory


def lane(identifier: str = "steady-BTCUSDT-1", seed: int = 1) -> Lane:
    return Lane(identifier, "steady", "BTCUSDT", seed, 300.0, 24)


LANES = [lane("a", 1), lane("b", 2)]


@pytest.fixture
def base(tmp_path: Path) -> Path:
    return tmp_path / "artifacts" / "soak"


def tree(path: Path) -> set[str]:
    return {str(entry.relative_to(path)) for entry in path.rglob("*")}


def test_one_lane_has_the_directory_of_the_run(base: Path) -> None:
    run = RunDirectory.create(base, "run-1", [lane()], {"target": "mock"})
    assert run.path == base / "latest"
    assert run.lane_directory("steady-BTCUSDT-1").path == base / "latest"
    assert tree(base) == {"latest", "latest/run.json"}
    assert json.loads((run.path / "run.json").read_text()) == {
        "run_id": "run-1",
        "target": "mock",
        "lanes": [
            {
                "id": "steady-BTCUSDT-1",
                "profile": "steady",
                "symbol": "BTCUSDT",
                "seed": 1,
                "dir": ".",
            }
        ],
    }


def test_several_lanes_have_a_directory_each(base: Path) -> None:
    run = RunDirectory.create(base, "run-1", LANES, {})
    assert tree(base) == {"latest", "latest/run.json", "latest/a", "latest/b"}
    assert run.lane_directory("b") == LaneDirectory(base / "latest" / "b")
    assert [(record["id"], record["dir"]) for record in run.lanes] == [("a", "a"), ("b", "b")]
    with pytest.raises(StoreError, match="has no lane 'c'; it has a, b"):
        run.lane_directory("c")


def test_the_earlier_run_moves_away_whole(base: Path) -> None:
    RunDirectory.create(base, "first", LANES, {}).lane_directory("a").write_text("run.log", "1")
    RunDirectory.create(base, "second", [lane()], {})
    RunDirectory.create(base, "third", [lane()], {})
    assert (base / "runs" / "first" / "a" / "run.log").read_text() == "1"
    assert sorted(entry.name for entry in (base / "runs").iterdir()) == ["first", "second"]
    assert RunDirectory.resume(base).run_id == "third"
    assert RunDirectory.open(base / "runs" / "second").run_id == "second"


def test_a_taken_name_is_never_overwritten(base: Path) -> None:
    for number in range(4):
        run = RunDirectory.create(base, "same", [lane()], {"number": number})
    (base / "runs" / "last").mkdir()  # a rename would replace an empty directory
    assert run.about["number"] == 3
    numbers = {
        entry.name: RunDirectory.open(entry).about["number"]
        for entry in (base / "runs").iterdir()
        if entry.name != "last"
    }
    assert numbers == {"same": 0, "same-2": 1, "same-3": 2}
    RunDirectory.create(base, "last", [lane()], {})
    RunDirectory.create(base, "next", [lane()], {})
    assert list((base / "runs" / "last").iterdir()) == []
    assert RunDirectory.open(base / "runs" / "last-2").run_id == "last"


@pytest.mark.parametrize("content", [None, "", "{", "[]", '{"run_id": "../../x", "lanes": []}'])
def test_a_run_without_a_readable_name_is_kept_too(base: Path, content: str | None) -> None:
    for _ in range(2):
        (base / "latest").mkdir(parents=True)
        (base / "latest" / "keep").write_text("x")
        if content is not None:
            (base / "latest" / "run.json").write_text(content)
        RunDirectory.create(base, "new", [lane()], {})
        (base / "latest" / "run.json").unlink()
        (base / "latest").rmdir()
    assert sorted(entry.name for entry in (base / "runs").iterdir()) == ["unnamed-1", "unnamed-2"]
    assert (base / "runs" / "unnamed-2" / "keep").read_text() == "x"


def test_fields_of_run_json_can_be_changed(base: Path) -> None:
    run = RunDirectory.create(base, "run-1", [lane()], {"iterations": 24})
    run.update(iterations=48, ended=True)
    again = RunDirectory.resume(base)
    assert again.about == run.about == {**run.about, "iterations": 48, "ended": True}
    with pytest.raises(StoreError, match="has its own 'run_id'"):
        run.update(run_id="other")
    with pytest.raises(StoreError, match="Out of range float"):
        run.update(iterations=float("nan"))
    assert RunDirectory.resume(base).about["iterations"] == 48
    with pytest.raises(StoreError, match="was opened to be read"):
        RunDirectory.open(base).update(iterations=1)


def test_a_run_is_opened_from_above_from_itself_and_from_a_lane(base: Path) -> None:
    RunDirectory.create(base, "run-1", LANES, {})
    for path in (base, base / "latest"):
        run = RunDirectory.open(path)
        assert (run.path, run.run_id) == (base / "latest", "run-1")
        assert [record["id"] for record in run.lanes] == ["a", "b"]
    part = RunDirectory.open(base / "latest" / "b")
    assert (part.path, [record["id"] for record in part.lanes]) == (base / "latest", ["b"])
    assert part.lane_directory("b").path == base / "latest" / "b"
    assert len(part.about["lanes"]) == 2


def test_a_relative_path_works(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    RunDirectory.create(base, "run-1", LANES, {})
    monkeypatch.chdir(base / "latest" / "a")
    assert [record["id"] for record in RunDirectory.open(".").lanes] == ["a"]
    monkeypatch.chdir(base)
    assert RunDirectory.open("latest").run_id == "run-1"
    run = RunDirectory.create(".", "run-2", LANES, {})
    assert RunDirectory.resume(".").path == run.path == base / "latest"


def test_the_error_says_why_a_path_is_no_run(base: Path) -> None:
    RunDirectory.create(base, "run-1", LANES, {})
    (base / "latest" / "other").mkdir()
    (base / "latest" / "file").touch()
    with pytest.raises(StoreError, match=r"other is no run: it has no run\.json; give a soak"):
        RunDirectory.open(base / "latest" / "other")
    with pytest.raises(StoreError, match=r"file is no run: it is a file"):
        RunDirectory.open(base / "latest" / "file")
    with pytest.raises(StoreError, match="absent is no run: it does not exist"):
        RunDirectory.open(base / "absent")
    with pytest.raises(StoreError, match="there is no run to resume in"):
        RunDirectory.resume(base / "absent")
    with pytest.raises(StoreError, match="there is no run to resume in"):
        RunDirectory.resume(base / "latest" / "file")


BAD_RECORDS: list[tuple[str, Any]] = [
    ("`lanes` must be a list", None),
    ("`lanes` must be a list", []),
    (r"lanes\[0\] must be an object", ["a"]),
    (r"lanes\[0\]\.dir must be '\.', not '\.\./\.\./x'", [{"dir": "../../x"}]),
    (r"lanes\[0\]\.dir must be '\.', not '/etc'", [{"dir": "/etc"}]),
    (r"lanes\[0\]\.id '\.\.' cannot name", [{"id": ".."}]),
    (r"lanes\[0\]\.id 'a/b' cannot name", [{"id": "a/b"}]),
    (r"lanes\[0\]\.id 'a\\n' cannot name", [{"id": "a\n"}]),
    (r"lanes\[0\]\.seed must be a whole number, not True", [{"seed": True}]),
    (r"lanes\[0\]\.symbol must be a text", [{"symbol": 1}]),
    (r"lanes\[1\]\.dir must be 'b', not '\.'", [{"dir": "a"}, {"id": "b"}]),
    ("`lanes` has an id twice: a, a", [{"dir": "a"}, {"dir": "a"}]),
]


@pytest.mark.parametrize(
    ("message", "records"), BAD_RECORDS, ids=[str(number) for number in range(len(BAD_RECORDS))]
)
def test_a_run_json_that_leads_elsewhere_is_refused(base: Path, message: str, records: Any) -> None:
    good = {"id": "a", "profile": "p", "symbol": "s", "seed": 1, "dir": "."}
    if records is not None:
        records = [{**good, **item} if isinstance(item, dict) else item for item in records]
    (base / "latest").mkdir(parents=True)
    path = base / "latest" / "run.json"
    path.write_text(json.dumps({"run_id": "r", "lanes": records}))
    for opening in (RunDirectory.open, RunDirectory.resume):
        with pytest.raises(StoreError, match=message) as caught:
            opening(base)
        assert str(caught.value).startswith(f"{path} cannot be used: ")


@pytest.mark.parametrize("identifier", ["", ".", "..", "a/b", "-a", "a" * 101, "ä", "a\n", "a b"])
def test_a_name_that_cannot_name_a_directory_is_refused(base: Path, identifier: str) -> None:
    with pytest.raises(StoreError, match=r"the run id .* cannot name a directory"):
        RunDirectory.create(base, identifier, [lane()], {})
    with pytest.raises(StoreError, match=r"the lane id .* cannot name a directory"):
        RunDirectory.create(base, "run-1", [lane(identifier)], {})
    assert not base.exists()


@pytest.mark.parametrize(
    ("lanes", "message"),
    [
        ([], "at least one lane"),
        ([lane("a"), lane("A")], "the lane id 'A' .* another of that name"),
        ([lane("a"), lane("Run.json")], "the lane id 'Run.json' .* a file has that name"),
    ],
    ids=["none", "twice", "reserved"],
)
def test_lanes_that_would_collide_are_refused(base: Path, lanes: list[Lane], message: str) -> None:
    with pytest.raises(StoreError, match=message):
        RunDirectory.create(base, "run-1", lanes, {})
    assert not base.exists()


def test_a_bad_description_is_refused_before_the_earlier_run_moves(base: Path) -> None:
    RunDirectory.create(base, "first", [lane()], {})
    with pytest.raises(StoreError, match="has its own 'lanes'"):
        RunDirectory.create(base, "second", [lane()], {"lanes": []})
    with pytest.raises(StoreError, match="object is no JSON value"):
        RunDirectory.create(base, "second", [lane()], {"what": object()})
    assert tree(base) == {"latest", "latest/run.json"}


def test_a_base_that_is_no_directory_has_a_clear_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    (tmp_path / "dangling").symlink_to(tmp_path / "absent")
    for base in (tmp_path / "file", tmp_path / "file" / "below", tmp_path / "dangling"):
        with pytest.raises(StoreError, match="cannot make the directory") as caught:
            RunDirectory.create(base, "run-1", [lane()], {})
        blocked = base.parent if base.name == "below" else base
        assert f"{blocked}: File exists; something else has that name" in str(caught.value)
    assert (tmp_path / "file").read_text() == "x"


def test_a_read_only_base_has_a_clear_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: Any, **kwargs: Any) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(os, "mkdir", refuse)
    with pytest.raises(StoreError, match="Read-only file system; the file system is read-only"):
        RunDirectory.create(tmp_path, "run-1", [lane()], {})


def test_a_base_may_be_a_link_to_a_directory_and_latest_may_not(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    base = tmp_path / "link"
    base.symlink_to(tmp_path / "real")
    RunDirectory.create(base, "run-1", [lane()], {})
    assert (tmp_path / "real" / "latest" / "run.json").exists()
    other = tmp_path / "other"
    other.mkdir()
    (other / "latest").symlink_to(tmp_path / "real" / "latest")
    with pytest.raises(StoreError, match="latest is a link; move it away"):
        RunDirectory.create(other, "run-2", [lane()], {})
    (other / "latest").unlink()
    (other / "latest").write_text("x")
    with pytest.raises(StoreError, match="latest is no directory; move it away"):
        RunDirectory.create(other, "run-2", [lane()], {})


def test_a_lane_directory_that_is_gone_or_leads_elsewhere_is_refused(
    base: Path, tmp_path: Path
) -> None:
    run = RunDirectory.create(base, "run-1", LANES, {})
    (base / "latest" / "b").rmdir()
    with pytest.raises(StoreError, match=r"the lane directory .*b does not exist"):
        RunDirectory.resume(base)
    (base / "latest" / "b").symlink_to(tmp_path)
    with pytest.raises(StoreError, match="b is a link"):
        RunDirectory.resume(base)
    with pytest.raises(StoreError, match="b is a link"):
        run.lane_directory("b")
    assert run.lane_directory("a").path == base / "latest" / "a"


def test_a_lane_directory_names_its_files(tmp_path: Path) -> None:
    directory = LaneDirectory(tmp_path)
    paths = [
        directory.journal_path,
        directory.runtime_path,
    ]
    assert [path.name for path in paths] == ["journal.jsonl", "runtime_overrides.json"]
    assert {path.parent for path in paths} == {tmp_path}


def test_the_files_of_a_lane_are_regular_files(tmp_path: Path) -> None:
    directory = LaneDirectory(tmp_path)
    directory.write_json(names.iteration_summary(7), {})
    os.mkfifo(tmp_path / names.iteration_summary(8))
    (tmp_path / names.iteration_summary(9)).symlink_to(tmp_path / names.iteration_summary(7))
    assert directory.file_names() == {names.iteration_summary(7)}
    with pytest.raises(StoreError, match=r"cannot look into .*absent"):
        LaneDirectory(tmp_path / "absent").file_names()


def test_projections_are_written_without_a_sync_and_the_runtime_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", synced.append)
    directory = LaneDirectory(tmp_path)
    directory.write_json(names.TUNING_STATE, {"b": 1.0, "a": None})
    directory.write_text(names.FAILURES, "# None\n")
    assert (tmp_path / "TUNING_STATE.json").read_text() == '{"a":null,"b":1}'
    assert (tmp_path / "FAILURES.md").read_text() == "# None\n"
    assert synced == []
    runtime = {"risk": {"base_spread_bps": 0.5}}
    state_hash, size = atomic_write_json(directory.runtime_path, runtime)
    assert len(synced) == 2
    assert read_json_with_hash(directory.runtime_path) == (runtime, compute_json_hash(runtime))
    assert (state_hash, size) == (compute_json_hash(runtime), directory.runtime_path.stat().st_size)


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "/etc/x", "..\\x", "a\0"])
def test_a_file_name_stays_inside(tmp_path: Path, name: str) -> None:
    with pytest.raises(StoreError, match="is no file name inside"):
        LaneDirectory(tmp_path).write_text(name, "x")
    assert list(tmp_path.iterdir()) == []


def test_the_top_of_the_run_takes_artifacts_too(base: Path) -> None:
    run = RunDirectory.create(base, "run-1", LANES, {})
    run.top.write_json(names.SNAPSHOT, {"verdict": "PASS"})
    assert (base / "latest" / "POST_SOAK_SNAPSHOT.json").read_text() == '{"verdict":"PASS"}'


def test_what_is_made_is_made_durable(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A directory is synced after the last change of the names in it."""
    opened: dict[int, str] = {}
    dirty: set[str] = set()
    real_open, real_fsync, real_mkdir, real_rename = os.open, os.fsync, os.mkdir, os.rename

    def remember(path: Any, *args: Any, **kwargs: Any) -> int:
        descriptor = real_open(path, *args, **kwargs)
        opened[descriptor] = os.fspath(path)
        return descriptor

    def sync(descriptor: int) -> None:
        real_fsync(descriptor)
        dirty.discard(opened[descriptor])

    def mkdir(path: Any, *args: Any, **kwargs: Any) -> None:
        real_mkdir(path, *args, **kwargs)
        dirty.add(str(Path(path).parent))

    def rename(source: Any, target: Any, **kwargs: Any) -> None:
        real_rename(source, target, **kwargs)
        dirty.update({str(Path(source).parent), str(Path(target).parent)})

    for name, shim in (
        ("open", remember),
        ("fsync", sync),
        ("mkdir", mkdir),
        ("rename", rename),
    ):
        monkeypatch.setattr(os, name, shim)
    RunDirectory.create(base, "first", LANES, {})
    RunDirectory.create(base, "second", LANES, {})
    assert dirty == set()
