"""Optuna proposes: it asks inside the room it is given, and is told what was applied.

    pip install 'optuna>=5'
    pytest --soak-iterations=24 --soak-mock

An iteration is a trial: the parameters that were in force, and what was earned with them. For each
question the study is made anew from the iterations that the session hands over. So nothing that was
asked for and refused can stay in it, and a resumed lane asks what an unbroken one would have asked.
"""

import math

import optuna
from optuna.distributions import FloatDistribution
from optuna.trial import TrialState, create_trial

optuna.logging.set_verbosity(optuna.logging.WARNING)

STEP = {
    "base_spread_bps": 0.05,
    "impact_cap_ratio": 0.01,
    "replace_rate_per_min": 20.0,
    "min_interval_ms": 10.0,
}
"""What is searched, and the longest step at a time: a third or a fourth of the cap per hour."""

KPIS = ("net_bps", "fills_per_hour", "risk_ratio", "p95_latency_ms")

STUDIES = {}
"""Lane to the study of its last question: finished trials, and the one that was asked."""


def pytest_soak_propose(lane, kpis, headroom, history):
    """Ask for a point that is a step away at most, and inside the room; propose the way to it."""
    number = history[-1].number + 1 if history else 1
    now = {key: one.value for key, one in headroom.items()}
    study = study_of(lane, number)
    study.add_trials([trial_of(iteration) for iteration in history])
    study.add_trial(trial(number, now, kpis))
    STUDIES[lane.id] = study
    if is_unknown(kpis):
        return {}

    asked, moves = study.ask(), {}
    for key, step in STEP.items():
        low, high = max(headroom[key].down, -step), min(headroom[key].up, step)
        if high - low < step / 2:  # frozen, pinned, cooling down, or its hour is spent
            continue
        point = asked.suggest_float(key, now[key] + low, now[key] + high)
        moves[key] = {"delta": point - now[key], "kpis": KPIS, "rule": "OPTUNA"}
    return moves


def study_of(lane, number):
    """An empty study in memory; its seed follows from the lane's and from the iteration."""
    seed = (lane.seed * 1_000_003 + number) % 2**32
    # Not multivariate: that needs a space which is the same each time, and the room never is.
    sampler = optuna.samplers.TPESampler(seed=seed, n_startup_trials=4, multivariate=False)
    return optuna.create_study(study_name=lane.id, direction="maximize", sampler=sampler)


def trial_of(iteration):
    """A past iteration; failed where it is not certain which values it ran with."""
    kpis = {name: reading.usable for name, reading in iteration.readings.items()}
    uncertain = iteration.edited is not None or iteration.echo_mismatch
    return trial(iteration.number, iteration.values, {} if uncertain else kpis)


def trial(number, values, kpis):
    """What ``values`` earned, and by how much each limit was missed; failed without data."""
    params = {key: values[key] for key in STEP}
    facts = {
        "params": params,
        "distributions": {key: FloatDistribution(at, at) for key, at in params.items()},
        "user_attrs": {"iteration": number},
    }
    if is_unknown(kpis):
        return create_trial(state=TrialState.FAIL, **facts)
    return create_trial(value=earned(kpis), constraints=missed(kpis), **facts)


def is_unknown(kpis):
    return any(kpis.get(name) is None for name in KPIS) or not math.isfinite(earned(kpis))


def earned(kpis):
    """net_bps by thousand fills an hour; alone it would reward a bot that hardly trades."""
    return kpis["net_bps"] * kpis["fills_per_hour"] / 1000


def missed(kpis):
    """The gate's limits, each as the share by which it is missed; 0 and less: it is kept."""
    return {
        "net_bps": 1 - kpis["net_bps"] / 2.7,
        "risk_ratio": kpis["risk_ratio"] / 0.42 - 1,
        "p95_latency_ms": kpis["p95_latency_ms"] / 340 - 1,
    }
