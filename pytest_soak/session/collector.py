"""The garbage collector of Python, paused while a long journal is read and judged."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def paused() -> Iterator[None]:
    """Collect nothing inside.

    Reading 5,000 iterations makes a million objects that stay. The collector would look at all of
    them again and again, which takes a fifth of the time, and would find nothing.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
