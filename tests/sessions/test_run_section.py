"""The section ``run`` of a profile, and a soak without parameters."""

from __future__ import annotations

import pytest

from tests.sessions.conftest import Sessions

GATE_ONLY = """
run: {interval: 5, iterations: 3, target: "service:make"}
kpis: {p95_ms: totals.p95_ms}
gate: {criteria: {p95_ms: "<= 120"}}
"""
SERVICE = """
class Service:
    def run(self, iteration, runtime):
        assert runtime == {}, runtime
        return {"totals": {"p95_ms": 100 + iteration}}

def make(lane):
    return Service()
"""


@pytest.fixture
def web(soak: Sessions) -> Sessions:
    folder = soak.folder / "config"
    folder.mkdir()
    (folder / "web.yaml").write_text(GATE_ONLY)
    (folder / "service.py").write_text(SERVICE)
    return soak


def test_a_profile_says_how_it_is_run_and_the_header_says_so(web: Sessions) -> None:
    result = web("--soak", "--soak-profile=config/web.yaml")
    assert (result.code, result.json("run.json")["interval_s"]) == (0, 5)
    assert result.json("run.json")["iterations"] == 3
    assert "soak: 3 iterations x 5 s" in result.out
    assert (
        "soak: interval, iterations and target by the section run of config/web.yaml" in result.out
    )
    assert result.items == {"passed": 3}


@pytest.mark.parametrize("level", ["ini", "variable", "option"])
def test_every_other_source_counts_more(
    web: Sessions, level: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = ["--soak", "--soak-profile=config/web.yaml"]
    if level == "ini":
        web.pytester.makeini("[pytest]\nsoak_interval = 60")
    elif level == "variable":
        monkeypatch.setenv("SOAK_SLEEP_SECONDS", "60")
    else:
        arguments.append("--soak-interval=60")
    result = web(*arguments)
    about = result.json("run.json")
    assert (about["interval_s"], about["iterations"]) == (60, 3)
    assert "soak: iterations and target by the section run" in result.out


def test_the_hours_of_a_run_are_divided_by_the_interval_of_the_profile(web: Sessions) -> None:
    result = web("--soak-hours=0.01", "--soak-profile=config/web.yaml")
    assert result.json("run.json")["iterations"] == 8  # ceil(36 / 5)


def test_a_profile_alone_starts_no_soak(web: Sessions) -> None:
    web.pytester.makepyfile(test_a="def test_a(): pass")
    web.pytester.makeini("[pytest]\nsoak_profile = config/web.yaml")
    assert web().outcomes == {"passed": 1}


def test_two_profiles_of_one_session_agree(web: Sessions) -> None:
    other = GATE_ONLY.replace("interval: 5", "interval: 7")
    (web.folder / "config/db.yaml").write_text(other)
    result = web("--soak", "--soak-profile=config/web.yaml,config/db.yaml")
    assert result.code == 4
    assert (
        "soak: profile web, run.interval is 5, and profile db, run.interval is 7; "
        "give --soak-interval" in result.err
    )
    given = web("--soak", "--soak-interval=6", "--soak-profile=config/web.yaml,config/db.yaml")
    assert given.json("run.json")["interval_s"] == 6


@pytest.mark.parametrize(
    ("run", "message"),
    [
        ("{interval: 0}", "config/web.yaml: run.interval: 0 is not above 0"),
        ("{iterations: 2000000}", "profile web, run.iterations: '2000000' is not a whole number"),
        ("{target: mok}", "profile web, run.target: 'mok' is not"),
    ],
)
def test_a_bad_default_is_refused_before_the_first_iteration(
    web: Sessions, run: str, message: str
) -> None:
    text = GATE_ONLY.replace('{interval: 5, iterations: 3, target: "service:make"}', run)
    (web.folder / "config/web.yaml").write_text(text)
    result = web("--soak", "--soak-profile=config/web.yaml")
    assert result.code == 4
    assert message in result.err


def test_the_mock_is_the_target_whatever_the_profile_says(web: Sessions) -> None:
    result = web("--soak-iterations=1", "--soak-mock", "--soak-profile=config/web.yaml")
    assert "of target mock" in result.out
    assert "soak: interval by the section run" in result.out
