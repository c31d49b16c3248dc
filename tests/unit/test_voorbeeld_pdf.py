"""The sample's PDFs are real ones."""

import io

import pytest
from pypdf import PdfReader
from pypdf.errors import WrongPasswordError

from voorbeeld.pdf import WACHTWOORD, maak_pdf, maak_pdf_met


@pytest.mark.parametrize("regel", ["Bijlage 1 bij bericht 17", r"Haakjes (open) en \ streep", "Coördinatie vóór één"])
def test_a_pdf_opens_strictly_and_shows_its_line(regel: str) -> None:
    lezer = PdfReader(io.BytesIO(maak_pdf(regel)), strict=True)
    assert len(lezer.pages) == 1
    assert lezer.pages[0].extract_text() == regel


@pytest.mark.parametrize("grootte", [5_000, 200_000, 250_001, 300_000, 500_001])
def test_a_pdf_has_the_size_that_was_asked(grootte: int) -> None:
    pdf = maak_pdf("Bijlage", grootte)
    assert len(pdf) == grootte
    assert PdfReader(io.BytesIO(pdf), strict=True).pages[0].extract_text() == "Bijlage"


def test_a_size_that_is_too_small_is_refused() -> None:
    with pytest.raises(ValueError, match="cannot have 100 bytes"):
        maak_pdf("Bijlage", 100)


def test_another_line_gives_another_pdf() -> None:
    assert maak_pdf("een") != maak_pdf("twee")


def test_the_encrypted_pdf_opens_with_its_password() -> None:
    pdf = maak_pdf_met("PdfVersleuteld", "Geheim")
    assert PdfReader(io.BytesIO(pdf), strict=True, password=WACHTWOORD).pages[0].extract_text() == "Geheim"
    with pytest.raises(WrongPasswordError):
        PdfReader(io.BytesIO(pdf), password="anders")
    assert maak_pdf_met("PdfVersleuteld", "Geheim") == pdf


def test_the_pdf_that_asks_too_much_is_small() -> None:
    assert len(maak_pdf_met("PdfControleAfgebroken")) < 10_000


def test_there_is_no_pdf_for_another_code() -> None:
    with pytest.raises(ValueError, match="PdfAnders"):
        maak_pdf_met("PdfAnders")
