"""What a check sees: the objects behind the fixtures."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from copy import deepcopy
from types import MappingProxyType
from typing import Any

from pytest_soak.loop.model import Iteration, Verdict
from pytest_soak.profile.model import Profile

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")


class RuntimeView(Mapping[str, float]):
    """The parameters in force, flat and read-only: ``soak_runtime["base_spread_bps"]``."""

    def __init__(self, values: Mapping[str, float], nested: Mapping[str, Any]) -> None:
        self._values = values
        self._nested = nested

    def __getitem__(self, key: str) -> float:
        return self._values[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return f"RuntimeView({dict(self._values)!r})"

    @property
    def nested(self) -> Mapping[str, Any]:
        """The same as the target sees it: ``{"risk": {...}, "engine": {...}, "tuner": {...}}``."""
        return self._nested


class SoakIteration:
    """One observed iteration, as the fixture ``soak_iteration`` gives it to a check."""

    def __init__(
        self,
        iteration: Iteration,
        runtime: RuntimeView,
        before: Iteration | None,
        recorded: dict[str, Any],
        profile: Profile,
    ) -> None:
        self._iteration = iteration
        self._before = before
        self._observation: Mapping[str, Any] | None = None
        self._recorded = recorded
        self._profile = profile
        self.runtime = runtime
        """The parameters in force during the iteration."""

    def __repr__(self) -> str:
        return f"<soak iteration {self.number}: {self.verdict}>"

    @property
    def number(self) -> int:
        """From 1."""
        return self._iteration.number

    @property
    def kpis(self) -> Mapping[str, float | None]:
        """KPI to value; None is *no data*."""
        readings = self._iteration.readings
        return MappingProxyType({name: reading.value for name, reading in readings.items()})

    @property
    def verdict(self) -> Verdict:
        """PASS, WARN, INCONCLUSIVE or FAIL, of this iteration alone."""
        return self._iteration.verdict

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why the verdict is not PASS."""
        return self._iteration.reasons

    @property
    def observation(self) -> Mapping[str, Any]:
        """The target's report as it stands in the journal: a copy, which a check may change."""
        if self._observation is None:
            self._observation = deepcopy(dict(self._iteration.report))
        return self._observation

    @property
    def applied(self) -> Mapping[str, float]:
        """Key to change: what the decision before this iteration moved, by a rule or by panic."""
        before = self._before
        if before is None or before.decision is None:
            return MappingProxyType({})
        return MappingProxyType(
            {
                key: value - before.basis[key]
                for key, value in before.decision.values.items()
                if value != before.basis[key]
            }
        )

    def record(self, name: str, value: Any) -> None:
        """Add a KPI of your own; rules and gate may use it if the profile declares it so.

        A value that is no finite number is *no data*. Raises ValueError for a name that is no
        identifier, that the profile takes from the report, or that was recorded already.
        """
        if not _NAME.fullmatch(name):
            raise ValueError(f"record: {name!r} is no name of letters, digits and _")
        declared = self._profile.kpis.get(name)
        if declared is not None and not declared.recorded:
            raise ValueError(
                f"record: {name!r} is a KPI that profile {self._profile.name!r} takes from the "
                "report; choose another name"
            )
        if name in self._recorded:
            raise ValueError(f"record: {name!r} was recorded already in this iteration")
        self._recorded[name] = value
