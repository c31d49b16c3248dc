"""The body of a request in a temporary file without a name: nothing with BSNs stays behind, whatever happens."""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Callable
from typing import IO, TypeVar

from aanlevering.weigering import Weigercode, weiger
from domain.batch import MAX_BATCH_BYTES

_SCHRIJF_BYTES = 1024 * 1024
_T = TypeVar("_T")


class SchijfVol(Exception):
    """The temporary folder takes no more. Worth a retry later."""


async def spoel(stukken: AsyncIterator[bytes]) -> tuple[IO[bytes], int]:
    """All of a body in a file that is open at its start, and its size. The caller closes it, and so removes it.

    Raises Geweigerd as soon as there is more than a batch may hold, and SchijfVol.
    """
    bestand: IO[bytes] = await _op_schijf(_zonder_naam)
    grootte = 0
    wachtend = bytearray()
    try:
        async for stuk in stukken:
            grootte += len(stuk)
            if grootte > MAX_BATCH_BYTES:
                raise weiger(Weigercode.TE_GROOT)
            wachtend += stuk
            if len(wachtend) >= _SCHRIJF_BYTES:
                vol, wachtend = wachtend, bytearray()
                await _op_schijf(bestand.write, vol)
        await _op_schijf(bestand.write, wachtend)
        await _op_schijf(bestand.seek, 0)
    except BaseException:
        bestand.close()
        raise
    return bestand, grootte


def _zonder_naam() -> IO[bytes]:
    return tempfile.TemporaryFile()


async def _op_schijf(doe: Callable[..., _T], *waarden: object) -> _T:
    try:
        return await asyncio.to_thread(doe, *waarden)
    except OSError as fout:
        raise SchijfVol(fout.strerror) from None
