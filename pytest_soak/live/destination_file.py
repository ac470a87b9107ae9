"""A file of a bot that deliveries replace: read, replaced as a whole, and put back at the end."""

from __future__ import annotations

import stat
from pathlib import Path

from pytest_soak.live.channels import LARGEST_BYTES
from pytest_soak.live.files import content_of, status_of
from pytest_soak.live.original import Original, as_not_delivered, not_delivered
from pytest_soak.store.atomic import atomic_write_bytes, sync_directory
from pytest_soak.store.errors import StoreError, describe_os_error


class DestinationFile:
    """A regular file, or none yet. All methods raise ChannelFault for a link, FIFO or device."""

    def __init__(self, place: Path, folder: Path, *, max_bytes: int = LARGEST_BYTES) -> None:
        """``folder`` is where the original is kept."""
        self._place = place
        self._max_bytes = max_bytes
        self._original = Original(folder)

    def keep_original(self) -> None:
        """Copy the file, unless an earlier session of the run did."""
        data = self.data()
        if not self._original.is_kept:
            self._original.keep(data)

    def data(self) -> bytes | None:
        """All bytes; None if there is no file."""
        with as_not_delivered():
            content = content_of(self._place, max_bytes=self._max_bytes)
        return None if content is None else content.data

    def replace(self, data: bytes) -> None:
        """Replace the file durably. The new one has the permission bits of the old one."""
        self._write(data, self._mode())

    def restore(self) -> None:
        """Put the original back; remove the file if there was none."""
        mode, data = self._mode(), self._original.data()
        if data is not None:
            # Without a file there are no bits to keep, and the original may have secrets.
            self._write(data, 0o600 if mode is None else mode)
        elif mode is not None and self._original.is_kept:
            self._remove()

    def _mode(self) -> int | None:
        """The permission bits; None if there is no file."""
        with as_not_delivered():
            status = status_of(self._place)
        return None if status is None else stat.S_IMODE(status.st_mode)

    def _write(self, data: bytes, mode: int | None) -> None:
        try:
            atomic_write_bytes(self._place, data, mode=mode)
        except StoreError as error:
            raise not_delivered(self._place, "written", error) from None

    def _remove(self) -> None:
        try:
            try:
                self._place.unlink(missing_ok=True)
            except OSError as error:
                raise describe_os_error("remove", self._place, error) from error
            sync_directory(self._place.parent)
        except StoreError as error:
            raise not_delivered(self._place, "removed", error) from None
