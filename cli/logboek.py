"""`berichtenstroom logboek`: what was processed of a person, from the processing log."""

import sys
from dataclasses import asdict
from typing import Any

import typer

from cli import vertoon
from cli.hulp import Opdrachten
from cli.opties import Data, Json, Tot, Van, instellingen, tijd
from domain import bsn
from domain.tijd import schrijf_tijd
from sinks.database import verbind
from sinks.logboekvragen import Logregel, logregels_van
from streams.logboeksleutels import Logboeksleutels
from streams.settings import Instellingen
from streams.sleutels import lees_sleutels

app = Opdrachten()

_MAX_BYTES = 100


@app.command(
    help="What was processed of one person, after the standard Logboek Dataverwerkingen.\n\nReads a BSN, and nothing "
    "else, from standard input: a BSN belongs on no command line. Needs ring 'logboek' of the key file.",
    epilog="Example: berichtenstroom logboek --van 2026-01-01T00:00:00Z --json < bsn.txt",
)
def logboek(van: Van = None, tot: Tot = None, data: Data = None, json: Json = False) -> None:
    """Lists the lines of the log on that person; the period is over their end_time."""
    gekozen, periode = instellingen(data), (tijd(van, "van"), tijd(tot, "tot"))
    vertoon.lijst(lees_logboek(gekozen, lees_bsn(), *periode), json_=json, leeg="the log has nothing on this person")


def lees_bsn() -> str:
    """The BSN on standard input, nine digits. Raises BadParameter, which quotes nothing."""
    if sys.stdin.isatty():
        vertoon.fout.print("type a BSN, then Ctrl-D; or: < bsn.txt", highlight=False, markup=False)
    invoer = sys.stdin.buffer.read(_MAX_BYTES + 1)
    gevonden = bsn.normaliseer(invoer.decode("utf-8", "replace").strip()) if len(invoer) <= _MAX_BYTES else None
    if gevonden is None:
        raise typer.BadParameter("it must hold 8 or 9 digits and nothing else", param_hint="standard input")
    return gevonden


def lees_logboek(gekozen: Instellingen, persoon: str, van: int | None, tot: int | None) -> list[dict[str, Any]]:
    """One row for each line on this person, the oldest first, in the standard's names.

    The BSN stands in none of them. Every line is decrypted and compared, so that none is told of anybody else, also
    where the log was tampered with. Raises SleutelFout, Verminkt and DatabaseWeg.
    """
    sleutels = lees_sleutels(gekozen.sleutelbestand).logboek
    client = verbind(gekozen)
    try:
        regels = logregels_van(client, sleutels.zoeksleutels(persoon), van, tot)
    finally:
        client.close()
    return [_rij(regel) for regel in regels if _van_wie(sleutels, regel) == persoon]


def _van_wie(sleutels: Logboeksleutels, regel: Logregel) -> str:
    naam, _, betrokkene = regel.data_subject_id.partition(":")
    return sleutels.ontsluier(naam, regel.proceskenmerk, regel.nummer, bytes.fromhex(betrokkene))


def _rij(regel: Logregel) -> dict[str, Any]:
    velden = asdict(regel)
    kern = ("processing_activity_id", "data_subject_id", "data_subject_id_type")
    return (
        {naam: velden[naam] for naam in ("trace_id", "operation_id", "status_code", "name")}
        | {naam: schrijf_tijd(velden[naam]) for naam in ("start_time", "end_time")}
        | {f"dpl.core.{naam}": velden[naam] for naam in kern}
        | {
            "leverancier": regel.leverancier,
            "batch_id": str(regel.batch_id),
            "nummer": regel.nummer,
            "code": regel.code,
        }
    )
