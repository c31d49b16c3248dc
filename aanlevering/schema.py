"""Our XSD, applied to one small element at a time; findings hold no value (Domain: Stages of processing).

Only names that the XSD knows are put into such an element. Whatever else a sender wrote stands there as ONBEKEND, so
that it is neither repeated nor kept by the XML library, which never forgets a name.
"""

import re
import threading
from pathlib import Path
from typing import Any, Final

from lxml import etree

BATCH_NS = "http://schemas.rdw.nl/GEB/BerichtVerwerkService/Types/2009/01"
BERICHT_NS = "http://schemas.rdw.nl/GEB/BerichtenProsessor/Bericht/Types/2009/01"
XSI_NS = "http://www.w3.org/2001/XMLSchema-instance"
XSD = Path(__file__).with_name("globe.xsd")

ONBEKEND: Final = "{urn:berichtenstroom:onbekend}onbekend"
"""The name under which an unknown element or attribute is put to the schema."""
GOED: Final = "AAAA"
"""Stands for bytes that were base64."""
FOUT: Final = "AB=="
"""Stands for what was not base64; as text where only elements belong, for whatever text stood there."""

# The first schema of a process makes libxml2's built-in types, which two threads must not do at once: hence here, where
# there is only one.
etree.XMLSchema(etree.parse(XSD))

_REGELS = {
    "SCHEMAV_CVC_PATTERN_VALID": "heeft niet de voorgeschreven vorm",
    "SCHEMAV_CVC_MINLENGTH_VALID": "is te kort of leeg",
    "SCHEMAV_CVC_MAXLENGTH_VALID": "is te lang",
    "SCHEMAV_CVC_ENUMERATION_VALID": "is niet een van de toegestane waarden",
    "SCHEMAV_CVC_DATATYPE_VALID_1_2_1": "heeft niet het voorgeschreven type",
    "SCHEMAV_CVC_DATATYPE_VALID_1_2_3": "is leeg noch een datum met tijd en zone",
    "SCHEMAV_CVC_COMPLEX_TYPE_2_3": "bevat tekst waar alleen elementen mogen staan",
    "SCHEMAV_CVC_TYPE_3_1_1": "heeft een attribuut dat er niet hoort",
    "SCHEMAV_CVC_TYPE_3_1_2": "bevat een element waar alleen tekst mag staan",
    "SCHEMAV_CVC_COMPLEX_TYPE_3_2_1": "heeft een attribuut dat er niet hoort",
    "SCHEMAV_CVC_ELT_1": "heeft een andere namespace dan voorgeschreven",
}
_VERWACHT = re.compile(r"\}(\w+)")


def lees_namen() -> dict[str, str]:
    """All elements that the XSD declares: from the name as expat gives it ('namespace local') to lxml's."""
    namen = {}
    for bestand, ns in ((XSD, BATCH_NS), (XSD.with_name("bericht.xsd"), BERICHT_NS)):
        for element in etree.parse(bestand).iter("{http://www.w3.org/2001/XMLSchema}element"):
            if naam := element.get("name"):
                namen[f"{ns} {naam}"] = f"{{{ns}}}{naam}"
    return namen


class Schema(threading.local):
    """The XSD, compiled once for each thread that asks: the error log is not for several."""

    def __init__(self) -> None:
        self._schema = etree.XMLSchema(etree.parse(XSD))

    def fout(self, element: "etree._Element") -> str:
        """The first rule that an element breaks, as 'element: rule'; empty when it breaks none."""
        if self._schema.validate(element):
            return ""
        meldingen: Any = self._schema.error_log
        melding = meldingen[0]
        naam = re.sub(r".*[:/]|\[\d+\]$", "", melding.path or "")
        if melding.type_name != "SCHEMAV_ELEMENT_CONTENT":
            return f"{naam}: {_REGELS.get(melding.type_name, 'breekt het schema')}"
        # After 'Expected' stand names from the XSD only, before it the sender's.
        verwacht = ", ".join(_VERWACHT.findall(melding.message.partition("Expected is")[2]))
        wat = "mist een element" if "Missing child" in melding.message else "staat hier niet op zijn plaats"
        return f"{naam}: {wat}" + (f"; verwacht: {verwacht}" if verwacht else "")
