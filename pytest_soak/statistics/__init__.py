"""The uncertainty of the figure of a noisy, autocorrelated KPI, and whether the KPI drifts.

Plain Python, pure functions. ``docs/gate.md`` has the formulas and their measured error rates;
``benchmarks/gate_calibration.py`` measures them.
"""

from __future__ import annotations

from pytest_soak.statistics.bounds import Bounds, Noise, clipped, judge_bounds
from pytest_soak.statistics.drift import (
    Alarm,
    Drift,
    Stretch,
    drift,
    first_quarter_figure,
    remaining_iterations,
    throughput_drift,
)
from pytest_soak.statistics.interval import Interval, mean_interval
from pytest_soak.statistics.kpi_series import KpiSeries
from pytest_soak.statistics.onset import onset
from pytest_soak.statistics.points import fit
from pytest_soak.statistics.series import (
    PHI_MAX,
    Line,
    ar1_coefficient,
    detrended,
    effective_size,
    fitted_line,
    standard_deviation,
)
from pytest_soak.statistics.shares import (
    Estimate,
    quantile_estimate,
    share_estimate,
    share_low,
)
from pytest_soak.statistics.slope import Slope, slope_of, slope_test
from pytest_soak.statistics.student import student_t_quantile
from pytest_soak.statistics.worst_case import worst_case_factor

__all__ = [
    "PHI_MAX",
    "Alarm",
    "Bounds",
    "Drift",
    "Estimate",
    "Interval",
    "KpiSeries",
    "Line",
    "Noise",
    "Slope",
    "Stretch",
    "ar1_coefficient",
    "clipped",
    "detrended",
    "drift",
    "effective_size",
    "first_quarter_figure",
    "fit",
    "fitted_line",
    "judge_bounds",
    "mean_interval",
    "onset",
    "quantile_estimate",
    "remaining_iterations",
    "share_estimate",
    "share_low",
    "slope_of",
    "slope_test",
    "standard_deviation",
    "student_t_quantile",
    "throughput_drift",
    "worst_case_factor",
]
