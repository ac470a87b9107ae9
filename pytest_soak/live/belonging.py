"""Whether a report is of the parameters that were delivered, and of no earlier time. Pure.

Clocks of two processes are never compared: of ``from_unix`` and ``to_unix`` only the difference
counts, and the rest is the monotonic clock of this process.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pytest_soak.canonical import number
from pytest_soak.live.faults import LiveHalt
from pytest_soak.live.state import Channel
from pytest_soak.messages import shown

By = Literal["applied_seq", "replaced"]
"""What the belonging relies on: the bot's own word, or that the report was replaced in time."""


@dataclass(frozen=True, slots=True)
class Expected:
    """The delivery whose report is awaited."""

    seq: int
    run_id: str
    delivered_at: float
    """Seconds of the monotonic clock."""
    longest_s: float
    """A span of a report that is longer than this was measured over a jump of its clock."""


@dataclass(frozen=True, slots=True)
class Belonging:
    """What one report is to the delivery."""

    fault: str = ""
    """``stale`` or ``wrong_iteration``; empty if it belongs."""
    detail: str = ""
    by: By = "replaced"
    mixes: bool = False
    """It may have begun before the delivery; true of the first that belongs only."""


def judge(
    report: Mapping[str, Any],
    expected: Expected,
    seen_at: float,
    before: Channel,
    *,
    is_first: bool,
) -> Belonging:
    """Whether ``report``, seen at ``seen_at`` (monotonic seconds), belongs to the delivery.

    ``before`` is the newest report of its source, ``is_first`` whether none belonged yet. Raises
    LiveHalt if its ``seq`` went back.
    """
    if stale := _not_newer(report, before):
        return Belonging("stale", stale)
    if "applied_seq" not in report:
        return Belonging(by="replaced")
    applied = report["applied_seq"]
    if type(applied) is not int or applied != expected.seq:
        return Belonging(
            "wrong_iteration", f"applied_seq {shown(applied)}, delivered {expected.seq}"
        )
    run_id = report.get("run_id")
    if run_id is not None and run_id != expected.run_id:
        return Belonging(
            "wrong_iteration", f"run_id {shown(run_id)}, this run is {expected.run_id}"
        )
    return Belonging(by="applied_seq", mixes=is_first and _began_before(report, expected, seen_at))


def channel_after(report: Mapping[str, Any], before: Channel) -> Channel:
    """The newest report of a source once this one was seen."""
    seq, boot_id = report.get("seq"), report.get("boot_id")
    return Channel(
        seq if type(seq) is int and seq >= 0 else before.seq,
        boot_id if isinstance(boot_id, str) else None,
    )


def _not_newer(report: Mapping[str, Any], before: Channel) -> str:
    """Why the report is the one before; empty if it is newer, or has no ``seq``."""
    seq, boot_id = report.get("seq"), report.get("boot_id")
    if type(seq) is not int or before.seq is None:
        return ""
    if isinstance(boot_id, str) and boot_id != before.boot_id:
        return ""
    if seq < before.seq:
        raise LiveHalt(
            "seq_went_back",
            "the seq of the reports went back, and boot_id is the same; a bot that begins anew "
            "gives another boot_id",
            [f"seq {seq} after {before.seq}"],
        )
    return f"seq is {seq} again" if seq == before.seq else ""


def _began_before(report: Mapping[str, Any], expected: Expected, seen_at: float) -> bool:
    """Whether the report may have begun before the delivery, and so mix two settings."""
    begin, end = number(report.get("from_unix")), number(report.get("to_unix"))
    if begin is None or end is None:
        return True
    length = end - begin
    if not 0.0 <= length <= expected.longest_s:
        return False  # the clock of the bot was set meanwhile
    return seen_at - length < expected.delivered_at
