"""Journal entries: their types, and how they become lines and come back. See docs/journal.md.

A *record* is the plain JSON object of a line; an *entry* is the object of its type. The type of an
entry is its only definition: :func:`record_of` writes its fields, :func:`entry_of` checks and reads
them, and ``msgspec.json.schema(Entry)`` describes them. ``seq`` and ``check`` are the store's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal, cast

from msgspec import Struct, to_builtins
from msgspec.structs import asdict
from msgspec.structs import replace as evolved

from pytest_soak.canonical import compute_json_hash, number, to_json
from pytest_soak.json_types import Finite, Whole, WrongValueError, converted
from pytest_soak.loop.blocks import AuditCounts
from pytest_soak.loop.model import Attribution, Decision, Halt
from pytest_soak.messages import shown
from pytest_soak.profile.model import Profile
from pytest_soak.profile.parameters import nest, tuner_copies
from pytest_soak.profile.scenarios import Scheduled
from pytest_soak.protocol import Lane, Swept

if TYPE_CHECKING:
    from pytest_soak.loop.state import LaneState

SCHEMA: Literal[3] = 3

Record = Mapping[str, Any]
"""One line of a journal without its checksum: ``{"seq": n, "type": ..., ...}``, JSON values."""


class EntryError(ValueError):
    """A journal entry that is malformed, or does not follow from the entries before it."""


class SweptValue(Struct, frozen=True):
    """As :class:`pytest_soak.protocol.Swept`, which is for authors of targets."""

    key: str
    value: Finite
    replaces: Finite


class LaneIdentity(Struct, frozen=True, omit_defaults=True):
    """What a lane is. The journal does not have the path of its data."""

    id: str
    profile: str
    seed: int
    interval_s: Finite
    symbol: str = ""
    """Not in the record of a lane without one."""
    sweep: tuple[SweptValue, ...] = ()


class Start(Struct, frozen=True, kw_only=True, tag_field="type", tag="start"):
    """The first entry of a lane."""

    schema: Literal[3]
    lane: LaneIdentity
    iterations: Whole
    target: str
    mock: bool
    tune: bool
    dry_run: bool
    profile: Mapping[str, Any]
    """The resolved document."""
    values: Mapping[str, Finite]
    """The flat start values."""
    scenarios: tuple[Scheduled, ...] = ()
    """The planned disturbances; without any, the record has no such field."""


class Plan(Struct, frozen=True, tag_field="type", tag="plan"):
    """The run was resumed with another number of iterations."""

    iterations: Whole


class Observation(Struct, frozen=True, tag_field="type", tag="observation"):
    """What the target returned."""

    iteration: Whole
    report: Mapping[str, Any]
    """Without its ``audit``, as JSON values (``canonical.to_json``)."""
    audit: AuditCounts | None
    target_state: Any
    """The result of the target's ``snapshot()``."""


class Checks(Struct, frozen=True, tag_field="type", tag="checks"):
    """What checks recorded, and which failed."""

    iteration: Whole
    recorded: Mapping[str, Any]
    """Name to a JSON value."""
    failed: tuple[str, ...]


class Edit(Struct, frozen=True, kw_only=True, tag_field="type", tag="external"):
    """The runtime was edited from outside."""

    iteration: Whole
    """The last completed one."""
    keys: Mapping[str, tuple[Finite, Finite]]
    """Key to the expected and to the new value."""
    values: Mapping[str, Finite]
    old_hash: str
    new_hash: str


class Done(Struct, frozen=True, tag_field="type", tag="done"):
    """The runtime was read back with the decision's hash."""

    iteration: Whole
    state_hash: str


Entry = Start | Plan | Observation | Checks | Edit | Decision | Done | Halt

_TYPES: Mapping[str, type[Struct]] = {
    "start": Start,
    "plan": Plan,
    "observation": Observation,
    "checks": Checks,
    "external": Edit,
    "decision": Decision,
    "done": Done,
    "halt": Halt,
}


def entry_of(record: Record) -> Entry:
    """The entry of a record. Raises EntryError, naming field and value, for what is none.

    Fields that the type does not have are ignored.
    """
    tag = record.get("type")
    entry_type = _TYPES.get(tag) if isinstance(tag, str) else None
    place = (record.get("seq"), tag, record.get("iteration"))
    if entry_type is None:
        raise entry_error(*place, f"the types are {', '.join(_TYPES)}")
    if entry_type is Start and record.get("schema") != SCHEMA:
        raise EntryError(
            f"the journal has schema {shown(record.get('schema'))}; this version reads {SCHEMA}"
        )
    try:
        entry = cast(Entry, converted(record, entry_type))
    except WrongValueError as error:
        raise entry_error(*place, error) from None
    return _with_float_deltas(entry) if isinstance(entry, Decision) else entry


def entry_error(seq: object, tag: object, iteration: object, problem: object) -> EntryError:
    """The error of one entry. ``seq`` is None for an entry that is not in a journal yet."""
    text = f"no {problem}" if isinstance(problem, KeyError) else str(problem)
    where = "entry" if seq is None else f"entry {seq}"
    has_number = isinstance(iteration, int) and abs(iteration) < 10**12
    of_iteration = f", iteration {iteration}" if has_number else ""
    return EntryError(f"journal: {where} ({tag!r:.40}{of_iteration}): {text:.400}")


def tag_of(entry: Entry) -> str:
    """The ``type`` of its record."""
    return str(entry.__struct_config__.tag)


def record_of(entry: Entry) -> dict[str, Any]:
    """The record of an entry, without ``seq``.

    Values of targets, checks and users are in it as they are: the store refuses what is no JSON.
    """
    if not isinstance(entry, (Observation, Checks, Start)):
        record: dict[str, Any] = _plain(entry)  # at once: it has no field of others
    else:
        fields = asdict(entry).items()
        own = {name: value if name in _OF_OTHERS else _plain(value) for name, value in fields}
        record = {"type": tag_of(entry), **own}
    if isinstance(entry, Start) and not entry.scenarios:
        del record["scenarios"]
    if isinstance(entry, Decision):
        record["attributed"] = list(map(attribution_record, entry.attributed))
    return record


_OF_OTHERS = ("audit", "profile", "recorded", "report", "target_state")
"""Fields with values of others, which are JSON values already, or are refused."""


def _plain(value: Any) -> Any:
    """A value of this package's types as JSON has it: dicts, lists, texts and numbers."""
    return _with_lists(to_builtins(value))


def _with_lists(value: Any) -> Any:
    if type(value) is dict:
        # Most items are no containers, and need no call.
        return {
            key: _with_lists(item) if type(item) in _CONTAINERS else item
            for key, item in value.items()
        }
    return list(map(_with_lists, value)) if type(value) in _CONTAINERS else value


_CONTAINERS = (dict, tuple, list)


def attribution_record(attribution: Attribution) -> dict[str, Any]:
    """``verdict`` and ``beyond_doubt`` follow from the other fields; they are there for readers."""
    return {
        **_plain(attribution),
        "verdict": attribution.verdict,
        "beyond_doubt": attribution.beyond_doubt,
    }


def runtime_of(profile: Profile, values: Mapping[str, float]) -> dict[str, Any]:
    """The nested runtime of flat values, with the tuner's read-only copies."""
    return nest(values, profile.parameters, tuner_copies(profile))


def state_hash_of(profile: Profile, values: Mapping[str, float]) -> str:
    """SHA-256 of the canonical JSON of the runtime, 64 hexadecimal digits."""
    return compute_json_hash(runtime_of(profile, values))


def start_entry(
    lane: Lane,
    profile: Profile,
    target: str,
    values: Mapping[str, float],
    scenarios: Sequence[Scheduled] = (),
    *,
    mock: bool,
    tune: bool,
    dry_run: bool,
) -> Start:
    """The first entry of a lane. ``values`` are the flat start values."""
    return Start(
        schema=SCHEMA,
        lane=LaneIdentity(
            id=lane.id,
            profile=lane.profile,
            symbol=lane.symbol,
            seed=lane.seed,
            interval_s=lane.interval_s,
            sweep=tuple(SweptValue(item.key, item.value, item.replaces) for item in lane.sweep),
        ),
        iterations=lane.iterations,
        target=target,
        mock=mock,
        tune=tune,
        dry_run=dry_run,
        profile=profile.document,
        values=_floats(values),
        scenarios=tuple(scenarios),
    )


def lane_of(start: Start) -> Lane:
    lane = start.lane
    return Lane(
        id=lane.id,
        profile=lane.profile,
        symbol=lane.symbol,
        seed=lane.seed,
        interval_s=lane.interval_s,
        iterations=start.iterations,
        sweep=tuple(Swept(item.key, item.value, item.replaces) for item in lane.sweep),
    )


def checks_entry(iteration: int, recorded: Mapping[str, Any], failed: Sequence[str]) -> Checks:
    """Values that checks recorded, and the names of checks that failed."""
    return Checks(iteration, to_json(recorded), tuple(str(name) for name in failed))


def edit_entry(state: LaneState, new_values: Mapping[str, float]) -> Edit:
    """The runtime was edited from outside, to the flat ``new_values``.

    The entry lists the differences from what the journal expected: the values of a decision that
    was journaled and is not done yet, else the values in force. Raises ValueError for values that
    are not exactly the profile's parameters, each a finite number inside its bounds.
    """
    profile = state.profile
    expected = state.intent.values if state.intent is not None else state.values
    old_hash = state.intent.state_hash if state.intent is not None else state.state_hash
    if set(new_values) != set(profile.parameters):
        differing = sorted(set(new_values) ^ set(profile.parameters))
        raise ValueError(
            f"the edited runtime must have exactly the profile's parameters; different: {differing}"
        )
    # The edited keys first, because a limit between two is broken by both.
    for key, parameter in sorted(
        profile.parameters.items(), key=lambda item: new_values[item[0]] == expected[item[0]]
    ):
        value = new_values[key]
        if parameter.step and not parameter.is_allowed(value):
            raise ValueError(
                f"the edited runtime has {key} = {parameter.exact(value)};"
                f" allowed: {parameter.allowed_text()}"
            )
        if not parameter.step and not parameter.minimum <= value <= parameter.maximum:
            raise ValueError(
                f"the edited runtime has {key} = {value!r};"
                f" it must lie in [{parameter.minimum:g}, {parameter.maximum:g}] {parameter.unit}"
            )
        if not parameter.is_within(value, new_values):
            low, high = map(parameter.text, parameter.limits(new_values))
            others = ", ".join(item.other for item in (*parameter.at_least, *parameter.at_most))
            raise ValueError(
                f"the edited runtime has {key} = {parameter.exact(value)}; with the values of "
                f"{others} it must lie in [{low}, {high}]"
            )
    values = {
        key: parameter.fitted(new_values[key]) if parameter.step else float(new_values[key])
        for key, parameter in profile.parameters.items()
    }
    return Edit(
        iteration=state.intent.iteration if state.intent is not None else state.done,
        keys={
            key: (expected[key], value)
            for key, value in sorted(values.items())
            if value != expected[key]
        },
        values=values,
        old_hash=old_hash,
        new_hash=state_hash_of(profile, values),
    )


def done_entry(decision: Decision) -> Done:
    return Done(decision.iteration, decision.state_hash)


def _with_float_deltas(decision: Decision) -> Decision:
    """The decision with proposed changes as floats: a proposer's answer may be of any type."""
    if not decision.proposed and not decision.outcomes:
        return decision
    return evolved(
        decision,
        proposed=tuple(
            replace(proposal, delta=_delta(proposal.delta)) for proposal in decision.proposed
        ),
        outcomes=tuple(
            replace(outcome, proposed=_delta(outcome.proposed)) for outcome in decision.outcomes
        ),
    )


def _delta(value: Any) -> Any:
    """A proposed change. An integer that is too large for a float becomes a text."""
    if not isinstance(value, int) or isinstance(value, bool):
        return value
    converted = number(value)
    return "a huge integer" if converted is None else converted


def _floats(values: Mapping[str, float]) -> dict[str, float]:
    return {key: float(value) for key, value in values.items()}
