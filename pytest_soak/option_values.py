"""One value as it was given: its text, where it stands, and what it is read as.

A value stands on the command line, in the environment, in the ini file or in the profile; the
strongest source that has it counts. A relative path belongs to the folder of the file that has it
(of the ini file also where it is in ``addopts``); one of the command line or the environment
belongs to the directory in which pytest was called.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import pytest

from pytest_soak.canonical import escaped, number

T = TypeVar("T")

MOST_ITERATIONS = 1_000_000
LONGEST_TIMEOUT_S = 30 * 86_400
_TRUE = ("1", "true", "yes", "on")
_FALSE = ("", "0", "false", "no", "off")


@dataclass(frozen=True, slots=True)
class Given:
    """A text and its source, for error messages."""

    text: str
    where: str
    level: int
    """0 command line, 1 environment, 2 ini, 3 profile."""
    folder: Path
    """What a relative path in the text is relative to."""


class Sources:
    """Reads a value from the strongest source that has it."""

    def __init__(
        self,
        config: pytest.Config,
        environment: Mapping[str, str],
        defaults: Mapping[str, Given] | None = None,
    ) -> None:
        self._config = config
        self._environment = environment
        self._defaults = defaults or {}
        self.working = config.invocation_params.dir
        ini = config.inipath
        self._beside_ini = self.working if ini is None else ini.parent
        # `-o soak_dir=x` is read like an ini value, and was given on the command line.
        overridden: Iterable[str] = config.getoption("override_ini", None) or ()
        self._overridden = {text.partition("=")[0] for text in overridden}

    def flag(self, name: str) -> bool:
        return bool(self._config.getoption(name))

    def variable(self, name: str) -> str:
        """The text of a variable of the environment; empty if it is not set."""
        return self._environment.get(name, "").strip()

    def given(self, name: str, *variables: str, ini: bool = True) -> Given | None:
        """The first of option ``--soak-NAME``, variable and ini ``soak_NAME`` that is set.

        If none is, the default that the profile has for it. Without ``ini``, neither counts.
        ``variables`` are names of one variable; raises pytest.UsageError if two of them differ.
        """
        option = f"soak_{name}"
        variable = variable_of(self._environment, variables)
        value = self._config.getoption(option, None)
        if value is not None:
            where = f"--soak-{name.replace('_', '-')}"
            if not str(value).strip():
                raise pytest.UsageError(f"soak: {where} is given without a value")
            return Given(str(value), where, 0, self._folder_of(where))
        if variable is not None:
            return Given(variable[1], f"variable {variable[0]}", 1, self.working)
        if ini:
            text = str(self._config.getini(option) or "").strip()
            if text:
                folder = self.working if option in self._overridden else self._beside_ini
                return Given(text, f"ini {option}", 2, folder)
            return self._defaults.get(name)
        return None

    def with_defaults(self, defaults: Mapping[str, Given]) -> Sources:
        """The same sources with these below them: name to what the profile has."""
        return Sources(self._config, self._environment, defaults)

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
        raise refusal(f"variable {variable}", text, "1 or 0")


def variable_of(environment: Mapping[str, str], names: Iterable[str]) -> tuple[str, str] | None:
    """Name and text of the variable that is set, of several names for the same; None if none is.

    Raises pytest.UsageError if two are set and differ: either may be the one that was meant.
    """
    texts = {name: text for name in names if (text := environment.get(name, "").strip())}
    if len(set(texts.values())) > 1:
        both = " and ".join(f"{name}={escaped(text):.80}" for name, text in texts.items())
        raise pytest.UsageError(f"soak: the variables {both} differ; set one of them")
    return next(iter(texts.items()), None)


def _names(option: str, arguments: Iterable[object]) -> bool:
    """Whether one of the arguments is this option."""
    return any(text == option or text.startswith(f"{option}=") for text in map(str, arguments))


def refusal(where: str, text: str, right: str) -> pytest.UsageError:
    return pytest.UsageError(f"soak: {where}: {text!r} is not {right}")


def read(given: Given | None, parse: Callable[[str], T | None], default: T, right: str) -> T:
    if given is None:
        return default
    value = parse(given.text)
    if value is None:
        raise refusal(given.where, given.text, right)
    return value


def read_list(
    given: Given | None, parse: Callable[[str], T | None], default: tuple[T, ...], right: str
) -> tuple[T, ...]:
    if given is None:
        return default
    values: list[T] = []
    for part in given.text.split(","):
        value = parse(part.strip())
        if value is None:
            raise refusal(given.where, part.strip(), right)
        if value in values:
            raise pytest.UsageError(f"soak: {given.where}: {part.strip()!r} is given twice")
        values.append(value)
    return tuple(values)


def finite(text: str) -> float | None:
    try:
        return number(float(text))
    except ValueError:
        return None


def positive(text: str) -> float | None:
    value = finite(text)
    return value if value is not None and value > 0 else None


def timeout(text: str) -> float | None:
    value = positive(text)
    return value if value is not None and value <= LONGEST_TIMEOUT_S else None


def count_of(text: str) -> int | None:
    if not re.fullmatch(r"[0-9]{1,9}", text):
        return None
    value = int(text)
    return value if 1 <= value <= MOST_ITERATIONS else None


def seed(text: str) -> int | None:
    return int(text) if re.fullmatch(r"[0-9]{1,18}", text) else None


def matching(pattern: re.Pattern[str]) -> Callable[[str], str | None]:
    return lambda text: text if pattern.fullmatch(text) else None


def word(text: str) -> str | None:
    return text or None


def path_of(given: Given | None) -> Path | None:
    return given.folder / given.text if given else None
