"""Batches into topic `batch`: durable when `publiceer` returns."""

import asyncio
from collections.abc import Callable

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, MessageSizeTooLargeError, RecordTooLargeError

from domain.batch import Batch

_SLUITTIJD_S = 10


class KafkaWeg(Exception):
    """Kafka is away, or takes no records now. Worth a retry later; this one may have been written all the same."""


class RecordTeGroot(Exception):
    """The batch, bijlagen apart, is more than a record may hold. Never worth a retry."""


class Uitgever:
    """Publishes with a producer that it opens when first needed, and anew after an error: a broken one stays broken."""

    def __init__(
        self, maak_producer: Callable[[], AIOKafkaProducer], topic: str, schrijf: Callable[[Batch], bytes]
    ) -> None:
        self._maak_producer = maak_producer
        self._topic = topic
        self._schrijf = schrijf
        self._slot = asyncio.Lock()
        self._producer: AIOKafkaProducer | None = None

    async def publiceer(self, batch: Batch) -> None:
        """Writes a batch under its BatchID; returns when it is durable. Raises KafkaWeg, RecordTeGroot."""
        waarde = await asyncio.to_thread(self._schrijf, batch)
        producer = await self._open()
        try:
            await producer.send_and_wait(self._topic, waarde, key=str(batch.kader.batch_id).encode("ascii"))
        except (MessageSizeTooLargeError, RecordTooLargeError):
            raise RecordTeGroot from None
        except KafkaError as fout:
            await self._vervang(producer)
            raise KafkaWeg(type(fout).__name__) from None

    async def controleer(self) -> None:
        """Asks Kafka for the topic. Raises KafkaWeg when it does not answer or does not have it."""
        producer = await self._open()
        try:
            if not await producer.partitions_for(self._topic):
                raise KafkaWeg("no such topic")
            if not await producer.client.force_metadata_update():
                raise KafkaWeg("no metadata")
        except KafkaError as fout:
            raise KafkaWeg(type(fout).__name__) from None

    async def stop(self) -> None:
        """Writes what is on its way and closes."""
        if self._producer is not None:
            await _sluit(self._producer)
            self._producer = None

    async def _open(self) -> AIOKafkaProducer:
        async with self._slot:
            if self._producer is None:
                producer = self._maak_producer()
                try:
                    await producer.start()
                except KafkaError as fout:
                    await _sluit(producer)
                    raise KafkaWeg(type(fout).__name__) from None
                except asyncio.CancelledError:
                    await _sluit(producer)
                    raise
                self._producer = producer
            return self._producer

    async def _vervang(self, producer: AIOKafkaProducer) -> None:
        if self._producer is producer:
            self._producer = None
            await _sluit(producer)


async def _sluit(producer: AIOKafkaProducer) -> None:
    """Closes a producer, flushing what it holds; gives up flushing when Kafka does not take it."""
    try:
        async with asyncio.timeout(_SLUITTIJD_S):
            await producer.stop()
    except TimeoutError:
        await producer.client.close()
