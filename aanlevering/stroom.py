"""From what a sender sent to pieces of text: gzip unpacked, bytes counted, encoding known."""

import codecs
import re
import zlib
from collections.abc import Iterable, Iterator

from aanlevering.weigering import Geweigerd, Weigercode, weiger
from domain.batch import MAX_BATCH_BYTES

STUK_BYTES = 64 * 1024
"""The largest piece that is handed on."""
_KOP_BYTES = 1024
"""How far into a file its encoding must have been named."""
_MAX_GZIP_LEDEN = 10_000
"""gzip may be several files in a row; block-wise compressors make 1600 for 100 MB."""
_GZIP = b"\x1f\x8b"
_UTF8 = "utf-8"
_BEHOUD = "surrogateescape"
_GENOEMD = re.compile(r"""<\?xml\s[^>?]*?\bencoding\s*=\s*["']([A-Za-z0-9._-]+)["']""")
_CODERINGEN = {
    "": _UTF8,
    "utf-8": _UTF8,
    "utf8": _UTF8,
    "us-ascii": "ascii",
    "ascii": "ascii",
    "iso-8859-1": "iso8859-1",
    "latin1": "iso8859-1",
    "iso-8859-15": "iso8859-15",
    "windows-1252": "cp1252",
    "cp1252": "cp1252",
}
_UTF16 = ((codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))
_UTF32 = (codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)


def uitgepakt(stukken: Iterable[bytes]) -> Iterator[bytes]:
    """The content of a gzip file, unpacked once and piece by piece: a bomb goes no further than its reader lets it.

    Raises Geweigerd for a file that is damaged, cut off, or followed by something that is not gzip.
    """
    onderdeel = zlib.decompressobj(wbits=31)
    leden = 1
    for stuk in stukken:
        rest = stuk
        while rest:
            if onderdeel.eof:
                onderdeel = zlib.decompressobj(wbits=31)
                leden += 1
            try:
                uit = onderdeel.decompress(rest, STUK_BYTES)
                if leden > _MAX_GZIP_LEDEN:
                    raise weiger(Weigercode.GZIP_ONLEESBAAR)
            except zlib.error:
                raise weiger(Weigercode.GZIP_ONLEESBAAR) from None
            if uit:
                yield uit
            rest = onderdeel.unused_data if onderdeel.eof else onderdeel.unconsumed_tail
    while uit := _naloop(onderdeel):
        yield uit
    if not onderdeel.eof:
        raise weiger(Weigercode.GZIP_ONLEESBAAR)


def _naloop(onderdeel: "zlib._Decompress") -> bytes:
    """What a decompressor still holds back after its last input."""
    try:
        return b"" if onderdeel.eof else onderdeel.decompress(b"", STUK_BYTES)
    except zlib.error:
        raise weiger(Weigercode.GZIP_ONLEESBAAR) from None


def als_tekst(stukken: Iterable[bytes]) -> Iterator[str]:
    """XML as text, in pieces of at most `STUK_BYTES` of the original; what the XML declares no longer counts.

    What should have been UTF-8 and is not is still there, for `als_bytes`: the parser tells where it stands. Raises
    Geweigerd: over 100 MB, still packed, an encoding that is not taken, and another than UTF-8 that does not fit.
    """
    stroom = _begrensd(stukken)
    kop = b""
    for stuk in stroom:
        kop += stuk
        if len(kop) >= _KOP_BYTES:
            break
    if kop.startswith(_GZIP):
        raise weiger(Weigercode.GZIP_NIET_AANGEKONDIGD)
    naam, overslaan = _codering(kop[:_KOP_BYTES])
    lezer = codecs.getincrementaldecoder(naam)(_BEHOUD if naam == _UTF8 else "strict")
    try:
        yield lezer.decode(kop[overslaan:])
        for stuk in stroom:
            yield lezer.decode(stuk)
        yield lezer.decode(b"", final=True)
    except UnicodeDecodeError as fout:
        yield codecs.decode(fout.object[: fout.start], naam)  # it is read too, wherever the pieces happen to end
        raise weiger(Weigercode.CODERING_ONBEKEND) from None


def als_bytes(tekst: str) -> bytes:
    """The UTF-8, or what stood in its place, of a piece that `als_tekst` gave."""
    return tekst.encode(_UTF8, _BEHOUD)


def in_groepen(stroom: Iterator[str]) -> Iterator[tuple[str, bool]]:
    """The same text in pieces of at least `STUK_BYTES` characters, each with whether nothing comes after it.

    The last may be short or empty. It comes also when the stream is refused, so that what came before can be judged
    before that is raised.
    """
    groep: list[str] = []
    tekens = 0
    fout: Geweigerd | None = None
    try:
        for stuk in stroom:
            groep.append(stuk)
            tekens += len(stuk)
            if tekens >= STUK_BYTES:
                yield "".join(groep), False
                groep, tekens = [], 0
    except Geweigerd as weigering:
        fout = weigering
    yield "".join(groep), True
    if fout is not None:
        raise fout


def _begrensd(stukken: Iterable[bytes]) -> Iterator[bytes]:
    """The same bytes, in pieces of a bounded size; refuses as soon as there are more than a batch may hold."""
    totaal = 0
    for stuk in stukken:
        totaal += len(stuk)
        if totaal > MAX_BATCH_BYTES:
            raise weiger(Weigercode.TE_GROOT)
        for begin in range(0, len(stuk), STUK_BYTES):
            yield stuk[begin : begin + STUK_BYTES]


def _codering(kop: bytes) -> tuple[str, int]:
    """The name of the encoding for Python, and how many bytes of byte order mark to skip."""
    familie, merk, toegelaten = _familie(kop)
    genoemd = _GENOEMD.match(kop[len(merk) :].decode(familie, "ignore"))
    naam = toegelaten.get(genoemd[1].lower() if genoemd else "")
    if naam is None:
        raise weiger(Weigercode.CODERING_ONBEKEND)
    return naam, len(merk)


def _familie(kop: bytes) -> tuple[str, bytes, dict[str, str]]:
    """How to read the XML declaration, the byte order mark before it, and which encodings it may then name."""
    if kop.startswith(_UTF32):
        raise weiger(Weigercode.CODERING_ONBEKEND)
    for merk, naam in _UTF16:
        if kop.startswith((merk, "<".encode(naam))):
            toegelaten = dict.fromkeys(("", "utf-16", naam, naam.replace("16-", "16")), naam)
            return naam, merk if kop.startswith(merk) else b"", toegelaten
    if kop.startswith(codecs.BOM_UTF8):
        return "iso8859-1", codecs.BOM_UTF8, dict.fromkeys(("", "utf-8", "utf8"), _UTF8)
    return "iso8859-1", b"", _CODERINGEN
