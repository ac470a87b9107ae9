"""From a section of a profile to a writer or reader: built in, or of another distribution."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import EntryPoint, EntryPoints
from pathlib import Path
from typing import Any

import pytest

from pytest_soak.json_types import WrongValueError
from pytest_soak.live import registry
from pytest_soak.live.channels import Context, Delivery, Present
from pytest_soak.live.registry import READERS, WRITERS, reader_of, writer_of
from pytest_soak.live.sections import ParametersFields, ReportFields
from tests.unit.live.contexts import PATHS, context_of, delivery_of


class OtherWriter:
    """As another distribution may have it."""

    place = "a bus"
    destinations = ("bus:1",)
    needs_process = True

    def __init__(self, options: Mapping[str, Any], context: Context) -> None:
        self.options = options

    def open(self) -> None: ...

    def present(self) -> Present | None: ...

    def deliver(self, delivery: Delivery) -> Mapping[str, Any] | None:
        return self.options

    def restore(self) -> None: ...


NO_FACTORY = 3


@pytest.fixture(autouse=True)
def points(monkeypatch: pytest.MonkeyPatch) -> None:
    here = "tests.unit.live.test_registry"

    def entry_points(group: str) -> EntryPoints:
        values = {
            "bus": f"{here}:OtherWriter",
            "file": f"{here}:OtherWriter",
            "lost": f"{here}:Lost",
            "number": f"{here}:NO_FACTORY",
            "module": "no_such_module:x",
        }
        points = [EntryPoint(name, value, group) for name, value in values.items()]
        return EntryPoints(points if group == "pytest_soak.writers" else points[:1])

    monkeypatch.setattr(registry, "entry_points", entry_points)


@pytest.mark.parametrize(
    ("fields", "destinations"),
    [
        (ParametersFields(file="{dir}/x"), ("file:{dir}/x",)),
        (ParametersFields(yaml="x", keys={key: key for key in PATHS}), ("file:{dir}/x",)),
        (ParametersFields(http="http://localhost/x"), ("http://127.0.0.1:80/x",)),
        (ParametersFields(command=("true",)), ()),
    ],
    ids=["file", "yaml", "http", "command"],
)
def test_a_writer_of_each_field(
    tmp_path: Path, fields: ParametersFields, destinations: tuple[str, ...]
) -> None:
    writer = writer_of(fields, context_of(tmp_path))
    assert writer.destinations == tuple(
        text.replace("{dir}", str(tmp_path)) for text in destinations
    )
    assert not [*tmp_path.iterdir()]


def test_a_reader_of_each_field(tmp_path: Path) -> None:
    context = context_of(tmp_path)
    file = reader_of(ReportFields(file="x"), context, 2.0)
    url = reader_of(ReportFields(http="http://localhost/x"), context, 2.0)
    command = reader_of(ReportFields(command=("true",)), context, 2.0)
    assert [reader.every_s for reader in (file, url, command)] == [2.0, 2.0, None]
    assert [reader.sources for reader in (file, url, command)] == [
        (f"file:{tmp_path}/x",),
        ("http://127.0.0.1:80/x",),
        (),
    ]
    assert not [*tmp_path.iterdir()]


def test_each_text_of_a_section_is_expanded_once(tmp_path: Path) -> None:
    texts: list[str] = []

    def expand(text: str) -> str:
        texts.append(text)
        return text

    context = context_of(tmp_path, expand=expand)
    for fields in (
        ParametersFields(file="a"),
        ParametersFields(yaml="b", keys={key: key for key in PATHS}),
        ParametersFields(http="http://localhost/", headers={"X": "c"}, allow_hosts=("d",)),
        ParametersFields(command=("e", "f")),
    ):
        writer_of(fields, context)
    assert texts == ["a", "b", "http://localhost/", "d", "c", "e", "f"]


def test_exactly_one_field_is_given(tmp_path: Path) -> None:
    context = context_of(tmp_path)
    with pytest.raises(WrongValueError) as caught:
        writer_of(ParametersFields(), context)
    assert caught.value.problem == (
        "needs exactly one of file, yaml, http, command, writer; it has none"
    )
    with pytest.raises(WrongValueError, match="it has file and writer"):
        writer_of(ParametersFields(file="x", writer="bus"), context)
    with pytest.raises(
        WrongValueError, match="one of file, http, prometheus, command, reader; it has none"
    ):
        reader_of(ReportFields(), context, 1.0)
    with pytest.raises(WrongValueError, match="it has http and command"):
        reader_of(ReportFields(http="x", command=("x",)), context, 1.0)


def test_a_writer_of_another_distribution(tmp_path: Path) -> None:
    context = context_of(tmp_path)
    options = {"topic": "{dir}"}
    writer = writer_of(ParametersFields(writer="bus", options=options), context)
    assert writer.deliver(delivery_of()) is options
    assert writer.destinations == ("bus:1",)


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        (
            "file",
            "'file' is a name of pytest-soak itself; give the field file instead of writer",
        ),
        (
            "bos",
            "no installed distribution registers 'bos' in pytest_soak.writers; did you mean 'bus'?",
        ),
        ("lost", "tests.unit.live.test_registry:Lost cannot be imported: module"),
        ("module", "no_such_module:x cannot be imported: No module named 'no_such_module'"),
        ("number", "tests.unit.live.test_registry:NO_FACTORY is no factory"),
    ],
)
def test_a_name_without_a_writer(tmp_path: Path, name: str, problem: str) -> None:
    with pytest.raises(WrongValueError) as caught:
        writer_of(ParametersFields(writer=name), context_of(tmp_path))
    assert caught.value.path == ("writer",)
    assert caught.value.problem.startswith(problem)


def test_what_lacks_a_method_is_no_reader(tmp_path: Path) -> None:
    with pytest.raises(WrongValueError) as caught:
        reader_of(ReportFields(reader="bus"), context_of(tmp_path), 1.0)
    assert caught.value.problem == (
        "tests.unit.live.test_registry:OtherWriter gave OtherWriter, "
        "which has no begin, poll, exists"
    )


def test_a_built_in_name_cannot_be_taken() -> None:
    assert [*WRITERS.registered()] == ["bus", "lost", "module", "number"]
    assert [*READERS.registered()] == ["bus"]
