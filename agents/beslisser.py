"""Decides slices of the partitions of one worker, once (Domain: Decided once), and lets wait what cannot be decided.

A round over slices: own their partitions (fence, read what is decided), look up in ClickHouse what is not in memory,
ask the profile service and the PDF check, store what would be placed; then, holding the reference data still and with
what is known by then, write the decisions of a partition in one transaction. What cannot be decided goes to topic
`wacht` in that same transaction, so that the slices behind it need not wait; `agents.herkansing` tries it again from
there. Whoever lost a partition drops its slices, since the new owner gets them again.
"""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol
from uuid import UUID

from agents.concept import Concept
from agents.eigendom import Eigen, Eigendom, alle
from agents.logboek import Besloten, logrecords
from agents.ontwerp import Kennis, Opgezocht, WachtOp, ontwerp
from agents.store_message import plaats
from agents.validate_gebruiker import ValidateGebruiker
from agents.wachtkamer import sleutel_van
from avro.codec import Codec
from domain.batch import Batch, Kader
from domain.beslissing import Uitkomst, Vraag, beoordeel_vooraf
from domain.referentie import Referentie
from profielservice.client import Profielservice
from sinks.database import DatabaseWeg
from sinks.objecten import Objecten, OpslagWeg
from sinks.vragen import Vragen
from streams import metrics
from streams.dlq import Terzijde
from streams.fence import KAFKA_WEG, Ingetrokken, Onteigend
from streams.hartslag import slag
from streams.referentie import ReferentieVolger
from streams.settings import Instellingen
from streams.sleutels import Sleutels

log = logging.getLogger(__name__)

HERKANS_S = 0.5
"""Seconds between two looks at what waits."""
_PAUZES_S = (0.1, 0.3, 1.0, 3.0, 10.0)
_OPSLAG_S = 5.0
"""Seconds that a round waits for the message store; what takes longer may be there the next time."""
_KEUR_S = 2.0
"""Seconds that a round waits for PDF checks before their messages wait by themselves."""


class Keurmeester(Protocol):
    """Who checks bijlagen."""

    async def oordelen(self, gevraagd: Mapping[bytes, Kader], hoogstens_s: float) -> dict[bytes, tuple[str, ...]]:
        """The warnings on those of these bijlagen (SHA-256, and of which run) that are checked within that time."""

    async def aanwezig(self, kader: Kader, sommen: Collection[bytes], hoogstens_s: float) -> set[bytes]:
        """Those of these bijlagen that the store is seen to have for this run within that time."""


@dataclass(slots=True)
class Taak:
    """The slices of one partition that are to be decided together, in the order of the log."""

    slices: list[Batch]
    generatie: object


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
        keuring: Keurmeester | None = None,
        terzijde: Terzijde | None = None,
    ) -> None:
        """`terzijde`: where unreadable records of `wacht` go."""
        self._instellingen = instellingen
        self._codec = codec
        self._volger = volger
        self._objecten = objecten
        self._sleutels = sleutels
        self._vragen = vragen
        self._klok = klok
        self._keuring = keuring
        self.eigendom = Eigendom(instellingen, codec, vragen, topic_id, terzijde)
        self._opslag_gelukt = self._opslag_mislukt = float("-inf")
        """When an object was last stored, and when that last failed."""
        self._onderweg: dict[tuple[UUID, tuple[int, ...]], asyncio.Task[str]] = {}
        """Objects that the store takes long over, by what they hold; a next round waits for the same."""
        self._gebruikers = ValidateGebruiker(
            profiel, self.eigendom.wek, gelijktijdig=max(1, instellingen.profielservice_gelijktijdig - 1)
        )

    async def beslis(self, taken: Mapping[int, Taak], is_eigenaar: Callable[[int], bool]) -> AsyncIterator[int]:
        """Yields each partition when all of its slices are durable, decided or waiting; not those that we lost."""
        open_taken, kennis, mislukt, begonnen = dict(taken), Kennis(), 0, time.monotonic()
        while open_taken:
            for partitie in [p for p in open_taken if not is_eigenaar(p)]:
                await self.eigendom.laat_los(partitie)
                del open_taken[partitie]
            if not open_taken:
                return
            begin = time.perf_counter()
            over = await self.ronde(open_taken, kennis, geduldig_tot=begonnen + self._instellingen.pauze_s)
            for partitie, rest in over.items():
                open_taken[partitie].slices = rest
                if not rest:
                    mislukt = 0
                    metrics.BESLISTIJD.observe(time.perf_counter() - begin)
                    del open_taken[partitie]
                    yield partitie
            if open_taken:
                await asyncio.sleep(_PAUZES_S[min(mislukt, len(_PAUZES_S) - 1)])
                mislukt += 1

    async def ronde(
        self, taken: Mapping[int, Taak], kennis: Kennis, *, uit_wacht: bool = False, geduldig_tot: float = 0.0
    ) -> dict[int, list[Batch]]:
        """Decides what can be decided now. Returns, of each partition whose decisions are durable, what is left.

        What waits for something of its own goes to `wacht`, unless it came from there (`uit_wacht`); so does what waits
        for a service that is away for all, after `geduldig_tot` (of a monotonic clock). A partition that is not in the
        answer must be tried again whole.
        """
        slag()
        try:
            if not await self._bereid_voor(taken, uit_wacht):
                return {}
            concepten = await self._concepten(taken, kennis, uit_wacht)
            async with self.eigendom.beurt, self._volger.beslissing() as referentie:
                await self._werk_bij(concepten, kennis, referentie)
                over = await asyncio.gather(
                    *(self._leg_vast(concept, uit_wacht, geduldig_tot) for concept in concepten.values())
                )
        except (DatabaseWeg, *KAFKA_WEG) as fout:
            log.warning("cannot decide now, trying again: %s", type(fout).__name__)
            metrics.WACHT_OP.labels("clickhouse of kafka").set(1)
            return {}
        metrics.WACHT_OP.labels("clickhouse of kafka").set(0)
        return {partitie: rest for partitie, rest in zip(concepten, over, strict=True) if rest is not None}

    async def _bereid_voor(self, taken: Mapping[int, Taak], uit_wacht: bool) -> bool:
        """Owns the partitions and forgets what ClickHouse shows; False when it shows too little to go on."""
        onverwerkt = await self.eigendom.werk_bij({partitie: taak.generatie for partitie, taak in taken.items()})
        vol = onverwerkt > self._instellingen.onverwerkt_max
        metrics.WACHT_OP.labels("sink").set(vol)
        metrics.WACHT_OP.labels("ruimte in wacht").set(self._wacht_vol)
        if vol:
            log.warning("waiting for ClickHouse to show %d decisions", onverwerkt)
        elif not uit_wacht:
            for partitie, taak in taken.items():
                wachtkamer = self.eigendom[partitie].wachtkamer
                taak.slices = [slice_ for slice_ in taak.slices if slice_.kader.proceskenmerk not in wachtkamer]
        return not vol

    def herkansbaar(self) -> dict[int, dict[UUID, int]]:
        """By partition the runs that wait and can be tried now, with their offsets in `wacht`."""
        nu = time.monotonic()
        return self.eigendom.aan_de_beurt(
            nu, self._op_te_geven(), lambda leverancier: self._gebruikers.zekeringen.mag(leverancier, nu)
        )

    def _op_te_geven(self) -> set[UUID]:
        """The runs that waited so long that what is away for them counts as failed for good."""
        nu, geduld_ms = self._klok(), self._instellingen.geduld_s * 1000
        wachtkamers = (eigen.wachtkamer for eigen in self.eigendom.alle().values())
        return {run for wachtkamer in wachtkamers for run in wachtkamer.op_te_geven(nu, geduld_ms)}

    @property
    def _wacht_vol(self) -> bool:
        return self.eigendom.wachtend >= self._instellingen.wacht_max

    async def stop(self) -> None:
        """Gives up what is being asked, and lets go of all partitions."""
        await self._gebruikers.stop()
        for taak in self._onderweg.values():
            taak.cancel()
        await self.eigendom.stop()

    async def _concepten(self, taken: Mapping[int, Taak], kennis: Kennis, uit_wacht: bool) -> dict[int, Concept]:
        """Asks all that is needed, and what would be decided with it; what would be placed is in the store."""
        referentie = self._volger.referentie
        concepten = {
            partitie: Concept(
                eigen,
                eigen.stand,
                referentie.versie,
                [(slice_, beoordeel_vooraf(slice_, referentie)) for slice_ in taken[partitie].slices],
                self._klok(),
            )
            for partitie, eigen in self.eigendom.alle().items()
            if partitie in taken
        }
        op_te_geven = self._op_te_geven() if uit_wacht else set[UUID]()
        for concept in concepten.values():
            concept.op_te_geven = op_te_geven
        slices = [slice_ for concept in concepten.values() for slice_, _ in concept.slices]
        kennis.opgezocht = await asyncio.to_thread(self._zoek_op, slices)
        await self._vraag(concepten, kennis, uit_wacht)
        await self._keur(concepten, kennis)
        await alle(self._plaats(concept, kennis) for concept in concepten.values())
        return concepten

    def _zoek_op(self, slices: Iterable[Batch]) -> Opgezocht:
        vragen = [
            (slice_.kader.leverancier, slice_.berichten.bericht_ids, slice_.kader.proceskenmerk) for slice_ in slices
        ]
        return Opgezocht.van(self._vragen.bekend(vragen))

    async def _vraag(self, concepten: Mapping[int, Concept], kennis: Kennis, uit_wacht: bool) -> None:
        vragen: dict[str, set[Vraag]] = {}
        for concept in concepten.values():
            for slice_, vooraf in concept.slices:
                bekend = kennis.bekend(slice_, concept.eigen.geheugen)
                gevraagd = vooraf.te_vragen(slice_, bekend)
                vragen.setdefault(slice_.kader.leverancier, set()).update(gevraagd)
        for leverancier, gevraagd in vragen.items():
            kennis.gevraagd.setdefault(leverancier, set()).update(gevraagd)
        await self._gebruikers.vul_aan(vragen, kennis.antwoorden, herkansing=uit_wacht)

    async def _keur(self, concepten: Mapping[int, Concept], kennis: Kennis) -> None:
        if self._keuring is None:
            return
        kennis.oordelen = kennis.oordelen or {}
        nodig: dict[Kader, set[bytes]] = {}
        for concept in concepten.values():
            for slice_, vooraf in concept.slices:
                antwoorden = kennis.antwoorden.get(slice_.kader.leverancier, {})
                bekend = kennis.bekend(slice_, concept.eigen.geheugen)
                if gevraagd := vooraf.te_keuren(slice_, bekend, antwoorden):
                    nodig.setdefault(slice_.kader, set()).update(gevraagd)
        await alle(_zoek(self._keuring, kader, sommen, kennis) for kader, sommen in nodig.items())
        er_is = {som: kader for kader, sommen in nodig.items() for som in sommen if kennis.heeft(kader, som)}
        if te_keuren := {som: kader for som, kader in er_is.items() if som not in kennis.oordelen}:
            kennis.oordelen |= await self._keuring.oordelen(te_keuren, _KEUR_S)

    async def _plaats(self, concept: Concept, kennis: Kennis) -> None:
        """Stores what would be placed. What the store does not take now is left out, and all is computed anew."""
        while True:
            self._ontwerp(concept, kennis, self._volger.referentie)
            nog_niet = [
                (slice_, uitkomst)
                for slice_, uitkomst in concept.ontwerp.uitkomsten
                if uitkomst.verwerkt() and _geplaatst(uitkomst) not in concept.objecten
            ]
            if not nog_niet:
                return
            namen = await asyncio.gather(
                *(self._naar_opslag(concept.eigen.partitie.partitie, *een) for een in nog_niet)
            )
            for (slice_, uitkomst), naam in zip(nog_niet, namen, strict=True):
                if naam is None:
                    concept.opslag_weg.add(slice_.kader.proceskenmerk)
                else:
                    concept.objecten[_geplaatst(uitkomst)] = naam
            if None not in namen:
                return

    async def _naar_opslag(self, partitie: int, slice_: Batch, uitkomst: Uitkomst) -> str | None:
        """The name of the object; None when the store does not take it now. Raises what no waiting mends."""
        wat = _geplaatst(uitkomst)
        if (taak := self._onderweg.get(wat)) is None:
            taak = self._onderweg[wat] = asyncio.create_task(
                plaats(slice_, uitkomst, self._volger.referentie, partitie, self._codec, self._objecten, self._sleutels)
            )
            taak.add_done_callback(partial(self._opgeslagen, wat))
        await asyncio.wait([taak], timeout=_OPSLAG_S)
        if not taak.done() or isinstance(taak.exception(), OpslagWeg):
            return None
        return taak.result()

    def _opgeslagen(self, wat: tuple[UUID, tuple[int, ...]], taak: "asyncio.Task[str]") -> None:
        del self._onderweg[wat]
        if taak.cancelled():
            return
        if taak.exception() is None:
            self._opslag_gelukt = time.monotonic()
        else:
            self._opslag_mislukt = time.monotonic()
            log.warning("the message store does not take a slice now")

    def _ontwerp(self, concept: Concept, kennis: Kennis, referentie: Referentie) -> None:
        if concept.versie != referentie.versie:
            concept.slices = [(slice_, beoordeel_vooraf(slice_, referentie)) for slice_, _ in concept.slices]
        concept.ontwerp = ontwerp(
            concept.slices,
            referentie,
            concept.eigen.geheugen,
            kennis,
            concept.nu,
            concept.op_te_geven,
            concept.opslag_weg,
            self._sleutels.pseudoniem,
        )

    async def _werk_bij(self, concepten: Mapping[int, Concept], kennis: Kennis, referentie: Referentie) -> None:
        """Computes anew, with what is known now, where something changed since it was computed."""
        oud = [een for een in concepten.values() if een.stand != een.eigen.stand or een.versie != referentie.versie]
        if not oud:
            return
        kennis.opgezocht = await asyncio.to_thread(self._zoek_op, [slice_ for een in oud for slice_, _ in een.slices])
        for concept in oud:
            self._ontwerp(concept, kennis, referentie)

    async def _leg_vast(self, concept: Concept, uit_wacht: bool, geduldig_tot: float) -> list[Batch] | None:
        """Makes the decisions on one partition durable. Returns what is left; None when all must be tried again."""
        eigen = concept.eigen
        partitie = eigen.partitie.partitie
        if not self.eigendom.is_van_ons(eigen):
            return None
        nu = self._klok()
        for _, uitkomst in concept.ontwerp.uitkomsten:
            uitkomst.verwerkt_op = nu
            if uitkomst.verwerkt():
                naam = concept.objecten.get(_geplaatst(uitkomst))
                if naam is None:  # more is placed than was stored: the data changed meanwhile
                    return None
                uitkomst.object = naam
        rest: list[Batch] = []
        naar_wacht: list[Batch] = []
        for slice_, wacht_op in concept.ontwerp.rest:
            parkeer = not uit_wacht and self._wacht_alleen(slice_, wacht_op, geduldig_tot)
            (naar_wacht if parkeer else rest).append(slice_)
            if uit_wacht and wacht_op is WachtOp.KEURING:
                eigen.wachtkamer.vordert(slice_.kader.proceskenmerk)
        try:
            await self._schrijf(eigen, concept.ontwerp.uitkomsten, naar_wacht)
        except (Onteigend, Ingetrokken, *KAFKA_WEG) as fout:
            log.warning("validatie[%d] could not be written (%s), opening it anew", partitie, type(fout).__name__)
            if isinstance(fout, Onteigend):
                metrics.ONTEIGEND.inc()
            await self.eigendom.sluit(partitie)
            return None
        metrics.SLICES_OVERGENOMEN.inc(concept.ontwerp.overgenomen)
        return rest

    def _wacht_alleen(self, slice_: Batch, wacht_op: WachtOp, geduldig_tot: float) -> bool:
        """Whether what is left of a slice must let others pass: it goes to `wacht`, if there is room."""
        if wacht_op is WachtOp.NIETS or self._wacht_vol:
            return False
        if wacht_op is WachtOp.GEBRUIKER and self._gebruikers.alleen(slice_.kader.leverancier):
            return True
        if wacht_op is WachtOp.OPSLAG and self._opslag_gelukt > self._opslag_mislukt:
            return True
        return wacht_op is WachtOp.KEURING or time.monotonic() >= geduldig_tot

    async def _schrijf(self, eigen: Eigen, besloten: Besloten, naar_wacht: Sequence[Batch]) -> None:
        if not besloten and not naar_wacht:
            return
        uitkomsten = [uitkomst for _, uitkomst in besloten]
        sleutels = [sleutel_van(slice_) for slice_ in naar_wacht]
        offsets = await eigen.partitie.schrijf(
            [(str(een.kader.batch_id).encode(), self._codec.schrijf_uitkomst(een)) for een in uitkomsten],
            # Once nobody waits for us to apply a change, what we hold may be old.
            mag=lambda: self._volger.bij,
            naast=[
                (sleutel, self._codec.schrijf_batch(slice_, "wacht"))
                for sleutel, slice_ in zip(sleutels, naar_wacht, strict=True)
            ],
            logboek=logrecords(besloten, self._instellingen.verwerkingsactiviteit, self._codec, self._sleutels),
        )
        eigen.stand += 1
        for offset, uitkomst in zip(offsets, uitkomsten, strict=False):
            eigen.geheugen.onthoud(offset, uitkomst)
            for code, aantal in Counter(uitkomst.codes).items():
                metrics.BESLIST.labels(code).inc(aantal)
        straks = time.monotonic() + HERKANS_S
        for offset, sleutel, slice_ in zip(offsets[len(uitkomsten) :], sleutels, naar_wacht, strict=True):
            eigen.wachtkamer.zet(slice_, offset, sleutel, self._klok(), straks)
            log.info("%d messages of run %s wait", len(slice_.berichten), slice_.kader.proceskenmerk)


async def _zoek(keuring: Keurmeester, kader: Kader, sommen: set[bytes], kennis: Kennis) -> None:
    """Looks which bijlagen are there for a run; what was not there is looked for again each round."""
    if gezocht := {som for som in sommen if not kennis.heeft(kader, som)}:
        gevonden = await keuring.aanwezig(kader, gezocht, _KEUR_S)
        kennis.bijlagen.setdefault(kader.proceskenmerk, {}).update((som, som in gevonden) for som in gezocht)


def _geplaatst(uitkomst: Uitkomst) -> tuple[UUID, tuple[int, ...]]:
    """Which messages of which run an outcome places: the same ones make the same object."""
    return uitkomst.kader.proceskenmerk, tuple(uitkomst.nummers[rij] for rij in uitkomst.verwerkt())
