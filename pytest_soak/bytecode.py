"""Load the package's modules from the bytecode that the installer compiled.

pytest rewrites the assertions of every module of a plugin's distribution at its first import. This
package has no assertions to rewrite, and the rewriting takes half of the CPU time of the first
session after an install, as in every CI job.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType

_PREFIX = __name__.partition(".")[0] + "."


class OwnModules(MetaPathFinder):
    """Finds the modules of this package, and no others, as Python does without pytest."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The spec of a module of this package; None for any other module."""
        return (
            PathFinder.find_spec(fullname, path, target) if fullname.startswith(_PREFIX) else None
        )


def install() -> None:
    """Put the finder first on ``sys.meta_path``, once."""
    if not any(isinstance(finder, OwnModules) for finder in sys.meta_path):
        sys.meta_path.insert(0, OwnModules())
