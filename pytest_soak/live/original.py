"""What a destination had before the run, kept in the lane's directory for ``on_end: restore``."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pytest_soak.live.channels import ChannelFault
from pytest_soak.live.files import content_of
from pytest_soak.store.atomic import atomic_write_bytes
from pytest_soak.store.errors import StoreError


class Original:
    """The copy ``original`` in a folder; ``original.none`` says that there was nothing to copy."""

    def __init__(self, folder: Path) -> None:
        self._copy = folder / "original"
        self._nothing = folder / "original.none"

    @property
    def is_kept(self) -> bool:
        """Whether this session, or an earlier one of the run, called :meth:`keep`."""
        return os.path.lexists(self._copy) or os.path.lexists(self._nothing)

    def keep(self, data: bytes | None) -> None:
        """Keep ``data``, durably; None: there was nothing. Only this user may read the copy.

        Raises ChannelFault with the name ``not_delivered``.
        """
        place = self._nothing if data is None else self._copy
        try:
            atomic_write_bytes(place, data or b"", mode=0o600)
        except StoreError as error:
            raise not_delivered(place, "written", error) from None

    def data(self) -> bytes | None:
        """What was kept; None if there was nothing. Raises ChannelFault."""
        with as_not_delivered():
            content = content_of(self._copy)
        return None if content is None else content.data


def not_delivered(place: Path, verb: str, error: StoreError) -> ChannelFault:
    """The fault of a file that could not be ``verb``, as in ``cannot be written: …``."""
    _, colon, why = str(error).partition(f"{place}: ")
    text = f"cannot be {verb}: {why if colon else error}"
    return ChannelFault("not_delivered", str(place), text)


@contextmanager
def as_not_delivered() -> Iterator[None]:
    """Every fault of a source is ``not_delivered`` where it is one of a destination."""
    try:
        yield
    except ChannelFault as fault:
        raise ChannelFault("not_delivered", fault.place, fault.text, fault.details) from None
