"""BerichtBestaatAl: exactly when this leverancier already has this BerichtID Verwerkt, however long ago and wherever
that is known (Domain: The answer; Resends)."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast
from uuid import UUID

import pytest
from clickhouse_connect.driver.client import Client

from agents.beslisser import Beslisser
from domain.batch import Batch
from domain.codes import Verwerkingscode
from sinks.schrijver import Schrijver
from sinks.sink import ONDERWERPEN, Sink
from sinks.vragen import Vragen
from streams.dlq import Terzijde
from streams.fence import lees_tot_eind
from streams.producer import maak_producer
from streams.referentie import ReferentieVolger
from streams.settings import Instellingen
from streams.topics import topic_ids
from tests.integration.opstelling import CODEC, Opstelling, beslis
from tests.kafka import trim
from tests.model.scenario import Brief
from tests.model.zaak import Zaak
from tests.regels import regel
from tests.slices import ANDERE_RUN, RUN, T0, kader, maak_slice

pytestmark = pytest.mark.integration

C = Verwerkingscode
DAG_MS = 24 * 3_600_000
VERWERKT, BESTAAT_AL, GEBRUIKER = "Verwerkt", "BerichtBestaatAl", "NietActiefOfGeabonneerd"
BERICHTTYPE = "BerichtTypeNietOndersteund"


# -- on the whole line


@regel(
    "from another run, or from an earlier place in this batch | NA",
    "Within a batch the order in the file decides which of two equal BerichtIDs is 'already there'",
    "GUIDs compare without regard to case",
)
def test_the_first_in_the_file_is_placed_and_the_rest_is_already_there(zaak: Zaak) -> None:
    brieven = Brief("m1"), Brief("m2"), Brief("m1", hoofdletters=True), Brief("m1", burger="niemand"), Brief("m2")
    assert zaak.lever_en_wacht("A", "b1", *brieven) == [VERWERKT, VERWERKT, BESTAAT_AL, BESTAAT_AL, BESTAAT_AL]


@regel("and only a Verwerkt one is", "this leverancier already has this BerichtID Verwerkt")
def test_one_that_was_not_placed_is_not_already_there(zaak: Zaak) -> None:
    brieven = Brief("m1", burger="niemand"), Brief("m1"), Brief("m2", breuk="onderwerp te lang"), Brief("m2")
    assert zaak.lever_en_wacht("A", "b1", *brieven)[:2] == [GEBRUIKER, VERWERKT]
    assert zaak.lever_en_wacht("A", "b2", Brief("m2"), Brief("m1")) == [BESTAAT_AL, BESTAAT_AL]
    assert zaak.lever_en_wacht("A", "b3", Brief("m3", burger="niemand")) == [GEBRUIKER]
    assert zaak.lever_en_wacht("A", "b3", Brief("m3")) == [VERWERKT]


@regel("within which BerichtIDs are unique", "…/BerichtID | GUID | unique for the leverancier")
def test_the_same_bericht_id_of_another_leverancier_is_another_message(zaak: Zaak) -> None:
    assert zaak.lever_en_wacht("A", "b1", Brief("m1"), door="I") == [VERWERKT]
    assert zaak.lever_en_wacht("B", "b1", Brief("m1")) == [VERWERKT]
    assert zaak.lever_en_wacht("A", "b2", Brief("m1")) == [BESTAAT_AL]


@regel("Messages already Verwerkt get BerichtBestaatAl in *its result*; the others are processed")
def test_a_second_post_after_a_lost_answer_is_answered_so_and_shown_green(zaak: Zaak) -> None:
    brieven = Brief("m1"), Brief("m2"), Brief("m3", burger="niemand")
    eerste, tweede = (zaak.lever("A", "b1", *brieven) for _ in range(2))  # the first is not decided yet
    assert zaak.resultaat(eerste) == [VERWERKT, VERWERKT, GEBRUIKER]
    assert zaak.resultaat(tweede) == [BESTAAT_AL, BESTAAT_AL, GEBRUIKER]
    getoond = zaak.batch("A", "b1")
    assert [bericht["code"] for bericht in getoond["berichten"]] == [VERWERKT, VERWERKT, GEBRUIKER]
    assert (getoond["totaal"], getoond["verwerkt"], getoond["niet_verwerkt"]) == (3, 2, 1)


@regel("it must not count, be answered or notify a second time", "earlier runs can be asked for")
@pytest.mark.parametrize("hoe", ["batch", "slices", "los"])
def test_a_record_that_comes_again_is_no_new_delivery(zaak: Zaak, hoe: str) -> None:
    """What is shown is still the latest run that was delivered, not the one that was replayed last."""
    eerste = zaak.lever("A", "b1", Brief("m1", burger="niemand"))
    laatste = zaak.lever("A", "b1", Brief("m1", "NIETS"))
    assert zaak.batch("A", "b1")["proceskenmerk"] == str(laatste.kader.proceskenmerk)
    zaak.lijn.herhaal(eerste, hoe)
    getoond = zaak.batch("A", "b1")
    assert getoond["proceskenmerk"] == str(laatste.kader.proceskenmerk)
    assert [bericht["code"] for bericht in getoond["berichten"]] == [BERICHTTYPE]
    assert zaak.codes(eerste) == [GEBRUIKER]
    assert zaak.resultaat(eerste) == [GEBRUIKER]


@regel("this leverancier already has this BerichtID Verwerkt")
def test_another_worker_knows_what_the_former_placed(zaak: Zaak) -> None:
    namen = [f"m{nummer}" for nummer in range(1, 9)]  # over every partition
    assert set(zaak.lever_en_wacht("A", "b1", *map(Brief, namen))) == {VERWERKT}
    zaak.lijn.herstart()
    assert set(zaak.lever_en_wacht("A", "b2", *map(Brief, namen))) == {BESTAAT_AL}


# -- one who decides, with the real ClickHouse behind him


class Echt(Opstelling):
    """Workers that look up in ClickHouse what a real sink brought there."""

    def __init__(self, instellingen: Instellingen, database: Client, map_: Path) -> None:
        super().__init__(instellingen, map_)
        self._database = database
        self.vragen = Vragen(database)
        self.topic_ids = topic_ids(instellingen, ONDERWERPEN)

    def worker(self, **anders: Any) -> Beslisser:
        self.workers.append(
            Beslisser(
                self.instellingen.model_copy(update=anders),
                CODEC,
                cast(ReferentieVolger, self.data),
                self.profiel,
                self.winkel,
                self.sleutels,
                self.vragen,
                self.topic_ids["validatie"],
                lambda: self.nu,
            )
        )
        return self.workers[-1]

    def voortgang(self) -> int:
        """Up to where ClickHouse shows the decisions on partition 0."""
        return self.vragen.voortgang(self.topic_ids["validatie"]).get(0, 0)

    async def toon(self) -> None:
        """Lets a sink bring all decisions to ClickHouse."""
        eind = (await self.log())[-1].offset
        async with self._sink():
            grens = time.monotonic() + 60
            while self.voortgang() <= eind:
                assert time.monotonic() < grens
                await asyncio.sleep(0.02)

    @asynccontextmanager
    async def _sink(self) -> AsyncIterator[None]:
        async with maak_producer(self.instellingen) as producer:
            terzijde = Terzijde(self.instellingen, CODEC, producer)
            schrijver = Schrijver(self._database)
            sink = Sink(self.instellingen, CODEC, schrijver, self.vragen, self.topic_ids, terzijde)
            taak = asyncio.create_task(sink.loop())
            try:
                yield
            finally:
                taak.cancel()
                await asyncio.gather(taak, return_exceptions=True)


@pytest.fixture
async def echt(lijn: Instellingen, database: Client, tmp_path: Path) -> AsyncIterator[Echt]:
    opstelling = Echt(lijn, database, tmp_path)
    yield opstelling
    for worker in opstelling.workers:
        await worker.stop()


def later(*ids: str, run: UUID = ANDERE_RUN, dagen: int = 0) -> Batch:
    """A slice of another run, so many days after the first."""
    op = T0 + dagen * DAG_MS
    return maak_slice(ids=ids, van=kader(run=run, totaal=len(ids), aangeleverd_op=op, aanmaakdatum=op))


@regel("from another run, or from an earlier place in this batch | NA")
async def test_weeks_later_when_only_clickhouse_knows(echt: Echt) -> None:
    """No worker remembers it, and the log has been thrown away: 14 days is all that it is kept."""
    await beslis(echt.worker(), maak_slice(ids=["a", "b"]))
    await echt.toon()
    weggegooid_tot = echt.voortgang()
    trim(echt.instellingen, "validatie", weggegooid_tot)
    echt.nu = T0 + 40 * DAG_MS
    await beslis(echt.worker(), later("b", "c", "a", dagen=40))
    topic = echt.instellingen.topic("validatie")
    (record,) = await lees_tot_eind(echt.instellingen, topic, 0, weggegooid_tot)
    assert CODEC.lees_uitkomst(record.waarde).codes == [C.BERICHT_BESTAAT_AL, C.VERWERKT, C.BERICHT_BESTAAT_AL]


@regel("this leverancier already has this BerichtID Verwerkt")
@pytest.mark.parametrize("getoond", [False, True])
async def test_who_comes_after_a_rebalance_knows_it_and_a_zombie_cannot_place_it_again(
    echt: Echt, getoond: bool
) -> None:
    zombie, nieuwe = echt.worker(), echt.worker()
    await beslis(zombie, maak_slice(ids=["a"]))
    if getoond:
        await echt.toon()
    await beslis(nieuwe, later("a", "b"), generatie=2)
    # It thinks that it owns the partition still, and what it remembers has no "b".
    await beslis(zombie, later("b", "c", run=UUID(int=0xC)))
    assert await echt.codes() == [C.VERWERKT, C.BERICHT_BESTAAT_AL, C.VERWERKT, C.BERICHT_BESTAAT_AL, C.VERWERKT]


@regel("this leverancier already has this BerichtID Verwerkt")
async def test_two_workers_that_decide_at_once_place_a_message_once(echt: Echt) -> None:
    runs = [UUID(int=nummer) for nummer in range(1, 13)]
    workers = echt.worker(), echt.worker()
    await asyncio.gather(
        *(beslis(workers[plaats % 2], later("a", "b", run=run)) for plaats, run in enumerate(runs) if run != RUN)
    )
    codes = await echt.codes()
    assert codes.count(C.VERWERKT) == 2
    assert codes.count(C.BERICHT_BESTAAT_AL) == len(codes) - 2
