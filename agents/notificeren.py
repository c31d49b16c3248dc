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
from domain.notificatie import partitie as partitie_van
from sinks.notificatievragen import BEGIN, Notificatievragen
from sinks.rijen import Rijen, van_genotificeerd
from sinks.schrijver import Schrijver
from streams import metrics
from streams.dlq import Terzijde
from streams.fence import Record, eerste_vanaf
from streams.referentie import ReferentieVolger
from streams.settings import Instellingen

log = logging.getLogger(__name__)

_PER_PAGINA = 10_000
"""Rows of the work list that are taken together."""
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
        self._verder: tuple[Plaats, int] | None = None
        """Where a pass over what is due goes on, and up to which moment; none: it begins anew."""

    async def begin(self, partitie: int, voortgang: int) -> int:
        """See `Veger`. What has expired after the progress is passed over.

        These are markers of transactions, or notifications whose writer died before it could mark them, with nobody
        taking over until the topic threw them away: those come twice, which the rule for consumers makes harmless.
        """
        topic = self._instellingen.topic("notificatie")
        return max(voortgang, await eerste_vanaf(self._instellingen, topic, partitie, voortgang))

    async def geopend(self, partitie: int, records: Sequence[Record]) -> None:
        """See `Veger`. Everything that stands there is out, whoever wrote it."""
        self._verder = None
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
        if self._te_doen.keys().isdisjoint(self.eigen):
            return False
        berichten, gedaan = await self._pagina()
        geschreven_tot: dict[int, int] = {}
        for partitie, van_partitie in berichten.items():
            for begin in range(0, len(van_partitie), _PER_TRANSACTIE):
                if self.rondt_af:
                    break
                geschreven, volgende = await self._schrijf(partitie, van_partitie[begin : begin + _PER_TRANSACTIE])
                gedaan += geschreven
                if volgende:
                    geschreven_tot[partitie] = volgende
        if gedaan:
            await self._leg_vast(gedaan, geschreven_tot)
        return self._verder is not None

    def vergeet(self) -> bool:
        """See `Veger`."""
        return self._vragen.vergeet_genotificeerde(self._klok())

    async def _pagina(self) -> tuple[dict[int, list[TeNotificeren]], list[Plaats]]:
        """The next messages to write, by partition of ours, and places where there is nothing to write, ever."""
        partities = self._instellingen.partities_batch
        na, tot = self._verder or (BEGIN, self._klok())
        rijen = await asyncio.to_thread(self._vragen.te_notificeren, list(self.eigen), partities, na, tot, _PER_PAGINA)
        self._verder = (rijen[-1].plaats, tot) if len(rijen) == _PER_PAGINA else None
        pagina = {bericht.plaats: bericht for bericht in rijen}
        gemerkt = await asyncio.to_thread(self._vragen.genotificeerd, list(pagina)) if pagina else set()
        self.te_vergeten |= bool(gemerkt)
        nieuw = [bericht for plaats, bericht in pagina.items() if plaats not in gemerkt]
        if not nieuw:
            return {}, []
        vragen = [(bericht.leverancier, bericht.bericht_id.bytes, bericht.proceskenmerk) for bericht in nieuw]
        geldt = {
            (run, nummer): verwerkt
            for _, _, run, nummer, verwerkt in await asyncio.to_thread(self._vragen.bekend, vragen)
        }
        te_schrijven: dict[int, list[TeNotificeren]] = {}
        vervallen: list[Plaats] = []
        for bericht in nieuw:
            # A row can come from a decision that did not stand; where none is to be seen yet, it waits for that.
            verwerkt = geldt.get((bericht.proceskenmerk, bericht.nummer))
            if verwerkt:
                te_schrijven.setdefault(partitie_van(bericht.ontvanger, partities), []).append(bericht)
            elif verwerkt is False:
                vervallen.append(bericht.plaats)
        return te_schrijven, vervallen

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
