"""When an open run has fallen silent, and when it may be offered again. Pure: who uses it looks, and passes the time.

An open run is silent when the line has passed it by. A mere backlog is not: that may be hours old, and comes by itself.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from uuid import UUID

LIJN = ("batch", "bericht", "validatie")
"""The topics that lead from a delivery to what ClickHouse shows, in that order."""

_HOOGSTENS_MS = 3_600_000
"""An hour: offers of one run are no further apart, however long it stays open."""


@dataclass(slots=True)
class Voorbijgang:
    """Whether the line has passed by what stood in `batch` when the round began.

    Once everything up to the end that `batch` then had is read, all that follows from it stands in `bericht`, before
    the end that this has by now; and so on. Only then does a number without a decision have none coming.
    """

    _einden: list[dict[int, int]] = field(default_factory=list)
    """The noted ends, by topic and partition."""
    _voorbij: int = 0
    """How many topics are read as far as noted."""

    @property
    def onderwerp(self) -> str | None:
        """The topic to look at; None: the line has passed."""
        return LIJN[self._voorbij] if self._voorbij < len(LIJN) else None

    def noteer(self, einden: Mapping[int, int]) -> None:
        """The ends of this topic, as they are now; what is said again later changes nothing.

        Uncommitted records count: those of a transaction that was just committed can still look so.
        """
        if len(self._einden) == self._voorbij:
            self._einden.append(dict(einden))

    def achter(self, gelezen: Mapping[int, int]) -> dict[int, tuple[int, int]]:
        """The partitions of this topic that are not read so far, each with from where to where, for who read so far."""
        return {
            partitie: (gelezen.get(partitie, 0), eind)
            for partitie, eind in self._einden[self._voorbij].items()
            if gelezen.get(partitie, 0) < eind
        }

    def ga_verder(self) -> None:
        """This topic is read as far as noted."""
        self._voorbij += 1

    def had(self, partitie: int, offset: int) -> bool:
        """Whether `batch` had this record when the round began."""
        return offset < self._einden[0].get(partitie, 0)


@dataclass(slots=True)
class _Aanbod:
    wacht_ms: float
    """From the last offer to the next."""
    weer_op: float
    verloren: bool = False


@dataclass(slots=True)
class Aanbiedingen:
    """What was offered before, for runs that are still open; times in milliseconds.

    A run that waits for an outage is open without being silent, and nobody here can tell: so each offer of a run comes
    after twice the wait of the one before.
    """

    na_ms: float
    """The first wait."""
    _bekend: dict[UUID, _Aanbod] = field(default_factory=dict)
    _gezien: set[UUID] = field(default_factory=set)

    def mag(self, run: UUID, nu: float) -> bool:
        """Whether this open run may be offered now."""
        self._gezien.add(run)
        aanbod = self._bekend.get(run)
        return aanbod is None or (nu >= aanbod.weer_op and not aanbod.verloren)

    def is_aangeboden(self, run: UUID, nu: float) -> None:
        """The run was offered."""
        vorige = self._bekend.get(run)
        wacht_ms = self.na_ms if vorige is None else min(2 * vorige.wacht_ms, max(_HOOGSTENS_MS, self.na_ms))
        self._bekend[run] = _Aanbod(wacht_ms, nu + wacht_ms)

    def is_verloren(self, run: UUID) -> None:
        """The run can never be offered again."""
        self._bekend[run] = _Aanbod(0, 0, verloren=True)

    def ronde_klaar(self) -> int:
        """Forgets the runs not asked about since the last time, which are open no more, or another's; the lost ones."""
        self._bekend = {run: aanbod for run, aanbod in self._bekend.items() if run in self._gezien}
        self._gezien.clear()
        return sum(aanbod.verloren for aanbod in self._bekend.values())
