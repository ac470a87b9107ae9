"""The values that a run allows to freeze, as YAML, and why others may not be frozen yet."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from pytest_soak.canonical import escaped
from pytest_soak.gate.judge import LaneJudgement
from pytest_soak.gate.statistic import is_certain
from pytest_soak.loop.model import Attribution, History, Iteration, Verdict
from pytest_soak.profile.model import SHIPPED
from pytest_soak.profile.parameter import outer_text
from pytest_soak.report.layout import cut, difference, parameter_value
from pytest_soak.report.lists import iterations_text, names
from pytest_soak.report.summary import final_values

_LONGEST_COMMENT = 140
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
_NO_TEXTS = ("true", "false", "on", "off", "yes", "no", "y", "n", "null")
"""Words that versions of YAML read as something else."""


def freeze_block(lane: LaneJudgement) -> list[str]:
    """A profile with every value at the end of the run, and on what each of them is based."""
    history = lane.window.history
    end = final_values(history)
    width = max(
        (len(f"{key}: {_yaml(history, key, number)}") for key, number in end.items()), default=0
    )
    lines = [
        "```yaml",
        f"# the values in force after {lane.measured} iterations",
        f"extends: {_reference(history.profile.name)}",
    ]
    for key, number in end.items():
        if key in history.profile.parameters:
            text = f"{key}: {_yaml(history, key, number)}"
            lines.append(f"{text:<{width}}  # {_comment(_evidence(lane, key))}")
    return [*lines, "```"]


def _reference(name: str) -> str:
    """How a file beside the profile of the run refers to it."""
    return name if name in SHIPPED else f"./{_plain(name)}.yaml"


def unsettled(lane: LaneJudgement) -> list[str]:
    """Parameters that moved within the window, so that it does not show their last value."""
    first = lane.window.long[0].number if lane.window.long else 0
    return [
        key
        for key in final_values(lane.window.history)
        if (last := _last_move(lane.window.history, key)) is not None and last >= first
    ]


def _evidence(lane: LaneJudgement, key: str) -> str:
    history = lane.window.history
    table = history.profile.parameters
    moves = list(moves_of(history, key))
    if not moves:
        return "start value, never moved"
    last, before, _, by = moves[-1]
    after_it = sum(item.number > last for item in lane.window.measured)
    began = parameter_value(table, key, history.start_values.get(key, before))
    text = f"{after_it} iteration{'s' * (after_it != 1)} with it; from {began} in "
    text += f"{len(moves)} move{'s' * (len(moves) > 1)}, the last by {by}"
    if last >= (lane.window.long[0].number if lane.window.long else 0):
        text = f"NOT SETTLED: {text}"
    return f"{text}{_effect_of(history, key, last)}"


def moves_of(history: History, key: str) -> Iterator[tuple[int, float, float, str]]:
    """Iteration, value before and after, and what moved it."""
    current = history.start_values.get(key)
    for item in history.iterations:
        if item.decision is None:
            continue
        basis, after = item.basis.get(key), item.decision.values.get(key)
        if basis is not None and current is not None and basis != current:
            yield item.number - 1, current, basis, "an edit by hand"
        if basis is not None and after is not None and after != basis:
            yield item.number, basis, after, _mover(item, key)
        current = after


def _mover(item: Iteration, key: str) -> str:
    decision = item.decision
    if decision is None:
        return "an edit by hand"
    if decision.panic is not None and key in decision.panic.moves:
        return f"the panic revert to {decision.panic.revert_to}"
    rules = [outcome.rule for outcome in decision.outcomes if outcome.key == key and outcome.rule]
    return names(rules, 1) if rules else "the proposer"


def _last_move(history: History, key: str) -> int | None:
    return max((move[0] for move in moves_of(history, key)), default=None)


def _effect_of(history: History, key: str, iteration: int) -> str:
    """The reported effect of the last move of a key."""
    for item in history.iterations:
        for attribution in item.decision.attributed if item.decision is not None else ():
            if attribution.iteration == iteration and key in attribution.keys:
                return f"; {_effect_text(attribution)}"
    return ""


def _effect_text(attribution: Attribution) -> str:
    for effect in attribution.effects:
        if effect.verdict == attribution.verdict and effect.low is not None:
            ends = f"{difference(effect.low)} to {difference(effect.high or 0.0)}"
            return f"{_EFFECTS[attribution.verdict]} ({effect.kpi} {ends})"
    return _EFFECTS[attribution.verdict]


_EFFECTS = {"helped": "it helped", "hurt": "it hurt", "no evidence": "no effect shown"}


def why_not(lane: LaneJudgement) -> list[str]:
    """Why nothing may be frozen, one text for each reason."""
    window = lane.window
    texts = []
    for verdict in (Verdict.FAIL, Verdict.INCONCLUSIVE):
        criteria = [item.name for item in lane.criteria if item.verdict is verdict]
        if criteria:
            texts.append(f"{names(criteria)} {'is' if len(criteria) == 1 else 'are'} {verdict}")
    drifting = [
        item.name.removeprefix("drift:")
        for item in lane.criteria
        if item.name.startswith("drift:") and item.verdict is Verdict.WARN
    ]
    if drifting:
        texts.append(f"{names(drifting)} drifts towards its limit")
    uncertain = [
        criterion.kpi
        for criterion in window.limits.criteria
        if not criterion.optional and not is_certain(window, criterion)
    ]
    uncertain += [
        item.name
        for item in lane.criteria
        if item.name.startswith("relative:") and item.binding and item.verdict is Verdict.WARN
    ]
    if uncertain and not texts:
        texts.append(f"{names(uncertain)}: not certain to be inside the limit")
    hurt = {number: item.scheduled.name for item in lane.recoveries for number in item.hurt}
    first = window.long[0].number if window.long else 0
    late = [number for number in hurt if number >= first]
    if late:
        scenarios = names(list(dict.fromkeys(hurt[number] for number in late)))
        texts.append(
            f"{scenarios} disturbs the window ({iterations_text(late)}), so the last values are "
            "not tested without it"
        )
    if lane.pass_count < (window.limits.freeze_ready_pass_count or 0):
        texts.append(f"only {lane.pass_count} of the last {window.limits.window} iterations pass")
    others = [
        item.name
        for item in lane.criteria
        if item.verdict is Verdict.WARN and item.name in ("checks", "completeness", "stale")
    ]
    if others:
        texts.append(f"{names(others)}: WARN")
    return texts or ["the gate does not allow it"]


def _yaml(history: History, key: str, number: float) -> str:
    """A value as a profile has it."""
    outer = history.profile.parameters[key].outer(number)
    if isinstance(outer, str):
        return (
            outer
            if _PLAIN.fullmatch(outer) and outer.lower() not in _NO_TEXTS
            else json.dumps(outer, ensure_ascii=False)
        )
    return outer_text(outer) if isinstance(outer, bool) else _number(outer)


def _number(number: float) -> str:
    """In full, and without an exponent, which YAML reads as a text where it has no point."""
    text = repr(number + 0.0)
    return (f"{number:.17f}".rstrip("0") if "e" in text else text).removesuffix(".0").rstrip(".")


def _comment(text: str) -> str:
    """A text in a comment of YAML inside a fence: one line, and it does not end the fence."""
    return cut(_plain(text), _LONGEST_COMMENT)


def _plain(text: str) -> str:
    return escaped(" ".join(text.split())).replace("`", "'")
