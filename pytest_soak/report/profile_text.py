"""A resolved profile for people: what ``pytest-soak profile show`` prints."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Mapping

from pytest_soak.profile.model import Condition, Move, Profile, Rule
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
            f"{parameter.start:g}",
            f"{parameter.minimum:g}",
            f"{parameter.maximum:g}",
            f"{parameter.cap_per_hour:g}",
            parameter.safer,
            parameter.unit,
            origins.get(parameter.key, ""),
        )
        for parameter in profile.parameters.values()
    ]
    lines += table([heads, *rows])
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
    lines += ["", "guards", *_guards(profile)]
    shown = [line for known in scenarios for line in _wrapped(_scenario(known), "  ")]
    lines += ["", "scenarios", *shown] if shown else []
    return "\n".join(lines) + "\n"


def _rule(rule: Rule) -> list[str]:
    when = ", ".join(_condition(item) for item in rule.when)
    evidence = f"over {rule.evidence.over}" + ("" if rule.evidence.fresh else ", not fresh")
    dwell = f", dwell {rule.dwell}" if rule.dwell > 1 else ""
    moves = ", ".join(_move(item) for item in rule.moves)
    return [
        *_wrapped(f"{rule.name}: {when} ({evidence}{dwell})", "  "),
        *_wrapped(moves, "      "),
    ]


def _scenario(known: Declared) -> str:
    when = f"in iteration {', '.join(map(str, known.at))}" if known.at else "not scheduled"
    within = known.recovers_within
    demand = "" if within is None else f", recovers within {within}"
    return (
        f"{known.name}: {known.strength:g} {known.unit} for {known.for_s:g} s, "
        f"gate: {known.gate}{demand}; {when}"
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
        share, first = condition.share_of_first
        parts.append(f">= {share:g} of its first {first}")
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
        yield f"  panic: {panic.after} FAIL -> {panic.revert_to}, pause {panic.pause}"
    yield f"  late: the last {guards.hold_last}"
    pin = guards.pin.iterations
    length = "the rest of the run" if pin is None else f"{pin} iterations"
    yield f"  pin: what is edited by hand, for {length}"
    if guards.freeze is not None:
        freeze = guards.freeze
        stable = ", ".join(_condition(item) for item in freeze.stable)
        keys = ", ".join(freeze.keys)
        yield f"  freeze: {freeze.after} x ({stable}) -> {keys} for {freeze.iterations}"
    if guards.cooldown is not None:
        cooldown = guards.cooldown
        yield f"  cooldown: {cooldown.iterations} after a change above {cooldown.large:g}"
    if guards.oscillation is not None:
        oscillation = guards.oscillation
        yield f"  oscillation: forgotten after {oscillation.forget_after}"
    if guards.attribution is not None:
        told = guards.attribution
        yield (
            f"  attribution: at least {told.least} iterations after against before a change, "
            f"noise from up to {told.memory}, {told.confidence:.0%} sure"
        )
    if guards.rollback is not None:
        back = guards.rollback
        yield (
            f"  rollback: of what hurt, {back.confidence:.1%} sure, a key once in "
            f"{back.once_in} iterations"
        )
    yield f"  velocity: the cap within {guards.velocity_window_s:g} s"
    yield f"  clip: CLIPPED if {guards.clip_ratio:.0%} of the move is left, else SKIPPED"
