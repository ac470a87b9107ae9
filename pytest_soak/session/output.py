"""What the terminal shows while iterations run: pytest's letters, a line each, or a status line."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Generator, Mapping, Sequence
from enum import Enum
from typing import Any, Final

import pytest

from pytest_soak.canonical import escaped
from pytest_soak.report.eta import duration_text
from pytest_soak.report.layout import WIDTH, cut
from pytest_soak.report.status_line import status_text
from pytest_soak.session.advance import Advance, Clocks
from pytest_soak.session.plan import Plan
from pytest_soak.session.progress import carried
from pytest_soak.session.status_row import StatusRow, terminal_of
from pytest_soak.session.waiting import is_paced
from pytest_soak.store import names

_FIGURES: Final = {
    "progress": "percent",
    "progress-even-when-capture-no": "percent",
    "count": "count",
}
"""The styles of pytest's ``console_output_style`` that show how far a session is."""
_AT_MOST_EVERY_S: Final = 0.2
"""Events come closer together in a simulation; the status line is made anew that often."""
NOT_BEFORE_S = 1.0
"""A session that is shorter needs no status line."""
MOST_NOTES: Final = 4
"""So many lanes name the KPIs that they lack; the lanes of one profile lack the same ones."""
_CI: Final = ("CI", "BUILD_NUMBER")


class Style(Enum):
    """What shows the iterations of a run that waits."""

    LETTERS = "letters"
    LINES = "lines"
    STATUS = "status"


def style_of(
    verbosity: int, *, is_terminal: bool, captures: bool, environment: Mapping[str, str]
) -> Style:
    """The style of a session: a status line only where a person watches a terminal.

    ``captures``: pytest captures the descriptors too, so that nothing else writes to the terminal.
    """
    if verbosity < 0:
        return Style.LETTERS
    in_ci = any(environment.get(name) for name in _CI)
    dumb = environment.get("TERM", "") == "dumb" or sys.platform == "win32"
    return Style.STATUS if is_terminal and captures and not in_ci and not dumb else Style.LINES


class ProgressOutput:
    """A plugin of the controller: follows the items, and shows how far the session is."""

    def __init__(
        self,
        config: pytest.Config,
        clocks: Clocks | None = None,
        environment: Mapping[str, str] = os.environ,
    ) -> None:
        self._config = config
        self._clocks = clocks or Clocks()
        self._environment = environment
        self._lock = threading.RLock()
        self._advance: Advance | None = None
        self._style = Style.LETTERS
        self._row: StatusRow | None = None
        self._is_waiting = False
        self._shows_paths: bool | None = None
        self._began = self._drawn = 0.0
        self._several = False
        self._skipped: set[str] = set()
        self._noted = 0

    # -- begin and end -------------------------------------------------------------------------

    def begin(self, plan: Plan, nodeids: Sequence[str], workers: int = 1) -> None:
        """The run begins: its items are these."""
        reporter = self._reporter
        if reporter is None:
            return
        self._advance = Advance(plan, nodeids, workers, self._clocks)
        self._several = len(plan.lanes) > 1
        self._began = self._clocks.monotonic()
        stream = sys.stdout  # pytest captures nothing now
        terminal = terminal_of(stream) if reporter.isatty() else None
        self._style = style_of(
            self._config.get_verbosity(),
            is_terminal=terminal is not None,
            captures=self._config.getoption("capture", "no") == "fd",
            environment=self._environment,
        )
        self._count_iterations(reporter)
        self._is_waiting = is_paced(plan)
        self._hide_paths()
        if terminal is not None and self._style is Style.STATUS:
            self._row = StatusRow(stream, terminal, self._row_text)
            self._row.open()
        elif terminal is not None:
            terminal.close()

    def end(self) -> None:
        """The iterations are over: leave nothing behind, before the gate reports."""
        self._close_row()
        self._is_waiting = False
        self._hide_paths()

    def _close_row(self) -> None:
        if self._row is not None:
            self._row.close()
            self._row = None

    def _count_iterations(self, reporter: pytest.TerminalReporter) -> None:
        """Let pytest's figure at the end of a line count iterations, not items and criteria.

        pytest has no hook for it. A version without this method shows its own figure.
        """
        kind = _FIGURES.get(str(self._config.getini("console_output_style")))
        name = "_get_progress_information_message"
        if kind is not None and callable(getattr(reporter, name, None)):
            setattr(reporter, name, self.percent if kind == "percent" else self.count)

    def percent(self) -> str:
        """`` [ 42%]``, of the iterations of this session."""
        passed, planned = self._passed()
        return f" [{passed * 100 // planned if planned else 100:3d}%]"

    def count(self) -> str:
        """`` [10/24]``, of the iterations of this session."""
        passed, planned = self._passed()
        return f" [{passed:{len(str(planned))}d}/{planned}]"

    def _passed(self) -> tuple[int, int]:
        return (self._advance.passed, self._advance.planned) if self._advance else (0, 0)

    # -- events --------------------------------------------------------------------------------

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logstart(self, nodeid: str) -> None:
        if self._advance:
            with self._lock:
                self._advance.start(nodeid)
            self._draw()

    # Around the reporter: it writes the figure, and the line comes below what it writes.
    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> Generator[None, None, None]:
        progress = carried(report)
        if self._advance:
            with self._lock:
                self._advance.report(report.nodeid, report.when, report.outcome, progress)
            if progress is not None:
                self._is_waiting = bool(progress.get("waits"))
                self._hide_paths()
        yield
        if progress and "line" in progress and self._shows_lines:
            self._show_iteration(progress)
        elif self._replaces_letters and self._advance and not report.passed:
            self._show_failure(report, progress)
        if notes := (progress or {}).get("notes"):
            self._show_notes(notes)
        self._draw()

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_report_teststatus(
        self, report: pytest.CollectReport | pytest.TestReport
    ) -> Generator[None, Any, Any]:
        status = yield
        if status is None or not self._replaces_letters:
            return status
        category, _, word = status
        return category, "", word or " "

    def pytest_enter_pdb(self) -> None:
        """The user has the terminal, and from now on Ctrl-C opens the debugger again."""
        self._close_row()

    # -- what is shown -------------------------------------------------------------------------

    @property
    def _reporter(self) -> pytest.TerminalReporter | None:
        reporter: pytest.TerminalReporter | None
        reporter = self._config.pluginmanager.getplugin("terminalreporter")
        return reporter

    @property
    def _is_verbose(self) -> bool:
        return self._config.get_verbosity() > 0

    @property
    def _replaces_letters(self) -> bool:
        """A line for each iteration stands in place of pytest's letters."""
        return self._is_waiting and self._style is Style.LINES and not self._is_verbose

    @property
    def _shows_lines(self) -> bool:
        return self._is_verbose or self._replaces_letters

    def _hide_paths(self) -> None:
        """The path of a file stands before letters only. pytest-xdist switches it off as well."""
        reporter = self._reporter
        if reporter is None or self._is_verbose:
            return
        if self._replaces_letters:
            if self._shows_paths is None:
                self._shows_paths = reporter.showfspath
            reporter.showfspath = False
        elif self._shows_paths is not None:
            reporter.showfspath, self._shows_paths = self._shows_paths, None

    def _show_iteration(self, progress: Mapping[str, Any]) -> None:
        line = progress["line"].rstrip()
        waits = bool(progress.get("waits"))
        line = line if waits else line.lstrip()  # the numbers of a run that waits are aligned
        line = f"{progress['lane']}: {line}" if self._several else line
        left_s = self._advance.eta_s if self._advance and waits else None
        line += f" | ETA {duration_text(left_s)}" if left_s else ""
        self._write(f"  {line}")

    def _show_failure(self, report: pytest.TestReport, progress: Mapping[str, Any] | None) -> None:
        """A failed check or an error of the target, and once for each lane that it is over."""
        if not report.skipped:
            word = "FAILED" if report.when == "call" else "ERROR"
            self._write(cut(f"  {word} {report.nodeid}{_reason(report)}", WIDTH), red=True)
        elif progress is None:  # no check skipped itself: the lane halted, or its data ended
            lane = self._advance.lane_of(report.nodeid) if self._advance else ""
            if lane not in self._skipped:
                self._skipped.add(lane)
                self._write(cut(f"  SKIPPED the rest{_reason(report)}", WIDTH), yellow=True)

    def _show_notes(self, notes: Sequence[str]) -> None:
        """What the first measured iteration of a lane lacks; of many lanes the first ones only."""
        self._noted += 1
        if self._noted > MOST_NOTES + 1:
            return
        more = [f"soak: more lanes have KPIs without data; {names.AUDIT} lists them"]
        for note in notes if self._noted <= MOST_NOTES else more:
            self._write(note, yellow=True)

    def _write(self, line: str, **markup: bool) -> None:
        """Write one line below what is there. In a log of CI it is seen at once."""
        reporter = self._reporter
        if reporter is None:
            return
        reporter.ensure_newline()
        if self._config.get_terminal_writer().width_of_current_line:
            reporter.write("\n")  # letters without the path of a file before them
        if self._is_verbose:
            reporter.write(escaped(line), flush=True, **markup)
            # The reporter then begins the next item on a line of its own, without an empty one.
            reporter.currentfspath = -2
        else:
            reporter.write_line(escaped(line), **markup)
            reporter.flush()

    def _draw(self) -> None:
        now = self._clocks.monotonic()
        is_soon = now - self._drawn < _AT_MOST_EVERY_S
        if self._row is None or (is_soon and not self._is_waiting):
            return
        self._drawn = now
        self._row.draw()

    def _row_text(self, width: int) -> str:
        if self._advance is None or self._clocks.monotonic() - self._began < NOT_BEFORE_S:
            return ""
        with self._lock:
            status = self._advance.status()
        return status_text(status, width)


def _reason(report: pytest.TestReport) -> str:
    """The first line of why a report is not passed, behind a dash."""
    crash = getattr(report.longrepr, "reprcrash", None)
    if isinstance(report.longrepr, tuple):
        text = report.longrepr[2].removeprefix("Skipped: ")
    else:
        text = str(report.longrepr if crash is None else crash.message)
    first = text.strip().partition("\n")[0]
    return f" - {first}" if first else ""
