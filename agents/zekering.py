"""A fuse for each leverancier: when nothing that is asked about it gets an answer, it is asked about less often.

So one leverancier that makes the profile service fault or hang costs a question now and then, and holds up no other.
"""

from dataclasses import dataclass, field

_PAUZES_S = (1.0, 2.0, 5.0, 10.0)
"""Seconds until the next question, after each failure in a row."""


@dataclass(slots=True)
class Zekeringen:
    """The fuses that are blown; times are of a monotonic clock, in seconds."""

    _doorgeslagen: dict[str, tuple[int, float]] = field(default_factory=dict)
    """How often in a row, and when the next question may go."""

    def heel(self, leverancier: str) -> bool:
        """Whether the last questions about this leverancier got answers."""
        return leverancier not in self._doorgeslagen

    def mag(self, leverancier: str, nu: float) -> bool:
        """Whether a question may go: always, or as a trial."""
        return nu >= self._doorgeslagen.get(leverancier, (0, nu))[1]

    def mislukt(self, leverancier: str, nu: float) -> None:
        """Not one answer came."""
        keer, _ = self._doorgeslagen.get(leverancier, (0, 0.0))
        self._doorgeslagen[leverancier] = (keer + 1, nu + _PAUZES_S[min(keer, len(_PAUZES_S) - 1)])

    def gelukt(self, leverancier: str) -> bool:
        """An answer came; True when the fuse was blown until now."""
        return self._doorgeslagen.pop(leverancier, None) is not None
