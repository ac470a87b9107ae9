"""The texts that the code can print, as the source has them: refusals, halts, reasons of a verdict.

A reader of the syntax trees of the package. A part of a text that is not a literal is ``…``.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import product
from pathlib import Path
from typing import Final

PACKAGE: Final = Path(__file__).parents[1] / "pytest_soak"
HOLE: Final = "…"
_OF_PYTHON: Final = frozenset(
    {"UsageError", "ValueError", "TypeError", "LookupError", "OSError", "RuntimeError", "skip"}
)
"""Errors that are no classes of the package; ``skip`` is pytest's."""
_OTHERS: Final = frozenset({"trouble_report", "_calling", "_naming"})
"""Functions whose texts are printed although they make no errors."""
_MOST_DEEP: Final = 4
_FORMATTERS: Final = frozenset({"messages", "canonical", "masking"})
"""Modules whose functions show values of others; what they return is no text of its own."""


@dataclass(frozen=True, order=True)
class Text:
    """One text: where it is made, and by which error or function."""

    module: str
    line: int
    kind: str
    text: str

    @property
    def place(self) -> str:
        return f"{self.module}:{self.line}"


@dataclass(frozen=True)
class _Module:
    name: str
    tree: ast.Module
    functions: dict[str, ast.FunctionDef] = field(default_factory=dict)
    constants: dict[str, ast.expr] = field(default_factory=dict)
    imported: dict[str, tuple[str, str]] = field(default_factory=dict)
    """Name to the module and the name that it has there."""


@cache
def _modules() -> dict[str, _Module]:
    modules = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        name = path.relative_to(PACKAGE).as_posix()
        module = _Module(name, ast.parse(path.read_text("utf-8")))
        for node in ast.walk(module.tree):
            if isinstance(node, ast.FunctionDef):
                module.functions.setdefault(node.name, node)
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("pytest_soak."):
                target = str(node.module).removeprefix("pytest_soak.").replace(".", "/")
                for alias in node.names:
                    module.imported[alias.asname or alias.name] = (f"{target}.py", alias.name)
        for node in module.tree.body:
            match node:
                case ast.Assign(targets=[ast.Name(id=constant)], value=value):
                    module.constants[constant] = value
                case ast.AnnAssign(target=ast.Name(id=constant), value=ast.expr() as value):
                    module.constants[constant] = value
        modules[name] = module
    return modules


def _name(node: ast.expr | None) -> str:
    """The last part of a dotted name."""
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
        case ast.Subscript(value=inner):
            return _name(inner)
    return ""


@cache
def _makers() -> frozenset[str]:
    """The names of error classes, and of functions that return an error."""
    errors = set(_OF_PYTHON)
    bases = [
        (node.name, [_name(base) for base in node.bases])
        for module in _modules().values()
        for node in ast.walk(module.tree)
        if isinstance(node, ast.ClassDef)
    ]
    for _ in range(_MOST_DEEP):
        errors |= {
            name for name, above in bases if {"Exception", "ValueError", "RuntimeError"} & {*above}
        }
        errors |= {name for name, above in bases if errors & {*above}}
    functions = {
        node.name
        for module in _modules().values()
        for node in module.functions.values()
        if _name(node.returns) in errors
    }
    return frozenset(errors | functions | _OTHERS)


@dataclass
class _Reader:
    """Reads the texts of one expression; ``beside`` collects those that are put into others."""

    module: _Module
    function: ast.AST | None
    beside: list[str] = field(default_factory=list)

    def texts(self, node: ast.expr, depth: int = 0) -> list[str]:
        match node:
            case ast.Constant(value=str(text)):
                return [text]
            case ast.JoinedStr(values=parts):
                return _joined([self._part(part, depth) for part in parts])
            case ast.BinOp(op=ast.Add(), left=left, right=right):
                return _joined([self.texts(left, depth), self.texts(right, depth)])
            case ast.IfExp(body=body, orelse=other):
                return [*self.texts(body, depth), *self.texts(other, depth)]
            case ast.BoolOp(values=values):
                return [text for value in values for text in self.texts(value, depth)]
            case ast.Name(id=name) if depth < _MOST_DEEP:
                return self._of_name(name, depth + 1)
            case ast.Call(func=ast.Name(id=name)) if depth < _MOST_DEEP:
                return self._of_call(name, depth + 1)
        return [HOLE]

    def _part(self, node: ast.expr, depth: int) -> list[str]:
        if isinstance(node, ast.Constant):
            return [str(node.value)]
        if isinstance(node, ast.FormattedValue):
            self.beside += [text for text in self.texts(node.value, depth) if text != HOLE]
        return [HOLE]

    def _of_name(self, name: str, depth: int) -> list[str]:
        values = list(_assigned(self.function, name)) if self.function is not None else []
        if values:
            first, *more = [self.texts(value, depth) for value in values]
            return [*first, *(text for texts in more for text in texts)]
        if name in self.module.constants:
            return self.texts(self.module.constants[name], depth)
        if name in self.module.imported:
            file, there = self.module.imported[name]
            other = _modules().get(file)
            if other is not None and there in other.constants:
                return _Reader(other, None, self.beside).texts(other.constants[there], depth)
        return [HOLE]

    def _of_call(self, name: str, depth: int) -> list[str]:
        module, there = self.module, name
        if name in module.imported:
            file, there = module.imported[name]
            if Path(file).stem in _FORMATTERS or file not in _modules():
                return [HOLE]
            module = _modules()[file]
        function = module.functions.get(there)
        if function is None or "str" not in ast.unparse(function.returns or ast.Constant("")):
            return [HOLE]
        reader = _Reader(module, function, self.beside)
        returned = [
            node.value for node in ast.walk(function) if isinstance(node, ast.Return) and node.value
        ]
        return [text for value in returned for text in reader.texts(value, depth)] or [HOLE]


def _joined(parts: Sequence[list[str]]) -> list[str]:
    return [re.sub(rf"{HOLE}+", HOLE, "".join(chosen)) for chosen in product(*parts)][:16]


def _assigned(function: ast.AST, name: str) -> Iterator[ast.expr]:
    for node in ast.walk(function):
        match node:
            case ast.Assign(targets=targets, value=value):
                for target in targets:
                    if isinstance(target, ast.Name) and target.id == name:
                        yield value
            case (
                ast.AugAssign(target=ast.Name(id=given), value=value)
                | ast.NamedExpr(target=ast.Name(id=given), value=value)
            ) if given == name:
                yield value
            case ast.AnnAssign(target=ast.Name(id=given), value=ast.expr() as value) if (
                given == name
            ):
                yield value


def _functions(tree: ast.Module) -> Iterator[tuple[ast.AST | None, ast.AST]]:
    """Every node with the innermost function around it."""

    def below(node: ast.AST, function: ast.AST | None) -> Iterator[tuple[ast.AST | None, ast.AST]]:
        for child in ast.iter_child_nodes(node):
            inner = child if isinstance(child, ast.FunctionDef) else function
            yield inner, child
            yield from below(child, inner)

    yield from below(tree, None)


def words(text: str) -> list[str]:
    """The words of a text; a name in snake case is one."""
    return re.findall(r"[A-Za-z][\w\-/.@=]+", text)


def is_sentence(text: str) -> bool:
    """Whether a text has two words of its own, or a long one beside something else."""
    own = words(text)
    return " " in text.strip() and (len(own) > 1 or any(len(word) > 4 for word in own))


@cache
def texts_of_errors() -> tuple[Text, ...]:
    """Every text that an error is made of, in the order of modules and lines."""
    printed: set[Text] = set()
    for module in _modules().values():
        for function, node in _functions(module.tree):
            if not isinstance(node, ast.Call) or _name(node.func) not in _makers():
                continue
            for argument in (*node.args, *(keyword.value for keyword in node.keywords)):
                reader = _Reader(module, function)
                texts = [*reader.texts(argument), *reader.beside]
                printed |= {
                    Text(module.name, node.lineno, _name(node.func), text)
                    for text in texts
                    if is_sentence(text)
                }
    return tuple(sorted(printed))


@cache
def sentences_of(name: str) -> tuple[Text, ...]:
    """Every text of a module that is a sentence and no docstring."""
    module = _modules()[name]
    documentation = {
        id(node.value)
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    inner = {
        id(part)
        for node in ast.walk(module.tree)
        if isinstance(node, ast.JoinedStr)
        for part in ast.walk(node)
        if part is not node and isinstance(part, ast.Constant)
        if part in node.values
    }
    reader = _Reader(module, None)
    printed = set()
    for node in ast.walk(module.tree):
        if id(node) in documentation | inner or not isinstance(node, ast.Constant | ast.JoinedStr):
            continue
        for text in reader.texts(node, _MOST_DEEP):
            if is_sentence(text):
                printed.add(Text(name, node.lineno, "text", text))
    return tuple(sorted(printed))


@cache
def names_of_reports() -> tuple[Text, ...]:
    """The names of the reports on the run itself, such as ``run/seal``."""
    printed = {
        Text(module.name, node.lineno, "name", node.value)
        for module in _modules().values()
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and re.fullmatch(r"run/[a-z]+", node.value)
    }
    return tuple(sorted(printed))
