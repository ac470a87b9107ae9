"""A small npm package, the pins of it, and a program that answers as npm does."""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import os
import sys
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from pytest_soak.vendored import UPLOT, NpmPackage, PinnedFile

CONTENTS = {
    "dist/uPlot.iife.min.js": b"var uPlot=function(){};",
    "dist/uPlot.min.css": b".uplot {}",
    "LICENSE": "The MIT License © uPlot".encode(),
}

VENDORED = Path(__file__).parents[2] / "pytest_soak" / "vendored.py"


def tarball_of(contents: Mapping[str, bytes]) -> bytes:
    """The tarball of an npm package: each file is below ``package/``."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for source, content in contents.items():
            info = tarfile.TarInfo(f"package/{source}")
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return gzip.compress(stream.getvalue(), mtime=0)


def pins_of(contents: Mapping[str, bytes]) -> NpmPackage:
    """The pins that fit ``contents`` and its tarball."""
    digest = hashlib.sha512(tarball_of(contents)).digest()
    return NpmPackage(
        name=UPLOT.name,
        version=UPLOT.version,
        integrity="sha512-" + base64.b64encode(digest).decode(),
        files=tuple(
            PinnedFile(file.name, file.source, hashlib.sha256(contents[file.source]).hexdigest())
            for file in UPLOT.files
        ),
    )


@dataclass(frozen=True)
class Tree:
    """A source tree of which the build hook sees ``vendored.py``, with pins of CONTENTS."""

    root: Path

    @property
    def folder(self) -> Path:
        return self.root / "pytest_soak" / "_vendor" / "uplot"

    def files(self) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in self.folder.iterdir()}


def tree_of(root: Path, package: NpmPackage) -> Tree:
    """A tree whose pins are ``package``."""
    module = root / "pytest_soak" / "vendored.py"
    module.parent.mkdir(parents=True)
    module.write_text(f"{VENDORED.read_text('utf-8')}\n\nUPLOT = {package!r}\n", "utf-8")
    return Tree(root)


@dataclass(frozen=True)
class FakeNpm:
    """A program ``npm``, first and alone on PATH; the file ``calls`` has its arguments."""

    calls_file: Path

    @property
    def calls(self) -> list[str]:
        return self.calls_file.read_text("utf-8").splitlines() if self.calls_file.exists() else []


def fake_npm(folder: Path, monkeypatch: pytest.MonkeyPatch, answer: bytes | str) -> FakeNpm:
    """npm that packs the tarball ``answer``, or ends with 1 and the message ``answer``."""
    folder.mkdir()
    calls_file = folder / "calls"
    (folder / "answer").write_bytes(answer if isinstance(answer, bytes) else answer.encode())
    lines = [
        f"#!{sys.executable} -IS",
        "import shutil, sys",
        f"with open({str(calls_file)!r}, 'a') as calls:",
        "    print(*sys.argv[1:3], file=calls)",
    ]
    if isinstance(answer, bytes):
        lines.append(f"shutil.copy({str(folder / 'answer')!r}, 'uplot-0.tgz')")
    else:
        lines.append(f"sys.exit(open({str(folder / 'answer')!r}).read())")
    program = folder / "npm"
    program.write_text("\n".join(lines), "utf-8")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", os.fspath(folder))
    return FakeNpm(calls_file)
