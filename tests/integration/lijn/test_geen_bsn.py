"""A BSN stands in the batch and message events, in the encrypted store and in the question to the profile service:
nowhere else. Everything that the stack wrote is searched for every BSN of the sample and of these tests."""

import json
import sqlite3
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any

import httpx
import pytest

from tests import bsns
from tests.globe import Rauw, maak_bericht, maak_xml
from tests.integration.lijn import zending
from tests.integration.lijn.logboek import lees
from tests.integration.lijn.stapel import Stapel, haal
from tests.integration.lijn.zending import ACTIEF, TECHNISCH
from tests.regels import regel
from voorbeeld import personen
from voorbeeld.generator import MIN_BATCHES, MIN_BERICHTEN, maak_voorbeeld
from voorbeeld.globe import schrijf
from voorbeeld.levering import Groep
from voorbeeld.referentiegegevens import MET_STORING, deactivering, referentiegegevens

pytestmark = pytest.mark.integration


def plaatsen(bronnen: Iterable[bsns.Bron]) -> list[str]:
    """Where a BSN of the sample or of these tests stands."""
    return bsns.plaatsen(bronnen, _bsns())


def _bsns() -> set[bytes]:
    return bsns.zoekbaar(personen.alle_bsns() | zending.ALLE_BSNS)


@pytest.fixture(scope="module")
def bespeeld(lijn: Stapel, tmp_path_factory: pytest.TempPathFactory) -> Stapel:
    """The stack after the sample, and after everything that may go wrong with a BSN in hand."""
    map_ = tmp_path_factory.mktemp("voorbeeld")
    voorbeeld = maak_voorbeeld(7, 1, datetime.now(UTC), MIN_BATCHES, MIN_BERICHTEN)
    lijn.laad(referentiegegevens())
    for groep in Groep:
        if groep is Groep.NA_DEACTIVERING:
            lijn.laad(deactivering())
        if groep is Groep.STORING:
            lijn.storing(MET_STORING)
        doors: dict[str, Path] = {}
        for levering in voorbeeld.leveringen:
            if levering.groep is groep:
                door = doors.setdefault(levering.aangeleverd_door, map_ / groep / levering.aangeleverd_door)
                door.mkdir(parents=True, exist_ok=True)
                schrijf(voorbeeld, levering, door / f"{levering.volgnummer}.xml")
        for oin, door in doors.items():
            lijn.opdracht("aanleveren", door, "--oin", oin)
        lijn.wacht(120)
    lijn.storing()
    assert lijn.sql(f"SELECT DISTINCT code FROM berichten WHERE leverancier = '{MET_STORING}'") == [[TECHNISCH[0]]]
    _ga_fout(lijn, map_)
    return lijn


def _ga_fout(lijn: Stapel, map_: Path) -> None:
    """Refusals, errors and wrong usage, each with a BSN in what is given."""
    bsn = ACTIEF[0]
    slecht = {
        "torn.xml": f"<Berichten><GebruikerID>{bsn}".encode(),
        "root.xml": f'<a b="{bsn}"><GebruikerID>{bsn}</GebruikerID></a>'.encode(),
        "entity.xml": f"<!DOCTYPE a [<!ENTITY x '{bsn}'>]><a>&x;</a>".encode(),
        "geen.xml": bsn.encode(),
        "batchid.xml": maak_xml(batch_id=bsn, leverancier=bsn),
    }
    (map_ / "slecht").mkdir()
    for naam, inhoud in slecht.items():
        (map_ / "slecht" / naam).write_bytes(inhoud)
    assert len(lijn.vraag("aanleveren", map_ / "slecht", code=1)["geweigerd"]) == len(slecht)
    lijn.opdracht("aanleveren", map_ / "slecht", "--controleer", code=1)
    fout = maak_xml(
        leverancier=zending.nieuwe_oin(),
        berichten=[
            maak_bericht(1, GebruikerID=f"{bsn}0", Onderwerp=bsn * 8),
            maak_bericht(2, BerichtType=f"{bsn[1:]}", GebruikerID=bsn, Referentie=bsn),
            maak_bericht(3, BerichtID=bsn, PublicatieDatum=bsn, SoortGebruiker=bsn, BerichtType=bsn),
            maak_bericht(4, GebruikerID=Rauw(f"<GebruikerID><x>{bsn}</x></GebruikerID>")),
        ],
    )
    (map_ / "schema.xml").write_bytes(fout)
    lijn.opdracht("aanleveren", map_ / "schema.xml", "--controleer")
    lijn.opdracht("aanleveren", map_ / "schema.xml")
    for laad in (
        {"gebruikers": [{"bsn": bsn, "actief": "soms", "abonnementen": bsn}]},
        {"gebruikers": [{"bsn": f"{bsn}1", "actief": True, "abonnementen": "*"}]},
        {"machtigingen": [{"belanghebbende": bsn, "gemachtigde": bsn, "oin": bsn, "dienst_id": "x", "van": bsn}]},
        {"leveranciers": [{"oin": bsn, "naam": "x"}], bsn: [bsn]},
    ):
        (map_ / "laad.json").write_text(json.dumps(laad))
        lijn.opdracht("laad", map_ / "laad.json", code=1)
    (map_ / "laad.json").write_text(f'{{"gebruikers": [{{"bsn": "{bsn}", ')
    lijn.opdracht("laad", map_ / "laad.json", code=1)
    deur, profiel = lijn.adressen["aanlevering"], lijn.adressen["profielservice"]
    for methode, url, inhoud in (
        ("POST", f"{deur}/v1/batches?bsn={bsn}", bsn.encode()),
        ("GET", f"{deur}/v1/batches/{bsn}/resultaat", b""),
        ("POST", f"{deur}/{bsn}", b""),
        ("PUT", f"{profiel}/gebruikers", f'{{"gebruikers": [{{"bsn": "{bsn}", "actief": 3}}]}}'.encode()),
        ("PUT", f"{profiel}/gebruikers", bsn.encode()),
        ("POST", f"{profiel}/", f"<a>{bsn}</a>".encode()),
    ):
        antwoord = httpx.request(methode, url, content=inhoud, timeout=30, trust_env=False)
        assert antwoord.status_code >= 400
        lijn.uitvoer.append((f"{methode} to {url.split('/')[2]}", antwoord.text + str(antwoord.headers)))
    # The profile service names a citizen in the fault itself: what is told of it must not.
    httpx.put(f"{profiel}/storing", json={"fout_bij_bsn": [ACTIEF[1]]}, timeout=30, trust_env=False).raise_for_status()
    oin = zending.nieuwe_oin()
    lijn.laad(zending.leverancier(oin))
    soort = zending.Soort("storing", TECHNISCH, lambda _: {"GebruikerID": ACTIEF[1]})
    bericht = zending.maak_zending(oin, [soort], Random(oin))
    zending.lever_alle(lijn.adressen["aanlevering"], [bericht])
    lijn.wacht(120)
    lijn.storing()
    lijn.wacht(120)
    [[batch_id]] = lijn.sql("SELECT toString(batch_id) FROM berichtverwerking ORDER BY niet_verwerkt DESC LIMIT 1")
    for woorden in (
        "totalen",
        "berichtverwerking --berichten",
        "fouten --json",
        "fouten --code XmlValidatieTegenXsdValtNegatiefUit",
        "sla",
        "lag",
        f"resultaat {batch_id}",
        f"resultaat {batch_id} --xml",
    ):
        lijn.opdracht(*woorden.split())


@regel(
    "The BSN stands in the batch and message events, the encrypted message store and the profile service call",
    "no result, log line, metric, Kafka key or header, error text",
)
def test_topics_hold_no_bsn_but_in_the_values_of_messages(bespeeld: Stapel) -> None:
    assert not plaatsen(bsns.in_topics(bespeeld.adressen["kafka"]))


def test_the_search_finds_the_bsns_where_they_are(bespeeld: Stapel) -> None:
    for topic in ("batch", "bericht"):
        waarden = b"\n".join(record.waarde or b"" for record in lees(bespeeld.adressen["kafka"], topic))
        gezien = bsns.gevonden(waarden, _bsns())
        assert len(gezien) >= 50, f"{topic}: the search would miss BSNs"
    assert bsns.gevonden(b"bsn=010082426;", _bsns())
    assert bsns.gevonden(b'"10082426"', _bsns())
    assert not bsns.gevonden(b"1010082426 10082426123", _bsns())


@regel("command line, or ClickHouse column")
def test_no_column_of_any_table_holds_a_bsn(bespeeld: Stapel) -> None:
    gezien: set[str] = set()

    def bronnen() -> Iterable[bsns.Bron]:
        for plaats, inhoud in bsns.in_tabellen(bespeeld.sql):
            gezien.add(plaats)
            yield plaats, inhoud

    assert not plaatsen(bronnen())
    assert len(gezien) > 50
    assert any(plaats.startswith("system.") for plaats in gezien), "the engine's own logs are searched as well"


@regel(
    "The BSN stands in the batch and message events, the encrypted message store and the profile service call",
    "no result, log line, metric, Kafka key or header, error text",
    "an object, encrypted, in the message store",
)
def test_no_file_in_the_data_folder_holds_a_bsn_but_the_log_of_batch_and_bericht(bespeeld: Stapel) -> None:
    gezien = [naam for naam, _ in bsns.in_bestanden(bespeeld.data)]
    for deel in ("logs/", "kafka/logs/", "profielservice/", "opslag/berichten/", "opslag/pakken/", "clickhouse/"):
        assert any(naam.startswith(deel) for naam in gezien), f"nothing in {deel}: look where it is now"
    assert {"endpoints.json", "up.log"} <= set(gezien)
    assert not plaatsen(bsns.in_bestanden(bespeeld.data))


def test_the_profile_service_keeps_no_bsn_in_its_table(bespeeld: Stapel) -> None:
    def bronnen() -> Iterable[tuple[str, bytes]]:
        for pad in (bespeeld.data / "profielservice").glob("*.sqlite"):
            with sqlite3.connect(f"file:{pad}?mode=ro", uri=True) as db:
                for [tabel] in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
                    inhoud: list[Any] = db.execute(f"SELECT * FROM {tabel}").fetchall()
                    assert inhoud
                    yield tabel, repr(inhoud).encode()

    assert not plaatsen(bronnen())


@regel("no result, log line, metric, Kafka key or header, error text")
def test_what_commands_and_services_say_holds_no_bsn(bespeeld: Stapel) -> None:
    assert len(bespeeld.uitvoer) > 25
    assert not plaatsen((woorden, tekst.encode()) for woorden, tekst in bespeeld.uitvoer)
    assert not plaatsen((url, haal(url).content) for url in bespeeld.adressen["metrics"])


@regel("command line, or ClickHouse column")
def test_no_process_has_a_bsn_on_its_command_line_or_in_its_environment(bespeeld: Stapel) -> None:
    pids = bespeeld.alle_pids()
    assert len(pids) >= 7
    for bestand in ("cmdline", "environ"):
        assert not plaatsen((f"{pid} {bestand}", Path(f"/proc/{pid}/{bestand}").read_bytes()) for pid in pids)
