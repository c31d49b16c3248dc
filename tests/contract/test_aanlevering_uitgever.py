"""Publishing, on librdkafka's broker inside this process."""

import asyncio
import functools
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import pytest
import pytest_asyncio
from aiokafka import AIOKafkaConsumer
from confluent_kafka import Producer

from aanlevering import uitgever as uitgever_module
from aanlevering.lezer import lees
from aanlevering.uitgever import KafkaWeg, RecordTeGroot, Uitgever
from avro.codec import Codec
from domain.batch import Batch
from streams.producer import maak_producer
from streams.settings import MAX_RECORD_BYTES, Instellingen
from tests.globe import BATCH_ID, BSN, maak_bericht, maak_xml


@pytest.fixture
def kafka() -> str:
    """The address of a broker that lives as long as its first client does."""
    eigenaar = Producer({"test.mock.num.brokers": 1, "bootstrap.servers": "", "log_level": 0})
    makelaar = next(iter(eigenaar.list_topics(timeout=10).brokers.values()))
    _EIGENAREN.append(eigenaar)
    return f"{makelaar.host}:{makelaar.port}"


_EIGENAREN: list[Producer] = []


@pytest.fixture
def batch() -> Batch:
    return lees(
        [maak_xml(berichten=[maak_bericht(i) for i in range(10)])],
        proceskenmerk=UUID(int=1),
        aangeleverd_op=1,
        aangeleverd_door=None,
        bewaar=lambda sha256, inhoud: None,
    )


@pytest_asyncio.fixture
async def uitgever(kafka: str) -> AsyncIterator[Uitgever]:
    instellingen = Instellingen.laad(kafka=kafka)
    uitgever = Uitgever(functools.partial(maak_producer, instellingen), "batch", Codec().schrijf_batch)
    yield uitgever
    await uitgever.stop()


async def test_what_is_published_is_read_back_under_its_batch_id(uitgever: Uitgever, kafka: str, batch: Batch) -> None:
    await uitgever.controleer()
    await asyncio.gather(*(uitgever.publiceer(batch) for _ in range(5)))
    async with AIOKafkaConsumer("batch", bootstrap_servers=kafka, auto_offset_reset="earliest") as lezer:
        records = [await lezer.getone() for _ in range(5)]
    for record in records:
        assert record.key == BATCH_ID.encode()
        assert record.headers == ()
        assert Codec().lees_batch(record.value) == batch
        assert BSN.encode() not in record.key


async def test_a_batch_over_the_limit_of_a_record_is_never_worth_a_retry(kafka: str, batch: Batch) -> None:
    instellingen = Instellingen.laad(kafka=kafka)
    te_groot = Uitgever(functools.partial(maak_producer, instellingen), "batch", lambda _: bytes(MAX_RECORD_BYTES + 1))
    with pytest.raises(RecordTeGroot):
        await te_groot.publiceer(batch)
    await te_groot.stop()


async def test_kafka_away_is_worth_a_retry(batch: Batch) -> None:
    instellingen = Instellingen.laad(kafka="127.0.0.1:9")
    weg = Uitgever(functools.partial(maak_producer, instellingen), "batch", Codec().schrijf_batch)
    for doe in (lambda: weg.publiceer(batch), weg.controleer):
        with pytest.raises(KafkaWeg):
            await doe()
    await weg.stop()


class Half:
    """A producer of which the broker confirms what comes in some partitions, and never what comes in others."""

    def __init__(self) -> None:
        self.beloften: list[asyncio.Future[None]] = []
        self.bevestigt = True
        self.client, self._sender, self._closed, self.dicht = self, None, False, asyncio.Event()

    async def start(self) -> None: ...

    async def send(self, *_: object, **__: object) -> asyncio.Future[None]:
        belofte = asyncio.get_running_loop().create_future()
        if self.bevestigt:
            belofte.set_result(None)
        self.beloften.append(belofte)
        return belofte

    async def flush(self) -> None:
        raise AssertionError("what is flushed is written")

    async def close(self) -> None:
        self.dicht.set()


@pytest.mark.parametrize("alsnog", [False, True])
async def test_a_record_that_nobody_waits_for_is_given_up_with_its_producer_unless_it_is_confirmed_after_all(
    batch: Batch, monkeypatch: pytest.MonkeyPatch, alsnog: bool
) -> None:
    """Else it would be written whenever its partition is back, when its bijlagen are long gone; also while all other
    partitions confirm what they get."""
    monkeypatch.setattr(uitgever_module, "_LAAT_S", 0.2)
    gemaakt: list[Half] = []

    def maak() -> Any:
        gemaakt.append(Half())
        return gemaakt[-1]

    uitgever = Uitgever(maak, "batch", lambda _: b"x")
    await uitgever.publiceer(batch)
    (eerste,) = gemaakt
    eerste.bevestigt = False
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await uitgever.publiceer(batch)
    eerste.bevestigt = True
    await uitgever.publiceer(batch)
    assert not eerste.dicht.is_set()
    if alsnog:
        assert not eerste.beloften[1].done(), "it goes on"
        eerste.beloften[1].set_result(None)
        await asyncio.sleep(0.4)
    else:
        await asyncio.wait_for(eerste.dicht.wait(), 30)
    await uitgever.publiceer(batch)
    assert len(gemaakt) == (1 if alsnog else 2)
    assert eerste._closed is not alsnog


async def test_who_waits_for_another_record_of_a_producer_that_is_given_up_hears_it_at_once(
    batch: Batch, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not after his deadline; and he can deliver again at once, with another producer."""
    monkeypatch.setattr(uitgever_module, "_LAAT_S", 0.2)
    eerste, tweede = Half(), Half()
    te_geven: Any = iter([eerste, tweede])
    uitgever = Uitgever(te_geven.__next__, "batch", lambda _: b"x")
    eerste.bevestigt = False
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await uitgever.publiceer(batch)
    wachtend = [asyncio.create_task(uitgever.publiceer(batch)) for _ in range(3)]
    for gevolg in await asyncio.wait_for(asyncio.gather(*wachtend, return_exceptions=True), 30):
        assert isinstance(gevolg, KafkaWeg)
    await uitgever.publiceer(batch)
    assert len(tweede.beloften) == 1
