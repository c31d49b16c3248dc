"""Reference data as the values of their records, and as JSON for who keeps their past."""

import json
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from domain.referentie import (
    Berichttype,
    BerichttypeStatus,
    Dienst,
    DienstStatus,
    Gegeven,
    Herkomst,
    Koppeling,
    Leverancier,
    Machtiging,
    Notificatiekenmerk,
    Standaardbijlage,
)

SOORTEN = ("leverancier", "berichttype", "dienst", "machtiging")
"""The topics of the reference data."""


def soort_van(gegeven: Gegeven) -> str:
    """The topic (without prefix) that holds this kind of thing."""
    return type(gegeven).__name__.lower()


def waarde_van(gegeven: Gegeven) -> dict[str, Any]:
    """The value of its record."""
    herkomst = gegeven.herkomst or Herkomst(0, "")
    waarde = asdict(gegeven)
    del waarde["herkomst"]
    if (kenmerken := waarde.get("notificatiekenmerken")) is not None:
        waarde["notificatiekenmerken"] = list(kenmerken)  # a tuple in a union means something else to fastavro
    return waarde | {"gewijzigd_op": herkomst.op, "gewijzigd_door": herkomst.door}


def gegeven_van(soort: str, waarde: dict[str, Any]) -> Gegeven:
    """The thing that a record's value describes. Raises ValueError for a value that this version does not know."""
    velden = dict(waarde)
    op, door = velden.pop("gewijzigd_op"), velden.pop("gewijzigd_door")
    return _MAKERS[soort](velden | {"herkomst": Herkomst(op, door) if op else None})


def als_json(gegeven: Gegeven) -> str:
    """The value of its record as JSON; bytes in hex."""
    return json.dumps(waarde_van(gegeven), ensure_ascii=False, separators=(",", ":"), default=bytes.hex)


def uit_json(soort: str, tekst: str) -> Gegeven:
    """What `als_json` wrote."""
    waarde = json.loads(tekst)
    for bijlage in waarde.get("standaardbijlagen", ()):
        bijlage["sha256"] = bytes.fromhex(bijlage["sha256"])
    return gegeven_van(soort, waarde)


def _leverancier(waarde: dict[str, Any]) -> Leverancier:
    kenmerken = waarde["notificatiekenmerken"]
    return Leverancier(
        **waarde
        | {
            "intermediair_voor": tuple(waarde["intermediair_voor"]),
            "notificatiekenmerken": None if kenmerken is None else tuple(map(Notificatiekenmerk, kenmerken)),
        }
    )


def _berichttype(waarde: dict[str, Any]) -> Berichttype:
    return Berichttype(
        **waarde
        | {
            "notificatiekenmerk": Notificatiekenmerk(waarde["notificatiekenmerk"]),
            "status": BerichttypeStatus(waarde["status"]),
            "standaardbijlagen": tuple(
                Standaardbijlage(**bijlage | {"waarschuwingen": tuple(bijlage["waarschuwingen"])})
                for bijlage in waarde["standaardbijlagen"]
            ),
        }
    )


def _dienst(waarde: dict[str, Any]) -> Dienst:
    return Dienst(
        **waarde
        | {
            "status": DienstStatus(waarde["status"]),
            "koppelingen": tuple(Koppeling(**koppeling) for koppeling in waarde["koppelingen"]),
        }
    )


_MAKERS: dict[str, Callable[[dict[str, Any]], Gegeven]] = {
    "leverancier": _leverancier,
    "berichttype": _berichttype,
    "dienst": _dienst,
    "machtiging": lambda waarde: Machtiging(**waarde),
}
