"""The section ``processes:``: its defaults, what is refused and where, and the plan made of it."""

from __future__ import annotations

import signal
from typing import Any

import pytest

from pytest_soak.json_types import WrongValueError
from pytest_soak.processes.declared import read_processes, start_order
from pytest_soak.processes.plan import (
    dependents,
    missing_variables,
    plan_processes,
    secret_values,
    variables,
)
from pytest_soak.processes.restarts import Restarts
from pytest_soak.processes.sections import RestartFields

BOT = {"command": ["bot"]}


def unchanged(text: str) -> str:
    return text


def refused(section: Any) -> str:
    with pytest.raises(WrongValueError) as caught:
        plan_processes(read_processes(section), unchanged)
    return str(caught.value)


def test_defaults_are_those_of_the_contract() -> None:
    (plan,) = plan_processes(read_processes({"bot": BOT}), unchanged)
    assert (plan.name, plan.command, plan.after, plan.cwd) == ("bot", ("bot",), (), None)
    assert (plan.stop_signal, plan.grace_s) == (signal.SIGTERM, 10.0)
    assert (plan.restart.budget, plan.restart.backoff_s) == (3, (1.0, 5.0, 30.0))
    assert (plan.log_bytes, plan.log_keep) == (10_000_000, 2)
    assert (plan.ready.within_s, plan.ready.ports, plan.ready.notify) == (20.0, (), False)


def test_the_example_of_the_contract_is_read() -> None:
    section = {
        "bot": {
            "command": ["{python}", "bot.py"],
            "after": "exchange",
            "env": {"LOG": "debug", "LEVEL": 3, "KEY": {"env": "OTHER"}},
            "env_from": ["API_KEY"],
            "cwd": "{root}",
            "ready": {"log": "^READY{1}"},
            "stop": {"signal": "INT", "grace_s": 10},
            "restart": {"budget": 3, "backoff_s": [1, 5, 30]},
            "log": {"max_mb": 0.5, "keep": 0},
        },
        "exchange": {
            "command": ["{python}", "exchange.py", "--port", "{port}"],
            "ready": {"port": "{port}", "http": "http://[::1]:{port}/a?b=c", "within_s": 5},
        },
    }
    texts = {"{python}": "/bin/python", "{root}": "/root", "{port}": "4711"}

    def expand(text: str) -> str:
        for placeholder, value in texts.items():
            text = text.replace(placeholder, value)
        return text

    exchange, bot = plan_processes(read_processes(section), expand)
    assert exchange.command == ("/bin/python", "exchange.py", "--port", "4711")
    assert exchange.ready.ports == (4711,)
    assert exchange.ready.http is not None
    assert (exchange.ready.http.host, exchange.ready.http.path) == ("::1", "/a?b=c")
    assert (bot.after, bot.cwd, bot.stop_signal) == (("exchange",), "/root", signal.SIGINT)
    assert bot.ready.log is not None
    assert bot.ready.log.pattern == "^READY{1}"  # its braces are no placeholders
    environment = {"API_KEY": "a-long-secret", "OTHER": "another-secret"}
    assert missing_variables((exchange, bot), {}) == (("bot", "API_KEY"), ("bot", "OTHER"))
    assert missing_variables((exchange, bot), environment) == ()
    assert variables(bot, environment) == {
        "LOG": "debug", "LEVEL": "3", "KEY": "another-secret", "API_KEY": "a-long-secret",
    }  # fmt: skip
    assert secret_values((exchange, bot), environment) == ("another-secret", "a-long-secret")
    assert "debug" not in repr(bot)


def test_each_line_of_a_secret_is_one() -> None:
    """A log has the lines of a key one by one."""
    section = {"bot": {**BOT, "env": {"A": "top\nof-the-key\n"}, "env_from": ["KEY"]}}
    plans = plan_processes(read_processes(section), lambda text: text)
    values = secret_values(plans, {"KEY": "first-line\r\nlast-line"})
    assert {"first-line", "last-line", "of-the-key", "first-line\r\nlast-line"} < {*values}
    assert "top" not in values


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({}, "is empty; needs 1 to 64 processes"),
        ({"a.b": BOT}, "'a.b' is no name of up to 32 letters"),
        ({"bot": {}}, "bot: 'command' is missing"),
        ({"bot": {"command": "bot --fast"}}, "bot.command: 'bot --fast' is not a list"),
        ({"bot": {"command": []}}, "bot.command: is empty; needs a program at least"),
        ({"bot": {"command": [" "]}}, "bot.command.0: the name of the program is empty"),
        ({"bot": {"command": ["a", "b\0"]}}, "bot.command.1: has a NUL character"),
        ({"bot": {**BOT, "comand": 1}}, "bot.comand: unknown field; did you mean 'command'?"),
        ({"bot": {**BOT, "after": "bott"}, "exchange": BOT}, "unknown process 'bott'"),
        (
            {"bot": {**BOT, "after": ["exchnge"]}, "exchange": BOT},
            "bot.after: unknown process 'exchnge'; did you mean 'exchange'?",
        ),
        ({"bot": {**BOT, "after": "bot"}}, "bot.after: a process cannot start after itself"),
        ({"bot": BOT, "Bot": BOT}, "Bot: differs from 'bot' by capitals only"),
        ({"bot": {**BOT, "env": {"A B": "c"}}}, "'A B' is no name of a variable"),
        ({"bot": {**BOT, "env": {"SOAK_TOKEN": "c"}}}, "bot.env.SOAK_TOKEN: is set by"),
        ({"bot": {**BOT, "env": {"A": "\0"}}}, "bot.env.A: has a NUL character"),
        ({"bot": {**BOT, "env": {"A": True}}}, "bot.env.A: true is neither"),
        ({"bot": {**BOT, "env": {"A": "b"}, "env_from": ["A"]}}, "bot.env_from: A is in env too"),
        (
            {"bot": {**BOT, "stop": {"signal": "TREM"}}},
            "bot.stop.signal: unknown signal 'TREM'; did you mean 'TERM'?",
        ),
        ({"bot": {**BOT, "stop": {"signal": "STOP"}}}, "bot.stop.signal: unknown signal 'STOP'"),
        ({"bot": {**BOT, "stop": {"grace_s": -1}}}, "bot.stop.grace_s: -1 is no number of seconds"),
        ({"bot": {**BOT, "ready": {"port": 0}}}, "bot.ready.port: 0 is"),
        ({"bot": {**BOT, "ready": {"port": "http"}}}, "bot.ready.port: 'http' is no port"),
        ({"bot": {**BOT, "ready": {"port": "{p}"}}}, "bot.ready.port: '{p}' is no port"),
        ({"bot": {**BOT, "ready": {"log": "("}}}, "bot.ready.log: '(' is no regular expression"),
        ({"bot": {**BOT, "ready": {"within_s": 0}}}, "bot.ready.within_s: 0"),
        (
            {"bot": {**BOT, "ready": {"http": "https://127.0.0.1/"}}},
            "bot.ready.http: 'https://127.0.0.1/' does not begin with 'http://'",
        ),
        (
            {"bot": {**BOT, "ready": {"http": "http://example.com/"}}},
            "bot.ready.http: 'http://example.com/' is not on this machine",
        ),
        ({"bot": {**BOT, "ready": {"http": "http://u:p@127.0.0.1/"}}}, "is not of the form"),
        ({"bot": {**BOT, "ready": {"http": "http://127.0.0.1:99999/"}}}, "is no URL"),
        ({"bot": {**BOT, "ready": {"http": "http://127.0.0.1/a\r\nb"}}}, "bot.ready.http: "),
        ({"bot": {**BOT, "restart": {"backoff_s": []}}}, "bot.restart.backoff_s: is empty"),
        ({"bot": {**BOT, "log": {"max_mb": 0}}}, "bot.log.max_mb: 0"),
    ],
)
def test_what_is_wrong_is_refused_with_its_place(section: Any, message: str) -> None:
    assert message in refused(section)


def test_a_circle_is_refused_with_its_members() -> None:
    section = {
        "a": {**BOT, "after": "c"},
        "b": {**BOT, "after": "a"},
        "c": {**BOT, "after": ["b"]},
        "d": BOT,
    }
    message = refused(section)
    assert ".after: a circle: " in message
    assert any(text in message for text in ("a after c", "b after a", "c after b"))


def test_the_order_is_that_of_the_document_where_nothing_else_is_said() -> None:
    section = {
        "bot": {**BOT, "after": ["feed", "exchange"]},
        "watch": BOT,
        "feed": {**BOT, "after": "exchange"},
        "exchange": BOT,
    }
    processes = read_processes(section)
    assert start_order(processes) == ("watch", "exchange", "feed", "bot")
    plans = plan_processes(processes, unchanged)
    assert dependents(plans, "exchange") == ("exchange", "feed", "bot")
    assert dependents(plans, "watch") == ("watch",)


def test_restarts_are_spent_with_rising_waits() -> None:
    restarts: Restarts | None = Restarts(RestartFields(budget=3, backoff_s=(1.0, 5.0)))
    waits = []
    for now in (100.0, 200.0, 300.0):
        assert restarts is not None
        restarts = restarts.after_death(now)
        assert restarts is not None
        waits.append(restarts.wait_s(now))
        assert restarts.wait_s(now + 10.0) == 0.0
    assert waits == [1.0, 5.0, 5.0]
    assert restarts is not None
    assert (restarts.used, restarts.left) == (3, 0)
    assert restarts.after_death(400.0) is None
    assert Restarts(RestartFields(budget=0)).after_death(0.0) is None
