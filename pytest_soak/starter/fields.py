"""The fields of a sample report: which are figures, which say the parameters in force. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pytest_soak.canonical import number

Steps = tuple[str | int, ...]
"""The keys, and the places in lists, that lead to a value in a report."""

ECHOES = ("effective_params", "parameters", "params", "config", "settings")
"""Objects of a report in which services have the parameters that they run with."""

_OF_THE_REPORT = frozenset(
    {"applied_seq", "seq", "run_id", "boot_id", "from_unix", "to_unix", "fault", "soak", "audit"}
)
"""Top-level fields of a report that say which report it is (docs/live.md)."""

OWN_SECTIONS = ("soak", "tuner")
"""Objects among the parameters that a session delivers, which are none."""

_LARGEST = 1e100
"""A larger number is no figure of a KPI."""


@dataclass(frozen=True, slots=True)
class Field:
    """A number of a report; or null, where there is a figure at other times."""

    path: Steps
    value: float | None


@dataclass(frozen=True, slots=True)
class Setting:
    """A number or a switch that the service runs with."""

    path: tuple[str, ...]
    """Of the object that has the parameters."""
    value: float | bool


@dataclass(frozen=True, slots=True)
class Sample:
    """What a sample report has. The places of all are in the order of the report."""

    numbers: tuple[Field, ...] = ()
    empty: tuple[Steps, ...] = ()
    """Fields that are null in the sample."""
    echo: str = ""
    """The field that has the parameters in force; empty without one."""
    settings: tuple[Setting, ...] = ()


def sample_of(report: Mapping[str, Any]) -> Sample:
    """The fields of a report. A bool and a text are no figures."""
    echo = next((name for name in ECHOES if isinstance(report.get(name), Mapping)), "")
    numbers: list[Field] = []
    empty: list[Steps] = []
    for path, value in leaves_of({key: report[key] for key in report if key != echo}):
        if path[0] in _OF_THE_REPORT:
            continue
        figure = number(value)
        if value is None:
            empty.append(path)
        elif figure is not None and abs(figure) <= _LARGEST:
            numbers.append(Field(path, figure))
    return Sample(
        numbers=tuple(numbers),
        empty=tuple(empty),
        echo=echo,
        settings=settings_of(report[echo]) if echo else (),
    )


def settings_of(parameters: Mapping[str, Any]) -> tuple[Setting, ...]:
    """The numbers and switches of an object of parameters. Lists and texts are left out."""
    settings = []
    for path, value in leaves_of(parameters):
        names = tuple(step for step in path if isinstance(step, str))
        if len(names) < len(path) or names[0] in OWN_SECTIONS:
            continue
        figure = value if isinstance(value, bool) else number(value)
        if figure is not None and abs(figure) <= _LARGEST:
            settings.append(Setting(names, figure))
    return tuple(settings)


def leaves_of(report: Mapping[str, Any]) -> Iterator[tuple[Steps, Any]]:
    """Path and value of everything that is neither an object nor a list, in its own order."""
    stack: list[tuple[Steps, Any]] = [((), report)]
    while stack:
        path, value = stack.pop()
        inner: list[tuple[str | int, Any]] | None = None
        if isinstance(value, Mapping):
            inner = list(value.items())
        elif isinstance(value, list | tuple):
            inner = list(enumerate(value))
        if inner is None:
            yield path, value
        else:
            stack += [((*path, step), item) for step, item in reversed(inner)]
