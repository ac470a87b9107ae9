"""What a hook pytest_soak_gate may answer, and what becomes of what it must not answer."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from decimal import Decimal
from types import ModuleType, SimpleNamespace
from typing import Any, cast

import pluggy
import pytest

from pytest_soak import criterion, hookspecs
from pytest_soak.gate.criteria import CriterionResult
from pytest_soak.loop.model import Verdict
from pytest_soak.masking import Masker
from pytest_soak.session.hook_criteria import hook_criteria
from tests.unit.gate.histories import make_history

Hook = Callable[..., Any]


def config_with(*hooks: Hook) -> pytest.Config:
    manager = pluggy.PluginManager("pytest")
    manager.add_hookspecs(hookspecs)
    for number, hook in enumerate(hooks):
        plugin = ModuleType(f"conftest_{number}")
        marked = pluggy.HookimplMarker("pytest")(hook)
        plugin.pytest_soak_gate = marked  # type: ignore[attr-defined]
        manager.register(plugin)
    return cast(pytest.Config, SimpleNamespace(hook=manager.hook, pluginmanager=manager))


def judged(*hooks: Hook) -> dict[str, CriterionResult]:
    results = hook_criteria(config_with(*hooks), make_history(), Masker())
    names = [result.name for result in results]
    assert len(set(names)) == len(names), names
    return {result.name: result for result in results}


def of(answer: Any) -> dict[str, CriterionResult]:
    def pytest_soak_gate(lane: object, history: object) -> Any:
        return answer() if callable(answer) else answer

    return judged(pytest_soak_gate)


GOOD = criterion("mine", "PASS", "mine: all is well", value=1.0, limit=">= 1")
BAD = criterion("other", "FAIL", "other: it is not")


def raises_half_way() -> Iterator[CriterionResult]:
    yield BAD
    raise RuntimeError("lost")


def never_ends() -> Iterator[CriterionResult]:
    number = 0
    while True:
        number += 1
        yield criterion(f"n{number}", "PASS", "")


class Hostile:
    def __iter__(self) -> Iterator[CriterionResult]:
        raise SystemExit(0)

    def __repr__(self) -> str:
        raise ValueError("no text")


JUNK: dict[str, Any] = {
    "False": False,
    "True": True,
    "0": 0,
    "1.5": 1.5,
    "NaN": math.nan,
    "text": "FAIL",
    "bytes": b"FAIL",
    "bytearray": bytearray(b"x"),
    "dict": {"mine": GOOD},
    "object": object(),
    "class": CriterionResult,
    "hostile": Hostile(),
    "Ellipsis": ...,
    "list of texts": ["FAIL"],
    "list of None": [None],
    "list of dicts": [{"name": "mine", "verdict": "PASS"}],
    "nested list": [[GOOD]],
    "set of numbers": {1, 2},
    "Decimal": Decimal(1),
    "raises at once": lambda: 1 / 0,
    "endless": never_ends,
    "Verdict": Verdict.PASS,
}


@pytest.mark.parametrize("kind", JUNK)
def test_what_is_no_list_of_criteria_is_inconclusive_and_names_the_hook(kind: str) -> None:
    answer = JUNK[kind]
    results = of((lambda: answer) if isinstance(answer, type) else answer)
    problem = results["pytest_soak_gate"]
    assert problem.verdict is Verdict.INCONCLUSIVE
    assert "test_hook_criteria.py:" in problem.reason
    assert all(item.verdict is Verdict.PASS for name, item in results.items() if name[0] == "n")


@pytest.mark.parametrize("answer", [None, [], (), iter(())])
def test_no_criterion_is_none(answer: Any) -> None:
    assert of(answer) == {}


@pytest.mark.parametrize("answer", [GOOD, [GOOD], (GOOD,), iter([GOOD]), {GOOD}])
def test_one_criterion_alone_counts_as_a_list_of_it(answer: Any) -> None:
    assert of(answer) == {"mine": GOOD}


def test_what_was_said_before_it_raised_is_kept() -> None:
    results = of(raises_half_way)
    assert results["other"].verdict is Verdict.FAIL
    assert results["pytest_soak_gate"].verdict is Verdict.INCONCLUSIVE
    assert "RuntimeError: lost" in results["pytest_soak_gate"].reason


def test_a_hook_that_raises_costs_no_other_hook() -> None:
    def pytest_soak_gate(lane: object, history: object) -> Any:
        raise RuntimeError("lost")

    def fine(lane: object, history: object) -> Any:
        return [BAD]

    assert judged(pytest_soak_gate, fine)["other"].verdict is Verdict.FAIL
    assert judged(fine, pytest_soak_gate)["other"].verdict is Verdict.FAIL


def test_junk_in_a_list_hides_nothing_behind_it() -> None:
    results = of([3, BAD])
    assert results["other"].verdict is Verdict.FAIL
    assert "an int in its list" in results["pytest_soak_gate"].reason


@pytest.mark.parametrize("verdict", ["PASS", "WARN", "INCONCLUSIVE", "FAIL"])
@pytest.mark.parametrize(
    "name",
    [
        *("net_bps", "NET_BPS", "p95_latency_ms", "completeness", "Delta_Quality", "checks"),
        *("stale", "judged", "artifacts", "stop", "scenarios", "scenario:crash", "drift:net_bps"),
        *("recovers_within:x", "pass_count_last8", "pass_count_last24", "pytest_soak_gate"),
        "pytest_soak_gate-2",
    ],
)
def test_a_name_that_is_taken_is_a_fail_that_names_both(name: str, verdict: str) -> None:
    results = of([criterion(name, verdict, "so it is")])
    assert list(results) == ["pytest_soak_gate"]
    problem = results["pytest_soak_gate"]
    assert problem.verdict is Verdict.FAIL
    for word in (repr(name), verdict, "which is taken by", "so it is"):
        assert word in problem.reason


def test_two_hooks_cannot_have_one_name() -> None:
    def pytest_soak_gate(lane: object, history: object) -> Any:
        return [GOOD]

    def second(lane: object, history: object) -> Any:
        return [replace(GOOD, verdict=Verdict.FAIL), replace(GOOD, name="Mine")]

    results = judged(pytest_soak_gate, second)
    assert results["mine"].verdict is Verdict.PASS
    assert results["pytest_soak_gate"].verdict is Verdict.FAIL
    assert results["pytest_soak_gate-2"].verdict is Verdict.FAIL
    assert results["pytest_soak_gate"].reason.count("test_hook_criteria.py:") == 2


@pytest.mark.parametrize("name", ["", "two words", "a/b", "é", "x" * 65, None, 3, "a\n"])
def test_what_is_no_name_is_never_better(name: Any) -> None:
    for verdict, expected in (("PASS", Verdict.INCONCLUSIVE), ("FAIL", Verdict.FAIL)):
        results = of([replace(criterion("mine", verdict, "so it is"), name=name)])
        assert results["pytest_soak_gate"].verdict is expected
        assert "so it is" in results["pytest_soak_gate"].reason


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, "5", True, [1], 10**400, 1j])
def test_a_value_that_is_no_finite_number_is_never_better(value: Any) -> None:
    for verdict, expected in (
        ("PASS", Verdict.INCONCLUSIVE),
        ("WARN", Verdict.INCONCLUSIVE),
        ("INCONCLUSIVE", Verdict.INCONCLUSIVE),
        ("FAIL", Verdict.FAIL),
    ):
        result = of([criterion("mine", verdict, "so it is", value=value)])["mine"]
        assert (result.verdict, result.value) == (expected, None)
        assert "is no finite number" in result.reason


@pytest.mark.parametrize("value", [5, 2.5, Decimal("2.5"), None])
def test_a_number_of_any_kind_is_taken(value: Any) -> None:
    result = of([criterion("mine", "PASS", "", value=value)])["mine"]
    assert result.verdict is Verdict.PASS
    assert result.value == (None if value is None else float(value))


@pytest.mark.parametrize("verdict", ["pass", "OK", None, True, 3, object()])
def test_a_verdict_that_is_none_is_inconclusive(verdict: Any) -> None:
    assert of([replace(GOOD, verdict=verdict)])["mine"].verdict is Verdict.INCONCLUSIVE


def test_a_hook_sets_no_other_field() -> None:
    claimed = replace(BAD, binding=False, applicable=False, n=99, low=math.nan, lane="x", phi=9.0)
    assert of([claimed])["other"] == BAD


def test_texts_are_cleaned_and_bounded() -> None:
    result = of(
        [criterion("mine", "FAIL", "a\x1b[31m \ud800\n\tb" + "c" * 9999, limit="\x07" * 99)]
    )
    reason, limit = result["mine"].reason, result["mine"].limit
    assert reason.startswith("a\\x1b[31m ")
    assert reason.isprintable()
    assert reason.encode("utf-8")
    assert len(reason) <= 1000
    assert limit.isprintable()
    assert len(limit) <= 60
