"""The command `bijlage`: the PDF check on its own. It keeps nothing and needs no running stack."""

import asyncio
import hashlib
import os
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from bijlagen.proces import GeenProces, Keurders, Verstoord
from cli import vertoon
from cli.hulp import Opdrachten
from cli.opties import Json, Mislukt
from domain.bijlage import UITLEG, Waarschuwing, controleer_persoonlijk, controleer_standaard

app = Opdrachten()

MAX_BYTES = 100_000_000
"""Of a file, which is read whole: far above what a bijlage may be."""


class Soort(StrEnum):
    """For what the bijlagen are."""

    PERSOONLIJK = "persoonlijk"
    STANDAARD = "standaard"


REGELS = {Soort.PERSOONLIJK: controleer_persoonlijk, Soort.STANDAARD: controleer_standaard}


@app.command("bijlage", epilog="Example: berichtenstroom bijlage folder.pdf tarieven.pdf --soort standaard")
def bijlage_(
    bestanden: Annotated[list[Path], typer.Argument(metavar="FILE...", help="The PDFs.", show_default=False)],
    soort: Annotated[
        Soort | None,
        typer.Option(
            help="Check them together as well: as the bijlagen of one message (persoonlijk), or as all "
            "standaardbijlagen of one berichttype (standaard). Without it, each PDF is checked for itself."
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Check PDFs as the stream does, and keep nothing. Exit code 1 when a file was not read, and only then."""
    onleesbaar: list[str] = []
    try:
        rijen = asyncio.run(_controleer(bestanden, onleesbaar, toon=not json and vertoon.fout.is_terminal))
    except GeenProces as fout:
        _meld(str(fout))
        raise Mislukt from fout
    if soort is not None:
        bezwaren = REGELS[soort]([(Path(rij["bestand"]).name, rij["bytes"]) for rij in rijen])
        for plaats, rij in enumerate(rijen):
            van_set = [een for een in bezwaren if plaats in een.plaatsen]
            rij["waarschuwingen"][:0] = [{"code": str(een.code), "uitleg": een.uitleg} for een in van_set]
    for rij in rijen:
        rij["akkoord"] = not rij["waarschuwingen"]
    if json:
        vertoon.als_json(rijen)
    elif rijen:
        _tabel(rijen)
    for tekst in onleesbaar:
        _meld(tekst)
    if onleesbaar:
        raise Mislukt


async def _controleer(bestanden: list[Path], onleesbaar: list[str], *, toon: bool) -> list[dict[str, Any]]:
    """What the check says of each file that can be read, in the order given; of the others, why not."""
    balk = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=vertoon.fout,
        disable=not toon or len(bestanden) < 2,
    )
    tegelijk = min(len(bestanden), os.cpu_count() or 1)
    async with Keurders(tegelijk) as keurders:
        with balk:
            taak = balk.add_task("checking", total=len(bestanden))
            poort = asyncio.Semaphore(tegelijk)
            rijen = await asyncio.gather(
                *(_een(bestand, keurders, poort, lambda: balk.advance(taak)) for bestand in bestanden)
            )
    onleesbaar += [rij for rij in rijen if isinstance(rij, str)]
    return [rij for rij in rijen if not isinstance(rij, str)]


async def _een(
    bestand: Path, keurders: Keurders, poort: asyncio.Semaphore, klaar: Callable[[], None]
) -> dict[str, Any] | str:
    """What the check says of a file, or why it is not checked."""
    async with poort:
        try:
            inhoud = await asyncio.to_thread(_lees, bestand)
        except OSError as fout:
            klaar()
            return f"{_naam(bestand)} cannot be read: {fout.strerror or type(fout).__name__}"
        if len(inhoud) > MAX_BYTES:
            klaar()
            return f"{_naam(bestand)} is larger than {MAX_BYTES // 1_000_000} MB: not checked"
        try:
            oordeel = await keurders.keur(inhoud)
        except Verstoord:  # nothing is kept here: who runs it again, has it checked again
            oordeel = (Waarschuwing.CONTROLE_AFGEBROKEN,)
        klaar()
        return {
            "bestand": _naam(bestand),
            "sha256": hashlib.sha256(inhoud).hexdigest(),
            "bytes": len(inhoud),
            "akkoord": not oordeel,
            "waarschuwingen": [{"code": str(code), "uitleg": UITLEG[code]} for code in oordeel],
        }


def _lees(bestand: Path) -> bytes:
    """What stands in a file; of one that is too large, one byte too many."""
    with bestand.open("rb") as stroom:
        return stroom.read(MAX_BYTES + 1)


def _naam(bestand: Path) -> str:
    """The name as it can be printed, also where the file system does not hold text."""
    return os.fsencode(bestand).decode(errors="replace")


def _meld(tekst: str) -> None:
    vertoon.fout.print(f"berichtenstroom: {tekst}", style="red", highlight=False, markup=False, soft_wrap=True)


def _tabel(rijen: list[dict[str, Any]]) -> None:
    tabel = Table(show_lines=any(rij["waarschuwingen"] for rij in rijen))
    for naam in ("bestand", "bytes", "akkoord", "waarschuwingen"):
        tabel.add_column(naam, overflow="fold", justify="right" if naam == "bytes" else "left")
    for rij in rijen:
        tabel.add_row(
            escape(rij["bestand"]),
            str(rij["bytes"]),
            "ja" if rij["akkoord"] else "nee",
            "\n".join(f"[bold]{een['code']}[/bold]\n{escape(een['uitleg'])}" for een in rij["waarschuwingen"]),
        )
    vertoon.uit.print(tabel)
