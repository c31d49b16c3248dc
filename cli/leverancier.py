"""`berichtenstroom leverancier`: who may deliver for whom, what its berichttypes may say, and its profile."""

from dataclasses import replace
from typing import Annotated, Any

import typer

from cli import vertoon
from cli.historie import toon_historie
from cli.hulp import Opdrachten
from cli.opties import Data, Json, instellingen
from cli.wijzigen import Door, WijzigFout, lees_referentie, meld, wijzig
from domain.levensloop import NietToegestaan
from domain.leveranciers import geldige_leverancier
from domain.referentie import Leverancier, Notificatiekenmerk, Referentie
from domain.tijd import schrijf_tijd
from domain.wijzigingen import Wijzigingen, wijziging

app = Opdrachten(no_args_is_help=True, help="Leveranciers: for whom they deliver, what they may use, their profile.")

ALLE, NIEMAND = "alle", "niemand"


@app.command(epilog="Example: berichtenstroom leverancier toon 00000099000000001000")
def toon(
    oin: Annotated[str | None, typer.Argument(metavar="[OIN]", help="Only this one, with its history.")] = None,
    data: Data = None,
    json: Json = False,
) -> None:
    """Leveranciers as they are now; with an OIN also the history. No notificatiekenmerken means all of them."""
    gekozen = instellingen(data)
    referentie = lees_referentie(gekozen)
    if oin is None:
        rijen = [_rij(een) for _, een in sorted(referentie.leveranciers.items())]
        vertoon.lijst(rijen, json_=json, leeg="there are no leveranciers")
        return
    if (leverancier := referentie.leveranciers.get(oin)) is None:
        raise WijzigFout("there is no such leverancier")
    details = [_rij(leverancier) | {"historie": toon_historie(gekozen, leverancier)}]
    vertoon.lijst(details, json_=json)


@app.command(
    "wijzig",
    epilog="Example: berichtenstroom leverancier wijzig 00000099000000001000 --notificatiekenmerk Betalen "
    "--notificatiekenmerk 'Informatie geven'",
)
def wijzig_(
    oin: Annotated[str, typer.Argument(metavar="OIN", help="OIN of the leverancier.")],
    naam: Annotated[str | None, typer.Option("--naam", help="Its name, as citizens see it.")] = None,
    intermediair_voor: Annotated[
        list[str] | None,
        typer.Option("--intermediair-voor", help=f"OIN for whom it may deliver; may be repeated, or '{NIEMAND}'."),
    ] = None,
    notificatiekenmerk: Annotated[
        list[str] | None,
        typer.Option("--notificatiekenmerk", help=f"What its berichttypes may get; may be repeated, or '{ALLE}'."),
    ] = None,
    toelichting: Annotated[str | None, typer.Option("--toelichting", help="Up to 255 characters, no links.")] = None,
    lijst: Annotated[str | None, typer.Option("--lijst", help="Up to 40 characters.")] = None,
    bijzonderheden: Annotated[
        str | None, typer.Option("--bijzonderheden", help="Up to 100 characters, no links.")
    ] = None,
    door: Door = "",
    data: Data = None,
    json: Json = False,
) -> None:
    """Change what is given; the rest stays. The lists that are given take the place of the former ones."""
    velden: dict[str, Any] = {
        "naam": naam,
        "toelichting": toelichting,
        "lijst": lijst,
        "bijzonderheden": bijzonderheden,
    }
    velden = {veld: waarde for veld, waarde in velden.items() if waarde is not None}
    if intermediair_voor:
        velden["intermediair_voor"] = () if intermediair_voor == [NIEMAND] else tuple(dict.fromkeys(intermediair_voor))
    if notificatiekenmerk:
        velden["notificatiekenmerken"] = _kenmerken(notificatiekenmerk)

    def functie(referentie: Referentie) -> Wijzigingen:
        if (oud := referentie.leveranciers.get(oin)) is None:
            raise NietToegestaan("there is no such leverancier; 'berichtenstroom laad' makes one")
        return wijziging(oud, geldige_leverancier(replace(oud, **velden)))

    meld(wijzig(instellingen(data), functie, door), json_=json)


def _kenmerken(gegeven: list[str]) -> tuple[Notificatiekenmerk, ...] | None:
    """None: all of them. Raises BadParameter."""
    if gegeven == [ALLE]:
        return None
    try:
        return tuple(map(Notificatiekenmerk, gegeven))
    except ValueError:
        keuzes = ", ".join(f"'{een}'" for een in Notificatiekenmerk)
        raise typer.BadParameter(f"choose from {keuzes}, or '{ALLE}'", param_hint="--notificatiekenmerk") from None


def _rij(leverancier: Leverancier) -> dict[str, Any]:
    herkomst, kenmerken = leverancier.herkomst, leverancier.notificatiekenmerken
    return {
        "oin": leverancier.oin,
        "naam": leverancier.naam,
        "intermediair_voor": list(leverancier.intermediair_voor),
        "notificatiekenmerken": None if kenmerken is None else [str(een) for een in kenmerken],
        "toelichting": leverancier.toelichting,
        "lijst": leverancier.lijst,
        "bijzonderheden": leverancier.bijzonderheden,
        "gewijzigd_op": None if herkomst is None else schrijf_tijd(herkomst.op),
        "gewijzigd_door": None if herkomst is None else herkomst.door,
    }
