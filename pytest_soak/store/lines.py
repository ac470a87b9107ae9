"""Files that grow and that no decision reads: ``run.log``, ``timing.jsonl``, a job's summary."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pytest_soak.canonical import escaped
from pytest_soak.store.atomic import close_file, encode_json, write_all
from pytest_soak.store.errors import StoreError, describe_os_error
from pytest_soak.store.reading import open_regular_file


class LineFile:
    """Appends whole lines, each in a single write, without a sync."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        """Opens or makes ``path``, and ends a line that a killed process left unfinished."""
        self.path = Path(path)
        self._descriptor: int | None = open_regular_file(
            self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND
        )
        try:
            size = os.lseek(self._descriptor, 0, os.SEEK_END)
            if size:
                os.lseek(self._descriptor, -1, os.SEEK_END)
                if os.read(self._descriptor, 1) != b"\n":
                    write_all(self._descriptor, b"\n")
        except OSError as error:
            os.close(self._descriptor)
            raise describe_os_error("append to", self.path, error) from error

    def write(self, *texts: str) -> None:
        """Appends one line for each text, all in one write. Raises StoreError.

        Unprintable characters become ``\\n``, ``\\x1b``.
        """
        if texts:
            self._append("\n".join(map(escaped, texts)).encode())

    def write_json(self, value: Mapping[str, Any]) -> None:
        """Appends one line of canonical JSON. Raises StoreError, also for what is no JSON."""
        self._append(encode_json(self.path, value))

    def close(self) -> None:
        """Closes the file; a second call does nothing. Raises StoreError."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            close_file(descriptor, self.path)

    def _append(self, line: bytes) -> None:
        if self._descriptor is None:
            raise StoreError(f"cannot append to {self.path}: it is closed")
        try:
            write_all(self._descriptor, line + b"\n")
        except OSError as error:
            raise describe_os_error("append to", self.path, error) from error


def append_lines(path: str | os.PathLike[str], *texts: str) -> None:
    """Appends these lines to a file that is not kept open. Raises StoreError."""
    file = LineFile(path)
    try:
        file.write(*texts)
    finally:
        file.close()


def append_paragraphs(path: str | os.PathLike[str], text: str) -> None:
    """Appends ``text`` in a single write, after an empty line if the file has content already.

    For a file that several programs append to, one after another. Raises StoreError.
    """
    descriptor = open_regular_file(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    try:
        before = "\n\n" if os.lseek(descriptor, 0, os.SEEK_END) else ""
        write_all(descriptor, (before + text).encode("utf-8", "backslashreplace"))
    except OSError as error:
        raise describe_os_error("append to", path, error) from error
    finally:
        os.close(descriptor)
