"""What an afnemer may tell of itself (Domain: Profiel and Home)."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.levensloop import NietToegestaan
from domain.profiel import bevat_link, geldige_bijzonderheden, geldige_lijst, geldige_toelichting
from tests.regels import regel

Veld = Callable[[str], str]
VELDEN = [
    pytest.param(geldige_toelichting, 255, marks=regel("toelichting up to 255 characters")),
    pytest.param(geldige_lijst, 40, marks=regel("lijst up to 40")),
    pytest.param(geldige_bijzonderheden, 100, marks=regel("bijzonderheden up to 100")),
]
ZONDER_LINKS = pytest.mark.parametrize("veld", [geldige_toelichting, geldige_bijzonderheden])

LINKS = [
    "http://overheid.nl",
    "zie HTTPS://x",
    "ftp://bestanden",
    "mailto:balie",
    "javascript:alert(1)",
    "data:text/html,x",
    "www.gemeente",
    "Zie mijn.overheid.nl voor meer",
    "(overheid.nl)",
    "-overheid.nl",
    "OVERHEID.NL.",
    "overheid.nl/pad?x=1",
    "gemeente.co.uk",
    "café.nl",
    "balie@gemeente.nl",
    "balie@gemeente.museum",
    "[meer](elders)",
    "[meer][1]",
    '<a name="x">',
    "< A >",
    "</a>",
    "<area HREF = x>",
    "ｗｗｗ．overheid",
    "overheid\u200b.nl",
    "http:\u2060//x",
    "regel een\noverheid.nl",
]

GEEN_LINKS = [
    "",
    "Gemeente Voorbeeld, afdeling Belastingen",
    "art. 5, lid 2.1 van de AWB, d.w.z. na 1.000.000.000 euro",
    "Belt u 14 020 (tel: 070-1234567) tussen 8.30 en 17.00 uur.",
    "Let op de data: 1 mei en 1 juni",
    "Eerste zin. De tweede zin; met a/b, x < y en [noot] (zie onder)",
    "Het .nl-domein en de http-dienst",
    "Wij mailen @ kantoortijden",
    "Straat 1a\nPostbus 2",
]


@pytest.mark.parametrize(("veld", "hoogstens"), VELDEN)
def test_a_text_has_its_longest_length_in_characters(veld: Veld, hoogstens: int) -> None:
    for teken in ("a", "é", "😀", " "):
        assert veld(teken * hoogstens) == teken * hoogstens
        with pytest.raises(NietToegestaan, match=f"at most {hoogstens} characters"):
            veld(teken * (hoogstens + 1))
    assert veld("") == ""


@regel("no links in toelichting and bijzonderheden")
@ZONDER_LINKS
@pytest.mark.parametrize("tekst", LINKS)
def test_a_link_of_any_kind_is_refused_and_not_quoted(veld: Veld, tekst: str) -> None:
    with pytest.raises(NietToegestaan, match="without links") as fout:
        veld(tekst)
    assert tekst not in str(fout.value)


@regel("no links in toelichting and bijzonderheden")
@ZONDER_LINKS
@pytest.mark.parametrize("tekst", GEEN_LINKS)
def test_what_only_looks_a_little_like_a_link_is_taken_as_it_is(veld: Veld, tekst: str) -> None:
    assert veld(tekst) == tekst


def test_a_lijst_may_hold_anything_short_enough() -> None:
    assert geldige_lijst("zie overheid.nl") == "zie overheid.nl"


@given(st.text(max_size=100), st.sampled_from(LINKS), st.text(max_size=100))
def test_a_link_is_found_wherever_it_stands(voor: str, link: str, na: str) -> None:
    assert bevat_link(f"{voor} {link} {na}")


@given(st.text("abcdefgh ,;:!?()\n0123456789é", max_size=255))
def test_text_without_dots_slashes_and_brackets_is_no_link(tekst: str) -> None:
    assert geldige_toelichting(tekst) == tekst


@pytest.mark.parametrize("veld", [geldige_toelichting, geldige_lijst, geldige_bijzonderheden])
def test_what_cannot_be_written_is_refused(veld: Veld) -> None:
    with pytest.raises(NietToegestaan, match="Unicode"):
        veld("\ud800")
