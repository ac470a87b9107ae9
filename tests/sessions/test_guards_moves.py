"""The guards of single moves in real sessions: data, pins, moves back, caps, bounds, no change.

As in ``test_guards``, requests of rules are withheld, and proposals of a proposer are refused.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.sessions.conftest import NOISE_UNKNOWN, TOO_SHORT, Result, Sessions
from tests.sessions.scripted import headroom_given, shown, soaked, values_of, write_script

LOW_MAKER = {"maker": 0.7}
"""POOR fires on it."""
LOW_MAKER_FAILS = {**TOO_SHORT, "maker_taker_ratio": "FAIL", "delta_quality": "FAIL"}


def start_at(soak: Sessions, **values: float) -> None:
    """Writes start values of the user."""
    path = soak.folder / "artifacts" / "soak" / "runtime_overrides.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(values))


def moves(result: Result) -> list[tuple[str, int, float]]:
    """The moves in TUNING_STATE that count for the cap of the next decision."""
    charged = result.json("TUNING_STATE.json")["moves"]
    return [(move["key"], move["iteration"], move["size"]) for move in charged]


def test_velocity(soak: Sessions) -> None:
    """The cap is on the sum of all moves of an hour, not on their net; older moves do not count."""
    write_script(
        soak,
        {range(1, 7): LOW_MAKER},
        {
            3: {"replace_rate_per_min": -10, "tail_age_ms": 500, "base_spread_bps": 0.16},
            5: {"base_spread_bps": -0.1, "slippage_penalty_coef": 0.19},
            6: {"slippage_penalty_coef": 0.03},
        },
        "guards: {hold_last: 0}\n",
    )
    result = soaked(soak, 6, LOW_MAKER_FAILS, "--soak-interval=1200")

    assert shown(result, 1).end == "POOR | applied 3"
    withheld = shown(result, 2)
    assert withheld.tuning["withheld"] == {
        "min_interval_ms": "velocity",  # 5 of 25 are left of its cap
        "replace_rate_per_min": "velocity",  # nothing is left
    }
    assert withheld.tuning["deltas"] == {"base_spread_bps": 0.015, "min_interval_ms": 5}
    assert withheld.end == "POOR | applied 2 withheld 2 (velocity)"

    assert headroom_given(soak, 3)["replace_rate_per_min"] == [0, 0, "velocity", "velocity"]
    assert headroom_given(soak, 3)["tail_age_ms"] == [-300, 300, "velocity", "velocity"]
    refused = shown(result, 3)
    assert refused.outcomes() == {
        "base_spread_bps": ("APPLIED", 0.16, ""),
        "replace_rate_per_min": ("SKIPPED", 0, "velocity"),
        "tail_age_ms": ("CLIPPED", 300, "velocity"),
    }
    assert refused.flags() == {"velocity"}
    assert refused.tuning["skipped_reason"] == (
        "velocity 0 of 60 per hour left: replace_rate_per_min; "
        "velocity 300 of 300 per hour left: tail_age_ms"
    )
    assert refused.end == "applied 1 clipped 1 skipped 1 (velocity)"

    again = shown(result, 4)  # the moves after iteration 1 are older than an hour
    assert again.tuning["deltas"] == {
        "base_spread_bps": 0.015,
        "min_interval_ms": 25,
        "replace_rate_per_min": -51,
    }
    back = shown(result, 5)  # it would reduce the net move, but add to the sum
    assert back.outcomes() == {
        "base_spread_bps": ("SKIPPED", 0, "velocity"),
        "slippage_penalty_coef": ("APPLIED", 0.19, ""),
    }
    assert back.end == "applied 1 skipped 1 (velocity)"
    assert shown(result, 6).outcomes() == {"slippage_penalty_coef": ("SKIPPED", 0, "velocity")}
    assert moves(result) == [("slippage_penalty_coef", 5, 0.19)]


def test_oscillation(soak: Sessions) -> None:
    """For twelve iterations neither a rule nor a proposer may move a key back."""
    back = {"base_spread_bps": -0.015}
    write_script(soak, {1: LOW_MAKER, 2: {"maker": 0.96}}, {(3, 13, 14): back})
    result = soaked(soak, 15, {**NOISE_UNKNOWN, "delta_quality": "FAIL"})

    assert shown(result, 1).end == "POOR | applied 3"
    rule = shown(
        result, 2
    )  # the headroom ignores moves back, so the rule proposes one and it is refused
    assert rule.tuning["withheld"] == {}
    assert rule.outcomes() == {"base_spread_bps": ("SKIPPED", 0, "oscillation")}
    assert rule.end == "RICH | skipped 1 (oscillation)"

    assert headroom_given(soak, 3)["base_spread_bps"][0] == pytest.approx(-0.185)
    for number in (3, 13):
        refused = shown(result, number)
        assert refused.outcomes() == {"base_spread_bps": ("SKIPPED", 0, "oscillation")}
        assert refused.flags() == {"oscillation"}
        assert refused.tuning["skipped_reason"] == (
            "oscillation back to 0.5, left at iteration 1: base_spread_bps"
        )
        assert refused.end == "skipped 1 (oscillation)"
        assert values_of(result, number)["base_spread_bps"] == 0.515
    assert shown(result, 14).outcomes() == {"base_spread_bps": ("APPLIED", -0.015, "")}
    assert result.json("TUNING_STATE.json")["values_before_last_change"] == {
        "base_spread_bps": {"value": 0.515, "iteration": 14}
    }


def test_bounds(soak: Sessions) -> None:
    """A move ends exactly on the bound if half of it is left; no value is ever beyond a bound."""
    start_at(soak, concurrency_limit=1.1, tail_age_ms=4950, max_delta_ratio=0.05)
    write_script(
        soak,
        {range(2, 5): {"p95": 400.0}},
        {3: {"max_delta_ratio": -0.05, "vip_tilt_cap": -0.1, "tail_age_ms": 10}},
    )
    result = soaked(soak, 6, {**TOO_SHORT, "p95_latency_ms": "FAIL", "delta_quality": "FAIL"})

    withheld = shown(result, 2)  # SLOW requests -0.165 and +75
    assert withheld.tuning["withheld"] == {"concurrency_limit": "bounds", "tail_age_ms": "bounds"}
    assert withheld.tuning["deltas"] == {"concurrency_limit": -0.1, "tail_age_ms": 50}
    assert withheld.end == "SLOW | applied 2 withheld 2 (bounds)"
    stopped = shown(result, 4)
    assert stopped.tuning["withheld"] == {"concurrency_limit": "bounds", "tail_age_ms": "bounds"}
    assert stopped.end == "withheld 2 (bounds)"

    assert headroom_given(soak, 3)["vip_tilt_cap"] == [0, 0.2, "bounds", "velocity"]
    refused = shown(result, 3)
    assert refused.outcomes() == {
        "max_delta_ratio": ("CLIPPED", -0.03, "bounds"),
        "tail_age_ms": ("SKIPPED", 0, "bounds"),
        "vip_tilt_cap": ("SKIPPED", 0, "bounds"),
    }
    assert refused.flags() == {"bounds"}
    assert refused.tuning["skipped_reason"] == (
        "bounds at least 0.02: max_delta_ratio; bounds at most 5000: tail_age_ms; "
        "bounds at least 0: vip_tilt_cap"
    )
    assert refused.end == "clipped 1 skipped 2 (bounds)"
    runtime = result.json("runtime_overrides.json")
    assert runtime["risk"]["max_delta_ratio"] == 0.02
    assert (runtime["engine"]["concurrency_limit"], runtime["engine"]["tail_age_ms"]) == (1, 5000)
    assert moves(result)[-1] == ("max_delta_ratio", 3, 0.03)


def test_nodata(soak: Sessions) -> None:
    """No rule and no proposal may use a KPI without data."""
    proposals: dict[str, Any] = {
        "tail_age_ms": {"delta": 25, "kpis": ["net_bps", "risk_ratio"]},
        "min_interval_ms": {"delta": 5, "kpis": ["risk_ratio"]},
    }
    nothing = {"net": None}
    write_script(soak, {(1, 2): {"net": 1.0}, (3, 4, 5): nothing, 4: LOW_MAKER}, {3: proposals})
    failing = dict.fromkeys(("maker_taker_ratio", "net_bps", "pass_count_last8"), "FAIL")
    result = soaked(soak, 5, {**TOO_SHORT, **failing, "delta_quality": "FAIL"})

    refused = shown(result, 3)
    assert refused.summary["net_bps"] is None
    assert refused.summary["kpi_verdict"] == "INCONCLUSIVE"
    assert refused.outcomes() == {
        "min_interval_ms": ("APPLIED", 5, ""),
        "tail_age_ms": ("SKIPPED", 0, "nodata"),
    }
    assert refused.flags() == {"nodata"}
    assert refused.tuning["skipped_reason"] == "nodata no data of net_bps: tail_age_ms"
    assert refused.end == "totals.net_bps.. | applied 1 skipped 1"  # the line is full

    silent = shown(result, 4)  # POOR would fire, if net_bps had data
    assert silent.tuning["proposed_deltas"] == silent.tuning["withheld"] == {}
    assert silent.end == "totals.net_bps is null"
    assert silent.line.startswith("4 INCONCLUSIVE net=nodata ")
    state = result.json("TUNING_STATE.json")
    assert (state["fail_streak"], state["stable_streak"], state["pass_streak"]) == (2, 0, 0)
    assert moves(result) == [("min_interval_ms", 3, 5)]


def test_invalid(soak: Sessions) -> None:
    """An invalid delta is refused, key by key; the others are applied."""
    proposals: dict[str, Any] = {
        "base_spread_bps": float("nan"),
        "concurrency_limit": "0.1",
        "min_interval_ms": float("inf"),
        "tail_age": 5,
        "tail_age_ms": 25,
    }
    write_script(soak, {}, {2: proposals, 3: {"tail_age_ms": 1e308}})
    result = soaked(soak, 4, {**TOO_SHORT, "delta_quality": "FAIL"})

    refused = shown(result, 2)
    outcomes = refused.outcomes()
    assert outcomes.pop("tail_age_ms") == ("APPLIED", 25, "")
    assert outcomes == dict.fromkeys(
        ("base_spread_bps", "concurrency_limit", "min_interval_ms", "tail_age"),
        ("SKIPPED", 0, "invalid"),
    )
    assert refused.tuning["proposed_deltas"]["base_spread_bps"] == "NaN"
    assert refused.tuning["note"] == "unknown keys: tail_age"
    assert refused.flags() == {"invalid"}
    assert refused.tuning["skipped_reason"] == (
        "invalid the delta is no finite number: base_spread_bps, concurrency_limit, "
        "min_interval_ms; invalid no such parameter in the profile: tail_age"
    )
    assert refused.end == "applied 1 skipped 4 (invalid)"
    assert shown(result, 3).outcomes() == {"tail_age_ms": ("SKIPPED", 0, "velocity")}
    assert moves(result) == [("tail_age_ms", 2, 25)]


def test_no_op(soak: Sessions) -> None:
    """A proposed move of 0 is refused; a rule withholds a very small move."""
    write_script(soak, {2: {"p95": 325.0}}, {3: {"tail_age_ms": 0, "base_spread_bps": 1e-12}})
    result = soaked(soak, 4, {**TOO_SHORT, "delta_quality": "FAIL"})

    withheld = shown(result, 2)
    assert withheld.tuning["withheld"] == {"base_spread_bps": "small"}
    assert withheld.end == "withheld 1 (small)"
    refused = shown(result, 3)
    assert refused.outcomes() == {
        "base_spread_bps": ("SKIPPED", 0, "no_op"),
        "tail_age_ms": ("SKIPPED", 0, "no_op"),
    }
    assert refused.flags() == {"no_op"}
    assert refused.tuning["skipped_reason"] == (
        "no_op the value does not change: base_spread_bps, tail_age_ms"
    )
    assert refused.end == "skipped 2 (no_op)"
    state = result.json("TUNING_STATE.json")
    assert (state["moves"], state["last_signature"]) == ([], None)
    assert state["state_hash"] == shown(result, 1).tuning["old_hash"]


def test_duplicate(soak: Sessions) -> None:
    """The same change of the same runtime again, after an operator undid it.

    A pin would refuse it first; without pins the signature of the change does.
    """
    write_script(
        soak,
        {3: {"by_hand": {"tail_age_ms": 600}}},
        {(2, 3): {"tail_age_ms": 25}, 4: {"tail_age_ms": 26}},
        "guards: {pin: {for: 0}}\n",
    )
    result = soaked(soak, 5, {**TOO_SHORT, "delta_quality": "FAIL"})
    applied, refused = shown(result, 2), shown(result, 3)
    assert applied.outcomes() == {"tail_age_ms": ("APPLIED", 25, "")}
    assert refused.tuning["old_hash"] == applied.tuning["old_hash"]
    assert refused.outcomes() == {"tail_age_ms": ("SKIPPED", 0, "duplicate")}
    assert refused.flags() == {"duplicate"}
    assert refused.end == "EDITED tail_age_ms | skipped 1 (duplicate)"
    signature = applied.tuning["signature"]
    assert refused.tuning["skipped_reason"] == (
        f"duplicate the change {signature} was the last one applied: tail_age_ms"
    )
    assert shown(result, 4).outcomes() == {"tail_age_ms": ("APPLIED", 26, "")}
    assert (
        result.json("TUNING_STATE.json")["last_signature"] == shown(result, 4).tuning["signature"]
    )


def test_pin(soak: Sessions) -> None:
    """The tuner does not move a key that an operator edited."""
    write_script(
        soak,
        {(2, 4, 5): LOW_MAKER, 2: {"by_hand": {"base_spread_bps": 0.8}}},
        {3: {"base_spread_bps": 0.01, "tail_age_ms": 25}},
    )
    result = soaked(soak, 6, LOW_MAKER_FAILS)
    (edit,) = (entry for entry in result.entries() if entry["type"] == "external")
    assert edit["keys"] == {"base_spread_bps": [0.5, 0.8]}

    for number in (2, 4):  # also in the decision that noticed the edit
        withheld = shown(result, number)
        assert withheld.tuning["withheld"]["base_spread_bps"] == "pin"
        assert "base_spread_bps" not in withheld.tuning["proposed_deltas"]
    assert shown(result, 2).end == "POOR EDITED base_spread_bps | applied 2 withheld 1"

    assert headroom_given(soak, 3)["base_spread_bps"] == [0, 0, "pin", "pin"]
    refused = shown(result, 3)
    assert refused.outcomes() == {
        "base_spread_bps": ("SKIPPED", 0, "pin"),
        "tail_age_ms": ("APPLIED", 25, ""),
    }
    assert refused.flags() == {"pin"}
    assert refused.tuning["skipped_reason"] == (
        "pinned for the rest of the run, edited by hand: base_spread_bps"
    )
    assert refused.end == "applied 1 skipped 1 (pin)"
    assert result.json("TUNING_STATE.json")["pinned"] == {"base_spread_bps": "run"}
    assert result.json("runtime_overrides.json")["risk"]["base_spread_bps"] == 0.8


def test_a_pin_ends_when_the_profile_says(soak: Sessions) -> None:
    write_script(
        soak,
        {2: {"by_hand": {"base_spread_bps": 0.8}}},
        {(2, 3, 4): {"base_spread_bps": 0.01}},
        "guards: {pin: {for: 2}}\n",
    )
    result = soaked(soak, 6, {**TOO_SHORT, "delta_quality": "FAIL"})
    assert [shown(result, n).end for n in (2, 3, 4)] == [
        "EDITED base_spread_bps | skipped 1 (pin)",
        "skipped 1 (pin)",
        "applied 1",
    ]
    assert shown(result, 3).tuning["skipped_reason"].startswith("pinned until iteration 3")
    assert result.json("TUNING_STATE.json")["pinned"] == {}


def test_panic_moves_what_is_pinned_and_says_so(soak: Sessions) -> None:
    bad = {"net": 1.0}
    write_script(
        soak,
        {1: {"by_hand": {"base_spread_bps": 0.8}}, (2, 3, 4): bad},
        {9: {"base_spread_bps": 0.01}},
    )
    result = soaked(soak, 10, {**NOISE_UNKNOWN, "net_bps": "FAIL", "delta_quality": "FAIL"})
    at = shown(result, 4)
    assert at.tuning["panic"]["moves"]["base_spread_bps"] == 0.65
    assert "over the pins of base_spread_bps" in at.tuning["note"]
    assert at.end == "PANIC reverted to steady_safe over pins"
    assert values_of(result, 4)["base_spread_bps"] == 0.65
    assert shown(result, 9).outcomes() == {"base_spread_bps": ("SKIPPED", 0, "pin")}
    state = result.json("TUNING_STATE.json")
    assert (state["pinned"], state["paused_until_iter"]) == ({"base_spread_bps": "run"}, 8)
