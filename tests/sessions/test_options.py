"""The effect of each option, ini value and variable, and their precedence."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.sessions.conftest import Sessions

BOT = "--soak-target=bot:make"


def planned(soak: Sessions) -> int:
    about = json.loads((soak.folder / "artifacts/soak/latest/run.json").read_text())
    return int(about["iterations"])


def test_hours(soak: Sessions) -> None:
    soak.bot()
    result = soak("--soak-hours=0.25", "--soak-interval=200", BOT)
    assert (result.code, planned(soak)) == (0, 5)  # ceil(900 / 200)


def test_bare_soak_takes_the_ini(soak: Sessions) -> None:
    soak.bot()
    soak.pytester.makeini("[pytest]\nsoak_iterations = 3\nsoak_target = bot:make")
    assert soak("--soak").code == 0
    assert planned(soak) == 3


def test_bare_soak_without_ini_is_24(soak: Sessions) -> None:
    soak.bot()
    soak("--soak", BOT)
    assert planned(soak) == 24


def test_command_line_beats_environment_beats_ini(
    soak: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    soak.bot()
    soak.pytester.makeini("[pytest]\nsoak_seed = 7\nsoak_interval = 60")
    monkeypatch.setenv("SOAK_ITERATIONS", "2")
    monkeypatch.setenv("SOAK_SEED", "8")
    result = soak(BOT)
    about = result.json("run.json")
    assert (about["iterations"], about["interval_s"]) == (2, 60)
    assert [lane["seed"] for lane in about["lanes"]] == [8]
    result = soak(BOT, "--soak-seed=9", "--soak-iterations=1")
    assert [lane["seed"] for lane in result.json("run.json")["lanes"]] == [9]
    assert result.json("run.json")["iterations"] == 1


def test_unset_hours_in_the_environment(soak: Sessions, monkeypatch: pytest.MonkeyPatch) -> None:
    soak.pytester.makepyfile(test_a="def test_a(): pass")
    monkeypatch.setenv("SOAK_HOURS", "0")
    assert soak().outcomes == {"passed": 1}


def test_mock_from_the_environment(soak: Sessions, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("USE_MOCK", "1")
    result = soak("--soak-iterations=1", "--soak-interval=30")
    assert result.json("run.json")["target"] == "mock"
    assert result.json("run.json")["mock"] is True


def test_lanes_are_the_product(soak: Sessions) -> None:
    soak.bot()
    result = soak(
        "--soak-iterations=2", BOT, "--soak-profile=steady,S1", "--soak-symbol=A,B",
        "--soak-seed=1,2",
    )  # fmt: skip
    lanes = result.json("run.json")["lanes"]
    assert len(lanes) == 8
    assert lanes[0] == {
        "id": "steady-A-1",
        "profile": "steady",
        "symbol": "A",
        "seed": 1,
        "dir": "steady-A-1",
    }
    for lane in lanes:
        for name in ("journal.jsonl", "POST_SOAK_SNAPSHOT.json", "POST_SOAK_METRICS.prom"):
            assert result.text(name, lane["dir"])
    assert len(result.json("POST_SOAK_SNAPSHOT.json")["lanes"]) == 8
    assert result.outcomes["passed"] >= 16


def test_no_tune_proposes_nothing(soak: Sessions) -> None:
    soak.bot(eager="from bot import Bot\ndef make(lane): return Bot(lane, p95_latency_ms=400.0)")
    result = soak("--soak-iterations=6", "--soak-target=eager:make", "--soak-no-tune")
    assert all(not e["proposed"] for e in result.entries() if e["type"] == "decision")
    tuned = soak("--soak-iterations=6", "--soak-target=eager:make")
    assert any(e["proposed"] for e in tuned.entries() if e["type"] == "decision")


def test_dry_run_decides_and_applies_nothing(soak: Sessions) -> None:
    soak.bot(eager="from bot import Bot\ndef make(lane): return Bot(lane, p95_latency_ms=400.0)")
    result = soak("--soak-iterations=6", "--soak-target=eager:make", "--soak-dry-run")
    decisions = [e for e in result.entries() if e["type"] == "decision"]
    assert any(e["proposed"] for e in decisions)
    assert len({e["state_hash"] for e in decisions}) == 1
    start = result.json("applied_profile.json")["runtime"]
    assert result.json("runtime_overrides.json") == start


def test_start_values_and_their_origin(soak: Sessions, monkeypatch: pytest.MonkeyPatch) -> None:
    soak.bot()
    (soak.folder / "artifacts/soak").mkdir(parents=True)
    (soak.folder / "artifacts/soak/runtime_overrides.json").write_text(
        '{"engine": {"tail_age_ms": 610, "min_interval_ms": 55}}'
    )
    monkeypatch.setenv("MM_RUNTIME_OVERRIDES_JSON", '{"min_interval_ms": 58}')
    applied = soak("--soak-iterations=1", BOT).json("applied_profile.json")
    values = applied["values"]
    assert (values["tail_age_ms"], values["min_interval_ms"]) == (610, 58)
    assert "runtime_overrides.json" in applied["origins"]["tail_age_ms"]
    assert "MM_RUNTIME_OVERRIDES_JSON" in applied["origins"]["min_interval_ms"]
    values = soak("--soak-iterations=1", BOT, "--soak-profile=S1").json("applied_profile.json")[
        "values"
    ]
    assert (values["tail_age_ms"], values["min_interval_ms"]) == (700, 60)


def test_exports(soak: Sessions) -> None:
    soak.bot()
    soak("--soak-iterations=3", BOT, "--soak-export-json=m.jsonl", "--soak-export-md=audit.md")
    lines = [json.loads(line) for line in (soak.folder / "m.jsonl").read_text().splitlines()]
    assert any("net_bps" in json.dumps(line) for line in lines)
    assert (soak.folder / "audit.md").read_text().startswith("#")


def test_a_reference_gives_the_noise_of_a_tuner_off_run(soak: Sessions) -> None:
    soak.bot()
    soak("--soak-iterations=24", BOT, "--soak-no-tune", "--soak-dir=reference")
    without = soak("--soak-iterations=12", BOT)
    verdicts = {
        c["name"]: c["verdict"] for c in without.json("POST_SOAK_SNAPSHOT.json")["criteria"]
    }
    assert verdicts["net_bps"] == "WARN"  # fewer than 24, and no reference
    compared = soak("--soak-iterations=12", BOT, "--soak-reference=reference")
    verdicts = {
        c["name"]: c["verdict"] for c in compared.json("POST_SOAK_SNAPSHOT.json")["criteria"]
    }
    assert verdicts["net_bps"] == "PASS"


def test_an_older_run_is_kept(soak: Sessions) -> None:
    soak.bot()
    first = soak("--soak-iterations=1", BOT).json("run.json")["run_id"]
    second = soak("--soak-iterations=1", BOT).json("run.json")["run_id"]
    assert [path.name for path in (soak.folder / "artifacts/soak/runs").iterdir()] == [first]
    assert first != second


def test_two_sessions_on_one_directory_cannot_mix(soak: Sessions) -> None:
    soak.bot(
        nested="import subprocess, sys\nfrom bot import Bot\n"
        "class N(Bot):\n"
        "  def run(self, i, r):\n"
        "    if i == 2:\n"
        "      command = [sys.executable, '-m', 'pytest', '-p', 'no:cacheprovider']\n"
        "      command += ['--soak-iterations=1', '--soak-target=bot:make']\n"
        "      done = subprocess.run(command, capture_output=True, text=True)\n"
        "      open('second.txt', 'w').write(f'{done.returncode} {done.stderr}')\n"
        "    return super().run(i, r)\n"
        "def make(lane): return N(lane)\n"
    )
    result = soak("--soak-iterations=3", "--soak-target=nested:make", subprocess=True)
    assert result.code == 0, result.out
    second = (soak.folder / "second.txt").read_text()
    assert second.startswith("4 ")
    assert result.json("run.json")["run_id"] in second
    assert "process" in second or "pid" in second


def test_every_artifact_is_there_and_parses(soak: Sessions) -> None:
    from prometheus_client.parser import text_string_to_metric_families

    soak.bot()
    result = soak("--soak-iterations=10", BOT)
    for name in (
        "run.json", "runtime_overrides.json", "applied_profile.json", "TUNING_REPORT.json",
        "TUNING_STATE.json", "DELTA_VERIFY.json", "POST_SOAK_SNAPSHOT.json",
        "POST_SOAK_SNAPSHOT_PRETTY.json", *(f"ITER_SUMMARY_{n}.json" for n in range(1, 11)),
    ):  # fmt: skip
        assert isinstance(result.json(name), dict), name
    for name in ("journal.jsonl", "timing.jsonl"):
        assert all(json.loads(line) for line in result.text(name).splitlines())
    for name in (
        "DELTA_VERIFY_REPORT.md", "POST_SOAK_AUDIT.md", "RECOMMENDATIONS.md", "FAILURES.md",
    ):  # fmt: skip
        assert result.text(name).startswith("#"), name
    families = {
        f.name for f in text_string_to_metric_families(result.text("POST_SOAK_METRICS.prom"))
    }
    assert {"soak_kpi_net_bps_mean", "soak_freeze_ready", "soak_signature_stuck_count"} <= families
    assert "| profile_apply | OK | PROFILE=steady |" in result.text("run.log")


def test_the_command_line_judges_the_same(soak: Sessions) -> None:
    soak.bot()
    result = soak("--soak-iterations=24", "--soak-target=bot:poor")
    for command, code in ((["gate", "--json"], 1), (["verify"], 0), (["snapshot"], 1)):
        done = subprocess.run(
            [sys.executable, "-m", "pytest_soak", command[0], "artifacts/soak", *command[1:]],
            cwd=soak.folder,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == code, done.stdout + done.stderr
        if command[0] == "snapshot":
            assert done.stdout.strip() == result.text("POST_SOAK_SNAPSHOT.json").strip()


@pytest.mark.parametrize("option", ["--soak-export-json", "--soak-export-md"])
def test_an_export_that_cannot_be_written_is_refused_before(soak: Sessions, option: str) -> None:
    soak.bot()
    (soak.folder / "real").touch()
    (soak.folder / "link").symlink_to("real")
    result = soak("--soak-iterations=1", BOT, f"{option}=link")
    assert result.code == 4
    assert "link is a device, a pipe or a link; it would be replaced by a file" in result.err
    assert option in result.err
    assert (soak.folder / "link").is_symlink()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("--soak-interval=60",), "at 300 s"),
        (("--soak-profile=S1",), "has no lane for S1-BTCUSDT-1"),
        (("--soak-mock",), "of target bot:make"),
    ],
)
def test_a_reference_that_does_not_fit_is_refused(
    soak: Sessions, change: tuple[str, ...], words: str
) -> None:
    soak.bot()
    soak("--soak-iterations=24", BOT, "--soak-no-tune", "--soak-dir=reference")
    target = () if "--soak-mock" in change else (BOT,)
    result = soak("--soak-iterations=2", "--soak-reference=reference", *target, *change)
    assert result.code == 4
    assert words in result.err


def test_summaries_that_are_gone_come_back(soak: Sessions) -> None:
    soak.bot()
    first = soak("--soak-iterations=3", BOT)
    before = first.json("ITER_SUMMARY_2.json")
    (first.latest / "ITER_SUMMARY_2.json").unlink()
    after = soak("--soak-iterations=3", BOT, "--soak-resume").json("ITER_SUMMARY_2.json")
    assert before["tuning"] == after["tuning"]
    assert before["summary"]["state_hash"] == after["summary"]["state_hash"]
