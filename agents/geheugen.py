"""The decisions on one partition that ClickHouse may not show yet."""

from collections import deque
from collections.abc import Collection
from dataclasses import dataclass, field
from uuid import UUID

from domain.beslissing import Uitkomst


@dataclass(slots=True)
class Geheugen:
    """What the owner of a partition knows beside ClickHouse. Together they hold every decision ever made on it."""

    _nummers: dict[UUID, set[int]] = field(default_factory=dict)
    _verwerkt: dict[str, set[bytes]] = field(default_factory=dict)
    _volgorde: deque[tuple[int, Uitkomst]] = field(default_factory=deque)
    _aantal: int = 0

    def __len__(self) -> int:
        """How many decisions are held."""
        return self._aantal

    @property
    def besloten_tot(self) -> int:
        """The offset after the last decision held; 0: ClickHouse shows every decision."""
        return self._volgorde[-1][0] + 1 if self._volgorde else 0

    def onthoud(self, offset: int, uitkomst: Uitkomst) -> None:
        """Adds the decisions of the record at this offset of `validatie`."""
        self._nummers.setdefault(uitkomst.kader.proceskenmerk, set()).update(uitkomst.nummers)
        self._verwerkt.setdefault(uitkomst.kader.leverancier, set()).update(uitkomst.verwerkte_ids())
        self._volgorde.append((offset, uitkomst))
        self._aantal += len(uitkomst)

    def vergeet(self, zichtbaar_tot: int) -> bool:
        """Drops what stands below the visible progress; True when there was any.

        Only before the look-up in ClickHouse whose answer it is used with, never between that and the decision.
        """
        voor = self._aantal
        while self._volgorde and self._volgorde[0][0] < zichtbaar_tot:
            _, uitkomst = self._volgorde.popleft()
            nummers = self._nummers[uitkomst.kader.proceskenmerk]
            nummers.difference_update(uitkomst.nummers)
            if not nummers:
                del self._nummers[uitkomst.kader.proceskenmerk]
            self._verwerkt[uitkomst.kader.leverancier].difference_update(uitkomst.verwerkte_ids())
            self._aantal -= len(uitkomst)
        return self._aantal != voor

    def nummers(self, proceskenmerk: UUID) -> Collection[int]:
        """The numbers of a run that are decided."""
        return self._nummers.get(proceskenmerk, frozenset())

    def verwerkt(self, leverancier: str) -> Collection[bytes]:
        """The BerichtIDs that a leverancier has Verwerkt."""
        return self._verwerkt.get(leverancier, frozenset())
