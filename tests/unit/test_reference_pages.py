"""The pages to look something up have every option, variable, command, and the right limits."""

from __future__ import annotations

import argparse
import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import pytest_soak
from pytest_soak.cli import _parser
from pytest_soak.options import add_options
from pytest_soak.profile.model import Limit
from pytest_soak.profile.resolve import resolve
from pytest_soak.session.lanes import OVERRIDES_VARIABLES
from pytest_soak.store.sources import read_source
from tests.pages import DOCS, README, rows

OPTIONS = (DOCS / "options.md").read_text("utf-8")
COMMANDS = (DOCS / "commands.md").read_text("utf-8")
SETTINGS = Path(pytest_soak.__file__).parent


class Declared:
    """Takes the place of pytest's parser, and keeps what is declared."""

    def __init__(self) -> None:
        self.options: dict[str, dict[str, Any]] = {}
        self.ini: list[str] = []

    def getgroup(self, *_: str) -> Declared:
        return self

    def addoption(self, name: str, **fields: Any) -> None:
        self.options[name] = fields

    def addini(self, name: str, *_: str, **__: Any) -> None:
        self.ini.append(name)


@pytest.fixture
def declared() -> Declared:
    declared = Declared()
    add_options(declared)  # type: ignore[arg-type]
    assert len(declared.options) > 20
    return declared


def option_rows() -> dict[str, list[str]]:
    """Option to the cells of its row."""
    every = [row for row in rows(OPTIONS) if row[0].startswith("`--soak")]
    names = [re.match(r"`(--soak[a-z-]*)", row[0]) for row in every]
    return {name[1]: row for name, row in zip(names, every, strict=True) if name}


def test_every_option_has_one_row_and_no_row_is_of_another(declared: Declared) -> None:
    named = [row[0] for row in rows(OPTIONS) if row[0].startswith("`--soak")]
    assert sorted(option_rows()) == sorted(declared.options)
    assert len(named) == len(declared.options)
    assert all(len(row) == 4 and row[3] for row in option_rows().values())


def test_an_option_with_a_value_is_shown_with_one(declared: Declared) -> None:
    for name, fields in declared.options.items():
        shown = option_rows()[name][0]
        is_switch = fields.get("action") == "store_true"
        assert ("=" in shown) is not is_switch, shown


def test_every_ini_value_is_in_the_row_of_its_option(declared: Declared) -> None:
    cells = " ".join(row[1] for row in option_rows().values())
    assert sorted(set(re.findall(r"soak_\w+", cells))) == sorted(declared.ini)
    for name, row in option_rows().items():
        ini = name.removeprefix("--").replace("-", "_")
        if ini in declared.ini and ini != "soak_iterations":  # N of a bare --soak
            assert f"`{ini}`" in row[1], row


def variables() -> set[str]:
    """The variables of the environment that the settings read."""
    texts = {
        node.value
        for module in ("settings.py", "option_values.py")
        for node in ast.walk(ast.parse((SETTINGS / module).read_text("utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    return {text for text in texts if re.fullmatch(r"[A-Z]+(_[A-Z]+)+", text)}


def test_every_variable_is_named() -> None:
    assert variables() >= {"SOAK_ITERATIONS", "USE_MOCK", "GITHUB_STEP_SUMMARY"}
    named = set(re.findall(r"\b[A-Z]+(?:_[A-Z]+)+\b", OPTIONS))
    assert named == (variables() - {"PYTEST_ADDOPTS"}) | {*OVERRIDES_VARIABLES}


def commands(parser: argparse.ArgumentParser, before: str = "") -> Iterator[str]:
    """The commands of a parser; of one with commands of its own those."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, inner in action.choices.items():
                deeper = list(commands(inner, f"{before}{name} "))
                yield from deeper or [f"{before}{name}"]


def arguments(parser: argparse.ArgumentParser, before: str = "") -> Iterator[tuple[str, str]]:
    """Each optional argument with its command."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, inner in action.choices.items():
                yield from arguments(inner, f"{before}{name} ")
        elif action.option_strings and action.dest != "help":
            yield action.option_strings[-1], before.strip()


def test_every_command_has_one_row() -> None:
    shown = [re.match(r"`pytest-soak ((?:profile )?\w+)", row[0]) for row in rows(COMMANDS)]
    assert sorted(name[1] for name in shown if name) == sorted(commands(_parser()))


def test_every_argument_of_a_command_has_a_row_with_its_commands() -> None:
    shown = {
        (name[1], command)
        for row in rows(COMMANDS)
        if (name := re.match(r"`(-[\w-]+)", row[0]))
        for command in re.findall(r"`([a-z ]+)`", row[1])
    }
    assert shown == set(arguments(_parser()))


def limit_text(limits: Limit) -> str:
    (limit,) = limits.sides
    digits = 2 if limit.limit < 1 else 1 if limit.limit < 10 else 0
    return f"{ {'>=': '≥', '<=': '≤'}[limit.op] } {limit.limit:.{digits}f}"


@pytest.mark.parametrize("page", [README, DOCS / "gate.md"], ids=lambda page: page.name)
def test_the_table_of_limits_is_that_of_the_profile(page: Path) -> None:
    criteria = resolve("market_maker", read_source).profile.gate.criteria
    limits = [
        [f"`{item.kpi}`", limit_text(item.production), limit_text(item.mock)] for item in criteria
    ]
    table = rows(page.read_text("utf-8"))
    place = table.index(["criterion", "production", "mock"]) + 1
    assert table[place : place + len(limits)] == limits
