"""ValidateGebruiker: asks the profile service, gathered over slices (Domain: Profile service).

No answer is never an answer. What makes the service fault is closed in on by halves, so that the others of the same
question get theirs; a leverancier for whom nothing is answered is asked about now and then only; and one whose
questions hang is waited for no longer than the others take.
"""

import asyncio
import logging
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from agents.zekering import Zekeringen
from domain.beslissing import Vraag
from profielservice.client import Profielservice, ProfielserviceFout, ProfielserviceWeg
from profielservice.envelop import GROEP

log = logging.getLogger(__name__)

Antwoorden = dict[str, dict[Vraag, bool]]
"""For each leverancier the answers that are known."""
Groep = tuple[str, list[str]]
"""What one question is about: a berichttype, and citizens."""

HOOGSTENS_S = 10.0
"""Seconds that a round waits for its first answers; the questions themselves may go on."""
RESPIJT_S = 2.0
"""Seconds that the others are waited for after each answer."""
VERS_S = 600.0
"""Seconds after its question that an answer which came too late for its round is still used, once."""
_ALLEEN = 3
"""Citizens that fault on their own, with no answer for anyone, after which it is the leverancier that faults."""
_CALLS = 40
"""Calls that an attempt may spend on closing in, or on a trial; the rest is asked about the next time."""


@dataclass(slots=True)
class Poging:
    """One attempt to get answers for a leverancier; it may outlast the round that began it."""

    begonnen: float
    herkansing: bool
    """Whether it asks about what failed before, so that its failures say nothing new about the leverancier."""
    beurten: asyncio.Semaphore
    """So many of its questions may be under way: the others are asked only if there is hope then."""
    beantwoord_op: float | None = None
    """When the last answer came."""
    alleen: int = 0
    """Citizens that made the service fault on their own."""
    fout: bool = False
    """Whether the service answered with a fault."""
    weg: bool = False
    """Whether a question found nobody at all."""

    @property
    def hopeloos(self) -> bool:
        """Whether to ask no more in this attempt."""
        return self.beantwoord_op is None and (self.weg or self.alleen >= _ALLEEN)


class ValidateGebruiker:
    """Asks for one worker. `gewekt` is called with a leverancier for whom answers come again; `gelijktijdig` questions
    about one leverancier are under way at once."""

    def __init__(
        self,
        profiel: Profielservice,
        gewekt: Callable[[str], None] = lambda _: None,
        klok: Callable[[], float] = time.monotonic,
        gelijktijdig: int = 2,
    ) -> None:
        self.zekeringen = Zekeringen()
        self._profiel = profiel
        self._gewekt = gewekt
        self._klok = klok
        self._gelijktijdig = gelijktijdig
        self._proef = asyncio.Lock()
        """One trial of a blown fuse at a time: those that hang leave room for the questions of others."""
        self._lopend: dict[str, tuple[Poging, asyncio.Task[None]]] = {}
        self._gemist: dict[str, float] = {}
        """Since when a leverancier has questions without answers."""
        self._fout: set[str] = set()
        """Those of them for whom the service answered with a fault: so it is there."""
        self._laatst_beantwoord = float("-inf")
        self._binnen: dict[str, dict[Vraag, tuple[float, bool]]] = {}
        """The answers that no round has taken yet, with the moment of their attempt."""
        self._groep: dict[str, int] = {}
        """Citizens in a question, for a leverancier with a question that found nobody while others were answered."""

    async def vul_aan(self, vragen: dict[str, set[Vraag]], antwoorden: Antwoorden, *, herkansing: bool = False) -> None:
        """Adds the answers that can be had now to questions (by leverancier) that have none yet.

        A `herkansing` asks about what failed before. While one round asks about a leverancier another one waits for
        that, and then asks too.
        """
        begin = self._klok()
        nog_niet = dict(vragen)
        for _ in range(2):
            self._neem_over(nog_niet, antwoorden)
            nog_niet = _zonder_antwoord(nog_niet, antwoorden)
            van_anderen = nog_niet.keys() & self._lopend.keys()
            for leverancier, te_vragen in nog_niet.items():
                if leverancier not in van_anderen and self.zekeringen.mag(leverancier, self._klok()):
                    self._begin(leverancier, te_vragen, herkansing=herkansing)
            # What a trial of a blown fuse finds is for a later round: nobody waits for it.
            wacht_op = {een for een in nog_niet if een in self._lopend and (herkansing or self.zekeringen.heel(een))}
            await _wacht({self._lopend[leverancier][1] for leverancier in wacht_op})
            self._neem_over(nog_niet, antwoorden)
            nog_niet = {een: nog_niet[een] for een in van_anderen - self._lopend.keys()}
        gemist = _zonder_antwoord(vragen, antwoorden)
        for leverancier, gevraagd in vragen.items():
            if leverancier in gemist:
                self._gemist.setdefault(leverancier, begin)
            elif gevraagd:
                self._gemist.pop(leverancier, None)
                self._fout.discard(leverancier)

    def alleen(self, leverancier: str) -> bool:
        """Whether it is this leverancier's questions that get no answer, and not the service that is away."""
        return leverancier in self._fout or self._laatst_beantwoord >= self._gemist.get(leverancier, float("inf"))

    async def stop(self) -> None:
        """Gives up what is still being asked."""
        taken = [taak for _, taak in self._lopend.values()]
        self._lopend.clear()
        for taak in taken:
            taak.cancel()
        await asyncio.gather(*taken, return_exceptions=True)

    def _begin(self, leverancier: str, te_vragen: set[Vraag], *, herkansing: bool) -> None:
        poging = Poging(self._klok(), herkansing, asyncio.Semaphore(self._gelijktijdig))
        self._lopend[leverancier] = poging, asyncio.create_task(self._vraag_alles(leverancier, te_vragen, poging))

    def _neem_over(self, vragen: Mapping[str, set[Vraag]], antwoorden: Antwoorden) -> None:
        """Takes the answers to these questions, also those of attempts that still go on."""
        klaar: dict[str, Poging] = {}
        for leverancier in vragen:
            if leverancier in self._lopend and self._lopend[leverancier][1].done():
                poging, taak = self._lopend.pop(leverancier)
                taak.result()
                klaar[leverancier] = poging
        beantwoord = [poging.beantwoord_op for poging in klaar.values() if poging.beantwoord_op is not None]
        self._laatst_beantwoord = max([self._laatst_beantwoord, *beantwoord])
        nu = self._klok()
        for leverancier, poging in klaar.items():
            self._beoordeel(leverancier, poging, nu)
        for leverancier, binnen in list(self._binnen.items()):
            vers = {vraag: een for vraag, een in binnen.items() if nu - een[0] < VERS_S}
            gevraagd = vragen.get(leverancier, set()) & vers.keys()
            if gevraagd:
                antwoorden.setdefault(leverancier, {}).update({vraag: vers.pop(vraag)[1] for vraag in gevraagd})
            self._binnen[leverancier] = vers
            if not vers:
                del self._binnen[leverancier]

    def _beoordeel(self, leverancier: str, poging: Poging, nu: float) -> None:
        """What an attempt that has ended says about its leverancier."""
        if poging.beantwoord_op is not None:
            if self.zekeringen.gelukt(leverancier):
                log.info("the profile service answers for %s again", leverancier)
                self._gewekt(leverancier)
        elif (poging.hopeloos and not poging.herkansing) or not self.zekeringen.heel(leverancier):
            self.zekeringen.mislukt(leverancier, nu)
        if poging.fout:
            self._fout.add(leverancier)
        if not poging.weg:
            self._groep.pop(leverancier, None)
        elif self._laatst_beantwoord >= poging.begonnen:
            self._groep[leverancier] = max(1, self._groep.get(leverancier, GROEP) // 2)

    async def _vraag_alles(self, leverancier: str, vragen: set[Vraag], poging: Poging) -> None:
        per_type: dict[str, list[str]] = {}
        for berichttype, bsn in vragen:
            per_type.setdefault(berichttype, []).append(bsn)
        omvang = self._groep.get(leverancier, GROEP)
        groepen: list[Groep] = []
        for berichttype, bsns in per_type.items():
            random.shuffle(bsns)  # so that the same few never stand in the way of all others
            groepen += [(berichttype, bsns[begin : begin + omvang]) for begin in range(0, len(bsns), omvang)]
        if not self.zekeringen.heel(leverancier):
            async with self._proef:
                await self._perk_in(leverancier, groepen, poging)
            return
        faalt = await asyncio.gather(*(self._faalt(leverancier, *groep, poging) for groep in groepen))
        te_delen = [groep for groep, faalde in zip(groepen, faalt, strict=True) if faalde]
        await self._perk_in(leverancier, [helft for groep in te_delen for helft in _helften(*groep)], poging)

    async def _perk_in(self, leverancier: str, groepen: list[Groep], poging: Poging) -> None:
        """Asks about one group after another; when one makes the service fault, about its halves before any other."""
        for _ in range(_CALLS):
            if not groepen:
                return
            groep = groepen.pop()
            if await self._faalt(leverancier, *groep, poging):
                groepen += _helften(*groep)

    async def _faalt(self, leverancier: str, berichttype: str, bsns: list[str], poging: Poging) -> bool:
        """Asks about a group, if there is hope; whether it makes the service fault."""
        try:
            async with poging.beurten:
                if poging.hopeloos:
                    return False
                gekregen = await self._profiel.mag_versturen(leverancier, berichttype, bsns)
        except ProfielserviceWeg as fout:
            log.warning("no answer for %s of %s (%s)", berichttype, leverancier, type(fout).__name__)
            poging.weg = True
            return False
        except ProfielserviceFout as fout:
            if not poging.fout:
                log.warning("a question about %s of %s faults: %s", berichttype, leverancier, fout.soort)
            poging.fout = True
            poging.alleen += len(bsns) == 1
            return True
        poging.beantwoord_op = self._klok()
        antwoorden = {(berichttype, bsn): (poging.begonnen, mag) for bsn, mag in gekregen.items()}
        self._binnen.setdefault(leverancier, {}).update(antwoorden)
        return False


def _helften(berichttype: str, bsns: list[str]) -> list[Groep]:
    """The two halves of a group; none of a single citizen."""
    midden = len(bsns) // 2
    return [(berichttype, helft) for helft in (bsns[:midden], bsns[midden:]) if midden]


def _zonder_antwoord(vragen: Mapping[str, set[Vraag]], antwoorden: Antwoorden) -> dict[str, set[Vraag]]:
    over = {}
    for leverancier, gevraagd in vragen.items():
        beantwoord = antwoorden.get(leverancier, {})
        over[leverancier] = {vraag for vraag in gevraagd if vraag not in beantwoord}
    return {leverancier: te_vragen for leverancier, te_vragen in over.items() if te_vragen}


async def _wacht(taken: set["asyncio.Task[None]"]) -> None:
    """Returns when all are done, or when those that are left keep everybody waiting."""
    hoogstens = HOOGSTENS_S
    while taken:
        klaar, taken = await asyncio.wait(taken, timeout=hoogstens, return_when=asyncio.FIRST_COMPLETED)
        if not klaar:
            return
        hoogstens = RESPIJT_S
