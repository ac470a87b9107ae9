"""With what a run was made: byte-identity is promised for the same numpy and CPU features."""

from __future__ import annotations

import platform
from functools import cache
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import Any


@cache
def versions() -> dict[str, Any]:
    """Versions of what computes, and the CPU features that numpy's kernels choose by."""
    return {
        "python": platform.python_version(),
        "machine": platform.machine(),
        "pytest_soak": _version("pytest-soak"),
        "pytest": _version("pytest"),
        "numpy": _version("numpy"),
        "cpu_features": _cpu_features(),
    }


def _version(distribution: str) -> str | None:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return None


def _cpu_features() -> list[str]:
    # numpy publishes the list only in print (numpy.show_runtime); the attribute behind it has
    # kept its name over the 1.x and 2.x series.
    core = import_module("numpy._core._multiarray_umath")
    features: dict[str, bool] = getattr(core, "__cpu_features__", {})
    return sorted(name for name, present in features.items() if present)
