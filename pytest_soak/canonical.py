"""Canonical JSON and its hash: equal values have equal bytes. Writes no file.

Canonical means: keys sorted, no spaces, UTF-8, whole numbers without a fraction (``60``), no
negative zero, no NaN and no infinity, and ``\\u`` escapes for characters that cannot be printed.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from itertools import islice
from numbers import Real
from typing import Any

import msgspec

_EXACT_INTEGERS = 2.0**53
_ADDRESS = re.compile(r"0x[0-9a-fA-F]{4,}")
_LONGEST_TEXT = 10_000
_LARGEST_INTEGER_BITS = 4096
_DEEPEST = 50
_MOST_VALUES = 1_000_000


def number(value: Any) -> float | None:
    """``value`` as a finite float; None for everything else.

    Numbers are int, float, Decimal, Fraction and numpy's (long double too). A bool is no number,
    nor is a text. Never raises, whatever object it is given.
    """
    kind = type(value)
    if kind is float:
        return value if math.isfinite(value) else None
    if kind is bool or kind is str or value is None:
        return None
    try:
        # The check of an abstract class takes longer than all else here.
        if kind is not int and (isinstance(value, bool) or not isinstance(value, (Real, Decimal))):
            return None
        converted = float(value)
    except KeyboardInterrupt:
        raise
    except BaseException:  # a user's object may raise anything when it is converted
        return None
    return converted if math.isfinite(converted) else None


_ENCODER = msgspec.json.Encoder(order="sorted")
"""Writes texts, whole numbers and sorted keys as the standard library does, and faster.
Other numbers are written by :func:`_text_of_float`, so that their form is Python's."""


def canonical_json(value: Any) -> bytes:
    """``value`` as canonical JSON.

    Raises ValueError for NaN, an infinity or a lone surrogate, TypeError for what is no JSON value.
    """
    data = _ENCODER.encode(_normal(value, _text_of_float))
    text = data.decode("utf-8")
    return data if text.isprintable() else printable_json(text).encode("utf-8")


def _text_of_float(value: float) -> msgspec.Raw:
    """The text of a number in JSON, which the encoder takes over as it is."""
    if not math.isfinite(value):
        raise ValueError(f"Out of range float values are not JSON compliant: {value!r}")
    return msgspec.Raw(repr(value).encode())


def printable_json(text: str) -> str:
    """JSON text, of the same value, that moves no cursor when it is printed. Line ends stay."""
    if text.isprintable():
        return text
    return "".join(
        character if character.isprintable() or character == "\n" else _json_escape(character)
        for character in text
    )


def _json_escape(character: str) -> str:
    units = character.encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{units[at : at + 4]}" for at in range(0, len(units), 4))


def compute_json_hash(value: Any) -> str:
    """SHA-256 of the canonical JSON of ``value``, 64 hexadecimal digits."""
    return hashlib.sha256(canonical_json(value)).hexdigest()


_AS_THEY_ARE = frozenset({str, bool, int, type(None)})
_CONTAINERS = frozenset({dict, list})


def normal(value: Any) -> Any:
    """A copy of a JSON value with the numbers of its canonical JSON: ``60`` for ``60.0``.

    Raises TypeError for what is no JSON value.
    """
    return _normal(value, _as_it_is)


def _as_it_is(value: float) -> float:
    return value


def _normal(value: Any, of_float: Callable[[float], Any]) -> Any:
    """:func:`normal`, with ``of_float`` applied to each number that stays a float."""
    kind = type(value)
    if kind in _AS_THEY_ARE:
        return value
    if kind is float:
        whole = value.is_integer() and abs(value) < _EXACT_INTEGERS
        return int(value) if whole else of_float(value)
    # Below, most items need no call, which takes longer than the rest.
    if kind is not dict and isinstance(value, (list, tuple)):
        return [item if type(item) in _AS_THEY_ARE else _normal(item, of_float) for item in value]
    if kind is dict or isinstance(value, Mapping):  # the ABC's check is slow
        for key in value:
            if not isinstance(key, str):
                raise TypeError(f"a JSON object has text keys, not {key!r}")
        return {
            key: item
            if (kind := type(item)) in _AS_THEY_ARE or (kind in _CONTAINERS and not item)
            else _normal(item, of_float)
            for key, item in value.items()
        }
    if isinstance(value, float):
        return _normal(float(value), of_float)
    if isinstance(value, int):
        return int(value)
    if isinstance(value, str):
        return str(value)
    raise TypeError(f"{kind.__name__} is no JSON value")


def to_json(value: Any) -> Any:
    """A value of a target or a user, as a JSON value that :func:`canonical_json` accepts.

    People can still see every value: NaN and infinities become the texts ``NaN``, ``Infinity``,
    ``-Infinity`` (which are no numbers, hence *no data*), numpy values become Python's, a Decimal
    or a Fraction a float, and an object that JSON does not have becomes its ``repr`` without
    memory addresses.
    """
    return _Cleaner().clean(value, 0)


class _Cleaner:
    """One conversion, bounded in depth and size, so that a cycle or a huge value ends too."""

    def __init__(self) -> None:
        self._open: set[int] = set()
        self._left = _MOST_VALUES

    def clean(self, value: Any, depth: int) -> Any:
        self._left -= 1
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, int):
            return int(value) if value.bit_length() <= _LARGEST_INTEGER_BITS else "a huge integer"
        if isinstance(value, float):
            return _float_or_text(value)
        if isinstance(value, str):
            return _clean(value)
        if depth >= _DEEPEST or self._left <= 0:
            return "…"
        if id(value) in self._open:
            return "<a cycle>"
        self._open.add(id(value))
        try:
            return self._container(value, depth + 1)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # a hostile object replaces only its own value
            return f"<{type(value).__name__}: {type(error).__name__} while it was read>"
        finally:
            self._open.discard(id(value))

    def _container(self, value: Any, depth: int) -> Any:
        if isinstance(value, Mapping):
            items = islice(value.items(), max(self._left, 0))  # some are endless
            return {_clean(str(key)): self.clean(item, depth) for key, item in items}
        if isinstance(value, (list, tuple)):
            return [self.clean(item, depth) for item in islice(value, max(self._left, 0))]
        if isinstance(value, (set, frozenset)):
            return [self.clean(item, depth) for item in sorted(value, key=repr)]
        tolist = getattr(value, "tolist", None)  # numpy's, without importing numpy
        if callable(tolist):
            plain = tolist()
            if type(plain) is not type(value):
                return self.clean(plain, depth)
        finite = number(value)  # a Decimal, a Fraction, a long double
        return _describe(value) if finite is None else finite


def _float_or_text(value: float) -> float | str:
    finite = number(value)
    if finite is not None:
        return finite
    plain = float.__float__(value)  # float's own method: that of a subclass may raise
    if math.isnan(plain):
        return "NaN"
    if math.isinf(plain):
        return "Infinity" if plain > 0 else "-Infinity"
    return f"<{type(value).__name__}: it does not convert to a number>"


def scrubbed(text: str) -> str:
    """A text for the journal, of limited length, without memory addresses and lone surrogates."""
    return _ADDRESS.sub("0x…", _clean(text))


def _describe(value: Any) -> str:
    try:
        text = repr(value)
    except Exception as error:
        text = f"<{type(value).__name__}: {type(error).__name__} in repr>"
    return scrubbed(text)


def _clean(text: str) -> str:
    # A lone surrogate cannot be written as UTF-8, and a long text must not fill the journal.
    # str's own method is used, because that of a subclass may return anything.
    whole = str.encode(text, "utf-8", "backslashreplace").decode("utf-8")
    return whole if len(whole) <= _LONGEST_TEXT else whole[:_LONGEST_TEXT] + "…"


def escaped_lines(text: str) -> str:
    """:func:`escaped` for a text of several lines, such as a traceback: they stay lines."""
    return escaped(text.replace("\t", "    "), keep="\n")


def escaped(text: str, keep: str = "") -> str:
    """``text`` for a terminal: unprintable characters as ``\\n``, ``\\x1b``, …

    Every text of others passes here before it is printed. Unprintable are control characters (C0,
    C1, and so every escape sequence), those that turn the direction of writing, lone surrogates,
    and all spaces but the plain one. Those in ``keep`` stay.
    """
    if text.isprintable():
        return text
    return "".join(
        character
        if character.isprintable() or character in keep
        else character.encode("unicode_escape").decode()
        for character in text
    )
