"""Small, real PDFs: one page with one line of text. As they should be, or with one thing that the PDF check warns of.

'As they should be' is what the check looks at: a PDF/A mark, tags, and a font that is inside. No validator was asked.
"""

import hashlib
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES256
from cryptography.hazmat.primitives.ciphers.modes import CBC, ECB
from cryptography.hazmat.primitives.padding import PKCS7

from domain.waarschuwing import Waarschuwing
from voorbeeld import letters

WACHTWOORD = "voorbeeld"
"""Opens the encrypted PDF."""

_BOM_MIB = 100
"""What the PDF that asks too much unpacks to, in MiB."""
_KOP = b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n"
_XMP = b"""<?xpacket begin="" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description rdf:about="" xmlns:pdfaid="http://www.aiim.org/pdfa/ns/id/" pdfaid:part="2" pdfaid:conformance="A"/>
<rdf:Description rdf:about="" xmlns:pdfuaid="http://www.aiim.org/pdfua/ns/id/" pdfuaid:part="1"/>
</rdf:RDF></x:xmpmeta>
<?xpacket end="r"?>"""
_CATALOGUS = {
    "Type": b"/Catalog",
    "Pages": b"2 0 R",
    "Lang": b"(nl-NL)",
    "MarkInfo": b"<< /Marked true >>",
    "StructTreeRoot": b"6 0 R",
    "Metadata": b"8 0 R",
}


def maak_pdf(regel: str, grootte: int | None = None) -> bytes:
    """A PDF of one page that shows `regel` (characters of Latin-1), of exactly `grootte` bytes where that is given.

    The PDF check has nothing to say of it. Raises ValueError when it does not fit in `grootte`.
    """
    return _vul_op(_Pdf(_objecten(regel)), grootte)


def maak_pdf_met(code: str, regel: str = "Voorbeeld", grootte: int | None = None) -> bytes:
    """The same, but of this the PDF check says this code, and nothing else.

    Raises ValueError when there is no such code, and as `maak_pdf` does.
    """
    objecten = _objecten(regel)
    match Waarschuwing(code):
        case Waarschuwing.NIET_LEESBAAR:
            return _vul_op(_Pdf(objecten, kop=b"%Dit is geen PDF, al lijkt het er op.\n"), grootte)
        case Waarschuwing.VERSLEUTELD:
            return _vul_op(_versleutel(objecten), grootte)
        case Waarschuwing.JAVASCRIPT:
            objecten[1] = _catalogus(OpenAction=b"<< /S /JavaScript /JS (app.alert\\(1\\)) >>")
        case Waarschuwing.INGESLOTEN_BESTANDEN:
            objecten[9] = _Stroom(b"Een bestand in een bestand.", b"/Type /EmbeddedFile")
            bestand = b"<< /Type /Filespec /F (extra.txt) /UF (extra.txt) /EF << /F 9 0 R >> >>"
            objecten[1] = _catalogus(Names=b"<< /EmbeddedFiles << /Names [(extra.txt) " + bestand + b"] >> >>")
        case Waarschuwing.START_ACTIE:
            objecten[1] = _catalogus(OpenAction=b"<< /S /Launch /F (programma.exe) >>")
        case Waarschuwing.XFA:
            objecten[9] = _Stroom(b"<xdp:xdp xmlns:xdp='http://ns.adobe.com/xdp/'/>")
            objecten[1] = _catalogus(AcroForm=b"<< /Fields [] /XFA 9 0 R >>")
        case Waarschuwing.GEEN_PDFA:
            objecten[1] = _catalogus(zonder=("Metadata",))
        case Waarschuwing.NIET_GETAGD:
            objecten[1] = _catalogus(zonder=("MarkInfo", "StructTreeRoot"))
        case Waarschuwing.LETTERTYPE_NIET_INGESLOTEN:
            objecten[5] = b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>"
        case Waarschuwing.GEEN_PAGINAS:
            objecten[2] = b"<< /Type /Pages /Kids [] /Count 0 >>"
        case Waarschuwing.CONTROLE_AFGEBROKEN:
            objecten[8] = _Stroom(_bom(), b"/Type /Metadata /Subtype /XML /Filter [/FlateDecode /FlateDecode]")
    return _vul_op(_Pdf(objecten), grootte)


@dataclass(frozen=True, slots=True)
class _Stroom:
    inhoud: bytes
    sleutels: bytes = b""

    def bytes(self, verberg: Callable[[bytes], bytes]) -> bytes:
        """The object, its content after `verberg`."""
        inhoud = verberg(self.inhoud)
        return b"<< /Length %d %s >>\nstream\n%s\nendstream" % (len(inhoud), self.sleutels, inhoud)


Objecten = dict[int, bytes | _Stroom]


def _zonder(inhoud: bytes) -> bytes:
    return inhoud


@dataclass(frozen=True, slots=True)
class _Pdf:
    objecten: Objecten
    kop: bytes = _KOP
    trailer: bytes = b""
    verberg: Callable[[bytes], bytes] = _zonder
    """What encrypts the content of streams."""

    def bytes(self, vulling: bytes = b"") -> bytes:
        """The file; `vulling` is a comment that makes it longer."""
        pdf = bytearray(self.kop)
        if vulling:
            pdf += vulling + b"\n"
        plaatsen = []
        for nummer, inhoud in enumerate(self.objecten.values(), 1):
            plaatsen.append(len(pdf))
            tekst = inhoud.bytes(self.verberg) if isinstance(inhoud, _Stroom) else inhoud
            pdf += b"%d 0 obj\n%s\nendobj\n" % (nummer, tekst)
        tabel = len(pdf)
        pdf += b"xref\n0 %d\n0000000000 65535 f \n" % (len(plaatsen) + 1)
        pdf += b"".join(b"%010d 00000 n \n" % plaats for plaats in plaatsen)
        pdf += b"trailer\n<< /Size %d /Root 1 0 R %s >>\n" % (len(plaatsen) + 1, self.trailer)
        pdf += b"startxref\n%d\n%%%%EOF\n" % tabel
        return bytes(pdf)


def _vul_op(pdf: _Pdf, grootte: int | None) -> bytes:
    gemaakt = pdf.bytes()
    if grootte is None:
        return gemaakt
    vulling = grootte - len(gemaakt)
    for _ in range(4):  # the filling makes the offset near the end longer, so the first guess is a few bytes off
        if len(gemaakt) == grootte or vulling < 1:
            break
        gemaakt = pdf.bytes(b"%" + b"." * (vulling - 1))
        vulling += grootte - len(gemaakt)
    if len(gemaakt) != grootte:
        raise ValueError(f"a PDF of this line cannot have {grootte} bytes")
    return gemaakt


def _objecten(regel: str) -> Objecten:
    """By number: catalog, page tree, page, content, font, two of tags, XMP, room for one more, and from 10 letters."""
    codes = regel.encode("latin-1")
    tekst = codes.replace(b"\\", rb"\\").replace(b"(", rb"\(").replace(b")", rb"\)")
    namen = {code: b"/uni%04X" % code for code in sorted(set(codes))}
    nummers = {code: nummer for nummer, code in enumerate(namen, 10)}
    eerste, laatste = min(namen, default=32), max(namen, default=32)
    objecten: Objecten = {
        1: _catalogus(),
        2: b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        3: b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R /StructParents 0"
        b" /Resources << /Font << /F1 5 0 R >> >> >>",
        4: _Stroom(b"/P << /MCID 0 >> BDC BT /F1 10 Tf 72 770 Td (" + tekst + b") Tj ET EMC"),
        5: b"<< /Type /Font /Subtype /Type3 /FontBBox [0 0 4 6] /FontMatrix [.1 0 0 .1 0 0] /Resources << >>"
        b" /FirstChar %d /LastChar %d /Widths [%s]"
        % (eerste, laatste, b"%d " % letters.BREEDTE * (laatste - eerste + 1))
        + b" /CharProcs << %s >>" % b" ".join(b"%s %d 0 R" % (namen[code], nummers[code]) for code in namen)
        + b" /Encoding << /Type /Encoding /Differences [%s] >> >>"
        % b" ".join(b"%d %s" % (code, naam) for code, naam in namen.items()),
        6: b"<< /Type /StructTreeRoot /K 7 0 R /ParentTree << /Nums [0 [7 0 R]] >> /ParentTreeNextKey 1 >>",
        7: b"<< /Type /StructElem /S /P /P 6 0 R /Pg 3 0 R /K 0 >>",
        8: _Stroom(_XMP, b"/Type /Metadata /Subtype /XML"),
        9: b"null",
    }
    return objecten | {nummers[code]: _Stroom(letters.teken(chr(code))) for code in namen}


def _catalogus(zonder: tuple[str, ...] = (), **erbij: bytes) -> bytes:
    delen = {sleutel: waarde for sleutel, waarde in _CATALOGUS.items() if sleutel not in zonder} | erbij
    return b"<< %s >>" % b" ".join(b"/%s %s" % (sleutel.encode(), waarde) for sleutel, waarde in delen.items())


@cache
def _bom() -> bytes:
    """So many zeros, packed twice into a few hundred bytes."""
    pakker = zlib.compressobj(9)
    eens = b"".join(pakker.compress(bytes(2**20)) for _ in range(_BOM_MIB)) + pakker.flush()
    return zlib.compress(eens, 9)


def _versleutel(objecten: Objecten) -> _Pdf:
    """Encrypted with AES-256 (Adobe's extension level 3: V 5, R 5), its keys made from the content, not drawn.

    Only streams are; the few strings outside them may be read.
    """
    zaad = hashlib.sha256(repr(objecten).encode()).digest()
    sleutel, zout = hashlib.sha256(zaad + b"sleutel").digest(), hashlib.sha256(zaad + b"zout").digest()

    def sleutelpaar(wachtwoord: bytes, zout: bytes, gebruiker: bytes = b"") -> tuple[bytes, bytes]:
        """What a password is checked by, and the key, wrapped in it."""
        proef = hashlib.sha256(wachtwoord + zout[:8] + gebruiker).digest() + zout
        wikkel = hashlib.sha256(wachtwoord + zout[8:] + gebruiker).digest()
        return proef, _aes(wikkel, CBC(bytes(16)), sleutel)

    def verberg(inhoud: bytes) -> bytes:
        begin = hashlib.sha256(zaad + inhoud).digest()[:16]
        maat = PKCS7(128).padder()
        return begin + _aes(sleutel, CBC(begin), maat.update(inhoud) + maat.finalize())

    u, ue = sleutelpaar(WACHTWOORD.encode(), zout[:16])
    o, oe = sleutelpaar(b"eigenaar van " + WACHTWOORD.encode(), zout[16:], u)
    rechten = _aes(sleutel, ECB(), b"\xfc\xff\xff\xff\xff\xff\xff\xffTadb" + zout[:4])  # noqa: S305 (so it is laid down)
    trailer = (
        b"/ID [<%s> <%s>] /Encrypt << /Filter /Standard /V 5 /R 5 /Length 256 /P -4 /EncryptMetadata true"
        b" /CF << /StdCF << /CFM /AESV3 /AuthEvent /DocOpen /Length 32 >> >> /StmF /StdCF /StrF /Identity"
        b" /U <%s> /UE <%s> /O <%s> /OE <%s> /Perms <%s> >>"
    ) % tuple(deel.hex().encode() for deel in (zaad[:16], zaad[:16], u, ue, o, oe, rechten))
    return _Pdf(objecten, trailer=trailer, verberg=verberg)


def _aes(sleutel: bytes, wijze: CBC | ECB, inhoud: bytes) -> bytes:
    werk = Cipher(AES256(sleutel), wijze).encryptor()
    return werk.update(inhoud) + werk.finalize()
