"""The sample's XML: well-formed, within the limits, and valid where it is meant to be."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from lxml import etree

from domain.batch import MAX_BATCH_BYTES
from voorbeeld.generator import maak_voorbeeld
from voorbeeld.globe import BATCH_NS, BERICHT_NS, schrijf
from voorbeeld.levering import Voorbeeld

NU = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


@pytest.fixture(scope="module")
def voorbeeld() -> Voorbeeld:
    return maak_voorbeeld(1, 1, NU, 20, 2_000)


def test_every_batch_is_well_formed_and_small_enough(voorbeeld: Voorbeeld, tmp_path: Path) -> None:
    bestand = tmp_path / "batch.xml"
    for levering in voorbeeld.leveringen:
        schrijf(voorbeeld, levering, bestand)
        wortel = etree.parse(bestand).getroot()
        assert wortel.tag == f"{{{BATCH_NS}}}Berichten"
        assert wortel[0].tag == f"{{{BATCH_NS}}}BatchInformatie"
        assert len(wortel) - 1 == len(levering.berichten) <= 1000
        assert {bericht.tag for bericht in list(wortel)[1:]} == {f"{{{BERICHT_NS}}}Bericht"}
        assert bestand.stat().st_size <= MAX_BATCH_BYTES


def test_text_with_markup_in_it_arrives_as_it_was(voorbeeld: Voorbeeld, tmp_path: Path) -> None:
    bestand = tmp_path / "batch.xml"
    for levering in voorbeeld.leveringen:
        schrijf(voorbeeld, levering, bestand)
        onderwerpen = [(element.text or "") for element in etree.parse(bestand).iter(f"{{{BERICHT_NS}}}Onderwerp")]
        velden = (ontwerp.velden["Onderwerp"] for ontwerp in voorbeeld.ontwerpen(levering))
        assert onderwerpen == [tekst for tekst in velden if tekst is not None]


def test_batches_come_with_and_without_prefixes(voorbeeld: Voorbeeld, tmp_path: Path) -> None:
    bestand = tmp_path / "batch.xml"
    voorvoegsels = set()
    for levering in voorbeeld.leveringen:
        schrijf(voorbeeld, levering, bestand)
        voorvoegsels.add(etree.parse(bestand).getroot().prefix)
    assert voorvoegsels == {None, "v"}
