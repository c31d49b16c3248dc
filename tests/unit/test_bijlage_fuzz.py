"""Whatever is done to a PDF: the check ends, raises nothing, and has a verdict that can be given out."""

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domain.bijlage import Waarschuwing
from tests.pdf import WAAR, Keur, bouw_samengepakt, delen, keurder
from voorbeeld.pdf import maak_pdf, maak_pdf_met

ALLEEN = {Waarschuwing.NIET_LEESBAAR, Waarschuwing.CONTROLE_AFGEBROKEN}
"""Codes that stand alone."""
ZADEN = [
    maak_pdf("Bijlage"),
    bouw_samengepakt(delen("/OpenAction << /S /JavaScript /JS (x) >>")),
    *(maak_pdf_met(code) for code in Waarschuwing if code is not Waarschuwing.CONTROLE_AFGEBROKEN),
]
WOORDEN = [b"obj", b"endobj", b"stream", b"endstream", b"xref", b"trailer", b"startxref", b"%%EOF", b"<<", b">>", b"["]
WOORDEN += [b"]", b"(", b")", b"1 0 R", b"2 0 R", b"0 0 R", b"-1", b"99999999999", b"null", b"/Kids", b"/Length", b"\0"]


@pytest.fixture(scope="module", params=WAAR)
def keur(request: pytest.FixtureRequest) -> Iterator[Keur]:
    with keurder(request.param) as een:
        yield een


@st.composite
def beschadigd(draw: st.DrawFn) -> bytes:
    """A PDF of which pieces were left out, doubled, or put in the place of others."""
    pdf = bytearray(draw(st.sampled_from(ZADEN)))
    for _ in range(draw(st.integers(1, 6))):
        begin = draw(st.integers(0, len(pdf)))
        einde = min(len(pdf), begin + draw(st.integers(0, 40)))
        elders = draw(st.integers(0, len(pdf)))
        pdf[begin:einde] = draw(
            st.one_of(
                st.sampled_from(WOORDEN),
                st.binary(max_size=12),
                st.just(bytes(pdf[elders : elders + 40])),
            )
        )
    return bytes(pdf)


@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(pdf=beschadigd())
def test_a_damaged_pdf_has_a_verdict(keur: Keur, pdf: bytes) -> None:
    oordeel = keur(pdf)
    assert list(oordeel) == [code for code in Waarschuwing if code in oordeel]
    assert len(oordeel) == 1 or not ALLEEN & set(oordeel)


@settings(max_examples=50)
@given(pdf=st.binary(max_size=400).map(lambda rest: b"%PDF-1.7\n" + rest))
def test_bytes_that_only_say_to_be_a_pdf_are_not_readable(keur: Keur, pdf: bytes) -> None:
    assert keur(pdf) == (Waarschuwing.NIET_LEESBAAR,)
