"""Reads a rule of a profile: conditions, evidence, moves, hysteresis, log line."""

from __future__ import annotations

import re
import string
from collections.abc import Collection, Mapping
from typing import Literal

from pytest_soak.messages import nearest, shown
from pytest_soak.profile.comparisons import conditions
from pytest_soak.profile.model import Evidence, Hysteresis, Kpi, Move, Parameter, Rule
from pytest_soak.profile.reading import Node

_KINDS: tuple[Literal["add", "mul", "toward_start"], ...] = ("add", "mul", "toward_start")
_LIMITS = ("min_factor", "max_factor", "max_floor", "not_past_start", "snap")
_FORMAT = re.compile(r"(\.[0-9]{1,2})?[fge%]?")


def rule(
    name: str, node: Node, parameters: Mapping[str, Parameter], kpis: Mapping[str, Kpi]
) -> Rule:
    """The rule ``name``. Raises Invalid."""
    node.fields(("when", "moves"), ("evidence", "hysteresis", "dwell", "log"))
    evidence, margins = _evidence(node)
    when = conditions(node.child("when"), kpis, margins)
    if not when:
        raise node.child("when").wrong("the rule has no condition")
    moves = tuple(
        _move(key, entry, parameters) for key, entry in sorted(node.child("moves").entries())
    )
    if not moves:
        raise node.child("moves").wrong("the rule moves nothing")
    return Rule(
        name=name,
        when=when,
        moves=moves,
        evidence=evidence,
        hysteresis=_hysteresis(node, kpis),
        dwell=node.child("dwell").count() if node.has("dwell") else 1,
        log=_template(node.child("log"), kpis) if node.has("log") else "",
    )


def _evidence(node: Node) -> tuple[Evidence, Node | None]:
    if not node.has("evidence"):
        return Evidence(), None
    given = node.child("evidence")
    given.fields((), ("over", "margin", "fresh", "early"))
    evidence = Evidence(
        over=given.child("over").count() if given.has("over") else 1,
        fresh=given.child("fresh").flag() if given.has("fresh") else True,
        early=given.child("early").flag() if given.has("early") else False,
    )
    return evidence, given.child("margin") if given.has("margin") else None


def _hysteresis(node: Node, kpis: Collection[str]) -> tuple[Hysteresis, ...]:
    if not node.has("hysteresis"):
        return ()
    result = []
    for kpi, entry in sorted(node.child("hysteresis").entries()):
        if kpi not in kpis:
            raise entry.wrong(f"unknown KPI {kpi!r}{nearest(kpi, kpis)}")
        entry.fields(("stop", "start"))
        stop, start = entry.child("stop").number(), entry.child("start").number()
        if stop == start:
            raise entry.wrong(f"stop and start are both {stop:g}; between them lies the hysteresis")
        result.append(Hysteresis(kpi=kpi, stop=stop, start=start))
    return tuple(result)


def _move(key: str, node: Node, parameters: Collection[str]) -> Move:
    if key not in parameters:
        raise node.wrong(f"unknown parameter {key!r}{nearest(key, parameters)}")
    node.fields((), (*_KINDS, *_LIMITS))
    kinds = [kind for kind in _KINDS if node.has(kind)]
    if len(kinds) != 1:
        given = " and ".join(kinds) if kinds else "none"
        raise node.wrong(f"a move has one of add, mul, toward_start; here is {given}")
    kind = kinds[0]
    amount = node.child(kind)
    for limit in ("snap",) if kind != "toward_start" else ():
        if node.has(limit):
            raise node.child(limit).wrong("belongs to a move toward_start only")
    if node.has("max_floor") and not node.has("max_factor"):
        raise node.child("max_floor").wrong("belongs to max_factor, which is missing")
    return Move(
        key=key,
        kind=kind,
        amount=_amount(kind, amount),
        min_factor=node.child("min_factor").positive() if node.has("min_factor") else None,
        max_factor=node.child("max_factor").positive() if node.has("max_factor") else None,
        max_floor=node.child("max_floor").number() if node.has("max_floor") else None,
        not_past_start=node.child("not_past_start").flag() if node.has("not_past_start") else False,
        snap=node.child("snap").share() if node.has("snap") else 0.0,
    )


def _amount(kind: str, node: Node) -> float:
    amount = node.number() if kind == "add" else node.positive()
    if kind == "toward_start" and amount > 1:
        raise node.wrong(f"{amount:g} is more than the whole way; it is a share, at most 1")
    if amount == (1.0 if kind == "mul" else 0.0):
        raise node.wrong(f"{kind} {amount:g} moves nothing")
    return amount


def _template(node: Node, kpis: Collection[str]) -> str:
    """The text of a log line; its fields are plain names, never attributes or indices."""
    text = node.text()
    names = (*kpis, "deltas")
    try:
        parts = list(string.Formatter().parse(text))
    except ValueError as error:
        raise node.wrong(f"{shown(text)} is no template: {error}") from error
    if any(not character.isprintable() for character in text):
        raise node.wrong("a log line is one line of printable characters")
    for _, name, spec, conversion in parts:
        if name is None:
            continue
        if name not in names:
            raise node.wrong(f"unknown field {{{name}}}{nearest(name, names)}")
        if conversion or _FORMAT.fullmatch(spec or "") is None:
            raise node.wrong(f"{{{name}}} has an unknown format; write one like ':.2f'")
    return text
