"""The answer to a batch: the GLOBE result as XML, and as JSON (Domain: The answer)."""

from collections import Counter
from typing import Any
from uuid import UUID

from lxml import etree

from domain.batch import GUID_BYTES
from domain.codes import Verwerkingscode, toonbaar_berichttype
from domain.resultaat import Resultaat
from domain.tijd import schrijf_tijd

NS_ANTWOORD = "http://schemas.rdw.nl/GEB/BerichtVerwerkService/Types/2009/01"
NS_BERICHT = "http://schemas.rdw.nl/GEB/BerichtVerwerkService/BerichtResultaat/Types/2009/01"

TELLERS = {
    "AantalBerichtenSuccesvolVerwerkt": Verwerkingscode.VERWERKT,
    "AantalBerichtenGeenActieveBoxOfGeabonneertOpLeverancier": Verwerkingscode.NIET_ACTIEF_OF_GEABONNEERD,
    "AantalBerichtenMetTechnischProbleem": Verwerkingscode.TECHNISCH_PROBLEEM,
    "AantalBerichtenBerichtTypeNietCorrect": Verwerkingscode.BERICHTTYPE_NIET_ONDERSTEUND,
    "AantalBerichtenPublicatieDatumNietCorrect": Verwerkingscode.PUBLICATIEDATUM_TE_VER_VOORUIT,
    "AantalBerichtenAanmaakDatumNietCorrect": Verwerkingscode.AANMAAKDATUM_TE_VER_TERUG,
}
"""The counters of the batch part, in their order; the other four codes have none."""


def per_code(resultaat: Resultaat) -> dict[str, int]:
    """How many messages got each code, in the order of the codes; those that none got are left out."""
    aantallen = Counter(resultaat.codes)
    return {code.value: aantallen[code] for code in Verwerkingscode if aantallen[code]}


def maak_antwoord(resultaat: Resultaat, ontvangen_op: int) -> bytes:
    """The BerichtVerwerkResponse, in UTF-8. `ontvangen_op`: when the batch was first at the door, in milliseconds.

    BerichtType and Stadium are never empty, and nothing that looks like a BSN is repeated.
    """
    kader, aantallen = resultaat.kader, per_code(resultaat)
    wortel = etree.Element(f"{{{NS_ANTWOORD}}}BerichtVerwerkResponse", nsmap={"bv": NS_ANTWOORD, "br": NS_BERICHT})
    informatie = etree.SubElement(wortel, "BatchInformatie")
    _voeg_toe(informatie, "BerichtLeverancierCode", toonbaar_berichttype(kader.leverancier))
    _voeg_toe(informatie, "BatchID", str(kader.batch_id))
    _voeg_toe(informatie, "TotaalAantalOntvangenBerichten", str(kader.totaal))
    for naam, code in TELLERS.items():
        _voeg_toe(informatie, naam, str(aantallen.get(code, 0)))
    _voeg_toe(informatie, "DatumOntvangen", schrijf_tijd(ontvangen_op))
    _voeg_toe(informatie, "DatumVerwerkt", schrijf_tijd(resultaat.verwerkt_op))
    berichten = etree.SubElement(wortel, "Berichten")
    for bericht in _berichten(resultaat):
        element = etree.SubElement(berichten, f"{{{NS_BERICHT}}}Bericht")
        _voeg_toe(element, "BerichtID", bericht["bericht_id"])
        _voeg_toe(element, "BerichtType", bericht["berichttype"])
        _voeg_toe(element, "VerwerkingsCode", bericht["code"])
        _voeg_toe(element, "Stadium", bericht["stadium"])
    return etree.tostring(wortel, xml_declaration=True, encoding="UTF-8")


def resultaat_json(resultaat: Resultaat, ontvangen_op: int) -> dict[str, Any]:
    """The result as the command line prints it."""
    kader = resultaat.kader
    return {
        "leverancier": toonbaar_berichttype(kader.leverancier),
        "batch_id": str(kader.batch_id),
        "proceskenmerk": str(kader.proceskenmerk),
        "ontvangen_op": schrijf_tijd(ontvangen_op),
        "verwerkt_op": schrijf_tijd(resultaat.verwerkt_op),
        "totaal": kader.totaal,
        "per_code": per_code(resultaat),
        "berichten": _berichten(resultaat),
    }


def _berichten(resultaat: Resultaat) -> list[dict[str, Any]]:
    ids = resultaat.bericht_ids
    return [
        {
            "nummer": nummer,
            "bericht_id": str(UUID(bytes=ids[rij * GUID_BYTES : (rij + 1) * GUID_BYTES])),
            "berichttype": toonbaar_berichttype(resultaat.berichttypes[rij]),
            "code": resultaat.codes[rij].value,
            "stadium": resultaat.stadia[rij].value,
        }
        for rij, nummer in enumerate(resultaat.nummers)
    ]


def _voeg_toe(ouder: etree._Element, naam: str, tekst: str) -> None:
    etree.SubElement(ouder, naam).text = tekst
