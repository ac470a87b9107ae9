"""The soak of one process: registered as a plugin only when a soak is on."""

from __future__ import annotations

import os
from collections.abc import Generator, Mapping
from copy import deepcopy
from typing import Any

import pytest

from pytest_soak.canonical import escaped, escaped_lines
from pytest_soak.lane.driver import TargetFailed
from pytest_soak.lane.files import StoredFiles
from pytest_soak.lane.hooks import HookMisused, HookRaised, Proposer, no_outcomes, proposer_of
from pytest_soak.lane.runner import LaneHalted, LaneRunner
from pytest_soak.lane.watchdog import Watchdog
from pytest_soak.loop.model import Iteration
from pytest_soak.masking import masker_of
from pytest_soak.profile.parameters import nest, tuner_copies
from pytest_soak.protocol import Lane, Target
from pytest_soak.session.checks import RuntimeView, SoakIteration
from pytest_soak.session.factories import maker_of
from pytest_soak.session.items import (
    CHECK_FIXTURE,
    Slot,
    check_name,
    drop_outsiders,
    generate,
    in_order,
    last_items,
    needs_no_request,
    refuse_rerun_markers,
    slot_of,
    take_part,
)
from pytest_soak.session.left_threads import end_without, is_pytests_own
from pytest_soak.session.plan import LanePlan, Plan
from pytest_soak.session.progress import (
    ItemProgress,
    attach_halt,
    main_kpi,
    notes_of,
    progress_line,
    properties_of,
)
from pytest_soak.session.refusals import clean_refusals
from pytest_soak.session.reports import error_text
from pytest_soak.session.selection import SoakRefusal, send, warn
from pytest_soak.session.sources import Source, from_data, problem_of, sources_of
from pytest_soak.session.waiting import Waiting
from pytest_soak.store.errors import StoreError
from pytest_soak.store.journal import JournalRead
from pytest_soak.store.rundir import refuse_other_run

SOURCES_INPUT = "soak_sources"
"""A worker receives under this name what its controller has loaded."""
SOURCES_ATTRIBUTE = "soak_sources"
"""A worker's first report of an item carries what it has loaded, for the controller."""
TROUBLE_OUTPUT = "soak_trouble"
"""A worker sends under this name what went wrong when it stopped its lanes."""


class LaneUnusable(Exception):  # noqa: N818 - the reason of an error that the user sees
    """A lane's journal or runtime file cannot be used."""


class OutOfTurn(Exception):  # noqa: N818 - the reason of an error that the user sees
    """An item came up whose iteration is not the lane's next one."""


class Soak:
    """Runs the lanes of this process, item by item.

    Lives in the controller of a plain session and in every xdist worker. The cursor of a lane is
    its journal: ``runner.state.done + 1`` is always the next iteration.
    """

    def __init__(
        self, config: pytest.Config, plan: Plan, journals: Mapping[str, JournalRead] | None = None
    ) -> None:
        """``journals`` are those of a stored run, as far as they were read already."""
        self.config = config
        self.plan = plan
        self._journals = journals or {}
        self._runners: dict[str, LaneRunner] = {}
        self._broken: dict[str, str] = {}
        self._last: frozenset[str] = frozenset()
        self._recorded: dict[str, Any] = {}
        self._failed: list[str] = []
        self._current: tuple[str, int] | None = None
        self._newest: tuple[pytest.Item | None, ItemProgress | None] = None, None
        self._trouble: list[str] = []
        self._waiting = Waiting(plan)
        self._session: pytest.Session | None = None
        # While an item runs, its standard error is captured.
        self._stderr = _copy_of_stderr()
        self._watchdog = Watchdog(self._stderr)
        self._mask = masker_of(plan.settings.mask, os.environ)
        self._writes_junit = bool(config.getoption("xmlpath", None))
        self._of_controller: tuple[Source, ...] | None = None
        if (received := getattr(config, "workerinput", None)) is not None:
            self._of_controller = from_data(received.get(SOURCES_INPUT, ()))
        self._to_report: tuple[Source, ...] = ()

    # -- collection ----------------------------------------------------------------------------

    # First, so that the slot comes first among an item's parameters, whatever those of the user.
    @pytest.hookimpl(tryfirst=True)
    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        generate(metafunc, self.plan)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_collection_modifyitems(
        self, session: pytest.Session, items: list[pytest.Item]
    ) -> Generator[None, None, None]:
        try:
            refuse_rerun_markers(items)
            with clean_refusals(self._mask):
                outsiders = take_part(session, items, self.plan)
                self._check_sources()
        except pytest.UsageError as error:
            if hasattr(self.config, "workerinput"):
                send(self.config, SoakRefusal(str(error)))
            raise
        warn(self.config, outsiders)
        yield
        drop_outsiders(session, items)
        items[:] = in_order(items)
        self._last = last_items(items)
        slots = [slot for slot in map(slot_of, items) if slot]
        self.plan = self.plan.only({slot.lane_id for slot in slots})

    def _check_sources(self) -> None:
        """In a worker: refuse what the controller cannot see, and prepare it for a report."""
        if self._of_controller is None:
            return
        sources = sources_of(self.config, self.plan.settings)
        problem = problem_of(sources, self.plan.settings, self._of_controller)
        if problem:
            raise pytest.UsageError(problem)
        self._to_report = sources

    # -- one item ------------------------------------------------------------------------------

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        slot = slot_of(item)
        if slot:
            self._begin(item, slot)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_teardown(self, item: pytest.Item) -> Generator[None, None, None]:
        slot = slot_of(item)
        try:
            yield
        except _ENDS:
            # The end of the session is no failed check. A resumed session decides the iteration.
            self._current = None
            raise
        except BaseException:
            if slot and self._current:
                self._failed.append(check_name(item))
            raise
        finally:
            if slot and self._current == (slot.lane_id, slot.number):
                self._end(item, slot)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        report = yield
        if call.excinfo is not None and isinstance(call.excinfo.value, LaneHalted):
            slot = slot_of(item)
            if slot and not call.excinfo.value.in_journal:
                attach_halt(report, slot.lane_id, call.excinfo.value.halt)
        if call.excinfo is not None and isinstance(call.excinfo.value, _OWN_ERRORS):
            report.longrepr = escaped_lines(error_text(call.excinfo.value, self._mask))
        if self._to_report:
            setattr(report, SOURCES_ATTRIBUTE, [source.as_data() for source in self._to_report])
            self._to_report = ()
        # Not in the item's stash, which pytest keeps for every item until the session ends.
        of_item, progress = self._newest
        if of_item is item and progress:
            if report.failed and call.when != "teardown":
                self._failed.append(check_name(item))
            progress.attach(report)
        return report

    def _begin(self, item: pytest.Item, slot: Slot) -> None:
        if not self.plan.run_id:
            return  # a session that only lists, such as --setup-plan and --setup-only
        runner = self._runner(slot.lane_id)
        halt = runner.halt
        if halt:
            kind = "its data ended" if halt.kind == "end_of_data" else "it halted"
            text = f"lane {slot.lane_id}: {kind} at iteration {halt.iteration}: {halt.text}"
            pytest.skip(escaped(text))
        expected = runner.state.done + 1
        if slot.number != expected:
            raise OutOfTurn(
                f"iteration {slot.number} of lane {slot.lane_id} is not the next one: that is "
                f"{expected}. Every iteration builds on the one before; a plugin left items out "
                "after the collection, or changed their order"
            )
        if self._current != (slot.lane_id, slot.number):
            self._recorded, self._failed = {}, []
        try:
            iteration = runner.observe(slot.number)
        except LaneHalted as halted:
            if halted.halt.kind == "end_of_data":
                self._end_lane(slot)
                pytest.skip(escaped(f"lane {slot.lane_id}: its data ended: {halted}"))
            self._end_halted(slot)
            raise
        self._current = (slot.lane_id, slot.number)
        self._newest = item, self._progress(runner, iteration)
        if needs_no_request(item):
            arguments = getattr(item, "funcargs", {})
            arguments[CHECK_FIXTURE] = self.iteration(item)
        if self._writes_junit:
            item.user_properties.extend(properties_of(runner.lane, iteration))

    def _end(self, item: pytest.Item, slot: Slot) -> None:
        """After the last check of an iteration: decide and apply; after the last one: stop."""
        if item.nodeid not in self._last:
            return
        self._current = None
        runner = self._runner(slot.lane_id)
        try:
            iteration = runner.decide(self._recorded, tuple(dict.fromkeys(self._failed)))
            self._newest = item, self._progress(runner, iteration)
            hook = self.config.hook.pytest_soak_iteration
            if hook.get_hookimpls():
                self._notify(runner.lane, iteration)
        except BaseException:
            self._end_halted(slot)
            raise
        self._end_lane(slot)

    def _notify(self, lane: Lane, iteration: Iteration) -> None:
        """Call ``pytest_soak_iteration``. What it raises is shown with its secrets masked."""
        name = "pytest_soak_iteration"
        try:
            with no_outcomes(name):
                # A copy: the lane still reads from what it has.
                self.config.hook.pytest_soak_iteration(lane=lane, iteration=deepcopy(iteration))
        except (HookMisused, *_ENDS):
            raise
        except Exception as error:
            raise HookRaised(f"{name} raised {type(error).__name__}: {error}") from error

    def _progress(self, runner: LaneRunner, iteration: Iteration) -> ItemProgress:
        lane, profile = runner.lane, runner.state.profile
        waits = self._waiting.is_waiting(runner.run_s)
        line = kpi = ""
        name = lane.id if len(self.plan.lanes) > 1 else ""
        if iteration.decision and (waits or self.config.get_verbosity() > 0):
            line = progress_line(iteration, profile, name, lane.iterations if waits else 0)
            kpi = main_kpi(iteration, profile, mock=self.plan.settings.mock) if waits else ""
        verdict, first = iteration.verdict.value, runner.state.memory.measured
        notes = notes_of(iteration, profile, first, name) if iteration.decision else ()
        return ItemProgress(lane.id, verdict, line, waits, kpi, runner.fresh_from, notes)

    def _end_lane(self, slot: Slot) -> None:
        """Stop the lane if it is over. Raises TargetFailed and StoreError."""
        runner = self._runner(slot.lane_id)
        if runner.halt or runner.state.done >= self.plan.settings.iterations:
            runner.stop()

    def _end_halted(self, slot: Slot) -> None:
        """The same while an exception is raised, which says more than an error of the stop."""
        try:
            self._end_lane(slot)
        except (TargetFailed, StoreError) as error:
            self._trouble.append(self._trouble_text(slot.lane_id, error))

    def _runner(self, lane_id: str) -> LaneRunner:
        """The lane's runner; a lane that cannot be opened is not tried again for every item."""
        if not self.plan.run_id:
            pytest.skip("soak: a session that only shows its fixtures runs no iteration")
        if lane_id in self._broken:
            pytest.skip(escaped(f"lane {lane_id} could not be opened: {self._broken[lane_id]}"))
        try:
            return self._opened(lane_id)
        except (StoreError, ValueError) as error:
            self._broken[lane_id] = str(error)
            raise LaneUnusable(f"lane {lane_id} cannot be opened: {error}") from None

    def _opened(self, lane_id: str) -> LaneRunner:
        runner = self._runners.get(lane_id)
        if runner is None:
            planned = self.plan.lane(lane_id)
            files = self._opened_files(planned)
            maker = maker_of(self.config, self.plan, planned, files)
            self._mask = self._mask.hiding(maker.secrets)
            runner = LaneRunner(
                planned.lane,
                files,
                maker.make,
                timeout_s=maker.timeout_s,
                proposer=self._proposer(),
                passing=_ENDS,
                mask=self._mask,
                watchdog=self._watchdog,
            )
            self._runners[lane_id] = runner
        return runner

    def _opened_files(self, planned: LanePlan) -> StoredFiles:
        """The locked files of a lane. Raises StoreError if they are another run's.

        A worker whose controller was killed may come here when a new run has taken the directory.
        From now on the lock keeps another session from doing so.
        """
        files = StoredFiles(planned.directory, self._journals.get(planned.lane.id))
        try:
            refuse_other_run(self.plan.run_path, self.plan.run_id)
        except StoreError:
            files.release()
            raise
        return files

    def _proposer(self) -> Proposer | None:
        """The user's proposer, or None (the common case) where no conftest has one."""
        hook = self.config.hook.pytest_soak_propose
        return proposer_of(hook) if hook.get_hookimpls() else None

    def stop(self) -> list[str]:
        """Stop every lane that this process still has open; what went wrong with each."""
        for lane_id, runner in self._runners.items():
            try:
                runner.stop()
            except Exception as error:
                self._trouble.append(self._trouble_text(lane_id, error))
        trouble, self._trouble = self._trouble, []
        return trouble

    def _trouble_text(self, lane_id: str, error: Exception) -> str:
        return escaped(self._mask(f"lane {lane_id}: {error}"))

    # Before fixtures of the session are torn down, which a target may use.
    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        self._session = session
        output: dict[str, Any] | None = getattr(self.config, "workeroutput", None)
        if output is not None:
            output[TROUBLE_OUTPUT] = self.stop()

    def pytest_unconfigure(self) -> None:
        self.stop()
        self._watchdog.close()
        if self._stderr is not None:
            os.close(self._stderr)
        session = self._session
        if session is not None and (hasattr(self.config, "workerinput") or is_pytests_own()):
            threads = [thread for runner in self._runners.values() for thread in runner.threads]
            end_without(threads, lambda: int(session.exitstatus))
        self._runners, self._journals = {}, {}

    # -- what the fixtures give ----------------------------------------------------------------

    def lane(self, item: pytest.Item) -> Lane:
        return self.plan.lane(self._slot(item).lane_id).lane

    def target(self, item: pytest.Item) -> Target | None:
        return self._runner(self._slot(item).lane_id).target

    def runtime(self, item: pytest.Item) -> RuntimeView:
        state = self._runner(self._slot(item).lane_id).state
        profile = state.profile
        return RuntimeView(
            state.values, nest(state.values, profile.parameters, tuner_copies(profile))
        )

    def iteration(self, item: pytest.Item) -> SoakIteration:
        runner = self._runner(self._slot(item).lane_id)
        observed = runner.state.observed
        if observed is None:
            raise OutOfTurn(f"{item.nodeid}: its iteration was not observed")
        return SoakIteration(
            observed, self.runtime(item), runner.previous, self._recorded, runner.state.profile
        )

    def _slot(self, item: pytest.Item) -> Slot:
        slot = slot_of(item)
        if slot is None:
            raise OutOfTurn(
                f"{item.nodeid} takes no part in the soak: a test is run once per iteration only "
                "if soak_iteration is one of its arguments. request.getfixturevalue is not seen "
                "at collection, where the items are made"
            )
        return slot


_ENDS = (KeyboardInterrupt, pytest.exit.Exception)
_OWN_ERRORS = (
    LaneHalted,
    LaneUnusable,
    OutOfTurn,
    HookMisused,
    HookRaised,
    TargetFailed,
    StoreError,
)
"""Errors whose text says everything; the way through this package is not shown."""


def _copy_of_stderr() -> int | None:
    try:
        return os.dup(2)
    except OSError:  # the process has none
        return None
