"""uPlot, the JavaScript library of the report page: its files, each checked by its hash.

The build hook (``hatch_build.py``) gets the files by npm into ``_vendor/``, which git ignores. It
loads this module by its path, before any dependency is installed: only the standard library is
imported here.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parent / "_vendor"

REMEDY = "install a wheel of pytest-soak, or install from source again with npm on PATH"


@dataclass(frozen=True)
class PinnedFile:
    """A file of an npm package: its name here, its path in the package, its SHA-256 in hex."""

    name: str
    source: str
    sha256: str


@dataclass(frozen=True)
class NpmPackage:
    """One version of an npm package; ``integrity`` is npm's own: ``sha512-`` and base64."""

    name: str
    version: str
    integrity: str
    files: tuple[PinnedFile, ...]


# `python hatch_build.py VERSION` prints this block for another version.
UPLOT = NpmPackage(
    name="uplot",
    version="1.6.32",
    integrity=(
        "sha512-KIMVnG68zvu5XXUbC4LQEPnhwOxBuLyW1AHtpm6I"
        "KTXImkbLgkMy+jabjLgSLMasNuGGzQm/ep3tOkyTxpiQIw=="
    ),
    files=(
        PinnedFile(
            "uPlot.iife.min.js",
            "dist/uPlot.iife.min.js",
            "19c8d4c6ad88929a79f4ae49d6f7161566dfd0ba3d15cc495e974f787eb78f1f",
        ),
        PinnedFile(
            "uPlot.min.css",
            "dist/uPlot.min.css",
            "df630c6a8d6f8eeaff264b50f73ce5b114f646ffd9a0bb74f049b0a00135fa04",
        ),
        PinnedFile(
            "LICENSE",
            "LICENSE",
            "8f989229699b4fe2f1a0432d0e9edc338a8a911e250e2d1b01ecd770a5f5b1bd",
        ),
    ),
)


class VendorError(Exception):
    """A vendored file is missing or is not the pinned one; the text names file and hashes."""


@dataclass(frozen=True)
class Uplot:
    """What the report page inlines: JavaScript, CSS, the text of the licence, the version."""

    script: str
    style: str
    licence: str
    version: str


def uplot(folder: Path = FOLDER) -> Uplot | None:
    """uPlot as it was vendored; None if a file is missing or damaged (see ``why_absent``)."""
    try:
        files = vendored_files(UPLOT, folder)
    except VendorError:
        return None
    script, style, licence = (files[file.name].decode() for file in UPLOT.files)
    return Uplot(script, style, licence, UPLOT.version)


def why_absent(folder: Path = FOLDER) -> str:
    """The reason for which ``uplot()`` is None, and what to do; empty if uPlot is there.

    The text has no path of the machine: a report may show it.
    """
    try:
        vendored_files(UPLOT, folder)
    except VendorError as error:
        return f"{error}; {REMEDY}"
    return ""


def vendored_files(package: NpmPackage, folder: Path) -> dict[str, bytes]:
    """The content of each file of ``package`` in ``folder/NAME``, by the file's name.

    Raises ``VendorError`` for the first that is missing or whose SHA-256 is not the pinned one.
    """
    files = {}
    for file in package.files:
        where = f"pytest_soak/{folder.name}/{package.name}/{file.name}"
        try:
            content = (folder / package.name / file.name).read_bytes()
        except FileNotFoundError:
            raise VendorError(f"{where} is missing") from None
        except OSError as error:
            raise VendorError(f"{where} cannot be read: {error.strerror}") from None
        check_hash(where, content, file.sha256)
        files[file.name] = content
    return files


def check_hash(where: str, content: bytes, expected: str) -> None:
    """Raises ``VendorError``, which names ``where``, if the SHA-256 is not ``expected`` (hex)."""
    actual = hashlib.sha256(content).hexdigest()
    if actual != expected:
        raise VendorError(f"{where}: SHA-256 is {actual}, expected {expected}")
