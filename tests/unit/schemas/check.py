"""What ``profile check`` and the schema of a profile's file answer to a document."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

from fastjsonschema import JsonSchemaValueException
from fastjsonschema import compile as compiled

from pytest_soak.live.declared import check_target
from pytest_soak.profile.errors import ProfileError
from pytest_soak.profile.resolve import Source, resolve
from pytest_soak.profile.schema import KnownNames
from pytest_soak.schemas.registry import profile_schema
from pytest_soak.store.sources import read_source

NAME = "full"
"""The name of a profile that is checked, as if it were a file of that name."""


def check_error(document: Any) -> str:
    """Why ``profile check`` refuses the document; empty if it accepts it."""
    # As JSON, which is YAML: every text stays a text.
    data = json.dumps(document, ensure_ascii=False).encode()

    def read(reference: str, referrer: str | None) -> Source:
        if reference == f"{NAME}.yaml":
            return Source(f"{NAME}.yaml", data)
        return read_source(reference)

    try:
        check_target(resolve(f"{NAME}.yaml", read))
    except ProfileError as error:
        return str(error)
    return ""


@cache
def _validator() -> Any:
    return compiled(profile_schema(KnownNames()), use_default=False)


def schema_error(document: Any) -> str:
    """Why the schema refuses the document; empty if it accepts it."""
    try:
        _validator()(document)
    except JsonSchemaValueException as error:
        return str(error.message)
    return ""
