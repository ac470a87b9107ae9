"""How a live target is reached: what writes its parameters, and what reads its reports.

A writer or a reader is an object with the methods of :class:`Writer` or :class:`Reader`, made by a
factory that is found by its name (:mod:`.registry`): the names of this package, and those that
other distributions register.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from pytest_soak.canonical import number
from pytest_soak.json_types import EXACT
from pytest_soak.profile.kpi import Metric
from pytest_soak.profile.parameter import Outer

Expand = Callable[[str], str]
"""A text of the profile with its placeholders replaced, once (docs/live.md lists them)."""

LARGEST_BYTES = 64_000_000
"""A larger report, file of parameters or answer is refused, before it is read."""

LARGEST_SEQ = EXACT // 2
"""A larger number is none of a delivery, wherever it stands; so their numbers never run out."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """The parameters of one attempt of one iteration, as they are delivered."""

    seq: int
    """Rises with every delivery of the lane, over restarts and resumes."""
    iteration: int
    run_id: str
    lane: str
    interval_s: float
    state_hash: str
    """Of the parameters alone."""
    runtime: Mapping[str, Any]
    """Nested, as in the lane's ``runtime_overrides.json``."""
    values: Mapping[str, Outer]
    """Flat: parameter to value; a number, true or false, or one of its choices."""

    def sent(self, *, soak_block: bool) -> dict[str, Any]:
        """What is sent: the body, or the runtime alone for a service that takes nothing else."""
        return self.body if soak_block else dict(self.runtime)

    @property
    def body(self) -> dict[str, Any]:
        """The runtime with the block ``soak``, which names the delivery."""
        return {
            **self.runtime,
            "soak": {
                "seq": self.seq,
                "iteration": self.iteration,
                "run_id": self.run_id,
                "lane": self.lane,
                "state_hash": self.state_hash,
                "interval_s": self.interval_s,
            },
        }


@dataclass(frozen=True, slots=True)
class Present:
    """What a destination holds before a delivery."""

    seq: int = 0
    """Of the last delivery; 0 if the destination names none."""
    values: Mapping[str, Any] = field(default_factory=dict)
    """Parameter to value, for the parameters that it holds; whatever their types are."""


def plain_value(value: Any) -> Outer | None:
    """A value as it can be delivered; None for what is none."""
    return value if type(value) in (bool, str, int) else number(value)


class ChannelFault(Exception):  # noqa: N818 - the outcome of an iteration
    """A destination or a source that cannot be used now.

    ``name`` is a row of the table of faults (:mod:`.faults`). ``text`` ends a sentence that begins
    with the place: ``is 70,000,001 bytes; at most 64,000,000 are read``. ``place`` is the file or
    URL. ``details`` are lines for people, such as the answer of a service.
    """

    def __init__(self, name: str, place: str, text: str, details: tuple[str, ...] = ()) -> None:
        super().__init__(f"{place} {text}")
        self.name = name
        self.place = place
        self.text = text
        self.details = details


@dataclass(frozen=True, slots=True)
class Context:
    """What a factory of a writer or reader may use."""

    expand: Expand
    """Replaces placeholders."""
    folder: Path
    """The lane's directory for its target (``{dir}``); it exists when a channel is opened."""
    root: Path
    """A relative path of a profile is relative to this folder, and a command runs there."""
    paths: Mapping[str, tuple[str, ...]]
    """Parameter to its place in the runtime, the key itself last: ``("risk", "base_spread_bps")``.
    """
    environment: Mapping[str, str]
    """Of the session, with the variables ``SOAK_…`` of the lane; commands inherit it."""
    sections: frozenset[str] = frozenset()
    """The top-level fields of a report that KPIs read, beside ``totals``."""
    words: frozenset[str] = frozenset()
    """The parameters whose values are no numbers: switches and choices."""
    metrics: Mapping[str, Metric] = field(default_factory=dict)
    """KPI to the metric that it reads, for the KPIs that read one."""
    block_reasons: tuple[str, ...] = ()
    """Those that the profile lists."""


class Writer(Protocol):
    """A destination of parameters. ``open`` is called once, before all but the attributes."""

    place: str
    """The file, URL or command, for messages."""
    destinations: tuple[str, ...]
    """What no two lanes may write to: ``file:/absolute/path``, ``http://127.0.0.1:8080/params``."""
    needs_process: bool
    """Whether it can be written only while the bot runs, as a URL can."""

    def open(self) -> None:
        """Keep the original for :meth:`restore`. Raises ChannelFault."""

    def present(self) -> Present | None:
        """What the destination holds; None if that cannot be known. Raises ChannelFault."""

    def deliver(self, delivery: Delivery) -> Mapping[str, Any] | None:
        """Deliver; what the destination answered, if that is an echo (``effective_params``).

        Raises ChannelFault with the name ``not_delivered`` or ``command_failed``.
        """

    def restore(self) -> None:
        """Put the original back, for ``on_end: restore``. Raises ChannelFault."""


class Reader(Protocol):
    """A source of reports. All calls come from one thread."""

    place: str
    """The file, URL or command, for messages."""
    sources: tuple[str, ...]
    """What no two lanes may read their report from, as in ``Writer.destinations``."""
    every_s: float | None
    """Seconds between two polls during the measured span; None: only from its end on."""
    # A reader may have ``covers_span = True``: a report is of the time since ``begin``. Then only a
    # poll after the end of the measured span gives the report, and there is no poll after it.
    raw: bytes
    """What the last report was read from; empty if that is not known. It is kept for people."""

    def begin(self) -> None:
        """The measured span begins: what is there now is of an earlier time."""

    def poll(self) -> Mapping[str, Any] | None:
        """A report that is newer than ``begin`` and than the report of the poll before, or None.

        A report is a JSON object. Raises ChannelFault for what cannot be read; a later poll may
        succeed.
        """

    def exists(self) -> bool:
        """Whether there ever was something to read: a file that was never written is a fault of
        its own."""
