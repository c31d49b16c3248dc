"""The bench of aanlevering and of the PDF check: everybody does the whole work, and that is looked at."""

import shutil
import sys
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace
from uuid import uuid4

import pytest
from pypdf import PdfReader
from pypdf.errors import PyPdfError

from bench import pdf, xml
from bench.maten import KLEIN
from bench.meting import DOELEN, Deel
from domain.waarschuwing import Waarschuwing
from sinks.objecten import ObjectOntbreekt
from streams.broker import Broker

pytestmark = pytest.mark.integration


def eenheden(deel: Deel) -> dict[str, set[str]]:
    """What was measured, with its units."""
    alle: dict[str, set[str]] = {}
    for meting in deel.metingen:
        assert len(meting.waarden) == 1
        alle.setdefault(meting.naam, set()).add(meting.eenheid)
    return alle


def test_the_door_is_measured_beside_the_bare_parser_and_what_it_took_is_looked_for(
    broker: Broker, tmp_path: Path
) -> None:
    with xml.open_deuren(tmp_path / "data", broker, f"t{uuid4().hex[:12]}.") as deuren:
        deel = xml.meet_op(deuren, tmp_path, 1, xml.maten_van(KLEIN))
        assert set(deel.ratios) == {"xml_vs_bare", "xml_with_bijlagen_vs_bare"} <= set(DOELEN)
        gemeten = eenheden(deel)
        for soort in ("without bijlagen", "with bijlagen"):
            for naam in ("lxml parse and XSD alone", "our reader alone"):
                assert gemeten[f"{naam}, {soort}"] == {"MB/s", "messages/s", "CPU s/GB"}
            for naam in ("a door for each core, 4 at a time", "one door, 4 at a time", "one door, 1 at a time"):
                assert gemeten[f"{naam}, {soort}"] >= {"MB/s", "messages/s", "CPU s of the door/GB"}
        assert all(waarde > 0 for waarden in deel.ratios.values() for waarde in waarden)

        partij = xml.maak_partij(xml.Maat(1, 2), tmp_path)
        partij.paden[0].write_bytes(b"<geen/>")
        with pytest.raises(RuntimeError, match="400"):
            deuren.neem_aan(partij, 1, len(deuren.poorten))
        xml.controleer(deuren)
        deuren.genomen[uuid4()] = xml.Maat(1, 3)
        with pytest.raises(AssertionError, match="every batch that was taken"):
            xml.controleer(deuren)
        deuren.genomen.popitem()
        shutil.rmtree(tmp_path / "data" / "opslag")
        with pytest.raises(ObjectOntbreekt):
            xml.controleer(deuren)


def speel_anderen(monkeypatch: pytest.MonkeyPatch) -> None:
    """The libraries that the bench alone has, played by the one that is here."""

    class Document:
        def __init__(self, inhoud: bytes) -> None:
            if PdfReader(BytesIO(inhoud)).is_encrypted:
                raise PyPdfError

        def close(self) -> None:
            """Nothing is held."""

    def opent(bestand: BytesIO) -> Document:
        return Document(bestand.read())

    monkeypatch.setitem(
        sys.modules, "pikepdf", SimpleNamespace(open=opent, PdfError=PyPdfError, PasswordError=PyPdfError)
    )
    monkeypatch.setitem(sys.modules, "pypdfium2", SimpleNamespace(PdfDocument=Document, PdfiumError=PyPdfError))


def test_the_pdf_check_is_measured_in_its_processes_and_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    speel_anderen(monkeypatch)
    deel = pdf.meet(1, KLEIN)
    assert "pdf_vs_pikepdf_open" in deel.ratios
    gemeten = eenheden(deel)
    assert len(gemeten) == 4
    assert all(wat == {"files/CPU s", "files/s"} for wat in gemeten.values())
    assert all(waarde > 0 for waarden in deel.ratios.values() for waarde in waarden)


def test_a_library_that_is_not_installed_is_named_and_the_rest_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    speel_anderen(monkeypatch)
    monkeypatch.setitem(sys.modules, "pikepdf", None)
    deel = pdf.meet(1, KLEIN.met(["pdf_bestanden=50"]))
    assert deel.mislukt.keys() == {"pikepdf.open alone"}
    assert deel.ratios.keys() == {"pdf_vs_pdfium_open"}


def test_a_check_that_says_something_else_ends_the_bench(monkeypatch: pytest.MonkeyPatch) -> None:
    speel_anderen(monkeypatch)
    monkeypatch.setattr(pdf, "controleer", lambda _: (Waarschuwing.XFA,))
    with pytest.raises(AssertionError, match="must find what was made wrong"):
        pdf.meet(1, KLEIN)


def test_every_kind_of_pdf_is_among_the_files() -> None:
    bestanden = pdf.maak_bestanden(KLEIN.pdf_bestanden)
    assert {bestand.soort for bestand in bestanden} == {
        *("ordinary", "with something wrong", "small", "big", "no PDF", "cut off")
    }
    assert len({bestand.inhoud for bestand in bestanden}) == len(bestanden)
    gewoon = [len(bestand.inhoud) for bestand in pdf.maak_bestanden(500) if bestand.soort == "ordinary"]
    assert 36_000 < sum(gewoon) / len(gewoon) < 38_000
