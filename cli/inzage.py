"""`berichtenstroom inzage`: what a gemachtigde may read now."""

import time
from typing import Any

from cli import vertoon
from cli.hulp import Opdrachten
from cli.opties import Data, Json, instellingen
from cli.personen import VORM, Personen, lees_personen
from cli.wijzigen import lees_referentie
from domain.inzage import leesbaar
from sinks.database import verbind
from sinks.postvak import Postvak
from streams.settings import Instellingen
from streams.sleutels import lees_sleutels

app = Opdrachten()


@app.command(
    help=f"The messages to the belanghebbende that the gemachtigde may read now.\n\nReads {VORM} from standard input: "
    "a BSN belongs on no command line. Each message comes once; dienst_id names the first dienst, in order of name, "
    "that lets it be read, and diensten all of them.",
    epilog="Example: berichtenstroom inzage --json < personen.json",
)
def inzage(data: Data = None, json: Json = False) -> None:
    """Answers from the reference data and the delivered messages as they are now."""
    gekozen = instellingen(data)
    vertoon.lijst(lees_inzage(gekozen, lees_personen()), json_=json, leeg="nothing may be read now")


def lees_inzage(gekozen: Instellingen, personen: Personen) -> list[dict[str, Any]]:
    """One row for each message, by leverancier, berichttype and BerichtID.

    Raises SleutelFout, WijzigFout, KafkaWeg and DatabaseWeg.
    """
    sleutels = lees_sleutels(gekozen.sleutelbestand)
    belanghebbenden, gemachtigden = map(sleutels.pseudoniemen, (personen.belanghebbende, personen.gemachtigde))
    referentie = lees_referentie(gekozen)
    nu = time.time_ns() // 1_000_000
    mag = leesbaar(referentie, belanghebbenden, gemachtigden, nu)
    client = verbind(gekozen)
    try:
        berichten = Postvak(client).berichten_van(belanghebbenden, mag.keys(), nu)
    finally:
        client.close()
    rijen = []
    for bericht in berichten:
        diensten = mag[bericht.leverancier, bericht.berichttype]
        rijen.append(
            {
                "leverancier": bericht.leverancier,
                "bericht_id": str(bericht.bericht_id),
                "berichttype": bericht.berichttype,
                "dienst_id": diensten[0],
                "diensten": diensten,
            }
        )
    return rijen
