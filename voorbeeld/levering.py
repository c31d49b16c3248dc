"""The deliveries of a sample, as planned."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from random import Random
from uuid import UUID

from voorbeeld.gevallen import Antwoord, Geval
from voorbeeld.ontwerp import Ontwerp, ontwerp


class Groep(StrEnum):
    """When a batch is delivered."""

    EERST = "eerst"
    """While berichttype CAMPAGNE is Actief."""
    NA_DEACTIVERING = "na-deactivering"
    """When all of EERST is processed."""
    STORING = "storing"
    """While the profile service faults for MET_STORING, which holds up no other."""


class Aanmaak(StrEnum):
    """What a batch's AanmaakDatum is."""

    VERS = "vers"
    TE_OUD = "te oud"
    ZONDER_ZONE = "zonder zone"


@dataclass(frozen=True, slots=True)
class Bericht:
    """A planned message: its kind, the BerichtID meant for it, and its answer."""

    bericht_id: UUID
    geval: Geval
    antwoord: Antwoord


@dataclass(frozen=True, slots=True)
class Levering:
    """One delivery of a batch. `volgnummer`: the batch's place in the sample, from 1; `run` 2 is a resend."""

    volgnummer: int
    groep: Groep
    batch_id: UUID
    leverancier: str
    aangeleverd_door: str
    berichten: list[Bericht]
    aanmaak: Aanmaak = Aanmaak.VERS
    run: int = 1


@dataclass(frozen=True, slots=True)
class Voorbeeld:
    """All deliveries, in the order in which they are made, at the moment `nu`."""

    zaad: int
    ronde: int
    nu: datetime
    leveringen: tuple[Levering, ...]

    def ontwerpen(self, levering: Levering) -> Iterable[Ontwerp]:
        """The messages of a delivery as they stand on the wire."""
        for nummer, bericht in enumerate(levering.berichten, 1):
            willekeur = Random(f"{self.zaad}/{levering.volgnummer}/{nummer}")
            concept = ontwerp(self.nu, levering.batch_id, bericht.bericht_id, willekeur)
            bericht.geval.bewerk(concept, willekeur)
            yield concept
