"""Telling citizens of new messages, by sweep: one record on `notificatie` for each placed message, once it is due.

Whoever is assigned a partition of `notificatie` fences it and marks in ClickHouse what stands at its end, so that every
notification that was ever written has its marker. Then it looks for messages that can be seen and have none, writes
their notifications, and after that the markers and the progress. Whatever dies where: at most the end of the partition
is read again. Text and sender follow the reference data of the moment of writing, which cannot change meanwhile.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from agents.veger import Veger
from avro.codec import Codec, Onleesbaar
from domain.notificatie import Plaats, TeNotificeren, maak
from sinks.notificatievragen import BEGIN, Notificatievragen
from sinks.rijen import Rijen, van_genotificeerd
from sinks.schrijver import Schrijver
from sinks.stroomvragen import PER_VRAAG
from streams import metrics
from streams.dlq import Terzijde
from streams.fence import Record, eerste_vanaf
from streams.referentie import ReferentieVolger
from streams.settings import Instellingen

log = logging.getLogger(__name__)

_PER_TRANSACTIE = 500
"""Notifications that go in one transaction: the reference data is held still that long."""


class Notificeren(Veger):
    """The sweep of one worker."""

    def __init__(
        self,
        instellingen: Instellingen,
        codec: Codec,
        vragen: Notificatievragen,
        schrijver: Schrijver,
        volger: ReferentieVolger,
        topic_id: str,
        klok: Callable[[], int],
        terzijde: Terzijde | None = None,
    ) -> None:
        """`terzijde`: where unreadable records go; without it they are only named in the log."""
        super().__init__(instellingen, "notificatie", vragen, topic_id)
        self._codec = codec
        self._vragen = vragen
        self._schrijver = schrijver
        self._volger = volger
        self._klok = klok
        self._terzijde = terzijde
        self._te_doen: dict[int, int] = {}
        self._verder: dict[int, tuple[Plaats, int]] = {}
        """Where a pass over what is due goes on, and up to which moment, by partition; none: it begins anew."""

    async def begin(self, partitie: int, voortgang: int) -> int:
        """See `Veger`. What has expired after the progress is passed over.

        These are markers of transactions, or notifications whose writer died before it could mark them, with nobody
        taking over until the topic threw them away: those come twice, which the rule for consumers makes harmless.
        """
        topic = self._instellingen.topic("notificatie")
        return max(voortgang, await eerste_vanaf(self._instellingen, topic, partitie, voortgang))

    async def geopend(self, partitie: int, records: Sequence[Record]) -> None:
        """See `Veger`. Everything that stands there is out, whoever wrote it."""
        self._verder.pop(partitie, None)
        gevonden: list[Plaats] = []
        topic = self._instellingen.topic("notificatie")
        for record in records:
            try:
                gevonden.append(self._codec.lees_notificatie(record.waarde).plaats)
                if self._terzijde is not None:
                    self._terzijde.leesbaar(topic, partitie, record.offset)
            except Onleesbaar as fout:
                if self._terzijde is None:
                    log.warning("unreadable notification at notificatie[%d]@%d: %s", partitie, record.offset, fout)
                else:
                    await self._terzijde.zet(topic, partitie, record.offset, str(fout))
        if self._terzijde is not None:
            await self._terzijde.duurzaam()
        if gevonden:
            await self._leg_vast(gevonden, {partitie: records[-1].offset + 1})

    async def kijk(self) -> None:
        """See `Veger`."""
        self._te_doen = {}
        if self.toegewezen:
            alle = await asyncio.to_thread(self._vragen.te_doen, self._klok(), self._instellingen.partities_batch)
            self._te_doen = {partitie: rijen for partitie, rijen in alle.items() if partitie in self.toegewezen}
        if not self.te_vergeten or not self.toegewezen:
            metrics.TE_NOTIFICEREN.set(sum(self._te_doen.values()))

    async def veeg(self, voortgang: Mapping[int, int]) -> bool:
        """See `Veger`."""
        gedaan: list[Plaats] = []
        geschreven_tot: dict[int, int] = {}
        partities = self._te_doen.keys() & self.eigen.keys()
        for partitie in partities:
            berichten, vervallen = await self._pagina(partitie)
            gedaan += vervallen
            for begin in range(0, len(berichten), _PER_TRANSACTIE):
                if self.rondt_af:
                    break
                geschreven, volgende = await self._schrijf(partitie, berichten[begin : begin + _PER_TRANSACTIE])
                gedaan += geschreven
                if volgende:
                    geschreven_tot[partitie] = volgende
        if gedaan:
            await self._leg_vast(gedaan, geschreven_tot)
        return not partities.isdisjoint(self._verder)

    def vergeet(self) -> None:
        """See `Veger`."""
        self._vragen.vergeet_genotificeerde(self._klok())

    async def _pagina(self, partitie: int) -> tuple[list[TeNotificeren], list[Plaats]]:
        """The next messages to write of a partition, and places where there is nothing to write, ever."""
        na, tot = self._verder.pop(partitie, (BEGIN, self._klok()))
        rijen = await asyncio.to_thread(
            self._vragen.te_notificeren, partitie, self._instellingen.partities_batch, na, tot, PER_VRAAG
        )
        if len(rijen) == PER_VRAAG:
            self._verder[partitie] = rijen[-1].plaats, tot
        pagina = {bericht.plaats: bericht for bericht in rijen}
        gemerkt = await asyncio.to_thread(self._vragen.genotificeerd, list(pagina)) if pagina else set()
        self.te_vergeten |= bool(gemerkt)
        nieuw = [bericht for plaats, bericht in pagina.items() if plaats not in gemerkt]
        if not nieuw:
            return [], []
        vragen = [(bericht.leverancier, bericht.bericht_id.bytes, bericht.proceskenmerk) for bericht in nieuw]
        geldt = {
            (run, nummer): verwerkt
            for _, _, run, nummer, verwerkt in await asyncio.to_thread(self._vragen.bekend, vragen)
        }
        # A row can come from a decision that did not stand; where no decision is to be seen yet, it waits for that.
        oordelen = [(bericht, geldt.get((bericht.proceskenmerk, bericht.nummer))) for bericht in nieuw]
        return (
            [bericht for bericht, verwerkt in oordelen if verwerkt],
            [bericht.plaats for bericht, verwerkt in oordelen if verwerkt is False],
        )

    async def _schrijf(self, partitie: int, berichten: Sequence[TeNotificeren]) -> tuple[list[Plaats], int]:
        """Writes what can be written; the places of that, and the offset after it (0: nothing was)."""
        async with self._volger.beslissing() as referentie:
            nu = self._klok()
            notificaties = [een for bericht in berichten if (een := maak(bericht, referentie, nu)) is not None]
            offsets = await self.eigen[partitie].schrijf(
                [(een.ontvanger.encode(), self._codec.schrijf_notificatie(een)) for een in notificaties],
                # Once nobody waits for us to apply a change, what we hold may be old.
                mag=lambda: self._volger.bij,
            )
        metrics.NOTIFICATIES.inc(len(notificaties))
        geschreven = {een.plaats for een in notificaties}
        wacht = Counter((een.leverancier, een.berichttype) for een in berichten if een.plaats not in geschreven)
        for (leverancier, berichttype), aantal in wacht.items():
            # No command removes one. To tell nothing, or another text than was chosen, is not for us to decide.
            log.warning("%d notifications wait until berichttype %s/%s is there", aantal, leverancier, berichttype)
        return [een.plaats for een in notificaties], offsets[-1] + 1 if offsets else 0

    async def _leg_vast(self, gedaan: Sequence[Plaats], geschreven_tot: Mapping[int, int]) -> None:
        """Marks what is done and then, since a failed insert may leave a part of it, says how far that goes."""
        rijen = Rijen("genotificeerd")
        rijen.voeg_toe(van_genotificeerd(gedaan, self._klok()))
        await self._schrijver.schrijf_tabel(rijen)
        self.te_vergeten = True
        topic = self._instellingen.topic("notificatie")
        if geschreven_tot:
            await self._schrijver.schrijf_voortgang(
                [(topic, self._topic_id, partitie, volgende) for partitie, volgende in geschreven_tot.items()],
                # A copy that lacks the markers of before must not get progress past them: it raises Teruggezet.
                lambda: self._vragen.voortgang(self._topic_id),
            )
