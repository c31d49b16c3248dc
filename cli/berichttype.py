"""`berichtenstroom berichttype`: the berichttypes of an afnemer, their lifecycle, and the PDFs that go with them."""

import asyncio
import hashlib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from cli import vertoon
from cli.historie import toon_historie
from cli.hulp import Opdrachten
from cli.opties import Data, Json, instellingen
from cli.wijzigen import Door, Ja, Oin, OinFilter, WijzigFout, lees_referentie, meld, wijzig
from domain.bijlage import MAX_STANDAARD_BYTES
from domain.levensloop import NietToegestaan, geldige_code, nieuw_berichttype, wijzig_berichttype, wissel_status
from domain.referentie import Berichttype, BerichttypeStatus, Notificatiekenmerk, Referentie, Standaardbijlage
from domain.standaardbijlagen import verplaats_bijlage, verwijder_bijlage, voeg_bijlage_toe
from domain.tijd import schrijf_tijd
from domain.waarschuwing import UITLEG, Waarschuwing
from domain.wijzigingen import Wijzigingen, wijziging
from streams.settings import Instellingen

app = Opdrachten(no_args_is_help=True, help="Berichttypes: their lifecycle, and the PDFs that go with their messages.")

Code = Annotated[str, typer.Argument(metavar="CODE", help="1 to 8 letters or digits; case matters.")]
_OMSCHRIJVING = typer.Option("--omschrijving", help="For your own use, up to 40 characters.")
_KENMERK = typer.Option("--notificatiekenmerk", help="Which text the citizen gets.")
_WORDT_GEWEIGERD = (
    "No message of it is placed any more: those that come, and those that are on their way now, "
    "get BerichtTypeNietOndersteund."
)
_VAN_OIN = "AANSLAG --oin 00000099000000001000"


@app.command(epilog="Example: berichtenstroom berichttype toon --status Actief --kenmerk Betalen")
def toon(
    code: Annotated[str | None, typer.Argument(metavar="[CODE]", help="Only this one, with its history.")] = None,
    oin: OinFilter = None,
    status: Annotated[BerichttypeStatus | None, typer.Option("--status", help="Only in this status.")] = None,
    kenmerk: Annotated[
        Notificatiekenmerk | None, typer.Option("--kenmerk", help="Only with this notificatiekenmerk.")
    ] = None,
    data: Data = None,
    json: Json = False,
) -> None:
    """Berichttypes as they are now; with a CODE also the bijlagen in full, the linked diensten and the history."""
    gekozen = instellingen(data)
    referentie = lees_referentie(gekozen)
    gevonden = [
        een
        for een in sorted(referentie.berichttypes.values(), key=lambda een: een.sleutel)
        if code in (None, een.code)
        and oin in (None, een.oin)
        and status in (None, een.status)
        and kenmerk in (None, een.notificatiekenmerk)
    ]
    if code is None:
        rijen = [_rij(een) | {"standaardbijlagen": [b.naam for b in een.standaardbijlagen]} for een in gevonden]
        vertoon.lijst(rijen, json_=json, leeg="there are no such berichttypes")
        return
    if not gevonden:
        raise WijzigFout("there is no such berichttype; case matters")
    details = [_details(gekozen, referentie, een) for een in gevonden]
    if json:
        vertoon.als_json(details)
        return
    for rij in details:
        vertoon.lijst([rij], json_=False)


@app.command(
    epilog=f"Example: berichtenstroom berichttype maak {_VAN_OIN} --omschrijving 'Aanslag belastingen' "
    "--notificatiekenmerk Betalen"
)
def maak(
    code: Code,
    oin: Oin,
    omschrijving: Annotated[str, _OMSCHRIJVING],
    notificatiekenmerk: Annotated[Notificatiekenmerk, _KENMERK],
    door: Door = "",
    data: Data = None,
    json: Json = False,
) -> None:
    """Make a berichttype. It is Nieuw: add its bijlagen, then activate it."""

    def functie(referentie: Referentie) -> Wijzigingen:
        toegestaan = referentie.notificatiekenmerken(oin)
        nieuw = nieuw_berichttype(oin, code, omschrijving, notificatiekenmerk, toegestaan=toegestaan)
        if (oud := referentie.berichttypes.get(nieuw.sleutel)) not in (None, nieuw):
            raise NietToegestaan("this afnemer has a berichttype with that code already")
        onbekend = [] if oin in referentie.leveranciers else ["nobody can deliver for it: there is no such leverancier"]
        return wijziging(oud, nieuw, *onbekend)

    meld(wijzig(instellingen(data), functie, door), json_=json)


@app.command("wijzig", epilog=f"Example: berichtenstroom berichttype wijzig {_VAN_OIN} --omschrijving 'Aanslag WOZ'")
def wijzig_(
    code: Code,
    oin: Oin,
    omschrijving: Annotated[str | None, _OMSCHRIJVING] = None,
    notificatiekenmerk: Annotated[Notificatiekenmerk | None, _KENMERK] = None,
    door: Door = "",
    data: Data = None,
    json: Json = False,
) -> None:
    """Describe a berichttype anew, or give it another notificatiekenmerk; not in Archief."""

    def nieuw(berichttype: Berichttype, referentie: Referentie) -> Berichttype:
        return wijzig_berichttype(berichttype, omschrijving, notificatiekenmerk, referentie.notificatiekenmerken(oin))

    meld(wijzig(instellingen(data), _van(oin, code, nieuw), door), json_=json)


@app.command(epilog=f"Example: berichtenstroom berichttype activeer {_VAN_OIN}")
def activeer(code: Code, oin: Oin, ja: Ja = False, door: Door = "", data: Data = None, json: Json = False) -> None:
    """Let messages of a berichttype be placed, from now on. Asks for confirmation where it was Inactief."""

    def functie(referentie: Referentie) -> Wijzigingen:
        vast = "its standaardbijlagen are fixed from now on"
        nieuw = _berichttype(referentie, oin, code).status is BerichttypeStatus.NIEUW
        return _van(oin, code, partial(_wordt, BerichttypeStatus.ACTIEF), *([vast] if nieuw else []))(referentie)

    def vraag(referentie: Referentie) -> str | None:
        if _berichttype(referentie, oin, code).status is BerichttypeStatus.NIEUW:
            return None
        return f"Activate berichttype {oin}/{code} again? Its messages are placed from then on."

    meld(wijzig(instellingen(data), functie, door, vraag=vraag, ja=ja), json_=json)


@app.command(epilog=f"Example: berichtenstroom berichttype deactiveer {_VAN_OIN} --ja")
def deactiveer(code: Code, oin: Oin, ja: Ja = False, door: Door = "", data: Data = None, json: Json = False) -> None:
    """Place no more messages of a berichttype, until it is activated again. Asks for confirmation."""
    vraag = f"Deactivate berichttype {oin}/{code}? {_WORDT_GEWEIGERD}"
    functie = _van(oin, code, partial(_wordt, BerichttypeStatus.INACTIEF))
    meld(wijzig(instellingen(data), functie, door, vraag=lambda _: vraag, ja=ja), json_=json)


@app.command(epilog=f"Example: berichtenstroom berichttype archiveer {_VAN_OIN} --ja")
def archiveer(code: Code, oin: Oin, ja: Ja = False, door: Door = "", data: Data = None, json: Json = False) -> None:
    """Put a berichttype away for good. Asks for confirmation."""
    vraag = (
        f"Archive berichttype {oin}/{code}? {_WORDT_GEWEIGERD} "
        "Archief is final: it can never be activated or changed again."
    )
    functie = _van(oin, code, partial(_wordt, BerichttypeStatus.ARCHIEF))
    meld(wijzig(instellingen(data), functie, door, vraag=lambda _: vraag, ja=ja), json_=json)


@app.command(epilog=f"Example: berichtenstroom berichttype bijlage {_VAN_OIN} --voeg-toe brochure.pdf")
def bijlage(
    code: Code,
    oin: Oin,
    voeg_toe: Annotated[
        Path | None, typer.Option("--voeg-toe", help="Add this PDF, as the last one; it is checked first.")
    ] = None,
    verwijder: Annotated[str | None, typer.Option("--verwijder", help="Remove the bijlage of this name.")] = None,
    omhoog: Annotated[str | None, typer.Option("--omhoog", help="Move the bijlage of this name up.")] = None,
    omlaag: Annotated[str | None, typer.Option("--omlaag", help="Move the bijlage of this name down.")] = None,
    door: Door = "",
    data: Data = None,
    json: Json = False,
) -> None:
    """Show or change the PDFs that go with every message of a berichttype. They change only while it is Nieuw."""
    gekozen = instellingen(data)
    if sum(optie is not None for optie in (voeg_toe, verwijder, omhoog, omlaag)) > 1:
        raise typer.BadParameter("choose one of --voeg-toe, --verwijder, --omhoog and --omlaag")
    if voeg_toe is not None:
        meld(_voeg_toe(gekozen, oin, code, voeg_toe, door), json_=json)
    elif verwijder is not None:
        meld(wijzig(gekozen, _van(oin, code, lambda een, _: verwijder_bijlage(een, verwijder)), door), json_=json)
    elif (naam := omhoog or omlaag) is not None:
        stap = -1 if omhoog else 1
        meld(wijzig(gekozen, _van(oin, code, lambda een, _: verplaats_bijlage(een, naam, stap)), door), json_=json)
    else:
        try:
            gevonden = _berichttype(lees_referentie(gekozen), oin, code)
        except NietToegestaan as fout:
            raise WijzigFout(str(fout)) from fout
        vertoon.lijst(_bijlagen(gevonden), json_=json, leeg="it has no standaardbijlagen")


def _voeg_toe(gekozen: Instellingen, oin: str, code: str, bestand: Path, door: str) -> Wijzigingen:
    """Checks a PDF, stores it, and then names it in the berichttype."""
    from bijlagen.proces import GeenProces, Keurders  # nothing else here checks a PDF
    from sinks.objecten import Objecten, OpslagWeg, bijlage_naam
    from streams.sleutels import lees_sleutels

    with bestand.open("rb") as stroom:
        inhoud = stroom.read(MAX_STANDAARD_BYTES + 1)  # one byte too many is enough to be refused

    async def keur() -> tuple[Waarschuwing, ...]:
        async with Keurders(1) as keurders:
            return await keurders.keur(inhoud)

    async def bewaar(wijzigingen: Wijzigingen) -> None:
        if wijzigingen.lijst:
            objecten = Objecten(gekozen.opslag_url, lees_sleutels(gekozen.sleutelbestand))
            await objecten.bewaar(bijlage_naam(nieuw.sha256), inhoud)

    try:
        gevonden = asyncio.run(keur()) if len(inhoud) <= MAX_STANDAARD_BYTES else ()
        nieuw = Standaardbijlage(bestand.name, hashlib.sha256(inhoud).digest(), len(inhoud), tuple(map(str, gevonden)))
        opmerkingen = [f"{bestand.name}: {een}: {UITLEG[een]}" for een in gevonden]
        functie = _van(oin, code, lambda een, _: voeg_bijlage_toe(een, nieuw), *opmerkingen)
        return wijzig(gekozen, functie, door, vooraf=bewaar)
    except (GeenProces, OpslagWeg) as fout:
        raise WijzigFout(f"nothing is changed: {fout}") from fout


def _van(
    oin: str, code: str, maak_: Callable[[Berichttype, Referentie], Berichttype], *opmerkingen: str
) -> Callable[[Referentie], Wijzigingen]:
    """The change that this makes of one berichttype; the remarks are for when it is one."""

    def functie(referentie: Referentie) -> Wijzigingen:
        oud = _berichttype(referentie, oin, code)
        return wijziging(oud, maak_(oud, referentie), *opmerkingen)

    return functie


def _wordt(status: BerichttypeStatus, berichttype: Berichttype, _: Referentie) -> Berichttype:
    return wissel_status(berichttype, status)


def _berichttype(referentie: Referentie, oin: str, code: str) -> Berichttype:
    berichttype = referentie.berichttypes.get(f"{oin}/{geldige_code(code)}")
    if berichttype is None:
        raise NietToegestaan("this afnemer has no such berichttype; case matters")
    return berichttype


def _rij(berichttype: Berichttype) -> dict[str, Any]:
    return {
        "oin": berichttype.oin,
        "code": berichttype.code,
        "omschrijving": berichttype.omschrijving,
        "notificatiekenmerk": berichttype.notificatiekenmerk,
        "status": berichttype.status,
    }


def _bijlagen(berichttype: Berichttype) -> list[dict[str, Any]]:
    return [
        {
            "naam": een.naam,
            "sha256": een.sha256.hex(),
            "bytes": een.grootte,
            "waarschuwingen": list(een.waarschuwingen),
        }
        for een in berichttype.standaardbijlagen
    ]


def _details(gekozen: Instellingen, referentie: Referentie, berichttype: Berichttype) -> dict[str, Any]:
    herkomst = berichttype.herkomst
    return _rij(berichttype) | {
        "gewijzigd_op": None if herkomst is None else schrijf_tijd(herkomst.op),
        "gewijzigd_door": None if herkomst is None else herkomst.door,
        "diensten": referentie.diensten_van(berichttype.oin, berichttype.code),
        "standaardbijlagen": _bijlagen(berichttype),
        "historie": toon_historie(gekozen, berichttype),
    }
