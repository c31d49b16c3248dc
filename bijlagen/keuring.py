"""Verdicts on bijlagen for the agent that decides: from memory, from ClickHouse, or by checking the PDF.

A verdict is given out when it is stored, never before; so the same bijlage is checked once, over batches and restarts.
Two workers that get it at the same moment may both check it: the check is a function of the bytes, so it does no harm.
"""

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Collection, Coroutine, Sequence
from typing import Any

from bijlagen.oordelen import PER_VRAAG, Oordeel, Oordelen
from bijlagen.proces import GeenProces, Keurders
from domain.waarschuwing import Waarschuwing
from sinks.database import DatabaseWeg
from sinks.objecten import Objecten, ObjectOntbreekt, OpslagWeg, bijlage_naam
from streams import metrics
from streams.sleutels import SleutelFout

log = logging.getLogger(__name__)

NIET_NU = (OpslagWeg, ObjectOntbreekt, SleutelFout, GeenProces)
"""What keeps one bijlage from being checked; asked for again, it is tried again."""

_VOORUIT = 2
"""PDFs that are fetched while those before them are checked."""
_PAUZE_S = 1.0
"""Before an insert that failed is tried again."""


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
    ) -> None:
        """`onthoudt`: verdicts kept in memory; `wachtrij`: bijlagen under way; others wait for a later call."""
        self._objecten, self._opslag, self._keurders = objecten, oordelen, keurders
        self._onthoudt, self._wachtrij = onthoudt, wachtrij
        self._bekend: OrderedDict[bytes, Oordeel] = OrderedDict()
        self._onderweg: dict[bytes, asyncio.Future[Oordeel | None]] = {}
        self._te_bewaren: dict[bytes, Oordeel] = {}
        self._bewaart = False
        self._poort = asyncio.Semaphore(keurders.aantal + _VOORUIT)
        self._werk: set[asyncio.Task[None]] = set()

    async def oordelen(self, gevraagd: Collection[bytes], hoogstens_s: float) -> dict[bytes, tuple[str, ...]]:
        """The codes of what is wrong with each bijlage, by SHA-256 (32 bytes); empty: nothing.

        What is not ready within so many seconds is left out and goes on in the background: ask again later. That the
        store or ClickHouse is away is no verdict either; it is logged, and tried again when it is asked for again.
        """
        uniek = dict.fromkeys(gevraagd)
        open_ = [sha256 for sha256 in uniek if sha256 not in self._bekend and sha256 not in self._onderweg]
        nieuw = open_[: max(0, self._wachtrij - len(self._onderweg))]
        for sha256 in nieuw:
            self._onderweg[sha256] = asyncio.get_running_loop().create_future()
        if nieuw:
            self._begin(self._behandel(nieuw))
        antwoord: dict[bytes, tuple[str, ...]] = {}
        for sha256 in uniek.keys() & self._bekend.keys():
            self._bekend.move_to_end(sha256)
            antwoord[sha256] = self._bekend[sha256]
        wacht_op = {sha256: self._onderweg[sha256] for sha256 in uniek.keys() & self._onderweg.keys()}
        if wacht_op:
            await asyncio.wait(wacht_op.values(), timeout=hoogstens_s)
        for sha256, toekomst in wacht_op.items():
            if toekomst.done() and (oordeel := toekomst.result()) is not None:
                antwoord[sha256] = oordeel
        return antwoord

    async def stop(self) -> None:
        """Ends the work in the background, and the processes. What was not stored is checked again some day."""
        for taak in self._werk:
            taak.cancel()
        await asyncio.gather(*self._werk, return_exceptions=True)
        for sha256 in list(self._onderweg):
            self._klaar(sha256, None)
        await self._keurders.stop()

    def _begin(self, werk: Coroutine[Any, Any, None]) -> None:
        taak = asyncio.create_task(werk)
        self._werk.add(taak)
        taak.add_done_callback(self._werk.discard)
        metrics.TE_KEUREN.set(len(self._onderweg))

    async def _behandel(self, nieuw: Sequence[bytes]) -> None:
        """Looks these up, in one question, and checks those that have no verdict."""
        try:
            gevonden = await asyncio.to_thread(self._opslag.zoek, nieuw)
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
        await asyncio.gather(*(self._keur(sha256) for sha256 in nieuw if sha256 not in gevonden))

    async def _keur(self, sha256: bytes) -> None:
        async with self._poort:
            begin = time.perf_counter()
            try:
                inhoud = await self._objecten.lees(bijlage_naam(sha256))
                oordeel = await self._keurders.keur(inhoud)
            except Exception as fout:
                log.log(
                    logging.WARNING if isinstance(fout, NIET_NU) else logging.ERROR,
                    "a bijlage cannot be checked now: %s",
                    type(fout).__name__,
                )
                metrics.GEKEURD.labels("uitgesteld").inc()
                self._klaar(sha256, None)
                return
            metrics.KEURTIJD.observe(time.perf_counter() - begin)
        metrics.GEKEURD.labels(_uitkomst(oordeel)).inc()
        self._te_bewaren[sha256] = oordeel
        if not self._bewaart:
            self._bewaart = True
            self._begin(self._bewaar())

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
            self._bekend[sha256] = oordeel
            if len(self._bekend) > self._onthoudt:
                self._bekend.popitem(last=False)
        toekomst = self._onderweg.pop(sha256)
        if not toekomst.done():
            toekomst.set_result(oordeel)
        metrics.TE_KEUREN.set(len(self._onderweg))


def _uitkomst(oordeel: Oordeel) -> str:
    if Waarschuwing.CONTROLE_AFGEBROKEN in oordeel:
        return "afgebroken"
    return "waarschuwing" if oordeel else "akkoord"
