"""``bridge_state.json``: what a live target must remember, synced, beside the journal.

It is no part of the journal, because its numbers differ from run to run.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from pytest_soak.json_types import Finite, NotNegative, WrongValueError, converted
from pytest_soak.live.audit_file import Position
from pytest_soak.store.atomic import atomic_write_json
from pytest_soak.store.errors import StoreError
from pytest_soak.store.reading import read_json_object


class Channel(Struct, frozen=True):
    """The newest report of one source."""

    seq: int | None = None
    """As large as the bot likes: some count nanoseconds."""
    boot_id: str | None = None


class BridgeState(Struct, frozen=True):
    """What the last session knew; all zero at the start of a lane."""

    seq: NotNegative = 0
    """Of the last delivery."""
    delivered: Mapping[str, Finite] = {}
    """Parameter to value, of the last delivery."""
    before: Mapping[str, Finite] = {}
    """The same of the delivery before it: a session may be killed before the last one arrives."""
    destination: str = ""
    """Where both were delivered."""
    restore: bool = False
    """The original is to be put back, and was not yet: a session that is killed leaves it true."""
    channels: Mapping[str, Channel] = {}
    """Number and place of the source to its newest report."""
    audit: Position | None = None
    """How far the audit was read."""


class BridgeFile:
    """The state of one lane on disk; every change is synced before it counts."""

    def __init__(self, path: Path) -> None:
        """Read it. Raises StoreError for a file that is none of a bridge."""
        self._path = path
        self.state = BridgeState()
        if path.exists() or path.is_symlink():
            try:
                self.state = converted(read_json_object(path), BridgeState)
            except WrongValueError as error:
                raise StoreError(f"{path}: {error}; remove it to begin anew") from error

    def update(self, **changes: Any) -> None:
        """Write the state with these changes. Raises StoreError."""
        changed = msgspec.structs.replace(self.state, **changes)
        if changed != self.state:
            atomic_write_json(self._path, msgspec.to_builtins(changed))
            self.state = changed
