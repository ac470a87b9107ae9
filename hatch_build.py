"""The build hook: gets uPlot by npm, checks it, and puts it into wheel, sdist and source tree.

``SOAK_VENDOR`` says what happens if uPlot is not there: ``auto`` (the default) calls npm, and
without npm builds a package whose reports are static; ``require`` ends the build instead;
``offline`` does not call npm. A file with a wrong hash always ends the build.

``python hatch_build.py VERSION`` prints the pins of another version for pytest_soak/vendored.py.
"""

from __future__ import annotations

import base64
import hashlib
import importlib.util
import io
import os
import secrets
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

if TYPE_CHECKING:
    from pytest_soak.vendored import NpmPackage

Pins = ModuleType
"""The module ``pytest_soak/vendored.py``, loaded by its path."""

POLICIES = ("auto", "require", "offline")
NPM_TIMEOUT = 120.0
"""Seconds for one call of npm; its own retries are limited, too."""
NPM_OPTIONS = (
    "--ignore-scripts",
    "--loglevel=error",
    "--no-update-notifier",
    "--prefer-offline",
    "--fetch-retries=1",
    "--fetch-retry-mintimeout=1000",
    "--fetch-retry-maxtimeout=5000",
    "--fetch-timeout=30000",
)
ADVICE = (
    "pytest-soak: reports of soak runs will have static pictures. For pictures to zoom in,"
    " install Node.js with npm and build again."
)
ADVICE_REQUIRED = (
    "pytest-soak: SOAK_VENDOR=require: install Node.js with npm, or unset the variable for a"
    " package with static reports."
)


class NpmError(Exception):
    """npm is missing, or could not get the package."""


class UplotHook(BuildHookInterface[Any]):
    """Runs before each wheel, editable or not, and before each sdist."""

    PLUGIN_NAME = "custom"
    _staged: tempfile.TemporaryDirectory[str] | None = None

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Gets the files; all but an editable wheel gets them by ``force_include``.

        The folder itself is excluded in pyproject.toml, so that only what was checked is packaged.
        Raises ``SystemExit`` with the reason: a wrong hash, or no files although they are required.
        """
        root = Path(self.root)
        pins = load_pins(root)
        policy = requested_policy(os.environ)
        try:
            files = obtained(pins, root, policy, must_store=version == "editable")
        except NpmError as error:
            reason = f"uPlot {pins.UPLOT.version} is left out: {error}"
            if policy == "require":
                raise SystemExit(f"pytest-soak: {reason}\n{ADVICE_REQUIRED}") from None
            print(f"pytest-soak: warning: {reason}\n{ADVICE}", file=sys.stderr)
            return
        except pins.VendorError as error:
            raise SystemExit(f"pytest-soak: npm brought another package: {error}") from None
        if version != "editable":
            build_data["force_include"].update(self._stage(pins.UPLOT.name, files))

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        if self._staged is not None:
            self._staged.cleanup()

    def _stage(self, name: str, files: Mapping[str, bytes]) -> dict[str, str]:
        """The files in a temporary folder, each path to its path in the package."""
        self._staged = tempfile.TemporaryDirectory(prefix="pytest-soak-build-")
        folder = Path(self._staged.name)
        store(folder, files)
        return {str(folder / file): f"pytest_soak/_vendor/{name}/{file}" for file in files}


def load_pins(root: Path) -> Pins:
    """``pytest_soak/vendored.py`` alone: the package and its dependencies are not imported."""
    path = root / "pytest_soak" / "vendored.py"
    spec = importlib.util.spec_from_file_location("_pytest_soak_vendored", path)
    if spec is None or spec.loader is None:
        raise SystemExit(f"pytest-soak: {path} cannot be loaded")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def requested_policy(environment: Mapping[str, str]) -> str:
    """The value of ``SOAK_VENDOR``; raises ``SystemExit`` for one that does not exist."""
    policy = environment.get("SOAK_VENDOR") or "auto"
    if policy not in POLICIES:
        raise SystemExit(f"pytest-soak: SOAK_VENDOR={policy!r}: use {', '.join(POLICIES)}")
    return policy


def obtained(pins: Pins, root: Path, policy: str, *, must_store: bool) -> dict[str, bytes]:
    """The files of uPlot: those of the source tree, or else by npm, and stored in the tree.

    A tree that cannot be written is an error only if the files ``must_store`` there. Raises
    ``NpmError`` if there are none, ``VendorError`` if npm brought files with a wrong hash.
    """
    package, folder = pins.UPLOT, root / "pytest_soak" / "_vendor"
    try:
        present: dict[str, bytes] = pins.vendored_files(package, folder)
    except pins.VendorError as error:
        absent = str(error)
    else:
        return present
    if policy == "offline":
        raise NpmError(f"{absent}, and SOAK_VENDOR=offline forbids to call npm")
    try:
        tarball = packed(f"{package.name}@{package.version}")
    except NpmError as error:
        raise NpmError(f"{absent}, and {error}") from None
    files = unpacked(pins, package, tarball)
    try:
        store(folder / package.name, files)
    except OSError as error:
        if must_store:
            raise NpmError(f"{folder} cannot be written: {error.strerror}") from None
    return files


def packed(package: str) -> bytes:
    """The tarball of ``NAME@VERSION`` from the registry that npm is set up for, or its cache."""
    npm = shutil.which("npm")
    if npm is None:
        raise NpmError("npm is not on PATH")
    with tempfile.TemporaryDirectory(prefix="pytest-soak-npm-") as folder:
        try:
            result = subprocess.run(  # noqa: S603 - fixed arguments, without a shell
                [npm, "pack", package, *NPM_OPTIONS],
                cwd=folder,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=NPM_TIMEOUT,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise NpmError(f"npm pack {package} took more than {NPM_TIMEOUT:g} s") from None
        except OSError as error:
            raise NpmError(f"{npm} cannot be run: {error.strerror}") from None
        tarballs = list(Path(folder).glob("*.tgz"))
        if result.returncode != 0 or len(tarballs) != 1:
            reason = " ".join(result.stderr.decode(errors="replace").split())[:300]
            raise NpmError(f"npm pack {package} ended with {result.returncode}: {reason!r}")
        return tarballs[0].read_bytes()


def unpacked(pins: Pins, package: NpmPackage, tarball: bytes) -> dict[str, bytes]:
    """The pinned files of a tarball by name; ``VendorError`` if it or one of them is another."""
    actual = integrity(tarball)
    if actual != package.integrity:
        where = f"{package.name}-{package.version}.tgz"
        raise pins.VendorError(f"{where}: integrity is {actual}, expected {package.integrity}")
    files = {}
    for file in package.files:
        content = member(tarball, file.source)
        if content is None:
            raise pins.VendorError(f"{package.name}@{package.version} has no file {file.source}")
        pins.check_hash(file.source, content, file.sha256)
        files[file.name] = content
    return files


def integrity(tarball: bytes) -> str:
    """npm's hash of a tarball."""
    return "sha512-" + base64.b64encode(hashlib.sha512(tarball).digest()).decode()


def member(tarball: bytes, source: str) -> bytes | None:
    """The content of a file in the tarball of an npm package; nothing is written to disk."""
    with tarfile.open(fileobj=io.BytesIO(tarball), mode="r:gz") as archive:
        try:
            stream = archive.extractfile(f"package/{source}")
        except KeyError:
            return None
        return None if stream is None else stream.read()


def store(folder: Path, files: Mapping[str, bytes]) -> None:
    """Writes each file under another name and renames it: no reader sees half a file."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        temporary = folder / f".{name}.{secrets.token_hex(8)}"
        try:
            temporary.write_bytes(content)
            temporary.replace(folder / name)
        finally:
            temporary.unlink(missing_ok=True)


def pins_of(pins: Pins, version: str) -> str:
    """The block of ``pytest_soak/vendored.py`` for another version of uPlot, as ruff formats it."""
    name = pins.UPLOT.name
    tarball = packed(f"{name}@{version}")
    whole = integrity(tarball)
    half = len(whole) // 2
    lines = ["UPLOT = NpmPackage(", f'    name="{name}",', f'    version="{version}",']
    lines += ["    integrity=(", f'        "{whole[:half]}"', f'        "{whole[half:]}"', "    ),"]
    lines.append("    files=(")
    for file in pins.UPLOT.files:
        content = member(tarball, file.source)
        if content is None:
            raise NpmError(f"{name}@{version} has no file {file.source}")
        texts = (file.name, file.source, hashlib.sha256(content).hexdigest())
        arguments = [f'            "{text}",' for text in texts]
        lines += ["        PinnedFile(", *arguments, "        ),"]
    return "\n".join([*lines, "    ),", ")"])


def main(arguments: list[str]) -> None:
    if len(arguments) != 1:
        raise SystemExit("usage: python hatch_build.py VERSION   (of uPlot, such as 1.6.32)")
    try:
        print(pins_of(load_pins(Path(__file__).parent), arguments[0]))
    except NpmError as error:
        raise SystemExit(f"pytest-soak: {error}") from None


if __name__ == "__main__":
    main(sys.argv[1:])
