"""Two checks: each runs once per iteration, on the same observation."""


def test_edge_stays_positive(soak_iteration):
    assert soak_iteration.kpis["net_bps"] > 0, soak_iteration.reasons


def test_spread_is_never_cut_below_its_start(soak_iteration, soak_runtime, soak_lane):
    assert soak_runtime["base_spread_bps"] >= 0.5, soak_lane.id
    soak_iteration.record("spread_seen", soak_runtime["base_spread_bps"])
