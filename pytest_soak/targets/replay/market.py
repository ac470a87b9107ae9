"""The mid-prices of a recording on a grid, read in a separate pass of the engine."""

from __future__ import annotations

from dataclasses import dataclass

from pytest_soak.protocol import EndOfData
from pytest_soak.targets.replay.engine import Engine
from pytest_soak.targets.replay.event_file import RecordingError
from pytest_soak.targets.replay.recording import Recording

STEP_NS = 100_000_000


@dataclass(frozen=True, slots=True)
class RecordedMids:
    """Mid-prices as received, every 0.1 s, in ticks (halves occur)."""

    start_ns: int
    ticks: tuple[float, ...]

    def at(self, time_ns: int) -> float:
        """The mid at the grid point at or before ``time_ns``; outside the recording, its edge."""
        index = (time_ns - self.start_ns) // STEP_NS
        return self.ticks[min(max(index, 0), len(self.ticks) - 1)]


def recorded_mids(recording: Recording) -> RecordedMids:
    """Mids from the first moment with a whole book; a broken book repeats the mid before it.

    Raises RecordingError for a recording whose book is never whole.
    """
    start: int | None = None
    mids: list[float] = []
    time_ns = recording.start_ns
    engine = Engine(recording)
    try:
        while time_ns <= recording.end_ns:
            engine.advance_to(time_ns)
            book = engine.book()
            if book.whole:
                start = time_ns if start is None else start
                mids.append(book.mid_tick)
            elif mids:
                mids.append(mids[-1])
            time_ns += STEP_NS
    except EndOfData:
        pass
    finally:
        engine.close()
    if start is None:
        raise RecordingError(
            f"replay: the order book of {recording.plausibility.name} is never two-sided and "
            "uncrossed for the engine; depth events of both sides are needed"
        )
    return RecordedMids(start, tuple(mids))
