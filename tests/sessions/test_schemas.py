"""The JSON files of runs of every kind are valid, and a file with a fault is not.

Every session of the other tests is checked as well, where it ends (``Sessions`` in conftest.py).
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastjsonschema import JsonSchemaValueException

from pytest_soak.cli import main
from pytest_soak.schemas.registry import SCHEMAS
from pytest_soak.store import names
from pytest_soak.store.lock import DirectoryLock
from tests.artifacts import FILES, files_of, generic, problems, problems_of, validator, values_of
from tests.sessions import live_bots
from tests.sessions.conftest import Sessions
from tests.sessions.running import SLOW, running

MOCK = ("--soak-mock", "--soak-interval=30")
OF_A_RUN = {names.RUN, names.SEAL, names.SNAPSHOT, names.SNAPSHOT_PRETTY}
OF_A_LANE = {
    *(names.JOURNAL, names.TIMING, names.RUNTIME, names.APPLIED_PROFILE, names.TUNING_REPORT),
    *(names.TUNING_STATE, names.DELTA_VERIFY, "ITER_SUMMARY_n.json"),
}


def kinds(run: Path) -> set[str]:
    """The names of the files in a run's own directory that were checked."""
    return {generic(path) for path in files_of(run) if path.parent == run}


def unknown(run: Path) -> list[str]:
    """JSON files of a run without a schema; those of its target are not the product's."""
    return [
        path.name
        for path in run.rglob("*.json*")
        if names.TARGET not in path.relative_to(run).parts
        and not path.name.startswith(".")
        and generic(path) not in FILES
    ]


@pytest.mark.smoke
def test_every_json_file_of_a_run_has_a_schema(soak: Sessions) -> None:
    result = soak("--soak-iterations=12", *MOCK, "--soak-export-json=rows.jsonl")
    assert kinds(result.latest) == OF_A_RUN | OF_A_LANE
    assert unknown(result.latest) == []
    assert problems(result.latest) == []
    rows = result.folder / "rows.jsonl"
    assert list(problems_of(rows, "export")) == []
    assert {"metric", "outcomes"} <= set().union(*values_of(rows))


def test_several_lanes(soak: Sessions) -> None:
    result = soak("--soak-iterations=4", *MOCK, "--soak-profile=S1,steady", "--soak-seed=1,2")
    assert kinds(result.latest) == OF_A_RUN
    checked = files_of(result.latest)
    assert sum(path.name == names.JOURNAL for path in checked) == 4
    assert sum(path.name == names.SNAPSHOT for path in checked) == 5
    assert unknown(result.latest) == []


@pytest.mark.parametrize(
    "args",
    [
        ("--soak-scenario=flash_crash@3", "--soak-iterations=12"),
        ("--soak-sweep=base_spread_bps=0.3:0.7:0.2", "--soak-iterations=3"),
        ("--soak-iterations=12", "--soak-no-tune"),
        ("--soak-iterations=12", "--soak-dry-run"),
    ],
    ids=" ".join,
)
def test_runs_of_the_mock(soak: Sessions, args: tuple[str, ...]) -> None:
    result = soak(*MOCK, *args)
    assert names.SEAL in kinds(result.latest), result.out
    assert problems(result.latest) == []


def test_a_failing_and_a_halted_run(soak: Sessions) -> None:
    soak.bot(
        broken="""
        from bot import Bot

        class Broken(Bot):
            def run(self, iteration, runtime):
                if iteration == 6:
                    raise RuntimeError("gone")
                return super().run(iteration, runtime)

        def make(lane):
            return Broken(lane, net_bps=1.0)
        """
    )
    result = soak("--soak-iterations=12", "--soak-target=broken:make")
    assert result.code == 1
    assert [entry["type"] for entry in result.entries()][-1] == "halt"
    assert problems(result.latest) == []
    resumed = soak("--soak-iterations=12", "--soak-target=broken:make", "--soak-resume")
    assert resumed.json("run.json")["resumed"] == 1
    assert problems(resumed.latest) == []


def test_a_killed_run(soak: Sessions) -> None:

    soak.bot(slow=SLOW)
    with running(soak, "--soak-iterations=40", "--soak-target=slow:make") as session:
        session.until("run-4-1")
        session.process.kill()
        session.process.wait()
        assert names.SEAL not in kinds(session.latest)
        assert names.JOURNAL in kinds(session.latest)
        assert problems(session.latest) == []


def test_a_live_run(soak: Sessions) -> None:
    live_bots.write_bot(soak.folder)
    result = soak(*live_bots.ARGS, "--soak-iterations=3", subprocess=True)
    assert names.BRIDGE in kinds(result.latest), result.out
    assert unknown(result.latest) == []
    assert problems(result.latest) == []


def test_the_view_of_a_run(soak: Sessions, capsys: pytest.CaptureFixture[str]) -> None:
    result = soak("--soak-iterations=12", *MOCK)
    capsys.readouterr()
    assert main(["report", "--json", str(result.latest)]) == 0
    view = json.loads(capsys.readouterr().out)
    validator("view")(view)
    with pytest.raises(JsonSchemaValueException, match="data must not contain"):
        validator("view")({**view, "more": 1})


class Printed:
    """What a command prints as JSON, once it is valid."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def __call__(self, *args: str) -> Any:
        self._capsys.readouterr()
        main([*args, "--json"])
        document = json.loads(self._capsys.readouterr().out)
        validator(args[0])(document)
        return document


@pytest.fixture
def printed(capsys: pytest.CaptureFixture[str]) -> Printed:
    return Printed(capsys)


def test_what_the_commands_print_of_a_run(soak: Sessions, printed: Printed) -> None:
    result = soak("--soak-iterations=12", *MOCK, "--soak-profile=S1,steady")
    run = str(result.latest)
    sealed = printed("gate", run)
    assert {lane["state"] for lane in sealed["lanes"]} == {"done"}
    assert "sealed" not in sealed
    assert printed("gate", run, "--strict")["what_if"] == ["--strict"]
    assert printed("gate", run, "--unsealed")["sealed"] is False
    assert len(printed("verify", run)["lanes"]) == 2
    (result.latest.parent / "runs" / "broken").mkdir(parents=True)
    listed = printed("list", str(result.latest.parent))
    assert {tuple(item)[:2] for item in listed} == {("lanes", "measured"), ("path", "problem")}


def test_what_the_commands_print_of_a_run_without_a_seal(soak: Sessions, printed: Printed) -> None:
    result = soak("--soak-iterations=4", *MOCK)
    (result.latest / names.SEAL).unlink()
    for command in ("gate", "verify"):
        assert "is not sealed" in printed(command, str(result.latest))["problem"]


def test_what_the_commands_print_of_a_run_that_goes_on(soak: Sessions, printed: Printed) -> None:
    result = soak("--soak-iterations=4", *MOCK)
    with DirectoryLock.acquire(result.latest.parent, result.json("run.json")["run_id"]):
        for command in ("gate", "verify"):
            assert printed(command, str(result.latest))["state"] == "running"


# -- a fault is seen -----------------------------------------------------------------------------


def objects(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The paths of every object in a value."""
    if isinstance(value, dict):
        yield path
        for key, item in value.items():
            yield from objects(item, (*path, key))
    elif isinstance(value, list):
        for place, item in enumerate(value[:1]):
            yield from objects(item, (*path, place))


def at(value: Any, path: tuple[Any, ...]) -> Any:
    for part in path:
        value = value[part]
    return value


def is_refused(name: str, value: Any) -> bool:
    try:
        validator(name)(value)
    except JsonSchemaValueException:
        return True
    return False


@pytest.mark.exhaustive
def test_every_field_of_every_file_is_checked(soak: Sessions) -> None:
    """Each field with a value of another type: what is not refused are fields of others."""
    result = soak("--soak-iterations=12", *MOCK, "--soak-scenario=flash_crash@3")
    accepted: set[str] = set()
    count = 0
    for path in files_of(result.latest):
        name = FILES[generic(path)]
        if "PRETTY" in path.name or (name == "iter_summary" and "_12." not in path.name):
            continue
        for value in values_of(path)[:6]:
            for place in objects(value):
                for key in at(value, place):
                    changed = copy.deepcopy(value)
                    at(changed, place)[key] = [["another type"]]
                    count += 1
                    if not is_refused(name, changed):
                        accepted.add(".".join([name, *map(str, (*place, key))]))
    assert count > 500
    assert {text for text in accepted if not text.startswith(OF_OTHERS)} == set()


OF_OTHERS = (
    *("journal.report.", "journal.target_state", "journal.recorded.", "journal.profile."),
    *("run.versions.", "snapshot.fingerprint.versions.", "applied_profile.runtime."),
    *("tuning_report.iterations.0.tuning.proposed_deltas.", "iter_summary.tuning.proposed_deltas."),
)
"""Places with values of targets, users and libraries; a profile has its own tests."""


@pytest.mark.exhaustive
def test_every_file_has_its_fields_and_no_others(soak: Sessions) -> None:
    result = soak("--soak-iterations=12", *MOCK)
    for path in files_of(result.latest):
        name = FILES[generic(path)]
        for value in values_of(path)[:6]:
            assert name == "runtime_overrides" or is_refused(name, {**value, "more": 1})
            for field in () if name == "runtime_overrides" else value:
                without = {key: item for key, item in value.items() if key != field}
                optional = field in OPTIONAL
                assert is_refused(name, without) or optional, f"{path}: {field}"


OPTIONAL = {
    *("scenarios", "by_rules", "attributed", "verdict", "fresh_targets", "pins", "audit"),
    *("freeze_ready", "limits"),
}


def test_every_schema_of_a_file_is_used_here() -> None:
    others = {"profile", "export", "view", "gate", "verify", "list"}
    assert {*FILES.values(), *others} == SCHEMAS.keys()
