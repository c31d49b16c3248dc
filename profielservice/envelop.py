"""The words of the profile service on the wire: SOAP 1.1, document/literal (Domain: Profile service)."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal
from xml.sax.saxutils import escape

from lxml import etree

SOAP = "http://schemas.xmlsoap.org/soap/envelope/"
V = "http://schemas.rdw.nl/GEB/BerichtenboxValidatieService/2009/01"
T = "http://schemas.rdw.nl/GEB/BerichtenboxValidatieService/Types/2009/01"
S = "http://schemas.rdw.nl/GEB/Shared/Types/2009/01"

MAP = Path(__file__).parent
"""Where the WSDL and its schemas lie."""
WSDL = MAP / "berichtenbox.wsdl"
GROEP = 250
"""Citizens that one question may name."""
HOOGSTENS = 1 << 20
"""Bytes that a question or an answer may have; 250 citizens take some 40 000."""

Soort = Literal["ApplicationFault", "DependentServiceFault"]

_SCHEMA = etree.XMLSchema(etree.parse(MAP / "validatie.xsd", etree.XMLParser(no_network=True)))


class OnleesbareXml(Exception):
    """Not XML that is taken here. The text never quotes the document."""


class VraagFout(Exception):
    """The question gets a fault: `soort` is the element in its detail, None when the sender's XML is wrong."""

    def __init__(self, soort: Soort | None, melding: str) -> None:
        super().__init__(melding)
        self.soort = soort
        self.melding = melding


@dataclass(frozen=True)
class Vraag:
    """May messages of this berichttype, of this leverancier, be sent to these citizens."""

    leverancier: str
    berichttype: str
    bsns: tuple[str, ...] = field(repr=False)


def lees_xml(inhoud: bytes) -> etree._Element:
    """Parse XML of a stranger: at most `HOOGSTENS` bytes, no DTD, no entities, nothing fetched, at most 256 deep.

    Raises OnleesbareXml.
    """
    if len(inhoud) > HOOGSTENS:
        raise OnleesbareXml("too large")
    parser = etree.XMLParser(
        resolve_entities=False,
        load_dtd=False,
        no_network=True,
        huge_tree=False,
        remove_comments=True,
        remove_pis=True,
    )
    try:
        wortel = etree.fromstring(inhoud, parser)
    except (etree.XMLSyntaxError, ValueError):
        raise OnleesbareXml("not well-formed") from None
    if wortel.getroottree().docinfo.doctype:  # type: ignore[union-attr]
        raise OnleesbareXml("has a document type declaration")
    return wortel


def lees_vraag(inhoud: bytes) -> Vraag:
    """The question in a SOAP envelope, checked against the schema. Raises VraagFout."""
    try:
        envelop = lees_xml(inhoud)
    except OnleesbareXml as fout:
        raise VraagFout(None, f"The envelope cannot be read: {fout}") from None
    if envelop.tag != f"{{{SOAP}}}Envelope":
        raise VraagFout(None, "No SOAP 1.1 envelope")
    vragen = envelop.findall(f"{{{SOAP}}}Body/*")
    if len(vragen) != 1 or vragen[0].tag != f"{{{V}}}ValidateAbonnementen":
        raise VraagFout(None, "The body does not hold exactly one ValidateAbonnementen")
    vraag = vragen[0]
    klanten = vraag.find(f"{{{V}}}validateAbonnementenAanvraag/{{{T}}}klanten")
    if klanten is not None and not 1 <= len(klanten) <= GROEP:
        raise VraagFout("ApplicationFault", f"A question names 1 to {GROEP} klanten")
    if klanten is None or not _SCHEMA.validate(vraag):
        # Only the rule's name: libxml2's own text quotes the value, which may be a BSN.
        regels = sorted({melding.type_name for melding in _SCHEMA.error_log})  # type: ignore[attr-defined]
        raise VraagFout(None, f"The question breaks the schema: {' '.join(regels)}")
    aanvraag = vraag[0]
    return Vraag(aanvraag[0].text or "", aanvraag[1].text or "", tuple(klant[0].text or "" for klant in klanten))


def schrijf_antwoord(antwoord: dict[str, bool]) -> bytes:
    """The envelope that answers a question: for each citizen whether a message may be sent."""
    abonnementen = "".join(
        f"<T:Abonnement><T:klant><S:Key>{bsn}</S:Key><S:Rol>Burger</S:Rol></T:klant>"
        f"<T:isBerichtSturen>{'true' if mag else 'false'}</T:isBerichtSturen></T:Abonnement>"
        for bsn, mag in antwoord.items()
    )
    return _omhul(
        f'<V:ValidateAbonnementenResponse xmlns:V="{V}" xmlns:T="{T}" xmlns:S="{S}"><V:ValidateAbonnementenResult>'
        f"{abonnementen}</V:ValidateAbonnementenResult></V:ValidateAbonnementenResponse>"
    )


def schrijf_fout(fout: VraagFout) -> bytes:
    """The envelope with a SOAP fault: `Server` with the kind in its detail, or `Client` for XML that is wrong."""
    code, detail = "Client", ""
    if fout.soort:
        code = "Server"
        detail = f"<S:{fout.soort}><S:Message>{escape(fout.melding)}</S:Message></S:{fout.soort}>"
        detail = f'<detail xmlns:S="{S}">{detail}</detail>'
    tekst = fout.soort or escape(fout.melding)
    return _omhul(
        f"<soap:Fault><faultcode>soap:{code}</faultcode><faultstring>{tekst}</faultstring>{detail}</soap:Fault>"
    )


def _omhul(inhoud: str) -> bytes:
    return (
        f'<?xml version="1.0" encoding="utf-8"?>\n<soap:Envelope xmlns:soap="{SOAP}"><soap:Body>{inhoud}'
        "</soap:Body></soap:Envelope>"
    ).encode()
