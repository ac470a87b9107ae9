from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from pytest_soak.loop.headroom import headroom_of
from pytest_soak.loop.model import Headroom
from pytest_soak.loop.moves import step
from pytest_soak.loop.state import evolved
from pytest_soak.loop.tuner import MicroTuning, propose_micro_tuning
from pytest_soak.profile.condition import Comparison
from pytest_soak.profile.model import Evidence, Excess, Hysteresis, Move, Profile, Rule
from pytest_soak.profile.parameter import Parameter
from pytest_soak.profile.scenarios import GateMode, Scheduled
from tests.unit.loop.lanes import Drive, edge_report, shipped, starts

QUIET = {
    "risk_ratio": 0.38,
    "net_bps": 3.0,
    "maker_taker_ratio": 0.88,
    "p95_latency_ms": 310,
    "adverse_bps_p95": 2.0,
    "slippage_bps_p95": 1.0,
    "min_interval_ratio": 0.1,
}


def micro(values: Mapping[str, float] | None = None, **kpis: Any) -> MicroTuning:
    return propose_micro_tuning(QUIET | kpis, starts(shipped()) | dict(values or {}), shipped())


def only(name: str, **changes: Any) -> Profile:
    """The shipped profile with one rule only, changed."""
    profile = shipped()
    rule = next(rule for rule in profile.rules if rule.name == name)
    return replace(profile, rules=(replace(rule, **changes),))


def test_a_quiet_summary_proposes_nothing() -> None:
    assert micro().deltas == {}
    assert micro().rules == ()


@pytest.mark.parametrize(
    ("kpis", "rule", "deltas"),
    [
        (
            {"risk_ratio": 0.60},
            "RISK_AGGRESSIVE",
            {
                "base_spread_bps": 0.05,
                "impact_cap_ratio": -0.02,
                "replace_rate_per_min": -80.0,
                "min_interval_ms": 20.0,
            },
        ),
        (
            {"risk_ratio": 0.41},
            "RISK_MODERATE",
            {"base_spread_bps": 0.02, "impact_cap_ratio": -0.01, "replace_rate_per_min": -20.0},
        ),
        (
            {"p95_latency_ms": 365},
            "LATENCY_HARD",
            {"concurrency_limit": -0.3, "replace_rate_per_min": -40.0, "tail_age_ms": 75.0},
        ),
        (
            {"p95_latency_ms": 335},
            "LATENCY_BUFFER",
            {"concurrency_limit": -0.2, "replace_rate_per_min": -20.0, "tail_age_ms": 50.0},
        ),
        ({"adverse_bps_p95": 3.1}, "ADVERSE", {"base_spread_bps": 0.02, "max_delta_ratio": -0.01}),
        ({"slippage_bps_p95": 2.6}, "SLIPPAGE", {"slippage_penalty_coef": 0.05}),
        ({"min_interval_ratio": 0.26}, "BLOCKED_MIN_INTERVAL", {"min_interval_ms": 10.0}),
        (
            {"maker_taker_ratio": 0.72},
            "MAKER_BOOST",
            {"base_spread_bps": 0.015, "replace_rate_per_min": -60.0, "min_interval_ms": 25.0},
        ),
    ],
)
def test_each_rule_of_the_table_on_one_summary(
    kpis: dict[str, Any], rule: str, deltas: dict[str, float]
) -> None:
    tuning = micro(**kpis)
    assert tuning.rules == (rule,)
    assert tuning["deltas"] == tuning.deltas == deltas


@pytest.mark.parametrize(
    ("kpis", "silent"),
    [
        ({"risk_ratio": 0.40}, "RISK_MODERATE"),
        ({"risk_ratio": 0.60}, "RISK_MODERATE"),
        ({"p95_latency_ms": 360}, "LATENCY_HARD"),
        ({"p95_latency_ms": 360.5}, "LATENCY_BUFFER"),
        ({"p95_latency_ms": 329.9}, "LATENCY_BUFFER"),
        ({"p95_latency_ms": 300}, "LATENCY_RECOVER"),
        ({"maker_taker_ratio": 0.85}, "MAKER_BOOST"),
        ({"maker_taker_ratio": 0.7, "net_bps": 2.69}, "MAKER_BOOST"),
        ({"maker_taker_ratio": 0.7, "risk_ratio": 0.401}, "MAKER_BOOST"),
        ({"maker_taker_ratio": None}, "MAKER_BOOST"),
    ],
)
def test_limits_are_exact(kpis: dict[str, Any], silent: str) -> None:
    assert silent not in micro(**kpis).rules


def test_recover_never_goes_past_the_start_value() -> None:
    at_start = micro(p95_latency_ms=250)
    assert "LATENCY_RECOVER" not in at_start.rules
    below = micro({"concurrency_limit": 1.95, "tail_age_ms": 610}, p95_latency_ms=250)
    assert below.deltas == {"tail_age_ms": -10.0}
    assert below.withheld == {"concurrency_limit": "small"}, "0.05 is below 0.1 % of 63"
    away = micro({"concurrency_limit": 3.0, "tail_age_ms": 550}, p95_latency_ms=250)
    assert away.deltas == {}


def test_relax_goes_a_tenth_of_the_way_and_snaps() -> None:
    calm = {"risk_ratio": 0.2, "maker_taker_ratio": 0.95}
    values = {"base_spread_bps": 1.5, "min_interval_ms": 55.0, "impact_cap_ratio": 0.05}
    tuning = micro(values, **calm)
    assert tuning.rules == ("NORMALIZE", "RELAX")
    assert tuning.deltas == {
        "base_spread_bps": -0.1,
        "min_interval_ms": -5.0,
        "impact_cap_ratio": 0.005,
    }


@pytest.mark.parametrize(
    ("move", "value", "expected"),
    [
        (Move("k", "add", 5.0, max_factor=1.5), 4.0, 2.0),
        (Move("k", "add", 5.0, max_factor=1.5), 0.0, 0.0),
        (Move("k", "add", 5.0, max_factor=1.5, max_floor=3.0), 0.0, 3.0),
        (Move("k", "add", 1.0, max_factor=1.5, max_floor=3.0), 5.0, 1.0),
        (Move("k", "add", 5.0, max_factor=0.5), 4.0, 0.0),
        (Move("k", "mul", 0.2, min_factor=0.5), 4.0, -2.0),
        (Move("k", "add", -9.0, min_factor=0.5), 4.0, -2.0),
        (Move("k", "mul", 1.1), 4.0, 0.4),
        (Move("k", "toward_start", 0.1), 4.0, -0.2),
        (Move("k", "toward_start", 0.1, snap=0.03), 2.25, -0.25),
        (Move("k", "toward_start", 0.1, snap=0.01), 2.0, 0.0),
        (Move("k", "add", 1.0, not_past_start=True), 1.5, 0.5),
        (Move("k", "add", 1.0, not_past_start=True), 2.0, 0.0),
        (Move("k", "add", 1.0, not_past_start=True), 3.0, 0.0),
        (Move("k", "add", -1.0, not_past_start=True), 2.5, -0.5),
    ],
)
def test_one_step_keeps_its_limits(move: Move, value: float, expected: float) -> None:
    parameter = Parameter("k", ("risk", "k"), "1", 2.0, 0.0, 10.0, 5.0, "up")
    assert step(move, parameter, value) == expected


MODE = Parameter(
    "k",
    ("risk", "k"),
    *("", 0.0, 0.0, 2.0, 2.0, "up"),
    kind="choice",
    step=1.0,
    choices=("slow", "normal", "fast"),
)
ABOVE, BELOW = (Excess("p95", Comparison(op, 300.0)) for op in (">", "<"))


@pytest.mark.parametrize(
    ("move", "value", "expected"),
    [
        (Move("k", "set", 2.0), 0.0, 2.0),
        (Move("k", "set", 2.0), 2.0, 0.0),
        (Move("k", "step", 1.0), 0.0, 1.0),
        (Move("k", "step", 1.0), 2.0, 1.0),  # the headroom keeps it within the bounds
        (Move("k", "step", -2.0), 2.0, -2.0),
    ],
)
def test_a_choice_is_set_or_moves_by_steps(move: Move, value: float, expected: float) -> None:
    assert step(move, MODE, value) == expected


@pytest.mark.parametrize(
    ("excess", "gain", "figure", "expected"),
    [
        (ABOVE, 0.01, 400.0, 1.0),
        (ABOVE, -0.01, 400.0, -1.0),
        (ABOVE, 0.01, 200.0, 0.0),
        (BELOW, 0.01, 200.0, 1.0),
        (ABOVE, 0.01, None, 0.0),
    ],
)
def test_a_proportional_move_grows_with_the_excess(
    excess: Excess, gain: float, figure: float | None, expected: float
) -> None:
    parameter = Parameter("k", ("risk", "k"), "1", 2.0, 0.0, 10.0, 5.0, "up")
    figures = {} if figure is None else {"p95": figure}
    assert step(Move("k", "proportional", gain, excess=excess), parameter, 4.0, figures) == expected


def test_the_limits_of_one_step_hold_for_a_set_and_a_proportional_move_too() -> None:
    parameter = Parameter("k", ("risk", "k"), "1", 2.0, 0.0, 10.0, 5.0, "up")
    assert step(Move("k", "set", 9.0, max_factor=1.5), parameter, 4.0) == 2.0
    far = Move("k", "proportional", 1.0, max_factor=1.5, excess=ABOVE)
    assert step(far, parameter, 4.0, {"p95": 900.0}) == 2.0


def test_two_rules_on_one_key_the_safest_move_wins_and_the_other_is_noted() -> None:
    tuning = micro(risk_ratio=0.65, min_interval_ratio=0.3, adverse_bps_p95=3.5)
    assert tuning.rules == ("RISK_AGGRESSIVE", "ADVERSE", "BLOCKED_MIN_INTERVAL")
    assert tuning.deltas["base_spread_bps"] == 0.05
    assert tuning.deltas["min_interval_ms"] == 20.0
    assert tuning.overruled == (
        "base_spread_bps: ADVERSE +0.02 gives way to RISK_AGGRESSIVE +0.05",
        "min_interval_ms: BLOCKED_MIN_INTERVAL +10 gives way to RISK_AGGRESSIVE +20",
    )


def test_safer_down_prefers_the_smaller_move() -> None:
    # RELAX would raise the rate, MAKER_BOOST lowers it; the rate is safer down.
    profile = shipped()
    relax = replace(
        next(rule for rule in profile.rules if rule.name == "RELAX"),
        when=next(rule for rule in profile.rules if rule.name == "MAKER_BOOST").when,
    )
    boost = next(rule for rule in profile.rules if rule.name == "MAKER_BOOST")
    two = replace(profile, rules=(relax, boost))
    tuning = propose_micro_tuning(
        QUIET | {"maker_taker_ratio": 0.7},
        starts(profile) | {"replace_rate_per_min": 200.0},
        two,
    )
    assert tuning.deltas["replace_rate_per_min"] == -30.0
    assert "replace_rate_per_min: RELAX +20 gives way to MAKER_BOOST -30" in tuning.overruled


@pytest.mark.parametrize(
    ("kpis", "line"),
    [
        ({"maker_taker_ratio": 0.72}, "MAKER_BOOST | ratio=0.72 target=0.85 deltas=3"),
        ({"p95_latency_ms": 345}, "LATENCY_BUFFER | p95=345ms target=<340ms action=soft"),
        ({"p95_latency_ms": 370}, "LATENCY_HARD | p95=370ms >> 360ms action=aggressive"),
    ],
)
def test_log_lines_are_exact(kpis: dict[str, Any], line: str) -> None:
    assert micro(**kpis).log == (f"| iter_watch | {line} |",)


def test_summaries_and_runtimes_nested_or_flat() -> None:
    flat = starts(shipped())
    nested: dict[str, Any] = {"risk": {}, "engine": {}, "tuner": {"cooldown_iters": 2}}
    for key, parameter in shipped().parameters.items():
        nested[parameter.path[0]][key] = flat[key]
    kpis = QUIET | {"p95_latency_ms": 335}
    for runtime in (flat, nested):
        for summary in (kpis, {"iteration": 4, "summary": kpis}, edge_report(p95=335)):
            assert propose_micro_tuning(summary, runtime, shipped()).rules == ("LATENCY_BUFFER",)


def test_a_placeholder_ratio_proposes_nothing() -> None:
    for source in ("fallback", "mock_default"):
        assert micro(maker_taker_ratio=0.6, maker_taker_source=source).rules == ()
    summary = QUIET | {"maker_taker_ratio": 0.6, "maker_taker_source": "mock_default"}
    in_mock = propose_micro_tuning(summary, starts(shipped()), shipped(), mock=True)
    assert in_mock.rules == ("MAKER_BOOST",)


def test_micro_tuning_keeps_inside_the_bounds() -> None:
    tuning = micro({"base_spread_bps": 4.98, "impact_cap_ratio": 0.02}, risk_ratio=0.7)
    assert tuning.deltas["base_spread_bps"] == pytest.approx(0.02)
    assert "impact_cap_ratio" not in tuning.deltas
    assert tuning.withheld == {"base_spread_bps": "bounds", "impact_cap_ratio": "bounds"}


def test_an_unknown_item_of_a_micro_tuning() -> None:
    with pytest.raises(KeyError):
        micro()["delta"]


# --- evidence, in a session -----------------------------------------------------------------------


def fired(drive: Drive, count: int, report: Mapping[str, Any]) -> list[int]:
    """Iterations of the next ``count`` at which a rule fired."""
    return [decision.iteration for decision in drive.steps(count, report) if decision.rules]


def lane(name: str, **changes: Any) -> Drive:
    """A lane with one rule, whose fold keeps this profile."""
    profile = only(name, **changes)
    drive = Drive(profile, iterations=200)
    drive.states[-1] = evolved(drive.state, profile=profile)
    return drive


def test_a_rule_waits_for_its_evidence_and_says_so() -> None:
    drive = lane("RISK_MODERATE")
    decisions = drive.steps(4, edge_report(risk=0.45))
    assert [decision.waiting.get("RISK_MODERATE") for decision in decisions] == [
        "evidence: 1 of 4 iterations",
        "evidence: 2 of 4 iterations",
        "evidence: 3 of 4 iterations",
        None,
    ]
    assert decisions[3].rules == ("RISK_MODERATE",)
    again = drive.step(edge_report(risk=0.45))
    assert again.waiting == {"RISK_MODERATE": "evidence: 1 of 4 iterations since it acted at 4"}


def test_fresh_evidence_is_all_after_the_rule_last_acted() -> None:
    assert fired(lane("RISK_MODERATE"), 13, edge_report(risk=0.45)) == [4, 8, 12]
    stale = lane("RISK_MODERATE", evidence=Evidence(over=4, fresh=False))
    assert fired(stale, 7, edge_report(risk=0.45)) == [4, 5, 6, 7]


def test_dwell_is_the_distance_between_two_acts() -> None:
    drive = lane("RISK_MODERATE", evidence=Evidence(over=2), dwell=5)
    assert fired(drive, 12, edge_report(risk=0.45)) == [2, 7, 12]
    waiting = drive.step(edge_report(risk=0.45)).waiting
    assert waiting == {"RISK_MODERATE": "dwell: acted at iteration 12, may act again at 17"}


def test_the_mean_counts_and_not_the_single_iteration() -> None:
    drive = lane("LATENCY_HARD")
    assert not any(decision.rules for decision in drive.steps(3, edge_report(p95=365)))
    decision = drive.step(edge_report(p95=335))
    assert not decision.rules
    assert not decision.waiting, "335 alone would not do"
    assert drive.step(edge_report(p95=376)).rules == ("LATENCY_HARD",)


def test_the_margin_applies_to_the_evidence() -> None:
    drive = lane("LATENCY_BUFFER")
    assert fired(drive, 18, edge_report(p95=339)) == []
    assert drive.state.observed is None
    waiting = drive.step(edge_report(p95=339)).waiting["LATENCY_BUFFER"]
    assert waiting == "evidence: p95_latency_ms 339 is not >= 330 by 10"
    assert fired(lane("LATENCY_BUFFER"), 32, edge_report(p95=341)) == [16, 32]
    assert fired(lane("LATENCY_BUFFER"), 18, edge_report(p95=360)) == [16]


def disturbed(gate: GateMode, at: int = 3) -> Drive:
    """One rule over four iterations, and a scenario in iteration ``at``."""
    profile = only("RISK_MODERATE")
    spike = Scheduled("spike", at, 10.0, 60.0, 1.0, gate, None)
    drive = Drive(profile, iterations=200, scenarios=(spike,))
    drive.states[-1] = evolved(drive.state, profile=profile)
    return drive


SPIKE = [{"name": "spike", "started_s": 10.0, "ended_s": 70.0}]


def test_an_iteration_that_the_gate_excludes_is_no_evidence_for_a_rule() -> None:
    """The figures of a planned disturbance do not tune the parameters of an ordinary day."""
    drive = disturbed("exclude")
    drive.steps(2, edge_report(risk=0.45))
    during = drive.step(edge_report(risk=0.45, scenarios=SPIKE))
    assert during.waiting == {
        "RISK_MODERATE": "evidence: a scenario that the gate excludes ran in this iteration"
    }
    assert fired(drive, 5, edge_report(risk=0.45)) == [7]
    assert drive.states[-1].memory.excluded == (3,)


def test_a_scenario_that_the_gate_judges_is_evidence() -> None:
    drive = disturbed("judge")
    drive.steps(2, edge_report(risk=0.45))
    drive.step(edge_report(risk=0.45, scenarios=SPIKE))
    assert fired(drive, 1, edge_report(risk=0.45)) == [4]


def test_a_scenario_that_was_not_scheduled_there_excludes_nothing() -> None:
    drive = disturbed("exclude", at=30)
    drive.steps(2, edge_report(risk=0.45))
    drive.step(edge_report(risk=0.45, scenarios=SPIKE))
    assert fired(drive, 1, edge_report(risk=0.45)) == [4]


def test_an_excluded_iteration_does_not_make_old_evidence_fresh() -> None:
    drive = disturbed("exclude", at=6)
    assert fired(drive, 4, edge_report(risk=0.45)) == [4]
    drive.step(edge_report(risk=0.45))
    drive.step(edge_report(risk=0.45, scenarios=SPIKE))
    assert fired(drive, 4, edge_report(risk=0.45)) == [10]


def test_one_iteration_without_data_breaks_the_evidence() -> None:
    drive = lane("RISK_MODERATE")
    drive.steps(2, edge_report(risk=0.45))
    drive.step(edge_report(risk=None))
    assert fired(drive, 4, edge_report(risk=0.45)) == [7]


def test_early_evidence_uses_the_iterations_there_are() -> None:
    assert fired(lane("MAKER_BOOST"), 4, edge_report(maker=0.7)) == [1, 2, 3, 4]


def test_evidence_of_ratios_is_the_ratio_of_the_sums() -> None:
    drive = lane("MAKER_BOOST")
    decision = drive.step(edge_report(maker=0.70, fills=100))
    assert decision.rules
    # The mean of the two ratios would be 0.80; nearly all fills were at 0.90.
    decision = drive.step(edge_report(maker=0.90, fills=10_000))
    assert not decision.rules
    assert not decision.waiting


def test_hysteresis_stops_and_starts_again() -> None:
    drive = lane("MAKER_BOOST", evidence=Evidence(over=1, fresh=False))

    def spoke(maker: float) -> tuple[bool, tuple[str, ...], str]:
        decision = drive.step(edge_report(maker=maker))
        return bool(decision.rules), decision.stopped, decision.waiting.get("MAKER_BOOST", "")

    stopped = ("MAKER_BOOST",)
    why = "hysteresis: stopped until maker_taker_ratio <= 0.82"
    assert spoke(0.845) == (True, (), "")
    assert spoke(0.855) == (False, (), "")
    assert spoke(0.845) == (True, (), "")
    assert spoke(0.86) == (False, stopped, "")
    assert spoke(0.845) == (False, stopped, why)
    assert drive.state.rules.stopped == stopped
    drive.step(edge_report(maker=None))
    assert drive.state.rules.stopped == stopped, "missing data changes nothing"
    assert spoke(0.82) == (True, (), "")
    assert spoke(0.845) == (True, (), "")


def test_all_hystereses_of_a_rule_must_be_back_before_it_starts_again() -> None:
    two = (
        Hysteresis("maker_taker_ratio", stop=0.86, start=0.82),
        Hysteresis("p95_latency_ms", stop=250.0, start=300.0),
    )
    drive = lane("MAKER_BOOST", evidence=Evidence(), hysteresis=two)

    def stopped(maker: float, p95: float) -> bool:
        return bool(drive.step(edge_report(maker=maker, p95=p95)).stopped)

    assert not stopped(0.80, 310)
    assert stopped(0.80, 250), "the other direction: it stops low and starts high"
    assert stopped(0.80, 299)
    assert stopped(0.84, 310)
    assert not stopped(0.82, 300)
    assert stopped(0.86, 310)


def test_the_lower_limit_on_fills_ends_the_widening() -> None:
    drive = lane("MAKER_BOOST")
    assert fired(drive, 4, edge_report(maker=0.7, fills=1000)) == [1, 2, 3, 4]
    # Mean over the last four falls below half of the first four's only at the fourth.
    assert fired(drive, 4, edge_report(maker=0.7, fills=400)) == [5, 6, 7]
    assert fired(drive, 2, edge_report(maker=0.7, fills=400)) == []
    waiting = drive.step(edge_report(maker=0.7, fills=700)).waiting["MAKER_BOOST"]
    assert waiting == "evidence: fills_per_hour 5700 is less than 0.5 of its first 4, 12000"


def test_a_lower_limit_on_an_unknown_first_mean_holds_and_is_not_used() -> None:
    drive = lane("MAKER_BOOST")
    report = edge_report(maker=0.7)
    del report["fills"]["maker_count"]
    decisions = drive.steps(6, report)
    assert all(decision.rules for decision in decisions)
    assert decisions[0].proposed[0].kpis == (
        "maker_taker_ratio",
        "net_bps",
        "risk_ratio",
    )
    later = lane("MAKER_BOOST")
    later.steps(4, edge_report(maker=0.7))
    assert not later.step(report).rules, "the first mean is known, and this has no data"


def latency_firings(profile: Profile, phi: float, seed: int) -> int:
    """How often a LATENCY_* rule fires in 72 iterations at a true p95 of 320 ms, sd 18, AR(1)."""
    numbers, drive = random.Random(seed), Drive(iterations=1000)
    drive.states[-1] = evolved(drive.state, profile=profile)
    noise, firings = numbers.gauss(0, 18), 0
    for _ in range(72):
        rules = drive.step(edge_report(p95=320 + noise)).rules
        firings += sum(rule.startswith("LATENCY") for rule in rules)
        noise = phi * noise + 18 * math.sqrt(1 - phi * phi) * numbers.gauss(0, 1)
    return firings


def test_noise_alone_hardly_moves_the_latency_rules() -> None:
    seeds = range(8)
    for phi in (0.0, 0.4):
        assert sum(latency_firings(shipped(), phi, seed) for seed in seeds) <= len(seeds)
    raw = tuple(replace(rule, evidence=Evidence(), dwell=1) for rule in shipped().rules)
    with_evidence = sum(latency_firings(shipped(), 0.8, seed) for seed in seeds)
    without = sum(latency_firings(replace(shipped(), rules=raw), 0.8, seed) for seed in seeds)
    assert 4 * with_evidence < without


# --- the headroom --------------------------------------------------------------------------------


def test_the_headroom_has_the_guards_that_limit_it() -> None:
    drive = Drive(values={"min_interval_ms": 990.0})
    drive.observe()
    headroom = headroom_of(drive.state)
    assert headroom["min_interval_ms"] == Headroom(
        "min_interval_ms", -30.0, 10.0, "velocity", "bounds", 990.0
    )
    assert headroom["slippage_penalty_coef"].down == 0.0
    assert set(headroom) == set(shipped().parameters)


def test_moves_are_trimmed_to_the_headroom_and_the_rest_is_withheld() -> None:
    drive = Drive()
    boost = edge_report(maker=0.7)
    assert drive.step(boost).withheld == {}
    second = drive.step(boost)
    assert second.withheld == {
        "min_interval_ms": "velocity",
        "replace_rate_per_min": "velocity",
    }
    assert {proposal.key: proposal.delta for proposal in second.proposed} == {
        "base_spread_bps": 0.015,
        "min_interval_ms": 5.0,
    }
    assert all(outcome.outcome == "APPLIED" for outcome in second.outcomes)


def test_a_rule_whose_moves_are_all_withheld_did_not_fire() -> None:
    drive = Drive(iterations=1)
    decision = drive.step(edge_report(maker=0.7))
    assert decision.rules == ()
    assert decision.proposed == ()
    assert set(decision.withheld.values()) == {"late"}
    assert drive.state.rules.acted == {}


@pytest.mark.parametrize("seed", range(3))
def test_the_proposals_of_the_tuner_are_applied_unchanged(seed: int) -> None:
    """The tuner uses the headroom of all guards but oscillation, which may still refuse a move."""
    numbers, drive = random.Random(seed), Drive(iterations=300)
    words: Counter[tuple[str, str]] = Counter()
    for _ in range(300):
        decision = drive.step(
            edge_report(
                risk=numbers.uniform(0.2, 0.65),
                net=numbers.uniform(1.9, 4.0),
                maker=numbers.uniform(0.6, 1.0),
                p95=numbers.uniform(250, 400),
                adverse=numbers.uniform(1, 5),
                slippage=numbers.uniform(1, 4),
            )
        )
        words.update((outcome.outcome, outcome.reason) for outcome in decision.outcomes)
    assert words["APPLIED", ""] > 50
    assert set(words) <= {("APPLIED", ""), ("SKIPPED", "oscillation")}
    assert words["SKIPPED", "oscillation"] <= 2


def test_the_rules_stand_in_the_order_of_the_table() -> None:
    rules: dict[str, Rule] = {rule.name: rule for rule in shipped().rules}
    assert list(rules) == [
        "RISK_AGGRESSIVE",
        "RISK_MODERATE",
        "LATENCY_HARD",
        "LATENCY_BUFFER",
        "LATENCY_RECOVER",
        "ADVERSE",
        "SLIPPAGE",
        "BLOCKED_MIN_INTERVAL",
        "MAKER_BOOST",
        "NORMALIZE",
        "RELAX",
    ]
