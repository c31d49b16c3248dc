"""A delivered batch, and a slice of one: a frame, and the messages as columns.

Columns, because a field of a thousand messages read as one array costs a fraction of a thousand records. The fields
that all have one width stand back to back in bytes: a GUID in 16, a BSN in 9 ASCII digits, a SHA-256 in 32.
"""

import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from uuid import UUID

from domain import bsn
from domain.referentie import Standaardbijlage

MAX_BERICHTEN = 1000
MAX_BATCH_BYTES = 100_000_000
"""A batch is at most 100 MB, base64 included (Domain: A batch on the wire)."""
MAX_BIJLAGEN_BYTES = 500_000
"""What the bijlagen of a message may weigh together, before base64 (Domain: A batch on the wire)."""

GUID_BYTES = 16
SHA256_BYTES = 32
MAX_INT = 2**31 - 1
"""The highest Volgorde there is."""


@dataclass(frozen=True, slots=True)
class Kader:
    """The frame of one run over one batch. Times in milliseconds, taken once at the door."""

    proceskenmerk: UUID
    batch_id: UUID
    leverancier: str
    """The BerichtLeverancierID of the batch (Domain: Who is who)."""
    aangeleverd_door: str
    """Who was authenticated (Domain: Who is who)."""
    aanmaakdatum: int
    """AanmaakDatum in milliseconds; 0 when it could not be read (every message then carries a schema_fout)."""
    aangeleverd_op: int
    totaal: int
    """How many messages the whole batch holds."""


@dataclass(slots=True)
class Berichten:
    """Messages as columns; row i of each column belongs to one message. Empty texts and zeros stand for 'absent'."""

    nummers: list[int] = field(default_factory=list)
    """The place in the batch, from 1."""
    bericht_ids: bytes = b""
    """16 bytes each; the zero GUID where it could not be read."""
    berichttypes: list[str] = field(default_factory=list)
    gebruikers: bytes = b""
    """The BSN as 9 ASCII digits each; `bsn.GEEN` where it could not be read."""
    onderwerpen: list[str] = field(default_factory=list)
    teksten: list[str] = field(default_factory=list)
    referenties: list[str] = field(default_factory=list)
    publicatiedatums: list[int] = field(default_factory=list)
    """Milliseconds; 0: publish now."""
    einddatums: list[int] = field(default_factory=list)
    """EindDatumHandelingsTermijn in milliseconds; 0: none."""
    schema_fouten: list[str] = field(default_factory=list)
    """Why a message breaks the schema, as 'element: rule', never a value; empty when it does not."""
    bijlage_rijen: list[int] = field(default_factory=list)
    """For each bijlage: the row (from 0) of its message in these columns. Ascending."""
    bijlage_sha256: bytes = b""
    """32 bytes each."""
    bijlage_groottes: list[int] = field(default_factory=list)
    """Bytes before base64."""
    bijlage_omschrijvingen: list[str] = field(default_factory=list)
    bijlage_volgordes: list[int] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.nummers)

    def bericht_id(self, rij: int) -> bytes:
        """The 16 bytes of a row's BerichtID."""
        return self.bericht_ids[rij * GUID_BYTES : (rij + 1) * GUID_BYTES]

    def ids(self) -> list[bytes]:
        """The BerichtIDs, of 16 bytes each."""
        return [self.bericht_ids[i : i + GUID_BYTES] for i in range(0, len(self.bericht_ids), GUID_BYTES)]

    def gebruiker(self, rij: int) -> str:
        """The BSN of a row. It may go to the profile service and the encrypted store, and nowhere else."""
        return self.gebruikers[rij * bsn.BREEDTE : (rij + 1) * bsn.BREEDTE].decode("ascii")

    def sha256(self, bijlage: int) -> bytes:
        """The 32 bytes of a bijlage's SHA-256, by its place among all bijlagen."""
        return self.bijlage_sha256[bijlage * SHA256_BYTES : (bijlage + 1) * SHA256_BYTES]

    def kies(self, rijen: Iterable[int]) -> "Berichten":
        """The given rows, in that order, with their bijlagen."""
        gekozen = list(rijen)
        plaats = {rij: nieuw for nieuw, rij in enumerate(gekozen)}
        bijlagen = sorted((plaats[rij], i) for i, rij in enumerate(self.bijlage_rijen) if rij in plaats)
        return Berichten(
            nummers=[self.nummers[i] for i in gekozen],
            bericht_ids=b"".join(self.bericht_id(i) for i in gekozen),
            berichttypes=[self.berichttypes[i] for i in gekozen],
            gebruikers=b"".join(self.gebruikers[i * bsn.BREEDTE : (i + 1) * bsn.BREEDTE] for i in gekozen),
            onderwerpen=[self.onderwerpen[i] for i in gekozen],
            teksten=[self.teksten[i] for i in gekozen],
            referenties=[self.referenties[i] for i in gekozen],
            publicatiedatums=[self.publicatiedatums[i] for i in gekozen],
            einddatums=[self.einddatums[i] for i in gekozen],
            schema_fouten=[self.schema_fouten[i] for i in gekozen],
            bijlage_rijen=[nieuw for nieuw, _ in bijlagen],
            bijlage_sha256=b"".join(self.sha256(i) for _, i in bijlagen),
            bijlage_groottes=[self.bijlage_groottes[i] for _, i in bijlagen],
            bijlage_omschrijvingen=[self.bijlage_omschrijvingen[i] for _, i in bijlagen],
            bijlage_volgordes=[self.bijlage_volgordes[i] for _, i in bijlagen],
        )

    def met_standaardbijlagen(self, per_type: Mapping[str, Sequence[Standaardbijlage]]) -> "Berichten":
        """The same messages, each with the standaardbijlagen of its berichttype behind its own bijlagen (Domain:
        Berichttypes); the Volgorde goes on where the message's own ends."""
        if per_type.keys().isdisjoint(self.berichttypes):
            return self
        eigen: dict[int, list[int]] = {}
        for bijlage, rij in enumerate(self.bijlage_rijen):
            eigen.setdefault(rij, []).append(bijlage)
        rijen, sommen, groottes, omschrijvingen, volgordes = [], [], [], [], []
        for rij, berichttype in enumerate(self.berichttypes):
            van_bericht = [
                (self.sha256(i), self.bijlage_groottes[i], self.bijlage_omschrijvingen[i], self.bijlage_volgordes[i])
                for i in eigen.get(rij, ())
            ]
            laatste = max((volgorde for *_, volgorde in van_bericht), default=0)
            van_type = enumerate(per_type.get(berichttype, ()), laatste + 1)
            van_bericht += [(een.sha256, een.grootte, een.naam, min(plaats, MAX_INT)) for plaats, een in van_type]
            for sha256, grootte, omschrijving, volgorde in van_bericht:
                rijen.append(rij)
                sommen.append(sha256)
                groottes.append(grootte)
                omschrijvingen.append(omschrijving)
                volgordes.append(volgorde)
        return replace(
            self,
            bijlage_rijen=rijen,
            bijlage_sha256=b"".join(sommen),
            bijlage_groottes=groottes,
            bijlage_omschrijvingen=omschrijvingen,
            bijlage_volgordes=volgordes,
        )


@dataclass(frozen=True, slots=True)
class Batch:
    """A frame with all its messages (topic `batch`) or those that share a partition (topic `bericht`)."""

    kader: Kader
    berichten: Berichten


def partitie(bericht_id: bytes, aantal: int) -> int:
    """The partition of a BerichtID: the CRC-32 of its 16 bytes, modulo the number of partitions.

    Same BerichtID, same partition, same owner: that makes duplicates visible. Changing this, or the number of
    partitions, while messages are on their way breaks it.
    """
    return zlib.crc32(bericht_id) % aantal


def splits(batch: Batch, partities: int) -> dict[int, Batch]:
    """The slices of a batch, by partition; together they hold every message once, in the order of the batch."""
    rijen: dict[int, list[int]] = {}
    for rij in range(len(batch.berichten)):
        rijen.setdefault(partitie(batch.berichten.bericht_id(rij), partities), []).append(rij)
    return {nummer: Batch(batch.kader, batch.berichten.kies(gekozen)) for nummer, gekozen in sorted(rijen.items())}
