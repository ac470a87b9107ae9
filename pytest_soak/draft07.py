"""JSON Schema as msgspec writes it (2020-12) as draft 07, which editors and most validators read.

What differs between the two, and what :func:`draft07` does:

- ``$defs`` are ``definitions``, and every ``$ref`` into them follows.
- ``prefixItems`` with ``items`` for the rest (a list of fixed length) are ``items`` with
  ``additionalItems``.
- Beside a ``$ref`` draft 07 ignores every other keyword, so a ``$ref`` with others, such as its
  description, becomes an ``allOf`` of one. At the top the schema that is meant takes the place of
  the ``$ref``.
- ``discriminator`` is a keyword of OpenAPI. It is left out; ``anyOf`` beside it becomes ``oneOf``,
  because the tags of the alternatives differ.

Descriptions are docstrings, whose lines are joined. All other keywords of msgspec have the same
meaning in both. A keyword that draft 07 does not have raises ``ValueError``: a validator would
ignore it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

Schema = dict[str, Any]

DIALECT = "http://json-schema.org/draft-07/schema#"

_BELOW_NAMES = ("properties", "patternProperties", "definitions", "$defs")
"""Keywords with a mapping of names to schemas."""
_LISTS = ("anyOf", "allOf", "oneOf", "prefixItems")
"""Keywords with a list of schemas."""
_SINGLE = ("items", "additionalItems", "additionalProperties", "propertyNames", "not", "contains",
           "if", "then", "else")  # fmt: skip
"""Keywords with one schema; ``items`` may have a list of them."""
_MISSING = frozenset(
    {
        *("$anchor", "$dynamicAnchor", "$dynamicRef", "$vocabulary"),
        *("dependentRequired", "dependentSchemas", "unevaluatedItems", "unevaluatedProperties"),
        *("minContains", "maxContains"),
    }
)
"""Keywords of 2020-12 that draft 07 does not have."""


def titled(schema: Schema, name: str, title: str, description: str = "") -> Schema:
    """The schema as a document of its own; ``name`` becomes part of its ``$id``, a URN."""
    head = {"$schema": DIALECT, "$id": f"urn:pytest-soak:schema:{name}", "title": title}
    if description:
        head["description"] = description
    return {**head, **{key: value for key, value in schema.items() if key not in head}}


def draft07(schema: Mapping[str, Any]) -> Schema:
    """A 2020-12 schema of msgspec as draft 07. Raises ValueError for what draft 07 cannot say."""
    converted = _converted(schema)
    definitions: Schema = converted.get("definitions", {})
    target = converted.get("$ref", "")
    if "$ref" not in converted:
        return converted
    name = target.removeprefix("#/definitions/")
    top = {**definitions[name], "definitions": definitions}
    if not any(ref == target for ref in refs(definitions)):
        del definitions[name]
    return top


def refs(node: Any) -> Iterator[str]:
    """Every ``$ref`` below ``node``."""
    if isinstance(node, Mapping):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        node = node.values()
    elif not isinstance(node, (list, tuple)):
        return
    for item in node:
        yield from refs(item)


def walked(schema: Any, change: Callable[[Schema], Any]) -> Any:
    """A copy of a draft 07 schema in which ``change`` has replaced every schema, innermost first.

    Texts such as names of properties, defaults and lists of values are no schemas.
    """
    if not isinstance(schema, Mapping):
        return schema  # true or false
    copy: Schema = {}
    for keyword, value in schema.items():
        if keyword in _BELOW_NAMES:
            copy[keyword] = {name: walked(item, change) for name, item in value.items()}
        elif keyword in _LISTS or (keyword in _SINGLE and isinstance(value, (list, tuple))):
            copy[keyword] = [walked(item, change) for item in value]
        elif keyword in _SINGLE:
            copy[keyword] = walked(value, change)
        else:
            copy[keyword] = value
    return change(copy)


def closed(schema: Schema) -> Schema:
    """No object with named fields has others: msgspec leaves those of a typed dict open."""

    def change(part: Schema) -> Schema:
        return {"additionalProperties": False, **part} if "properties" in part else part

    result: Schema = walked(schema, change)
    return result


def described(schema: Schema, text: str) -> Schema:
    """A schema with another description."""
    return with_fields(schema, {"description": text})


def with_fields(schema: Schema, fields: Mapping[str, Any]) -> Schema:
    """A schema with further keywords; a ``$ref`` is wrapped, because it has none beside it."""
    base: Schema = {"allOf": [dict(schema)]} if "$ref" in schema else dict(schema)
    return {**fields, **{key: value for key, value in base.items() if key not in fields}}


def _converted(schema: Mapping[str, Any]) -> Schema:
    result: Schema = walked(schema, _in_draft07)
    return result


def _in_draft07(part: Schema) -> Schema:
    _refuse(part.keys())
    if isinstance(part.get("description"), str):
        part["description"] = " ".join(part["description"].split())
    if "$defs" in part:
        part["definitions"] = part.pop("$defs")
    if "$ref" in part:
        part["$ref"] = part["$ref"].replace("#/$defs/", "#/definitions/", 1)
        if part.keys() - {"$ref", "definitions"}:
            part["allOf"] = [{"$ref": part.pop("$ref")}]
    if "prefixItems" in part:
        rest = part.pop("items", None)
        part["items"] = part.pop("prefixItems")
        if rest is not None:
            part["additionalItems"] = rest
    if part.pop("discriminator", None) is not None and "anyOf" in part:
        part["oneOf"] = part.pop("anyOf")
    return part


def _refuse(keywords: Iterable[str]) -> None:
    missing = _MISSING.intersection(keywords)
    if missing:
        raise ValueError(f"draft 07 has no {', '.join(sorted(missing))}")
