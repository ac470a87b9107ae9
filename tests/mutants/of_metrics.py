"""Mutants that give a metrics store or a script another figure than the run has."""

from __future__ import annotations

from tests.mutants.mutant import Mutant

TABLE = "tests/unit/report/test_metrics.py"
COMMANDS = "tests/unit/test_stored_metrics.py"

FIGURES = (
    Mutant(
        "a figure that is not known is 0",
        "report/metrics.py",
        "    return None if value is None else float(value)",
        "    return float(value or 0.0)",
        (f"{TABLE}::test_what_is_not_known_is_absent",),
        r"soak_kpi_net_mean_basis_points",
    ),
    Mutant(
        "milliseconds under the name of seconds",
        "report/metric_units.py",
        "        return value * self.times / self.by",
        "        return value",
        (f"{TABLE}::test_units_are_base_units",),
        r"310\.0 == 0\.31|assert 310",
    ),
    Mutant(
        "comments in the file that scripts grep",
        "report/metrics.py",
        'if line and line[0] != "#"',
        "if line",
        (f"{TABLE}::test_a_line_of_the_original_set_is_a_name_and_a_value",),
        r"too many values to unpack",
    ),
    Mutant(
        "two names of a rule are one series twice",
        "report/metric_values.py",
        "    counts = Counter(map(escaped, words))",
        "    counts = Counter(words)",
        (f"{TABLE}::test_rules_that_look_the_same_are_one_series",),
        r"assert .*(?:1|2)\.0 == 3\.0|collected before|Duplicate",
    ),
    Mutant(
        "the value of any lane",
        "stored_metrics.py",
        "    if len(several) > 1:",
        "    if len(several) > 99:",
        (f"{COMMANDS}::test_several_lanes_need_a_lane_or_a_figure_of_the_run",),
        r"give --lane",
    ),
    Mutant(
        "the verdict of a seal that the journal has left behind",
        "run_list.py",
        "            sealed = sealed and seal.lanes[lane_id].end.digest == records.digest",
        "            sealed = sealed",
        (f"{COMMANDS}::test_a_run_that_went_on_since_its_seal_has_no_verdict",),
        r"INCONCLUSIVE|WARN|FAIL",
    ),
)
