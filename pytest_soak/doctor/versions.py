"""The versions of Python and of the packages that a soak uses, and plugins that it refuses."""

from __future__ import annotations

import configparser
import os
import platform
import tomllib
from collections.abc import Callable, Iterator, Mapping
from importlib.metadata import PackageNotFoundError, metadata, requires, version
from pathlib import Path

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

from pytest_soak.conflicts import RUN_AGAIN
from pytest_soak.doctor.finding import Finding

NEWEST_TESTED: Mapping[str, int] = {
    "pytest": 9,
    "numpy": 2,
    "pyyaml": 6,
    "msgspec": 0,
    "filelock": 4,
    "prometheus-client": 0,
    "psutil": 7,
    "jinja2": 3,
    "pytest-xdist": 3,
    "numba": 0,
    "hftbacktest": 2,
}
"""Package, in its canonical spelling, to the newest major version with which the tests run."""

_EXTRAS = ("xdist", "fast", "replay")
_DISTRIBUTION = "pytest-soak"
_PYTHON = "Programming Language :: Python :: 3."
_LATER = "if something fails, install {name} {newest}.x or an earlier one"

_INI_FILES = (("pytest.ini", "pytest"), ("tox.ini", "pytest"), ("setup.cfg", "tool:pytest"))
"""Files of pytest's settings, with the section that has them."""

Installed = Callable[[str], str | None]


def installed(distribution: str) -> str | None:
    """The version of a distribution; None if it is not installed."""
    try:
        return version(distribution)
    except PackageNotFoundError:
        return None


def version_findings(
    python: str = platform.python_version(), of: Installed = installed
) -> Iterator[Finding]:
    """A line for Python, for pytest-soak itself and for each package that it declares."""
    about = metadata(_DISTRIBUTION)
    tested = [
        int(item.removeprefix(_PYTHON))
        for item in about.get_all("Classifier", [])
        if item.startswith(_PYTHON)
    ]
    yield _of_python(python, about["Requires-Python"], tested)
    yield Finding(_DISTRIBUTION, "OK", about["Version"])
    for text in requires(_DISTRIBUTION) or ():
        requirement = Requirement(text)
        is_extra = requirement.marker is not None
        if is_extra and not any(_is_of(requirement, extra) for extra in _EXTRAS):
            continue
        present = of(requirement.name)
        if present is not None or not is_extra:
            yield package_finding(requirement, present)


def _is_of(requirement: Requirement, extra: str) -> bool:
    marker = requirement.marker
    return marker is not None and marker.evaluate({"extra": extra})


def _of_python(python: str, required: str, tested: list[int]) -> Finding:
    if python not in SpecifierSet(required, prereleases=True):
        advice = f"install Python {required}"
        return Finding("python", "FAIL", f"{python}; {required} is needed", advice)
    newest = max(tested, default=0)
    if Version(python).minor > newest:
        advice = f"if something fails, use Python 3.{newest}"
        return Finding("python", "WARN", f"{python} is newer than 3.{newest}, the newest tested",
                       advice)  # fmt: skip
    return Finding("python", "OK", f"{python} ({required})")


def package_finding(requirement: Requirement, present: str | None) -> Finding:
    """The line of one declared package; ``present`` is its installed version, or None."""
    name, needed = requirement.name, str(requirement.specifier)
    if present is None:
        return Finding(name, "FAIL", "is not installed", f"pip install '{name}{needed}'")
    if not requirement.specifier.contains(present, prereleases=True):
        advice = f"pip install '{name}{needed}'"
        return Finding(name, "FAIL", f"{present}; {needed} is needed", advice)
    newest = NEWEST_TESTED.get(canonicalize_name(name))
    if newest is not None and Version(present).major > newest:
        advice = _LATER.format(name=name, newest=newest)
        text = f"{present} is newer than {newest}.x, the newest tested"
        return Finding(name, "WARN", text, advice)
    return Finding(name, "OK", f"{present} ({needed})")


# -- plugins ---------------------------------------------------------------------------------------


def plugin_findings(
    folder: Path, environment: Mapping[str, str] = os.environ, of: Installed = installed
) -> Iterator[Finding]:
    """Options of other plugins that a session refuses: whether they are set, and could be."""
    places = {"PYTEST_ADDOPTS": environment.get("PYTEST_ADDOPTS", ""), **_ini_options(folder)}
    options = dict.fromkeys(conflict.option for conflict in RUN_AGAIN.values())
    is_set = [
        (option, place)
        for option in options
        for place, text in places.items()
        if any(word == option or word.startswith(f"{option}=") for word in text.split())
    ]
    for option, place in is_set:
        advice = f"take it out of {place}: it would run an iteration again on changed state"
        yield Finding("plugins", "FAIL", f"{option} is set in {place}; a soak refuses it", advice)
    if is_set:
        return
    present = dict.fromkeys(
        conflict.distribution for conflict in RUN_AGAIN.values() if of(conflict.distribution)
    )
    refused = [item.option for item in RUN_AGAIN.values() if item.distribution in present]
    if present:
        text = f"{', '.join(present)} is installed; a soak refuses {', '.join(refused)}"
        yield Finding("plugins", "OK", f"{text}, and none is set")
    else:
        yield Finding("plugins", "OK", "none that would run an iteration again is installed")


def _ini_options(folder: Path) -> dict[str, str]:
    """File to the options that it sets for every session, with those of other plugins' ini."""
    texts: dict[str, str] = {}
    for name, section in _INI_FILES:
        parser = configparser.ConfigParser(interpolation=None, strict=False)
        try:
            parser.read(folder / name, encoding="utf-8")
        except (configparser.Error, OSError, UnicodeDecodeError):
            continue  # pytest itself says what is wrong with it
        if parser.has_section(section):
            texts[name] = parser.get(section, "addopts", fallback="")
    try:
        document = tomllib.loads((folder / "pyproject.toml").read_text("utf-8"))
    except (OSError, ValueError):
        return texts
    tool = document.get("tool", {}).get("pytest", {})
    for table in (tool, tool.get("ini_options", {})):
        given = table.get("addopts", "")
        text = " ".join(map(str, given)) if isinstance(given, list) else str(given)
        texts["pyproject.toml"] = f"{texts.get('pyproject.toml', '')} {text}".strip()
    return texts
