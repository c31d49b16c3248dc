"""PDFs built by hand for tests, and the PDF check in the two places where it can run."""

import asyncio
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from bijlagen.controle import controleer
from bijlagen.proces import Keurders
from domain.bijlage import Waarschuwing

Keur = Callable[[bytes], tuple[Waarschuwing, ...]]

WAAR = ("in this process", "in a limited process")

XMP = (
    b'<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about="" '
    b'xmlns:pdfaid="http://www.aiim.org/pdfa/ns/id/"><pdfaid:part>2</pdfaid:part></rdf:Description></rdf:RDF>'
)


@contextmanager
def keurder(waar: str) -> Iterator[Keur]:
    """The check, in one of WAAR."""
    if waar == WAAR[0]:
        yield controleer
        return
    with asyncio.Runner() as lus:
        keurders = Keurders(1)
        try:
            yield lambda inhoud: lus.run(keurders.keur(inhoud))
        finally:
            lus.run(keurders.stop())


def stroom(inhoud: bytes, sleutels: str = "") -> bytes:
    """A stream object."""
    return b"<< /Length %d %s >>\nstream\n%s\nendstream" % (len(inhoud), sleutels.encode(), inhoud)


def delen(catalogus: str = "", pagina: str = "", **objecten: str | bytes) -> dict[int, bytes]:
    """The objects of a PDF with nothing wrong, and what a test adds: to the catalog, to the page, and as `o9=…`."""
    basis = {
        1: "<< /Type /Catalog /Pages 2 0 R /MarkInfo << /Marked true >> /StructTreeRoot 4 0 R /Metadata 5 0 R"
        f" {catalogus} >>",
        2: "<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        3: f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 99 99] {pagina} >>",
        4: "<< /Type /StructTreeRoot >>",
        5: stroom(XMP, "/Type /Metadata /Subtype /XML"),
        **{int(naam[1:]): inhoud for naam, inhoud in objecten.items()},
    }
    return {nummer: een.encode("latin-1") if isinstance(een, str) else een for nummer, een in basis.items()}


def bouw(objecten: Mapping[int, bytes], trailer: str = "") -> bytes:
    """A file with these objects and a table."""
    return _vul_aan(b"%PDF-1.7\n", objecten, trailer)


def werk_bij(pdf: bytes, objecten: Mapping[int, bytes]) -> bytes:
    """The file with these objects put in another's place, as programs do: at its end, with a table of their own."""
    vorige = int(pdf.rpartition(b"startxref\n")[2].split()[0])
    return _vul_aan(pdf, objecten, f"/Prev {vorige}")


def _vul_aan(begin: bytes, objecten: Mapping[int, bytes], trailer: str) -> bytes:
    pdf, tabel = bytearray(begin), b""
    for nummer, inhoud in sorted(objecten.items()):
        tabel += b"%d 1\n%010d 00000 n \n" % (nummer, len(pdf))
        pdf += b"%d 0 obj\n%s\nendobj\n" % (nummer, inhoud)
    plaats = len(pdf)
    pdf += b"xref\n0 1\n0000000000 65535 f \n" + tabel
    pdf += b"trailer\n<< /Size %d /Root 1 0 R %s >>\n" % (max(objecten) + 1, trailer.encode())
    return bytes(pdf + b"startxref\n%d\n%%%%EOF\n" % plaats)


def bouw_samengepakt(objecten: Mapping[int, bytes], *, hybride: bool = False) -> bytes:
    """A file whose objects, where they are no streams, stand packed in an object stream, named by a stream of places.

    `hybride`: with a table as well, for programs that know no such streams, which then miss what is packed.
    """
    los = {nummer: inhoud for nummer, inhoud in objecten.items() if b"stream" in inhoud}
    gepakt = {nummer: inhoud for nummer, inhoud in objecten.items() if nummer not in los}
    if hybride:
        los[1] = gepakt.pop(1)
    kop, lijf = "", b""
    for nummer, inhoud in gepakt.items():
        kop += f"{nummer} {len(lijf)} "
        lijf += inhoud + b"\n"
    pak, plaatsen = max(objecten) + 1, max(objecten) + 2
    los[pak] = stroom(
        zlib.compress(kop.encode() + lijf), f"/Type /ObjStm /N {len(gepakt)} /First {len(kop)} /Filter /FlateDecode"
    )
    pdf, waar = bytearray(b"%PDF-1.7\n"), {}
    for nummer, inhoud in sorted(los.items()):
        waar[nummer] = len(pdf)
        pdf += b"%d 0 obj\n%s\nendobj\n" % (nummer, inhoud)
    rijen = {0: (0, 0, 0)} | {nummer: (1, plaats, 0) for nummer, plaats in waar.items()}
    rijen |= {nummer: (2, pak, plek) for plek, nummer in enumerate(gepakt)}
    rijen[plaatsen] = (1, len(pdf), 0)
    tabel = b"".join(
        bytes([soort]) + plaats.to_bytes(4, "big") + bytes([plek]) for _, (soort, plaats, plek) in sorted(rijen.items())
    )
    index = " ".join(f"{nummer} 1" for nummer in sorted(rijen))
    begin = len(pdf)
    pdf += b"%d 0 obj\n%s\nendobj\n" % (
        plaatsen,
        stroom(tabel, f"/Type /XRef /W [1 4 1] /Index [{index}] /Size {plaatsen + 1} /Root 1 0 R"),
    )
    if not hybride:
        return bytes(pdf + b"startxref\n%d\n%%%%EOF\n" % begin)
    los_alleen = {nummer: plaats for nummer, plaats in waar.items() if nummer != pak}
    einde = len(pdf)
    pdf += b"xref\n0 1\n0000000000 65535 f \n"
    pdf += b"".join(b"%d 1\n%010d 00000 n \n" % paar for paar in los_alleen.items())
    pdf += b"trailer\n<< /Size %d /Root 1 0 R /XRefStm %d >>\n" % (plaatsen + 1, begin)
    return bytes(pdf + b"startxref\n%d\n%%%%EOF\n" % einde)


def plaatsenbom(aantal: int = 1_900_000) -> bytes:
    """A small file that claims so many objects, all in one place: reading them takes many seconds and much memory."""
    begin = b"%PDF-1.7\n1 0 obj\n<< /Type /Catalog /Pages 2 0 R >>\nendobj\n"
    tabel = zlib.compress(zlib.compress(b"\1\0\0\0\x09\0" * aantal))
    sleutels = f"/Type /XRef /W [1 4 1] /Size {aantal} /Root 1 0 R /Filter [/FlateDecode /FlateDecode]"
    return begin + b"2 0 obj\n%s\nendobj\nstartxref\n%d\n%%%%EOF\n" % (stroom(tabel, sleutels), len(begin))
