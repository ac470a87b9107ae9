"""What a refused or failing session prints is in its entry of docs/troubleshooting.md."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.sessions.conftest import Sessions
from tests.sessions.running import joined
from tests.troubleshooting import entry

MOCK = ("--soak-iterations=3", "--soak-mock")
BOT = ("--soak-iterations=3", "--soak-target=bot:make")

REFUSALS: list[tuple[str, tuple[str, ...]]] = [
    ("The value of an option is wrong", ("--soak-iterations=0", "--soak-mock")),
    ("The value of an option is wrong", (*MOCK, "--soak-interval=soon")),
    ("The value of an option is wrong", (*MOCK, "--soak-seed=1,1")),
    ("The value of an option is wrong", (*MOCK, "--soak-dir=")),
    ("Two options contradict each other", (*MOCK, "--soak-hours=1")),
    ("Two options contradict each other", (*MOCK, "--soak-target=replay")),
    ("Two options contradict each other", (*MOCK, "--soak-sweep-tune")),
    ("Two options contradict each other", (*MOCK, "--soak-compare=last:3")),
    ("A sweep that cannot be", (*MOCK, "--soak-sweep=base_spread_bps")),
    ("A sweep that cannot be", (*MOCK, "--soak-sweep=base_spread_bps=2:1:0.1")),
    ("No target", ("--soak-iterations=3",)),
    ("A target cannot be imported", ("--soak-iterations=3", "--soak-target=nowhere:make")),
    ("A target cannot be imported", ("--soak-iterations=3", "--soak-target=bot:BOT")),
    ("A scenario that cannot be", (*MOCK, "--soak-scenario=none@2")),
    ("A scenario that cannot be", (*MOCK, "--soak-scenario=crash@9")),
    ("Two lanes with one name", (*MOCK, "--soak-profile=./a/mine.yaml,./b/mine.yaml")),
    ("An export that cannot be written", (*MOCK, "--soak-export-md=.")),
    ("A reference that cannot be used", (*MOCK, "--soak-reference=nowhere")),
    ("Something would run an iteration again", (*MOCK, "--reruns=2")),
    ("A lane is selected in part", (*MOCK, "-k", "0002")),
    ("There is nothing to resume", (*MOCK, "--soak-resume")),
    ("What to do about a file", (*MOCK, "--soak-dir=taken")),
    ("The profile is not found", (*MOCK, "--soak-profile=stedy")),
    (
        "The section target is missing, or is not one of a live target",
        ("--soak-iterations=3", "--soak-target=live"),
    ),
    ("The file", ("--soak-iterations=3", "--soak-target=replay")),
]


@pytest.mark.parametrize(("heading", "args"), REFUSALS)
def test_a_refusal(soak: Sessions, heading: str, args: tuple[str, ...]) -> None:
    soak.bot()
    Path("bot.py").write_text(Path("bot.py").read_text() + "\nBOT = 7\n")
    Path("taken").touch()
    for folder in ("a", "b"):
        Path(folder).mkdir()
        Path(folder, "mine.yaml").write_text("extends: steady\n")
    if "--reruns=2" in args:
        pytest.importorskip("pytest_rerunfailures")
    result = soak(*args)
    assert result.code == 4, result.out + result.err
    assert entry(heading).explains(result.err), result.err


def with_a_test_case(soak: Sessions) -> None:
    soak.pytester.makepyfile(
        test_a="import pytest, unittest\n"
        "@pytest.mark.usefixtures('soak_iteration')\n"
        "class TestA(unittest.TestCase):\n"
        "  def test_a(self): pass\n"
    )


def with_a_marker(soak: Sessions) -> None:
    soak.pytester.makeini("[pytest]\nmarkers =\n  flaky")
    soak.pytester.makepyfile(
        test_a="import pytest\n@pytest.mark.flaky\ndef test_a(soak_iteration): pass"
    )


def with_two_conftests(soak: Sessions) -> None:
    text = "def pytest_soak_propose(lane, kpis, headroom, history): return None\n"
    soak.pytester.makeconftest(text)
    soak.pytester.mkpydir("sub").joinpath("conftest.py").write_text(text)
    (soak.folder / "sub" / "test_a.py").write_text("def test_a(soak_iteration): pass\n")


@pytest.mark.parametrize(
    ("heading", "arrange"),
    [
        ("A check that cannot run once per iteration", with_a_test_case),
        ("Something would run an iteration again", with_a_marker),
        ("A hook in two places", with_two_conftests),
    ],
)
def test_a_refusal_after_the_collection(
    soak: Sessions, heading: str, arrange: Callable[[Sessions], None]
) -> None:
    arrange(soak)
    result = soak(*MOCK)
    assert result.code == 4, result.out + result.err
    assert entry(heading).explains(result.err), result.err


def test_another_run_is_not_resumed(soak: Sessions) -> None:
    assert soak(*MOCK).code == 0
    result = soak(*MOCK, "--soak-resume", "--soak-interval=7")
    assert result.code == 4
    assert entry("The stored run is another one").explains(result.err), result.err


def test_start_values(soak: Sessions, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MM_RUNTIME_OVERRIDES_JSON", '{"tail_age": 700}')
    result = soak(*MOCK)
    assert result.code == 4
    assert entry("Start values of single parameters").explains(result.err), result.err


def test_errors_in_the_collection(soak: Sessions) -> None:
    soak.pytester.makepyfile(test_a="import no_such_module")
    result = soak(*MOCK)
    assert result.code == 2
    assert entry("Errors in the collection").explains(result.out), result.out


def test_a_file_of_the_hooks_that_changed(soak: Sessions) -> None:
    text = "def pytest_soak_gate(lane, history): return []\n"
    soak.pytester.makeconftest(text)
    assert soak(*MOCK).code == 0
    soak.pytester.makeconftest(f"{text}# another\n")
    result = soak("--soak-iterations=4", "--soak-mock", "--soak-resume")
    assert result.code == 0
    assert entry("A file of the hooks changed").explains(result.out), result.out


def test_what_cannot_be_written_at_the_end(soak: Sessions) -> None:
    soak.pytester.makeconftest(
        "def pytest_soak_iteration(lane, iteration):\n"
        "    run = lane.dir.parent\n"
        "    for name in ('judgement.jsonl', 'RECOMMENDATIONS.md'):\n"
        "        (run / name).mkdir(exist_ok=True)\n"
    )
    result = soak(*MOCK, "-rf")
    assert result.code == 1
    shown = joined(result)
    assert entry("run/seal").explains(shown), shown
    assert "run/artifacts" in shown


def test_no_soak_is_on(soak: Sessions) -> None:
    soak.pytester.makepyfile(test_a="def test_a(soak_iteration): pass")
    result = soak("-rs")
    assert result.code == 0
    assert entry("No soak is on").explains(result.out), result.out


def test_tests_that_take_no_part(soak: Sessions) -> None:
    soak.pytester.makepyfile(test_a="def test_a(): pass")
    result = soak(*MOCK)
    assert result.code == 0
    assert entry("Tests that take no part").explains(result.out), result.out
    heading = "WARN or INCONCLUSIVE, and the session passes"
    assert entry(heading).explains(result.out), result.out


def test_a_fixture_that_comes_too_late(soak: Sessions) -> None:
    soak.pytester.makepyfile(
        conftest="import pytest\n"
        "@pytest.fixture\n"
        "def late(request): return request.getfixturevalue('soak_lane')\n",
        test_a="def test_a(soak_iteration): pass",
        test_b="def test_b(late): pass",
    )
    result = soak(*MOCK)
    assert "1 test that asks for the soak's fixtures takes no part" in result.out
    assert entry("Tests that take no part").explains(result.out), result.out


def test_a_target_that_is_late_and_what_follows(soak: Sessions) -> None:
    soak.bot(
        slow="import threading\nfrom bot import Bot\nclass S(Bot):\n"
        "  def run(self, iteration, runtime):\n"
        "    threading.Event().wait(3 if iteration == 2 else 0)\n"
        "    return super().run(iteration, runtime)\n"
        "def make(lane): return S(lane)\n"
    )
    result = soak(
        "--soak-iterations=4", "--soak-target=slow:make", "--soak-timeout=0.2", "-rsE", "-v"
    )
    assert result.code == 1
    shown = joined(result)
    assert entry("A call of the target took too long").explains(shown), shown
    assert entry("A lane that is over is skipped").explains(shown), shown
    assert entry("completeness").explains(shown), shown


def test_an_item_that_fails_after_its_decision(soak: Sessions) -> None:
    soak.bot()
    soak.pytester.makeconftest(
        "def pytest_soak_iteration(lane, iteration):\n"
        "    if iteration.number == 2: raise OSError('no disk')\n"
    )
    result = soak(*BOT, "-rfE")
    assert result.code == 1
    shown = joined(result)
    assert entry("items").explains(shown), shown
    raised = "pytest_soak_iteration raised OSError: "
    assert raised in shown
    assert raised in " ".join(entry("A hook raised, or answered what it must not").lines)


def test_a_wrong_name_is_recorded(soak: Sessions) -> None:
    soak.pytester.makepyfile(test_a="def test_a(soak_iteration): soak_iteration.record('a b', 1)")
    result = soak(*MOCK, "-rf")
    assert result.code == 1
    assert entry("A check recorded a wrong name").explains(joined(result)), result.out


def test_a_name_that_the_profile_does_not_know(soak: Sessions) -> None:
    soak.bot(odd="from bot import Bot\ndef make(lane): return Bot(lane, net_bp=1.0)\n")
    result = soak("--soak-iterations=3", "--soak-target=odd:make")
    assert result.code == 0
    heading = "Names in the report that are not in the profile"
    assert entry(heading).explains(result.out), result.out
