"""Options, environment and ini resolved into one frozen :class:`Settings`.

Precedence: command line > environment > ini > default. No other module reads them. A relative path
belongs to the folder of the ini file that has it (also where it is in ``addopts``); one of the
command line or the environment belongs to the directory in which pytest was called.
"""

from __future__ import annotations

import math
import os
import re
import shlex
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal, TypeVar

import pytest

from pytest_soak.canonical import escaped, number
from pytest_soak.profile.resolve import is_path

T = TypeVar("T")

_FACTORY = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*:[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*")
_SCENARIO = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}(?:@[0-9]{1,9})?")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_SECRET_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{2,63}")
_MOST_ITERATIONS = 1_000_000
NameSet = Literal["original", "clean"]
_METRICS: Mapping[str, NameSet] = {"original": "original", "clean": "clean"}
_DAY = 86_400
LIVE = "live"
"""The target whose processes the profile declares."""
_TRUE = ("1", "true", "yes", "on")
_FALSE = ("", "0", "false", "no", "off")


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of one soak session."""

    iterations: int
    profiles: tuple[str, ...]
    explicit_profile: bool
    symbols: tuple[str, ...]
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


@dataclass(frozen=True, slots=True)
class _Given:
    """A text and its source, for error messages."""

    text: str
    where: str
    level: int
    """0 command line, 1 environment, 2 ini, 3 default."""
    folder: Path
    """What a relative path in the text is relative to."""


class _Sources:
    """Reads a value from the strongest source that has it."""

    def __init__(self, config: pytest.Config, environment: Mapping[str, str]) -> None:
        self._config = config
        self._environment = environment
        self.working = config.invocation_params.dir
        ini = config.inipath
        self._beside_ini = self.working if ini is None else ini.parent
        # `-o soak_dir=x` is read like an ini value, and was given on the command line.
        overridden: Iterable[str] = config.getoption("override_ini", None) or ()
        self._overridden = {text.partition("=")[0] for text in overridden}

    def flag(self, name: str) -> bool:
        return bool(self._config.getoption(name))

    def given(self, name: str, variable: str = "", *, ini: bool = True) -> _Given | None:
        """The first of option ``--soak-NAME``, variable and ini ``soak_NAME`` that is set."""
        option = f"soak_{name}"
        value = self._config.getoption(option, None)
        if value is not None:
            where = f"--soak-{name.replace('_', '-')}"
            if not str(value).strip():
                raise pytest.UsageError(f"soak: {where} is given without a value")
            return _Given(str(value), where, 0, self._folder_of(where))
        if variable and self._environment.get(variable, "").strip():
            text = self._environment[variable].strip()
            return _Given(text, f"variable {variable}", 1, self.working)
        if ini:
            text = str(self._config.getini(option) or "").strip()
            if text:
                folder = self.working if option in self._overridden else self._beside_ini
                return _Given(text, f"ini {option}", 2, folder)
        return None

    def _folder_of(self, option: str) -> Path:
        """What a path of a command-line option is relative to: ``addopts`` stand in the ini."""
        called = [*self._config.invocation_params.args]
        called += shlex.split(self._environment.get("PYTEST_ADDOPTS", ""))
        in_ini = "addopts" not in self._overridden and _names(
            option, self._config.getini("addopts")
        )
        return self._beside_ini if in_ini and not _names(option, called) else self.working

    def switch(self, variable: str) -> bool:
        text = self._environment.get(variable, "").strip().lower()
        if text in _TRUE:
            return True
        if text in _FALSE:
            return False
        raise _usage(f"variable {variable}", text, "1 or 0")


def _names(option: str, arguments: Iterable[object]) -> bool:
    """Whether one of the arguments is this option."""
    return any(text == option or text.startswith(f"{option}=") for text in map(str, arguments))


def resolve_settings(
    config: pytest.Config, environment: Mapping[str, str] = os.environ
) -> Settings | None:
    """The settings of the soak, or None if the session is no soak.

    Raises pytest.UsageError for a bad value; it names the option, the value and a right one.
    """
    sources = _Sources(config, environment)
    interval = _read(
        sources.given("interval", "SOAK_SLEEP_SECONDS"), _positive, 300.0, "seconds above 0"
    )
    iterations = _iterations(sources, interval)
    if iterations is None:
        return None
    mock, target, target_folder = _target(sources)
    command = _command(sources)
    if command and target is None:
        target = LIVE
    if command and target != LIVE:
        raise pytest.UsageError(
            f"soak: --soak-command starts a live target, and the target is {escaped(target or '')}"
        )
    profile = sources.given("profile", "MM_PROFILE")
    sweep = _sweep(config)
    return Settings(
        iterations=iterations,
        profiles=_profiles(profile, sources.working),
        explicit_profile=profile is not None,
        symbols=_list(
            sources.given("symbol"), _matching(_NAME), ("BTCUSDT",), "letters, digits, _ . -"
        ),
        seeds=_list(sources.given("seed", "SOAK_SEED"), _seed, (1,), "whole numbers from 0"),
        target=target,
        target_folder=target_folder,
        mock=mock,
        interval_s=interval,
        data=str(data) if (data := _path(sources.given("data"))) else None,
        scenarios=_list(
            sources.given("scenario"),
            _matching(_SCENARIO),
            (),
            "a scenario's NAME or NAME@ITERATION",
        ),
        tune=not sources.flag("soak_no_tune")
        and bool(config.getini("soak_tune"))
        # A tuner would move the lane away from the requested point.
        and (not sweep or sources.flag("soak_sweep_tune")),
        dry_run=sources.flag("soak_dry_run"),
        timeout_s=_read(
            sources.given("timeout"), _timeout, None, f"seconds above 0 and up to {_DAY * 30:,}"
        ),
        directory=_path(sources.given("dir")) or sources.working / "artifacts/soak",
        resume=sources.flag("soak_resume"),
        strict=sources.flag("soak_strict") or bool(config.getini("soak_strict")),
        reference=_reference(sources),
        export_json=_path(sources.given("export_json", ini=False)),
        export_md=_path(sources.given("export_md", ini=False)),
        metrics=_read(sources.given("metrics"), _METRICS.get, "original", "original or clean"),
        sweep=sweep,
        mask=_mask(sources.given("mask")),
        command=command,
        root=sources.working.absolute(),
    )


def _command(sources: _Sources) -> tuple[str, ...]:
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


def _iterations(sources: _Sources, interval_s: float) -> int | None:
    """The number of iterations; None: no soak. The ini starts none, it is N of ``--soak``."""
    count = sources.given("iterations", "SOAK_ITERATIONS", ini=False)
    hours = sources.given("hours", "SOAK_HOURS", ini=False)
    if hours and hours.level == 1 and _number(hours.text) == 0:
        hours = None
    if count and hours:
        if count.level == hours.level:
            raise pytest.UsageError(
                f"soak: {count.where} and {hours.where} are both given; give one of them"
            )
        count, hours = (count, None) if count.level < hours.level else (None, hours)
    kind = f"a whole number from 1 to {_MOST_ITERATIONS:,}"
    if hours:
        span = _read(hours, _positive, 0.0, "hours above 0")
        exact = span * 3600 / interval_s
        needed = math.ceil(exact - 1e-9) if exact < 2 * _MOST_ITERATIONS else 2 * _MOST_ITERATIONS
        if needed > _MOST_ITERATIONS:
            right = f"hours that take at most {_MOST_ITERATIONS:,} iterations"
            raise _usage(hours.where, hours.text, right)
        return max(needed, 1)
    if count:
        return _read(count, _count, 0, kind)
    if sources.flag("soak"):
        return _read(sources.given("iterations"), _count, 24, kind)
    return None


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


def _target(sources: _Sources) -> tuple[bool, str | None, Path]:
    """Whether the gate uses mock limits, the target's name, and the folder of its module."""
    given = sources.given("target")
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
    raise _usage(given.where, given.text, f"{', '.join(known_names)} or module:factory{hint}")


def _usage(where: str, text: str, right: str) -> pytest.UsageError:
    return pytest.UsageError(f"soak: {where}: {text!r} is not {right}")


def _read(given: _Given | None, parse: Callable[[str], T | None], default: T, right: str) -> T:
    if given is None:
        return default
    value = parse(given.text)
    if value is None:
        raise _usage(given.where, given.text, right)
    return value


def _list(
    given: _Given | None, parse: Callable[[str], T | None], default: tuple[T, ...], right: str
) -> tuple[T, ...]:
    if given is None:
        return default
    values: list[T] = []
    for part in given.text.split(","):
        value = parse(part.strip())
        if value is None:
            raise _usage(given.where, part.strip(), right)
        if value in values:
            raise pytest.UsageError(f"soak: {given.where}: {part.strip()!r} is given twice")
        values.append(value)
    return tuple(values)


def _number(text: str) -> float | None:
    try:
        return number(float(text))
    except ValueError:
        return None


def _positive(text: str) -> float | None:
    value = _number(text)
    return value if value is not None and value > 0 else None


def _timeout(text: str) -> float | None:
    value = _positive(text)
    return value if value is not None and value <= _DAY * 30 else None


def _count(text: str) -> int | None:
    if not re.fullmatch(r"[0-9]{1,9}", text):
        return None
    value = int(text)
    return value if 1 <= value <= _MOST_ITERATIONS else None


def _seed(text: str) -> int | None:
    return int(text) if re.fullmatch(r"[0-9]{1,18}", text) else None


def _matching(pattern: re.Pattern[str]) -> Callable[[str], str | None]:
    return lambda text: text if pattern.fullmatch(text) else None


def _word(text: str) -> str | None:
    return text or None


def _profiles(given: _Given | None, working: Path) -> tuple[str, ...]:
    """Names of shipped profiles, and files as seen from the working directory."""
    references = _list(given, _word, ("steady",), "a profile's name or file")
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


def _mask(given: _Given | None) -> tuple[str, ...] | None:
    if given is not None and given.text.strip().lower() == "off":
        return None
    return _list(given, _matching(_SECRET_NAME), (), "off, or names of letters, digits, _ . -")


def _reference(sources: _Sources) -> Path | None:
    """The path of ``--soak-reference``; refuses ``--soak-compare``, which is not there yet."""
    compare = sources.given("compare")
    if compare is not None:
        raise pytest.UsageError(
            f"soak: {compare.where}: comparing with earlier runs is not available yet; the noise "
            f"of a tuner-off run is given by --soak-reference={escaped(compare.text):.200}"
        )
    return _path(sources.given("reference"))


def _path(given: _Given | None) -> Path | None:
    return given.folder / given.text if given else None


def as_data(settings: Settings) -> dict[str, Any]:
    """The settings as plain values, for an xdist worker."""
    return {
        name: str(value) if isinstance(value := getattr(settings, name), Path) else value
        for name in Settings.__dataclass_fields__
    }


def from_data(data: Mapping[str, Any]) -> Settings:
    """The inverse of :func:`as_data`."""
    values = dict(data)
    for name in ("directory", "target_folder", "reference", "export_json", "export_md", "root"):
        values[name] = Path(values[name]) if values[name] is not None else None
    for name in ("profiles", "symbols", "seeds", "scenarios", "sweep", "mask", "command"):
        values[name] = None if values[name] is None else tuple(values[name])
    return Settings(**values)
