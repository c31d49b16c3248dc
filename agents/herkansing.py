"""What waits in topic `wacht` is tried again, until it is decided; when ClickHouse shows the decisions it is deleted.

It also owns every partition that is assigned to this worker, traffic or not: something may wait there since before.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from uuid import UUID

from agents.beslisser import HERKANS_S, Beslisser, Taak
from agents.eigendom import Eigen
from agents.ontwerp import Kennis
from avro.codec import Codec, Onleesbaar
from domain.batch import Batch
from sinks.database import DatabaseWeg
from streams import metrics
from streams.fence import KAFKA_WEG, Ingetrokken, Onteigend, lees_op
from streams.hartslag import hoort_bij, slag
from streams.settings import Instellingen

log = logging.getLogger(__name__)


class Herkansing:
    """The second chances of one worker. `toegewezen` gives its partitions of `bericht` now, with their generation."""

    def __init__(
        self,
        instellingen: Instellingen,
        codec: Codec,
        beslisser: Beslisser,
        toegewezen: Callable[[], Mapping[int, object]],
    ) -> None:
        self._instellingen = instellingen
        self._codec = codec
        self._beslisser = beslisser
        self._toegewezen = toegewezen
        self._rond_af = False
        self.gekeken = 0
        """Looks that are done; after each all that was assigned at its begin is ours."""

    def rond_af(self) -> None:
        """Lets `loop` end when the look that is under way is done."""
        self._rond_af = True

    async def loop(self) -> None:
        """Runs until `rond_af` or cancelled. Raises LogVerdwenen."""
        hoort_bij("herkansing")
        while not self._rond_af:
            slag()
            verder = False
            try:
                verder = await self.kijk()
                self.gekeken += 1
            except (DatabaseWeg, Onteigend, Ingetrokken, *KAFKA_WEG) as fout:
                log.warning("what waits cannot be tried now: %s", type(fout).__name__)
            await asyncio.sleep(0 if verder else HERKANS_S)

    async def kijk(self) -> bool:
        """Tries once what is due. True: some of it is decided, so that it is worth looking again at once.

        Raises DatabaseWeg, LogVerdwenen, Onteigend and `KAFKA_WEG`.
        """
        generaties = dict(self._toegewezen())
        eigendom = self._beslisser.eigendom
        eigen = await eigendom.neem(generaties)
        metrics.WACHTEND.set(eigendom.wachtend)
        await eigendom.wis_besloten()
        runs = self._beslisser.herkansbaar()
        # A rebalance may have come in between: the next look is about what was opened or lost since.
        zeker = {partitie for partitie, een in eigen.items() if eigendom.is_van_ons(een)}
        if runs := {partitie: offsets for partitie, offsets in runs.items() if partitie in zeker}:
            return await self._probeer(generaties, eigen, runs)
        return False

    async def _probeer(
        self, generaties: Mapping[int, object], eigen: Mapping[int, Eigen], runs: Mapping[int, Mapping[UUID, int]]
    ) -> bool:
        taken, besloten = {}, False
        for partitie, offsets in runs.items():
            slices = await self._lees(partitie, eigen[partitie], offsets)
            taken[partitie] = Taak(slices, generaties[partitie])
        over = await self._beslisser.ronde(taken, Kennis(), uit_wacht=True)
        for partitie, offsets in runs.items():
            rest = over.get(partitie)
            wachten_nog = offsets.keys() if rest is None else {slice_.kader.proceskenmerk for slice_ in rest}
            kamer = eigen[partitie].wachtkamer
            for run in offsets.keys() & kamer.runs():
                if run in wachten_nog:
                    kamer.stel_uit(run, time.monotonic())
                else:
                    kamer.klaar(run, eigen[partitie].geheugen.besloten_tot)
                    besloten = True
        return besloten

    async def _lees(self, partitie: int, eigen: Eigen, offsets: Mapping[UUID, int]) -> list[Batch]:
        """The slices of these runs; a record that is gone or cannot be read waits no more: the auditor finds it."""
        records = await lees_op(self._instellingen, self._instellingen.topic("wacht"), partitie, list(offsets.values()))
        slices = []
        for run, offset in offsets.items():
            try:
                slices.append(self._codec.lees_batch(records[offset].waarde, "wacht"))
            except (KeyError, Onleesbaar) as fout:
                log.error("run %s waits at wacht[%d]@%d, which gives: %s", run, partitie, offset, type(fout).__name__)
                eigen.wachtkamer.vergeet(run)
        return slices
