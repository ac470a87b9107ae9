"""Your own bot in ten lines: a class with run(), and a hook that makes one bot per lane."""

import random


class Bot:
    def __init__(self, seed):
        self.noise = random.Random(seed)

    def run(self, iteration, runtime):
        spread = runtime["risk"]["base_spread_bps"]
        net = 2.6 + spread + self.noise.gauss(0, 0.1)
        return {
            "totals": {"net_bps": net, "p95_latency_ms": 310.0, "adverse_bps_p95": 2.0},
            "fills": {"maker_volume": 90 + 40 * spread, "taker_volume": 20.0},
            "block_reasons": {"risk": 30, "min_interval": 10, "concurrency": 30, "throttle": 30},
        }


def pytest_soak_target(lane):
    return Bot(lane.seed)
