"""A user's hook as a lane calls it: its answer as a request, and what it may not raise."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pytest_soak.canonical import to_json
from pytest_soak.loop.model import Headroom, Iteration, Readings, Requested
from pytest_soak.loop.state import LaneState
from pytest_soak.loop.tuner import requested_from

Proposer = Callable[
    [LaneState, Readings, Mapping[str, Headroom], Sequence[Iteration]], Requested | None
]
"""A user's proposer; with None as the answer the profile's rules propose."""

_BETWEEN = ("pytest_soak", "pluggy")
"""Packages whose frames lie between a runner and a user's hook."""


class HookMisused(Exception):  # noqa: N818 - the reason that the user sees
    """A hook raised what only a test may raise: skip, fail, or the end of the process."""


class HookRaised(Exception):  # noqa: N818 - the reason that the user sees
    """A hook raised an exception of its own, which is the cause."""


@contextmanager
def no_outcomes(hook: str) -> Iterator[None]:
    """Turn a BaseException (``pytest.skip``, SystemExit, a cancelled task, …) into HookMisused.

    Unchanged it would pass every ``except Exception`` and end the lane or the session. Ctrl-C, and
    ``pytest.exit``, which is an Exception, go through: they are for the session.
    """
    try:
        yield
    except (Exception, KeyboardInterrupt):
        raise
    except BaseException as outcome:
        raise HookMisused(f"{hook} raised {to_json(outcome)}") from None


def place_of(error: BaseException) -> str:
    """``conftest.py:12 in pytest_soak_propose``: the last line of the hook's own file.

    The file's name without its folder: a log goes where other people read it.
    """
    while isinstance(error, HookMisused) and error.__context__ is not None:
        error = error.__context__
    frames = [
        (Path(frame.f_code.co_filename), line, frame.f_code.co_name)
        for frame, line in traceback.walk_tb(error.__traceback__)
    ]
    theirs = [frame for frame in frames if not {*frame[0].parts} & {*_BETWEEN}]
    own = [frame for frame in theirs if frame[0] == theirs[0][0]]
    return "nowhere" if not own else f"{own[-1][0].name}:{own[-1][1]} in {own[-1][2]}"


def proposer_of(hook: Callable[..., Any]) -> Proposer:
    """A proposer of a function with the arguments of ``pytest_soak_propose``."""

    def propose(
        state: LaneState,
        readings: Readings,
        headroom: Mapping[str, Headroom],
        history: Sequence[Iteration],
    ) -> Requested | None:
        kpis = {name: reading.usable for name, reading in readings.items()}
        with no_outcomes("pytest_soak_propose"):
            # The answer is read in here too: an answer that raises when it is read is the hook's.
            answer = hook(lane=state.lane, kpis=kpis, headroom=dict(headroom), history=history)
            return None if answer is None else requested_from(answer, headroom)

    return propose
