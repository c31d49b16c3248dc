"""An agent takes each partition's records in the order of the log, none left out, whatever Faust skips.

After a rebalance Faust can drop records that it has read already, while later ones come through; a commit would then
pass over what was never handled. So the place where a partition goes on is taken from Kafka when it is assigned, only
the next record is accepted, and on a hole the consumer is sent back to where it begins.
"""

from dataclasses import dataclass, field
from enum import Enum, auto

Partitie = tuple[str, int]
"""Topic and partition."""

POGINGEN = 5
"""How often a hole is read again before one looks whether the log itself has it: a foreign producer's transaction
marker, or what retention took."""


class Oordeel(Enum):
    """What to do with a record."""

    NEEM = auto()
    """It is the next one."""
    LAAT = auto()
    """It was taken already, or it comes again after a hole that is being read."""
    GA_TERUG = auto()
    """Records are missing before it: read again from the place where they begin."""
    TWIJFEL = auto()
    """They are missing after so many readings that the log itself may lack them: look, then say `neem_over`."""


@dataclass(slots=True)
class Volgorde:
    """The next offset of each partition, for one assignment. Pure: who uses it seeks."""

    _volgende: dict[Partitie, int]
    """Where each assigned partition goes on."""
    _gat_tot: dict[Partitie, int] = field(default_factory=dict)
    """The offset whose arrival showed a hole that is being read again."""
    _pogingen: dict[Partitie, int] = field(default_factory=dict)
    """How often it was."""

    def begint_bij(self, partitie: Partitie) -> int:
        """Where the partition goes on."""
        return self._volgende[partitie]

    def kent(self, partitie: Partitie) -> bool:
        """Whether the partition belongs to this assignment."""
        return partitie in self._volgende

    def heeft_gat(self, partitie: Partitie) -> bool:
        """Whether records are missing that are being read again."""
        return partitie in self._gat_tot

    def beoordeel(self, partitie: Partitie, offset: int) -> Oordeel:
        """Judges a record as it comes; one that is to be taken counts as taken.

        What was fetched before the consumer went back still comes, in ascending order; an offset at or below the one
        that showed the hole comes from the new reading.
        """
        volgende = self._volgende[partitie]
        if offset < volgende:
            return Oordeel.LAAT
        gat_tot = self._gat_tot.get(partitie)
        pogingen = self._pogingen.get(partitie, 0)
        if offset > volgende and gat_tot is not None and offset > gat_tot:
            return Oordeel.LAAT
        if offset > volgende:
            self._gat_tot[partitie] = offset
            self._pogingen[partitie] = (pogingen + 1) % (POGINGEN + 1)
            return Oordeel.GA_TERUG if pogingen < POGINGEN else Oordeel.TWIJFEL
        self.neem_over(partitie, offset)
        return Oordeel.NEEM

    def neem_over(self, partitie: Partitie, offset: int) -> None:
        """The record at this offset is taken, and none is missing before it."""
        self._volgende[partitie] = offset + 1
        self._gat_tot.pop(partitie, None)
        self._pogingen.pop(partitie, None)
