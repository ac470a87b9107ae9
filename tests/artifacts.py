"""Whether the JSON files of a run are valid: each against the schema that the package ships."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, Protocol

import fastjsonschema

from pytest_soak.schemas.registry import SCHEMAS, schema

FILES = {
    **{item.file: name for name, item in SCHEMAS.items() if item.file.endswith((".json", "jsonl"))},
    "POST_SOAK_SNAPSHOT_PRETTY.json": "snapshot",
}
"""Name of a file to the schema of it; a summary has a number for its ``n``."""
_NUMBER = re.compile(r"(?<=ITER_SUMMARY_)[0-9]+(?=\.json$)")


class Validate(Protocol):
    def __call__(self, value: Any) -> Any: ...


@cache
def validator(name: str) -> Validate:
    """A function that raises ``fastjsonschema.JsonSchemaValueException`` for an invalid value.

    It is compiled once: a run may have thousands of lines. It fills in no defaults.
    """
    compiled: Validate = fastjsonschema.compile(schema(name), use_default=False)
    return compiled


def problems(run: Path) -> list[str]:
    """What is not valid in the JSON files of a run and of its lanes, each with its file."""
    return [
        problem for path in files_of(run) for problem in problems_of(path, FILES[generic(path)])
    ]


def files_of(run: Path) -> list[Path]:
    """The JSON files of a run with a schema: its own, and those of its lanes."""
    return sorted(
        path
        for path in (*run.glob("*.json*"), *run.glob("*/*.json*"))
        if generic(path) in FILES and path.is_file()
    )


def generic(path: Path) -> str:
    """The name of a file, with ``n`` for the number of an iteration."""
    return _NUMBER.sub("n", path.name)


def problems_of(path: Path, name: str) -> Iterator[str]:
    """What is not valid in a file of the schema ``name``."""
    for place, value in enumerate(values_of(path), start=1):
        try:
            validator(name)(value)
        except fastjsonschema.JsonSchemaValueException as error:
            yield f"{path} ({place}): {error.message:.300}"


def values_of(path: Path) -> list[Any]:
    """The value of a file, or those of its lines; a last line without its end is none."""
    text = path.read_text("utf-8")
    if path.suffix != ".jsonl":
        return [json.loads(text)]
    return [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]
