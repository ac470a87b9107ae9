"""What the tests of writers and readers deliver, and the contexts in which they are made."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pytest_soak.live.channels import Context, Delivery
from pytest_soak.profile.kpi import Metric

PATHS = {"base_spread_bps": ("risk", "base_spread_bps"), "levels": ("levels",)}


def context_of(
    folder: Path,
    environment: Mapping[str, str] | None = None,
    expand: Callable[[str], str] | None = None,
    paths: Mapping[str, tuple[str, ...]] = PATHS,
    words: frozenset[str] = frozenset(),
    metrics: Mapping[str, Metric] | None = None,
    block_reasons: tuple[str, ...] = (),
) -> Context:
    """``{dir}`` is the only placeholder, unless ``expand`` is given."""
    return Context(
        expand=expand or (lambda text: text.replace("{dir}", str(folder))),
        folder=folder,
        root=folder,
        paths=paths,
        environment=environment or {},
        words=words,
        metrics=metrics or {},
        block_reasons=block_reasons,
    )


def delivery_of(seq: int = 1, spread: float = 0.5, levels: float = 3.0) -> Delivery:
    runtime: dict[str, Any] = {"risk": {"base_spread_bps": spread}, "levels": levels}
    return Delivery(
        seq=seq,
        iteration=4,
        run_id="run",
        lane="BTC-1",
        interval_s=60.0,
        state_hash="ab",
        runtime=runtime,
        values={"base_spread_bps": spread, "levels": levels},
    )
