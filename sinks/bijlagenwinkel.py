"""The bijlagen of deliveries: all of a run in one pack, named by that run, and each known in it by its SHA-256.

What is not in the pack of its run stands by itself, under the name of its content: standaardbijlagen, and what was
delivered to earlier versions.
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

    async def lees(self, kader: Kader, sha256: bytes) -> bytes:
        """A bijlage of this run. Raises ObjectOntbreekt, OpslagWeg, and SleutelFout when it is not what it was."""
        naam = pak_naam(kader.proceskenmerk, kader.aangeleverd_op)
        plek = (await self._opgave(naam)).get(sha256)
        if plek is None:
            return await self._objecten.lees(bijlage_naam(sha256))
        inhoud = await self._objecten.lees_deel(naam, plek)
        if hashlib.sha256(inhoud).digest() != sha256:  # encrypted by us, but another part
            raise SleutelFout("altered after it was stored")
        return inhoud

    async def heeft(self, kader: Kader, sommen: Collection[bytes]) -> set[bytes]:
        """Those of these bijlagen that `lees` would find for this run. Raises OpslagWeg, SleutelFout."""
        in_pak = await self._opgave(pak_naam(kader.proceskenmerk, kader.aangeleverd_op))
        elders = [som for som in sommen if som not in in_pak]
        er_is = await asyncio.gather(*(self._objecten.bestaat(bijlage_naam(som)) for som in elders))
        return {*sommen} - {som for som, is_er in zip(elders, er_is, strict=True) if not is_er}

    async def _opgave(self, naam: str) -> dict[bytes, Plek]:
        """What is in a pack, empty where there is none: that is not remembered, since one may still come."""
        if (bekend := self._opgaven.get(naam)) is not None:
            self._opgaven.move_to_end(naam)
            return bekend
        try:
            opgave = await self._objecten.opgave(naam)
        except ObjectOntbreekt:
            return {}
        self._aantal += len(opgave) - len(self._opgaven.pop(naam, ()))  # another may have read it meanwhile
        self._opgaven[naam] = opgave
        while self._aantal > self._onthoudt:
            _, oudste = self._opgaven.popitem(last=False)
            self._aantal -= len(oudste)
        return opgave
