"""The runtime file of one lane: what the target reads, and what an operator may edit."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pytest_soak.canonical import number
from pytest_soak.loop.entries import runtime_of
from pytest_soak.loop.model import Decision
from pytest_soak.profile.model import Profile
from pytest_soak.profile.parameters import ParameterError, Table, flatten
from pytest_soak.store.atomic import atomic_create_json, atomic_write_json
from pytest_soak.store.errors import StoreError
from pytest_soak.store.reading import holds_canonical, read_json_with_hash


class RuntimeFile:
    """Flat values in, flat values out; nested, with the tuner's read-only copies, on disk."""

    def __init__(self, path: Path, profile: Profile) -> None:
        self.path, self._profile = path, profile
        self._name = os.fspath(path)  # opened twice in an iteration

    def restore(self, values: Mapping[str, float]) -> bool:
        """Write it where it is missing; whether it was. Raises StoreError.

        An editor that moves the old file away and saves a new one is not written over.
        """
        if os.path.lexists(self.path):
            return False
        return atomic_create_json(self.path, runtime_of(self._profile, values))

    def holds(self, state_hash: str) -> bool:
        """Whether it is, byte by byte, what has this hash; quicker than :meth:`read`.

        A missing file holds nothing. Raises StoreError for one that cannot be read.
        """
        try:
            return holds_canonical(self._name, state_hash)
        except StoreError:
            if os.path.lexists(self._name):
                raise
            return False

    def read(self) -> tuple[dict[str, float], str]:
        """The values and the hash. Raises StoreError, and ParameterError for what is no runtime."""
        runtime, state_hash = read_json_with_hash(self.path)
        if not isinstance(runtime, Mapping):
            raise ParameterError(f"{self.path.name}: a JSON object is expected")
        try:
            return flatten(runtime, self._profile.parameters), state_hash
        except ParameterError as error:
            raise ParameterError(f"{self.path.name}: {error}") from error

    def write(self, values: Mapping[str, float], state_hash: str | None = None) -> None:
        """Replace it, and read it back. Raises StoreError, also where ``state_hash`` is another."""
        written, _ = atomic_write_json(self.path, runtime_of(self._profile, values))
        if state_hash is not None and written != state_hash:
            raise StoreError(
                f"{self.path} has the hash {written[:12]}, decided was {state_hash[:12]}"
            )


def carried_out(
    intent: Decision, before: Mapping[str, float], present: Mapping[str, float], table: Table
) -> dict[str, float]:
    """The values of ``intent``, with the edits that an operator made since (``present``).

    A key with its value from before was not edited: the stop came before the file was written. If
    another key has its new value, the file was written, and every value in it counts. A decided
    value that breaks a limit together with an edited one gives way to the value in the file.
    """
    moved = [key for key, value in intent.values.items() if value != before[key]]
    if any(present[key] == intent.values[key] for key in moved):
        return dict(present)
    values = {
        key: intent.values[key] if value == before[key] else value for key, value in present.items()
    }
    while broken := [
        key
        for key, value in values.items()
        if value != present[key] and not table[key].is_within(value, values)
    ]:
        values |= {key: present[key] for key in broken}
    return values


def edited_values(edits: Mapping[str, Any], table: Table) -> dict[str, float]:
    """The numbers of values that an operator set at the target.

    Raises ValueError for one that its parameter cannot have; an unknown key stays, and is refused
    with the others.
    """
    values = {}
    for key, given in edits.items():
        value = table[key].inner(given) if key in table else number(given)
        if value is None:
            allowed = table[key].allowed_text() if key in table else "parameters of the profile"
            raise ValueError(f"the edited runtime has {key} = {given!r:.60}; allowed: {allowed}")
        values[key] = value
    return values
