"""Where a value of a resolved profile is written: the file of its chain, and the line in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pytest_soak.profile.layers import Layer
from pytest_soak.profile.yaml_text import key_lines


@dataclass(frozen=True, slots=True)
class Place:
    """A line of a profile's file."""

    file: str
    """The absolute path of the file."""
    line: int
    """Counted from 1."""


class Places:
    """The places of the values of one profile, from its layers, nearest first.

    The texts are those that were read when the profile was resolved. Their lines are counted at the
    first question.
    """

    def __init__(self, layers: Sequence[Layer] = ()) -> None:
        self._layers = tuple(layers)
        self._lines: dict[int, Mapping[tuple[str, ...], int]] = {}

    def of(self, *paths: tuple[str, ...]) -> Place | None:
        """The place of the first of these key paths that a file of the chain sets.

        None if no file sets any of them: their values are defaults.
        """
        for path in paths:
            replaced = 0  # a mapping of a nearer file replaces a plain value below it
            for number, layer in enumerate(self._layers):
                written = _written(layer.document, path)
                if written is None or 0 < len(written) <= replaced < len(path):
                    break
                if written:
                    return self._place(number, written)
                replaced = max(replaced, _mappings(layer.document, path))
        return None

    def _place(self, number: int, path: tuple[str, ...]) -> Place | None:
        layer = self._layers[number]
        if not layer.file:
            return None
        if number not in self._lines:
            self._lines[number] = key_lines(layer.data)
        line = self._lines[number].get(path)
        return None if line is None else Place(layer.file, line)


def _mappings(document: Mapping[str, Any], path: tuple[str, ...]) -> int:
    """How many parts of ``path`` lead through mappings of ``document``."""
    node: Any = document
    for steps, part in enumerate(path):
        node = node.get(part)
        if not isinstance(node, Mapping):
            return steps
    return len(path)


def _written(document: Mapping[str, Any], path: tuple[str, ...]) -> tuple[str, ...] | None:
    """The part of ``path`` whose value in ``document`` gives the value at ``path``.

    A value that is no mapping stands for everything below it: ``risk_ratio: "<= 0.42"`` is the
    limit of production and of the mock market. Empty if the document sets nothing there, None if it
    removes what it inherits.
    """
    node: Any = document
    for steps, part in enumerate(path):
        if not isinstance(node, Mapping):
            return path[:steps]
        if part not in node:
            return ()
        node = node[part]
        if node is None:
            return None
    return path
