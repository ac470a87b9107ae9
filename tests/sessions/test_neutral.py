"""A service that trades nothing: no symbol, no field of a trading bot, names of its own."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.sessions.conftest import Sessions

SHOP = """
parameters: {workers: {path: pool, type: int, start: 4, min: 1, max: 32}}
kpis: {p95_ms: totals.p95_ms}
rules: {GROW: {when: {p95_ms: "> 90"}, moves: {workers: {add: 1}}}}
gate: {criteria: {p95_ms: "<= 120"}}
"""
TRADES = "symbol: ETHUSDT\n" + SHOP
SERVICE = """
class Service:
    def run(self, iteration, runtime):
        assert set(runtime) == {"pool"}, runtime
        return {"totals": {"p95_ms": 100 - runtime["pool"]["workers"], "net_bip": 1, "rss_mb": 3}}

def make(lane):
    assert lane.symbol in lane.id
    return Service()
"""
RUN = ("--soak-iterations=3", "--soak-target=service:make")


@pytest.fixture
def shop(soak: Sessions) -> Sessions:
    for name, text in (("shop.yaml", SHOP), ("coin.yaml", TRADES), ("service.py", SERVICE)):
        (soak.folder / name).write_text(text)
    return soak


def test_a_lane_without_a_symbol(shop: Sessions) -> None:
    result = shop(*RUN, "--soak-profile=./shop.yaml", "--soak-metrics=clean")
    assert result.code == 0, result.out
    assert "1 lane: shop-1" in result.out
    (lane,) = result.json("run.json")["lanes"]
    assert lane == {"id": "shop-1", "profile": "shop", "seed": 1, "dir": "."}
    assert "symbol" not in result.entries()[0]["lane"]
    snapshot = result.json("POST_SOAK_SNAPSHOT.json")
    assert {"freeze_ready", "limits"}.isdisjoint(snapshot)
    assert "symbol" not in snapshot["fingerprint"]
    assert "maker_taker_source" not in result.json("ITER_SUMMARY_1.json")["summary"]
    assert set(result.json("runtime_overrides.json")) == {"pool"}
    metrics = (result.latest / "POST_SOAK_METRICS.prom").read_text()
    assert 'lane="shop-1"' in metrics
    assert not re.search("symbol|freeze_ready", metrics)
    assert "net_bip" not in (result.latest / "POST_SOAK_AUDIT.md").read_text()


@pytest.mark.parametrize(
    ("arguments", "ids"),
    [
        (["--soak-profile=./coin.yaml"], ["coin-ETHUSDT-1"]),
        (["--soak-profile=./coin.yaml", "--soak-symbol=A,B"], ["coin-A-1", "coin-B-1"]),
        (["--soak-profile=./shop.yaml,./coin.yaml"], ["shop-1", "coin-ETHUSDT-1"]),
        (["--soak-profile=./shop.yaml", "--soak-symbol=A"], ["shop-A-1"]),
    ],
)
def test_the_symbol_is_of_the_option_or_the_profile(
    shop: Sessions, arguments: list[str], ids: list[str]
) -> None:
    result = shop(*RUN, *arguments)
    assert result.code == 0, result.out
    lanes = result.json("run.json")["lanes"]
    assert [lane["id"] for lane in lanes] == ids
    assert [
        "-".join(filter(None, (lane["profile"], lane.get("symbol"), "1"))) for lane in lanes
    ] == ids


def test_the_symbol_is_no_part_of_the_profile_that_a_run_stores(shop: Sessions) -> None:
    hashes = {
        shop(*RUN, f"--soak-profile=./{name}.yaml", "--soak-seed=2")
        .entries()[0]["profile"]
        .get("symbol", "absent")
        for name in ("shop", "coin")
    }
    assert hashes == {"absent"}


def test_a_run_without_a_symbol_is_resumed(shop: Sessions) -> None:
    assert shop(*RUN, "--soak-profile=./shop.yaml").code == 0
    result = shop("--soak-iterations=5", RUN[1], "--soak-profile=./shop.yaml", "--soak-resume")
    assert result.code == 0, result.out
    assert result.json("POST_SOAK_SNAPSHOT.json")["iterations"]["measured"] == 5


@pytest.mark.parametrize("name", ["SOAK_PROFILE", "MM_PROFILE"])
def test_the_profile_by_either_variable(
    shop: Sessions, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, "./shop.yaml")
    assert shop(*RUN).json("run.json")["lanes"][0]["id"] == "shop-1"


@pytest.mark.parametrize("name", ["SOAK_RUNTIME_OVERRIDES_JSON", "MM_RUNTIME_OVERRIDES_JSON"])
def test_start_values_by_either_variable(
    shop: Sessions, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, json.dumps({"base_spread_bps": 0.7}))
    applied = shop("--soak-iterations=1", "--soak-mock").json("applied_profile.json")
    assert applied["values"]["base_spread_bps"] == 0.7
    assert name in applied["origins"]["base_spread_bps"]


@pytest.mark.parametrize(
    ("names", "texts"),
    [
        (("SOAK_PROFILE", "MM_PROFILE"), ("steady", "S1")),
        (
            ("SOAK_RUNTIME_OVERRIDES_JSON", "MM_RUNTIME_OVERRIDES_JSON"),
            ("{}", '{"tail_age_ms": 1}'),
        ),
    ],
)
def test_two_names_of_one_variable_must_agree(
    soak: Sessions, monkeypatch: pytest.MonkeyPatch, names: tuple[str, str], texts: tuple[str, str]
) -> None:
    for name, text in zip(names, texts, strict=True):
        monkeypatch.setenv(name, text)
    for extra in ((), ("--soak-profile=steady",)):
        result = soak("--soak-iterations=1", "--soak-mock", *extra)
        assert result.code == 4
        assert all(f"{name}={text}" in result.err for name, text in zip(names, texts, strict=True))
        assert "differ; set one of them" in result.err
    monkeypatch.setenv(names[1], texts[0])
    assert soak("--soak-iterations=1", "--soak-mock").code == 0


@pytest.mark.parametrize("given", ['{"a": 1}', "../up", "''", "[A]"])
def test_a_symbol_that_names_no_lane_is_refused(shop: Sessions, given: str) -> None:
    (shop.folder / "bad.yaml").write_text(f"symbol: {given}\n{SHOP}")
    result = shop(*RUN, "--soak-profile=./bad.yaml")
    assert result.code == 4
    assert "bad.yaml: symbol: " in result.err


def test_a_placeholder_for_a_symbol_that_a_lane_does_not_have(shop: Sessions) -> None:
    target = 'target: {parameters: {file: "{dir}/{symbol}.json"}, report: {file: "{dir}/r.json"}}\n'
    (shop.folder / "live.yaml").write_text(target + SHOP)
    result = shop("--soak-iterations=1", "--soak-target=live", "--soak-profile=./live.yaml")
    assert result.code == 4
    assert "{symbol}, and the lane has no symbol; give --soak-symbol, or 'symbol'" in result.err


def test_nothing_of_the_run_is_left_out(shop: Sessions) -> None:
    """A sweep, whose texts are of their own."""
    result = shop(
        *RUN, "--soak-profile=./shop.yaml", "--soak-sweep=workers=4:6:1", "--soak-seed=1,2"
    )
    files: list[Path] = [path for path in result.latest.glob("SWEEP*") if path.suffix != ".svg"]
    assert len(files) >= 2
    for path in files:
        assert not re.search(r"(?i)\b(symbol|market|fills?|production)\b", path.read_text()), path
    assert "sweep of workers: profile shop\n" in result.out
