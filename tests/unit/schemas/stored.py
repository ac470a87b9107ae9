"""Writes the schemas that the package ships: ``python -m tests.unit.schemas.stored``."""

from __future__ import annotations

from pathlib import Path

import pytest_soak.schemas
from pytest_soak.schemas.registry import SCHEMAS, schema, text_of

FOLDER = Path(pytest_soak.schemas.__file__).parent


def main() -> None:
    for path in FOLDER.glob("*.json"):
        path.unlink()
    for name in SCHEMAS:
        (FOLDER / f"{name}.json").write_text(text_of(schema(name)), "utf-8")


if __name__ == "__main__":
    main()
