"""`berichtenstroom dienst`: diensten, and the berichttypes that are linked to them."""

import time
from collections.abc import Callable
from typing import Annotated, Any

import typer

from cli import vertoon
from cli.historie import toon_historie
from cli.hulp import Opdrachten
from cli.opties import Data, Json, instellingen
from cli.wijzigen import Door, Ja, Oin, OinFilter, WijzigFout, lees_referentie, meld, wijzig
from domain.codes import toonbaar_berichttype
from domain.levensloop import (
    NietToegestaan,
    activeer_dienst,
    deactiveer_dienst,
    koppel,
    nieuwe_dienst,
    ontkoppel,
    wijzig_dienst,
)
from domain.referentie import Berichttype, Dienst, Referentie
from domain.tijd import schrijf_tijd
from domain.wijzigingen import Wijzigingen, wijziging
from streams.settings import Instellingen

app = Opdrachten(no_args_is_help=True, help="Diensten, and the berichttypes linked to them.")

DienstId = Annotated[
    str, typer.Argument(metavar="DIENST_ID", help="Sensitive to case and spaces; fixed once made. Quote spaces.")
]
Codes = Annotated[list[str], typer.Argument(metavar="CODE...", help="Berichttypes of the same afnemer.")]
_VAN_OIN = "Belastingen --oin 00000099000000001000"
Omschrijving = Annotated[str, typer.Option("--omschrijving", help="What the dienst is, in words.")]


@app.command(epilog=f"Example: berichtenstroom dienst toon {_VAN_OIN}")
def toon(
    dienst_id: Annotated[str | None, typer.Argument(metavar="[DIENST_ID]", help="Only this one, in detail.")] = None,
    oin: OinFilter = None,
    data: Data = None,
    json: Json = False,
) -> None:
    """Diensten with the berichttypes linked now; with a DIENST_ID also every link there was, and the history."""
    gekozen = instellingen(data)
    referentie = lees_referentie(gekozen)
    gevonden = [
        dienst
        for dienst in sorted(referentie.diensten.values(), key=lambda een: (een.oin, een.dienst_id))
        if oin in (None, dienst.oin) and dienst_id in (None, dienst.dienst_id)
    ]
    if dienst_id is None:
        vertoon.lijst([_rij(dienst) for dienst in gevonden], json_=json, leeg="there are no diensten")
        return
    if not gevonden:
        raise WijzigFout(_onbekend(referentie, dienst_id, oin))
    details = [_details(gekozen, dienst) for dienst in gevonden]
    if json:
        vertoon.als_json(details)
        return
    for rij in details:
        vertoon.lijst([rij], json_=False)


@app.command(epilog=f"Example: berichtenstroom dienst maak {_VAN_OIN} --omschrijving 'Gemeentelijke belastingen'")
def maak(
    dienst_id: DienstId, oin: Oin, omschrijving: Omschrijving, door: Door = "", data: Data = None, json: Json = False
) -> None:
    """Make a dienst; it is Actief at once."""

    def functie(referentie: Referentie) -> Wijzigingen:
        nieuw = nieuwe_dienst(oin, dienst_id, omschrijving)
        if nieuw.sleutel in referentie.diensten:
            raise NietToegestaan("there is a dienst with this Dienst ID already")
        return wijziging(None, nieuw)

    meld(wijzig(instellingen(data), functie, door), json_=json)


@app.command("wijzig", epilog=f"Example: berichtenstroom dienst wijzig {_VAN_OIN} --omschrijving 'Alle belastingen'")
def wijzig_(
    dienst_id: DienstId, oin: Oin, omschrijving: Omschrijving, door: Door = "", data: Data = None, json: Json = False
) -> None:
    """Describe a dienst anew."""
    functie = _van(oin, dienst_id, lambda dienst, _: wijzig_dienst(dienst, omschrijving))
    meld(wijzig(instellingen(data), functie, door), json_=json)


@app.command(epilog=f"Example: berichtenstroom dienst activeer {_VAN_OIN} --ja")
def activeer(
    dienst_id: DienstId, oin: Oin, ja: Ja = False, door: Door = "", data: Data = None, json: Json = False
) -> None:
    """Make a dienst Actief again; no link comes back. Asks for confirmation."""

    def vraag(referentie: Referentie) -> str:
        sinds = schrijf_tijd(_dienst(referentie, oin, dienst_id).gedeactiveerd_op or 0)
        return f"Dienst {oin}/{dienst_id} was deactivated on {sinds}. Activate it? None of its links comes back."

    functie = _van(
        oin,
        dienst_id,
        lambda dienst, _: activeer_dienst(dienst),
        "no link came back: 'berichtenstroom dienst koppel' links berichttypes again",
    )
    meld(wijzig(instellingen(data), functie, door, vraag=vraag, ja=ja), json_=json)


@app.command(epilog=f"Example: berichtenstroom dienst deactiveer {_VAN_OIN} --ja")
def deactiveer(
    dienst_id: DienstId, oin: Oin, ja: Ja = False, door: Door = "", data: Data = None, json: Json = False
) -> None:
    """Make a dienst Inactief: all its links end, for good. Asks for confirmation."""
    nu = _nu()

    def vraag(referentie: Referentie) -> str:
        codes = ", ".join(_dienst(referentie, oin, dienst_id).gekoppeld()) or "it has none"
        return (
            f"Deactivate dienst {oin}/{dienst_id} on {schrijf_tijd(nu)}? "
            f"All its links end ({codes}), and activating it again brings none back."
        )

    functie = _van(
        oin,
        dienst_id,
        lambda dienst, _: deactiveer_dienst(dienst, nu),
        f"deactivated on {schrijf_tijd(nu)}; all its links have ended",
    )
    meld(wijzig(instellingen(data), functie, door, vraag=vraag, ja=ja), json_=json)


@app.command(
    "koppel", epilog="Example: berichtenstroom dienst koppel Belastingen AANSLAG KWIJT --oin 00000099000000001000"
)
def koppel_(
    dienst_id: DienstId, codes: Codes, oin: Oin, door: Door = "", data: Data = None, json: Json = False
) -> None:
    """Link berichttypes to a dienst: counts at once, for messages already delivered as well."""
    meld(wijzig(instellingen(data), _van(oin, dienst_id, _voor_alle(koppel, codes)), door), json_=json)


@app.command(
    "ontkoppel", epilog="Example: berichtenstroom dienst ontkoppel Belastingen KWIJT --oin 00000099000000001000"
)
def ontkoppel_(
    dienst_id: DienstId, codes: Codes, oin: Oin, door: Door = "", data: Data = None, json: Json = False
) -> None:
    """Unlink berichttypes from a dienst: counts at once, for messages already delivered as well."""
    meld(wijzig(instellingen(data), _van(oin, dienst_id, _voor_alle(ontkoppel, codes)), door), json_=json)


Maak = Callable[[Dienst, Referentie], Dienst]


def _van(oin: str, dienst_id: str, maak: Maak, *opmerkingen: str) -> Callable[[Referentie], Wijzigingen]:
    """The change of a dienst that is there. It raises NietToegestaan."""

    def functie(referentie: Referentie) -> Wijzigingen:
        dienst = _dienst(referentie, oin, dienst_id)
        return wijziging(dienst, maak(dienst, referentie), *opmerkingen)

    return functie


def _voor_alle(doe: Callable[[Dienst, Berichttype | None, int], Dienst], codes: list[str]) -> Maak:
    nu = _nu()

    def maak(dienst: Dienst, referentie: Referentie) -> Dienst:
        for code in codes:
            try:
                dienst = doe(dienst, referentie.berichttypes.get(f"{dienst.oin}/{code}"), nu)
            except NietToegestaan as fout:
                raise NietToegestaan(f"{toonbaar_berichttype(code)}: {fout}") from None
        return dienst

    return maak


def _dienst(referentie: Referentie, oin: str, dienst_id: str) -> Dienst:
    dienst = referentie.diensten.get(f"{oin}/{dienst_id}")
    if dienst is None:
        raise NietToegestaan(_onbekend(referentie, dienst_id, oin))
    return dienst


def _onbekend(referentie: Referentie, dienst_id: str, oin: str | None) -> str:
    """That there is none, and which ones look like it."""
    lijkt = {
        dienst.dienst_id
        for dienst in referentie.diensten.values()
        if oin in (None, dienst.oin) and _los(dienst.dienst_id) == _los(dienst_id)
    }
    namen = ", ".join(f"'{naam}'" for naam in sorted(lijkt))
    anders = f"; a Dienst ID is sensitive to case and spaces, and there is {namen}" if lijkt else ""
    return f"there is no dienst '{dienst_id}'{'' if oin is None else f' of {oin}'}{anders}"


def _los(dienst_id: str) -> str:
    return "".join(dienst_id.split()).casefold()


def _rij(dienst: Dienst) -> dict[str, Any]:
    return {
        "oin": dienst.oin,
        "dienst_id": dienst.dienst_id,
        "omschrijving": dienst.omschrijving,
        "status": dienst.status,
        "gedeactiveerd_op": _tijd(dienst.gedeactiveerd_op),
        "berichttypes": sorted(dienst.gekoppeld()),
    }


def _details(gekozen: Instellingen, dienst: Dienst) -> dict[str, Any]:
    return _rij(dienst) | {
        "gewijzigd_op": None if dienst.herkomst is None else _tijd(dienst.herkomst.op),
        "gewijzigd_door": None if dienst.herkomst is None else dienst.herkomst.door,
        "koppelingen": [
            {"berichttype": een.berichttype, "van": _tijd(een.van), "tot": _tijd(een.tot)}
            for een in sorted(dienst.koppelingen, key=lambda een: (een.van, een.berichttype))
        ],
        "historie": toon_historie(gekozen, dienst),
    }


def _tijd(millis: int | None) -> str | None:
    return None if millis is None else schrijf_tijd(millis)


def _nu() -> int:
    return time.time_ns() // 1_000_000
