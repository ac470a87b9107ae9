"""The effects of the applied changes: helped, no evidence, hurt. A section of the audit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from pytest_soak.gate.figures import figure
from pytest_soak.loop.model import Attribution, Effect, History
from pytest_soak.report.layout import Table, edits_text
from pytest_soak.report.markdown import cell

_MOST = 20
"""Changes that hurt, or helped, are listed one by one up to this number."""


def effect_lines(history: History) -> list[str]:
    """The changes counted by rule, and those that helped or hurt one by one."""
    attributions = [
        attribution
        for item in history.iterations
        if item.decision is not None
        for attribution in item.decision.attributed
    ]
    if history.profile.guards.attribution is None:
        return ["The profile declares no attribution, so no effect was measured."]
    if not attributions:
        return ["No applied change was followed by enough iterations to measure its effect."]
    return [*_by_rule(attributions), *_list(history.profile.parameters, attributions)]


def _by_rule(attributions: Sequence[Attribution]) -> list[str]:
    counts: dict[str, Counter[str]] = {}
    for attribution in attributions:
        counter = counts.setdefault(attribution.rule or "(no name)", Counter())
        counter[attribution.verdict] += 1
        counter["shared"] += bool(attribution.shared)
    return [
        "| rule | effects reported | helped | no evidence | hurt | shared with others |",
        "|---|---|---|---|---|---|",
        *(
            f"| {cell(rule)} | {sum(counter[word] for word in ('helped', 'no evidence', 'hurt'))} "
            f"| {counter['helped']} | {counter['no evidence']} | {counter['hurt']} "
            f"| {counter['shared']} |"
            for rule, counter in sorted(counts.items())
        ),
    ]


def _list(table: Table, attributions: Sequence[Attribution]) -> list[str]:
    # What hurt comes first: it is what a reader looks for.
    evident = [item for word in ("hurt", "helped") for item in attributions if item.verdict == word]
    if not evident:
        return []
    heads = "changed after iteration | rule | verdict | KPI | before | after | difference | keys"
    lines = ["", f"| {heads} |"]
    lines.append("|---|---|---|---|---|---|---|---|")
    for item in evident[:_MOST]:
        keys = edits_text(table, item.keys).replace(" -> ", " → ")
        doubt = " beyond doubt" if item.beyond_doubt else ""
        shared = f"(shared with {', '.join(item.shared)})" if item.shared else ""
        verdict = cell(f"{item.verdict}{doubt} {shared}".rstrip())
        for effect in item.effects:
            if effect.verdict == item.verdict:
                lines.append(
                    f"| {item.iteration} | {cell(item.rule)} | {verdict} "
                    f"| {cell(effect.kpi)} | {figure(effect.before)} | {figure(effect.after)} "
                    f"| {interval(effect)} | {cell(keys)} |"
                )
    rest = len(evident) - _MOST
    return [*lines, *(["", f"… and {rest} more."] if rest > 0 else [])]


def interval(effect: Effect) -> str:
    """The interval of after - before, with signs."""
    if effect.low is None or effect.high is None:
        return "not known"
    return f"{_signed(effect.low)} .. {_signed(effect.high)}"


def _signed(value: float) -> str:
    return f"{'+' if value > 0 else ''}{figure(value)}"
