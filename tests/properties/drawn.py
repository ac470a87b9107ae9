"""Strategies of the machines: observations at the limits, proposals, edits and profiles."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from pytest_soak.profile.build import build
from pytest_soak.profile.model import Profile
from tests.properties.oracle import Numbers
from tests.unit.loop.lanes import shipped

KEYS = ("impact_cap_ratio", "max_delta_ratio", "tail_age_ms", "min_interval_ms", "vip_tilt_cap")


# -- observations ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Observation:
    """One observation: the values that a target reports; some may be no numbers."""

    risk: Any = 0.38
    net: Any = 3.0
    adverse: Any = 2.0
    maker: Any = 0.88
    p95: Any = 310.0

    def report(self) -> dict[str, Any]:
        totals = {"net_bps": self.net, "adverse_bps_p95": self.adverse, "p95_latency_ms": self.p95}
        report: dict[str, Any] = {"totals": {k: v for k, v in totals.items() if v != "absent"}}
        if self.risk != "absent":
            rest = 1 - self.risk if finite(self.risk) is not None else 1
            report["block_reasons"] = {"risk": self.risk, "concurrency": rest}
        if self.maker != "absent":
            rest = 1 - self.maker if finite(self.maker) is not None else 1
            report["fills"] = {"maker_volume": self.maker, "taker_volume": rest}
        return report

    def kpis(self) -> dict[str, float | None]:
        """The KPIs of the report; the sums are 1, so a ratio is the reported value."""
        return {
            "risk_ratio": finite(self.risk),
            "net_bps": finite(self.net),
            "adverse_bps_p95": finite(self.adverse),
            "p95_latency_ms": finite(self.p95),
            "maker_taker_ratio": finite(self.maker),
        }


def finite(value: Any) -> float | None:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    # A value beyond 1e100 is no data.
    return float(value) if is_number and abs(value) <= 1e100 else None


GOOD, QUIET, BAD = Observation(risk=0.3), Observation(), Observation(net=1.0)
LIMIT = Observation(risk=0.35, net=2.7)
"""Exactly at the limits of *stable*."""
BOOST, SLOW = Observation(risk=0.3, maker=0.7), Observation(risk=0.65, p95=370.0)
BLIND = Observation(adverse=None)
"""Its verdict is INCONCLUSIVE."""
ABSENT = ("absent", None, math.nan, math.inf, "3", True)


def near(*limits: float) -> st.SearchStrategy[float]:
    """A limit, or the next float on either side of it."""
    return st.sampled_from(
        [
            value
            for limit in limits
            for value in (math.nextafter(limit, -1e9), limit, math.nextafter(limit, 1e9))
        ]
    )


absent = st.sampled_from(ABSENT)
observations = st.one_of(
    st.sampled_from([GOOD, QUIET, BAD]),
    st.sampled_from([GOOD, QUIET, BAD, BOOST, SLOW]),
    st.builds(Observation, risk=near(0.35, 0.40, 0.50), net=near(2.0, 2.7), adverse=near(3.0)),
    st.builds(
        Observation,
        risk=near(0.35, 0.60),
        maker=near(0.82, 0.85, 0.86),
        p95=near(300, 330, 360),
    ),
    st.builds(Observation, risk=absent)
    | st.builds(Observation, net=absent)
    | st.builds(Observation, adverse=absent),
    st.builds(Observation, maker=absent)
    | st.builds(Observation, p95=absent, net=st.sampled_from([1e308, -1e308, 1e160])),
)

streaks = st.lists(
    st.sampled_from(
        [
            *((GOOD, GOOD), (LIMIT, LIMIT), (GOOD, QUIET, GOOD), (GOOD, BLIND, GOOD)),
            *((BAD, BAD, BAD), (BAD, BLIND, BAD, BAD), (BAD, QUIET, BAD), (QUIET, QUIET, QUIET)),
        ]
    ),
    min_size=1,
    max_size=3,
).map(lambda pieces: [observation for piece in pieces for observation in piece])
"""Several observations in a row, for the guards that count them."""


# -- proposals -------------------------------------------------------------------------------------

HOSTILE: tuple[Any, ...] = (math.nan, math.inf, 1e308, -1e308, 10**400, 0, -0.0, True, None, "1")


@dataclass(frozen=True)
class RelativeProposal:
    """One proposal, as a share of a quantity that is known only when it is made."""

    key: str
    of: str
    share: Any
    rule: str
    kpis: tuple[str, ...]


relative_proposals = st.builds(
    RelativeProposal,
    key=st.sampled_from(KEYS),
    of=st.sampled_from(["cap", "cap", "left", "left", "range", "back", "bound"]),
    share=st.sampled_from([-1.0, -0.4, -0.1, 0.05, 0.1, 0.3, 0.5, 1.0, 1.0000001, 1.9, 2.0, 2.1]),
    rule=st.sampled_from(["", "", "MINE", "BACK", "RELAX", "MAKER_BOOST", "PANIC", "ROLLBACK"]),
    kpis=st.sampled_from([(), (), (), ("net_bps",), ("maker_taker_ratio", "risk_ratio"), ("odd",)]),
) | st.builds(
    RelativeProposal,
    key=st.sampled_from([*KEYS, "tail_age", "", "TAIL_AGE_MS"]),
    of=st.just("raw"),
    share=st.sampled_from(HOSTILE),
    rule=st.just(""),
    kpis=st.just(()),
)


edits = st.dictionaries(
    st.sampled_from(KEYS), st.sampled_from([0.0, 0.01, 0.3, 0.999, 1.0]), min_size=1, max_size=2
)
"""Key to the position of its new value in its range: 0 and 1 are the bounds."""


# -- profiles --------------------------------------------------------------------------------------

TIGHT = {
    "panic": {"after": 2, "pause": 1},
    "freeze": {"after": 1, "iterations": 5},
    "cooldown": {"large": 0.04, "iterations": 3},
    "oscillation": {"forget_after": 4},
    "hold_last": 2,
    "velocity_window_s": 1500,
    "clip_ratio": 0.25,
}


def profile_with(
    guards: Mapping[str, Any],
    bounds: Mapping[str, tuple[float, float]],
    shape: Mapping[str, Mapping[str, Any]] = {},
    warmup: int = 0,
) -> Profile:
    """The shipped profile with these guards, bounds, and fields of parameters (shapes.py).

    Moves of the rule BACK may go back. The safe value of a parameter with other fields is its start
    value.
    """
    document = {**shipped().document, "guards": merged(shipped().document["guards"], guards)}
    exempt = [*document["guards"]["oscillation"]["exempt"], "BACK"]
    document["guards"] = merged(document["guards"], {"oscillation": {"exempt": exempt}})
    parameters = {key: dict(fields) for key, fields in document["parameters"].items()}
    safe = dict(document["guards"]["panic"]["values"])
    for key, (low, high) in bounds.items():
        inside = min(max(parameters[key]["start"], low), high)
        parameters[key] |= {"min": low, "max": high, "start": inside}
        safe[key] = min(max(safe[key], low), high)
    rules = document["rules"]
    for key, fields in shape.items():
        parameters[key] = {"path": parameters[key]["path"], **fields}
        safe[key] = fields["start"]
        if fields.get("type") in ("bool", "choice"):
            rules = {name: moving_by_steps(rule, key) for name, rule in rules.items()}
    document["rules"] = rules
    document["guards"] = merged(document["guards"], {"panic": {"values": safe}})
    if warmup:
        document["gate"] = {**document["gate"], "warmup_iterations": warmup}
    return build({**document, "parameters": parameters}, "a drawn profile")


def moving_by_steps(rule: Mapping[str, Any], key: str) -> dict[str, Any]:
    """The rule with a move of a choice for its move of a number, in the same direction."""
    move = rule["moves"].get(key)
    if move is None:
        return dict(rule)
    falls = move.get("add", 1.0) < 0 or move.get("mul", 2.0) < 1
    return {**rule, "moves": {**rule["moves"], key: {"step": -1 if falls else 1}}}


def merged(below: Any, above: Any) -> Any:
    if not isinstance(below, dict) or not isinstance(above, Mapping):
        return above
    return {**below, **{key: merged(below.get(key), item) for key, item in above.items()}}


def numbers_of(document: Mapping[str, Any]) -> Numbers:
    """The numbers of a resolved profile that the oracle needs."""
    parameters, guards = document["parameters"], document["guards"]
    pin, least = guards["pin"]["for"], guards["attribution"]["least"]
    listed = {
        key: [False, True] if fields["type"] == "bool" else fields["choices"]
        for key, fields in parameters.items()
        if fields.get("type") in ("bool", "choice")
    }
    ratio = [key for key, fields in parameters.items() if fields.get("scale") == "log"]

    def cap(name: str) -> dict[str, float]:
        caps = {key: fields[name] for key, fields in parameters.items() if name in fields}
        return {key: math.log(cap) if key in ratio else cap for key, cap in caps.items()}

    return Numbers(
        low={k: 0.0 if k in listed else fields["min"] for k, fields in parameters.items()},
        high={
            k: len(listed[k]) - 1.0 if k in listed else fields["max"]
            for k, fields in parameters.items()
        },
        cap=dict.fromkeys(parameters, 0.0) | cap("cap_per_hour"),
        safer_up={key: fields.get("safer") == "up" for key, fields in parameters.items()},
        safe={
            key: float(listed[key].index(value) if key in listed else value)
            for key, value in guards["panic"]["values"].items()
        },
        frozen=guards["freeze"]["keys"],
        exempt=guards["oscillation"]["exempt"],
        rules=tuple(document["rules"]),
        panic_after=guards["panic"]["after"],
        pause=guards["panic"]["pause"],
        last=guards["hold_last"],
        warmup=document["gate"].get("warmup_iterations", 0),
        pin_for=math.inf if pin == "run" else pin,
        freeze_after=guards["freeze"]["after"],
        freeze_for=guards["freeze"]["iterations"],
        large=guards["cooldown"]["large"],
        cooldown=guards["cooldown"]["iterations"],
        forget=guards["oscillation"]["forget_after"],
        window_s=guards["velocity_window_s"],
        clip=guards["clip_ratio"],
        once_in=guards["rollback"]["once_in"],
        effect_after={"": least}
        | {name: max(least, rule.get("dwell", 1)) for name, rule in document["rules"].items()},
        step={
            key: fields.get("step", 1.0)
            for key, fields in parameters.items()
            if "step" in fields or fields.get("type", "float") != "float"
        },
        ratio=ratio,
        cap_once=cap("cap_per_iteration"),
        most=[limit for key, fields in parameters.items() for limit in _limits(key, fields)],
    )


def _limits(key: str, fields: Mapping[str, Any]) -> Iterator[tuple[str, float, str]]:
    for name in ("at_most", "at_least"):
        if (limit := fields.get(name)) is not None:
            other = limit["parameter"] if isinstance(limit, dict) else limit
            factor = limit.get("factor", 1.0) if isinstance(limit, dict) else 1.0
            yield (key, factor, other) if name == "at_most" else (other, 1 / factor, key)
