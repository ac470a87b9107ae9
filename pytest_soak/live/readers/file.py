"""Reports as a JSON file that the bot replaces or writes again."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

from pytest_soak.live.channels import ChannelFault, Context
from pytest_soak.live.files import (
    Content,
    Version,
    canonical_name,
    content_of_open,
    file_place,
    opened,
    status_of,
)
from pytest_soak.live.report_text import parsed_report
from pytest_soak.live.sections import ReportFields

_BETWEEN_S = 0.05
"""Between two reads, which must give the same."""


class ReportFile:
    """A reader (:class:`pytest_soak.live.channels.Reader`) of one JSON file.

    A version of the file that cannot be used is read again by the next poll: the bot may have
    finished it by then.
    """

    def __init__(
        self,
        place: Path,
        every_s: float | None,
        *,
        sections: Collection[str] = (),
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.place = str(place)
        self.sources: tuple[str, ...] = (canonical_name(place),)
        self.every_s = every_s
        self._file = place
        self._sleep = sleep
        self._past: Version | None = None
        """The version that is no news: of before the span, or read by an earlier poll."""
        self._existed = False
        self.raw = b""
        self._sections = sections

    def begin(self) -> None:
        try:
            self._past = self._version()
        except ChannelFault:
            self._past = None  # what is there now is no report

    def poll(self) -> dict[str, Any] | None:
        version = self._version()
        if version is None or version == self._past:
            return None
        content = self._stable()
        if content is None:
            return None
        report = parsed_report(
            content.data, self.place, sections=self._sections, may_be_unfinished=True
        )
        self.raw = content.data
        self._past = content.version
        return report

    def exists(self) -> bool:
        try:
            return self._existed or self._version() is not None
        except ChannelFault:
            return True

    def _version(self) -> Version | None:
        status = status_of(self._file)
        self._existed = self._existed or status is not None
        return None if status is None else Version.of(status)

    def _stable(self) -> Content | None:
        """What two reads give; None if there is no file any more.

        Both reads are of the one file that was opened: a bot that replaces its report more often
        than every 50 ms leaves a whole one behind each time.
        """
        descriptor = opened(self._file)
        if descriptor is None:
            return None
        try:
            first = content_of_open(descriptor, self.place)
            self._sleep(_BETWEEN_S)
            second = content_of_open(descriptor, self.place)
        finally:
            os.close(descriptor)
        if first != second:
            text = f"is half written: it changed within {_BETWEEN_S * 1000:.0f} ms"
            raise ChannelFault("half_written", self.place, text)
        return second


def make_file(fields: ReportFields, context: Context, every_s: float) -> ReportFile:
    return ReportFile(
        file_place(str(fields.file), context, ("file",)), every_s, sections=context.sections
    )
