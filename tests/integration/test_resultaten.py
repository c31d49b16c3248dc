"""The sweep for results, on a real broker and the real ClickHouse engine: each finished run is answered once."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import suppress
from threading import Event
from uuid import UUID, uuid4

import pytest
from aiokafka.errors import KafkaError
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.query import QueryContext, QueryResult

from agents import resultaten, veger
from agents.resultaten import Resultaten
from avro.codec import Codec
from domain.batch import Kader
from domain.beslissing import Bekend, Uitkomst, beslis
from domain.resultaat import Resultaat
from sinks.rijen import Rijen, van_batch, van_resultaat, van_uitkomst
from sinks.schrijver import Schrijver
from sinks.tellingen import Plek
from sinks.vragen import Vragen
from streams.fence import EigenPartitie, Onteigend
from streams.settings import Instellingen
from streams.topics import topic_ids
from tests.kafka import lees_alles
from tests.slices import BSNS, TYPE, kader, maak_slice, referentie

pytestmark = pytest.mark.integration

CODEC = Codec()


class Opstelling:
    """Sweepers, and a sink that is played by the test."""

    def __init__(self, instellingen: Instellingen, client: Client) -> None:
        self.instellingen = instellingen
        self.vragen = Vragen(client)
        self.schrijver = Schrijver(client)
        self.topic_id = topic_ids(instellingen, ["resultaat"])["resultaat"]
        self.vegers: list[Resultaten] = []
        self.gezien = 0
        """Records of `validatie` that the sink has shown."""

    async def zet(self, tabel: str, kolommen: list[Sequence[object]]) -> None:
        rijen = Rijen(tabel)
        rijen.voeg_toe(kolommen)
        await self.schrijver.schrijf_tabel(rijen)

    async def run(self, totaal: int = 2, besloten: int = 2, getoond: bool = True) -> UUID:
        """A run of which so many messages are decided; `getoond`: the progress too says so."""
        slice_ = maak_slice(
            ids=[uuid4().bytes for _ in range(totaal)], van=kader(run=uuid4(), batch=uuid4(), totaal=totaal)
        )
        uitkomst: Uitkomst = beslis(
            slice_, referentie(), Bekend(range(besloten + 1, totaal + 1)), {(TYPE, BSNS[0]): True}, 1
        )
        await self.zet("runs", van_batch(slice_, 1))
        await self.zet("uitkomsten", van_uitkomst(uitkomst, 1))
        if getoond:
            self.gezien += 1
            topic = self.instellingen.topic("validatie")
            await self.schrijver.schrijf_voortgang([(topic, "validatie", 0, self.gezien)])
        return slice_.kader.proceskenmerk

    async def toon(self) -> None:
        """Brings what is in the log to ClickHouse, as the sink does."""
        records = await lees_alles(self.instellingen, "resultaat", 0)
        for record in records:
            await self.zet("resultaten", van_resultaat(CODEC.lees_resultaat(record.waarde)))
        topic = self.instellingen.topic("resultaat")
        await self.schrijver.schrijf_voortgang([(topic, self.topic_id, 0, records[-1].offset + 1)])

    def veger(self) -> Resultaten:
        een = Resultaten(self.instellingen, CODEC, self.vragen, self.topic_id)
        een.toegewezen = {0}
        self.vegers.append(een)
        return een

    async def uit(self) -> list[Resultaat]:
        return [CODEC.lees_resultaat(record.waarde) for record in await lees_alles(self.instellingen, "resultaat", 0)]

    async def wacht_op(self, runs: Sequence[UUID]) -> None:
        """Returns when these runs are answered, and no other."""
        deadline = time.monotonic() + 60
        while True:
            if await self.beantwoord() == sorted(runs):
                return
            assert time.monotonic() < deadline
            await asyncio.sleep(0.05)

    async def beantwoord(self) -> list[UUID]:
        return sorted(een.kader.proceskenmerk for een in await self.uit())


@pytest.fixture
async def op(lijn: Instellingen, database: Client, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Opstelling]:
    monkeypatch.setattr(veger, "vergeet_na", lambda _: 0.0)
    opstelling = Opstelling(lijn.model_copy(update={"sweep_s": 0.05}), database)
    yield opstelling
    for een in opstelling.vegers:
        await een.laat_los()


async def test_a_finished_run_is_answered_once_and_an_open_one_not(op: Opstelling) -> None:
    klaar = await op.run()
    await op.run(besloten=1)
    een = op.veger()
    for _ in range(2):
        await een.ronde()
    assert await op.beantwoord() == [klaar]
    await op.toon()
    for _ in range(2):
        await een.ronde()
    assert await op.beantwoord() == [klaar]
    assert op.vragen._rijen("SELECT count() FROM open_runs")[0][0] == 1, "what is answered was forgotten"


async def test_results_do_not_wait_until_what_is_finished_is_counted(
    op: Opstelling, monkeypatch: pytest.MonkeyPatch
) -> None:
    echt, mag = op.vragen.tel_batches, Event()

    def traag(na: Plek, genoeg: Callable[[], bool]) -> Plek | None:
        assert mag.wait(60)
        return echt(na, genoeg)

    monkeypatch.setattr(op.vragen, "tel_batches", traag)
    eerste = await op.run()
    een = op.veger()
    await een.ronde()
    tweede = await op.run()
    await een.ronde()
    assert await op.beantwoord() == sorted([eerste, tweede])
    await op.toon()
    mag.set()
    werk = een._teller._werk
    assert werk is not None
    await werk
    assert sorted(rij[0] for rij in op.vragen._rijen("SELECT runs FROM tellingen")) == sorted([[eerste], [tweede]])


async def test_who_takes_over_knows_the_answers_that_clickhouse_does_not_show(op: Opstelling) -> None:
    eerste = await op.run()
    zombie = op.veger()
    await zombie.ronde()
    nieuw = op.veger()
    await nieuw.ronde()
    tweede = await op.run()
    with pytest.raises(Onteigend):
        await zombie.ronde()
    await nieuw.ronde()
    assert await op.beantwoord() == sorted([eerste, tweede])


async def test_while_the_sinks_add_nothing_no_look_is_taken(op: Opstelling, monkeypatch: pytest.MonkeyPatch) -> None:
    keren = 0
    echt = op.vragen.afgeronde_runs_zonder_resultaat

    def tel(hoeveel: int) -> list[Kader]:
        nonlocal keren
        keren += 1
        return echt(hoeveel)

    monkeypatch.setattr(op.vragen, "afgeronde_runs_zonder_resultaat", tel)
    een = op.veger()
    for _ in range(5):
        await een.ronde()
    assert keren == 1
    klaar = await op.run()
    for _ in range(4):
        await een.ronde()
    assert (await op.beantwoord(), keren) == ([klaar], 5), "its own result is not to be seen yet"
    await op.toon()
    for _ in range(5):
        await een.ronde()
    assert keren == 6


async def test_after_a_while_a_look_is_taken_anyway(op: Opstelling, monkeypatch: pytest.MonkeyPatch) -> None:
    """A replica can show the progress before the rows."""
    monkeypatch.setattr(resultaten, "_HOOGSTENS_S", 0.0)
    een = op.veger()
    await een.ronde()
    stand = op.vragen.stand()
    klaar = await op.run(getoond=False)
    await een.ronde()
    assert (await op.beantwoord(), op.vragen.stand()) == ([klaar], stand)


async def test_who_opens_a_partition_looks_at_once(op: Opstelling) -> None:
    """What was found before may have been of a partition that another owned then."""
    een = op.veger()
    await een.ronde()
    stand = op.vragen.stand()
    klaar = await op.run(getoond=False)
    await een.ronde()
    assert await op.beantwoord() == []
    await een.laat_los()
    await een.ronde()
    assert (await op.beantwoord(), op.vragen.stand()) == ([klaar], stand)


async def test_the_types_of_columns_are_asked_once(op: Opstelling, monkeypatch: pytest.MonkeyPatch) -> None:
    gevraagd: list[str] = []
    echt = op.schrijver._client._query_with_context

    def noteer(vraag: QueryContext) -> QueryResult:
        gevraagd.append(vraag.final_query)
        return echt(vraag)

    monkeypatch.setattr(op.schrijver._client, "_query_with_context", noteer)
    for _ in range(3):
        await op.run()
    beschreven = [sql for sql in gevraagd if sql.startswith("DESCRIBE")]
    assert len(beschreven) == len(set(beschreven)) == 3, "runs, uitkomsten and voortgang"


async def test_a_lost_answer_is_looked_up_and_the_loop_goes_on(op: Opstelling, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a worker runs it: a member of the group, that tries again."""
    echt, keer = EigenPartitie.schrijf, iter([True])

    async def verliest_antwoord(
        self: EigenPartitie, records: Sequence[tuple[bytes, bytes]], mag: Callable[[], bool] = lambda: True
    ) -> list[int]:
        offsets = await echt(self, records, mag)
        if next(keer, False):
            raise KafkaError("the answer was lost")
        return offsets

    monkeypatch.setattr(EigenPartitie, "schrijf", verliest_antwoord)
    runs = [await op.run()]
    een = op.veger()
    een.toegewezen = set()
    taak = asyncio.create_task(een.loop())
    try:
        await op.wacht_op(runs)
        await op.wacht_op([*runs, await op.run()])
    finally:
        taak.cancel()
        with suppress(asyncio.CancelledError):
            await taak
    assert een.eigen == {}
