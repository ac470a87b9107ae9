"""Mutants of the guards: switched off, off by one, with wrong measures, blocked."""

from __future__ import annotations

from tests.mutants.mutant import GUARDS, NOT_JSON, UNIT, Mutant, oracle_differs_on


def disabled(guard: str) -> Mutant:
    reason = oracle_differs_on(guard)
    return Mutant(
        f"{guard} disabled",
        "loop/guards.py",
        f'    "{guard}": _{guard},\n',
        f'    "{guard}": lambda move: None,\n',
        (GUARDS,),
        f"{reason}|{NOT_JSON}" if guard == "invalid" else reason,
    )


DISABLED = tuple(
    disabled(guard)
    for guard in (
        *("panic", "nodata", "invalid", "warmup", "late", "pin", "freeze", "cooldown", "duplicate"),
        *("oscillation", "velocity", "bounds", "no_op"),
    )
)

OFF_BY_ONE = (
    Mutant(
        "late one early",
        "loop/headroom.py",
        "deciding(state) > state.iterations - state",
        "deciding(state) >= state.iterations - state",
        (GUARDS, f"{UNIT}/test_guards.py::test_nothing_moves_on_the_last_iteration"),
        oracle_differs_on("late"),
    ),
    Mutant(
        "warm-up one short",
        "loop/headroom.py",
        "deciding(state) <= state.profile.gate.warmup_iterations",
        "deciding(state) < state.profile.gate.warmup_iterations",
        (GUARDS,),
        oracle_differs_on("warmup"),
    ),
    Mutant(
        "freeze one short",
        "loop/headroom.py",
        "deciding(state) <= state.timers.frozen_until",
        "deciding(state) < state.timers.frozen_until",
        (GUARDS,),
        oracle_differs_on("freeze"),
    ),
    Mutant(
        "cooldown one short",
        "loop/headroom.py",
        "deciding(state) <= state.timers.cooldown_until",
        "deciding(state) < state.timers.cooldown_until",
        (GUARDS,),
        oracle_differs_on("cooldown"),
    ),
    Mutant(
        "cooldown one long",
        "loop/headroom.py",
        "deciding(state) <= state.timers.cooldown_until",
        "0 < deciding(state) - 1 <= state.timers.cooldown_until",
        (GUARDS,),
        oracle_differs_on("cooldown"),
    ),
    Mutant(
        "panic one early",
        "loop/headroom.py",
        "if state.streaks.fail + 1 < guard.after",
        "if state.streaks.fail + 2 < guard.after",
        (GUARDS,),
        oracle_differs_on("panic"),
    ),
    Mutant(
        "panic one late",
        "loop/headroom.py",
        "if state.streaks.fail + 1 < guard.after",
        "if state.streaks.fail < guard.after",
        (GUARDS,),
        oracle_differs_on("panic"),
    ),
    Mutant(
        "pause one short",
        "loop/headroom.py",
        "deciding(state) <= state.timers.paused_until",
        "deciding(state) < state.timers.paused_until",
        (GUARDS,),
        oracle_differs_on("panic"),
    ),
    Mutant(
        "pin one short",
        "loop/headroom.py",
        "deciding(state) <= last",
        "deciding(state) < last",
        (f"{UNIT}/test_pins.py::test_the_length_is_settable",),
        r"0 \+ 2\) == 3",
    ),
    Mutant(
        "velocity window closed",
        "loop/completed.py",
        "(now + 1 - move.iteration) * interval_s < window]",
        "(now + 1 - move.iteration) * interval_s <= window]",
        (GUARDS, f"{UNIT}/test_guards.py::test_the_hour_is_half_open"),
        oracle_differs_on("(velocity|move)"),
    ),
    Mutant(
        "A-B-A forgotten one early",
        "loop/completed.py",
        "if now + 1 - changed <= memory",
        "if now + 1 - changed < memory",
        (f"{UNIT}/test_guards.py::test_the_value_is_forgotten_after_twelve_iterations",),
        "'oscillation'",
    ),
    Mutant(
        "a stable limit is not stable",
        "profile/condition.py",
        '"<=": operator.le',
        '"<=": operator.lt',
        (GUARDS,),
        oracle_differs_on("freeze"),
    ),
)

MEASURES = (
    Mutant(
        "net instead of path in velocity",
        "loop/completed.py",
        "return abs(outcome.applied)",
        "return outcome.applied",
        (f"{UNIT}/test_guards.py::test_the_cap_is_on_the_sum_of_moves_and_not_on_the_net",),
        "velocity",
    ),
    Mutant(
        "ROLLBACK charged",
        "loop/completed.py",
        "if outcome.rule not in UNCHARGED_RULES and interval_s < window",
        "if interval_s < window",
        (GUARDS,),
        oracle_differs_on("(velocity|move)"),
    ),
    Mutant(
        "PANIC charged",
        "loop/completed.py",
        "Charges(moves=state.charges.moves, before={}, signature=None)",
        "Charges(\n"
        "            moves=tuple(\n"
        "                Moved(key, decision.iteration, abs(value - state.values[key]))\n"
        "                for key, value in panic.moves.items()\n"
        "            )\n"
        "        )",
        (GUARDS,),
        oracle_differs_on("(velocity|move)"),
    ),
    Mutant(
        "ROLLBACK may be claimed",
        "loop/decide.py",
        'replace(proposal, rule="") if proposal.rule in ',
        'replace(proposal, rule="") if () and proposal.rule in ',
        (f"{UNIT}/test_rollback.py::test_a_proposer_can_neither_use_its_name_nor_prevent_it",),
        "ROLLBACK",
    ),
    Mutant(
        "slack a thousand times as wide",
        "profile/parameter.py",
        "SLACK = 1e-9",
        "SLACK = 1e-6",
        (GUARDS,),
        oracle_differs_on("(velocity|bounds|oscillation|no_op|move)"),
    ),
    Mutant(
        "no least share of a cut move",
        "loop/guards.py",
        "return is_move and size >= least",
        "return is_move or size >= least",
        (GUARDS,),
        r"oracle.*(?P<shown>\[SKIPPED\])",
    ),
    Mutant(
        "a clipped move is shown as applied",
        "loop/guards.py",
        '"CLIPPED" if reasons else "APPLIED"',
        '"APPLIED"',
        (GUARDS,),
        r"oracle.*(?P<shown>\[CLIPPED\])",
    ),
    Mutant(
        "large counts the proposed move",
        "loop/decide.py",
        "share(outcome.before, outcome.after)",
        "share(outcome.before, outcome.before + outcome.proposed)",
        (GUARDS,),
        oracle_differs_on("cooldown"),
    ),
    Mutant(
        "no_op decided by ==",
        "loop/guards.py",
        "return not parameter.same(before, after)",
        "return not after == before",
        (GUARDS,),
        oracle_differs_on("no_op"),
    ),
    Mutant(
        "oscillation decided by ==",
        "loop/guards.py",
        "move.parameter.same(end, value) for end",
        "end == value for end",
        (GUARDS,),
        oracle_differs_on("oscillation"),
    ),
    Mutant(
        "a proposer takes the name of a rule",
        "loop/decide.py",
        "        reserved.update(rule.name for rule in profile.rules)\n",
        "        pass\n",
        (GUARDS,),
        oracle_differs_on("oscillation"),
    ),
)

STREAKS = (
    Mutant(
        "stable streak not reset",
        "loop/completed.py",
        "freeze, stable_streak = state.profile.guards.freeze, 0\n",
        "freeze, stable_streak = state.profile.guards.freeze, past.stable\n",
        (GUARDS,),
        oracle_differs_on("freeze"),
    ),
    Mutant(
        "streak goes on in the freeze",
        "loop/completed.py",
        "stable and decision.iteration > timers.frozen_until:",
        "stable:",
        (GUARDS,),
        oracle_differs_on("freeze"),
    ),
    Mutant(
        "INCONCLUSIVE resets the FAILs",
        "loop/completed.py",
        "elif decision.verdict is not Verdict.INCONCLUSIVE:",
        "else:",
        (GUARDS,),
        oracle_differs_on("panic"),
    ),
    Mutant(
        "panic leaves the freeze",
        "loop/completed.py",
        "Timers(frozen_until=0, cool",
        "evolved(state.timers, cool",
        (GUARDS,),
        oracle_differs_on("freeze"),
    ),
    Mutant(
        "panic leaves the cooldown",
        "loop/completed.py",
        "Timers(frozen_until=0, cooldown_until=0,",
        "evolved(state.timers, frozen_until=0,",
        # The pause is as long as the cooldown in every profile here, so only the state differs.
        (f"{UNIT}/test_decide.py::TestPanic::test_it_overrides_freeze_cooldown_and_late",),
        r"\(0, 6\) == \(0, 0\)",
    ),
)

PANIC = tuple(
    Mutant(
        f"panic blocked by {guard}",
        "loop/headroom.py",
        "if state.streaks.fail + 1 < guard.after",
        f"if {blocked} or state.streaks.fail + 1 < guard.after",
        (GUARDS,),
        oracle_differs_on("panic"),
    )
    for guard, blocked in (
        ("cooldown", "is_cooling(state)"),
        ("freeze", "any(is_frozen(state, key) for key in state.values)"),
        ("late", "is_late(state)"),
        ("pin", "any(is_pinned(state, key) for key in state.values)"),
    )
)
