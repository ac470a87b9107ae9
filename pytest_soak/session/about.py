"""What ``run.json`` has on a session: its settings, its code, its command line."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pytest_soak.fingerprint import versions
from pytest_soak.session.sources import Source, hashes_of
from pytest_soak.settings import Settings


def target_name(settings: Settings) -> str:
    return settings.target or "conftest"


def about_sources(sources: Sequence[Source]) -> dict[str, Any]:
    """The fields of ``run.json`` on the code that decides: its places, and the files' hashes."""
    files = {"files": hashes_of(sources)} if sources else {}
    return {
        "hooks": [
            {"hook": source.hook, "file": source.file, "line": source.line} for source in sources
        ],
        "versions": {**versions(), **files},
    }


def about_run(
    settings: Settings, resumed: int, sources: Sequence[Source], command: Sequence[str]
) -> dict[str, Any]:
    """The fields of ``run.json`` on how a session was started, but for its lanes.

    ``command`` is its command line without secrets.
    """
    return {
        "command": list(command),
        "iterations": settings.iterations,
        "interval_s": settings.interval_s,
        "target": target_name(settings),
        "mock": settings.mock,
        "tune": settings.tune,
        "dry_run": settings.dry_run,
        "strict": settings.strict,
        "metrics": settings.metrics,
        "timeout_s": settings.timeout_s,
        "data": settings.data,
        "profiles": list(settings.profiles),
        "reference": str(settings.reference) if settings.reference else None,
        "resumed": resumed,
        **about_sources(sources),
        **({"sweep": list(settings.sweep)} if settings.sweep else {}),
    }


def data_hash(settings: Settings) -> str | None:
    """What the recorded data are, for a resume to know them again."""
    if settings.data is None or not Path(settings.data).is_file():
        return None
    with Path(settings.data).open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
