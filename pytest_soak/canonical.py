"""Canonical JSON and its hash: equal values have equal bytes. Pure, the disk is ``store``'s.

Canonical means: keys sorted, no spaces, UTF-8, whole numbers without a fraction (``60``), no
negative zero, no NaN and no infinity.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Mapping
from typing import Any

_EXACT_INTEGERS = 2.0**53
_ADDRESS = re.compile(r"0x[0-9a-fA-F]{4,}")
_LONGEST_TEXT = 10_000


def canonical_json(value: Any) -> bytes:
    """``value`` as canonical JSON.

    Raises ValueError for NaN, an infinity or a lone surrogate, TypeError for what is no JSON value.
    """
    text = json.dumps(
        _normal(value), sort_keys=True, separators=(",", ":"), allow_nan=False, ensure_ascii=False
    )
    return text.encode("utf-8")


def compute_json_hash(value: Any) -> str:
    """SHA-256 of the canonical JSON of ``value``, 64 hexadecimal digits."""
    return hashlib.sha256(canonical_json(value)).hexdigest()


def _normal(value: Any) -> Any:
    kind = type(value)
    if kind is str or kind is bool or kind is int or value is None:
        return value
    if kind is float:
        return int(value) if value.is_integer() and abs(value) < _EXACT_INTEGERS else value
    if kind is dict or isinstance(value, Mapping):  # the ABC's check is slow
        for key in value:
            if not isinstance(key, str):
                raise TypeError(f"a JSON object has text keys, not {key!r}")
        return {key: _normal(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_normal(item) for item in value]
    if isinstance(value, float):
        return _normal(float(value))
    if isinstance(value, int):
        return int(value)
    if isinstance(value, str):
        return str(value)
    raise TypeError(f"{kind.__name__} is no JSON value")


def to_json(value: Any) -> Any:
    """What a target or a user said, as a JSON value that :func:`canonical_json` takes.

    Nothing is lost that a person would want to see: NaN and infinities become the texts ``NaN``,
    ``Infinity``, ``-Infinity`` (no number, hence no data), numpy values become Python's, and an
    object that is none of JSON's becomes its ``repr`` without memory addresses.
    """
    return _to_json(value, 0)


def _to_json(value: Any, depth: int) -> Any:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        number = float(value)
        if math.isfinite(number):
            return number
        return "NaN" if math.isnan(number) else "Infinity" if number > 0 else "-Infinity"
    if isinstance(value, str):
        return _clean(value)
    if depth >= 50:
        return _describe(value)
    if isinstance(value, Mapping):
        return {_clean(str(key)): _to_json(item, depth + 1) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_to_json(item, depth + 1) for item in value]
    if isinstance(value, (set, frozenset)):
        return [_to_json(item, depth + 1) for item in sorted(value, key=repr)]
    tolist = getattr(value, "tolist", None)  # numpy arrays and scalars, without importing numpy
    if callable(tolist):
        plain = tolist()
        if type(plain) is not type(value):
            return _to_json(plain, depth + 1)
    return _describe(value)


def _describe(value: Any) -> str:
    try:
        text = repr(value)
    except Exception as error:
        text = f"<{type(value).__name__}: {type(error).__name__} in repr>"
    return _ADDRESS.sub("0x…", _clean(text))


def _clean(text: str) -> str:
    # A lone surrogate cannot be written as UTF-8, and one long text must not fill the journal.
    whole = text.encode("utf-8", "backslashreplace").decode("utf-8")
    return whole if len(whole) <= _LONGEST_TEXT else whole[:_LONGEST_TEXT] + "…"
