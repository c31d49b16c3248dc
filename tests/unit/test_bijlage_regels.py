"""What a set of bijlagen may be, and that every code tells the sender what to do."""

import pytest

from domain.bijlage import (
    UITLEG,
    Bezwaar,
    Setfout,
    Waarschuwing,
    controleer_persoonlijk,
    controleer_standaard,
)
from tests.regels import regel


def codes(bezwaren: list[Bezwaar]) -> list[tuple[str, tuple[int, ...]]]:
    return [(een.code, een.plaatsen) for een in bezwaren]


@pytest.mark.parametrize("code", Waarschuwing)
def test_every_code_tells_the_sender_what_to_do(code: Waarschuwing) -> None:
    assert code.startswith("Pdf")
    assert UITLEG[code].endswith(".")
    assert len(UITLEG[code].split()) > 10


def test_the_codes_are_those_that_were_agreed() -> None:
    assert list(Waarschuwing) == [
        "PdfNietLeesbaar",
        "PdfVersleuteld",
        "PdfJavaScript",
        "PdfIngeslotenBestanden",
        "PdfStartActie",
        "PdfXfa",
        "PdfGeenPdfA",
        "PdfNietGetagd",
        "PdfLettertypeNietIngesloten",
        "PdfGeenPaginas",
        "PdfControleAfgebroken",
    ]


@regel("both together at most 500 000 bytes before base64, else `BijlageTeGroot`")
def test_personal_bijlagen_weigh_together_at_most_500_000_bytes() -> None:
    assert controleer_persoonlijk([("a.pdf", 500_000)]) == []
    assert controleer_persoonlijk([("a.pdf", 250_000), ("b.pdf", 250_000)]) == []
    assert codes(controleer_persoonlijk([("a.pdf", 500_001)])) == [(Setfout.BIJLAGE_TE_GROOT, (0,))]
    (een,) = controleer_persoonlijk([("a.pdf", 250_000), ("b.pdf", 250_001)])
    assert (een.code, een.plaatsen) == (Setfout.BIJLAGE_TE_GROOT, (0, 1))
    assert "500 001 bytes" in een.uitleg


@regel("an optional `Bijlagen` of 1 or 2 `Bijlage`")
def test_a_message_has_at_most_two_bijlagen() -> None:
    assert controleer_persoonlijk([]) == []
    assert codes(controleer_persoonlijk([("a", 1)] * 3)) == [(Setfout.TE_VEEL_BIJLAGEN, (0, 1, 2))]
    assert controleer_persoonlijk([("a" * 200, 1)]) == []


@regel("up to 3 PDFs")
def test_a_berichttype_has_at_most_three_standaardbijlagen() -> None:
    assert controleer_standaard([("a", 1)] * 3) == []
    assert codes(controleer_standaard([("a", 1)] * 4)) == [(Setfout.TE_VEEL_BIJLAGEN, (0, 1, 2, 3))]


@regel("together up to 2 MB")
def test_standaardbijlagen_weigh_together_at_most_2_million_bytes() -> None:
    assert controleer_standaard([("a", 1_000_000), ("b", 1_000_000)]) == []
    assert codes(controleer_standaard([("a", 1_000_000), ("b", 1_000_001)])) == [(Setfout.BIJLAGE_TE_GROOT, (0, 1))]


@regel("file names up to 128 characters")
def test_the_name_of_a_standaardbijlage_has_at_most_128_characters() -> None:
    assert controleer_standaard([("é" * 128, 1)]) == []
    assert codes(controleer_standaard([("a", 1), ("b" * 129, 1), ("c" * 500, 1)])) == [
        (Setfout.BESTANDSNAAM_TE_LANG, (1, 2))
    ]


def test_all_that_is_wrong_is_told_at_once() -> None:
    assert [een.code for een in controleer_standaard([("a" * 129, 1_000_000)] * 4)] == list(Setfout)
