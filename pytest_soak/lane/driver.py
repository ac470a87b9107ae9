"""Drives one target: makes, starts, restores, runs and stops it, and names what it did wrong."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Literal, TypeVar

from pytest_soak.canonical import canonical_json, escaped, number, scrubbed
from pytest_soak.lane.deadline import Calls, DeadlinePassed
from pytest_soak.profile.parameter import Outer
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
STOP_TIMEOUT_S = 10.0
"""``stop()`` has this deadline, with and without ``--soak-timeout``."""


class TargetFailed(Exception):  # noqa: N818 - the runner makes a halt of it
    """The target cannot go on; ``__cause__`` is its own exception, if it raised one."""

    def __init__(self, kind: Kind, text: str) -> None:
        super().__init__(text)
        self.kind: Kind = kind


class TargetDriver:
    """The only caller of the target. An exception of the target is raised as TargetFailed.

    ``calls`` makes the calls, with their deadline. ``passing`` are exceptions that are raised
    unchanged, because the target is not their cause: Ctrl-C, the end of the session.
    """

    def __init__(
        self,
        lane: Lane,
        make_target: Callable[[Lane], Target],
        calls: Calls,
        passing: tuple[type[BaseException], ...],
    ) -> None:
        self.target: Target | None = None
        self._lane = lane
        self._make_target = make_target
        self._calls = calls
        self._passing: tuple[type[BaseException], ...] = (TargetFailed, *passing)
        self._threads_before: frozenset[threading.Thread] = frozenset()
        self._threads_left: tuple[threading.Thread, ...] = ()

    @property
    def threads(self) -> tuple[threading.Thread, ...]:
        """Threads that began while the target ran, and would keep the process alive after it."""
        return tuple(thread for thread in self._threads_left if thread.is_alive())

    def start(
        self,
        runtime: Mapping[str, Any],
        scenarios: Sequence[Scheduled],
        restore: Callable[[Target], None],
    ) -> None:
        """Make and start the target, then let ``restore`` bring it to where the lane is."""
        self._threads_before = frozenset(threading.enumerate())
        target = self._calling("making the target", lambda: self._make_target(self._lane))
        if not callable(getattr(target, "run", None)):
            raise TargetFailed(
                "contract", f"{described(target)} has no method run(iteration, runtime)"
            )
        self.target = target  # before start: what was started is stopped, whatever comes between
        if scenarios:
            self._calling("announcing the scenarios", lambda: announce(target, scenarios))
        start = getattr(target, "start", None)
        if callable(start):
            self._calling("start() raised", lambda: start(runtime))
        self._calling("restoring the target", lambda: restore(target))

    def run(self, number: int, runtime: Mapping[str, Any]) -> Mapping[str, Any]:
        """The target's report of one iteration, a mapping with a mapping ``totals``."""
        target = self.target
        if target is None:
            raise AssertionError("the target was not started")
        try:
            report = self._calls.call(lambda: target.run(number, runtime))
        except EndOfData as end:
            raise TargetFailed("end_of_data", str(end) or "the target has no data left") from None
        except DeadlinePassed:
            raise TargetFailed(
                "timeout", f"the target did not return within {self._calls.timeout_s:g} s"
            ) from None
        except self._passing:
            raise
        except BaseException as error:
            raise TargetFailed("error", _text("the target raised", error)) from error
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

    def edits(self) -> Mapping[str, Outer]:
        """Parameters that an operator changed at the target itself, with values as it has them."""
        edits = getattr(self.target, "edits", None)
        if not callable(edits):
            return {}
        given = self._calling("edits() raised", lambda: _edits_in(edits()))
        if isinstance(given, str):
            raise TargetFailed(
                "contract",
                f"edits() returned {given}, not a mapping of names to values of parameters",
            )
        return given

    def snapshot(self) -> Any:
        """The target's state, stored as it is; None where it has none to give."""
        snapshot = getattr(self.target, "snapshot", None)
        if not callable(snapshot):
            return None
        state = self._calling("snapshot() raised", snapshot)
        # Not cleaned up as a report is: a state that came back changed would be a wrong one.
        self._calling("snapshot() gave no JSON value", lambda: canonical_json(state))
        return state

    def end(self) -> None:
        """Stop the target, if it was made, so that the next start makes another one.

        Raises TargetFailed.
        """
        target, self.target = self.target, None
        stop = getattr(target, "stop", None)
        if callable(stop):
            self._calling("stop() raised", stop)

    def stop(self) -> None:
        """Stop the target, if it was made; an earlier call of it may still be running.

        Raises TargetFailed.
        """
        stop = getattr(self.target, "stop", None)
        try:
            if callable(stop):
                within_s = self._stop_within_s()
                with self._naming("stop() raised", within_s):
                    self._calls.last(stop, within_s)
        finally:
            self._calls.end()
            self._threads_left = tuple(
                thread
                for thread in threading.enumerate()
                if not thread.daemon and thread not in self._threads_before
            )

    def _stop_within_s(self) -> float:
        given = number(getattr(self.target, "stop_s", None))
        within_s = STOP_TIMEOUT_S if given is None or given <= 0 else given
        return min(within_s, threading.TIMEOUT_MAX)

    def _calling(self, doing: str, function: Callable[[], T]) -> T:
        with self._naming(doing, self._calls.timeout_s):
            return self._calls.call(function)

    @contextmanager
    def _naming(self, doing: str, timeout_s: float | None) -> Iterator[None]:
        """Raises TargetFailed with what was done for an exception of the target."""
        try:
            yield
        except self._passing:
            raise
        except DeadlinePassed:
            text = f"{doing.removesuffix(' raised')} took longer than {timeout_s:g} s"
            raise TargetFailed("timeout", text) from None
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


_MOST_LINES = 200
_LONGEST_LINE = 1000


def lines_of(given: object, mask: Callable[[str], str]) -> tuple[str, ...]:
    """The lines that a target wants to have shown: a list of texts, each made one safe line."""
    lines = given if isinstance(given, list | tuple) else ()
    # str's own method is used, because that of a subclass may return anything.
    texts = [
        str.__getitem__(line, slice(_LONGEST_LINE))
        for line in lines[:_MOST_LINES]
        if isinstance(line, str)
    ]
    return tuple(escaped(mask(text)) for text in texts)


def _edits_in(given: object) -> dict[str, Outer] | str:
    """What ``edits()`` returned, as plain values; a text that describes it if that is no edits."""
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        return described(given)
    edits: dict[str, Outer] = {}
    for name, value in given.items():
        plain = value if type(value) in (bool, str) else number(value)
        if not isinstance(name, str):
            return f"{described(name)} as the name of a parameter"
        if plain is None:
            return f"{described(value)} as a parameter's value"
        edits[name] = plain
    return edits


def described(value: object) -> str:
    """A value by its type, for an error text."""
    return "None" if value is None else f"something of type {type(value).__name__}"


def _text(doing: str, error: BaseException) -> str:
    try:
        text = str(error)
    except Exception:
        text = "(its text cannot be read)"
    return scrubbed(f"{doing}: {type(error).__name__}: {text}")
