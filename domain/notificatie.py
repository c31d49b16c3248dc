"""What a citizen is told of a new message, and from when (Domain: Berichttypes; StoreMessage)."""

import zlib
from functools import lru_cache
from typing import NamedTuple
from uuid import UUID

from domain.referentie import Notificatiekenmerk, Referentie

_ACTIE = (
    "Log in op MijnOverheid om het bericht te bekijken. Mogelijk moet u naar aanleiding van dit bericht actie "
    "ondernemen. Lees het daarom op tijd."
)
TEKSTEN: dict[Notificatiekenmerk, tuple[str, str]] = {
    Notificatiekenmerk.BETALEN: (
        "U heeft een bericht van {Afzender} ontvangen over een betaling of automatische incasso.",
        "Log in op MijnOverheid om het bericht te bekijken. Mogelijk moet u iets betalen. Lees het bericht daarom op "
        "tijd en voorkom een eventuele boete.",
    ),
    Notificatiekenmerk.INFORMATIE_GEVEN: (
        "{Afzender} heeft informatie van u nodig.",
        "Log in op MijnOverheid om het bericht te bekijken. Lever deze informatie op tijd. Doet u dit niet, dan kan "
        "dit vervelende gevolgen hebben. Bijvoorbeeld vertraging als u iets moet regelen of een boete.",
    ),
    Notificatiekenmerk.INFORMATIE_KRIJGEN: ("Er staat een document in uw Berichtenbox van {Afzender}.", _ACTIE),
    Notificatiekenmerk.REACTIE_ONTVANGEN: (
        "U heeft een reactie ontvangen op een aanvraag of wijziging bij {Afzender}.",
        _ACTIE,
    ),
    Notificatiekenmerk.VERNIEUWEN_NODIG: (
        "{Afzender} heeft u een bericht gestuurd met informatie over het vernieuwen van een document.",
        "Log in op MijnOverheid om het bericht te bekijken. Vernieuw op tijd. Als u niet op tijd vernieuwt, kan dit "
        "vervelende gevolgen hebben.",
    ),
}
"""The two paragraphs of each notificatiekenmerk."""

Plaats = tuple[int, UUID, int]
"""Where a message stands in the order of notifications: from when it can be seen, its Proceskenmerk, its number."""


class TeNotificeren(NamedTuple):
    """A placed message that a citizen is to be told of. Times in milliseconds."""

    zichtbaar_op: int
    proceskenmerk: UUID
    nummer: int
    batch_id: UUID
    bericht_id: UUID
    leverancier: str
    berichttype: str
    ontvanger: str
    """The pseudonym of the citizen."""
    publicatiedatum: int
    """0: at once."""

    @property
    def plaats(self) -> Plaats:
        """Its place in the order of notifications."""
        return self[:3]


class Notificatie(NamedTuple):
    """What the citizen is told of it: the message, as in `TeNotificeren`, and what he reads."""

    zichtbaar_op: int
    proceskenmerk: UUID
    nummer: int
    batch_id: UUID
    bericht_id: UUID
    leverancier: str
    berichttype: str
    ontvanger: str
    publicatiedatum: int
    notificatiekenmerk: Notificatiekenmerk
    afzender: str
    tekst: str
    gemaakt_op: int

    @property
    def plaats(self) -> Plaats:
        """Its place in the order of notifications."""
        return self[:3]


def zichtbaar_op(publicatiedatum: int, verwerkt_op: int) -> int:
    """From when a placed message can be seen, and its notification is due: never before its PublicatieDatum."""
    return max(publicatiedatum, verwerkt_op)


def afzender(oin: str, referentie: Referentie) -> str:
    """Who a citizen is told the message is from: the name of the leverancier, or its OIN where it has none."""
    leverancier = referentie.leveranciers.get(oin)
    return (leverancier.naam.strip() if leverancier else "") or oin


@lru_cache(maxsize=1024)
def tekst(kenmerk: Notificatiekenmerk, naam: str) -> str:
    """The text of a notificatiekenmerk with the sender's name in it: two paragraphs, an empty line between."""
    return "\n\n".join(TEKSTEN[kenmerk]).replace("{Afzender}", naam)


def maak(bericht: TeNotificeren, referentie: Referentie, nu: int) -> Notificatie | None:
    """The notification of a message, by the reference data of this moment; None where its berichttype is unknown.

    Its status does not matter: the message was placed, also when its berichttype is in Archief by now.
    """
    berichttype = referentie.berichttypes.get(f"{bericht.leverancier}/{bericht.berichttype}")
    if berichttype is None:
        return None
    naam = afzender(bericht.leverancier, referentie)
    return Notificatie(
        *bericht,
        notificatiekenmerk=berichttype.notificatiekenmerk,
        afzender=naam,
        tekst=tekst(berichttype.notificatiekenmerk, naam),
        gemaakt_op=nu,
    )


def partitie(ontvanger: str, aantal: int) -> int:
    """The partition of a citizen's notifications: the CRC-32 of his pseudonym, modulo the number of partitions.

    All of a citizen stand in one partition, so that he is told in order. ClickHouse's CRC32() gives the same.
    """
    return zlib.crc32(ontvanger.encode()) % aantal
