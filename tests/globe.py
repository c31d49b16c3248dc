"""Builds batches as senders write them; every part can be left out (None) or replaced by raw XML."""

import base64
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

BATCH_NS = "http://schemas.rdw.nl/GEB/BerichtVerwerkService/Types/2009/01"
BERICHT_NS = "http://schemas.rdw.nl/GEB/BerichtenProsessor/Bericht/Types/2009/01"
BATCH_ID = "6f9619ff-8b86-4011-b42d-00c04fc964ff"
OIN = "00000099000000001000"
BSN = "999990019"
ANDER_BSN = "900194030"
PDF = b"%PDF-1.4\n%%EOF\n"


@dataclass(frozen=True)
class Rauw:
    """Text that goes into the XML as it is."""

    xml: str


Waarde = str | Rauw | None


def element(naam: str, waarde: Waarde) -> str:
    """One element; nothing for None."""
    if waarde is None:
        return ""
    if isinstance(waarde, Rauw):
        return waarde.xml
    return f"<{naam}>{escape(waarde).replace(chr(13), '&#13;')}</{naam}>"


def bericht_id(nummer: int) -> str:
    """A BerichtID of its own for each number."""
    return f"00000000-0000-4000-8000-{nummer:012d}"


def maak_bijlage(
    inhoud: bytes = PDF,
    *,
    tekst: str | None = None,
    omschrijving: Waarde = "Brief",
    volgorde: Waarde = "1",
    bijlagetype: Waarde = "Pdf",
) -> str:
    """One Bijlage; `tekst` replaces the base64 of `inhoud`."""
    return (
        "<Bijlage><Inhoud>"
        + (base64.b64encode(inhoud).decode() if tekst is None else tekst)
        + "</Inhoud>"
        + element("BijlageType", bijlagetype)
        + element("Omschrijving", omschrijving)
        + element("Volgorde", volgorde)
        + "</Bijlage>"
    )


def maak_bericht(
    nummer: int = 1, *, bijlagen: Sequence[str] = (), ns: str = BERICHT_NS, na: str = "", **velden: Waarde
) -> str:
    """One Bericht; `velden` replaces or removes elements by their names, `na` stands last in BerichtInformatie."""
    alle: dict[str, Waarde] = {
        "BatchID": BATCH_ID,
        "BerichtID": bericht_id(nummer),
        "BerichtType": "AANSLAG",
        "PublicatieDatum": None,
        "EindDatumHandelingsTermijn": None,
        "Onderwerp": "Uw aanslag",
        "BerichtTekst": "Geachte heer, mevrouw",
        "Referentie": None,
        "GebruikerID": BSN,
        "SoortGebruiker": "Burger",
    }
    onbekend = velden.keys() - alle.keys()
    if onbekend:
        raise TypeError(f"no such element: {onbekend}")
    informatie = "".join(element(naam, waarde) for naam, waarde in (alle | velden).items())
    bij = f"<Bijlagen>{''.join(bijlagen)}</Bijlagen>" if bijlagen else ""
    return f'<Bericht xmlns="{ns}"><BerichtInformatie>{informatie}{na}</BerichtInformatie>{bij}</Bericht>'


def maak_kader(
    batch_id: Waarde = BATCH_ID, aanmaakdatum: Waarde = "2026-01-31T12:00:00Z", leverancier: Waarde = OIN
) -> str:
    """BatchInformatie."""
    return (
        "<BatchInformatie>"
        + element("BatchID", batch_id)
        + element("AanmaakDatum", aanmaakdatum)
        + element("BerichtLeverancierID", leverancier)
        + "</BatchInformatie>"
    )


def maak_xml(
    *,
    batch_id: Waarde = BATCH_ID,
    aanmaakdatum: Waarde = "2026-01-31T12:00:00Z",
    leverancier: Waarde = OIN,
    berichten: Iterable[str] | None = None,
    kader: str | None = None,
    kop: str = '<?xml version="1.0" encoding="UTF-8"?>',
    wortel: str = "Berichten",
    ns: str = BATCH_NS,
    attributen: str = "",
    codering: str = "utf-8",
) -> bytes:
    """A whole batch; `kader` replaces BatchInformatie, `berichten` holds XML (default: one good message)."""
    informatie = maak_kader(batch_id, aanmaakdatum, leverancier) if kader is None else kader
    inhoud = "".join([maak_bericht()] if berichten is None else berichten)
    return f'{kop}<{wortel} xmlns="{ns}"{attributen}>{informatie}{inhoud}</{wortel}>'.encode(codering)
