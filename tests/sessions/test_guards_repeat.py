"""A decision counts once, however often it is applied: by the public function, by the journal, and
by a session that is killed between intent and done and resumed many times."""

from __future__ import annotations

import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import pytest_soak
from pytest_soak.lane import files, runner, runtime
from pytest_soak.loop.entries import EntryError, entry_of, record_of, start_entry
from pytest_soak.loop.fold import advance, fold
from pytest_soak.loop.state import LaneState
from pytest_soak.profile.parameters import nest, tuner_copies
from pytest_soak.protocol import Lane
from pytest_soak.store.atomic import atomic_write_json
from pytest_soak.store.journal import Journal, read_journal
from tests.sessions.conftest import TOO_SHORT, Result, Sessions
from tests.sessions.scripted import (
    KILL,
    Proposals,
    check_files,
    conftest_text,
    values_of,
    write_script,
)

pytestmark = pytest.mark.exhaustive

TIMES = 100
LARGE = {"slippage_penalty_coef": 0.2, "inventory_tilt_cap": 0.1}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    profile = pytest_soak.load_profile()
    values = {key: parameter.start for key, parameter in profile.parameters.items()}
    path = tmp_path / "runtime_overrides.json"
    pytest_soak.atomic_write_json(path, nest(values, profile.parameters, tuner_copies(profile)))
    return path


def guards_of(path: Path, interval_s: float = 300.0) -> LaneState:
    """The memory of the guards before the first step."""
    profile = pytest_soak.load_profile()
    lane = Lane("step", profile.name, "none", 0, interval_s, 10 * TIMES)
    values = pytest_soak.get_all_params(pytest_soak.read_json_with_hash(path)[0])
    start = start_entry(lane, profile, "none", values, mock=False, tune=True, dry_run=False)
    return fold([record_of(start)])


@pytest.mark.parametrize(
    ("deltas", "moved"),
    [
        ({"tail_age_ms": 25}, {"tail_age_ms": 25}),
        ({"tail_age_ms": 500, "min_interval_ms": 5}, {"tail_age_ms": 300, "min_interval_ms": 5}),
        (LARGE, LARGE),
        ({"tail_age_ms": 25, "nonsense": 1}, {"tail_age_ms": 25}),
        ({"vip_tilt_cap": -0.1}, {}),
    ],
    ids=["applied", "clipped", "large", "one invalid", "refused"],
)
def test_a_step_counts_once(
    path: Path, deltas: Mapping[str, float], moved: Mapping[str, float]
) -> None:
    """The same proposal with the same memory of the guards is the same decision."""
    guards = guards_of(path)
    first = pytest_soak.apply_deltas_with_tracking(path, deltas, guards)
    assert first["deltas_applied"] == moved
    after = path.read_bytes()
    for _ in range(TIMES - 1):
        again = pytest_soak.apply_deltas_with_tracking(path, deltas, guards)
        assert path.read_bytes() == after
        assert again["state_hash"] == first["state_hash"]
        assert again["guards"] == first["guards"], "the move counts once for the cap"


def test_the_same_proposal_all_through_the_hour_moves_no_farther(path: Path) -> None:
    """With the memory of the step before, each is a new decision, and the cap limits their sum."""
    guards = guards_of(path, interval_s=30.0)
    results = []
    for _ in range(TIMES):  # 50 minutes
        results.append(
            pytest_soak.apply_deltas_with_tracking(path, {"base_spread_bps": 0.2}, guards)
        )
        guards = results[-1]["guards"]
    assert [step["applied"] for step in results] == [True] + [False] * (TIMES - 1)
    assert {step["state_hash"] for step in results} == {results[0]["state_hash"]}
    assert all(step["skip_reason"]["velocity"] for step in results[1:])


def test_the_same_change_of_the_same_runtime_is_a_duplicate(path: Path) -> None:
    """After the old file is restored, the last applied change is not made again."""
    before = path.read_bytes()
    first = pytest_soak.apply_deltas_with_tracking(path, {"tail_age_ms": 25})
    guards = first["guards"]
    for _ in range(TIMES - 1):
        path.write_bytes(before)
        again = pytest_soak.apply_deltas_with_tracking(path, {"tail_age_ms": 25}, guards)
        guards = again["guards"]
        assert again["outcomes"] == {"tail_age_ms": "SKIPPED"}
        assert again["skip_reason"]["duplicate"] is True
        assert first["signature"] in again["skip_reason"]["note"]
        assert path.read_bytes() == before


# -- the journal -----------------------------------------------------------------------------------

STEPS: Proposals = {2: {"tail_age_ms": 25}, 3: {"min_interval_ms": 5, "base_spread_bps": 0.02}}
ARGS = ("--soak-iterations=5", "-v")


def test_the_journal_takes_a_decision_and_its_done_once(soak: Sessions) -> None:
    write_script(soak, {}, STEPS)
    result = soak(*ARGS)
    assert (result.code, result.items, result.gate) == (0, {"passed": 5}, TOO_SHORT)
    check_files(result, 5)
    entries = read_journal(result.latest / "journal.jsonl").entries
    refused = 0
    for index, entry in enumerate(entries):
        state = fold(entries[: index + 1])
        if entry["type"] in ("decision", "done"):
            for _ in range(TIMES):
                with pytest.raises(EntryError, match="once"):
                    advance(state, entry_of(entry))
                refused += 1
        if entry["type"] == "done":  # the whole decision again, after its done entry
            with pytest.raises(EntryError, match="once"):
                advance(state, entry_of(entries[index - 1]))
            refused += 1
    assert refused == TIMES * (5 + 2) + 2


@pytest.mark.parametrize("kind", ["decision", "done"])
def test_a_journal_with_a_decision_twice_is_refused(soak: Sessions, kind: str) -> None:
    """The lines are valid; only a second writer can cause this."""
    write_script(soak, {}, STEPS)
    done = soak(*ARGS)
    again = [entry for entry in done.entries() if entry["type"] == kind][-1]
    journal = Journal.open(done.latest / "journal.jsonl")
    journal.append({key: value for key, value in again.items() if key not in ("seq", "check")})
    journal.close()
    before = contents(done)
    result = soak("--soak-iterations=8", "--soak-resume")
    assert (result.code, result.outcomes) == (4, {})
    assert "once" in result.err
    assert contents(result) == before


def contents(result: Result) -> dict[str, bytes]:
    names = ("journal.jsonl", "runtime_overrides.json")
    return {name: (result.latest / name).read_bytes() for name in names}


# -- killed between intent and done ----------------------------------------------------------------


class Killed(BaseException):
    """Simulates the end of the process, with the same files."""


@contextmanager
def killing(moment: str) -> Iterator[None]:
    def killed(path: Path, obj: Any) -> tuple[str, int]:
        if moment == "after":
            atomic_write_json(path, obj)
        raise Killed

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(runtime, "atomic_write_json", killed)
        yield


def opened(folder: Path) -> runner.LaneRunner:
    """The runner of a stored lane, opened as by a resumed session; no iteration is run."""
    lane = fold(read_journal(folder / "journal.jsonl").entries).lane

    def no_target(_: Lane) -> Any:
        raise AssertionError("completing a decision needs no target")

    return runner.LaneRunner(lane, files.StoredFiles(folder), no_target)


@pytest.mark.parametrize("moment", ["before", "after"])
def test_killed_between_intent_and_done_a_hundred_times(soak: Sessions, moment: str) -> None:
    """``moment``: the process ended before or after it wrote the new values to the file."""
    soak.pytester.makeconftest(conftest_text({}, STEPS) + KILL)
    whole = soak(*ARGS, "--soak-dir=whole")
    assert whole.code == 0
    journal = (soak.folder / "whole/latest/journal.jsonl").read_bytes()

    def stopped(*args: str) -> Result:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("STOP", moment)
            result = soak(*ARGS, *args, subprocess=True)
        assert result.code == -signal.SIGKILL
        return result

    first = stopped()
    tail = [entry["type"] for entry in first.entries()]
    assert tail[-2:] == ["observation", "decision"], "an intent without its done"
    tail_age = first.json("runtime_overrides.json")["engine"]["tail_age_ms"]
    assert tail_age == {"before": 600, "after": 625}[moment]
    left = contents(first)
    assert contents(stopped("--soak-resume")) == left
    with killing(moment):
        for _ in range(TIMES - 2):
            with pytest.raises(Killed):
                opened(first.latest)
            assert contents(first) == left

    resumed = soak(*ARGS, "--soak-resume")
    assert resumed.code == whole.code
    assert (resumed.items, resumed.gate) == ({"passed": 3}, TOO_SHORT)
    assert resumed.done_before == 2
    passed = {"passed": resumed.outcomes["passed"] + 2}
    assert whole.outcomes == {**passed, "inconclusive": len(TOO_SHORT)}
    check_files(resumed, 5)
    assert resumed.journal() == journal
    assert reported_deltas(resumed) == {2: {"tail_age_ms": 25}, 3: STEPS[3]}
    assert values_of(resumed, 5)["tail_age_ms"] == 625

    done = contents(resumed)
    for _ in range(TIMES):
        opened(resumed.latest).stop()
        assert contents(resumed) == done


def reported_deltas(result: Result) -> dict[int, dict[str, float]]:
    report = result.json("TUNING_REPORT.json")["iterations"]
    deltas = {item["iteration"]: item["tuning"]["deltas"] for item in report}
    return {number: moves for number, moves in deltas.items() if moves}
