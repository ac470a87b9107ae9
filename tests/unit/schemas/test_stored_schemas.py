"""The schemas that are stored in the package: they are what the types give, and draft 07."""

from __future__ import annotations

import json

import pytest
from jsonschema import Draft7Validator

from pytest_soak.draft07 import DIALECT, refs
from pytest_soak.loop.model import GUARD_ORDER
from pytest_soak.profile.reading import NAMES
from pytest_soak.report.documents import SkipReason
from pytest_soak.schemas.registry import SCHEMAS, schema, text_of
from pytest_soak.store import names
from tests.unit.schemas.stored import FOLDER


def test_every_schema_is_stored_and_no_other() -> None:
    assert {path.stem for path in FOLDER.glob("*.json")} == SCHEMAS.keys()


@pytest.mark.parametrize("name", SCHEMAS)
def test_what_is_stored_is_what_the_types_give(name: str) -> None:
    stored = (FOLDER / f"{name}.json").read_text("utf-8")
    assert stored == text_of(schema(name)), "write them: python -m tests.unit.schemas.stored"


@pytest.mark.parametrize("name", SCHEMAS)
def test_a_schema_is_valid_draft_07_and_complete(name: str) -> None:
    document = json.loads((FOLDER / f"{name}.json").read_text("utf-8"))
    Draft7Validator.check_schema(document)
    assert document["$schema"] == DIALECT
    assert document["$id"] == f"urn:pytest-soak:schema:{name}"
    assert document["title"]
    assert document["description"]
    targets = {ref.removeprefix("#/definitions/") for ref in refs(document)}
    assert targets == document.get("definitions", {}).keys()
    for word in ("$defs", "prefixItems", "discriminator", NAMES):
        assert f'"{word}"' not in text_of(document)


def test_the_flags_of_skip_reason_are_those_of_the_guards() -> None:
    assert SkipReason.__annotations__.keys() == {*GUARD_ORDER, "note"}


def test_the_names_of_files_are_those_that_are_written() -> None:
    of_a_run = {item.file.replace("_n.", "_7.") for item in SCHEMAS.values()}
    outputs = {"FILE.yaml", "--soak-export-json"}
    outputs |= {f"{command} --json" for command in ("report", "gate", "verify", "list")}
    written = {*names.FILES_OF_A_RUN, names.BRIDGE, names.iteration_summary(7)}
    assert of_a_run - outputs <= written
    json_files = {name for name in written if name.endswith((".json", ".jsonl"))}
    assert json_files - of_a_run == {names.SNAPSHOT_PRETTY, names.RESOURCES}
