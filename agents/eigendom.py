"""The partitions that this worker owns, with all that is known of them beside ClickHouse: decisions and what waits.

Owning `validatie[p]` fences its former owner out of `wacht[p]` as well, since both are written in one transaction.
"""

import asyncio
import heapq
import logging
from collections.abc import Callable, Collection, Coroutine, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from agents.geheugen import Geheugen
from agents.wachtkamer import Wachtkamer, lees_wachtende
from avro.codec import Codec, Onleesbaar
from sinks.vragen import Vragen
from streams import metrics
from streams.dlq import Terzijde
from streams.fence import EigenPartitie
from streams.settings import Instellingen

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Eigen:
    """A partition we own, in one generation of the consumer group."""

    partitie: EigenPartitie
    generatie: object
    geheugen: Geheugen = field(default_factory=Geheugen)
    wachtkamer: Wachtkamer = field(default_factory=Wachtkamer)
    stand: int = 0
    """Goes up when what is known of the partition changes: what was computed before must be computed again."""


class Eigendom:
    """What one worker owns."""

    def __init__(
        self,
        instellingen: Instellingen,
        codec: Codec,
        vragen: Vragen,
        topic_id: str,
        terzijde: Terzijde | None = None,
    ) -> None:
        """`terzijde`: where unreadable records of `wacht` go; without it they are only named in the log."""
        self._instellingen = instellingen
        self._terzijde = terzijde
        self._codec = codec
        self._vragen = vragen
        self._topic_id = topic_id
        self._eigen: dict[int, Eigen] = {}
        self.beurt = asyncio.Lock()
        """Held while partitions are opened or let go, and while they are written."""

    def __getitem__(self, partitie: int) -> Eigen:
        """The partition, which we must own."""
        return self._eigen[partitie]

    def is_van_ons(self, eigen: Eigen) -> bool:
        """Whether it is still this that we own."""
        return self._eigen.get(eigen.partitie.partitie) is eigen

    def alle(self) -> Mapping[int, Eigen]:
        """All that we own now."""
        return dict(self._eigen)

    @property
    def wachtend(self) -> int:
        """How many slices wait."""
        return sum(len(eigen.wachtkamer) for eigen in self._eigen.values())

    async def neem(self, generaties: Mapping[int, object]) -> Mapping[int, Eigen]:
        """Owns exactly these partitions, each in its generation. Raises DatabaseWeg, LogVerdwenen and `KAFKA_WEG`."""
        async with self.beurt:
            for partitie in self._eigen.keys() - generaties.keys():
                await self.sluit(partitie)
            if any(p not in self._eigen or self._eigen[p].generatie != g for p, g in generaties.items()):
                voortgang = await asyncio.to_thread(self._vragen.voortgang, self._topic_id)
                await alle(self._neem(p, generatie, voortgang.get(p, 0)) for p, generatie in generaties.items())
            return self.alle()

    async def werk_bij(self, generaties: Mapping[int, object]) -> int:
        """Owns these partitions too, forgets what ClickHouse shows, and returns how many decisions it does not show.

        Raises as `neem`.
        """
        async with self.beurt:
            voortgang = await asyncio.to_thread(self._vragen.voortgang, self._topic_id)
            await alle(self._neem(p, generatie, voortgang.get(p, 0)) for p, generatie in generaties.items())
            for partitie, eigen in self._eigen.items():
                eigen.stand += eigen.geheugen.vergeet(voortgang.get(partitie, 0))
            onverwerkt = sum(len(eigen.geheugen) for eigen in self._eigen.values())
            metrics.ONVERWERKT.set(onverwerkt)
            return onverwerkt

    def aan_de_beurt(
        self, nu: float, op_te_geven: Collection[UUID], mag: Callable[[str], bool]
    ) -> dict[int, dict[UUID, int]]:
        """By partition the runs that wait and can be tried now, with their offsets in `wacht`; see Wachtkamer.

        No more than one transaction may decide, and those that could be tried the longest: none waits for ever behind
        others that fail again and again.
        """
        wachtend = (
            (sinds, partitie, offset, run)
            for partitie, eigen in self._eigen.items()
            for sinds, offset, run in eigen.wachtkamer.aan_de_beurt(nu, op_te_geven, mag)
        )
        gekozen: dict[int, dict[UUID, int]] = {}
        for _, partitie, offset, run in heapq.nsmallest(self._instellingen.slices_per_keer, wachtend):
            gekozen.setdefault(partitie, {})[run] = offset
        return gekozen

    async def wis_besloten(self) -> None:
        """Deletes from `wacht` what ClickHouse shows as decided. Raises DatabaseWeg, Onteigend and `KAFKA_WEG`."""
        if not any(eigen.wachtkamer.heeft_besloten() for eigen in self._eigen.values()):
            return
        async with self.beurt:
            voortgang = await asyncio.to_thread(self._vragen.voortgang, self._topic_id)
            for partitie, eigen in list(self._eigen.items()):
                sleutels = eigen.wachtkamer.te_wissen(voortgang.get(partitie, 0))
                if not sleutels:
                    continue
                try:
                    await eigen.partitie.schrijf([], naast=[(sleutel, None) for sleutel in sleutels])
                except BaseException:
                    await self.sluit(partitie)
                    raise
                for sleutel in sleutels:
                    eigen.wachtkamer.verwijder(sleutel)

    def wek(self, leverancier: str) -> None:
        """What waits for this leverancier can be tried at once."""
        for eigen in self._eigen.values():
            eigen.wachtkamer.wek(leverancier)

    async def laat_los(self, partitie: int) -> None:
        """Lets go of a partition, if we have it."""
        async with self.beurt:
            await self.sluit(partitie)

    async def stop(self) -> None:
        """Lets go of all partitions."""
        for partitie in list(self._eigen):
            await self.sluit(partitie)

    async def sluit(self, partitie: int) -> None:
        """As `laat_los`, for who holds `beurt`."""
        eigen = self._eigen.pop(partitie, None)
        if eigen is not None:
            await eigen.partitie.close()

    async def _neem(self, partitie: int, generatie: object, zichtbaar_tot: int) -> None:
        """Owns a partition in this generation: fence, then remember every decision that ClickHouse may not show, and
        what waits."""
        eigen = self._eigen.get(partitie)
        if eigen is not None and eigen.generatie == generatie:
            return
        await self.sluit(partitie)
        eigen = Eigen(EigenPartitie(self._instellingen, "validatie", partitie, "wacht", "logboek"), generatie)
        try:
            for record in await eigen.partitie.open(zichtbaar_tot):
                try:
                    eigen.geheugen.onthoud(record.offset, self._codec.lees_uitkomst(record.waarde))
                    self._leesbaar("validatie", partitie, record.offset)
                except Onleesbaar as fout:
                    # The sink sets it aside; no reader takes it for a decision.
                    await self._onleesbaar("validatie", partitie, record.offset, fout)
            async for record in eigen.partitie.lees_naast():
                sleutel = record.key or b""
                if record.waarde is None:
                    eigen.wachtkamer.verwijder(sleutel)
                    continue
                try:
                    slice_ = lees_wachtende(self._codec, sleutel, record.waarde)
                    eigen.wachtkamer.zet(slice_, record.offset, sleutel, record.tijd)
                    self._leesbaar("wacht", partitie, record.offset)
                except Onleesbaar as fout:
                    # Its messages have no decision: the auditor offers them again.
                    await self._onleesbaar("wacht", partitie, record.offset, fout)
            if self._terzijde is not None:
                await self._terzijde.duurzaam()
        except BaseException:
            await eigen.partitie.close()
            raise
        self._eigen[partitie] = eigen
        log.info(
            "own validatie[%d]: %d decisions not yet in ClickHouse, %d slices that wait",
            partitie,
            len(eigen.geheugen),
            len(eigen.wachtkamer),
        )

    def _leesbaar(self, onderwerp: str, partitie: int, offset: int) -> None:
        if self._terzijde is not None:
            self._terzijde.leesbaar(self._instellingen.topic(onderwerp), partitie, offset)

    async def _onleesbaar(self, onderwerp: str, partitie: int, offset: int, fout: Onleesbaar) -> None:
        if self._terzijde is None:
            log.warning("unreadable record at %s[%d]@%d: %s", onderwerp, partitie, offset, fout)
            return
        doe = self._terzijde.zet if onderwerp == "wacht" else self._terzijde.sla_over
        await doe(self._instellingen.topic(onderwerp), partitie, offset, str(fout))


async def alle(werk: Iterable[Coroutine[Any, Any, None]]) -> None:
    """All at once. Returns when every one has ended, so that none goes on behind the back of the next attempt; then
    raises the first error."""
    for uitslag in await asyncio.gather(*werk, return_exceptions=True):
        if isinstance(uitslag, BaseException):
            raise uitslag
