"""What Faust drops on the way to an agent is read again, on the real broker."""

import asyncio
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from streams.app import Event, Stream, maak_app, ruwe_topic
from streams.lezer import Lezer
from streams.settings import Instellingen

pytestmark = pytest.mark.integration

AANTAL = 40
VALLEN = {0, 7, 8, 25, AANTAL - 1}
"""Records that never reach the agent at their first reading; the first and the last of all among them."""


@pytest.fixture
async def gevuld(kern: Instellingen) -> Instellingen:
    """A partition of `bericht` with numbered records."""
    producer = AIOKafkaProducer(bootstrap_servers=kern.kafka, acks="all")
    await producer.start()
    for nummer in range(AANTAL):
        await producer.send_and_wait(kern.topic("bericht"), str(nummer).encode(), partition=0)
    await producer.stop()
    return kern


async def test_an_agent_gets_every_record_in_order_though_some_are_dropped(gevuld: Instellingen) -> None:
    app = maak_app(gevuld)
    genomen: list[int] = []
    gevallen: set[int] = set()
    klaar = asyncio.Event()

    def laat_vallen(events: list[Event]) -> list[Event]:
        over = []
        for event in events:
            nummer = event.message.offset
            if nummer in VALLEN and nummer not in gevallen:
                gevallen.add(nummer)
            else:
                over.append(event)
        return over

    async def lees(stream: Stream) -> None:
        lezer = Lezer(app, gevuld.topic("bericht"))
        async with lezer.bewaakt():
            async for events in stream.noack_take(5, within=0.05):
                for event in await lezer.neem(laat_vallen(events)):
                    genomen.append(int(event.message.value))
                    await lezer.bevestig([event])
                if len(genomen) >= AANTAL:
                    klaar.set()

    app.agent(ruwe_topic(app, gevuld, "bericht"), name="lees", concurrency=1)(lees)
    await app.start()
    try:
        await asyncio.wait_for(klaar.wait(), 60)
    finally:
        await app.stop()
    assert gevallen == VALLEN
    assert genomen == list(range(AANTAL))
    assert await _vastgelegd(gevuld) == AANTAL


async def _vastgelegd(instellingen: Instellingen) -> Any:
    consumer = AIOKafkaConsumer(bootstrap_servers=instellingen.kafka, group_id=instellingen.groep("worker"))
    await consumer.start()
    try:
        return await consumer.committed(TopicPartition(instellingen.topic("bericht"), 0))
    finally:
        await consumer.stop()
