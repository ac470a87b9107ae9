"""The sweep's figures, its best window, and its table, file and picture."""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import product
from xml.etree import ElementTree

import pytest
from scipy import stats

from pytest_soak.gate.figures import series_of
from pytest_soak.gate.judge import exit_code, judge_lane, judge_run
from pytest_soak.gate.window import LaneWindow
from pytest_soak.loop.model import Halt, History, Iteration, Reading, Verdict
from pytest_soak.protocol import Swept
from pytest_soak.report.failures import failures
from pytest_soak.report.sweep import neighbours, over_seeds, sweeps_of
from pytest_soak.report.sweep_model import Sweep
from pytest_soak.report.sweep_picture import sweep_svg
from pytest_soak.report.sweep_text import sweep_csv, sweep_markdown, sweep_table, verdict_text
from pytest_soak.report.table import final_table
from pytest_soak.statistics import ar1_coefficient, mean_interval
from tests.unit.report.runs import decided

KEYS = (("base_spread_bps", 0.5), ("tail_age_ms", 600.0))


def lane(
    values: Sequence[float], net: float, seed: int = 1, noise: str = "", **options: object
) -> History:
    """A lane at a point, whose net_bps is about ``net``; ``noise`` names its random numbers."""
    options.setdefault("n", 8)
    history = decided(lane_id=noise or f"noise-{seed}", net=net, **options)  # type: ignore[arg-type]
    sweep = tuple(Swept(key, v, start) for (key, start), v in zip(KEYS, values, strict=False))
    name = f"steady-BTCUSDT-{seed}-" + "-".join(f"{v:g}" for v in values)
    return replace(history, lane=replace(history.lane, id=name, seed=seed, sweep=sweep))


def line(nets: Sequence[float], seeds: Sequence[int] = (1, 2)) -> Sweep:
    """A sweep over 0.3, 0.4, … with these net_bps; every limit but that of net_bps is met."""
    lanes = [
        lane((round(0.3 + 0.1 * index, 1),), net, seed)
        for index, net in enumerate(nets)
        for seed in seeds
    ]
    return sweeps_of(lanes, mock=True)[0]


def grid(nets: Mapping[tuple[int, int], float], columns: int, rows: int) -> Sweep:
    lanes = [
        lane((round(0.3 + column / 5, 1), 400.0 + 200.0 * row), nets.get((column, row), 1.0))
        for column, row in product(range(columns), range(rows))
    ]
    return sweeps_of(lanes, mock=True)[0]


# -- figures -----------------------------------------------------------------------------------


def test_the_interval_over_seeds_is_students() -> None:
    values = [2.9, 3.4, 3.0, 3.8]
    estimate = over_seeds(values)
    low, high = stats.t.interval(0.95, 3, loc=3.275, scale=stats.sem(values))
    assert (estimate.mean, estimate.low, estimate.high) == pytest.approx((3.275, low, high))


def test_a_point_is_the_mean_of_its_seeds() -> None:
    lanes = [lane((value,), 3.5, seed) for value in (0.4, 0.5) for seed in (1, 2, 3)]
    sweep = sweeps_of(lanes, mock=True)[0]
    at = sweep.points[0].kpis["net_bps"]
    assert at.figure is not None
    assert at.figure.mean == pytest.approx(math.fsum(at.by_seed.values()) / 3)
    assert at.figure == over_seeds(list(at.by_seed.values()))
    assert list(sweep.units) == [
        *("maker_taker_ratio", "risk_ratio", "net_bps", "p95_latency_ms", "fills_per_hour")
    ]


def test_what_the_seeds_share_cancels_out_of_a_difference() -> None:
    """Seeds 2 bps apart: the level is unsure, the difference of 0.4 is not."""
    lanes = [
        lane((value,), level + plus, seed)
        for value, plus in ((0.5, 0.0), (0.6, 0.4))
        for seed, level in ((1, 3.0), (2, 5.0), (3, 4.0))
    ]
    point = sweeps_of(lanes, mock=True)[0].points[1].kpis["net_bps"]
    assert point.figure is not None
    assert point.difference is not None
    assert point.figure.high - point.figure.low > 3.0
    assert point.difference.mean == pytest.approx(0.4)
    assert point.difference.high - point.difference.low < 1e-9
    assert point.difference.differs


def test_differences_are_taken_over_iterations_that_both_have() -> None:
    lanes = [lane((0.5,), 3.0, n=8), lane((0.6,), 3.4, n=5, planned=8)]
    point = sweeps_of(lanes, mock=True)[0].points[1].kpis["net_bps"]
    assert point.difference is not None
    assert point.difference.mean == pytest.approx(0.4)


def test_one_seed_has_the_interval_of_the_gate() -> None:
    history = lane((0.5,), 3.0, n=24)
    sweep = sweeps_of([history, lane((0.6,), 3.3, noise="other", n=24)], mock=True)[0]
    series = series_of(LaneWindow(history).measured, "net_bps")
    values = [value for value in series if value is not None]
    expected = mean_interval(values, ar1_coefficient(series), confidence=0.975)
    at = sweep.points[0].kpis["net_bps"]
    assert at.figure is not None
    assert (at.figure.low, at.figure.high) == pytest.approx((expected.low, expected.high))
    difference = sweep.points[1].kpis["net_bps"].difference
    assert difference is not None
    assert difference.low < 0.3 < difference.high
    assert "With one seed" in sweep_markdown([sweep])


def test_the_warmup_is_no_part_of_a_mean() -> None:
    lanes = []
    for value, net in ((0.5, 3.0), (0.6, 4.0)):
        history = lane((value,), net, n=12)
        profile = replace(history.profile, gate=replace(history.profile.gate, warmup_iterations=4))
        cold = [
            with_reading(item, "net_bps", -900.0) if item.number <= 4 else item
            for item in history.iterations
        ]
        lanes.append(replace(history, profile=profile, iterations=tuple(cold)))
    points = sweeps_of(lanes, mock=True)[0].points
    means = [at.figure.mean for p in points if (at := p.kpis["net_bps"]).figure is not None]
    assert all(2.5 < mean < 4.5 for mean in means)
    assert len(means) == 2
    assert points[0].measured == 12


def with_reading(item: Iteration, kpi: str, value: float) -> Iteration:
    return replace(item, readings={**item.readings, kpi: Reading(value, "report")})


def test_the_reference_is_the_start_or_what_is_nearest() -> None:
    assert line([3.0] * 4).at_start
    sweep = sweeps_of([lane((value,), 3.0) for value in (0.1, 0.45, 0.9)], mock=True)[0]
    assert sweep.points[sweep.reference].values == (0.45,)
    assert not sweep.at_start
    assert "0.45, the point nearest to the start 0.5" in sweep_markdown([sweep])


def test_lanes_that_are_no_sweep_are_refused() -> None:
    with pytest.raises(ValueError, match="no sweep"):
        sweeps_of([decided(8)], mock=True)
    with pytest.raises(ValueError, match="no grid"):
        sweeps_of([lane((0.3, 500.0), 3.0), lane((0.4, 600.0), 3.0)], mock=True)


# -- the window --------------------------------------------------------------------------------


def test_the_longest_run_wins() -> None:
    sweep = line([9.0, 2.0, 3.0, 3.2, 3.1, 2.0, 8.0, 8.0])
    assert sweep.window is not None
    assert sweep.window.points == {2, 3, 4}
    assert sweep.window.best == 3
    assert verdict_text(sweep).startswith(
        "best window: base_spread_bps 0.5 to 0.7 (3 of 8 points, "
    )
    assert verdict_text(sweep).endswith("at 0.6")


def test_of_equal_runs_the_better_net_wins() -> None:
    sweep = line([3.0, 3.0, 2.0, 4.0, 4.0, 2.0, 3.5, 3.5])
    assert sweep.window is not None
    assert sweep.window.points == {3, 4}


def test_diagonal_points_are_no_neighbours() -> None:
    met = {(0, 0): 9.0, (1, 1): 9.0, (2, 2): 9.0, (0, 2): 3.0, (0, 1): 3.0}
    sweep = grid(met, 3, 3)
    assert sweep.window is not None
    assert sweep.window.points == {0, 1, 2, 4}
    assert "(4 of 9 points, not a full rectangle" in verdict_text(sweep)
    assert neighbours(4, sweep.axes) == [3, 5, 1, 7]
    assert neighbours(3, sweep.axes) == [4, 0, 6]  # the lowest of its column
    assert neighbours(8, sweep.axes) == [7, 5]


def test_without_a_window_the_nearest_is_named() -> None:
    sweep = line([1.0, 2.5, 2.0])
    assert (sweep.window, sweep.nearest) == (None, 1)
    text = verdict_text(sweep)
    assert text.startswith("best window: none; the nearest point is 0.4, which misses net_bps by ")
    shown = re.search(r"by ([0-9.]+) %", text)
    assert shown is not None
    assert float(shown[1]) == pytest.approx(100 * 0.2 / 2.7, abs=2.0)


def test_an_incomplete_point_is_in_no_window() -> None:
    halt = Halt(6, "error", "RuntimeError: broken")
    lanes = [lane((0.4,), 5.0), lane((0.5,), 5.0, n=5, planned=8, halt=halt), lane((0.6,), 5.0)]
    sweep = sweeps_of(lanes, mock=True)[0]
    assert not sweep.points[1].complete
    assert sweep.window is not None
    assert sweep.window.points in ({0}, {2})
    assert "- 0.5: 5 of 8 iterations measured" in sweep_markdown([sweep])
    ended = [replace(history, halt=Halt(9, "end_of_data", "")) for history in lanes]
    assert sweeps_of(ended, mock=True)[0].points[1].complete


def test_no_data_meets_no_limit() -> None:
    history = lane((0.5,), 5.0)
    blind = replace(
        history,
        iterations=tuple(
            replace(item, readings={k: v for k, v in item.readings.items() if k != "risk_ratio"})
            for item in history.iterations
        ),
    )
    sweep = sweeps_of([lane((0.4,), 5.0), blind], mock=True)[0]
    assert sweep.points[1].missed == ("risk_ratio",)
    assert "no data" in "\n".join(sweep_table([sweep]))
    alone = sweeps_of([blind], mock=True)[0]
    assert "none, and no point has data" in verdict_text(alone)
    ElementTree.fromstring(sweep_svg([alone]))


def test_mock_chooses_the_limits() -> None:
    lanes = [lane((0.5,), 5.0)]  # a maker share of 0.7
    assert sweeps_of(lanes, mock=True)[0].points[0].meets
    assert sweeps_of(lanes, mock=False)[0].points[0].missed == ("maker_taker_ratio",)


# -- the gate of a sweep -----------------------------------------------------------------------


def test_kpis_of_a_sweep_do_not_bind_unless_strict() -> None:
    poor = lane((0.5,), 1.0, maker=0.9)
    judged = judge_lane(poor)
    by_name = {result.name: result for result in judged.criteria}
    assert judged.verdict is Verdict.PASS
    assert by_name["net_bps"].verdict is Verdict.FAIL
    assert {name for name, result in by_name.items() if result.binding} == {
        *("delta_quality", "checks", "completeness")
    }
    assert judge_lane(poor, strict=True).verdict is Verdict.FAIL
    assert judge_lane(replace(poor, lane=replace(poor.lane, sweep=()))).verdict is Verdict.FAIL


def test_a_lane_that_did_not_finish_fails_the_sweep() -> None:
    run = judge_run([judge_lane(lane((0.4,), 5.0)), judge_lane(lane((0.5,), 5.0, planned=9))])
    assert exit_code(run) == 1
    text = "\n".join(final_table(run))
    assert "sweep: 1 of 2 lanes PASS" in text
    assert "FAIL completeness" in text
    assert text.endswith("gate: FAIL by steady-BTCUSDT-1-0.5/completeness")


def test_a_hundred_lanes_stay_readable() -> None:
    poor = judge_lane(lane((0.5,), 1.0, maker=0.9))
    table = final_table(judge_run([poor] * 100))
    assert len(table) < 5
    failing = judge_lane(lane((0.5,), 1.0, planned=9, maker=0.9))
    table = final_table(judge_run([failing] * 100))
    assert len(table) < 40
    assert "and 92 more lanes, in POST_SOAK_AUDIT.md" in table


def test_failures_name_what_does_not_bind() -> None:
    history = lane((0.5,), 1.0)
    text = failures([history], judge_run([judge_lane(history)]))
    assert "- not binding: net_bps" in text


# -- text and picture --------------------------------------------------------------------------


@pytest.fixture(scope="module", params=["line", "grid"])
def sweep(request: pytest.FixtureRequest) -> Sweep:
    if request.param == "line":
        return line([2.0, 2.6, 3.0, 3.5, 4.0])
    return grid({(c, r): 1.5 + c + 0.5 * r for c, r in product(range(4), range(3))}, 4, 3)


def test_the_table_fits(sweep: Sweep) -> None:
    lines = sweep_table([sweep])
    assert max(map(len, lines)) <= 100
    assert all(text.isascii() for text in lines)
    assert any(text.startswith("* ") for text in lines)
    assert any(text.startswith("= ") for text in lines)


def test_a_long_table_is_cut() -> None:
    values = [round(0.1 + 0.01 * number, 2) for number in range(70)]
    sweep = sweeps_of([lane((value,), 3.0, n=2) for value in values], mock=True)[0]
    lines = sweep_table([sweep])
    assert "  and 10 more points, in SWEEP.md" in lines
    assert sweep_markdown([sweep]).count("\n| 0.") > 130
    ElementTree.fromstring(sweep_svg([sweep]))


def test_csv_has_a_row_per_point(sweep: Sweep) -> None:
    rows = list(csv.DictReader(sweep_csv([sweep]).splitlines()))
    assert len(rows) == len(sweep.points)
    for row, point in zip(rows, sweep.points, strict=True):
        assert tuple(float(row[key]) for key in sweep.keys) == point.values
        figure = point.kpis["net_bps"].figure
        assert figure is not None
        assert float(row["net_bps_mean"]) == pytest.approx(figure.mean)
        assert row["net_bps_limit"] == ">= 2.7"
        assert row["limits"] == str(int(point.meets))
    assert sweep.window is not None
    assert sum(row["in_best_window"] == "1" for row in rows) == len(sweep.window.points)
    assert [row["net_bps_diff"] for row in rows if row["is_reference"] == "1"] == [""]


def test_markdown_has_both_tables(sweep: Sweep) -> None:
    text = sweep_markdown([sweep])
    assert text.startswith("# Sweep of `base_spread_bps`")
    assert "## Differences from the start value" in text
    assert "**best point**" in text
    tables = [line for line in text.splitlines() if line.startswith("|")]
    assert {row.count("|") for row in tables[: len(sweep.points) + 2]} == {
        len(sweep.keys) + len(sweep.units) + 3
    }


def test_the_picture_is_whole(sweep: Sweep) -> None:
    text = sweep_svg([sweep])
    root = ElementTree.fromstring(text)
    assert "http" not in text.replace("http://www.w3.org/2000/svg", "")
    width, height = (float(root.attrib[name]) for name in ("width", "height"))
    words = []
    for element in root.iter("{http://www.w3.org/2000/svg}text"):
        assert 0.0 <= float(element.attrib["x"]) <= width
        assert 0.0 <= float(element.attrib["y"]) <= height
        assert float(element.attrib["font-size"]) >= 7.0
        words.append(element.text or "")
    for kpi in sweep.units:
        assert kpi in words
    assert any(word.startswith("limit >= 2.7 bps") for word in words)
    assert "nan" not in text
    assert "inf" not in text.replace("infinite", "")


def test_the_map_prints_every_value_and_outlines_the_window() -> None:
    sweep = grid({(0, 0): 5.0, (0, 1): 5.0, (1, 0): 5.0}, 3, 2)
    root = ElementTree.fromstring(sweep_svg([sweep]))
    words = [element.text for element in root.iter("{http://www.w3.org/2000/svg}text")]
    for point in sweep.points:
        figure = point.kpis["net_bps"].figure
        assert figure is not None
        assert f"{figure.mean:.2f}" in words
    sides = [
        element
        for element in root.iter("{http://www.w3.org/2000/svg}line")
        if element.attrib["stroke-width"] == "3"
    ]
    assert len(sides) == 6 * 8  # three cells in an L have a border of 8 sides, on 6 panels


def test_the_same_lanes_give_the_same_bytes(sweep: Sweep) -> None:
    assert sweep_svg([sweep]) == sweep_svg([sweep])
    other = line([2.0, 2.6, 3.0, 3.5, 4.0])
    assert sweep_svg([other]) == sweep_svg([line([2.0, 2.6, 3.0, 3.5, 4.0])])


def test_several_profiles_are_blocks_of_one_file() -> None:
    first = line([3.0, 3.2, 3.4])
    second = replace(first, profile="S1")
    text = sweep_markdown([first, second])
    assert text.count("# Sweep of ") == 2
    assert text.count("SWEEP.svg") == 1
    single, double = (ElementTree.fromstring(sweep_svg(s)) for s in ([first], [first, second]))
    assert float(double.attrib["height"]) > 1.9 * float(single.attrib["height"])
    assert len(sweep_csv([first, second]).splitlines()) == 7
