"""Profiles on disk: shipped profiles by name, a user's own by path. Reads only."""

from __future__ import annotations

import os
from pathlib import Path

from pytest_soak.messages import nearest, shown
from pytest_soak.profile.errors import ProfileError
from pytest_soak.profile.reading import NAME
from pytest_soak.profile.resolve import Source, is_path
from pytest_soak.profile.yaml_text import LARGEST_BYTES
from pytest_soak.store.errors import StoreError
from pytest_soak.store.reading import read_regular_file

_PACKAGE = Path(__file__).resolve().parents[1]
_SUFFIXES = (".yaml", ".yml")


def known_profiles() -> tuple[str, ...]:
    """The names of the shipped profiles, sorted."""
    return tuple(sorted(path.stem for path in _shipped().glob("*.yaml")))


def read_source(reference: str, referrer: str | None = None) -> Source:
    """The profile ``reference``: the name of a shipped one, or the path of a ``.yaml`` file.

    A path is relative to the working directory. If another profile (label ``referrer``) refers to
    it, it is relative to that file's directory and must be inside it. Raises ProfileError.
    """
    if is_path(reference):
        path = Path(reference) if referrer is None else _beside(reference, referrer)
        return Source(label=str(path), data=_bytes(path), file=str(path.absolute()))
    if NAME.fullmatch(reference) is None:
        raise ProfileError(
            f"{shown(reference)} is no profile: neither the name of a shipped one "
            f"({', '.join(known_profiles())}) nor a path that ends in .yaml"
        )
    names = known_profiles()
    if reference not in names:
        near = nearest(reference, names)
        raise ProfileError(
            f"unknown profile {reference!r}{near if 'did you mean' in near else ''} (shipped: "
            f"{', '.join(names)}; a file of your own is given by its path: ./{reference}.yaml)"
        )
    path = _shipped() / f"{reference}.yaml"
    return Source(label=reference, data=_bytes(path), file=str(path.absolute()))


def is_shipped(file: str) -> bool:
    """Whether the file with this absolute path is that of a shipped profile."""
    return Path(file).parent == _shipped().absolute()


def _shipped() -> Path:
    # Inside the package in an installed wheel, beside it in a checkout.
    inside = _PACKAGE / "profiles"
    return inside if inside.is_dir() else _PACKAGE.parent / "profiles"


def _beside(reference: str, referrer: str) -> Path:
    if not is_path(referrer):
        raise ProfileError(f"{shown(reference)}: a shipped profile refers to shipped ones only")
    directory = Path(referrer).parent
    path = Path(os.path.normpath(directory / reference))
    try:
        inside = path.resolve().is_relative_to(directory.resolve())
    except (OSError, ValueError, RuntimeError) as error:  # a null character, a circle of links
        raise ProfileError(f"{shown(reference)}: {error}") from None
    if Path(reference).is_absolute() or not inside:
        raise ProfileError(
            f"{shown(reference)} is outside the directory of the profile that refers to it; "
            "put it beside that file"
        )
    return path


def _bytes(path: Path) -> bytes:
    if path.suffix not in _SUFFIXES:
        raise ProfileError(f"{path}: a profile's file ends in .yaml or .yml")
    try:
        # Links are followed first: some installers place a package's files as links.
        return read_regular_file(path.resolve(), max_bytes=LARGEST_BYTES)
    except (StoreError, OSError, ValueError, RuntimeError) as error:
        raise ProfileError(f"{path}: {error}") from None
