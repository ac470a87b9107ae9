"""What is wrong in a section ``target`` is named with its place, before anything is started."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from pytest_soak.json_types import WrongValueError
from pytest_soak.live.declared import with_command
from pytest_soak.live.faults import LiveHalt
from pytest_soak.live.plan import LivePlan, plan_live
from pytest_soak.live.watched import Watched
from pytest_soak.profile.resolve import Source, resolve
from pytest_soak.protocol import Lane
from pytest_soak.store.sources import read_source

FILE = {"parameters": {"file": "{dir}/p.json"}, "report": {"file": "{dir}/r.json"}}


def planned(folder: Path, section: dict[str, Any]) -> LivePlan:
    lane = Lane("steady-BTC-1", "steady", "BTC", 1, 10.0, 3, dir=folder)
    profile = resolve("steady", read_source).profile
    return plan_live(
        lane, section, profile, root=folder, run_id="run", environment={"PATH": "/usr/bin:/bin"}
    )


@pytest.mark.parametrize(
    ("section", "path", "problem"),
    [
        ({"parameters": {"file": "{dri}/p.json"}}, "parameters.file", "did you mean 'dir'"),
        ({"parameters": {"file": "{dir/p.json"}}, "parameters.file", "a single '{'"),
        ({"report": {"file": "{dri}/r.json"}}, "report.file", "did you mean 'dir'"),
        ({"report": [{"file": "r"}, {"file": "s", "audit": "{x}"}]}, "report.1.audit", "{x}"),
        (
            {"parameters": {"file": "p", "command": ["true"]}},
            "parameters",
            "here is file and command; null removes an inherited one",
        ),
        ({"report": {"file": "r", "inputs": {"a": {"metric": "b"}}}}, "report.inputs",
         "belongs to 'prometheus'"),
        ({"report": {"prometheus": "http://127.0.0.1:9/m", "take": "merge"}}, "report.take",
         "there is nothing to merge"),
        ({"report": {"prometheus": "http://127.0.0.1:9/m", "echo": "a"}}, "report.echo",
         "needs for each parameter {metric: NAME}"),
        ({"report": {"prometheus": "http://127.0.0.1:9/m", "echo": {"a": "b"}}}, "report.echo.a",
         "names a metric, {metric: NAME}"),
        ({"report": {"file": "r", "echo": {"a": {"metric": "b"}}}}, "report.echo.a",
         "else it is a path"),
        ({"report": {"file": "r", "headers": {"a": "b"}}}, "report.headers",
         "belongs to 'http' and 'prometheus'"),
        ({"parameters": {"yaml": "c.yaml"}}, "parameters.yaml", "needs 'keys'"),
        ({"parameters": {"file": "p", "keys": {"a": "b"}}}, "parameters.keys", "to 'yaml'"),
        ({"parameters": {"file": "p", "method": "POST"}}, "parameters.method", "to 'http'"),
        (
            {"parameters": {"command": ["true"], "on_end": "restore"}},
            "parameters.on_end",
            "no original to put back",
        ),
    ],
)  # fmt: skip
def test_a_mistake_is_named_with_its_place(
    tmp_path: Path, section: dict[str, Any], path: str, problem: str
) -> None:
    with pytest.raises(WrongValueError) as caught:
        planned(tmp_path, {**FILE, **section})
    assert ".".join(caught.value.path) == path
    assert problem in caught.value.problem


def test_a_metric_needs_a_source_of_metrics(tmp_path: Path) -> None:
    text = b"kpis: {x: {read: {metric: x_total, take: rate}}}\ngate: {criteria: {x: '<= 1'}}"
    profile = resolve("p", lambda *_: Source("p", text)).profile
    lane = Lane("p-1", "p", "", 1, 10.0, 3, dir=tmp_path)
    with pytest.raises(WrongValueError) as caught:
        plan_live(lane, FILE, profile, root=tmp_path, run_id="run", environment={})
    assert caught.value.path == ("report",)
    assert caught.value.problem == (
        "the KPI x reads the metric x_total, and no source of reports has 'prometheus', the URL "
        "of the metrics"
    )


def test_the_variables_name_the_first_file_of_a_list(tmp_path: Path) -> None:
    report = [{"command": ["true"]}, {"file": "{dir}/r.json", "audit": "{dir}/a.jsonl"}]
    environment = planned(tmp_path, {**FILE, "report": report}).environment
    assert environment["SOAK_REPORT"] == str(tmp_path / "r.json")
    assert environment["SOAK_AUDIT"] == str(tmp_path / "a.jsonl")


def test_the_command_of_an_option_is_for_one_process() -> None:
    section = {"processes": {"bot": {"command": ["a"]}, "venue": {"command": ["b"]}}}
    with pytest.raises(WrongValueError) as caught:
        with_command(section, ["c"])
    assert caught.value.problem == (
        "it is the command of one process, and the profile has 2: bot, venue"
    )


def test_a_program_that_is_gone_is_no_process_that_was_too_slow(tmp_path: Path) -> None:
    program = tmp_path / "bot"
    program.touch(mode=0o755)
    section = {**FILE, "processes": {"bot": {"command": [str(program)]}}}
    watched = Watched(planned(tmp_path, section))
    program.unlink()
    with pytest.raises(LiveHalt, match=r"^not_started \(bot\): the program is missing"):
        watched.start()
    watched.close()


def test_a_process_without_restarts_says_so(tmp_path: Path) -> None:
    # It lives until it is ended, so that it is ready however late that is looked at.
    waiting = [sys.executable, "-c", "import signal; signal.pause()"]
    section = {
        **FILE,
        "processes": {"bot": {"command": waiting, "restart": {"budget": 0}}},
    }
    watched = Watched(planned(tmp_path, section))
    watched.start()
    with pytest.raises(LiveHalt) as caught:
        watched.restart("bot")
    assert "restart.budget is 0" in "".join(caught.value.__notes__)
    watched.close()
