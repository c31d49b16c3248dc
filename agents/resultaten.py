"""The batch's result, by sweep: one record on `resultaat` for each run whose messages are all decided.

Whoever is assigned a partition of `resultaat` looks for finished runs without a result. It fences that partition
before it writes, and knows from ClickHouse and from the tail of the partition which results exist, so a run gets one
and no more. The content is a pure function of the rows.
"""

import asyncio
import logging
import time
from collections.abc import Mapping, Sequence
from uuid import UUID

from agents.auditor import Auditor
from agents.teller import Teller
from agents.veger import Veger
from avro.codec import Codec, Onleesbaar
from domain.batch import Kader
from domain.batch import partitie as partitie_van
from domain.resultaat import Resultaat
from sinks.stroomvragen import NietAfgerond
from sinks.vragen import Vragen
from streams import metrics
from streams.fence import Record
from streams.settings import Instellingen

log = logging.getLogger(__name__)

_PER_BLAD = 5000
_HOOGSTENS_S = 30.0
"""Seconds without a look: a replica can show the progress before the rows."""
_PER_KEER = 50
"""Results that are made together: some seconds' work at most."""
_TELT = 0
"""Who owns this partition counts the batches that are finished, those of all partitions."""


class Resultaten(Veger):
    """The sweep of one worker."""

    def __init__(
        self,
        instellingen: Instellingen,
        codec: Codec,
        vragen: Vragen,
        topic_id: str,
        auditor: Auditor | None = None,
    ) -> None:
        """`auditor` looks after the runs whose results are ours to give."""
        super().__init__(instellingen, "resultaat", vragen, topic_id)
        self._auditor = auditor
        self._teller = Teller(vragen)
        self._codec = codec
        self._vragen = vragen
        self._bekend: dict[int, dict[UUID, int]] = {}
        """By partition: the runs with a result there that ClickHouse may not show yet, and the offset of that."""
        self._niets_bij: int | None = None
        """The state of ClickHouse in which a look found nothing of ours: until it changes, none is needed."""
        self._kijk_vanaf = 0.0

    async def geopend(self, partitie: int, records: Sequence[Record]) -> None:
        """See `Veger`."""
        self._niets_bij = None
        bekend = self._bekend[partitie] = {}
        for record in records:
            try:
                bekend[self._codec.lees_resultaat(record.waarde).kader.proceskenmerk] = record.offset
            except Onleesbaar as fout:
                # The sink sets it aside; no reader takes it for a result.
                log.warning("unreadable result at resultaat[%d]@%d: %s", partitie, record.offset, fout)

    async def veeg(self, voortgang: Mapping[int, int]) -> bool:
        """See `Veger`. What ClickHouse showed is forgotten before it is asked which runs lack a result."""
        for partitie in self.eigen:
            zichtbaar_tot, bekend = voortgang.get(partitie, 0), self._bekend[partitie]
            self._bekend[partitie] = {run: offset for run, offset in bekend.items() if offset >= zichtbaar_tot}
        kaders = await self._te_beantwoorden()
        for begin in range(0, len(kaders), _PER_KEER):
            if self.rondt_af:
                return False
            per_partitie: dict[int, list[Resultaat]] = {}
            for resultaat in await self._resultaten(kaders[begin : begin + _PER_KEER]):
                per_partitie.setdefault(self._partitie_van(resultaat.kader), []).append(resultaat)
            for partitie, resultaten in per_partitie.items():
                await self._schrijf(partitie, resultaten)
        self.te_vergeten |= any(self._bekend[partitie] for partitie in self.eigen)
        if self._auditor is not None:
            await self._auditor.kijk(self.eigen.keys())
        if _TELT in self.eigen:
            self._teller.kijk()
        return False

    async def _te_beantwoorden(self) -> list[Kader]:
        """The finished runs of our partitions without a result."""
        stand = await asyncio.to_thread(self._vragen.stand)  # before the look: what comes during it changes the state
        if stand == self._niets_bij and time.monotonic() < self._kijk_vanaf:
            return []
        kaders = await asyncio.to_thread(self._vragen.afgeronde_runs_zonder_resultaat, _PER_BLAD)
        van_ons = [kader for kader in kaders if self._partitie_van(kader) in self.eigen]
        self._niets_bij = None if van_ons or len(kaders) == _PER_BLAD else stand
        self._kijk_vanaf = time.monotonic() + _HOOGSTENS_S
        nog_geen = [kader for kader in van_ons if kader.proceskenmerk not in self._bekend[self._partitie_van(kader)]]
        return sorted(nog_geen, key=self._partitie_van)  # a transaction is of one partition: few hold many

    def _partitie_van(self, kader: Kader) -> int:
        return partitie_van(kader.batch_id.bytes, self._instellingen.partities_batch)

    async def loop(self) -> None:
        """See `Veger`."""
        try:
            await super().loop()
        finally:
            await self._teller.houd_op()

    def vergeet(self) -> bool:
        """See `Veger`."""
        return self._vragen.vergeet_beantwoorde_runs()

    async def _resultaten(self, kaders: list[Kader]) -> list[Resultaat]:
        """The results of these runs; one whose rows are not all there waits for a later sweep and holds up no other."""
        try:
            return await asyncio.to_thread(self._vragen.resultaten_van, kaders)
        except NietAfgerond as fout:
            log.warning("no result yet: %s", fout)
        if len(kaders) == 1:
            return []
        return [resultaat for kader in kaders for resultaat in await self._resultaten([kader])]

    async def _schrijf(self, partitie: int, resultaten: list[Resultaat]) -> None:
        offsets = await self.eigen[partitie].schrijf(
            [(str(r.kader.batch_id).encode(), self._codec.schrijf_resultaat(r)) for r in resultaten]
        )
        for offset, resultaat in zip(offsets, resultaten, strict=True):
            self._bekend[partitie][resultaat.kader.proceskenmerk] = offset
        metrics.RESULTATEN.inc(len(resultaten))
