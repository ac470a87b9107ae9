"""The metrics of a stored run: the session's file again, and one value of it for scripts."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from pytest_soak.messages import nearest
from pytest_soak.offline import Options, RunningRun, read_run
from pytest_soak.report.metric_names import NAME_SETS, RUN_METRICS, NameSet
from pytest_soak.report.metric_values import RunFigures, figures_of, figures_so_far
from pytest_soak.report.metrics import Sample, samples

_SELECTOR = re.compile(r'([^{}]*)(?:\{((?:[^"}]|"(?:[^"\\]|\\.)*")*)\})?')
_LABEL = re.compile(r'\s*(\w+)="((?:[^"\\]|\\.)*)"\s*(?:,|$)')
_ESCAPED = re.compile(r"\\(.)")
_MOST = 4


class ValueNotFound(Exception):  # noqa: N818 - the reason of an exit status
    """There is no such metric, or it has several values; the message says which to give."""


class ValueNotKnown(Exception):  # noqa: N818 - a state of the run
    """The metric has no value in this run: there are no data, or the gate is not judged yet."""


@dataclass(frozen=True, slots=True)
class StoredFigures:
    """The figures of a stored run."""

    figures: RunFigures
    names: NameSet
    """The set of names that the session wrote."""
    running: str
    """One line if a session works on the run now: these are the figures so far. Else empty."""


def stored_figures(path: str, *, unsealed: bool) -> StoredFigures:
    """The figures of the run at ``path``, as its session had them. Raises StoreError."""
    run = read_run(path)
    about = run.directory.about
    names = next((name for name in NAME_SETS if name == about.get("metrics")), NAME_SETS[0])
    if isinstance(run, RunningRun):
        return StoredFigures(figures_so_far(run.histories, about), names, run.headline())
    judgement = run.answer(Options(unsealed=unsealed)).judgement
    whole = len(run.lanes) == len(about["lanes"])
    return StoredFigures(figures_of(judgement, about, whole=whole), names, "")


def value_of(figures: RunFigures, selector: str, lane: str | None) -> float:
    """The value of ``NAME`` or ``NAME{label="value",…}``, of one lane if the run has several.

    A name that both sets have is the original one. Raises ValueNotFound and ValueNotKnown.
    """
    name, labels = _parsed(selector)
    lanes = [item.history.lane.id for item in figures.lanes]
    if lane is not None and lane not in lanes:
        raise ValueNotFound(f"no lane {lane!r}{nearest(lane, lanes)}")
    matching = _named(figures, name)
    if lane is not None:
        matching = [item for item in matching if item.lane in (None, lane)]
    chosen = [item for item in matching if labels.items() <= item.labels.items()]
    if not chosen:
        raise ValueNotFound(f"{name} has no such label; it has {_some(map(_shown, matching))}")
    several = list(dict.fromkeys(item.lane for item in chosen if item.lane is not None))
    if len(several) > 1:
        run = ", ".join(metric.clean for metric in RUN_METRICS[:2])
        raise ValueNotFound(
            f"{name} has a value for each lane: give --lane ({_some(several)}), or the name of a "
            f"figure of the run ({run})"
        )
    if len(chosen) > 1:
        raise ValueNotFound(f"{name} has several values: give {_some(map(_shown, chosen))}")
    value = chosen[0].value
    if value is None:
        raise ValueNotKnown(f"{_shown(chosen[0])} has no value in this run")
    return value


def _named(figures: RunFigures, name: str) -> Sequence[Sample]:
    """The samples of a name, those without a value included."""
    known_names: dict[str, None] = {}
    for names in NAME_SETS:
        every = list(samples(figures, names))
        matching = [item for item in every if item.name == name]
        if matching:
            return matching
        known_names.update(dict.fromkeys(item.name for item in every))
    near = get_close_matches(name, known_names, n=_MOST, cutoff=0.5)
    near = near or [item for item in known_names if name and name in item]
    hint = f"the nearest are {_some(near)}" if near else f"there are {_some(known_names)}"
    raise ValueNotFound(f"no metric {name!r}; {hint}")


def _parsed(selector: str) -> tuple[str, Mapping[str, str]]:
    match = _SELECTOR.fullmatch(selector.strip())
    text = (match[2] or "") if match else ""
    labels = {item[1]: _unescaped(item[2]) for item in _LABEL.finditer(text)}
    if match is None or _LABEL.sub("", text).strip():
        raise ValueNotFound(f'{selector!r} is not NAME or NAME{{label="value"}}')
    return match[1].strip(), labels


def _unescaped(text: str) -> str:
    return _ESCAPED.sub(lambda match: "\n" if match[1] == "n" else match[1], text)


def _shown(sample: Sample) -> str:
    """The name with the labels that are not the lane's, as it can be given."""
    own = {key: text for key, text in sample.labels.items() if key in sample.metric.labels}
    texts = [f'{key}="{_as_label(text)}"' for key, text in own.items()]
    return f"{sample.name}{{{','.join(texts)}}}" if texts else sample.name


def _as_label(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _some(names: Iterable[str]) -> str:
    unique = list(dict.fromkeys(names))
    more = f" and {len(unique) - _MOST} more" if len(unique) > _MOST else ""
    return ", ".join(unique[:_MOST]) + more
