"""Values in a YAML text: where they are, and the text with other values in their places."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from typing import NamedTuple

import yaml

from pytest_soak.messages import nearest, shown
from pytest_soak.profile.parameter import Outer, outer_text

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


_PLAIN_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
_SWITCHES = (("false", "true"), ("off", "on"), ("no", "yes"))


class Scalar(NamedTuple):
    begin: int
    """Of its characters in the text."""
    end: int
    value: float | str
    """Of a word its text, without quotes."""


def scalars_at(
    text: str, paths: Mapping[str, Path], words: Collection[str] = ()
) -> dict[str, Scalar]:
    """The values at the ``paths`` of a YAML document, by their names.

    Raises YamlError for what is no YAML or several documents, for a path that is not there, and for
    a value that is no plain decimal number or belongs to an alias. Those of the names ``words`` may
    be any text on one line, as switches and choices are.
    """
    root = _composed(text)
    return {
        name: (_word_at if name in words else _number_at)(text, root, path)
        for name, path in paths.items()
    }


def with_values(
    text: str, paths: Mapping[str, Path], values: Mapping[str, Outer], words: Collection[str] = ()
) -> str:
    """``text`` with the ``values`` in the places at ``paths``. Nothing else is changed, nor is a
    value that is there already.

    The result is read again. Raises YamlError as :func:`scalars_at`, and if the result does not
    have the values.
    """
    changed = text
    scalars = scalars_at(text, paths, words)
    for name, scalar in sorted(scalars.items(), key=lambda item: -item[1].begin):
        before, value = text[scalar.begin : scalar.end], values[name]
        if name in words:
            after = before if _is_word(scalar, value) else word_of(value, before)
        elif scalar.value != value or not _IN_ALL_VERSIONS.fullmatch(before):
            after = text_of(float(value), whole=_WHOLE.fullmatch(before) is not None)
        else:
            continue
        changed = changed[: scalar.begin] + after + changed[scalar.end :]
    written = scalars_at(changed, paths, words)
    for name, path in paths.items():
        is_there = _is_word(written[name], values[name]) if name in words else False
        if not is_there and written[name].value != values[name]:
            wrong = f"{written[name].value!r} at {'.'.join(path)}, and not {values[name]!r}"
            raise YamlError(f"would have {wrong}")
    return changed


def word_of(value: Outer, before: str) -> str:
    """A switch, a choice or a number as YAML has it, in the manner of what is there ``before``."""
    if isinstance(value, bool):
        pairs = [pair for pair in _SWITCHES if before.strip("'\"").lower() in pair]
        word = (pairs or [_SWITCHES[0]])[0][value]
        inner = before.strip("'\"")
        word = word.upper() if inner.isupper() else word.title() if inner.istitle() else word
    elif isinstance(value, str):
        word = value
    else:
        return text_of(float(value), whole=isinstance(value, int))
    if before[:1] == '"':
        return json.dumps(word, ensure_ascii=False)
    is_plain = before[:1] != "'" and _PLAIN_WORD.fullmatch(word) is not None
    # A text that YAML reads as a switch, as `on`, is quoted unless one stood there plain.
    if is_plain and (isinstance(value, bool) or _is_text(word) or not _is_text(before)):
        return word
    return "'" + word.replace("'", "''") + "'"


def _is_text(plain: str) -> bool:
    return isinstance(yaml.safe_load(plain), str)


def _is_word(scalar: Scalar, value: Outer) -> bool:
    """Whether the text of a word stands for this value."""
    if isinstance(value, bool):
        return str(scalar.value).lower() in {pair[value] for pair in _SWITCHES}
    return scalar.value == (value if isinstance(value, str) else outer_text(value, 12))


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


def _scalar_at(text: str, root: yaml.Node, path: Path, need: str) -> tuple[yaml.ScalarNode, str]:
    """The node at ``path``, and the path for messages."""
    node, begin = root, 0
    for depth, part in enumerate(path):
        node, begin = _below(node, part, path[: depth + 1])
        # The node of an alias is where its anchor is: before.
        if node.start_mark.index < begin:
            where = ".".join(path[: depth + 1])
            raise YamlError(f"has an alias at {where}; write its value out")
    where = ".".join(path)
    if not isinstance(node, yaml.ScalarNode):
        raise YamlError(f"has {_kind(node)} at {where}; it needs {need}")
    return node, where


def _number_at(text: str, root: yaml.Node, path: Path) -> Scalar:
    node, where = _scalar_at(text, root, path, "a number")
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
    return Scalar(first, end, float(node.value))


def _word_at(text: str, root: yaml.Node, path: Path) -> Scalar:
    """A switch or a choice: one line, plain or in quotes."""
    node, where = _scalar_at(text, root, path, "a switch or a text")
    begin, end = node.start_mark.index, node.end_mark.index
    written = text[begin:end]
    is_plain = node.style is None and written == node.value != ""
    is_quoted = node.style in ("'", '"') and written[:1] == node.style and "\n" not in written
    if not (is_plain or is_quoted):
        raise YamlError(
            f"has {shown(written)} at {where}; it needs a switch or a text on one line, with "
            "neither tag nor anchor"
        )
    return Scalar(begin, end, node.value)


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
