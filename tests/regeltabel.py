"""Prints which tests hold which rule, as Markdown: the second half of docs/rules.md (`make docs` writes it).

The tests themselves say it, by the mark `regel`; they are collected, and none is run.
"""

import io
import os
import sys
from collections import defaultdict
from collections.abc import Iterable, Mapping
from contextlib import redirect_stdout
from pathlib import Path

import pytest

from tests.regels import CATALOGUS, NOG_NIET

REPO = Path(__file__).parents[1]

Test = tuple[str, str]
"""The file of a test, from the root of the repository, and its name."""


class _Verzamelaar:
    """A plugin of pytest that keeps the tests of every rule."""

    def __init__(self) -> None:
        self.tests: dict[str, set[Test]] = defaultdict(set)

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Called once, with all tests."""
        for test in session.items:
            plaats = (test.path.relative_to(REPO).as_posix(), getattr(test, "originalname", test.name))
            for mark in test.iter_markers("regel"):
                for quote in mark.args:
                    self.tests[quote].add(plaats)


def verzamel() -> Mapping[str, Iterable[Test]]:
    """The tests of every rule that has any. Raises RuntimeError when tests cannot be collected."""
    verzamelaar, gezegd = _Verzamelaar(), io.StringIO()
    with redirect_stdout(gezegd):
        code = pytest.main(
            ["--collect-only", "-q", "-p", "no:cacheprovider", str(REPO / "tests")], plugins=[verzamelaar]
        )
    if code != pytest.ExitCode.OK:
        raise RuntimeError(f"the tests cannot be collected\n{gezegd.getvalue()}")
    return verzamelaar.tests


def beschrijf(tests: Mapping[str, Iterable[Test]]) -> str:
    """Every section of the catalogue with its rules, and the tests that hold each."""
    regels = [
        f"{sum(map(len, CATALOGUS.values()))} rules, {sum(quote in tests for quote in _alle())} of them with tests."
    ]
    for titel, quotes in CATALOGUS.items():
        regels += ["", f"## {titel}", "", "| rule | held by |", "| --- | --- |"]
        regels += [f"| {_cel(quote)} | {_houders(quote, tests)} |" for quote in quotes]
    return "\n".join(regels) + "\n"


def _alle() -> Iterable[str]:
    return (quote for quotes in CATALOGUS.values() for quote in quotes)


def _cel(quote: str) -> str:
    return quote.replace("|", "\\|")


def _houders(quote: str, tests: Mapping[str, Iterable[Test]]) -> str:
    if quote not in tests:
        return f"not yet: {NOG_NIET[quote]}" if quote in NOG_NIET else "**none**"
    return "<br>".join(
        f"[{naam}]({os.path.relpath(REPO / bestand, REPO / 'docs')})" for bestand, naam in sorted(tests[quote])
    )


if __name__ == "__main__":
    try:
        print(beschrijf(verzamel()), end="")
    except RuntimeError as fout:
        sys.exit(str(fout))
