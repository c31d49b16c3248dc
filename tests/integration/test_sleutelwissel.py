"""Keys are rotated while batches come in and two workers decide: nothing is lost, nobody becomes somebody else."""

import asyncio
import json
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest
from clickhouse_connect.driver.client import Client

from sinks.bijlagenwinkel import Bijlagenwinkel
from sinks.objecten import Objecten
from streams import sleutelbestand
from streams.codec import maak_codec
from streams.settings import Instellingen
from streams.sleutels import lees_sleutels, maak_sleutels
from tests.globe import maak_bijlage
from tests.integration.lijn.los import Los
from tests.integration.lijn.stapel import wacht_tot
from tests.integration.lijn.zending import (
    ACTIEF,
    GEBRUIKERS,
    VERWERKT,
    ZAAD,
    Soort,
    Stroom,
    Zending,
    lever_alle,
    leverancier,
    maak_zending,
    nieuwe_oin,
)
from tests.kafka import lees_alles

pytestmark = pytest.mark.integration

ANNA, BRAM = ACTIEF[0], ACTIEF[1]
RINGEN = ("pseudoniem", "opslag", "logboek")
BIJLAGE = maak_bijlage(b"%PDF-1.4\ncontrole voor de wissel")
AAN_ANNA = Soort("aan Anna", VERWERKT, lambda _: {"GebruikerID": ANNA, "bijlagen": [BIJLAGE]}, waarschuwing=True)
WIE = json.dumps({"belanghebbende": ANNA, "gemachtigde": BRAM})


@pytest.fixture
def los(lijn: Instellingen, tmp_path: Path) -> Iterator[Los]:
    velden = ("kafka", "clickhouse", "database", "topic_prefix", "partities_batch", "partities_bericht")
    with Los(tmp_path, **{naam: getattr(lijn, naam) for naam in velden}) as een:
        maak_sleutels(tmp_path / "sleutels.json")
        een.instellingen["profielservice"] = een.profielservice()
        een.worker("worker-1")
        een.worker("worker-2")
        yield een


def wissel(los: Los) -> None:
    """As the operators' guide says; the wait between is the guide's as well."""
    for ring in RINGEN:
        assert los.vraag("sleutels", "nieuw", ring)["naam"] == "k2"
    time.sleep(sleutelbestand.GEWENNING_S)
    for ring in RINGEN:
        assert los.vraag("sleutels", "activeer", ring, "k2")["actief"]


def test_both_rings_are_rotated_in_mid_stream(los: Los, lijn: Instellingen, database: Client) -> None:
    oin, willekeur = nieuwe_oin(), Random(ZAAD)
    print(f"PROEF_ZAAD={ZAAD}")
    los.laad(leverancier(oin) | {"gebruikers": GEBRUIKERS})
    machtiging = ("--oin", oin, "--dienst", "Dienst A")
    los.vraag("machtiging", "geef", *machtiging, invoer=WIE)

    def maak() -> Zending:
        return maak_zending(oin, [AAN_ANNA] * 3, willekeur)

    deur = los.deur()
    with Stroom(lambda: deur, maak, per_s=3) as stroom:
        stroom.wacht_op(4)
        wacht_tot(lambda: onder(database, "k1"), 60, "messages by the first key are placed")
        voor_de_wissel = set(onder(database, "k1"))
        wissel(los)
        wacht_tot(lambda: onder(database, "k2"), 60, "messages by the second key are placed")
        stroom.wacht_op(4)
    zendingen = stroom.zendingen
    assert los.vraag("wacht", "--timeout", "120")["klaar"]

    # Every message is there once, under one of both names of one and the same citizen.
    sleutels = lees_sleutels(los.data / "sleutels.json")
    assert sleutels.pseudoniem(ANNA).startswith("k2:")
    rijen = database.query("SELECT bericht_id, ontvanger FROM uitkomsten FINAL WHERE code = 'Verwerkt'").result_rows
    alle = sorted(een for zending in zendingen for een in zending.bericht_ids)
    assert sorted(str(bericht_id) for bericht_id, _ in rijen) == alle
    assert {ontvanger for _, ontvanger in rijen} == set(sleutels.pseudoniemen(ANNA))
    assert voor_de_wissel <= set(onder(database, "k1"))

    # Who may read them still may, whichever key they were placed under; nobody else does.
    inzage = {rij["bericht_id"] for rij in los.vraag("inzage", invoer=WIE)}
    assert sorted(inzage) == alle
    andersom = json.dumps({"belanghebbende": BRAM, "gemachtigde": ANNA})
    assert los.vraag("inzage", invoer=andersom) == []

    # What was stored under the first key can be read; the bijlage, checked once, is not lost; both keys are in use.
    gelezen = asyncio.run(lees_winkel(lijn, los))
    assert {naam for naam, _ in gelezen} == {"k1", "k2"}
    assert sum(aantal for _, aantal in gelezen) == len(alle)

    # The citizen is told by the name of then, and by the name of now from the rotation on.
    wacht_tot(lambda: len(notificaties(lijn)) == len(alle), 60, "everybody is told")
    verteld = notificaties(lijn)
    assert dict(verteld) == {str(bericht_id): wie for bericht_id, wie in rijen}
    assert verteld[-1][1] == sleutels.pseudoniem(ANNA)

    # Withdrawn under both names.
    los.vraag("machtiging", "trek-in", *machtiging, invoer=WIE)
    assert los.vraag("inzage", invoer=WIE) == []

    # What is in use is not removed, however long ago it was replaced.
    assert "was active until" in los.doe("sleutels", "verwijder", "opslag", "k1", "--ja").stderr
    for ring, wat in (("pseudoniem", "messages, 1 machtigingen"), ("opslag", "objects"), ("logboek", "records of the")):
        lang_geleden(los.data / "sleutels.json", ring)
        geweigerd = los.doe("sleutels", "verwijder", ring, "k1", "--ja")
        assert geweigerd.returncode == 1
        assert "is still needed" in geweigerd.stderr
        assert wat in geweigerd.stderr

    # A key that nothing was made with can go, and its name does not come back.
    assert los.vraag("sleutels", "nieuw", "opslag")["naam"] == "k3"
    zonder_ja = los.doe("sleutels", "verwijder", "opslag", "k3")
    assert zonder_ja.returncode == 2
    assert los.vraag("sleutels", "verwijder", "opslag", "k3", "--ja")["naam"] == "k3"
    assert los.vraag("sleutels", "nieuw", "opslag")["naam"] == "k4"
    getoond = los.vraag("sleutels", "toon")
    namen = [(rij["ring"], rij["naam"], rij["actief"]) for rij in getoond]
    assert namen == [
        *(("pseudoniem", naam, naam == "k2") for naam in ("k1", "k2")),
        *(("opslag", naam, naam == "k2") for naam in ("k1", "k2", "k4")),
        *(("logboek", naam, naam == "k2") for naam in ("k1", "k2")),
    ]
    geheimen = json.loads((los.data / "sleutels.json").read_text())
    alle_sleutels = [sleutel for ring in geheimen.values() for sleutel in ring["sleutels"].values()]
    assert not [sleutel for sleutel in alle_sleutels if sleutel in json.dumps(getoond)]

    # A resend after all this gives nothing twice.
    opnieuw = Zending(oin, None, zendingen[0].batch_id, zendingen[0].xml, [])
    lever_alle(deur, [opnieuw])
    assert los.vraag("wacht", "--timeout", "120")["klaar"]
    (rij,) = los.vraag("totalen")
    assert (rij["berichten"], rij["verwerkt"]) == (len(alle), len(alle))


def onder(database: Client, naam: str) -> list[str]:
    """The messages that are placed under a pseudonym of this key."""
    vraag = "SELECT bericht_id FROM uitkomsten FINAL WHERE startsWith(ontvanger, {voor:String})"
    return [str(een) for (een,) in database.query(vraag, parameters={"voor": f"{naam}:"}).result_rows]


async def lees_winkel(lijn: Instellingen, los: Los) -> list[tuple[str, int]]:
    """Every object with messages: the key it is encrypted with, and how many messages are in it."""
    sleutels, codec = lees_sleutels(los.data / "sleutels.json"), maak_codec(lijn)
    objecten = Objecten(f"file://{los.data / 'opslag'}", sleutels)
    bijlagen, gelezen = Bijlagenwinkel(objecten), []
    async for naam, _ in objecten.lijst("berichten"):
        batch = codec.lees_batch(await objecten.lees(naam), "bericht")
        for plaats in range(len(batch.berichten.bijlage_rijen)):
            assert (await bijlagen.lees(batch.kader, batch.berichten.sha256(plaats))).startswith(b"%PDF")
        gelezen.append((await objecten.sleutel_van(naam) or "", len(batch.berichten)))
    return gelezen


def notificaties(lijn: Instellingen) -> list[tuple[str, str]]:
    """BerichtID and pseudonym of every notification, in the order of the topic."""
    codec = maak_codec(lijn)

    async def alle() -> list[tuple[str, str]]:
        gelezen: list[Any] = [codec.lees_notificatie(een.waarde) for een in await lees_alles(lijn, "notificatie", 0)]
        return [(str(een.bericht_id), een.ontvanger) for een in gelezen]

    return asyncio.run(alle())


def lang_geleden(bestand: Path, ring: str) -> None:
    """As if the key had been replaced long ago."""
    inhoud = json.loads(bestand.read_text())
    inhoud[ring]["vervangen"] = {"k1": "2020-01-01T00:00:00Z"}
    bestand.write_text(json.dumps(inhoud))
