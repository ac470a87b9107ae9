"""The pages of the runs, by the command that a user calls."""

from __future__ import annotations

from pathlib import Path

from pytest_soak.cli import main
from tests.browser.runs import make_run


class Pages:
    """Runs and their pages below a folder; each is made when it is first asked for."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def page(self, name: str) -> Path:
        """The page of the run of that name. Raises RuntimeError if it cannot be made."""
        path = self.folder / f"{name}.html"
        if not path.exists():
            code = main(["report", str(self.directory(name)), "-o", str(path)])
            if code not in (0, 1, 2) or not path.exists():
                raise RuntimeError(f"pytest-soak report of the run {name} ended with {code}")
        return path

    def directory(self, name: str) -> Path:
        """The directory of the run of that name. Raises RuntimeError if it cannot be made."""
        folder = self.folder / name
        latest = folder / "artifacts" / "soak" / "latest"
        return latest if latest.exists() else make_run(name, folder)
