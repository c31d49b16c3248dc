"""Sole ownership of one partition of a topic that is decided on: fence first, then read, then write.

Kafka's own fence: every partition has a transactional id of its own. Opening a producer with it bumps the epoch, which
aborts the former owner's open transaction and makes every later send of it fail, however long it slept. What can be
read (committed) after that is all that was ever decided, and nobody else adds to it.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import IllegalOperation, KafkaError, ProducerFenced
from aiokafka.producer.message_accumulator import BatchBuilder

from streams import verbinding
from streams.einden import ALLES, VAST, einden
from streams.hartslag import slag
from streams.settings import MAX_RECORD_BYTES, Instellingen

log = logging.getLogger(__name__)

TRANSACTIE_MS = 30_000
"""After this a transaction that nobody ends is aborted by the broker, so that readers of what is committed go on."""


_STAPEL_BYTES = 512 * 1024
"""Bytes of records that go in one batch, before compression; a topic takes a megabyte after it."""
_POGINGEN = 5
"""Attempts to end what was left open."""
_LEESBAAR_S = 5.0
"""Seconds in which what is committed must come to its readers."""

KAFKA_WEG = (KafkaError, OSError, TimeoutError)
"""What aiokafka raises when a transaction cannot go on."""


class Onteigend(Exception):
    """Another process opened this partition: what was not committed will never be."""


class Ingetrokken(Exception):
    """The writer withdrew what it was about to commit."""


class LogVerdwenen(Exception):
    """The log no longer holds what ClickHouse has not seen: it was trimmed, or made anew."""


@dataclass(frozen=True, slots=True)
class Record:
    """A committed record."""

    offset: int
    key: bytes | None
    waarde: bytes | None
    tijd: int = field(default=0, compare=False)
    """When it came in the topic, in milliseconds since 1970."""


class EigenPartitie:
    """One partition of one topic, owned by whoever opened it last; with it, in the same transactions, the same
    partition of topics `naast` and `logboek`."""

    def __init__(
        self,
        instellingen: Instellingen,
        onderwerp: str,
        partitie: int,
        naast: str | None = None,
        logboek: str | None = None,
    ) -> None:
        self._instellingen = instellingen
        self.partitie = partitie
        self._topic = instellingen.topic(onderwerp)
        self._naast = self._topic if naast is None else instellingen.topic(naast)
        self._logboek = self._topic if logboek is None else instellingen.topic(logboek)
        self._producer = AIOKafkaProducer(
            **verbinding.aiokafka(instellingen),
            transactional_id=instellingen.groep(f"{onderwerp}-{partitie}"),
            transaction_timeout_ms=TRANSACTIE_MS,
            acks="all",
            max_request_size=MAX_RECORD_BYTES,
            max_batch_size=_STAPEL_BYTES,
            compression_type="zstd",
        )

    async def open(self, vanaf: int) -> list[Record]:
        """Fences every former owner, then returns all committed records from offset `vanaf` to the end.

        Raises KafkaError when the broker is away, LogVerdwenen when the log starts after `vanaf` or ends before it.
        """
        await self._producer.start()
        tps = {TopicPartition(topic, self.partitie) for topic in (self._topic, self._naast, self._logboek)}
        await maak_af(self._producer, tps)
        return await lees_tot_eind(self._instellingen, self._topic, self.partitie, vanaf)

    def lees_naast(self) -> AsyncIterator[Record]:
        """All committed records of topic `naast`, once `open` has fenced every former owner. Raises KafkaError."""
        return doorloop(self._instellingen, self._naast, self.partitie, None)

    async def schrijf(
        self,
        records: Sequence[tuple[bytes, bytes]],
        mag: Callable[[], bool] = lambda: True,
        naast: Sequence[tuple[bytes, bytes | None]] = (),
        logboek: Sequence[tuple[bytes, bytes]] = (),
    ) -> list[int]:
        """Writes (key, value) records, and those for `naast` and `logboek`, in one transaction: all are committed, or
        none.

        Returns the offsets of `records`, then those of `naast`. `mag` is asked at the last moment before the
        commit. Raises Ingetrokken when it says no, Onteigend when another owner came, TimeoutError. After these or any
        other error close the partition: whether the records are committed, only opening it anew tells.
        """
        async with asyncio.timeout(TRANSACTIE_MS / 1000):
            alle = [(self._topic, *record) for record in records] + [(self._naast, *record) for record in naast]
            offsets = await self._schrijf([*alle, *((self._logboek, *record) for record in logboek)], mag)
            return offsets[: len(alle)]

    async def _schrijf(self, records: Sequence[tuple[str, bytes, bytes | None]], mag: Callable[[], bool]) -> list[int]:
        try:
            await self._producer.begin_transaction()
            stapels = self._stapels(records)
            beloften = [
                await self._producer.send_batch(stapel, topic, partition=self.partitie) for topic, stapel in stapels
            ]
            geschreven = await asyncio.gather(*beloften, return_exceptions=True)
            offsets: list[int] = []
            tot: dict[TopicPartition, int] = {}
            for (_, stapel), gezet in zip(stapels, geschreven, strict=True):
                if isinstance(gezet, BaseException):
                    raise gezet
                if gezet.offset < 0:  # the broker took it for a repeat: where it stands, only reading tells
                    raise KafkaError(f"{self._topic}[{self.partitie}] does not tell where a record stands")
                offsets += range(gezet.offset, gezet.offset + stapel.record_count())
                tot[gezet.topic_partition] = offsets[-1]
            if not mag():
                await self._producer.abort_transaction()
                raise Ingetrokken
            await self._producer.commit_transaction()
            await self._tot_leesbaar(tot)
        except (AssertionError, IllegalOperation) as fout:  # aiokafka's words for a state that it cannot leave
            raise KafkaError(f"the producer of {self._topic}[{self.partitie}] cannot go on") from fout
        except ProducerFenced as fout:
            raise Onteigend(f"{self._topic}[{self.partitie}] has a newer owner") from fout
        slag()
        return offsets

    def _stapels(self, records: Sequence[tuple[str, bytes, bytes | None]]) -> list[tuple[str, BatchBuilder]]:
        """The records in Kafka's own batches, in the same order: sending one by one costs more than making them."""
        stapels: list[tuple[str, BatchBuilder]] = []
        for topic, key, waarde in records:
            if not stapels or stapels[-1][0] != topic or not _past(stapels[-1][1], key, waarde):
                stapels.append((topic, self._producer.create_batch()))
                if not _past(stapels[-1][1], key, waarde):
                    raise KafkaError(f"a record does not fit in an empty batch of {topic}[{self.partitie}]")
        return stapels

    async def _tot_leesbaar(self, geschreven: Mapping[TopicPartition, int]) -> None:
        """Until readers get them: a commit that is confirmed can still be lost with the broker (see `maak_af`)."""
        grens = time.monotonic() + _LEESBAAR_S
        while True:
            vast = await einden(self._producer, geschreven.keys(), VAST)
            if all(vast[tp] > offset for tp, offset in geschreven.items()):
                return
            if time.monotonic() > grens:
                raise KafkaError(f"what is committed on {self._topic}[{self.partitie}] cannot be read")
            await asyncio.sleep(0.005)

    async def close(self) -> None:
        """Lets go without fencing anybody; what was not committed the next owner aborts, or the broker in time."""
        try:
            await asyncio.wait_for(self._producer.stop(), 10)
        except (KafkaError, TimeoutError) as fout:
            log.info("closing the producer of %s[%d]: %s", self._topic, self.partitie, type(fout).__name__)


def _past(stapel: BatchBuilder, key: bytes, waarde: bytes | None) -> bool:
    """Adds a record, if there is room; an empty batch takes any."""
    return stapel.append(timestamp=None, key=key, value=waarde) is not None


async def maak_af(producer: AIOKafkaProducer, tps: Collection[TopicPartition]) -> None:
    """Ends what Kafka left open on these partitions under the id of this producer, which was just started.

    A broker that dies right after it took a commit can, when it comes back, call that transaction complete without
    having ended it in the log: it skips partitions whose leader it does not know yet (Kafka 4.4). What was confirmed to
    the writer then never comes to readers of what is committed, nor does anything behind it. Since nobody else writes
    with this id, it shows: what is committed ends before the log does. An empty transaction ends it, as committed. If
    it was an aborted one its records count after all: they were made as all others, and nobody has decided otherwise
    since; only what was withdrawn for a change of the reference data then counts as decided before it.

    Raises KafkaError when it is not ours to end.
    """
    open_: list[TopicPartition] = []
    for _ in range(_POGINGEN):
        eind, vast = await einden(producer, tps, ALLES), await einden(producer, tps, VAST)
        open_ = [tp for tp in tps if vast[tp] < eind[tp]]
        if not open_:
            return
        log.warning(
            "Kafka left a transaction open, ending it: %s", ", ".join(f"{tp.topic}[{tp.partition}]" for tp in open_)
        )
        await sluit_af(producer, open_)
        await asyncio.sleep(0.1)
    raise KafkaError(f"a transaction of somebody else is open on {open_[0].topic}[{open_[0].partition}]")


async def sluit_af(producer: AIOKafkaProducer, tps: Iterable[TopicPartition]) -> None:
    """Commits an empty transaction on these partitions, and with it what this id left open there. Raises KafkaError."""
    try:
        async with asyncio.timeout(TRANSACTIE_MS / 1000):  # a partition that is not there is asked for without end
            await producer.begin_transaction()
            for tp in tps:
                producer._txn_manager.maybe_add_partition_to_txn(tp)  # no public way to take part without a record
            await producer.commit_transaction()
    except TimeoutError as fout:
        raise KafkaError("what was left open could not be ended in time") from fout
    except (AssertionError, IllegalOperation) as fout:  # aiokafka's words for a state that it cannot leave
        raise KafkaError("the producer cannot end what was left open") from fout


class _Lezer:
    def __init__(self, instellingen: Instellingen) -> None:
        self.consumer = AIOKafkaConsumer(
            **verbinding.aiokafka(instellingen),
            isolation_level="read_committed",
            enable_auto_commit=False,
            auto_offset_reset="none",
        )

    async def __aenter__(self) -> Self:
        await self.consumer.start()
        return self

    async def __aexit__(
        self, soort: type[BaseException] | None, fout: BaseException | None, spoor: TracebackType | None
    ) -> None:
        await self.consumer.stop()


async def eerste_vanaf(instellingen: Instellingen, topic: str, partitie: int, vanaf: int) -> int:
    """The offset of the first record that the log has from `vanaf` on; the end of the log when there is none."""
    tp = TopicPartition(topic, partitie)
    async with _Lezer(instellingen) as lezer:
        lezer.consumer.assign([tp])
        begin = (await lezer.consumer.beginning_offsets([tp]))[tp]
        eind = (await lezer.consumer.end_offsets([tp]))[tp]
        lezer.consumer.seek(tp, max(vanaf, begin))
        while await lezer.consumer.position(tp) < eind:
            for record in (await lezer.consumer.getmany(tp, timeout_ms=200, max_records=1)).get(tp, []):
                return int(record.offset)
        return int(eind)


async def eerste_sinds(instellingen: Instellingen, topic: str, partitie: int, tijd: int) -> int:
    """The offset of the first record that came in since `tijd` (milliseconds since 1970), else the end of the log."""
    tp = TopicPartition(topic, partitie)
    async with _Lezer(instellingen) as lezer:
        lezer.consumer.assign([tp])
        gevonden = (await lezer.consumer.offsets_for_times({tp: max(tijd, 0)}))[tp]
        return int((await lezer.consumer.end_offsets([tp]))[tp] if gevonden is None else gevonden.offset)


async def lees_tot_eind(instellingen: Instellingen, topic: str, partitie: int, vanaf: int) -> list[Record]:
    """All committed records of a partition from `vanaf` to the end it has now. Raises LogVerdwenen, KafkaError."""
    return [record async for record in doorloop(instellingen, topic, partitie, vanaf)]


async def doorloop(instellingen: Instellingen, topic: str, partitie: int, vanaf: int | None) -> AsyncIterator[Record]:
    """The same, one by one; `vanaf` None: from the beginning that the log has."""
    tp = TopicPartition(topic, partitie)
    async with _Lezer(instellingen) as lezer:
        consumer = lezer.consumer
        consumer.assign([tp])
        begin = (await consumer.beginning_offsets([tp]))[tp]
        eind = (await consumer.end_offsets([tp]))[tp]
        if vanaf is None:
            vanaf = begin
        if vanaf < begin and not (vanaf == 0 and begin == eind):
            raise LogVerdwenen(f"{topic}[{partitie}] starts at offset {begin}, while ClickHouse has seen up to {vanaf}")
        if vanaf > eind:
            raise LogVerdwenen(f"{topic}[{partitie}] ends at offset {eind}, while ClickHouse has seen up to {vanaf}")
        consumer.seek(tp, max(vanaf, begin))
        while await consumer.position(tp) < eind:
            for record in (await consumer.getmany(tp, timeout_ms=200)).get(tp, []):
                slag()  # a long log is read for long
                yield Record(record.offset, record.key, record.value, record.timestamp)


async def lees_op(instellingen: Instellingen, topic: str, partitie: int, offsets: Sequence[int]) -> dict[int, Record]:
    """The records at these offsets; those that the log does not have any more are left out. Raises KafkaError."""
    tp = TopicPartition(topic, partitie)
    gevonden: dict[int, Record] = {}
    async with _Lezer(instellingen) as lezer:
        consumer = lezer.consumer
        consumer.assign([tp])
        begin = (await consumer.beginning_offsets([tp]))[tp]
        eind = (await consumer.end_offsets([tp]))[tp]
        for offset in sorted(offset for offset in offsets if begin <= offset < eind):
            consumer.seek(tp, offset)
            while await consumer.position(tp) <= offset:
                for record in (await consumer.getmany(tp, timeout_ms=200, max_records=1)).get(tp, []):
                    slag()
                    if record.offset == offset:
                        gevonden[offset] = Record(record.offset, record.key, record.value, record.timestamp)
    return gevonden
