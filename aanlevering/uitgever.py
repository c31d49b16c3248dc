"""Batches into topic `batch`: durable when `publiceer` returns."""

import asyncio
import contextlib
import time
from collections.abc import Callable, Coroutine
from weakref import WeakKeyDictionary

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, MessageSizeTooLargeError, RecordTooLargeError
from aiokafka.structs import RecordMetadata

from domain.batch import Batch
from streams.verbinding import VerbindingFout

_SLUITTIJD_S = 10
STIL_S = 5.0
"""Seconds without any confirmation after which Kafka, or this connection to it, seems to stand still."""
_LAAT_S = 300.0
"""Seconds that a record for which nobody waits any more may take to be confirmed: far less than the hour and more after
which its bijlagen count as those of no batch (`sinks.opruimen`)."""

Einde = Callable[[AIOKafkaProducer], Coroutine[None, None, None]]
"""A way to end a producer."""


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
        self._bevestigd = 0.0
        self._wachtend: WeakKeyDictionary[AIOKafkaProducer, set[asyncio.Future[RecordMetadata]]] = WeakKeyDictionary()
        """What was sent with each producer and is not confirmed."""
        self._opruimen: set[asyncio.Task[None]] = set()

    async def publiceer(self, batch: Batch) -> None:
        """Writes a batch under its BatchID; returns when it is durable. Raises KafkaWeg, RecordTeGroot.

        When it is cancelled and nothing was confirmed for `STIL_S`, the producer is left with all that it holds: that
        would else grow for as long as Kafka stands still. It is left as well when others are confirmed and this record
        is not within `_LAAT_S`: an idempotent producer tries for ever, and would write it when its bijlagen are gone.
        """
        waarde = await asyncio.to_thread(self._schrijf, batch)
        producer = await self._open()
        begin = time.monotonic()
        bevestiging: asyncio.Future[RecordMetadata] | None = None
        try:
            bevestiging = await producer.send(self._topic, waarde, key=str(batch.kader.batch_id).encode("ascii"))
            self._onthoud(producer, bevestiging)
            await asyncio.shield(bevestiging)
            self._bevestigd = time.monotonic()
        except (MessageSizeTooLargeError, RecordTooLargeError):
            raise RecordTeGroot from None
        except KafkaError as fout:
            self._laat_los(producer, self._sluit)
            raise KafkaWeg(type(fout).__name__) from None
        except asyncio.CancelledError:
            if time.monotonic() - max(begin, self._bevestigd) > STIL_S:
                self._laat_los(producer, self._breek_af)
            elif bevestiging is not None:
                asyncio.get_running_loop().call_later(_LAAT_S, self._geef_op, producer, bevestiging)
            raise

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
            await self._sluit(self._producer)
            self._producer = None
        await asyncio.gather(*self._opruimen)

    async def _open(self) -> AIOKafkaProducer:
        async with self._slot:
            if self._producer is None:
                try:
                    producer = self._maak_producer()
                except VerbindingFout as fout:
                    raise KafkaWeg(str(fout)) from None
                try:
                    await producer.start()
                except KafkaError as fout:
                    await self._sluit(producer)
                    raise KafkaWeg(type(fout).__name__) from None
                except asyncio.CancelledError:
                    await self._sluit(producer)
                    raise
                self._producer = producer
            return self._producer

    def _geef_op(self, producer: AIOKafkaProducer, bevestiging: "asyncio.Future[RecordMetadata]") -> None:
        if not bevestiging.done():
            self._laat_los(producer, self._breek_af)

    def _laat_los(self, producer: AIOKafkaProducer, hoe: Einde) -> None:
        if self._producer is producer:
            self._producer = None
            taak = asyncio.create_task(hoe(producer))
            self._opruimen.add(taak)
            taak.add_done_callback(self._opruimen.discard)

    def _onthoud(self, producer: AIOKafkaProducer, bevestiging: "asyncio.Future[RecordMetadata]") -> None:
        wachtend = self._wachtend.setdefault(producer, set())
        wachtend.add(bevestiging)
        bevestiging.add_done_callback(wachtend.discard)

    async def _sluit(self, producer: AIOKafkaProducer) -> None:
        """Closes a producer, flushing what it holds; gives up flushing when Kafka does not take it."""
        try:
            async with asyncio.timeout(_SLUITTIJD_S):
                await producer.flush()
                await producer.stop()
        except (TimeoutError, KafkaError):
            await self._breek_af(producer)

    async def _breek_af(self, producer: AIOKafkaProducer) -> None:
        """Closes a producer without flushing, which aiokafka does not offer, and tells all who wait for it."""
        producer._closed = True
        for bevestiging in [*self._wachtend.get(producer, ())]:
            if not bevestiging.done():
                bevestiging.set_exception(KafkaError("given up"))
                bevestiging.exception()  # maybe nobody waits for it any more
        await producer.client.close()
        if producer._sender is not None:
            with contextlib.suppress(TimeoutError, KafkaError):  # what it was still doing no longer counts
                async with asyncio.timeout(_SLUITTIJD_S):
                    await producer._sender.close()
