"""Optuna proposes changes within the headroom, and learns from the values that were applied.

    pip install 'optuna>=5'
    pytest --soak-iterations=24 --soak-mock

An iteration is a trial: its parameter values, and what they earned. Each proposal has a new study,
made from the iterations that the session passes to the hook. So a refused proposal never becomes a
trial, and a resumed lane proposes the same as a lane that was not stopped.
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
"""The searched keys, each with its longest step: a third or a fourth of the cap per hour."""

KPIS = ("net_bps", "fills_per_hour", "risk_ratio", "p95_latency_ms")

STUDIES = {}
"""Lane to the study of its last proposal: the finished trials, and the proposed one."""


def pytest_soak_propose(lane, kpis, headroom, history):
    """Propose a point that is at most one step away and within the headroom."""
    number = history[-1].number + 1 if history else 1
    now = {key: limits.value for key, limits in headroom.items()}
    study = study_of(lane, number)
    study.add_trials([trial_of(iteration) for iteration in history])
    study.add_trial(trial(number, now, kpis))
    STUDIES[lane.id] = study
    if is_unknown(kpis):
        return {}

    proposal, moves = study.ask(), {}
    for key, step in STEP.items():
        low, high = max(headroom[key].down, -step), min(headroom[key].up, step)
        if high - low < step / 2:  # frozen, pinned, cooling down, or at its cap
            continue
        point = proposal.suggest_float(key, now[key] + low, now[key] + high)
        moves[key] = {"delta": point - now[key], "kpis": KPIS, "rule": "OPTUNA"}
    return moves


def study_of(lane, number):
    """An empty study in memory; its seed comes from the lane's seed and the iteration."""
    seed = (lane.seed * 1_000_003 + number) % 2**32
    # Not multivariate: that needs the same space each time, and the headroom changes.
    sampler = optuna.samplers.TPESampler(seed=seed, n_startup_trials=4, multivariate=False)
    return optuna.create_study(study_name=lane.id, direction="maximize", sampler=sampler)


def trial_of(iteration):
    """The trial of a past iteration; failed if the values of the run are uncertain."""
    kpis = {name: reading.usable for name, reading in iteration.readings.items()}
    uncertain = iteration.edited is not None or iteration.echo_mismatch
    return trial(iteration.number, iteration.values, {} if uncertain else kpis)


def trial(number, values, kpis):
    """A trial with ``values``: earnings, and the distance to each limit; failed without data."""
    params = {key: values[key] for key in STEP}
    facts = {
        "params": params,
        "distributions": {key: FloatDistribution(at, at) for key, at in params.items()},
        "user_attrs": {"iteration": number},
    }
    if is_unknown(kpis):
        return create_trial(state=TrialState.FAIL, **facts)
    return create_trial(value=earned(kpis), constraints=violations(kpis), **facts)


def is_unknown(kpis):
    return any(kpis.get(name) is None for name in KPIS) or not math.isfinite(earned(kpis))


def earned(kpis):
    """net_bps × thousands of fills per hour; net_bps alone rewards a bot that hardly trades."""
    return kpis["net_bps"] * kpis["fills_per_hour"] / 1000


def violations(kpis):
    """By which share each limit of the gate is missed; 0 or less means within the limit."""
    return {
        "net_bps": 1 - kpis["net_bps"] / 2.7,
        "risk_ratio": kpis["risk_ratio"] / 0.42 - 1,
        "p95_latency_ms": kpis["p95_latency_ms"] / 340 - 1,
    }
