"""Options, environment and ini resolved into one frozen :class:`Settings`.

Precedence: command line > environment > ini > section ``run`` of the profile > default. No other
module reads them (:mod:`pytest_soak.option_values` reads one value).
"""

from __future__ import annotations

import math
import os
import re
import shlex
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal

import pytest

from pytest_soak.canonical import escaped
from pytest_soak.option_values import (
    LONGEST_TIMEOUT_S,
    MOST_ITERATIONS,
    Given,
    Sources,
    count_of,
    finite,
    matching,
    path_of,
    positive,
    read,
    read_list,
    refusal,
    seed,
    timeout,
    word,
)
from pytest_soak.profile.errors import ProfileError
from pytest_soak.profile.resolve import ReadSource, is_path, run_defaults

_FACTORY = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*:[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*")
_SCENARIO = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}(?:@[0-9]{1,9})?")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_SECRET_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{2,63}")
NameSet = Literal["original", "clean"]
_METRICS: Mapping[str, NameSet] = {"original": "original", "clean": "clean"}
_ON_OFF: Mapping[str, bool] = {"on": True, "off": False}
_STEP_SUMMARY = "GITHUB_STEP_SUMMARY"
"""The variable in which GitHub names the file whose Markdown it shows on the page of a job."""
_NO_FILES = frozenset({"on", "yes", "no", "true", "false", "none", "0", "1"})
"""Texts that are meant as a switch, and would be taken for the name of a file."""
LIVE = "live"
"""The target whose processes the profile declares."""


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of one soak session."""

    iterations: int
    profiles: tuple[str, ...]
    explicit_profile: bool
    symbols: tuple[str, ...]
    """Empty: each profile's own, which may be none."""
    seeds: tuple[int, ...]
    target: str | None
    """``mock``, ``replay``, ``live``, another registered name or ``module:factory``; None: the hook
    ``pytest_soak_target``."""
    target_folder: Path
    """Where the module of ``module:factory`` may lie, beside those that Python finds anyway."""
    mock: bool
    """Whether the gate judges by the profile's mock limits."""
    interval_s: float
    data: str | None
    scenarios: tuple[str, ...]
    """``NAME`` or ``NAME@ITERATION``; scheduled in addition to those of the profile."""
    tune: bool
    dry_run: bool
    timeout_s: float | None
    directory: Path
    resume: bool
    strict: bool
    reference: Path | None
    """A stored run with the tuner off (A/A); the gate judges by its noise."""
    export_json: Path | None
    export_md: Path | None
    metrics: NameSet = "original"
    """The set of names in ``POST_SOAK_METRICS.prom`` (``report.metric_names``)."""
    sweep: tuple[str, ...] = ()
    """The parts of ``--soak-sweep`` as texts, one per parameter."""
    mask: tuple[str, ...] | None = ()
    """Names of secrets beside the known ones; None: nothing is masked."""
    command: tuple[str, ...] = ()
    """``--soak-command`` as arguments: the one process of a live target."""
    root: Path = Path()
    """What a relative path of a live target is relative to: where pytest was called."""
    summary: Path | None = None
    """The file of the Markdown summary of the run; None: no summary is written."""
    appends_summary: bool = False
    """The summary is appended to the file; else it replaces the file."""
    report: bool = True
    """Whether the run gets its report as one HTML file."""
    by_profile: tuple[str, ...] = ()
    """Which of interval, iterations and target the section ``run`` of the profile gave."""


def resolve_settings(
    config: pytest.Config, read_source: ReadSource, environment: Mapping[str, str] = os.environ
) -> Settings | None:
    """The settings of the soak, or None if the session is no soak.

    ``read_source`` reads the profile, which may have defaults of its own. Raises pytest.UsageError
    for a bad value; it names the option, the value and a right one.
    """
    sources = Sources(config, environment)
    read(sources.given("interval", "SOAK_SLEEP_SECONDS"), positive, 300.0, "seconds above 0")
    if not _is_asked(sources):
        return None
    profile = sources.given("profile", "SOAK_PROFILE", "MM_PROFILE")
    profiles = _profiles(profile, sources.working)
    left_open = _left_open(sources) if profile else ()
    sources = sources.with_defaults(_of_profiles(profiles, read_source, left_open))
    given_interval = sources.given("interval", "SOAK_SLEEP_SECONDS")
    interval = read(given_interval, positive, 300.0, "seconds above 0")
    iterations, iterations_by = _iterations(sources, interval)
    given_target = sources.given("target")
    mock, target, target_folder = _target(sources, given_target)
    command = _command(sources)
    if command and (target is None or (given_target is not None and given_target.level == 3)):
        target = LIVE
    if command and target != LIVE:
        raise pytest.UsageError(
            f"soak: --soak-command starts a live target, and the target is {escaped(target or '')}"
        )
    by_profile = {
        "interval": given_interval,
        "iterations": iterations_by,
        "target": None if mock or command else given_target,
    }
    summary, appends_summary = _summary(sources)
    sweep = _sweep(config)
    return Settings(
        iterations=iterations,
        profiles=profiles,
        explicit_profile=profile is not None,
        symbols=read_list(sources.given("symbol"), matching(_NAME), (), "letters, digits, _ . -"),
        seeds=read_list(sources.given("seed", "SOAK_SEED"), seed, (1,), "whole numbers from 0"),
        target=target,
        target_folder=target_folder,
        mock=mock,
        interval_s=interval,
        data=str(data) if (data := path_of(sources.given("data"))) else None,
        scenarios=read_list(
            sources.given("scenario"),
            matching(_SCENARIO),
            (),
            "a scenario's NAME or NAME@ITERATION",
        ),
        tune=not sources.flag("soak_no_tune")
        and bool(config.getini("soak_tune"))
        # A tuner would move the lane away from the requested point.
        and (not sweep or sources.flag("soak_sweep_tune")),
        dry_run=sources.flag("soak_dry_run"),
        timeout_s=read(
            sources.given("timeout"),
            timeout,
            None,
            f"seconds above 0 and up to {LONGEST_TIMEOUT_S:,}",
        ),
        directory=path_of(sources.given("dir")) or sources.working / "artifacts/soak",
        resume=sources.flag("soak_resume"),
        strict=sources.flag("soak_strict") or bool(config.getini("soak_strict")),
        reference=_reference(sources),
        export_json=path_of(sources.given("export_json", ini=False)),
        export_md=path_of(sources.given("export_md", ini=False)),
        metrics=read(sources.given("metrics"), _METRICS.get, "original", "original or clean"),
        sweep=sweep,
        mask=_mask(sources.given("mask")),
        command=command,
        root=sources.working.absolute(),
        summary=summary,
        appends_summary=appends_summary,
        report=read(sources.given("report"), _on_off, default=True, right="on or off"),
        by_profile=tuple(
            name for name, given in by_profile.items() if given is not None and given.level == 3
        ),
    )


def _summary(sources: Sources) -> tuple[Path | None, bool]:
    """The file of ``--soak-summary``, and whether the summary is appended to it.

    ``auto`` is the file that GitHub names for a step, to which every session of the step appends.
    """
    given = sources.given("summary")
    if given is None or given.text.strip().lower() == "auto":
        named = sources.variable(_STEP_SUMMARY)
        return (sources.working / named, True) if named else (None, False)
    text = given.text.strip()
    if text.lower() == "off":
        return None, False
    if text.lower() in _NO_FILES:
        raise refusal(given.where, text, f"auto, off or a file (./{text} is a file)")
    return path_of(given), False


def _on_off(text: str) -> bool | None:
    return _ON_OFF.get(text.strip().lower())


def _command(sources: Sources) -> tuple[str, ...]:
    """``--soak-command`` split as a shell does; no shell runs it."""
    given = sources.given("command")
    if given is None:
        return ()
    try:
        parts = tuple(shlex.split(given.text))
    except ValueError as error:
        raise pytest.UsageError(f"soak: {given.where}: {error}") from error
    if not parts or not parts[0]:
        raise pytest.UsageError(f"soak: {given.where}: there is no program in it")
    return parts


def _is_asked(sources: Sources) -> bool:
    """Whether an option or a variable starts a soak; neither the ini nor a profile does."""
    return any(_length(sources)) or sources.flag("soak")


def _length(sources: Sources) -> tuple[Given | None, Given | None]:
    """The number of iterations, or the hours, by option or variable: the stronger of both."""
    count = sources.given("iterations", "SOAK_ITERATIONS", ini=False)
    hours = sources.given("hours", "SOAK_HOURS", ini=False)
    if hours and hours.level == 1 and finite(hours.text) == 0:
        hours = None
    if count and hours:
        if count.level == hours.level:
            raise pytest.UsageError(
                f"soak: {count.where} and {hours.where} are both given; give one of them"
            )
        return (count, None) if count.level < hours.level else (None, hours)
    return count, hours


def _iterations(sources: Sources, interval_s: float) -> tuple[int, Given | None]:
    """The number of iterations, and what gave it; ini and profile say the N of ``--soak``."""
    count, hours = _length(sources)
    kind = f"a whole number from 1 to {MOST_ITERATIONS:,}"
    if hours:
        span = read(hours, positive, 0.0, "hours above 0")
        exact = span * 3600 / interval_s
        needed = math.ceil(exact - 1e-9) if exact < 2 * MOST_ITERATIONS else 2 * MOST_ITERATIONS
        if needed > MOST_ITERATIONS:
            right = f"hours that take at most {MOST_ITERATIONS:,} iterations"
            raise refusal(hours.where, hours.text, right)
        return max(needed, 1), hours
    given = count or sources.given("iterations")
    return read(given, count_of, 24, kind), given


def _left_open(sources: Sources) -> tuple[str, ...]:
    """Which of the settings that a profile may have are given nowhere else."""
    given = {
        "interval": sources.given("interval", "SOAK_SLEEP_SECONDS"),
        "iterations": next(filter(None, _length(sources)), None) or sources.given("iterations"),
        "target": sources.given("target"),
    }
    return tuple(name for name, value in given.items() if value is None)


def _of_profiles(
    profiles: Sequence[str], read_source: ReadSource, names: Collection[str]
) -> dict[str, Given]:
    """What the sections ``run`` of the profiles say of ``names``; one session has one of each.

    Raises pytest.UsageError for two different ones, and for a profile that cannot be read.
    """
    result: dict[str, Given] = {}
    try:
        for reference in profiles:
            defaults = run_defaults(reference, read_source) if names else {}
            for name, item in defaults.items():
                if name not in names:
                    continue
                text = f"{item.value:.15g}" if isinstance(item.value, float) else str(item.value)
                where = f"profile {item.profile}, run.{name}"
                other = result.setdefault(name, Given(text, where, 3, Path(item.file).parent))
                if other.text != text:
                    raise pytest.UsageError(
                        f"soak: {other.where} is {escaped(other.text)}, and {where} is "
                        f"{escaped(text)}; give --soak-{name}"
                    )
    except ProfileError as error:
        raise pytest.UsageError(escaped(f"soak: {error}")) from error
    return result


def _sweep(config: pytest.Config) -> tuple[str, ...]:
    """The parts of ``--soak-sweep``: the option may be repeated, or separate parts by ``;``."""
    given: list[str] = config.getoption("soak_sweep", None) or []
    tune, off = config.getoption("soak_sweep_tune"), config.getoption("soak_no_tune")
    if tune and not given:
        raise pytest.UsageError("soak: --soak-sweep-tune is for a sweep; give --soak-sweep")
    if tune and off:
        raise pytest.UsageError("soak: --soak-sweep-tune and --soak-no-tune are both given")
    parts = [part.strip() for text in given for part in text.split(";")]
    if given and not all(parts):
        raise pytest.UsageError("soak: --soak-sweep: a part of it is empty")
    return tuple(parts)


def _target(sources: Sources, given: Given | None) -> tuple[bool, str | None, Path]:
    """Whether the gate uses mock limits, the target's name, and the folder of its module."""
    if sources.flag("soak_mock"):
        if given and given.level == 0 and given.text != "mock":
            raise pytest.UsageError(
                f"soak: --soak-mock and --soak-target={escaped(given.text)} name two targets; "
                "give one"
            )
        return True, "mock", sources.working
    if not (given and given.level == 0) and sources.switch("USE_MOCK"):
        return True, "mock", sources.working
    if given is None:
        return False, None, sources.working
    from pytest_soak.targets.registry import ALIASES, names

    known_names = names()
    if given.text in ALIASES:
        return False, ALIASES[given.text], given.folder
    if given.text in known_names or _FACTORY.fullmatch(given.text):
        return False, given.text, given.folder
    near = get_close_matches(given.text, known_names, n=1)
    hint = f" (did you mean {near[0]!r}?)" if near else ""
    raise refusal(given.where, given.text, f"{', '.join(known_names)} or module:factory{hint}")


def _profiles(given: Given | None, working: Path) -> tuple[str, ...]:
    """Names of shipped profiles, and files as seen from the working directory."""
    references = read_list(given, word, ("steady",), "a profile's name or file")
    if given is None or given.folder == working:
        return references
    return tuple(
        _seen_from(working, given.folder / reference) if is_path(reference) else reference
        for reference in references
    )


def _seen_from(folder: Path, path: Path) -> str:
    """Relative, so that a stored run names no folder above the project."""
    try:
        return os.path.relpath(path, folder)
    except ValueError:  # another drive
        return str(path)


def _mask(given: Given | None) -> tuple[str, ...] | None:
    if given is not None and given.text.strip().lower() == "off":
        return None
    return read_list(given, matching(_SECRET_NAME), (), "off, or names of letters, digits, _ . -")


def _reference(sources: Sources) -> Path | None:
    """The path of ``--soak-reference``; refuses ``--soak-compare``, which is not there yet."""
    compare = sources.given("compare")
    if compare is not None:
        raise pytest.UsageError(
            f"soak: {compare.where}: comparing with earlier runs is not available yet; the noise "
            f"of a tuner-off run is given by --soak-reference={escaped(compare.text):.200}"
        )
    return path_of(sources.given("reference"))


def as_data(settings: Settings) -> dict[str, Any]:
    """The settings as plain values, for an xdist worker."""
    return {
        name: str(value) if isinstance(value := getattr(settings, name), Path) else value
        for name in Settings.__dataclass_fields__
    }


_PATHS = (
    *("directory", "target_folder", "reference", "export_json", "export_md", "root"),
    "summary",
)
_TUPLES = (
    *("profiles", "symbols", "seeds", "scenarios", "sweep", "mask", "command"),
    "by_profile",
)


def from_data(data: Mapping[str, Any]) -> Settings:
    """The inverse of :func:`as_data`."""
    values = dict(data)
    for name in _PATHS:
        values[name] = Path(values[name]) if values[name] is not None else None
    for name in _TUPLES:
        values[name] = None if values[name] is None else tuple(values[name])
    return Settings(**values)
