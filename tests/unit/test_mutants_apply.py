"""Each mutant fits the code and the tests as they are: one that does not tests nothing."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

import pytest_soak
from tests.mutants.mutant import Mutant
from tests.mutants.mutants import MUTANTS
from tests.mutants.run import applied
from tests.pages import ROOT

PACKAGE = Path(pytest_soak.__file__).parent


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_mutant_applies_and_its_tests_are_there(mutant: Mutant) -> None:
    text = (PACKAGE / mutant.file).read_text("utf-8")
    assert applied(mutant, text) != text
    assert mutant.tests
    for test in mutant.tests:
        file, _, name = test.partition("::")
        code = (ROOT / file).read_text("utf-8")
        function = name.rpartition("::")[2].partition("[")[0]
        assert not function or re.search(rf"\b(def|class|TestCase) {function}\b|{function} =", code)


def test_no_name_is_there_twice() -> None:
    assert max(Counter(mutant.name for mutant in MUTANTS).values()) == 1
