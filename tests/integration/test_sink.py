"""The sink on a real broker and the real ClickHouse engine: every decision is seen once, whatever died when."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from clickhouse_connect.driver.client import Client

from avro.codec import Codec
from domain.batch import Batch
from domain.beslissing import Bekend, Uitkomst, beslis
from domain.codes import Stadium, Verwerkingscode
from domain.resultaat import Resultaat
from sinks.database import DatabaseWeg, maak_client
from sinks.embedded.proces import EmbeddedClickHouse
from sinks.migreer import migreer
from sinks.rijen import Rijen, van_uitkomst
from sinks.schrijver import Schrijver
from sinks.sink import ONDERWERPEN, Sink
from sinks.stroomvragen import Teruggezet
from sinks.vragen import Vragen
from streams.dlq import Terzijde, TeVeelOnleesbaar
from streams.fence import EigenPartitie, LogVerdwenen
from streams.producer import maak_producer
from streams.settings import Instellingen
from streams.topics import topic_ids
from tests.kafka import lees_alles, maak_anders, trim
from tests.regels import regel
from tests.slices import BSNS, TYPE, kader, maak_slice, referentie

pytestmark = pytest.mark.integration

CODEC = Codec()
N = 5
"""Messages in each batch."""


def batch(nummer: int) -> Batch:
    """The batch of a number: the even ones with one message that breaks the schema."""
    van = kader(run=UUID(int=1000 + nummer), batch=UUID(int=2000 + nummer), totaal=N)
    fouten = ["" if rij or nummer % 2 else "Onderwerp: leeg" for rij in range(N)]
    return maak_slice(ids=[f"{nummer}-{rij}" for rij in range(N)], van=van, fouten=fouten)


def uitkomst(nummer: int) -> Uitkomst:
    slice_ = batch(nummer)
    return beslis(slice_, referentie(), Bekend(), {(TYPE, BSNS[0]): True}, slice_.kader.aangeleverd_op + 1)


def resultaat(nummer: int) -> Resultaat:
    een = uitkomst(nummer)
    return Resultaat(een.kader, een.verwerkt_op, een.nummers, een.bericht_ids, een.berichttypes, een.codes, een.stadia)


class Opstelling:
    """A line of which the sink is real and the rest is played by the test."""

    def __init__(self, instellingen: Instellingen, client: Client, producer: AIOKafkaProducer) -> None:
        self.instellingen = instellingen
        self.client = client
        self.vragen = Vragen(client)
        self.producer = producer
        self.topic_ids = topic_ids(instellingen, ONDERWERPEN)
        self.geschreven: list[int] = []

    async def lever(self, nummers: Sequence[int]) -> None:
        """Writes batches, the decisions on them (partition by number, in transactions of three) and their results."""
        for nummer in nummers:
            await self.zet("batch", CODEC.schrijf_batch(batch(nummer)))
            await self.zet("resultaat", CODEC.schrijf_resultaat(resultaat(nummer)))
        for partitie in range(self.instellingen.partities_bericht):
            eigen = EigenPartitie(self.instellingen, "validatie", partitie)
            hier = [nummer for nummer in nummers if nummer % self.instellingen.partities_bericht == partitie]
            try:
                await eigen.open(0)
                for begin in range(0, len(hier), 3):
                    await eigen.schrijf([(b"", CODEC.schrijf_uitkomst(uitkomst(n))) for n in hier[begin : begin + 3]])
            finally:
                await eigen.close()
        self.geschreven += nummers

    async def zet(self, onderwerp: str, waarde: bytes | None, partitie: int = 0) -> int:
        """Writes one record, and says where."""
        metadata = await self.producer.send_and_wait(
            self.instellingen.topic(onderwerp), waarde, key=b"k", partition=partitie
        )
        return int(metadata.offset)

    def sink(self, schrijver: Schrijver | None = None, vragen: Vragen | None = None, **anders: Any) -> Sink:
        instellingen = self.instellingen.model_copy(update=anders)
        return Sink(
            instellingen,
            CODEC,
            schrijver or Schrijver(self.client),
            vragen or self.vragen,
            topic_ids(instellingen, ONDERWERPEN),
            Terzijde(instellingen, CODEC, self.producer),
        )

    async def is_bij(self) -> None:
        """Returns when the progress is at the end of every partition."""
        for onderwerp in ONDERWERPEN:
            for partitie in range(2 if onderwerp in ("validatie", "logboek") else 1):
                records = await lees_alles(self.instellingen, onderwerp, partitie)
                eind = records[-1].offset + 1 if records else 0
                await wacht_tot(lambda o=onderwerp, p=partitie, e=eind: self.voortgang(o).get(p, 0) >= e)  # type: ignore[misc]

    def voortgang(self, onderwerp: str) -> dict[int, int]:
        return self.vragen.voortgang(self.topic_ids[onderwerp])

    def controleer(self) -> None:
        """Every message of every batch has one row, and it is the right one; the same for runs and results."""
        verwacht = {
            (een.kader.proceskenmerk, nummer): (str(code), str(stadium), een.bericht_id(rij), een.redenen[rij])
            for een in map(uitkomst, self.geschreven)
            for rij, (nummer, code, stadium) in enumerate(zip(een.nummers, een.codes, een.stadia, strict=True))
        }
        rijen = self.client.query(
            "SELECT proceskenmerk, nummer, code, stadium, bericht_id, reden FROM uitkomsten FINAL"
        ).result_rows
        assert len(rijen) == len(verwacht)
        assert {
            (run, nummer): (code, stadium, wie.bytes, reden) for run, nummer, code, stadium, wie, reden in rijen
        } == verwacht
        runs = {een.kader.proceskenmerk for een in map(batch, self.geschreven)}
        for tabel in ("runs", "resultaten"):
            gevonden = [rij[0] for rij in self.client.query(f"SELECT proceskenmerk FROM {tabel} FINAL").result_rows]
            assert sorted(gevonden) == sorted(runs)
        (totaal,) = self.vragen.totalen()
        assert totaal["berichten"] == len(verwacht)
        assert totaal["verwerkt"] == sum(code == "Verwerkt" for code, *_ in verwacht.values())
        assert totaal["in_behandeling"] == 0


async def wacht_tot(zo: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while True:
        with suppress(DatabaseWeg):  # a test may have killed it
            if await asyncio.to_thread(zo):
                return
        assert time.monotonic() < deadline
        await asyncio.sleep(0.1)


@pytest.fixture
async def op(lijn: Instellingen, database: Client) -> AsyncIterator[Opstelling]:
    producer = maak_producer(lijn)
    await producer.start()
    yield Opstelling(lijn, database, producer)
    await producer.stop()


@asynccontextmanager
async def draait(sink: Sink) -> AsyncIterator["asyncio.Task[None]"]:
    """The sink runs, until the test is done with it or it ends of its own accord: ask `taak` why."""
    taak = asyncio.create_task(sink.loop())
    try:
        yield taak
    finally:
        if not taak.done():
            taak.cancel()
            with suppress(asyncio.CancelledError):
                await taak


async def of_eindigt(taak: "asyncio.Task[None]", werk: Awaitable[None]) -> None:
    """Waits for something, but no longer than the sink lives."""
    klus = asyncio.ensure_future(werk)
    await asyncio.wait([taak, klus], return_when=asyncio.FIRST_COMPLETED)
    if not klus.done():
        klus.cancel()
        await taak
        pytest.fail("the sink ended without an error")
    await klus


async def loop_bij(op: Opstelling, sink: Sink | None = None) -> None:
    """One life of a sink: it runs until everything is in ClickHouse."""
    async with draait(sink or op.sink()) as taak:
        await of_eindigt(taak, op.is_bij())


async def test_rows_appear_once_through_restarts(op: Opstelling) -> None:
    for begin in range(0, 12, 4):
        await op.lever(range(begin, begin + 4))
        await loop_bij(op)
        op.controleer()
    ruw = op.client.query("SELECT count() FROM uitkomsten").result_rows[0][0]
    assert ruw == 12 * N, "an orderly restart inserts nothing again"


@regel("Times are taken once, at the door, by one clock, and travel with the event")
async def test_the_frame_of_a_run_comes_back_from_its_row(op: Opstelling) -> None:
    """A result is a pure function of the rows: what they lose, it loses."""
    await op.zet("batch", CODEC.schrijf_batch(batch(1)))
    eigen = EigenPartitie(op.instellingen, "validatie", 0)
    await eigen.open(0)
    await eigen.schrijf([(b"", CODEC.schrijf_uitkomst(uitkomst(1)))])
    await eigen.close()
    await loop_bij(op)
    (van,) = op.vragen.afgeronde_runs_zonder_resultaat(10)
    assert van == batch(1).kader
    assert op.vragen.uitkomsten_van(van) == resultaat(1)


async def test_a_clickhouse_put_back_under_a_running_sink_ends_it_and_the_next_fills_it_up(op: Opstelling) -> None:
    await op.lever(range(3))
    async with draait(op.sink(vragen=Vragen(op.client))) as taak:
        await of_eindigt(taak, op.is_bij())
        for tabel in ("voortgang", "uitkomsten", "runs", "resultaten"):  # as in a copy from before the first batch
            op.client.command(f"TRUNCATE TABLE {tabel}")
        op.vragen = Vragen(op.client)
        await op.lever(range(3, 6))
        with pytest.raises(Teruggezet, match="an older copy"):
            await asyncio.wait_for(asyncio.shield(taak), 60)
    await loop_bij(op)
    op.controleer()


@regel("it must not count, be answered or notify a second time")
async def test_a_clickhouse_put_back_while_progress_is_being_written_gets_none(op: Opstelling) -> None:
    """It went away in the middle of the insert, and an older copy came back: the retry must not go past its gap."""
    await op.lever(range(3))
    await loop_bij(op)
    await op.lever(range(3, 6))
    schrijver = Struikelt(op.client, "voor voortgang", 1)
    async with draait(op.sink(schrijver, Vragen(op.client))) as taak:
        await of_eindigt(taak, _gezet(schrijver.gevallen))
        for tabel in ("voortgang", "uitkomsten", "runs", "resultaten"):
            op.client.command(f"TRUNCATE TABLE {tabel}")
        schrijver.poort.set()
        with pytest.raises(Teruggezet, match="an older copy"):
            await asyncio.wait_for(asyncio.shield(taak), 60)
    op.vragen = Vragen(op.client)
    await loop_bij(op)
    op.controleer()


class Struikelt(Schrijver):
    """Waits at a given step until `poort` opens, or for ever."""

    def __init__(self, client: Client, bij: str, keer: int, poort: asyncio.Event | None = None) -> None:
        super().__init__(client)
        self._bij, self._nog = bij, keer
        self.poort = poort or asyncio.Event()
        self.gevallen = asyncio.Event()

    async def _stap(self, naam: str) -> None:
        if naam == self._bij:
            self._nog -= 1
            if self._nog == 0:
                self.gevallen.set()
                await self.poort.wait()

    async def schrijf_tabel(self, rijen: Rijen) -> None:
        await self._stap(f"voor {rijen.tabel}")
        await super().schrijf_tabel(rijen)
        await self._stap(f"na {rijen.tabel}")

    async def schrijf_voortgang(
        self, voortgang: Sequence[tuple[str, str, int, int]], vooraf: Callable[[], object] = lambda: None
    ) -> None:
        await self._stap("voor voortgang")
        await super().schrijf_voortgang(voortgang, vooraf)
        await self._stap("na voortgang")


@regel("it must not count, be answered or notify a second time")
@pytest.mark.parametrize(
    "stap", ["voor runs", "na runs", "voor uitkomsten", "na uitkomsten", "voor voortgang", "na voortgang"]
)
async def test_a_death_at_any_step_loses_and_doubles_nothing(op: Opstelling, stap: str) -> None:
    await op.lever(range(6))
    schrijver = Struikelt(op.client, stap, 1)
    async with draait(op.sink(schrijver)) as taak:
        await of_eindigt(taak, _gezet(schrijver.gevallen))
    await loop_bij(op)
    op.controleer()


async def _gezet(event: asyncio.Event) -> None:
    await event.wait()


class EerdereVoortgang(Vragen):
    """What a sink sees that was restored from an older backup: progress of a while ago."""

    def __init__(self, client: Client, terug: Callable[[int], int]) -> None:
        super().__init__(client)
        self._terug = terug
        self._gevraagd: set[str] = set()

    def voortgang(self, topic_id: str) -> dict[int, int]:
        """Of a while ago at the first look, from which a sink goes on; afterwards as it is."""
        nu = super().voortgang(topic_id)
        if topic_id in self._gevraagd:
            return nu
        self._gevraagd.add(topic_id)
        return {partitie: self._terug(volgende) for partitie, volgende in nu.items()}


class Onthoudt(Schrijver):
    """Remembers how many rows it inserted, and the progress."""

    def __init__(self, client: Client) -> None:
        super().__init__(client)
        self.rijen = 0
        self.volgende: dict[tuple[str, int], int] = {}

    async def schrijf_tabel(self, rijen: Rijen) -> None:
        await super().schrijf_tabel(rijen)
        self.rijen += len(rijen)

    async def schrijf_voortgang(
        self, voortgang: Sequence[tuple[str, str, int, int]], vooraf: Callable[[], object] = lambda: None
    ) -> None:
        await super().schrijf_voortgang(voortgang, vooraf)
        self.volgende.update({(topic, partitie): volgende for topic, _, partitie, volgende in voortgang})

    def is_bij(self, eind: dict[tuple[str, int], int]) -> bool:
        return all(self.volgende.get(tp, 0) >= volgende for tp, volgende in eind.items())


@pytest.mark.parametrize("zaad", range(3))
async def test_the_same_and_overlapping_ranges_change_nothing(op: Opstelling, zaad: int) -> None:
    kans = random.Random(zaad)
    await op.lever(range(8))
    await loop_bij(op)
    for _ in range(3):
        eerder = EerdereVoortgang(op.client, lambda volgende: kans.randint(0, volgende - 1))
        schrijver = Onthoudt(op.client)
        partities = [("batch", 0), ("resultaat", 0), ("validatie", 0), ("validatie", 1)]
        eind = {(op.instellingen.topic(naam), p): op.voortgang(naam)[p] for naam, p in partities}
        async with draait(op.sink(schrijver, eerder)) as taak:
            await of_eindigt(taak, wacht_tot(lambda: schrijver.is_bij(eind)))  # noqa: B023
        assert schrijver.rijen > 0
        op.controleer()


async def test_a_torn_insert_is_made_whole(op: Opstelling) -> None:
    """A failing insert leaves part of its rows; a fence by what the rows show would drop the rest for good."""
    await op.lever(range(4))
    for nummer, offset in ((0, 0), (2, 1)):
        kolommen = van_uitkomst(uitkomst(nummer), offset)
        deel = Rijen("uitkomsten")
        deel.voeg_toe([kolom[2:4] for kolom in kolommen])
        await Schrijver(op.client).schrijf_tabel(deel)
    await loop_bij(op)
    op.controleer()


@regel("The first outcome of (Proceskenmerk, number) that is durable in the topic `validatie` stands")
@pytest.mark.parametrize("omgekeerd", [False, True])
async def test_the_first_decision_stands_in_whatever_order_they_come(op: Opstelling, omgekeerd: bool) -> None:
    """The first outcome of (Proceskenmerk, number) that is durable in the topic `validatie` stands."""
    eerst = uitkomst(1)
    later = replace(eerst, codes=[Verwerkingscode.TECHNISCH_PROBLEEM] * N, stadia=[Stadium.STORE_MESSAGE] * N)
    paar = [(eerst, 10), (later, 20)]
    for een, offset in reversed(paar) if omgekeerd else paar:
        rijen = Rijen("uitkomsten")
        rijen.voeg_toe(van_uitkomst(een, offset))
        await Schrijver(op.client).schrijf_tabel(rijen)
    await op.zet("batch", CODEC.schrijf_batch(batch(1)))
    await loop_bij(op)
    assert op.vragen.fouten() == []
    bekend = op.vragen.bekend([(eerst.kader.leverancier, eerst.bericht_id(0), UUID(int=9))])
    assert bekend == [(eerst.kader.leverancier, eerst.bericht_id(0), eerst.kader.proceskenmerk, 1, True)]


async def test_clickhouse_killed_in_mid_insert_is_waited_for(lijn: Instellingen, tmp_path: Path) -> None:
    with EmbeddedClickHouse(tmp_path / "clickhouse") as embedded:
        eigen = lijn.model_copy(update={"clickhouse": embedded.url, "sink_bytes": 8 * 1024})
        client = maak_client(eigen.clickhouse, "")
        migreer(client, eigen.database)
        client.close()
        client = maak_client(eigen.clickhouse, eigen.database)
        producer = maak_producer(eigen)
        await producer.start()
        op = Opstelling(eigen, client, producer)
        try:
            await op.lever(range(20))
            gedood = asyncio.Event()

            class Doodt(Schrijver):
                async def schrijf_tabel(self, rijen: Rijen) -> None:
                    if rijen.tabel == "uitkomsten" and not gedood.is_set():
                        gedood.set()
                        insert = asyncio.create_task(super().schrijf_tabel(rijen))
                        await asyncio.sleep(0.005)
                        await asyncio.to_thread(embedded.kill)
                        await asyncio.to_thread(embedded.start)
                        await insert
                    else:
                        await super().schrijf_tabel(rijen)

            await loop_bij(op, op.sink(Doodt(client)))
            assert gedood.is_set()
            op.controleer()
        finally:
            await producer.stop()
            client.close()


async def test_a_sink_that_starts_while_clickhouse_is_away_waits_for_it(lijn: Instellingen, tmp_path: Path) -> None:
    with EmbeddedClickHouse(tmp_path / "clickhouse") as embedded:
        eigen = lijn.model_copy(update={"clickhouse": embedded.url})
        client = maak_client(eigen.clickhouse, "")
        migreer(client, eigen.database)
        client.close()
        client = maak_client(eigen.clickhouse, eigen.database)
        producer = maak_producer(eigen)
        await producer.start()
        op = Opstelling(eigen, client, producer)
        try:
            await op.lever(range(3))
            await asyncio.to_thread(embedded.kill)
            async with draait(op.sink()) as taak:
                await asyncio.wait([taak], timeout=1.5)
                assert not taak.done()
                await asyncio.to_thread(embedded.start)
                await of_eindigt(taak, op.is_bij())
            op.controleer()
        finally:
            await producer.stop()
            client.close()


class TrageVragen(EerdereVoortgang):
    """A ClickHouse that takes its time to tell the progress."""

    def voortgang(self, topic_id: str) -> dict[int, int]:
        time.sleep(0.5)
        return super().voortgang(topic_id)


async def test_a_first_start_survives_a_slow_answer_about_its_progress(op: Opstelling) -> None:
    """The consumer must not read, or fail for lack of a place, before its place is known."""
    await op.lever(range(3))
    await loop_bij(op, op.sink(vragen=TrageVragen(op.client, lambda volgende: volgende)))
    op.controleer()


async def test_only_the_progress_in_clickhouse_says_where_to_go_on(op: Opstelling) -> None:
    """Always seek to that progress, not to Kafka's commit: ClickHouse was restored from a backup, Kafka was not."""
    await op.lever(range(6))
    await loop_bij(op)
    for tabel in ("runs", "uitkomsten", "resultaten", "bekend", "open_runs", "voortgang"):
        op.client.command(f"TRUNCATE TABLE {tabel}")
    op.vragen = Vragen(op.client)
    await op.lever(range(6, 9))
    await loop_bij(op, op.sink(vragen=TrageVragen(op.client, lambda volgende: volgende)))
    op.controleer()


class Poortwachter(Schrijver):
    """Holds the first insert until `poort` opens."""

    def __init__(self, client: Client) -> None:
        super().__init__(client)
        self.bereikt, self.poort = asyncio.Event(), asyncio.Event()

    async def schrijf_tabel(self, rijen: Rijen) -> None:
        self.bereikt.set()
        await self.poort.wait()
        await super().schrijf_tabel(rijen)


async def test_a_round_that_ends_in_mid_rebalance_makes_no_progress_of_kafkas_commit(op: Opstelling) -> None:
    """While a slow insert ends, partitions change hands, and start where Kafka remembers before they are sought."""
    await op.lever(range(8))
    await loop_bij(op)
    for tabel in ("runs", "uitkomsten", "resultaten", "bekend", "open_runs", "voortgang"):
        op.client.command(f"TRUNCATE TABLE {tabel}")
    op.vragen = Vragen(op.client)
    schrijver = Poortwachter(op.client)
    traag = TrageVragen(op.client, lambda volgende: volgende)
    een = op.sink(schrijver, traag, sink_bytes=1000)
    alle = len(ONDERWERPEN) + 2  # validatie and logboek have two partitions
    async with draait(een) as taak:
        await of_eindigt(taak, _gezet(schrijver.bereikt))
        async with draait(op.sink(vragen=traag, sink_bytes=1000)) as ander:
            await of_eindigt(ander, wacht_tot(lambda: len(een._consumer.assignment()) < alle))
            schrijver.poort.set()
            await of_eindigt(ander, op.is_bij())
            assert not taak.done()
    op.controleer()


async def test_progress_passes_the_markers_that_end_the_log(op: Opstelling) -> None:
    """Else a trimmed log would seem to start beyond the progress, and the fence would read the marker for ever."""
    await op.lever([0])
    await loop_bij(op)
    async with draait(op.sink()) as taak:
        await of_eindigt(taak, wacht_tot(lambda: op.voortgang("validatie").get(0) == 2))


async def test_a_log_that_was_trimmed_beyond_the_progress_ends_the_sink(op: Opstelling) -> None:
    await op.lever([0])
    await loop_bij(op)
    await op.lever([2, 4])
    trim(op.instellingen, "batch", 2)
    async with draait(op.sink()) as taak:
        with pytest.raises(LogVerdwenen, match=r"batch\[0\] starts at 2, while ClickHouse has seen up to 1"):
            await asyncio.wait_for(taak, 30)


async def test_a_log_that_is_trimmed_under_a_waiting_sink_ends_it(op: Opstelling) -> None:
    """The insert waits for hours; meanwhile retention passes what comes next. Going on behind the gap would lose it."""
    await op.lever(range(40))
    schrijver = Struikelt(op.client, "voor runs", 1, poort=asyncio.Event())
    async with draait(op.sink(schrijver, sink_bytes=8 * 1024)) as taak:
        await of_eindigt(taak, _gezet(schrijver.gevallen))
        trim(op.instellingen, "batch", 38)
        schrijver.poort.set()
        with pytest.raises((LogVerdwenen, KafkaError)):
            await asyncio.wait_for(taak, 15)


async def test_a_topic_made_anew_under_a_running_sink_ends_it(op: Opstelling) -> None:
    """The topic's UUID that it started with is gone."""
    await op.lever(range(4))
    await loop_bij(op)
    sink = op.sink()
    await asyncio.to_thread(maak_anders, op.instellingen, "batch")
    async with draait(sink) as taak:
        with pytest.raises(LogVerdwenen):
            await asyncio.wait_for(taak, 30)


@pytest.mark.parametrize("onderwerp", ["batch", "validatie"])
async def test_a_sink_refuses_to_start_on_a_topic_that_was_made_anew(op: Opstelling, onderwerp: str) -> None:
    """Refuse to start when the topic's UUID differs: what it held and ClickHouse had not seen is gone, and offsets, by
    which the first decision and the latest run are known, start over. A person must look."""
    await op.lever(range(4))
    await loop_bij(op)
    await asyncio.to_thread(maak_anders, op.instellingen, onderwerp)
    async with draait(op.sink()) as taak:
        with pytest.raises(LogVerdwenen):
            await asyncio.wait_for(taak, 10)


async def test_two_sinks_at_once_and_one_that_dies(op: Opstelling) -> None:
    await op.lever(range(4))
    async with draait(op.sink()) as een:
        await op.lever(range(4, 10))
        async with draait(op.sink()) as ander:
            await op.lever(range(10, 16))
            await of_eindigt(ander, op.is_bij())
            await op.lever(range(16, 20))
        await op.lever(range(20, 24))
        await of_eindigt(een, op.is_bij())
    op.controleer()


async def terzijde(op: Opstelling) -> list[dict[str, Any]]:
    records = await lees_alles(op.instellingen, "dlq", 0)
    for record in records:
        assert b"GEHEIM" not in (record.waarde or b"")
        assert record.key is None
    return [CODEC.lees("dlq", record.waarde) for record in records]


async def test_an_unreadable_record_is_set_aside_and_the_line_goes_on(op: Opstelling) -> None:
    """A record that can never be read goes to `dlq` (where it came from, never its content) and the line goes on."""
    goed = CODEC.schrijf_batch(batch(0))
    slecht = [b"GEHEIM", None, goed[:5] + b"GEHEIM", goed[:-1], b"\x00\x00\x00\x00\xffGEHEIM"]
    waar = [await op.zet("batch", waarde) for waarde in slecht]
    await op.lever(range(3))
    await loop_bij(op)
    op.controleer()
    gezet = await terzijde(op)
    assert [een["offset"] for een in gezet] == waar
    assert {(een["topic"], een["partitie"]) for een in gezet} == {(op.instellingen.topic("batch"), 0)}
    assert all(een["reden"] and een["gezien_op"] > 0 for een in gezet)


async def test_good_avro_that_does_not_add_up_is_set_aside_as_well(op: Opstelling) -> None:
    waarde = CODEC.lees("batch", CODEC.schrijf_batch(batch(0)))
    await op.zet("batch", CODEC.schrijf("batch", waarde | {"nummers": [99] * N}))
    await op.zet(
        "validatie",
        CODEC.schrijf("validatie", CODEC.lees("validatie", CODEC.schrijf_uitkomst(uitkomst(0))) | {"redenen": []}),
        1,
    )
    await op.lever(range(3))
    await loop_bij(op)
    op.controleer()
    assert len(await terzijde(op)) == 2


async def test_too_many_unreadable_records_in_a_row_stop_the_line(op: Opstelling) -> None:
    """Too many of them in a row stop the line, since then it is we who are broken. None of them is passed over."""
    for _ in range(4):
        await op.zet("batch", b"GEHEIM")
    async with draait(op.sink(dlq_max_op_rij=3)) as taak:
        with pytest.raises(TeVeelOnleesbaar, match="4 unreadable records in a row") as gevangen:
            await asyncio.wait_for(taak, 30)
    assert "GEHEIM" not in str(gevangen.value)
    assert op.voortgang("batch") == {}


async def test_a_readable_record_ends_the_row(op: Opstelling) -> None:
    for nummer in range(3):
        for _ in range(3):
            await op.zet("batch", b"GEHEIM")
        await op.zet("batch", CODEC.schrijf_batch(batch(nummer)))
    await loop_bij(op, op.sink(dlq_max_op_rij=3))
    assert len(await terzijde(op)) == 9
    assert op.client.query("SELECT count() FROM runs FINAL").result_rows == [(3,)]
