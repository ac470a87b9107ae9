"""Comparisons as data: ``"<= 0.40"`` is parsed by a pattern, never evaluated."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import cast

from pytest_soak.messages import nearest, shown
from pytest_soak.profile.model import Comparison, Condition, Operator
from pytest_soak.profile.reading import Node

_COMPARISON = re.compile(
    r"(?P<op><=|>=|<|>) *(?P<limit>[-+]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]{1,3})?)"
)
OPERATORS: tuple[Operator, ...] = ("<", "<=", ">", ">=")


def comparison(node: Node, margin: float = 0.0) -> Comparison:
    """``node``, a text such as ``"<= 0.40"``, as a comparison. Raises Invalid."""
    match = _COMPARISON.fullmatch(node.value) if isinstance(node.value, str) else None
    if match is None:
        raise node.wrong(
            f"{shown(node.value)} is no comparison; write one of {' '.join(OPERATORS)} and a "
            'number, in quotes, as in "<= 0.40"'
        )
    limit = Node(float(match["limit"]), node.path).number()
    return Comparison(op=cast(Operator, match["op"]), limit=limit, margin=margin)


def conditions(
    node: Node, kpis: Collection[str], margins: Node | None = None
) -> tuple[Condition, ...]:
    """A mapping of KPI to comparison(s), sorted by KPI: its order has no meaning.

    ``margins`` maps a KPI to ``{operator: distance}``, how far beyond that limit a value must lie.
    Raises Invalid.
    """
    unread = _margins(margins)
    result = []
    for kpi, entry in sorted(node.entries()):
        if kpi not in kpis:
            raise entry.wrong(f"unknown KPI {kpi!r}{nearest(kpi, kpis)}")
        result.append(_condition(kpi, entry, unread.pop(kpi, {})))
    for distances in unread.values():
        for distance in distances.values():
            raise distance.wrong("there is no condition on this KPI to which a margin could belong")
    return tuple(result)


def _margins(node: Node | None) -> dict[str, dict[str, Node]]:
    if node is None:
        return {}
    result: dict[str, dict[str, Node]] = {}
    for kpi, entry in node.entries():
        entry.fields((), OPERATORS)
        result[kpi] = {op: entry.child(op) for op in entry.mapping()}
    return result


def _condition(kpi: str, node: Node, margins: Mapping[str, Node]) -> Condition:
    if isinstance(node.value, dict):
        node.fields(("at_least", "of_first"))
        for distance in margins.values():
            raise distance.wrong("a share of the first iterations has no margin")
        share = (node.child("at_least").positive(), node.child("of_first").count())
        return Condition(kpi=kpi, share_of_first=share)
    texts = node.items() if isinstance(node.value, list) else (node,)
    if not texts:
        raise node.wrong("the list of comparisons is empty")
    parsed = [comparison(text) for text in texts]
    for op, distance in margins.items():
        if op not in {item.op for item in parsed}:
            raise distance.wrong(f"there is no {op} comparison of {kpi} in 'when'")
    return Condition(
        kpi=kpi,
        comparisons=tuple(
            Comparison(
                op=item.op,
                limit=item.limit,
                margin=margins[item.op].positive() if item.op in margins else 0.0,
            )
            for item in parsed
        ),
    )
