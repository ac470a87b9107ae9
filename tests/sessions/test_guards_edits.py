"""Edits by hand at odd moments: while a proposer runs, or after a kill during a decision."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.sessions.conftest import Result, Sessions
from tests.sessions.scripted import ARGS, KILL, conftest_text, shown, values_of, write_script

MOVES = {"tail_age_ms": 25, "min_interval_ms": 5}

EDITING = """
scripted = pytest_soak_propose


def pytest_soak_propose(lane, kpis, headroom, history):
    proposals = scripted(lane, kpis, headroom, history)
    if proposals:  # an operator saves the file before the proposer returns
        Scripted().edit({"base_spread_bps": 0.9})
    return proposals
"""


def test_an_edit_while_the_proposer_runs_is_not_overwritten(soak: Sessions) -> None:
    write_script(soak, {}, {2: MOVES})
    with (soak.folder / "conftest.py").open("a") as conftest:
        conftest.write(EDITING)
    result = soak("--soak-iterations=4", *ARGS)
    assert result.code == 0, result.out
    assert shown(result, 2).end == "EDITED base_spread_bps | applied 2"
    assert values_of(result, 4)["base_spread_bps"] == 0.9
    assert values_of(result, 4)["tail_age_ms"] == 625
    assert result.json("TUNING_STATE.json")["pinned"] == {"base_spread_bps": "run"}
    lines = (soak.folder / "headroom.jsonl").read_text().splitlines()
    headrooms = [json.loads(line)["headroom"]["base_spread_bps"] for line in lines]
    assert headrooms[0][2:] == ["velocity", "velocity"]
    assert headrooms[1:] == [[0, 0, "pin", "pin"]], "it is called again, with the edited values"


SYNCING = """
from pytest_soak.store.journal import Journal

append = Journal.append


def edited(self, *lines, **options):
    append(self, *lines, **options)
    if any((line["type"], line.get("iteration")) == ("decision", 2) for line in lines):
        Scripted().edit({"base_spread_bps": 0.9})


Journal.append = edited
"""


def test_an_edit_between_the_decision_and_its_file_is_not_overwritten(soak: Sessions) -> None:
    write_script(soak, {}, {2: MOVES})
    (soak.folder / "conftest.py").write_text(conftest_text({}, {2: MOVES}) + SYNCING)
    result = soak("--soak-iterations=4", *ARGS, subprocess=True)
    assert result.code == 0, result.out
    (edit,) = (entry for entry in result.entries() if entry["type"] == "external")
    assert edit["keys"] == {"base_spread_bps": [0.5, 0.9]}
    values = values_of(result, 3)
    assert [values[key] for key in ("base_spread_bps", "tail_age_ms", "min_interval_ms")] == [
        0.9, 625, 55,
    ]  # fmt: skip


@pytest.fixture
def killed(soak: Sessions) -> Path:
    """The runtime file of a lane that was killed before the values of iteration 2 were written."""
    write_script(soak, {}, {2: MOVES})
    (soak.folder / "conftest.py").write_text(conftest_text({}, {2: MOVES}) + KILL)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STOP", "before")
        stopped = soak("--soak-iterations=4", *ARGS, subprocess=True)
    assert stopped.code == -signal.SIGKILL
    return stopped.latest / "runtime_overrides.json"


def resumed(soak: Sessions, runtime: Path, **values: float) -> Result:
    """The run, resumed after an operator's edit."""
    document: dict[str, dict[str, Any]] = json.loads(runtime.read_text())
    for section in document.values():
        section.update({key: values[key] for key in section if key in values})
    runtime.write_text(json.dumps(document))
    return soak("--soak-iterations=4", *ARGS, "--soak-resume")


def test_only_the_edited_keys_of_a_half_done_decision_are_pinned(
    soak: Sessions, killed: Path
) -> None:
    result = resumed(soak, killed, base_spread_bps=0.9)
    (edit,) = (entry for entry in result.entries() if entry["type"] == "external")
    assert edit["keys"] == {"base_spread_bps": [0.5, 0.9]}
    values = values_of(result, 4)
    assert (values["base_spread_bps"], values["tail_age_ms"]) == (0.9, 625)
    assert values["min_interval_ms"] == 55
    assert result.code == 0, result.out
    assert result.json("TUNING_STATE.json")["pinned"] == {"base_spread_bps": "run"}


def test_an_edit_out_of_bounds_over_a_half_done_decision_is_refused(
    soak: Sessions, killed: Path
) -> None:
    result = resumed(soak, killed, base_spread_bps=99.0)
    assert result.code == 4
    assert "base_spread_bps = 99.0; it must lie in [0.05, 5] bps" in result.err
    assert "INTERNALERROR" not in result.out + result.err
    assert resumed(soak, killed, base_spread_bps=0.9).code == 0
