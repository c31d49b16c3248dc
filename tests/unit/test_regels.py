"""The table of rules: complete, made from the tests of today, and in the words of the domain."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.regels import CATALOGUS, NOG_NIET, REGELS, regel

REPO = Path(__file__).parents[2]
DOMEIN = REPO.parent / "shared" / "domain.md"
QUOTE_MAX = 110
"""Characters; what is longer is read by nobody."""


@pytest.fixture(scope="module")
def tabel() -> str:
    """What the command prints now; a process of its own, since pytest does not collect within itself."""
    opdracht = [sys.executable, "-m", "tests.regeltabel"]
    klaar = subprocess.run(opdracht, cwd=REPO, capture_output=True, text=True, check=False)
    assert klaar.returncode == 0, klaar.stderr
    return klaar.stdout


def rijen(tabel: str, houder: str) -> list[str]:
    """The rules whose second cell begins so."""
    cellen = [rij.removeprefix("| ").split(" | ") for rij in tabel.splitlines() if rij.startswith("| ")]
    return [" | ".join(cel).replace("\\|", "|") for *cel, wie in cellen if wie.startswith(houder)]


def test_every_rule_has_a_test_or_a_reason(tabel: str) -> None:
    assert rijen(tabel, "**none**") == []
    assert len(rijen(tabel, "[test_")) == len(REGELS) - len(NOG_NIET)


def test_what_is_said_to_come_later_has_no_test_yet(tabel: str) -> None:
    assert rijen(tabel, "not yet: ") == [quote for quote in REGELS if quote in NOG_NIET]


def test_the_page_is_up_to_date(tabel: str) -> None:
    _, _, gemaakt = (REPO / "docs" / "rules.md").read_text().partition("writes it again -->\n\n")
    assert gemaakt == tabel, "docs/rules.md: run 'make docs'"


def test_a_quote_stands_in_the_catalogue_once_and_is_short() -> None:
    alle = [quote for quotes in CATALOGUS.values() for quote in quotes]
    assert len(alle) == len(set(alle)) > 200
    assert [quote for quote in alle if len(quote) > QUOTE_MAX or quote != " ".join(quote.split())] == []


@pytest.mark.skipif(not DOMEIN.exists(), reason="the domain page is not beside this checkout")
def test_every_quote_stands_in_the_domain_page_in_this_order() -> None:
    tekst, plaats = " ".join(DOMEIN.read_text().split()), 0
    for quote in REGELS:
        gevonden = tekst.find(quote, plaats)
        assert gevonden >= 0, f"{quote!r} is not in the domain page, or not after the one before it"
        plaats = gevonden


@pytest.mark.parametrize("quotes", [(), ("Verwerkt when placed",), ("another root", "another roof")])
def test_a_mark_takes_no_quote_of_its_own(quotes: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="regel:"):
        regel(*quotes)
