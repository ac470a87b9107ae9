"""The soak of one process: registered as a plugin when a soak was asked for, never before."""

from __future__ import annotations

import os
import traceback
from collections.abc import Callable, Generator, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from pytest_soak.lane.files import StoredFiles
from pytest_soak.lane.hooks import HookMisused, Proposer, no_outcomes, proposer_of
from pytest_soak.lane.runner import LaneHalted, LaneRunner
from pytest_soak.loop.model import Iteration
from pytest_soak.masking import masker_of
from pytest_soak.profile.parameters import nest, tuner_copies
from pytest_soak.protocol import Lane, Target
from pytest_soak.session import items as soak_items
from pytest_soak.session import selection
from pytest_soak.session.checks import RuntimeView, SoakIteration
from pytest_soak.session.items import Slot, slot_of
from pytest_soak.session.plan import Plan
from pytest_soak.session.reports import ItemProgress, progress_of
from pytest_soak.session.selection import SoakRefusal
from pytest_soak.session.sources import Source, from_data, problem_of, sources_of
from pytest_soak.session.targets import factory_of
from pytest_soak.store.errors import StoreError

SOURCES_INPUT = "soak_sources"
"""A worker receives under this name what its controller has loaded."""
SOURCES_ATTRIBUTE = "soak_sources"
"""A worker's first report of an item carries what it has loaded, for the controller."""
_PROGRESS = pytest.StashKey[ItemProgress]()


class LaneUnusable(Exception):  # noqa: N818 - told to the user as the reason of an error
    """A lane's journal or runtime file cannot be used."""


class OutOfTurn(Exception):  # noqa: N818 - told to the user as the reason of an error
    """An item came up whose iteration is not the lane's next one."""


class Soak:
    """Runs the lanes of this process, item by item.

    Lives in the controller of a plain session and in every xdist worker. The cursor of a lane is
    its journal: ``runner.state.done + 1`` is the next iteration, whoever asks.
    """

    def __init__(self, config: pytest.Config, plan: Plan) -> None:
        self.config = config
        self.plan = plan
        self._runners: dict[str, LaneRunner] = {}
        self._broken: dict[str, str] = {}
        self._last: frozenset[str] = frozenset()
        self._recorded: dict[str, Any] = {}
        self._failed: list[str] = []
        self._current: tuple[str, int] | None = None
        self._mask = masker_of(plan.settings.mask, os.environ)
        self._of_controller: tuple[Source, ...] | None = None
        if (received := getattr(config, "workerinput", None)) is not None:
            self._of_controller = from_data(received.get(SOURCES_INPUT, ()))
        self._to_report: tuple[Source, ...] = ()

    # -- collection ----------------------------------------------------------------------------

    # First, so that the slot comes first among an item's parameters, whatever those of the user.
    @pytest.hookimpl(tryfirst=True)
    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        soak_items.generate(metafunc, self.plan)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_collection_modifyitems(
        self, session: pytest.Session, items: list[pytest.Item]
    ) -> Generator[None, None, None]:
        try:
            refuse_rerun_markers(items)
            outsiders = soak_items.take_part(session, items, self.plan)
            self._check_sources()
        except pytest.UsageError as error:
            if hasattr(self.config, "workerinput"):
                selection.send(self.config, SoakRefusal(str(error)))
            raise
        selection.warn(self.config, outsiders)
        yield
        soak_items.drop_outsiders(session, items)
        items[:] = soak_items.in_order(items)
        self._last = soak_items.last_items(items)
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
        except BaseException:
            if slot and self._current:
                self._failed.append(_check_name(item))
            raise
        finally:
            if slot and self._current == (slot.lane_id, slot.number):
                self._end(item, slot)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        report = yield
        if call.excinfo is not None and isinstance(call.excinfo.value, _TOLD):
            report.longrepr = told(call.excinfo.value)
        if self._to_report:
            setattr(report, SOURCES_ATTRIBUTE, [source.as_data() for source in self._to_report])
            self._to_report = ()
        progress = item.stash.get(_PROGRESS, None)
        if progress:
            if report.failed and call.when != "teardown":
                self._failed.append(_check_name(item))
            progress.attach(report)
        return report

    def _begin(self, item: pytest.Item, slot: Slot) -> None:
        if not self.plan.run_id:
            return  # a session that only lists, such as --setup-plan
        runner = self._runner(slot.lane_id)
        halt = runner.halt
        if halt:
            kind = "its data ended" if halt.kind == "end_of_data" else "it halted"
            pytest.skip(f"lane {slot.lane_id}: {kind} at iteration {halt.iteration}: {halt.text}")
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
                pytest.skip(f"lane {slot.lane_id}: its data ended: {halted}")
            self._end_lane(slot)
            raise
        self._current = (slot.lane_id, slot.number)
        progress = self._progress(runner, iteration)
        item.stash[_PROGRESS] = progress
        if self.config.getoption("xmlpath", None):
            item.user_properties.extend(progress.properties())

    def _end(self, item: pytest.Item, slot: Slot) -> None:
        """After the last check of an iteration: decide and apply; after the last one: stop."""
        if item.nodeid not in self._last:
            return
        self._current = None
        runner = self._runner(slot.lane_id)
        try:
            iteration = runner.decide(self._recorded, tuple(dict.fromkeys(self._failed)))
            item.stash[_PROGRESS] = self._progress(runner, iteration)
            hook = self.config.hook.pytest_soak_iteration
            if hook.get_hookimpls():
                with no_outcomes("pytest_soak_iteration"):
                    # A copy: the lane still reads from what it has.
                    hook(lane=runner.lane, iteration=deepcopy(iteration))
        finally:
            self._end_lane(slot)

    def _progress(self, runner: LaneRunner, iteration: Iteration) -> ItemProgress:
        named = len(self.plan.lanes) > 1
        return progress_of(runner.lane, iteration, runner.fresh_from, named=named)

    def _end_lane(self, slot: Slot) -> None:
        runner = self._runner(slot.lane_id)
        if runner.halt or runner.state.done >= self.plan.settings.iterations:
            runner.stop()

    def _runner(self, lane_id: str) -> LaneRunner:
        """The lane's runner; a lane that cannot be opened is not tried again for every item."""
        if lane_id in self._broken:
            pytest.skip(f"lane {lane_id} could not be opened: {self._broken[lane_id]}")
        try:
            return self._opened(lane_id)
        except (StoreError, ValueError) as error:
            self._broken[lane_id] = str(error)
            raise LaneUnusable(f"lane {lane_id} cannot be opened: {error}") from None

    def _opened(self, lane_id: str) -> LaneRunner:
        runner = self._runners.get(lane_id)
        if runner is None:
            planned = self.plan.lane(lane_id)
            runner = LaneRunner(
                planned.lane,
                StoredFiles(planned.directory),
                self._factory(),
                timeout_s=self.plan.settings.timeout_s,
                proposer=self._proposer(),
                passing=(pytest.exit.Exception,),
                mask=self._mask,
            )
            self._runners[lane_id] = runner
        return runner

    def _factory(self) -> Callable[[Lane], Target]:
        settings = self.plan.settings
        if settings.target is None:
            return self._ask_conftest
        return factory_of(settings.target, settings.target_folder)

    def _ask_conftest(self, lane: Lane) -> Target:
        target: Target | None = self.config.hook.pytest_soak_target(lane=lane)
        if target is None:
            raise LookupError(
                f"no hook pytest_soak_target(lane) made a target for lane {lane.id!r}; "
                "give --soak-target or --soak-mock, or answer the hook in conftest.py"
            )
        return target

    def _proposer(self) -> Proposer | None:
        """The user's proposer, or None (the common case) where no conftest has one."""
        hook = self.config.hook.pytest_soak_propose
        return proposer_of(hook) if hook.get_hookimpls() else None

    def stop(self) -> list[str]:
        """Stop every lane that this process still has open; what went wrong with each."""
        trouble = []
        for lane_id, runner in self._runners.items():
            try:
                runner.stop()
            except Exception as error:
                trouble.append(f"lane {lane_id}: {error}")
        return trouble

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


_TOLD = (LaneHalted, LaneUnusable, OutOfTurn, HookMisused)
"""Errors that are told in their own words, without the way through this package."""


def told(error: BaseException) -> str:
    """The error for people: its text, and the way through the target's own code that led to it."""
    cause = error.__cause__
    if cause is None:
        return str(error)
    own = str(Path(__file__).parents[1])
    frames = [
        frame
        for frame in traceback.extract_tb(cause.__traceback__)
        if not frame.filename.startswith(own) or "targets" in Path(frame.filename).parts
    ]
    lines = traceback.format_list(frames) + traceback.format_exception_only(cause)
    return f"{error}\n\n{''.join(lines)}".rstrip()


def _check_name(item: pytest.Item) -> str:
    """The check without the iteration: ``test_bot.py::test_edge``."""
    return item.nodeid.partition("[")[0]


def refuse_rerun_markers(items: Sequence[pytest.Item]) -> None:
    """A marker that runs an item again would run an iteration on changed state."""
    for item in items:
        if not slot_of(item):
            continue
        for name in ("flaky", "repeat"):
            if item.get_closest_marker(name):
                raise pytest.UsageError(
                    f"soak: {_check_name(item)}: the marker {name!r} would run an iteration "
                    "again on changed state; take it off the check"
                )
