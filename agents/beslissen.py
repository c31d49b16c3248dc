"""The agent on `bericht`: decides the messages of slices, once (Domain: Decided once).

A round over the slices at hand: own their partitions (fence, read what is decided), look up in ClickHouse what is not
in memory, ask the profile service, and then, holding the reference data still: decide, store, and write the decisions
of a partition in one transaction. Only after that are its slices committed. What fails is tried again from the start
of the round; whoever lost a partition drops its slices, since the new owner gets them again.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from uuid import UUID

import faust
from aiokafka.errors import KafkaError

from agents.geheugen import Geheugen
from agents.store_message import plaats
from agents.validate_gebruiker import Antwoorden, vul_aan
from avro.codec import Codec, Onleesbaar
from domain.batch import Batch
from domain.beslissing import Bekend, Uitkomst, beslis, te_vragen
from domain.codes import Stadium
from domain.referentie import Referentie
from profielservice.client import Profielservice
from sinks.database import DatabaseWeg
from sinks.objecten import Objecten, OpslagWeg
from sinks.vragen import Vragen
from streams import metrics
from streams.app import Event, Stream, is_actueel, ruwe_topic
from streams.dlq import Terzijde
from streams.fence import EigenPartitie, Ingetrokken, Onteigend
from streams.lezer import Lezer
from streams.referentie import ReferentieVolger
from streams.settings import Instellingen
from streams.sleutels import Sleutels

log = logging.getLogger(__name__)

KAFKA_WEG = (KafkaError, OSError, TimeoutError, AssertionError)
"""What aiokafka raises when a transaction cannot go on; AssertionError is its word for a state it cannot leave."""

_PAUZES_S = (0.1, 0.3, 1.0, 3.0, 10.0)


@dataclass(slots=True)
class Eigen:
    """A partition we own, in one generation of the consumer group."""

    partitie: EigenPartitie
    generatie: object
    geheugen: Geheugen = field(default_factory=Geheugen)


@dataclass(slots=True)
class Taak:
    """The slices of one partition that are to be decided together, in the order of the log."""

    slices: list[Batch]
    generatie: object


@dataclass(slots=True)
class Opgezocht:
    """What ClickHouse knows: decided numbers by run, placed BerichtIDs by leverancier."""

    nummers: dict[UUID, set[int]] = field(default_factory=dict)
    verwerkt: dict[str, set[bytes]] = field(default_factory=dict)


def nu_ms() -> int:
    """Milliseconds since 1970."""
    return time.time_ns() // 1_000_000


class Beslisser:
    """Decides slices of the partitions of one worker."""

    def __init__(
        self,
        instellingen: Instellingen,
        codec: Codec,
        volger: ReferentieVolger,
        profiel: Profielservice,
        objecten: Objecten,
        sleutels: Sleutels,
        vragen: Vragen,
        topic_id: str,
        klok: Callable[[], int] = nu_ms,
    ) -> None:
        self._instellingen = instellingen
        self._codec = codec
        self._volger = volger
        self._profiel = profiel
        self._objecten = objecten
        self._sleutels = sleutels
        self._vragen = vragen
        self._topic_id = topic_id
        self._klok = klok
        self._eigen: dict[int, Eigen] = {}

    async def beslis(self, taken: Mapping[int, Taak], is_eigenaar: Callable[[int], bool]) -> AsyncIterator[int]:
        """Yields each partition when the decisions on its slices are durable; those that we lost are not yielded."""
        open_taken, antwoorden, mislukt = dict(taken), Antwoorden(), 0
        while open_taken:
            for partitie in [p for p in open_taken if not is_eigenaar(p)]:
                await self.laat_los(partitie)
                del open_taken[partitie]
            if not open_taken:
                return
            begin = time.perf_counter()
            klaar = await self._ronde(open_taken, antwoorden)
            if klaar:
                metrics.BESLISTIJD.observe(time.perf_counter() - begin)
                mislukt = 0
            for partitie in klaar:
                del open_taken[partitie]
                yield partitie
            if open_taken:
                await asyncio.sleep(_PAUZES_S[min(mislukt, len(_PAUZES_S) - 1)])
                mislukt += 1

    async def laat_los(self, partitie: int) -> None:
        """Lets go of a partition, if we have it."""
        eigen = self._eigen.pop(partitie, None)
        if eigen is not None:
            await eigen.partitie.close()

    async def stop(self) -> None:
        """Lets go of all partitions."""
        for partitie in list(self._eigen):
            await self.laat_los(partitie)

    async def _ronde(self, taken: Mapping[int, Taak], antwoorden: Antwoorden) -> list[int]:
        """Decides what can be decided now; returns the partitions whose slices are done."""
        try:
            voortgang = await asyncio.to_thread(self._vragen.voortgang, self._topic_id)
            await _alle(self._neem(p, taak.generatie, voortgang.get(p, 0)) for p, taak in taken.items())
            for partitie, eigen in self._eigen.items():
                eigen.geheugen.vergeet(voortgang.get(partitie, 0))
            onverwerkt = sum(len(eigen.geheugen) for eigen in self._eigen.values())
            metrics.ONVERWERKT.set(onverwerkt)
            if onverwerkt > self._instellingen.onverwerkt_max:
                log.warning("waiting for ClickHouse to show %d decisions", onverwerkt)
                metrics.WACHT_OP.labels("sink").set(1)
                return []
            opgezocht = await asyncio.to_thread(self._zoek_op, [s for taak in taken.values() for s in taak.slices])
        except (DatabaseWeg, *KAFKA_WEG) as fout:
            log.warning("cannot decide now, trying again: %s", type(fout).__name__)
            metrics.WACHT_OP.labels("clickhouse of kafka").set(1)
            return []
        metrics.WACHT_OP.labels("clickhouse of kafka").set(0)
        metrics.WACHT_OP.labels("sink").set(0)

        vragen = self._te_vragen(taken, opgezocht, self._volger.referentie)
        volledig = await vul_aan(self._profiel, vragen, antwoorden)
        metrics.WACHT_OP.labels("profielservice").set(not volledig)

        async with self._volger.beslissing() as referentie:
            gelukt = await asyncio.gather(
                *(
                    self._beslis_partitie(p, taak, referentie, opgezocht, antwoorden, volledig)
                    for p, taak in taken.items()
                )
            )
        return [partitie for partitie, is_klaar in zip(taken, gelukt, strict=True) if is_klaar]

    async def _neem(self, partitie: int, generatie: object, zichtbaar_tot: int) -> None:
        """Owns a partition in this generation: fence, then remember every decision that ClickHouse may not show."""
        eigen = self._eigen.get(partitie)
        if eigen is not None and eigen.generatie == generatie:
            return
        await self.laat_los(partitie)
        eigen = Eigen(EigenPartitie(self._instellingen, "validatie", partitie), generatie)
        try:
            for record in await eigen.partitie.open(zichtbaar_tot):
                try:
                    eigen.geheugen.onthoud(record.offset, self._codec.lees_uitkomst(record.waarde))
                except Onleesbaar as fout:
                    # The sink sets it aside; no reader takes it for a decision.
                    log.warning("unreadable decision at validatie[%d]@%d: %s", partitie, record.offset, fout)
        except BaseException:
            await eigen.partitie.close()
            raise
        self._eigen[partitie] = eigen
        log.info("own validatie[%d], with %d decisions not yet in ClickHouse", partitie, len(eigen.geheugen))

    def _zoek_op(self, slices: Sequence[Batch]) -> Opgezocht:
        vragen = {
            (slice_.kader.leverancier, slice_.berichten.bericht_id(rij), slice_.kader.proceskenmerk)
            for slice_ in slices
            for rij in range(len(slice_.berichten))
        }
        gevonden = Opgezocht()
        for leverancier, bericht_id, proceskenmerk, nummer, verwerkt in self._vragen.bekend(list(vragen)):
            gevonden.nummers.setdefault(proceskenmerk, set()).add(nummer)
            if verwerkt:
                gevonden.verwerkt.setdefault(leverancier, set()).add(bericht_id)
        return gevonden

    def _bekend(self, partitie: int, slice_: Batch, opgezocht: Opgezocht, extra: Sequence[Uitkomst] = ()) -> Bekend:
        """What is decided durably, or before it in the same transaction."""
        kader, geheugen = slice_.kader, self._eigen[partitie].geheugen
        nummers = {*opgezocht.nummers.get(kader.proceskenmerk, ()), *geheugen.nummers(kader.proceskenmerk)}
        ids = {slice_.berichten.bericht_id(rij) for rij in range(len(slice_.berichten))}
        verwerkt = {
            bericht_id
            for bericht_id in ids
            if bericht_id in opgezocht.verwerkt.get(kader.leverancier, ())
            or bericht_id in geheugen.verwerkt(kader.leverancier)
        }
        for uitkomst in extra:
            if uitkomst.kader.proceskenmerk == kader.proceskenmerk:
                nummers.update(uitkomst.nummers)
            if uitkomst.kader.leverancier == kader.leverancier:
                verwerkt.update(uitkomst.bericht_id(rij) for rij in uitkomst.verwerkt())
        return Bekend(nummers, verwerkt)

    def _te_vragen(
        self, taken: Mapping[int, Taak], opgezocht: Opgezocht, referentie: Referentie
    ) -> dict[str, set[tuple[str, str]]]:
        vragen: dict[str, set[tuple[str, str]]] = {}
        for partitie, taak in taken.items():
            for slice_ in taak.slices:
                gevraagd = te_vragen(slice_, referentie, self._bekend(partitie, slice_, opgezocht))
                vragen.setdefault(slice_.kader.leverancier, set()).update(gevraagd)
        return vragen

    async def _beslis_partitie(
        self,
        partitie: int,
        taak: Taak,
        referentie: Referentie,
        opgezocht: Opgezocht,
        antwoorden: Antwoorden,
        volledig: bool,
    ) -> bool:
        """Decides the slices of one partition and makes it durable; False when some must be tried again.

        A slice whose questions have no answer yet holds up no other of this take.
        """
        nu = self._klok()
        uitkomsten: list[Uitkomst] = []
        later: list[Batch] = []
        try:
            for slice_ in taak.slices:
                kader = slice_.kader
                bekend = self._bekend(partitie, slice_, opgezocht, uitkomsten)
                beantwoord = antwoorden.get(kader.leverancier, {})
                te_laat = nu - kader.aangeleverd_op >= self._instellingen.geduld_s * 1000
                opgegeven: list[Stadium] = []
                if not te_vragen(slice_, referentie, bekend) <= beantwoord.keys():
                    if volledig or not te_laat:  # complete, yet not for this reference data: ask again
                        later.append(slice_)
                        continue
                    opgegeven.append(Stadium.VALIDATE_GEBRUIKER)
                besluit = partial(
                    beslis, slice_, referentie, bekend, beantwoord, nu, pseudoniem=self._sleutels.pseudoniem
                )
                uitkomst = besluit(opgegeven=opgegeven)
                try:
                    uitkomst.object = await plaats(
                        slice_, uitkomst, partitie, self._codec, self._objecten, self._sleutels
                    )
                except OpslagWeg:
                    if not te_laat:
                        log.warning("the message store is away, trying again")
                        later.append(slice_)
                        continue
                    uitkomst = besluit(opgegeven=[*opgegeven, Stadium.STORE_MESSAGE])
                if len(uitkomst):
                    uitkomsten.append(uitkomst)
                else:
                    metrics.SLICES_OVERGENOMEN.inc()
            if uitkomsten:
                await self._schrijf(partitie, uitkomsten)
        except (Onteigend, Ingetrokken, *KAFKA_WEG) as fout:
            log.warning("validatie[%d] could not be written (%s), opening it anew", partitie, type(fout).__name__)
            if isinstance(fout, Onteigend):
                metrics.ONTEIGEND.inc()
            await self.laat_los(partitie)
            return False
        taak.slices = later
        return not later

    async def _schrijf(self, partitie: int, uitkomsten: Sequence[Uitkomst]) -> None:
        eigen = self._eigen[partitie]
        offsets = await eigen.partitie.schrijf(
            [
                (str(uitkomst.kader.batch_id).encode(), self._codec.schrijf_uitkomst(uitkomst))
                for uitkomst in uitkomsten
            ],
            # Once nobody waits for us to apply a change, what we hold may be old.
            mag=lambda: self._volger.bij,
        )
        for offset, uitkomst in zip(offsets, uitkomsten, strict=True):
            eigen.geheugen.onthoud(offset, uitkomst)
            for code in uitkomst.codes:
                metrics.BESLIST.labels(code).inc()


async def _alle(werk: Iterable[Coroutine[Any, Any, None]]) -> None:
    """Returns when all have ended, so that none goes on behind the back of the next attempt; raises the first error."""
    for uitslag in await asyncio.gather(*werk, return_exceptions=True):
        if isinstance(uitslag, BaseException):
            raise uitslag


def registreer(
    app: faust.App, instellingen: Instellingen, beslisser: Beslisser, codec: Codec, terzijde: Terzijde
) -> None:
    """Adds the agent to the app."""

    async def lees(events: Sequence[Event]) -> dict[int, Taak]:
        taken: dict[int, Taak] = {}
        for event in events:
            bericht = event.message
            taak = taken.setdefault(bericht.partition, Taak([], bericht.generation_id))
            try:
                taak.slices.append(codec.lees_batch(bericht.value, "bericht"))
                terzijde.leesbaar()
            except Onleesbaar as fout:
                await terzijde.zet(bericht.topic, bericht.partition, bericht.offset, str(fout))
        return taken

    async def doe(lezer: Lezer, events: Sequence[Event]) -> None:
        per_partitie: dict[int, list[Event]] = {}
        for event in events:
            per_partitie.setdefault(event.message.partition, []).append(event)

        def is_eigenaar(partitie: int) -> bool:
            return is_actueel(app, per_partitie[partitie][0])

        async for partitie in beslisser.beslis(await lees(events), is_eigenaar):
            await lezer.bevestig(per_partitie[partitie])

    async def beslissen(stream: Stream) -> None:
        lezer = Lezer(app, instellingen, "bericht")
        async with lezer.bewaakt():
            async for events in stream.noack_take(instellingen.slices_per_keer, within=instellingen.wachttijd_slices_s):
                await doe(lezer, await lezer.neem(events))

    app.agent(ruwe_topic(app, instellingen, "bericht"), name="beslissen", concurrency=1)(beslissen)
