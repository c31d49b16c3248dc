"""Verdicts on bijlagen for the agent that decides: from memory, from ClickHouse, or by checking the PDF.

A verdict is given out when it is stored, never before; so the same bijlage is checked once, over batches and restarts.
Two workers that get it at the same moment may both check it: the check is a function of the bytes, so it does no harm.

One leverancier's PDFs do not hold up another's: the checks go by turns (`bijlagen.beurten`), and nobody waits for who
was not ready before. What a machine did is no verdict (`Verstoord`): that PDF is tried again, a few times.
"""

import asyncio
import logging
import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Collection, Coroutine, Mapping
from typing import Any, NamedTuple
from uuid import UUID

from bijlagen.beurten import Beurten
from bijlagen.oordelen import PER_VRAAG, Oordeel, Oordelen
from bijlagen.proces import GeenProces, Keurders, Verstoord
from domain.batch import Kader
from domain.waarschuwing import Waarschuwing
from sinks.bijlagenwinkel import Bijlagenwinkel
from sinks.database import DatabaseWeg
from sinks.objecten import Objecten, ObjectOntbreekt, OpslagWeg
from streams import metrics
from streams.sleutels import SleutelFout

log = logging.getLogger(__name__)

NIET_NU = (OpslagWeg, ObjectOntbreekt, SleutelFout, GeenProces)
"""What keeps one bijlage from being checked; asked for again, it is tried again."""

_VOORUIT = 2
"""PDFs that are fetched at most while those before them are checked."""
_PAUZE_S = 1.0
"""Before an insert that failed is tried again."""
_TRAAG_S = 60.0
"""So long a leverancier counts as slow, after a PDF that was not ready in time or asked too much."""
_KORT_S = 0.2
"""To wait for who is slow: enough for what is in ClickHouse."""
_KEREN = 3
"""Checks of one PDF that were disturbed, until it is the PDF that is blamed: it must end."""
_UITSTEL_S = 60.0
"""Before a PDF whose check was disturbed is tried again; twice as long the next time."""


class _Onderweg(NamedTuple):
    kader: Kader
    toekomst: asyncio.Future[Oordeel | None]
    """None: not now."""


class _Uitstel(NamedTuple):
    keren: int
    tot: float


class Keuring:
    """Verdicts by SHA-256. Use it in one event loop; `stop` ends what it started, the processes included."""

    def __init__(
        self,
        objecten: Objecten,
        oordelen: Oordelen,
        keurders: Keurders,
        *,
        onthoudt: int = 100_000,
        wachtrij: int = 10_000,
        klok: Callable[[], float] = time.monotonic,
    ) -> None:
        """`onthoudt`: verdicts kept in memory; `wachtrij`: bijlagen of one leverancier under way, others wait for a
        later call; `klok`: seconds that never go back.
        """
        self._winkel, self._opslag, self._keurders = Bijlagenwinkel(objecten), oordelen, keurders
        self._onthoudt, self._wachtrij, self._klok = onthoudt, wachtrij, klok
        self._bekend: OrderedDict[bytes, Oordeel] = OrderedDict()
        self._onderweg: dict[bytes, _Onderweg] = {}
        self._aantal: Counter[str] = Counter()
        """Of `_onderweg`, for each leverancier."""
        self._traag_tot: dict[str, float] = {}
        self._uitstel: OrderedDict[bytes, _Uitstel] = OrderedDict()
        self._te_bewaren: dict[bytes, Oordeel] = {}
        self._bewaart = False
        self._beurten = Beurten()
        # Fewer fetched ahead than there are processes: whose turn is next then waits for one check of each at most.
        self._poort = asyncio.Semaphore(keurders.aantal + min(_VOORUIT, keurders.aantal - 1))
        self._werk: set[asyncio.Task[None]] = set()
        self._zoekend: dict[tuple[UUID, frozenset[bytes]], asyncio.Task[set[bytes]]] = {}

    async def oordelen(self, gevraagd: Mapping[bytes, Kader], hoogstens_s: float) -> dict[bytes, tuple[str, ...]]:
        """The codes of what is wrong with each bijlage, by SHA-256 (32 bytes); empty: nothing.

        `gevraagd` says for each of which run it is; the leverancier of that run waits for it. What is not ready in time
        is left out and goes on in the background: ask again later. For a leverancier that was not ready lately, the
        wait is short. That the store or ClickHouse is away is no verdict either; it is logged, and tried again when it
        is asked for again.
        """
        nieuw: dict[bytes, Kader] = {}
        for sha256, kader in gevraagd.items():
            if self._kan_nu(sha256) and self._aantal[kader.leverancier] < self._wachtrij:
                self._onderweg[sha256] = _Onderweg(kader, asyncio.get_running_loop().create_future())
                self._aantal[kader.leverancier] += 1
                nieuw[sha256] = kader
        if nieuw:
            self._begin(self._behandel(nieuw))
        antwoord: dict[bytes, tuple[str, ...]] = {}
        for sha256 in gevraagd.keys() & self._bekend.keys():
            self._bekend.move_to_end(sha256)
            antwoord[sha256] = self._bekend[sha256]
        wacht_op = {sha256: self._onderweg[sha256].toekomst for sha256 in gevraagd.keys() & self._onderweg.keys()}
        wachtend = [(gevraagd[sha256].leverancier, toekomst) for sha256, toekomst in wacht_op.items()]
        await self._wacht(wachtend, hoogstens_s)
        for sha256, toekomst in wacht_op.items():
            if toekomst.done() and (oordeel := toekomst.result()) is not None:
                antwoord[sha256] = oordeel
        return antwoord

    async def aanwezig(self, kader: Kader, sommen: Collection[bytes], hoogstens_s: float) -> set[bytes]:
        """Those of these bijlagen that the store has for this run: only then may a message with them be placed.

        What the store does not tell in time, or not at all, counts as not there; ask again later.
        """
        wat = kader.proceskenmerk, frozenset(sommen)
        if (taak := self._zoekend.get(wat)) is None:
            taak = self._zoekend[wat] = asyncio.create_task(self._zoek(kader, wat[1]))
            taak.add_done_callback(lambda _: self._zoekend.pop(wat))
        else:  # it took too long before: that is no reason to hold up the others again
            hoogstens_s = min(_KORT_S, hoogstens_s)
        await asyncio.wait([taak], timeout=hoogstens_s)
        return taak.result() if taak.done() and not taak.cancelled() else set()

    async def _zoek(self, kader: Kader, sommen: Collection[bytes]) -> set[bytes]:
        try:
            gevonden = await self._winkel.heeft(kader, sommen)
        except Exception as fout:
            log.log(
                logging.WARNING if isinstance(fout, NIET_NU) else logging.ERROR,
                "the bijlagen of run %s cannot be looked up now: %s",
                kader.proceskenmerk,
                type(fout).__name__,
            )
            return set()
        if ontbreken := len(sommen) - len(gevonden):
            log.warning("%d bijlagen of run %s are not in the store", ontbreken, kader.proceskenmerk)
        return gevonden

    def _kan_nu(self, sha256: bytes) -> bool:
        """Whether it is new, or its time to be tried again has come."""
        if sha256 in self._bekend or sha256 in self._onderweg:
            return False
        uitstel = self._uitstel.get(sha256)
        return uitstel is None or uitstel.tot <= self._klok()

    async def _wacht(self, wachtend: list[tuple[str, asyncio.Future[Oordeel | None]]], hoogstens_s: float) -> None:
        """Waits for who is not slow, and a moment for who is; who is not ready then, is slow from now on."""
        begin = self._klok()
        vlot = [toekomst for leverancier, toekomst in wachtend if self._traag_tot.get(leverancier, begin) <= begin]
        if vlot:
            await asyncio.wait(vlot, timeout=hoogstens_s)
        rest_s = min(_KORT_S, hoogstens_s) - (self._klok() - begin)
        if len(wachtend) > len(vlot):
            await asyncio.wait([toekomst for _, toekomst in wachtend], timeout=max(0.0, rest_s))
        for leverancier, toekomst in wachtend:
            if not toekomst.done():
                self._is_traag(leverancier)

    def _is_traag(self, leverancier: str) -> None:
        self._traag_tot[leverancier] = self._klok() + _TRAAG_S

    async def stop(self) -> None:
        """Ends the work in the background, and the processes. What was not stored is checked again some day."""
        taken = [*self._werk, *self._zoekend.values()]
        for taak in taken:
            taak.cancel()
        await asyncio.gather(*taken, return_exceptions=True)
        for sha256 in list(self._onderweg):
            self._klaar(sha256, None)
        await self._keurders.stop()

    def _begin(self, werk: Coroutine[Any, Any, None]) -> None:
        taak = asyncio.create_task(werk)
        self._werk.add(taak)
        taak.add_done_callback(self._werk.discard)
        metrics.TE_KEUREN.set(len(self._onderweg))

    async def _behandel(self, nieuw: Mapping[bytes, Kader]) -> None:
        """Looks these up, in one question, and checks those that have no verdict."""
        try:
            gevonden = await asyncio.to_thread(self._opslag.zoek, nieuw.keys())
        except Exception as fout:
            log.log(
                logging.WARNING if isinstance(fout, DatabaseWeg) else logging.ERROR,
                "verdicts on bijlagen cannot be looked up now: %s",
                type(fout).__name__,
            )
            for sha256 in nieuw:
                self._klaar(sha256, None)
            return
        for sha256, oordeel in gevonden.items():
            self._klaar(sha256, oordeel)
        te_keuren = [(kader, sha256) for sha256, kader in nieuw.items() if sha256 not in gevonden]
        for kader, sha256 in te_keuren:
            self._beurten.sluit_aan(kader.leverancier, sha256)
        await asyncio.gather(*(self._keur_volgende() for _ in te_keuren))

    async def _keur_volgende(self) -> None:
        """Checks one PDF: of all that wait, the one whose turn it is when there is a place."""
        async with self._poort:
            leverancier, sha256 = self._beurten.volgende()
            begin = time.perf_counter()
            try:
                inhoud = await self._winkel.lees(self._onderweg[sha256].kader, sha256)
                oordeel: Oordeel | None = await self._keurders.keur(inhoud)
                metrics.KEURTIJD.observe(time.perf_counter() - begin)
            except Exception as fout:
                log.log(
                    logging.WARNING if isinstance(fout, NIET_NU) else logging.ERROR,
                    "a bijlage cannot be checked now: %s",
                    type(fout).__name__,
                )
                oordeel = self._na_storing(leverancier, sha256) if isinstance(fout, Verstoord) else None
            finally:
                self._beurten.klaar(leverancier)
        if oordeel is None:
            metrics.GEKEURD.labels("uitgesteld").inc()
            self._klaar(sha256, None)
            return
        if Waarschuwing.CONTROLE_AFGEBROKEN in oordeel:
            self._is_traag(leverancier)
        metrics.GEKEURD.labels(_uitkomst(oordeel)).inc()
        self._te_bewaren[sha256] = oordeel
        if not self._bewaart:
            self._bewaart = True
            self._begin(self._bewaar())

    def _na_storing(self, leverancier: str, sha256: bytes) -> Oordeel | None:
        """Puts off a PDF whose check was disturbed, longer each time; in the end, that is its verdict."""
        self._is_traag(leverancier)
        vorige = self._uitstel.pop(sha256, None)
        keren = 1 if vorige is None else vorige.keren + 1
        if keren == _KEREN:
            return (Waarschuwing.CONTROLE_AFGEBROKEN,)
        self._uitstel[sha256] = _Uitstel(keren, self._klok() + _UITSTEL_S * 2 ** (keren - 1))
        if len(self._uitstel) > self._onthoudt:
            self._uitstel.popitem(last=False)
        return None

    async def _bewaar(self) -> None:
        """Stores all verdicts that are there, in bulk, and those that come in while it does."""
        try:
            while self._te_bewaren:
                deel = dict(list(self._te_bewaren.items())[:PER_VRAAG])
                try:
                    await asyncio.to_thread(self._opslag.bewaar, deel)
                except Exception as fout:
                    log.log(
                        logging.WARNING if isinstance(fout, DatabaseWeg) else logging.ERROR,
                        "%d verdicts on bijlagen cannot be stored now: %s",
                        len(self._te_bewaren),
                        type(fout).__name__,
                    )
                    await asyncio.sleep(_PAUZE_S)
                    continue
                for sha256, oordeel in deel.items():
                    del self._te_bewaren[sha256]
                    self._klaar(sha256, oordeel)
        finally:
            self._bewaart = False

    def _klaar(self, sha256: bytes, oordeel: Oordeel | None) -> None:
        """Answers those who wait; None: not now."""
        if oordeel is not None:
            self._uitstel.pop(sha256, None)
            self._bekend[sha256] = oordeel
            if len(self._bekend) > self._onthoudt:
                self._bekend.popitem(last=False)
        kader, toekomst = self._onderweg.pop(sha256)
        leverancier = kader.leverancier
        self._aantal[leverancier] -= 1
        if not self._aantal[leverancier]:
            del self._aantal[leverancier]
        if not toekomst.done():
            toekomst.set_result(oordeel)
        metrics.TE_KEUREN.set(len(self._onderweg))


def _uitkomst(oordeel: Oordeel) -> str:
    if Waarschuwing.CONTROLE_AFGEBROKEN in oordeel:
        return "afgebroken"
    return "waarschuwing" if oordeel else "akkoord"
