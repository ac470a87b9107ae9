"""The four hooks: a target, a proposer, your own criterion, a log of every iteration."""

from pathlib import Path

from pytest_soak import criterion


class Exchange:
    """An exchange whose latency falls with the number of requests per minute."""

    def run(self, iteration, runtime):
        rate = runtime["engine"]["replace_rate_per_min"]
        return {
            "totals": {
                "net_bps": 3.2,
                "p95_latency_ms": 180.0 + 0.4 * rate,
                "adverse_bps_p95": 2.0,
            },
            "fills": {"maker_volume": 90.0, "taker_volume": 10.0},
            "block_reasons": {"risk": 30, "min_interval": 10, "concurrency": 30, "throttle": 30},
        }


def pytest_soak_target(lane):
    return Exchange()


def pytest_soak_propose(lane, kpis, headroom, history):
    """Request less often while latency is above 330 ms, within the headroom of the guards."""
    if kpis["p95_latency_ms"] is None or kpis["p95_latency_ms"] <= 330:
        return {}
    step = max(-20.0, headroom["replace_rate_per_min"].down)
    if step == 0:
        return {}
    return {"replace_rate_per_min": {"delta": step, "kpis": ["p95_latency_ms"], "rule": "CALM"}}


def pytest_soak_gate(lane, history):
    """Fail the run if the bot still sends more than 400 requests a minute at the end."""
    rate = history.iterations[-1].values["replace_rate_per_min"] if history.iterations else 0
    verdict = "PASS" if rate <= 400 else "FAIL"
    reason = f"request_rate: {rate:g} per minute at the end, limit <= 400"
    return [criterion("request_rate", verdict, reason, value=rate, limit="<= 400")]


def pytest_soak_iteration(lane, iteration):
    """Write one line per iteration, for a monitoring tool."""
    line = f"{lane.id} {iteration.number} {iteration.decision.verdict}\n"
    with Path("iterations.txt").open("a", encoding="utf-8") as out:
        out.write(line)
