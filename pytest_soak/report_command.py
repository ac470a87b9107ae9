"""The command that writes REPORT.html of a stored run: ``report``.

It exits with 0 whatever the verdict is, and with 3 for a run that still goes on.
"""

from __future__ import annotations

import sys
from pathlib import Path

from pytest_soak.offline import RUNNING_EXIT
from pytest_soak.printing import CommandError, note
from pytest_soak.run_state import holder_of
from pytest_soak.store import names
from pytest_soak.store.atomic import atomic_write_text
from pytest_soak.store.rundir import RunDirectory
from pytest_soak.stored_report import stored_report, view_json

STDOUT = "-"


def write_report(path: str, output: str | None, *, as_json: bool = False) -> int:
    """Write the page to ``output``: a file, ``-`` for stdout, by default the run's own file.

    ``as_json``: the view of the run that the page is drawn from, by default to stdout.

    Raises CommandError for the own file of a run that goes on, StoreError for a run that cannot be
    read and for a file that cannot be written.
    """
    directory = RunDirectory.open(Path(path))
    running = holder_of(directory) is not None
    if as_json and output is None:
        output = STDOUT
    if running and output is None:
        raise CommandError(
            f"{path}: the run goes on, and its session writes the files of its directory; "
            "name another file: -o FILE, or -o - for stdout"
        )
    text = view_json(path) if as_json else stored_report(path)
    if output == STDOUT:
        sys.stdout.write(text)
    else:
        target = Path(output) if output is not None else directory.path / names.REPORT
        atomic_write_text(target, text)
        note(f"written: {target}")
    return RUNNING_EXIT if running else 0
