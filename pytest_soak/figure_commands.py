"""The commands that print figures of stored runs, and judge none: ``metrics``, ``value``, ``list``.

They exit with 0 whatever the verdict is, and with 3 for a run that still goes on.
"""

from __future__ import annotations

import sys
from pathlib import Path

from pytest_soak.offline import RUNNING_EXIT
from pytest_soak.printing import CommandError, note, print_json, show
from pytest_soak.report.metric_names import NameSet
from pytest_soak.report.metrics import metrics_text, value_text
from pytest_soak.run_list import list_lines, list_object, stored_runs
from pytest_soak.stored_metrics import (
    StoredFigures,
    ValueNotFound,
    ValueNotKnown,
    stored_figures,
    value_of,
)

NO_VALUE_EXIT = 1


def print_metrics(path: str, names: NameSet | None, *, unsealed: bool) -> int:
    """Print the metrics file of the session, by default under the names that it wrote."""
    stored = _stored(path, unsealed=unsealed)
    sys.stdout.write(metrics_text(stored.figures, names or stored.names))
    return RUNNING_EXIT if stored.running else 0


def print_value(path: str, name: str, lane: str | None, *, unsealed: bool) -> int:
    """Print one value as the metrics file has it, or nothing if the run does not have it."""
    stored = _stored(path, unsealed=unsealed)
    exit_code = 0
    try:
        print(value_text(value_of(stored.figures, name, lane)))
    except ValueNotFound as error:
        raise CommandError(f"{path}: {error}") from error
    except ValueNotKnown as error:
        note(f"pytest-soak: {path}: {error}")
        exit_code = NO_VALUE_EXIT
    return RUNNING_EXIT if stored.running else exit_code


def print_list(path: str, *, as_json: bool) -> int:
    """Print the runs of a soak directory."""
    runs = stored_runs(Path(path))
    if as_json:
        print_json(list_object(runs))
    else:
        show("\n".join(list_lines(runs)))
    return 0


def _stored(path: str, *, unsealed: bool) -> StoredFigures:
    stored = stored_figures(path, unsealed=unsealed)
    if stored.running:
        note(stored.running)
    return stored
