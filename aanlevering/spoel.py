"""The body of a request, in memory when small, else in a temporary file without a name: nothing with BSNs stays behind,
whatever happens."""

import asyncio
import io
import tempfile
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import IO, TypeVar

from aanlevering.ruimte import Deel
from aanlevering.weigering import Weigercode, weiger
from domain.batch import MAX_BATCH_BYTES

_T = TypeVar("_T")


class SchijfVol(Exception):
    """The temporary folder takes no more. Worth a retry later."""


@dataclass(frozen=True)
class Tempo:
    """How slow a sender may be. Only waiting for its bytes counts, not what we do with them."""

    geduld_s: float = 10.0
    """Seconds of waiting that are always allowed."""
    min_bytes_s: float = 10_000
    """Bytes that must have come for each second more."""

    def nog(self, gewacht_s: float, grootte: int) -> float:
        """Seconds that the next piece may still take; 0 or less: too slow."""
        return self.geduld_s + grootte / self.min_bytes_s - gewacht_s


async def spoel(stukken: AsyncIterator[bytes], deel: Deel, tempo: Tempo) -> tuple[IO[bytes], int]:
    """All of a body in a file that is open at its start, and its size. The caller closes it, and so removes it.

    Raises Geweigerd as soon as there is more than a batch may hold or it comes too slowly, SpoelVol, and SchijfVol.
    """
    bestand: IO[bytes] | None = None
    grootte = 0
    wachtend = bytearray()
    try:
        async for stuk in _op_tempo(stukken, tempo):
            grootte += len(stuk)
            if grootte > MAX_BATCH_BYTES:
                raise weiger(Weigercode.TE_GROOT)
            deel.neem(len(stuk))
            wachtend += stuk
            if deel.vol:
                if bestand is None:
                    bestand = await _op_schijf(_zonder_naam)
                vol, wachtend = wachtend, bytearray()
                await _op_schijf(bestand.write, vol)
                deel.geschreven()
        if bestand is None:
            return io.BytesIO(wachtend), grootte
        await _op_schijf(bestand.write, wachtend)
        deel.geschreven()
        await _op_schijf(bestand.seek, 0)
    except BaseException:
        if bestand is not None:
            bestand.close()
        raise
    return bestand, grootte


async def _op_tempo(stukken: AsyncIterator[bytes], tempo: Tempo) -> AsyncIterator[bytes]:
    """The same pieces. Raises Geweigerd when they come too slowly."""
    lus = asyncio.get_running_loop()
    gewacht, grootte = 0.0, 0
    while True:
        begin = lus.time()
        try:
            async with asyncio.timeout(tempo.nog(gewacht, grootte)):
                stuk = await anext(stukken)
        except StopAsyncIteration:
            return
        except TimeoutError:
            raise weiger(Weigercode.TE_LANGZAAM) from None
        gewacht += lus.time() - begin
        grootte += len(stuk)
        yield stuk


def _zonder_naam() -> IO[bytes]:
    return tempfile.TemporaryFile()


async def _op_schijf(doe: Callable[..., _T], *waarden: object) -> _T:
    try:
        return await asyncio.to_thread(doe, *waarden)
    except OSError as fout:
        raise SchijfVol(fout.strerror) from None
