"""Mutants that hide a failure: missing data counts as good, or a FAIL is lost."""

from __future__ import annotations

from tests.mutants.mutant import Mutant

KPIS = "tests/unit/loop/test_kpis.py"
CONDITIONS = "tests/unit/loop/test_conditions.py"
VERDICT = "tests/unit/loop/test_verdict.py"
GREEN = "tests/sessions/test_silent_green.py"
DELTA = "tests/unit/gate/test_delta.py"

UNKNOWN = (
    Mutant(
        "an unlisted reason is left out",
        "loop/blocks.py",
        "            return Blocks(None, source, _unlisted(profile, source, reason))\n"
        "        count =",
        "            continue\n        count =",
        (f"{KPIS}::test_an_unknown_name_or_row_makes_the_ratio_no_data",),
        r"None",
    ),
    Mutant(
        "an unlisted reason of the audit counts",
        "loop/blocks.py",
        '            return Blocks(None, "audit", _unlisted(profile, "audit", reason))',
        "            continue",
        (f"{KPIS}::test_an_unknown_name_or_row_makes_the_ratio_no_data",),
        r"None",
    ),
    Mutant(
        "rows that cannot be read are none",
        "loop/blocks.py",
        "    if unreadable and (unreadable == rows or unreadable > UNREADABLE * rows):",
        "    if not rows:",
        (
            f"{KPIS}::test_an_unknown_name_or_row_makes_the_ratio_no_data",
            f"{GREEN}::test_a_name_that_the_profile_does_not_know_is_no_zero",
        ),
        r"None",
    ),
    Mutant(
        "a misspelt BLOCK is another event",
        "loop/blocks.py",
        '{near}" if near else ""',
        '{near}" if not near and not event else ""',
        (f"{KPIS}::test_an_unknown_name_or_row_makes_the_ratio_no_data",),
        r"None",
    ),
    Mutant(
        "an absurd figure is data",
        "loop/derived.py",
        "    if abs(finite) > LARGEST:",
        "    if False:",
        (f"{KPIS}::test_no_data_says_what_was_there",),
        r"figures end at",
    ),
    Mutant(
        "an echo that leaves a change out confirms it",
        "loop/echo.py",
        "    return [key for key in changed if _echoed(profile, key, echo) is _ABSENT]",
        "    return []",
        (
            f"{DELTA}::test_a_change_that_the_echo_leaves_out_is_not_confirmed",
            f"{GREEN}::test_a_change_that_the_echo_leaves_out_fails_delta_quality",
        ),
        r"effective_params|PASS|n/a",
    ),
    Mutant(
        "an echoed text is no mismatch",
        "loop/echo.py",
        "            different[key] = described(echoed)",
        "            continue",
        (f"{KPIS}::test_echoed_parameters_that_differ",),
        r"base_spread_bps",
    ),
)

LIMITS = (
    Mutant(
        "not of an unknown condition holds",
        "loop/conditions.py",
        "opposites.get(of_inner, of_inner)",
        "opposites.get(of_inner, Truth.HOLDS)",
        (f"{CONDITIONS}::test_unknown_is_not_true_and_neither_is_its_opposite",),
        r"HOLDS",
    ),
    Mutant(
        "any fails if an option has no data",
        "loop/conditions.py",
        "(Truth.HOLDS, Truth.TOO_EARLY, Truth.UNKNOWN) if word in truths",
        "(Truth.UNKNOWN, Truth.HOLDS, Truth.TOO_EARLY) if word in truths",
        (f"{CONDITIONS}::test_any_holds_if_an_option_does_whatever_the_others_are",),
        r"UNKNOWN",
    ),
    Mutant(
        "a KPI that stays rises",
        "loop/conditions.py",
        "all(sign * later > sign * earlier for",
        "all(sign * later >= sign * earlier for",
        (f"{CONDITIONS}::test_rising_is_from_each_iteration_to_the_next",),
        r"HOLDS",
    ),
    Mutant(
        "a share of an unknown mean FAILs",
        "loop/conditions.py",
        "Evaluation(Truth.TOO_EARLY, holds=unknown_first,",
        "Evaluation(Truth.TOO_EARLY, holds=True,",
        (
            f"{VERDICT}::TestSharesOfTheFirstIterations::test_an_unknown_first_mean_is_no_fail_and_a_known_one_is_compared",
        ),
        r"FAIL",
    ),
    Mutant(
        "a share of the first iterations is ignored",
        "loop/conditions.py",
        "not figure >= least[0] * first:",
        "False:",
        (
            f"{VERDICT}::TestSharesOfTheFirstIterations::test_an_unknown_first_mean_is_no_fail_and_a_known_one_is_compared",
        ),
        r"PASS|FAIL",
    ),
    Mutant(
        "the first mean is known too early",
        "loop/conditions.py",
        "        if count and len(iterations) >= count:",
        "        if count and iterations:",
        (
            f"{VERDICT}::TestSharesOfTheFirstIterations::test_an_unknown_first_mean_is_no_fail_and_a_known_one_is_compared",
        ),
        r"FAIL",
    ),
)

CRITERIA = (
    Mutant(
        "a failed check is no FAIL of the gate",
        "gate/criteria.py",
        "        Verdict.FAIL if failing else Verdict.PASS,",
        "        Verdict.PASS,",
        (f"{GREEN}::test_a_failed_check_is_a_criterion_here_and_offline",),
        r"PASS",
    ),
    Mutant(
        "nothing measured is INCONCLUSIVE",
        "gate/criteria.py",
        "Verdict.INCONCLUSIVE if measured else Verdict.FAIL",
        "Verdict.INCONCLUSIVE",
        (f"{GREEN}::test_a_lane_in_which_nothing_was_measured_fails_also_after_the_data_ended",),
        r"INCONCLUSIVE",
    ),
    Mutant(
        "no data in the window is not counted",
        "gate/kpi.py",
        "    if missing > lane.limits.no_data_ratio * least:",
        "    if False and missing > lane.limits.no_data_ratio * least:",
        ("tests/unit/gate/test_judge.py::test_no_data_in_more_than_a_quarter_of_the_window_fails",),
        r"FAIL",
    ),
    Mutant(
        "an unfinished iteration is measured",
        "gate/window.py",
        "item for item in self.history.iterations if item.decision is not None",
        "item for item in self.history.iterations",
        ("tests/unit/gate/test_judge.py::test_an_iteration_without_a_decision_is_not_measured",),
        r"24",
    ),
    Mutant(
        "a part of a lane makes a run",
        "session/selection.py",
        "    if not partial:\n        return",
        "    return",
        ("tests/sessions/test_selection.py::test_several_lanes_in_part_are_counted",),
        r"== 4|4 ==|selected in part",
    ),
)

SEALED = (
    Mutant(
        "another journal fits the seal",
        "sealed.py",
        "    if now != then:",
        "    if False:",
        ("tests/unit/test_seal.py",),
        r"exit|== 2|2 ==|assert",
    ),
    Mutant(
        "a run without a seal is judged",
        "offline.py",
        "        if options.unsealed:",
        "        if True:",
        ("tests/unit/test_seal.py::test_what_was_judged_comes_back_from_the_seal",),
        r"assert",
    ),
    Mutant(
        "a FAIL of a hook is INCONCLUSIVE",
        "session/hook_criteria.py",
        "Verdict.FAIL if owner else Verdict.INCONCLUSIVE",
        "Verdict.INCONCLUSIVE",
        ("tests/unit/session/test_hook_criteria.py",),
        r"FAIL",
    ),
)

JUDGED = (
    Mutant(
        "a drift is no alarm",
        "gate/drifts.py",
        "Alarm.FAIL: Verdict.FAIL}",
        "Alarm.FAIL: Verdict.PASS}",
        (
            "tests/unit/gate/test_drifts.py::test_a_kpi_that_will_cross_its_limit_soon_fails_and_says_when",
        ),
        r"FAIL",
    ),
    Mutant(
        "a figure alone passes",
        "gate/kpi.py",
        "    if window.deciding is not None and comparison.holds(window.deciding):",
        "    if True:",
        ("tests/unit/gate/test_kpi.py::test_a_warn_states_how_many_iterations_a_pass_needs",),
        r"WARN",
    ),
    Mutant(
        "the window is the last 8 for ever",
        "statistics/bounds.py",
        "    length = max(window, len(series) // 3)",
        "    length = window",
        ("tests/unit/gate/test_kpi.py::test_the_window_is_the_last_third_and_8_at_least",),
        r"24|96|10",
    ),
    Mutant(
        "a value beyond its range is data",
        "loop/kpis.py",
        "    if not (below or above):",
        "    if True:",
        (f"{KPIS}::test_a_value_beyond_its_range_is_no_data",),
        r"None",
    ),
    Mutant(
        "a stale report is fresh",
        "gate/drifts.py",
        "        Verdict.WARN if longest >= _STALE_FROM else Verdict.PASS,",
        "        Verdict.PASS,",
        (
            "tests/unit/gate/test_drifts.py::TestStale"
            "::test_equal_kpis_in_more_than_8_iterations_in_a_row_warn",
        ),
        r"WARN",
    ),
    Mutant(
        "a drifting run may be frozen",
        "gate/judge.py",
        "    if Verdict.WARN in drifts:",
        "    if False:",
        (
            "tests/unit/gate/test_drifts.py"
            "::test_a_drift_that_crosses_late_warns_and_one_away_from_the_limit_does_not",
        ),
        r"freeze_ready",
    ),
    Mutant(
        "an exit code of an exit hides a gate that fails",
        "session/controller.py",
        "        if self._failing and session.exitstatus",
        "        if False and session.exitstatus",
        (
            "tests/sessions/test_outside_the_checks.py"
            "::test_no_exit_code_of_an_exit_hides_a_gate_that_fails",
        ),
        r"not in \(0, 5\)",
    ),
    Mutant(
        "a reference need not be as it was sealed",
        "references.py",
        "        check_seal(run, lanes, read_seal(run))",
        "        pass",
        (
            "tests/sessions/test_outside_the_checks.py::TestReference"
            "::test_one_that_is_not_as_it_was_judged_is_refused",
        ),
        r"== 4",
    ),
    Mutant(
        "planning fewer iterations undoes a crash",
        "gate/criteria.py",
        "does not undo a crash.\n        verdict = Verdict.FAIL",
        "does not undo a crash.\n        verdict = Verdict.PASS",
        (
            "tests/sessions/test_outside_the_checks.py"
            "::test_a_crash_is_not_undone_by_planning_fewer_iterations",
        ),
        r"== 1",
    ),
)
