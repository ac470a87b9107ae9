"""A resolved document: what its fields must say, alone and together."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from pytest_soak.canonical import canonical_json
from pytest_soak.profile.build import build
from pytest_soak.profile.errors import ProfileError
from pytest_soak.profile.resolve import resolve
from pytest_soak.store.sources import read_source

STORED = json.loads(canonical_json(resolve("steady", read_source).profile.document))
GONE = object()


def changed(path: str, value: Any) -> dict[str, Any]:
    """The document of ``steady`` with another value at ``path``; ``GONE`` removes the entry."""
    document: dict[str, Any] = copy.deepcopy(STORED)
    *above, last = path.split("/")
    place = document
    for key in above:
        place = place[key]
    if value is GONE:
        del place[last]
    else:
        place[last] = value
    return document


MOVE = "rules/ADVERSE/moves/base_spread_bps"
SHARE = {"at_least": 0.5, "of_first": 4}
SPREAD = "parameters/base_spread_bps"
PAUSE = "guards/panic/pause"
HIT = "kpis/hit_ratio"

REFUSED: list[tuple[str, Any, str]] = [
    # What several fields say together.
    (
        "guards/attribution",
        GONE,
        "guards.rollback: needs attribution, which says what a change did",
    ),
    (
        "guards/attribution/memory",
        7,
        "guards.attribution.memory: 7 is less than twice least, 4",
    ),
    ("guards/panic/values/tail_age", 1, "guards.panic.values.tail_age: unknown field; did you"),
    (
        "guards/panic/values/tail_age_ms",
        GONE,
        "guards.panic.values: 'tail_age_ms' is missing; it has base_spread_bps, ",
    ),
    (
        "rules/MAKER_BOOST/hysteresis/maker_taker_ratio/stop",
        0.82,
        "rules.MAKER_BOOST.hysteresis.maker_taker_ratio: stop and start are both 0.82",
    ),
    (f"{MOVE}/max_floor", 1, "base_spread_bps.max_floor: belongs to max_factor, which is missing"),
    (f"{MOVE}/snap", 0.1, "base_spread_bps.snap: belongs to a move toward_start only"),
    (MOVE, {"mul": 1}, "base_spread_bps.mul: mul 1 moves nothing"),
    (MOVE, {"toward_start": 2}, "toward_start: 2 is no share of the way, above 0, at most 1"),
    (MOVE, {}, "a move has one of add, mul, toward_start, set, step, proportional; here is none"),
    (
        "rules/ADVERSE/when/adverse_bps_p95",
        SHARE,
        "rules.ADVERSE.evidence.margin.adverse_bps_p95.>: only a comparison has a margin",
    ),
    ("rules/ADVERSE/log", "a\nb", "rules.ADVERSE.log: a log line is one line of printable"),
    ("rules/ADVERSE/log", "{net_bps", "rules.ADVERSE.log: '{net_bps' is no template: "),
    (f"{SPREAD}/path", "tuner.x", "base_spread_bps.path: the section 'tuner' is read-only"),
    (f"{SPREAD}/path", "a..b", "base_spread_bps.path: 'a..b' is no path of a section, such as"),
    ("parameters/x_delta", STORED["parameters"]["tail_age_ms"], "parameters.x_delta: this name"),
    (f"{HIT}/range", [1, 0], "kpis.hit_ratio.range: 1 is not below 0"),
    (f"{HIT}/range", [1], "kpis.hit_ratio.range: has 1 item; needs two numbers, the lowest and"),
    (f"{HIT}/read", "totals.", "kpis.hit_ratio.read: 'totals.' is no path in the report, such"),
    (
        "kpis/deltas",
        STORED["kpis"]["hit_ratio"],
        "kpis.deltas: 'deltas' has a meaning of its own in log",
    ),
    ("block_reasons", ["risk"], "block_reasons: lacks 'min_interval', of which min_interval_ratio"),
    ("block_reasons", ["risk", "risk"], "block_reasons.0: 'risk' is listed twice"),
    ("block_reasons", ["ri sk"], "block_reasons.0: 'ri sk' is no name of up to 64 letters"),
    ("gate/delta/relaxed", 0.99, "gate.delta.relaxed: 0.99 is above full, 0.95"),
    (
        "gate/pass_count_slack",
        9,
        "gate.pass_count_slack: 9 is more than the window of 8 iterations",
    ),
    ("gate/throughput", "fills", "gate.throughput: unknown KPI 'fills'; did you mean"),
    ("gate/criteria/net_bps", "> 1e999", "gate.criteria.net_bps: 1e999 is not a finite number"),
    (
        "gate/criteria/net_bps",
        {"production": "> 1", "mock": "< 1"},
        "gate.criteria.net_bps.mock: < 1 looks the other way than production, > 1",
    ),
    # The kinds of values, where several are possible.
    (
        "gate/criteria/net_bps",
        3,
        'gate.criteria.net_bps: 3 is neither a comparison such as "<= 0.40" (one of < <= > >= and '
        "a number, in quotes), a list nor a mapping",
    ),
    ("verdict/fail/net_bps", [], "verdict.fail.net_bps: is empty; needs a comparison at least"),
    ("verdict/fail/net_bps", ["> 1", "1"], "verdict.fail.net_bps.1: '1' is no comparison such as"),
    ("verdict/fail/net_bps", None, "verdict.fail.net_bps: null is neither a comparison such as"),
    ("verdict/fail/net_bps", {"at_least": 1}, "net_bps.at_least: needs 'of_first', the number"),
    ("guards/pin", {"for": "rum"}, "guards.pin.for: 'rum' is neither 'run' nor a whole number"),
    ("guards/pin", {"for": -1}, "guards.pin.for: -1 is below 0"),
    # Sections and fields that may be left out are not null.
    ("guards/freeze", None, "guards.freeze: null is not a mapping"),
    (f"{MOVE}/min_factor", None, "base_spread_bps.min_factor: null is not a finite number"),
    ("rules/ADVERSE/evidence", None, "rules.ADVERSE.evidence: null is not a mapping"),
    ("order", None, "order: null is not a mapping"),
    # Numbers.
    (PAUSE, True, "guards.panic.pause: true is not a finite number"),
    (PAUSE, 1.5, "guards.panic.pause: 1.5 is not a whole number"),
    (PAUSE, 2**60, "guards.panic.pause: 1152921504606846976 is above 9007199254740992"),
    (f"{SPREAD}/start", float("nan"), "base_spread_bps.start: nan is not a finite number"),
    (f"{SPREAD}/start", 10**400, "base_spread_bps.start: 1000000000000"),
    ("gate/confidence", 0.99999, "gate.confidence: 0.99999 is not from 0.5 to 0.9999"),
    ("guards/rollback/confidence", 1, "rollback.confidence: 1 is not above 0.5 and below 1"),
    ("gate/no_data_ratio", 1.1, "gate.no_data_ratio: 1.1 is no share between 0 and 1"),
    ("guards/attribution/least", 1, "guards.attribution.least: 1 is below 2"),
    # Other types than JSON's.
    ("gate/window", {1: 2}, "gate.window: a key is a text, not 1"),
    ("gate/window", {3}, "gate.window: {3} is a set; a profile holds numbers, texts, true/false"),
]


@pytest.mark.parametrize(
    ("path", "value", "message"),
    REFUSED,
    ids=[f"{i:02}-{case[0]}" for i, case in enumerate(REFUSED)],
)
def test_a_wrong_document_is_refused(path: str, value: Any, message: str) -> None:
    with pytest.raises(ProfileError) as caught:
        build(changed(path, value), "run 7")
    assert str(caught.value).startswith("run 7: ")
    assert message in str(caught.value)


def test_a_whole_number_may_have_a_fraction_of_zero() -> None:
    profile = build(changed("gate/pass_from", 1e3))
    assert profile.gate.pass_from == 1000
    assert profile.document["gate"]["pass_from"] == 1e3
    assert build(json.loads(canonical_json(profile.document))) == profile


def test_a_pin_lasts_for_the_run_or_for_some_decisions() -> None:
    assert build(STORED).guards.pin.iterations is None
    assert build(changed("guards/pin", {"for": "run"})).guards.pin.iterations is None
    assert build(changed("guards/pin", {"for": 0})).guards.pin.iterations == 0


def test_a_drift_of_null_switches_a_kpi_off() -> None:
    document = changed("gate/drift", {"net_bps": None, "hit_ratio": {"budget": 0.1}})
    drift = build(document).gate.drift
    assert "net_bps" not in drift
    assert drift["hit_ratio"].budget == 0.1
    assert (drift["risk_ratio"].budget, drift["risk_ratio"].alpha) == (None, 0.05)


def test_a_document_is_not_changed_and_not_shared() -> None:
    given = copy.deepcopy(STORED)
    profile = build(given)
    assert given == STORED
    given["gate"]["window"] = 99
    assert profile.document["gate"]["window"] == STORED["gate"]["window"]
