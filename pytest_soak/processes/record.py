"""The record of a lane's processes, ``processes.json``: by it the next session finds what is left.

It is written before the first process is started, and removed when all have ended.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Literal

import msgspec
from msgspec import Struct

from pytest_soak.canonical import canonical_json
from pytest_soak.json_types import WrongValueError, converted
from pytest_soak.processes.errors import ProcessError
from pytest_soak.processes.identity import Identity

FILE = "processes.json"
_LARGEST = 1_000_000


class RecordedProcess(Struct, frozen=True, forbid_unknown_fields=True):
    name: str
    pid: int
    mark: str

    @property
    def identity(self) -> Identity:
        return Identity(self.pid, self.mark)


class Record(Struct, frozen=True, forbid_unknown_fields=True):
    schema: Literal[1]
    token: str
    directory: tuple[int, int]
    """Device and inode of the directory: the record in a copy of it is that of another lane."""
    processes: tuple[RecordedProcess, ...] = ()


def new_record(folder: Path, token: str) -> Record:
    return Record(1, token, _directory(folder))


def read_record(folder: Path) -> Record | None:
    """The record of this folder; None if it has none. Raises ProcessError if it is damaged."""
    path = folder / FILE
    try:
        descriptor = os.open(path, os.O_RDONLY | _NOT_FOLLOWED)
        with os.fdopen(descriptor, "rb") as file:
            record = converted(json.loads(file.read(_LARGEST)), Record)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError, WrongValueError) as error:
        raise ProcessError(
            "record_unreadable",
            None,
            f"{path} cannot be read: {error}; end what is left of the earlier session by hand, "
            "then remove the file",
        ) from error
    return record if record.directory == _directory(folder) else None


def write_record(folder: Path, record: Record) -> None:
    """Replace the record as a whole. It need not survive a loss of power: nor do processes."""
    path = folder / FILE
    temporary = path.with_name(f".{FILE}.{os.getpid()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | _NOT_FOLLOWED, 0o666)
    with os.fdopen(descriptor, "wb") as file:
        file.write(canonical_json(msgspec.to_builtins(record)))
    temporary.replace(path)


def remove_record(folder: Path) -> None:
    (folder / FILE).unlink(missing_ok=True)


_NOT_FOLLOWED = (
    getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NONBLOCK", 0)
)


def _directory(folder: Path) -> tuple[int, int]:
    stat = folder.stat()
    return stat.st_dev, stat.st_ino
