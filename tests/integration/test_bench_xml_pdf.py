"""The bench of aanlevering and of the PDF check: everybody does the whole work, and that is looked at."""

import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace
from uuid import uuid4

import pytest
from pypdf import PdfReader
from pypdf.errors import PyPdfError

from bench import pdf, xml
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


def test_the_door_is_measured_beside_the_bare_parser_with_and_without_bijlagen() -> None:
    deel = xml.meet(1, klein=True)
    assert set(deel.ratios) == {"xml_vs_bare", "xml_with_bijlagen_vs_bare"} <= set(DOELEN)
    gemeten = eenheden(deel)
    for soort in ("without bijlagen", "with bijlagen"):
        for naam in ("lxml parse and XSD alone", "our reader alone"):
            assert gemeten[f"{naam}, {soort}"] == {"MB/s", "messages/s", "CPU s/GB"}
        assert gemeten[f"door, 4 at a time, {soort}"] >= {"MB/s", "messages/s", "CPU s of the door/GB"}
    assert all(waarde > 0 for waarden in deel.ratios.values() for waarde in waarden)


@contextmanager
def gevulde_deur(broker: Broker, map_: Path) -> Iterator[xml.Deur]:
    """A door that has taken one small batch with bijlagen, and nothing before."""
    with xml.open_deur(map_ / "data", broker, f"t{uuid4().hex[:12]}.") as deur:
        deur.neem_aan(xml.maak_partij(xml.Maat(1, 3, 4), map_), 1)
        yield deur


def test_what_was_taken_must_be_in_kafka_and_in_the_store(broker: Broker, tmp_path: Path) -> None:
    with gevulde_deur(broker, tmp_path) as deur:
        xml.controleer(deur)
        deur.genomen[uuid4()] = xml.Maat(1, 3)
        with pytest.raises(AssertionError, match="every batch that was taken"):
            xml.controleer(deur)
        deur.genomen.popitem()
        shutil.rmtree(tmp_path / "data" / "opslag")
        with pytest.raises(ObjectOntbreekt):
            xml.controleer(deur)


def test_a_delivery_that_is_not_taken_ends_the_bench(broker: Broker, tmp_path: Path) -> None:
    with gevulde_deur(broker, tmp_path) as deur:
        partij = xml.maak_partij(xml.Maat(1, 2), tmp_path)
        partij.paden[0].write_bytes(b"<geen/>")
        with pytest.raises(RuntimeError, match="400"):
            deur.neem_aan(partij, 1)


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
    deel = pdf.meet(1, klein=True)
    assert "pdf_vs_pikepdf_open" in deel.ratios
    gemeten = eenheden(deel)
    assert len(gemeten) == 4
    assert all(wat == {"files/CPU s", "files/s"} for wat in gemeten.values())
    assert all(waarde > 0 for waarden in deel.ratios.values() for waarde in waarden)


def test_a_check_that_says_something_else_ends_the_bench(monkeypatch: pytest.MonkeyPatch) -> None:
    speel_anderen(monkeypatch)
    monkeypatch.setattr(pdf, "controleer", lambda _: (Waarschuwing.XFA,))
    with pytest.raises(AssertionError, match="must find what was made wrong"):
        pdf.meet(1, klein=True)


def test_every_kind_of_pdf_is_among_the_files() -> None:
    bestanden = pdf.maak_bestanden(pdf.KLEIN_AANTAL)
    assert {bestand.soort for bestand in bestanden} == {
        *("ordinary", "with something wrong", "small", "big", "no PDF", "cut off")
    }
    assert len({bestand.inhoud for bestand in bestanden}) == len(bestanden)
    gewoon = [len(bestand.inhoud) for bestand in pdf.maak_bestanden(500) if bestand.soort == "ordinary"]
    assert 36_000 < sum(gewoon) / len(gewoon) < 38_000
