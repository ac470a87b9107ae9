"""How far the session is: iterations over and running, their durations, verdicts, and the ETA."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from pytest_soak.loop.model import Verdict
from pytest_soak.report.eta import LAST, eta_s
from pytest_soak.report.status_line import RunStatus
from pytest_soak.session.items import slot_of_nodeid
from pytest_soak.session.plan import Plan
from pytest_soak.session.waiting import is_paced

_KEPT: Final = LAST + 1
"""The ETA leaves the first of several durations out."""


def local_now() -> datetime:
    """The wall clock, in the time zone of the machine."""
    return datetime.now().astimezone()


@dataclass(frozen=True, slots=True)
class Clocks:
    """The clocks of what people are shown; no other time decides anything."""

    monotonic: Callable[[], float] = time.monotonic
    """Seconds of a clock that is never set."""
    now: Callable[[], datetime] = local_now


class Advance:
    """Follows the items of a session by their ids, in a plain session and with workers alike."""

    def __init__(
        self, plan: Plan, nodeids: Sequence[str], workers: int = 1, clocks: Clocks | None = None
    ) -> None:
        """``nodeids``: the items of this session in order; ``workers``: lanes run at a time."""
        self._clocks = clocks or Clocks()
        self._workers = max(1, workers)
        self._planned = plan.settings.iterations
        self._interval_s = plan.settings.interval_s if is_paced(plan) else None
        self._lanes = {item.lane.id: index for index, item in enumerate(plan.lanes, start=1)}
        self._done = {
            item.lane.id: self._planned if item.over else min(item.done, self._planned)
            for item in plan.lanes
        }
        slots = {nodeid: slot_of_nodeid(nodeid, self._lanes) for nodeid in nodeids}
        self._last = frozenset({slot: nodeid for nodeid, slot in slots.items()}.values())
        """The last item of each iteration, after which it is over."""
        self._passed: set[str] = set()
        self._running: dict[str, tuple[int, float]] = {}
        """Lane to the iteration that runs in it, and when it began."""
        self._durations: deque[float] = deque(maxlen=_KEPT)
        self._verdicts: Counter[Verdict] = Counter()
        self._kpi = ""

    # -- events --------------------------------------------------------------------------------

    def start(self, nodeid: str) -> None:
        """An item begins."""
        slot = self._slot(nodeid)
        if slot is None:
            return
        lane, number = slot
        if self._running.get(lane, (0, 0.0))[0] != number:
            self._running[lane] = (number, self._clocks.monotonic())

    def report(
        self, nodeid: str, when: str | None, outcome: str, progress: Mapping[str, Any] | None
    ) -> None:
        """A phase of an item is over, as its report says."""
        if nodeid not in self._last:
            return
        if when == "call" or outcome != "passed":
            self._passed.add(nodeid)
        slot = self._slot(nodeid)
        if when == "teardown" and slot is not None:
            self._end(*slot, progress)

    def _end(self, lane: str, number: int, progress: Mapping[str, Any] | None) -> None:
        began = self._running.pop(lane, (number, None))[1]
        self._done[lane] = max(number, self._done[lane])
        if progress is None:
            return  # skipped, because its lane halted before
        self._verdicts[Verdict(progress["verdict"])] += 1
        self._kpi = progress.get("kpi") or self._kpi
        if began is not None:
            self._durations.append(self._clocks.monotonic() - began)

    # -- figures -------------------------------------------------------------------------------

    @property
    def passed(self) -> int:
        """Iterations of this session that are over, or were skipped, up to their last check."""
        return len(self._passed)

    @property
    def planned(self) -> int:
        """Iterations of this session, in all lanes."""
        return len(self._last)

    @property
    def eta_s(self) -> float | None:
        """Seconds until the end of all lanes, or None before the first iteration is over."""
        left = [self._planned - done for done in self._done.values()]
        # Lanes that run at the same time: the longest lane, or the share of each worker.
        waves = max(max(left, default=0), -(-sum(left) // self._workers))
        durations = list(self._durations)
        if len(durations) < 2 and self._interval_s is not None:
            durations = [self._interval_s]  # the first one also has the start of the target in it
        whole = eta_s(0, waves, durations)
        if whole is None or not waves:
            return whole
        running_s = self._running_s()
        return whole - min(running_s or 0.0, whole / waves)

    def status(self) -> RunStatus:
        """All of it at this moment."""
        running = [(lane, number) for lane, (number, _) in self._running.items()]
        left_s = self.eta_s
        return RunStatus(
            done=sum(self._done.values()),
            planned=self._planned * len(self._done),
            lanes=len(self._done),
            lanes_done=sum(done >= self._planned for done in self._done.values()),
            running=tuple(running),
            lane_index=self._lanes[running[0][0]] if running else 0,
            verdicts=dict(self._verdicts),
            kpi=self._kpi,
            running_s=self._running_s(),
            interval_s=self._interval_s,
            eta_s=left_s,
            end="" if left_s is None else end_text(self._clocks.now(), left_s),
        )

    def _running_s(self) -> float | None:
        """How long the iteration runs that began first."""
        began = [began for _, began in self._running.values()]
        return self._clocks.monotonic() - min(began) if began else None

    def lane_of(self, nodeid: str) -> str:
        """The lane of an item; empty for an item of no lane."""
        slot = self._slot(nodeid)
        return slot[0] if slot else ""

    def _slot(self, nodeid: str) -> tuple[str, int] | None:
        try:
            return slot_of_nodeid(nodeid, self._lanes)
        except ValueError:
            return None


def end_text(now: datetime, seconds: float) -> str:
    """The time of day ``seconds`` after ``now``, with the date where that is another day."""
    try:
        end = now + timedelta(seconds=seconds)
    except OverflowError:
        return ""
    return f"{end:%H:%M}" if end.date() == now.date() else f"{end:%Y-%m-%d %H:%M}"
