"""The batch's result, by sweep: one record on `resultaat` for each run whose messages are all decided.

Whoever is assigned a partition of `resultaat` looks for finished runs without a result. It fences that partition
before it writes, and knows from ClickHouse and from the tail of the partition which results exist, so a run gets one
and no more. The content is a pure function of the rows.
"""

import asyncio
import logging
from collections.abc import Iterable
from dataclasses import dataclass, field
from uuid import UUID

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition

from agents.beslissen import KAFKA_WEG
from avro.codec import Codec, Onleesbaar
from domain.batch import Kader
from domain.batch import partitie as partitie_van
from domain.resultaat import Resultaat
from sinks.database import DatabaseWeg
from sinks.stroomvragen import NietAfgerond
from sinks.vragen import Vragen
from streams import metrics
from streams.fence import EigenPartitie, Onteigend
from streams.settings import Instellingen

log = logging.getLogger(__name__)

_PER_KEER = 5000
_PER_TRANSACTIE = 50
"""Results that go in one transaction: some seconds' work at most."""


class _Toewijzing(ConsumerRebalanceListener):  # type: ignore[misc]
    def __init__(self, sweep: "Resultaten") -> None:
        self._sweep = sweep

    async def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        # The loop closes what is lost: to close a producer under a write that goes on would leave that write hanging.
        self._sweep.toegewezen = set()

    async def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        self._sweep.toegewezen = {tp.partition for tp in assigned}


@dataclass(slots=True)
class Eigen:
    """A partition of `resultaat` that we own, and the runs with a result there that ClickHouse may not show yet."""

    partitie: EigenPartitie
    bekend: dict[UUID, int] = field(default_factory=dict)
    """The offset of a run's result."""


class Resultaten:
    """The sweep of one worker."""

    def __init__(self, instellingen: Instellingen, codec: Codec, vragen: Vragen, topic_id: str) -> None:
        self._instellingen = instellingen
        self._codec = codec
        self._vragen = vragen
        self._topic_id = topic_id
        self._eigen: dict[int, Eigen] = {}
        self._te_vergeten = True
        """Whether the work list of open runs may hold answered ones."""
        self.toegewezen: set[int] = set()

    async def loop(self) -> None:
        """Runs until cancelled. Raises LogVerdwenen."""
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self._instellingen.kafka,
            group_id=self._instellingen.groep("resultaat"),
            enable_auto_commit=False,
            session_timeout_ms=10_000,
            heartbeat_interval_ms=3_000,
            max_poll_interval_ms=24 * 3600 * 1000,
            # It is a member for the sake of its assignment; the sink is who reads this topic.
            auto_offset_reset="latest",
        )
        consumer.subscribe([self._instellingen.topic("resultaat")], listener=_Toewijzing(self))
        await consumer.start()
        try:
            while True:
                try:
                    await self._sweep()
                except (DatabaseWeg, Onteigend, *KAFKA_WEG) as fout:
                    log.warning("the sweep cannot go on now, trying again: %s", type(fout).__name__)
                    await self.laat_los()
                await consumer.getmany(timeout_ms=int(self._instellingen.sweep_s * 1000))
        finally:
            await self.laat_los()
            await consumer.stop()

    async def laat_los(self) -> None:
        """Lets go of every partition; it is fenced anew before it is written again."""
        eigen, self._eigen = self._eigen, {}
        for partitie in eigen.values():
            await partitie.partitie.close()

    async def _sweep(self) -> None:
        for partitie in self._eigen.keys() - self.toegewezen:
            await self._eigen.pop(partitie).partitie.close()
        if not self.toegewezen:
            return
        # In this order: own, then forget what ClickHouse shows, then ask it which runs lack a result.
        voortgang = await asyncio.to_thread(self._vragen.voortgang, self._topic_id)
        for partitie in self.toegewezen - self._eigen.keys():
            self._eigen[partitie] = await self._open(partitie, voortgang.get(partitie, 0))
        for partitie, eigen in self._eigen.items():
            zichtbaar_tot = voortgang.get(partitie, 0)
            eigen.bekend = {run: offset for run, offset in eigen.bekend.items() if offset >= zichtbaar_tot}
        per_partitie: dict[int, list[Kader]] = {}
        for kader in await asyncio.to_thread(self._vragen.afgeronde_runs_zonder_resultaat, _PER_KEER):
            partitie = partitie_van(kader.batch_id.bytes, self._instellingen.partities_batch)
            if partitie in self._eigen and kader.proceskenmerk not in self._eigen[partitie].bekend:
                per_partitie.setdefault(partitie, []).append(kader)
        for partitie, kaders in per_partitie.items():
            for begin in range(0, len(kaders), _PER_TRANSACTIE):
                resultaten = await self._resultaten(kaders[begin : begin + _PER_TRANSACTIE])
                if resultaten:
                    await self._schrijf(self._eigen[partitie], resultaten)
        if per_partitie:
            self._te_vergeten = True
        elif self._te_vergeten:
            await asyncio.to_thread(self._vragen.vergeet_beantwoorde_runs)
            self._te_vergeten = False

    async def _resultaten(self, kaders: list[Kader]) -> list[Resultaat]:
        """The results of these runs; one whose rows are not all there waits for a later sweep and holds up no other."""
        try:
            return await asyncio.to_thread(self._vragen.resultaten_van, kaders)
        except NietAfgerond as fout:
            log.warning("no result yet: %s", fout)
        if len(kaders) == 1:
            return []
        return [resultaat for kader in kaders for resultaat in await self._resultaten([kader])]

    async def _open(self, partitie: int, zichtbaar_tot: int) -> Eigen:
        eigen = Eigen(EigenPartitie(self._instellingen, "resultaat", partitie))
        try:
            for record in await eigen.partitie.open(zichtbaar_tot):
                try:
                    eigen.bekend[self._codec.lees_resultaat(record.waarde).kader.proceskenmerk] = record.offset
                except Onleesbaar as fout:
                    # The sink sets it aside; no reader takes it for a result.
                    log.warning("unreadable result at resultaat[%d]@%d: %s", partitie, record.offset, fout)
        except BaseException:
            await eigen.partitie.close()
            raise
        return eigen

    async def _schrijf(self, eigen: Eigen, resultaten: list[Resultaat]) -> None:
        offsets = await eigen.partitie.schrijf(
            [(str(r.kader.batch_id).encode(), self._codec.schrijf_resultaat(r)) for r in resultaten]
        )
        for offset, resultaat in zip(offsets, resultaten, strict=True):
            eigen.bekend[resultaat.kader.proceskenmerk] = offset
        metrics.RESULTATEN.inc(len(resultaten))
