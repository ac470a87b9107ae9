"""pytest's outcomes raised where they mean nothing: in a hook that is asked about a lane."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest


class HookMisused(Exception):  # noqa: N818 - told to the user as the reason
    """A hook raised what is for tests: skip, fail, or the end of the process."""


@contextmanager
def no_outcomes(hook: str) -> Iterator[None]:
    """Turn ``pytest.skip``, ``pytest.fail`` and SystemExit into an ordinary error.

    They are no Exception, so that they would pass every handler between the hook and the item and
    end the lane, or the session. ``pytest.exit`` and Ctrl-C are meant for the session and pass.
    """
    try:
        yield
    except (pytest.skip.Exception, pytest.fail.Exception, SystemExit) as outcome:
        raise HookMisused(f"{hook} raised {type(outcome).__name__}: {outcome}") from None
