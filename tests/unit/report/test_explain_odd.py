"""``explain`` of lanes in which something was out of the ordinary."""

from __future__ import annotations

import random

from pytest_soak.loop.entries import runtime_of
from pytest_soak.loop.model import Requested
from pytest_soak.report.effects import effect_lines
from pytest_soak.report.explain.run import explain_run
from tests.unit.loop.lanes import changed, edge_report, nothing, proposing
from tests.unit.report.explained import fixed, lane, mine, story, text_of
from tests.unit.report.test_effects import WORSE, attribution, history


def test_what_was_odd_about_an_iteration_is_shown_first() -> None:
    drive = lane()
    values = {**drive.state.values, "tail_age_ms": 650.0}
    drive.observe(
        edge_report(
            maker=None,
            weekly_rollup={"taker_share_pct": 12.0},
            scenarios=[{"name": "flash_crash", "started_s": 0.0, "ended_s": 60.0}],
            effective_params=runtime_of(drive.state.profile, values),
        )
    )
    drive.check({}, ("test_mine",))
    drive.settle()
    text = text_of(drive, 1)
    assert (
        "failed check test_mine scenario flash_crash "
        "target ran with other values: tail_age_ms 600 in force, 650 echoed changed"
    ) in text
    assert "weak: covers more than this iteration" in text


def test_a_pending_rollback_is_shown() -> None:
    drive, noise = lane(), random.Random(3)
    for number in range(1, 26):
        how = mine(-0.05, "max_delta_ratio") if number == 20 else nothing
        net = (4.0 if number <= 20 else 3.0) + noise.gauss(0, 0.1)
        drive.step(edge_report(net=net, risk=0.3 if number in (22, 23) else 0.38), how)
    text = text_of(drive, 25)
    assert "rollback max_delta_ratio back to 0.15, pending since iteration 24" in text
    cause = "the change by MINE after iteration 20 hurt net_bps"
    assert f"requested ROLLBACK to 0.15: {cause}" in text


def test_a_rule_that_is_suspended_after_its_rollback_is_shown() -> None:
    drive = lane()
    for number in range(1, 30):
        maker = (0.84 if number <= 24 else 0.6) + random.Random(number).gauss(0.0, 0.005)
        drive.step(edge_report(maker=maker), nothing if number < 24 else None)
    text = text_of(drive, 29)
    assert "rollback MAKER_BOOST may not move base_spread_bps up before iteration 52" in text
    assert "rollback MAKER_BOOST may not move replace_rate_per_min down before iteration 52" in text


def test_late_and_pins_say_from_when_to_when() -> None:
    drive = lane(changed(fixed(), hold_last=2, pin={"for": 3}), iterations=5)
    drive.edit(tail_age_ms=650.0)
    drive.steps(4)
    assert "late no; late from iteration 4 on" in text_of(drive, 3)
    assert "late yes: the last 2 of 5 decisions move nothing" in text_of(drive, 4)
    assert "pin tail_age_ms until iteration 3: edited by hand" in text_of(drive, 3)
    assert "pin no" in text_of(drive, 4)


def test_a_panic_at_the_safe_profile_says_so() -> None:
    guard = fixed().guards.panic
    assert guard is not None
    drive = lane(values=guard.values)
    drive.steps(3, edge_report(net=1.0))
    text = text_of(drive, 3)
    streak = "3 FAIL iterations in a row, this one included"
    assert f"no change {streak}; steady_safe is in force already" in text


def test_a_value_on_its_bound_is_marked() -> None:
    drive = lane()
    drive.edit(vip_tilt_cap=1.0)
    drive.step()
    assert "vip_tilt_cap 0 -> 1 (its maximum), 1 change" in story(drive)


def test_long_lists_are_cut_and_say_by_how_much() -> None:
    drive = lane(iterations=200)
    for number in range(1, 71):
        unknown = proposing(**{f"key_{number:02}": 1.0})
        drive.step(
            proposer=lambda *shown, of=unknown, n=number: Requested(
                of(*shown).proposals, note=f"no {n}"
            )
        )
    lines = explain_run(drive.entries).splitlines()
    assert [line for line in lines if line.endswith(" more")] == ["  and 10 more"]
    assert sum(line.startswith("  invalid") for line in lines) == 60
    assert sum(line.startswith("  note") for line in lines) == 9
    assert "note and 62 more, which --iteration shows" in story(drive)


def test_the_changes_that_hurt_are_listed_up_to_twenty() -> None:
    lines = effect_lines(history(*(attribution(n, "MINE", WORSE) for n in range(1, 24))))
    assert sum("hurt beyond doubt" in line for line in lines) == 20
    assert lines[-1] == "… and 3 more."


def test_a_key_that_was_edited_before_and_during_an_iteration_is_shown_twice() -> None:
    drive = lane()
    drive.edit(tail_age_ms=800.0)
    drive.observe(edge_report())
    drive.edit(tail_age_ms=600.0)
    drive.settle(nothing)
    text = text_of(drive, 1)
    assert "by hand before this iteration: tail_age_ms 600 -> 800" in text
    assert "by hand during this iteration: tail_age_ms 800 -> 600" in text
