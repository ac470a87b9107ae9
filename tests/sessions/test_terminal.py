"""What a session prints while it runs: on a terminal, in a log, and with pytest's options."""

from __future__ import annotations

import os
import re
import select
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from importlib import import_module
from typing import Any, ClassVar

import pytest

from tests.screen import Screen
from tests.sessions.conftest import Result, Sessions
from tests.sessions.running import PLUGINS, is_judged

TIMES = {
    "waiting": ("LEAST_S", 0.0),
    "output": ("NOT_BEFORE_S", 0.0),
    "status_row": ("BEAT_S", 0.01),
}
"""Modules of the session to a time in them: every run waits, and none of them takes time."""
WAITS = f"""
from importlib import import_module

for module, (name, seconds) in {TIMES!r}.items():
    setattr(import_module(f"pytest_soak.session.{{module}}"), name, seconds)
"""
"""A conftest that makes a run of the fixed bot one that really waits."""
BLOCKS = '''
import pathlib, threading
from bot import Bot


class Blocking(Bot):
    """Its third iteration goes on when the test has written the file ``go``."""

    def run(self, iteration, runtime):
        while iteration == 3 and not pathlib.Path("go").exists():
            threading.Event().wait(0.01)
        return super().run(iteration, runtime)


def make(lane):
    return Blocking(lane)
'''
ARGS = ("--soak-iterations=4", "--soak-target=bot:make")
LINE = re.compile(r" *([a-zA-Z-]+[0-9]: )?[0-9]+/4 PASS net=.*")


@pytest.fixture
def waiting(soak: Sessions, monkeypatch: pytest.MonkeyPatch) -> Sessions:
    """Sessions that really wait, also in processes of their own; the patches end with the test."""
    for module, (name, seconds) in TIMES.items():
        # The module that the session uses, whatever the package's own attribute is.
        monkeypatch.setattr(import_module(f"pytest_soak.session.{module}"), name, seconds)
    soak.bot(blocks=BLOCKS)
    soak.pytester.makeconftest(WAITS)
    return soak


def iteration_lines(result: Result) -> list[str]:
    return [line for line in result.out.splitlines() if LINE.match(line)]


class OnTerminal:
    """A session on a terminal of its own; the screen as it is when a text is seen."""

    started: ClassVar[list[subprocess.Popen[bytes]]] = []

    def __init__(
        self,
        soak: Sessions,
        *args: str,
        width: int = 100,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        pty: Any = pytest.importorskip("pty")
        self.ours, output = pty.openpty()
        os.set_blocking(self.ours, True)
        self.screen, self.text = Screen(width, 40), ""
        usual = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
        env = {**usual, "COLUMNS": str(width), "TERM": "xterm", **(environment or {})}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "pytest", *PLUGINS, *args], cwd=soak.folder, env=env,
            stdin=output, stdout=output, stderr=output, start_new_session=True,
        )  # fmt: skip
        os.close(output)
        self.started.append(self.process)

    def until(self, text: str, times: int = 1) -> Screen:
        """Read until ``text`` was written ``times`` times."""
        start = len(self.text)
        while self.text.count(text, start) < times:
            assert self._read(), self.text
        return self.screen

    def end(self) -> list[str]:
        """Read to the end; the lines of the screen."""
        while self._read():
            pass
        os.close(self.ours)
        self.process.wait(60)
        return self.screen.lines

    def _read(self) -> bool:
        assert select.select([self.ours], [], [], 60)[0], self.text
        try:
            data = os.read(self.ours, 65536)
        except OSError:  # the other end is closed
            return False
        text = data.decode().replace("\r\n", "\n")
        self.text += text
        self.screen.feed(text)
        return bool(data)


@pytest.fixture(autouse=True)
def _sessions_end() -> Iterator[None]:
    """A test that fails leaves no session behind."""
    yield
    for process in OnTerminal.started:
        if process.poll() is None:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait(60)
    OnTerminal.started.clear()


# -- the header --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("args", "conftest", "line"),
    [
        ([], "", "soak: profile steady; proposer: the rules"),
        (["--soak-no-tune"], "", "soak: profile steady; proposer: none (tuner off)"),
        (["--soak-profile=S1,steady"], "", "soak: profiles S1, steady; proposer: the rules"),
        (
            [],
            "def pytest_soak_propose(lane, kpis, headroom, history): return {}\n",
            "soak: profile steady; proposer: pytest_soak_propose of conftest.py",
        ),
    ],
)
def test_the_header_names_profile_and_proposer(
    soak: Sessions, args: list[str], conftest: str, line: str
) -> None:
    soak.bot()
    soak.pytester.makeconftest(conftest)
    result = soak("--soak-iterations=1", "--soak-target=bot:make", *args)
    assert line in result.out.splitlines()
    assert "planned end" not in result.out


# -- without a terminal ------------------------------------------------------------------------


def test_in_a_log_each_iteration_of_a_run_that_waits_is_one_line(waiting: Sessions) -> None:
    result = waiting(*ARGS)
    assert result.code == 0, result.out
    lines = iteration_lines(result)
    assert [line.split()[0] for line in lines] == ["1/4", "2/4", "3/4", "4/4"]
    assert [" | ETA " in line for line in lines] == [True, True, True, False]
    assert "...." not in result.out.split("4/4 ")[0]
    assert "[100%]" in result.out
    assert "\x1b" not in result.out
    assert max(map(len, lines)) <= 100


def test_the_numbers_of_a_run_that_waits_stand_below_each_other(waiting: Sessions) -> None:
    result = waiting("--soak-iterations=10", "--soak-target=bot:make")
    lines = [line for line in result.out.splitlines() if "/10 " in line]
    assert [line[:8] for line in lines[7:]] == ["   8/10 ", "   9/10 ", "  10/10 "]


def test_a_run_that_does_not_wait_keeps_the_letters(soak: Sessions) -> None:
    soak.bot()
    result = soak(*ARGS)
    assert iteration_lines(result) == []
    assert "soak ....iiiii" in result.out


@pytest.mark.parametrize(
    ("args", "lines", "letters"),
    [
        (["-q"], 0, "....iiiii"),
        (["-qq"], 0, "....iiiii"),
        (["-v"], 4, ""),
        (["-vv"], 4, ""),
        (["-s"], 4, ""),
        (["--color=yes"], 4, ""),
        (["-p", "no:terminal"], 0, ""),
    ],
)
def test_the_options_of_pytest(
    waiting: Sessions, args: list[str], lines: int, letters: str
) -> None:
    result = waiting(*ARGS, *args)
    assert result.code == 0, result.out
    assert len(iteration_lines(result)) == lines
    assert letters in result.out


def test_several_lanes_with_workers(waiting: Sessions) -> None:
    pytest.importorskip("xdist")
    result = waiting(*ARGS, "--soak-seed=1,2", "-n", "2")
    assert result.code == 0, result.out
    lines = iteration_lines(result)
    for seed in (1, 2):
        own = [line for line in lines if line.startswith(f"  steady-BTCUSDT-{seed}: ")]
        assert [line.split()[1] for line in own] == ["1/4", "2/4", "3/4", "4/4"]
    assert len(lines) == 8
    assert "[100%]" in result.out


def test_a_failed_check_and_an_error_have_a_line_each(waiting: Sessions) -> None:
    waiting.pytester.makepyfile(
        test_a="def test_a(soak_iteration):\n    assert soak_iteration.number != 2, 'no\\x1b[2J'\n",
        raises="from bot import Bot\nclass B(Bot):\n  def run(self, i, r):\n"
        "    if i == 3: raise RuntimeError('boom \\x1b[2J')\n    return super().run(i, r)\n"
        "def make(lane): return B(lane)\n",
    )
    result = waiting("--soak-iterations=8", "--soak-target=raises:make")
    assert result.code == 1
    shown = [line for line in result.out.splitlines() if line.startswith("  ")][:5]
    assert [line.split()[0] for line in shown] == ["1/8", "FAILED", "2/8", "ERROR", "SKIPPED"]
    assert "test_a[steady-BTCUSDT-1/0002] - AssertionError: no\\x1b[2J" in shown[1]
    assert "iteration 3: the target raised: RuntimeError: " in shown[3]
    assert "lane steady-BTCUSDT-1: it halted at iteration 3" in shown[4]
    assert "\x1b" not in "".join(shown)
    assert max(map(len, shown)) <= 100


# -- the figure --------------------------------------------------------------------------------


def test_the_percentage_counts_iterations_and_ends_at_100(soak: Sessions) -> None:
    soak.bot(test_a="".join(f"def test_{n}(soak_iteration): pass\n" for n in "abc"))
    result = soak(*ARGS, "-v")
    figures = re.findall(r"test_([abc])\[.*/000([1-4])\] PASSED +\[ *([0-9]+)%\]", result.out)
    assert len(figures) == 12
    for check, number, percent in figures:
        over = int(number) - (check != "c")
        assert int(percent) == 25 * over
    gate = re.findall(r"gate\[.*\] .* \[ *([0-9]+)%\]", result.out)
    assert set(gate) == {"100"}


@pytest.mark.parametrize("workers", [(), ("-n", "2")])
def test_the_last_figure_is_100_also_with_workers(soak: Sessions, workers: tuple[str, ...]) -> None:
    if workers:
        pytest.importorskip("xdist")
    soak.bot(test_a="def test_a(soak_iteration): pass\ndef test_b(soak_iteration): pass\n")
    args = ("--soak-iterations=50", "--soak-target=bot:make", "--soak-seed=1,2", *workers)
    figures = re.findall(r"\[ *([0-9]+)%\]\n", soak(*args).out)
    assert len(figures) >= 3
    assert figures[-1] == "100"
    assert figures == sorted(figures, key=int)
    assert int(figures[0]) < 60


def test_counts_are_of_iterations_too(soak: Sessions) -> None:
    soak.bot(test_a="def test_a(soak_iteration): pass\ndef test_b(soak_iteration): pass\n")
    out = soak(*ARGS, "-o", "console_output_style=count").out
    assert "[4/4]" in out
    assert "%]" not in out
    assert "%]" not in soak(*ARGS, "-o", "console_output_style=classic").out


# -- on a terminal -----------------------------------------------------------------------------


def test_a_status_line_is_drawn_in_place_and_leaves_nothing(waiting: Sessions) -> None:
    session = OnTerminal(waiting, "--soak-iterations=4", "--soak-target=blocks:make")
    screen = session.until("iteration 3/4", times=20)  # by the beat: the iteration blocks
    assert screen.lines[-2] == "soak .."
    assert re.fullmatch(
        r"iteration 3/4 \| 2 PASS \| net 3\.5 \(>= 2\.7\) \| runs for \d+ s \| ETA \d+ s \(.*\)",
        screen.lines[-1],
    )
    (waiting.folder / "go").touch()
    lines = session.end()
    assert session.process.returncode == 0, lines
    assert not [line for line in lines if "iteration 3/4" in line or "ETA" in line]
    (letters,) = (line for line in lines if line.startswith("soak ...."))
    assert re.fullmatch(r"soak \.{4}i{5}\.+ +\[100%\]", letters)
    assert session.text.isascii()


def test_ctrl_c_ends_without_residue(waiting: Sessions) -> None:
    session = OnTerminal(waiting, "--soak-iterations=4", "--soak-target=blocks:make")
    session.until("iteration 3/4", times=3)
    session.process.send_signal(signal.SIGINT)
    lines = session.end()
    assert session.process.returncode == 2, lines
    assert not [line for line in lines if "iteration 3/4" in line]
    assert any("KeyboardInterrupt" in line for line in lines)
    is_judged(waiting.folder / "artifacts/soak/latest")


def test_what_a_test_prints_past_the_capture_keeps_its_place(waiting: Sessions) -> None:
    waiting.pytester.makepyfile(
        test_a="def test_a(soak_iteration, capsys):\n    print('captured')\n"
        "    with capsys.disabled():\n        print('<first\\nsecond>')\n",
    )
    session = OnTerminal(waiting, *ARGS)
    lines = session.end()
    assert session.process.returncode == 0, lines
    begin = next(index for index, line in enumerate(lines) if line.startswith("test_a.py"))
    assert lines[begin : begin + 4] == ["test_a.py <first", "second>", ".<first", "second>"]
    assert "captured" not in session.text
    assert "iteration" not in "\n".join(lines[begin:])


def test_captured_output_has_no_status_line(waiting: Sessions) -> None:
    waiting.pytester.makepyfile(
        test_a="def test_a(soak_iteration):\n    print('mine')\n    assert 0\n"
    )
    session = OnTerminal(waiting, "--soak-iterations=4", "--soak-target=blocks:make")
    session.until("iteration 3/4", times=20)
    (waiting.folder / "go").touch()
    lines = session.end()
    assert lines.count("mine") == 4
    assert not [line for line in lines if "iteration 3/4" in line]


def test_with_workers_on_a_terminal(waiting: Sessions) -> None:
    pytest.importorskip("xdist")
    args = ("--soak-iterations=4", "--soak-target=blocks:make", "--soak-seed=1,2,3")
    session = OnTerminal(waiting, *args, "-n", "2")
    screen = session.until("4/12 iterations, 0 of 3 lanes done | 4 PASS | net 3.5", times=3)
    assert screen.lines[-2] == "...."
    (waiting.folder / "go").touch()
    lines = session.end()
    assert session.process.returncode == 0, lines
    assert not [line for line in lines if "/12 iterations" in line]


@pytest.mark.parametrize(
    ("args", "environment", "shows"),
    [
        ((), {}, True),
        (("-v",), {}, True),
        ((), {"NO_COLOR": "1"}, True),
        (("-q",), {}, False),
        (("-s",), {}, False),
        (("--capture=sys",), {}, False),
        ((), {"CI": "1"}, False),
        ((), {"TERM": "dumb"}, False),
    ],
)
def test_when_there_is_a_status_line(
    waiting: Sessions, args: tuple[str, ...], environment: dict[str, str], *, shows: bool
) -> None:
    session = OnTerminal(waiting, *ARGS, *args, environment=environment)
    session.end()
    assert session.process.returncode == 0, session.text
    assert ("iteration 2/4 | " in session.text) is shows
    if "NO_COLOR" in environment:
        assert "\x1b[32m" not in session.text


def test_it_fits_a_narrow_terminal(waiting: Sessions) -> None:
    args = ("--soak-iterations=4", "--soak-target=blocks:make")
    session = OnTerminal(waiting, *args, width=60)
    screen = session.until("iteration 3/4", times=3)
    assert screen.lines[-1].startswith("iteration 3/4 | 2 PASS | runs for ")
    assert "net" not in screen.lines[-1]
    (waiting.folder / "go").touch()
    session.end()
    assert session.process.returncode == 0


def test_a_debugger_has_the_terminal_for_itself(waiting: Sessions) -> None:
    waiting.pytester.makepyfile(
        test_a="def test_a(soak_iteration):\n    if soak_iteration.number == 2: breakpoint()\n",
    )
    session = OnTerminal(waiting, *ARGS)
    session.until("(Pdb) ")
    assert "iteration" not in session.screen.lines[-1]
    start = len(session.text)
    os.write(session.ours, b"c\n")
    session.end()
    assert session.process.returncode == 0, session.text
    assert "iteration 3/4" not in session.text[start:]
