"""A message as it will stand on the wire: its elements, in order, before they are written as XML."""

from base64 import b64encode
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from uuid import UUID

from voorbeeld import personen, referentiegegevens

_ONDERWERPEN = (
    "Uw aanslag gemeentelijke belastingen",
    "Besluit op uw aanvraag",
    "Wij hebben gegevens van u nodig",
    "Uw pas verloopt binnenkort",
    'Toeslag & vergoeding < 1 jaar: "wijziging"',
    "Coördinatie hulp: crèche, reünie €",
)
_ZINNEN = (
    "Hierbij ontvangt u bericht over uw zaak.",
    "Lees de bijlage goed door & bewaar deze.",
    "Heeft u vragen? Bel 14 + netnummer (<10 minuten wachttijd).",
    "U hoeft nu niets te doen.",
    "Reageer vóór de genoemde datum.",
    "Dit bericht is gemaakt om een systeem te proberen.",
)


@dataclass(slots=True)
class Ontwerp:
    """The elements of BerichtInformatie by name, in the order in which they will be written, and the bijlagen.

    A value of None: no such element. `bijlagen` None: no element Bijlagen at all; empty: an empty one.
    """

    nu: datetime
    velden: dict[str, str | None]
    bijlagen: list[dict[str, str]] | None = None


def tijd(nu: datetime, **duur: float) -> str:
    """So long after `nu` (arguments of timedelta), as the wire has it: with zone, whole seconds."""
    return (nu + timedelta(**duur)).strftime("%Y-%m-%dT%H:%M:%SZ")


def guid(willekeur: Random) -> str:
    """A GUID drawn from `willekeur`."""
    return str(UUID(int=willekeur.getrandbits(128), version=4))


def ontwerp(nu: datetime, batch_id: UUID, bericht_id: UUID, willekeur: Random) -> Ontwerp:
    """A good message for an active citizen; which optional elements it has is drawn."""
    velden: dict[str, str | None] = {
        "BatchID": str(batch_id),
        "BerichtID": str(bericht_id),
        "BerichtType": willekeur.choice(referentiegegevens.ACTIEVE_TYPEN),
        "PublicatieDatum": tijd(nu, days=willekeur.randint(-1, 5)),
        "EindDatumHandelingsTermijn": tijd(nu, days=willekeur.randint(30, 60)).replace("Z", ".5+01:00"),
        "Onderwerp": willekeur.choice(_ONDERWERPEN),
        "BerichtTekst": r"\r\n".join(willekeur.choices(_ZINNEN, k=willekeur.randint(2, 8))),
        "Referentie": f"K{willekeur.randrange(10**6):06}/{nu.year}",
        "GebruikerID": willekeur.choice(personen.actief()),
        "SoortGebruiker": "Burger",
    }
    for veld in ("PublicatieDatum", "EindDatumHandelingsTermijn", "BerichtTekst", "Referentie"):
        if willekeur.random() < 0.3:
            velden[veld] = None
    return Ontwerp(nu, velden)


def bijlage(volgorde: int, pdf: bytes) -> dict[str, str]:
    """The elements of a Bijlage, by name."""
    return {
        "Inhoud": b64encode(pdf).decode("ascii"),
        "BijlageType": "Pdf",
        "Omschrijving": f"Bijlage {volgorde}: toelichting & bezwaar",
        "Volgorde": str(volgorde),
    }
