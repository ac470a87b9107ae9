"""A live target without processes and waiting: clock, writer and reader of the tests."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pytest_soak.json_types import converted
from pytest_soak.live.channels import ChannelFault, Delivery, Present
from pytest_soak.live.plan import LivePlan
from pytest_soak.live.sections import TargetSection
from pytest_soak.live.target import LiveTarget
from pytest_soak.profile.model import Profile
from pytest_soak.profile.resolve import resolve
from pytest_soak.protocol import Lane
from pytest_soak.store.sources import read_source

INTERVAL_S = 10.0


class FakeClock:
    """Sleeping passes the time at once, and runs what is due on the way."""

    def __init__(self) -> None:
        self.time = 1000.0
        self.due: list[tuple[float, Callable[[], None]]] = []

    def now(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        assert seconds > 0
        until = self.time + seconds
        for entry in sorted(self.due, key=lambda item: item[0]):
            if entry[0] <= until:
                self.due.remove(entry)
                self.time = max(self.time, entry[0])
                entry[1]()
        self.time = until

    def after(self, seconds: float, act: Callable[[], None]) -> None:
        self.due.append((self.time + seconds, act))


class Destination:
    """A writer that keeps what is delivered."""

    place = "destination"
    needs_process = False

    def __init__(self, folder: Path) -> None:
        self.destinations: tuple[str, ...] = (f"file:{folder}/destination",)
        self.delivered: list[Delivery] = []
        self.fault: ChannelFault | None = None
        self.on_delivery: Callable[[Delivery], None] = lambda delivery: None
        self.edited: dict[str, Any] = {}
        self.present_seq = 0
        self.restored = 0
        self.answer: Mapping[str, Any] | None = None

    def open(self) -> None:
        return None

    def present(self) -> Present | None:
        if not self.delivered:
            return Present(self.present_seq, {}) if self.present_seq else None
        newest = self.delivered[-1]
        return Present(newest.seq, {**newest.values, **self.edited})

    def deliver(self, delivery: Delivery) -> Mapping[str, Any] | None:
        if self.fault is not None:
            raise self.fault
        self.delivered.append(delivery)
        self.edited = {}
        self.on_delivery(delivery)
        return self.answer

    def restore(self) -> None:
        self.restored += 1


class Source:
    """A reader of what a test puts there."""

    place = "source"
    every_s: float | None = 1.0
    raw: bytes = b""

    def __init__(self, folder: Path) -> None:
        self.sources: tuple[str, ...] = (f"file:{folder}/source",)
        self.new: Mapping[str, Any] | ChannelFault | None = None
        self.ever = False
        self.polls = 0

    def put(self, report: Mapping[str, Any] | ChannelFault) -> None:
        self.new, self.ever = report, True

    def begin(self) -> None:
        self.new = None

    def poll(self) -> Mapping[str, Any] | None:
        self.polls += 1
        new, self.new = self.new, None
        if isinstance(new, ChannelFault):
            raise new
        return new

    def exists(self) -> bool:
        return self.ever


class Bench:
    """A live target of one lane with its clock, destination and source."""

    def __init__(
        self,
        folder: Path,
        *,
        iterations: int = 24,
        interval_s: float = INTERVAL_S,
        **section: Any,
    ) -> None:
        self.clock = FakeClock()
        self.destination = Destination(folder)
        self.source = Source(folder)
        self.profile: Profile = resolve("steady", read_source).profile
        self.folder = folder
        lane_dir = folder / "target"
        self.lane = Lane("l", "steady", "BTCUSDT", 1, interval_s, iterations, dir=lane_dir)
        fields = converted({"report": {"file": "x"}, **section}, TargetSection)
        self.plan = LivePlan(
            lane=self.lane,
            profile=self.profile,
            run_id="run-1",
            folder=lane_dir,
            root=folder,
            section=fields,
            settle_s=min(1.0, interval_s / 10),
            environment={},
            writer=self.destination,
            readers=tuple((report, self.source) for report in fields.reports),
            audit=None,
            processes=(),
            notify=None,
            fixed_ports=(),
        )
        self.target = LiveTarget(self.plan, self.clock)

    @property
    def runtime(self) -> dict[str, Any]:
        nested: dict[str, Any] = {}
        for parameter in self.profile.parameters.values():
            node = nested
            for step in parameter.path[:-1]:
                node = node.setdefault(step, {})
            node[parameter.path[-1]] = parameter.start
        return nested

    def start(self) -> None:
        self.target.start(self.runtime)

    def run(self, iteration: int) -> dict[str, Any]:
        return dict(self.target.run(iteration, self.runtime))

    def answers(self, *, after_s: float = 5.0, **fields: Any) -> None:
        """From now on each delivery has a report ``after_s`` seconds later."""

        def answer(delivery: Delivery) -> None:
            report = {
                "totals": {"net_bps": 3.0},
                "seq": delivery.seq * 10,
                "applied_seq": delivery.seq,
                "run_id": delivery.run_id,
                "from_unix": 0.0,
                "to_unix": after_s - 0.5,
                **fields,
            }
            kept = {key: value for key, value in report.items() if value is not None}
            self.clock.after(after_s, lambda: self.source.put(kept))

        self.destination.on_delivery = answer
