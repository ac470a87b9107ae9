"""Mutants of the live targets: belonging, deliveries, faults, edits, locks."""

from __future__ import annotations

from tests.mutants.mutant import Mutant

UNIT = "tests/unit/live"
TARGET = f"{UNIT}/test_target.py"
BELONGING = f"{UNIT}/test_belonging.py"

BELONGS = (
    Mutant(
        "a report of another delivery belongs",
        "live/belonging.py",
        "if type(applied) is not int or applied != expected.seq:",
        "if type(applied) is not int:",
        (
            f"{BELONGING}::test_the_applied_seq_is_that_of_the_delivery_or_the_report_is_of_another",
            f"{TARGET}::test_a_report_of_other_parameters",
        ),
        "wrong_iteration",
    ),
    Mutant(
        "a report of another run belongs",
        "live/belonging.py",
        "if run_id is not None and run_id != expected.run_id:",
        "if run_id is None:",
        (f"{BELONGING}::test_the_run_id_is_that_of_the_run_where_the_bot_gives_one",),
        "wrong_iteration",
    ),
    Mutant(
        "a first report without a span never mixes",
        "live/belonging.py",
        "    if begin is None or end is None:\n        return True",
        "    if begin is None or end is None:\n        return False",
        (
            f"{TARGET}::test_without_a_second_one_it_is_no_report",
            f"{BELONGING}::test_the_first_report_may_mix_two_settings_if_it_does_not_say_when_it_began",
        ),
        "KeyError: 'fault'|mixes",
    ),
    Mutant(
        "the same seq again is news",
        "live/belonging.py",
        'return f"seq is {seq} again" if seq == before.seq else ""',
        'return ""',
        (f"{BELONGING}::test_the_same_seq_again_is_no_new_report",),
        "stale",
    ),
    Mutant(
        "a clock that is set makes a fault",
        "live/belonging.py",
        "    if not 0.0 <= length <= expected.longest_s:\n        return False",
        "    if not 0.0 <= length <= expected.longest_s:\n        return True",
        (f"{BELONGING}::test_a_report_that_began_before_the_delivery_mixes_two_settings",),
        "mixes",
    ),
)
DELIVERIES = (
    Mutant(
        "a seq is delivered before it is on disk",
        "live/target.py",
        "        self._bridge.update(\n            seq=seq, delivered=delivered, before=before, "
        "destination=writer.place, audit=position\n        )\n",
        "        self._bridge.state = type(self._bridge.state)(seq=seq, delivered=delivered)\n",
        (f"{TARGET}::test_the_seq_is_on_disk_before_it_is_delivered",),
        "FileNotFoundError",
    ),
    Mutant(
        "the seq begins anew below that of the destination",
        "live/target.py",
        "max(self._bridge.state.seq, present_seq, self._applied)",
        "self._bridge.state.seq",
        (f"{TARGET}::test_the_seq_begins_above_what_the_destination_holds",),
        "42",
    ),
    Mutant(
        "what was read in the time to settle counts",
        "live/target.py",
        "            source.reader.begin()\n",
        "            pass\n",
        (f"{TARGET}::test_a_report_in_the_time_to_settle_does_not_count",),
        "fault",
    ),
    Mutant(
        "a late start shortens the interval",
        "live/clock.py",
        "start = now if self.due is None else max(self.due, now)",
        "start = now if self.due is None else self.due",
        (f"{TARGET}::test_a_late_start_is_reported_and_shortens_nothing",),
        "comparison failed",
    ),
    Mutant(
        "a lane goes on without data",
        "live/faults.py",
        "    if streak >= limits.in_a_row:",
        "    if streak > limits.in_a_row:",
        (
            f"{UNIT}/test_faults.py::test_three_in_a_row_halt",
            f"{TARGET}::test_the_lane_halts_after_three_lost_iterations_in_a_row",
        ),
        "in a row|DID NOT RAISE",
    ),
    Mutant(
        "a delivery that did not arrive is an edit",
        "live/edits.py",
        "    if seq != state.seq and key in state.before:\n",
        "    if False and key in state.before:\n",
        (f"{UNIT}/test_edits.py::test_a_kill_between_two_deliveries_makes_no_edit",),
        "== {}",
    ),
    Mutant(
        "two sessions use one destination",
        "live/target.py",
        "self._locks = Locks(plan.places, plan.run_id)",
        "self._locks = Locks((), plan.run_id)",
        (f"{TARGET}::test_a_destination_is_locked_while_a_lane_uses_it",),
        "DID NOT RAISE",
    ),
)
EVIDENCE = (
    Mutant(
        "a fault has data",
        "loop/kpis.py",
        "    if (fault := report.get(FAULT)) is not None:",
        "    if (fault := report.get(FAULT)) is None and False:",
        ("tests/unit/loop/test_kpis.py::test_a_report_with_a_fault_has_no_data",),
        "Extra items in the left set",
    ),
    Mutant(
        "a change before a lost iteration is verified",
        "gate/delta.py",
        "unseen = follower is None or follower.report.get(FAULT) is not None",
        "unseen = follower is None",
        (
            "tests/unit/gate/test_delta.py"
            "::test_a_change_before_an_iteration_without_data_is_unverified",
        ),
        r"\(1, 0\)",
    ),
)
