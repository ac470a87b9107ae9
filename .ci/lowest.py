"""Print the lowest versions that pyproject.toml declares, as ``pip`` requirements, one per line.

python .ci/lowest.py [EXTRA ...]
"""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

DECLARATION = Path(__file__).parents[1] / "pyproject.toml"
PROJECT = tomllib.loads(DECLARATION.read_text("utf-8"))["project"]
DECLARED = re.compile(r"(?P<name>[A-Za-z0-9_.-]+)>=(?P<lowest>[0-9.]+)")


def main() -> None:
    requirements = list(PROJECT["dependencies"])
    for extra in sys.argv[1:]:
        requirements += PROJECT["optional-dependencies"][extra]
    for requirement in dict.fromkeys(requirements):
        match = DECLARED.match(requirement)
        if match is None:
            raise SystemExit(f"pyproject.toml: {requirement!r} declares no lowest version")
        print(f"{match['name']}=={match['lowest']}")


if __name__ == "__main__":
    main()
