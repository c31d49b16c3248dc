"""The auditor on a real broker and the real ClickHouse engine. The agents and the sink are played, so that each can be
as far behind, or skip, as a test wants."""

import logging
from collections import Counter
from collections.abc import AsyncIterator, Collection, Iterable
from contextlib import asynccontextmanager
from typing import Any, cast
from uuid import UUID

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from clickhouse_connect.driver.client import Client

from agents import auditor as module
from agents.auditor import Auditor
from agents.splitsen import Splitser
from avro.codec import Codec
from domain.batch import Batch, partitie
from domain.beslissing import Bekend, beslis
from sinks.database import DatabaseWeg
from sinks.rijen import Rijen, van_batch, van_uitkomst
from sinks.schrijver import Schrijver
from sinks.vragen import Vragen
from streams import metrics
from streams.dlq import Terzijde
from streams.fence import Record, lees_tot_eind
from streams.producer import maak_producer
from streams.settings import Instellingen
from streams.topics import maak_topics, topic_ids
from tests.kafka import lees_alles, trim
from tests.slices import BSNS, T0, TYPE, kader, maak_slice, referentie

pytestmark = pytest.mark.integration

CODEC = Codec()
N = 12
"""Messages in each batch."""
BATCH, BERICHT = 3, 4
"""Partitions of `batch` and `bericht`."""
ALLE = range(BATCH)
NA_S = 300
MINUUT = 60_000


def batch(nummer: int) -> Batch:
    van = kader(run=UUID(int=1000 + nummer), batch=UUID(int=2000 + nummer), totaal=N)
    return maak_slice(ids=[f"{nummer}-{rij}" for rij in range(N)], van=van)


class Opstelling:
    """A line that goes on only as far as a test lets it."""

    def __init__(
        self, instellingen: Instellingen, client: Client, producer: AIOKafkaProducer, consumer: AIOKafkaConsumer
    ) -> None:
        self.instellingen = instellingen
        self._consumer = consumer
        self.client = client
        self.vragen = Vragen(client)
        self.producer = producer
        self.topic_ids = topic_ids(instellingen, ["validatie"])
        self.schrijver = Schrijver(client)
        self.nu = T0 + NA_S * 1000
        self._beslist: Counter[int] = Counter()

    def auditor(self, vragen: object = None, **anders: Any) -> Auditor:
        return Auditor(
            self.instellingen.model_copy(update=anders),
            CODEC,
            cast(Vragen, vragen or self.vragen),
            self.producer,
            self.topic_ids["validatie"],
            lambda: self.nu,
        )

    async def lever(self, nummer: int, waar: int | None = None, gesplitst: bool = True) -> Batch:
        """A batch on `batch` (in a partition of the test's choice) and in `runs`; its slices on `bericht`."""
        een = batch(nummer)
        record = await self.producer.send_and_wait(
            self.instellingen.topic("batch"),
            CODEC.schrijf_batch(een),
            key=str(een.kader.batch_id).encode(),
            partition=waar,
        )
        await self._voeg_in("runs", van_batch(een, record.offset))
        if gesplitst:
            splitser = Splitser(
                self.instellingen, CODEC, self.producer, Terzijde(self.instellingen, CODEC, self.producer)
            )
            await splitser.splits(record.topic, record.partition, record.offset, CODEC.schrijf_batch(een))
        return een

    async def beslis(self, behalve: Collection[int] = ()) -> None:
        """Decides what stands in `bericht`, once; the slices in some partitions are skipped."""
        for nummer in range(BERICHT):
            records = (await self.bericht(nummer))[self._beslist[nummer] :]
            self._beslist[nummer] += len(records)
            if nummer in behalve or not records:
                continue
            bekend: dict[UUID, set[int]] = {}
            for record in await self.lees("validatie", nummer):
                uitkomst = CODEC.lees_uitkomst(record.waarde)
                bekend.setdefault(uitkomst.kader.proceskenmerk, set()).update(uitkomst.nummers)
            uitkomsten = []
            for record in records:
                slice_ = CODEC.lees_batch(record.waarde, "bericht")
                nummers = bekend.setdefault(slice_.kader.proceskenmerk, set())
                uitkomst = beslis(slice_, referentie(), Bekend(set(nummers)), {(TYPE, BSNS[0]): True}, T0 + 1)
                nummers.update(uitkomst.nummers)
                uitkomsten += [uitkomst] if len(uitkomst) else []
            for uitkomst in uitkomsten:
                waarde = CODEC.schrijf_uitkomst(uitkomst)
                await self.producer.send_and_wait(self.instellingen.topic("validatie"), waarde, partition=nummer)

    async def leg_vast(self, onderwerp: str, min_: int = 0) -> None:
        """The worker commits up to the end of a topic, less so many records."""
        einden = await self._einden(onderwerp)
        if plaatsen := {tp: eind - min_ for tp, eind in einden.items() if eind}:
            await self._consumer.commit(plaatsen)

    async def toon(self) -> None:
        """The sink: what is decided is in ClickHouse, then its progress, past the markers."""
        for nummer in range(BERICHT):
            for record in await self.lees("validatie", nummer):
                await self._voeg_in("uitkomsten", van_uitkomst(CODEC.lees_uitkomst(record.waarde), record.offset))
        topic, topic_id = self.instellingen.topic("validatie"), self.topic_ids["validatie"]
        einden = await self._einden("validatie")
        await self.schrijver.schrijf_voortgang([(topic, topic_id, tp.partition, eind) for tp, eind in einden.items()])

    async def lees(self, onderwerp: str, nummer: int) -> list[Record]:
        return await lees_tot_eind(self.instellingen, self.instellingen.topic(onderwerp), nummer, 0)

    async def bericht(self, nummer: int) -> list[Record]:
        """All slices that were ever written to a partition of `bericht`."""
        return await self.lees("bericht", nummer)

    async def tel(self) -> list[int]:
        """How many offsets each partition of `bericht` holds."""
        return [eind for _, eind in sorted((await self._einden("bericht")).items())]

    async def _einden(self, onderwerp: str) -> dict[TopicPartition, int]:
        """Where each partition of a topic ends for who reads what is committed."""
        aantal = self.instellingen.partities_batch if onderwerp == "batch" else self.instellingen.partities_bericht
        tps = [TopicPartition(self.instellingen.topic(onderwerp), nummer) for nummer in range(aantal)]
        self._consumer.assign(tps)
        return cast(dict[TopicPartition, int], await self._consumer.end_offsets(tps))

    async def _voeg_in(self, tabel: str, kolommen: Iterable[Any]) -> None:
        await self.schrijver.schrijf_tabel(Rijen(tabel, [list(kolom) for kolom in kolommen]))


@pytest.fixture
async def op(lijn: Instellingen, database: Client) -> AsyncIterator[Opstelling]:
    eigen = lijn.model_copy(
        update={
            "topic_prefix": f"{lijn.topic_prefix}a.",
            "partities_batch": BATCH,
            "partities_bericht": BERICHT,
            "auditor_s": 0,
            "auditor_na_s": NA_S,
        }
    )
    maak_topics(eigen)
    producer = maak_producer(eigen)
    await producer.start()
    async with AIOKafkaConsumer(
        bootstrap_servers=eigen.kafka,
        group_id=eigen.groep("worker"),
        isolation_level="read_committed",
        enable_auto_commit=False,
    ) as consumer:
        yield Opstelling(eigen, database, producer, consumer)
    await producer.stop()


async def test_a_skipped_slice_is_offered_again_and_decided(op: Opstelling, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    een = await op.lever(1)
    await op.beslis(behalve=[2])
    for onderwerp in ("batch", "bericht"):
        await op.leg_vast(onderwerp)
    await op.toon()
    assert await op.tel() == [1, 1, 1, 1]
    auditor, eerder = op.auditor(), metrics.AANGEBODEN._value.get()
    await auditor.kijk(ALLE)
    assert await op.tel() == [1, 1, 2, 1]
    eerst, weer = await op.bericht(2)
    assert (eerst.key, eerst.waarde) == (weer.key, weer.waarde)
    assert metrics.AANGEBODEN._value.get() == eerder + 1
    (regel,) = [regel for regel in caplog.messages if "offered again" in regel]
    assert regel == f"run {een.kader.proceskenmerk} is open, though the line passed it: 1 of its 4 slices offered again"
    await op.beslis()
    await op.leg_vast("bericht")
    await op.toon()
    assert len(op.vragen.uitkomsten_van(een.kader).nummers) == N
    op.nu += 10 * 3_600_000
    await auditor.kijk(ALLE)
    assert await op.tel() == [1, 1, 2, 1]


async def test_a_batch_that_was_never_split_is_offered_whole(op: Opstelling) -> None:
    """A gap that Faust acked."""
    een = await op.lever(1, gesplitst=False)
    await op.leg_vast("batch")
    await op.auditor().kijk(ALLE)
    assert await op.tel() == [1, 1, 1, 1]
    await op.beslis()
    await op.toon()
    assert len(op.vragen.uitkomsten_van(een.kader).nummers) == N


async def test_what_is_offered_twice_is_decided_once(op: Opstelling) -> None:
    """Two owners at a rebalance: deciding once makes an offer harmless."""
    een = await op.lever(1)
    await op.beslis(behalve=[0, 1])
    await op.leg_vast("batch")
    await op.leg_vast("bericht")
    await op.toon()
    for auditor in (op.auditor(), op.auditor()):
        await auditor.kijk(ALLE)
        await op.leg_vast("bericht")
    assert await op.tel() == [3, 3, 1, 1]
    await op.beslis()
    await op.toon()
    for nummer in range(BERICHT):
        (record,) = await op.lees("validatie", nummer)
        assert {partitie(CODEC.lees_uitkomst(record.waarde).bericht_id(0), BERICHT)} == {nummer}
    assert len(op.vragen.uitkomsten_van(een.kader).nummers) == N


@pytest.mark.parametrize("wie", ["batch", "bericht"])
async def test_a_backlog_is_not_offered(op: Opstelling, wie: str) -> None:
    """However old: the group has yet to come there. Once it has passed, what it left is."""
    await op.lever(1)
    await op.leg_vast("batch", min_=wie == "batch")
    await op.leg_vast("bericht", min_=wie == "bericht")
    auditor = op.auditor()
    for _ in range(2):
        op.nu += 3_600_000
        await auditor.kijk(ALLE)
        assert await op.tel() == [1, 1, 1, 1]
    await op.leg_vast(wie)
    await auditor.kijk(ALLE)
    assert await op.tel() == [2, 2, 2, 2]


async def test_a_group_that_never_committed_is_behind(op: Opstelling) -> None:
    await op.lever(1)
    await op.auditor().kijk(ALLE)
    assert await op.tel() == [1, 1, 1, 1]


async def test_a_run_whose_decisions_the_sink_has_yet_to_show_is_not_offered(op: Opstelling) -> None:
    await op.lever(1)
    await op.beslis()
    await op.leg_vast("batch")
    await op.leg_vast("bericht")
    auditor = op.auditor()
    await auditor.kijk(ALLE)
    await op.toon()
    await auditor.kijk(ALLE)
    assert await op.tel() == [1, 1, 1, 1]


async def test_decisions_whose_commit_readers_do_not_see_yet_count_as_behind(op: Opstelling) -> None:
    """A commit is answered, and the slice committed, a moment before its marker stands in the partition."""
    een = await op.lever(1)
    await op.beslis(behalve=[3])
    await op.toon()
    await op.leg_vast("batch")
    await op.leg_vast("bericht")
    (record,) = await op.bericht(3)
    slice_ = CODEC.lees_batch(record.waarde, "bericht")
    auditor = op.auditor()
    async with transactie(op) as producer:
        waarde = CODEC.schrijf_uitkomst(beslis(slice_, referentie(), Bekend(), {(TYPE, BSNS[0]): True}, T0 + 1))
        await producer.send_and_wait(op.instellingen.topic("validatie"), waarde, partition=3)
        await op.toon()
        await auditor.kijk(ALLE)
    await lees_alles(op.instellingen, "validatie", 3)  # until the marker is there
    await op.toon()
    await auditor.kijk(ALLE)
    assert await op.tel() == [1, 1, 1, 1]
    assert len(op.vragen.uitkomsten_van(een.kader).nummers) == N


async def test_what_comes_during_a_round_waits_for_the_next(op: Opstelling) -> None:
    await op.lever(1, waar=0)
    await op.leg_vast("batch")
    auditor = op.auditor()
    await auditor.kijk(ALLE)  # waits for `bericht`
    await op.lever(2, waar=0, gesplitst=False)
    await op.leg_vast("bericht")
    await auditor.kijk(ALLE)
    assert await runs_van(op) == {1001: 2}
    await op.leg_vast("batch")
    await op.leg_vast("bericht")
    await auditor.kijk(ALLE)
    assert await runs_van(op) == {1001: 2, 1002: 1}


async def test_markers_of_transactions_hold_up_nothing(op: Opstelling) -> None:
    """They take an offset at the end of the log that no reader commits."""
    await op.lever(1, gesplitst=False)
    await op.leg_vast("batch")
    async with transactie(op) as producer:
        await producer.send_and_wait(op.instellingen.topic("bericht"), b"?", partition=1)
    await lees_alles(op.instellingen, "bericht", 1)  # until the marker is there
    await op.leg_vast("bericht", min_=1)
    await op.auditor().kijk(ALLE)
    assert await op.tel() == [1, 3, 1, 1]


async def test_offers_of_a_run_grow_rarer(op: Opstelling) -> None:
    """Nobody can tell from outside that its messages wait for an outage."""
    await op.lever(1, gesplitst=False)
    auditor, aantallen, op.nu = op.auditor(), [], op.nu - 1
    for erbij_ms in (0, 1, 299_999, 1, 599_999, 1, 1_199_999, 1):
        op.nu += erbij_ms
        await op.leg_vast("batch")
        await op.leg_vast("bericht")
        await auditor.kijk(ALLE)
        aantallen.append((await op.tel())[0])
    assert aantallen == [0, 1, 1, 2, 2, 3, 3, 4]


async def test_a_batch_that_retention_took_is_named_once(op: Opstelling, caplog: pytest.LogCaptureFixture) -> None:
    weg = await op.lever(1, waar=0, gesplitst=False)
    await op.lever(2, waar=0, gesplitst=False)
    await op.leg_vast("batch")
    trim(op.instellingen, "batch", 1)
    auditor = op.auditor()
    for _ in range(3):
        op.nu += 3_600_000
        await auditor.kijk(ALLE)
        await op.leg_vast("bericht")
        assert metrics.VERLOREN._value.get() == 1
    assert await runs_van(op) == {1002: 3}
    (fout,) = [regel for regel in caplog.messages if "never be offered" in regel]
    assert str(weg.kader.proceskenmerk) in fout
    assert not any(bsn in caplog.text for bsn in BSNS)


async def test_only_runs_of_own_partitions_are_offered(op: Opstelling) -> None:
    van = {nummer: partitie((await op.lever(nummer, gesplitst=False)).kader.batch_id.bytes, BATCH) for nummer in ALLE}
    assert len(set(van.values())) > 1
    await op.leg_vast("batch")
    auditor = op.auditor()
    await auditor.kijk([])
    assert await op.tel() == [0, 0, 0, 0]
    await auditor.kijk({van[0]})
    assert await runs_van(op) == {1000 + nummer: 1 for nummer in van if van[nummer] == van[0]}
    await op.leg_vast("bericht")
    await auditor.kijk(set(ALLE))
    assert await runs_van(op) == {1000 + nummer: 1 for nummer in van}


@pytest.mark.parametrize(("runs", "blad"), [(2, 3), (3, 2)])
async def test_a_look_does_a_bounded_part_and_the_next_goes_on_at_once(
    op: Opstelling, monkeypatch: pytest.MonkeyPatch, runs: int, blad: int
) -> None:
    """Each run is met once in a round, in whatever partition of `batch` it stands, though all came at one moment."""
    monkeypatch.setattr(module, "_RUNS_PER_KIJK", runs)
    monkeypatch.setattr(module, "_PER_BLAD", blad)
    for nummer in range(7):
        await op.lever(nummer, waar=nummer % BATCH, gesplitst=False)
    await op.leg_vast("batch")
    auditor, aantallen = op.auditor(auditor_s=3600), []
    for _ in range(5):
        await auditor.kijk(ALLE)
        aantallen.append(len(await runs_van(op)))
    assert aantallen == [2, 4, 6, 7, 7]
    assert set((await runs_van(op)).values()) == {1}


async def test_a_look_ends_after_so_many_bytes(op: Opstelling, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_BYTES_PER_KIJK", 1)
    for nummer in range(3):
        await op.lever(nummer, gesplitst=False)
    await op.leg_vast("batch")
    auditor, aantallen = op.auditor(auditor_s=3600), []
    for _ in range(4):
        await auditor.kijk(ALLE)
        aantallen.append(len(await runs_van(op)))
    assert aantallen == [1, 2, 3, 3]


class Weg(Vragen):
    """A ClickHouse that is away at one question."""

    def __init__(self, client: Client, vraag: str) -> None:
        super().__init__(client)
        setattr(self, vraag, self._weg)

    def _weg(self, *_: object) -> None:
        raise DatabaseWeg("a text that may hold anything")


async def test_clickhouse_away_is_no_reason_to_end(op: Opstelling, caplog: pytest.LogCaptureFixture) -> None:
    await op.lever(1, gesplitst=False)
    await op.leg_vast("batch")
    for vraag in ("voortgang", "onbesloten_runs", "offsets_van", "besloten_nummers"):
        caplog.clear()
        auditor = op.auditor(vragen := Weg(op.client, vraag))
        await auditor.kijk(ALLE)
        assert "DatabaseWeg" in caplog.text
        assert "a text that" not in caplog.text
        assert await op.tel() == [0, 0, 0, 0]
    delattr(vragen, vraag)
    await auditor.kijk(ALLE)
    assert await op.tel() == [1, 1, 1, 1]


async def test_kafka_away_is_no_reason_to_end(op: Opstelling, caplog: pytest.LogCaptureFixture) -> None:
    await op.auditor(kafka="127.0.0.1:9").kijk(ALLE)
    assert "the auditor cannot look now, trying again: KafkaConnectionError" in caplog.text


@asynccontextmanager
async def transactie(op: Opstelling) -> AsyncIterator[AIOKafkaProducer]:
    """A transaction of a producer of its own, committed at the end."""
    async with (
        AIOKafkaProducer(
            bootstrap_servers=op.instellingen.kafka, transactional_id=op.instellingen.groep("proef")
        ) as producer,
        producer.transaction(),
    ):
        yield producer


async def runs_van(op: Opstelling) -> dict[int, int]:
    """For each run (by number) in how many slices of partition 1 of `bericht` it is; all have messages there."""
    return dict(
        sorted(
            Counter(
                CODEC.lees_batch(record.waarde, "bericht").kader.proceskenmerk.int for record in await op.bericht(1)
            ).items()
        )
    )
