"""Profiles as users write them: shipped ones, files, inheritance, and the errors of mistakes."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from pytest_soak.canonical import canonical_json
from pytest_soak.profile.build import build
from pytest_soak.profile.condition import Comparison, Condition
from pytest_soak.profile.errors import ProfileError
from pytest_soak.profile.model import SHIPPED, Evidence, Hysteresis, Move
from pytest_soak.profile.resolve import Resolved, Source, resolve
from pytest_soak.store.sources import known_profiles, read_source

DOCS = Path(__file__).parents[3] / "docs" / "profiles.md"

Write = Callable[[str, str], str]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def file(name: str, text: str) -> str:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return str(path)

    return file


def starts(resolved: Resolved) -> Mapping[str, float]:
    return {key: parameter.start for key, parameter in sorted(resolved.profile.parameters.items())}


def test_shipped_profiles_are_known_by_name() -> None:
    assert known_profiles() == SHIPPED


def test_s1_has_exactly_the_specified_values() -> None:
    resolved = resolve("S1", read_source)
    assert starts(resolved) == {
        "base_spread_bps": 0.85,
        "concurrency_limit": 1.9,
        "impact_cap_ratio": 0.1,
        "inventory_tilt_cap": 0.2,
        "max_delta_ratio": 0.15,
        "min_interval_ms": 60,
        "replace_rate_per_min": 300,
        "slippage_penalty_coef": 0.1,
        "tail_age_ms": 700,
        "vip_tilt_cap": 0.15,
    }
    assert resolved.profile.lineage == ("S1", "market_maker")
    assert resolved.named_below_base == frozenset(resolved.profile.parameters)


def test_names_below_the_base_and_origins() -> None:
    assert resolve("steady", read_source).named_below_base == frozenset()
    assert resolve("market_maker", read_source).named_below_base == frozenset()
    resolved = resolve("ultra_safe", read_source)
    assert len(resolved.named_below_base) == 7
    assert resolved.origins["min_interval_ms"] == "ultra_safe"
    assert resolved.origins["vip_tilt_cap"] == "market_maker"
    assert tuple(resolved.origins) == tuple(resolved.profile.parameters)


def test_panic_reverts_to_the_resolved_safe_profile() -> None:
    safe = resolve("steady_safe", read_source)
    panic = resolve("S1", read_source).profile.guards.panic
    assert panic is not None
    assert (panic.after, panic.revert_to, panic.pause) == (3, "steady_safe", 4)
    assert dict(sorted(panic.values.items())) == starts(safe)
    ultra = resolve("ultra_safe", read_source)
    assert ultra.profile.guards.panic is not None
    assert ultra.profile.guards.panic.revert_to == "ultra_safe"
    assert dict(sorted(ultra.profile.guards.panic.values.items())) == starts(ultra)


@pytest.mark.parametrize("name", SHIPPED)
def test_a_document_gives_the_same_profile_even_through_canonical_json(name: str) -> None:
    profile = resolve(name, read_source).profile
    again = build(json.loads(canonical_json(profile.document)))
    assert again == profile
    assert [*again.parameters] == [*profile.parameters]
    assert [*again.kpis] == [*profile.kpis]
    assert [*again.gate.drift] == [*profile.gate.drift]
    assert again.guards.panic is not None
    assert [*again.guards.panic.values] == [*profile.parameters]
    assert [rule.name for rule in again.rules][:2] == ["RISK_AGGRESSIVE", "RISK_MODERATE"]
    assert again.gate.criteria[0].kpi == "maker_taker_ratio"


def test_the_rules_of_the_domain() -> None:
    rules = {rule.name: rule for rule in resolve("steady", read_source).profile.rules}
    assert list(rules) == [
        "RISK_AGGRESSIVE",
        "RISK_MODERATE",
        "LATENCY_HARD",
        "LATENCY_BUFFER",
        "LATENCY_RECOVER",
        "ADVERSE",
        "SLIPPAGE",
        "BLOCKED_MIN_INTERVAL",
        "MAKER_BOOST",
        "NORMALIZE",
        "RELAX",
    ]
    buffer = rules["LATENCY_BUFFER"]
    assert buffer.when == (
        Condition("p95_latency_ms", (Comparison(">=", 330, 10), Comparison("<=", 360))),
    )
    assert (buffer.evidence, buffer.dwell) == (Evidence(over=16), 16)
    boost = rules["MAKER_BOOST"]
    assert boost.evidence == Evidence(over=4, fresh=False, early=True)
    assert boost.hysteresis == (Hysteresis("maker_taker_ratio", stop=0.86, start=0.82),)
    assert Condition("fills_per_hour", share_of_first=(0.5, 4)) in boost.when
    assert boost.moves == (
        Move("base_spread_bps", "add", 0.015, max_factor=1.5),
        Move("min_interval_ms", "add", 25, max_factor=2, max_floor=100),
        Move("replace_rate_per_min", "mul", 0.85, min_factor=0.5),
    )
    assert all(move.not_past_start for move in rules["LATENCY_RECOVER"].moves)
    assert {move.snap for name in ("NORMALIZE", "RELAX") for move in rules[name].moves} == {0.01}


def test_a_child_changes_one_field_and_keeps_the_rest(write: Write) -> None:
    path = write(
        "mine.yaml",
        """
extends: S1
base_spread_bps_delta: 0.1
rules:
  ADVERSE: {evidence: {over: 9}}
  SLIPPAGE: null
  MINE: {when: {net_bps: "< 2.5"}, moves: {vip_tilt_cap: {add: -0.1}}}
guards: {freeze: null}
gate: {criteria: {net_bps: ">= 3", hit_ratio: "> 0.1"}}
""",
    )
    resolved = resolve(path, read_source)
    profile = resolved.profile
    rules = {rule.name: rule for rule in profile.rules}
    assert profile.lineage == ("mine", "S1", "market_maker")
    assert profile.parameters["base_spread_bps"].start == 0.95
    assert resolved.origins["base_spread_bps"] == "mine"
    assert rules["ADVERSE"].evidence.over == 9
    assert rules["ADVERSE"].dwell == 4
    assert "SLIPPAGE" not in rules
    assert profile.rules[-1].name == "MINE"
    assert profile.guards.freeze is None
    assert [criterion.kpi for criterion in profile.gate.criteria] == [
        "maker_taker_ratio",
        "risk_ratio",
        "net_bps",
        "p95_latency_ms",
        "hit_ratio",
    ]
    assert profile.gate.criteria[2].mock == Comparison(">=", 3)
    assert str(Path(path).parent) not in json.dumps(profile.document)


def test_files_extend_files_beside_them(write: Write) -> None:
    write("lib/base.yml", "extends: steady\ntail_age_ms: 650\n")
    path = write("mine.yaml", "extends: lib/base.yml\ntail_age_ms_delta: 5\n")
    resolved = resolve(path, read_source)
    assert resolved.profile.lineage == ("mine", "base", "steady", "market_maker")
    assert resolved.profile.parameters["tail_age_ms"].start == 655


def test_a_panic_to_a_file_beside_or_to_the_profile_itself(write: Write) -> None:
    write("safe.yaml", "extends: steady_safe\ntail_age_ms: 900\n")
    beside = write("a.yaml", "extends: steady\nguards: {panic: {revert_to: ./safe.yaml}}\n")
    panic = resolve(beside, read_source).profile.guards.panic
    assert panic is not None
    assert (panic.revert_to, panic.values["tail_age_ms"]) == ("safe", 900)
    write("b.yaml", "extends: steady\ntail_age_ms: 800\nguards: {panic: {revert_to: b}}\n")
    child = write("c.yaml", "extends: ./b.yaml\ntail_age_ms: 500\n")
    panic = resolve(child, read_source).profile.guards.panic
    assert panic is not None
    assert (panic.revert_to, panic.values["tail_age_ms"]) == ("b", 800)


def test_a_users_own_parameter_beside_the_shipped_ones(write: Write) -> None:
    own = "{path: extra, unit: s, start: 3, min: 1, max: 9, cap_per_hour: 2, safer: up}"
    path = write("mine.yaml", f"extends: steady\nparameters: {{ttl: {own}}}\n")
    profile = resolve(path, read_source).profile
    assert profile.parameters["ttl"].path == ("extra", "ttl")
    assert profile.guards.panic is not None
    assert profile.guards.panic.values["ttl"] == 3


def test_the_profiles_of_the_documentation_work(tmp_path: Path) -> None:
    blocks = re.findall(r"```yaml\n# (\S+\.yaml)\n(.*?)```", DOCS.read_text("utf-8"), re.DOTALL)
    for name, text in blocks:
        (tmp_path / name).write_text(text, encoding="utf-8")
    assert [name for name, _ in blocks] == [
        *("shop.yaml", "calm.yaml", "web.yaml", "web_safe.yaml"),
    ]
    assert resolve(str(tmp_path / "shop.yaml"), read_source).profile.guards.rollback is not None
    calm = resolve(str(tmp_path / "calm.yaml"), read_source)
    assert starts(calm)["base_spread_bps"] == 0.7
    web = resolve(str(tmp_path / "web.yaml"), read_source)
    assert web.profile.lineage == ("web",)
    assert starts(web) == {"pool_size": 20, "queue_wait_ms": 50}
    assert web.profile.kpis["cart_loss"].recorded
    assert web.profile.guards.panic is not None
    assert web.profile.guards.panic.revert_to == "web_safe"
    assert web.profile.guards.panic.values == {"pool_size": 12, "queue_wait_ms": 20}
    safe = resolve(str(tmp_path / "web_safe.yaml"), read_source)
    assert safe.named_below_base == {"pool_size", "queue_wait_ms"}
    assert build(json.loads(canonical_json(web.profile.document))) == web.profile


MISTAKES = [
    ("base_spread: 0.7", "base_spread: unknown key; did you mean 'base_spread_bps'?"),
    ("base_spread_bps: true", "base_spread_bps: true is not a finite number"),
    ("base_spread_bps: '0.7'", "base_spread_bps: '0.7' is not a finite number"),
    ("base_spread_bps: 1e999", "base_spread_bps: inf is not a finite number"),
    ("base_spread_bps: 7", "base_spread_bps: 7 is outside 0.05 to 5"),
    ("base_spread_bps_delta: -0.5", "base_spread_bps_delta: 0 is outside 0.05 to 5"),
    (
        "base_spread_bps: 1\nbase_spread_bps_delta: 1",
        "base_spread_bps: is given as base_spread_bps_delta too; keep one of them",
    ),
    (
        "base_spread_bps: 1\nparameters: {base_spread_bps: {start: 2}}",
        "base_spread_bps: is given as parameters.base_spread_bps.start too; keep one of them",
    ),
    (
        "parameters: {tail_age_ms: {min: 6000}}",
        "parameters.tail_age_ms.min: min 6000 is above max 5000",
    ),
    (
        "parameters: {tail_age_ms: {cap_per_hour: 0}}",
        "parameters.tail_age_ms.cap_per_hour: 0 is not above 0",
    ),
    (
        "parameters: {tail_age_ms: {maximum: 9}}",
        "parameters.tail_age_ms.maximum: unknown field; did you mean 'max'?",
    ),
    ("parameters: {tail_age_ms: 5}", "parameters.tail_age_ms: 5 is not a mapping"),
    ("parameters: {tail_age_ms: 5}\ntail_age_ms: 6", "parameters.tail_age_ms: 5 is not a mapping"),
    (
        "parameters: {tail_age_ms: {path: tuner}}",
        "parameters.tail_age_ms.path: the section 'tuner' is read-only",
    ),
    (
        "parameters: {tail_age_ms: {path: min_interval_ms}}",
        "parameters.tail_age_ms.path: 'min_interval_ms' is a parameter, no section",
    ),
    (
        "verdict: {fail: {risk: '> 0.5'}}",
        "verdict.fail.risk: unknown KPI 'risk'; did you mean 'risk_ratio'?",
    ),
    (
        "rules: {ADVERSE: {when: {net_bsp: '> 0.5'}}}",
        "rules.ADVERSE.when.net_bsp: unknown KPI 'net_bsp'; did you mean 'net_bps'?",
    ),
    (
        "rules: {ADVERSE: {when: {net_bps: '=< 0.5'}}}",
        "rules.ADVERSE.when.net_bps: '=< 0.5' is no comparison",
    ),
    (
        "rules: {ADVERSE: {when: {net_bps: '> __import__(1)'}}}",
        "rules.ADVERSE.when.net_bps: '> __import__(1)' is no comparison",
    ),
    ('rules: {ADVERSE: {when: {net_bps: "> 1\\n"}}}', "is no comparison"),
    (
        "rules: {ADVERSE: {moves: {tail_age: {add: 1}}}}",
        "rules.ADVERSE.moves.tail_age: unknown parameter 'tail_age'; did you mean 'tail_age_ms'?",
    ),
    (
        "rules: {NEW: {when: {net_bps: '> 1'}, moves: {}}}",
        "rules.NEW.moves: is empty; needs a parameter to move",
    ),
    ("rules: {NEW: {when: {net_bps: '> 1'}}}", "rules.NEW: 'moves' is missing"),
    (
        "rules: {ADVERSE: {moves: {base_spread_bps: {mul: 2}}}}",
        "rules.ADVERSE.moves.base_spread_bps: a move has one of add, mul, toward_start, "
        "set, step, proportional; here is add and mul",
    ),
    (
        "rules: {ADVERSE: {moves: {base_spread_bps: {add: 0}}}}",
        "rules.ADVERSE.moves.base_spread_bps.add: add 0 moves nothing",
    ),
    (
        "rules: {ADVERSE: {evidence: {over: true}}}",
        "rules.ADVERSE.evidence.over: true is not a finite number",
    ),
    (
        "rules: {ADVERSE: {evidence: {over: 2.5}}}",
        "rules.ADVERSE.evidence.over: 2.5 is not a whole number",
    ),
    (
        "rules: {ADVERSE: {evidence: {margin: {adverse_bps_p95: {'<': 1}}}}}",
        "rules.ADVERSE.evidence.margin.adverse_bps_p95.<: there is no < comparison",
    ),
    (
        "rules: {ADVERSE: {evidence: {margin: {net_bps: {'<': 1}}}}}",
        "rules.ADVERSE.evidence.margin.net_bps.<: there is no condition on this KPI",
    ),
    (
        "rules: {ADVERSE: {log: '{net_bps.__class__}'}}",
        "rules.ADVERSE.log: unknown field {net_bps.__class__}; known: ",
    ),
    (
        "rules: {ADVERSE: {log: '{net_bps:>99999999}'}}",
        "rules.ADVERSE.log: {net_bps} has an unknown format; write one like ':.2f'",
    ),
    (
        "rules: {ADVERS: null}",
        "rules.ADVERS: null removes an inherited entry; did you mean 'ADVERSE'?",
    ),
    ("rules: {'A-B': {}}", "rules.A-B: 'A-B' is no name"),
    (
        "rules: {MAKER_BOOST: null}",
        "gate.delta.needed.rule: (inherited from market_maker) unknown rule 'MAKER_BOOST'",
    ),
    (
        "guards: {panic: {revert_to: steady_sfe}}",
        "guards.panic.revert_to: unknown profile 'steady_sfe'; did you mean 'steady_safe'?",
    ),
    (
        "guards: {panic: {values: {}}}",
        "guards.panic.values: unknown field; the values are those of the profile",
    ),
    (
        "parameters: {tail_age_ms: {max: 650}}",
        "guards.panic.revert_to: (inherited from market_maker) 'steady_safe' has "
        "tail_age_ms = 700, outside this profile's 50 to 650",
    ),
    (
        "guards: {freeze: {keys: [impact_cap]}}",
        "guards.freeze.keys.0: unknown parameter 'impact_cap'; did you mean 'impact_cap_ratio'?",
    ),
    (
        "guards: {freeze: {stable: {risk: '< 1'}}}",
        "guards.freeze.stable.risk: unknown KPI 'risk'; did you mean 'risk_ratio'?",
    ),
    (
        "gate: {criteria: {maker: '> 1'}}",
        "gate.criteria.maker: unknown KPI 'maker'",
    ),
    ("gate: {criteria: {net_bps: {production: '> 1', mock: '< 1'}}}", "gate.criteria.net_bps.mock"),
    (
        "gate: {criteria: {net_bps: null, risk_ratio: null, p95_latency_ms: null, "
        "maker_taker_ratio: null}}",
        "gate.criteria: is empty; needs a criterion at least",
    ),
    ("gate: null", "'gate' is missing"),
    (
        "kpis: {net_bps: {derive: recorded}}",
        "kpis.net_bps: a KPI has one of read, block_ratio, derive, quantile, ratio, difference; "
        "here is read and derive",
    ),
    (
        "kpis: {net_bps: {aggregate: weighted_mean}}",
        "kpis.net_bps.aggregate: weighted_mean needs 'weight', a path such as 'fills.count'",
    ),
    (
        "kpis: {net_bps: {aggregate: sum, weight: fills.count}}",
        "kpis.net_bps.weight: the path of the weight belongs to 'aggregate: weighted_mean'",
    ),
    (
        "kpis: {net_bps: {better: bigger}}",
        "kpis.net_bps.better: 'bigger' is none of 'down', 'none', 'up'",
    ),
    ("kpis: 5", "kpis: 5 is not a mapping"),
    ("name: other", "name: unknown key"),
    ("rulse: {}", "rulse: unknown key; did you mean 'rules'?"),
]


IDS = [f"{at:02}-{re.sub('[^a-zA-Z_]+', '-', text)[:40]}" for at, (text, _) in enumerate(MISTAKES)]


@pytest.mark.parametrize(("text", "expected"), MISTAKES, ids=IDS)
def test_the_error_of_a_mistake_names_file_key_value_and_a_right_value(
    write: Write, text: str, expected: str
) -> None:
    path = write("bad.yaml", f"extends: steady\n{text}\n")
    with pytest.raises(ProfileError) as caught:
        resolve(path, read_source)
    message = str(caught.value)
    assert expected in message
    assert message.startswith(f"{path}: ")
    assert "\n" not in message


def test_the_error_of_a_mistake_in_an_ancestor_names_that_file(write: Write) -> None:
    base = write("base.yaml", "extends: steady\nbase_spread_bps: 9\nverdict: {warn: {x: '> 1'}}\n")
    child = write("child.yaml", "extends: ./base.yaml\ntail_age_ms: 700\n")
    with pytest.raises(ProfileError, match=r"9 is outside 0\.05 to 5") as caught:
        resolve(child, read_source)
    assert str(caught.value).startswith(f"{child}: base_spread_bps: (inherited from {base}) ")


def test_a_circle_names_the_chain(write: Write) -> None:
    first = write("a.yaml", "extends: ./b.yaml\n")
    second = write("b.yaml", "extends: ./a.yaml\n")
    with pytest.raises(ProfileError) as caught:
        resolve(first, read_source)
    assert str(caught.value).endswith(f"a circle: {first} -> {second} -> {first}")


def test_a_chain_ends_even_if_every_file_is_a_new_one() -> None:
    def endless(reference: str, referrer: str | None) -> Source:
        return Source(reference, b"extends: " + reference.encode() + b"x")

    with pytest.raises(ProfileError, match="too long a chain"):
        resolve("p", endless)


def test_the_error_of_a_missing_section_names_it(write: Write) -> None:
    with pytest.raises(ProfileError, match="'kpis' is missing; a profile has at least kpis and"):
        resolve(write("lone.yaml", "{}"), read_source)
    with pytest.raises(ProfileError, match="gate: 'criteria' is missing; a profile has at least"):
        resolve(write("kpis.yaml", "kpis: {a: totals.a}"), read_source)
    with pytest.raises(ProfileError, match="is empty; a profile is a mapping"):
        resolve(write("empty.yaml", ""), read_source)
    with pytest.raises(ProfileError, match="a list; a profile is a mapping"):
        resolve(write("list.yaml", "[]"), read_source)


def test_build_takes_the_order_only_if_it_lists_every_entry_once() -> None:
    document = dict(resolve("steady", read_source).profile.document)
    document["order"] = {**document["order"], "rules": ["RELAX", "RELAX"]}
    with pytest.raises(ProfileError, match=r"run 7: order\.rules: does not list the entries"):
        build(document, "run 7")
    with pytest.raises(ProfileError, match="lineage: begins with the profile's own name"):
        build({**resolve("S1", read_source).profile.document, "lineage": ["other"]})
    with pytest.raises(ProfileError, match="name: 'a/b' is no name"):
        build({**resolve("S1", read_source).profile.document, "name": "a/b"})
