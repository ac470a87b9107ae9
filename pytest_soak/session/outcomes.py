"""pytest's outcomes raised where they mean nothing: in a hook that is asked about a lane."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from pytest_soak.canonical import to_json


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
