"""The auditor: offers again what the line skipped, so that every silent skip becomes a delay.

A record that Faust acked unhandled, or a slice that could not be read, leaves no trace but a run that stays open. The
owner of a partition of `resultaat` finds such runs (see `agents.stilte`) and writes the slices with their missing
numbers to `bericht` again, from `batch`. Deciding once makes an offer too many harmless.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from contextlib import asynccontextmanager
from uuid import UUID

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.partitioner import DefaultPartitioner

from agents.beslisser import nu_ms
from agents.splitsen import schrijf_slices
from agents.stilte import Aanbiedingen, Voorbijgang
from avro.codec import Codec, Onleesbaar
from domain.batch import Batch, Kader, splits
from domain.batch import partitie as partitie_van
from sinks.database import DatabaseWeg
from sinks.vragen import Vragen
from streams import metrics, verbinding
from streams.fence import KAFKA_WEG
from streams.hartslag import slag
from streams.settings import Instellingen

log = logging.getLogger(__name__)

_PER_BLAD = 5000
"""Open runs that one question gives."""
_RUNS_PER_KIJK = 100
_BYTES_PER_KIJK = 32 * 1024 * 1024
"""A look ends after so many runs or bytes of batches; the next one goes on there."""
_LEES_S = 30.0

Plek = tuple[int, UUID]
"""A place in the list of open runs: moment of delivery and Proceskenmerk."""
_BEGIN: Plek = (0, UUID(int=0))


class Auditor:
    """For one worker, which says at each look which partitions of `resultaat` it owns."""

    def __init__(
        self,
        instellingen: Instellingen,
        codec: Codec,
        vragen: Vragen,
        producer: AIOKafkaProducer,
        validatie_id: str,
        klok: Callable[[], int] = nu_ms,
    ) -> None:
        self._instellingen = instellingen
        self._codec = codec
        self._vragen = vragen
        self._producer = producer
        self._validatie_id = validatie_id
        self._klok = klok
        self._na_ms = int(instellingen.auditor_na_s * 1000)
        self._aanbiedingen = Aanbiedingen(self._na_ms)
        self._ronde = Voorbijgang()
        self._na = _BEGIN
        """How far this round is in the list of open runs."""
        self._weer_op = 0.0

    async def kijk(self, partities: Collection[int]) -> None:
        """One look, if it is time for one; call it often. It goes on where the former stopped, whatever that met."""
        if not partities or time.monotonic() < self._weer_op:
            return
        self._weer_op = time.monotonic() + self._instellingen.auditor_s
        try:
            async with _open(self._instellingen) as logboek:
                if not await self._is_voorbij(logboek):
                    return
                if not await self._bied_aan(logboek, partities):
                    self._weer_op = 0.0
                    return
        except (DatabaseWeg, *KAFKA_WEG) as fout:
            log.warning("the auditor cannot look now, trying again: %s", type(fout).__name__)
            return
        self._ronde, self._na = Voorbijgang(), _BEGIN
        metrics.VERLOREN.set(self._aanbiedingen.ronde_klaar())

    async def _is_voorbij(self, logboek: "_Logboek") -> bool:
        """Whether the line has passed by all that this round is about."""
        while (onderwerp := self._ronde.onderwerp) is not None:
            self._ronde.noteer(await logboek.einden(onderwerp))
            for partitie, (vanaf, tot) in self._ronde.achter(await self._gelezen(logboek, onderwerp)).items():
                # A marker of a transaction is read by nobody, yet stands before the end.
                if await logboek.eerste(onderwerp, partitie, vanaf, tot) is not None:
                    return False
            self._ronde.ga_verder()
        return True

    async def _gelezen(self, logboek: "_Logboek", onderwerp: str) -> Mapping[int, int]:
        """How far who reads this topic is: the agents by their commits, the sink by its progress."""
        if onderwerp == "validatie":
            return await asyncio.to_thread(self._vragen.voortgang, self._validatie_id)
        return await logboek.vastgelegd("worker", onderwerp)

    async def _bied_aan(self, logboek: "_Logboek", partities: Collection[int]) -> bool:
        """Offers the silent runs from where this round is; False when there is more to do."""
        nu = self._klok()
        blad = await asyncio.to_thread(self._vragen.onbesloten_runs, nu - self._na_ms, self._na, _PER_BLAD)
        stil = [
            kader
            for kader in blad
            if partitie_van(kader.batch_id.bytes, self._instellingen.partities_batch) in partities
            and self._aanbiedingen.mag(kader.proceskenmerk, nu)
        ]
        deel = stil[:_RUNS_PER_KIJK]
        offsets = await asyncio.to_thread(self._vragen.offsets_van, deel)
        besloten = await asyncio.to_thread(self._vragen.besloten_nummers, deel)
        einden = await logboek.einden("batch")
        gelezen = 0
        for kader in deel:
            slag()
            run = kader.proceskenmerk
            try:
                gelezen += await self._bied_run_aan(logboek, kader, offsets.get(run), besloten.get(run, set()), einden)
            except KAFKA_WEG as fout:  # one batch that cannot be read or written keeps no other from being offered
                log.warning("run %s cannot be offered again now: %s", run, type(fout).__name__)
            self._na = (kader.aangeleverd_op, run)
            if gelezen >= _BYTES_PER_KIJK:
                return False
        if len(deel) < len(stil):
            return False
        if blad:
            self._na = (blad[-1].aangeleverd_op, blad[-1].proceskenmerk)
        return len(blad) < _PER_BLAD

    async def _bied_run_aan(
        self,
        logboek: "_Logboek",
        kader: Kader,
        offset: int | None,
        besloten: Collection[int],
        einden: Mapping[int, int],
    ) -> int:
        """Offers the slices of a run that hold a number without a decision; returns the bytes that were read."""
        run = kader.proceskenmerk
        if offset is None:
            return 0
        gevonden = await self._zoek(logboek, kader, offset, einden)
        if gevonden is None:
            self._aanbiedingen.is_verloren(run)
            log.error(
                "run %s can never be offered again, topic batch no longer holds it: it must be delivered anew", run
            )
            return 0
        record, batch = gevonden
        if not self._ronde.had(record.partition, offset):
            return len(record.value)  # it came during this round
        slices = splits(batch, self._instellingen.partities_bericht)
        open_slices = {
            partitie: slice_
            for partitie, slice_ in slices.items()
            if any(nummer not in besloten for nummer in slice_.berichten.nummers)
        }
        await schrijf_slices(self._producer, self._codec, self._instellingen.topic("bericht"), open_slices)
        self._aanbiedingen.is_aangeboden(run, self._klok())
        metrics.AANGEBODEN.inc(len(open_slices))
        log.info(
            "run %s is open, though the line passed it: %d of its %d slices offered again",
            run,
            len(open_slices),
            len(slices),
        )
        return len(record.value)

    async def _zoek(
        self, logboek: "_Logboek", kader: Kader, offset: int, einden: Mapping[int, int]
    ) -> tuple[ConsumerRecord, Batch] | None:
        """The record of a run in `batch`, and what it holds: first where its key belongs, then in other partitions."""
        partities = sorted(einden)
        verwacht = DefaultPartitioner()(str(kader.batch_id).encode(), partities, partities)
        for partitie in sorted(partities, key=lambda een: een != verwacht):
            if offset >= einden[partitie]:
                continue
            record = await logboek.eerste("batch", partitie, offset, offset + 1)
            if record is None:
                continue
            try:
                batch = self._codec.lees_batch(record.value)
            except Onleesbaar as fout:
                log.warning("unreadable batch at batch[%d]@%d: %s", partitie, offset, fout)
                continue
            if batch.kader.proceskenmerk == kader.proceskenmerk:
                return record, batch
        return None


class _Logboek:
    """What Kafka holds now."""

    def __init__(self, instellingen: Instellingen, consumer: AIOKafkaConsumer, beheer: AIOKafkaAdminClient) -> None:
        self._instellingen = instellingen
        self._consumer = consumer
        self._beheer = beheer

    def _partities(self, onderwerp: str) -> list[TopicPartition]:
        aantal = self._instellingen.partities_batch if onderwerp == "batch" else self._instellingen.partities_bericht
        return [TopicPartition(self._instellingen.topic(onderwerp), partitie) for partitie in range(aantal)]

    async def einden(self, onderwerp: str) -> dict[int, int]:
        """Where each partition of a topic ends, uncommitted records included."""
        einden = await self._consumer.end_offsets(self._partities(onderwerp))
        return {tp.partition: eind for tp, eind in einden.items()}

    async def vastgelegd(self, groep: str, onderwerp: str) -> dict[int, int]:
        """Where a group goes on in each partition of a topic; nothing for those where it committed nothing."""
        offsets = await self._beheer.list_consumer_group_offsets(
            self._instellingen.groep(groep), partitions=self._partities(onderwerp)
        )
        return {tp.partition: plaats.offset for tp, plaats in offsets.items() if plaats.offset >= 0}

    async def eerste(self, onderwerp: str, partitie: int, vanaf: int, tot: int) -> ConsumerRecord | None:
        """The first record from one offset to before another (which the log has reached), if there is any."""
        tp = TopicPartition(self._instellingen.topic(onderwerp), partitie)
        self._consumer.assign([tp])
        begin = (await self._consumer.beginning_offsets([tp]))[tp]
        self._consumer.seek(tp, max(vanaf, begin))
        async with asyncio.timeout(_LEES_S):
            while await self._consumer.position(tp) < tot:
                for record in (await self._consumer.getmany(tp, timeout_ms=200, max_records=1)).get(tp, []):
                    return record if record.offset < tot else None
        return None


@asynccontextmanager
async def _open(instellingen: Instellingen) -> AsyncIterator[_Logboek]:
    """For one look: nothing is held between two."""
    consumer = AIOKafkaConsumer(
        **verbinding.aiokafka(instellingen),
        # A transaction's records count from when they are written: see `Voorbijgang.noteer`.
        isolation_level="read_uncommitted",
        enable_auto_commit=False,
        auto_offset_reset="none",
    )
    beheer = AIOKafkaAdminClient(**verbinding.aiokafka(instellingen))
    try:
        await consumer.start()
        await beheer.start()
        yield _Logboek(instellingen, consumer, beheer)
    finally:
        await consumer.stop()
        await beheer.close()
