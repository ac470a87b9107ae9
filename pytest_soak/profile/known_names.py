"""The names that a profile and all that it extends have, for the completion of an editor.

The file may be half written: a name counts as soon as it stands there, whatever is wrong beside it.
Only ``extends`` must be right.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from pytest_soak.canonical import number
from pytest_soak.profile.errors import Invalid
from pytest_soak.profile.layers import Layer
from pytest_soak.profile.reading import IDENTIFIER
from pytest_soak.profile.resolve import ReadSource, chain
from pytest_soak.profile.schema import KnownNames
from pytest_soak.profile.yaml_text import parse

SECTIONS = ("parameters", "kpis", "rules", "scenarios", "constants")
"""The sections whose entries have names."""
_EXTENDS = re.compile(rb"^extends:[ \t]+(?:\"([^\"\n]+)\"|'([^'\n]+)'|([^\s#'\"]+))", re.MULTILINE)
_LONGEST_TEXT = 200


def known_names(reference: str, read: ReadSource) -> tuple[KnownNames, str]:
    """The names, and why those of the file itself are not among them; empty if they are.

    Raises ProfileError for a file that cannot be read, and for one that it extends.
    """
    source = read(reference, None)
    own, problem = _own(source.data, source.label)
    above = own.get("extends")
    layers: Sequence[Layer] = ()
    if isinstance(above, str) and above:
        layers = chain(above, source.label, read)
    documents = [*(layer.document for layer in reversed(layers)), own]
    entries = {section: _entries(section, documents) for section in SECTIONS}
    reasons = dict.fromkeys(_block_reasons(documents, entries["kpis"]), "")
    return KnownNames({**_texts(entries), "block_reasons": reasons}), problem


def _own(data: bytes, label: str) -> tuple[Mapping[str, Any], str]:
    """The file as a mapping; if it is none yet, what it extends alone, and the reason."""
    try:
        written = parse(data)
    except Invalid as error:
        problem = str(error.at(label))
    else:
        if isinstance(written, dict):
            return written, ""
        if written is None:
            return {}, ""
        problem = f"{label}: is no mapping"
    match = _EXTENDS.search(data)
    if match is None:
        return {}, problem
    text = next(group for group in match.groups() if group is not None)
    return {"extends": text.decode("utf-8", "replace")}, problem


def _entries(section: str, documents: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Name to the fields of an entry, along what is extended; null removes an entry."""
    result: dict[str, dict[str, Any]] = {}
    for document in documents:
        written = document.get(section)
        for name, fields in written.items() if isinstance(written, Mapping) else ():
            if not isinstance(name, str) or IDENTIFIER.fullmatch(name) is None:
                continue
            if fields is None:
                result.pop(name, None)
            else:
                new = fields if isinstance(fields, Mapping) else {"read": fields}
                result[name] = {**result.get(name, {}), **new}
        if section == "parameters":
            for name in result.keys() & document.keys():
                result[name]["start"] = document[name]
    return result


def _block_reasons(
    documents: Sequence[Mapping[str, Any]], kpis: Mapping[str, Mapping[str, Any]]
) -> list[str]:
    listed: list[Any] = []
    for document in documents:
        written = document.get("block_reasons")
        listed = written if isinstance(written, list) else listed
    used = [fields.get("block_ratio") for fields in kpis.values()]
    return [item for item in dict.fromkeys([*listed, *used]) if isinstance(item, str)]


def _texts(entries: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> dict[str, dict[str, str]]:
    """Section to name to a text about it, for parameters and KPIs."""
    of = {"parameters": _parameter_text, "kpis": _kpi_text}
    return {
        section: {
            name: of[section](fields)[:_LONGEST_TEXT] if section in of else ""
            for name, fields in named.items()
        }
        for section, named in entries.items()
    }


def _parameter_text(fields: Mapping[str, Any]) -> str:
    low, high, choices = number(fields.get("min")), number(fields.get("max")), fields.get("choices")
    bounds = "" if low is None or high is None else f"{low:g} to {high:g} {_unit(fields)}".rstrip()
    listed = ", ".join(map(str, choices)) if isinstance(choices, list) else ""
    start = fields.get("start")
    figure = number(start)
    text = start if figure is None else f"{figure:g}"
    begin = f"start {text}" if isinstance(text, (bool, str)) else ""
    return _joined(fields, bounds or listed, begin)


def _kpi_text(fields: Mapping[str, Any]) -> str:
    sources = ("read", "block_ratio", "derive", "ratio", "difference")
    source = next((f"{name} {fields[name]}" for name in sources if name in fields), "")
    better = fields.get("better")
    way = f"better {better}" if better in ("up", "down") else ""
    return _joined(fields, source, _unit(fields), way)


def _unit(fields: Mapping[str, Any]) -> str:
    unit = fields.get("unit")
    return unit if isinstance(unit, str) and unit != "1" else ""


def _joined(fields: Mapping[str, Any], *parts: str) -> str:
    description = fields.get("description")
    about = description if isinstance(description, str) else ""
    return "; ".join(part for part in (about, *parts) if part)
