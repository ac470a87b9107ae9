"""The event loop compiled by numba (extra ``fast``): the same source, the same bytes, sooner.

There is no second implementation: :func:`numba.extending.register_jitable` lets compiled code call
the plain functions of the mock market, :func:`.trading.walk` first of all. The results are equal to
the last bit because numba, without ``fastmath``, keeps the order of operations, fuses none, and
calls the C library's ``exp`` as :mod:`math` does. A vector library or another platform may break
the last of these, so a process believes it only after it has seen it: :class:`CompiledWalk` walks
its first iteration both ways.

Importing this module imports numba, half a second.
"""

from __future__ import annotations

import copy
import functools
import hashlib
import inspect
import logging
from collections import namedtuple
from collections.abc import Callable
from dataclasses import fields
from typing import Any

import numba
import numpy as np
from numba.extending import intrinsic, register_jitable

from pytest_soak.targets import quoting
from pytest_soak.targets.mock import bot, desk, gateway, market, trading, venue
from pytest_soak.targets.mock.desk import Desk, Tape
from pytest_soak.targets.mock.trading import Course, walk_plainly
from pytest_soak.targets.quoting import Params

_COMPILED = (quoting, desk, gateway, venue, bot, trading)
_log = logging.getLogger("pytest_soak")


def _tuple_of(kind: type) -> Any:
    # The same fields as a tuple: numba knows no dataclass.
    return namedtuple(f"_{kind.__name__}", [field.name for field in fields(kind)])


_Params, _Desk, _Tape = _tuple_of(Params), _tuple_of(Desk), _tuple_of(Tape)


class CompiledWalk:
    """:func:`.trading.walk`, compiled; proved on its first iteration, plain if that fails."""

    def __init__(self) -> None:
        self._run = _compiled()
        self._proved = False
        self._refuted = False

    def __call__(self, course: Course, params: Params, desk: Desk) -> Tape:
        if self._refuted:
            return walk_plainly(course, params, desk)
        if self._proved:
            return self._walk(course, params, desk)
        plain_desk = copy.deepcopy(desk)
        plain_tape = walk_plainly(course, params, plain_desk)
        try:
            tape = self._walk(course, params, desk)
            self._proved = desk == plain_desk and _equal(tape, plain_tape)
        except numba.core.errors.NumbaError:
            _log.warning(
                "numba cannot compile the mock market: plain Python is used", exc_info=True
            )
        else:
            if self._proved:
                return tape
            _log.warning("the compiled mock market differs from plain Python here: not used")
        self._refuted = True
        for name in _Desk._fields:
            setattr(desk, name, getattr(plain_desk, name))
        return plain_tape

    @property
    def proved(self) -> bool:
        """Whether an iteration has come out the same both ways; from then on it is compiled."""
        return self._proved

    def _walk(self, course: Course, params: Params, desk: Desk) -> Tape:
        columns = _Desk(*(np.array(getattr(desk, name)) for name in _Desk._fields))
        course = Course(*(np.ascontiguousarray(column, np.float64) for column in course))
        written, _ = self._run(
            course, _Params(*(getattr(params, name) for name in _Params._fields)), columns
        )
        for name, column in zip(_Desk._fields, columns, strict=True):
            getattr(desk, name)[:] = column.tolist()
        tape = Tape(*written)
        tape.blocks = written[_Tape._fields.index("blocks")].tolist()
        return tape


@functools.cache
def compiled_walk() -> CompiledWalk:
    """The one of this process; compiles at its first call, or loads what was compiled before."""
    return CompiledWalk()


def _equal(one: Tape, other: Tape) -> bool:
    return all(
        np.array_equal(getattr(one, name), getattr(other, name), equal_nan=True)
        for name in _Tape._fields
    )


@intrinsic  # type: ignore[untyped-decorator]
def _borrowed(typing_context: Any, columns: Any) -> Any:
    # The same named tuple of arrays without a share in their ownership. The caller holds them,
    # and counting references at every call of every function costs more than the trading.
    def generate(context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        (values,) = arguments
        for index, kind in enumerate(columns.types):
            array = context.make_array(kind)(context, builder, builder.extract_value(values, index))
            array.meminfo = array.meminfo.type(None)
            array.parent = array.parent.type(None)
            values = builder.insert_value(values, array._getvalue(), index)
        return values

    return columns(columns), generate


def _compiled() -> Callable[[Course, Any, Any], tuple[tuple[Any, ...], int]]:
    for module in _COMPILED:
        for function in vars(module).values():
            if inspect.isfunction(function) and function.__module__ == module.__name__:
                register_jitable(forceinline=True)(function)
    sources = "".join(map(inspect.getsource, (*_COMPILED, market)))
    # numba's cache on disk looks at this file and at the closure; so the sources are in the latter.
    stamp = int(hashlib.sha256(sources.encode()).hexdigest()[:15], 16)
    walk = trading.walk

    def run(course: Course, params: Any, columns: Any) -> tuple[tuple[Any, ...], int]:
        tape = _Tape(
            [0.0 for _ in range(0)],
            [0.0 for _ in range(0)],
            [0.0 for _ in range(0)],
            [0.0 for _ in range(0)],
            [0 for _ in range(0)],
            [0.0 for _ in range(0)],
            [0 for _ in range(0)],
            [0.0 for _ in range(0)],
            [0.0 for _ in range(0)],
            [0, 0, 0, 0, 0],
            [0.0 for _ in range(0)],
            [0.0 for _ in range(0)],
            [0.0 for _ in range(0)],
            [0.0 for _ in range(0)],
            [0 for _ in range(0)],
        )
        walk(_borrowed(course), params, _borrowed(columns), tape)
        written = (
            np.array(tape.time),
            np.array(tape.side),
            np.array(tape.price),
            np.array(tape.size),
            np.array(tape.kind),
            np.array(tape.mid),
            np.array(tape.slot),
            np.array(tape.placed),
            np.array(tape.latency),
            np.array(tape.blocks),
            np.array(tape.mids),
            np.array(tape.held),
            np.array(tape.sent),
            np.array(tape.refused),
            np.array(tape.reason),
        )
        return written, stamp

    try:
        return numba.njit(cache=True)(run)  # type: ignore[no-any-return]
    except RuntimeError:  # no folder for a cache can be written to
        return numba.njit(run)  # type: ignore[no-any-return]
