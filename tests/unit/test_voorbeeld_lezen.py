"""The sample against the reader and the rules: each says of every message what the generator meant.

The expectation is counted without the rules, so this holds both to domain.md from two sides.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import pytest

from aanlevering.lezer import lees
from bijlagen.controle import controleer
from domain.batch import Batch
from domain.beslissing import Bekend, beoordeel_vooraf, beslis
from domain.codes import Stadium, Verwerkingscode
from domain.laadbestand import lees_laadbestand
from domain.referentie import Referentie
from domain.samenvoegen import samenvoegen
from voorbeeld import gevallen
from voorbeeld.generator import maak_voorbeeld
from voorbeeld.gevallen import Antwoord
from voorbeeld.globe import schrijf
from voorbeeld.levering import Groep, Levering, Voorbeeld
from voorbeeld.referentiegegevens import MET_STORING, deactivering, referentiegegevens

NU = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


@pytest.fixture(scope="module")
def voorbeeld() -> Voorbeeld:
    return maak_voorbeeld(1, 1, NU, 40, 4_000)


@pytest.fixture(scope="module")
def gelezen(voorbeeld: Voorbeeld, tmp_path_factory: pytest.TempPathFactory) -> list[tuple[Levering, Batch]]:
    """Every delivery as the reader gives it."""
    return list(_lees(voorbeeld, tmp_path_factory.mktemp("globe") / "batch.xml"))


_OORDELEN: dict[bytes, tuple[str, ...]] = {}
"""What the PDF check says of each bijlage that was read."""


def _keur(sha256: bytes, inhoud: bytes) -> None:
    _OORDELEN[sha256] = tuple(map(str, controleer(inhoud)))


def _lees(voorbeeld: Voorbeeld, bestand: Path) -> Iterator[tuple[Levering, Batch]]:
    for plaats, levering in enumerate(voorbeeld.leveringen):
        schrijf(voorbeeld, levering, bestand)
        with bestand.open("rb") as stroom:
            yield (
                levering,
                lees(
                    iter(lambda stroom=stroom: stroom.read(65536), b""),  # type: ignore[misc]
                    proceskenmerk=UUID(int=plaats),
                    aangeleverd_op=int(NU.timestamp() * 1000),
                    aangeleverd_door=levering.aangeleverd_door,
                    bewaar=_keur,
                ),
            )


def test_the_reader_finds_exactly_the_faults_that_were_meant(gelezen: list[tuple[Levering, Batch]]) -> None:
    for levering, batch in gelezen:
        assert (str(batch.kader.batch_id), batch.kader.leverancier) == (str(levering.batch_id), levering.leverancier)
        gevonden = [
            (bericht.geval.naam, bool(fout))
            for bericht, fout in zip(levering.berichten, batch.berichten.schema_fouten, strict=True)
        ]
        gemeend = [(bericht.geval.naam, bericht.antwoord == gevallen.XML) for bericht in levering.berichten]
        assert gevonden == gemeend


def test_each_fault_is_found_in_the_element_that_has_it(gelezen: list[tuple[Levering, Batch]]) -> None:
    gevonden = {
        bericht.geval.naam: fout.partition(":")[0]
        for levering, batch in gelezen
        for bericht, fout in zip(levering.berichten, batch.berichten.schema_fouten, strict=True)
    }
    verwacht = {
        "onderwerp te lang": "Onderwerp",
        "gebruiker van 7 cijfers": "GebruikerID",
        "gebruiker in andere cijfers": "GebruikerID",
        "ander BatchID": "BatchID",
        "BerichtID onleesbaar": "BerichtID",
        "publicatiedatum zonder zone": "PublicatieDatum",
        "inhoud geen base64": "Inhoud",
        "drie bijlagen": "Bijlage",
        "volgorde geen getal": "Volgorde",
    }
    assert {naam: gevonden[naam] for naam in verwacht} == verwacht


def test_the_rules_decide_on_every_message_what_was_expected(gelezen: list[tuple[Levering, Batch]]) -> None:
    referentie = Referentie()
    _laad(referentie, referentiegegevens())
    verwerkt: dict[str, set[bytes]] = {}
    for levering, batch in gelezen:
        if levering.groep is Groep.NA_DEACTIVERING:
            _laad(referentie, deactivering())
        bekend = Bekend(verwerkt=verwerkt.setdefault(levering.leverancier, set()))
        vragen = beoordeel_vooraf(batch, referentie).te_vragen(batch, bekend)
        storing = levering.leverancier == MET_STORING
        antwoorden = {} if storing else {vraag: _mag(vraag[1], levering.leverancier) for vraag in vragen}
        opgegeven = {Stadium.VALIDATE_GEBRUIKER} if storing else set()
        uitkomst = beslis(batch, referentie, bekend, antwoorden, 0, oordelen=_OORDELEN, opgegeven=opgegeven)
        besloten = [
            Antwoord(code, stadium, tuple(waarschuwingen))
            for code, stadium, waarschuwingen in zip(
                uitkomst.codes, uitkomst.stadia, uitkomst.waarschuwingen, strict=True
            )
        ]
        assert besloten == [bericht.antwoord for bericht in levering.berichten]
        verwerkt[levering.leverancier].update(
            uitkomst.bericht_id(rij) for rij, code in enumerate(uitkomst.codes) if code is Verwerkingscode.VERWERKT
        )


def _laad(referentie: Referentie, inhoud: object) -> None:
    wijzigingen = samenvoegen(referentie, lees_laadbestand(inhoud), 0, lambda bsn: [f"pseudoniem-{hash(bsn)}"])
    referentie.zet(wijzigingen.gegevens)


_GEBRUIKERS = {rij["bsn"]: rij for rij in referentiegegevens()["gebruikers"]}


def _mag(bsn: str, leverancier: str) -> bool:
    gebruiker = _GEBRUIKERS.get(bsn)
    if gebruiker is None or not gebruiker["actief"]:
        return False
    return gebruiker["abonnementen"] == "*" or leverancier in gebruiker["abonnementen"]
