"""Room that deliveries share: bytes of memory, for which they wait, and bytes of disk, for which they do not."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

WEINIG_BYTES = 128 * 1024
"""What a delivery may keep in memory while it is received, however many there are."""
VEEL_BYTES = 1024 * 1024
"""What it may keep there as long as there are few: an ordinary batch without bijlagen never goes to disk."""
GEHEUGEN_BYTES = 32 * VEEL_BYTES
"""With more than this in memory of all deliveries together there are no longer few."""


class Geheugen:
    """So many bytes, handed out in the order in which they were asked for: a large delivery is not passed by for ever.

    To be used in one event loop.
    """

    def __init__(self, totaal: int) -> None:
        self._totaal = totaal
        self._vrij = totaal
        self._beurt = asyncio.Lock()
        self._terug = asyncio.Event()

    @asynccontextmanager
    async def neem(self, aantal: int) -> AsyncIterator[None]:
        """Waits until there is room, and holds it; who asks for more than all there is gets all there is."""
        aantal = min(aantal, self._totaal)
        async with self._beurt:
            while self._vrij < aantal:
                self._terug.clear()
                await self._terug.wait()
            self._vrij -= aantal
        try:
            yield
        finally:
            self._vrij += aantal
            self._terug.set()


class SpoelVol(Exception):
    """What deliveries may take together of the temporary folder is taken. Worth a retry later."""


class Spoelruimte:
    """So many bytes for the bodies of all deliveries that are received or wait."""

    def __init__(self, totaal: int, geheugen: int = GEHEUGEN_BYTES) -> None:
        """`geheugen`: those of them that may be in memory, beside the few that each delivery may always have there."""
        self.vrij = totaal
        self.geheugen_vrij = geheugen

    @contextmanager
    def deel(self) -> Iterator["Deel"]:
        """The share of one delivery, given back at the end."""
        deel = Deel(self)
        try:
            yield deel
        finally:
            deel.geschreven()
            self.vrij += deel.genomen


class Deel:
    """What one delivery holds of a Spoelruimte."""

    def __init__(self, ruimte: Spoelruimte) -> None:
        self._ruimte = ruimte
        self.genomen = 0
        self.in_geheugen = 0

    def neem(self, aantal: int) -> None:
        """So many bytes more, in memory. Raises SpoelVol."""
        if aantal > self._ruimte.vrij:
            raise SpoelVol
        self._ruimte.vrij -= aantal
        self.genomen += aantal
        self._ruimte.geheugen_vrij -= aantal
        self.in_geheugen += aantal

    @property
    def vol(self) -> bool:
        """Whether what is in memory must go to disk: there is much of it, or of all deliveries together."""
        return self.in_geheugen >= (VEEL_BYTES if self._ruimte.geheugen_vrij > 0 else WEINIG_BYTES)

    def geschreven(self) -> None:
        """Nothing of it is in memory any more."""
        self._ruimte.geheugen_vrij += self.in_geheugen
        self.in_geheugen = 0
