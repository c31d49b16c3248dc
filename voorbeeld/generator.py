"""The sample: deliveries of which every message's answer is known beforehand.

What the messages are follows from the seed alone, so that every run gives the same counts; their GUIDs follow from
seed and run number, so that a second run on the same data is new.
"""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from itertools import cycle, islice
from random import Random
from uuid import NAMESPACE_URL, uuid5

from voorbeeld import gevallen
from voorbeeld.gevallen import GOED, Antwoord, Geval
from voorbeeld.levering import Aanmaak, Bericht, Groep, Levering, Voorbeeld
from voorbeeld.referentiegegevens import (
    ANDER,
    BELASTINGEN,
    GEMEENTE,
    INTERMEDIAIR,
    MET_STORING,
    ONBEKEND,
    UITVOERDER,
    WATERSCHAP,
)
from voorbeeld.verbanden import leg_verbanden

BATCHES = 100
BERICHTEN = 20_000
MIN_BATCHES = 16
MIN_BERICHTEN = 400

_BIJZONDERE_BATCHES = 8
_BIJZONDERE_BERICHTEN = 12 * 4 + 6 + 40 + 5 + len(gevallen.VOOR_BELANGHEBBENDE)
_KLEINE_BATCHES = _BIJZONDERE_BATCHES + 2
_HOOGSTENS = 1000

_AFZENDERS = (
    (GEMEENTE, GEMEENTE),
    (WATERSCHAP, WATERSCHAP),
    (BELASTINGEN, BELASTINGEN),
    (UITVOERDER, INTERMEDIAIR),
    (WATERSCHAP, INTERMEDIAIR),
    (UITVOERDER, UITVOERDER),
)
"""Leverancier and who delivers, in turn, of the ordinary batches."""


def maak_voorbeeld(
    zaad: int, ronde: int, nu: datetime, batches: int = BATCHES, berichten: int = BERICHTEN
) -> Voorbeeld:
    """Plans a sample of so many batches with so many messages together; a resend comes on top of these.

    Raises ValueError when there are too few for every kind to occur, or too many for the batches.
    """
    if batches < MIN_BATCHES or not MIN_BERICHTEN <= berichten <= (batches - _KLEINE_BATCHES) * _HOOGSTENS:
        raise ValueError(
            f"at least {MIN_BATCHES} batches and {MIN_BERICHTEN} messages, with at most {_HOOGSTENS} messages a batch"
        )
    plan = _Plan(zaad, ronde)
    gewone_batches = batches - _BIJZONDERE_BATCHES
    later = max(2, gewone_batches // 12)
    groottes = _groottes(plan.willekeur, gewone_batches, berichten - _BIJZONDERE_BERICHTEN)
    inhoud = _gewone_inhoud(plan.willekeur, groottes)
    eerst = [
        plan.levering(Groep.EERST, leverancier, door, lijst)
        for (leverancier, door), lijst in zip(cycle(_AFZENDERS), inhoud[later:], strict=False)
    ]
    na = [plan.levering(Groep.NA_DEACTIVERING, GEMEENTE, GEMEENTE, lijst) for lijst in inhoud[:later]]
    leg_verbanden(plan.willekeur, eerst, na)
    eerder = plan.levering(Groep.EERST, BELASTINGEN, BELASTINGEN, _voor_herstel())
    storing = plan.levering(Groep.STORING, MET_STORING, MET_STORING, [GOED] * 5, gevallen.TECHNISCH)
    afgekeurd = _afgekeurde_batches(plan)
    inzage = plan.levering(Groep.EERST, GEMEENTE, GEMEENTE, gevallen.VOOR_BELANGHEBBENDE)
    return Voorbeeld(zaad, ronde, nu, (storing, *eerst, *afgekeurd, eerder, inzage, *na, _herstel(eerder)))


class _Plan:
    """Numbers the batches and makes their GUIDs."""

    def __init__(self, zaad: int, ronde: int) -> None:
        self.willekeur = Random(str(zaad))
        self._bron = f"urn:berichtenstroom:voorbeeld:{zaad}:{ronde}"
        self._volgnummer = 0

    def levering(
        self,
        groep: Groep,
        leverancier: str,
        door: str,
        inhoud: Iterable[Geval],
        batch: Antwoord | None = None,
        aanmaak: Aanmaak = Aanmaak.VERS,
    ) -> Levering:
        """A delivery. `batch`: the answer for all messages that pass the schema, in place of their own."""
        self._volgnummer += 1
        naam = f"{self._bron}/{self._volgnummer}"
        berichten = [
            Bericht(
                uuid5(NAMESPACE_URL, f"{naam}/{nummer}"),
                geval,
                geval.antwoord if batch is None or geval.antwoord == gevallen.XML else batch,
            )
            for nummer, geval in enumerate(inhoud, 1)
        ]
        return Levering(self._volgnummer, groep, uuid5(NAMESPACE_URL, naam), leverancier, door, berichten, aanmaak)


def _groottes(willekeur: Random, aantal: int, totaal: int) -> list[int]:
    """So many sizes from 1 to 1000, together `totaal`: first those drawn, at the end some that always occur."""
    vast = [2, 1, _HOOGSTENS] if totaal > 10 * _HOOGSTENS else [2, 1]
    vrij, rest = aantal - len(vast), totaal - sum(vast)
    gewichten = [0.2 + willekeur.expovariate(1.0) for _ in range(vrij)]
    groottes = [min(_HOOGSTENS, 1 + int(gewicht / sum(gewichten) * (rest - vrij))) for gewicht in gewichten]
    tekort = rest - sum(groottes)
    for plaats in sorted(range(vrij), key=groottes.__getitem__, reverse=True):
        erbij = min(_HOOGSTENS - groottes[plaats], tekort)
        groottes[plaats] += erbij
        tekort -= erbij
    return groottes + vast


def _gewone_inhoud(willekeur: Random, groottes: list[int]) -> list[list[Geval]]:
    """The kinds of the messages of the ordinary batches: each kind its share, spread over all of them."""
    totaal = sum(groottes)
    alles = [
        geval
        for geval in (*gevallen.GOEDE_GEVALLEN, *gevallen.FOUTE_GEVALLEN)
        for _ in range(max(1, round(totaal * geval.promille / 1000)))
    ]
    alles += [GOED] * (totaal - len(alles))
    willekeur.shuffle(alles)
    stroom = iter(alles)
    return [list(islice(stroom, grootte)) for grootte in groottes]


def _afgekeurde_batches(plan: _Plan) -> list[Levering]:
    """Batches of which every message that passes the schema gets the same answer, whatever else is wrong with it."""
    inhoud = [*[GOED] * 8, *gevallen.SCHEMAFOUTEN[:2], gevallen.BERICHTTYPE_ONBEKEND, gevallen.GEBRUIKER_ONBEKEND]
    return [
        plan.levering(Groep.EERST, ONBEKEND, ONBEKEND, inhoud, gevallen.OIN),
        plan.levering(Groep.EERST, GEMEENTE, ANDER, inhoud, gevallen.OIN),
        plan.levering(Groep.EERST, BELASTINGEN, INTERMEDIAIR, inhoud, gevallen.OIN),
        plan.levering(Groep.EERST, WATERSCHAP, WATERSCHAP, inhoud, gevallen.AANMAAKDATUM, Aanmaak.TE_OUD),
        plan.levering(Groep.EERST, GEMEENTE, GEMEENTE, [GOED] * 6, gevallen.XML, Aanmaak.ZONDER_ZONE),
    ]


def _voor_herstel() -> list[Geval]:
    """The batch that is delivered again: faults of the schema among good messages, and others."""
    fouten = gevallen.SCHEMAFOUTEN[::3]
    goed = [*[GOED] * (40 - len(fouten) - 5), gevallen.TWEE_KEER_DEZELFDE]
    return [*goed, *fouten, *[gevallen.GEBRUIKER_ONBEKEND] * 2, *[gevallen.BERICHTTYPE_ONBEKEND] * 2]


def _herstel(eerder: Levering) -> Levering:
    """The resend of a batch: all faults but the last of the schema's and the last of all are corrected."""
    nog_fout = {
        max(i for i, bericht in enumerate(eerder.berichten) if bericht.antwoord == gevallen.XML),
        len(eerder.berichten) - 1,
    }

    def opnieuw(plaats: int, bericht: Bericht) -> Bericht:
        if bericht.antwoord.is_verwerkt:
            return replace(bericht, antwoord=gevallen.BESTAAT_AL)
        return bericht if plaats in nog_fout else replace(bericht, geval=GOED, antwoord=gevallen.VERWERKT)

    berichten = [opnieuw(plaats, bericht) for plaats, bericht in enumerate(eerder.berichten)]
    return replace(eerder, groep=Groep.NA_DEACTIVERING, berichten=berichten, run=2)
