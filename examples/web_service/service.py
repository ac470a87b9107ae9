"""A web service with a connection pool: with a small pool, requests wait and it is slow."""

import random


class Service:
    def __init__(self, seed):
        self.noise = random.Random(seed)

    def run(self, iteration, runtime):
        load = 6.0  # connections that are busy on average
        pool = runtime["service"]["pool_size"]
        busy = min(load / pool, 0.97)
        p95 = 90.0 * (1 + 0.5 * busy / (1 - busy)) + self.noise.gauss(0, 4)
        return {"totals": {"p95_ms": p95, "error_ratio": 0.001}}


def make(lane):
    return Service(lane.seed)
