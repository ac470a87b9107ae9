"""Programs that deliver parameters or write reports: status, output, deadline, what they leave."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psutil
import pytest

from pytest_soak.json_types import WrongValueError
from pytest_soak.live.channels import ChannelFault
from pytest_soak.live.commands import Command, command_of
from pytest_soak.live.readers.command import make_command as make_reader
from pytest_soak.live.sections import ParametersFields, ReportFields
from pytest_soak.live.writers.command import ParameterCommand, Value, argument_of
from pytest_soak.live.writers.command import make_command as make_writer
from tests.unit.live.contexts import context_of, delivery_of

ENVIRONMENT = {"PATH": os.environ["PATH"], "API_TOKEN": "s3cret-value"}
TIMEOUT_S = 20.0


def shell(text: str) -> list[str]:
    return ["/bin/sh", "-c", text]


def writer(folder: Path, *argv: str, timeout_s: float = TIMEOUT_S) -> ParameterCommand:
    fields = ParametersFields(command=argv, timeout_s=timeout_s)
    return make_writer(fields, context_of(folder, ENVIRONMENT))


def fault_of(channel: ParameterCommand) -> ChannelFault:
    with pytest.raises(ChannelFault) as caught:
        channel.deliver(delivery_of())
    assert "s3cret" not in str(caught.value)
    assert "t-value" not in str(caught.value)
    assert caught.value.name == "command_failed"
    return caught.value


def test_the_body_is_its_input_and_the_values_are_arguments(tmp_path: Path) -> None:
    program = (
        "import json, os, sys; json.dump([sys.argv[1:], json.load(sys.stdin)], open('x', 'w'))"
    )
    channel = writer(
        tmp_path,
        *(sys.executable, "-c", program),
        *("--spread={param:base_spread_bps}", "{param:levels}", "{dir}/{param:levels};", "a b"),
    )
    assert not (tmp_path / "x").exists()
    channel.open()
    assert channel.present() is None
    assert channel.deliver(delivery_of(spread=0.1 + 0.2)) is None
    argv, body = json.loads((tmp_path / "x").read_text())
    assert argv == ["--spread=0.3", "3", f"{tmp_path}/3;", "a b"]
    assert body == delivery_of(spread=0.1 + 0.2).body
    assert (channel.destinations, channel.needs_process) == ((), False)


def test_a_program_that_takes_parameters_alone_gets_no_block(tmp_path: Path) -> None:
    fields = ParametersFields(command=tuple(shell("cat > x")), soak_block=False)
    make_writer(fields, context_of(tmp_path, ENVIRONMENT)).deliver(delivery_of())
    assert json.loads((tmp_path / "x").read_text()) == delivery_of().runtime


def test_its_output_may_be_an_echo(tmp_path: Path) -> None:
    echo: Mapping[str, Any] = {"effective_params": {"levels": 3}}
    assert writer(tmp_path, "echo", json.dumps(echo)).deliver(delivery_of()) == echo
    assert writer(tmp_path, "echo", "done").deliver(delivery_of()) is None


def test_its_environment_is_that_of_the_context_only(tmp_path: Path) -> None:
    writer(tmp_path, *shell('test "$API_TOKEN" = s3cret-value && env > x')).deliver(delivery_of())
    lines = (tmp_path / "x").read_text().splitlines()
    names = {line.partition("=")[0] for line in lines}
    assert names - {"PWD", "OLDPWD", "SHLVL", "_"} == {*ENVIRONMENT}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("exit 3", "ended with the status 3"),
        ("kill -9 $$", "was ended by SIGKILL"),
        (
            "echo out; echo token=abcdefghij >&2; echo $API_TOKEN >&2; exit 1",
            "ended with the status 1; the end of its standard error:\n  token=***\n  ***",
        ),
        (
            "for i in 1 2 3 4 5 6 7; do echo $i >&2; done; exit 1",
            "standard error:\n  3\n  4\n  5\n  6\n  7",
        ),
        (
            "yes $API_TOKEN | tr '\\n' ' ' | head -c 20000 >&2; exit 1",
            " ".join(["***"] * 20) + " ***",
        ),
        ("printf '\\033[2J\\377' >&2; exit 1", "standard error:\n  \\x1b[2J\ufffd"),
    ],
)
def test_how_it_failed(tmp_path: Path, text: str, problem: str) -> None:
    caught = fault_of(writer(tmp_path, *shell(text)))
    assert caught.text.endswith(problem)


def test_it_cannot_be_run(tmp_path: Path) -> None:
    caught = fault_of(writer(tmp_path, "./missing", "--password", "password=s3cret"))
    assert caught.place == "the command ./missing --password password=***"
    assert caught.text == "cannot be run: No such file or directory"


def children_of(folder: Path) -> list[int]:
    """What still runs, of the processes that wrote their numbers to files."""
    return [
        int(file.read_text())
        for file in folder.glob("*.pid")
        if psutil.pid_exists(int(file.read_text()))
        and psutil.Process(int(file.read_text())).status() != psutil.STATUS_ZOMBIE
    ]


def test_after_the_deadline_all_of_its_group_is_killed(tmp_path: Path) -> None:
    text = "sleep 600 & echo $! > a.pid; echo waiting >&2; echo $$ > b.pid; wait"
    channel = writer(tmp_path, *shell(text), timeout_s=0.3)
    start = time.monotonic()
    caught = fault_of(channel)
    assert time.monotonic() - start < 5
    assert caught.text == ("did not end within 0.3 s; the end of its standard error:\n  waiting")
    assert len([*tmp_path.glob("*.pid")]) == 2
    wait_for_the_end(tmp_path)


def wait_for_the_end(folder: Path) -> None:
    """A killed grandchild is gone when its new parent has waited for it."""
    deadline = time.monotonic() + 5
    while children_of(folder) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert children_of(folder) == []


def test_a_child_that_keeps_its_output_open_is_not_waited_for(tmp_path: Path) -> None:
    text = "sleep 600 & echo $! > a.pid; echo '{\"effective_params\": {}}'"
    start = time.monotonic()
    assert writer(tmp_path, *shell(text)).deliver(delivery_of()) == {"effective_params": {}}
    assert time.monotonic() - start < 5
    (left,) = children_of(tmp_path)
    psutil.Process(left).kill()


def test_an_interrupt_ends_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fstat(descriptor: int) -> os.stat_result:
        if (tmp_path / "a.pid").exists():
            raise KeyboardInterrupt
        return real(descriptor)

    real = os.fstat
    monkeypatch.setattr(os, "fstat", fstat)
    channel = writer(tmp_path, *shell("echo $$ > b; mv b a.pid; exec sleep 600"))
    with pytest.raises(KeyboardInterrupt):
        channel.deliver(delivery_of())
    monkeypatch.undo()
    assert children_of(tmp_path) == []


@pytest.mark.parametrize(("to", "name"), [("", "output"), (" >&2", "error")])
def test_too_much_output_ends_it(tmp_path: Path, to: str, name: str) -> None:
    context = context_of(tmp_path, ENVIRONMENT)
    command = Command("yes", tmp_path, ENVIRONMENT, TIMEOUT_S, str, max_bytes=1000)
    with pytest.raises(ChannelFault, match=f"more than 1,000 bytes to its standard {name}"):
        command.run(shell(f"exec yes{to}"))
    assert command_of(["yes"], 1.0, context).max_bytes == 64_000_000


def test_a_program_that_does_not_read_its_input(tmp_path: Path) -> None:
    command = Command("true", tmp_path, ENVIRONMENT, TIMEOUT_S, str)
    assert command.run(["true"], b"x" * 1_000_000) == b""


def test_there_is_no_original(tmp_path: Path) -> None:
    with pytest.raises(ChannelFault, match="the command true has no original to put back"):
        writer(tmp_path, "true").restore()


@pytest.mark.parametrize(
    ("argv", "path", "problem"),
    [
        (("x", "{param:level}"), "command.1", "'level' is no parameter; did you mean 'levels'?"),
        (("",), "command.0", "is empty; it is the name of a program"),
        (("x", "a\0b"), "command.1", "has a NUL character"),
    ],
)
def test_a_command_is_refused(
    tmp_path: Path, argv: tuple[str, ...], path: str, problem: str
) -> None:
    with pytest.raises(WrongValueError) as caught:
        writer(tmp_path, *argv)
    assert (".".join(caught.value.path), caught.value.problem) == (path, problem)
    with pytest.raises(WrongValueError, match="timeout_s: 0 is not above 0"):
        writer(tmp_path, "x", timeout_s=0.0)


def test_each_text_is_expanded_once(tmp_path: Path) -> None:
    def expand(text: str) -> str:
        return f"<{text}>"

    context = context_of(tmp_path, expand=expand)
    assert argument_of("a{param:levels}b", context, ()) == ("<a>", Value("levels"), "<b>")
    assert argument_of("{{param:levels}}", context, ()) == ("<{{param:levels}}>",)
    assert argument_of("{{{param:levels}", context, ()) == ("<{{>", Value("levels"), "<>")


def test_its_output_is_a_report(tmp_path: Path) -> None:
    fields = ReportFields(command=("echo", '{"totals": {"a": 1}}'))
    channel = make_reader(fields, context_of(tmp_path, ENVIRONMENT), 2.0)
    channel.begin()
    assert not channel.exists()
    assert channel.poll() == {"totals": {"a": 1}}
    assert channel.exists()
    assert (channel.sources, channel.every_s) == ((), None)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("exit 1", "command_failed"),
        ("true", "not_json"),
        ("echo '{'", "not_json"),
        ("echo '[]'", "not_a_report"),
    ],
)
def test_its_output_is_no_report(tmp_path: Path, text: str, name: str) -> None:
    fields = ReportFields(command=tuple(shell(text)))
    channel = make_reader(fields, context_of(tmp_path, ENVIRONMENT), 2.0)
    with pytest.raises(ChannelFault) as caught:
        channel.poll()
    assert caught.value.name == name
