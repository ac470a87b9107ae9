"""Mutants that let a text of others act, keep a secret, or let another file decide."""

from __future__ import annotations

from tests.mutants.mutant import Mutant

TEXTS = "tests/unit/test_foreign_text.py"
MASKING = "tests/sessions/test_masking.py"
SOURCES = "tests/sessions/test_sources.py"
PATHS = "tests/sessions/test_paths.py"

FOREIGN = (
    Mutant(
        "an image of others is shown in Markdown",
        "report/markdown.py",
        '.replace("[", "\\\\[")',
        "",
        (f"{TEXTS}::test_markdown_shows_a_text_and_does_nothing",),
        r"!\[i\]",
    ),
    Mutant(
        "what turns the direction of writing is printed",
        "canonical.py",
        "        if character.isprintable() or character in keep\n        else character.encode",
        "        if character >= ' ' or character in keep\n        else character.encode",
        (f"{TEXTS}::test_nothing_moves_the_cursor_of_a_terminal",),
        r"isprintable",
    ),
    Mutant(
        "a halt keeps its secrets",
        "lane/runner.py",
        "        halt = evolved(halt, text=self._mask(halt.text))\n",
        "",
        (f"{MASKING}::test_secrets_are_masked_everywhere[plain]",),
        r"password=",
    ),
    Mutant(
        "two proposers, and one counts",
        "session/sources.py",
        "        if len(places) > 1:",
        "        if len(places) > 2:",
        (f"{SOURCES}::test_two_answers_are_refused[propose-plain]",),
        r"assert 0 == 4|assert 1 == 4",
    ),
    Mutant(
        "the working directory is searched first",
        "session/targets.py",
        "        sys.path.append(where)",
        "        sys.path.insert(0, where)",
        (f"{PATHS}::test_nothing_in_the_working_directory_is_imported_instead_of_a_library",),
        r"shadow",
    ),
)
