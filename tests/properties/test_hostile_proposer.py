"""With a hostile proposer the invariants I1-I17 hold, and the lane goes on.

The lanes are run with files by the runner of a session, which also calls the proposer.
``hostile.py`` has the attacks.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pytest_soak.canonical import canonical_json
from pytest_soak.lane.files import StoredFiles
from pytest_soak.lane.hooks import proposer_of
from pytest_soak.lane.runner import LaneRunner
from pytest_soak.loop.entries import Record, record_of, runtime_of, start_entry
from pytest_soak.loop.fold import fold
from pytest_soak.loop.model import GUARD_ORDER, PROPOSER_FAILED
from pytest_soak.loop.state_document import tuning_state
from pytest_soak.protocol import Lane
from pytest_soak.store import names
from pytest_soak.store.atomic import atomic_write_json
from pytest_soak.store.journal import Journal, read_journal
from tests.properties import hostile
from tests.unit.loop.invariants import check_lane
from tests.unit.loop.lanes import Drive, edge_report, shipped, starts

REPORTS = {
    "quiet": edge_report(),
    "boost": edge_report(risk=0.3, maker=0.7),
    "slow": edge_report(p95=400.0),
    "fail": edge_report(net=1.0),
    "blocked": edge_report(net=2.2, risk=0.65),
    "no data": edge_report(net=None),
}


class Scripted:
    """A target that returns given reports."""

    def __init__(self, reports: Sequence[str]) -> None:
        self.reports = reports

    def run(self, iteration: int, runtime: Mapping[str, Any]) -> Mapping[str, Any]:
        report: dict[str, Any] = json.loads(canonical_json(REPORTS[self.reports[iteration - 1]]))
        return report


class Attacker:
    """A hook that makes one attack per iteration."""

    def __init__(self, names_of_attacks: Sequence[str]) -> None:
        self.left = list(names_of_attacks)

    def __call__(self, **shown: Any) -> Any:
        name = self.left.pop(0)
        return hostile.ATTACKS[name](**shown) if name else None


def run(
    reports: Sequence[str],
    attacks: Sequence[str],
    spare: int = 0,
    *,
    tune: bool = True,
    dry_run: bool = False,
) -> tuple[LaneRunner, tuple[Record, ...], bytes]:
    """Runs a lane; returns its runner, the entries of its journal, and their bytes."""
    profile, planned = shipped(), len(reports) + spare
    lane = Lane("lane", profile.name, "BTCUSDT", 1, 300.0, planned)
    values = starts(profile)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder)
        atomic_write_json(path / names.RUNTIME, runtime_of(profile, values))
        journal = Journal.create(path / names.JOURNAL)
        start = start_entry(
            lane, profile, "scripted", values, mock=False, tune=tune, dry_run=dry_run
        )
        journal.append(record_of(start))
        journal.close()
        runner = LaneRunner(
            lane,
            StoredFiles(path),
            lambda _: Scripted(reports),
            proposer=proposer_of(Attacker(attacks)),
            passing=(pytest.exit.Exception,),
        )
        for number in range(1, len(reports) + 1):
            runner.observe(number)
            runner.decide({}, ())
        runner.stop()
        written = path / names.JOURNAL
        return runner, read_journal(written).entries, written.read_bytes()


def check(runner: LaneRunner, entries: Sequence[Record], iterations: int) -> None:
    assert runner.halt is None, "the lane goes on"
    assert runner.state.done == iterations
    assert runner.state == fold(entries), "I12: the state differs from the journal"
    check_lane(Drive.replayed(entries))


SETTINGS = settings(
    max_examples=60,
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)
attacks = st.lists(
    st.tuples(
        st.sampled_from(["quiet", "quiet", *REPORTS]),
        st.sampled_from([*hostile.RETURNED, *hostile.ATTACKS]),
    ),
    min_size=4,
    max_size=14,
)
modes = st.sampled_from([{}, {}, {}, {"dry_run": True}, {"tune": False}])


@given(steps=attacks, spare=st.sampled_from([0, 1, 30]), mode=modes)
@SETTINGS
def test_a_lane_keeps_every_invariant(
    steps: list[tuple[str, str]], spare: int, mode: dict[str, bool]
) -> None:
    reports, attack_names = zip(*steps, strict=True)
    runner, entries, written = run(reports, attack_names, spare, **mode)
    check(runner, entries, len(steps))
    assert run(reports, attack_names, spare, **mode)[2] == written, "I17"


@pytest.mark.parametrize("name", hostile.ATTACKS)
def test_an_attack_on_every_iteration(name: str) -> None:
    reports = ["quiet", "boost", "slow", "quiet", "fail", "fail", "fail", "quiet", "quiet"]
    runner, entries, _ = run(reports, [name] * len(reports), spare=1)
    check(runner, entries, len(reports))
    decisions = [entry for entry in entries if entry["type"] == "decision"]
    for decision in decisions:
        failed = decision["note"].startswith(PROPOSER_FAILED)
        if name in hostile.RAISED | hostile.GARBAGE and not decision["panic"]:
            assert failed, decision["note"]
            assert not decision["proposed"]
        if name in hostile.RETURNED:
            assert not failed, decision["note"]
            assert decision["proposed"]
            assert {outcome["reason"] for outcome in decision["outcomes"]} <= {"", *GUARD_ORDER}
    # Whatever is returned, the entries stay short enough to read and to store.
    assert max(len(canonical_json(entry)) for entry in entries) < 1_000_000


@pytest.mark.parametrize("name", ["very many kpis", "a kpi behind many", "kpis that are none"])
def test_a_proposal_with_unknown_kpis_is_refused(name: str) -> None:
    _, entries, _ = run(["quiet"] * 3, [name] * 3, spare=1)
    first = next(entry for entry in entries if entry["type"] == "decision")
    reasons = {item["reason"] for item in first["outcomes"] if item["key"] == hostile.KEY}
    assert "nodata" in reasons


@pytest.mark.parametrize("name", hostile.SILENT)
def test_a_proposer_that_changes_its_arguments_changes_nothing_else(name: str) -> None:
    """The rules decide as without the proposer, from the observations of the lane."""
    reports = ["slow", "quiet", "slow", "slow", "boost", "boost", "slow", "fail", "quiet", "slow"]
    runner, entries, written = run(reports, [name] * len(reports), spare=9)
    check(runner, entries, len(reports))
    assert run(reports, [""] * len(reports), spare=9)[2] == written
    assert any(entry["signature"] for entry in entries if entry["type"] == "decision")


def test_the_invariants_detect_a_broken_lane(monkeypatch: pytest.MonkeyPatch) -> None:
    """Checks the checks: a lane in which a reserved rule name has no cap."""
    monkeypatch.setattr("pytest_soak.loop.decide.RESERVED_RULES", ())
    runner, entries, _ = run(["quiet"] * 4, ["PANIC"] * 4, spare=1)
    with pytest.raises(AssertionError, match="I2"):
        check(runner, entries, 4)


# -- sessions ----------------------------------------------------------------------------------

CONFTEST = """
import hostile

NAMES = {attack_names!r}


class Bot:
    def run(self, iteration, runtime):
        return {{
            "totals": {{"net_bps": 3.0, "p95_latency_ms": 400.0, "adverse_bps_p95": 2.0}},
            "fills": {{"maker_volume": 90.0, "taker_volume": 10.0}},
            "block_reasons": {{"risk": 38, "min_interval": 10, "concurrency": 52}},
        }}


def pytest_soak_target(lane):
    return Bot()


def pytest_soak_propose(lane, kpis, headroom, history):
    attack = NAMES[history[-1].number if history else 0]
    return hostile.ATTACKS[attack](lane=lane, kpis=kpis, headroom=headroom, history=history)


def pytest_soak_iteration(lane, iteration):
    hostile.spoil(iteration)  # the hook gets a copy
"""


@pytest.fixture
def folder(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    for name in tuple(os.environ):
        if name.startswith(("SOAK_", "MM_")) or name in ("USE_MOCK", "PYTEST_ADDOPTS"):
            monkeypatch.delenv(name)
    shutil.copy(hostile.__file__, pytester.path / "hostile.py")
    return pytester


def soaked(folder: pytest.Pytester, *args: str) -> pytest.RunResult:
    return folder.runpytest_subprocess("-p", "no:cacheprovider", "-v", *args)


def test_a_session_with_every_attack(folder: pytest.Pytester) -> None:
    attack_names = [*hostile.ATTACKS, "spoiling"]
    count = len(attack_names)
    folder.makeconftest(CONFTEST.format(attack_names=attack_names))
    result = soaked(folder, f"--soak-iterations={count}")
    output = result.stdout.str() + result.stderr.str()
    assert result.ret == 1, output  # the gate fails, because many proposals were refused
    assert "INTERNALERROR" not in output
    assert "errors" not in result.parseoutcomes()
    latest = folder.path / "artifacts" / "soak" / "latest"
    entries = read_journal(latest / names.JOURNAL).entries
    assert [e["iteration"] for e in entries if e["type"] == "decision"] == list(range(1, count + 1))
    check_lane(Drive.replayed(entries))
    assert json.loads((latest / names.TUNING_STATE).read_bytes()) == json.loads(
        canonical_json(tuning_state(fold(entries)))
    )
    failed = len(hostile.RAISED | hostile.GARBAGE)
    assert f"the proposer failed in {failed} iterations, first in 1" in " ".join(output.split())


def test_the_iteration_hook_cannot_change_what_the_rules_read(folder: pytest.Pytester) -> None:
    written = []
    for spoils in (True, False):
        conftest = CONFTEST.format(attack_names=[]).replace("pytest_soak_propose", "unasked")
        folder.makeconftest(conftest if spoils else conftest.replace("pytest_soak_iter", "iter"))
        soaked(folder, "--soak-iterations=14")
        latest = folder.path / "artifacts" / "soak" / "latest"
        written.append((latest / names.JOURNAL).read_bytes())
    assert written[0] == written[1]
    assert b"LATENCY_HARD" in written[0]


@pytest.mark.parametrize("words", ["raise KeyboardInterrupt", "import pytest; pytest.exit('no')"])
def test_a_proposer_may_end_the_session_and_another_goes_on(
    folder: pytest.Pytester, words: str
) -> None:
    """Neither Ctrl-C while the hook runs nor an intended exit is an attack."""
    conftest = CONFTEST.format(attack_names=["spoiling"] * 9)
    folder.makeconftest(
        conftest.replace("    attack =", f"    if len(history) == 3: {words}\n    attack =")
    )
    assert soaked(folder, "--soak-iterations=6").ret == pytest.ExitCode.INTERRUPTED
    journal = folder.path / "artifacts" / "soak" / "latest" / names.JOURNAL
    state = fold(read_journal(journal).entries)
    assert (state.done, state.halt, state.intent) == (3, None, None)
    folder.makeconftest(conftest)
    resumed = soaked(folder, "--soak-iterations=6", "--soak-resume")
    entries = journal.read_bytes()
    whole = soaked(folder, "--soak-iterations=6")
    assert (journal.read_bytes(), whole.ret) == (entries, resumed.ret)
