"""Whatever a report has, the profile that init writes passes ``profile check``."""

from __future__ import annotations

import ast
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from pytest_soak.live.declared import check_target
from pytest_soak.profile.resolve import Source, resolve
from pytest_soak.profile.warnings import warnings
from pytest_soak.profile.yaml_text import parse
from pytest_soak.starter.draft import TEMPLATE, Draft, draft_of
from pytest_soak.starter.fields import Sample, sample_of
from pytest_soak.starter.profile_lines import document_of, dumped, profile_text
from pytest_soak.starter.service import Service, target_section
from pytest_soak.starter.templates import target_of

RUN = {"interval": 5, "iterations": 24, "target": "live"}
TEXTS = st.text(st.characters(codec="utf-8"), max_size=40)
HOSTILE = st.sampled_from(
    [
        *(
            "null",
            "true",
            "yes",
            "1e3",
            "0x1",
            "~",
            "<<",
            "=",
            "-",
            "? a",
            "a: b",
            "# x",
            "&a",
            "*a",
        ),
        *(
            "!!python/object:os.system",
            "%TAG",
            "@",
            "`",
            "{a}",
            "[",
            "\x00",
            "\n",
            "\x85",
            "\ufeff",
        ),
        *("\u2028", "\x1b[31m", "p95_ms", "P95_MS", "totals", "config", "target", "x_delta", "$x"),
        *("1:30", "...", "---", "", " ", "a.b", "fault", "parameters", "gate", "kpis", "tuner"),
    ]
)
KEYS = HOSTILE | TEXTS
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=20,
)
REPORTS = st.dictionaries(KEYS, VALUES, max_size=8).filter(
    lambda report: isinstance(report.get("totals", {}), dict)
)
SERVICE = Service("http", report_url="http://127.0.0.1:1/{x}", parameters_url="http://[::1]:2/c")


def text_of(draft: Draft, sample: Sample) -> str:
    """The profile, read again as ``profile check`` reads it."""
    section = target_section(SERVICE, sample, draft)
    text = profile_text("soak.yaml", draft, RUN, section)
    data = text.encode()
    assert parse(data) == document_of(draft, RUN, section)
    resolved = resolve("./soak.yaml", lambda name, _: Source(name, data))
    check_target(resolved)
    paths = {name: kpi.read for name, kpi in resolved.profile.kpis.items()}
    assert paths == {figure.name: figure.path for figure in draft.figures}
    return text


@given(REPORTS)
def test_any_report_gives_a_profile_that_passes_the_check(report: dict[str, Any]) -> None:
    sample = sample_of(report)
    draft = draft_of(sample)
    if not draft.figures:
        return
    text = text_of(draft, sample)
    assert all(line.isprintable() for line in text.split("\n"))


@example({"rate": 1, "totals": {}})
@given(REPORTS)
def test_any_report_gives_a_target_that_is_python(report: dict[str, Any]) -> None:
    sample = sample_of(report)
    figures = draft_of(sample).figures
    if not figures:
        return
    tree = ast.parse(target_of([item.path for item in figures]))
    (shape,) = [
        ast.literal_eval(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Return) and isinstance(node.value, ast.Dict)
    ]
    assert isinstance(shape["totals"], dict)
    for figure in figures:
        value = shape
        for step in figure.path:
            value = value[step]
        assert value is None


# The reader refuses the key << in quotes, too; names that are keys in the profile are never it.
@given(KEYS | st.lists(KEYS) | st.dictionaries(KEYS.filter(lambda key: key != "<<"), KEYS))
def test_what_is_dumped_is_read_again(value: Any) -> None:
    assert parse(f"x: {dumped(value)}\n".encode()) == {"x": value}


def test_the_text_is_short_and_says_what_to_edit() -> None:
    report = {
        "latency": {"p95_ms": 41.3},
        "requests": 7,
        "error-ratio": 0,
        "config": {"workers": 2, "pool": {"size": 4}},
    }
    sample = sample_of(report)
    text = text_of(draft_of(sample), sample)
    assert max(map(len, text.splitlines())) <= 100
    assert "  error_ratio: {read: [error-ratio]}" in text
    assert "  latency_p95_ms: latency.p95_ms" in text
    assert "# 41.3 in the sample; less is better, by its name" in text
    assert 'http: "http://127.0.0.1:1/{{x}}", echo: config}' in text
    assert '#   GROW: {when: {latency_p95_ms: "> 49.6"}' in text  # 62 is the limit
    assert text.count("EDIT") >= 2


def test_what_is_left_out_is_named_on_one_line() -> None:
    report = {"a_ms": 3, "config": {"\x1b[31m\nkpis: {}": 4, "w" * 200: 5, "-": 6}}
    text = text_of(draft_of(sample_of(report)), sample_of(report))
    lines = [line for line in text.splitlines() if "left out" in line]
    assert lines[0].startswith("  # left out: the setting \\x1b[31m\\nkpis: {}: its name")
    assert len(lines) == 3
    assert all(len(line) <= 100 for line in lines)


def test_the_rule_that_is_shown_begins_before_the_limit_of_a_high_percentile() -> None:
    report = {"latency": {"p50_ms": 200, "p95_ms": 260.0}, "failed": 0, "config": {"workers": 2}}
    text = text_of(draft_of(sample_of(report)), sample_of(report))
    assert 'latency_p95_ms: "<= 390"' in text
    whole = text.replace("# rules:\n#   GROW", "rules:\n  GROW").encode()
    assert b'{latency_p95_ms: "> 312"}' in whole
    resolved = resolve("./soak.yaml", lambda name, _: Source(name, whole))
    kinds = [warning.kind for warning in warnings(resolved.profile)]
    assert "kpi_without_rule" in kinds  # of the figures that the rule does not read
    assert "rule_weaker_than_gate" not in kinds
    below_zero = draft_of(sample_of({"offset_ms": -100, "config": {"workers": 2}}))
    assert below_zero.gated[0].limit == "<= -50"
    assert '{offset_ms: "> -60"}' in text_of(below_zero, Sample())


def test_the_rule_that_is_shown_is_one() -> None:
    """A user takes the signs of comments away, as the text says."""
    text = text_of(TEMPLATE, Sample())
    whole = text.replace("# rules:\n#   SHRINK", "rules:\n  SHRINK")
    assert whole != text
    resolved = resolve("./soak.yaml", lambda name, _: Source(name, whole.encode()))
    assert [rule.name for rule in resolved.profile.rules] == ["SHRINK"]
    assert '{when: {p95_ms: "> 200"}, evidence: {over: 3}, moves: {batch: {mul: 0.8}}}' in whole
    bare = text_of(draft_of(sample_of({"a_ms": 3})), Sample())
    for line in ("parameters:", "  workers:", "rules:", "  GROW:"):
        assert f"# {line}" in bare
        bare = bare.replace(f"# {line}", line)
    resolved = resolve("./soak.yaml", lambda name, _: Source(name, bare.encode()))
    assert list(resolved.profile.parameters) == ["workers"]
