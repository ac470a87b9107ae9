"""Parameters of every type, with the names of five of the shipped profile: its rules move them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml

WHOLE = """
impact_cap_ratio: {type: int, start: 4, min: 1, max: 32, cap_per_hour: 8}
max_delta_ratio: {start: 0.3, min: 0.1, max: 0.7, step: 0.05, cap_per_hour: 0.2}
tail_age_ms:
  {type: int, start: 16, min: 4, max: 256, step: 4, cap_per_hour: 64, cap_per_iteration: 24,
   safer: up, at_most: {parameter: impact_cap_ratio, factor: 8}}
min_interval_ms:
  {type: choice, choices: ["off", 5, 0.5, "on", remote], start: 5, cap_per_hour: 3,
   cap_per_iteration: 2, safer: up}
vip_tilt_cap: {type: bool, start: false, cap_per_hour: 2}
"""
RATIOS = """
impact_cap_ratio:
  {start: 10, min: 0.1, max: 1000, scale: log, cap_per_hour: 4, cap_per_iteration: 2}
max_delta_ratio:
  {type: int, start: 4096, min: 64, max: 1048576, step: 64, scale: log, cap_per_hour: 8}
tail_age_ms: {start: 0.2, min: 0, max: 1, cap_per_hour: 0.5, at_most: min_interval_ms}
min_interval_ms: {start: 0.6, min: 0, max: 2, cap_per_hour: 0.4, safer: up}
vip_tilt_cap: {type: int, start: 3, min: 3, max: 3}
"""
LIMITED = """
impact_cap_ratio: {start: 2, min: 1, max: 16, scale: log, cap_per_hour: 3}
max_delta_ratio:
  {start: 1, min: 0, max: 10, cap_per_hour: 6, cap_per_iteration: 2,
   at_most: {parameter: impact_cap_ratio, factor: 2}}
tail_age_ms: {type: bool, start: true, cap_per_hour: 1, safer: up}
min_interval_ms:
  {type: int, start: 8, min: 2, max: 64, step: 2, cap_per_hour: 20,
   at_least: {parameter: max_delta_ratio, factor: 3}}
vip_tilt_cap: {type: choice, choices: [a, b], start: b, cap_per_hour: 1}
"""
Shape = Mapping[str, Mapping[str, Any]]
SHAPES: Mapping[str, Shape] = {
    "plain": {},
    "whole": yaml.safe_load(WHOLE),
    "ratios": yaml.safe_load(RATIOS),
    "limited": yaml.safe_load(LIMITED),
}
"""Name to the fields that replace those of the shipped profile."""
