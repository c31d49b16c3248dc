"""The sample's reference data, in the shape that `berichtenstroom laad` reads. All OINs carry the test prefix."""

from typing import Any

from voorbeeld import personen


def _oin(nummer: int) -> str:
    return f"00000099{nummer:09}000"


GEMEENTE = _oin(1)
WATERSCHAP = _oin(2)
BELASTINGEN = _oin(3)
UITVOERDER = _oin(4)
INTERMEDIAIR = _oin(5)
"""Delivers for UITVOERDER and WATERSCHAP, sends nothing in its own name."""
MET_STORING = _oin(6)
"""The leverancier whose questions the demo lets the profile service answer with a fault."""
ONBEKEND = _oin(7)
"""Not in the reference data."""
ANDER = _oin(8)
"""Known, but allowed to deliver for itself alone."""

AFZENDERS = (GEMEENTE, WATERSCHAP, BELASTINGEN, UITVOERDER, MET_STORING)

ACTIEVE_TYPEN = ("AANSLAG", "BESLUIT", "VRAAG", "PAS", "info2")
CAMPAGNE = "CAMPAGNE"
"""Of GEMEENTE alone; the demo deactivates it between two deliveries."""
VAN_ANDER = "ANDERS"
"""Actief for ANDER, unknown to the others."""
DIENST = "Belastingen"
"""Of every afzender, and what the gemachtigde of the demo has a machtiging for, from GEMEENTE."""
IN_DIENST = ("AANSLAG", "BESLUIT")
"""The berichttypes that are linked to it."""
ONTKOPPELD = "AANSLAG"
"""The one of them that the demo unlinks, and links again."""

_NAMEN = {
    GEMEENTE: "Gemeente Voorbeeld",
    WATERSCHAP: "Waterschap Voorbeeld",
    BELASTINGEN: "Belastingsamenwerking Voorbeeld",
    UITVOERDER: "Uitvoeringsdienst Voorbeeld",
    INTERMEDIAIR: "Intermediair Voorbeeld",
    MET_STORING: "Inspectie Voorbeeld",
    ANDER: "Omgevingsdienst Voorbeeld",
}
_TYPEN = (
    ("AANSLAG", "Aanslag belastingen", "Betalen", "Actief"),
    ("BESLUIT", "Besluit op een aanvraag", "Informatie geven", "Actief"),
    ("VRAAG", "Verzoek om gegevens", "Informatie krijgen", "Actief"),
    ("PAS", "Pas verloopt", "Vernieuwen nodig", "Actief"),
    ("info2", "Reactie op een bezwaar", "Reactie ontvangen", "Actief"),
    ("CONCEPT", "Nog niet in gebruik", "Informatie geven", "Nieuw"),
    ("PAUZE", "Tijdelijk niet in gebruik", "Informatie geven", "Inactief"),
    ("OUD", "Niet meer in gebruik", "Betalen", "Archief"),
)
_DIENSTEN: tuple[tuple[str, str, str, list[str]], ...] = (
    (DIENST, "Belastingzaken regelen", "Actief", [*IN_DIENST]),
    ("Post lezen", "Alle post lezen", "Actief", ["AANSLAG", "BESLUIT", "VRAAG", "PAS"]),
    ("Reisdocumenten", "Paspoort en identiteitskaart", "Inactief", []),
)
_VANAF = "2026-01-01T00:00:00Z"


def _berichttype(oin: str, code: str, omschrijving: str, kenmerk: str, status: str) -> dict[str, str]:
    return {
        "oin": oin,
        "code": code,
        "omschrijving": omschrijving,
        "notificatiekenmerk": kenmerk,
        "status": status,
    }


def _campagne(status: str) -> dict[str, str]:
    return _berichttype(GEMEENTE, CAMPAGNE, "Eenmalige campagne", "Informatie geven", status)


def referentiegegevens() -> dict[str, list[dict[str, Any]]]:
    """Everything, with CAMPAGNE Actief. Loading it again changes nothing but what the demo deactivated."""
    bezorgd = {INTERMEDIAIR: [UITVOERDER, WATERSCHAP]}
    gemachtigden = zip(personen.actief()[:50], personen.actief()[50:100], strict=True)
    return {
        "leveranciers": [
            {"oin": oin, "naam": naam, "intermediair_voor": bezorgd.get(oin, [])} for oin, naam in _NAMEN.items()
        ],
        "berichttypes": [
            *(_berichttype(oin, *velden) for oin in AFZENDERS for velden in _TYPEN),
            _campagne("Actief"),
            _berichttype(ANDER, VAN_ANDER, "Van een andere afzender", "Informatie geven", "Actief"),
        ],
        "diensten": [
            {"oin": oin, "dienst_id": naam, "omschrijving": omschrijving, "status": status, "berichttypes": typen}
            for oin in AFZENDERS
            for naam, omschrijving, status, typen in _DIENSTEN
        ],
        "machtigingen": [
            {
                "belanghebbende": belanghebbende,
                "gemachtigde": gemachtigde,
                "oin": AFZENDERS[plaats % len(AFZENDERS)],
                "dienst_id": _DIENSTEN[plaats % len(_DIENSTEN)][0],
                "van": _VANAF,
                "tot": "2026-06-01T00:00:00Z" if plaats % 7 == 0 else None,
            }
            for plaats, (belanghebbende, gemachtigde) in enumerate(gemachtigden)
        ]
        + [_personen() | {"oin": GEMEENTE, "dienst_id": DIENST, "van": _VANAF, "tot": None}],
        "gebruikers": [
            *(_gebruiker(bsn, True, "*") for bsn in (*personen.actief(), *_personen().values())),
            *(_gebruiker(f"0{bsn}", True, "*") for bsn in personen.ACHT_CIJFERS),
            *(_gebruiker(bsn, True, list(AFZENDERS)) for bsn in personen.met_lijst()),
            *(_gebruiker(bsn, True, [INTERMEDIAIR, ANDER]) for bsn in personen.niet_geabonneerd()[::2]),
            *(_gebruiker(bsn, True, []) for bsn in personen.niet_geabonneerd()[1::2]),
            *(_gebruiker(bsn, False, "*") for bsn in personen.inactief()),
        ],
    }


def deactivering() -> dict[str, list[dict[str, str]]]:
    """The change that is made between two deliveries, for who makes it by `laad`: CAMPAGNE becomes Inactief."""
    return {"berichttypes": [_campagne("Inactief")]}


def _personen() -> dict[str, str]:
    return {"belanghebbende": personen.belanghebbende(), "gemachtigde": personen.gemachtigde()}


def _gebruiker(bsn: str, actief: bool, abonnementen: str | list[str]) -> dict[str, Any]:
    return {"bsn": bsn, "actief": actief, "abonnementen": abonnementen}
