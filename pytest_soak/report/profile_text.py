"""A resolved profile for people: what ``pytest-soak profile show`` prints."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterable, Iterator, Mapping

from pytest_soak.canonical import escaped
from pytest_soak.loop.conditions import condition_text
from pytest_soak.profile.model import Criterion, Move, Profile, Rule
from pytest_soak.profile.parameter import Parameter
from pytest_soak.profile.scenarios import Declared
from pytest_soak.report.layout import table


def profile_text(
    profile: Profile, origins: Mapping[str, str], scenarios: Iterable[Declared] = ()
) -> str:
    """``origins``: parameter to the profile that set its start value."""
    lines = [f"profile {' < '.join(profile.lineage)}", *_about(profile), "", "parameters"]
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
    lines += table([heads, *rows]) if rows else ["  none: the gate alone judges"]
    notes = [note for parameter in profile.parameters.values() if (note := _note(parameter))]
    lines += [line for note in notes for line in _wrapped(note, "  ")]
    lines += ["", "rules", *(() if profile.rules else ("  none",))]
    for rule in profile.rules:
        lines += _rule(rule, profile.parameters)
    lines += ["", "verdict of an iteration"]
    lines += [
        f"  FAIL if {condition_text(item, profile.parameters)}" for item in profile.verdict.fail
    ]
    lines += [
        f"  WARN if {condition_text(item, profile.parameters)}" for item in profile.verdict.warn
    ]
    two = bool(profile.gate.limit_set(mock=False))
    lines += ["", f"gate, mean of the last {profile.gate.window}"]
    lines += table(
        [
            ("KPI", "production", "mock") if two else ("KPI", "limit"),
            *(
                (c.name, str(c.production), *([str(c.mock)] if two else []))
                for c in profile.gate.criteria
            ),
        ]
    )
    lines += [line for c in profile.gate.criteria for line in _wrapped(_details(c), "  ")]
    if warmup := profile.gate.warmup_iterations:
        lines.append(f"  warm-up: the first {warmup} iterations are measured and not judged")
    lines += ["", "guards"]
    lines += [line for text in _guards(profile) for line in _wrapped(text, "  ")]
    shown = [line for item in scenarios for line in _wrapped(_scenario(item), "  ")]
    lines += ["", "scenarios", *shown] if shown else []
    return "\n".join(lines) + "\n"


def _about(profile: Profile) -> Iterator[str]:
    document = profile.document
    yield from _wrapped(escaped(str(document.get("description", ""))), "  ")
    if tags := document.get("tags"):
        yield from _wrapped(escaped(f"tags: {', '.join(tags)}"), "  ")


def _details(criterion: Criterion) -> str:
    """What a criterion has beside its limits; empty for the usual one."""
    texts = [f"warning {criterion.warning}"] if criterion.warning is not None else []
    texts += [] if criterion.fails else ["WARN at worst"]
    texts += [f"{criterion.share:g} of iterations inside"] if criterion.share is not None else []
    texts += [f"over the last {criterion.window}"] if criterion.window is not None else []
    texts += [f"at most {criterion.relative.text}"] if criterion.relative is not None else []
    texts += ["optional"] if criterion.optional else []
    return f"{criterion.name}: {', '.join(texts)}" if texts else ""


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


def _rule(rule: Rule, parameters: Mapping[str, Parameter]) -> list[str]:
    when = ", ".join(condition_text(item, parameters) for item in rule.when)
    evidence = f"over {rule.evidence.over}" + ("" if rule.evidence.fresh else ", not fresh")
    dwell = f", dwell {rule.dwell}" if rule.dwell > 1 else ""
    moves = ", ".join(_move(item, parameters[item.key]) for item in rule.moves)
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


def _move(move: Move, parameter: Parameter) -> str:
    match move.kind:
        case "add":
            return f"{move.key} {move.amount:+g}"
        case "mul":
            return f"{move.key} x{move.amount:g}"
        case "set":
            return f"{move.key} = {parameter.text(move.amount)}"
        case "step":
            return f"{move.key} {move.amount:+g} step{'s' * (abs(move.amount) > 1)}"
        case "proportional":
            kpi = "" if move.excess is None else move.excess.kpi
            return f"{move.key} {move.amount:+g} x excess of {kpi}"
        case "toward_start":
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
        stable = ", ".join(condition_text(item, profile.parameters) for item in freeze.stable)
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
