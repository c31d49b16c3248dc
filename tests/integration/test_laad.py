"""`laad` against a real broker and the reference profile service: all of a file, or nothing of it."""

import base64
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from avro.codec import Codec
from cli import laad as module
from cli.laad import LaadFout, laad, lees_json
from domain.referentie import Referentie
from domain.tijd import lees_tijd
from streams.broker import Broker
from streams.referentie import ReferentieVolger, lees_referentie
from streams.settings import Instellingen
from streams.sleutels import lees_sleutels, maak_sleutels
from streams.topics import maak_topics
from tests.regels import regel

pytestmark = pytest.mark.integration

OIN = "00000099000000001000"
BSN, ANDER_BSN = "000000012", "000000024"


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    with Broker(tmp_path_factory.mktemp("broker")) as running:
        yield running


@pytest.fixture
def profielservice() -> Iterator[str]:
    opdracht = [sys.executable, "-m", "profielservice", "--poort", "0"]
    with subprocess.Popen(opdracht, stdout=subprocess.PIPE, text=True) as proces:
        try:
            assert proces.stdout is not None
            adres = re.search(r"http://\S+", proces.stdout.readline())
            assert adres
            yield adres[0]
        finally:
            proces.kill()


@pytest.fixture
def instellingen(broker: Broker, profielservice: str, tmp_path: Path) -> Instellingen:
    instellingen = Instellingen.laad(
        tmp_path, kafka=broker.adres, profielservice=profielservice, topic_prefix=f"{uuid4()}."
    )
    maak_topics(instellingen)
    maak_sleutels(instellingen.sleutelbestand)
    return instellingen


@pytest.fixture
def bestand(tmp_path: Path) -> Path:
    return schrijf(tmp_path / "referentie.json", inhoud())


def inhoud() -> dict[str, Any]:
    return {
        "leveranciers": [{"oin": OIN, "naam": "Gemeente Voorbeeld", "intermediair_voor": []}],
        "berichttypes": [
            {
                "oin": OIN,
                "code": "AANSLAG",
                "omschrijving": "Aanslag belastingen",
                "notificatiekenmerk": "Betalen",
                "status": "Actief",
            }
        ],
        "diensten": [
            {
                "oin": OIN,
                "dienst_id": "Belastingen",
                "omschrijving": "…",
                "status": "Actief",
                "berichttypes": ["AANSLAG"],
            }
        ],
        "machtigingen": [
            {
                "belanghebbende": BSN,
                "gemachtigde": ANDER_BSN,
                "oin": OIN,
                "dienst_id": "Belastingen",
                "van": "2026-01-01T00:00:00Z",
                "tot": None,
            }
        ],
        "gebruikers": [{"bsn": een, "actief": True, "abonnementen": "*"} for een in (BSN, ANDER_BSN)],
    }


def schrijf(pad: Path, wat: object) -> Path:
    pad.write_text(json.dumps(wat))
    return pad


def aantal(instellingen: Instellingen) -> int:
    antwoord = httpx.get(f"{instellingen.profielservice}aantal", timeout=30, trust_env=False)
    return int(antwoord.raise_for_status().json()["aantal"])


async def staat(instellingen: Instellingen) -> Referentie:
    return await lees_referentie(instellingen, Codec())


async def test_a_file_is_merged_everywhere_and_a_second_time_changes_nothing(
    instellingen: Instellingen, bestand: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PER_KEER", 1)
    volger = ReferentieVolger(instellingen, Codec(), lambda fout: None)
    await volger.start()
    try:
        verslag = await laad(instellingen, bestand, "tester")
        assert volger.referentie.diensten_van(OIN, "AANSLAG") == ["Belastingen"]
        assert volger.referentie == await staat(instellingen)
    finally:
        await volger.stop()
    een = {"leverancier": 1, "berichttype": 1, "dienst": 1, "machtiging": 1}
    geen = dict.fromkeys(een, 0)
    assert verslag.json() == {
        "nieuw": een,
        "gewijzigd": geen,
        "gebruikers": {"nieuw": 2, "gewijzigd": 0, "gelijk": 0},
        "wijzigingen": [
            f"leverancier {OIN}: new",
            f"berichttype {OIN}/AANSLAG: new, Actief",
            f"dienst {OIN}/Belastingen: new, Actief, linked to AANSLAG",
            f"machtigingen.0 for dienst {OIN}/Belastingen: new, from 2026-01-01T00:00:00.000Z, without end",
        ],
        "opmerkingen": [],
    }
    (machtiging,) = (await staat(instellingen)).machtigingen.values()
    assert machtiging.belanghebbende == lees_sleutels(instellingen.sleutelbestand).pseudoniem(BSN)

    weer = await laad(instellingen, bestand, "tester")
    assert (weer.nieuw, weer.gewijzigd, weer.wijzigingen) == (geen, geen, [])
    assert weer.gebruikers == {"nieuw": 0, "gewijzigd": 0, "gelijk": 2}


async def test_a_change_the_lifecycle_does_not_allow_changes_nothing_at_all(
    instellingen: Instellingen, bestand: Path
) -> None:
    await laad(instellingen, bestand, "tester")
    voor = await staat(instellingen)
    anders = inhoud()
    anders["berichttypes"][0]["status"] = "Nieuw"
    anders["leveranciers"][0]["naam"] = "Anders"
    anders["gebruikers"].append({"bsn": "000000036", "actief": True, "abonnementen": "*"})
    with pytest.raises(LaadFout, match=f"{OIN}/AANSLAG: Actief → Nieuw is not allowed"):
        await laad(instellingen, schrijf(bestand, anders), "tester")
    assert await staat(instellingen) == voor
    assert aantal(instellingen) == 2


async def test_nothing_is_changed_when_the_profile_service_is_away(instellingen: Instellingen, bestand: Path) -> None:
    weg = instellingen.model_copy(update={"profielservice": "http://127.0.0.1:1"})
    with pytest.raises(LaadFout, match=r"does not answer .* nothing in the topics is changed"):
        await laad(weg, bestand, "tester")
    ander = instellingen.model_copy(update={"profielservice": f"{instellingen.profielservice}elders/"})
    with pytest.raises(LaadFout, match="answered 404; nothing in the topics is changed"):
        await laad(ander, bestand, "tester")
    assert await staat(instellingen) == Referentie()


@regel("Too wide is a privacy breach, too narrow leaves someone without his letter: both are errors")
async def test_after_a_new_key_for_pseudonyms_a_file_still_ends_what_was_given_under_the_old_one(
    instellingen: Instellingen, bestand: Path
) -> None:
    await laad(instellingen, bestand, "tester")
    ringen = json.loads(instellingen.sleutelbestand.read_text())
    ring = ringen["pseudoniem"]
    ring["sleutels"]["k2"] = base64.b64encode(bytes(32)).decode()
    ring["actief"] = "k2"
    schrijf(instellingen.sleutelbestand, ringen)
    assert (await laad(instellingen, bestand, "tester")).wijzigingen == []
    anders = inhoud()
    anders["machtigingen"][0]["tot"] = "2026-02-01T00:00:00Z"
    assert len((await laad(instellingen, schrijf(bestand, anders), "tester")).wijzigingen) == 1
    (machtiging,) = (await staat(instellingen)).machtigingen.values()
    assert (machtiging.belanghebbende[:3], machtiging.tot) == ("k1:", lees_tijd("2026-02-01T00:00:00Z"))
    with pytest.raises(LaadFout, match=r"nothing is changed: machtigingen\.0 .* has ended") as fout:
        await laad(instellingen, schrijf(bestand, inhoud()), "tester")
    assert BSN not in str(fout.value)


async def test_a_file_without_citizens_needs_no_profile_service(instellingen: Instellingen, bestand: Path) -> None:
    weg = instellingen.model_copy(update={"profielservice": "http://127.0.0.1:1"})
    schrijf(bestand, {naam: lijst for naam, lijst in inhoud().items() if naam != "gebruikers"})
    assert (await laad(weg, bestand, "tester")).gebruikers == {}
    assert (await staat(instellingen)).ondersteunt(OIN, "AANSLAG")


async def test_missing_keys_or_a_broken_shape_are_clear_errors(instellingen: Instellingen, bestand: Path) -> None:
    zonder = instellingen.model_copy(update={"sleutels": bestand.parent / "weg.json"})
    with pytest.raises(LaadFout, match="no key file"):
        await laad(zonder, bestand, "tester")
    with pytest.raises(LaadFout, match=r"nothing is changed: leveranciers\.0\.naam: ") as fout:
        await laad(instellingen, schrijf(bestand, {"leveranciers": [{"oin": OIN, "naam": int(BSN)}]}), "tester")
    assert BSN.lstrip("0") not in str(fout.value).replace(str(bestand), "")


@pytest.mark.parametrize(
    ("inhoud", "reden"),
    [
        (b'{"a": }', r"not JSON: .* \(line 1, column 7\)"),
        (b"", "not JSON"),
        (b"\xff\xfe\xff", "not UTF-8"),
        (b"[" * 100_000, "nested too deep"),
        (b'{"diensten": [], "diensten": []}', "a key stands twice"),
        (b'{"gebruikers": [{"bsn": "1", "bsn": "2"}]}', "a key stands twice"),
    ],
)
def test_what_is_not_json_is_a_clear_error(tmp_path: Path, inhoud: bytes, reden: str) -> None:
    (tmp_path / "x.json").write_bytes(inhoud)
    with pytest.raises(LaadFout, match=reden):
        lees_json(tmp_path / "x.json")


def test_a_file_that_is_not_there_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(LaadFout, match="cannot be read: No such file"):
        lees_json(tmp_path / "x.json")


def test_a_byte_order_mark_does_no_harm(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_bytes(b'\xef\xbb\xbf{"diensten": []}')
    assert lees_json(tmp_path / "x.json") == {"diensten": []}
