"""docs/live.md has every fault, every field of the section ``target``, and every placeholder."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from pytest_soak.live import sections as live
from pytest_soak.live.channels import Delivery
from pytest_soak.live.faults import HALTS, LOSES
from pytest_soak.live.placeholders import NAMES
from pytest_soak.processes import sections as processes
from tests.unit.live.test_section import FILE, planned

PAGE = (Path(__file__).parents[3] / "docs" / "live.md").read_text("utf-8")
STRUCTS = (
    live.ParametersFields,
    live.NotifyFields,
    live.ReportFields,
    live.TimingFields,
    live.FaultsFields,
    live.TargetSection,
    processes.ProcessFields,
    processes.ReadyFields,
    processes.StopFields,
    processes.RestartFields,
    processes.LogFields,
)
HEADINGS: dict[type, str] = {
    live.ParametersFields: "### target.parameters",
    live.NotifyFields: "### target.parameters",
    live.ReportFields: "### target.report",
    live.TimingFields: "### target.timing",
    live.FaultsFields: "### target.faults",
    live.TargetSection: "## The section target",
}


def part(heading: str) -> str:
    """The text below a heading, up to the next one."""
    assert PAGE.count(f"\n{heading}\n") == 1, heading
    return re.split(r"\n##+ ", PAGE.partition(f"\n{heading}\n")[2])[0]


def fields() -> Iterator[tuple[type, str, object]]:
    for struct in STRUCTS:
        for field in msgspec.structs.fields(struct):
            yield struct, field.name, field.default


def row(text: str, name: str) -> list[list[str]]:
    """The cells of the rows that begin with a name, without the mark of an inner field."""
    lines = re.findall(rf"^\| (?:… )?`{re.escape(name)}` *\|(.*)\|$", text, re.MULTILINE)
    return [[cell.strip() for cell in line.split("|")] for line in lines]


@pytest.mark.parametrize(("struct", "name", "default"), list(fields()))
def test_every_field_is_in_the_table_of_its_section(
    struct: type, name: str, default: object
) -> None:
    rows = row(part(HEADINGS.get(struct, "### target.processes")), name)
    assert rows, f"{struct.__name__}.{name} is not in the page"
    if isinstance(default, float | int) and not isinstance(default, bool):
        assert f"{default:g}" in [cells[0] for cells in rows]
    if isinstance(default, str):
        assert f"`{default}`" in [cells[0] for cells in rows]


def test_the_waits_before_restarts() -> None:
    waits = ", ".join(f"{wait:g}" for wait in processes.RestartFields().backoff_s)
    assert row(part("### target.processes"), "backoff_s")[0][0] == f"`[{waits}]`"


@pytest.mark.parametrize("placeholder", NAMES)
def test_every_placeholder_is_in_the_page(placeholder: str) -> None:
    assert row(part("## Placeholders and variables"), f"{{{placeholder}}}")


def test_every_variable_is_in_the_page(tmp_path: Path) -> None:
    names = {name for name in planned(tmp_path, FILE).environment if name.startswith("SOAK_")}
    assert names <= set(re.findall(r"`(SOAK_\w+)`", part("## Placeholders and variables")))


@pytest.mark.parametrize(("name", "meaning"), [*LOSES.items(), *HALTS.items()])
def test_every_fault_is_in_the_table_with_its_meaning(name: str, meaning: str) -> None:
    assert [meaning] in row(part("## Faults"), name)


def test_the_tables_have_no_other_fault() -> None:
    rows = re.findall(r"^\| `(\w+)` *\|", part("## Faults"), re.MULTILINE)
    assert sorted(rows) == sorted([*LOSES, *HALTS])


def test_the_block_of_a_delivery_is_that_of_the_page() -> None:
    body = Delivery(7, 6, "run", "lane", 60.0, "hash", {}, {}).body["soak"]
    shown = part("## Delivery").partition('"soak": {')[2].partition("}")[0]
    assert re.findall(r'"(\w+)":', shown) == list(body)
