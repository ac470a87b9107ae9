"""The plan of a live target: what is refused before iteration 1, and where values go."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from pytest_soak.json_types import WrongValueError
from pytest_soak.live.plan import LivePlan, plan_live
from pytest_soak.profile.resolve import resolve
from pytest_soak.protocol import Lane
from pytest_soak.store.sources import read_source

BOT = {"command": ["{python}", "bot.py"]}


def planned(folder: Path, section: dict[str, Any], **environment: str) -> LivePlan:
    lane = Lane("s-B-1", "steady", "B", 1, 10.0, 24, dir=folder / "target")
    profile = resolve("steady", read_source).profile
    environment = {"PATH": "/usr/bin:/bin", **environment}
    return plan_live(lane, section, profile, root=folder, run_id="run-1", environment=environment)


def test_the_defaults_are_files_in_the_directory_of_the_target(tmp_path: Path) -> None:
    plan = planned(tmp_path, {"processes": {"bot": BOT}})
    assert plan.places == (
        f"file:{tmp_path}/target/runtime_overrides.json",
        f"file:{tmp_path}/target/EDGE_REPORT.json",
    )
    assert plan.processes[0].command == (sys.executable, "bot.py")
    assert plan.settle_s == 1.0
    assert plan.environment["SOAK_RUNTIME"] == f"{tmp_path}/target/runtime_overrides.json"
    assert plan.environment["SOAK_REPORT"] == f"{tmp_path}/target/EDGE_REPORT.json"
    assert plan.environment["SOAK_AUDIT"] == f"{tmp_path}/target/audit.jsonl"
    assert plan.environment["SOAK_INTERVAL_S"] == "10"


def test_a_port_with_a_name_is_the_same_everywhere(tmp_path: Path) -> None:
    bot = {**BOT, "env": {"PORT": "{port:md}"}, "ready": {"port": "{port:md}"}}
    plan = planned(tmp_path, {"processes": {"bot": bot}})
    assert plan.processes[0].env["PORT"] == str(plan.processes[0].ready.port)
    assert plan.fixed_ports == ()


def test_a_port_as_a_number_is_a_place_of_the_lane(tmp_path: Path) -> None:
    plan = planned(tmp_path, {"processes": {"bot": {**BOT, "ready": {"port": 4711}}}})
    assert "port 4711" in plan.places


def test_the_deadline_of_a_call_leaves_time_for_a_restart(tmp_path: Path) -> None:
    plan = planned(tmp_path, {})
    assert plan.longest_call_s == 10.0 + 30.0 + 5.0
    restart = {"backoff_s": [1, 7]}
    bot = {**BOT, "restart": restart, "ready": {"within_s": 3}, "stop": {"grace_s": 2}}
    assert planned(tmp_path, {"processes": {"bot": bot}}).longest_call_s == 45.0 + 7.0 + 5.0


@pytest.mark.parametrize(
    ("section", "text"),
    [
        ({"processes": {"bot": {"command": ["no-such-program"]}}}, "on PATH"),
        ({"processes": {"bot": {"command": ["./no"]}}}, "processes.bot.command: there is no prog"),
        ({"processes": {"bot": {**BOT, "cwd": "none"}}}, "there is no directory"),
        ({"processes": {"bot": {**BOT, "env_from": ["KEY_X"]}}}, "KEY_X is not set"),
        (
            {"processes": {"bot": {**BOT, "env_from": ["KEY_X", "KEY_Y"]}}},
            "processes.bot: the variables KEY_X, KEY_Y are not set in the environment",
        ),
        (
            {"parameters": {"file": "{dirr}/x"}},
            "parameters.file: '{dirr}/x' has the unknown placeholder {dirr}; did you mean 'dir'?",
        ),
        ({"parameters": {"file": "{x"}}, "single"),
        ({"report": {"file": "{dir}/x", "audit": "{seeed}"}}, "did you mean 'seed'?"),
        ({"report": []}, "report: is empty"),
        (
            {"report": [{"file": "x"}, {"file": "y", "http": "http://[::1]/"}]},
            "report.1: needs one",
        ),
        ({"parameters": {}}, "parameters: needs one of file, yaml, http, command, writer"),
        ({"parameters": {"file": "x", "keys": {"a": "b"}}}, "belongs to 'yaml'"),
        ({"parameters": {"file": "x", "headers": {"A": "b"}}}, "belongs to 'http'"),
        ({"parameters": {"http": "http://example.org/"}}, "allow_hosts"),
        ({"report": {"command": ["true"], "take": "merge"}}, "nothing to merge"),
        ({"timing": {"settle_s": 6}}, "timing.settle_s: 6 s are more than half the interval"),
        (
            {"parameters": {"file": "x", "notify": {"process": "bt"}}, "processes": {"bot": BOT}},
            "parameters.notify.process: unknown process 'bt'; did you mean 'bot'?",
        ),
        (
            {
                "parameters": {"file": "x", "notify": {"process": "bot", "signal": "HUB"}},
                "processes": {"bot": BOT},
            },
            "did you mean 'HUP'?",
        ),
        ({"faults": {"in_a_row": 0}}, "faults.in_a_row: 0 is not from 1 to 1000"),
        ({"procesess": {}}, "did you mean 'processes'?"),
    ],
)
def test_a_wrong_section_is_refused(tmp_path: Path, section: dict[str, Any], text: str) -> None:
    with pytest.raises(WrongValueError) as raised:
        planned(tmp_path, section)
    assert text in str(raised.value)
    assert not list(tmp_path.iterdir())


def test_a_variable_of_the_session_about_pytest_is_not_handed_on(tmp_path: Path) -> None:
    plan = planned(tmp_path, {}, PYTEST_CURRENT_TEST="x", KEPT="1")
    assert "PYTEST_CURRENT_TEST" not in plan.environment
    assert plan.environment["KEPT"] == "1"
