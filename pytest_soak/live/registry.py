"""Writers and readers by name: those of this package, and those that other distributions register.

A distribution registers a factory in the entry-point group ``pytest_soak.writers`` or
``pytest_soak.readers``; its name is then a value of the field ``writer`` or ``reader``. A name of
this package cannot be taken. The factory is called with the field ``options``, as it is in the
profile, and a :class:`Context`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from msgspec import UNSET

from pytest_soak.json_types import WrongValueError
from pytest_soak.live.channels import Context, Reader, Writer
from pytest_soak.live.sections import ParametersFields, ReportFields
from pytest_soak.messages import nearest, shown


@dataclass(frozen=True, slots=True)
class Kind:
    """Writers or readers."""

    field: str
    """Of the section, for a name that another distribution registers."""
    group: str
    built_in: Mapping[str, str]
    """Name, which is a field of the section too, to ``module:factory``."""
    methods: tuple[str, ...]

    def registered(self) -> dict[str, EntryPoint]:
        """By name. Reads the metadata of the installed distributions."""
        points = sorted(entry_points(group=self.group), key=lambda point: point.name)
        return {point.name: point for point in points if point.name not in self.built_in}


WRITERS = Kind(
    "writer",
    "pytest_soak.writers",
    {
        "file": "pytest_soak.live.writers.file:make_file",
        "yaml": "pytest_soak.live.writers.yaml_file:make_yaml",
        "http": "pytest_soak.live.writers.http:make_http",
        "command": "pytest_soak.live.writers.command:make_command",
    },
    ("open", "present", "deliver", "restore"),
)
READERS = Kind(
    "reader",
    "pytest_soak.readers",
    {
        "file": "pytest_soak.live.readers.file:make_file",
        "http": "pytest_soak.live.readers.http:make_http",
        "prometheus": "pytest_soak.live.readers.prometheus:make_prometheus",
        "command": "pytest_soak.live.readers.command:make_command",
    },
    ("begin", "poll", "exists"),
)


def writer_of(fields: ParametersFields, context: Context) -> Writer:
    """The writer of a section. Contacts nothing and writes nothing.

    Raises WrongValueError, with the path within the section, and what a factory of another
    distribution raises.
    """
    name = _given(fields, WRITERS)
    writer: Writer
    if name != WRITERS.field:
        writer = _factory(WRITERS.built_in[name])(fields, context)
    else:
        writer = _of_another(WRITERS, str(fields.writer), fields.options, context)
    return writer


def reader_of(fields: ReportFields, context: Context, every_s: float) -> Reader:
    """The reader of a section; see :func:`writer_of`. ``every_s`` is the time between two polls,
    for a reader of this package that is polled during the span."""
    name = _given(fields, READERS)
    reader: Reader
    if name != READERS.field:
        reader = _factory(READERS.built_in[name])(fields, context, every_s)
    else:
        reader = _of_another(READERS, str(fields.reader), fields.options, context)
    return reader


def _given(fields: ParametersFields | ReportFields, kind: Kind) -> str:
    """The one field that says which writer or reader it is."""
    names = (*kind.built_in, kind.field)
    given = [name for name in names if getattr(fields, name) is not UNSET]
    if len(given) != 1:
        has = " and ".join(given) or "none"
        raise WrongValueError((), f"needs exactly one of {', '.join(names)}; it has {has}")
    return given[0]


def _factory(reference: str) -> Callable[..., Any]:
    module, _, name = reference.partition(":")
    factory: Callable[..., Any] = getattr(import_module(module), name)
    return factory


def _of_another(kind: Kind, name: str, options: Mapping[str, Any], context: Context) -> Any:
    path = (kind.field,)
    if name in kind.built_in:
        needs = f"give the field {name} instead of {kind.field}"
        raise WrongValueError(path, f"{name!r} is a name of pytest-soak itself; {needs}")
    points = kind.registered()
    if name not in points:
        problem = f"no installed distribution registers {shown(name)} in {kind.group}"
        raise WrongValueError(path, problem + nearest(name, points))
    reference = points[name].value
    try:
        factory = points[name].load()
    except (ImportError, AttributeError) as error:
        raise WrongValueError(path, f"{reference} cannot be imported: {error}") from error
    if not callable(factory):
        raise WrongValueError(path, f"{reference} is no factory({kind.field} options, context)")
    channel = factory(options, context)
    missing = [method for method in kind.methods if not callable(getattr(channel, method, None))]
    if missing:
        problem = f"{reference} gave {type(channel).__name__}, which has no {', '.join(missing)}"
        raise WrongValueError(path, problem)
    return channel
