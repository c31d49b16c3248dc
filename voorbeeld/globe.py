"""Writes a delivery as GLOBE XML (Domain: A batch on the wire), message after message."""

from collections.abc import Iterable
from datetime import datetime
from html import escape
from pathlib import Path

from voorbeeld.levering import Aanmaak, Levering, Voorbeeld
from voorbeeld.ontwerp import Ontwerp, tijd

BATCH_NS = "http://schemas.rdw.nl/GEB/BerichtVerwerkService/Types/2009/01"
BERICHT_NS = "http://schemas.rdw.nl/GEB/BerichtenProsessor/Bericht/Types/2009/01"


def schrijf(voorbeeld: Voorbeeld, levering: Levering, bestand: Path) -> None:
    """Writes the batch of a delivery. Every second one has prefixes, the others default namespaces: both are right."""
    voorvoegsel = levering.volgnummer % 2 == 0
    with bestand.open("w", encoding="utf-8", newline="\n") as uit:
        uit.write('<?xml version="1.0" encoding="UTF-8"?>\n')
        uit.writelines(_batch(voorbeeld, levering, *(("v:", "b:") if voorvoegsel else ("", ""))))


def _batch(voorbeeld: Voorbeeld, levering: Levering, v: str, b: str) -> Iterable[str]:
    informatie = {
        "BatchID": str(levering.batch_id),
        "AanmaakDatum": _aanmaakdatum(levering.aanmaak, voorbeeld.nu),
        "BerichtLeverancierID": levering.leverancier,
    }
    batch_ns, bericht_ns = f'xmlns{_naam(v)}="{BATCH_NS}"', f'xmlns{_naam(b)}="{BERICHT_NS}"'
    yield f"<{v}Berichten {batch_ns}>{_element(v, 'BatchInformatie', _velden(v, informatie))}\n"
    for ontwerp in voorbeeld.ontwerpen(levering):
        yield f"<{b}Bericht {bericht_ns}>{_inhoud(ontwerp, b)}</{b}Bericht>\n"
    yield f"</{v}Berichten>\n"


def _inhoud(ontwerp: Ontwerp, b: str) -> str:
    informatie = _element(b, "BerichtInformatie", _velden(b, ontwerp.velden))
    if ontwerp.bijlagen is None:
        return informatie
    bijlagen = "".join(_element(b, "Bijlage", _velden(b, bijlage)) for bijlage in ontwerp.bijlagen)
    return informatie + _element(b, "Bijlagen", bijlagen)


def _velden(voorvoegsel: str, velden: dict[str, str] | dict[str, str | None]) -> str:
    return "".join(
        _element(voorvoegsel, naam, escape(tekst, quote=False)) for naam, tekst in velden.items() if tekst is not None
    )


def _element(voorvoegsel: str, naam: str, inhoud: str) -> str:
    return f"<{voorvoegsel}{naam}>{inhoud}</{voorvoegsel}{naam}>"


def _naam(voorvoegsel: str) -> str:
    return f":{voorvoegsel[:-1]}" if voorvoegsel else ""


def _aanmaakdatum(aanmaak: Aanmaak, nu: datetime) -> str:
    if aanmaak is Aanmaak.TE_OUD:
        return tijd(nu, days=-14)
    vers = tijd(nu, hours=-1)
    return vers.removesuffix("Z") if aanmaak is Aanmaak.ZONDER_ZONE else vers
