"""The JSON Schema (draft 07) of a resolved profile, and that of a profile's file.

A file is not what is resolved. It may leave out what it inherits or what has a default, remove an
entry by null, have ``$NAME`` for a number, a path alone for a KPI, and start values at its top. So
its schema is that of the sections with these additions. It is never stricter than ``profile
check``; what several fields say together is checked there alone.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from pytest_soak.draft07 import Schema, described, draft07, refs, titled, walked, with_fields
from pytest_soak.profile.defaults import DEFAULTS
from pytest_soak.profile.field_texts import FIELD_TEXTS
from pytest_soak.profile.file_fields import FileFields, Reference
from pytest_soak.profile.reading import IDENTIFIER, NAMES, KpiName
from pytest_soak.profile.sections import (
    COMPARISON,
    CONDITIONS,
    ConditionsOfParameters,
    Document,
    LimitsOfKpi,
)

_REF = {"$ref": f"#/definitions/{CONDITIONS}"}
_TOP = FileFields.__name__
_SCALAR = {"type": ["number", "boolean", "string"]}
_START = "start value of the parameter"


@dataclass(frozen=True, slots=True)
class KnownNames:
    """The names that an editor completes, each with a text about it."""

    of: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Section (``parameters``, ``kpis``, ``rules``, ``scenarios``, ``block_reasons``,
    ``constants``) to name to text; an empty text says nothing."""

    def __getitem__(self, section: str) -> Mapping[str, str]:
        return self.of.get(section, {})


def document_schema() -> Schema:
    """The schema of a resolved profile, with its definitions."""
    schema = draft07(msgspec.json.schema(Document))
    schema["definitions"] |= _conditions()
    return without_names(schema)


def file_schema(target: Mapping[str, Schema], names: KnownNames) -> Schema:
    """The schema of a profile's file.

    ``target`` are the definitions of the section ``target``, of which ``TargetSection`` is the
    section itself. ``names`` are completed; other names are allowed, too, since a file gets new
    ones while it is written.
    """
    definitions = definitions_of(FileFields)
    definitions |= {name: _with_texts(name, part) for name, part in _conditions().items()}
    for name in refs_from(("VerdictSection", "RuleFields", "GuardsSection", "GateSection"),
                          definitions):  # fmt: skip
        definitions[name] = _with_constants(definitions[name], names)
    panic = definitions["PanicFields"]["properties"]
    del panic["values"]  # they are those of revert_to
    panic["revert_to"] = described(_reference(), panic["revert_to"]["description"])
    definitions |= target
    top = definitions[_TOP]["properties"]
    top["target"] = described({"$ref": "#/definitions/TargetSection"}, top["target"]["description"])
    whole = required_part({"$ref": f"#/definitions/{_TOP}"}, definitions, _FILLED)
    definitions = {name: with_names(partial(part), names) for name, part in definitions.items()}
    schema = _with_starts(definitions.pop(_TOP), names)
    return titled(
        {**schema, "if": {"required": ["extends"]}, "else": whole, "definitions": definitions},
        "profile",
        "pytest-soak profile",
        "The file of a profile: what a soak tunes, reads, guards and judges.",
    )


# -- parts ---------------------------------------------------------------------------------------


def definitions_of(
    struct: Any, texts: Mapping[str, Mapping[str, str]] = FIELD_TEXTS
) -> dict[str, Schema]:
    """The definitions of a struct and of all in it, with the texts of their fields."""
    schema = draft07({"$defs": msgspec.json.schema(struct)["$defs"]})
    return {name: _with_texts(name, part, texts) for name, part in schema["definitions"].items()}


def _with_texts(
    name: str, definition: Schema, texts: Mapping[str, Mapping[str, str]] = FIELD_TEXTS
) -> Schema:
    """A definition whose fields have their texts; name and docstring of a class are left out."""
    own = texts.get(name, {})
    fields = definition.get("properties", {})
    bare = {key: item for key, item in definition.items() if key not in ("title", "description")}
    if not fields:
        return bare
    return {
        **bare,
        "properties": {
            key: described(item, own[key]) if key in own else item for key, item in fields.items()
        },
    }


def _conditions() -> dict[str, Schema]:
    """Conditions and their limits. Their types cannot say that they contain each other."""
    types = (LimitsOfKpi, ConditionsOfParameters, KpiName)
    schemas, components = msgspec.json.schema_components(types, ref_template="#/$defs/{name}")
    limits, parameters, kpi = map(draft07, schemas)
    inside = {"allOf": [_REF], "minProperties": 1}
    conditions = {
        "type": "object",
        "propertyNames": {key: item for key, item in kpi.items() if key != "type"},
        "properties": {
            "any": {"type": "array", "minItems": 2, "items": inside},
            "not": inside,
            "parameter": parameters,
        },
        "additionalProperties": limits,
    }
    return {CONDITIONS: conditions, **draft07({"$defs": components})["definitions"]}


def _reference() -> Schema:
    return draft07(msgspec.json.schema(Reference))


def refs_from(begin: tuple[str, ...], definitions: Mapping[str, Schema]) -> set[str]:
    """The names of these definitions and of all that they lead to."""
    seen: set[str] = set()
    waiting = list(begin)
    while waiting:
        name = waiting.pop()
        if name not in seen:
            seen.add(name)
            waiting += (ref.rpartition("/")[2] for ref in refs(definitions[name]))
    return seen


# -- constants -----------------------------------------------------------------------------------

_COMPARISON = "^" + re.sub(r"[?]P<[a-z]+>", "", COMPARISON) + "$"
_CONSTANT = rf"\${IDENTIFIER.pattern}"
_WITH_CONSTANT = f"^(?:{_COMPARISON[1:-1]}|(?:<=|>=|<|>) *{_CONSTANT})$"


def _with_constants(schema: Schema, names: KnownNames) -> Schema:
    """Every number may be ``$NAME``, and so may that of a comparison."""
    constants = [f"${name}" for name in names["constants"]]
    constant: Schema = {"type": "string", "pattern": f"^{_CONSTANT}$"}
    named: list[Schema] = [{"enum": constants}] if constants else []

    def change(part: Schema) -> Schema:
        if part.get("pattern") == _COMPARISON:
            return {**part, "pattern": _WITH_CONSTANT}
        if part.get("type") not in ("number", "integer"):
            return part
        return _either(part, *named, constant)

    result: Schema = walked(schema, change)
    return result


_ABOUT = ("description", "default")


def _either(schema: Schema, *others: Schema) -> Schema:
    """A schema or another one; description and default stay those of the whole."""
    about = {key: schema[key] for key in _ABOUT if key in schema}
    inner = {key: item for key, item in schema.items() if key not in _ABOUT}
    alternatives = inner["anyOf"] if inner.keys() == {"anyOf"} else [inner]
    return {**about, "anyOf": [*alternatives, *others]}


# -- what a file may leave out or remove ---------------------------------------------------------

_NOT_REMOVED = ("extends", "description", "tags")
"""They are not inherited, so null does not remove them."""


def partial(schema: Schema) -> Schema:
    """A section whose fields may be left out, and may be null to remove what is inherited."""

    def change(part: Schema) -> Schema:
        left = {key: item for key, item in part.items() if key not in ("required", "minProperties")}
        for keyword in ("properties", "additionalProperties"):
            if keyword == "properties" and keyword in left:
                left[keyword] = {
                    name: item if name in _NOT_REMOVED else _or_null(item)
                    for name, item in left[keyword].items()
                }
            elif isinstance(left.get(keyword), dict):
                left[keyword] = _or_null(left[keyword])
        return left

    result: Schema = walked(schema, change)
    return result


def _or_null(schema: Schema) -> Schema:
    alternatives = schema.get("anyOf", [schema])
    if not schema or {"type": "null"} in alternatives or "null" in schema.get("type", ()):
        return schema
    if isinstance(schema.get("type"), str) and not schema.keys() & {"enum", "allOf"}:
        return {**schema, "type": [schema["type"], "null"]}
    return _either(schema, {"type": "null"})


_FILLED: Mapping[str, Any] = {
    **DEFAULTS,
    "verdict": {},
    "guards": {
        **DEFAULTS["guards"],
        "panic": {**DEFAULTS["guards"]["panic"], "revert_to": "", "values": {}},
    },
    "gate": {**DEFAULTS["gate"], "pass_count_slack": 0, "freeze_ready_pass_count": 0},
}
"""What a file without ``extends`` gets for what it leaves out, or may have elsewhere."""
_ELSEWHERE = ("start",)
"""Fields that may stand at the top of the file."""


def required_part(
    schema: Schema, definitions: Mapping[str, Schema], given: Any = None, inside: str = ""
) -> Schema:
    """What a file that extends no other must have: ``schema`` with its required fields alone.

    ``given`` are the defaults of this place, which need not be in the file. Empty if nothing is
    required.
    """
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        if name == CONDITIONS:
            return {}  # they contain each other
        return required_part(definitions[name], definitions, given, name)
    defaults = given if isinstance(given, Mapping) else {}
    result: Schema = {}
    fields = {
        name: part
        for name, item in schema.get("properties", {}).items()
        if (part := required_part(item, definitions, defaults.get(name)))
    }
    required = [
        name
        for name in schema.get("required", ())
        if not (inside == "ParameterFields" and name in _ELSEWHERE)
        and (name not in defaults or "required" in fields.get(name, {}))
    ]
    if required:
        result["required"] = required
    if schema.get("minProperties") and "properties" not in schema:
        result["minProperties"] = schema["minProperties"]
    if fields:
        result["properties"] = fields
    for keyword in ("additionalProperties", "items"):
        below = schema.get(keyword)
        if isinstance(below, dict) and (part := required_part(below, definitions)):
            result[keyword] = part
    # An alternative of another kind, a list or a text, meets what is required of a mapping.
    others = [
        part
        for item in (*schema.get("anyOf", ()), *schema.get("allOf", ()))
        if (part := required_part(item, definitions, given))
    ]
    if not others:
        return result
    return others[0] if len(others) == 1 and not result else {**result, "allOf": others}


# -- names ---------------------------------------------------------------------------------------


def with_names(schema: Schema, names: KnownNames) -> Schema:
    """The schema with the known names: as fields of mappings, and as values of texts."""

    def change(part: Schema) -> Schema:
        keys = part.get("propertyNames", {})
        section = keys.get(NAMES, "") if isinstance(keys, dict) else ""
        if section and names[section]:
            fields = {
                name: _noted(part["additionalProperties"], text)
                for name, text in names[section].items()
            }
            return {**part, "properties": {**fields, **part.get("properties", {})}}
        if part.get("type") == "string" and names[part.get(NAMES, "")]:
            return _either(part, {"enum": list(names[part[NAMES]])})
        return part

    return without_names(walked(schema, change))


def _noted(schema: Any, text: str) -> Any:
    return described(schema, text) if text and isinstance(schema, dict) else schema


def without_names(schema: Schema) -> Schema:
    """The schema without the keyword ``x-names``, which no validator needs."""

    def change(part: Schema) -> Schema:
        return {key: item for key, item in part.items() if key != NAMES}

    result: Schema = walked(schema, change)
    return result


def _with_starts(top: Schema, names: KnownNames) -> Schema:
    """The top of a file, with the start values that may stand there: ``KEY`` and ``KEY_delta``."""
    starts: Schema = {}
    for key, text in names["parameters"].items():
        about = f"{_START}; {text}" if text else _START
        starts[key] = {"description": about, **_SCALAR}
        starts[f"{key}_delta"] = {"description": f"added to the extended {about}", "type": "number"}
    top = with_fields(top, {"properties": {**starts, **top["properties"]}})
    return {
        **top,
        "patternProperties": {"^x-": {}},
        "propertyNames": {"pattern": f"^(?:x-|{IDENTIFIER.pattern}$)"},
        "additionalProperties": _SCALAR,
    }
