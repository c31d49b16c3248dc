"""`berichtenstroom sleutels`: which keys there are, and their rotation. No key itself is ever shown."""

import asyncio
import time
from typing import Annotated, Any, Literal, get_args

import typer

from cli import vertoon
from cli.hulp import Opdrachten
from cli.opties import Data, Json, instellingen
from cli.wijzigen import Ja, bevestig, lees_referentie
from domain.tijd import schrijf_tijd
from sinks.database import verbind
from sinks.objecten import Objecten
from sinks.sleutelgebruik import object_met_sleutel, rijen_in_logboek, rijen_met_pseudoniem
from streams.settings import Instellingen
from streams.sleutelbestand import GEWENNING_S, Ring, SleutelFout, lees_ringen, wijzig, willekeurige_sleutel
from streams.sleutels import lees_sleutels

app = Opdrachten(
    no_args_is_help=True, help="The keys of pseudonyms, object store and processing log, and their rotation."
)

Ringnaam = Literal["pseudoniem", "opslag", "logboek"]
RingArgument = Annotated[str, typer.Argument(metavar="RING", help=f"One of {', '.join(get_args(Ringnaam))}.")]
NaamArgument = Annotated[str, typer.Argument(metavar="NAAM", help="Name of the key, as 'sleutels toon' shows it.")]


@app.command(epilog="Example: berichtenstroom sleutels toon")
def toon(data: Data = None, json: Json = False) -> None:
    """The keys of each ring by name: which is written with, when each was made and when another took its place."""
    ringen = lees_ringen(instellingen(data).sleutelbestand)
    rijen = [_rij(ringnaam, ring, naam) for ringnaam, ring in ringen.items() for naam in sorted(ring.sleutels)]
    vertoon.lijst(rijen, json_=json)


@app.command(epilog="Example: berichtenstroom sleutels nieuw opslag")
def nieuw(ring: RingArgument, data: Data = None, json: Json = False) -> None:
    """Add a key to a ring. Nothing is written with it until it is made active; copy the file to all machines first."""
    namen: list[str] = []

    def functie(oud: Ring) -> Ring:
        na, naam = oud.met_nieuwe(willekeurige_sleutel(), _nu())
        namen.append(naam)
        return na

    na = wijzig(instellingen(data).sleutelbestand, _ring(ring), functie)
    _meld(
        _rij(ring, na, namen[-1]),
        f"{ring}: key {namen[-1]} is made; when every process has it ({GEWENNING_S} s where they share this file): "
        f"berichtenstroom sleutels activeer {ring} {namen[-1]}",
        json_=json,
    )


@app.command(epilog="Example: berichtenstroom sleutels activeer opslag k2")
def activeer(ring: RingArgument, naam: NaamArgument, data: Data = None, json: Json = False) -> None:
    """Write with this key from now on; what was made with the others can still be read."""
    na = wijzig(instellingen(data).sleutelbestand, _ring(ring), lambda oud: oud.met_actief(naam, _nu()))
    _meld(_rij(ring, na, naam), f"{ring}: key {naam} is active; running processes follow within seconds", json_=json)


@app.command(epilog="Example: berichtenstroom sleutels verwijder opslag k1")
def verwijder(ring: RingArgument, naam: NaamArgument, ja: Ja = False, data: Data = None, json: Json = False) -> None:
    """Remove a key that is not needed any more. What was made with it can never be read again, from no backup either.

    Refused for a key that is active or was so in the last 24 hours, and as long as there is anything made with it:
    messages and machtigingen by pseudonym, objects in the store (every one is looked at), lines of the processing log.
    """
    gekozen = instellingen(data)
    lees_ring = lees_ringen(gekozen.sleutelbestand).get(_ring(ring))
    if lees_ring is None:
        raise SleutelFout(f"the key file has no ring {ring!r}")
    lees_ring.zonder(naam, _nu())  # what forbids it by itself is said before looking through the store
    if gebruik := _gebruik(gekozen, ring, naam):
        raise SleutelFout(f"key {naam!r} of ring {ring!r} is still needed: {gebruik}")
    if not ja:
        bevestig(f"Remove key {naam} of ring {ring} for ever? What it made, in backups too, can never be read again.")
    na = wijzig(gekozen.sleutelbestand, ring, lambda oud: oud.zonder(naam, _nu()))
    rij = {"ring": ring, "naam": naam, "verwijderd_op": schrijf_tijd(na.verwijderd[naam])}
    _meld(rij, f"{ring}: key {naam} is removed", json_=json)


def _gebruik(gekozen: Instellingen, ring: str, naam: str) -> str:
    """What is still there of it, empty when nothing is. Raises DatabaseWeg, KafkaWeg, OpslagWeg, WijzigFout."""
    if ring == "opslag":
        objecten = Objecten(gekozen.opslag_url, lees_sleutels(gekozen.sleutelbestand))
        gevonden = asyncio.run(object_met_sleutel(objecten, naam))
        return "" if gevonden is None else f"the store holds objects that it encrypted, such as {gevonden}"
    client = verbind(gekozen)
    try:
        if ring == "logboek":
            aantal = rijen_in_logboek(client, naam)
            return f"{aantal} records of the processing log" if aantal else ""
        berichten = rijen_met_pseudoniem(client, naam)
    finally:
        client.close()
    machtigingen = [
        een
        for een in lees_referentie(gekozen).machtigingen.values()
        if any(wie.startswith(f"{naam}:") for wie in (een.belanghebbende, een.gemachtigde))
    ]
    delen = {"messages": berichten, "machtigingen": len(machtigingen)}
    return ", ".join(f"{aantal} {wat}" for wat, aantal in delen.items() if aantal)


def _rij(ringnaam: str, ring: Ring, naam: str) -> dict[str, Any]:
    return {
        "ring": ringnaam,
        "naam": naam,
        "actief": naam == ring.actief,
        "gemaakt_op": schrijf_tijd(ring.gemaakt[naam]) if naam in ring.gemaakt else None,
        "vervangen_op": schrijf_tijd(ring.vervangen[naam]) if naam in ring.vervangen else None,
    }


def _meld(rij: dict[str, Any], tekst: str, *, json_: bool) -> None:
    if json_:
        vertoon.als_json(rij)
    else:
        vertoon.uit.print(tekst, highlight=False, markup=False, soft_wrap=True)


def _ring(naam: str) -> str:
    if naam not in get_args(Ringnaam):
        raise typer.BadParameter(f"choose one of {', '.join(get_args(Ringnaam))}", param_hint="RING")
    return naam


def _nu() -> int:
    return time.time_ns() // 1_000_000
