"""What is past its term is gone, and what is within it is there: in ClickHouse's own engine, and in a real broker."""

import asyncio
import hashlib
import os
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from aiokafka import AIOKafkaProducer
from clickhouse_connect.driver.client import Client
from confluent_kafka.admin import NewPartitions  # type: ignore[attr-defined]

from avro.codec import Codec
from cli.opruimen import ruim
from domain.batch import Batch
from domain.beslissing import Bekend, Uitkomst, beslis
from domain.logboek import logboek_van
from domain.resultaat import Resultaat
from domain.tijd import DAG_MS
from sinks.bewaren import termijnen, wis_batches, zet_termijnen
from sinks.bijlagenwinkel import pak_naam
from sinks.objecten import Objecten, bijlage_naam
from sinks.rijen import Rijen, van_batch, van_logboek, van_resultaat, van_uitkomst
from sinks.schrijver import Schrijver
from sinks.vragen import Filter, Vragen
from streams import broker as broker_module
from streams.broker import Broker
from streams.logboeksleutels import Logboeksleutels
from streams.producer import maak_producer
from streams.settings import Instellingen
from streams.sleutels import lees_sleutels, maak_sleutels
from streams.topics import controleer, maak_topics
from streams.verbinding import Beheer
from tests.kafka import lees_alles
from tests.regels import regel
from tests.slices import BSNS, TYPE, A, kader, maak_slice, referentie

pytestmark = pytest.mark.integration

CODEC = Codec()
NU = time.time_ns() // 1_000_000
RING = Logboeksleutels("k1", {"k1": bytes(32)})


def levering(dagen: float, batch: int, run: int, *, bekend: bool = False) -> tuple[Batch, Uitkomst]:
    """A run over a batch of two messages, so many days ago; `bekend`: both were placed before."""
    op = NU - round(dagen * DAG_MS)
    van = kader(run=UUID(int=run), batch=UUID(int=batch), totaal=2, aangeleverd_op=op, aanmaakdatum=op)
    slice_ = maak_slice(ids=[f"{batch}-a", f"{batch}-b"], van=van)
    ids = {slice_.berichten.bericht_id(rij) for rij in range(2)} if bekend else set()
    uitkomst = beslis(
        slice_, referentie(), Bekend(verwerkt=ids), {(TYPE, BSNS[0]): True}, op + 1000, pseudoniem=lambda _: "k1:ab"
    )
    return slice_, uitkomst


class Tafel:
    """What the sink has brought to ClickHouse."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.schrijver = Schrijver(client)
        self.offset = 0

    async def rijen(self, tabel: str, kolommen: object) -> None:
        rijen = Rijen(tabel)
        rijen.voeg_toe(kolommen)  # type: ignore[arg-type]
        await self.schrijver.schrijf_tabel(rijen)

    async def lever(self, slice_: Batch, uitkomst: Uitkomst | None) -> None:
        self.offset += 1
        await self.rijen("runs", van_batch(slice_, self.offset))
        if uitkomst is None:
            return
        await self.rijen("uitkomsten", van_uitkomst(uitkomst, self.offset))
        u = uitkomst
        resultaat = Resultaat(u.kader, u.verwerkt_op, u.nummers, u.bericht_ids, u.berichttypes, u.codes, u.stadia)
        await self.rijen("resultaten", van_resultaat(resultaat))
        await self.rijen("logboekregels", van_logboek(logboek_van(slice_, uitkomst, "urn:x", RING), self.offset))

    def runs(self, tabel: str) -> set[int]:
        """The runs that have a row in a table."""
        gevonden = self.client.query(f"SELECT DISTINCT proceskenmerk FROM {tabel}").result_rows
        return {rij[0].int for rij in gevonden}


@pytest.fixture
def tafel(database: Client) -> Tafel:
    return Tafel(database)


async def test_the_engine_enforces_the_term_of_a_table(lijn: Instellingen, tafel: Tafel) -> None:
    """The log, verdicts and history: rows past their term are gone, rows within it stay, 1970 means 'not known'."""
    client = tafel.client
    for run, dagen in ((1, 400), (2, 30), (3, 12), (4, 1)):
        await tafel.lever(*levering(dagen, run, run))
    for nummer, dagen in ((1, 31), (2, 1)):
        client.command(f"INSERT INTO oordelen VALUES (unhex('{nummer:064x}'), 1, [], now64(3) - INTERVAL {dagen} DAY)")
        client.command(
            f"INSERT INTO wijzigingen VALUES ('dienst', '{nummer}', '', 1, now64(3) - INTERVAL {dagen} DAY, '', '')"
        )
    client.command("INSERT INTO wijzigingen VALUES ('dienst', '3', '', 1, fromUnixTimestamp64Milli(0), '', '')")
    dagen_van = {"logboekregels": 20, "oordelen": 30, "wijzigingen": 30}
    assert zet_termijnen(client, lijn.database, termijnen(lijn)) == [
        "logboekregels: kept 1096 days, was for ever",
        "oordelen: kept 365 days, was for ever",
    ]
    assert zet_termijnen(client, lijn.database, dagen_van) == [
        "logboekregels: kept 20 days, was 1096 days",
        "oordelen: kept 30 days, was 365 days",
        "wijzigingen: kept 30 days, was for ever",
    ]
    assert zet_termijnen(client, lijn.database, dagen_van) == [], "again: nothing to do"
    for tabel in dagen_van:
        client.command(f"OPTIMIZE TABLE {tabel} FINAL")
    assert tafel.runs("logboekregels") == {3, 4}
    assert client.query("SELECT hex(sha256) FROM oordelen").result_rows == [(f"{2:064X}",)]
    assert client.query("SELECT sleutel FROM wijzigingen ORDER BY sleutel").result_rows == [("2",), ("3",)]
    assert tafel.runs("uitkomsten") == {1, 2, 3, 4}, "those of no term stay"
    (weer,) = zet_termijnen(client, lijn.database, dagen_van | {"oordelen": 0})
    assert weer == "oordelen: kept for ever, was 30 days"
    assert zet_termijnen(client, lijn.database, dagen_van | {"oordelen": 0}) == []


@regel(
    "its metadata goes to ClickHouse",
    "Retention of both is a setting",
    "a resend never turns green into red",
    "from another run, or from an earlier place in this batch | NA",
)
async def test_the_rows_of_a_batch_go_together_after_its_last_delivery(
    tafel: Tafel, monkeypatch: pytest.MonkeyPatch
) -> None:
    await tafel.lever(*levering(90, batch=1, run=11))
    await tafel.lever(*levering(80, batch=2, run=21))
    await tafel.lever(*levering(50, batch=2, run=22, bekend=True))
    await tafel.lever(*levering(50, batch=3, run=31))
    open_slice, _ = levering(90, batch=4, run=41)
    await tafel.lever(open_slice, None)
    grens = NU - 60 * DAG_MS
    Vragen(tafel.client).tel_batches()
    tellingen, command = tafel.client.query("SELECT * FROM tellingen"), tafel.client.command

    def tel_tussendoor(opdracht: str, **opties: Any) -> object:
        if opdracht.startswith("ALTER TABLE eerste_runs"):  # who counts had just found them
            tafel.client.insert("tellingen", tellingen.result_rows, column_names=tellingen.column_names)
        return command(opdracht, **opties)

    monkeypatch.setattr(tafel.client, "command", tel_tussendoor)
    gewist = wis_batches(tafel.client, grens)
    van_een = {"tellingen": 2, "eerste_runs": 1, "runs": 1, "uitkomsten": 2, "postvak": 2}
    assert gewist == van_een | {"resultaten": 1}
    assert tafel.runs("tellingen") == {22, 31}
    for tabel in ("eerste_runs", "runs"):
        assert tafel.runs(tabel) == {21, 22, 31, 41}
    for tabel in ("uitkomsten", "resultaten"):
        assert tafel.runs(tabel) == {21, 22, 31}
    assert tafel.runs("postvak") == {21, 31}, "22 placed nothing"
    (twee,), _ = Vragen(tafel.client).berichtverwerking(Filter(batch=UUID(int=2)))
    assert (twee["verwerkt"], twee["niet_verwerkt"]) == (2, 0), "the resend is still green"
    (vier,), _ = Vragen(tafel.client).berichtverwerking(Filter(batch=UUID(int=4)))
    assert vier["in_behandeling"] == 2, "on its way"
    assert wis_batches(tafel.client, grens) == dict.fromkeys(gewist, 0), "again: nothing to do"

    assert tafel.runs("bekend") == {11, 21, 22, 31}
    slice_, _ = levering(0, batch=1, run=12)
    vragen = [(A, slice_.berichten.bericht_id(rij), UUID(int=12)) for rij in range(2)]
    bekend = Vragen(tafel.client).bekend(vragen)
    assert {(een[2].int, een[4]) for een in bekend} == {(11, True)}, "BerichtBestaatAl has no term"
    wis_batches(tafel.client, NU - 40 * DAG_MS)
    assert tafel.runs("runs") == {41}


async def test_no_term_can_be_given_to_what_tells_duplicates(lijn: Instellingen, tafel: Tafel) -> None:
    zet_termijnen(tafel.client, lijn.database, dict.fromkeys(termijnen(lijn), 1))
    (opdracht,) = tafel.client.query(
        "SELECT create_table_query FROM system.tables WHERE database = {d:String} AND name = 'bekend'",
        parameters={"d": lijn.database},
    ).result_rows[0]
    assert "TTL" not in opdracht
    await tafel.lever(*levering(4000, batch=1, run=11))
    wis_batches(tafel.client, NU)
    tafel.client.command("OPTIMIZE TABLE bekend FINAL")
    assert tafel.runs("runs") == set()
    assert tafel.runs("bekend") == {11}


@regel("Retention of both is a setting")
async def test_opruimen_takes_messages_and_bijlagen_past_their_term_and_nothing_in_use(
    lijn: Instellingen, tafel: Tafel
) -> None:
    """With the setting, on tables, store and topics as they are."""
    maak_sleutels(lijn.sleutelbestand)
    instellingen = lijn.model_copy(update={"bewaar_berichten_dagen": 60})
    objecten = Objecten(instellingen.opslag_url, lees_sleutels(lijn.sleutelbestand))
    map_ = lijn.data / "opslag"

    async def zet(naam: str, dagen: float) -> str:
        await objecten.bewaar(naam, b"%PDF")
        os.utime(map_ / naam, (NU / 1000 - dagen * 86400,) * 2)
        return naam

    for batch, (dagen, run) in enumerate(((90, 11), (90, 21), (10, 31))):
        await tafel.lever(*levering(dagen, batch=batch + 1, run=run))
        await zet(f"berichten/{A}/{UUID(int=run)}/0-k1-ab", dagen)
    await tafel.lever(*levering(10, batch=2, run=22, bekend=True))
    oud, geleverd, jong = (hashlib.sha256(naam).digest() for naam in (b"oud", b"geleverd", b"jong"))
    for sha256, dagen in ((oud, 90), (geleverd, 90), (jong, 10)):
        await zet(bijlage_naam(sha256), dagen)
    gegaan, gebleven, gemeld, wees = [
        await zet(pak_naam(UUID(int=run), NU - round(dagen * DAG_MS)), dagen)
        for run, dagen in ((11, 90), (21, 90), (91, 0.1), (92, 0.1))
    ]
    slice_, _ = levering(0, batch=9, run=91)
    slice_ = Batch(
        slice_.kader,
        replace(
            slice_.berichten,
            bijlage_rijen=[0],
            bijlage_sha256=geleverd,
            bijlage_groottes=[4],
            bijlage_omschrijvingen=["x"],
            bijlage_volgordes=[1],
        ),
    )
    await zeg(lijn, CODEC.schrijf_batch(slice_))

    voor = {pad for pad in map_.rglob("*") if pad.is_file()}
    assert await ruim(lijn, lambda: NU) == {"rijen": {}, "berichten": 0, "bijlagen": 1, "teruggezet": 0}
    assert {pad for pad in map_.rglob("*") if pad.is_file()} == voor - {map_ / wees}, "0: for ever, but for orphans"
    wees = await zet(pak_naam(UUID(int=92), NU - DAG_MS), 1)
    # The wait for deliveries is over at once: by this clock 20 minutes pass between binning and emptying.
    gedaan = await ruim(instellingen, iter([NU, NU + 1000, NU + 1000, *[NU + 1_200_000] * 9]).__next__)
    assert (gedaan["berichten"], gedaan["bijlagen"], gedaan["teruggezet"]) == (1, 3, 1)
    assert not [naam for naam in (gegaan, wees) if (map_ / naam).exists()]
    assert gedaan["rijen"]["uitkomsten"] == 2
    over = {str(pad.relative_to(map_)) for pad in map_.rglob("*") if pad.is_file()}
    berichten = {f"berichten/{A}/{UUID(int=run)}/0-k1-ab" for run in (21, 31)}
    assert over == berichten | {bijlage_naam(geleverd), bijlage_naam(jong), gebleven, gemeld}
    nog_eens = await ruim(instellingen)
    assert (nog_eens["berichten"], nog_eens["bijlagen"], nog_eens["teruggezet"]) == (0, 0, 0)

    # A topic that has more partitions than the settings of this command say.
    beheer, onderwerp, laatste = Beheer(lijn), lijn.topic("batch"), lijn.partities_batch
    beheer.create_partitions([NewPartitions(onderwerp, laatste + 1)])[onderwerp].result(30)
    gegroeid, wees = [await zet(pak_naam(UUID(int=run), NU), 0.1) for run in (94, 95)]
    await zeg(lijn, CODEC.schrijf_batch(levering(0, batch=9, run=94)[0]), laatste)
    assert (await ruim(instellingen, lambda: NU))["bijlagen"] == 1
    assert [(map_ / naam).exists() for naam in (gegroeid, wees)] == [True, False]

    wees = await zet(pak_naam(UUID(int=93), NU), 0.1)
    await zeg(lijn, b"a batch that might be offered again")
    assert (await ruim(instellingen, lambda: NU))["bijlagen"] == 0
    assert (map_ / wees).exists()


async def zeg(lijn: Instellingen, waarde: bytes, partitie: int = 0) -> None:
    """One record in topic `batch`."""
    producer = maak_producer(lijn)
    await producer.start()
    try:
        await producer.send_and_wait(lijn.topic("batch"), waarde, key=b"k", partition=partitie)
    finally:
        await producer.stop()


@pytest.fixture
def haastige_broker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Broker]:
    """A broker of our own that looks for what is past its retention every moment, not every five minutes."""
    gewoon = broker_module._server
    haast = {"log.retention.check.interval.ms": 100, "log.initial.task.delay.ms": 100}
    monkeypatch.setattr(broker_module, "_server", lambda *alles: gewoon(*alles) | haast)
    with Broker(tmp_path / "broker") as running:
        yield running


async def test_kafka_throws_a_record_away_after_the_retention_that_the_settings_say(
    haastige_broker: Broker, tmp_path: Path
) -> None:
    """Also when no record follows that would close its segment; a topic with a longer term keeps its record."""
    ruim_ingesteld = Instellingen(data=tmp_path, kafka=haastige_broker.adres, partities_bericht=1, partities_batch=1)
    maak_topics(ruim_ingesteld)
    kort = ruim_ingesteld.model_copy(update={"topic_bericht_dagen": 1.0 / 86400, "topic_logboek_dagen": 1.0 / 86400})
    producer: AIOKafkaProducer = maak_producer(kort)
    await producer.start()
    try:
        for onderwerp in ("bericht", "logboek", "batch"):
            await producer.send_and_wait(kort.topic(onderwerp), b"x", key=b"k", partition=0)
    finally:
        await producer.stop()
    for onderwerp in ("bericht", "logboek", "batch"):
        assert len(await lees_alles(kort, onderwerp, 0)) == 1
    gedaan = [regel_ for regel_ in maak_topics(kort) if "brought in line" in regel_]
    assert gedaan == [
        "bericht: brought in line: retention.ms 1209600000 instead of 1000",
        "logboek: brought in line: retention.ms 1209600000 instead of 1000",
    ]
    controleer(kort)
    deadline = time.monotonic() + 60
    over = {"bericht", "logboek"}
    while over:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.1)
        over = {onderwerp for onderwerp in over if await bewaard(kort, onderwerp)}
    assert len(await lees_alles(kort, "batch", 0)) == 1


async def bewaard(instellingen: Instellingen, onderwerp: str) -> bool:
    """Whether a topic still has a record."""
    try:
        return bool(await lees_alles(instellingen, onderwerp, 0))
    except Exception as fout:
        if type(fout).__name__ == "LogVerdwenen":
            return False
        raise
