"""What the processing log says of decided messages, after Logius's standard Logboek Dataverwerkingen. Pure.

One record goes with each record of decisions, as columns; the view `logboek` in ClickHouse shows a line for each
message, in the standard's own names. Whom a message was about stands in it encrypted, and nowhere readable.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from domain import bsn
from domain.batch import Batch, Kader
from domain.beslissing import Uitkomst
from domain.codes import Verwerkingscode

BETROKKENE_BYTES = bsn.BREEDTE + 16
"""Bytes of an encrypted data subject: nine digits and the tag of AES-GCM."""
ZOEK_BYTES = 16
"""Bytes of what a data subject is found by."""


@dataclass(slots=True)
class Logboek:
    """The lines on messages of one slice, as columns; a data subject that could not be read is all zeros."""

    kader: Kader
    verwerkt_op: int
    verwerkingsactiviteit: str
    """URI of the processing activity in the register of the organisation."""
    sleutel: str
    """Name of the key that the two packed columns were made with."""
    nummers: list[int]
    codes: list[Verwerkingscode]
    betrokkenen: bytes
    """The BSN of each message, encrypted: `BETROKKENE_BYTES` each."""
    zoeksleutels: bytes
    """A keyed digest of each BSN: `ZOEK_BYTES` each."""


class Versluieraar(Protocol):
    """Who hides data subjects."""

    actief: str
    """Name of the key that is written with."""

    def versluier(self, run: UUID, nummers: Sequence[int], bsns: bytes) -> tuple[bytes, bytes]:
        """The columns `betrokkenen` and `zoeksleutels` of messages of a run, from a column of their BSNs."""
        ...


def logboek_van(slice_: Batch, uitkomst: Uitkomst, verwerkingsactiviteit: str, versluieraar: Versluieraar) -> Logboek:
    """The lines that go with these decisions on messages of a slice: one for each, refused or placed."""
    berichten = slice_.berichten
    gebruikers = berichten.gebruikers
    if uitkomst.nummers != berichten.nummers:
        rijen = {nummer: rij * bsn.BREEDTE for rij, nummer in enumerate(berichten.nummers)}
        gebruikers = b"".join([gebruikers[(i := rijen[n]) : i + bsn.BREEDTE] for n in uitkomst.nummers])
    run = uitkomst.kader.proceskenmerk
    betrokkenen, zoeksleutels = versluieraar.versluier(run, uitkomst.nummers, gebruikers)
    return Logboek(
        kader=uitkomst.kader,
        verwerkt_op=uitkomst.verwerkt_op,
        verwerkingsactiviteit=verwerkingsactiviteit,
        sleutel=versluieraar.actief,
        nummers=uitkomst.nummers,
        codes=uitkomst.codes,
        betrokkenen=betrokkenen,
        zoeksleutels=zoeksleutels,
    )
