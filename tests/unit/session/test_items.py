"""Which iteration an item is of, and when the built-in check needs no fixtures."""

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


def test_an_iteration_without_a_check_is_no_function(listed: pytest.Pytester) -> None:
    result = listed.runpytest_subprocess(*ARGUMENTS, "--collect-only")
    result.stdout.fnmatch_lines(
        ["*<BuiltInItem iteration?steady-BTCUSDT-1/0001?>", "*3 tests collected*"]
    )


def test_a_fixture_of_every_test_is_there_for_the_built_in_check_too(
    listed: pytest.Pytester,
) -> None:
    listed.makeconftest(
        "import pytest\n"
        "@pytest.fixture(autouse=True)\n"
        "def mine(request):\n"
        "    print('with', request.node.name)\n"
    )
    result = listed.runpytest_subprocess(*ARGUMENTS, "-s", "-p", "no:cacheprovider")
    result.stdout.fnmatch_lines(
        ["*with iteration?steady-BTCUSDT-1/0001?*", "*with iteration?steady-BTCUSDT-1/0003?*"]
    )


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
