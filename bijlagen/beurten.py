"""Whose PDF is checked next: by turns over the leveranciers, so that nobody waits for another's pile."""

from collections import Counter, deque


class Beurten:
    """A line of PDFs (SHA-256) for each leverancier (OIN)."""

    def __init__(self) -> None:
        self._rijen: dict[str, deque[bytes]] = {}
        """Never an empty one; whose turn was longest ago stands first."""
        self._bezig: Counter[str] = Counter()

    def sluit_aan(self, leverancier: str, sha256: bytes) -> None:
        """Puts a PDF last in the line of this leverancier."""
        self._rijen.setdefault(leverancier, deque()).append(sha256)

    def volgende(self) -> tuple[str, bytes]:
        """The next PDF, and whose: of the leveranciers that have the fewest under way, who waits longest for a turn.

        Raises ValueError when nobody has one in line. Call `klaar` when it is done.
        """
        leverancier = min(self._rijen, key=self._bezig.__getitem__)
        rij = self._rijen.pop(leverancier)
        sha256 = rij.popleft()
        if rij:
            self._rijen[leverancier] = rij
        self._bezig[leverancier] += 1
        return leverancier, sha256

    def klaar(self, leverancier: str) -> None:
        """One PDF of this leverancier is no longer under way."""
        self._bezig[leverancier] -= 1
        if not self._bezig[leverancier]:
            del self._bezig[leverancier]
