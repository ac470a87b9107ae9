"""The soak of the whole session: header, gate, artifacts, summary. Not on xdist workers."""

from __future__ import annotations

import os
import traceback
import warnings
from collections.abc import Generator, Sequence
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any

import pytest

from pytest_soak.fingerprint import versions
from pytest_soak.loop.model import Halt
from pytest_soak.masking import masker_of
from pytest_soak.session import collector, terminal
from pytest_soak.session.advance import local_now
from pytest_soak.session.limit_places import LimitPlaces
from pytest_soak.session.output import ProgressOutput
from pytest_soak.session.plan import Plan
from pytest_soak.session.progress import carried, carried_halt
from pytest_soak.session.refusals import clean_refusals
from pytest_soak.session.reports import status_of_gate, trouble_report
from pytest_soak.session.runs import PreparedRun, collect_only_plan, prepare_run
from pytest_soak.session.selection import SoakRefusal, SoakWarning, refuse_part, selection_of
from pytest_soak.session.signals import EndSignals
from pytest_soak.session.soak import SOURCES_ATTRIBUTE, Soak
from pytest_soak.session.sources import Source, from_data, problem_of, sources_of
from pytest_soak.settings import Settings
from pytest_soak.store.errors import StoreError
from pytest_soak.store.rundir import refuse_other_run

if TYPE_CHECKING:
    from pytest_soak.session.judging import RunResult

_LISTING = (
    *("collectonly", "showfixtures", "show_fixtures_per_test"),
    *("setupplan", "setuponly", "cacheshow", "markers"),
)


def load_the_end() -> None:
    """Import what makes the run and what ends it, before its first iteration.

    A soak may take days, in which the package may be replaced: what ends it must be what began it.
    """
    for name in ("judging", "gate_reports", "summary"):
        import_module(f"pytest_soak.session.{name}")
    import_module("prometheus_client")
    versions()


class Controller:
    """Made in ``pytest_configure``.

    The run is prepared in ``pytest_sessionstart`` and made when the items are known, before the
    first of them: a session that ends earlier leaves no trace, and the newest run the newest.
    """

    def __init__(
        self,
        config: pytest.Config,
        settings: Settings,
        signals: EndSignals,
        output: ProgressOutput,
    ) -> None:
        self._config = config
        self._settings = settings
        self._signals = signals
        self._output = output
        self._plan: Plan | None = None
        self._prepared: PreparedRun | None = None
        self._begun = False
        self._warnings: list[str] = []
        self._soak: Soak | None = None
        self._distribution: Any = None
        self._judged: RunResult | None = None
        self._fresh_targets: dict[str, int] = {}
        self._refusal = ""
        self._failed_items: dict[str, set[str]] = {}
        self._halts: dict[str, Halt] = {}
        self._trouble: list[tuple[str, str]] = []
        """What went wrong outside of the judgement: the name of its report, and the text."""
        self._failing = False
        self._sources: tuple[Source, ...] = ()
        self._mask = masker_of(settings.mask, os.environ)

    # -- before --------------------------------------------------------------------------------

    def pytest_sessionstart(self, session: pytest.Session) -> None:
        manager = self._config.pluginmanager
        # A session that only shows something must not begin a run and retire the newest one.
        if any(self._config.getoption(name, default=False) for name in _LISTING):
            with clean_refusals(self._mask):
                self._plan = collect_only_plan(self._settings)
        else:
            with clean_refusals(self._mask), collector.paused():
                self._prepared = prepare_run(self._settings)
                self._plan = self._prepared.plan
                self._sources = sources_of(self._config, self._settings)
        if manager.hasplugin("dsession"):
            from pytest_soak.session.distributed import Distribution

            self._distribution = Distribution(
                self._plan, partial(self._begin, session), self._sources, load_the_end
            )
            manager.register(self._distribution, "soak-distribution")
        else:
            if self._prepared:
                load_the_end()
            journals = self._prepared.journals if self._prepared else {}
            self._soak = Soak(self._config, self._plan, journals)
            manager.register(self._soak, "soak-session")

    def pytest_report_header(self) -> list[str]:
        if self._plan is None:
            return []
        about: list[str] = []
        if self._prepared:
            from pytest_soak.session.profile_notes import profile_notes

            notes = profile_notes(self._settings.profiles, self._prepared.lanes)
            about = [*self._prepared.about_target, *notes]
        workers = len(self._config.getoption("tx", None) or ()) or 1
        now = None if self._prepared is None else local_now()
        return terminal.header(self._plan, about, self._sources, now, workers)

    def pytest_warning_recorded(self, warning_message: warnings.WarningMessage) -> None:
        warning = warning_message.message
        if isinstance(warning, SoakRefusal):
            self._refusal = str(warning)
        elif isinstance(warning, SoakWarning) and str(warning) not in self._warnings:
            self._warnings.append(str(warning))  # every worker sends it

    def _begin(self, session: pytest.Session, nodeids: Sequence[str]) -> None:
        with clean_refusals(self._mask):
            self._make_run(session, nodeids)

    def _make_run(self, session: pytest.Session, nodeids: Sequence[str]) -> None:
        """Make the run of the lanes that these items are of. Raises what keeps it from beginning.

        Called before the first item, in a plain session as in the controller of workers.
        """
        if self._prepared is None:
            return  # a session that only lists
        if self._refusal:
            raise pytest.UsageError(self._refusal)
        errors = session.testsfailed
        if errors and not self._config.getoption("continue_on_collection_errors"):
            # As pytest ends a plain session; xdist alone would run the items that are left.
            raise session.Interrupted(f"{errors} error{'s' * (errors > 1)} during collection")
        planned = self._prepared.plan
        if not nodeids and planned.has_items:
            return  # nothing is selected, which has pytest's own exit code
        shown, self._sources = self._sources, sources_of(self._config, self._settings)
        # With workers the controller does not see the conftests of sub-folders; they refuse.
        problem = problem_of(self._sources, self._settings) if self._distribution is None else ""
        if problem:
            raise pytest.UsageError(problem)
        selection = selection_of(nodeids, planned)
        refuse_part(selection, planned, self._config)
        self._warnings += self._prepared.changed_files(self._sources)
        command = ("pytest", *self._mask.arguments(self._config.invocation_params.args))
        self._plan = self._prepared.begin(selection.iterations, self._sources, command)
        self._begun = True
        new = [source for source in self._sources if source not in shown]
        terminal.begun(self._config, planned, self._plan, self._warnings, new)
        workers = self._distribution.workers if self._distribution else 1
        self._output.begin(self._plan, nodeids, workers)

    # -- during --------------------------------------------------------------------------------

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if sources := getattr(report, SOURCES_ATTRIBUTE, ()):
            self._add_sources(from_data(sources))
        progress = carried(report)
        if progress and "fresh_from" in progress:
            self._fresh_targets[progress["lane"]] = progress["fresh_from"]
        if halt := carried_halt(report):
            self._halts[halt[0]] = halt[1]
        if progress and report.failed:
            self._failed_items.setdefault(progress["lane"], set()).add(report.nodeid)

    def _add_sources(self, of_worker: Sequence[Source]) -> None:
        """Show and store what a worker found in conftests that only a collection loads."""
        new = tuple(source for source in of_worker if source not in self._sources)
        if new and self._plan and self._prepared:
            self._sources += new
            try:
                self._prepared.update(self._sources)
            except StoreError as error:
                self._trouble.append(("run/hooks", f"the file of a hook is not stored: {error}"))
            terminal.begun(self._config, self._plan, self._plan, (), new)

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
        if self._soak:
            self._begin(session, [item.nodeid for item in session.items])
        if self._plan and self._soak and self._begun:
            # pytest writes its figure behind the last report, and the gate's reports are the last.
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
            if self._begun:
                self._signals.begin_end()  # a closed terminal takes no output from here on
            self._output.end()
            if self._plan and self._begun:
                if self._distribution and not ended:
                    # Workers go on with their lanes otherwise, and the gate would judge a part.
                    self._distribution.end_workers(self._config)
                self._close(session, self._plan)

    def _close(self, session: pytest.Session, plan: Plan) -> None:
        from pytest_soak.session.gate_reports import gate_reports

        trouble = self._soak.stop() if self._soak else self._distribution.trouble
        try:
            refuse_other_run(plan.run_path, plan.run_id)
            with collector.paused():
                self._judged = self._judge(plan)
            reports = gate_reports(
                self._judged.run, self._limit_places(), strict=plan.settings.strict
            )
            reports += [
                trouble_report(name, self._mask(text)) for name, text in self._judged.trouble
            ]
        except StoreError as error:
            reports = [trouble_report("run/judged", f"the gate could not be judged: {error}")]
        except Exception as error:
            # A gate that could not be judged must not look like one that passed.
            text = "".join(traceback.format_exception(error))
            text = self._mask(f"the gate could not be judged\n{text}")
            reports = [trouble_report("run/judged", text)]
        if trouble:
            self._trouble.append(("run/stop", "; ".join(trouble)))
        reports += [trouble_report(name, text) for name, text in self._trouble]
        self._failing = any(report.failed for report in reports)
        names = sorted({report.nodeid for report in reports})
        session.testscollected += len(names)
        for report in reports:
            hook = session.config.hook
            if report.when == "call":
                hook.pytest_runtest_logstart(nodeid=report.nodeid, location=report.location)
            hook.pytest_runtest_logreport(report=report)
            if report.when == "teardown":
                hook.pytest_runtest_logfinish(nodeid=report.nodeid, location=report.location)

    def _limit_places(self) -> LimitPlaces:
        lanes = self._prepared.lanes if self._prepared else ()
        places = {item.lane.id: item.resolved.places for item in lanes}
        return LimitPlaces(self._config.rootpath, places)

    def _judge(self, plan: Plan) -> RunResult:
        from pytest_soak.session.judging import judge_and_write

        return judge_and_write(
            self._config,
            plan,
            self._distribution.lost if self._distribution else {},
            self._fresh_targets,
            self._prepared.references if self._prepared else {},
            self._prepared.journals if self._prepared else {},
            self._failed_items,
            self._halts,
            self._sources,
            self._mask,
        )

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        # pytest.exit(..., returncode=0) chose the exit code before the gate was judged.
        if self._failing and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if self._plan and self._judged:
            from pytest_soak.session.summary import summary

            summary(terminalreporter, self._plan, self._judged, self._warnings)

    def pytest_unconfigure(self) -> None:
        if self._prepared:
            self._prepared.lock.release()
        # pytest collects garbage next: a long history is a million objects to look at.
        self._prepared = self._judged = self._soak = None
