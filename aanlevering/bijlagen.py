"""From the thread that reads a batch to the object store, in groups: one is stored while the next is read."""

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from concurrent.futures import CancelledError, Future
from typing import Any

from sinks.objecten import bijlage_naam

_GROEP_BYTES = 8_000_000
_GROEP_AANTAL = 64

BewaarAlle = Callable[[Iterable[tuple[str, bytes]]], Coroutine[Any, Any, None]]


class Afgebroken(Exception):
    """Nobody waits for this batch any more."""


class Bijlagen:
    """Takes the bijlagen of one batch; holds two groups of 8 MB at most. All but `breek_af` is called in the thread."""

    def __init__(self, bewaar_alle: BewaarAlle, lus: asyncio.AbstractEventLoop) -> None:
        self._bewaar_alle = bewaar_alle
        self._lus = lus
        self._groep: list[tuple[str, bytes]] = []
        self._bytes = 0
        self._onderweg: Future[None] | None = None
        self._afgebroken = False

    def bewaar(self, sha256: bytes, inhoud: bytes) -> None:
        """One more. Raises what storing an earlier one raised, and Afgebroken."""
        self._groep.append((bijlage_naam(sha256), inhoud))
        self._bytes += len(inhoud)
        if self._bytes >= _GROEP_BYTES or len(self._groep) >= _GROEP_AANTAL:
            self._verstuur()

    def rond_af(self) -> None:
        """Returns when all are durable. Raises as `bewaar` does."""
        self._verstuur()
        self._wacht()

    def controleer(self) -> None:
        """For the thread to ask between two pieces of the batch. Raises Afgebroken."""
        if self._afgebroken:
            raise Afgebroken

    def breek_af(self) -> None:
        """Makes the thread stop soon, also when it waits for the store."""
        self._afgebroken = True
        onderweg = self._onderweg
        if onderweg is not None:
            onderweg.cancel()

    def _verstuur(self) -> None:
        self._wacht()
        if self._groep:
            self._onderweg = asyncio.run_coroutine_threadsafe(self._bewaar_alle(self._groep), self._lus)
            self._groep, self._bytes = [], 0
        if self._afgebroken:  # set before this group was sent, maybe too early to have been cancelled
            self.breek_af()

    def _wacht(self) -> None:
        if self._onderweg is not None:
            try:
                self._onderweg.result()
            except CancelledError:
                raise Afgebroken from None
            self._onderweg = None
