"""Which package imports which, checked on the imports themselves, and the page that shows it."""

from __future__ import annotations

import ast
import graphlib
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "pytest_soak"
MODULES = sorted(PACKAGE.rglob("*.py"))

PURE = (
    "loop",
    "gate",
    "report",
    "profile",
    "canonical",
    "protocol",
    "messages",
    "json_types",
    "draft07",
    "statistics",
    "masking",
)
LAYERS: dict[str, tuple[str, tuple[str, ...]]] = {
    "protocol": ("what a target is, and a lane: the page for the author of a target", ()),
    "canonical": ("canonical JSON and its hash, numbers; pure", ()),
    "statistics": ("bounds, drift and autocorrelation of short series; pure", ()),
    "masking": ("secrets in the texts of others, masked; pure", ()),
    "messages": ("parts of error messages: values, the nearest known name; pure", ()),
    "json_types": (
        "JSON values as typed objects, and where one is wrong; pure",
        ("canonical", "messages"),
    ),
    "draft07": ("JSON Schema of msgspec's dialect as draft 07; pure", ()),
    "profile": (
        "the parameter table, YAML profiles, comparisons, their JSON Schema",
        ("draft07", "json_types", "messages", "canonical"),
    ),
    "loop": (
        "one iteration: pure functions over frozen objects, which are the journal's entries too",
        ("profile", "json_types", "messages", "canonical", "protocol", "statistics"),
    ),
    "gate": (
        "windows, criteria, delta verification, recovery",
        ("loop", "profile", "canonical", "protocol", "statistics"),
    ),
    "report": (
        "from history and judgement to objects and text",
        ("gate", "loop", "profile", "json_types", "canonical", "protocol", "statistics"),
    ),
    "store": (
        "the only package that writes the files of a run",
        ("loop", "profile", "json_types", "canonical", "messages", "protocol"),
    ),
    "processes": (
        "processes of a live target below a supervisor, and their logs",
        ("json_types", "messages", "canonical"),
    ),
    "live": (
        "live targets: how parameters reach a bot and reports come back; its processes, its faults",
        (
            "processes",
            "store",
            "loop",
            "profile",
            "draft07",
            "json_types",
            "messages",
            "masking",
            "canonical",
            "protocol",
        ),
    ),
    "lane": (
        "one lane: in memory, or with its files and target",
        ("store", "report", "loop", "profile", "canonical", "masking", "protocol"),
    ),
    "targets": ("the mock market, replay, and the registry of targets", ("protocol", "canonical")),
    "fingerprint": ("versions and CPU features with which a run was made", ()),
    "vendored": ("uPlot, the JavaScript of the report page, with the hashes of its files", ()),
    "stored": (
        "stored runs read back, for the session's end and for the commands",
        ("store", "gate", "loop", "canonical"),
    ),
    "sealed": (
        "judging a stored run, and its seal: the same for session and commands",
        ("stored", "store", "gate", "loop", "json_types", "canonical"),
    ),
    "references": (
        "the noise that a stored tuner-off run gives to the judgement of another",
        ("sealed", "stored", "store", "gate", "loop", "profile", "protocol", "canonical"),
    ),
    "run_state": (
        "how far a stored run is, and which process works on it now",
        ("stored", "store", "gate", "loop"),
    ),
    "offline": (
        "a stored run as the commands judge it",
        ("sealed", "references", "run_state", "stored", "store", "report", "gate", "loop"),
    ),
    "run_list": (
        "the runs of a soak directory, for `list`",
        ("run_state", "sealed", "stored", "store", "report"),
    ),
    "stored_metrics": (
        "the metrics of a stored run, and one value of them",
        ("offline", "report", "messages"),
    ),
    "stored_view": (
        "the view of a stored run, from which everything that draws a run is drawn",
        ("offline", "run_state", "store", "report", "gate", "loop"),
    ),
    "run_reader": (
        "a run that is read on as it grows, for its view",
        ("stored_view", "run_state", "stored", "store", "report", "gate", "loop"),
    ),
    "stored_report": (
        "the page of a stored run: its view, and the explanations of its iterations",
        ("stored_view", "stored", "vendored", "store", "report", "loop"),
    ),
    "printing": ("what the commands print", ("canonical",)),
    "figure_commands": (
        "the commands that print figures and judge none: `metrics`, `value`, `list`",
        ("stored_metrics", "run_list", "offline", "report", "printing"),
    ),
    "report_command": (
        "the command that writes the page of a run: `report`",
        ("stored_report", "run_state", "offline", "store", "printing"),
    ),
    "schemas": (
        "the JSON Schema of the profile and of every JSON file of a run, and where they are stored",
        (
            "draft07",
            "sealed",
            "live",
            "store",
            "report",
            "loop",
            "profile",
            "json_types",
            "canonical",
        ),
    ),
    "schema_command": (
        "the commands that print JSON Schemas: `schema`, `profile schema`",
        ("schemas", "printing", "store", "profile", "messages"),
    ),
    "starter": (
        "the files of a new soak, made of a sample report, and the two iterations that try them",
        (
            "interrupts",
            "live",
            "processes",
            "stored",
            "store",
            "report",
            "loop",
            "profile",
            "json_types",
            "messages",
            "canonical",
            "printing",
        ),
    ),
    "init_arguments": ("the arguments of the command `init`", ("init_command",)),
    "init_command": (
        "the command that begins a soak of an own service: `init`",
        ("starter", "live", "report", "profile", "masking", "messages", "printing"),
    ),
    "profile_commands": (
        "the commands about a profile: `profile show`, `profile check`",
        ("live", "store", "report", "profile", "printing", "canonical"),
    ),
    "conflicts": ("options of other plugins that a soak refuses", ()),
    "interrupts": ("signals that end a command as Ctrl-C does", ()),
    "doctor": (
        "whether a soak can run here: the command `doctor`",
        (
            "profile_commands",
            "conflicts",
            "interrupts",
            "live",
            "store",
            "report",
            "loop",
            "profile",
            "json_types",
            "printing",
            "protocol",
        ),
    ),
    "api": (
        "public functions for use outside a session",
        ("lane", "store", "report", "gate", "loop", "profile", "canonical", "messages", "protocol"),
    ),
    "cli": (
        "`pytest-soak`: the same functions on stored runs",
        (
            "figure_commands",
            "report_command",
            "schema_command",
            "init_arguments",
            "profile_commands",
            "doctor",
            "interrupts",
            "printing",
            "offline",
            "sealed",
            "references",
            "run_state",
            "live",
            "store",
            "stored",
            "report",
            "gate",
            "loop",
            "profile",
            "canonical",
            "messages",
        ),
    ),
    "options": ("every option and ini value, declared; imported with every session", ()),
    "option_values": (
        "one value of an option, a variable or the ini: its text, its place, what it is read as",
        ("canonical",),
    ),
    "settings": (
        "options, variables and ini resolved into one frozen `Settings`",
        ("option_values", "profile", "canonical", "targets"),
    ),
}
"""Package or module to what it is, and which others it may import."""

OUTSIDE_PYTEST = (
    "lane",
    "live",
    "processes",
    "fingerprint",
    "vendored",
    "store",
    "targets",
    "api",
    "cli",
    "stored",
    "sealed",
    "run_state",
    "offline",
    "references",
    "run_list",
    "stored_metrics",
    "stored_view",
    "run_reader",
    "printing",
    "figure_commands",
    "stored_report",
    "report_command",
    "schemas",
    "schema_command",
    "starter",
    "init_arguments",
    "init_command",
    "profile_commands",
    "conflicts",
    "interrupts",
    "doctor",
)
IMPURE = {
    "os", "io", "pathlib", "time", "datetime", "random", "secrets", "tempfile", "shutil", "socket",
    "subprocess", "threading", "pytest", "_pytest", "filelock", "numpy",
}  # fmt: skip


def layer(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(path: Path) -> list[str]:
    """Every module that is imported when it runs; type-checking imports are not."""
    imported: list[str] = []
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
            imported += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            imported.append(node.module or "")
    return imported


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_module_imports_only_what_its_layer_may(path: Path) -> None:
    if layer(path) not in LAYERS:
        return
    _, allowed = LAYERS[layer(path)]
    for name in imports(path):
        if name.startswith("pytest_soak."):
            other = name.split(".")[1]
            assert other == layer(path) or other in allowed, f"{layer(path)} must not import {name}"


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
def test_only_plugin_and_session_import_pytest(path: Path) -> None:
    assert not {name.split(".")[0] for name in imports(path)} & {"pytest", "_pytest", "pluggy"}


def test_only_the_plugin_imports_the_session() -> None:
    importers = {
        layer(path) for path in MODULES for name in imports(path) if "pytest_soak.session" in name
    }
    assert importers <= {"session", "plugin"}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_module_is_one_noun_of_readable_length(path: Path) -> None:
    assert len(path.read_text("utf-8").splitlines()) <= 420


def test_every_module_is_in_the_table_of_layers() -> None:
    pytest_side = {"plugin", "bytecode", "session", "hookspecs", "__init__", "__main__"}
    assert {layer(path) for path in MODULES} == LAYERS.keys() | pytest_side


def test_the_page_shows_the_table_of_layers() -> None:
    rows = [
        f"| `{name}` | {what} | {', '.join(f'`{other}`' for other in imports) or '-'} |"
        for name, (what, imports) in LAYERS.items()
    ]
    page = (PACKAGE.parent / "docs" / "architecture.md").read_text("utf-8")
    assert (
        "\n".join(["| package or module | what it is | imports |", "|---|---|---|", *rows]) in page
    )


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
