"""The files of a new soak, written into a folder: all are new, or none is written."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pytest_soak.printing import CommandError
from pytest_soak.store.atomic import atomic_write_text, make_directory
from pytest_soak.store.errors import StoreError
from pytest_soak.store.reading import read_regular_file

_INI_FILES = ("pytest.ini", ".pytest.ini", "pytest.toml", ".pytest.toml")
_INI_SECTIONS = {
    "pyproject.toml": re.compile(rb"^\s*\[tool\.pytest[\].]", re.MULTILINE),
    "tox.ini": re.compile(rb"^\[pytest\]", re.MULTILINE),
    "setup.cfg": re.compile(rb"^\[tool:pytest\]", re.MULTILINE),
}
_LARGEST_INI = 2**20


@dataclass(frozen=True, slots=True)
class NewFile:
    """A file to write."""

    name: str
    """Relative to the folder, with slashes."""
    about: str
    """What it is, for people."""
    text: str = ""


def ini_of(folder: Path) -> str:
    """The name of the file in ``folder`` that pytest reads its options from; empty without one.

    A file that cannot be read counts: another one beside it could hide it.
    """
    for name in _INI_FILES:
        if os.path.lexists(folder / name):
            return name
    for name, section in _INI_SECTIONS.items():
        if not os.path.lexists(folder / name):
            continue
        try:
            data = read_regular_file((folder / name).resolve(), max_bytes=_LARGEST_INI)
        except (StoreError, OSError, RuntimeError):
            return name
        if section.search(data):
            return name
    return ""


def names_profile(folder: Path, ini: str, profile: str) -> bool:
    """Whether the file of options names the profile already."""
    if ini not in ("pytest.ini", ".pytest.ini"):
        return False
    try:
        data = read_regular_file((folder / ini).resolve(), max_bytes=_LARGEST_INI)
    except (StoreError, OSError, RuntimeError):
        return False
    line = rb"^soak_profile\s*=\s*(?:\./)?" + re.escape(profile.encode()) + rb"\s*$"
    return re.search(line, data, re.MULTILINE) is not None


def check_free(folder: Path, names: Sequence[str], *, force: bool) -> None:
    """Raises CommandError if a file is there already, or would be written outside the folder.

    ``force`` allows to replace files and links, but nothing else. Writes nothing.
    """
    if os.path.lexists(folder) and not folder.is_dir():
        raise CommandError(f"{folder}: is no directory; name the folder of your tests")
    for place in dict.fromkeys(above for name in names for above in _folders(folder, name)):
        _check_folder(place)
    top = folder.resolve()
    for name in names:
        place = folder / name
        if not place.parent.resolve().is_relative_to(top):
            raise CommandError(
                f"{place.parent}: is a link that leads out of the folder; remove it first"
            )
    present = [name for name in names if os.path.lexists(folder / name)]
    blocked = [name for name in present if not _is_file_or_link(folder / name)]
    if blocked:
        what = "a directory" if (folder / blocked[0]).is_dir() else "a pipe, a device or a socket"
        raise CommandError(f"{folder / blocked[0]}: is {what}; a file of that name is needed")
    if present and not force:
        are = "is" if len(present) == 1 else "are"
        raise CommandError(
            f"{', '.join(str(folder / name) for name in present)} {are} there already, and nothing "
            "was written; --force replaces, another folder is given as an argument"
        )


def named(folder: Path) -> str:
    """A folder for people."""
    return "this folder" if folder == Path() else str(folder)


def write_files(folder: Path, files: Sequence[NewFile]) -> None:
    """Writes each file as a whole. Raises StoreError."""
    for file in files:
        place = folder / file.name
        make_directory(place.parent)
        atomic_write_text(place, file.text)


def is_below_repository(folder: Path) -> bool:
    """Whether a folder above this one, and not this one, is the top of a git repository.

    GitHub reads workflows at the top only.
    """
    top = folder.resolve()
    return not (top / ".git").exists() and any((above / ".git").exists() for above in top.parents)


def _folders(folder: Path, name: str) -> list[Path]:
    """The folder, and those inside it that a file of this name is in; the outermost first."""
    inside = [folder / above for above in Path(name).parents]
    return inside[::-1]


def _check_folder(place: Path) -> None:
    """Raises CommandError if it is there, and a file cannot be written into it."""
    if not os.path.lexists(place):
        return
    if not place.is_dir():
        raise CommandError(f"{place}: is no directory, and one of that name is needed")
    if not os.access(place, os.W_OK | os.X_OK):
        raise CommandError(f"{place}: this user cannot write there; nothing was written")


def _is_file_or_link(place: Path) -> bool:
    return place.is_symlink() or place.is_file()
