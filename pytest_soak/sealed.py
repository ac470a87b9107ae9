"""The seal of a judgement: ``judgement.jsonl`` in the directory of a run. See ``docs/gate.md``.

A session writes the inputs and the result of its judgement here before it shows the verdict. Some
inputs are in no journal: the reference's noise, the criteria of hooks, which limits, strict. The
offline commands read them from here, so they give the same verdict as the session. A run that was
killed before its verdict has no seal.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from msgspec import UNSET, Struct, UnsetType, to_builtins

from pytest_soak.canonical import compute_json_hash
from pytest_soak.gate.baseline import KpiNoise, Reference
from pytest_soak.gate.criteria import CriterionResult
from pytest_soak.gate.judge import LaneJudgement, RunJudgement, exit_code, judge_lane, judge_run
from pytest_soak.json_types import Finite, Whole, WrongValueError, converted
from pytest_soak.loop.model import Halt, HaltKind, Verdict
from pytest_soak.store import names
from pytest_soak.store.errors import StoreError
from pytest_soak.store.records import append_durably, read_records
from pytest_soak.store.rundir import RunDirectory
from pytest_soak.stored import JournalEnd, StoredLane, StoredReference

SCHEMA: Literal[1] = 1
ADVICE = (
    "judge it again by a session with --soak-resume, or its journals alone with "
    "`pytest-soak gate --unsealed`"
)
_TO_APPEND = "move it away, then judge the run again by a session with --soak-resume"


class SealError(StoreError):
    """A run has no usable seal; the message says why, and what to do."""

    def __init__(self, problem: str) -> None:
        super().__init__(f"{problem}; {ADVICE}")


class NotSealed(SealError):  # noqa: N818 - a state of the run
    """The run has not been judged in its present state: it was stopped before."""


@dataclass(frozen=True, slots=True)
class LaneInputs:
    """The inputs of the judgement of one lane that are in no journal."""

    reference: StoredReference | None = None
    criteria: tuple[CriterionResult, ...] = ()
    """The results of the hooks ``pytest_soak_gate``."""
    lost: str = ""
    """The item that ran when the lane's worker died; empty if it did not die."""
    halt: Halt | None = None
    """A halt that the lane's journal could not take, as on a full disk."""


@dataclass(frozen=True, slots=True)
class Inputs:
    """The inputs of the judgement of a run that are in no journal."""

    strict: bool = False
    mock: bool | None = None
    """Whether the mock limits apply, or those of production; None: those of the run."""
    lanes: Mapping[str, LaneInputs] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SealedLane:
    end: JournalEnd
    profile_hash: str
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Seal:
    """The last judgement of a run by a session."""

    run_id: str
    run_hash: str
    """Hash of ``run.json``."""
    inputs: Inputs
    lanes: Mapping[str, SealedLane]
    verdict: Verdict
    exit_code: int


class JournalRecord(Struct, frozen=True):
    """The end of a journal, as the file has it."""

    entries: Whole
    bytes: Whole
    torn: Whole
    sha256: str


class NoiseRecord(Struct, frozen=True, omit_defaults=True):
    """The noise of one KPI of a reference."""

    phi: Finite
    sd: Finite
    n: Whole
    figure: Finite | None = None
    """None in a seal of a version without relative limits."""


class ReferenceRecord(Struct, frozen=True):
    """The reference of one lane."""

    run_id: str
    lane: str
    kpis: dict[str, NoiseRecord]


class CriterionRecord(Struct, frozen=True):
    """The result of one hook."""

    name: str
    verdict: Verdict
    value: Finite | None
    limit: str
    reason: str


class HaltRecord(Struct, frozen=True):
    """A halt that the lane's journal could not take."""

    iteration: Whole
    kind: HaltKind
    text: str


class LaneRecord(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One lane of a judgement, as the file has it."""

    id: str
    verdict: Verdict
    journal: JournalRecord
    profile_sha256: str
    reference: ReferenceRecord | None
    criteria: tuple[CriterionRecord, ...]
    lost: str
    halt: HaltRecord | UnsetType = UNSET


class JudgementRecord(Struct, frozen=True, kw_only=True, tag_field="type", tag="judgement"):
    """What is read of a line of the file."""

    schema: Literal[1]
    run_id: str
    run_sha256: str
    strict: bool
    mock: bool | None
    lanes: tuple[LaneRecord, ...]
    verdict: Verdict
    exit_code: Literal[0, 1]


class ConftestRecord(Struct, frozen=True):
    """A file that implements hooks of the soak."""

    file: str
    sha256: str | None
    hooks: tuple[str, ...]


class JudgementLine(JudgementRecord, frozen=True, kw_only=True, tag_field="type", tag="judgement"):
    """One line of the file; its ``conftests`` are for readers."""

    conftests: tuple[ConftestRecord, ...]


def judge_stored(lanes: Sequence[StoredLane], inputs: Inputs) -> RunJudgement:
    """Judge the lanes of a run; sessions and offline commands both call this."""
    judgements = []
    for stored in lanes:
        lane_inputs = inputs.lanes.get(stored.id, LaneInputs())
        judgement = judge_lane(
            with_halt(stored, lane_inputs.halt).history,
            mock=inputs.mock,
            strict=inputs.strict,
            reference=lane_inputs.reference.noise if lane_inputs.reference else None,
            extra=lane_inputs.criteria,
        )
        judgements.append(_with_the_crash(judgement, lane_inputs.lost))
    return judge_run(judgements)


def with_halt(stored: StoredLane, halt: Halt | None) -> StoredLane:
    """The lane with ``halt``, if its journal has none."""
    if halt is None or stored.history.halt is not None:
        return stored
    return replace(stored, history=replace(stored.history, halt=halt))


def _with_the_crash(judgement: LaneJudgement, item: str) -> LaneJudgement:
    if not item:
        return judgement
    criteria = tuple(
        replace(result, reason=f"{result.reason}; its worker died while running {item}")
        if result.name == "completeness"
        else result
        for result in judgement.criteria
    )
    return replace(judgement, criteria=criteria)


def seal(
    run: RunDirectory,
    lanes: Sequence[StoredLane],
    inputs: Inputs,
    judgement: RunJudgement,
    conftests: Sequence[Mapping[str, Any]] = (),
) -> None:
    """Add a judgement to the run's seal, durably.

    ``conftests`` are the files that implement hooks of the soak, each as
    ``{"file", "sha256", "hooks"}``. Raises StoreError.
    """
    verdicts = {lane.lane_id: lane.verdict for lane in judgement.lanes}
    sealed = JudgementLine(
        schema=SCHEMA,
        run_id=run.run_id,
        run_sha256=compute_json_hash(run.about),
        strict=inputs.strict,
        mock=inputs.mock,
        lanes=tuple(
            _lane_record(item, inputs.lanes.get(item.id, LaneInputs()), verdicts[item.id])
            for item in lanes
        ),
        verdict=judgement.verdict,
        exit_code=exit_code(judgement, strict=inputs.strict),
        conftests=tuple(ConftestRecord(**item) for item in conftests),
    )
    append_durably(run.path / names.SEAL, to_builtins(sealed), "seal", _TO_APPEND)


def _lane_record(stored: StoredLane, inputs: LaneInputs, verdict: Verdict) -> LaneRecord:
    reference, halt, end = inputs.reference, inputs.halt, stored.end
    return LaneRecord(
        id=stored.id,
        verdict=verdict,
        journal=JournalRecord(end.entries, end.size, end.torn, end.digest),
        profile_sha256=stored.profile_hash,
        reference=None
        if reference is None
        else ReferenceRecord(
            reference.run_id,
            reference.lane_id,
            {
                kpi: NoiseRecord(noise.phi, noise.sd, noise.n, noise.figure)
                for kpi, noise in reference.noise.kpis.items()
            },
        ),
        criteria=tuple(
            CriterionRecord(item.name, item.verdict, item.value, item.limit, item.reason)
            for item in inputs.criteria
        ),
        lost=inputs.lost,
        halt=UNSET if halt is None else HaltRecord(halt.iteration, halt.kind, halt.text),
    )


def read_seal(run: RunDirectory) -> Seal:
    """The last judgement of a run. Raises SealError for a seal that is absent or damaged."""
    path = run.path / names.SEAL
    if not os.path.lexists(path):
        raise NotSealed(f"{run.path} is not sealed: it has no {names.SEAL}")
    records = read_records(path, "seal", ADVICE)
    if records.torn:
        # An earlier judgement must not replace the last one.
        raise SealError(f"{path} is damaged: its last line is torn ({records.torn} bytes)")
    if not records.entries:
        raise SealError(f"{path} is damaged: it is empty")
    record = records.entries[-1]
    try:
        return _seal_of(converted(record, JudgementRecord))
    except WrongValueError as error:
        raise SealError(f"{path} is damaged: {error}") from None


def _seal_of(record: JudgementRecord) -> Seal:
    return Seal(
        run_id=record.run_id,
        run_hash=record.run_sha256,
        inputs=Inputs(
            strict=record.strict,
            mock=record.mock,
            lanes={lane.id: _lane_inputs(lane) for lane in record.lanes},
        ),
        lanes={
            lane.id: SealedLane(
                JournalEnd(
                    lane.journal.entries, lane.journal.bytes, lane.journal.torn, lane.journal.sha256
                ),
                lane.profile_sha256,
                lane.verdict,
            )
            for lane in record.lanes
        },
        verdict=record.verdict,
        exit_code=record.exit_code,
    )


def _lane_inputs(lane: LaneRecord) -> LaneInputs:
    reference, halt = lane.reference, lane.halt
    return LaneInputs(
        reference=None
        if reference is None
        else StoredReference(
            reference.run_id,
            reference.lane,
            Reference(
                {
                    kpi: KpiNoise(noise.phi, noise.sd, noise.n, noise.figure)
                    for kpi, noise in reference.kpis.items()
                }
            ),
        ),
        criteria=tuple(
            CriterionResult(
                item.name, item.verdict, value=item.value, limit=item.limit, reason=item.reason
            )
            for item in lane.criteria
        ),
        lost=lane.lost,
        halt=None if isinstance(halt, UnsetType) else Halt(halt.iteration, halt.kind, halt.text),
    )


def check_seal(run: RunDirectory, lanes: Sequence[StoredLane], sealed: Seal) -> RunJudgement:
    """The judgement of the seal, repeated from the journals.

    ``lanes`` may be only some of the run's. Raises SealError if the seal belongs to another run or
    to other journals, or if the repeated judgement differs.
    """
    path = run.path / names.SEAL
    if sealed.run_id != run.run_id:
        raise SealError(f"{path} is the seal of run {sealed.run_id:.99}, this is {run.run_id}")
    lane_ids = [str(record["id"]) for record in run.about["lanes"]]
    if list(sealed.lanes) != lane_ids:
        raise SealError(
            f"{path} is of the lanes {', '.join(sealed.lanes):.400}, {names.RUN} names "
            f"{', '.join(lane_ids):.400}"
        )
    for stored in lanes:
        _check_lane(run, stored, sealed.lanes[stored.id])
    if sealed.run_hash != compute_json_hash(run.about):
        raise SealError(
            f"{run.path / names.RUN} is not what was sealed: it was changed, or the run was "
            "resumed and not judged since"
        )
    judgement = judge_stored(lanes, sealed.inputs)
    for lane in judgement.lanes:
        if lane.verdict is not sealed.lanes[lane.lane_id].verdict:
            raise SealError(
                f"{path} says {sealed.lanes[lane.lane_id].verdict} of lane {lane.lane_id}, this "
                f"version of pytest-soak judges {lane.verdict} (it was sealed by "
                f"{_version(run)})"
            )
    if len(lanes) == len(lane_ids) and (
        (sealed.verdict, sealed.exit_code)
        != (judgement.verdict, exit_code(judgement, strict=sealed.inputs.strict))
    ):
        raise SealError(f"{path} says {sealed.verdict}, its own inputs give {judgement.verdict}")
    return judgement


def _check_lane(run: RunDirectory, stored: StoredLane, sealed: SealedLane) -> None:
    now, then = stored.end, sealed.end
    path = run.lane_directory(stored.id).journal_path
    if now.entries > then.entries:
        raise NotSealed(
            f"{path} went on after it was judged: the seal is of {then.entries} entries, it has "
            f"{now.entries}"
        )
    if now != then:
        torn = f"; its last line was torn ({now.torn} bytes) and dropped" if now.torn else ""
        raise SealError(
            f"{path} is not what was sealed: {then.entries} entries of {then.size} bytes were, it "
            f"has {now.entries} of {now.size}{torn}"
        )
    if stored.profile_hash != sealed.profile_hash:
        raise SealError(f"{path}: its profile is not the one that was sealed")


def _version(run: RunDirectory) -> str:
    versions = run.about.get("versions")
    return f"{versions.get('pytest_soak')!s:.40}" if isinstance(versions, Mapping) else "another"
