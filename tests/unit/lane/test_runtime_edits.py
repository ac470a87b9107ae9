"""Edits of an operator, of all types: in the runtime file, at the target, beside a decision."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from pytest_soak import run_lane
from pytest_soak.lane.runtime import carried_out, edited_values
from pytest_soak.loop.model import History
from pytest_soak.profile.model import Profile
from tests.unit.loop.lanes import Drive, proposing
from tests.unit.profile.typed import document, typed

PROFILE = typed()
TABLE = PROFILE.parameters


def drive(profile: Profile = PROFILE) -> Drive:
    return Drive(profile, iterations=12)


@pytest.mark.parametrize(
    ("edits", "values"),
    [
        ({"workers": 5}, {"workers": 5.0}),
        ({"workers": 5.0}, {"workers": 5.0}),
        ({"jit": False}, {"jit": 0.0}),
        ({"jit": "off"}, {"jit": 0.0}),
        ({"sync": "remote"}, {"sync": 2.0}),
        ({"rate": 11}, {"rate": 11.0}),
        ({"unknown": 3}, {"unknown": 3.0}),
    ],
)
def test_the_numbers_of_edits(edits: dict[str, Any], values: dict[str, float]) -> None:
    assert edited_values(edits, TABLE) == values


@pytest.mark.parametrize(
    ("edits", "words"),
    [
        ({"jit": "maybe"}, "jit = 'maybe'; allowed: one of false, true"),
        ({"jit": 3}, "jit = 3; allowed: one of false, true"),
        ({"sync": 1}, "sync = 1; allowed: one of async, local, remote"),
        ({"workers": "5"}, "workers = '5'; allowed: 1 to 32, whole numbers"),
    ],
)
def test_what_a_parameter_cannot_have_is_refused(edits: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match="the edited runtime has") as caught:
        edited_values(edits, TABLE)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("workers", 4.5, "workers = 4.5; allowed: 1 to 32, whole numbers"),
        ("workers", 40.0, "workers = 40; allowed: 1 to 32, whole numbers"),
        ("timeout_s", 1.6, "timeout_s = 1.6; allowed: 0.5 to 10 in steps of 0.25"),
        ("sync", 1.5, "sync = 1.5; allowed: one of async, local, remote"),
        ("jit", 2.0, "jit = 2; allowed: one of false, true"),
        ("rate", 0.05, "rate = 0.05; it must lie in [0.1, 1000]"),
        ("threads", 64.0, "threads = 64; with the values of workers it must lie in [4, 32]"),
        ("low_mark", 0.6, "low_mark = 0.6; with the values of share it must lie in [0, 0.5]"),
        ("share", 0.2, "share = 0.2; with the values of low_mark it must lie in [0.25, 1]"),
        ("port", 5433.0, "port = 5433; allowed: only 5432, a constant"),
    ],
)
def test_an_edit_that_is_not_allowed_is_refused(key: str, value: float, words: str) -> None:
    lane = drive()
    with pytest.raises(ValueError, match="the edited runtime has") as caught:
        lane.edit(**{key: value})
    assert words in str(caught.value)


def test_an_edit_close_to_the_grid_is_on_it() -> None:
    profile = typed({"x": {"start": 0.1, "min": 0.1, "max": 0.7, "step": 0.1, "cap_per_hour": 1}})
    state = drive(profile).edit(x=0.1 + 0.2)
    assert state.values == {"x": 0.3}


def test_edits_of_coupled_parameters_are_checked_together() -> None:
    state = drive().edit(workers=10.0, threads=64.0)
    assert (state.values["workers"], state.values["threads"]) == (10.0, 64.0)


def test_a_decided_value_gives_way_to_an_edit_that_it_does_not_fit() -> None:
    lane = drive()
    before = dict(lane.state.values)
    lane.observe({"totals": {"p95_ms": 100.0}})
    intent = lane.intend(proposing("", threads=8.0, rate=1.0))
    assert intent.values["threads"] == 24.0
    present = {**before, "workers": 2.0}  # 24 threads need 3
    values = carried_out(intent, before, present, TABLE)
    assert values == {**before, "workers": 2.0, "rate": 11.0}
    present = {**before, "workers": 3.0}
    values = carried_out(intent, before, present, TABLE)
    assert values == {**before, "workers": 3.0, "rate": 11.0, "threads": 24.0}
    written = {**intent.values, "sync": 0.0}
    assert carried_out(intent, before, written, TABLE) == written


class Edited:
    """A target whose operator sets a value in iteration 2."""

    def __init__(self, edits: dict[str, Any]) -> None:
        self.edited, self.number = edits, 0
        self.seen: list[Any] = []

    def run(self, iteration: int, runtime: Any) -> dict[str, Any]:
        self.number = iteration
        self.seen.append(runtime["app"])
        return {"totals": {"p95_ms": 100.0}, "effective_params": runtime}

    def edits(self) -> dict[str, Any]:
        return self.edited if self.number == 2 else {}


def run(tmp_path: Path, edits: dict[str, Any]) -> tuple[History, Edited]:
    fields = {key: item for key, item in document().items() if key != "name"}
    path = tmp_path / "typed.yaml"
    path.write_text(yaml.safe_dump(fields, sort_keys=False))
    target = Edited(edits)
    return run_lane(target, profile=str(path), iterations=4), target


def test_an_operator_sets_values_of_all_types_at_the_target(tmp_path: Path) -> None:
    edits = {"workers": 6, "jit": False, "sync": "remote", "work_mem_kb": 8192.0}
    history, target = run(tmp_path, edits)
    assert history.halt is None
    assert [
        (seen["workers"], seen["jit"], seen["sync"], seen["work_mem_kb"]) for seen in target.seen
    ] == [(4, True, "local", 4096)] * 2 + [(6, False, "remote", 8192)] * 2
    assert type(target.seen[3]["work_mem_kb"]) is int
    assert not any(item.echo_mismatch for item in history.iterations)


@pytest.mark.parametrize(
    ("edits", "words"),
    [
        ({"workers": 4.5}, "workers = 4.5; allowed: 1 to 32, whole numbers"),
        ({"sync": "never"}, "sync = 'never'; allowed: one of async, local, remote"),
        ({"jit": 2}, "jit = 2.0; allowed: one of false, true"),
        ({"rate": 5000}, "rate = 5000.0; it must lie in [0.1, 1000]"),
        ({"threads": 40}, "threads = 40; with the values of workers it must lie in [4, 32]"),
    ],
)
def test_what_he_must_not_set_halts_the_lane_in_words(
    tmp_path: Path, edits: dict[str, Any], words: str
) -> None:
    history, _ = run(tmp_path, edits)
    assert history.halt is not None
    assert words in history.halt.text
