"""The rules of a profile, from its section ``rules``: what several fields say together."""

from __future__ import annotations

import re
import string
from collections.abc import Collection, Mapping
from typing import Literal

from msgspec import UNSET, UnsetType

from pytest_soak.messages import nearest, shown
from pytest_soak.profile.conditions import Names, conditions, with_margins
from pytest_soak.profile.errors import Invalid
from pytest_soak.profile.kpi import Kpi
from pytest_soak.profile.model import Evidence, Hysteresis, Move, Rule
from pytest_soak.profile.parameter import Parameter
from pytest_soak.profile.reading import check_known
from pytest_soak.profile.sections import MoveFields, RuleFields

_FORMAT = re.compile(r"(\.[0-9]{1,2})?[fge%]?")

Path = tuple[str, ...]
Kind = Literal["add", "mul", "toward_start"]


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
            _move(key, move, parameters, (*at, "moves", key))
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


def _move(key: str, fields: MoveFields, parameters: Collection[str], path: Path) -> Move:
    check_known(key, parameters, "parameter", path)
    kind, amount = _kind(fields, path)
    if amount == (1.0 if kind == "mul" else 0.0):
        raise Invalid((*path, kind), f"{kind} {amount:g} moves nothing")
    if kind != "toward_start" and fields.snap is not UNSET:
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
    )


def _kind(fields: MoveFields, path: Path) -> tuple[Kind, float]:
    amounts: dict[Kind, float | UnsetType] = {
        "add": fields.add,
        "mul": fields.mul,
        "toward_start": fields.toward_start,
    }
    given = [(kind, amount) for kind, amount in amounts.items() if amount is not UNSET]
    if len(given) != 1:
        kinds = " and ".join(kind for kind, _ in given) or "none"
        raise Invalid(path, f"a move has one of {', '.join(amounts)}; here is {kinds}")
    return given[0]


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
