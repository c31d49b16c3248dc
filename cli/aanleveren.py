"""`berichtenstroom aanleveren`: checks or delivers batches, with a progress bar."""

import asyncio
from pathlib import Path
from typing import Any

import httpx
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from aanlevering import client
from cli import vertoon
from cli.opties import Mislukt


def lever_aan(
    paden: list[Path],
    url: str,
    oin: str | None,
    toegang: tuple[Path | None, Path | None, Path | None],
    *,
    json_: bool,
) -> None:
    """Delivers what is found at `paden` to the door at `url`. Raises Mislukt when any was refused, NietAangeleverd.

    `toegang`: the client certificate, its key, and the CAs to trust; see `client.maak_kring`.
    """
    bestanden = client.bestanden(paden)
    kring = client.maak_kring(*toegang)
    geweigerd: list[dict[str, Any]] = []
    aangeleverd = 0

    async def lever() -> None:
        nonlocal aangeleverd
        async with httpx.AsyncClient(timeout=300, trust_env=False, verify=kring) as verbinding:
            for bestand in _met_balk(bestanden, "delivering"):
                uitslag = await client.lever_aan(url, bestand, oin, verbinding)
                if isinstance(uitslag, client.Aangeleverd):
                    aangeleverd += 1
                else:
                    geweigerd.append(_als_weigering(uitslag))

    asyncio.run(lever())
    if json_:
        vertoon.als_json({"aangeleverd": aangeleverd, "geweigerd": geweigerd})
    else:
        vertoon.uit.print(f"{aangeleverd} delivered, {len(geweigerd)} refused")
        vertoon.lijst(geweigerd, json_=False, leeg="")
    if geweigerd:
        raise Mislukt


def controleer(paden: list[Path], *, json_: bool) -> None:
    """Tells what the door would refuse, and what breaks the schema. Raises Mislukt when any would be refused."""
    geweigerd, bevindingen = [], []
    for bestand in _met_balk(client.bestanden(paden), "checking"):
        for vondst in client.controleer(bestand):
            if isinstance(vondst, client.Weigering):
                geweigerd.append(_als_weigering(vondst))
            else:
                bevindingen.append(
                    {
                        "bestand": str(vondst.bestand),
                        "nummer": vondst.nummer,
                        "bericht_id": None if vondst.bericht_id is None else str(vondst.bericht_id),
                        "reden": vondst.reden,
                    }
                )
    if json_:
        vertoon.als_json({"aangeleverd": 0, "geweigerd": geweigerd, "bevindingen": bevindingen})
    else:
        vertoon.lijst(geweigerd, json_=False, leeg="no file would be refused")
        vertoon.lijst(bevindingen, json_=False, leeg="no message breaks the schema")
    if geweigerd:
        raise Mislukt


def _als_weigering(weigering: client.Weigering) -> dict[str, Any]:
    return {
        "bestand": str(weigering.bestand),
        "batch_id": None if weigering.batch_id is None else str(weigering.batch_id),
        "code": weigering.code,
        "reden": weigering.reden,
    }


def _met_balk(bestanden: list[Path], wat: str) -> Any:
    """The files one by one, beside a progress bar on standard error."""
    balk = Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), console=vertoon.fout
    )
    with balk:
        yield from balk.track(bestanden, description=wat)
