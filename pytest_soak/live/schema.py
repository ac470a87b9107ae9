"""The JSON Schema (draft 07) of the section ``target``, as definitions."""

from __future__ import annotations

from pytest_soak.draft07 import Schema
from pytest_soak.live.field_texts import FIELD_TEXTS
from pytest_soak.live.sections import TargetSection
from pytest_soak.profile.schema import definitions_of


def target_definitions() -> dict[str, Schema]:
    """``TargetSection`` is the section itself."""
    return definitions_of(TargetSection, FIELD_TEXTS)
