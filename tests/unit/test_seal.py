"""The seal of a judgement, and the offline commands with and without it."""

from __future__ import annotations

import json
import os
import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pytest_soak.cli import main
from pytest_soak.gate.criteria import CriterionResult
from pytest_soak.loop.entries import Plan, Record, record_of
from pytest_soak.loop.model import Halt, Verdict
from pytest_soak.references import read_references, reference_for
from pytest_soak.sealed import Inputs, LaneInputs, NotSealed, SealError, check_seal, read_seal
from pytest_soak.store.atomic import atomic_write_json
from pytest_soak.store.errors import StoreError
from pytest_soak.store.lock import DirectoryLock
from pytest_soak.store.records import append_durably, read_records
from pytest_soak.store.rundir import RunDirectory
from pytest_soak.stored import read_lane, read_lanes
from tests.unit.report.runs import decided_entries
from tests.unit.sealed_runs import seal_run, stored_run, write_journal

pytestmark = pytest.mark.exhaustive

LANE = "steady-BTCUSDT-1"
FAILED_HOOK = CriterionResult("mine", Verdict.FAIL, value=2.5, limit="<= 2", reason="mine: no")
Cli = Callable[..., tuple[int, str, str]]


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str]) -> Cli:
    """Runs a command; returns its exit code, output and error output."""

    def run(command: str, path: Path, *options: str) -> tuple[int, str, str]:
        capsys.readouterr()
        code = main([command, str(path), *options])
        captured = capsys.readouterr()
        assert "Traceback" not in captured.out + captured.err
        return code, captured.out, captured.err

    return run


@pytest.fixture(scope="module")
def passing() -> list[Record]:
    return decided_entries()


def edit(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Changes run.json by hand: it stays canonical and valid."""
    document = json.loads((path / "run.json").read_bytes())
    change(document)
    atomic_write_json(path / "run.json", document)


def test_what_was_judged_comes_back_from_the_seal(
    tmp_path: Path, passing: list[Record], cli: Cli
) -> None:
    inputs = {LANE: LaneInputs(criteria=(FAILED_HOOK,), lost="test_a.py::test_a[x/0003]")}
    path = stored_run(tmp_path, passing, inputs=inputs)
    assert read_seal(RunDirectory.open(path)).inputs == Inputs(False, True, inputs)
    code, out, _ = cli("gate", path)
    assert code == 1
    assert "mine: no" in out
    code, out, _ = cli("snapshot", path)
    assert code == 1
    assert "its worker died while running test_a.py::test_a[x/0003]" in out


def test_the_reference_comes_back_with_its_run_and_lane(
    tmp_path: Path, passing: list[Record]
) -> None:
    quiet: list[Record] = [{**passing[0], "tune": False}, *passing[1:]]
    noise = stored_run(tmp_path / "aa", quiet, run_id="aa-run", tune=False)
    history = read_lane(RunDirectory.open(noise), LANE).history
    reference = reference_for(history.lane, history.profile, "mock", read_references(noise))
    assert (reference.run_id, reference.lane_id) == ("aa-run", LANE)
    path = stored_run(tmp_path / "b", passing, inputs={LANE: LaneInputs(reference=reference)})
    run = RunDirectory.open(path)
    assert read_seal(run).inputs.lanes[LANE].reference == reference
    assert reference.noise.kpis
    check_seal(run, read_lanes(run), read_seal(run))


def test_the_last_judgement_counts(tmp_path: Path, passing: list[Record], cli: Cli) -> None:
    path = stored_run(tmp_path, passing)
    assert cli("gate", path)[0] == 0
    seal_run(path, Inputs(mock=True, lanes={LANE: LaneInputs(criteria=(FAILED_HOOK,))}))
    assert cli("gate", path)[0] == 1
    seal = path / "judgement.jsonl"
    assert len(read_records(seal, "seal", "").entries) == 2
    # With its last line torn, the earlier judgement must not replace it.
    seal.write_bytes(seal.read_bytes()[:-1])
    code, _, error = cli("gate", path)
    assert code == 2
    assert "its last line is torn" in error
    # A session that judges again removes the torn line.
    seal_run(path, Inputs(mock=True))
    assert cli("gate", path)[0] == 0
    assert len(read_records(seal, "seal", "").entries) == 2


@pytest.mark.parametrize("command", ["gate", "verify", "snapshot", "audit", "explain"])
def test_commands_write_nothing(
    tmp_path: Path, passing: list[Record], cli: Cli, command: str
) -> None:
    path = stored_run(tmp_path, passing)
    before = {item: item.read_bytes() for item in path.rglob("*") if item.is_file()}
    cli(command, path)
    assert {item: item.read_bytes() for item in path.rglob("*") if item.is_file()} == before


def test_a_run_without_a_seal_shows_its_figures_and_is_no_pass(
    tmp_path: Path, passing: list[Record], cli: Cli
) -> None:
    path = stored_run(tmp_path, passing, sealed=False)
    code, out, error = cli("gate", path)
    assert code == 2
    assert out.startswith("state: done, not judged; the figures so far:\n")
    assert "24 of 24 iterations measured" in out
    assert "gate: " not in out
    assert error.count("\n") == 1
    assert "is not sealed: it has no judgement.jsonl" in error
    assert "--soak-resume" in error
    assert "--unsealed" in error
    code, out, _ = cli("verify", path)
    assert code == 2
    code, out, error = cli("snapshot", path)
    assert (code, out) == (2, "")
    code, out, _ = cli("gate", path, "--json")
    document = json.loads(out)
    assert (code, document["state"], document["sealed"]) == (2, "done", False)
    assert "is not sealed" in document["problem"]


def test_unsealed_judges_the_journals_alone_and_says_so(
    tmp_path: Path, passing: list[Record], cli: Cli
) -> None:
    inputs = {LANE: LaneInputs(criteria=(FAILED_HOOK,))}
    path = stored_run(tmp_path, passing, inputs=inputs)
    assert cli("gate", path)[0] == 1
    code, out, _ = cli("gate", path, "--unsealed")
    assert code == 0
    assert out.splitlines()[-1].endswith(" (unsealed)")
    assert json.loads(cli("gate", path, "--unsealed", "--json")[1])["sealed"] is False
    (path / "judgement.jsonl").unlink()
    assert cli("gate", path, "--unsealed")[0] == 0
    assert cli("verify", path, "--unsealed")[0] == 0
    code, out, _ = cli("snapshot", path, "--unsealed")
    assert code == 0
    assert json.loads(out)["sealed"] is False


def test_unsealed_fails_what_did_not_end(tmp_path: Path, cli: Cli) -> None:
    path = stored_run(tmp_path, decided_entries(22, planned=24), sealed=False)
    code, out, _ = cli("gate", path, "--unsealed")
    assert code == 1
    assert "FAIL completeness" in out
    assert "interrupted, 22 of 24 iterations measured" in out


def test_other_commands_work_without_a_seal_and_say_so(
    tmp_path: Path, passing: list[Record], cli: Cli
) -> None:
    path = stored_run(tmp_path, passing, sealed=False)
    code, out, _ = cli("audit", path)
    assert code == 2  # a run without a seal does not pass
    assert out.splitlines()[0].startswith("not sealed: ")
    assert "# Soak audit: " in out
    code, out, error = cli("explain", path)
    assert code == 0
    assert error.startswith("not sealed: ")
    assert "24 of 24 iterations" in out


@pytest.mark.parametrize(
    ("entries", "state"),
    [
        (lambda: decided_entries(24), "done"),
        (lambda: decided_entries(9, planned=24), "interrupted"),
        (lambda: decided_entries(0, planned=24), "planned"),
        (lambda: decided_entries(9, planned=24, halt=Halt(10, "error", "no feed")), "halted"),
        (lambda: decided_entries(9, planned=24, halt=Halt(10, "end_of_data", "")), "ended"),
    ],
)
def test_the_state_of_a_run_is_named(
    tmp_path: Path, cli: Cli, entries: Callable[[], list[Record]], state: str
) -> None:
    path = stored_run(tmp_path, entries(), sealed=False)
    assert cli("gate", path)[1].startswith(f"state: {state}, not judged")
    seal_run(path, Inputs(mock=True))
    assert json.loads(cli("gate", path, "--json")[1])["state"] == state


def test_the_state_of_a_lane_whose_worker_died(tmp_path: Path, cli: Cli) -> None:
    entries = decided_entries(9, planned=24)
    path = stored_run(tmp_path, entries, inputs={LANE: LaneInputs(lost="test_a.py::t[x/0010]")})
    document = json.loads(cli("gate", path, "--json")[1])
    assert (document["state"], document["lanes"][0]["state"]) == ("lost", "lost")


def test_a_torn_line_is_reported(tmp_path: Path, cli: Cli) -> None:
    path = stored_run(tmp_path, decided_entries(9, planned=24), sealed=False)
    journal = path / "journal.jsonl"
    journal.write_bytes(journal.read_bytes() + b'{"type":"observ')
    assert "its last line was torn (15 bytes) and dropped" in cli("gate", path)[1]
    assert "its last line was torn (15 bytes) and dropped" in cli("gate", path, "--unsealed")[1]


def test_a_damaged_last_line_of_a_sealed_journal(
    tmp_path: Path, passing: list[Record], cli: Cli
) -> None:
    path = stored_run(tmp_path, passing)
    journal = path / "journal.jsonl"
    whole = journal.read_bytes()
    journal.write_bytes(whole[:-20] + b"x" + whole[-19:])
    code, _, error = cli("gate", path)
    assert code == 2
    assert "is not what was sealed" in error
    assert "its last line was torn" in error


def test_the_journal_of_a_run_with_the_same_settings(
    tmp_path: Path, passing: list[Record], cli: Cli
) -> None:
    path = stored_run(tmp_path, passing)
    better = decided_entries(net=3.9)
    assert len(better) == len(passing)
    write_journal(path / "journal.jsonl", better)
    code, _, error = cli("gate", path)
    assert code == 2
    assert "journal.jsonl is not what was sealed" in error


def test_a_run_that_went_on_after_its_seal(tmp_path: Path, cli: Cli) -> None:
    path = stored_run(tmp_path, decided_entries(9, planned=24))
    write_journal(path / "journal.jsonl", decided_entries(12, planned=24))
    code, out, error = cli("gate", path)
    assert code == 2
    assert out.startswith("state: interrupted")
    assert "went on after it was judged" in error


def test_a_resumed_run_is_not_what_was_sealed(
    tmp_path: Path, passing: list[Record], cli: Cli
) -> None:
    path = stored_run(tmp_path, passing)
    edit(path, lambda run: run.update(resumed=1))
    code, _, error = cli("gate", path)
    assert code == 2
    assert "was resumed and not judged since" in error


def test_the_seal_of_another_run_with_the_same_journal(
    tmp_path: Path, passing: list[Record], cli: Cli
) -> None:
    inputs = {LANE: LaneInputs(criteria=(FAILED_HOOK,))}
    failed = stored_run(tmp_path / "a", passing, run_id="failed", inputs=inputs)
    passed = stored_run(tmp_path / "b", passing, run_id="passed")
    (failed / "judgement.jsonl").write_bytes((passed / "judgement.jsonl").read_bytes())
    code, _, error = cli("gate", failed)
    assert code == 2
    assert "is the seal of run passed, this is failed" in error


def test_a_seal_whose_verdict_does_not_follow(
    tmp_path: Path, passing: list[Record], cli: Cli
) -> None:
    path = stored_run(tmp_path, passing)
    (record,) = read_records(path / "judgement.jsonl", "seal", "").entries
    lanes = [{**record["lanes"][0], "verdict": "WARN"}]
    for change in ({"lanes": lanes}, {"exit_code": 1}, {"verdict": "WARN"}):
        append_durably(path / "judgement.jsonl", {**record, **change}, "seal", "")
        assert cli("gate", path)[0] == 2


@pytest.mark.parametrize(
    "change",
    [
        {"schema": 2},
        {"type": "verdict"},
        {"strict": None},
        {"lanes": []},
        {"lanes": {}},
        {"lanes": None},
        {"lanes": [None]},
        {"lanes": [{"id": "x"}]},
        {"verdict": "GOOD"},
        {"exit_code": 10**400},
        {"exit_code": False},
        {"run_id": 3},
        {"mock": "yes"},
    ],
)
def test_an_odd_seal_with_a_right_checksum(
    tmp_path: Path, passing: list[Record], cli: Cli, change: dict[str, Any]
) -> None:
    path = stored_run(tmp_path, passing)
    (record,) = read_records(path / "judgement.jsonl", "seal", "").entries
    append_durably(path / "judgement.jsonl", {**record, **change}, "seal", "")
    for command in ("gate", "verify", "snapshot"):
        code, _, error = cli(command, path)
        assert code == 2, change
        assert error.count("\n") == 1


@pytest.mark.parametrize("planted", ["directory", "fifo", "link", "empty", "text"])
def test_what_is_no_seal(tmp_path: Path, passing: list[Record], cli: Cli, planted: str) -> None:
    path = stored_run(tmp_path, passing)
    seal = path / "judgement.jsonl"
    (path / "elsewhere").write_bytes(seal.read_bytes())
    seal.unlink()
    if planted == "directory":
        seal.mkdir()
    elif planted == "fifo":
        os.mkfifo(seal)
    elif planted == "link":
        seal.symlink_to(path / "elsewhere")
    else:
        seal.write_bytes(b"" if planted == "empty" else b"PASS\nPASS\n")
    code, _, error = cli("gate", path)
    assert code == 2
    assert error.count("\n") == 1


# -- what-if -----------------------------------------------------------------------------------


def test_an_option_of_the_sessions_own_is_no_what_if(
    tmp_path: Path, passing: list[Record], cli: Cli
) -> None:
    path = stored_run(tmp_path, passing, strict=True)
    assert cli("gate", path) == cli("gate", path, "--strict") == cli("gate", path, "--mock")


def test_a_what_if_is_labelled_and_shows_both_answers(tmp_path: Path, cli: Cli) -> None:
    path = stored_run(tmp_path, decided_entries(mock=False))
    code, out, _ = cli("gate", path, "--mock")
    assert code == 0
    *_, verdict, sealed = out.splitlines()
    assert verdict.endswith(" (what-if: --mock)")
    assert sealed == "sealed by the session: FAIL, exit 1"
    short = stored_run(tmp_path, decided_entries(20), run_id="run-2")
    code, out, _ = cli("gate", short, "--strict", "--json")
    document = json.loads(out)
    assert (code, document["what_if"]) == (1, ["--strict"])
    assert document["sealed"]["exit_code"] == 0
    code, out, _ = cli("gate", short, "--unsealed", "--strict")
    assert code == 1


def test_another_reference_is_a_what_if(tmp_path: Path, passing: list[Record], cli: Cli) -> None:
    quiet: list[Record] = [{**passing[0], "tune": False}, *passing[1:]]
    noise = stored_run(tmp_path / "aa", quiet, tune=False)
    path = stored_run(tmp_path / "b", decided_entries(12))
    code, out, _ = cli("gate", path, "--reference", str(noise))
    assert code == 0
    assert "(what-if: --reference)" in out
    assert "sealed by the session: WARN, exit 0" in out


# -- a run that goes on ------------------------------------------------------------------------


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Path]:
    path = stored_run(tmp_path, decided_entries(9, planned=24), sealed=False)
    with DirectoryLock.acquire(tmp_path, "run-1"):
        yield path


def test_a_run_that_goes_on_is_running(running: Path, cli: Cli) -> None:
    code, out, _ = cli("gate", running)
    assert code == 3
    assert out.startswith("RUNNING: iteration 10 of 24, since 20")
    assert f"lane {LANE}: running, 9 of 24 iterations measured" in out
    assert "the gate would say now, as information: WARN by " in out
    assert "completeness" not in out
    assert not any(line.startswith("gate: ") for line in out.splitlines())
    document = json.loads(cli("gate", running, "--json")[1])
    assert (document["state"], document["lanes"][0]["measured"]) == ("running", 9)
    assert cli("gate", running.parent)[0] == 3
    assert cli("gate", running, "--unsealed")[0] == 3
    code, out, _ = cli("verify", running)
    assert code == 3
    assert out.startswith("RUNNING: iteration 10 of 24")
    code, out, _ = cli("snapshot", running)
    assert (code, json.loads(out)["state"]) == (3, "running")
    code, out, _ = cli("audit", running)
    assert code == 3
    assert out.startswith("RUNNING: ")
    code, _, error = cli("explain", running)
    assert code == 0
    assert error.startswith("RUNNING: ")


def test_running_comes_before_the_seal(running: Path, cli: Cli) -> None:
    (running / "judgement.jsonl").write_text("damaged\ndamaged\n")
    assert cli("gate", running)[0] == 3


def test_a_lane_that_did_not_begin_is_no_error_while_it_runs(running: Path, cli: Cli) -> None:
    (running / "journal.jsonl").unlink()
    code, out, _ = cli("gate", running)
    assert code == 3
    assert out.startswith("RUNNING: it begins, since")
    assert json.loads(cli("gate", running, "--json")[1])["lanes"] == []


def test_the_run_before_is_not_running(tmp_path: Path, passing: list[Record], cli: Cli) -> None:
    """A session has locked the directory, and has not created its own run yet."""
    path = stored_run(tmp_path, passing)
    with DirectoryLock.acquire(tmp_path, "run-2"):
        assert cli("gate", path)[0] == 0
    old = stored_run(tmp_path, passing, run_id="run-2").parent / "runs" / "run-1"
    with DirectoryLock.acquire(tmp_path, "run-1"):
        assert cli("gate", old)[0] == 0


def test_a_dead_holder_is_none(tmp_path: Path, passing: list[Record], cli: Cli) -> None:
    path = stored_run(tmp_path, passing)
    with DirectoryLock.acquire(tmp_path, "run-1") as lock:
        holder = (tmp_path / ".lock-holder.json").read_bytes()
        dead = {**json.loads(holder), "pid": 2**22 + 1}
        (tmp_path / ".lock-holder.json").write_text(json.dumps(dead))
        assert cli("gate", path)[0] == 0
        lock.release()
    (tmp_path / ".lock-holder.json").write_bytes(holder)  # a live process without the lock
    assert cli("gate", path)[0] == 0


# -- run.json, start entry and plan agree ------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"target": "replay"}, "says target = 'replay', but"),
        ({"mock": False}, "says mock = False, but"),
        ({"tune": False}, "says tune = False, but"),
        ({"dry_run": True}, "says dry_run = True, but"),
        ({"interval_s": 60}, "says interval_s = 60, but"),
        ({"iterations": 48}, "says iterations = 48, but"),
        ({"sweep": ["tail_age_ms=500,600"]}, "says sweep = True, but"),
        ({"iterations": None}, "iterations: null is not a finite number"),
        ({"resumed": None}, "resumed: null is not a finite number"),
        ({"fresh_targets": []}, "fresh_targets: a list is not a mapping"),
        ({"versions": "1.0"}, "versions: '1.0' is not a mapping"),
        ({"strict": 1}, "strict: 1 is neither true nor false"),
        ({"lanes": "x"}, "`lanes` must be a list"),
    ],
)
@pytest.mark.parametrize("options", [(), ("--unsealed",)])
def test_run_json_and_journal_agree_or_are_refused(
    tmp_path: Path,
    passing: list[Record],
    cli: Cli,
    options: tuple[str, ...],
    change: dict[str, Any],
    words: str,
) -> None:
    path = stored_run(tmp_path, passing)
    edit(path, lambda run: run.update(change))
    code, _, error = cli("gate", path, *options)
    assert code == 2
    assert words in error
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    ("name", "value"), [("id", "other-1"), ("profile", "S1"), ("symbol", "ETHUSDT"), ("seed", 2)]
)
def test_a_lane_of_another_name_is_refused(
    tmp_path: Path, passing: list[Record], cli: Cli, name: str, value: object
) -> None:
    path = stored_run(tmp_path, passing)
    edit(path, lambda run: run["lanes"][0].update({name: value}))
    code, _, error = cli("gate", path, "--unsealed")
    assert code == 2
    assert f"says lanes.{name} = {value!r}, but" in error


def test_a_journal_cut_before_its_plan(tmp_path: Path, passing: list[Record], cli: Cli) -> None:
    longer = [*passing, record_of(Plan(48))]
    path = stored_run(tmp_path, longer, sealed=False)
    assert "24 of 48" in cli("gate", path)[1]
    write_journal(path / "journal.jsonl", passing)
    code, _, error = cli("gate", path, "--unsealed")
    assert code == 2
    assert "says iterations = 48, but" in error


def test_a_session_killed_between_plan_and_run_json_is_readable(
    tmp_path: Path, passing: list[Record], cli: Cli
) -> None:
    path = stored_run(tmp_path, passing)
    write_journal(path / "journal.jsonl", [*passing, record_of(Plan(48))])
    code, out, _ = cli("gate", path)
    assert code == 2
    assert out.startswith("state: interrupted")
    assert cli("gate", path, "--unsealed")[0] == 1


def test_lanes_cut_from_run_json(tmp_path: Path, passing: list[Record], cli: Cli) -> None:
    path = stored_run(tmp_path, passing, decided_entries(lane_id="bad-1", net=1.0))
    assert cli("gate", path)[0] == 1
    edit(path, lambda run: run["lanes"].pop())
    edit(path, lambda run: run["lanes"][0].update(dir="."))
    for item in (path / LANE).iterdir():
        item.rename(path / item.name)
    assert "has a journal in bad-1" in cli("gate", path, "--unsealed")[2]
    (path / "bad-1" / "journal.jsonl").unlink()
    code, _, error = cli("gate", path)
    assert code == 2
    assert "is of the lanes steady-BTCUSDT-1, bad-1, run.json names steady-BTCUSDT-1" in error


# -- odd values under right checksums ----------------------------------------------------------

ODD: tuple[Any, ...] = (
    *(None, True, "", "NaN", "1e999", "x" * 5000, 10**400, -(10**400), 1e308, -1e308, 5e-324),
    *([], {}, [[]], {"a": {"a": [1, {"b": None}]}}, "\x1b[31m", "\n"),
)


def leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    items = value.items() if isinstance(value, dict) else ()
    for key, item in enumerate(value) if isinstance(value, list) else items:
        yield from leaves(item, (*path, key))


def put(value: Any, path: tuple[Any, ...], odd: Any) -> Any:
    if not path:
        return odd
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = put(copy[path[0]], path[1:], odd)
    return copy


@pytest.mark.parametrize("kind", ["start", "plan", "observation", "decision", "done", "halt"])
def test_an_odd_value_in_an_entry_raises_in_no_command(tmp_path: Path, cli: Cli, kind: str) -> None:
    entries = [
        *decided_entries(9, planned=24),
        {"seq": 0, **record_of(Plan(12))},
        {"seq": 0, **record_of(Halt(10, "error", "no feed"))},
    ]
    place, entry = next(
        (place, json.loads(json.dumps(item)))
        for place, item in enumerate(entries)
        if item["type"] == kind and (kind != "decision" or item["outcomes"])
    )
    path = stored_run(tmp_path, entries, iterations=12, sealed=False)
    rng = random.Random(kind)
    places = [way for way in leaves(entry) if way and way[0] not in ("seq", "type")]
    for way in rng.sample(places, min(len(places), 20)):
        odd = rng.choice(ODD)
        write_journal(
            path / "journal.jsonl", [*entries[:place], put(entry, way, odd), *entries[place + 1 :]]
        )
        for command in ("gate", "verify", "snapshot", "audit", "explain"):
            options = ("--unsealed",) if command in ("gate", "verify", "snapshot") else ()
            code, _, error = cli(command, path, *options)
            assert code in (0, 1, 2), (kind, way, odd)
            # It is refused when it is read, not by a later error.
            assert "cannot be read: " not in error, error
            assert error.count("\n") <= 1, error


@pytest.mark.parametrize(
    ("way", "odd", "words"),
    [
        (("note",), 5, "note: 5 is not a text"),
        (("reasons",), [5], "reasons.0: 5 is not a text"),
        (("rules",), [None], "rules.0: null is not a text"),
        (("withheld",), {"a": 5}, "withheld.a: 5 is not a text"),
        (("outcomes", 0, "note"), 5, "outcomes.0.note: 5 is not a text"),
        (("outcomes", 0, "applied"), "1", "outcomes.0.applied: '1' is not a finite number"),
        (("proposed", 0, "kpis"), "net", "proposed.0.kpis: 'net' is not a list"),
        (("values", "tail_age_ms"), 10**400, "values.tail_age_ms: 1000"),
        (("iteration",), 10**400, "iteration: 1000"),
        (("large",), "no", "large: 'no' is neither true nor false"),
    ],
)
def test_an_odd_value_is_named_by_every_command(
    tmp_path: Path, cli: Cli, way: tuple[Any, ...], odd: Any, words: str
) -> None:
    entries = json.loads(json.dumps(decided_entries(9)))
    place = next(n for n, item in enumerate(entries) if item.get("outcomes"))
    path = stored_run(tmp_path, entries, sealed=False)
    spoilt = [*entries[:place], put(entries[place], way, odd), *entries[place + 1 :]]
    write_journal(path / "journal.jsonl", spoilt)
    for command in ("gate", "verify", "snapshot", "audit", "explain"):
        code, _, error = cli(command, path)
        assert code == 2
        assert words in error


@pytest.mark.parametrize("missing", ["proposed", "values", "iteration", "outcomes", "verdict"])
def test_a_missing_field_is_named(tmp_path: Path, cli: Cli, missing: str) -> None:
    entries = decided_entries(9)
    place = next(n for n, item in enumerate(entries) if item["type"] == "decision")
    entry = {key: value for key, value in entries[place].items() if key != missing}
    path = stored_run(tmp_path, entries)
    write_journal(path / "journal.jsonl", [*entries[:place], entry, *entries[place + 1 :]])
    code, _, error = cli("gate", path)
    assert code == 2
    assert f"'{missing}' is missing" in error


def test_a_huge_integer_that_a_proposer_gave_is_a_text(tmp_path: Path, cli: Cli) -> None:
    entries = json.loads(json.dumps(decided_entries(9)))
    for entry in entries:
        for item in entry.get("outcomes", ()):
            item["proposed"] = 10**400
        for item in entry.get("proposed", ()):
            item["delta"] = 10**400
    path = stored_run(tmp_path, entries)
    for command in ("gate", "verify", "snapshot", "audit", "explain"):
        assert cli(command, path)[0] in (0, 1)
    shown = [cli("explain", path, "--iteration", str(number))[1] for number in range(1, 10)]
    assert any("a huge integer" in text for text in shown)


# -- the writer --------------------------------------------------------------------------------


def test_a_seal_that_cannot_be_read_is_not_written_over(
    tmp_path: Path, passing: list[Record]
) -> None:
    path = stored_run(tmp_path, passing)
    (path / "judgement.jsonl").write_bytes(b"damaged\n" * 3)
    with pytest.raises(StoreError, match="move it away"):
        seal_run(path, Inputs(mock=True))
    assert (path / "judgement.jsonl").read_bytes() == b"damaged\n" * 3


def test_no_seal_is_not_sealed(tmp_path: Path, passing: list[Record]) -> None:
    run = RunDirectory.open(stored_run(tmp_path, passing, sealed=False))
    with pytest.raises(NotSealed):
        read_seal(run)


def test_verdicts_of_a_seal_are_checked_lane_by_lane(tmp_path: Path, passing: list[Record]) -> None:
    path = stored_run(tmp_path, passing, decided_entries(lane_id="bad-1", net=1.0))
    run = RunDirectory.open(path)
    sealed = read_seal(run)
    wrong = replace(
        sealed, lanes={**sealed.lanes, LANE: replace(sealed.lanes[LANE], verdict=Verdict.FAIL)}
    )
    with pytest.raises(SealError, match="says FAIL of lane steady-BTCUSDT-1"):
        check_seal(run, read_lanes(run), wrong)
