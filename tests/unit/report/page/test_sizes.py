"""The page stays small, with uPlot and its own script and styles in it."""

from __future__ import annotations

import pytest

from pytest_soak.report.page.page import report_page
from pytest_soak.report.view.model import RunView
from tests.unit.report.page.views import Library, lane, run


def size(view: RunView) -> int:
    """Bytes of the page, with as many explanations as it takes."""
    texts = {
        (item.id, number): "  quiet   A_RULE     net_bps is not above its limit <= 9\n" * 60
        for item in view.lanes
        for number in item.iterations.numbers[:50]
    }
    return len(report_page(view, explained=texts, uplot=Library()).encode())


@pytest.mark.parametrize(
    ("count", "most"), [(24, 250_000), (864, 600_000), (5_000, 1_500_000), (100_000, 3_000_000)]
)
def test_of_one_lane(count: int, most: int) -> None:
    assert size(run(lane(count))) <= most


def test_of_a_long_lane_in_which_much_happens() -> None:
    view = run(lane(100_000, rare=2, moves=1, verdict="FAIL"))
    assert size(view) <= 3_000_000


@pytest.mark.parametrize(("lanes", "most"), [(18, 800_000), (100, 1_500_000)])
def test_of_many_lanes(lanes: int, most: int) -> None:
    view = run(*(lane(24, ident=f"lane {number}", seed=number) for number in range(lanes)))
    assert size(view) <= most


def test_explanations_are_left_out_before_the_page_is_too_large() -> None:
    view = run(lane(24))
    texts = {("steady-BTCUSDT-1", number): "x" * 9_000 for number in range(1, 25)}
    page = report_page(view, explained=texts, uplot=Library())
    assert 1 <= page.count('<details class="explain">') < 24
    assert "pytest-soak explain . --iteration N" in page
    few = {("steady-BTCUSDT-1", number): "x" * 90 for number in range(1, 25)}
    page = report_page(view, explained=few, uplot=Library())
    assert page.count('<details class="explain">') == 24
