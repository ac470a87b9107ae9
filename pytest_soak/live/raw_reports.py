"""The newest reports of a bot as it wrote them, compressed, for people; nothing reads them."""

from __future__ import annotations

import gzip
import re
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from pytest_soak.store.atomic import atomic_write_bytes, make_directory
from pytest_soak.store.errors import StoreError

KEPT = 10
"""So many iterations."""
_NAME = re.compile(r"(?P<iteration>[0-9]{4,})(-[0-9]+)?\.(json|txt)\.gz")


class RawReports:
    """The files ``reports/0007.json.gz``; of several sources ``0007-1.json.gz``, ``0007-2…``.

    A text of metrics, which is no JSON, is ``0007.txt.gz``.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def keep(self, iteration: int, raws: Sequence[bytes]) -> None:
        """Keep the reports of an iteration, and remove those of the iterations before the last ten.

        If they cannot be written, the lane goes on: the journal has all that the verdict needs.
        """
        given = [(place, raw) for place, raw in enumerate(raws, 1) if raw]
        with suppress(StoreError, OSError):
            if given:
                make_directory(self._folder)
            for place, raw in given:
                name = f"{iteration:04d}" + (f"-{place}" if len(raws) > 1 else "")
                kind = "json" if raw.lstrip()[:1] in (b"{", b"[") else "txt"
                path = self._folder / f"{name}.{kind}.gz"
                atomic_write_bytes(path, gzip.compress(raw, mtime=0), durable=False, mode=0o600)
            self._remove_before(iteration - KEPT + 1)

    def _remove_before(self, first: int) -> None:
        if not self._folder.is_dir():
            return
        for path in self._folder.iterdir():
            match = _NAME.fullmatch(path.name)
            if match is not None and int(match["iteration"]) < first:
                path.unlink(missing_ok=True)
