"""The door as a process, under more senders than it likes, on a Kafka that is taken away half of the time."""

import asyncio
import contextlib
import itertools
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID, uuid4

import aiohttp
import pytest
from aiokafka import AIOKafkaConsumer

from aanlevering import uitgever as uitgever_module
from aanlevering.lezer import lees
from aanlevering.uitgever import Uitgever
from avro.codec import Codec
from domain.batch import Batch
from streams.broker import Broker, vrije_poort
from streams.producer import maak_producer
from streams.settings import Instellingen
from streams.sleutels import maak_sleutels
from streams.topics import maak_topics
from tests.globe import BATCH_ID, maak_bericht, maak_bijlage, maak_xml

pytestmark = pytest.mark.integration

LEVERINGEN = 10_000
AFZENDERS = 300
LASTPOSTEN = 20
WEG_S, MAX_WEG_S = 2.0, 15.0
"""Seconds that Kafka is away: as long as it was there before, within these bounds."""
TUSSEN = 300
"""Deliveries that are taken between two times that Kafka is away."""
DRAAD = ThreadPoolExecutor(1)
"""Lives as long as a broker that it starts."""
MAX_RSS = 450_000_000
GOED = maak_xml(berichten=[maak_bericht(1, bijlagen=[maak_bijlage()]), maak_bericht(2)]).decode()
FOUT = 20
"""One delivery in so many is cut off."""


@pytest.fixture(scope="module")
def eigen_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    broker = Broker(tmp_path_factory.mktemp("kafka"))
    broker.start()
    yield broker
    with contextlib.suppress(ProcessLookupError):
        os.kill(broker.pid, signal.SIGCONT)
    broker.stop()


@dataclass
class Deur:
    """The process, and what senders were told."""

    instellingen: Instellingen
    poort: int
    proces: subprocess.Popen[bytes]
    log: Path
    antwoorden: dict[UUID, int | None] = field(default_factory=dict)
    """By BatchID: the status, None for no answer."""
    genomen: dict[UUID, UUID] = field(default_factory=dict)
    """BatchID to Proceskenmerk, of every 202."""
    onwaar: list[str] = field(default_factory=list)
    lastig: Counter[str] = field(default_factory=Counter)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.poort}"

    def bestanden(self) -> int:
        return len(list(Path(f"/proc/{self.proces.pid}/fd").iterdir()))

    def piek(self) -> int:
        """Bytes of memory it held at most."""
        stand = Path(f"/proc/{self.proces.pid}/status").read_text()
        return 1024 * int(stand.partition("VmHWM:")[2].split()[0])


@pytest.fixture
async def deur(eigen_broker: Broker, tmp_path: Path) -> AsyncIterator[Deur]:
    instellingen = Instellingen(data=tmp_path, kafka=eigen_broker.adres, topic_prefix=f"t{uuid4().hex[:8]}.")
    maak_topics(instellingen)
    maak_sleutels(instellingen.sleutelbestand)
    omgeving = os.environ | {
        "BERICHTENSTROOM_DATA": str(tmp_path),
        "BERICHTENSTROOM_KAFKA": eigen_broker.adres,
        "BERICHTENSTROOM_TOPIC_PREFIX": instellingen.topic_prefix,
        "BERICHTENSTROOM_AANLEVERING_DEADLINE_S": "10",
        "BERICHTENSTROOM_AANLEVERING_WACHTRIJ": "150",
    }
    poort, log = vrije_poort(), tmp_path / "deur.log"
    with log.open("wb") as uitvoer:
        proces = subprocess.Popen(  # noqa: ASYNC220 (returns at once)
            [sys.executable, "-m", "aanlevering", "--poort", str(poort)], env=omgeving, stdout=uitvoer, stderr=uitvoer
        )
    deur = Deur(instellingen, poort, proces, log)
    async with aiohttp.ClientSession() as sessie:
        while not await gereed(deur, sessie):
            assert proces.poll() is None, log.read_text()
            await asyncio.sleep(0.1)
    yield deur
    proces.terminate()
    assert proces.wait(60) == 0


async def gereed(deur: Deur, sessie: aiohttp.ClientSession) -> bool:
    try:
        async with sessie.get(f"{deur.url}/readyz") as antwoord:
            return antwoord.status == 200
    except aiohttp.ClientConnectionError:
        return False


async def lever(deur: Deur, sessie: aiohttp.ClientSession, nummer: int) -> bool:
    """One delivery; whether it was taken. What the door may not say is noted in `onwaar`."""
    batch_id = uuid4()
    xml = GOED.replace(BATCH_ID, str(batch_id))
    goed = nummer % FOUT != 0
    try:
        async with sessie.post(f"{deur.url}/v1/batches", data=(xml if goed else xml[:-9]).encode()) as antwoord:
            inhoud = await antwoord.json()
            deur.antwoorden[batch_id] = antwoord.status
            if antwoord.status == 202 and goed and UUID(inhoud["batch_id"]) == batch_id:
                deur.genomen[batch_id] = UUID(inhoud["proceskenmerk"])
            elif not (antwoord.status == 503 and int(antwoord.headers["Retry-After"]) > 0) and (
                goed or inhoud["code"] != "XmlNietWelgevormd"
            ):
                deur.onwaar.append(f"{antwoord.status} {inhoud}")
            return antwoord.status != 503
    except aiohttp.ClientConnectionError:
        deur.antwoorden[batch_id] = None
        return False


async def afzender(deur: Deur, sessie: aiohttp.ClientSession, nummers: Iterator[int]) -> None:
    for nummer in nummers:
        if not await lever(deur, sessie, nummer):
            await asyncio.sleep(random.uniform(0.5, 1.5))


async def lastpost(deur: Deur, klaar: asyncio.Event) -> None:
    """Breaks off in the head or the body, drips, or sends what is no HTTP, again and again."""
    kop = f"POST /v1/batches HTTP/1.1\r\nHost: x\r\nContent-Length: {len(GOED)}\r\n\r\n".encode()
    while not klaar.is_set():
        soort = random.choice(["kop", "lichaam", "reset", "druppel", "rommel"])
        try:
            lezer, schrijver = await asyncio.open_connection("127.0.0.1", deur.poort)
            if soort == "rommel":
                schrijver.write(random.randbytes(300) + b"\r\n\r\n")
            else:
                begin = kop[: random.randrange(len(kop))] if soort == "kop" else kop + GOED[:300].encode()
                schrijver.write(begin)
            for _ in range(20 if soort == "druppel" else 1):
                await asyncio.sleep(0.05)
                if soort == "druppel":
                    schrijver.write(b" ")
            if soort == "reset":
                schrijver.transport.abort()
            schrijver.close()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(1):
                    regel = (await lezer.readline()).split()
                    if regel and regel[1] not in (b"400", b"503"):
                        deur.onwaar.append(f"{soort}: {regel}")
            deur.lastig[soort] += 1
        except OSError:
            deur.lastig["refused"] += 1


async def kafka_weg(broker: Broker, deur: Deur, klaar: asyncio.Event) -> Counter[str]:
    """Takes Kafka away and brings it back, as long as there are deliveries, and leaves it there."""
    gedaan: Counter[str] = Counter()
    begin = time.monotonic()
    for hoe in itertools.cycle(["stop", "kill"]):
        tot = len(deur.genomen) + TUSSEN
        while len(deur.genomen) < tot and not klaar.is_set():  # noqa: ASYNC110 (seen from outside)
            await asyncio.sleep(0.05)
        if klaar.is_set():
            return gedaan
        gedaan[hoe] += 1
        bij_s, begin = time.monotonic() - begin, time.monotonic()
        weg_s = min(max(bij_s, WEG_S), MAX_WEG_S)
        if hoe == "stop":
            os.kill(broker.pid, signal.SIGSTOP)
            await asyncio.sleep(weg_s)
            os.kill(broker.pid, signal.SIGCONT)
        else:
            broker.kill()
            await asyncio.sleep(weg_s)
            await asyncio.get_running_loop().run_in_executor(DRAAD, broker.start)
        gedaan["seconds there"] += round(bij_s)
        gedaan["seconds away"] += round(time.monotonic() - begin)
        begin = time.monotonic()
    raise AssertionError


def staat_stil(pid: int) -> bool:
    return "State:\tT" in Path(f"/proc/{pid}/status").read_text()


async def in_topic(instellingen: Instellingen) -> list[Batch]:
    """All that stands in topic `batch`."""
    codec, gelezen = Codec(), list[Batch]()
    async with AIOKafkaConsumer(
        instellingen.topic("batch"), bootstrap_servers=instellingen.kafka, auto_offset_reset="earliest"
    ) as lezer:
        einden = await lezer.end_offsets(list(lezer.assignment()))
        while any([await lezer.position(plaats) < eind for plaats, eind in einden.items()]):
            for records in (await lezer.getmany(timeout_ms=500)).values():
                gelezen += [codec.lees_batch(record.value) for record in records]
    return gelezen


async def test_no_202_is_lost_and_nothing_else_is_said_than_202_503_or_what_is_wrong(
    deur: Deur, eigen_broker: Broker
) -> None:
    klaar = asyncio.Event()
    begin = time.monotonic()
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=AFZENDERS), timeout=aiohttp.ClientTimeout(120)
    ) as sessie:
        for nummer in range(1, 5):
            assert await lever(deur, sessie, nummer)
        rust = deur.bestanden()
        lastposten = [asyncio.create_task(lastpost(deur, klaar)) for _ in range(LASTPOSTEN)]
        kafka = asyncio.create_task(kafka_weg(eigen_broker, deur, klaar))
        nummers = iter(range(5, LEVERINGEN + 1))
        await asyncio.gather(*(afzender(deur, sessie, nummers) for _ in range(AFZENDERS)))
        klaar.set()
        weg = await kafka
        await asyncio.gather(*lastposten)
        while not await lever(deur, sessie, 1):  # noqa: ASYNC110 (all is well again by itself)
            await asyncio.sleep(0.2)
    statussen = Counter(deur.antwoorden.values())
    print(
        f"answers {statussen}, Kafka away {weg}, other senders {deur.lastig}, {time.monotonic() - begin:.0f} s, ",
        end="",
    )
    print(f"peak {deur.piek() / 1e6:.0f} MB, files {rust} before and {deur.bestanden()} after")
    assert deur.onwaar == []
    assert set(statussen) <= {202, 400, 503, None}
    assert statussen[202] >= 500
    assert statussen[503] >= 500
    assert min(weg["stop"], weg["kill"]) >= 1
    assert deur.proces.poll() is None
    assert deur.piek() < MAX_RSS
    while deur.bestanden() > rust + 5:  # noqa: ASYNC110 (idle connections end by themselves)
        await asyncio.sleep(0.2)
    eigen_broker.kill()
    eigen_broker.start()
    records = await in_topic(deur.instellingen)
    staat = Counter(batch.kader.proceskenmerk for batch in records)
    assert {kenmerk: staat[kenmerk] for kenmerk in deur.genomen.values() if staat[kenmerk] != 1} == {}
    anders = {batch.kader.batch_id for batch in records} - set(deur.genomen)
    assert {deur.antwoorden[batch_id] for batch_id in anders} <= {503, None}
    log = deur.log.read_text()
    assert "onvoorzien" not in log
    assert "Traceback" not in log


async def test_a_publisher_whose_kafka_stands_still_leaves_no_task_behind(
    eigen_broker: Broker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    instellingen = Instellingen(data=tmp_path, kafka=eigen_broker.adres, topic_prefix=f"t{uuid4().hex[:8]}.")
    maak_topics(instellingen)
    batch = lees(
        [GOED.encode()], proceskenmerk=uuid4(), aangeleverd_op=1, aangeleverd_door=None, bewaar=lambda *_: None
    )
    monkeypatch.setattr(uitgever_module, "STIL_S", 0.1)
    taken = len(asyncio.all_tasks())
    uitgever = Uitgever(lambda: maak_producer(instellingen), instellingen.topic("batch"), Codec().schrijf_batch)
    await uitgever.publiceer(batch)
    os.kill(eigen_broker.pid, signal.SIGSTOP)
    while not staat_stil(eigen_broker.pid):  # noqa: ASYNC110 (seen from outside)
        await asyncio.sleep(0.01)
    try:
        for _ in range(3):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.3):
                    await uitgever.publiceer(batch)
        await uitgever.stop()
        await asyncio.sleep(0.5)
        assert len(asyncio.all_tasks()) == taken, [taak.get_coro() for taak in asyncio.all_tasks()]
    finally:
        os.kill(eigen_broker.pid, signal.SIGCONT)


async def test_what_was_given_up_is_not_written_when_kafka_is_back(
    eigen_broker: Broker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The bijlagen of a batch that nobody waits for go; it must not come after that."""
    instellingen = Instellingen(data=tmp_path, kafka=eigen_broker.adres, topic_prefix=f"t{uuid4().hex[:8]}.")
    maak_topics(instellingen)
    voor, tijdens, na = [
        lees([GOED.encode()], proceskenmerk=uuid4(), aangeleverd_op=1, aangeleverd_door=None, bewaar=lambda *_: None)
        for _ in range(3)
    ]
    monkeypatch.setattr(uitgever_module, "_LAAT_S", 0.2)
    uitgever = Uitgever(lambda: maak_producer(instellingen), instellingen.topic("batch"), Codec().schrijf_batch)
    await uitgever.publiceer(voor)
    eerste = uitgever._producer
    eigen_broker.kill()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.3):
            await uitgever.publiceer(tijdens)
    assert uitgever._producer is eerste, "it may still be written"
    async with asyncio.timeout(60):
        while uitgever._producer is eerste or uitgever._opruimen:  # noqa: ASYNC110 (seen from outside)
            await asyncio.sleep(0.01)
    eigen_broker.start()
    await uitgever.publiceer(na)
    await asyncio.sleep(1)  # aiokafka tries again ten times a second
    await uitgever.stop()
    kenmerken = [batch.kader.proceskenmerk for batch in await in_topic(instellingen)]
    assert kenmerken == [voor.kader.proceskenmerk, na.kader.proceskenmerk]
