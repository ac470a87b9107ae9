"""Call a target with a deadline."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


class DeadlinePassed(Exception):  # noqa: N818 - its meaning is the name
    """The call did not return in time; it may still be running."""


def call(function: Callable[[], T], timeout_s: float | None) -> T:
    """``function()``, or DeadlinePassed after ``timeout_s`` seconds; None is no deadline.

    Python cannot end a thread. A late call is left behind on a daemon thread, which does not keep
    the process alive; its lane is halted, so nothing reads what it still may do.
    """
    if timeout_s is None:
        return function()
    results: list[T] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            results.append(function())
        except BaseException as error:  # handed on to the caller, whatever it is
            errors.append(error)

    thread = threading.Thread(target=run, name="soak-target", daemon=True)
    thread.start()
    thread.join(timeout_s)
    if errors:
        raise errors[0]
    if not results:
        raise DeadlinePassed
    return results[0]
