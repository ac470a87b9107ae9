"""Mutants of the JSON Schemas: what draft 07 ignores, what a file may have, what is completed."""

from __future__ import annotations

from tests.mutants.mutant import Mutant

_DRAFT = "tests/unit/test_draft07.py"
_PROFILE = "tests/unit/schemas/test_profile_schema.py"
_PROPERTIES = "tests/properties/test_schema_properties.py"
_STORED = "tests/unit/schemas/test_stored_schemas.py"
_COMMAND = "tests/unit/schemas/test_schema_command.py"

SCHEMAS = (
    Mutant(
        "what stands beside a reference is ignored",
        "draft07.py",
        'part["allOf"] = [{"$ref": part.pop("$ref")}]',
        "pass",
        (f"{_DRAFT}::test_what_stands_beside_a_reference_counts",),
        "allOf",
    ),
    Mutant(
        "a list of fixed length may go on",
        "draft07.py",
        'part["additionalItems"] = rest',
        "pass",
        (f"{_DRAFT}::test_a_list_of_fixed_length_has_its_items_and_no_others",),
        "additionalItems",
    ),
    Mutant(
        "null removes nothing",
        "profile/schema.py",
        'return _either(schema, {"type": "null"})',
        "return schema",
        (
            f"{_PROFILE}::test_the_schema_refuses_nothing_that_profile_check_accepts",
            f"{_PROPERTIES}::test_the_schema_refuses_nothing_that_profile_check_accepts",
        ),
        "must be object|is not of type|must be",
    ),
    Mutant(
        "no name stands for a number",
        "profile/schema.py",
        "return _either(part, *named, constant)",
        "return part",
        (f"{_PROFILE}::test_the_schema_refuses_nothing_that_profile_check_accepts",),
        "cannot be validated|is not of type",
    ),
    Mutant(
        "defaults must be written",
        "profile/schema.py",
        'and (name not in defaults or "required" in fields.get(name, {}))',
        "and True",
        (f"{_PROFILE}::test_the_schema_refuses_nothing_that_profile_check_accepts",),
        "must contain|required property",
    ),
    Mutant(
        "no parameter is completed",
        "profile/schema.py",
        "if section and names[section]:",
        "if False:",
        (f"{_PROFILE}::test_parameters_and_kpis_of_what_is_extended_are_completed",),
        "KeyError|assert",
    ),
    Mutant(
        "a half written file has no names",
        "profile/known_names.py",
        'return {"extends": text.decode("utf-8", "replace")}, problem',
        "return {}, problem",
        (
            f"{_PROFILE}::test_a_half_written_file_gets_the_names_of_what_it_extends",
            f"{_COMMAND}::test_broken_yaml_is_a_note",
        ),
        "base_spread_bps",
    ),
    Mutant(
        "any object may have more fields",
        "draft07.py",
        'return {"additionalProperties": False, **part} if "properties" in part else part',
        "return part",
        (
            f"{_DRAFT}::test_a_typed_dict_is_closed",
            "tests/sessions/test_schemas.py::test_every_file_has_its_fields_and_no_others",
        ),
        "assert",
    ),
)
