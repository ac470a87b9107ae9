"""Usage errors as a terminal may show them: one line, without secrets."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from pytest_soak.canonical import escaped
from pytest_soak.masking import Masker


@contextmanager
def clean_refusals(mask: Masker) -> Iterator[None]:
    """A usage error that is raised inside has texts of others in it: of files, names, imports."""
    try:
        yield
    except pytest.UsageError as error:
        texts = [escaped(mask(str(part))) for part in error.args]
        raise pytest.UsageError(*texts) from error
