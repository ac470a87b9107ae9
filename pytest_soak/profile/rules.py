"""The rules of a profile, from its section ``rules``: what several fields say together."""

from __future__ import annotations

import re
import string
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import get_args

from msgspec import UNSET

from pytest_soak.messages import nearest, shown
from pytest_soak.profile.condition import Condition, When
from pytest_soak.profile.conditions import Names, conditions, with_margins
from pytest_soak.profile.errors import Invalid
from pytest_soak.profile.kpi import Kpi
from pytest_soak.profile.model import Evidence, Excess, Hysteresis, Move, MoveKind, Rule
from pytest_soak.profile.parameter import Parameter
from pytest_soak.profile.reading import check_known
from pytest_soak.profile.sections import MoveFields, RuleFields
from pytest_soak.profile.tunable import value_of

_FORMAT = re.compile(r"(\.[0-9]{1,2})?[fge%]?")

Path = tuple[str, ...]


def rule(
    name: str, fields: RuleFields, parameters: Mapping[str, Parameter], kpis: Mapping[str, Kpi]
) -> Rule:
    """The rule ``name``. Raises Invalid."""
    at = ("rules", name)
    when = conditions(fields.when, Names(kpis, parameters), (*at, "when"))
    evidence = fields.evidence
    return Rule(
        name=name,
        when=with_margins(when, evidence.margin, (*at, "evidence", "margin")),
        moves=tuple(
            _move(key, move, parameters, when, (*at, "moves", key))
            for key, move in sorted(fields.moves.items())
        ),
        evidence=Evidence(over=evidence.over, fresh=evidence.fresh, early=evidence.early),
        hysteresis=_hysteresis(fields, kpis, (*at, "hysteresis")),
        dwell=fields.dwell,
        log=_template(fields.log, kpis, (*at, "log")),
    )


def _hysteresis(fields: RuleFields, kpis: Collection[str], path: Path) -> tuple[Hysteresis, ...]:
    for kpi, ends in fields.hysteresis.items():
        check_known(kpi, kpis, "KPI", (*path, kpi))
        if ends.stop == ends.start:
            raise Invalid(
                (*path, kpi),
                f"stop and start are both {ends.stop:g}; between them lies the hysteresis",
            )
    return tuple(
        Hysteresis(kpi=kpi, stop=ends.stop, start=ends.start)
        for kpi, ends in sorted(fields.hysteresis.items())
    )


def _move(
    key: str,
    fields: MoveFields,
    parameters: Mapping[str, Parameter],
    when: Sequence[When],
    path: Path,
) -> Move:
    check_known(key, parameters, "parameter", path)
    kind = _kind(fields, path)
    amount = _amount(kind, fields, parameters[key], (*path, kind))
    if fields.snap is not UNSET and kind != "toward_start":
        raise Invalid((*path, "snap"), "belongs to a move toward_start only")
    if fields.max_floor is not UNSET and fields.max_factor is UNSET:
        raise Invalid((*path, "max_floor"), "belongs to max_factor, which is missing")
    return Move(
        key=key,
        kind=kind,
        amount=amount,
        min_factor=fields.min_factor or None,
        max_factor=fields.max_factor or None,
        max_floor=None if fields.max_floor is UNSET else fields.max_floor,
        not_past_start=fields.not_past_start,
        snap=fields.snap or 0.0,
        excess=_excess(fields, when, (*path, kind)),
    )


def _kind(fields: MoveFields, path: Path) -> MoveKind:
    kinds: tuple[MoveKind, ...] = get_args(MoveKind)
    given = [kind for kind in kinds if getattr(fields, kind) is not UNSET]
    if len(given) != 1:
        named = " and ".join(given) or "none"
        raise Invalid(path, f"a move has one of {', '.join(kinds)}; here is {named}")
    return given[0]


def _amount(kind: MoveKind, fields: MoveFields, parameter: Parameter, path: Path) -> float:
    if fields.set is not UNSET:
        return value_of(fields.set, parameter, path)
    if fields.step is not UNSET and not parameter.step:
        raise Invalid(path, f"{parameter.key} has no steps; it moves by 'add' or 'mul'")
    if parameter.choices and kind in ("add", "mul", "proportional"):
        raise Invalid(path, f"{parameter.key} is no number; it moves by 'set' or 'step'")
    given = fields.proportional.gain if fields.proportional else getattr(fields, kind)
    amount = float(given)
    if amount == (1.0 if kind == "mul" else 0.0):
        raise Invalid(path, f"{kind} {amount:g} moves nothing")
    return amount


def _excess(fields: MoveFields, when: Sequence[When], path: Path) -> Excess | None:
    """The limit in ``when`` beyond which a proportional move counts."""
    if fields.proportional is UNSET:
        return None
    kpi = fields.proportional.to_excess_of
    limits = [
        comparison
        for condition in when
        if isinstance(condition, Condition) and condition.kpi == kpi
        for comparison in condition.comparisons
    ]
    if len(limits) != 1:
        problem = f"needs one comparison of {kpi} in 'when'; there are {len(limits)}"
        raise Invalid((*path, "to_excess_of"), problem)
    return Excess(kpi, replace(limits[0], margin=0.0))


def _template(text: str, kpis: Collection[str], path: Path) -> str:
    """The text of a log line; its fields are plain names, never attributes or indices."""
    names = (*kpis, "deltas")
    try:
        parts = list(string.Formatter().parse(text))
    except ValueError as error:
        raise Invalid(path, f"{shown(text)} is no template: {error}") from error
    if any(not character.isprintable() for character in text):
        raise Invalid(path, "a log line is one line of printable characters")
    for _, name, spec, conversion in parts:
        if name is None:
            continue
        if name not in names:
            raise Invalid(path, f"unknown field {{{name}}}{nearest(name, names)}")
        if conversion or _FORMAT.fullmatch(spec or "") is None:
            raise Invalid(path, f"{{{name}}} has an unknown format; write one like ':.2f'")
    return text
