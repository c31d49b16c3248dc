"""`berichtenstroom machtiging`: who may act for whom. Persons come in as BSNs on standard input, and go out as
pseudonyms."""

import time
from typing import Annotated, Any

import typer

from cli import vertoon
from cli.hulp import Opdrachten
from cli.opties import Data, Json, Tot, Van, instellingen, tijd
from cli.personen import VORM, lees_personen
from cli.wijzigen import Door, Oin, OinFilter, lees_referentie, meld, wijzig
from domain.inzage import geldt, machtigingen_van
from domain.levensloop import NietToegestaan, geef_machtiging, nieuwe_machtiging, trek_in
from domain.referentie import DienstStatus, Machtiging, Referentie
from domain.tijd import schrijf_tijd
from domain.wijzigingen import Wijzigingen, wijziging
from streams.sleutels import lees_sleutels

app = Opdrachten(no_args_is_help=True, help="Machtigingen: which gemachtigde may act for which belanghebbende.")

DienstOptie = Annotated[str, typer.Option("--dienst", help="Dienst ID; sensitive to case and spaces.")]
_INVOER = f"\n\nReads {VORM} from standard input: a BSN belongs on no command line."
_VOOR_DIENST = "--oin 00000099000000001000 --dienst Belastingen"


@app.command(epilog=f"Example: berichtenstroom machtiging toon {_VOOR_DIENST}")
def toon(
    oin: OinFilter = None,
    dienst: Annotated[str | None, typer.Option("--dienst", help="Only for this Dienst ID.")] = None,
    data: Data = None,
    json: Json = False,
) -> None:
    """All machtigingen, also those that have ended or not begun; persons by pseudonym."""
    machtigingen = lees_referentie(instellingen(data)).machtigingen.values()
    nu = _nu()
    gekozen = [een for een in machtigingen if oin in (None, een.oin) and dienst in (None, een.dienst_id)]
    rijen = [_rij(een, nu) for een in sorted(gekozen, key=lambda een: (een.oin, een.dienst_id, een.van, een.sleutel))]
    vertoon.lijst(rijen, json_=json, leeg="there are no machtigingen")


@app.command(
    help=f"Let the gemachtigde act for the belanghebbende, from now on unless --van says otherwise.{_INVOER}",
    epilog=f"Example: berichtenstroom machtiging geef {_VOOR_DIENST} --tot 2027-01-01T00:00:00Z < personen.json",
)
def geef(
    oin: Oin,
    dienst: DienstOptie,
    van: Van = None,
    tot: Tot = None,
    door: Door = "",
    data: Data = None,
    json: Json = False,
) -> None:
    """Gives a machtiging, from now on unless `van` says otherwise."""
    begin, einde = tijd(van, "van"), tijd(tot, "tot")
    begin = _nu() if begin is None else begin
    personen, gekozen = lees_personen(), instellingen(data)
    sleutels = lees_sleutels(gekozen.sleutelbestand)
    belanghebbenden, gemachtigden = map(sleutels.pseudoniemen, (personen.belanghebbende, personen.gemachtigde))

    def functie(referentie: Referentie) -> Wijzigingen:
        gevraagd = nieuwe_machtiging(belanghebbenden[0], gemachtigden[0], oin, dienst, begin, einde)
        if (voor := referentie.diensten.get(f"{oin}/{dienst}")) is None:
            raise NietToegestaan("there is no such dienst; a Dienst ID is sensitive to case and spaces")
        inactief = voor.status is DienstStatus.INACTIEF
        nieuw = geef_machtiging(machtigingen_van(referentie, belanghebbenden, gemachtigden), gevraagd, _nu())
        return wijziging(
            referentie.machtigingen.get(nieuw.sleutel),
            nieuw,
            *(["the dienst is Inactief, so it gives nothing now"] if inactief else []),
        )

    meld(wijzig(gekozen, functie, door), json_=json)


@app.command(
    "trek-in",
    help=f"End, now, every machtiging of these two persons for a dienst, also those still to begin.{_INVOER}",
    epilog=f"Example: berichtenstroom machtiging trek-in {_VOOR_DIENST} < personen.json",
)
def trek_in_(oin: Oin, dienst: DienstOptie, door: Door = "", data: Data = None, json: Json = False) -> None:
    """Withdraws what was given; what had ended already stays as it was."""
    personen, gekozen, nu = lees_personen(), instellingen(data), _nu()
    sleutels = lees_sleutels(gekozen.sleutelbestand)
    wie = sleutels.pseudoniemen(personen.belanghebbende), sleutels.pseudoniemen(personen.gemachtigde)

    def functie(referentie: Referentie) -> Wijzigingen:
        gegeven = [een for een in machtigingen_van(referentie, *wie) if (een.oin, een.dienst_id) == (oin, dienst)]
        if not gegeven:
            raise NietToegestaan("there is no such machtiging; a Dienst ID is sensitive to case and spaces")
        delen = [deel for een in gegeven for deel in wijziging(een, trek_in(een, nu)).lijst]
        nooit = any(een.van > nu and een.tot != een.van for een in gegeven)
        return Wijzigingen(
            delen, ["one that was still to begin ends where it begins: it gives nothing"] if nooit else []
        )

    meld(wijzig(gekozen, functie, door), json_=json)


def _rij(machtiging: Machtiging, nu: int) -> dict[str, Any]:
    return {
        "belanghebbende": machtiging.belanghebbende,
        "gemachtigde": machtiging.gemachtigde,
        "oin": machtiging.oin,
        "dienst_id": machtiging.dienst_id,
        "van": schrijf_tijd(machtiging.van),
        "tot": None if machtiging.tot is None else schrijf_tijd(machtiging.tot),
        "geldt": geldt(machtiging, nu),
    }


def _nu() -> int:
    return time.time_ns() // 1_000_000
