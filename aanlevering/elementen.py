"""A batch read element by element, which judges everything that a sender can write (Domain: A batch on the wire).

Expat reads the stream: unlike libxml2's push parser it hands on text of any length in pieces, and tells where the token
it waits for began, so that an endless attribute or comment can be refused. Of each message only a small element is
built, with the bytes of its bijlagen already gone; that is what the XSD judges.
"""

from collections.abc import Callable
from uuid import UUID
from xml.parsers import expat

from lxml import etree

from aanlevering.deel import Deel
from aanlevering.gewoon import Gewoon, Herkenner
from aanlevering.moment import lees_moment
from aanlevering.rijen import Gegevens, Rijen, Schemafout, lees_gegevens
from aanlevering.schema import BATCH_NS, BERICHT_NS, FOUT, GOED, ONBEKEND, XSI_NS, Schema, lees_namen
from aanlevering.stroom import STUK_BYTES, als_bytes
from aanlevering.weigering import Geweigerd, Weigercode, weiger
from domain.batch import MAX_BERICHTEN, Berichten
from domain.codes import NUL_GUID, bevat_bsn

Bewaar = Callable[[bytes, bytes], None]
"""Takes the SHA-256 and the bytes of a bijlage."""

MAX_DIEPTE = 16
MAX_ELEMENTEN = 500
"""Elements in one message or in BatchInformatie; also the elements in the root that belong nowhere."""
MAX_TEKST = 5000
"""Characters that are kept of one text: more than the schema allows anywhere, some white space included."""
MAX_NAAM = 256
"""Characters of a name with its namespace."""
MAX_WAARDE = 4096
"""Characters of an attribute's value."""
MAX_TOKEN = 4 * STUK_BYTES
"""Bytes of one tag, comment or instruction that may have come, and its end not yet."""
MAX_LEVERANCIER = 25
"""Characters of BerichtLeverancierID."""

_WORTEL = f"{BATCH_NS} Berichten"
_BATCH_INFORMATIE = f"{BATCH_NS} BatchInformatie"
_BERICHT = f"{BERICHT_NS} Bericht"
_INHOUD = f"{BERICHT_NS} Inhoud"
_NAMEN = lees_namen()
_SCHEMA = Schema()
_VRIJE_ATTRIBUTEN = (f"{XSI_NS} schemaLocation", f"{XSI_NS} noNamespaceSchemaLocation")
_WIT = " \t\r\n"
_VERPLAATST = "BatchInformatie: staat niet precies één keer vooraan"


class Elementen:
    """What is read of one batch: element by element, but for the ordinary messages that others read."""

    def __init__(self, bewaar: Bewaar) -> None:
        self.batch_id: UUID | None = None
        self.aanmaakdatum = 0
        self._voorvoegsels: dict[str, str] = {}
        self._herkenner: Herkenner | None = None
        self._leverancier = ""
        self._bewaar = bewaar
        self._bewaard: set[bytes] = set()
        self._rijen = Rijen()
        self._kaderfout = ""
        self._kader_gezien = False
        self._diepte = 0
        self._verdwaald = 0
        self._deel: Deel | None = None
        self._tekst: list[str] = []
        self._tekens = 0
        self._gevoerd = 0
        self._gelezen = 0
        self._regels_elders = 0
        self._parser = expat.ParserCreate("utf-8", " ")
        if hasattr(self._parser, "SetReparseDeferralEnabled"):
            # expat 2.6 would look for the end of a token so seldom that one that has ended could pass the limit
            self._parser.SetReparseDeferralEnabled(False)
        self._parser.buffer_text = True
        self._parser.buffer_size = STUK_BYTES
        self._parser.ordered_attributes = True
        self._parser.StartElementHandler = self._begin
        self._parser.EndElementHandler = self._einde
        self._parser.CharacterDataHandler = self._data
        self._parser.StartDoctypeDeclHandler = self._doctype
        self._parser.StartNamespaceDeclHandler = self._namespace

    def laat_los(self) -> None:
        """Ends the circle of parser and handlers, so that memory does not wait for the garbage collector."""
        del self._parser

    def lees(self, tekst: str) -> None:
        """What comes next. Raises Geweigerd."""
        inhoud = als_bytes(tekst)
        begin = 0
        while begin < len(inhoud):
            stuk = inhoud[begin : begin + min(STUK_BYTES, MAX_TOKEN + 1 - self.wachtend)]
            begin += len(stuk)
            self._ontleed(stuk, False)
            self._gevoerd += len(stuk)
            # since expat 2.6 it is -1 after a piece that it puts off
            self._gelezen = max(self._gelezen, self._parser.CurrentByteIndex)
            if self.wachtend > MAX_TOKEN:
                raise weiger(Weigercode.XML_VIJANDIG)

    def sluit(self) -> None:
        """Nothing comes any more. Raises Geweigerd."""
        self._ontleed(b"", True)

    def _ontleed(self, stuk: bytes, laatste: bool) -> None:
        try:
            self._parser.Parse(stuk, laatste)
        except expat.ExpatError as fout:
            entiteit = fout.code == expat.errors.codes[expat.errors.XML_ERROR_UNDEFINED_ENTITY]
            code = Weigercode.XML_VIJANDIG if entiteit else Weigercode.XML_NIET_WELGEVORMD
            raise weiger(code, self.batch_id, regel=self._regels_elders + fout.lineno) from None

    @property
    def wachtend(self) -> int:
        """Bytes of a tag, comment or instruction of which the end has not come."""
        return self._gevoerd - self._gelezen

    @property
    def herkenner(self) -> Herkenner | None:
        """Who may read a message that comes next; None where none can begin, or where it must be read here."""
        kan = self._diepte == 1 and not self._kaderfout and not self.wachtend and len(self._rijen) < MAX_BERICHTEN
        return self._herkenner if kan else None

    def neem(self, gewoon: Gewoon, tekst: str, plaats: int) -> None:
        """The next message, which the `herkenner` read at this place in a text."""
        for bijlage, inhoud in zip(gewoon.gegevens.bijlagen, gewoon.inhouden, strict=True):
            self._bewaar_een(bijlage.sha256, inhoud)
        self._rijen.voeg_toe(gewoon.bericht_id, gewoon.berichttype, gewoon.gegevens, "")
        self._regels_elders += _regels(tekst, plaats, gewoon.einde)

    def uitkomst(self) -> tuple[UUID, str, Berichten]:
        """BatchID, leverancier and messages, once all has been read. Raises Geweigerd."""
        if self.batch_id is None:
            raise weiger(Weigercode.BATCH_ID_ONLEESBAAR)
        if not len(self._rijen):
            raise weiger(Weigercode.GEEN_BERICHTEN, self.batch_id)
        return self.batch_id, self._leverancier, self._rijen.kolommen(self._kaderfout)

    def _doctype(self, *_: object) -> None:
        raise self._vijandig()

    def _namespace(self, voorvoegsel: str | None, uri: str | None) -> None:
        if uri and len(uri) > MAX_NAAM:
            raise self._vijandig()
        if self._diepte == 0:
            self._voorvoegsels[voorvoegsel or ""] = uri or ""

    def _sectie(self) -> None:
        """A CDATA section begins. In the root it ends the search for messages, which would find them in it."""
        if self._diepte == 1:
            self._herkenner = None
        self._parser.StartCdataSectionHandler = None  # it would cut the text at each section

    def _begin(self, naam: str, attributen: list[str]) -> None:
        self._diepte += 1
        if self._diepte > MAX_DIEPTE or len(naam) > MAX_NAAM:
            raise self._vijandig()
        if self._diepte == 1:
            if naam != _WORTEL:
                raise weiger(Weigercode.VERKEERDE_WORTEL)
        elif self._diepte == 2:
            self._deel = self._begin_deel(naam)
        elif self._deel is not None:
            self._begin_element(self._deel, naam)
        if self._deel is None and self._diepte > 1:
            self._verdwaald += 1
            if self._verdwaald > MAX_ELEMENTEN:
                raise self._vijandig()
        if attributen:
            self._keur_attributen(attributen)
        self._vergeet_tekst()

    def _keur_attributen(self, attributen: list[str]) -> None:
        """`attributen` holds names and values by turns."""
        if max(map(len, attributen)) > MAX_WAARDE:
            raise self._vijandig()
        if all(naam in _VRIJE_ATTRIBUTEN for naam in attributen[::2]):
            return
        if self._deel is not None:
            self._deel.knopen[-1].set(ONBEKEND, "")
        else:
            self._breek_kader("Berichten: heeft een attribuut dat er niet hoort")

    def _begin_deel(self, naam: str) -> Deel | None:
        """What a child of the root begins; None when it belongs nowhere and is skipped."""
        lokaal = naam.rpartition(" ")[2]
        if lokaal == "Bericht":
            if len(self._rijen) == MAX_BERICHTEN:
                raise weiger(Weigercode.TE_VEEL_BERICHTEN)
            if not self._kader_gezien:
                self._breek_kader(_VERPLAATST)
        elif lokaal == "BatchInformatie":
            if self._kader_gezien or len(self._rijen):
                self._breek_kader(_VERPLAATST)
            if self._kader_gezien:
                return None
            self._kader_gezien = True
        else:
            self._breek_kader("Berichten: bevat een element dat er niet hoort")
            return None
        eigen_namespace = naam in (_BERICHT, _BATCH_INFORMATIE)
        fout = "" if eigen_namespace else f"{lokaal}: heeft een andere namespace dan voorgeschreven"
        return Deel(etree.Element(_NAMEN[naam] if eigen_namespace else ONBEKEND), fout)

    def _begin_element(self, deel: Deel, naam: str) -> None:
        deel.elementen += 1
        if deel.elementen > MAX_ELEMENTEN:
            raise self._vijandig()
        ouder = deel.knopen[-1]
        if self._heeft_tekst():
            ouder.text = FOUT
        deel.knopen.append(etree.SubElement(ouder, _NAMEN.get(naam, ONBEKEND)))
        if naam == _INHOUD:
            deel.begin_bijlage()

    def _data(self, tekst: str) -> None:
        deel = self._deel
        if deel is None:
            if tekst.strip(_WIT):
                self._breek_kader("Berichten: bevat tekst waar alleen elementen mogen staan")
        elif deel.knopen[-1].tag == _NAMEN[_INHOUD]:
            deel.neem_inhoud(tekst)
        else:
            self._tekens += len(tekst)
            if self._tekens <= MAX_TEKST:
                self._tekst.append(tekst)

    def _einde(self, naam: str) -> None:
        self._diepte -= 1
        if self._diepte == 1:
            self._parser.StartCdataSectionHandler = self._sectie
        deel = self._deel
        if deel is None:
            return
        knoop = deel.knopen.pop()
        if naam == _INHOUD:
            inhoud = deel.bijlagen[-1]
            inhoud.sluit()
            knoop.text = (GOED if inhoud.grootte else "") if inhoud.leesbaar else FOUT
        elif len(knoop):
            if self._heeft_tekst():
                knoop.text = FOUT
        elif self._tekens > MAX_TEKST:
            deel.fout = deel.fout or f"{etree.QName(knoop).localname}: is te lang"
        else:
            tekst = "".join(self._tekst)
            knoop.text = tekst
            deel.neem_tekst(naam.rpartition(" ")[2], tekst)
        self._vergeet_tekst()
        if not deel.knopen:
            self._deel = None
            fout = deel.fout or _SCHEMA.fout(knoop)
            if naam.rpartition(" ")[2] == "BatchInformatie":
                self._sluit_kader(deel, fout)
            else:
                self._sluit_bericht(deel, fout)

    def _sluit_kader(self, deel: Deel, fout: str) -> None:
        self.batch_id = deel.guid("BatchID")
        if self.batch_id is None:
            raise weiger(Weigercode.BATCH_ID_ONLEESBAAR)
        self._leverancier = deel.een("BerichtLeverancierID")
        if not _is_leverancier(self._leverancier):
            raise weiger(Weigercode.LEVERANCIER_ONLEESBAAR)
        try:
            self.aanmaakdatum = lees_moment(deel.een("AanmaakDatum"))
        except ValueError:
            fout = fout or "AanmaakDatum: ligt buiten 1970 tot 2250"
        if fout:
            self._breek_kader(fout)
        self._herkenner = Herkenner(self.batch_id, self._voorvoegsels)

    def _sluit_bericht(self, deel: Deel, fout: str) -> None:
        gegevens: Gegevens | None = None
        fout = fout or self._kaderfout
        if not fout:
            try:
                gegevens = lees_gegevens(deel, self.batch_id)
            except Schemafout as breuk:
                fout = str(breuk)
            else:
                for nummer, bijlage in enumerate(deel.bijlagen):
                    inhoud = deel.inhoud(nummer)
                    if inhoud is not None:
                        self._bewaar_een(bijlage.sha256, inhoud)
        bericht_id = deel.guid("BerichtID") or NUL_GUID
        self._rijen.voeg_toe(bericht_id.bytes, deel.een("BerichtType"), gegevens, fout)

    def _bewaar_een(self, sha256: bytes, inhoud: bytes) -> None:
        if sha256 not in self._bewaard:
            self._bewaar(sha256, inhoud)
            self._bewaard.add(sha256)

    def _heeft_tekst(self) -> bool:
        """Whether more than white space has passed since the last tag."""
        return self._tekens > MAX_TEKST or any(stuk.strip(_WIT) for stuk in self._tekst)

    def _vergeet_tekst(self) -> None:
        self._tekst = []
        self._tekens = 0

    def _breek_kader(self, fout: str) -> None:
        """The frame breaks the schema: every message will carry it."""
        self._kaderfout = self._kaderfout or fout

    def _vijandig(self) -> Geweigerd:
        return weiger(Weigercode.XML_VIJANDIG, regel=self._regels_elders + self._parser.CurrentLineNumber)


def _regels(tekst: str, begin: int, einde: int) -> int:
    """How many lines end in a part of a text, as XML counts them. Looking for a few is faster than counting."""
    if tekst.find("\r", begin, einde) >= 0:
        deel = (begin, einde)
        return tekst.count("\n", *deel) + tekst.count("\r", *deel) - tekst.count("\r\n", *deel)
    regels = 0
    while begin := tekst.find("\n", begin, einde) + 1:
        regels += 1
    return regels


def _is_leverancier(tekst: str) -> bool:
    """Whether a BerichtLeverancierID can be read. What looks like a BSN cannot: it would be repeated everywhere."""
    return 0 < len(tekst) <= MAX_LEVERANCIER and tekst.isprintable() and " " not in tekst and not bevat_bsn(tekst)
