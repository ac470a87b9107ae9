"""A resolved profile for people: what ``pytest-soak profile show`` prints."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterable, Iterator, Mapping

from pytest_soak.profile.model import Condition, Move, Profile, Rule
from pytest_soak.profile.parameter import Parameter
from pytest_soak.profile.scenarios import Declared
from pytest_soak.report.layout import table


def profile_text(
    profile: Profile, origins: Mapping[str, str], scenarios: Iterable[Declared] = ()
) -> str:
    """``origins``: parameter to the profile that set its start value."""
    lines = [f"profile {' < '.join(profile.lineage)}", "", "parameters"]
    heads = ("key", "start", "min", "max", "cap/h", "safer", "unit", "from")
    rows = [
        (
            parameter.key,
            parameter.text(parameter.start),
            parameter.text(parameter.minimum),
            parameter.text(parameter.maximum),
            _cap(parameter, parameter.cap_per_hour),
            parameter.safer,
            parameter.unit,
            origins.get(parameter.key, ""),
        )
        for parameter in profile.parameters.values()
    ]
    lines += table([heads, *rows])
    notes = [note for parameter in profile.parameters.values() if (note := _note(parameter))]
    lines += [line for note in notes for line in _wrapped(note, "  ")]
    lines += ["", "rules"]
    for rule in profile.rules:
        lines += _rule(rule)
    lines += ["", "verdict of an iteration"]
    lines += [f"  FAIL if {_condition(item)}" for item in profile.verdict.fail]
    lines += [f"  WARN if {_condition(item)}" for item in profile.verdict.warn]
    lines += ["", f"gate, mean of the last {profile.gate.window}"]
    lines += table(
        [
            ("KPI", "production", "mock"),
            *((c.kpi, str(c.production), str(c.mock)) for c in profile.gate.criteria),
        ]
    )
    lines += ["", "guards"]
    lines += [line for text in _guards(profile) for line in _wrapped(text, "  ")]
    shown = [line for item in scenarios for line in _wrapped(_scenario(item), "  ")]
    lines += ["", "scenarios", *shown] if shown else []
    return "\n".join(lines) + "\n"


def _cap(parameter: Parameter, cap: float) -> str:
    """A cap; of a ``log`` parameter the ratio."""
    return f"x{math.exp(cap):.4g}" if parameter.log and cap < 700.0 else f"{cap:g}"


def _note(parameter: Parameter) -> str:
    """What the table has no column for: ``workers: whole numbers; at most 2 times cores``."""
    facts = []
    if parameter.choices or parameter.step:
        facts.append(parameter.allowed_text())
    if parameter.cap_per_iteration < math.inf:
        facts.append(f"at most {_cap(parameter, parameter.cap_per_iteration)} in one iteration")
    for word, couplings in (("at most", parameter.at_most), ("at least", parameter.at_least)):
        for item in couplings:
            times = "" if item.factor == 1.0 else f"{item.factor:g} times "
            facts.append(f"{word} {times}{item.other}")
    facts += [parameter.description] if parameter.description else []
    return f"{parameter.key}: {'; '.join(facts)}" if facts else ""


def _rule(rule: Rule) -> list[str]:
    when = ", ".join(_condition(item) for item in rule.when)
    evidence = f"over {rule.evidence.over}" + ("" if rule.evidence.fresh else ", not fresh")
    dwell = f", dwell {rule.dwell}" if rule.dwell > 1 else ""
    moves = ", ".join(_move(item) for item in rule.moves)
    return [
        *_wrapped(f"{rule.name}: {when} ({evidence}{dwell})", "  "),
        *_wrapped(moves, "      "),
    ]


def _scenario(scenario: Declared) -> str:
    when = f"in iteration {', '.join(map(str, scenario.at))}" if scenario.at else "not scheduled"
    within = scenario.recovers_within
    demand = "" if within is None else f", recovers within {within}"
    return (
        f"{scenario.name}: {scenario.strength:g} {scenario.unit} for {scenario.for_s:g} s, "
        f"gate: {scenario.gate}{demand}; {when}"
    )


def _wrapped(text: str, indent: str) -> list[str]:
    deeper = f"{indent}    "
    return textwrap.wrap(
        text,
        100,
        initial_indent=indent,
        subsequent_indent=deeper,
        break_on_hyphens=False,
        break_long_words=False,
    )


def _condition(condition: Condition) -> str:
    parts = [
        f"{comparison} by {comparison.margin:g}" if comparison.margin else str(comparison)
        for comparison in condition.comparisons
    ]
    if condition.share_of_first is not None:
        ratio, first = condition.share_of_first
        parts.append(f">= {ratio:g} of its first {first}")
    return f"{condition.kpi} {' and '.join(parts)}"


def _move(move: Move) -> str:
    if move.kind == "add":
        return f"{move.key} {move.amount:+g}"
    if move.kind == "mul":
        return f"{move.key} x{move.amount:g}"
    return f"{move.key} {move.amount:.0%} of the way to the start"


def _guards(profile: Profile) -> Iterator[str]:
    guards = profile.guards
    if guards.panic is not None:
        panic = guards.panic
        yield (
            f"panic: {panic.after} FAIL iterations in a row -> {panic.revert_to}, then a pause "
            f"of {panic.pause} iterations"
        )
    yield f"late: decisions at the end of the run that change nothing: {guards.hold_last}"
    pin = guards.pin.iterations
    length = "the rest of the run" if pin is None else f"{pin} iterations"
    yield f"pin: keys that are edited by hand, for {length}"
    if guards.freeze is not None:
        freeze = guards.freeze
        stable = ", ".join(_condition(item) for item in freeze.stable)
        keys = ", ".join(freeze.keys)
        yield (
            f"freeze: {freeze.after} iterations in a row with {stable} -> {keys} for "
            f"{freeze.iterations} iterations"
        )
    if guards.cooldown is not None:
        cooldown = guards.cooldown
        yield (
            f"cooldown: {cooldown.iterations} iterations after a change above "
            f"{cooldown.large:g} of the range"
        )
    if guards.oscillation is not None:
        memory = guards.oscillation.forget_after
        yield f"oscillation: no way back to the value before a change for {memory} iterations"
    if guards.attribution is not None:
        attribution = guards.attribution
        yield (
            f"attribution: at least {attribution.least} iterations before and after a change, "
            f"noise from up to {attribution.memory}, confidence {attribution.confidence:.0%}"
        )
    if guards.rollback is not None:
        back = guards.rollback
        yield (
            f"rollback: a change that hurt with confidence {back.confidence:.1%}; a key at most "
            f"once in {back.once_in} iterations"
        )
    yield f"velocity: the cap within {guards.velocity_window_s:g} s"
    yield f"clip: CLIPPED if {guards.clip_ratio:.0%} of the move is left, else SKIPPED"
