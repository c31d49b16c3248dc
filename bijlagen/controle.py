"""What is wrong with a PDF, by pypdf (Domain: PDF checks).

This may take any amount of time and memory: call it in a process with limits (`bijlagen.proces`). Actions, scripts and
files can hang on nearly everything in a PDF, so all that can be reached from its catalog is looked at, once, instead
of a list of places; that no two objects are followed twice also ends every cycle.
"""

import codecs
import io
from collections.abc import Iterator
from typing import Any

from lxml import etree
from pypdf import PasswordType, PdfReader
from pypdf.errors import LimitReachedError
from pypdf.generic import ArrayObject, BooleanObject, DictionaryObject, IndirectObject, NullObject, StreamObject

from domain.waarschuwing import Waarschuwing


class _TeGroot(Exception):
    """What the PDF packed is more than is ever unpacked here."""


_GRENZEN = (MemoryError, RecursionError, _TeGroot)
"""What is raised where a PDF asks too much. The library's own limits are not: mostly, damage runs into them."""

_KOP_BINNEN = 1024
"""Viewers look for `%PDF-` in so many bytes (ISO 32000-1, annex H)."""
_MAX_XMP = 5_000_000
"""Bytes of XMP that are parsed; a mark beyond them is no mark."""
_PDFA = "{http://www.aiim.org/pdfa/ns/id/}part"
_PDFA_DELEN = frozenset({"1", "2", "3", "4"})
_START_ACTIES = frozenset({"/Launch", "/SubmitForm", "/ImportData"})
_LETTERTYPEN = frozenset({"/Type0", "/Type1", "/MMType1", "/TrueType", "/Type3", "/CIDFontType0", "/CIDFontType2"})
_STRUCTUUR = frozenset({"/StructTreeRoot", "/SE"})
"""Where the tags begin: an /S in them is a kind of tag, not of action, so they are looked at apart."""
_ONGEBRUIKT = frozenset({"/PieceInfo", "/DR"})
"""Private data of programs, and fonts that a form only has at hand."""


def controleer(inhoud: bytes) -> tuple[Waarschuwing, ...]:
    """All that is wrong with this PDF, in the order of Waarschuwing; nothing is raised.

    Of a PDF that cannot be read or opened, or asks too much, that alone is said.
    """
    try:
        gevonden = _onderzoek(inhoud)
    except Exception as fout:  # whatever a parser of hostile bytes raises, it means one of two things
        gevonden = {Waarschuwing.CONTROLE_AFGEBROKEN if _vroeg_te_veel(fout) else Waarschuwing.NIET_LEESBAAR}
    return tuple(waarschuwing for waarschuwing in Waarschuwing if waarschuwing in gevonden)


class _Versleuteld(Exception):
    """The file is encrypted in a way that the library does not know."""


class _Lezer(PdfReader):
    def __init__(self, inhoud: bytes) -> None:
        try:
            super().__init__(io.BytesIO(inhoud))
        except Exception as fout:
            if self.is_encrypted and not _vroeg_te_veel(fout):
                raise _Versleuteld from fout
            raise


def _vroeg_te_veel(fout: BaseException | None) -> bool:
    """Whether a limit lies behind this error; the library puts errors of its own before it."""
    while fout is not None and not isinstance(fout, _GRENZEN):
        fout = fout.__cause__ or fout.__context__
    return fout is not None


def _onderzoek(inhoud: bytes) -> set[Waarschuwing]:
    if b"%PDF-" not in inhoud[:_KOP_BINNEN]:
        return {Waarschuwing.NIET_LEESBAAR}
    try:
        lezer = _Lezer(inhoud)
    except _Versleuteld:
        return {Waarschuwing.VERSLEUTELD}
    if not lezer.is_encrypted:
        return _bekijk(lezer.root_object)
    try:
        if lezer.decrypt("") == PasswordType.NOT_DECRYPTED:
            return {Waarschuwing.VERSLEUTELD}
        # PDF/A forbids encryption, so its mark is worth nothing here.
        return _bekijk(lezer.root_object) | {Waarschuwing.VERSLEUTELD, Waarschuwing.GEEN_PDFA}
    except Exception as fout:  # what opens without a password need not decrypt well
        if _vroeg_te_veel(fout):
            raise
        return {Waarschuwing.VERSLEUTELD}


def _bekijk(catalogus: DictionaryObject) -> set[Waarschuwing]:
    gevonden = set()
    if not _is_pdfa(catalogus):
        gevonden.add(Waarschuwing.GEEN_PDFA)
    if not _is_getagd(catalogus):
        gevonden.add(Waarschuwing.NIET_GETAGD)
    if not _heeft_paginas(catalogus):
        gevonden.add(Waarschuwing.GEEN_PAGINAS)
    if not isinstance(_haal(_haal(catalogus, "/AcroForm"), "/XFA"), NullObject):
        gevonden.add(Waarschuwing.XFA)
    gezien: set[tuple[int, int]] = set()
    for deel in _woordenboeken(catalogus, gezien, _STRUCTUUR | _ONGEBRUIKT):
        soort = _haal(deel, "/S")
        if soort == "/JavaScript" or (soort == "/Rendition" and "/JS" in deel):
            gevonden.add(Waarschuwing.JAVASCRIPT)
        if soort in _START_ACTIES:
            gevonden.add(Waarschuwing.START_ACTIE)
        if _is_ingesloten_bestand(deel):
            gevonden.add(Waarschuwing.INGESLOTEN_BESTANDEN)
        if not all(map(_is_ingesloten, _lettertypen(deel))):
            gevonden.add(Waarschuwing.LETTERTYPE_NIET_INGESLOTEN)
    if any(map(_is_ingesloten_bestand, _woordenboeken(_haal(catalogus, "/StructTreeRoot"), gezien, _ONGEBRUIKT))):
        gevonden.add(Waarschuwing.INGESLOTEN_BESTANDEN)
    return gevonden


def _woordenboeken(begin: Any, gezien: set[tuple[int, int]], overslaan: frozenset[str]) -> Iterator[DictionaryObject]:
    """Every dictionary (of streams too) that can be reached and was not seen before; keys to skip are not followed."""
    open_ = [begin]
    while open_:
        deel = open_.pop()
        if isinstance(deel, IndirectObject):
            nummer = (deel.idnum, deel.generation)
            if nummer not in gezien:
                gezien.add(nummer)
                open_.append(deel.get_object())
        elif isinstance(deel, DictionaryObject):
            yield deel
            open_ += [
                waarde
                for sleutel, waarde in deel.items()
                if isinstance(waarde, (IndirectObject, DictionaryObject, ArrayObject)) and sleutel not in overslaan
            ]
        elif isinstance(deel, ArrayObject):
            open_ += [waarde for waarde in deel if isinstance(waarde, (IndirectObject, DictionaryObject, ArrayObject))]


def _haal(deel: Any, sleutel: str) -> Any:
    """What stands under a key, through references; null when there is no such thing."""
    if not isinstance(deel, DictionaryObject):
        return NullObject()
    return _los_op(deel.get(sleutel))


def _los_op(waarde: Any) -> Any:
    gevolgd: set[tuple[int, int]] = set()
    while isinstance(waarde, IndirectObject) and (waarde.idnum, waarde.generation) not in gevolgd:
        gevolgd.add((waarde.idnum, waarde.generation))
        waarde = waarde.get_object()
    return NullObject() if waarde is None or isinstance(waarde, IndirectObject) else waarde


def _is_pdfa(catalogus: DictionaryObject) -> bool:
    """Whether the XMP of the document says which part of PDF/A it follows (ISO 19005); that it does is not checked."""
    metadata = _haal(catalogus, "/Metadata")
    if not isinstance(metadata, StreamObject):
        return False
    try:
        xmp = metadata.get_data()
        if not xmp.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            xmp = xmp.strip(b"\0 \t\r\n")
        if len(xmp) > _MAX_XMP:
            return False
        boom = etree.fromstring(xmp, etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False))
    except LimitReachedError as fout:
        raise _TeGroot from fout
    except Exception as fout:  # XMP that cannot be read holds no mark; the PDF may be read for all that
        if _vroeg_te_veel(fout):
            raise
        return False
    delen = [element.text for element in boom.iter(_PDFA)]
    delen += [element.get(_PDFA) for element in boom.iter("{http://www.w3.org/1999/02/22-rdf-syntax-ns#}Description")]
    return any(deel is not None and deel.strip() in _PDFA_DELEN for deel in delen)


def _is_getagd(catalogus: DictionaryObject) -> bool:
    gemerkt = _haal(_haal(catalogus, "/MarkInfo"), "/Marked")
    return (
        isinstance(gemerkt, BooleanObject)
        and gemerkt.value
        and isinstance(_haal(catalogus, "/StructTreeRoot"), DictionaryObject)
    )


def _heeft_paginas(catalogus: DictionaryObject) -> bool:
    """Whether the page tree has a leaf."""
    gezien: set[tuple[int, int]] = set()
    open_ = [catalogus.get("/Pages")]
    while open_:
        knoop = open_.pop()
        if isinstance(knoop, IndirectObject):
            nummer = (knoop.idnum, knoop.generation)
            if nummer not in gezien:
                gezien.add(nummer)
                open_.append(knoop.get_object())
        elif isinstance(knoop, DictionaryObject) and "/Kids" in knoop:
            kinderen = _haal(knoop, "/Kids")
            open_ += reversed(kinderen) if isinstance(kinderen, ArrayObject) else []
        elif isinstance(knoop, DictionaryObject) and knoop and _haal(knoop, "/Type") != "/Pages":
            return True
    return False


def _is_ingesloten_bestand(deel: DictionaryObject) -> bool:
    """Whether this is an embedded file, or brings one."""
    if isinstance(deel, StreamObject) and _haal(deel, "/Type") == "/EmbeddedFile":
        return True
    if _haal(deel, "/Subtype") == "/FileAttachment":
        return True
    bestanden = _haal(deel, "/EF")
    return any(isinstance(_haal(bestanden, naam), StreamObject) for naam in ("/F", "/UF", "/DOS", "/Mac", "/Unix"))


def _lettertypen(deel: DictionaryObject) -> Iterator[DictionaryObject]:
    """The fonts that resources, or a graphics state, name."""
    genoemd = _haal(deel, "/Font")
    if isinstance(genoemd, ArrayObject):
        namen = list(genoemd[:1])
    else:
        namen = list(genoemd.values()) if isinstance(genoemd, DictionaryObject) else []
    for naam in namen:
        font = _los_op(naam)
        if isinstance(font, DictionaryObject) and (
            "/BaseFont" in font or _haal(font, "/Type") == "/Font" or _haal(font, "/Subtype") in _LETTERTYPEN
        ):
            yield font


def _is_ingesloten(font: DictionaryObject) -> bool:
    """Whether the shapes of a font stand in the PDF; those of Type 3 always do."""
    soort = _haal(font, "/Subtype")
    if soort == "/Type3":
        return True
    if soort == "/Type0":
        afstammelingen = _haal(font, "/DescendantFonts")
        return isinstance(afstammelingen, ArrayObject) and all(map(_heeft_programma, map(_los_op, afstammelingen)))
    return _heeft_programma(font)


def _heeft_programma(font: Any) -> bool:
    beschrijving = _haal(font, "/FontDescriptor")
    return any(isinstance(_haal(beschrijving, f"/FontFile{soort}"), StreamObject) for soort in ("", "2", "3"))
