"""A pytest plugin of ``run.py``: an error if the imported package is not the copy."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

HERE = "SOAK_MUTANT_COPY"


def pytest_configure() -> None:
    import pytest_soak

    imported, copy = Path(str(pytest_soak.__file__)).resolve(), os.environ[HERE]
    if not imported.is_relative_to(Path(copy).resolve()):
        raise pytest.UsageError(f"{imported} is imported, not the copy in {copy}")
