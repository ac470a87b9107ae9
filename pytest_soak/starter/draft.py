"""The profile that a sample report proposes, as data: KPIs, limits, parameters. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pytest_soak.profile.layers import KNOWN
from pytest_soak.profile.reading import IDENTIFIER
from pytest_soak.profile.tunable import READ_ONLY_SECTION
from pytest_soak.starter.fields import Sample, Setting, Steps
from pytest_soak.starter.naming import direction, names_of

MOST_KPIS = 200
"""A report with more numbers has tables in it; its first numbers are enough to begin with."""
_MOST_SETTINGS = 50
_TAKEN = frozenset({*KNOWN, "soak", READ_ONLY_SECTION})
"""Names that have a meaning of their own in a profile, or in what is delivered."""
_LARGEST_PARAMETER = 1e15
_FINE = 1_000_000
"""A whole number with a wider range has larger steps: a size in bytes is not tuned byte by byte."""


@dataclass(frozen=True, slots=True)
class Figure:
    """A KPI of the draft."""

    name: str
    path: Steps
    value: float | None
    """In the sample; None for a field that is null there."""
    better: str = ""
    """``up`` or ``down``, guessed from the name; empty if the name is not clear."""
    limit: str = ""
    """The proposed limit of the gate, a comparison; empty without one."""


@dataclass(frozen=True, slots=True)
class Draft:
    """What the profile of a new soak has."""

    figures: tuple[Figure, ...]
    parameters: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Parameter to its fields."""
    left_out: tuple[str, ...] = ()
    """Lines about what of the sample is not in the profile, and why."""
    guessed: bool = True
    """Whether the figures come from a sample; else they are a template."""

    @property
    def gated(self) -> tuple[Figure, ...]:
        return tuple(figure for figure in self.figures if figure.limit)


TEMPLATE = Draft(
    figures=(
        Figure("p95_ms", ("totals", "p95_ms"), None, "down", "<= 250"),
        Figure("error_ratio", ("totals", "error_ratio"), None, "down", "<= 0.01"),
    ),
    parameters={
        "batch": {
            "path": "service",
            "type": "int",
            "start": 8,
            "min": 1,
            "max": 64,
            "cap_per_hour": 32,
        }
    },
    guessed=False,
)
"""Without a sample: two figures that most services have, and one parameter."""


def draft_of(sample: Sample, settings: Sequence[Setting] | None = None) -> Draft:
    """The draft of a sample. ``settings`` are the parameters in force, if they are not its echo's.

    The gate needs a criterion: without a figure whose name is clear the first one gets a limit.
    """
    parameters, lines = parameters_of(sample.settings if settings is None else settings)
    fields = [(item.path, item.value) for item in sample.numbers]
    fields += [(path, None) for path in sample.empty]
    names = names_of([path for path, _ in fields[:MOST_KPIS]])
    figures = [
        _figure(name, path, value)
        for name, (path, value) in zip(names, fields[:MOST_KPIS], strict=True)
    ]
    if len(fields) > MOST_KPIS:
        lines.append(
            f"{len(fields) - MOST_KPIS} more numbers of the report: the first {MOST_KPIS} are KPIs"
        )
    if figures and not any(figure.limit for figure in figures):
        figures = [_limited(figures[0]), *figures[1:]]
    return Draft(tuple(figures), parameters, tuple(lines))


def _figure(name: str, path: Steps, value: float | None) -> Figure:
    better = direction(name)
    return Figure(name, path, value, better, proposed_limit(value, better))


def _limited(figure: Figure) -> Figure:
    """The figure with a limit that the user must edit, whatever its direction is."""
    limit = proposed_limit(figure.value, "down") or "<= 1"
    return Figure(figure.name, figure.path, figure.value, "", limit)


def proposed_limit(value: float | None, better: str) -> str:
    """Half as much again, or half as much; empty where the sample gives no limit.

    With fewer errors than none, or more throughput than nothing, a limit would always or never
    hold: for 0 the limit of a figure that should be low is a hundredth, and there is no other.
    """
    if value is None or not better or (value == 0.0 and better == "up"):
        return ""
    if value == 0.0:
        return "<= 0.01"
    slack = 0.5 * abs(value)
    limit = value + slack if better == "down" else value - slack
    return f"{'<=' if better == 'down' else '>='} {_rounded(limit)}"


def _rounded(value: float) -> str:
    """Two digits, as people write them."""
    text = f"{value:.2g}"
    short = f"{float(text):g}"
    return short if "e" not in short or abs(math.log10(abs(value))) > 15 else f"{float(text):.15g}"


def parameters_of(
    settings: Sequence[Setting],
) -> tuple[dict[str, Mapping[str, Any]], list[str]]:
    """Parameter to its fields, and lines about the settings that cannot be one.

    A start value is the value in force, so that nothing changes before a rule moves it.
    """
    parameters: dict[str, Mapping[str, Any]] = {}
    lines = []
    sections = frozenset(step for setting in settings for step in setting.path[:-1])
    for setting in settings:
        problem = _not_a_parameter(setting, parameters, sections)
        if problem:
            lines.append(f"the setting {'.'.join(setting.path)}: {problem}")
        else:
            parameters[setting.path[-1]] = _parameter(setting)
    return parameters, lines


def _not_a_parameter(
    setting: Setting, parameters: Mapping[str, Any], sections: frozenset[str]
) -> str:
    """Why a setting is left out; empty for one that is taken."""
    *_, key = setting.path
    odd = next((step for step in setting.path if not IDENTIFIER.fullmatch(step)), None)
    if odd is not None:
        return "its name has other characters than letters, digits and underscores"
    if key in parameters:
        return "another parameter has its name"
    if key in sections or key.endswith("_delta") or key in _TAKEN:
        return "its name has a meaning of its own"
    if abs(setting.value) > _LARGEST_PARAMETER:
        return "it is too large for a parameter"
    if len(parameters) >= _MOST_SETTINGS:
        return f"there are {_MOST_SETTINGS} parameters already"
    return ""


def _parameter(setting: Setting) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    if len(setting.path) > 1:
        fields["path"] = ".".join(setting.path[:-1])
    value = setting.value
    if isinstance(value, bool):
        return {**fields, "type": "bool", "start": value}
    if float(value).is_integer():
        return {**fields, "type": "int", **_whole(int(value))}
    least, most = sorted((value / 4, value * 4))
    cap_per_hour = float(f"{(most - least) / 2:.3g}")
    return {**fields, "start": value, "min": least, "max": most, "cap_per_hour": cap_per_hour}


def _whole(start: int) -> dict[str, int]:
    """The fields of a whole number. The start lies on the grid of its steps."""
    low, high = (1, max(4 * start, 4)) if start > 0 else (min(4 * start, 0), 10)
    step: dict[str, int] = {}
    if high - low > _FINE:
        size = 10 ** (len(str(abs(start))) - 3)
        low, high = start - (start - low) // size * size, start + (high - start) // size * size
        step = {"step": size}
    return {
        "start": start,
        "min": low,
        "max": high,
        **step,
        "cap_per_hour": max((high - low) // 2, 1),
    }
