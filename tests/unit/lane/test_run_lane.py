"""A whole lane by one call: the same history as in a session, and nothing on disk unasked."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

import pytest_soak
from pytest_soak import EndOfData, Lane, ProfileError, StoreError, run_lane
from pytest_soak.canonical import canonical_json
from pytest_soak.store.rundir import RunDirectory
from pytest_soak.stored import read_lanes
from pytest_soak.targets.mock import make_mock

pytestmark = pytest.mark.smoke


class Pool:
    """p95 falls with the concurrency limit; no KPI is random."""

    def __init__(self, ends: BaseException | None = None, at: int = 3) -> None:
        self.ends, self.at, self.stopped = ends, at, False

    def run(self, iteration: int, runtime: Mapping[str, Any]) -> dict[str, Any]:
        if self.ends is not None and iteration == self.at:
            raise self.ends
        return {
            "totals": {"net_bps": 3.5, "p95_latency_ms": 310.0 + iteration % 3},
            "fills": {"maker_volume": 90.0, "taker_volume": 10.0},
            "block_reasons": {"risk": 30, "min_interval": 70},
        }

    def stop(self) -> None:
        self.stopped = True


def test_a_lane_in_memory_writes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    target = Pool()
    history = run_lane(target, iterations=5)
    assert [item.number for item in history.iterations] == [1, 2, 3, 4, 5]
    assert all(item.decision is not None for item in history.iterations)
    assert history.halt is None
    assert target.stopped
    assert list(tmp_path.iterdir()) == []


def test_with_a_directory_the_history_is_the_same_and_the_run_can_be_read(tmp_path: Path) -> None:
    options: dict[str, Any] = {"mock": True, "iterations": 6, "seed": 3, "symbol": "ETHUSDT"}
    memory = run_lane(make_mock, **options)
    stored = run_lane(make_mock, **options, directory=tmp_path / "soak")
    assert decisions(stored) == decisions(memory)
    (lane_of_run,) = read_lanes(RunDirectory.open(tmp_path / "soak"))
    assert decisions(lane_of_run.history) == decisions(memory)
    lane = tmp_path / "soak" / "latest"
    for name in ("journal.jsonl", "runtime_overrides.json", "ITER_SUMMARY_6.json", "run.json"):
        assert (lane / name).is_file()


def decisions(history: pytest_soak.History) -> bytes:
    return canonical_json(
        [
            {
                "values": dict(item.values),
                "verdict": item.verdict.value,
                "hash": item.decision.state_hash if item.decision else None,
                "kpis": {name: reading.value for name, reading in item.readings.items()},
            }
            for item in history.iterations
        ]
    )


@pytest.mark.parametrize(
    ("ends", "kind", "text"),
    [
        (RuntimeError("no route"), "error", "the target raised: RuntimeError: no route"),
        (EndOfData("2 of 5 files"), "end_of_data", "2 of 5 files"),
    ],
)
def test_a_target_that_ends_halts_the_lane(ends: BaseException, kind: str, text: str) -> None:
    target = Pool(ends)
    history = run_lane(target, iterations=5)
    assert history.halt is not None
    assert (history.halt.iteration, history.halt.kind, history.halt.text) == (3, kind, text)
    assert len(history.iterations) == 2
    assert target.stopped


def test_ctrl_c_goes_through_and_the_target_is_stopped() -> None:
    target = Pool(KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        run_lane(target, iterations=5)
    assert target.stopped


def test_a_factory_gets_the_lane() -> None:
    lanes: list[Lane] = []

    def make(lane: Lane) -> Pool:
        lanes.append(lane)
        return Pool()

    run_lane(make, iterations=2, seed=7, symbol="SOLUSDT", interval=60.0, profile="S1")
    (lane,) = lanes
    assert lane == Lane("S1-SOLUSDT-7", "S1", "SOLUSDT", 7, 60.0, 2)


def test_a_proposer_replaces_the_rules() -> None:
    def propose(lane: Lane, kpis: Any, headroom: Any, history: Any) -> dict[str, float]:
        assert headroom["tail_age_ms"].up > 0
        assert len(history) < 6
        return {"tail_age_ms": 5.0}

    history = run_lane(Pool(), iterations=4, propose=propose)
    first = history.iterations[0].decision
    assert first is not None
    assert [outcome.key for outcome in first.outcomes] == ["tail_age_ms"]


def test_without_tuning_no_value_moves() -> None:
    history = run_lane(make_mock, mock=True, tune=False, iterations=6)
    assert {canonical_json(dict(item.values)) for item in history.iterations} == {
        canonical_json(dict(history.start_values))
    }


@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        ({"profile": "stedy"}, ProfileError, "did you mean 'steady'"),
        ({"iterations": 0}, ValueError, "iterations is 0; it must be 1 to 1,000,000"),
        ({"iterations": 2.0}, ValueError, "iterations is 2.0"),
        ({"iterations": True}, ValueError, "iterations is True"),
        ({"seed": -1}, ValueError, "seed is -1"),
        ({"interval": float("nan")}, ValueError, "interval is nan"),
        ({"symbol": "../x"}, StoreError, "cannot name a directory"),
        ({"mock": 1}, TypeError, "mock is 1; it must be True or False"),
        ({"tune": None}, TypeError, "tune is None; it must be True or False"),
        ({"target": 3}, TypeError, "target is int; it must have run"),
        ({"target": None}, TypeError, "target is NoneType"),
    ],
)
def test_bad_arguments_raise(options: dict[str, Any], error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text.replace("(", r"\(")):
        run_lane(**{"target": Pool(), **options})


def test_a_symbol_may_be_a_kind_of_text() -> None:
    class Symbol(str):
        __slots__ = ()

    assert run_lane(Pool(), iterations=2, symbol=Symbol("ETHUSDT")).lane.symbol == "ETHUSDT"


def test_a_directory_with_a_run_keeps_it(tmp_path: Path) -> None:
    for _ in range(2):
        run_lane(Pool(), iterations=1, directory=tmp_path)
    assert len(list((tmp_path / "runs").iterdir())) == 1


class Watched(Pool):
    """Loses an iteration, tells something, and has an operator who edits a parameter."""

    def __init__(self) -> None:
        super().__init__()
        self.changed: dict[str, float] = {}

    def run(self, iteration: int, runtime: Mapping[str, Any]) -> dict[str, Any]:
        self.changed = {"base_spread_bps": 0.75} if iteration == 2 else {}
        report = super().run(iteration, runtime) | {"details": [f"iteration {iteration}\x1b[31m"]}
        return report | {"fault": "stale"} if iteration == 3 else report

    def edits(self) -> Mapping[str, float]:
        return self.changed


def test_a_fault_loses_one_iteration_and_the_lane_goes_on() -> None:
    history = run_lane(Watched(), iterations=5)
    assert [item.number for item in history.iterations] == [1, 2, 3, 4, 5]
    lost = [item.number for item in history.iterations if item.verdict.value == "INCONCLUSIVE"]
    assert 3 in lost
    assert history.iterations[2].reasons == ("no data: the target had a fault: stale",)
    assert history.halt is None


def test_an_edit_at_the_target_is_pinned_as_one_of_the_runtime_file() -> None:
    history = run_lane(Watched(), iterations=5, tune=False)
    values = [item.values["base_spread_bps"] for item in history.iterations]
    assert values[:2] == [values[0]] * 2
    assert values[2:] == [0.75] * 3
    assert history.iterations[1].edited is not None


def test_details_go_to_the_log_and_not_into_the_journal(tmp_path: Path) -> None:
    run_lane(Watched(), iterations=2, directory=tmp_path)
    latest = tmp_path / "latest"
    assert b"iteration 1" not in (latest / "journal.jsonl").read_bytes()
    log = (latest / "run.log").read_text()
    assert "| target | DETAIL | lane=steady-BTCUSDT-1 iter=1 iteration 1\\x1b[31m |" in log


def test_the_lane_of_a_target_has_a_directory_if_the_run_has_one(tmp_path: Path) -> None:
    lanes: list[Lane] = []

    def make(lane: Lane) -> Pool:
        lanes.append(lane)
        return Pool()

    run_lane(make, iterations=1, directory=tmp_path)
    run_lane(make, iterations=1)
    assert [lane.dir for lane in lanes] == [tmp_path / "latest" / "target", None]
