"""The sample's PDFs are real ones."""

import io

import pytest
from pypdf import PdfReader

from voorbeeld.pdf import maak_pdf


@pytest.mark.parametrize("regel", ["Bijlage 1 bij bericht 17", r"Haakjes (open) en \ streep", "Coördinatie vóór één"])
def test_a_pdf_opens_strictly_and_shows_its_line(regel: str) -> None:
    lezer = PdfReader(io.BytesIO(maak_pdf(regel)), strict=True)
    assert len(lezer.pages) == 1
    assert lezer.pages[0].extract_text() == regel


@pytest.mark.parametrize("grootte", [2_000, 200_000, 250_001, 300_000, 500_001])
def test_a_pdf_has_the_size_that_was_asked(grootte: int) -> None:
    pdf = maak_pdf("Bijlage", grootte)
    assert len(pdf) == grootte
    assert PdfReader(io.BytesIO(pdf), strict=True).pages[0].extract_text() == "Bijlage"


def test_a_size_that_is_too_small_is_refused() -> None:
    with pytest.raises(ValueError, match="cannot have 100 bytes"):
        maak_pdf("Bijlage", 100)


def test_another_line_gives_another_pdf() -> None:
    assert maak_pdf("een") != maak_pdf("twee")
