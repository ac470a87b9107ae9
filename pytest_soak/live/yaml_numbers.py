"""Numbers in a YAML text: where they are, and the text with other numbers in their places."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

import yaml

from pytest_soak.messages import nearest, shown

Path = tuple[str, ...]
"""Keys, and the indices of lists as texts: ``("strategies", "0", "spread")``."""

_NUMBER = re.compile(r"[-+]?(?:(?:0|[1-9][0-9]*)(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?")
"""A decimal number. Not ``010``, ``1_000`` and ``1:30``, which versions of YAML read differently.
"""
_IN_ALL_VERSIONS = re.compile(r"[-+]?(?:0|[1-9][0-9]*)(?:\.[0-9]*(?:[eE][-+][0-9]+)?)?")
"""Of these, what is a number in YAML 1.1 and 1.2: ``1e-05`` is a text in YAML 1.1."""

_WHOLE = re.compile(r"[-+]?[0-9]+")
_LARGEST_WHOLE = 2**53


class YamlError(ValueError):
    """Ends a sentence that begins with the file."""


class Number(NamedTuple):
    begin: int
    """Of its characters in the text."""
    end: int
    value: float


def numbers_at(text: str, paths: Mapping[str, Path]) -> dict[str, Number]:
    """The numbers at the ``paths`` of a YAML document, by their names.

    Raises YamlError for what is no YAML or several documents, for a path that is not there, and for
    a value that is no plain decimal number or belongs to an alias.
    """
    root = _composed(text)
    return {name: _number_at(text, root, path) for name, path in paths.items()}


def with_numbers(text: str, paths: Mapping[str, Path], values: Mapping[str, float]) -> str:
    """``text`` with the ``values`` in the places at ``paths``. Nothing else is changed, nor is a
    number that has its value already.

    The result is read again. Raises YamlError as :func:`numbers_at`, and if the result does not
    have the values.
    """
    numbers = numbers_at(text, paths)
    changed = text
    for name, number in sorted(numbers.items(), key=lambda item: -item[1].begin):
        before = text[number.begin : number.end]
        if number.value != values[name] or not _IN_ALL_VERSIONS.fullmatch(before):
            after = text_of(values[name], whole=_WHOLE.fullmatch(before) is not None)
            changed = changed[: number.begin] + after + changed[number.end :]
    written = numbers_at(changed, paths)
    for name, path in paths.items():
        if written[name].value != values[name]:
            wrong = f"{written[name].value!r} at {'.'.join(path)}, and not {values[name]!r}"
            raise YamlError(f"would have {wrong}")
    return changed


def text_of(value: float, *, whole: bool = False) -> str:
    """The number as every version of YAML reads it: ``1.0e-05``.

    ``whole``: the number in its place was written as ``8``, and so is a whole ``value``, because
    the bot may read it as an integer.
    """
    if whole and value.is_integer() and abs(value) <= _LARGEST_WHOLE:
        return str(int(value))
    mantissa, e, exponent = repr(value).partition("e")
    return f"{mantissa}.0e{exponent}" if e and "." not in mantissa else mantissa + e + exponent


def _composed(text: str) -> yaml.Node:
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.composer.ComposerError as error:
        if "single document" in str(error.context):
            raise YamlError("has several documents; it needs one") from None
        raise YamlError(_described(error)) from None
    except yaml.MarkedYAMLError as error:
        raise YamlError(_described(error)) from None
    except yaml.YAMLError as error:
        raise YamlError(f"is no YAML: {str(error).splitlines()[0]}") from None
    except RecursionError:
        raise YamlError("is nested too deeply") from None
    if root is None:
        raise YamlError("is empty")
    return root


def _described(error: yaml.MarkedYAMLError) -> str:
    mark = error.problem_mark or error.context_mark
    where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark is not None else ""
    return f"is no YAML: {where}{error.problem or error.context}"


def _number_at(text: str, root: yaml.Node, path: Path) -> Number:
    node, begin = root, 0
    for depth, part in enumerate(path):
        node, begin = _below(node, part, path[: depth + 1])
        # The node of an alias is where its anchor is: before.
        if node.start_mark.index < begin:
            where = ".".join(path[: depth + 1])
            raise YamlError(f"has an alias at {where}; write its value out")
    where = ".".join(path)
    if not isinstance(node, yaml.ScalarNode):
        raise YamlError(f"has {_kind(node)} at {where}; it needs a number")
    end = node.end_mark.index
    first = end - len(node.value)
    is_plain = node.style is None and text[first:end] == node.value
    if not is_plain or not _NUMBER.fullmatch(node.value):
        raise YamlError(
            f"has {shown(text[node.start_mark.index : end])} at {where}; it needs a plain decimal "
            "number, as in 0.5"
        )
    if "!" in text[node.start_mark.index : first]:
        raise YamlError(f"has a tag at {where}; it needs a plain number")
    return Number(first, end, float(node.value))


def _below(node: yaml.Node, part: str, path: Path) -> tuple[yaml.Node, int]:
    """What ``node`` has under ``part``, and the least position at which that can begin."""
    where = ".".join(path)
    if isinstance(node, yaml.SequenceNode):
        items: list[yaml.Node] = node.value
        if not re.fullmatch("0|[1-9][0-9]{0,8}", part) or int(part) >= len(items):
            size = f"{len(items)} item{'' if len(items) == 1 else 's'}"
            raise YamlError(f"has no {where}: the list has {size}, counted from 0")
        return items[int(part)], node.start_mark.index
    if not isinstance(node, yaml.MappingNode):
        raise YamlError(f"has no {where}: {_kind(node)} has no keys")
    keys = [(key, value) for key, value in node.value if isinstance(key, yaml.ScalarNode)]
    matches = [(key, value) for key, value in keys if key.value == part]
    if not matches:
        raise YamlError(f"has no {where}{nearest(part, (key.value for key, _ in keys))}")
    if len(matches) > 1:
        lines = " and ".join(str(key.start_mark.line + 1) for key, _ in matches)
        raise YamlError(f"has {where} twice, in the lines {lines}")
    key, value = matches[0]
    return value, key.end_mark.index


def _kind(node: yaml.Node) -> str:
    if isinstance(node, yaml.MappingNode):
        return "a mapping"
    return "a list" if isinstance(node, yaml.SequenceNode) else shown(node.value)
