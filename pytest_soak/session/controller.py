"""The soak of the whole session: header, gate, artifacts, summary. Not on xdist workers."""

from __future__ import annotations

import traceback
from collections.abc import Generator, Mapping
from typing import Any

import pytest

from pytest_soak.session import terminal
from pytest_soak.session.gate_reports import gate_reports, status_of_gate, trouble_report
from pytest_soak.session.judging import Judged, judge_and_write
from pytest_soak.session.plan import Plan
from pytest_soak.session.progress import carried
from pytest_soak.session.runs import collect_only_plan, make_plan
from pytest_soak.session.soak import Soak
from pytest_soak.settings import Settings
from pytest_soak.store.errors import StoreError
from pytest_soak.store.lock import DirectoryLock
from pytest_soak.stored import StoredReference

_LISTING = (
    *("collectonly", "showfixtures", "show_fixtures_per_test"),
    *("setupplan", "setuponly", "cacheshow", "markers"),
)


class Controller:
    """Made in ``pytest_configure``; the run itself is made in ``pytest_sessionstart``."""

    def __init__(self, config: pytest.Config, settings: Settings) -> None:
        self._config = config
        self._settings = settings
        self._plan: Plan | None = None
        self._lock: DirectoryLock | None = None
        self._soak: Soak | None = None
        self._distribution: Any = None
        self._judged: Judged | None = None
        self._fresh_targets: dict[str, int] = {}
        self._references: Mapping[str, StoredReference] = {}
        # A session that only shows something must not begin a run and retire the newest one.
        self._only_lists = any(config.getoption(name, False) for name in _LISTING)

    # -- before --------------------------------------------------------------------------------

    def pytest_sessionstart(self) -> None:
        manager = self._config.pluginmanager
        if self._only_lists:
            self._plan = collect_only_plan(self._settings)
        else:
            answers = bool(self._config.hook.pytest_soak_target.get_hookimpls())
            self._plan, self._lock, self._references = make_plan(self._settings, answers)
        if manager.hasplugin("dsession"):
            from pytest_soak.session.distributed import Distribution

            self._distribution = Distribution(self._plan)
            manager.register(self._distribution, "soak-distribution")
        else:
            self._soak = Soak(self._config, self._plan)
            manager.register(self._soak, "soak-session")

    def pytest_report_header(self) -> list[str]:
        return terminal.header(self._plan) if self._plan else []

    # -- during --------------------------------------------------------------------------------

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        progress = carried(report)
        if progress and progress["fresh_from"]:
            self._fresh_targets[progress["lane"]] = progress["fresh_from"]
        if progress and progress["line"]:
            several = self._plan is not None and len(self._plan.lanes) > 1
            lane = f"{progress['lane']}: " if several else ""
            terminal.iteration(self._config, lane + progress["line"].lstrip())

    @pytest.hookimpl(tryfirst=True)
    def pytest_report_teststatus(
        self, report: pytest.CollectReport | pytest.TestReport
    ) -> tuple[str, str, Any] | None:
        if not isinstance(report, pytest.TestReport):
            return None
        return status_of_gate(report) or terminal.status_of_item(report)

    # -- after ---------------------------------------------------------------------------------

    # Innermost, so that the reporter prints its final progress after the gate.
    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_runtestloop(self, session: pytest.Session) -> Generator[None, object, object]:
        promised = 0
        if self._plan and self._soak and not self._only_lists:
            # The gate's reports count in the progress figure, which would end before they come.
            promised = sum(item.criteria for item in self._plan.lanes)
            session.testscollected += promised
        ended = False
        try:
            result = yield
            ended = True
            return result
        finally:
            session.testscollected -= promised
            # In finally: the gate is due after Ctrl-C, -x and --maxfail as well.
            if self._plan and not self._only_lists:
                if self._distribution and not ended:
                    # Workers go on with their lanes otherwise, and the gate would judge a part.
                    self._distribution.end_workers(self._config)
                self._close(session, self._plan)

    def _close(self, session: pytest.Session, plan: Plan) -> None:
        try:
            trouble = self._soak.stop() if self._soak else []
            lost = self._distribution.lost if self._distribution else {}
            self._judged = judge_and_write(
                self._config, plan, lost, self._fresh_targets, self._references
            )
            reports = gate_reports(self._judged.run, plan.settings.strict)
            reports += [trouble_report(name, text) for name, text in self._judged.trouble]
            if trouble:
                reports.append(trouble_report("run/stop", "; ".join(trouble)))
        except StoreError as error:
            reports = [trouble_report("run/judged", f"the gate could not be judged: {error}")]
        except Exception as error:
            # A gate that could not be judged must not look like one that passed.
            text = "".join(traceback.format_exception(error))
            reports = [trouble_report("run/judged", f"the gate could not be judged\n{text}")]
        names = sorted({report.nodeid for report in reports})
        session.testscollected += len(names)
        for report in reports:
            hook = session.config.hook
            if report.when == "call":
                hook.pytest_runtest_logstart(nodeid=report.nodeid, location=report.location)
            hook.pytest_runtest_logreport(report=report)
            if report.when == "teardown":
                hook.pytest_runtest_logfinish(nodeid=report.nodeid, location=report.location)

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if self._plan and self._judged:
            terminal.summary(terminalreporter, self._plan, self._judged)

    def pytest_unconfigure(self) -> None:
        if self._soak:
            self._soak.stop()
        if self._lock:
            self._lock.release()
