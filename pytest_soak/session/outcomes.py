"""pytest's outcomes raised where they mean nothing: in a hook that is asked about a lane."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pytest_soak.canonical import to_json

_BETWEEN = ("pytest_soak", "pluggy")
"""Packages whose frames lie between a runner and a user's hook."""


class HookMisused(Exception):  # noqa: N818 - told to the user as the reason
    """A hook raised what is for tests: skip, fail, or the end of the process."""


@contextmanager
def no_outcomes(hook: str) -> Iterator[None]:
    """Turn what is no Exception (``pytest.skip``, SystemExit, a cancelled task, …) into one.

    It would pass every handler between the hook and the item and end the lane, or the session.
    ``pytest.exit`` and Ctrl-C are meant for the session and pass.
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
    theirs = [one for one in frames if not {*one[0].parts} & {*_BETWEEN}]
    own = [one for one in theirs if one[0] == theirs[0][0]]
    return "nowhere" if not own else f"{own[-1][0].name}:{own[-1][1]} in {own[-1][2]}"
