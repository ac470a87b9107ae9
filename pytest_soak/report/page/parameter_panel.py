"""The panel of a parameter: its steps, its bounds, what moved it, and when nothing could."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from pytest_soak.report.layout import cut, with_unit
from pytest_soak.report.page.axes import Axes, span_of
from pytest_soak.report.page.canvas import Canvas, bars, marks, stairs
from pytest_soak.report.page.panel import LegendItem, Panel, Size, Table
from pytest_soak.report.page.subject import Subject
from pytest_soak.report.page.words import GLYPHS, counted, stretch
from pytest_soak.report.svg import Frame
from pytest_soak.report.view.model import ParameterView, SpanKind, SpanView, StepView
from pytest_soak.report.view.scale import extremes

_BANDS: tuple[SpanKind, ...] = ("frozen", "cooldown", "paused", "pinned")
_BAND = 12.0
_MOST_ROWS = 30
_MOST_LARGE = 60
"""Steps up to which their marks have their full size."""
_MOST_TITLES = 12
_MOST_SPANS = 300
_LETTER = 6.2
_NAME = 80
_UNIT = 40


def has_moved(parameter: ParameterView) -> bool:
    """Whether it had a value other than its first one."""
    return any(step.value != parameter.steps[0].value for step in parameter.steps)


def parameter_panel(ident: str, subject: Subject, parameter: ParameterView, size: Size) -> Panel:
    """The panel of one parameter that moved."""
    canvas = Canvas(ident, size.width, size.height)
    bands = _bands(subject, parameter)
    top = 10 + _BAND * len(bands)
    frame = Frame(52, top, size.width - 64, size.height - top - 24)
    low, high = span_of([step.value for step in parameter.steps], parameter.low, parameter.high)
    first = min(subject.numbers[0] if subject.numbers else 1, parameter.steps[0].iteration)
    last = max(subject.last, parameter.steps[-1].iteration)
    axes = Axes.of(frame, first, last, low, high)
    frame = axes.frame
    canvas.rect(frame.x, frame.y, frame.width, frame.height, "ground")
    for row, (kind, spans) in enumerate(bands):
        _draw_band(canvas, axes, 3 + _BAND * row, kind, spans)
    axes.draw(canvas, end=last, names=parameter.choices)
    for bound, text, words in (
        (parameter.high, parameter.high_text, "upper bound"),
        (parameter.low, parameter.low_text, "lower bound"),
    ):
        if bound in axes.y:
            place = axes.y(bound)
            canvas.line(frame.x, place, frame.right, place, "bound")
            y = place + 11 if place < frame.y + 14 else place - 4
            canvas.text(frame.x + 5, y, f"{words} {text}", "bound-text")
    movers = _movers(parameter, subject.shapes)
    _draw_steps(canvas, axes, parameter, subject, movers)
    title = f"{cut(parameter.key, _NAME)} per iteration"
    return Panel(
        ident,
        parameter.key,
        _summary(parameter),
        canvas.svg(title, _description(parameter, bands, movers)),
        _table(parameter),
        legend=tuple(
            LegendItem(GLYPHS[shape], f"{cut(by, 40)} {count}×", shape)
            for by, (shape, count) in movers.items()
        ),
        data=_data(ident, parameter, bands, movers) | {"range": [low, high]},
    )


def _summary(parameter: ParameterView) -> str:
    first, last = parameter.steps[0].text, parameter.steps[-1].text
    return (
        f"{first} → {with_unit(last, cut(parameter.unit, _UNIT))}, "
        f"{counted(len(parameter.steps) - 1, 'move')}, "
        f"bounds {parameter.low_text} to {parameter.high_text}"
    )


def _movers(parameter: ParameterView, shapes: Mapping[str, str]) -> dict[str, tuple[str, int]]:
    """What moved it to shape and number of moves, the most frequent first."""
    counts = Counter(step.by for step in parameter.steps[1:]).most_common()
    return {by: (shapes[by], count) for by, count in counts}


def _description(
    parameter: ParameterView,
    bands: Sequence[tuple[SpanKind, Sequence[SpanView]]],
    movers: dict[str, tuple[str, int]],
) -> str:
    texts = [f"{_summary(parameter)}."]
    if movers:
        moved = ", ".join(f"{cut(by, 40)} {count} times" for by, (_, count) in movers.items())
        texts.append(f"Moved by {moved}.")
    for kind, spans in bands:
        places = ", ".join(stretch((span.first, span.last)) for span in spans[:6])
        more = f" and {len(spans) - 6} more" if len(spans) > 6 else ""
        texts.append(f"{kind.capitalize()} in iterations {places}{more}.")
    return " ".join(texts)


def _bands(
    subject: Subject, parameter: ParameterView
) -> tuple[tuple[SpanKind, tuple[SpanView, ...]], ...]:
    """The kinds of spans that concern the parameter, each with its spans."""
    grouped: dict[SpanKind, list[SpanView]] = {}
    for span in subject.lane.spans:
        if span.kind in _BANDS and (not span.keys or parameter.key in span.keys):
            grouped.setdefault(span.kind, []).append(span)
    return tuple((kind, tuple(grouped[kind])) for kind in _BANDS if kind in grouped)


def _draw_band(
    canvas: Canvas, axes: Axes, top: float, kind: SpanKind, spans: Sequence[SpanView]
) -> None:
    """One row of bars, with the word beside the first, or in it."""
    canvas.text(axes.frame.x - 5, top + 8.5, kind, "tick end")
    if len(spans) <= _MOST_TITLES:
        for span in spans:
            left, width = axes.stretch(span.first, span.last)
            title = f"{kind} in iterations {stretch((span.first, span.last))}"
            canvas.rect(left, top, width, _BAND - 3, f"band {kind}", title)
    else:
        places = [axes.stretch(span.first, span.last) for span in _joined(axes, spans)]
        canvas.path(bars(places, top, _BAND - 3), f"band {kind}", f"{kind}: {len(spans)} times")


def _joined(axes: Axes, spans: Sequence[SpanView]) -> list[SpanView]:
    """Spans between which less than a pixel lies, as one."""
    joined: list[SpanView] = []
    for span in spans:
        last = joined[-1] if joined else None
        if last is not None and axes.x(span.first) - axes.x(last.last) < 1.5:
            joined[-1] = SpanView(span.kind, last.first, span.last)
        else:
            joined.append(SpanView(span.kind, span.first, span.last))
    return joined


def _draw_steps(
    canvas: Canvas,
    axes: Axes,
    parameter: ParameterView,
    subject: Subject,
    movers: dict[str, tuple[str, int]],
) -> None:
    steps = _fewer(parameter.steps, int(axes.frame.width / 2))
    end = subject.numbers[-1] + 0.5 if subject.numbers else steps[-1].iteration + 0.5
    # A value is in force during the whole iteration, so its step begins half an iteration before.
    points = [(axes.x(step.iteration - 0.5), axes.y(step.value)) for step in steps]
    right = max(axes.x(end), points[-1][0])
    canvas.path(stairs(points, right), "steps")
    for by, (shape, _) in movers.items():
        own = [point for step, point in zip(steps[1:], points[1:], strict=True) if step.by == by]
        canvas.path(
            marks(own, shape, tiny=len(steps) > _MOST_LARGE),
            f"mover {shape}",
            f"moved by {cut(by, 40)}",
        )


def _fewer(steps: Sequence[StepView], columns: int) -> Sequence[StepView]:
    """All steps, or the extremes of each column."""
    if len(steps) <= 2 * columns:
        return steps
    places, _ = extremes(range(len(steps)), [step.value for step in steps], columns)
    return [steps[place] for place in dict.fromkeys((0, *places, len(steps) - 1))]


def _table(parameter: ParameterView) -> Table:
    steps = parameter.steps
    kept = steps if len(steps) <= _MOST_ROWS else (*steps[:5], *steps[5 - _MOST_ROWS :])
    left_out = len(steps) - len(kept)
    note = f"{left_out:,} steps between the fifth and the last {_MOST_ROWS - 5} are left out."
    unit = "" if parameter.unit == "1" else f" ({parameter.unit})"
    return Table(
        f"{parameter.key}{unit}",
        ("from iteration", "value", "moved by"),
        tuple((str(step.iteration), step.text, step.by) for step in kept),
        note if left_out else "",
    )


def _data(
    ident: str,
    parameter: ParameterView,
    bands: Sequence[tuple[SpanKind, Sequence[SpanView]]],
    movers: dict[str, tuple[str, int]],
) -> dict[str, object]:
    columns = 1_000
    names = list(movers)
    return {
        "id": ident,
        "kind": "parameter",
        "name": cut(parameter.key, _NAME),
        "unit": "" if parameter.unit == "1" else cut(parameter.unit, 20),
        "steps": [
            [
                step.iteration,
                float(f"{step.value:.6g}"),
                names.index(step.by) if step.by in names else -1,
            ]
            for step in _fewer(parameter.steps, columns)
        ],
        "movers": [[cut(by, 40), shape] for by, (shape, _) in movers.items()],
        "bounds": [parameter.low, parameter.high],
        "bands": [
            [kind, [[span.first, span.last] for span in spans[:_MOST_SPANS]]]
            for kind, spans in bands
        ],
    }
