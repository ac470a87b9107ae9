"""Small programs for processes under test, and conditions to wait for."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import psutil

_Value = TypeVar("_Value")

PATIENCE_S = 30.0
"""Nothing here takes so long, however loaded the machine is."""

STAY = "import time\nprint('READY', flush=True)\ntime.sleep(600)\n"
"""Is ready, and stays."""
DEAF = "import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + STAY
WRITE_PID = (
    "import os, sys\n"
    "def write_pid(path):\n"
    "    with open(path + '.new', 'w') as file: file.write(str(os.getpid()))\n"
    "    os.replace(path + '.new', path)\n"
)
IN_ITS_OWN_SESSION = (
    WRITE_PID + "import signal\n"
    "if os.fork() == 0:\n"
    "    os.setsid()\n"
    "    signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
    "    write_pid(sys.argv[1])\n"
    "else:\n"
    "    print('READY', flush=True)\n"
    "import time\n"
    "time.sleep(600)\n"
)
"""Has a child in a session of its own that is deaf to TERM; its number goes to a file."""
DOUBLE_FORK = (
    WRITE_PID + "if os.fork() == 0:\n"
    "    os.setsid()\n"
    "    if os.fork() == 0:\n"
    "        write_pid(sys.argv[1])\n"
    "        import time; time.sleep(600)\n"
    "    os._exit(0)\n"
    "os.wait()\n" + STAY
)
"""Has a grandchild in another session, whose parent has ended."""


def python(code: str, *arguments: object) -> list[str]:
    """A command that runs ``code`` in an interpreter that starts fast."""
    return [sys.executable, "-I", "-S", "-c", code, *map(str, arguments)]


def wait_for(
    value: Callable[[], _Value | None], what: str, patience_s: float = PATIENCE_S
) -> _Value:
    """The first true value; fails after ``patience_s``."""
    deadline = time.monotonic() + patience_s
    while True:
        result = value()
        if result:
            return result
        assert time.monotonic() < deadline, f"waited in vain: {what}"
        time.sleep(0.01)


def pid_in(path: Path) -> int:
    """The number that a program writes to a file."""
    return int(wait_for(lambda: path.read_text() if path.exists() else "", f"{path} is written"))


def is_alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def wait_until_dead(*pids: int) -> None:
    for pid in pids:
        wait_for(lambda pid=pid: not is_alive(pid), f"process {pid} ends")  # type: ignore[misc]
