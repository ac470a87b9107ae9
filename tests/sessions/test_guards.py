"""Each guard in a real session: in ITER_SUMMARY, in TUNING_STATE, and on the terminal's line.

A guard acts in two ways. The rules know the headroom, so it *withholds* what they request beyond
it. It *refuses* what a proposer proposes beyond the headroom. ``test_guards_moves`` has the guards
of single moves.
"""

from __future__ import annotations

import pytest

from tests.sessions.conftest import NOISE_UNKNOWN, TOO_SHORT, Sessions
from tests.sessions.scripted import (
    ARGS,
    Figures,
    check_files,
    headroom_given,
    shown,
    soaked,
    values_of,
    write_script,
)

SAFE = {
    "base_spread_bps": 0.65,
    "impact_cap_ratio": 0.09,
    "max_delta_ratio": 0.14,
    "slippage_penalty_coef": 0,
    "inventory_tilt_cap": 0.3,
    "vip_tilt_cap": 0,
    "replace_rate_per_min": 320,
    "concurrency_limit": 1.8,
    "tail_age_ms": 700,
    "min_interval_ms": 75,
}
"""The profile steady_safe."""
STUBBORN = {"tail_age_ms": 25}
LARGE = {"slippage_penalty_coef": 0.2, "inventory_tilt_cap": 0.1}
RISKY_KEYS = ("base_spread_bps", "impact_cap_ratio", "min_interval_ms", "replace_rate_per_min")
"""The keys that the rule RISKY moves; together they are a large change."""


@pytest.mark.smoke
def test_freeze(soak: Sessions) -> None:
    """Two stable iterations freeze two keys for the next four decisions."""
    write_script(
        soak,
        {range(1, 11): {"risk": 0.3}, 4: {"adverse": 3.5}},
        {(5, 6, 7): {"impact_cap_ratio": -0.01}, 9: {"max_delta_ratio": -0.01, **STUBBORN}},
    )
    result = soaked(soak, 10, {**NOISE_UNKNOWN, "delta_quality": "FAIL"})

    withheld = shown(result, 4)
    assert withheld.tuning["withheld"] == {"max_delta_ratio": "freeze"}
    assert withheld.tuning["deltas"] == {"base_spread_bps": 0.02}
    assert withheld.end == "HARSH | applied 1 withheld 1 (freeze)"

    for number in (5, 6):
        assert headroom_given(soak, number)["impact_cap_ratio"] == [0, 0, "freeze", "freeze"]
        refused = shown(result, number)
        assert refused.outcomes() == {"impact_cap_ratio": ("SKIPPED", 0, "freeze")}
        assert refused.flags() == {"freeze"}
        assert refused.tuning["skipped_reason"] == "frozen until iteration 6: impact_cap_ratio"
        assert refused.end == "skipped 1 (freeze)"
    assert shown(result, 7).outcomes() == {"impact_cap_ratio": ("APPLIED", -0.01, "")}

    both = shown(result, 9)  # the key is frozen, not the lane
    assert both.outcomes() == {
        "max_delta_ratio": ("SKIPPED", 0, "freeze"),
        "tail_age_ms": ("APPLIED", 25, ""),
    }
    assert both.end == "applied 1 skipped 1 (freeze)"
    for stretch in ((2, 3, 4, 5, 6), (8, 9, 10)):
        for key in ("impact_cap_ratio", "max_delta_ratio"):
            assert len({repr(values_of(result, number)[key]) for number in stretch}) == 1
    state = result.json("TUNING_STATE.json")
    assert (state["iteration"], state["frozen_until_iter"], state["stable_streak"]) == (10, 12, 0)
    assert state["frozen_keys"] == ["impact_cap_ratio", "max_delta_ratio"]


def test_cooldown(soak: Sessions) -> None:
    """After a large change two decisions move nothing, and the third does."""
    write_script(soak, {(1, 2): {"risk": 0.65}}, {(3, 4, 6): STUBBORN, 5: LARGE})
    result = soaked(soak, 7, {**TOO_SHORT, "risk_ratio": "FAIL", "delta_quality": "FAIL"})

    assert shown(result, 1).end == "RISKY | applied 4"
    withheld = shown(result, 2)
    assert withheld.tuning["withheld"] == dict.fromkeys(RISKY_KEYS, "cooldown")
    assert withheld.tuning["skipped_reason"] == f"cooldown_active: {', '.join(RISKY_KEYS)}"
    assert withheld.end == "withheld 4 (cooldown)"

    assert headroom_given(soak, 3)["tail_age_ms"] == [0, 0, "cooldown", "cooldown"]
    refused = shown(result, 3)
    assert refused.outcomes() == {"tail_age_ms": ("SKIPPED", 0, "cooldown")}
    assert refused.flags() == {"cooldown"}
    assert refused.tuning["skipped_reason"] == "cooldown_active until iteration 3: tail_age_ms"
    assert refused.end == "skipped 1 (cooldown)"

    assert shown(result, 4).outcomes() == {"tail_age_ms": ("APPLIED", 25, "")}
    assert shown(result, 5).end == "applied 2"
    assert shown(result, 6).outcomes() == {"tail_age_ms": ("SKIPPED", 0, "cooldown")}
    state = result.json("TUNING_STATE.json")
    assert (state["iteration"], state["cooldown_until_iter"]) == (7, 7)


@pytest.mark.smoke
def test_panic_reverts_and_pauses(soak: Sessions) -> None:
    """After three FAILs the runtime has the safe values, and keeps them for four decisions."""
    write_script(soak, {range(1, 5): {"risk": 0.65}}, {(5, 7, 8): STUBBORN})
    failing = dict.fromkeys(("risk_ratio", "pass_count_last8", "delta_quality"), "FAIL")
    result = soaked(soak, 9, {**NOISE_UNKNOWN, **failing})

    at = shown(result, 3)
    assert at.tuning["panic"]["revert_to"] == "steady_safe"
    assert at.tuning["panic"]["paused_until"] == 7
    assert at.tuning["withheld"] == dict.fromkeys(RISKY_KEYS, "panic")
    assert at.tuning["applied"] is True
    assert at.tuning["note"].startswith("panic: 3 FAIL iterations in a row, reverted to steady_saf")
    assert at.end == "PANIC reverted to steady_safe | withheld 4 (panic)"
    assert values_of(result, 3) == SAFE

    paused = shown(result, 4)
    assert paused.tuning["panic"] is None
    assert paused.tuning["withheld"] == dict.fromkeys(RISKY_KEYS, "panic")
    assert paused.end == "withheld 4 (panic)"
    for number in (5, 7):
        assert headroom_given(soak, number)["tail_age_ms"] == [0, 0, "panic", "panic"]
        refused = shown(result, number)
        assert refused.outcomes() == {"tail_age_ms": ("SKIPPED", 0, "panic")}
        assert refused.flags() == {"panic"}
        assert refused.tuning["skipped_reason"] == "panic paused until iteration 7: tail_age_ms"
        assert refused.end == "skipped 1 (panic)"
        assert values_of(result, number) == SAFE
    assert shown(result, 8).outcomes() == {"tail_age_ms": ("APPLIED", 25, "")}
    assert result.json("TUNING_STATE.json")["paused_until_iter"] == 7


def test_panic_refuses_a_proposer_and_forgets_what_it_overrode(soak: Sessions) -> None:
    """The cooldown of the first change and the freeze end; the moves of the hour still count."""
    bad = {"net": 1.0, "risk": 0.3}
    write_script(soak, {(1, 2): {"risk": 0.3}, (3, 4, 5): bad}, {4: LARGE, 5: STUBBORN})
    failing = dict.fromkeys(("net_bps", "pass_count_last8", "delta_quality"), "FAIL")
    result = soaked(soak, 6, {**TOO_SHORT, **failing})
    at = shown(result, 5)
    assert at.outcomes() == {"tail_age_ms": ("SKIPPED", 0, "panic")}
    assert at.flags() == {"panic", "cooldown"}
    assert at.tuning["outcomes"]["tail_age_ms"]["also"] == ["cooldown"]
    assert at.tuning["skipped_reason"] == "panic reverting to steady_safe: tail_age_ms"
    assert at.tuning["deltas"] == {}
    assert at.end == "PANIC reverted to steady_safe | skipped 1 (panic)"
    assert values_of(result, 5) == SAFE
    state = result.json("TUNING_STATE.json")
    assert state["paused_until_iter"] == 9
    assert (state["frozen_until_iter"], state["frozen_keys"]) == (0, [])
    assert (state["cooldown_until_iter"], state["fail_streak"]) == (0, 0)
    assert state["values_before_last_change"] == {}
    assert state["last_signature"] is None
    assert [(move["key"], move["size"]) for move in state["moves"]] == [
        ("inventory_tilt_cap", 0.1),
        ("slippage_penalty_coef", 0.2),
    ]


@pytest.mark.parametrize("option", ["--soak-no-tune", "--soak-dry-run"])
def test_panic_reverts_nothing_when_nothing_may_change(soak: Sessions, option: str) -> None:
    write_script(soak, {range(1, 4): {"net": 1.0}})
    failing = {"net_bps": "FAIL", "pass_count_last8": "FAIL"}
    result = soaked(soak, 4, {**TOO_SHORT, **failing}, option)
    at = shown(result, 3)
    assert at.tuning["panic"]["would"] is True
    assert at.tuning["applied"] is False
    assert at.end == "PANIC would revert to steady_safe"
    assert len({shown(result, n).tuning["state_hash"] for n in range(1, 5)}) == 1
    assert result.json("TUNING_STATE.json")["paused_until_iter"] == 0


def test_late(soak: Sessions) -> None:
    """The last iteration changes nothing; after the plan grows it is not the last."""
    write_script(soak, {range(1, 9): {"maker": 0.7}}, {6: STUBBORN})
    args = (*ARGS, "--soak-interval=3600")
    first = soak("--soak-iterations=4", *args)
    assert (first.code, first.items) == (1, {"passed": 4})
    assert first.gate == {**TOO_SHORT, "maker_taker_ratio": "FAIL"}
    check_files(first, 4)
    assert {shown(first, number).end for number in (1, 2, 3)} == {"POOR | applied 3"}
    withheld = shown(first, 4)
    poor = ("base_spread_bps", "min_interval_ms", "replace_rate_per_min")
    assert withheld.tuning["withheld"] == dict.fromkeys(poor, "late")
    assert withheld.tuning["skipped_reason"] == f"late: {', '.join(poor)}"
    assert withheld.tuning["applied"] is False
    assert withheld.end == "withheld 3 (late)"
    assert first.json("TUNING_STATE.json")["acted"] == {"POOR": 3}

    longer = soak("--soak-iterations=6", *args, "--soak-resume")
    assert (longer.code, longer.items, longer.done_before) == (1, {"passed": 2}, 4)
    assert longer.gate == {**TOO_SHORT, "maker_taker_ratio": "FAIL", "delta_quality": "FAIL"}
    check_files(longer, 6)
    assert shown(longer, 5).end == "POOR | applied 3"
    assert headroom_given(soak, 6)["tail_age_ms"] == [0, 0, "late", "late"]
    refused = shown(longer, 6)
    assert refused.outcomes() == {"tail_age_ms": ("SKIPPED", 0, "late")}
    assert refused.flags() == {"late"}
    assert refused.tuning["skipped_reason"] == "late too close to the end, iteration 6: tail_age_ms"
    assert refused.end == "skipped 1 (late)"
    state = longer.json("TUNING_STATE.json")
    assert (state["iteration"], state["acted"]) == (6, {"POOR": 5})
    assert longer.entries()[: len(first.entries())] == first.entries()


def test_warmup(soak: Sessions) -> None:
    """The rules wait, a proposer is refused, a resume continues it, and the gate leaves it out."""
    poor: Figures = {range(1, 5): {"maker": 0.7, "p95": 900.0}, range(5, 31): {"maker": 0.7}}
    write_script(soak, poor, {2: STUBBORN}, "gate: {warmup_iterations: 4}\n")
    first = soak("--soak-iterations=3", *ARGS)
    assert (first.code, first.items) == (0, {"passed": 3})
    assert {first.gate[kpi] for kpi in ("net_bps", "p95_latency_ms")} == {"INCONCLUSIVE"}
    waits = shown(first, 1)
    assert waits.tuning["applied"] is False
    decision = next(entry for entry in first.entries() if entry["type"] == "decision")
    reason = "warmup: iterations up to 4 are no evidence"
    assert decision["waiting"] == {"POOR": reason, "SLOW": reason}
    assert "warm-up" in first.out
    assert headroom_given(soak, 2)["tail_age_ms"] == [0, 0, "warmup", "warmup"]
    refused = shown(first, 2)
    assert refused.outcomes() == {"tail_age_ms": ("SKIPPED", 0, "warmup")}
    assert refused.flags() == {"warmup"}
    assert refused.tuning["skipped_reason"] == "warmup warm-up until iteration 4: tail_age_ms"

    longer = soak("--soak-iterations=30", *ARGS, "--soak-resume")
    check_files(longer, 30)
    assert shown(longer, 4).end != shown(longer, 5).end
    assert shown(longer, 5).tuning["applied"] is True
    assert not {"p95_latency_ms", "completeness", "delta_quality"} & set(longer.gate)
    assert "left out: iterations 1 to 4 (warm-up)" in longer.out
