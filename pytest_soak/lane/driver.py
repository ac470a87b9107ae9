"""Drives one target: makes, starts, restores, runs and stops it, and names what it did wrong."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, TypeVar

from pytest_soak.canonical import canonical_json, scrubbed
from pytest_soak.lane.deadline import DeadlinePassed, call
from pytest_soak.profile.scenarios import Scheduled
from pytest_soak.protocol import (
    EndOfData,
    FastForwardTarget,
    Lane,
    Scenario,
    SnapshotTarget,
    Target,
)

T = TypeVar("T")
Kind = Literal["error", "timeout", "contract", "end_of_data"]


class TargetFailed(Exception):  # noqa: N818 - the runner makes a halt of it
    """The target cannot go on; ``__cause__`` is its own exception, if it raised one."""

    def __init__(self, kind: Kind, text: str) -> None:
        super().__init__(text)
        self.kind: Kind = kind


class TargetDriver:
    """The only one who calls the target. Whatever it raises comes out as TargetFailed.

    ``passing`` are exceptions that are not the target's to answer for: a person's Ctrl-C, the
    session's own end.
    """

    def __init__(
        self,
        lane: Lane,
        make_target: Callable[[Lane], Target],
        timeout_s: float | None,
        passing: tuple[type[BaseException], ...],
    ) -> None:
        self.target: Target | None = None
        self._lane = lane
        self._make_target = make_target
        self._timeout_s = timeout_s
        self._passing: tuple[type[BaseException], ...] = (TargetFailed, *passing)
        self._running = False
        """A call that a deadline or Ctrl-C left behind may still run on its thread."""

    def start(
        self,
        runtime: Mapping[str, Any],
        scenarios: Sequence[Scheduled],
        restore: Callable[[Target], None],
    ) -> None:
        """Make and start the target, then let ``restore`` bring it to where the lane is."""
        target = self._calling("making the target", lambda: self._make_target(self._lane))
        if not callable(getattr(target, "run", None)):
            raise TargetFailed(
                "contract", f"{described(target)} has no method run(iteration, runtime)"
            )
        self.target = target  # before start: what was started is stopped, whatever comes between
        if scenarios:
            self._calling("the scenarios", lambda: announce(target, scenarios))
        start = getattr(target, "start", None)
        if callable(start):
            self._calling("start() raised", lambda: start(runtime))
        self._calling("restoring the target", lambda: restore(target))

    def run(self, number: int, runtime: Mapping[str, Any]) -> Mapping[str, Any]:
        """The target's report of one iteration, a mapping with a mapping ``totals``."""
        target = self.target
        if target is None:
            raise AssertionError("the target was not started")
        self._running = True
        try:
            report = call(lambda: target.run(number, runtime), self._timeout_s)
        except EndOfData as end:
            self._running = False
            raise TargetFailed("end_of_data", str(end) or "the target has no data left") from None
        except DeadlinePassed:
            raise TargetFailed(
                "timeout", f"the target did not return within {self._timeout_s:g} s"
            ) from None
        except self._passing:
            self._running = self._timeout_s is not None
            raise
        except BaseException as error:
            self._running = False
            raise TargetFailed("error", _text("the target raised", error)) from error
        self._running = False
        if not isinstance(report, Mapping):
            raise TargetFailed(
                "contract",
                f"the target returned {described(report)}, not a report (a mapping with 'totals')",
            )
        totals = self._calling("the report", lambda: report.get("totals"))
        if not isinstance(totals, Mapping):
            raise TargetFailed(
                "contract", f"the report's 'totals' is {described(totals)}, not a mapping"
            )
        return report

    def snapshot(self) -> Any:
        """The target's state, stored as it is; None where it has none to give."""
        snapshot = getattr(self.target, "snapshot", None)
        if not callable(snapshot):
            return None
        state = self._calling("snapshot() raised", snapshot)
        # Not cleaned up as a report is: a state that came back changed would be a wrong one.
        self._calling("snapshot() gave no JSON value", lambda: canonical_json(state))
        return state

    def stop(self) -> None:
        """Tell the target, unless a call into it may still be running."""
        stop = getattr(self.target, "stop", None)
        if callable(stop) and not self._running:
            self._calling("stop() raised", stop)

    def _calling(self, doing: str, function: Callable[[], T]) -> T:
        try:
            return function()
        except self._passing:
            raise
        except BaseException as error:
            raise TargetFailed("error", _text(doing, error)) from error


def announce(target: Target, planned: Sequence[Scheduled]) -> None:
    """Give a target its schedule. Raises ValueError if it has no method for it."""
    method = getattr(target, "scenarios", None)
    if not callable(method):
        names = ", ".join(dict.fromkeys(entry.name for entry in planned))
        raise ValueError(
            f"{type(target).__name__} has no method scenarios(schedule), so it cannot make "
            f"{names}; the mock market can"
        )
    method(
        tuple(
            Scenario(entry.name, entry.at, entry.after_s, entry.for_s, entry.strength)
            for entry in planned
        )
    )


def restorer(
    state: Any, runtimes: Callable[[], Sequence[Mapping[str, Any]]], fresh: Callable[[], None]
) -> Callable[[Target], None]:
    """Brings a new target to where a stopped lane left the old one; ``fresh`` if it cannot."""

    def restore(target: Target) -> None:
        if isinstance(target, SnapshotTarget) and state is not None:
            target.restore(state)
        elif isinstance(target, FastForwardTarget):
            target.fast_forward(runtimes())
        else:
            fresh()

    return restore


def described(value: object) -> str:
    """A value by its type, for an error text."""
    return "None" if value is None else f"something of type {type(value).__name__}"


def _text(doing: str, error: BaseException) -> str:
    try:
        said = str(error)
    except Exception:
        said = "(its text cannot be read)"
    return scrubbed(f"{doing}: {type(error).__name__}: {said}")
