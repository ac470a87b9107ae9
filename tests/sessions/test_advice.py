"""The end of a session that is not PASS names the file with what to do."""

from __future__ import annotations

from tests.sessions.conftest import Sessions

MOCK = ("--soak-mock", "-q")
LINE = "what to do: artifacts/soak/latest/RECOMMENDATIONS.md"


def test_a_verdict_that_is_no_pass_names_the_recommendations(soak: Sessions) -> None:
    result = soak("--soak-iterations=8", *MOCK)
    assert "gate: WARN" in result.out
    assert LINE in result.out.splitlines()
    assert (result.latest / "RECOMMENDATIONS.md").is_file()


def test_a_pass_needs_nothing(soak: Sessions) -> None:
    result = soak("--soak-iterations=24", *MOCK)
    assert "gate: PASS" in result.out
    assert "what to do" not in result.out
