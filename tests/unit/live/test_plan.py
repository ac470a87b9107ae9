"""The plan of a live target: what is refused before iteration 1, and where values go."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pytest_soak.json_types import WrongValueError
from pytest_soak.live.plan import LivePlan, plan_live
from pytest_soak.masking import Masker
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
        f"file:{tmp_path}/target/audit.jsonl",
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
    assert (
        planned(tmp_path, {"processes": {"bot": bot}}).longest_call_s
        == 45.0 + (1 + 7 + 7) + 3 * 5.0
    )


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
        ({"parameters": {"file": "x", "soak_block": False}}, "belongs to 'http' and 'command'"),
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


@pytest.mark.parametrize(
    "parameters",
    [{"file": "x"}, {"http": "http://127.0.0.1/"}, {"command": ["true"]}],
    ids=["file", "http", "command"],
)
@pytest.mark.parametrize("path", [("soak",), ("soak", "spread")])
def test_a_parameter_in_the_place_of_the_delivery_is_refused(
    tmp_path: Path, parameters: dict[str, Any], path: tuple[str, ...]
) -> None:
    """The block that names the delivery would take its place: it would never reach the bot."""
    lane = Lane("s-B-1", "steady", "B", 1, 10.0, 24, dir=tmp_path / "target")
    profile = resolve("steady", read_source).profile
    first = next(iter(profile.parameters.values()))
    profile = replace(profile, parameters={"spread": replace(first, key="spread", path=path)})
    with pytest.raises(WrongValueError, match=r"parameters: spread is at .*soak"):
        plan_live(lane, {"parameters": parameters}, profile, root=tmp_path, run_id="r")
    section = {"parameters": {"yaml": "x", "keys": {"spread": "soak.spread"}}}
    assert plan_live(lane, section, profile, root=tmp_path, run_id="r").run_id == "r"


SECRET = "hunter2-of-the-bot"


@pytest.mark.parametrize(
    "section",
    [
        {"processes": {"bot": {**BOT, "env": {"PW": SECRET + "{x}"}}}},
        {"processes": {"bot": {**BOT, "env": {"PW": "{" + SECRET}}}},
        {"processes": {"bot": {**BOT, "env": {"PW": "{" + SECRET + "}"}}}},
        {"processes": {"bot": {**BOT, "env": {"PW": SECRET + "\0"}}}},
        {"processes": {"bot": {**BOT, "ready": {"http": f"http://u:{SECRET}@127.0.0.1/"}}}},
        {"processes": {"bot": {**BOT, "ready": {"http": f"http://10.0.0.1/?t={SECRET}"}}}},
        {"processes": {"bot": {**BOT, "ready": {"http": f"http://127.0.0.1/?t={SECRET} "}}}},
        {"processes": {"bot": {**BOT, "ready": {"http": f"http://127.0.0.1:x/?t={SECRET}"}}}},
        {"processes": {"bot": {**BOT, "ready": {"http": f"https://127.0.0.1/?t={SECRET}"}}}},
        {"processes": {"bot": {**BOT, "ready": {"http": f"http://127.0.0.1/?t={{{SECRET}}}"}}}},
        {"parameters": {"http": "http://127.0.0.1/", "headers": {"A": SECRET + "{"}}},
        {"parameters": {"http": "http://127.0.0.1/", "headers": {"A": "{" + SECRET + "}"}}},
        {"parameters": {"http": f"http://127.0.0.1/?t={{{SECRET}}}"}},
        {"parameters": {"http": f"http://127.0.0.1/{{x}}?t={SECRET}"}},
        {"report": {"http": f"http://127.0.0.1/?t={SECRET}}}"}},
    ],
)
def test_no_refusal_shows_a_secret(tmp_path: Path, section: dict[str, Any]) -> None:
    with pytest.raises(WrongValueError) as raised:
        planned(tmp_path, section)
    assert SECRET not in str(raised.value)


@pytest.mark.parametrize("audit", ["a\0b", "{dir}/", "..", "/"])
def test_an_audit_is_a_file(tmp_path: Path, audit: str) -> None:
    with pytest.raises(WrongValueError, match=r"report\.audit"):
        planned(tmp_path, {"report": {"file": "{dir}/x", "audit": audit}})


def test_an_audit_is_a_place_of_the_lane(tmp_path: Path) -> None:
    """Two lanes that read one audit would count the events of each other."""
    plan = planned(tmp_path, {"report": {"file": "{dir}/x", "audit": "{root}/shared.jsonl"}})
    assert f"file:{tmp_path}/shared.jsonl" in plan.places


def test_secrets_of_several_lines_are_masked_line_by_line(tmp_path: Path) -> None:
    bot = {**BOT, "env_from": ["KEY_X"], "env": {"OTHER": {"env": "OTHER_X"}}}
    section = {
        "processes": {"bot": bot},
        "parameters": {"http": "http://127.0.0.1/", "headers": {"A": "Bearer abcdefgh"}},
    }
    plan = planned(tmp_path, section, KEY_X="first-line\nlast-line\n", OTHER_X="zebra-crossing")
    mask = Masker.of((), {}).hiding(plan.secrets)
    whole = r"first-line\nlast-line\n"
    for text in ("first-line", "last-line", "zebra-crossing", "abcdefgh", whole):
        assert mask(f"it has {text}.") == "it has ***."
    assert mask("Bearer of news") == "Bearer of news"
