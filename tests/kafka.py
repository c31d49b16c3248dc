"""What operators, retention and accidents do to topics."""

import asyncio
import time

from aiokafka import AIOKafkaConsumer
from aiokafka import TopicPartition as Plaats
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient

from streams.fence import Record, lees_tot_eind
from streams.settings import Instellingen
from streams.topics import maak_topics


def trim(instellingen: Instellingen, onderwerp: str, tot: int) -> None:
    """Throws away what stands before offset `tot` of partition 0, as retention does."""
    admin = AdminClient({"bootstrap.servers": instellingen.kafka})
    for belofte in admin.delete_records([TopicPartition(instellingen.topic(onderwerp), 0, tot)]).values():
        belofte.result(30)


def maak_anders(instellingen: Instellingen, onderwerp: str) -> None:
    """Deletes a topic and makes it anew: the same name, another topic."""
    admin = AdminClient({"bootstrap.servers": instellingen.kafka})
    topic = instellingen.topic(onderwerp)
    admin.delete_topics([topic])[topic].result(30)
    deadline = time.monotonic() + 30
    while topic in admin.list_topics(timeout=10).topics:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    maak_topics(instellingen)


async def lees_alles(instellingen: Instellingen, onderwerp: str, partitie: int) -> list[Record]:
    """All committed records of a partition, once no transaction on it is open.

    A commit has been answered a moment before its marker is in the partition. Only who fences waits for that.
    """
    plaats = Plaats(instellingen.topic(onderwerp), partitie)
    deadline = time.monotonic() + 30
    while True:
        einden = [await _eind(instellingen, plaats, niveau) for niveau in ("read_committed", "read_uncommitted")]
        if einden[0] == einden[1]:
            return await lees_tot_eind(instellingen, plaats.topic, partitie, 0)
        assert time.monotonic() < deadline
        await asyncio.sleep(0.02)


async def _eind(instellingen: Instellingen, plaats: Plaats, niveau: str) -> int:
    async with AIOKafkaConsumer(bootstrap_servers=instellingen.kafka, isolation_level=niveau) as consumer:
        return int((await consumer.end_offsets([plaats]))[plaats])
