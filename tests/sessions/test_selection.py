"""Which tests take part, which lanes are selected, and when the run directory is made."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pytest_soak.report.snapshot import lanes_of
from tests.sessions.conftest import Result, Sessions

BOT = "--soak-target=bot:make"
LANE = "steady-BTCUSDT-1"
TWO = ("--soak-iterations=3", BOT, "--soak-seed=1,2")
WORKERS = ("-p", "xdist", "-n", "2")
PYTESTS = ("plugins:", "platform ", "cachedir:", "rootdir:")
"""Lines of pytest with paths of the machine."""
PLAIN_AND_WORKERS = pytest.mark.parametrize("workers", [(), WORKERS], ids=["plain", "n2"])
CHECK = "def test_check(soak_iteration): pass\n"
DYNAMIC = (
    "def test_dyn(request):\n"
    "    assert request.getfixturevalue('soak_iteration').kpis['net_bps'] > 100\n"
)


def session(soak: Sessions, *args: str) -> Result:
    """A session, in its own process if it has workers."""
    if "xdist" in args:
        pytest.importorskip("xdist")
    return soak(*args, subprocess="xdist" in args)


def runs(soak: Sessions) -> list[str]:
    """The ids of all stored runs, the newest first."""
    folder = soak.folder / "artifacts" / "soak"
    paths = [folder / "latest", *sorted((folder / "runs").glob("*"))]
    return [
        json.loads((path / "run.json").read_text())["run_id"] for path in paths if path.exists()
    ]


def assert_no_run_begun(soak: Sessions, result: Result, before: list[str]) -> None:
    assert runs(soak) == before
    assert "soak::gate" not in result.out
    assert "gate:" not in result.out


# -- tests that take no part -----------------------------------------------------------------------


@pytest.mark.parametrize("args", [(), ("-q",), ("-v",), WORKERS, ("-q", *WORKERS)], ids=" ".join)
def test_a_session_whose_tests_take_no_part_says_so(soak: Sessions, args: tuple[str, ...]) -> None:
    soak.bot(test_a=DYNAMIC)
    result = session(soak, "--soak-iterations=3", BOT, *args)
    assert result.code == 0, result.out
    before, _, summary = result.out.partition("warnings summary")
    heading = "no test takes part; the built-in check runs instead of 1 test"
    assert f"soak: warning: {heading}:" in before
    assert "iii" not in before.partition("soak: warning:")[0]  # no item has run
    for part in (before, summary):
        words = " ".join(part.split())
        assert heading in words
        assert "test_a.py::test_dyn asks for soak_iteration by request.getfixturevalue" in words
        assert "not seen at collection" in words
    assert f"warning: {heading}, as named above" in summary
    assert result.outcomes["warnings"] == (2 if "xdist" in args else 1)
    # Before it are the headers of other plugins.
    ours = result.out[result.out.index("soak: ") :].splitlines()
    assert max(len(line) for line in ours if not line.startswith(PYTESTS)) <= 100


REASONS = {
    "test_plain": "does not ask for soak_iteration in its arguments",
    "test_runtime": "asks for soak_runtime, but not for soak_iteration",
    "T::test_case": "is a method of a unittest.TestCase",
    "test_through": "asks for soak_iteration by request.getfixturevalue",
    "test_loop": "asks for soak_iteration by request.getfixturevalue",
    "test_inner": "asks for soak_lane by request.getfixturevalue",
}
OTHERS = """
import unittest, pytest

@pytest.fixture
def kpis(request): return request.getfixturevalue("soak_iteration").kpis

def test_plain(): pass
def test_runtime(soak_runtime): pass
class T(unittest.TestCase):
    def test_case(self): pass
def test_through(kpis): pass
def test_loop(request):
    for name in ("tmp_path", "soak_iteration"): request.getfixturevalue(name)
def test_inner(request):
    def inner(): return request.getfixturevalue("soak_lane")
    inner()
"""


@pytest.mark.parametrize("name", REASONS)
def test_the_reason_is_that_of_the_test(soak: Sessions, name: str) -> None:
    soak.bot(test_a=OTHERS)
    result = soak("--soak-iterations=1", BOT, f"test_a.py::{name}")
    assert f"test_a.py::{name} {REASONS[name]}" in " ".join(result.out.split())


def test_a_doctest_is_named(soak: Sessions) -> None:
    soak.bot(mine='"""\n>>> 1\n1\n"""')
    result = soak("--soak-iterations=1", BOT, "--doctest-modules", "mine.py")
    assert "mine.py::mine is a doctest, no Python function" in " ".join(result.out.split())


def test_three_are_named_those_that_ask_for_the_soak_first(soak: Sessions) -> None:
    soak.bot(test_a=OTHERS + "@pytest.mark.parametrize('x', range(9))\ndef test_many(x): pass\n")
    result = soak("--soak-iterations=1", BOT)
    assert "the built-in check runs instead of 7 tests" in result.out
    named = [name for name in REASONS if f"  test_a.py::{name} " in result.out]
    assert named == ["test_runtime", "test_through", "test_loop"]
    assert "  and 4 more" in result.out


def test_beside_a_check_only_those_that_ask_for_the_soak_are_named(soak: Sessions) -> None:
    soak.bot(test_a=CHECK + OTHERS)
    result = soak("--soak-iterations=2", BOT)
    assert result.outcomes["deselected"] == 6
    assert "soak: warning: 4 tests that ask for the soak's fixtures take no part:" in result.out
    # The warnings summary may show source lines of another file with this name.
    named, _, _ = result.out.partition("warnings summary")
    assert "test_plain" not in named
    assert "test_case" not in named


def test_one_that_asks_for_the_soak_beside_a_check(soak: Sessions) -> None:
    soak.bot(test_a=CHECK + DYNAMIC)
    result = soak("--soak-iterations=2", BOT)
    assert result.outcomes["deselected"] == 1
    assert result.outcomes["warnings"] == 1
    assert "soak: warning: 1 test that asks for the soak's fixtures takes no part:" in result.out


def test_a_check_of_several_may_be_left_out_of_an_iteration(soak: Sessions) -> None:
    """The iteration still runs, for the other check."""
    soak.bot(test_a=CHECK + "def test_other(soak_iteration): pass\n")
    result = soak("--soak-iterations=3", BOT, f"--deselect=test_a.py::test_other[{LANE}/0002]")
    assert result.code == 0, result.out
    assert result.outcomes["deselected"] == 1


def test_ordinary_tests_beside_a_check_cause_no_warning(soak: Sessions) -> None:
    """Nor does an autouse fixture that requests a fixture only if the test has it."""
    soak.bot(
        conftest="import pytest\n@pytest.fixture(autouse=True)\ndef look(request):\n"
        "    if 'soak_iteration' in request.fixturenames:\n"
        "        request.getfixturevalue('soak_iteration')\n",
        test_a=CHECK + "def test_plain(): pass\n",
    )
    result = soak("--soak-iterations=2", BOT)
    assert result.code == 0, result.out
    assert "warnings" not in result.outcomes
    assert "take no part" not in result.out
    assert result.outcomes["deselected"] == 1


def test_an_empty_folder_needs_no_warning(soak: Sessions) -> None:
    soak.bot()
    result = soak("--soak-iterations=2", BOT)
    assert "warnings" not in result.outcomes
    assert "takes part" not in result.out


def test_filters_of_the_user_make_no_error_of_it(soak: Sessions) -> None:
    soak.bot(test_a=DYNAMIC)
    result = soak("--soak-iterations=2", BOT, "-W", "error", "--disable-warnings")
    assert result.code == 0
    assert "soak: warning: no test takes part" in result.out


def test_a_dynamic_request_that_runs_all_the_same_is_a_clear_error(soak: Sessions) -> None:
    soak.bot(
        test_a=CHECK + DYNAMIC,
        conftest="kept = []\n"
        "def pytest_deselected(items): kept.extend(items)\n"
        "def pytest_runtest_logstart(nodeid, location):\n"
        "    if kept: kept[0].session.items.append(kept.pop())\n",
    )
    result = soak("--soak-iterations=2", BOT)
    assert result.code == 1
    assert result.outcomes["failed"] == 1
    assert "test_a.py::test_dyn takes no part in the soak: a test is run once per" in result.out
    assert "if soak_iteration is one of its arguments" in result.out


def test_items_that_a_plugin_adds_are_deselected(soak: Sessions) -> None:
    soak.bot(
        test_a=CHECK + "def test_plain(): assert False\n",
        conftest="kept = []\n"
        "def pytest_deselected(items): kept.extend(items)\n"
        "def pytest_collection_modifyitems(items): items.extend(kept)\n",
    )
    result = soak("--soak-iterations=2", BOT)
    assert result.code == 0, result.out


# -- a lane that is selected in part ---------------------------------------------------------------

PLUGIN = (
    "def pytest_collection_modifyitems(config, items):\n"
    "    out = [item for item in items if '/0002' in item.nodeid]\n"
    "    items[:] = [item for item in items if item not in out]\n"
    "    config.hook.pytest_deselected(items=out)\n"
)
PARTIAL = {
    "-k": (("-k", "0003 or 0001"), "by -k '0003 or 0001': 2 of 4 iterations (1, 3)"),
    "node id": ((f"test_a.py::test_check[{LANE}/0003]",), "by node id: 1 of 4 iterations (3)"),
    "--deselect": (
        (f"--deselect=test_a.py::test_check[{LANE}/0001]",),
        "by --deselect: 3 of 4 iterations (2-4)",
    ),
    "plugin": (
        ("-p", "cutting"),
        "by a hook pytest_collection_modifyitems: 3 of 4 iterations (1, 3-4)",
    ),
}


@pytest.mark.parametrize(
    ("way", "workers"),
    [*((way, ()) for way in PARTIAL), ("-k", WORKERS), ("node id", WORKERS)],
    ids=[*PARTIAL, "-k n2", "node id n2"],
)
def test_a_lane_selected_in_part_is_refused_before_the_run_is_made(
    soak: Sessions, way: str, workers: tuple[str, ...]
) -> None:
    soak.bot(test_a=CHECK, cutting=PLUGIN)
    soak.pytester.syspathinsert()
    assert soak("--soak-iterations=1", BOT).code == 0
    before = runs(soak)
    args, words = PARTIAL[way]
    result = session(soak, "--soak-iterations=4", BOT, *args, *workers)
    assert result.code == 4, result.out + result.err
    errors = [line for line in result.err.splitlines() if line.startswith("ERROR: ")]
    assert len(errors) == 1, result.err
    assert f"lane {LANE} is selected in part, {words}" in errors[0]
    assert f"-k {LANE}" in errors[0]
    assert "--soak-resume" in errors[0]
    assert ("--soak-iterations=3" in errors[0]) == ("(3)" in words or "(1, 3)" in words)
    assert "Traceback" not in result.out + result.err
    assert "INTERNALERROR" not in result.out + result.err
    assert_no_run_begun(soak, result, before)


def test_nothing_is_left_behind_where_there_was_no_run(soak: Sessions) -> None:
    soak.bot()
    assert soak("--soak-iterations=4", BOT, "-k", "0002").code == 4
    assert not (soak.folder / "artifacts/soak/latest").exists()
    assert soak("--soak-iterations=4", BOT).code == 0  # and the lock is free again


FAILING = "def test_check(soak_iteration): assert soak_iteration.number != 2\n"


def cached(soak: Sessions, *args: str) -> pytest.RunResult:
    """A session with pytest's cache, which the harness switches off."""
    return soak.pytester.runpytest_subprocess("--soak-iterations=4", BOT, *args)


def test_what_failed_last_is_a_part(soak: Sessions) -> None:
    soak.bot(test_a=FAILING)
    assert cached(soak).ret == 1
    before = runs(soak)
    result = cached(soak, "--lf")
    assert result.ret == 4
    assert "by --lf: 1 of 4 iterations (2)" in result.stderr.str()
    assert runs(soak) == before


def test_failed_first_is_only_an_order(soak: Sessions) -> None:
    soak.bot(test_a=FAILING)
    assert cached(soak).ret == 1
    soak.pytester.makepyfile(test_a=CHECK)
    assert cached(soak, "--ff").ret == 0


def test_stepwise_goes_on_with_a_part(soak: Sessions) -> None:
    soak.bot(test_a=FAILING)
    assert cached(soak, "--sw", "-p", "no:randomly").ret == 2
    # pytest stores the last failure, which is the gate, and then starts from the beginning. Only
    # in a session without a gate is an iteration the last failure.
    assert cached(soak, "--sw", "-p", "no:randomly").ret == 2
    cache = soak.folder / ".pytest_cache/v/cache/stepwise"
    stored = json.loads(cache.read_text())
    cache.write_text(json.dumps({**stored, "last_failed": f"test_a.py::test_check[{LANE}/0002]"}))
    result = cached(soak, "--sw", "-p", "no:randomly")
    assert result.ret == 4
    assert "by --sw: 3 of 4 iterations (2-4)" in result.stderr.str()


def test_several_lanes_in_part_are_counted(soak: Sessions) -> None:
    soak.bot()
    result = soak("--soak-iterations=12", BOT, "--soak-seed=1,2,3", "-k", "0001 or 0003 or 001")
    assert f"lane {LANE} (and 2 more lanes) is selected in part" in result.err
    assert "5 of 12 iterations (1, 3, 10-12)" in result.err


def test_many_ranges_are_shortened(soak: Sessions) -> None:
    soak.bot()
    odd = " or ".join(f"{number:04d}" for number in range(1, 24, 2))
    result = soak("--soak-iterations=24", BOT, "-k", odd)
    assert "12 of 24 iterations (1, 3, 5, 7 and 8 more)" in result.err


def test_a_skip_mark_or_hook_of_the_run_phase_still_says_why(soak: Sessions) -> None:
    """The items are skipped after the selection was checked."""
    soak.bot(
        conftest="def pytest_runtest_logstart(nodeid, location): pass\n"
        "def pytest_runtest_protocol(item):\n"
        "    if '/0002' in item.nodeid: return True\n",
    )
    result = soak("--soak-iterations=4", BOT, "-rE")
    assert result.code == 1
    assert f"iteration 3 of lane {LANE} is not the next one: that is 2" in result.out


# -- whole lanes and whole checks ------------------------------------------------------------------


@PLAIN_AND_WORKERS
def test_a_whole_lane_may_be_selected(soak: Sessions, workers: tuple[str, ...]) -> None:
    soak.bot()
    result = session(soak, *TWO, "-k", "steady-BTCUSDT-2", *workers)
    assert result.code == 0, result.out
    assert "soak: 1 of 2 lanes selected: steady-BTCUSDT-2" in result.out
    about = result.json("run.json")
    assert [lane["id"] for lane in about["lanes"]] == ["steady-BTCUSDT-2"]
    assert about["left_out"] == [LANE]
    assert [entry["iteration"] for entry in result.entries() if entry["type"] == "decision"] == [
        1,
        2,
        3,
    ]
    snapshot = result.json("POST_SOAK_SNAPSHOT.json")
    assert [lane["lane"] for lane in lanes_of(snapshot)] == ["steady-BTCUSDT-2"]
    assert sorted(path.name for path in result.latest.iterdir() if path.is_dir()) == []


@PLAIN_AND_WORKERS
def test_several_whole_lanes_may_be_selected(soak: Sessions, workers: tuple[str, ...]) -> None:
    soak.bot(test_a=CHECK)
    args = ("--soak-iterations=2", BOT, "--soak-seed=1,2,3")
    ids = [f"test_a.py::test_check[steady-BTCUSDT-{n}/000{m}]" for n in (1, 3) for m in (1, 2)]
    result = session(soak, *args, *ids, *workers)
    assert result.code == 0, result.out
    assert "soak: 2 of 3 lanes selected: steady-BTCUSDT-1, steady-BTCUSDT-3" in result.out
    lanes = [lane["id"] for lane in result.json("run.json")["lanes"]]
    assert lanes == ["steady-BTCUSDT-1", "steady-BTCUSDT-3"]
    for lane in lanes:
        assert len([e for e in result.entries(lane) if e["type"] == "decision"]) == 2


def test_a_run_of_selected_lanes_is_resumed(soak: Sessions) -> None:
    soak.bot()
    args = (BOT, "--soak-seed=1,2", "--soak-resume")
    soak(*TWO, "-k", "steady-BTCUSDT-2")
    result = soak("--soak-iterations=5", *args)
    assert result.code == 0, result.out
    assert (result.items, result.done_before) == ({"passed": 2}, 3)
    decisions = [entry for entry in result.entries() if entry["type"] == "decision"]
    assert [entry["iteration"] for entry in decisions] == [1, 2, 3, 4, 5]
    assert soak("--soak-iterations=6", BOT, "--soak-seed=2", "--soak-resume").code == 0
    refused = soak("--soak-iterations=6", BOT, "--soak-seed=1,2,3", "--soak-resume")
    assert refused.code == 4


def test_one_check_of_several_may_be_selected(soak: Sessions) -> None:
    soak.bot(test_a=CHECK + "def test_other(soak_iteration): assert False\n")
    result = soak("--soak-iterations=3", BOT, "-k", "test_check")
    assert result.code == 0, result.out
    assert result.outcomes["deselected"] == 3


def test_points_of_a_sweep_may_be_selected(soak: Sessions) -> None:
    soak.bot()
    result = soak(
        "--soak-iterations=3", BOT, "--soak-sweep=tail_age_ms=500,600,700", "-k", "500 or 700"
    )
    assert result.code == 0, result.out
    assert "soak: 2 of 3 lanes selected" in result.out


# -- resumed ---------------------------------------------------------------------------------------


def stopped_after(soak: Sessions, iterations: int) -> list[str]:
    soak.bot()
    assert soak(f"--soak-iterations={iterations}", BOT).code == 0
    return runs(soak)


def test_a_stored_run_may_go_on_for_a_part(soak: Sessions) -> None:
    before = stopped_after(soak, 2)
    result = soak("--soak-iterations=6", BOT, "--soak-resume", "-k", "0003 or 0004")
    assert result.code == 1  # completeness
    assert "4 of 6" in result.out
    assert runs(soak) == before


@pytest.mark.parametrize(
    ("which", "workers"), [("0004", ()), ("0003 or 0005", ()), ("0004", WORKERS)]
)
def test_a_stored_run_goes_on_without_a_gap(
    soak: Sessions, which: str, workers: tuple[str, ...]
) -> None:
    stopped_after(soak, 2)
    folder = soak.folder / "artifacts" / "soak" / "latest"
    before = {path: path.read_bytes() for path in folder.iterdir()}
    result = session(soak, "--soak-iterations=6", BOT, "--soak-resume", "-k", which, *workers)
    assert result.code == 4, result.out
    assert f"lane {LANE} goes on with iteration 3" in result.err
    assert "without a gap" in result.err
    assert {path: path.read_bytes() for path in folder.iterdir()} == before


def test_a_run_that_is_over_is_judged_again(soak: Sessions) -> None:
    stopped_after(soak, 3)
    result = soak("--soak-iterations=3", BOT, "--soak-resume")
    assert result.code == 0
    assert "gate:" in result.out


# -- sessions that end before the run is made ------------------------------------------------------


@pytest.mark.parametrize("args", [(), ("--soak-resume",), WORKERS], ids=["new", "resumed", "n2"])
def test_nothing_selected_begins_no_run(soak: Sessions, args: tuple[str, ...]) -> None:
    before = stopped_after(soak, 1)
    result = session(soak, "--soak-iterations=4", BOT, "-k", "nothing", *args)
    assert result.code == 5, result.out + result.err
    assert_no_run_begun(soak, result, before)


@PLAIN_AND_WORKERS
def test_a_collection_error_begins_no_run(soak: Sessions, workers: tuple[str, ...]) -> None:
    before = stopped_after(soak, 1)
    soak.pytester.makepyfile(test_a=CHECK, test_b="import nowhere_to_be_seen\n")
    result = session(soak, "--soak-iterations=2", BOT, *workers)
    assert result.code == 2, result.out + result.err
    assert "1 error during collection" in result.out
    assert_no_run_begun(soak, result, before)
    result = session(soak, "--soak-iterations=2", BOT, "--continue-on-collection-errors", *workers)
    assert result.code == 1
    assert len(runs(soak)) == 2
    assert "soak::gate" not in result.out
    assert "gate:" in result.out


@PLAIN_AND_WORKERS
@pytest.mark.parametrize(
    ("checks", "words"),
    [
        ("@pytest.mark.flaky(reruns=2)\ndef test_a(soak_iteration): pass\n", "changed state"),
        (
            "@pytest.mark.usefixtures('soak_iteration')\nclass T(unittest.TestCase):\n"
            "    def test_a(self): pass\n",
            "TestCase",
        ),
    ],
    ids=["marker", "TestCase"],
)
def test_a_check_that_cannot_be_one_begins_no_run(
    soak: Sessions, checks: str, words: str, workers: tuple[str, ...]
) -> None:
    before = stopped_after(soak, 1)
    soak.pytester.makeini("[pytest]\nmarkers =\n  flaky")
    soak.pytester.makepyfile(test_a="import pytest, unittest\n" + checks)
    result = session(soak, "--soak-iterations=2", BOT, *workers)
    assert result.code == 4, result.out + result.err
    assert words in result.err
    assert "INTERNALERROR" not in result.out
    assert_no_run_begun(soak, result, before)


def test_a_file_that_is_not_there_begins_no_run(soak: Sessions) -> None:
    before = stopped_after(soak, 1)
    result = soak("--soak-iterations=2", BOT, "test_nowhere.py")
    assert result.code == 4
    assert_no_run_begun(soak, result, before)


def test_an_interrupt_while_collecting_begins_no_run(soak: Sessions) -> None:
    before = stopped_after(soak, 1)
    soak.pytester.makepyfile(test_a="raise KeyboardInterrupt\n")
    result = soak("--soak-iterations=2", BOT, subprocess=True)
    assert result.code == 2
    assert_no_run_begun(soak, result, before)


def test_a_directory_that_cannot_be_used_is_refused_before_the_first_item(soak: Sessions) -> None:
    """The error appears when the run directory is made, after the collection."""
    soak.bot()
    folder = soak.folder / "artifacts" / "soak"
    folder.mkdir(parents=True)
    (folder / "latest").symlink_to(soak.folder)
    result = soak("--soak-iterations=2", BOT)
    assert result.code == 4
    assert "latest is a link" in result.err
    assert "gate:" not in result.out


def test_the_run_is_where_the_session_began(soak: Sessions) -> None:
    """A module that changes the working directory at its import does not move the run."""
    (soak.folder / "elsewhere").mkdir()
    soak.bot(test_a="import os\nos.chdir('elsewhere')\n" + CHECK)
    result = soak("--soak-iterations=2", BOT, subprocess=True)
    assert result.code == 0, result.out
    assert result.json("run.json")["verdict"] == "INCONCLUSIVE"
    assert not list(Path(soak.folder / "elsewhere").iterdir())
