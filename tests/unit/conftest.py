"""Hypothesis measures no time here: a machine under load is no fault of a test."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

UNHURRIED = "unhurried"
settings.register_profile(UNHURRIED, deadline=None, suppress_health_check=[HealthCheck.too_slow])
if settings.default is settings.get_profile("default"):  # no --hypothesis-profile, and not on CI
    settings.load_profile(UNHURRIED)
