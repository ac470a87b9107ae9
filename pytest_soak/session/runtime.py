"""The runtime file of one lane: what the target reads, and what an operator may edit."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pytest_soak.loop.model import Decision
from pytest_soak.profile.model import Profile
from pytest_soak.profile.parameters import ParameterError, flatten, nest, tuner_copies
from pytest_soak.store.atomic import atomic_create_json, atomic_write_json
from pytest_soak.store.errors import StoreError
from pytest_soak.store.reading import holds_canonical, read_json_with_hash


class RuntimeFile:
    """Flat values in, flat values out; nested, with the tuner's read-only copies, on disk."""

    def __init__(self, path: Path, profile: Profile) -> None:
        self.path, self._profile = path, profile

    def nested(self, values: Mapping[str, float]) -> dict[str, Any]:
        """What the file says, and a target gets, of these values."""
        return nest(values, self._profile.parameters, tuner_copies(self._profile))

    def restore(self, values: Mapping[str, float]) -> bool:
        """Write it where it is missing; whether it was. Raises StoreError.

        An editor that moves the old file away and saves a new one is not written over.
        """
        if os.path.lexists(self.path):
            return False
        return atomic_create_json(self.path, self.nested(values))

    def holds(self, state_hash: str) -> bool:
        """Whether it is, byte by byte, what has this hash; quicker than :meth:`read`."""
        return holds_canonical(self.path, state_hash)

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
        written, _ = atomic_write_json(self.path, self.nested(values))
        if state_hash is not None and written != state_hash:
            raise StoreError(
                f"{self.path} has the hash {written[:12]}, decided was {state_hash[:12]}"
            )


def carried_out(
    intent: Decision, before: Mapping[str, float], found: Mapping[str, float]
) -> dict[str, float]:
    """The values of ``intent``, with what an operator edited since in the file that was ``found``.

    A key that has its value of before was not edited, the stop came first; unless another key shows
    that the file had been written.
    """
    moved = [key for key, value in intent.values.items() if value != before[key]]
    if any(found[key] == intent.values[key] for key in moved):
        return dict(found)
    return {
        key: intent.values[key] if value == before[key] else value for key, value in found.items()
    }
