"""The parameters as a JSON file, replaced as a whole by every delivery."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pytest_soak.canonical import canonical_json
from pytest_soak.json_types import EXACT
from pytest_soak.live.channels import Context, Delivery, Present
from pytest_soak.live.destination_file import DestinationFile
from pytest_soak.live.files import canonical_name, file_place
from pytest_soak.live.sections import ParametersFields
from pytest_soak.store.reading import parse_json_strictly


class ParameterFile:
    """A writer (:class:`pytest_soak.live.channels.Writer`) of one JSON file."""

    needs_process = False

    def __init__(self, place: Path, context: Context) -> None:
        self.place = str(place)
        self.destinations: tuple[str, ...] = (canonical_name(place),)
        self._paths = context.paths
        self._file = DestinationFile(place, context.folder)

    def open(self) -> None:
        self._file.keep_original()

    def present(self) -> Present | None:
        data = self._file.data()
        try:
            value = None if data is None else parse_json_strictly(data)
        except ValueError:
            return None
        if not isinstance(value, dict):
            return None
        return Present(_seq(value.get("soak")), dict(_values(value, self._paths)))

    def deliver(self, delivery: Delivery) -> None:
        self._file.replace(canonical_json(delivery.body))

    def restore(self) -> None:
        self._file.restore()


def make_file(fields: ParametersFields, context: Context) -> ParameterFile:
    return ParameterFile(file_place(str(fields.file), context, ("file",)), context)


def _seq(block: Any) -> int:
    """The ``seq`` in the block ``soak``; 0 if it has none."""
    seq = block.get("seq") if isinstance(block, dict) else None
    return seq if type(seq) is int and 0 <= seq <= EXACT else 0


def _values(
    runtime: dict[str, Any], paths: Mapping[str, tuple[str, ...]]
) -> Iterator[tuple[str, Any]]:
    """Parameter and value, for the parameters that the nested ``runtime`` has."""
    for parameter, path in paths.items():
        node: Any = runtime
        for part in path[:-1]:
            node = node.get(part) if isinstance(node, dict) else None
        if isinstance(node, dict) and path[-1] in node:
            yield parameter, node[path[-1]]
