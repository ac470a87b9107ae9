"""The texts of ``explain`` for lanes without a disk, on one line, for its tests."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

from pytest_soak.canonical import canonical_json
from pytest_soak.loop.decide import Proposer
from pytest_soak.loop.history import Moment, moment_of
from pytest_soak.loop.model import Proposal, Requested
from pytest_soak.profile.build import build
from pytest_soak.profile.model import Profile
from pytest_soak.report.explain.iteration import explain_iteration
from pytest_soak.report.explain.run import explain_run
from tests.unit.loop.lanes import Drive, shipped

RULES: dict[str, dict[str, Any]] = {
    "RISK_MODERATE": {"evidence": {"over": 4}},
    "LATENCY_HARD": {"evidence": {"over": 2}},
    "LATENCY_BUFFER": {
        "evidence": {"over": 8, "margin": {"p95_latency_ms": {">=": 10}}},
        "dwell": 8,
    },
    "LATENCY_RECOVER": {"evidence": {"over": 4}, "dwell": 4},
    "ADVERSE": {"evidence": {"over": 6}, "dwell": 4},
    "SLIPPAGE": {"evidence": {"over": 6}, "dwell": 4},
    "MAKER_BOOST": {
        "evidence": {"over": 4, "fresh": False, "early": True},
        "hysteresis": {"maker_taker_ratio": {"stop": 0.86, "start": 0.82}},
        "moves": {
            "base_spread_bps": {"add": 0.015, "max_factor": 1.5},
            "replace_rate_per_min": {"mul": 0.85, "min_factor": 0.5},
            "min_interval_ms": {"add": 25, "max_factor": 2, "max_floor": 100},
        },
    },
}
"""Of the shipped rules, so that a better table there changes no text that is expected here."""


@cache
def fixed() -> Profile:
    document = json.loads(canonical_json(shipped().document))
    for name, fields in RULES.items():
        document["rules"][name].update(fields)
    return build(document)


def mine(delta: Any, key: str = "tail_age_ms", rule: str = "MINE") -> Proposer:
    """A user's proposer of one delta, based on net_bps; it names its rule, as a hook does."""
    return lambda *_: Requested(
        (Proposal(key, delta, rule, ("net_bps",)),), (rule,) if rule else ()
    )


def lane(profile: Profile | None = None, **options: Any) -> Drive:
    return Drive(profile or fixed(), **options)


def moment(drive: Drive, iteration: int) -> Moment:
    decided = moment_of(drive.entries, iteration)
    assert decided is not None
    return decided


def text_of(drive: Drive, iteration: int) -> str:
    """The text of one iteration in one line, its blanks single."""
    return " ".join(explain_iteration(moment(drive, iteration)).split())


def story(drive: Drive) -> str:
    """The text of the run in one line, its blanks single."""
    return " ".join(explain_run(drive.entries).split())
