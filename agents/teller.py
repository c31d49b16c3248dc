"""Counts finished batches beside the sweep for results, which neither waits for it nor ends by it."""

import asyncio
import logging
import time
from contextlib import suppress

from sinks.tellingen import BEGIN, Plek, Tellingen

log = logging.getLogger(__name__)

PAUZE_S = 5.0
"""Between two looks at the least."""
_HOOGSTENS_S = 60.0


class Teller:
    """For one worker. Counts only make answers come sooner, so whatever fails is told, and tried again later."""

    def __init__(self, tellingen: Tellingen) -> None:
        self._tellingen = tellingen
        self._werk: asyncio.Task[None] | None = None
        self._vanaf = float("-inf")
        self._genoeg = asyncio.Event()
        self._stand: int | None = None
        """The state of ClickHouse in which nothing was left to count: until it changes, nothing is."""

    def kijk(self) -> None:
        """Begins a look, unless one is being taken or the last one was a short while ago. Returns at once."""
        if not self._genoeg.is_set() and (self._werk is None or self._werk.done()) and time.monotonic() >= self._vanaf:
            self._werk = asyncio.create_task(self._kijk())

    async def houd_op(self) -> None:
        """Ends it for good: returns when the question that is being asked has its answer, and puts no other."""
        self._genoeg.set()
        if self._werk is not None:
            await asyncio.gather(self._werk, return_exceptions=True)

    async def _kijk(self) -> None:
        begin = time.monotonic()
        try:
            await self._tel()
        except Exception as fout:
            log.warning("finished batches are counted later: %s: %s", type(fout).__name__, fout)
        klaar = time.monotonic()
        self._vanaf = klaar + min(max(PAUZE_S, 9 * (klaar - begin)), _HOOGSTENS_S)

    async def _tel(self) -> None:
        # The state before the look: what comes during it changes the state.
        stand = await asyncio.to_thread(self._tellingen.stand)
        if stand == self._stand:
            return
        na: Plek | None = BEGIN
        while na is not None and not self._genoeg.is_set():
            begin = time.monotonic()
            na = await asyncio.to_thread(self._tellingen.tel_batches, na, self._genoeg.is_set)
            if na is not None:  # a whole history, after an upgrade, takes half of the time and not all of it
                await self._rust(time.monotonic() - begin)
        if not self._genoeg.is_set():
            self._stand = stand

    async def _rust(self, duur_s: float) -> None:
        """So long, or until it is enough."""
        with suppress(TimeoutError):
            async with asyncio.timeout(duur_s):
                await self._genoeg.wait()
