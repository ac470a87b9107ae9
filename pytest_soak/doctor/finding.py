"""One line of the doctor: what was looked at, whether it is right, and what to do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

Status = Literal["OK", "WARN", "FAIL"]


@dataclass(frozen=True, slots=True)
class Finding:
    name: str
    """What was looked at, in one or two words."""
    status: Status
    text: str
    """What it is, with figures."""
    advice: str = ""
    """What to do; empty if it is right."""

    def document(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "name": self.name,
            "status": self.status,
            "text": self.text,
            "advice": self.advice,
        }
