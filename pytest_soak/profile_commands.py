"""The commands about one profile: ``profile show`` and ``profile check``. They contact nothing."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pytest_soak.canonical import escaped
from pytest_soak.live.declared import check_target
from pytest_soak.printing import CommandError, print_json, show
from pytest_soak.profile.errors import ProfileError
from pytest_soak.profile.model import Profile
from pytest_soak.profile.resolve import Resolved, is_path, resolve, run_defaults
from pytest_soak.profile.warnings import PlacedWarning, placed_warnings
from pytest_soak.report.profile_text import profile_text
from pytest_soak.report.profile_warnings import warning_lines
from pytest_soak.store.sources import read_source


def show_profile(name: str, *, as_json: bool) -> int:
    """Print a resolved profile. Raises ProfileError."""
    resolved = resolve(name, read_source)
    if as_json:
        print_json(resolved.profile.document)
    else:
        text = profile_text(resolved.profile, resolved.origins, resolved.scenarios.values())
        show(text, end="")
    return 0


def check_profile(name: str, *, as_json: bool, strict: bool) -> int:
    """Print whether a profile can be used, and its warnings. 1 if not; with ``strict`` also for a
    warning."""
    if is_path(name) and not Path(name).is_file():
        raise CommandError(f"{name}: there is no such file")
    try:
        resolved, items = checked_profile(name)
    except ProfileError as error:
        if as_json:
            print_json({"verdict": "FAIL", "error": str(error), "warnings": []})
        else:
            show(escaped(f"FAIL {error}"))
        return 1
    if as_json:
        print_json(_document(resolved.profile, items))
    else:
        show("\n".join([_headline(resolved.profile, items), *warning_lines(items)]))
    return int(strict and bool(items))


def checked_profile(name: str) -> tuple[Resolved, tuple[PlacedWarning, ...]]:
    """The profile with its section ``target`` checked, and its warnings. Raises ProfileError."""
    resolved = resolve(name, read_source)
    check_target(resolved)
    return resolved, warnings_of(name, resolved)


def warnings_of(name: str, resolved: Resolved) -> tuple[PlacedWarning, ...]:
    """The warnings of the profile ``name``, for a run as its section ``run`` has it."""
    iterations = run_defaults(name, read_source).get("iterations")
    planned = None if iterations is None else int(iterations.value)
    return placed_warnings(resolved.profile, resolved.places, planned)


def counts_of(profile: Profile) -> dict[str, int]:
    """How much of each section the profile has."""
    return {
        "parameters": len(profile.parameters),
        "KPIs": len(profile.kpis),
        "rules": len(profile.rules),
        "gated KPIs": len(profile.gate.criteria),
    }


def counts_text(profile: Profile) -> str:
    """``10 parameters, 14 KPIs, 1 rule, 4 gated KPIs``."""
    return ", ".join(
        f"{count} {name.removesuffix('s') if count == 1 else name}"
        for name, count in counts_of(profile).items()
    )


def _headline(profile: Profile, items: Sequence[PlacedWarning]) -> str:
    counted = counts_text(profile)
    several = f"; {len(items)} warning{'s' * (len(items) > 1)}" if items else ""
    return f"OK {profile.name}: {counted}{several}"


def _document(profile: Profile, items: Sequence[PlacedWarning]) -> dict[str, Any]:
    return {
        "profile": profile.name,
        "verdict": "WARN" if items else "OK",
        "error": None,
        "counts": {name.replace(" ", "_"): count for name, count in counts_of(profile).items()},
        "warnings": [item.document() for item in items],
    }
