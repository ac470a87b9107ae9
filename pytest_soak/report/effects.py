"""What came of the applied changes: helped, no evidence, hurt. A section of the audit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from pytest_soak.gate.figures import figure
from pytest_soak.loop.model import Attribution, Effect, History
from pytest_soak.report.markdown import cell

_MOST = 20
"""Changes that hurt, or helped, are told one by one up to this number."""


def effect_lines(history: History) -> list[str]:
    """How the changes of each rule did, and those of which there is evidence, one by one."""
    told = [
        one
        for item in history.iterations
        if item.decision is not None
        for one in item.decision.attributed
    ]
    if history.profile.guards.attribution is None:
        return ["The profile declares no attribution."]
    if not told:
        return ["No applied change was followed by enough iterations to tell."]
    return [*_by_rule(told), *_one_by_one(told)]


def _by_rule(told: Sequence[Attribution]) -> list[str]:
    counts: dict[str, Counter[str]] = {}
    for one in told:
        counter = counts.setdefault(one.rule or "(no name)", Counter())
        counter[one.verdict] += 1
        counter["shared"] += bool(one.shared)
    return [
        "| rule | changes told | helped | no evidence | hurt | shared with others |",
        "|---|---|---|---|---|---|",
        *(
            f"| {cell(rule)} | {sum(counter[word] for word in ('helped', 'no evidence', 'hurt'))} "
            f"| {counter['helped']} | {counter['no evidence']} | {counter['hurt']} "
            f"| {counter['shared']} |"
            for rule, counter in sorted(counts.items())
        ),
    ]


def _one_by_one(told: Sequence[Attribution]) -> list[str]:
    # What hurt comes first: it is what a reader looks for.
    known = [one for verdict in ("hurt", "helped") for one in told if one.verdict == verdict]
    if not known:
        return []
    lines = ["", "| changed after | rule | verdict | KPI | before | after | difference | keys |"]
    lines.append("|---|---|---|---|---|---|---|---|")
    for one in known[:_MOST]:
        keys = ", ".join(f"{key} {old:g} → {new:g}" for key, (old, new) in one.keys.items())
        doubt = " beyond doubt" if one.beyond_doubt else ""
        shared = f"(shared with {', '.join(one.shared)})" if one.shared else ""
        what = cell(f"{one.verdict}{doubt} {shared}".rstrip())
        for effect in one.effects:
            if effect.verdict == one.verdict:
                lines.append(
                    f"| {one.iteration} | {cell(one.rule)} | {what} "
                    f"| {cell(effect.kpi)} | {figure(effect.before)} | {figure(effect.after)} "
                    f"| {interval(effect)} | {cell(keys)} |"
                )
    rest = len(known) - _MOST
    return [*lines, *(["", f"… and {rest} more."] if rest > 0 else [])]


def interval(effect: Effect) -> str:
    """The interval of after - before, with signs."""
    if effect.low is None or effect.high is None:
        return "not known"
    return f"{_signed(effect.low)} .. {_signed(effect.high)}"


def _signed(value: float) -> str:
    return f"{'+' if value > 0 else ''}{figure(value)}"
