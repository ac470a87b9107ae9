"""pytest-xdist: whole lanes on one worker each, and what becomes of the lane of a crashed one.

Registered only in a controller that distributes; this module imports xdist.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import Any

import pytest
from xdist.remote import Producer
from xdist.scheduler.loadscope import LoadScopeScheduling
from xdist.workermanage import WorkerController

from pytest_soak.session.items import slot_of_nodeid
from pytest_soak.session.plan import Plan
from pytest_soak.session.signals import END_INPUT
from pytest_soak.session.soak import SOURCES_INPUT, TROUBLE_OUTPUT
from pytest_soak.session.sources import Source

WORKER_INPUT = "soak"
_END_S = 12.0
"""A worker that is ended has so long: more than the deadline of a target's ``stop()``."""


class LaneScheduling(LoadScopeScheduling):
    """One lane is one unit of work: never split, never handed to a second worker."""

    def __init__(
        self,
        config: pytest.Config,
        log: Producer,
        lane_ids: Iterable[str],
        begin: Callable[[Sequence[str]], None],
    ) -> None:
        super().__init__(config, log)
        self._lane_ids = frozenset(lane_ids)
        self._begin = begin
        self.lost: dict[str, str] = {}
        """Lane to the item during which its worker died."""

    def _split_scope(self, nodeid: str) -> str:
        lane_id, _ = slot_of_nodeid(nodeid, self._lane_ids)
        return lane_id

    def schedule(self) -> None:
        """Make the run when all workers have collected the same items, then hand them out."""
        collections = list(self.registered_collections.values())
        if self.collection is None and all(ids == collections[0] for ids in collections):
            self._begin(collections[0])
        super().schedule()

    def remove_node(self, node: WorkerController) -> str | None:
        """Give up the lane that a dead worker was in, and hand on those it had not begun.

        The lane's journal holds what was acknowledged; a session resumes it, another worker does
        not: the target that died may have left the world in any state.
        """
        workload = self.assigned_work.pop(node)
        crashed: str | None = None
        for lane_id, unit in workload.items():
            item = next((item for item, over in unit.items() if not over), None)
            if item is None:
                continue
            if crashed is None:
                crashed = self.lost[lane_id] = item
            else:
                self.workqueue[lane_id] = unit
        for other in self.assigned_work:
            self._reschedule(other)
        return crashed


class Distribution:
    """The controller's side: sends the plan to workers, and schedules lanes."""

    def __init__(
        self,
        plan: Plan,
        begin: Callable[[Sequence[str]], None],
        sources: Sequence[Source],
        meanwhile: Callable[[], None],
    ) -> None:
        """``meanwhile`` is called while the workers start."""
        self._meanwhile = meanwhile
        self._plan = plan
        self._sources = sources
        self._begin = begin
        self._scheduler: LaneScheduling | None = None
        self._nodes: list[Any] = []
        self._channels: list[Any] = []

    def pytest_configure_node(self, node: Any) -> None:
        self._nodes.append(node)
        # A signal for workers on other machines too; its end is the death of this process.
        channel = node.gateway.newchannel()
        self._channels.append(channel)
        node.workerinput[END_INPUT] = channel
        node.workerinput[WORKER_INPUT] = self._plan.as_data()
        node.workerinput[SOURCES_INPUT] = [source.as_data() for source in self._sources]

    def pytest_xdist_make_scheduler(self, config: pytest.Config, log: Producer) -> LaneScheduling:
        # The workers were started just now. Until they have collected, this process only waits.
        self._meanwhile()
        lane_ids = [item.lane.id for item in self._plan.lanes]
        self._scheduler = LaneScheduling(config, log, lane_ids, self._begin)
        return self._scheduler

    def end_workers(self, config: pytest.Config) -> None:
        """End the workers in good order; those that do not end in time are killed.

        Afterwards no worker writes any more. xdist alone waits 5 s before it interrupts them.
        """
        for channel in self._channels:
            with suppress(OSError):
                channel.send(True)  # noqa: FBT003 - any message
        ends = time.monotonic() + _END_S
        for node in self._nodes:
            if not _has_ended(node, ends - time.monotonic()):
                _kill(node)
        manager = getattr(config.pluginmanager.getplugin("dsession"), "nodemanager", None)
        if manager is not None:
            manager.teardown_nodes()

    @property
    def workers(self) -> int:
        """How many workers there are, and so how many lanes run at a time."""
        return len(self._nodes)

    @property
    def trouble(self) -> list[str]:
        """What went wrong when the workers stopped their lanes."""
        outputs = [getattr(node, "workeroutput", {}) for node in self._nodes]
        return [text for output in outputs for text in output.get(TROUBLE_OUTPUT, ())]

    @property
    def lost(self) -> dict[str, str]:
        """Lane to the item during which its worker died."""
        return dict(self._scheduler.lost) if self._scheduler else {}


def _has_ended(node: Any, timeout_s: float) -> bool:
    """Whether the session of a worker ends in time; its process ends with its connection."""
    try:
        node.channel.waitclose(timeout=max(0.0, timeout_s))
    except (node.channel.TimeoutError, AttributeError):
        return False
    except (OSError, EOFError, node.channel.RemoteError):
        return True
    return True


def _kill(node: Any) -> None:
    """Kill the process of a worker on this machine; execnet has no public name for it."""
    process = getattr(getattr(node.gateway, "_io", None), "popen", None)
    if isinstance(process, subprocess.Popen):
        process.kill()
