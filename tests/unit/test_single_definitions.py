"""There is one parser of numbers, one evaluator of conditions, and one window.

Copies drift apart: once two of seven number parsers lacked a guard, and two of four evaluators
ignored a share of the first iterations.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "pytest_soak"
MODULES = {str(path.relative_to(PACKAGE)): path for path in sorted(PACKAGE.rglob("*.py"))}

RUNTIME_FILE = re.compile(r"_(files|runtime)\.holds$")

Function = ast.FunctionDef | ast.AsyncFunctionDef


def functions(path: Path) -> Iterator[Function]:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield node


def calls(node: ast.AST, name: str) -> list[ast.Call]:
    """Calls of ``name``, as a function or as a method."""
    return [
        item
        for item in ast.walk(node)
        if isinstance(item, ast.Call)
        and (getattr(item.func, "id", "") == name or getattr(item.func, "attr", "") == name)
    ]


def parses_a_finite_number(function: Function) -> bool:
    """Whether it converts to float and checks that it is finite, or checks the types of numbers."""
    types = [ast.unparse(call.args[1]) for call in calls(function, "isinstance")]
    by_type = any("int" in text and "float" in text for text in types)
    return by_type or bool(calls(function, "float") and calls(function, "isfinite"))


def finite_parsers() -> set[str]:
    return {
        f"{name}: {function.name}"
        for name, path in MODULES.items()
        for function in functions(path)
        if parses_a_finite_number(function)
    }


def test_numbers_are_parsed_in_one_place() -> None:
    assert finite_parsers() == {
        "canonical.py: number",
        "loop/words.py: described",  # names the type of a value for people
        "targets/replay/recording.py: _check_values",  # of numpy arrays, all at once
    }


def comparers() -> set[str]:
    """The functions that apply a comparison of the profile to a figure."""
    names = set()
    for name, path in MODULES.items():
        for function in functions(path):
            uses = [*calls(function, "holds"), *calls(function, "holds_with_margin")]
            # The method of a runtime file compares hashes.
            uses = [call for call in uses if not RUNTIME_FILE.search(ast.unparse(call.func))]
            if uses or "holds_with_margin" in ast.unparse(function):
                names.add(f"{name}: {function.name}")
    return names


def test_conditions_are_evaluated_in_one_place() -> None:
    assert comparers() == {
        "profile/condition.py: holds_with_margin",
        "profile/condition.py: shown",  # how many digits people need
        "loop/conditions.py: _first_beyond",
        # Limits of the gate: a mean or a bound against one comparison, which is no condition.
        "gate/kpi.py: _verdict",
        "gate/kpi.py: _is_marginal",
        "gate/kpi.py: _limit_doubts",
        "gate/kpi.py: warnings",
        "gate/window.py: _by_doubt",
        "gate/statistic.py: beyond",
        "gate/statistic.py: certain",
        "gate/statistic.py: is_certain",
        "gate/statistic.py: inside_of",
        "gate/statistic.py: _is_marginal",
        "gate/relative.py: relative_criterion",
        "gate/relative.py: _verdict",
        "profile/gate.py: _check_warning",
        "profile/model.py: holds",  # both sides of a limit with two
        "gate/kpi.py: _no_level",
        "gate/figures.py: figure_by",
        "gate/recovery.py: _outside",
        "report/sweep.py: _kpi",
        "report/sweep_map.py: colour",
        "report/sweep_map.py: map_panel",
        # How many digits it takes to see on which side of its limit a figure is.
        "report/layout.py: reading",
        # Since when a KPI is beyond its limit: one comparison of the gate again.
        "report/trends.py: is_outside",
    }


@pytest.mark.parametrize("name", MODULES)
def test_the_window_is_made_in_one_place(name: str) -> None:
    if name == "gate/window.py":
        return
    text = MODULES[name].read_text("utf-8")
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Slice):
            assert "window" not in ast.unparse(node), f"{name} slices a window of its own"
        if isinstance(node, (ast.ListComp, ast.GeneratorExp, ast.SetComp)):
            filters = " ".join(ast.unparse(item) for gen in node.generators for item in gen.ifs)
            inner = ast.unparse(node.generators[0].iter)
            measures = inner.endswith(".iterations") and "decision is not None" in filters
            counted = ast.unparse(node.elt) == ast.unparse(node.generators[0].target)
            assert not (measures and counted), f"{name} lists measured iterations of its own"
