"""The file for the stacks of a process that had to be ended: it is there only after such an end."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from pytest_soak.store import names
from pytest_soak.store.reading import open_regular_file


class StacksFile:
    """Open while a lane runs, since a process that hangs cannot open it any more.

    An empty one is removed at the end. One with stacks stays, until the lane is opened again.
    """

    def __init__(self, directory: Path) -> None:
        """Open it, without the stacks of an earlier process. Raises StoreError."""
        self._path = directory / names.STACKS
        self.descriptor = open_regular_file(self._path, os.O_RDWR | os.O_CREAT | os.O_TRUNC)
        self._is_open = True

    def clear(self) -> None:
        """Empty the file: the process goes on."""
        os.ftruncate(self.descriptor, 0)
        os.lseek(self.descriptor, 0, os.SEEK_SET)

    def close(self) -> None:
        """Close it, and remove it if it is empty; a second call does nothing."""
        if not self._is_open:
            return
        self._is_open = False
        # It is a help for people: that it cannot be removed is no error of the lane.
        with contextlib.suppress(OSError):
            is_empty = os.fstat(self.descriptor).st_size == 0
            os.close(self.descriptor)
            if is_empty:
                self._path.unlink()


def has_stacks(directory: Path) -> bool:
    """Whether the process of the lane in ``directory`` was ended because it hung."""
    try:
        return (directory / names.STACKS).stat().st_size > 0
    except OSError:
        return False
