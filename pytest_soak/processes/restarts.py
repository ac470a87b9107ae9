"""How often a process that died may be restarted, and how long to wait before; pure."""

from __future__ import annotations

from dataclasses import dataclass, replace

from pytest_soak.processes.sections import RestartFields


@dataclass(frozen=True, slots=True)
class Restarts:
    """The restarts of one process so far. Times are seconds of a clock of the caller's choice."""

    limits: RestartFields
    used: int = 0
    allowed_at: float = 0.0
    """No restart before this time."""

    @property
    def left(self) -> int:
        return self.limits.budget - self.used

    def after_death(self, now: float) -> Restarts | None:
        """With one more restart spent, allowed after its wait; None if the budget is used up."""
        if self.left <= 0:
            return None
        waits = self.limits.backoff_s
        wait_s = waits[min(self.used, len(waits) - 1)]
        return replace(self, used=self.used + 1, allowed_at=now + wait_s)

    def wait_s(self, now: float) -> float:
        """Seconds until the restart is allowed, 0 or more."""
        return max(0.0, self.allowed_at - now)
