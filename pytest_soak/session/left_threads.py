"""Threads that a target left: they do not keep the process alive when the session is over."""

from __future__ import annotations

import atexit
import os
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from pytest_soak.canonical import escaped

WAIT_S = 5.0
"""So long the process waits for them, as Python does without a limit."""


def end_without(threads: Sequence[threading.Thread], exit_code: Callable[[], int]) -> None:
    """End the process although ``threads`` run, once Python only waits for such threads.

    What is registered with ``atexit`` is called. Nothing happens to a process that is not pytest's
    own: a program that calls ``pytest.main`` has an exit code, and threads, of its own.
    """
    threads = [thread for thread in threads if thread.is_alive() and not thread.daemon]
    register = getattr(threading, "_register_atexit", None)
    if not threads or register is None:
        return
    is_over = threading.Event()
    register(is_over.set)  # called when the main thread has ended, before threads are waited for
    threading.Thread(
        target=_end, args=(threads, exit_code, is_over), name="soak-end", daemon=True
    ).start()


def is_pytests_own() -> bool:
    """Whether this process was started as ``pytest`` or ``python -m pytest``."""
    main = sys.modules.get("__main__")
    path = Path(getattr(main, "__file__", None) or "")
    return not {path.stem, path.parent.name}.isdisjoint({"pytest", "py.test"})


def _end(
    threads: Sequence[threading.Thread], exit_code: Callable[[], int], is_over: threading.Event
) -> None:
    is_over.wait()
    ends = time.monotonic() + WAIT_S
    for thread in threads:
        thread.join(max(0.0, ends - time.monotonic()))
    left = [thread for thread in threads if thread.is_alive()]
    if not left:
        return
    # Threads of others are waited for as ever.
    for thread in threading.enumerate():
        if not thread.daemon and thread not in left and thread is not threading.main_thread():
            thread.join()
    names = escaped(", ".join(sorted({thread.name for thread in left})[:4]))
    number = f"{len(left)} thread{'s' * (len(left) > 1)}"
    if sys.__stderr__ is not None:
        print(
            f"soak: the target left {number} running ({names}); the process ends without them",
            file=sys.__stderr__,
            flush=True,
        )
    atexit._run_exitfuncs()  # os._exit calls none of them
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.flush()
    os._exit(exit_code())
