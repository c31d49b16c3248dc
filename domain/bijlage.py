"""Bijlagen: what the PDF check warns about, and what a set of them may weigh (Domain: PDF checks; Berichttypes)."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from domain.batch import MAX_BIJLAGEN_BYTES
from domain.waarschuwing import REGELVERSIE, UITLEG, Waarschuwing

__all__ = [
    "REGELVERSIE",
    "UITLEG",
    "Bezwaar",
    "NaamEnGrootte",
    "Setfout",
    "Waarschuwing",
    "controleer_persoonlijk",
    "controleer_standaard",
]

MAX_PERSOONLIJK = 2
"""Bijlagen of one message (Domain: A batch on the wire)."""
MAX_STANDAARD = 3
"""Standaardbijlagen of one berichttype (Domain: Berichttypes)."""
MAX_STANDAARD_BYTES = 2_000_000
"""What these weigh together. 'Up to 2 MB' stands in the domain; that a MB is 1 000 000 bytes we decided."""
MAX_NAAM = 128
"""Characters in the file name of a standaardbijlage (Domain: Berichttypes)."""


class Setfout(StrEnum):
    """What is wrong with a set of bijlagen, apart from what stands in them."""

    BIJLAGE_TE_GROOT = "BijlageTeGroot"
    TE_VEEL_BIJLAGEN = "TeVeelBijlagen"
    BESTANDSNAAM_TE_LANG = "BestandsnaamTeLang"


@dataclass(frozen=True, slots=True)
class Bezwaar:
    """One objection to a set of bijlagen."""

    code: Setfout
    uitleg: str
    """What the sender has to do, in his language."""
    plaatsen: tuple[int, ...]
    """The bijlagen that it is about, by their place from 0."""


NaamEnGrootte = tuple[str, int]
"""The file name of a bijlage and its size in bytes."""


def controleer_persoonlijk(bijlagen: Sequence[NaamEnGrootte]) -> list[Bezwaar]:
    """What is wrong with these as the bijlagen of one message (Domain: A batch on the wire); empty: nothing."""
    return _controleer(bijlagen, "Een bericht", MAX_PERSOONLIJK, MAX_BIJLAGEN_BYTES)


def controleer_standaard(bijlagen: Sequence[NaamEnGrootte]) -> list[Bezwaar]:
    """What is wrong with these as all standaardbijlagen of one berichttype (Domain: Berichttypes); empty: nothing."""
    bezwaren = _controleer(bijlagen, "Een berichttype", MAX_STANDAARD, MAX_STANDAARD_BYTES)
    lang = tuple(plaats for plaats, (naam, _) in enumerate(bijlagen) if len(naam) > MAX_NAAM)
    if lang:
        uitleg = f"De naam van het bestand mag hoogstens {MAX_NAAM} tekens hebben. Geef het een kortere naam."
        bezwaren.append(Bezwaar(Setfout.BESTANDSNAAM_TE_LANG, uitleg, lang))
    return bezwaren


def _controleer(bijlagen: Sequence[NaamEnGrootte], wat: str, aantal: int, grootte: int) -> list[Bezwaar]:
    alle = tuple(range(len(bijlagen)))
    bezwaren = []
    samen = sum(bytes_ for _, bytes_ in bijlagen)
    if samen > grootte:
        uitleg = (
            f"De bijlagen zijn samen {_getal(samen)} bytes; dat mogen er hoogstens {_getal(grootte)} zijn. "
            "Maak ze kleiner, of laat er een weg."
        )
        bezwaren.append(Bezwaar(Setfout.BIJLAGE_TE_GROOT, uitleg, alle))
    if len(bijlagen) > aantal:
        uitleg = f"{wat} mag hoogstens {aantal} bijlagen hebben; dit zijn er {len(bijlagen)}. Laat er een of meer weg."
        bezwaren.append(Bezwaar(Setfout.TE_VEEL_BIJLAGEN, uitleg, alle))
    return bezwaren


def _getal(waarde: int) -> str:
    return f"{waarde:,}".replace(",", " ")
