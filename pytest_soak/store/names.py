"""The names of files and directories of a run, in one place."""

from __future__ import annotations

import re

from pytest_soak.store.errors import StoreError

LATEST = "latest"
RUNS = "runs"
RUN = "run.json"
SEAL = "judgement.jsonl"
JOURNAL = "journal.jsonl"
TIMING = "timing.jsonl"
RESOURCES = "resources.jsonl"
RUNTIME = "runtime_overrides.json"
APPLIED_PROFILE = "applied_profile.json"
TUNING_REPORT = "TUNING_REPORT.json"
TUNING_STATE = "TUNING_STATE.json"
DELTA_VERIFY = "DELTA_VERIFY.json"
DELTA_VERIFY_REPORT = "DELTA_VERIFY_REPORT.md"
SNAPSHOT = "POST_SOAK_SNAPSHOT.json"
SNAPSHOT_PRETTY = "POST_SOAK_SNAPSHOT_PRETTY.json"
AUDIT = "POST_SOAK_AUDIT.md"
RECOMMENDATIONS = "RECOMMENDATIONS.md"
FAILURES = "FAILURES.md"
REPORT = "REPORT.html"
SWEEP = "SWEEP.md"
SWEEP_TABLE = "SWEEP.csv"
SWEEP_PICTURE = "SWEEP.svg"
METRICS = "POST_SOAK_METRICS.prom"
LOG = "run.log"
TARGET = "target"
"""The directory of a lane's target, in that of the lane."""
BRIDGE = "bridge_state.json"
STACKS = "STACKS.txt"
LOCK = ".lock"
JOURNAL_LOCK = ".journal.lock"
JOURNAL_HOLDER = ".journal-holder.json"
LOCK_HOLDER = ".lock-holder.json"

FILES_OF_A_RUN = frozenset(
    {
        *(RUN, SEAL, JOURNAL, TIMING, RESOURCES, RUNTIME, APPLIED_PROFILE, LOG, STACKS),
        *(TUNING_REPORT, TUNING_STATE, DELTA_VERIFY, DELTA_VERIFY_REPORT),
        *(SNAPSHOT, SNAPSHOT_PRETTY, AUDIT, RECOMMENDATIONS, FAILURES, REPORT, METRICS),
        *(SWEEP, SWEEP_TABLE, SWEEP_PICTURE),
    }
)

JUDGED = (
    *(TUNING_REPORT, DELTA_VERIFY, DELTA_VERIFY_REPORT, SNAPSHOT, SNAPSHOT_PRETTY),
    *(AUDIT, RECOMMENDATIONS, FAILURES, REPORT, METRICS),
    *(SWEEP, SWEEP_TABLE, SWEEP_PICTURE),
)
"""The files that the end of a run writes; they are outdated when the run is resumed."""

_IDENTIFIER = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")


def iteration_summary(iteration: int) -> str:
    return f"ITER_SUMMARY_{iteration}.json"


def checked_identifier(kind: str, value: object) -> str:
    """``value`` if it can name a directory (``kind`` is for the message); else StoreError."""
    if isinstance(value, str) and _IDENTIFIER.fullmatch(value):
        return value
    raise StoreError(
        f"the {kind} {value!r} cannot name a directory: it must be 1 to 100 ASCII letters, digits, "
        "'_', '.' or '-', and begin with a letter or a digit"
    )
