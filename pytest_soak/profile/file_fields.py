"""What the file of a profile may have at its top, as JSON Schema needs it.

The file itself is read by :mod:`.layers`, which merges it with what it extends; what comes out is a
:class:`~pytest_soak.profile.sections.Document`.
"""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import UNSET, Meta, Struct, UnsetType

from pytest_soak.json_types import Finite
from pytest_soak.profile.model import SHIPPED
from pytest_soak.profile.reading import (
    BlockReason,
    Identifier,
    KpiName,
    Name,
    ParameterKey,
    RuleName,
    ScenarioName,
)
from pytest_soak.profile.sections import (
    A_PATH,
    PATH,
    GateSection,
    GuardsSection,
    KpiFields,
    ParameterFields,
    RuleFields,
    RunFields,
    ScenarioFields,
    VerdictSection,
)

Reference = Annotated[
    str,
    Meta(
        min_length=1,
        extra_json_schema={
            "anyOf": [{"enum": sorted(SHIPPED)}, {"type": "string", "minLength": 1}]
        },
    ),
]
"""A shipped profile, or the path of a file."""

ShortPath = Annotated[str, Meta(description=A_PATH, extra_json_schema={"pattern": f"^{PATH}$"})]
"""``p95_ms: totals.p95_ms`` is short for ``p95_ms: {read: totals.p95_ms}``."""


class FileFields(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """``kpis`` and ``gate`` are required of a file that extends no other."""

    extends: Reference | UnsetType = UNSET
    description: str = ""
    tags: tuple[str, ...] = ()
    run: RunFields | UnsetType = UNSET
    symbol: Name | UnsetType = UNSET
    constants: dict[Identifier, Finite] | UnsetType = UNSET
    parameters: dict[ParameterKey, ParameterFields] | UnsetType = UNSET
    kpis: dict[KpiName, ShortPath | KpiFields]
    block_reasons: tuple[BlockReason, ...] | UnsetType = UNSET
    verdict: VerdictSection | UnsetType = UNSET
    rules: dict[RuleName, RuleFields] | UnsetType = UNSET
    guards: GuardsSection | UnsetType = UNSET
    gate: GateSection
    scenarios: dict[ScenarioName, ScenarioFields] | UnsetType = UNSET
    target: Any = UNSET
    """The package ``live`` has its fields."""
