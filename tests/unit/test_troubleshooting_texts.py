"""What is really printed is in its entry of docs/troubleshooting.md: profiles, files, functions."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from pytest_soak import ParameterError, run_lane, set_in_runtime
from pytest_soak.cli import main
from pytest_soak.json_types import WrongValueError
from pytest_soak.profile.errors import ProfileError
from pytest_soak.profile.resolve import resolve
from pytest_soak.protocol import Lane
from pytest_soak.store.errors import StoreError
from pytest_soak.store.journal import Journal
from pytest_soak.store.lock import DirectoryLock
from pytest_soak.store.names import JOURNAL, RUN, SEAL
from pytest_soak.store.rundir import RunDirectory
from pytest_soak.store.sources import read_source
from pytest_soak.targets.replay.event_file import LARGEST_GIB, RecordingError, read_events
from tests.troubleshooting import entry
from tests.unit.live.test_section import FILE, planned
from tests.unit.report.runs import decided_entries
from tests.unit.sealed_runs import stored_run
from tests.unit.targets.recordings import market, saved

# -- profiles ---------------------------------------------------------------------------------

MAKER = "extends: market_maker\n"
PROFILES = [
    ("extends does not lead to a profile", "extends: ./mine.yaml\n"),
    ("The profile is not found", "extends: stedy\n"),
    ("The file is not YAML, or more than a profile may be", "a: &a [x]\nb: *a\n"),
    ("The file is not YAML, or more than a profile may be", "just a text\n"),
    ("A key that is there twice", f"{MAKER}tail_age_ms: 700\ntail_age_ms: 800\n"),
    ("An unknown name", f"{MAKER}tail_age: 700\n"),
    ("A value of the wrong kind or size", f"{MAKER}tail_age_ms: many\n"),
    ("A value of the wrong kind or size", f"{MAKER}gate: {{window: 8.5}}\n"),
    ("A value out of its bounds, or too few entries", f"{MAKER}tail_age_ms: 9000\n"),
    (
        "A value out of its bounds, or too few entries",
        f"{MAKER}parameters: {{tail_age_ms: {{min: 9000}}}}\n",
    ),
    ("A parameter that cannot be", f"{MAKER}parameters: {{tail_age_ms: {{path: tuner.x}}}}\n"),
    (
        "A KPI that cannot be",
        f"{MAKER}kpis: {{mine: {{read: totals.a, derive: recorded, unit: x, better: up}}}}\n",
    ),
    (
        "A condition that cannot be",
        f"{MAKER}rules: {{MINE: {{when: {{risk_ratio: 0.5}}, "
        "moves: {tail_age_ms: {add: 1}}}}\n",
    ),
    (
        "A rule that cannot be",
        f"{MAKER}rules: {{ADVERSE: {{evidence: {{margin: {{net_bps: {{'<': 1}}}}}}}}}}\n",
    ),
    (
        "A move that cannot be",
        f"{MAKER}rules: {{MINE: {{when: {{risk_ratio: '> 0.5'}}, "
        "moves: {tail_age_ms: {add: 0}}}}\n",
    ),
    (
        "A path, a scale or a part of a KPI that cannot be",
        f"{MAKER}kpis: {{mine: {{ratio: [net_bps, mine]}}}}\n",
    ),
    ("Nothing to judge by", "gate: {criteria: {p95_ms: '<= 120'}}\n"),
    ("A guard or a gate that cannot be", f"{MAKER}gate: {{pass_count_slack: 9}}\n"),
]


@pytest.mark.parametrize(("heading", "text"), PROFILES)
def test_a_profile(
    tmp_path: Path, heading: str, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(text, "utf-8")
    assert main(["profile", "check", str(path)]) == 1
    shown = capsys.readouterr().out
    assert entry(heading).explains(shown), shown


def test_a_profile_in_another_folder(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "other.yaml").write_text(MAKER, "utf-8")
    path = tmp_path / "a" / "mine.yaml"
    path.write_text("extends: ../other.yaml\n", "utf-8")
    with pytest.raises(ProfileError) as caught:
        resolve(str(path), read_source)
    assert entry("The profile is not found").explains(str(caught.value))


# -- the section target -----------------------------------------------------------------------

SECTIONS: list[tuple[str, Mapping[str, Any]]] = [
    (
        "The section target is missing, or is not one of a live target",
        {"parameters": {"file": "p", "command": ["true"]}},
    ),
    (
        "A field of the section target that does not fit",
        {"parameters": {"command": ["true"], "on_end": "restore"}},
    ),
    ("A field of the section target that does not fit", {"timing": {"settle_s": 9.0}}),
    (
        "The keys of a YAML file",
        {"parameters": {"yaml": "c.yaml", "keys": {"base_spread_bps": "a"}}},
    ),
    ("An address", {"report": {"http": "http://example.org/report"}}),
    ("An address", {"report": {"http": "http://127.0.0.1/report#1"}}),
    (
        "A header or a variable",
        {"report": {"http": "http://127.0.0.1:1/r", "headers": {"X-A": {"env": "NONE_SUCH"}}}},
    ),
    (
        "A process of the section",
        {"processes": {"bot": {"command": ["true"], "after": ["bot"]}}},
    ),
    ("A placeholder or a file name", {"report": {"file": "{dri}/r.json"}}),
    ("A writer or reader of another package", {"parameters": {"writer": "none_such"}}),
]


@pytest.mark.parametrize(("heading", "section"), SECTIONS)
def test_a_section_target(tmp_path: Path, heading: str, section: dict[str, Any]) -> None:
    with pytest.raises(WrongValueError) as caught:
        planned(tmp_path, {**FILE, **section})
    assert entry(heading).explains(str(caught.value)), caught.value


# -- files ------------------------------------------------------------------------------------


def run_in(folder: Path) -> Path:
    return stored_run(folder / "soak", decided_entries(9))


def damaged(folder: Path) -> Path:
    path = run_in(folder)
    journal = path / JOURNAL
    journal.write_bytes(journal.read_bytes().replace(b"net_bps", b"net_bpx", 1))
    return path


def without_a_line(folder: Path) -> Path:
    path = run_in(folder)
    lines = (path / JOURNAL).read_bytes().splitlines(keepends=True)
    (path / JOURNAL).write_bytes(b"".join([*lines[:3], *lines[4:]]))
    return path


def empty(folder: Path) -> Path:
    lane = Lane("a-1", "steady", "BTCUSDT", 1, 300.0, 4)
    run = RunDirectory.create(folder / "soak", "run-1", [lane], {})
    Journal.create(run.lane_directory("a-1").journal_path).close()
    return run.path


def of_other_lanes(folder: Path) -> Path:
    path = run_in(folder)
    about = json.loads((path / RUN).read_text("utf-8"))
    (path / RUN).write_text(json.dumps({**about, "lanes": []}), "utf-8")
    return path


def no_json(folder: Path) -> Path:
    path = run_in(folder)
    (path / RUN).write_text("{", "utf-8")
    return path


def without_seal(folder: Path) -> Path:
    path = run_in(folder)
    (path / SEAL).unlink()
    return path


def changed_since(folder: Path) -> Path:
    path = run_in(folder)
    about = json.loads((path / RUN).read_text("utf-8"))
    (path / RUN).write_text(json.dumps({**about, "strict": True}), "utf-8")
    return path


def nonsense(folder: Path) -> Path:
    path = empty(folder)
    (path / JOURNAL).unlink()
    journal = Journal.create(path / JOURNAL)
    journal.append({"type": "done", "iteration": 1, "state_hash": "x"})
    journal.close()
    return path


COMMANDS: list[tuple[str, Callable[[Path], Path], tuple[str, ...]]] = [
    ("A journal is damaged", damaged, ("gate",)),
    ("A journal is damaged", without_a_line, ("gate",)),
    ("There is nothing to resume", empty, ("gate",)),
    ("The parts of a run do not fit together", of_other_lanes, ("gate",)),
    ("A JSON file is damaged", no_json, ("gate",)),
    ("The entries of a journal do not fit together", nonsense, ("gate",)),
    ("The run is not sealed", without_seal, ("gate",)),
    ("The run is not what was sealed", changed_since, ("gate",)),
    ("There is no such run", lambda folder: folder / "none", ("gate",)),
    ("There is no such run", lambda folder: folder / "none", ("list",)),
    ("There is no such lane, iteration or metric", run_in, ("explain", "--iteration=99")),
    ("There is no such lane, iteration or metric", run_in, ("value", "net=")),
]


@pytest.mark.parametrize(("heading", "make", "command"), COMMANDS)
def test_a_command(
    tmp_path: Path,
    heading: str,
    make: Callable[[Path], Path],
    command: tuple[str, ...],
    capsys: pytest.CaptureFixture[str],
) -> None:
    name, *rest = command
    assert main([name, str(make(tmp_path)), *rest]) == 2
    shown = capsys.readouterr().err
    assert entry(heading).explains(shown), shown


def test_a_directory_in_use(tmp_path: Path) -> None:
    with DirectoryLock.acquire(tmp_path, "run-1"), pytest.raises(StoreError) as caught:
        DirectoryLock.acquire(tmp_path, "run-2")
    assert entry("The directory is in use").explains(str(caught.value))


def test_a_directory_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "taken").touch()
    with pytest.raises(StoreError) as caught:
        DirectoryLock.acquire(tmp_path / "taken", "run-1")
    assert entry("What to do about a file").explains(str(caught.value)), caught.value


# -- recorded data ----------------------------------------------------------------------------


def test_a_recording_without_its_array(tmp_path: Path) -> None:
    with pytest.raises(RecordingError) as caught:
        read_events(Path(saved(tmp_path, market(), "events")), LARGEST_GIB)
    assert entry("The array in the file").explains(str(caught.value)), caught.value


def test_a_recording_that_is_too_large(tmp_path: Path) -> None:
    with pytest.raises(RecordingError) as caught:
        read_events(Path(saved(tmp_path, market())), 1e-9)
    assert entry("The size of the file").explains(str(caught.value)), caught.value


# -- in Python code ---------------------------------------------------------------------------


def test_run_lane() -> None:
    with pytest.raises(ValueError, match="iterations") as caught:
        run_lane(lambda lane: None, iterations=0)  # type: ignore[arg-type, return-value]
    assert entry("run_lane").explains(str(caught.value))


def test_a_delta_that_leads_out_of_the_bounds() -> None:
    runtime: dict[str, Any] = {"tail_age_ms": 600.0}
    with pytest.raises(ParameterError) as caught:
        set_in_runtime(runtime, "tail_age_ms", 9000)
    assert entry("Runtimes and deltas").explains(str(caught.value)), caught.value


class Raises:
    def run(self, iteration: int, runtime: object) -> dict[str, Any]:
        raise OSError("no feed")


class Returns:
    def __init__(self, report: Any) -> None:
        self.report = report

    def run(self, iteration: int, runtime: object) -> Any:
        return self.report


@pytest.mark.parametrize(
    ("heading", "target"),
    [
        ("The target raised an exception", Raises()),
        ("The target does not keep to its interface", Returns(None)),
        ("The target does not keep to its interface", Returns({"totals": 1})),
    ],
)
def test_a_halt(heading: str, target: Any) -> None:
    halt = run_lane(target, iterations=2).halt
    assert halt is not None
    assert entry(heading).explains(halt.text), halt.text


def test_a_report_without_a_figure() -> None:
    history = run_lane(Returns({"totals": {}}), iterations=2)
    shown = "\n".join(history.iterations[0].reasons)
    assert entry("An iteration without data").explains(shown), shown
