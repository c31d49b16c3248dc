"""What is still there of what was made with a key: as long as there is anything, the key is needed to read it."""

import asyncio
from collections.abc import AsyncIterator

from clickhouse_connect.driver.client import Client

from sinks.bijlagenwinkel import PAKKEN
from sinks.database import vertaal_fouten
from sinks.objecten import Objecten

MAPPEN = ("berichten", PAKKEN, "bijlagen", "prullenbak")
"""The folders of the object store."""
_TEGELIJK = 64


def rijen_met_pseudoniem(client: Client, naam: str) -> int:
    """Messages whose citizen is known by a pseudonym of this key. Raises DatabaseWeg."""
    return _tel(client, "SELECT count() FROM uitkomsten WHERE startsWith(ontvanger, {voor:String})", voor=f"{naam}:")


def rijen_in_logboek(client: Client, naam: str) -> int:
    """Records of the processing log whose citizens are hidden with this key. Raises DatabaseWeg."""
    return _tel(client, "SELECT count() FROM logboekregels WHERE sleutel = {naam:String}", naam=naam)


async def object_met_sleutel(objecten: Objecten, naam: str) -> str | None:
    """An object that is encrypted with this key, if there is any. The beginning of each is read, so it may take long.

    Raises OpslagWeg, and SleutelFout for an object that is none of ours.
    """
    async for groep in _groepen(objecten):
        gevonden = await asyncio.gather(*map(objecten.sleutel_van, groep))
        for pad, sleutel in zip(groep, gevonden, strict=True):
            if sleutel == naam:
                return pad
    return None


async def _groepen(objecten: Objecten) -> AsyncIterator[tuple[str, ...]]:
    groep: list[str] = []
    for map_ in MAPPEN:
        async for pad, _ in objecten.lijst(map_):
            groep.append(pad)
            if len(groep) == _TEGELIJK:
                yield tuple(groep)
                groep.clear()
    yield tuple(groep)


def _tel(client: Client, vraag: str, **parameters: str) -> int:
    with vertaal_fouten():
        return int(client.query(vraag, parameters=parameters).result_rows[0][0])
