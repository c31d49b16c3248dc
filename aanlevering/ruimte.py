"""Room that deliveries share: bytes of memory, for which they wait, and bytes of disk, for which they do not."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager


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

    def __init__(self, totaal: int) -> None:
        self.vrij = totaal

    @contextmanager
    def deel(self) -> Iterator["Deel"]:
        """The share of one delivery, given back at the end."""
        deel = Deel(self)
        try:
            yield deel
        finally:
            self.vrij += deel.genomen


class Deel:
    """What one delivery holds of a Spoelruimte."""

    def __init__(self, ruimte: Spoelruimte) -> None:
        self._ruimte = ruimte
        self.genomen = 0

    def neem(self, aantal: int) -> None:
        """So many bytes more. Raises SpoelVol."""
        if aantal > self._ruimte.vrij:
            raise SpoelVol
        self._ruimte.vrij -= aantal
        self.genomen += aantal
