"""Reports as the standard output of a program."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from pytest_soak.live.channels import Context
from pytest_soak.live.commands import Command, command_of
from pytest_soak.live.report_text import parsed_report
from pytest_soak.live.sections import ReportFields


class ReportCommand:
    """A reader (:class:`pytest_soak.live.channels.Reader`) that runs a program.

    It runs from the end of the measured span on, for a program beside the bot may disturb what is
    measured. Every output is a new report.
    """

    sources: tuple[str, ...] = ()
    every_s: float | None = None

    def __init__(
        self, command: Command, argv: Sequence[str], sections: Collection[str] = ()
    ) -> None:
        self.place = command.place
        self._command = command
        self._argv = argv
        self._has_ended = False
        self.raw = b""
        self._sections = sections

    def begin(self) -> None:
        """Nothing to note: a report is made when the program runs."""

    def poll(self) -> dict[str, Any]:
        data = self._command.run(self._argv)
        self._has_ended, self.raw = True, data
        return parsed_report(data, self.place, sections=self._sections)

    def exists(self) -> bool:
        return self._has_ended


def make_command(fields: ReportFields, context: Context, every_s: float) -> ReportCommand:
    """``every_s`` has no meaning for a program."""
    texts = fields.command if isinstance(fields.command, tuple) else ()
    argv = [context.expand(text) for text in texts]
    return ReportCommand(command_of(argv, fields.timeout_s, context), argv, context.sections)
