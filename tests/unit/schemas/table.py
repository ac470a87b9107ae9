"""The table of docs/profile_fields.md: every field, and by what a wrong value of it is refused.

``python -m tests.unit.schemas.table`` writes it.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pytest_soak.live.field_texts import FIELD_TEXTS as OF_TARGET
from pytest_soak.profile.field_texts import FIELD_TEXTS
from tests.unit.schemas.check import check_error, schema_error
from tests.unit.schemas.fields import (
    Place,
    out_of_range,
    places,
    removed,
    replaced,
    wrong_types,
)
from tests.unit.schemas.full_profiles import documents

PAGE = Path(__file__).parents[3] / "docs" / "profile_fields.md"
BEGIN, END = "<!-- fields -->", "<!-- end of fields -->"
HEAD = ("field", "meaning", "wrong type", "out of range", "missing", "unknown key")
TEXTS = {**FIELD_TEXTS, **OF_TARGET}
FREE = ("constants", "parameters", "kpis", "rules", "scenarios", "processes", "options", "headers",
        "env", "keys", "echo", "labels", "inputs")  # fmt: skip
"""Fields with names of the user's own; those of ``keys``, ``echo`` and ``inputs`` count when a run
begins."""
UNKNOWN = "nowhere"
ORDER = ("extends", "description", "tags", "run", "symbol", "constants", "parameters", "kpis",
         "block_reasons", "verdict", "CONDITIONS", "rules", "guards", "gate", "scenarios",
         "target")  # fmt: skip


@dataclass
class Refusals:
    """Of one field: column to what refused (``schema``, ``check``, or ``-`` for nothing)."""

    text: str
    by: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))

    def cells(self, label: str) -> tuple[str, ...]:
        cells = (", ".join(sorted(self.by[column], reverse=True)) for column in HEAD[2:])
        return (f"`{label}`", self.text.replace("|", "\\|"), *cells)


def refusals() -> tuple[dict[str, Refusals], list[str]]:
    """Every field, in the order of the documents; and the cases that must not be.

    These are a value that neither refuses, and one that the schema alone refuses.
    """
    fields: dict[str, Refusals] = {}
    wrong: list[str] = []
    for name, document in documents().items():
        for place in places(document):
            row = fields.setdefault(place.label, Refusals(TEXTS[place.struct][place.name]))
            for column, case, must in cases(document, place):
                by_schema, by_check = schema_error(case), check_error(case)
                row.by[column].add("schema" if by_schema else "check" if by_check else "-")
                if (by_schema and not by_check) or (must and not by_check):
                    given = _at(case, place)
                    wrong.append(f"{name}: {place.path} {column}: {given!r}: {by_schema!r}")
    return fields, wrong


def cases(document: dict[str, Any], place: Place) -> list[tuple[str, dict[str, Any], bool]]:
    """Column to a document with one wrong value, and whether it must be refused."""
    result = [
        ("wrong type", replaced(document, place.path, value), True)
        for value in wrong_types(place.type)
    ]
    result += [
        ("out of range", replaced(document, place.path, value), True)
        for value in out_of_range(place.type)
    ]
    if place.required:
        result.append(("missing", removed(document, place.path), False))
    value = _at(document, place)
    if isinstance(value, dict) and place.name not in FREE:
        other = {**value, UNKNOWN: next(iter(value.values()), 1)}
        result.append(("unknown key", replaced(document, place.path, other), True))
    return result


def _at(document: dict[str, Any], place: Place) -> Any:
    node: Any = document
    for part in place.path:
        if isinstance(node, dict) and part not in node:
            return "missing"
        node = node[part]
    return node


def table() -> str:
    """The rows, as Markdown."""
    fields, _ = refusals()
    labels = sorted(fields, key=lambda label: ORDER.index(label.partition(".")[0]))
    rows = [HEAD, ("---",) * len(HEAD), *(fields[label].cells(label) for label in labels)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in rows)


def stored() -> str:
    """The rows that the page has."""
    return parted()[1]


def parted() -> tuple[str, str, str]:
    """The page before its rows, the rows, and the rest."""
    before, _, rest = PAGE.read_text("utf-8").partition(f"{BEGIN}\n\n")
    rows, _, after = rest.partition(f"\n\n{END}")
    return f"{before}{BEGIN}\n\n", rows, f"\n\n{END}{after}"


def main() -> None:
    before, _, after = parted()
    PAGE.write_text(before + table() + after, "utf-8")


if __name__ == "__main__":
    main()
