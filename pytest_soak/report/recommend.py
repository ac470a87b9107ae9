"""RECOMMENDATIONS.md: what to change and why, from the figures of the run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from pytest_soak.gate.criteria import CriterionResult
from pytest_soak.gate.judge import LaneJudgement, RunJudgement
from pytest_soak.loop.model import History, Verdict
from pytest_soak.profile.model import Rule
from pytest_soak.report.layout import named_reason
from pytest_soak.report.markdown import bullet, cell
from pytest_soak.report.summary import final_values


def recommendations(histories: Sequence[History], judgement: RunJudgement) -> str:
    """The text of the file; ``histories`` in the order of ``judgement.lanes``."""
    lines = [f"# Recommendations ({judgement.verdict})", ""]
    for history, lane in zip(histories, judgement.lanes, strict=True):
        texts = list(dict.fromkeys(_recommended(history, lane)))
        lines += [f"## Lane {cell(lane.lane_id)}: {lane.verdict}", ""]
        lines += [bullet(text) for text in texts] or ["There is nothing to change."]
        lines.append("")
    return "\n".join(lines)


def _recommended(history: History, lane: LaneJudgement) -> Iterator[str]:
    if history.halt is not None and history.halt.kind != "end_of_data":
        yield (
            f"First repair what ended the lane at iteration {history.halt.iteration} "
            f"({history.halt.kind}): {history.halt.text}. Then continue with --soak-resume."
        )
    elif lane.measured < lane.planned:
        yield (
            f"Finish the run with --soak-resume: {lane.measured} of {lane.planned} iterations "
            "are measured."
        )
    gated = {criterion.kpi for criterion in history.profile.gate.criteria}
    for result in lane.criteria:
        if result.name in gated and result.verdict is not Verdict.PASS:
            yield from _for_kpi(history, lane, result)
    yield from _for_deltas(lane)
    yield from _at_bounds(history)
    panics = [
        item.number
        for item in history.iterations
        if item.decision is not None and item.decision.panic is not None
    ]
    if panics:
        yield (
            f"Start from a safer profile: there was a panic after iteration "
            f"{', '.join(map(str, panics))}, so the start values are too risky."
        )
    if lane.freeze_ready and lane.verdict is Verdict.PASS:
        yield "The parameters may be frozen at the values that they have at the end of this run."


def _for_kpi(history: History, lane: LaneJudgement, result: CriterionResult) -> Iterator[str]:
    window = lane.windows.get(result.name)
    limits = history.profile.gate
    missing = window.bounds.no_data if window is not None else 0
    length = window.bounds.long_iterations if window is not None else 0
    if missing > limits.no_data_ratio * max(length, limits.window):
        source = _source_of(history, result.name)
        yield (
            f"{result.name}: make the target report it{source}; there is no data in "
            f"{missing} of the last {length} iterations."
        )
        return
    if result.verdict is not Verdict.FAIL:
        if lane.measured < limits.pass_from:
            yield (
                f"{result.name}: run at least {limits.pass_from} iterations, or give a stored "
                "tuner-off run with --soak-reference; without either the gate cannot say PASS."
            )
        elif result.margin is not None:
            yield (
                f"{result.name}: its distance of {result.margin:.3g} from the limit "
                f"({result.limit}) is within its noise. A longer interval makes each figure more "
                "certain; a tuner-off run as --soak-reference makes the noise known."
            )
        return
    rules = [rule for rule in history.profile.rules if _concerns(rule, result.name)]
    if not history.tune:
        yield f"{named_reason(result)}; the tuner was off."
    elif rules:
        yield f"{named_reason(result)}. {_what_rules_did(history, rules)}"
    else:
        yield f"{named_reason(result)}; no rule of the profile uses it."


def _source_of(history: History, kpi: str) -> str:
    declared = history.profile.kpis.get(kpi)
    return f" as `{'.'.join(declared.read)}`" if declared is not None and declared.read else ""


def _concerns(rule: Rule, kpi: str) -> bool:
    return any(condition.kpi == kpi for condition in rule.when)


def _what_rules_did(history: History, rules: Sequence[Rule]) -> str:
    """How often the rules that use a KPI fired, and what withheld their keys most often."""
    names = {rule.name for rule in rules}
    keys = {move.key for rule in rules for move in rule.moves}
    fired: Counter[str] = Counter()
    withheld: Counter[str] = Counter()
    waiting: Counter[str] = Counter()
    for item in history.iterations:
        if item.decision is not None:
            fired.update(name for name in item.decision.rules if name in names)
            withheld.update(
                f"{key}: {why}" for key, why in item.decision.withheld.items() if key in keys
            )
            waiting.update(name for name in item.decision.waiting if name in names)
    parts = [f"{name} fired {count} times" for name, count in fired.most_common()]
    parts = parts or [f"{', '.join(sorted(names))} never fired"]
    if withheld:
        why, count = withheld.most_common(1)[0]
        parts.append(f"most often withheld: {why} ({count} times)")
    if waiting:
        name, count = waiting.most_common(1)[0]
        parts.append(f"{name} waited {count} times for its evidence, dwell or hysteresis")
    remedies = "A longer run, higher caps per hour, or other start values may help."
    return f"{'; '.join(parts)}. {remedies}"


def _for_deltas(lane: LaneJudgement) -> Iterator[str]:
    delta = lane.delta
    if delta.failures:
        yield (
            "Make the target run with the values in runtime_overrides.json: "
            f"{len(delta.failures)} changes are unexplained, the first is {delta.failures[0]}."
        )
    elif delta.verdict is Verdict.FAIL:
        reasons = Counter(reason for check in delta.checks for reason in check.refused.values())
        shown = ", ".join(f"{name} {count}" for name, count in reasons.most_common(3))
        yield f"Too few changes were applied in full; refused by: {shown or 'no guard'}."
    if delta.signature_stuck_count:
        yield "Propose larger steps: a change that leaves the state hash as it was is rounded away."
    if delta.verdict is Verdict.WARN:
        yield f"Find out why the tuner proposed too little: {delta.reason}."


def _at_bounds(history: History) -> Iterator[str]:
    for key, value in final_values(history).items():
        parameter = history.profile.parameters.get(key)
        if parameter is None or value == history.start_values.get(key):
            continue
        for name, bound in (("minimum", parameter.minimum), ("maximum", parameter.maximum)):
            if abs(value - bound) <= 1e-9 * parameter.span:
                yield (
                    f"{key} ended at its {name} of {bound:g}: there the tuner has no headroom left."
                )
