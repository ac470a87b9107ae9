"""The event loop compiled by numba (extra ``fast``): the same source, the same bytes, less time.

There is no second implementation: :func:`numba.extending.register_jitable` lets compiled code call
the plain functions of the mock market, above all :func:`.trading.run_events`. The results are equal
to the last bit because numba, without ``fastmath``, keeps the order of operations, fuses none, and
calls the same ``exp`` of the C library as :mod:`math`. A vector library or another platform may
break the last of these. So :class:`CompiledEventLoop` runs the first iteration of a process both
ways, and is used only if the results are equal.

Importing this module imports numba, which takes half a second.
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
from pytest_soak.targets.mock import bot, fill_log, gateway, market, order_state, trading, venue
from pytest_soak.targets.mock.fill_log import FillLog
from pytest_soak.targets.mock.order_state import OrderState
from pytest_soak.targets.mock.trading import MarketPath, run_plainly
from pytest_soak.targets.quoting import Params

_COMPILED = (quoting, fill_log, order_state, gateway, venue, bot, trading)
_log = logging.getLogger("pytest_soak")


def _tuple_of(kind: type) -> Any:
    # The same fields as a named tuple, because numba does not support dataclasses.
    return namedtuple(f"_{kind.__name__}", [field.name for field in fields(kind)])


_Params, _OrderState, _FillLog = _tuple_of(Params), _tuple_of(OrderState), _tuple_of(FillLog)


class CompiledEventLoop:
    """:func:`.trading.run_events`, compiled; plain Python if its first iteration differs."""

    def __init__(self) -> None:
        self._run = _compiled()
        self._proved = False
        self._refuted = False

    def __call__(self, path: MarketPath, params: Params, orders: OrderState) -> FillLog:
        if self._refuted:
            return run_plainly(path, params, orders)
        if self._proved:
            return self._run_compiled(path, params, orders)
        plain_orders = copy.deepcopy(orders)
        plain_log = run_plainly(path, params, plain_orders)
        try:
            log = self._run_compiled(path, params, orders)
            self._proved = orders == plain_orders and _equal(log, plain_log)
        except numba.core.errors.NumbaError:
            _log.warning(
                "numba cannot compile the mock market: plain Python is used", exc_info=True
            )
        else:
            if self._proved:
                return log
            _log.warning("the compiled mock market differs from plain Python here: not used")
        self._refuted = True
        for name in _OrderState._fields:
            setattr(orders, name, getattr(plain_orders, name))
        return plain_log

    @property
    def proved(self) -> bool:
        """Whether the first iteration was equal both ways; later ones run compiled only."""
        return self._proved

    def _run_compiled(self, path: MarketPath, params: Params, orders: OrderState) -> FillLog:
        columns = _OrderState(*(np.array(getattr(orders, name)) for name in _OrderState._fields))
        path = MarketPath(*(np.ascontiguousarray(column, np.float64) for column in path))
        written, _ = self._run(
            path, _Params(*(getattr(params, name) for name in _Params._fields)), columns
        )
        for name, column in zip(_OrderState._fields, columns, strict=True):
            getattr(orders, name)[:] = column.tolist()
        log = FillLog(*written)
        log.blocks = written[_FillLog._fields.index("blocks")].tolist()
        return log


@functools.cache
def compiled_event_loop() -> CompiledEventLoop:
    """The compiled event loop of this process. Its first call compiles, or loads from the cache."""
    return CompiledEventLoop()


def _equal(first: FillLog, second: FillLog) -> bool:
    return all(
        np.array_equal(getattr(first, name), getattr(second, name), equal_nan=True)
        for name in _FillLog._fields
    )


@intrinsic  # type: ignore[untyped-decorator]
def _borrowed(typing_context: Any, columns: Any) -> Any:
    # The same named tuple of arrays without reference counts. The caller keeps the arrays alive,
    # and counting references at each call of each function takes longer than the trading itself.
    def generate(context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        (values,) = arguments
        for index, kind in enumerate(columns.types):
            array = context.make_array(kind)(context, builder, builder.extract_value(values, index))
            array.meminfo = array.meminfo.type(None)
            array.parent = array.parent.type(None)
            values = builder.insert_value(values, array._getvalue(), index)
        return values

    return columns(columns), generate


def _compiled() -> Callable[[MarketPath, Any, Any], tuple[tuple[Any, ...], int]]:
    for module in _COMPILED:
        for function in vars(module).values():
            if inspect.isfunction(function) and function.__module__ == module.__name__:
                register_jitable(forceinline=True)(function)
    sources = "".join(map(inspect.getsource, (*_COMPILED, market)))
    # numba's cache on disk depends on this file and on the closure. The stamp of all sources is in
    # the closure, so that a change of any of them compiles anew.
    stamp = int(hashlib.sha256(sources.encode()).hexdigest()[:15], 16)
    run_events = trading.run_events

    def run(path: MarketPath, params: Any, columns: Any) -> tuple[tuple[Any, ...], int]:
        log = _FillLog(
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
        run_events(_borrowed(path), params, _borrowed(columns), log)
        written = (
            np.array(log.time),
            np.array(log.side),
            np.array(log.price),
            np.array(log.size),
            np.array(log.kind),
            np.array(log.mid),
            np.array(log.slot),
            np.array(log.placed),
            np.array(log.latency),
            np.array(log.blocks),
            np.array(log.mids),
            np.array(log.inventory),
            np.array(log.sent),
            np.array(log.refused),
            np.array(log.reason),
        )
        return written, stamp

    try:
        return numba.njit(cache=True)(run)  # type: ignore[no-any-return]
    except RuntimeError:  # no folder for the cache is writable
        return numba.njit(run)  # type: ignore[no-any-return]
