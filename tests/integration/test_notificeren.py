"""Telling citizens once, on a real broker and the real ClickHouse engine: dues, replays, deaths, zombies."""

import asyncio
import os
import re
import sqlite3
import sys
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, closing, suppress
from dataclasses import replace
from pathlib import Path
from typing import cast
from uuid import UUID, uuid4

import pytest
from aiokafka.errors import KafkaError
from clickhouse_connect.driver.client import Client

from agents import notificeren, veger
from agents.notificeren import Notificeren
from avro.codec import Codec
from domain.batch import Batch
from domain.beslissing import Bekend, Uitkomst, beslis
from domain.codes import Verwerkingscode
from domain.notificatie import Notificatie, Plaats, partitie, tekst
from domain.referentie import BerichttypeStatus, Notificatiekenmerk, Referentie
from domain.tijd import DAG_MS
from sinks.database import DatabaseWeg, maak_client
from sinks.migreer import lees_migraties, migreer
from sinks.notificatievragen import BEGIN, Notificatievragen
from sinks.rijen import Rijen, van_uitkomst
from sinks.schrijver import Schrijver
from sinks.stroomvragen import Teruggezet
from streams import metrics
from streams.fence import KAFKA_WEG, EigenPartitie, Ingetrokken, Onteigend, Record, lees_tot_eind
from streams.referentie import ReferentieVolger
from streams.settings import Instellingen
from streams.topics import maak_topics, topic_ids
from tests.kafka import lees_alles, trim
from tests.regels import regel
from tests.slices import BSNS, TYPE, A, berichttype, kader, maak_slice, referentie

pytestmark = pytest.mark.integration

CODEC = Codec()
K = Notificatiekenmerk
NU = time.time_ns() // 1_000_000
GELEVERD = NU - 2000
UITERLIJK = GELEVERD + 13 * DAG_MS
"""The last PublicatieDatum that is not too far ahead."""


def pseudoniem(bsn: str) -> str:
    """Not what the line makes of it, but as good here."""
    return f"k1:{UUID(int=int(bsn) ** 4)}"


def batch(
    aantal: int = 1,
    publicatiedatums: Sequence[int] | None = None,
    bsns: Sequence[str] | None = None,
    types: Sequence[str] | None = None,
) -> Batch:
    """A new run over a new batch."""
    run = uuid4()
    van = kader(run=run, batch=uuid4(), totaal=aantal, aangeleverd_op=GELEVERD, aanmaakdatum=NU - 3000)
    ids = [f"{run}-{rij}" for rij in range(aantal)]
    return maak_slice(ids=ids, van=van, publicatiedatums=publicatiedatums, bsns=bsns, types=types)


class Data:
    """The reference data, as the follower of a process gives them."""

    def __init__(self) -> None:
        self.referentie = referentie()
        self.bij = True

    @asynccontextmanager
    async def beslissing(self) -> AsyncIterator[Referentie]:
        yield self.referentie


class Opstelling:
    """Sweepers, and a sink that is played by the test."""

    def __init__(self, instellingen: Instellingen, client: Client) -> None:
        self.instellingen = instellingen
        self.client = client
        self.vragen = Notificatievragen(client)
        self.schrijver = Schrijver(client)
        self.topic_id = topic_ids(instellingen, ["notificatie"])["notificatie"]
        self.data = Data()
        self.nu = NU
        self.vegers: list[Notificeren] = []
        self.offset = 0

    async def besluit(self, slice_: Batch, *, op: int = NU - 1000, mag: bool = True) -> Uitkomst:
        """Decides a slice, and inserts the rows as the sink does."""
        antwoorden = {
            (berichttype_, slice_.berichten.gebruiker(rij)): mag
            for rij, berichttype_ in enumerate(slice_.berichten.berichttypes)
        }
        uitkomst = beslis(slice_, self.data.referentie, Bekend(), antwoorden, op, pseudoniem=pseudoniem)
        self.offset += 1
        await self.zet(uitkomst, self.offset)
        return uitkomst

    async def zet(self, uitkomst: Uitkomst, offset: int) -> None:
        rijen = Rijen("uitkomsten")
        rijen.voeg_toe(van_uitkomst(uitkomst, offset))
        await self.schrijver.schrijf_tabel(rijen)

    def veger(self, soort: type[Notificeren] = Notificeren, vragen: Notificatievragen | None = None) -> Notificeren:
        een = soort(
            self.instellingen,
            CODEC,
            vragen or self.vragen,
            self.schrijver,
            cast(ReferentieVolger, self.data),
            self.topic_id,
            lambda: self.nu,
        )
        een.toegewezen = set(range(self.instellingen.partities_batch))
        self.vegers.append(een)
        return een

    async def veeg(self, een: Notificeren | None = None) -> Notificeren:
        """Sweeps until there is nothing more to do at once."""
        een = een or self.veger()
        while await een.ronde():
            pass
        return een

    async def log(self, nummer: int = 0) -> list[Record]:
        return await lees_alles(self.instellingen, "notificatie", nummer)

    async def uit(self, nummer: int = 0) -> list[Notificatie]:
        """Every notification in a partition."""
        return [CODEC.lees_notificatie(record.waarde) for record in await self.log(nummer)]

    async def sleutels(self) -> list[tuple[UUID, int]]:
        return [(een.proceskenmerk, een.nummer) for een in await self.uit()]

    def tel(self, tabel: str) -> int:
        return int(self.client.query(f"SELECT count() FROM {tabel}").result_rows[0][0])


@pytest.fixture
async def op(lijn: Instellingen, database: Client, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Opstelling]:
    monkeypatch.setattr(veger, "vergeet_na", lambda _: 0.0)
    opstelling = Opstelling(lijn.model_copy(update={"sweep_s": 0.05}), database)
    yield opstelling
    for een in opstelling.vegers:
        await een.laat_los()


def sleutels_van(*uitkomsten: Uitkomst) -> list[tuple[UUID, int]]:
    return sorted((een.kader.proceskenmerk, nummer) for een in uitkomsten for nummer in een.nummers)


async def wacht_tot(zo: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not await asyncio.to_thread(zo):
        assert time.monotonic() < deadline
        await asyncio.sleep(0.1)


async def test_a_placed_message_gives_one_notification_that_says_what_it_must(op: Opstelling) -> None:
    slice_ = batch(bsns=[BSNS[3]])
    await op.besluit(slice_)
    eerste = await op.veeg()
    await op.veeg(eerste)
    (record,) = await op.log()
    (een,) = await op.uit()
    ontvanger = pseudoniem(BSNS[3])
    assert record.key == ontvanger.encode()
    assert een == Notificatie(
        zichtbaar_op=NU - 1000,
        proceskenmerk=slice_.kader.proceskenmerk,
        nummer=1,
        batch_id=slice_.kader.batch_id,
        bericht_id=UUID(bytes=slice_.berichten.bericht_id(0)),
        leverancier=A,
        berichttype=TYPE,
        ontvanger=ontvanger,
        publicatiedatum=0,
        notificatiekenmerk=K.BETALEN,
        afzender="Gemeente A",
        tekst=tekst(K.BETALEN, "Gemeente A"),
        gemaakt_op=NU,
    )
    assert BSNS[3].encode() not in (record.waarde or b"") + (record.key or b"")


async def test_what_was_not_placed_is_not_told(op: Opstelling) -> None:
    await op.besluit(batch(), mag=False)
    await op.besluit(batch(types=["GEENTYPE"]))
    await op.veeg()
    assert await op.log() == []
    assert op.tel("te_notificeren") == 0


@regel("A message is visible to the burger from its PublicatieDatum", "at most 13 days after delivery")
async def test_nothing_is_told_before_its_publicatiedatum(op: Opstelling) -> None:
    """13 days ahead: a due-list, not a topic that expires."""
    later = await op.besluit(batch(publicatiedatums=[UITERLIJK]))
    nu = await op.besluit(batch(publicatiedatums=[NU - DAG_MS]))
    een = await op.veeg()
    assert await op.sleutels() == sleutels_van(nu)
    op.nu = UITERLIJK - 1
    await op.veeg(een)
    assert await op.sleutels() == sleutels_van(nu)
    op.nu = UITERLIJK
    await op.veeg(een)
    assert await op.sleutels() == [*sleutels_van(nu), *sleutels_van(later)]
    assert (await op.uit())[1].publicatiedatum == UITERLIJK


async def test_rows_that_are_inserted_again_are_not_told_again(op: Opstelling) -> None:
    """The sink may insert any row again, whole or torn, also long after."""
    uitkomst = await op.besluit(batch(3))
    await op.zet(uitkomst, 1)
    een = await op.veeg()
    for wanneer in (NU, NU + 14 * DAG_MS):
        op.nu = wanneer
        await op.zet(uitkomst, 1)
        await op.veeg(een)
        await op.veeg()
    assert sorted(await op.sleutels()) == sleutels_van(uitkomst)
    await op.veeg()
    assert op.tel("te_notificeren") == 0, "done, so forgotten"


async def test_a_decision_older_than_any_marker_is_not_taken_in_again(op: Opstelling) -> None:
    """A marker stays 60 days; rows that come from a backup must not tell citizens of what is long past."""
    await op.besluit(batch(), op=NU - 46 * DAG_MS)
    await op.besluit(batch(), op=NU - 44 * DAG_MS)
    assert op.tel("te_notificeren") == 1


@regel("it must not count, be answered or notify a second time")
async def test_a_decision_that_did_not_stand_tells_nobody(op: Opstelling) -> None:
    slice_ = batch(2)
    eerst = await op.besluit(slice_, mag=False)
    tweede = await op.besluit(slice_, op=NU - 500)
    assert {*eerst.codes, *tweede.codes} == {Verwerkingscode.NIET_ACTIEF_OF_GEABONNEERD, Verwerkingscode.VERWERKT}
    assert op.tel("te_notificeren") == 2
    een = await op.veeg()
    await op.veeg(een)
    assert await op.log() == []
    assert op.tel("te_notificeren") == 0


class SterftNaCommit(Notificeren):
    """Dies when its notifications are in the log and nothing else is done."""

    async def _leg_vast(self, gedaan: Sequence[Plaats], geschreven_tot: Mapping[int, int]) -> None:
        raise DatabaseWeg("died here")


class SterftVoorVoortgang(Notificeren):
    """Dies when the markers are there and the progress is not."""

    async def _leg_vast(self, gedaan: Sequence[Plaats], geschreven_tot: Mapping[int, int]) -> None:
        await super()._leg_vast(gedaan, {})
        raise DatabaseWeg("died here")


@regel("A message is known by (Proceskenmerk, its number in the batch), never by BerichtID alone")
@pytest.mark.parametrize("soort", [SterftNaCommit, SterftVoorVoortgang])
async def test_one_that_dies_after_its_commit_leaves_nothing_to_tell_again(
    op: Opstelling, soort: type[Notificeren]
) -> None:
    uitkomst = await op.besluit(batch(3))
    dode = op.veger(soort)
    with pytest.raises(DatabaseWeg):
        await dode.ronde()
    await dode.laat_los()
    assert sorted(await op.sleutels()) == sleutels_van(uitkomst)
    nog_een = await op.besluit(batch())
    await op.veeg()
    await op.veeg()
    assert sorted(await op.sleutels()) == sleutels_van(uitkomst, nog_een)
    assert op.vragen.voortgang(op.topic_id)[0] == (await op.log())[-1].offset + 1


@pytest.mark.parametrize("wanneer", ["voor", "na"])
async def test_a_commit_whose_fate_is_unknown_is_looked_up_in_the_log(
    op: Opstelling, monkeypatch: pytest.MonkeyPatch, wanneer: str
) -> None:
    echt, keer = EigenPartitie.schrijf, iter([True])

    async def verliest_antwoord(
        self: EigenPartitie, records: Sequence[tuple[bytes, bytes]], mag: Callable[[], bool]
    ) -> list[int]:
        breekt = next(keer, False)
        if breekt and wanneer == "voor":
            raise KafkaError("not sent")
        offsets = await echt(self, records, mag)
        if breekt:
            raise KafkaError("the answer was lost")
        return offsets

    monkeypatch.setattr(EigenPartitie, "schrijf", verliest_antwoord)
    uitkomst = await op.besluit(batch(3))
    een = op.veger()
    with pytest.raises(KafkaError):
        await een.ronde()
    await een.laat_los()
    await op.veeg(een)
    assert sorted(await op.sleutels()) == sleutels_van(uitkomst)


async def test_a_zombie_tells_nothing(op: Opstelling) -> None:
    eerste = await op.besluit(batch())
    zombie = await op.veeg()
    tweede = await op.besluit(batch())
    nieuw = await op.veeg()
    derde = await op.besluit(batch())
    with pytest.raises(Onteigend):
        await zombie.ronde()
    await op.veeg(nieuw)
    assert await op.sleutels() == [*sleutels_van(eerste), *sleutels_van(tweede), *sleutels_van(derde)]


async def test_two_that_take_a_partition_from_each_other_tell_everything_once(op: Opstelling) -> None:
    uitkomsten = [await op.besluit(batch(20)) for _ in range(10)]

    async def doe(een: Notificeren) -> None:
        for _ in range(6):
            try:
                await een.ronde()
            except (Onteigend, *KAFKA_WEG):
                await een.laat_los()
            await asyncio.sleep(0.01)

    await asyncio.gather(doe(op.veger()), doe(op.veger()))
    uitkomsten += [await op.besluit(batch(20))]
    await op.veeg()
    assert sorted(await op.sleutels()) == sleutels_van(*uitkomsten)


@regel("Every change counts from the moment it is made, for messages already on their way too")
async def test_the_text_follows_the_reference_data_of_the_moment_of_telling(op: Opstelling) -> None:
    await op.besluit(batch(publicatiedatums=[NU + DAG_MS]))
    await op.besluit(batch(publicatiedatums=[NU + 2 * DAG_MS]))
    een = await op.veeg()
    nieuw = replace(berichttype(), notificatiekenmerk=K.REACTIE_ONTVANGEN)
    op.data.referentie = referentie(nieuw)
    op.nu = NU + DAG_MS
    await op.veeg(een)
    op.data.referentie = referentie(replace(nieuw, status=BerichttypeStatus.ARCHIEF))
    op.nu = NU + 2 * DAG_MS
    await op.veeg(een)
    assert [gezien.tekst for gezien in await op.uit()] == [tekst(K.REACTIE_ONTVANGEN, "Gemeente A")] * 2


async def test_who_is_not_up_to_date_at_the_last_moment_tells_nothing(op: Opstelling) -> None:
    uitkomst = await op.besluit(batch())
    een, op.data.bij = op.veger(), False
    with pytest.raises(Ingetrokken):
        await een.ronde()
    await een.laat_los()
    assert await lees_tot_eind(op.instellingen, op.instellingen.topic("notificatie"), 0, 0) == []
    op.data.bij = True
    await op.veeg(een)
    assert await op.sleutels() == sleutels_van(uitkomst)


async def test_a_message_whose_berichttype_is_gone_waits_and_is_seen_to_wait(op: Opstelling) -> None:
    op.data.referentie = referentie(berichttype("WEG"))
    wacht = await op.besluit(batch(types=["WEG"]), op=NU - 1500)
    gaat = await op.besluit(batch())
    op.data.referentie = referentie()
    een = await op.veeg()
    await op.veeg(een)
    assert await op.sleutels() == sleutels_van(gaat)
    assert metrics.TE_NOTIFICEREN._value.get() == 1
    op.data.referentie = referentie(berichttype("WEG"))
    await op.veeg(een)
    await op.veeg(een)
    assert await op.sleutels() == [*sleutels_van(gaat), *sleutels_van(wacht)]
    assert metrics.TE_NOTIFICEREN._value.get() == 0


async def test_many_are_told_in_order_from_several_partitions(
    op: Opstelling, lijn: Instellingen, database: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A citizen's notifications stand in one partition, in the order in which their messages could be seen."""
    monkeypatch.setattr(notificeren, "_PER_PAGINA", 1000)
    monkeypatch.setattr(notificeren, "_PER_TRANSACTIE", 300)
    instellingen = lijn.model_copy(update={"topic_prefix": f"{lijn.topic_prefix}drie.", "partities_batch": 3})
    maak_topics(instellingen)
    drie = Opstelling(instellingen, database)
    uitkomsten = [
        await drie.besluit(
            batch(1000, bsns=[BSNS[rij % 20] for rij in range(1000)]), op=NU - 10_000 + 10 * (nummer % 3)
        )
        for nummer in range(5)
    ]
    een = await drie.veeg()
    await drie.veeg(een)
    alle = []
    for nummer in range(3):
        uit = await drie.uit(nummer)
        alle += uit
        assert [gezien.zichtbaar_op for gezien in uit] == sorted(gezien.zichtbaar_op for gezien in uit)
        assert {partitie(gezien.ontvanger, 3) for gezien in uit} <= {nummer}
    await een.laat_los()
    assert sorted((gezien.proceskenmerk, gezien.nummer) for gezien in alle) == sleutels_van(*uitkomsten)
    assert {gezien.ontvanger for gezien in alle} == {pseudoniem(bsn) for bsn in BSNS}


def test_clickhouse_and_we_agree_on_the_partition(op: Opstelling) -> None:
    namen = ["", "k1:" + "0f" * 32, "ë", *map(pseudoniem, BSNS)]
    sql = "SELECT arrayMap(naam -> CRC32(naam) % 7, {namen:Array(String)})"
    assert op.client.query(sql, parameters={"namen": namen}).result_rows[0][0] == [partitie(naam, 7) for naam in namen]


def test_what_is_done_or_far_ahead_is_not_read(op: Opstelling) -> None:
    """The cost follows what is due and not done: neither the history nor what waits for its PublicatieDatum."""
    op.client.command(
        """
        INSERT INTO genotificeerd SELECT toDateTime64('2026-01-01', 3, 'UTC') + number / 100, generateUUIDv4(), 1, now()
        FROM numbers(200000)
        """
    )
    op.client.command(
        """
        INSERT INTO te_notificeren SELECT toDateTime64('2099-01-01', 3, 'UTC') + number / 100, generateUUIDv4(), 1,
            generateUUIDv4(), generateUUIDv4(), 'a', 'b', toString(number), CRC32(toString(number)), 0
        FROM numbers(200000)
        """
    )
    plaatsen = [(NU + rij, uuid4(), 1) for rij in range(1000)]
    gelezen: list[int] = []
    echt = op.client.query

    def telt(*args: object, **anders: object) -> object:
        antwoord = echt(*args, **anders)  # type: ignore[arg-type]
        gelezen.append(int(antwoord.summary["read_rows"]))
        return antwoord

    op.client.query = telt  # type: ignore[method-assign, assignment]
    assert op.vragen.te_doen(NU, 1) == {}
    assert op.vragen.te_notificeren([0], 1, BEGIN, NU, 1000) == []
    assert op.vragen.genotificeerd(plaatsen) == set()
    assert len(gelezen) == 3
    assert sum(gelezen) < 10_000


async def test_a_partition_whose_every_record_has_expired_is_opened(op: Opstelling) -> None:
    """After two silent weeks; also what an aborted transaction left has gone by then."""
    await op.besluit(batch())
    await (await op.veeg()).laat_los()
    eigen = EigenPartitie(op.instellingen, "notificatie", 0)
    await eigen.open(0)
    with pytest.raises(Ingetrokken):
        await eigen.schrijf([(b"k", b"nooit")], lambda: False)
    await eigen.close()
    await (await op.veeg()).laat_los()
    trim(op.instellingen, "notificatie", 4)
    tweede = await op.besluit(batch())
    await op.veeg()
    (record,) = await lees_tot_eind(op.instellingen, op.instellingen.topic("notificatie"), 0, 4)
    assert CODEC.lees_notificatie(record.waarde).proceskenmerk == tweede.kader.proceskenmerk


async def test_an_unreadable_record_stops_nothing(op: Opstelling) -> None:
    eigen = EigenPartitie(op.instellingen, "notificatie", 0)
    await eigen.open(0)
    await eigen.schrijf([(b"k", b"rommel")])
    await eigen.close()
    uitkomst = await op.besluit(batch())
    await op.veeg()
    records = await op.log()
    assert len(records) == 2
    assert CODEC.lees_notificatie(records[1].waarde).proceskenmerk == uitkomst.kader.proceskenmerk


async def test_an_older_copy_of_clickhouse_gets_no_progress_past_its_gap(op: Opstelling) -> None:
    """It would tell again what was told since that copy."""

    class TeruggezetHalverwege(Schrijver):
        async def schrijf_tabel(self, rijen: Rijen) -> None:
            await super().schrijf_tabel(rijen)
            if op.tel("genotificeerd") == 2:  # of the second round
                for tabel in ("voortgang", "genotificeerd", "te_notificeren", "uitkomsten"):
                    op.client.command(f"TRUNCATE TABLE {tabel}")

    eerste = await op.besluit(batch())
    een = await op.veeg()
    tweede = await op.besluit(batch())
    op.schrijver = TeruggezetHalverwege(op.client)
    with pytest.raises(Teruggezet):
        await op.veeg(op.veger())
    assert op.tel("voortgang") == 0
    op.vragen, op.schrijver = Notificatievragen(op.client), Schrijver(op.client)
    for offset, uitkomst in enumerate((eerste, tweede), 1):
        await op.zet(uitkomst, offset)
    await op.veeg(op.veger())
    assert een.eigen
    assert sorted(await op.sleutels()) == sleutels_van(eerste, tweede)


async def test_it_goes_on_when_clickhouse_was_away(op: Opstelling) -> None:
    """As a worker runs it: a member of the group, that tries again."""

    class Weg(Notificatievragen):
        keren = 3

        def te_doen(self, tot: int, partities: int) -> dict[int, int]:
            if self.keren:
                self.keren -= 1
                raise DatabaseWeg("away")
            return super().te_doen(tot, partities)

    uitkomst = await op.besluit(batch(3))
    een = op.veger(vragen=Weg(op.client))
    een.toegewezen = set()
    taak = asyncio.create_task(een.loop())
    try:
        await wacht_tot(lambda: op.tel("genotificeerd") == 3)
        await wacht_tot(lambda: op.tel("te_notificeren") == 0)
        later = await op.besluit(batch())
        await wacht_tot(lambda: op.tel("genotificeerd") == 4)
    finally:
        taak.cancel()
        with suppress(asyncio.CancelledError):
            await taak
    assert sorted(await op.sleutels()) == sleutels_van(uitkomst, later)
    assert een.eigen == {}


async def test_it_goes_on_when_clickhouse_does_not_get_to_tidying_up(
    op: Opstelling, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A table that was read-only when ClickHouse started is tidied up only after it starts again."""
    monkeypatch.setattr(veger, "_MELD_NA_S", 0.0)
    op.client.command("SYSTEM STOP MERGES te_notificeren")
    een = op.veger()
    begin = time.monotonic()
    uitkomsten = []
    for _ in range(3):
        uitkomsten.append(await op.besluit(batch()))
        await op.veeg(een)
    assert sorted(await op.sleutels()) == sleutels_van(*uitkomsten)
    assert op.tel("te_notificeren") == 3
    assert time.monotonic() - begin < 60, "the client gives up a question after five minutes"
    assert "system.mutations tells why" in caplog.text
    op.client.command("SYSTEM START MERGES te_notificeren")

    async def opgeruimd() -> bool:
        await op.veeg(een)
        return op.tel("te_notificeren") == 0

    deadline = time.monotonic() + 60
    while not await opgeruimd():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.1)


async def test_an_upgrade_tells_what_is_still_to_appear_and_not_what_was_there_before(
    kern: Instellingen, lijn: Instellingen, database: Client
) -> None:
    naam = f"{lijn.database}oud"
    kaal = maak_client(lijn.clickhouse)
    alle = lees_migraties()
    try:
        migreer(kaal, naam, [een for een in alle if een.naam < "007"])
        client = maak_client(lijn.clickhouse, naam)
        op = Opstelling(lijn, client)
        op.vragen.te_doen = lambda *_: {}  # type: ignore[method-assign]
        await op.besluit(batch())
        later = await op.besluit(batch(publicatiedatums=[NU + DAG_MS]))
        migreer(kaal, naam)
        gevonden = op.vragen.te_notificeren([0], 1, BEGIN, NU + 14 * DAG_MS, 10)
        assert [een.plaats for een in gevonden] == [(NU + DAG_MS, later.kader.proceskenmerk, 1)]
        client.close()
    finally:
        kaal.command(f"DROP DATABASE IF EXISTS {naam}")
        kaal.close()


async def test_the_consumer_that_the_guide_shows_tells_once(op: Opstelling, tmp_path: Path) -> None:
    """Through a death of its own, and a record that comes twice."""
    wortel = Path(__file__).parents[2]
    (voorbeeld,) = re.findall(r"```python\n(.*?)```", (wortel / "docs" / "notifications.md").read_text(), re.DOTALL)
    omgeving = os.environ | {
        "KAFKA": op.instellingen.kafka,
        "TOPIC": op.instellingen.topic("notificatie"),
        "TOLD": str(tmp_path / "told.db"),
    }
    voorbeeld = voorbeeld.replace('"group.id": "notifier"', '"group.id": os.environ["TOPIC"] + os.environ["LEVEN"]')

    def onthouden() -> int:
        with closing(sqlite3.connect(omgeving["TOLD"])) as told:
            return int(told.execute("SELECT count() FROM told").fetchone()[0])

    async def leef(leven: str, regels: int, onthoudt: int) -> list[str]:
        proces = await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            voorbeeld,
            cwd=wortel,
            env=omgeving | {"LEVEN": leven},
            stdout=asyncio.subprocess.PIPE,
        )
        assert proces.stdout is not None
        try:
            async with asyncio.timeout(60):
                gezegd = [(await proces.stdout.readline()).decode().strip() for _ in range(regels)]
            await wacht_tot(lambda: onthouden() == onthoudt)
            return gezegd
        finally:
            proces.kill()
            await proces.wait()

    await op.besluit(batch(2, bsns=[BSNS[0], BSNS[1]]))
    een = await op.veeg()
    await een.laat_los()
    eerste = await leef("a", 2, 2)
    eigen = EigenPartitie(op.instellingen, "notificatie", 0)
    records = await eigen.open(0)
    await eigen.schrijf([(record.key or b"", record.waarde or b"") for record in records])
    await eigen.close()
    await op.besluit(batch(bsns=[BSNS[2]]))
    await op.veeg(een)
    # A group without a past: it reads all from the beginning, and tells only what was not told.
    tweede = await leef("b", 1, 3)
    begin = "U heeft een bericht van Gemeente A ontvangen over een betaling of automatische incasso."
    assert sorted(eerste) == sorted(f"{pseudoniem(bsn)} {begin}" for bsn in BSNS[:2])
    assert tweede == [f"{pseudoniem(BSNS[2])} {begin}"]
