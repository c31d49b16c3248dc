"""The bijlagen of deliveries: all of a run in one pack, named by that run, and each known in it by its SHA-256.

The door puts all of a run in its pack. What stands by itself, under the name of its content, is of runs without one:
they were delivered to earlier versions. Standaardbijlagen stand so too.
"""

import asyncio
import hashlib
from collections import OrderedDict
from collections.abc import Collection
from datetime import UTC, datetime
from uuid import UUID

from domain.batch import Kader
from sinks.objecten import Objecten, ObjectOntbreekt, bijlage_naam
from sinks.pak import Plek
from streams.sleutels import SleutelFout

_TEGELIJK = 16
"""Objects that are looked up at the same time."""
PAKKEN = "pakken"
"""The folder of packs with bijlagen."""


def dag(ms: int) -> str:
    """The day of a moment, in UTC, as the name of a folder: `2026-01-31`."""
    return f"{datetime.fromtimestamp(ms // 1000, UTC):%Y-%m-%d}"


def pak_naam(proceskenmerk: UUID, aangeleverd_op: int) -> str:
    """The pack of a run: `pakken/2026-01-31/<Proceskenmerk>`, by the day on which it was delivered."""
    return f"{PAKKEN}/{dag(aangeleverd_op)}/{proceskenmerk}"


class Bijlagenwinkel:
    """Reads bijlagen. It remembers what is in the packs it used last, and never their bytes."""

    def __init__(self, objecten: Objecten, onthoudt: int = 50_000) -> None:
        """`onthoudt`: bijlagen whose place is kept in memory, at some 300 bytes each."""
        self._objecten = objecten
        self._onthoudt = onthoudt
        self._opgaven: OrderedDict[str, dict[bytes, Plek]] = OrderedDict()
        self._aantal = 0
        """Of bijlagen, in all `_opgaven`."""
        self._poort = asyncio.Semaphore(_TEGELIJK)

    async def lees(self, kader: Kader, sha256: bytes) -> bytes:
        """A bijlage of this run, or a standaardbijlage that was added to a message of it.

        Raises ObjectOntbreekt, OpslagWeg, and SleutelFout when it is not what it was.
        """
        naam = pak_naam(kader.proceskenmerk, kader.aangeleverd_op)
        plek = (await self._opgave(naam) or {}).get(sha256)
        if plek is None:
            return await self._objecten.lees(bijlage_naam(sha256))
        inhoud = await self._objecten.lees_deel(naam, plek)
        if hashlib.sha256(inhoud).digest() != sha256:  # encrypted by us, but another part
            raise SleutelFout("altered after it was stored")
        return inhoud

    async def heeft(self, kader: Kader, sommen: Collection[bytes]) -> set[bytes]:
        """Those of these bijlagen, as they were delivered, that this run has. Raises OpslagWeg, SleutelFout.

        What is not in its pack it has lost, also where the same one of another run stands by itself: that can go any
        day.
        """
        alle = [*sommen]
        if (opgave := await self._opgave(pak_naam(kader.proceskenmerk, kader.aangeleverd_op))) is not None:
            return opgave.keys() & alle
        er_is = await asyncio.gather(*map(self._staat_los, alle))
        return {som for som, is_er in zip(alle, er_is, strict=True) if is_er}

    async def _staat_los(self, sha256: bytes) -> bool:
        async with self._poort:
            return await self._objecten.bestaat(bijlage_naam(sha256))

    async def _opgave(self, naam: str) -> dict[bytes, Plek] | None:
        """What is in a pack; None where there is none, which is not remembered: one may still come."""
        if (bekend := self._opgaven.get(naam)) is not None:
            self._opgaven.move_to_end(naam)
            return bekend
        try:
            opgave = await self._objecten.opgave(naam)
        except ObjectOntbreekt:
            return None
        self._aantal += len(opgave) - len(self._opgaven.pop(naam, ()))  # another may have read it meanwhile
        self._opgaven[naam] = opgave
        while self._aantal > self._onthoudt:
            _, oudste = self._opgaven.popitem(last=False)
            self._aantal -= len(oudste)
        return opgave
