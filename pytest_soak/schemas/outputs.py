"""What the commands print as JSON, as types: ``gate``, ``verify`` and ``list`` with ``--json``."""

from __future__ import annotations

from typing import Literal, NotRequired, TypedDict

from pytest_soak.json_types import NotNegative, Whole
from pytest_soak.report.documents import CriterionDocument, DeltaVerify, VerdictText
from pytest_soak.report.view.model import StateWord


class SealedVerdict(TypedDict):
    """What the session gave, where another question was put to the run."""

    verdict: VerdictText
    exit_code: Whole


class GatedLane(TypedDict):
    lane: str
    verdict: VerdictText
    freeze_ready: NotRequired[bool]
    limits: NotRequired[Literal["mock", "production"]]
    criteria: list[CriterionDocument]
    state: NotRequired[StateWord]


class Gated(TypedDict):
    """The gate alone: verdict and criteria of every lane."""

    verdict: VerdictText
    lanes: list[GatedLane]


class OfAnswer(TypedDict):
    """How the run was judged. ``sealed`` is false without a seal, and absent if nothing differs."""

    state: StateWord
    sealed: NotRequired[bool | SealedVerdict]
    what_if: NotRequired[list[str]]


class GateOutput(Gated, OfAnswer):
    """``gate --json`` of a run that was judged."""


class RunningLane(TypedDict):
    lane: str
    state: StateWord
    measured: NotNegative
    planned: NotNegative


class RunningOutput(TypedDict):
    """``gate --json`` of a run that goes on; ``information`` is no verdict."""

    state: Literal["running"]
    since: str
    pid: NotNegative
    lanes: list[RunningLane]
    information: Gated


class UnjudgedOutput(TypedDict):
    """A run that was stopped before it was judged."""

    state: StateWord
    sealed: bool
    problem: str
    lanes: list[str]
    information: Gated


class VerifiedLane(DeltaVerify):
    lane: str


class VerifyOutput(OfAnswer):
    """``verify --json``."""

    verdict: VerdictText
    lanes: list[VerifiedLane]


class ListedRun(TypedDict):
    """One run of ``list --json``."""

    path: str
    run_id: str
    started_utc: str | None
    state: StateWord
    verdict: VerdictText | None
    measured: NotNegative
    planned: NotNegative
    lanes: NotNegative
    profiles: list[str]
    symbols: NotRequired[list[str]]
    seeds: list[Whole]
    target: str


class UnreadableRun(TypedDict):
    """A directory among the runs that cannot be read as one."""

    path: str
    problem: str
