"""``python -m pytest_soak`` is ``pytest-soak``."""

from __future__ import annotations

import sys

from pytest_soak.cli import main

if __name__ == "__main__":
    sys.exit(main())
