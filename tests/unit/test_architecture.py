"""Who may know whom, checked on the imports themselves."""

from __future__ import annotations

import ast
import graphlib
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "pytest_soak"
MODULES = sorted(PACKAGE.rglob("*.py"))

PURE = ("loop", "gate", "report", "profile", "canonical", "protocol", "shapes", "statistics")
MAY_KNOW = {
    "protocol": (),
    "canonical": (),
    "profile": ("canonical",),
    "shapes": ("canonical",),
    "statistics": (),
    "loop": ("profile", "canonical", "shapes", "protocol", "statistics"),
    "gate": ("loop", "profile", "canonical", "protocol", "statistics"),
    "report": ("gate", "loop", "profile", "canonical", "protocol", "statistics"),
    "store": ("loop", "profile", "canonical", "protocol", "shapes"),
    "targets": ("protocol", "canonical"),
    "api": ("store", "report", "gate", "loop", "profile", "canonical", "protocol"),
    "cli": (
        *("offline", "sealed", "references", "run_state", "store", "stored"),
        *("report", "gate", "loop", "profile", "canonical"),
    ),
    "options": (),
    "settings": ("canonical",),
    "stored": ("store", "gate", "loop", "canonical"),
    "sealed": ("stored", "store", "gate", "loop", "canonical", "shapes"),
    "run_state": ("stored", "store", "gate", "loop"),
    "offline": ("sealed", "references", "run_state", "stored", "store", "report", "gate", "loop"),
}
OUTSIDE_PYTEST = (
    "store",
    "targets",
    "api",
    "cli",
    "stored",
    "sealed",
    "run_state",
    "offline",
    "references",
)
IMPURE = {
    "os", "io", "pathlib", "time", "datetime", "random", "secrets", "tempfile", "shutil", "socket",
    "subprocess", "threading", "pytest", "_pytest", "filelock", "numpy",
}  # fmt: skip


def layer(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(path: Path) -> list[str]:
    """Every module that is imported when it runs; type-checking imports are not."""
    found: list[str] = []
    typing_only: set[ast.AST] = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            typing_only.update(ast.walk(node))
        if node in typing_only:
            continue
        if isinstance(node, ast.ImportFrom) and {alias.name for alias in node.names} == {
            "PurePath"
        }:
            continue  # names of paths, no disk
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            found.append(node.module or "")
    return found


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_module_knows_only_whom_it_may(path: Path) -> None:
    allowed = MAY_KNOW.get(layer(path))
    if allowed is None:
        return
    for name in imports(path):
        if name.startswith("pytest_soak."):
            other = name.split(".")[1]
            assert other == layer(path) or other in allowed, f"{layer(path)} must not know {name}"


@pytest.mark.parametrize(
    "path",
    [path for path in MODULES if layer(path) in PURE],
    ids=lambda path: str(path.relative_to(PACKAGE)),
)
def test_the_core_is_pure(path: Path) -> None:
    outside = {name.split(".")[0] for name in imports(path)}
    assert not outside & IMPURE, f"{path}: {outside & IMPURE}"
    calls = {
        node.func.id
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }
    assert not calls & {"open", "print", "input", "eval", "exec"}


@pytest.mark.parametrize(
    "path",
    [path for path in MODULES if layer(path) in OUTSIDE_PYTEST],
    ids=lambda path: str(path.relative_to(PACKAGE)),
)
def test_only_plugin_and_session_know_pytest(path: Path) -> None:
    assert not {name.split(".")[0] for name in imports(path)} & {"pytest", "_pytest", "pluggy"}


def test_nobody_knows_the_session_but_the_plugin() -> None:
    knowers = {
        layer(path) for path in MODULES for name in imports(path) if "pytest_soak.session" in name
    }
    assert knowers <= {"session", "plugin"}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_module_is_one_noun_of_readable_length(path: Path) -> None:
    assert len(path.read_text("utf-8").splitlines()) <= 420


def test_the_plugin_is_thin() -> None:
    assert len((PACKAGE / "plugin.py").read_text("utf-8").splitlines()) < 200


def test_no_module_stands_above_itself() -> None:
    """Imports run downwards only, those for types included: graphlib raises for a circle."""
    names = {
        # A package is its __init__: who imports the package imports that.
        ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(
            ".__init__"
        ): path
        for path in MODULES
    }
    graph: dict[str, set[str]] = {}
    for name, path in names.items():
        tree = ast.parse(path.read_text("utf-8"))
        graph[name] = names.keys() & {
            full if (full := f"{node.module}.{alias.name}") in names else str(node.module)
            for node in ast.walk(tree)
            if isinstance(node, ast.ImportFrom)
            for alias in node.names
        }
    assert len(list(graphlib.TopologicalSorter(graph).static_order())) == len(names)
