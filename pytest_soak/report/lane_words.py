"""Facts of a lane that only some profiles have, as short texts: empty where there is none."""

from __future__ import annotations

from pytest_soak.gate.judge import LaneJudgement


def readiness(lane: LaneJudgement) -> str:
    """``freeze ready``, ``not freeze ready``; empty if the profile declares no such count."""
    if lane.freeze_ready is None:
        return ""
    return "freeze ready" if lane.freeze_ready else "not freeze ready"


def yes_or_no(flag: object) -> str:
    """``yes``, ``no``; ``-`` for a fact that the lane does not have."""
    return "-" if flag is None else "yes" if flag else "no"


def limits_text(limit_set: str) -> str:
    """``mock limits``, ``production limits``; empty if the profile has one limit for both."""
    return f"{limit_set} limits" if limit_set else ""


def joined(*texts: str) -> str:
    """The texts that are not empty, with commas between them."""
    return ", ".join(filter(None, texts))
