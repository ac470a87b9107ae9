"""Mutants of the types of parameters: rounding, ways, limits between two, ratios, outer values."""

from __future__ import annotations

from tests.mutants.mutant import Mutant

_PARAMETER = "tests/unit/profile/test_parameter.py"
_TUNABLE = "tests/unit/profile/test_tunable.py"
_PROPERTIES = "tests/properties/test_parameter_properties.py"
_MOVES = "tests/unit/loop/test_typed_moves.py"
_DELTA = "tests/unit/gate/test_delta_types.py"
_EDITS = "tests/unit/lane/test_runtime_edits.py"
_LIVE = "tests/unit/live/test_typed_values.py"
TYPES = "tests/properties/test_machine_types.py"
_ORACLE = r"oracle.*(?P<shown>\[[a-z_ ]+\])|(?P<other>I1: \w+ is)"

ROUNDING = (
    Mutant(
        "values are rounded down",
        "profile/parameter.py",
        "self._on_grid(value, round) if self.step",
        "self._on_grid(value, math.floor) if self.step",
        (f"{_PARAMETER}::test_a_value_is_fitted_to_the_nearest_one_that_is_allowed", TYPES),
        rf"\d == \d|{_ORACLE}",
    ),
    Mutant(
        "the grid begins at 0",
        "profile/parameter.py",
        "value = self.minimum + whole(steps) * self.step",
        "value = whole(steps) * self.step",
        (_PARAMETER, TYPES),
        r"assert|I1",
    ),
    Mutant(
        "rounding leaves the bounds",
        "profile/parameter.py",
        "if self.minimum <= value <= self.maximum or self.same(rounded, inside):",
        "if self.same(rounded, inside):",
        (f"{_PARAMETER}::test_a_value_is_fitted_to_the_nearest_one_that_is_allowed",),
        r"0\.333333333333",
    ),
    Mutant(
        "a way passes its end",
        "profile/parameter.py",
        "math.floor if end > value else math.ceil",
        "math.ceil if end > value else math.floor",
        (_PARAMETER, _PROPERTIES, TYPES),
        rf"\d == \d|passes the end|{_ORACLE}",
    ),
    Mutant(
        "a change is not rounded before the guards",
        "loop/guards.py",
        "delta = parameter.fitted(before + delta) - before",
        "delta = delta + before - before",
        (TYPES,),
        _ORACLE,
    ),
    Mutant(
        "a rule moves less than a step",
        "loop/moves.py",
        "round_value(after - value or math.copysign(parameter.step, delta))",
        "round_value(after - value)",
        (f"{_MOVES}::test_a_step",),
        r"4\.0 == 5\.0|comparison failed",
    ),
    Mutant(
        "an honest rounding is not full",
        "gate/delta.py",
        "    if parameter.step:\n",
        "    if False:\n",
        (f"{_DELTA}::test_a_rounded_change_is_applied_in_full",),
        r"assert \(0, 0, 1\) == \(1, 0, 0\)|fail",
    ),
    Mutant(
        "an edit off the grid is taken",
        "loop/entries.py",
        "if parameter.step and not parameter.is_allowed(value):",
        "if parameter.step and value > 1e300:",
        (f"{_EDITS}::test_an_edit_that_is_not_allowed_is_refused", TYPES),
        "DID NOT RAISE",
    ),
)

LIMITS = (
    Mutant(
        "a limit holds one way",
        "profile/tunable.py",
        "back = Coupling(key, 1.0 / coupling.factor)",
        "back = Coupling(key, coupling.factor)",
        (f"{_TUNABLE}::test_a_coupling_limits_both_parameters", TYPES),
        r"assert|I1",
    ),
    Mutant(
        "no limit of another parameter",
        "profile/parameter.py",
        "min((self.maximum, *highs))",
        "self.maximum",
        (f"{_TUNABLE}::test_a_coupling_limits_both_parameters", TYPES),
        r"assert|I1",
    ),
    Mutant(
        "a key does not see the keys before it",
        "loop/guards.py",
        "values[outcome.key] = outcome.after",
        "pass",
        (f"{_MOVES}::test_two_moves_of_one_decision_do_not_break_a_limit_together", TYPES),
        rf"threads|I1: \w+ is above|{_ORACLE}",
    ),
    Mutant(
        "start values are not checked together",
        "profile/tunable.py",
        "if values[key] > most and not parameter.same(values[key], most):",
        "if values[key] > 1e300:",
        (f"{_TUNABLE}::test_refused",),
        "DID NOT RAISE",
    ),
    Mutant(
        "a decided value breaks a limit with an edit",
        "lane/runtime.py",
        "not table[key].is_within(value, values)",
        "value > 1e300",
        (f"{_EDITS}::test_a_decided_value_gives_way_to_an_edit_that_it_does_not_fit",),
        "threads",
    ),
)

RATIOS = (
    Mutant(
        "sizes of ratios are differences",
        "profile/parameter.py",
        "return math.log1p((high - low) / low)",
        "return high - low",
        (f"{_PARAMETER}::test_sizes_of_moves", TYPES),
        rf"comparison failed|assert|{_ORACLE}",
    ),
    Mutant(
        "sizes of ratios depend on the direction",
        "profile/parameter.py",
        "return math.log1p((high - low) / low)",
        "return math.log1p((high - low) / before)",
        (f"{_PARAMETER}::test_sizes_of_moves", _PROPERTIES),
        r"comparison failed|assert",
    ),
    Mutant(
        "a ratio is charged as a difference",
        "loop/completed.py",
        "if parameter.log and outcome.before is not None",
        "if outcome.before is None",
        (f"{_MOVES}::test_a_cap_of_a_ratio_is_used_up_by_ratios", TYPES),
        rf"comparison failed|assert|{_ORACLE}",
    ),
    Mutant(
        "no cap of one iteration",
        "loop/headroom.py",
        "return min(max(0.0, parameter.cap_per_hour - spent), parameter.cap_per_iteration)",
        "return max(0.0, parameter.cap_per_hour - spent)",
        (f"{_MOVES}::test_the_headroom_ends_at_values_that_are_allowed", TYPES),
        rf"assert|{_ORACLE}",
    ),
    Mutant(
        "half of the way is no ratio",
        "profile/parameter.py",
        "return value * math.pow(end / value, share) - value",
        "return share * (end - value)",
        (f"{_MOVES}::test_a_step",),
        "comparison failed",
    ),
)

OUTER = (
    Mutant(
        "a whole number is delivered with a point",
        "profile/parameter.py",
        '        if self.kind == "int":\n            return whole\n',
        '        if self.kind == "int":\n            return float(whole)\n',
        (_PARAMETER, _PROPERTIES),
        r"float|assert",
    ),
    Mutant(
        "a value off the grid is hidden",
        "profile/parameter.py",
        "        if not self.same(value, float(whole)):\n            return value\n",
        "",
        (f"{_PARAMETER}::test_a_value_as_the_target_and_as_people_see_it",),
        r"4\.5",
    ),
    Mutant(
        "a choice is echoed as its place",
        "profile/parameter.py",
        "places = [place for place, choice in enumerate(self.choices) if choice == finite]",
        "places = [place for place, choice in enumerate(self.choices) if place == finite]",
        (f"{_LIVE}::test_choices_of_numbers_are_echoed_as_numbers_or_texts",),
        "assert|is not allowed",
    ),
    Mutant(
        "a switch is true as a text only",
        "profile/parameter.py",
        'return float(given) if self.kind == "bool" else None',
        "return None",
        (f"{_TUNABLE}::test_the_cap_per_hour",),
        "is not allowed; allowed: one of false, true",
    ),
)
