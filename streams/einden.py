"""Where a log ends, asked over the connection of a producer: with or without what is not committed."""

import asyncio
import time
from collections import defaultdict
from collections.abc import Collection

from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError, LeaderNotAvailableError, for_code
from aiokafka.protocol.offset import OffsetRequest, OffsetResetStrategy

ALLES = 0
"""Up to the last record, committed or not."""
VAST = 1
"""Up to the first record of a transaction that has not ended."""


_GEDULD_S = 10.0
"""Seconds in which a partition must find its leader."""


async def einden(producer: AIOKafkaProducer, tps: Collection[TopicPartition], tot: int) -> dict[TopicPartition, int]:
    """The ends of these partitions, ALLES or VAST. Raises KafkaError."""
    grens = time.monotonic() + _GEDULD_S
    while True:
        try:
            return await _einden(producer, tps, tot)
        except KafkaError as fout:
            if not fout.retriable or time.monotonic() > grens:
                raise
            await producer.client.force_metadata_update()
            await asyncio.sleep(0.05)


async def _einden(producer: AIOKafkaProducer, tps: Collection[TopicPartition], tot: int) -> dict[TopicPartition, int]:
    per_leider: dict[int, dict[str, list[tuple[int, int]]]] = defaultdict(lambda: defaultdict(list))
    for tp in tps:
        await producer.partitions_for(tp.topic)  # knows the leader from here on
        leider = producer.client.cluster.leader_for_partition(tp)
        if leider is None or leider < 0:
            raise LeaderNotAvailableError(f"{tp.topic}[{tp.partition}] has no leader")
        per_leider[leider][tp.topic].append((tp.partition, OffsetResetStrategy.LATEST))
    gevonden: dict[TopicPartition, int] = {}
    for leider, topics in per_leider.items():
        antwoord = await producer.client.send(leider, OffsetRequest(-1, tot, list(topics.items())))
        for topic, partities in antwoord.topics:
            for partitie, foutcode, _tijd, eind, *_rest in partities:
                if foutcode:
                    raise for_code(foutcode)(f"{topic}[{partitie}]")
                gevonden[TopicPartition(topic, partitie)] = eind
    return gevonden
