"""The JSON document TUNING_STATE.json as a type: the state of the guards at the end of a lane."""

from __future__ import annotations

from typing import Literal, TypedDict

from pytest_soak.json_types import Finite, NotNegative
from pytest_soak.loop.state import Change, PendingRollback, RolledBack


class CountedMove(TypedDict):
    """A move that counts towards the caps."""

    key: str
    iteration: NotNegative
    size: Finite


class ValueBefore(TypedDict):
    """The value before the last change of a key."""

    value: Finite
    iteration: NotNegative


class TuningState(TypedDict):
    """An iteration is 0 if there was none yet."""

    iteration: NotNegative
    state_hash: str
    fail_streak: NotNegative
    stable_streak: NotNegative
    pass_streak: NotNegative
    frozen_until_iter: NotNegative
    frozen_keys: list[str]
    cooldown_until_iter: NotNegative
    paused_until_iter: NotNegative
    last_signature: str | None
    stopped: list[str]
    acted: dict[str, NotNegative]
    moves: list[CountedMove]
    values_before_last_change: dict[str, ValueBefore]
    pinned: dict[str, Literal["run"] | NotNegative]
    waiting_for_effect: list[Change]
    pending_rollbacks: dict[str, PendingRollback]
    rolled_back: dict[str, RolledBack]
