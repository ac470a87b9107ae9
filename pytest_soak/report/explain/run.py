"""A run, explained: why each parameter is where it is, change by change."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from pytest_soak.loop.entries import Record
from pytest_soak.loop.headroom import is_pinned
from pytest_soak.loop.model import GUARD_ORDER, Attribution, Verdict
from pytest_soak.loop.state import EXTERNAL
from pytest_soak.profile.conditions import kpis_in
from pytest_soak.profile.model import Profile
from pytest_soak.profile.parameter import Parameter
from pytest_soak.report.explain.answers import attribution_text
from pytest_soak.report.explain.iteration import mode_of
from pytest_soak.report.explain.rules import HOOK, Part
from pytest_soak.report.explain.story import Step, Story
from pytest_soak.report.layout import (
    cut,
    kept,
    labelled,
    listed,
    parameter_change,
    parameter_value,
    plain,
    reading,
    spans,
    table,
    times,
    with_unit,
)

_COLUMN = 14
_KEY_COLUMN = 32
_MOST_NOTES = 8
_FIRST_GROUPS, _LAST_GROUPS = 8, 12
"""Groups of changes shown at either end of a long story; one line has those between."""
_MOST_ALIKE = 2
"""Up to so many parameters that did not move for the same reason have a line each."""
_MOST_ROWS = 60
_UNKNOWN = "not reported before the end"
"""Part of a range within which steps count as equal, and a value as on its bound."""


def explain_run(journal: Sequence[Record]) -> str:
    """What happened in one lane and why, from the entries of its journal.

    Raises ``loop.entries.EntryError`` for entries that are no journal.
    """
    story = Story.of(journal)
    lines = [*_header(story), *_moved(story), *_still(story), *_left_out(story)]
    lines += ["", "--iteration N shows the rules and the guards' answers of one iteration."]
    return "\n".join(lines) + "\n"


# -- the lane as a whole -------------------------------------------------------------------------


def _header(story: Story) -> list[str]:
    state = story.state
    lane = state.lane
    title = (
        f"{lane.id}: {state.done} of {lane.iterations} iterations of {lane.interval_s:g} s, "
        f"profile {lane.profile}, target {state.target}"
    )
    facts = [("mode", mode_of(state)), ("verdicts", "; ".join(_verdicts(story.verdicts)))]
    facts += [("scenario", f"{name} ({_at(at)})") for name, at in story.scenarios.items()]
    for kpi in _used_kpis(state.profile):
        if kpi in story.without:
            facts.append(("no data", f"{kpi} {times(len(at := story.without[kpi]))} ({_at(at)})"))
    decisions = [_decisions(kind, numbers) for kind, numbers in sorted(story.kinds.items())]
    facts.append(("decisions", "; ".join(decisions)))
    if story.by_hook:
        facts.append(("proposer", f"{HOOK} in place of the rules in {_at(story.by_hook)}"))
    for note, numbers in list(story.notes.items())[:_MOST_NOTES]:
        facts.append(("note", f"{note} ({_at(numbers)})"))
    if len(story.notes) > _MOST_NOTES:
        more = f"and {len(story.notes) - _MOST_NOTES} more, which --iteration shows"
        facts.append(("note", more))
    pinned = sorted(key for key in state.edits.pinned if is_pinned(state, key))
    if pinned:
        facts.append(("pinned", f"{listed(pinned)}: edited by hand, not moved by the tuner"))
    if state.intent is not None:
        text = f"the change after iteration {state.intent.iteration} is not confirmed in the file"
        facts.append(("unfinished", text))
    if state.halt is not None:
        halt = state.halt
        facts.append(("halted", f"at iteration {halt.iteration} ({halt.kind}): {halt.text}"))
    lines = labelled(title, "", indent=0)
    for label, text in facts:
        lines += labelled(label, text, column=_COLUMN) if text else []
    return lines


def _used_kpis(profile: Profile) -> tuple[str, ...]:
    """The KPIs that the verdict and the rules use."""
    conditions = [*profile.verdict.fail, *profile.verdict.warn]
    conditions += [condition for rule in profile.rules for condition in rule.when]
    return kpis_in(conditions)


def _verdicts(verdicts: Mapping[Verdict, Sequence[int]]) -> Iterator[str]:
    for verdict in Verdict:
        numbers = verdicts.get(verdict, ())
        if numbers:
            where = "" if verdict is Verdict.PASS else f" ({_at(numbers)})"
            yield f"{verdict} {len(numbers)}{where}"


def _decisions(kind: str, numbers: Sequence[int]) -> str:
    usual = kind in ("with a change", "without a request")
    return f"{kind} {len(numbers)}" + ("" if usual else f" ({_at(numbers)})")


def _at(numbers: Sequence[int]) -> str:
    return f"iteration{'s' if len(set(numbers)) > 1 else ''} {spans(numbers)}"


# -- what moved ----------------------------------------------------------------------------------


def _moved(story: Story) -> list[str]:
    lines: list[str] = []
    for key, parameter in story.state.profile.parameters.items():
        if story.steps.get(key):
            lines += ["", *_parameter(story, parameter)]
    return lines


def _parameter(story: Story, parameter: Parameter) -> list[str]:
    steps, state = story.steps[parameter.key], story.state
    start, end = state.start_values[parameter.key], steps[-1].after
    changes = "1 change" if len(steps) == 1 else f"{len(steps)} changes"
    after = with_unit(parameter.text(end), parameter.unit)
    at = f"{parameter.text(start)} -> {after}{_bound(parameter, end)}"
    lines = labelled(f"{parameter.key}  {at}, {changes}", "", indent=0)
    groups = _groups(steps)
    column = _COLUMN + 2 + max(len(_way(parameter, group)) for group in groups)
    middle = range(_FIRST_GROUPS, len(groups) - _LAST_GROUPS)
    hidden: list[Step] = []
    for number, group in enumerate(groups):
        if number in middle and group[0].kind in ("APPLIED", "CLIPPED"):
            hidden += group
            continue
        lines += _in_turn(story, parameter, hidden, column) + _group(
            story, parameter, group, column
        )
        hidden = []
    return lines


def _in_turn(story: Story, parameter: Parameter, steps: Sequence[Step], column: int) -> list[str]:
    """The middle of a long story, in one line."""
    if not steps:
        return []
    counts = Counter(step.by for step in steps)
    parts = ", ".join(f"{name} {count}" for name, count in counts.most_common())
    lines = _row(parameter, steps, f"{len(steps)} changes: {parts}", column)
    effect = _effect(story, steps)
    return lines + labelled("", effect, column=column) if effect else lines


def _group(story: Story, parameter: Parameter, group: Sequence[Step], column: int) -> list[str]:
    lines = _row(parameter, group, _what(parameter, group), column)
    for text in (_because(group), _effect(story, group)):
        lines += labelled("", text, column=column) if text else []
    return lines


def _row(parameter: Parameter, steps: Sequence[Step], text: str, column: int) -> list[str]:
    first, last = steps[0].iteration, steps[-1].iteration
    when = f"{first}" if first == last else f"{first}-{last}"
    return labelled(f"{when:<{_COLUMN - 2}}{_way(parameter, steps)}", text, column=column)


def _way(parameter: Parameter, steps: Sequence[Step]) -> str:
    return f"{parameter.text(steps[0].before)} -> {parameter.text(steps[-1].after)}"


def _bound(parameter: Parameter, end: float) -> str:
    for name, bound in (("minimum", parameter.minimum), ("maximum", parameter.maximum)):
        if parameter.same(end, bound):
            return f" (its {name})"
    return ""


def _groups(steps: Sequence[Step]) -> list[list[Step]]:
    groups: list[list[Step]] = []
    for step in steps:
        if groups and groups[-1][-1].goes_with(step):
            groups[-1].append(step)
        else:
            groups.append([step])
    return groups


def _what(parameter: Parameter, group: Sequence[Step]) -> str:
    first = group[0]
    if first.kind in ("PANIC", EXTERNAL, "ROLLBACK"):
        return f"{first.kind}: {first.reason}" if first.reason else first.kind
    count = f" {times(len(group))}" if len(group) > 1 else ""
    text = f"{first.by}{count}, {first.kind} {_sizes(parameter, [step.moved for step in group])}"
    if first.kind == "CLIPPED":
        text += f" by {first.reason}"
    reduced = Counter(step.withheld_by for step in group if step.withheld_by)
    for guard, number in reduced.items():
        text += f", {f'{number} of them ' if count else ''}withheld in part ({guard})"
    return text


def _sizes(parameter: Parameter, moves: Sequence[float]) -> str:
    low, high = min(moves, key=abs), max(moves, key=abs)
    only = {parameter.key: parameter}
    least, most = (parameter_change(only, parameter.key, size) for size in (low, high))
    if least == most:
        return most + (" each" if len(moves) > 1 else "")
    return f"{least} to {most}"


def _because(group: Sequence[Step]) -> str:
    """The figures that caused the first and the last of the changes."""
    limits: dict[str, list[str]] = {}
    figures: dict[str, str] = {}
    for first, last in zip(group[0].basis, group[-1].basis, strict=True):
        if first.aimed and not last.sentence:
            limits.setdefault(last.kpi, []).append(last.limit)
            ends = dict.fromkeys((_figure(first), _figure(last)))
            figures[last.kpi] = " -> ".join(ends)
    causes = [
        f"{kpi} {' and '.join(texts)}: {figures[kpi]}"
        for kpi, texts in limits.items()
        if any(texts)
    ]
    causes += [part.sentence for part in group[-1].basis if part.aimed and part.sentence]
    if causes:
        return f"because {'; '.join(causes)}"
    named = ", ".join(f"{kpi} {text}" for kpi, text in figures.items())
    return f"based on {named}" if named else ""


def _figure(part: Part) -> str:
    return reading(part.over, *part.comparisons)


def _effect(story: Story, group: Sequence[Step]) -> str:
    """The reported effect of these changes; empty for changes whose effect is never reported."""
    if group[0].kind in ("PANIC", EXTERNAL) or story.state.profile.guards.attribution is None:
        return ""
    if len(group) == 1:
        attribution = story.attributions.get((group[0].iteration, group[0].rule))
        return f"effect: {_UNKNOWN if attribution is None else _single_effect(attribution)}"
    verdicts: dict[str, list[int]] = {}
    for step in group:
        attribution = story.attributions.get((step.iteration, step.rule))
        verdict = _UNKNOWN if attribution is None else attribution.verdict
        verdicts.setdefault(verdict, []).append(step.iteration)
    parts = [
        f"{word} {len(numbers)}" + (f" ({_at(numbers)})" if word in ("helped", "hurt") else "")
        for word, numbers in verdicts.items()
    ]
    return f"effect: {', '.join(parts)}"


def _single_effect(attribution: Attribution) -> str:
    """In full for what helped or hurt; ``--iteration`` has the figures of all others."""
    if attribution.verdict == "no evidence":
        note = f": {attribution.note}" if attribution.note and not attribution.effects else ""
        return attribution.verdict + note
    return attribution_text(attribution)


# -- what did not move ---------------------------------------------------------------------------


def _still(story: Story) -> list[str]:
    why: dict[str, list[str]] = {}
    parameters = story.state.profile.parameters
    for key in parameters:
        if not story.steps.get(key):
            at = kept(f"{key} {parameter_value(parameters, key, story.state.values[key])}")
            why.setdefault(_why_still(story, key), []).append(at)
    lines: list[str] = []
    for reason, keys in why.items():
        if len(keys) > _MOST_ALIKE:
            lines += labelled("", f"{', '.join(keys)}: {reason}", column=2)
        else:
            lines += [line for key in keys for line in labelled(key, reason, column=_KEY_COLUMN)]
    return ["", "Never moved", *lines] if lines else []


def _why_still(story: Story, key: str) -> str:
    if not story.state.tune:
        return "the tuner was off"
    if story.would.get(key):
        numbers, names = zip(*story.would[key], strict=True)
        return f"dry run; {listed(sorted(set(names)))} would have moved it in {_at(numbers)}"
    left = [
        f"{what} by {guard} {times(len(numbers))} ({_at(numbers)})"
        for (guard, of_key, what), numbers in story.left_out.items()
        if of_key == key
    ]
    decided = sum(map(len, story.verdicts.values()))
    if not decided:
        return "there is no decision yet"
    if left:
        return f"no request was applied: {', '.join(left)}"
    if len(story.by_hook) == decided:
        return f"{HOOK} never proposed it"
    rules = [
        rule.name for rule in story.state.profile.rules if any(m.key == key for m in rule.moves)
    ]
    if not rules:
        return "no rule of the profile moves it"
    waited = [
        f"{name} waited {times(len(story.waits[name]))}" for name in rules if name in story.waits
    ]
    return f"not requested by {listed(rules)}" + (f" ({', '.join(waited)})" if waited else "")


# -- what was left out ---------------------------------------------------------------------------


def _left_out(story: Story) -> list[str]:
    if not story.left_out:
        return []
    order = {name: index for index, name in enumerate(GUARD_ORDER)}
    left = sorted(
        story.left_out.items(), key=lambda item: (order.get(item[0][0], len(order)), item[0])
    )
    rows = [("guard", "parameter", "times", "first-last", "result")]
    for (guard, key, what), numbers in left[:_MOST_ROWS]:
        first, last = min(numbers), max(numbers)
        when = f"{first}" if first == last else f"{first}-{last}"
        by, of = cut(plain(guard), _KEY_COLUMN), cut(plain(key), _KEY_COLUMN)
        rows.append((by, of, f"{len(numbers)}", when, what))
    lines = ["", "Withheld by the tuner because of a guard, or refused by the guard", *table(rows)]
    return lines + ([f"  and {len(left) - _MOST_ROWS} more"] if len(left) > _MOST_ROWS else [])
