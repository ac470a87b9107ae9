"""The temporary files of writes that replace a file, and their removal after a kill."""

from __future__ import annotations

import contextlib
import os
import re
import threading
from pathlib import Path

_NAME = re.compile(r"\..+\.([0-9]+)\.tmp")


def temporary_path(path: str, suffix: str = "") -> str:
    """Where to write what will replace ``path``.

    The name is unique among the running threads of the machine. A killed process leaves at most one
    such file, and the next writer with that id replaces it.
    """
    folder, name = os.path.split(path)
    return os.path.join(folder, f".{name}{suffix}.{threading.get_native_id()}.tmp")  # noqa: PTH118


def remove_temporary(directory: Path) -> None:
    """Remove the temporary files that killed processes left in ``directory``.

    Files of running threads stay: a tool of the operator may be writing one. A file that cannot be
    removed stays too, and does no harm.
    """
    with contextlib.suppress(OSError):
        with os.scandir(directory) as files:  # a run has a summary for each iteration
            matches = [(file, _NAME.fullmatch(file.name)) for file in files]
        for file, match in matches:
            if match and file.is_file(follow_symlinks=False) and not is_alive(int(match[1])):
                Path(file).unlink()


def is_alive(process: int) -> bool:
    """Whether a process, or on Linux a thread, with this number may run on this machine."""
    if os.name == "nt":  # there, signal 0 would end the process
        return True
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:
        return True
    return True
