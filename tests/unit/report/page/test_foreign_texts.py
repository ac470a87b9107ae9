"""Texts of targets, profiles and users are shown, and do nothing."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import msgspec
import pytest

from pytest_soak.report.page.page import report_page
from pytest_soak.report.page.plot_data import script_json
from pytest_soak.report.view.model import (
    EventView,
    GateRowView,
    KpiView,
    LimitView,
    RunView,
    SpanView,
    StepView,
)
from tests.unit.report.page.document import parsed
from tests.unit.report.page.views import Library, lane, run

HOSTILE = (
    "</script><script>window.pwned=1</script></style></title></svg></desc><img src=x onerror=pwn>"
    "<!--\" onfocus='pwn' {{ 7*7 }}{% raw %}&lt;b&gt;]]>\x1b[31m\u202e\u2028\x00"
)


def hostile_view(text: str) -> RunView:
    """A run with the text in every field that others may fill."""
    view = lane(12)
    values = view.kpis[0].values
    steps = (StepView(1, 5.0, "5", "start"), StepView(3, 6.0, text, text))
    view = msgspec.structs.replace(
        view,
        id=text,
        profile=text,
        symbol=text,
        target=text,
        why=text,
        verdict="FAIL",
        last_utc=text,
        gate=(
            GateRowView(
                text, "FAIL", text, 1.5, text, None, low=1.0, high=2.0, margin=1.0, unit=text
            ),
            GateRowView("other", "FAIL", text, 1.5, "<= 1", 1.0, upper=True, high=2.0, unit=text),
        ),
        kpis=(
            KpiView(
                text,
                text,
                "up",
                values,
                True,
                LimitView(text, 5.0, upper=True),
                view.kpis[0].window,
            ),
            KpiView(text + "2", text, "up", (None,) * 12),
        ),
        parameters=(
            msgspec.structs.replace(view.parameters[0], key=text, unit=text, steps=steps),
            msgspec.structs.replace(view.parameters[-1], key=text, unit=text),
        ),
        spans=(SpanView("excluded", 1, 2, (), text), SpanView("pinned", 3, 4, (text,), text)),
        events=tuple(EventView(number, "fault", text, (text,)) for number in range(1, 5)),
        iterations=msgspec.structs.replace(view.iterations, reasons=(text,) * 12),
        outcomes=msgspec.structs.replace(view.outcomes, by_guard=((text, 3),)),
        resources=(msgspec.structs.replace(view.resources[0], process=text, name=text, unit=text),),
    )
    return run(
        view,
        run_id=text,
        why=text,
        notes=(text,),
        started_utc=text,
        command=("pytest", text),
        fingerprint={text: text, "versions": {text: [text]}},
        state="interrupted",
    )


def several(text: str) -> RunView:
    first = hostile_view(text)
    second = msgspec.structs.replace(first.lanes[0], id=text + "b")
    return msgspec.structs.replace(first, lanes=(first.lanes[0], second))


@pytest.mark.parametrize("make", [hostile_view, several])
def test_a_hostile_text_adds_no_element(make: Any) -> None:
    def shape(text: str) -> list[tuple[str, list[str]]]:
        explained = {(text, 2): text}
        page = report_page(make(text), explained=explained, uplot=Library())
        return [(item.name, sorted(item.attributes)) for item in parsed(page).all()]

    plain = "plain text as long as the other " * 7
    assert shape(HOSTILE) == shape(plain[: len(HOSTILE)].ljust(len(HOSTILE), "x"))


def test_a_hostile_text_is_shown_as_it_is() -> None:
    page = report_page(hostile_view("<b>&amp;\x1b[0m"), explained={}, uplot=Library())
    document = parsed(page)
    assert document.only("h1")
    assert "<b>&amp;\\x1b[0m" in document.only("header").text
    for item in document.all():
        assert item.name != "b"


@pytest.mark.parametrize(
    "character", ["\x00", "\x1b", "\x85", "\u202e", "\u2028", "\u200b", "\ud800"]
)
def test_control_characters_are_shown_as_escapes(character: str) -> None:
    page = report_page(
        several(f"a{character}b"), explained={(f"a{character}b", 2): f"a{character}b"}, uplot=None
    )
    assert character not in page
    page.encode()


def test_a_name_of_10_kb_is_cut() -> None:
    text = "name" * 2_500
    page = report_page(several(text), explained={(text, 2): text}, uplot=Library())
    assert len(page.encode()) < 500_000
    for item in parsed(page).all():
        for value in item.attributes.values():
            assert len(value) < 8_000


def test_a_run_of_texts_with_every_field_empty() -> None:
    parsed(report_page(several(""), explained={}, uplot=None))


def test_data_of_the_script_cannot_end_it() -> None:
    value = {"text": "</script><!--\u2028&\u2029", "number": 1.5}
    text = script_json(value)
    assert not set("<>&\u2028\u2029") & set(text)
    assert json.loads(text) == value


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_data_of_the_script_has_no_number_that_json_does_not_have(number: float) -> None:
    with pytest.raises(ValueError, match="JSON"):
        script_json({"number": number})


def test_a_library_that_ends_its_element_is_refused() -> None:
    library = replace(Library(), script="'</script>'")
    with pytest.raises(ValueError, match="script element"):
        report_page(run(), explained={}, uplot=library)
