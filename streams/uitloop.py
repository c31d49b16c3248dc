"""How the agents of a process run out: what they took is finished, and nothing new is taken."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager


class Uitloop:
    """Shared by the agents of one process."""

    def __init__(self) -> None:
        self.gevraagd = False
        """Whether nothing new may be taken."""
        self._bezig = 0
        self._leeg = asyncio.Event()
        self._leeg.set()

    @contextmanager
    def werk(self) -> Iterator[None]:
        """Within it an agent takes records and finishes them."""
        self._bezig += 1
        self._leeg.clear()
        try:
            yield
        finally:
            self._bezig -= 1
            if not self._bezig:
                self._leeg.set()

    async def loop_leeg(self) -> None:
        """Asks for it; returns when all that was taken is finished."""
        self.gevraagd = True
        await self._leeg.wait()
