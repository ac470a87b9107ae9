"""The parameters as the standard input, and the arguments, of a program."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pytest_soak.canonical import canonical_json
from pytest_soak.json_types import WrongValueError
from pytest_soak.live.channels import ChannelFault, Context, Delivery, Present, plain_value
from pytest_soak.live.commands import Command, command_of
from pytest_soak.live.report_text import echo_in
from pytest_soak.live.sections import ParametersFields
from pytest_soak.messages import nearest, shown
from pytest_soak.profile.parameter import outer_text

_PARAMETER = re.compile(r"\{\{|\{param:([^{}]*)\}")
"""An escaped brace, or the place of a value."""


@dataclass(frozen=True, slots=True)
class Value:
    """The place of a parameter's value in an argument."""

    parameter: str


Argument = tuple[str | Value, ...]
"""Texts, expanded, and values between them."""


class ParameterCommand:
    """A writer (:class:`pytest_soak.live.channels.Writer`) that runs a program."""

    needs_process = False
    destinations: tuple[str, ...] = ()

    def __init__(
        self, command: Command, arguments: Sequence[Argument], *, soak_block: bool = True
    ) -> None:
        self.place = command.place
        self._soak_block = soak_block
        self._command = command
        self._arguments = arguments

    def open(self) -> None:
        """There is nothing to keep: what a program will replace is not known."""

    def present(self) -> Present | None:
        return None

    def deliver(self, delivery: Delivery) -> dict[str, Any] | None:
        argv = ["".join(self._texts(argument, delivery)) for argument in self._arguments]
        data = canonical_json(delivery.sent(soak_block=self._soak_block))
        return echo_in(self._command.run(argv, data))

    def restore(self) -> None:
        text = "has no original to put back; use on_end: keep"
        raise ChannelFault("not_delivered", self.place, text)

    def _texts(self, argument: Argument, delivery: Delivery) -> list[str]:
        return [
            part if isinstance(part, str) else self._value(part.parameter, delivery)
            for part in argument
        ]

    def _value(self, parameter: str, delivery: Delivery) -> str:
        value = plain_value(delivery.values.get(parameter))
        if value is None:
            text = f"needs a value of {parameter}, and the delivery has none"
            raise ChannelFault("command_failed", self.place, text)
        return outer_text(value, 12)


def make_command(fields: ParametersFields, context: Context) -> ParameterCommand:
    texts = fields.command if isinstance(fields.command, tuple) else ()
    arguments = [
        argument_of(text, context, ("command", str(place))) for place, text in enumerate(texts)
    ]
    argv = ["".join(map(_placeholder, argument)) for argument in arguments]
    command = command_of(argv, fields.timeout_s, context)
    return ParameterCommand(command, arguments, soak_block=fields.soak_block)


def argument_of(text: str, context: Context, path: tuple[str, ...]) -> Argument:
    """``text`` with its placeholders expanded, and ``{param:KEY}`` as values.

    Raises WrongValueError for a parameter that the profile does not have.
    """
    parts: list[str | Value] = []
    begin = 0
    for match in _PARAMETER.finditer(text):
        parameter = match[1]
        if parameter is None:
            continue
        if parameter not in context.paths:
            near = nearest(parameter, context.paths)
            raise WrongValueError(path, f"{shown(parameter)} is no parameter{near}")
        parts += [context.expand(text[begin : match.start()]), Value(parameter)]
        begin = match.end()
    parts.append(context.expand(text[begin:]))
    return tuple(part for part in parts if part != "")


def _placeholder(part: str | Value) -> str:
    return part if isinstance(part, str) else f"{{param:{part.parameter}}}"
