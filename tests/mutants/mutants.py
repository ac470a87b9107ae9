"""All mutants, in the order of the table."""

from __future__ import annotations

from tests.mutants import (
    of_criteria,
    of_guards,
    of_lanes,
    of_live,
    of_metrics,
    of_schemas,
    of_texts,
    of_types,
    of_verdicts,
)

MUTANTS = (
    *(*of_guards.DISABLED, *of_guards.OFF_BY_ONE, *of_guards.MEASURES, *of_guards.STREAKS),
    *(*of_guards.PANIC, *of_lanes.ORDER, *of_lanes.NUMBERS, *of_lanes.HASHES),
    *(*of_lanes.OPERATORS, *of_lanes.EFFECTS, *of_lanes.FILES),
    *(*of_verdicts.UNKNOWN, *of_verdicts.LIMITS, *of_verdicts.CRITERIA),
    *(*of_verdicts.SEALED, *of_verdicts.JUDGED, *of_criteria.CRITERIA),
    *(*of_texts.FOREIGN, *of_metrics.FIGURES, *of_schemas.SCHEMAS),
    *(*of_types.ROUNDING, *of_types.LIMITS, *of_types.RATIOS, *of_types.OUTER),
    *(*of_live.BELONGS, *of_live.DELIVERIES, *of_live.EVIDENCE),
)
