"""The sink's promise, as a table: whatever rows stand in ClickHouse already, and wherever its progress and Kafka's
commit are, after one life of the sink people see each message once, with its first decision.

Time runs over twelve batches, 0 to 11, each in `batch`, `validatie` and `resultaat`. A case says which of them have
rows there, at which of them the progress is (what comes from there on is read again), and where Kafka thinks we are:

    rows      0  1  2  |  .  5  6  7  .  .  .  .     what former lives inserted: here 5, 6, 7 was the last insert
    progress           ^                             where they say they were; it is written after the rows
    replay             3  4  5  6  7  8  9 10 11     what the next life reads, and inserts again

As Kafka Connect's sinks have it: the replay can be the same range as the last insert, overlap it, be contained in it or
contain it, come before it or leave a gap. There a state machine must tell them apart; here none is told apart, since
rows collapse on their keys, and only the progress says where to go on.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any
from uuid import uuid4

import pytest
from clickhouse_connect.driver.client import Client
from confluent_kafka import ConsumerGroupTopicPartitions, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient

from domain.codes import Stadium, Verwerkingscode
from sinks.database import maak_client
from sinks.embedded.proces import EmbeddedClickHouse
from sinks.migreer import migreer
from sinks.rijen import Rijen, van_batch, van_resultaat, van_uitkomst
from sinks.schrijver import Schrijver
from streams.broker import Broker
from streams.fence import LogVerdwenen
from streams.producer import maak_producer
from streams.settings import Instellingen
from streams.topics import maak_topics
from tests.integration.test_sink import (
    N,
    Opstelling,
    batch,
    draait,
    loop_bij,
    of_eindigt,
    resultaat,
    uitkomst,
    wacht_tot,
)
from tests.regels import regel

pytestmark = pytest.mark.integration

EIND = 12
ALLES = tuple(range(EIND))
TABELLEN = ("runs", "uitkomsten", "resultaten", "bekend", "open_runs", "eerste_runs", "postvak", "te_notificeren")
"""What the sink fills, directly or through a view."""


def waar(nummer: int) -> tuple[int, int]:
    """The partition and offset of a batch's decisions: three in a transaction, and then its marker."""
    plaats = nummer // 2
    return nummer % 2, plaats + plaats // 3


@dataclass(frozen=True)
class Geval:
    """One row of the table."""

    naam: str
    rijen: Sequence[int] = ()
    """Of which batches the rows stand there."""
    voortgang: int | None = None
    """At which batch the progress is; None: there is none."""
    commit: int | None = None
    """Where Kafka's commit is; None: there is none."""
    erbij: "Callable[[Tafel], None] | None" = None
    """What is more, or less, than that."""
    mist: Sequence[int] = ()
    """The batches that people do not see afterwards: only where what no sink does was done."""


def gescheurd(tabel: str, nummers: Iterable[int], rijen: slice = slice(1, 3)) -> "Callable[[Tafel], None]":
    """Some rows of these records in one table: a failed insert leaves such."""
    return lambda tafel: tafel.voeg_in(tabel, nummers, rijen)


def later_besluit(tafel: "Tafel") -> None:
    """Rows of decisions that came second on the same messages, and stand there first."""
    for nummer in (4, 5):
        een = uitkomst(nummer)
        codes, stadia = [Verwerkingscode.TECHNISCH_PROBLEEM] * N, [Stadium.STORE_MESSAGE] * N
        rijen = Rijen("uitkomsten")
        rijen.voeg_toe(van_uitkomst(replace(een, codes=codes, stadia=stadia), 50))
        tafel.schrijf(rijen)


def zonder_voortgang_van(onderwerp: str, partitie: int) -> "Callable[[Tafel], None]":
    def doe(tafel: "Tafel") -> None:
        tafel.client.command(
            f"ALTER TABLE voortgang DELETE WHERE topic = '{tafel.instellingen.topic(onderwerp)}' "
            f"AND partitie = {partitie} SETTINGS mutations_sync = 2"
        )

    return doe


def samen(*delen: "Callable[[Tafel], None]") -> "Callable[[Tafel], None]":
    def doe(tafel: "Tafel") -> None:
        for deel in delen:
            deel(tafel)

    return doe


TABEL = (
    # -- where the replay is, beside the rows that stand there
    Geval("new: nothing stands there"),
    Geval("same: it died after the rows and before its progress", ALLES, 4, 4),
    Geval("all of it again: the progress was lost, the rows were not", ALLES),
    Geval("contained: the last insert began before the replay", ALLES, 7, 7),
    Geval("containing: the last insert is from the middle of the replay", (0, 1, 2, 5, 6, 7), 3, 3),
    Geval("overlapping: the rows end in the middle of the replay", range(8), 5, 5),
    Geval("overlapping: the rows begin in the middle of the replay", (*range(4), *range(9, EIND)), 4, 4),
    Geval("previous: a progress of long ago", ALLES, 1, EIND),
    Geval("with a gap: rows before and after, none between", (0, 1, 2, 3, 8, 9), 4, 4),
    Geval("with holes: every other record", range(0, EIND, 2), 0),
    Geval("nothing to replay", ALLES, EIND, EIND),
    # -- torn inserts: part of the rows, in some tables, in some partitions, progress not
    Geval("torn: some rows of each record", range(4), 4, 4, gescheurd("uitkomsten", range(4, EIND))),
    Geval("torn: one row in all", range(4), 4, 4, gescheurd("uitkomsten", [4], slice(0, 1))),
    Geval("torn: some records whole, one in part", range(8), 4, 4, gescheurd("uitkomsten", [8])),
    Geval("torn: batches are in, decisions and results are not", range(4), 4, 4, gescheurd("runs", range(4, EIND))),
    Geval(
        "torn: decisions are in, batches and results are not",
        range(4),
        4,
        4,
        gescheurd("uitkomsten", range(4, EIND), slice(None)),
    ),
    Geval("torn: results are in, what they are of is not", range(4), 4, 4, gescheurd("resultaten", range(4, EIND))),
    Geval(
        "torn: the decisions of one partition are in, those of the other are not",
        range(4),
        4,
        4,
        gescheurd("uitkomsten", range(4, EIND, 2), slice(None)),
    ),
    Geval(
        "torn: the table has its rows, what hangs from it has not",
        range(8),
        4,
        4,
        lambda tafel: [tafel.client.command(f"TRUNCATE TABLE {naam}") for naam in TABELLEN[3:]] and tafel.vul(range(4)),
    ),
    # -- progress of some partitions and not of others
    Geval("progress ahead in one partition, lost in another", ALLES, 6, 6, zonder_voortgang_van("validatie", 1)),
    Geval("progress of the decisions alone: batches come again", ALLES, 9, 9, zonder_voortgang_van("batch", 0)),
    Geval(
        "progress that goes back: a lower one written later changes nothing",
        ALLES,
        EIND,
        EIND,
        lambda tafel: tafel.zet_voortgang(2),
    ),
    # -- progress beside Kafka's commit: only the first counts
    Geval("Kafka's commit ahead of the progress", range(3), 3, EIND),
    Geval("Kafka's commit ahead, and no progress", (), None, EIND),
    Geval("Kafka's commit behind the progress", ALLES, EIND, 2),
    Geval("no commit in Kafka: its group was removed", range(7), 7, None),
    # -- the first decision stands, whichever rows came first
    Geval("rows of a second decision stand there first", range(4), 4, 4, later_besluit),
    Geval(
        "rows of a second decision, among those of the first",
        ALLES,
        2,
        EIND,
        samen(later_besluit, gescheurd("uitkomsten", [4, 5])),
    ),
    # -- not promised: no sink does this
    Geval(
        "progress ahead of the rows: what it passed is not read again",
        (*range(4), *range(8, EIND)),
        8,
        8,
        mist=range(4, 8),
    ),
)


class Tafel:
    """One log that is written once, and the tables, which every case fills anew."""

    def __init__(self, instellingen: Instellingen, client: Client) -> None:
        self.instellingen = instellingen
        self.client = client
        self._leeg = False

    def vul(self, nummers: Iterable[int]) -> None:
        """The rows of these batches, as a former life inserted them."""
        alle = list(nummers)
        for tabel in TABELLEN[:3]:
            self.voeg_in(tabel, alle)

    def voeg_in(self, tabel: str, nummers: Iterable[int], welke: slice = slice(None)) -> None:
        """Rows of these batches in one table, of each all or some."""
        rijen = Rijen(tabel)
        for nummer in nummers:
            kolommen: Sequence[Sequence[Any]]
            if tabel == "runs":
                kolommen = van_batch(batch(nummer), nummer)
            elif tabel == "uitkomsten":
                kolommen = [kolom[welke] for kolom in van_uitkomst(uitkomst(nummer), waar(nummer)[1])]
            else:
                kolommen = van_resultaat(resultaat(nummer))
            rijen.voeg_toe(kolommen)
        if len(rijen):
            self.schrijf(rijen)

    def schrijf(self, rijen: Rijen) -> None:
        """One insert."""
        asyncio.run(Schrijver(self.client).schrijf_tabel(rijen))

    def zet_voortgang(self, nummer: int) -> None:
        """The progress is at this batch, in every partition."""
        regels = [
            (self.instellingen.topic(onderwerp), topic_id, partitie, volgende)
            for onderwerp, topic_id in self.topic_ids.items()
            for partitie, volgende in plaatsen(onderwerp, nummer).items()
        ]
        asyncio.run(Schrijver(self.client).schrijf_voortgang(regels))

    def zet_commit(self, nummer: int | None) -> None:
        """Kafka's commit is at this batch, in every partition, or is gone."""
        beheer = AdminClient({"bootstrap.servers": self.instellingen.kafka})
        groep = self.instellingen.groep("sink")
        with suppress(KafkaException):  # it is gone already
            beheer.delete_consumer_groups([groep])[groep].result(30)
        if nummer is None:
            return
        tps = [
            TopicPartition(self.instellingen.topic(onderwerp), partitie, volgende)
            for onderwerp in self.topic_ids
            for partitie, volgende in plaatsen(onderwerp, nummer).items()
        ]
        vraag = [ConsumerGroupTopicPartitions(groep, tps)]
        gedaan = beheer.alter_consumer_group_offsets(vraag)[groep].result(30)
        assert all(tp.error is None for tp in gedaan.topic_partitions)

    @property
    def topic_ids(self) -> dict[str, str]:
        """Of the three topics of the table."""
        return {naam: TOPIC_IDS[self.instellingen.topic_prefix][naam] for naam in ("batch", "validatie", "resultaat")}

    def begin(self, geval: Geval) -> None:
        """All as the case has it."""
        for naam in (*TABELLEN, "voortgang"):
            self.client.command(f"TRUNCATE TABLE {naam}")
        self.vul(geval.rijen)
        if geval.voortgang is not None:
            self.zet_voortgang(geval.voortgang)
        self.zet_commit(geval.commit)
        if geval.erbij is not None:
            geval.erbij(self)

    def te_zien(self) -> dict[str, object]:
        """What people see, and the rows behind it once collapsed."""
        vragen = {
            "totalen": "SELECT * FROM totalen ORDER BY ALL",
            "berichtverwerking": "SELECT * EXCEPT (run) FROM berichtverwerking ORDER BY batch_id",
            "berichten": "SELECT * EXCEPT (run) FROM berichten ORDER BY proceskenmerk, nummer",
            "sla": "SELECT leverancier, berichten, overschreden, open FROM sla",
        } | {
            naam: f"SELECT * EXCEPT (volgorde) FROM {naam} FINAL ORDER BY ALL"
            if naam == "uitkomsten"
            else f"SELECT * FROM {naam} FINAL ORDER BY ALL"
            for naam in ("runs", "uitkomsten", "resultaten", "bekend", "eerste_runs", "postvak", "te_notificeren")
        }
        return {naam: self.client.query(vraag).result_rows for naam, vraag in vragen.items()}


TOPIC_IDS: dict[str, dict[str, str]] = {}
"""By prefix: asked for once."""


def plaatsen(onderwerp: str, nummer: int) -> dict[int, int]:
    """Where a reader that has done all before this batch goes on, by partition."""
    if onderwerp != "validatie":
        return {0: nummer}
    return {
        partitie: next((waar(n)[1] for n in range(nummer, EIND) if n % 2 == partitie), waar(EIND - 1)[1] + 2)
        for partitie in (0, 1)
    }


@pytest.fixture(scope="module")
def tafel(broker: Broker, clickhouse: EmbeddedClickHouse, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tafel]:
    """Topics with the twelve batches in them, and a database."""
    instellingen = Instellingen(
        data=tmp_path_factory.mktemp("beloften"),
        kafka=broker.adres,
        clickhouse=clickhouse.url,
        topic_prefix=f"t{uuid4().hex[:12]}.",
        database=f"t{uuid4().hex[:12]}",
        partities_batch=1,
        partities_bericht=2,
        sink_wacht_s=0.05,
    )
    maak_topics(instellingen)
    kaal = maak_client(instellingen.clickhouse)
    migreer(kaal, instellingen.database)
    client = maak_client(instellingen.clickhouse, instellingen.database)

    async def vul() -> None:
        async with maak_producer(instellingen) as producer:
            op = Opstelling(instellingen, client, producer)
            TOPIC_IDS[instellingen.topic_prefix] = op.topic_ids
            await op.lever(ALLES)
            await loop_bij(op)
            op.controleer()

    asyncio.run(vul())
    yield Tafel(instellingen, client)
    kaal.command(f"DROP DATABASE {instellingen.database}")
    client.close()
    kaal.close()


@pytest.fixture(scope="module")
def hoort(tafel: Tafel) -> dict[str, object]:
    """What is to be seen after a first life that nothing went wrong in; `test_sink.py` holds that it is right."""
    return tafel.te_zien()


@pytest.fixture
async def op(tafel: Tafel) -> AsyncIterator[Opstelling]:
    async with maak_producer(tafel.instellingen) as producer:
        yield Opstelling(tafel.instellingen, tafel.client, producer)


def is_bij(op: Opstelling) -> bool:
    """Whether the progress is at the end of all three."""
    return all(
        op.voortgang(onderwerp).get(partitie, 0) >= eind
        for onderwerp in ("batch", "validatie", "resultaat")
        for partitie, eind in plaatsen(onderwerp, EIND).items()
    )


class Onthoudt(Schrijver):
    """Remembers which batches were inserted."""

    def __init__(self, client: Client) -> None:
        super().__init__(client)
        self.runs: set[int] = set()

    async def schrijf_tabel(self, rijen: Rijen) -> None:
        if rijen.tabel == "runs":
            self.runs.update(rijen.kolommen[-1])
        await super().schrijf_tabel(rijen)


@regel("it must not count, be answered or notify a second time")
@pytest.mark.parametrize("geval", TABEL, ids=lambda geval: geval.naam)
async def test_what_people_see_is_the_same_after(
    op: Opstelling, tafel: Tafel, hoort: dict[str, object], geval: Geval
) -> None:
    await asyncio.to_thread(tafel.begin, geval)
    vanaf = tafel.client.query(
        "SELECT max(volgende) FROM voortgang WHERE topic_id = {id:String}", {"id": op.topic_ids["batch"]}
    ).result_rows[0][0]
    schrijver = Onthoudt(tafel.client)
    async with draait(op.sink(schrijver)) as taak:
        await of_eindigt(taak, wacht_tot(lambda: is_bij(op)))
    assert schrijver.runs == set(range(vanaf, EIND)), "from the progress on everything is read again, and nothing else"
    if geval.mist:
        [(runs,)] = tafel.client.query("SELECT count() FROM runs FINAL").result_rows
        assert runs == EIND - len(geval.mist)
        return
    te_zien = await asyncio.to_thread(tafel.te_zien)
    for naam, rijen in te_zien.items():
        assert rijen == hoort[naam], naam


@pytest.mark.parametrize("wat", ["beyond the end of the log", "of a topic that was made anew"])
async def test_a_progress_that_cannot_be_of_this_log_is_refused(op: Opstelling, tafel: Tafel, wat: str) -> None:
    """And nothing is read or written: a person must look."""
    await asyncio.to_thread(tafel.begin, Geval("", range(4), 4, 4))
    topic = tafel.instellingen.topic("batch")
    if wat == "of a topic that was made anew":
        await asyncio.to_thread(zonder_voortgang_van("batch", 0), tafel)
        regel_ = (topic, str(uuid4()), 0, 4)
    else:
        regel_ = (topic, op.topic_ids["batch"], 0, EIND + 1)
    await Schrijver(tafel.client).schrijf_voortgang([regel_])
    voor = await asyncio.to_thread(tafel.te_zien)
    async with draait(op.sink()) as taak:
        with pytest.raises(LogVerdwenen):
            await asyncio.wait_for(taak, 30)
    assert await asyncio.to_thread(tafel.te_zien) == voor
