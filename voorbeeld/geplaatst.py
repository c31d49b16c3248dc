"""The messages of a sample that are placed: what a citizen can see of them, and which bijlagen must be checked."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from uuid import UUID

from voorbeeld.levering import Voorbeeld


@dataclass(frozen=True, slots=True)
class Geplaatst:
    """A placed message. `zichtbaar`: at once, and not only in some days."""

    leverancier: str
    batch_id: UUID
    nummer: int
    bericht_id: UUID
    berichttype: str
    gebruiker: str = field(repr=False)
    zichtbaar: bool
    bijlagen: tuple[bytes, ...]
    """What tells one bijlage from another."""


def geplaatst(voorbeeld: Voorbeeld) -> Iterator[Geplaatst]:
    """All of them, each once: a message that was placed is not placed again."""
    for levering in voorbeeld.leveringen:
        ontwerpen = voorbeeld.ontwerpen(levering)
        for nummer, (bericht, ontwerp) in enumerate(zip(levering.berichten, ontwerpen, strict=True), 1):
            if bericht.antwoord.is_verwerkt:
                publicatie = ontwerp.velden["PublicatieDatum"]
                yield Geplaatst(
                    levering.leverancier,
                    levering.batch_id,
                    nummer,
                    bericht.bericht_id,
                    ontwerp.velden["BerichtType"] or "",
                    ontwerp.velden["GebruikerID"] or "",
                    not publicatie or datetime.fromisoformat(publicatie) <= voorbeeld.nu,
                    tuple(sha256(bijlage["Inhoud"].encode()).digest() for bijlage in ontwerp.bijlagen or ()),
                )
