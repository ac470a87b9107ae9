"""For the project's own tests."""

from __future__ import annotations

# Session tests run pytest inside this process and forget the modules that it imported. An
# extension module cannot be loaded twice, so it is loaded here, before any of them begins.
import msgspec  # noqa: F401
import numpy  # noqa: F401
import yaml  # noqa: F401

pytest_plugins = ["pytester"]
