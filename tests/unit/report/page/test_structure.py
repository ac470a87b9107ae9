"""What is true of every page: nothing is loaded, everything is named, nothing is styled inline."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from itertools import pairwise
from typing import Any

import pytest

from pytest_soak.report.page.look import LOOK
from pytest_soak.report.page.page import report_page
from pytest_soak.report.view.model import RunView
from tests.unit.report.page.document import Element, parsed
from tests.unit.report.page.views import Library, empty_lane, lane, run

PAGES: dict[str, RunView] = {
    "one lane": run(lane()),
    "a long lane": run(lane(864)),
    "a failing lane": run(lane(verdict="FAIL")),
    "two lanes": run(lane(), lane(ident="second", verdict="FAIL")),
    "nine lanes": run(*(lane(ident=f"lane {number}", seed=number) for number in range(9))),
    "forty lanes": run(*(lane(8, ident=f"lane {number}", seed=number) for number in range(40))),
    "a lane that has not begun": run(empty_lane(), state="planned", verdict=None),
    "no lanes": run(),
}
EXPLAINED = {("steady-BTCUSDT-1", 3): "iteration 3\n  <b>quiet</b>   rule\n"}


@pytest.fixture(params=PAGES, scope="module")
def document(request: Any) -> Element:
    return parsed(report_page(PAGES[request.param], explained=EXPLAINED, uplot=Library()))


def test_every_picture_is_named_and_described(document: Element) -> None:
    for svg in document.all("svg"):
        title, description = svg.children[0], svg.children[1]
        assert (title.name, description.name) == ("title", "desc")
        assert title.text.strip()
        assert description.text.strip()
        assert svg.attributes["role"] == "img"
        labels = svg.attributes["aria-labelledby"].split()
        assert labels == [title.attributes["id"], description.attributes["id"]]


def test_ids_are_unique_and_references_lead_somewhere(document: Element) -> None:
    ids = [item.attributes["id"] for item in document.all() if "id" in item.attributes]
    assert len(ids) == len(set(ids))
    for item in document.all():
        for name in ("aria-labelledby", "aria-describedby", "for"):
            assert set(item.attributes.get(name, "").split()) <= set(ids), item
        if item.attributes.get("href", "").startswith("#"):
            assert item.attributes["href"][1:] in ids


def test_nothing_is_styled_or_run_inline(document: Element) -> None:
    for item in document.all():
        assert "style" not in item.attributes
        assert not [name for name in item.attributes if name.startswith("on")]


def test_nothing_is_loaded(document: Element) -> None:
    for item in document.all():
        assert item.name not in {"img", "iframe", "object", "embed", "video", "audio", "base"}
        assert "src" not in item.attributes
        assert item.attributes.get("href", "#")[:6] in {"data:,"} or item.attributes.get(
            "href", "#"
        ).startswith("#")
        assert "xlink:href" not in item.attributes
        for value in item.attributes.values():
            assert not re.search(r"https?://|url\(", value)


def test_the_policy_allows_what_is_in_the_file_and_nothing_else(document: Element) -> None:
    policy = next(
        item.attributes["content"]
        for item in document.all("meta")
        if item.attributes.get("http-equiv") == "Content-Security-Policy"
    )
    rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
    assert rules["default-src"] == "'none'"

    def hashes(elements: list[Element]) -> list[str]:
        digests = [hashlib.sha256(item.text.encode()).digest() for item in elements]
        return [f"'sha256-{base64.b64encode(digest).decode()}'" for digest in digests]

    scripts = [item for item in document.all("script") if "type" not in item.attributes]
    assert rules["style-src"].split() == hashes(list(document.all("style")))
    assert rules["script-src"].split() == hashes(scripts)
    assert "unsafe" not in policy


def test_headings_are_in_order(document: Element) -> None:
    levels = [int(item.name[1]) for item in document.all() if re.fullmatch("h[1-6]", item.name)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    for before, after in pairwise(levels):
        assert after <= before + 1


def test_landmarks_and_language(document: Element) -> None:
    assert document.only("html").attributes["lang"] == "en"
    for name in ("header", "main", "footer", "nav"):
        document.only(name)
    assert document.only("head").only("title").text
    skip = document.only("body").children[0]
    assert skip.attributes["href"] == f"#{document.only('main').attributes['id']}"


def test_tables_have_captions_and_heads_with_scope(document: Element) -> None:
    for table in document.all("table"):
        assert table.only("caption").text.strip()
        for head in table.all("th"):
            assert head.attributes["scope"] in {"col", "row"}
        widths = {
            sum(int(cell.attributes.get("colspan", 1)) for cell in row.children)
            for row in table.all("tr")
        }
        assert len(widths) == 1


def test_each_scroll_area_can_be_reached_by_keyboard(document: Element) -> None:
    for item in document.all():
        if "scroll" in item.attributes.get("class", "").split() or item.name == "pre":
            assert item.attributes["tabindex"] == "0"
            assert item.attributes["aria-label"]


def test_the_data_of_the_script_is_json_of_the_panels(document: Element) -> None:
    pictures = {item.attributes["id"] for item in document.all("div") if "id" in item.attributes}
    for item in document.all("script"):
        if item.attributes.get("type") == "application/json":
            for panel in json.loads(item.text)["panels"]:
                assert f"{panel['id']}-picture" in pictures


def test_a_picture_is_whole_without_a_style_sheet(document: Element) -> None:
    """Each group of shapes has its colours as attributes, so that none is black by default."""
    for svg in document.all("svg"):
        for group in svg.children[2:]:
            assert group.name == "g"
            assert "fill" in group.attributes
            assert all(item.name in {"rect", "path", "text"} for item in group.children)


def test_a_panel_has_the_same_figures_as_a_table() -> None:
    document = parsed(report_page(run(lane()), explained={}, uplot=None))
    panels = list(document.all("article"))
    assert len(panels) == 14 + 9 + 1
    for panel in panels:
        rows = list(panel.only("table").only("tbody").all("tr"))
        assert len(rows) >= 5


def test_the_style_sheet_has_every_class_of_a_picture() -> None:
    page = report_page(run(), explained={}, uplot=None)
    style = parsed(page).only("style").text
    for name in LOOK:
        assert f".{name.split()[0]}" in style, name
