"""The criteria that hooks ``pytest_soak_gate`` add to a lane, made safe to judge by.

A hook can only add to what the gate says. What it says wrongly (a name that is taken, a value that
is no number, an answer that is no list of criteria) makes the gate worse or leaves it as it is,
never better, and what it said before it raised is kept.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from copy import deepcopy
from itertools import islice
from pathlib import Path
from typing import Any, Final

import pytest

from pytest_soak.canonical import escaped, number, scrubbed, to_json
from pytest_soak.gate.criteria import CriterionResult
from pytest_soak.lane.hooks import no_outcomes, place_of
from pytest_soak.loop.model import History, Verdict, worst_of
from pytest_soak.masking import Masker, NoMasker

_GATE: Final = "pytest_soak_gate"
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.:-]{0,63}")
_RESERVED: Final = frozenset(
    {
        *("artifacts", "checks", "completeness", "delta_quality", "items", "judged"),
        *("regression", "scenarios", "seal", "stale", "stop"),
    }
)
_RESERVED_PREFIXES: Final = (
    *("pass_count_last", "scenario:", "recovers_within:", "drift:", _GATE),
    *("relative:", "share:", "median:", "p95:", "max:", "min:", "last:"),
)
_MOST_CRITERIA: Final = 1000
_LONGEST_REASON: Final = 1000
_LONGEST_LIMIT: Final = 60
_LONGEST_NAME: Final = 64


def hook_criteria(
    config: pytest.Config, history: History, mask: Masker | None = None
) -> tuple[CriterionResult, ...]:
    """The criteria of every hook for one lane. What goes wrong in a hook costs that hook."""
    hook = config.hook.pytest_soak_gate
    implementations = [item for item in hook.get_hookimpls() if not _wraps(item)]
    if not implementations:
        return ()  # without the copy of a long history
    shown = deepcopy(history)  # what a hook does to it is not judged
    criteria = _Criteria({item.kpi for item in history.profile.gate.criteria}, mask or NoMasker())
    for implementation in implementations:
        others = [item.plugin for item in implementations if item is not implementation]
        call = config.pluginmanager.subset_hook_caller(_GATE, remove_plugins=others)
        place = _place(implementation)
        try:
            with no_outcomes(_GATE):
                for answer in call(lane=history.lane, history=shown):
                    criteria.take(answer, place)
        except Exception as error:
            criteria.raised(error, place)
    return tuple(criteria.results)


class _Criteria:
    """The criteria of a lane so far, and who has which name."""

    def __init__(self, gated: Iterable[str], mask: Masker) -> None:
        self.results: list[CriterionResult] = []
        self._mask = mask
        self._taken = {kpi.casefold(): f"the gated KPI {kpi}" for kpi in gated}
        self._problems = 0

    def take(self, answer: object, place: str) -> None:
        """Take what one hook answered. What iterating over it raises passes through."""
        if isinstance(answer, CriterionResult):
            answer = (answer,)
        odd = isinstance(answer, (str, bytes, bytearray, Mapping))
        if odd or not isinstance(answer, Iterable):
            self._problem(
                Verdict.INCONCLUSIVE, f"{place} answered {_shown(answer)}, not a list of criteria"
            )
            return
        for count, item in enumerate(islice(answer, _MOST_CRITERIA + 1)):
            if count == _MOST_CRITERIA:
                text = f"{place} answered more than {_MOST_CRITERIA} criteria; the rest is left out"
                self._problem(Verdict.INCONCLUSIVE, text)
            elif isinstance(item, CriterionResult):
                self._add(item, place)
            else:
                text = f"{place} answered {_shown(item)} in its list, not what criterion() makes"
                self._problem(Verdict.INCONCLUSIVE, text)

    def raised(self, error: Exception, place: str) -> None:
        """A hook raised; what it said before stays."""
        where = place_of(error)
        text = f"{where if where != 'nowhere' else place} raised {_error_text(error)}"
        self._problem(Verdict.INCONCLUSIVE, text)

    def _add(self, result: CriterionResult, place: str) -> None:
        """One criterion, with the fields that are a hook's to set and no others."""
        verdict, doubts = _verdict_of(result.verdict)
        value = None if result.value is None else number(result.value)
        if result.value is not None and value is None:
            verdict = worst_of((verdict, Verdict.INCONCLUSIVE))
            doubts.append(f"its value {_shown(result.value)} is no finite number")
        reason = self._text(result.reason, _LONGEST_REASON)
        name = self._text(result.name, _LONGEST_NAME)
        problem, owner = self._name_problem(result.name)
        if problem:
            verdict = worst_of((verdict, Verdict.FAIL if owner else Verdict.INCONCLUSIVE))
            text = f"{place} said {result.verdict!s:.20} under the name {name!r}, {problem}"
            self._problem(verdict, "; ".join((text, *doubts, reason)))
            return
        self._taken[name.casefold()] = place
        self.results.append(
            CriterionResult(
                name,
                verdict,
                value=value,
                limit=self._text(result.limit, _LONGEST_LIMIT),
                reason=self._mask("; ".join(filter(None, (reason, *doubts)))),
            )
        )

    def _name_problem(self, name: object) -> tuple[str, str]:
        """What is wrong with a name, and who has it; both empty for a free one."""
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            return "which is no name: a letter, then at most 63 letters, digits and _.:-", ""
        folded = name.casefold()
        owner = self._taken.get(folded, "")
        if not owner and (folded in _RESERVED or folded.startswith(_RESERVED_PREFIXES)):
            owner = "the plugin itself"
        return (f"which is taken by {owner}" if owner else ""), owner

    def _problem(self, verdict: Verdict, text: str) -> None:
        self._problems += 1
        name = _GATE if self._problems == 1 else f"{_GATE}-{self._problems}"
        self.results.append(
            CriterionResult(name, verdict, reason=f"{name}: {self._text(text, _LONGEST_REASON)}")
        )

    def _text(self, value: object, longest: int) -> str:
        """A hook's text without secrets; masked first, while it still has its own lines."""
        return _text(self._mask.value(to_json(value)), longest)


def _wraps(implementation: Any) -> bool:
    return bool(implementation.wrapper or implementation.hookwrapper)


def _place(implementation: Any) -> str:
    code = getattr(implementation.function, "__code__", None)
    if code is None:
        return f"the hook {_GATE} of {_text(implementation.plugin_name, 80)}"
    return f"{_text(Path(code.co_filename).name, 80)}:{code.co_firstlineno} in {_GATE}"


def _verdict_of(verdict: object) -> tuple[Verdict, list[str]]:
    if isinstance(verdict, str) and verdict in list(Verdict):
        return Verdict(verdict), []
    return Verdict.INCONCLUSIVE, [f"its verdict {_shown(verdict)} is none"]


def _text(value: object, longest: int) -> str:
    """A hook's text: one line, without escapes and lone surrogates, of bounded length."""
    plain = to_json(value)
    text = plain if isinstance(plain, str) else "" if plain is None else _shown(value)
    line = escaped(scrubbed(" ".join(text.split())))
    return line if len(line) <= longest else line[: longest - 1] + "…"


def _shown(value: object) -> str:
    """A value that should not be there: its type, and what it is where that is short."""
    kind = type(value).__name__
    if value is None or isinstance(value, (bool, float, str)):
        return f"{kind} {to_json(value)!r:.60}"
    return f"{'an' if kind[:1].lower() in 'aeiou' else 'a'} {kind}"


def _error_text(error: Exception) -> str:
    try:
        return f"{type(error).__name__}: {error}"
    except Exception:
        return type(error).__name__
