"""Items of iterations: what pytest and its plugins find in them, and how they get their fixture."""

from __future__ import annotations

import pytest

pytest_plugins = ("pytester",)

TARGET = """
class NoOp:
    def run(self, iteration, runtime):
        return {"totals": {}}
def make(lane):
    return NoOp()
"""


@pytest.fixture
def listed(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    pytester.makepyfile(no_op=TARGET)
    return pytester


ARGUMENTS = ("-p", "pytest_soak.plugin", "--soak-target=no_op:make", "--soak-iterations=3")


HOOKED = {
    "the fixture defined again": """
import pytest
@pytest.fixture
def soak_iteration(soak_iteration):
    assert soak_iteration.number != 2, "not two"
    return soak_iteration
""",
    "a fixture of every test": """
import pytest
@pytest.fixture(autouse=True)
def mine(soak_iteration):
    assert soak_iteration.number != 2, "not two"
""",
    "a name that is appended": """
import pytest
@pytest.fixture
def mine(soak_iteration):
    assert soak_iteration.number != 2, "not two"
def pytest_collection_modifyitems(items):
    for item in items:
        if "mine" not in item.fixturenames:
            item.fixturenames.append("mine")
""",
    "pytest_pyfunc_call": """
def pytest_pyfunc_call(pyfuncitem):
    assert pyfuncitem.funcargs["soak_iteration"].number != 2, "not two"
""",
    "pytest_fixture_setup": """
import pytest
@pytest.hookimpl(wrapper=True)
def pytest_fixture_setup(fixturedef, request):
    made = yield
    if fixturedef.argname == "soak_iteration":
        assert made.number != 2, "not two"
    return made
""",
}
"""What a user may attach to a check: each fails in iteration 2."""


@pytest.mark.parametrize("test", ["", "def test_own(soak_iteration): pass\n"])
@pytest.mark.parametrize("attached", HOOKED)
def test_what_is_attached_to_a_check_counts(
    listed: pytest.Pytester, attached: str, test: str
) -> None:
    listed.makepyfile(attached=HOOKED[attached])
    if test:
        listed.makepyfile(test_own=test)
    result = listed.runpytest_subprocess(*ARGUMENTS, "-p", "attached", "-p", "no:cacheprovider")
    assert "FAIL checks: failed in 1 iteration, first in 2:" in result.stdout.str()
    result.stdout.fnmatch_lines(["*0002* - *not two*"])


def test_nothing_that_hooks_read_of_an_item_is_missing(listed: pytest.Pytester) -> None:
    listed.makepyfile(
        reads="NAMES = ('fixturenames', 'function', 'obj', 'module', 'cls', 'originalname',"
        " 'callspec', 'funcargs')\n"
        "def pytest_itemcollected(item): [getattr(item, name) for name in NAMES]\n"
        "def pytest_collection_modifyitems(items):\n"
        "    [getattr(item, name) for item in items for name in NAMES]\n"
        "def pytest_runtest_setup(item): [getattr(item, name) for name in NAMES]\n"
    )
    result = listed.runpytest_subprocess(*ARGUMENTS, "-p", "reads", "-p", "no:cacheprovider")
    assert "AttributeError" not in result.stdout.str()
    assert result.parseoutcomes().get("errors", 0) == 0


def test_the_iteration_is_not_requested_as_a_fixture(listed: pytest.Pytester) -> None:
    """It takes longer than the tuner; only ``--setup-show`` asks for it to be shown."""
    for option, count in (("-q", 0), ("--setup-show", 3)):
        result = listed.runpytest_subprocess(*ARGUMENTS, option, "-p", "no:cacheprovider")
        assert result.stdout.str().count("SETUP    F soak_iteration") == count


def test_lines_of_the_iterations_with_live_logs(listed: pytest.Pytester) -> None:
    """The option ``log_cli`` raises the verbosity after the start of the session."""
    result = listed.runpytest_subprocess(*ARGUMENTS, "-o", "log_cli=true", "-p", "no:cacheprovider")
    result.stdout.fnmatch_lines(["*1 INCONCLUSIVE net=nodata*", "*3 INCONCLUSIVE net=nodata*"])


def test_the_item_is_where_pytest_would_place_it(listed: pytest.Pytester) -> None:
    """The same ids, places and keywords, with and without fixtures."""
    listed.makepyfile(
        places="def pytest_runtest_logreport(report):\n"
        "    if report.when == 'call' and 'gate' not in report.nodeid:\n"
        "        print('AT', report.nodeid, report.location, 'iteration' in report.keywords)\n"
    )
    shown = []
    for conftest in ("", "import pytest\n@pytest.fixture(autouse=True)\ndef mine(): pass\n"):
        listed.makeconftest(conftest)
        result = listed.runpytest_subprocess(*ARGUMENTS, "-s", "-p", "places")
        shown.append([line[line.index("AT ") :] for line in result.outlines if "AT " in line])
    assert len(shown[0]) == 3
    assert shown[0] == shown[1]
