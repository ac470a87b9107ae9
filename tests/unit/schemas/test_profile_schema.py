"""The schema of a profile's file: what a file may contain, and the names that it completes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator
from msgspec import Struct

from pytest_soak.draft07 import Schema
from pytest_soak.live.field_texts import FIELD_TEXTS as OF_TARGET
from pytest_soak.profile.errors import ProfileError
from pytest_soak.profile.field_texts import FIELD_TEXTS
from pytest_soak.profile.known_names import known_names
from pytest_soak.profile.model import SHIPPED
from pytest_soak.profile.resolve import resolve
from pytest_soak.profile.schema import KnownNames, document_schema, required_part
from pytest_soak.profile.yaml_text import parse
from pytest_soak.schemas.registry import profile_schema
from pytest_soak.store.sources import read_source
from tests.pages import DOCS
from tests.unit.schemas.check import check_error, schema_error
from tests.unit.schemas.fields import structs
from tests.unit.schemas.full_profiles import documents
from tests.unit.schemas.table import refusals, stored, table

ROOT = Path(__file__).parents[3]
FILES = sorted([*(ROOT / "profiles").glob("*.yaml"), *(ROOT / "examples").glob("*/*.yaml")])
GENERAL = profile_schema(KnownNames())


def errors(schema: Schema, document: Any) -> list[str]:
    """Place and message of each error; of alternatives those of all."""
    waiting = list(Draft7Validator(schema).iter_errors(document))
    result = []
    while waiting:
        error = waiting.pop()
        waiting += error.context or ()
        path = ".".join(["$", *map(str, error.absolute_path)])
        result.append(f"{path}: {error.message}")
    return result


def schema_for(path: Path) -> Schema:
    return profile_schema(known_names(str(path), read_source)[0])


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_profile_of_the_repository_is_valid(path: Path) -> None:
    document = parse(path.read_bytes())
    assert errors(GENERAL, document) == []
    assert errors(schema_for(path), document) == []


@pytest.mark.parametrize("name", SHIPPED)
def test_every_resolved_profile_is_valid(name: str) -> None:
    resolved = resolve(name, read_source).profile.document
    assert errors(document_schema(), resolved) == []
    rules = {**resolved["rules"], "BAD": {"moves": {}}}
    assert errors(document_schema(), {**resolved, "rules": rules})


@pytest.mark.parametrize("name", documents())
def test_a_profile_with_every_field_is_valid(name: str) -> None:
    document = documents()[name]
    assert check_error(document) == ""
    assert errors(GENERAL, document) == []


def yaml_blocks(page: Path) -> list[str]:
    """The blocks of YAML on a page, without those that show a part of a file."""
    blocks = [part.split("\n```")[0] for part in page.read_text("utf-8").split("```yaml\n")[1:]]
    return [block for block in blocks if "…" not in block]


@pytest.mark.parametrize("page", ["profiles.md", "scenarios.md", "own_service.md"])
def test_the_sections_that_the_pages_show_are_valid(page: str) -> None:
    seen = 0
    for block in yaml_blocks(DOCS / page):
        document = parse(block.encode())
        if not isinstance(document, dict):
            continue
        seen += 1
        # A part of a file may leave out the rest, as a file that extends another may.
        assert errors(GENERAL, {"extends": "steady", **document}) == []
    assert seen


# -- every field ---------------------------------------------------------------------------------


def test_every_field_has_one_text_and_every_text_is_of_a_field() -> None:
    texts = {**FIELD_TEXTS, **OF_TARGET}
    assert FIELD_TEXTS.keys().isdisjoint(OF_TARGET)
    assert {name: set(of) for name, of in texts.items()} == structs()


def test_a_text_is_one_short_sentence() -> None:
    for of in (*FIELD_TEXTS.values(), *OF_TARGET.values()):
        for name, text in of.items():
            assert text.endswith("."), name
            assert len(text) <= 90, name


def test_every_field_is_on_the_page_that_explains_it() -> None:
    pages = {
        name: (DOCS / f"{name}.md").read_text("utf-8") for name in ("profiles", "scenarios", "live")
    }
    for texts, own in ((FIELD_TEXTS, ("profiles", "scenarios")), (OF_TARGET, ("live",))):
        page = "".join(pages[name] for name in own)
        missing = [
            f"{struct}.{name}" for struct, of in texts.items() for name in of if name not in page
        ]
        assert missing == []


def test_the_documents_have_every_field() -> None:
    table_rows = {line.split("`")[1].rpartition(".")[2] for line in stored().splitlines()[2:]}
    every = {name for names in structs().values() for name in names}
    assert every - table_rows == set()


@pytest.mark.exhaustive
def test_every_wrong_value_is_refused_and_the_page_says_by_what() -> None:
    _, wrong = refusals()
    assert wrong == []
    assert stored() == table(), "write it: python -m tests.unit.schemas.table"


# -- what a file may leave out, remove, or write in another way ----------------------------------


SHORT: dict[str, Any] = {"kpis": {"p95_ms": "totals.p95_ms"},
                         "gate": {"criteria": {"p95_ms": "<= 120"}}}  # fmt: skip


def changed(**sections: Any) -> dict[str, Any]:
    return {"extends": "market_maker", **sections}


@pytest.mark.parametrize(
    "document",
    [
        SHORT,
        {**SHORT, "x-notes": {"anything": [1, None]}},
        {**SHORT, "parameters": {"a": {"path": "p", "min": 1, "max": 3}}, "a": 2},
        {**SHORT, "guards": {"panic": None, "attribution": None, "rollback": None}},
        {**SHORT, "gate": {"criteria": {"p95_ms": ["<= 120", ">= 1"]}, "throughput": None}},
        {**SHORT, "constants": {"n": 2}, "guards": {"panic": {"after": "$n"}}},
        {**SHORT, "verdict": {"fail": {"p95_ms": "> 1e3"}}},
        changed(),
        changed(base_spread_bps=0.6, tail_age_ms_delta=-10),
        changed(rules={"ADVERSE": None, "SLIPPAGE": {"dwell": 3}}),
        changed(rules={"ADVERSE": {"when": {"net_bps": None}}}),
        changed(verdict={"fail": None}),
        changed(verdict=None),
        changed(guards={"freeze": {"after": 5}, "panic": {"pause": 6}, "cooldown": None}),
        changed(gate={"drift": {"net_bps": None}, "criteria": {"net_bps": {"warn": ">= 3"}}}),
        changed(kpis={"net_bps": {"unit": "bp"}, "mine": "totals.mine"}),
        changed(run={"interval": None}, scenarios={}),
    ],
    ids=str,
)
def test_the_schema_refuses_nothing_that_profile_check_accepts(document: Any) -> None:
    if check_error(document) == "":
        assert schema_error(document) == ""
        assert errors(GENERAL, document) == []


def test_most_of_these_are_accepted() -> None:
    """Else the test above would prove nothing."""
    assert check_error(SHORT) == ""
    assert check_error(changed(rules={"ADVERSE": None})) == ""
    assert check_error({**SHORT, "constants": {"n": 2}, "guards": {"panic": {"after": "$n"}}}) == ""


@pytest.mark.parametrize(
    ("document", "place"),
    [
        ({}, "$: 'kpis' is a required"),
        ({"kpis": {}}, "$: 'gate' is a required"),
        ({**SHORT, "gate": {"window": 8}}, "$.gate: 'criteria' is a required"),
        ({**SHORT, "rules": {"A": {"moves": {"a": {"add": 1}}}}}, "$.rules.A: 'when' is a"),
        ({**SHORT, "guards": {"freeze": {"after": 1}}}, "$.guards.freeze: 'stable' is a"),
        ({**SHORT, "kpi": {}}, "$.kpi: {} is not of type 'number', 'boolean', 'string'"),
        ({**SHORT, "no name": 3}, "$: 'no name' does not match"),
        ({**SHORT, "extends": None}, "$.extends: None is not"),
        ({**SHORT, "guards": {"panic": {"values": {}}}}, "$.guards.panic: Additional"),
        (changed(rules={"A": {"whn": {}}}), "$.rules.A: Additional properties"),
        (changed(gate={"window": 0}), "$.gate.window: 0 is less than"),
        (changed(verdict={"fail": {"net_bps": "=< 3"}}), "$.verdict.fail.net_bps: '=< 3' does not"),
        (changed(rules={"A": {"when": {"any": [{}]}}}), "$.rules.A.when.any: [{}] is too short"),
    ],
    ids=str,
)
def test_what_is_wrong_is_named_by_its_place(document: Any, place: str) -> None:
    assert check_error(document)
    assert any(error.startswith(place) for error in errors(GENERAL, document))


def test_a_file_that_extends_another_may_leave_out_what_is_required() -> None:
    rule = {"rules": {"A": {"dwell": 2}}}
    assert errors(GENERAL, changed(**rule)) == []
    assert errors(GENERAL, {**SHORT, **rule})


def test_required_fields_of_mappings_in_lists_count() -> None:
    class Entry(Struct):
        name: str

    inner = {"type": "object", "properties": {"name": {}}, "required": ["name"]}
    assert Entry.__struct_fields__ == ("name",)
    assert required_part({"type": "array", "items": inner}, {}) == {"items": {"required": ["name"]}}


# -- names ---------------------------------------------------------------------------------------

Write = Callable[[str], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def writer(text: str, name: str = "mine.yaml") -> Path:
        path = tmp_path / name
        path.write_text(text, "utf-8")
        return path

    return writer


def fields(schema: Schema, *path: str) -> dict[str, Any]:
    """The fields that are completed at a place of the file."""
    node: Any = schema
    for part in path:
        node = node["properties"][part] if part in node.get("properties", {}) else (
            node["additionalProperties"])  # fmt: skip
        while "properties" not in node and "additionalProperties" not in node:
            node = next(
                item for item in (*node.get("anyOf", ()), *node.get("allOf", ()), node)
                if item is not node or "$ref" in item
            )  # fmt: skip
            if "$ref" in node:
                node = schema["definitions"][node["$ref"].rpartition("/")[2]]
    result: dict[str, Any] = node["properties"]
    return result


def test_parameters_and_kpis_of_what_is_extended_are_completed(write: Write) -> None:
    schema = schema_for(write("extends: market_maker\n"))
    profile = resolve("market_maker", read_source).profile
    assert list(fields(schema, "rules", "MINE", "moves")) == list(profile.parameters)
    for place in (("gate", "criteria"), ("gate", "drift"), ("rules", "MINE", "hysteresis")):
        assert list(fields(schema, *place)) == list(profile.kpis)
    when = fields(schema, "rules", "MINE", "when")
    assert when.keys() == {*profile.kpis, "any", "not", "parameter"}
    assert fields(schema, "rules").keys() == {rule.name for rule in profile.rules}
    for key in profile.parameters:
        assert {key, f"{key}_delta"} <= schema["properties"].keys()
    cap = fields(schema, "rules", "MINE", "moves")["base_spread_bps"]["description"]
    assert cap == "0.05 to 5 bps; start 0.5"


def test_names_of_the_file_itself_are_completed_along_a_chain(write: Write) -> None:
    write("extends: steady\nkpis: {below: totals.x, gone: totals.y}\n", name="base.yaml")  # type: ignore[call-arg]
    schema = schema_for(
        write(
            "extends: ./base.yaml\nkpis: {own: totals.z, gone: null}\nconstants: {floor: 2}\n"
            "parameters: {mine: {path: risk, start: 1, min: 0, max: 2}}\n"
        )
    )
    kpis = fields(schema, "gate", "criteria")
    assert {"below", "own", "net_bps"} <= kpis.keys()
    assert "gone" not in kpis
    assert "mine" in fields(schema, "rules", "MINE", "moves")
    assert {"enum": ["$floor"]} in fields(schema, "gate")["window"]["anyOf"]
    coupling = schema["definitions"]["ParameterFields"]["properties"]["at_most"]["anyOf"]
    assert "'mine'" in str(coupling)


def test_a_name_that_the_file_gets_later_is_no_error(write: Write) -> None:
    schema = schema_for(write("extends: market_maker\n"))
    later = changed(
        kpis={"new": "totals.new"}, gate={"criteria": {"new": "> 1"}, "throughput": "new"}
    )
    assert errors(schema, later) == []


@pytest.mark.parametrize(
    "text",
    [
        "extends: market_maker\nrules:\n  X:\n    moves:\n",
        "extends: market_maker\nkpis: 3\nparameters: [a]\nrules: {1: 2}\ngate: x\n",
        "extends: market_maker\nkpis: {own: {read: 3}}\n",
        "extends: market_maker\nrules: {\n",
        "# mine\nextends: 'market_maker' # the domain\nrules:\n  - x\n y: 2\n",
        'extends: "market_maker"\n\tx: 1\n',
    ],
)
def test_a_half_written_file_gets_the_names_of_what_it_extends(write: Write, text: str) -> None:
    names, problem = known_names(str(write(text)), read_source)
    assert "base_spread_bps" in names["parameters"]
    assert "net_bps" in names["kpis"]
    is_yaml = "{\n" not in text and "- x" not in text and "\t" not in text
    assert (problem == "") is is_yaml
    assert "mine.yaml" in problem or is_yaml


@pytest.mark.parametrize("text", ["", "# nothing yet\n", "kpis:\n", "a: [\n"])
def test_a_file_that_extends_nothing_has_its_own_names_alone(write: Write, text: str) -> None:
    names, _ = known_names(str(write(text)), read_source)
    assert not any(names[section] for section in ("parameters", "kpis", "rules", "constants"))


def test_what_a_file_extends_must_exist(write: Write) -> None:
    with pytest.raises(ProfileError, match="unknown profile 'market_makr'"):
        known_names(str(write("extends: market_makr\n")), read_source)
    with pytest.raises(ProfileError, match=r"absent\.yaml"):
        known_names("./absent.yaml", read_source)


def test_without_a_file_there_are_no_names() -> None:
    assert list(GENERAL["properties"]) == list(fields_of_a_file())
    assert "properties" not in GENERAL["definitions"]["RuleFields"]["properties"]["moves"]


def fields_of_a_file() -> list[str]:
    return list(FIELD_TEXTS["FileFields"])
