"""What the page shows of a run: verdict and state, gate, panels, lanes, explanations."""

from __future__ import annotations

import re
from typing import Any

import msgspec
import pytest

from pytest_soak.report.page.page import report_page
from pytest_soak.report.view.model import RunView, StateWord, VerdictWord
from tests.unit.report.page.document import Element, parsed
from tests.unit.report.page.views import (
    Library,
    empty_lane,
    gate_row,
    gated_kpi,
    kpi,
    lane,
    run,
)


def page_of(view: RunView, **options: Any) -> Element:
    return parsed(report_page(view, **({"explained": {}, "uplot": None} | options)))


def words(element: Element) -> str:
    return element.words


def by_id(document: Element, ident: str) -> Element:
    return next(item for item in document.all() if item.attributes.get("id") == ident)


@pytest.mark.parametrize("verdict", ["PASS", "WARN", "INCONCLUSIVE", "FAIL"])
def test_the_verdict_is_the_largest_word(verdict: VerdictWord) -> None:
    document = page_of(run(lane(verdict=verdict)))
    assert words(document.only("h1")) == verdict
    assert words(document.only("head").only("title")).startswith(f"{verdict}: soak run")
    assert ("RECOMMENDATIONS.md" in words(document.only("header"))) == (verdict != "PASS")


@pytest.mark.parametrize(
    ("state", "shown"),
    [
        ("running", "Running. The run goes on. What is judged here is information, no verdict."),
        ("lost", "Lost. The worker of a lane died"),
        ("halted", "Halted. A lane halted"),
        ("interrupted", "Interrupted. The session was interrupted"),
        ("ended", "Ended. The data ended"),
    ],
)
def test_a_run_that_is_not_done_says_so(state: StateWord, shown: str) -> None:
    view = run(lane(state=state), state=state, sealed=False)
    assert shown in words(page_of(view).only("header"))


def test_a_running_run_has_no_verdict_and_an_end() -> None:
    view = run(lane(state="running"), state="running", eta_s=5_400.0, sealed=False)
    header = page_of(view).only("header")
    assert words(header.only("h1")) == "RUNNING would be PASS now"
    assert "Planned end in 1 h 30 min, counted from 2030-01-02 03:04:05 UTC." in words(header)


def test_a_run_without_iterations() -> None:
    document = page_of(run(empty_lane(), verdict=None, state="planned"))
    assert words(document.only("h1")) == "NOT JUDGED"
    assert "The lane was not judged yet." in words(document)
    assert not list(document.all("svg"))


def test_the_notes_of_the_view_are_shown() -> None:
    view = run(lane(), notes=("judged without its reference",), sealed=False)
    assert "judged without its reference" in words(page_of(view).only("header"))


def test_the_header_names_the_criteria_that_decide() -> None:
    rows = (gate_row(verdict="FAIL"), gate_row("risk_ratio", "FAIL"), gate_row("third"))
    header = page_of(run(lane(verdict="FAIL", gate=rows))).only("header")
    (causes,) = (item for item in header.all("ul") if item.attributes.get("class") == "why")
    assert [words(item) for item in causes.all("li")] == [
        "net_bps 5.7 bps over the last 8",
        "risk_ratio 5.7 bps over the last 8",
    ]


def test_the_gate_shows_the_worst_first_and_reasons_where_they_are_needed() -> None:
    rows = (
        gate_row("passes"),
        gate_row("fails", "FAIL"),
        gate_row("n_a", applicable=False, value=None, low=None, high=None, margin=None),
    )
    table = next(
        item
        for item in page_of(run(lane(gate=rows))).all("table")
        if item.attributes.get("class") == "gate"
    )
    shown = [words(row) for row in table.only("tbody").all("tr")]
    assert shown[0].startswith("fails FAIL 5.700 bps 5.400 to 6.000 >= 2.7 bps +3.000 bps")
    assert shown[1] == "5.7 bps over the last 8 (n 24, n_eff 8.0, φ 0.00)"
    assert shown[2].startswith("passes PASS 5.700 bps")
    assert shown[3].startswith("n_a n/a")


def test_a_count_has_no_bar() -> None:
    count = gate_row("checks", value=0.0, limit="<= 0", limit_value=0.0, upper=True, low=None,
                     high=None, margin=0.0, unit="")  # fmt: skip
    document = page_of(run(lane(gate=(count, gate_row()))))
    bars = [item for item in document.all("svg") if item.attributes["class"] == "bar"]
    assert len(bars) == 1
    assert "limit >= 2.7, smaller values are outside: PASS." in words(bars[0])


def test_parameters_that_never_moved_are_a_line() -> None:
    document = page_of(run(lane()))
    assert "Never moved: fixed = 50 ." in words(by_id(document, "lane-1-parameters"))
    names = [words(item.only("h3")) for item in document.all("article")]
    assert "fixed" not in names
    assert "parameter_0" in names


def test_a_rule_has_one_shape_in_the_whole_lane() -> None:
    shapes: dict[str, set[str]] = {}
    for legend in page_of(run(lane(200))).all("ul"):
        if legend.attributes.get("class") == "legend":
            for item in legend.all("li"):
                mark, name, *_ = words(item).split()
                shapes.setdefault(name, set()).add(mark)
    assert shapes.keys() == {"MAKER_BOOST", "RELAX", "PANIC", "EXTERNAL", "ROLLBACK"}
    assert all(len(marks) == 1 for marks in shapes.values())
    assert len(set().union(*shapes.values())) == 5


@pytest.mark.parametrize(
    "values",
    [
        (None,) * 5,
        (1.0,) * 5,
        (0.0,) * 5,
        (1e308, -1e308, 0.0, 1e-308, 5e-324),
        (1e300, 1e300 * (1 + 1e-15), 1e300, 1e300, 1e300),
        (5e-324, 0.0, 5e-324, None, 0.0),
        (1e9, 1e9 + 1e-6, 1e9, 1e9, 1e9),
        (None, 3.0, None, None, 4.0),
        (7.0,),
    ],
)
def test_a_kpi_of_any_size(values: tuple[float | None, ...]) -> None:
    count = len(values)
    subject = lane(count, kpis=(gated_kpi("gated", values), kpi("other", values)))
    page = report_page(run(subject), explained={}, uplot=Library())
    assert not re.search(r"\b(nan|inf)\b", re.sub(r"<script>.*?</script>", "", page, flags=re.S))
    panel = by_id(parsed(page), "lane-1-g1")
    numbers = re.findall(r"-?[0-9.]+(?:e-?[0-9]+)?", " ".join(
        item.attributes.get("d", "") for item in panel.all("path")
    ))  # fmt: skip
    assert all(-100 <= float(number) <= 700 for number in numbers)


def test_kpis_without_data_are_a_line_unless_they_are_gated() -> None:
    subject = lane(5, kpis=(gated_kpi("gated", (None,) * 5), kpi("other", (None,) * 5)))
    document = page_of(run(subject))
    assert "No data: other ." in words(document)
    assert "no data" in words(by_id(document, "lane-1-g1"))


def test_a_limit_that_is_far_away_is_in_the_picture_if_the_kpi_is_outside() -> None:
    values = (900.0, 901.0, 902.0)
    cases: list[tuple[VerdictWord, bool]] = [("FAIL", False), ("PASS", True)]
    for verdict, shown in cases:
        subject = lane(3, kpis=(gated_kpi("net_bps", values),), gate=(gate_row(verdict=verdict),))
        picture = by_id(page_of(run(subject)), "lane-1-g1")
        assert ("↓ below" in picture.text) == shown


def test_excluded_iterations_are_hatched() -> None:
    picture = by_id(page_of(run(lane())), "lane-1-g1")
    assert "left out of the gate: scenario crash" in picture.text
    assert [item for item in picture.all("g") if item.attributes["class"] == "slant"]


def test_without_uplot_the_page_says_why_and_has_no_library() -> None:
    page = report_page(run(lane()), explained={}, uplot=None, absent="uPlot.js is missing; get npm")
    document = parsed(page)
    assert "uPlot.js is missing; get npm." in words(document.only("footer"))
    assert len([item for item in document.all("script") if "type" not in item.attributes]) == 1
    assert "uPlot is not installed" in words(page_of(run(lane())).only("footer"))


def test_with_uplot_its_licence_is_in_the_page() -> None:
    document = page_of(run(lane()), uplot=Library())
    assert "MIT <licence>" in document.only("footer").text


def test_a_short_run_lists_every_iteration() -> None:
    rows = by_id(page_of(run(lane(24))), "lane-1-iterations").only("tbody")
    assert [row.only("th").text for row in rows.all("tr")] == [str(n) for n in range(1, 25)]


def test_a_long_run_lists_those_that_matter_and_says_what_is_left_out() -> None:
    view = lane(5_000, rare=1_000)
    section = by_id(page_of(run(view)), "lane-1-iterations")
    shown = [int(row.only("th").text) for row in section.only("tbody").all("tr")]
    assert len(shown) == 100
    assert shown == sorted(shown)
    assert (shown[0], shown[-1]) == (1, 5_000)
    assert "4,900 of 5,000 iterations are left out." in words(section)
    verdicts = dict(zip(view.iterations.numbers, view.iterations.verdicts, strict=True))
    assert all(verdicts[number] == "FAIL" for number in shown[1:-1])


def test_explanations_are_listed_with_their_event() -> None:
    texts = {("steady-BTCUSDT-1", 10): "one\n  two"}
    section = by_id(page_of(run(lane()), explained=texts), "lane-1-explain")
    assert "Iteration 10" in words(section)
    assert "panic: reverted 7 parameters" in words(section.only("summary"))
    assert section.only("pre").text == "one\n  two"
    assert "pytest-soak explain . --iteration N" in words(section)


def test_several_lanes_have_a_matrix_with_a_link_to_each() -> None:
    lanes = [lane(ident=f"lane {number}", seed=number) for number in range(6)]
    lanes[2] = msgspec.structs.replace(lanes[2], verdict="FAIL")
    document = page_of(run(*lanes, empty_lane(ident="planned"), verdict="FAIL"))
    rows = list(by_id(document, "matrix").only("tbody").all("tr"))
    assert [row.only("a").attributes["href"] for row in rows] == [
        f"#lane-{number}" for number in range(1, 8)
    ]
    assert [row.attributes["data-verdict"] for row in rows] == [
        *("PASS", "PASS", "FAIL", "PASS", "PASS", "PASS", ""),
    ]
    assert [len(list(row.all("svg"))) for row in rows] == [4] * 6 + [0]
    sections = [item.attributes["id"] for item in document.all("section")]
    assert [ident for ident in sections if re.fullmatch(r"lane-[0-9]", ident)] == [
        f"lane-{number}" for number in (3, 1, 2, 4, 5, 6, 7)
    ]
    # Without scripts nothing is hidden but what only they can do.
    hidden = [item for item in document.all() if "hidden" in item.attributes]
    assert hidden
    assert all("scripted" in item.attributes["class"] for item in hidden)


def test_lanes_of_other_profiles_may_have_other_kpis() -> None:
    first, second = lane(ident="a"), lane(ident="b", kpis=(gated_kpi("own", (1.0,) * 24),))
    heads = [words(item) for item in by_id(page_of(run(first, second)), "matrix").all("th")]
    assert "own" in heads
    assert "net_bps" in heads


def test_the_command_can_be_copied() -> None:
    view = run(lane(), command=("pytest", "-k", "a b", "--x='y'"))
    pre = next(item for item in by_id(page_of(view), "run").all("pre"))
    assert pre.text == """pytest -k 'a b' '--x='"'"'y'"'"''"""


def test_the_fingerprint_lists_versions_one_by_one_and_nothing_that_is_none() -> None:
    view = run(
        lane(), fingerprint={"data_hash": None, "mock": True, "versions": {"python": "3.11"}}
    )
    rows = [words(row) for row in by_id(page_of(view), "run").only("tbody").all("tr")]
    assert rows == ["mock yes", "versions: python 3.11"]
