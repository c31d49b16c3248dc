"""What a gemachtigde may read while a berichttype is unlinked from the dienst, and after it is linked again.

It counts at once, for messages already delivered as well (Domain: Diensten and machtigingen). No BSN is printed.
"""

import json
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from rich.console import Console

from voorbeeld import personen, tabellen
from voorbeeld.controle import vergelijk
from voorbeeld.geplaatst import Geplaatst
from voorbeeld.referentiegegevens import DIENST, GEMEENTE, IN_DIENST, ONTKOPPELD
from voorbeeld.stapel import Stapel


def speel_inzage(console: Console, stapel: Stapel, berichten: Iterable[Geplaatst], door: str) -> list[str]:
    """Asks before, in between and after; `door` makes the changes. Says what differs. Raises OpdrachtError."""
    zijne = [bericht for bericht in berichten if bericht.gebruiker == personen.belanghebbende()]
    verschillen: list[str] = []
    gezien: list[tuple[str, int, int]] = []
    for moment, opdracht, gekoppeld in (
        ("eerst", None, set(IN_DIENST)),
        (f"{ONTKOPPELD} ontkoppeld", "ontkoppel", {*IN_DIENST} - {ONTKOPPELD}),
        (f"{ONTKOPPELD} weer gekoppeld", "koppel", set(IN_DIENST)),
    ):
        if opdracht:
            stapel.doe("dienst", opdracht, DIENST, ONTKOPPELD, "--oin", GEMEENTE, "--door", door)
        wie = {"belanghebbende": personen.belanghebbende(), "gemachtigde": personen.gemachtigde()}
        rijen = stapel.vraag("inzage", invoer=json.dumps(wie))
        verschillen += controleer_inzage(moment, zijne, gekoppeld, rijen)
        ids = {str(bericht.bericht_id) for bericht in zijne}
        gezien.append(
            (moment, len(_te_lezen(zijne, gekoppeld)), sum(str(rij["bericht_id"]).lower() in ids for rij in rijen))
        )
    tabellen.inzage(console, DIENST, gezien)
    return verschillen


def controleer_inzage(
    moment: str, zijne: Collection[Geplaatst], gekoppeld: Collection[str], rijen: Iterable[Mapping[str, Any]]
) -> list[str]:
    """Of this run exactly what may be read; of earlier ones on the same data nothing that may not.

    `zijne`: the placed messages of the belanghebbende; `gekoppeld`: the berichttypes that are linked to the dienst now.
    """
    onderwerp = f"inzage, {moment}"
    nu = {str(bericht.bericht_id) for bericht in zijne}
    gevonden = {str(rij["bericht_id"]).lower(): rij for rij in rijen}
    verschillen = vergelijk(
        onderwerp,
        dict.fromkeys((str(bericht.bericht_id) for bericht in _te_lezen(zijne, gekoppeld)), True),
        {bericht_id: True for bericht_id in gevonden if bericht_id in nu},
    )
    for bericht_id, rij in gevonden.items():
        goed = {"leverancier": GEMEENTE, "dienst_id": DIENST, "gekoppeld": True}
        uitkomst = {**rij, "gekoppeld": rij["berichttype"] in gekoppeld}
        verschillen += vergelijk(f"{onderwerp}, {bericht_id}", goed, {naam: uitkomst[naam] for naam in goed})
    return verschillen


def _te_lezen(zijne: Iterable[Geplaatst], gekoppeld: Collection[str]) -> list[Geplaatst]:
    return [
        bericht
        for bericht in zijne
        if bericht.zichtbaar and bericht.leverancier == GEMEENTE and bericht.berichttype in gekoppeld
    ]
