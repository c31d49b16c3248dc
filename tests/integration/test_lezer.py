"""What Faust drops on the way to an agent is read again, on the real broker."""

import asyncio
import threading
from collections.abc import Callable
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


async def test_a_hole_that_the_log_itself_has_holds_nothing_up(kern: Instellingen) -> None:
    """Somebody else's transaction leaves a marker: an offset at which no record stands."""
    producer = AIOKafkaProducer(bootstrap_servers=kern.kafka, transactional_id=kern.groep("vreemd"))
    await producer.start()
    for nummer in range(3):
        async with producer.transaction():
            await producer.send(kern.topic("bericht"), str(nummer).encode(), partition=0)
    await producer.stop()
    assert await _lees_alles(kern, aantal=3, laat_vallen=lambda events: events) == [0, 1, 2]


async def test_an_agent_gets_every_record_in_order_though_some_are_dropped(gevuld: Instellingen) -> None:
    gevallen: set[int] = set()

    def laat_vallen(events: list[Event]) -> list[Event]:
        over = []
        for event in events:
            nummer = event.message.offset
            if nummer in VALLEN and nummer not in gevallen:
                gevallen.add(nummer)
            else:
                over.append(event)
        return over

    genomen = await _lees_alles(gevuld, AANTAL, laat_vallen)
    assert gevallen == VALLEN
    assert genomen == list(range(AANTAL))
    assert await _vastgelegd(gevuld) == AANTAL


async def test_a_partition_lost_on_the_way_to_the_commit_ends_nothing(gevuld: Instellingen) -> None:
    """A rebalance can come between our look at what is ours and that of the thread that commits."""
    app = maak_app(gevuld)
    bevestigd = asyncio.Event()

    async def lees(stream: Stream) -> None:
        lezer = Lezer(app, gevuld, "bericht")
        async with lezer.bewaakt():
            async for events in stream.noack_take(5, within=0.05):
                genomen = await lezer.neem(events)
                _verlies_in_de_draad(app.consumer)
                await lezer.bevestig(genomen)
                bevestigd.set()

    app.agent(ruwe_topic(app, gevuld, "bericht"), name="lees", concurrency=1)(lees)
    await app.start()
    try:
        await asyncio.wait_for(bevestigd.wait(), 90)
        assert not app.crashed
    finally:
        await app.stop()
    assert await _vastgelegd(gevuld) is None


def _verlies_in_de_draad(consumer: Any) -> None:
    """What this thread sees as ours, the consumer's own thread sees as lost."""
    van_ons, hier = consumer.assignment(), threading.current_thread()
    consumer._thread.assignment = lambda: van_ons if threading.current_thread() is hier else set()


async def _lees_alles(
    instellingen: Instellingen, aantal: int, laat_vallen: Callable[[list[Event]], list[Event]]
) -> list[int]:
    """What an agent gets to see of the partition until it has so many records."""
    app = maak_app(instellingen)
    genomen: list[int] = []
    klaar = asyncio.Event()

    async def lees(stream: Stream) -> None:
        lezer = Lezer(app, instellingen, "bericht")
        async with lezer.bewaakt():
            async for events in stream.noack_take(5, within=0.05):
                for event in await lezer.neem(laat_vallen(events)):
                    genomen.append(int(event.message.value))
                    await lezer.bevestig([event])
                if len(genomen) >= aantal:
                    klaar.set()

    app.agent(ruwe_topic(app, instellingen, "bericht"), name="lees", concurrency=1)(lees)
    await app.start()
    try:
        await asyncio.wait_for(klaar.wait(), 90)
    finally:
        await app.stop()
    return genomen


async def _vastgelegd(instellingen: Instellingen) -> Any:
    consumer = AIOKafkaConsumer(bootstrap_servers=instellingen.kafka, group_id=instellingen.groep("worker"))
    await consumer.start()
    try:
        return await consumer.committed(TopicPartition(instellingen.topic("bericht"), 0))
    finally:
        await consumer.stop()
