"""Hostile and broken input is refused, soon and with little memory; and nothing but Geweigerd ever comes out."""

import contextlib
import gzip
import tracemalloc
import zlib
from collections.abc import Iterable, Iterator
from typing import Any, NoReturn
from unittest.mock import patch
from uuid import UUID
from xml.parsers import expat

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from aanlevering.deel import Deel
from aanlevering.elementen import MAX_DIEPTE, MAX_ELEMENTEN, MAX_TOKEN, Elementen
from aanlevering.inhoud import Inhoud
from aanlevering.lezer import lees
from aanlevering.stroom import STUK_BYTES, als_tekst, uitgepakt
from aanlevering.weigering import Geweigerd
from domain.batch import MAX_BATCH_BYTES, Batch
from tests.globe import BATCH_ID, BSN, Rauw, maak_bericht, maak_bijlage, maak_kader, maak_xml
from tests.regels import regel

GOED = maak_xml(berichten=[maak_bericht(1, bijlagen=[maak_bijlage()]), maak_bericht(2, Onderwerp="é😀")])


def gelezen(stukken: Iterable[bytes]) -> Batch:
    return lees(
        stukken, proceskenmerk=UUID(int=1), aangeleverd_op=1, aangeleverd_door=None, bewaar=lambda sha256, inhoud: None
    )


def weigering(stukken: Iterable[bytes]) -> Geweigerd:
    with pytest.raises(Geweigerd) as geweigerd:
        gelezen(stukken)
    assert BSN not in geweigerd.value.reden + str(geweigerd.value)
    return geweigerd.value


class Teller:
    """Hands on pieces, and counts how many bytes were asked for."""

    def __init__(self, stukken: Iterable[bytes]) -> None:
        self._stukken = stukken
        self.bytes = 0

    def __iter__(self) -> Iterator[bytes]:
        for stuk in self._stukken:
            self.bytes += len(stuk)
            yield stuk


def herhaald(begin: bytes, stuk: bytes, bytes_: int, einde: bytes = b"") -> Iterator[bytes]:
    yield begin
    for _ in range(bytes_ // len(stuk)):
        yield stuk
    yield einde


MIDDEN = f'<Berichten xmlns="http://schemas.rdw.nl/GEB/BerichtVerwerkService/Types/2009/01">{maak_kader()}'.encode()
A = b"a" * STUK_BYTES
VULLING = "x" * 247
SECTIES = "<![CDATA[ ]]>" * 2000


@regel("not well-formed or hostile XML")
@pytest.mark.parametrize(
    "begin",
    [
        b"<!DOCTYPE Berichten>",
        b'<!DOCTYPE Berichten SYSTEM "http://127.0.0.1:9/x.dtd">',
        b'<!DOCTYPE Berichten [<!ENTITY x SYSTEM "file:///etc/passwd">]>',
        b'<!DOCTYPE a [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;&b;&b;">]>',
        b"<!DOCTYPE Berichten [" + b" " * 10_000,
    ],
)
def test_a_doctype_is_hostile(begin: bytes) -> None:
    assert weigering([begin + maak_xml(kop="")]).code == "XmlVijandig"


def test_an_entity_of_ones_own_is_hostile() -> None:
    fout = weigering([maak_xml(berichten=[maak_bericht(Onderwerp=Rauw("<Onderwerp>&geheim;</Onderwerp>"))])])
    assert (fout.code, fout.status, fout.batch_id) == ("XmlVijandig", 400, UUID(BATCH_ID))
    assert "geheim" not in fout.reden


def test_the_five_entities_character_references_comments_and_instructions_are_harmless() -> None:
    onderwerp = Rauw("<Onderwerp>&amp;&lt;&gt;&quot;&apos;&#65;<!-- & --><?pi x?><![CDATA[<b>]]>&#x1F600;</Onderwerp>")
    xml = maak_xml(berichten=["<?pi x?><!-- x -->", maak_bericht(Onderwerp=onderwerp)])
    berichten = gelezen([xml]).berichten
    assert (berichten.schema_fouten, berichten.onderwerpen) == ([""], ["&<>\"'A<b>😀"])


@regel("not well-formed or hostile XML")
@pytest.mark.parametrize(
    "xml",
    [
        b"",
        b"   ",
        b"geen xml",
        GOED[:-1],
        GOED[: len(GOED) // 2],
        GOED + b"<a/>",
        GOED + b"tekst",
        GOED + b"\0",
        GOED.replace(b"Uw", b"U\0w"),
        GOED.replace(b"Uw", b"U\x01w"),
        GOED.replace(b"Uw", b"U&#1;w"),
        GOED.replace(b"Uw", b"U&#xD800;w"),
        GOED.replace(b"Uw", b"U&#xFFFE;w"),
        GOED.replace(b"Uw", b"U&w"),
        GOED.replace(b"<Onderwerp>", b"<Onderwerp a='1' a='2'>"),
        GOED.replace(b"<Onderwerp>", b"<x:Onderwerp>"),
        GOED.replace(b"</Onderwerp>", b"</onderwerp>"),
        b" " + GOED,
    ],
)
def test_what_is_not_well_formed_is_refused(xml: bytes) -> None:
    fout = weigering([xml])
    assert (fout.code, fout.status) == ("XmlNietWelgevormd", 400)


def test_bytes_that_are_not_utf8_are_refused() -> None:
    for slecht in (b"\xff", b"\xc0\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xe9"):
        assert weigering([GOED.replace(b"Uw", slecht)]).code == "XmlNietWelgevormd"


@pytest.mark.parametrize(
    ("genoemd", "codering"),
    [
        ("UTF-8", "utf-8"),
        ("utf-8", "utf-8-sig"),
        ("UTF-16", "utf-16"),
        ("utf-16", "utf-16-le"),
        ("UTF-16BE", "utf-16-be"),
        ("ISO-8859-1", "iso8859-1"),
        ("iso-8859-15", "iso8859-15"),
        ("Windows-1252", "cp1252"),
        ("US-ASCII", "ascii"),
    ],
)
def test_the_encodings_that_are_taken(genoemd: str, codering: str) -> None:
    onderwerp = "Uw" if codering == "ascii" else "Üw"
    kop = f'<?xml version="1.0" encoding="{genoemd}" standalone="yes"?>'
    xml = maak_xml(kop=kop, codering=codering, berichten=[maak_bericht(Onderwerp=onderwerp)])
    for stukken in ([xml], [bytes([teken]) for teken in xml]):
        assert gelezen(stukken).berichten.onderwerpen == [onderwerp]
    zonder = maak_xml(kop="", codering="utf-16", berichten=[maak_bericht(Onderwerp=onderwerp)])
    assert gelezen([zonder]).berichten.onderwerpen == [onderwerp]


@pytest.mark.parametrize(
    ("genoemd", "codering"),
    [
        ("UTF-7", "utf-7"),
        ("UTF-32", "utf-32"),
        ("UTF-16", "utf-8"),
        ("UTF-8", "utf-16"),
        ("ISO-8859-1", "utf-8-sig"),
        ("EBCDIC-CP-NL", "utf-8"),
        ("IBM037", "cp037"),
        ("onbekend", "utf-8"),
        ("US-ASCII", "utf-8"),
    ],
)
def test_another_encoding_or_one_that_does_not_fit_is_refused(genoemd: str, codering: str) -> None:
    kop = f'<?xml version="1.0" encoding="{genoemd}"?>'
    xml = maak_xml(kop=kop, codering=codering, berichten=[maak_bericht(Onderwerp="é")])
    assert weigering([xml]).code in ("CoderingOnbekend", "XmlNietWelgevormd")


@regel("not well-formed or hostile XML")
def test_elements_nested_too_deep_are_hostile_and_reading_stops() -> None:
    diep = "<a>" * (MAX_DIEPTE - 3)
    goed_diep = maak_bericht(na=diep + diep.replace("<", "</"))
    assert gelezen([maak_xml(berichten=[goed_diep])]).berichten.schema_fouten[0].startswith("onbekend: ")
    te_diep = diep + "<a>"
    assert (
        weigering([maak_xml(berichten=[maak_bericht(na=te_diep + te_diep.replace("<", "</"))])]).code == "XmlVijandig"
    )
    stroom = Teller(herhaald(MIDDEN, b"<a>" * 1000, MAX_BATCH_BYTES))
    assert weigering(stroom).code == "XmlVijandig"
    assert stroom.bytes < 1_000_000


@pytest.mark.parametrize(
    "begin",
    [MIDDEN, MIDDEN + b"<Bericht>", MIDDEN.replace(b"</BatchInformatie>", b"")],
    ids=["wortel", "bericht", "kader"],
)
def test_too_many_elements_are_hostile_and_reading_stops(begin: bytes) -> None:
    stroom = Teller(herhaald(begin, b"<a/>" * MAX_ELEMENTEN, MAX_BATCH_BYTES))
    assert weigering(stroom).code == "XmlVijandig"
    assert stroom.bytes < 1_000_000


@pytest.mark.parametrize(
    "begin",
    [b"<!--", b"<?pi ", b"<", b"<a b='", b"<a ", b"<a b", b"<a xmlns:b='", b"</", b"&"],
    ids=[
        "commentaar",
        "instructie",
        "naam",
        "waarde",
        "attributen",
        "attribuutnaam",
        "namespace",
        "sluiting",
        "entiteit",
    ],
)
def test_a_token_without_end_is_hostile_and_reading_stops(begin: bytes) -> None:
    stroom = Teller(herhaald(MIDDEN + begin, A, MAX_BATCH_BYTES))
    assert weigering(stroom).code in ("XmlVijandig", "XmlNietWelgevormd")
    assert stroom.bytes < 1_000_000


@pytest.mark.parametrize("voor", [0, 1, 30_000, STUK_BYTES])
@pytest.mark.parametrize("bericht", [maak_bericht(), maak_bericht(na="<!-- -->")], ids=["gewoon", "per element"])
def test_how_long_a_token_may_be_does_not_depend_on_how_the_bytes_arrive(voor: int, bericht: str) -> None:
    def in_stukken(token: int, grens: int) -> list[bytes]:
        commentaar = f"<!--{' <Bericht '.ljust(token - 7, 'x')}-->"
        xml = maak_xml(berichten=[bericht, " " * voor, commentaar, bericht])
        return [xml[begin : begin + grens] for begin in range(0, len(xml), grens)]

    for grens in (5000, STUK_BYTES, MAX_BATCH_BYTES):
        assert len(gelezen(in_stukken(MAX_TOKEN + 1, grens)).berichten) == 2
        assert weigering(in_stukken(MAX_TOKEN + 2, grens)).code == "XmlVijandig"


def test_a_comment_full_of_what_looks_like_messages_goes_on_in_few_steps() -> None:
    commentaar = f"<!--{f'<Bericht {VULLING}' * 900}-->"
    assert 200_000 < len(commentaar) < MAX_TOKEN
    xml = maak_xml(berichten=[maak_bericht(), commentaar])
    with patch.object(Elementen, "lees", autospec=True, side_effect=Elementen.lees) as lees_stap:
        assert len(gelezen([xml]).berichten) == 1
    assert lees_stap.call_count < 30


@pytest.mark.parametrize(
    "bericht",
    [
        maak_bericht(Onderwerp=Rauw(f"<Onderwerp>{SECTIES}</Onderwerp>")),
        maak_bericht(bijlagen=[maak_bijlage(tekst=SECTIES)]),
        f"{maak_bericht()}{SECTIES}",
        f"{SECTIES}{maak_bericht()}",
        f"{maak_bericht()}<Extra>{SECTIES}</Extra>",
    ],
    ids=["tekst", "bijlage", "wortel", "voor het bericht", "verdwaald"],
)
def test_many_sections_in_a_row_are_one_text(bericht: str) -> None:
    xml = maak_xml(berichten=[bericht])
    with patch.object(Elementen, "_data", autospec=True, side_effect=Elementen._data) as data:
        assert len(gelezen([xml]).berichten) == 1
    assert data.call_count < 30


def test_a_piece_of_a_bijlage_costs_no_look_at_the_others_and_nothing_once_it_is_unreadable() -> None:
    class Ongezien(list[Inhoud]):
        def __iter__(self) -> NoReturn:
            raise AssertionError

    deel = Deel(etree.Element("Bericht"))
    deel.bijlagen = Ongezien()
    deel.begin_bijlage()
    deel.neem_inhoud("QUJD")
    assert deel.inhoud(0) == b"ABC"
    deel.neem_inhoud("é")
    tracemalloc.start()
    try:
        for _ in range(10_000):
            deel.neem_inhoud("QUJD")
        assert tracemalloc.get_traced_memory()[0] < 1000
    finally:
        tracemalloc.stop()


_maak_parser = expat.ParserCreate


class Uitsteller:
    """Parses as expat does, and says like expat 2.6 after every second piece that it is nowhere."""

    def __init__(self, codering: str, scheiding: str) -> None:
        vars(self).update(parser=_maak_parser(codering, scheiding), stukken=0)

    def __getattr__(self, naam: str) -> Any:
        parser, stukken = vars(self)["parser"], vars(self)["stukken"]
        if naam == "Parse":
            vars(self)["stukken"] += 1
        return -1 if naam == "CurrentByteIndex" and stukken % 2 else getattr(parser, naam)

    def __setattr__(self, naam: str, waarde: object) -> None:
        setattr(vars(self)["parser"], naam, waarde)


@pytest.mark.parametrize("na", ["", "<!-- -->"], ids=["gewoon", "per element"])
def test_a_parser_that_puts_a_piece_off_makes_no_batch_hostile(monkeypatch: pytest.MonkeyPatch, na: str) -> None:
    xml = maak_xml(berichten=[maak_bericht(na=na)] * 800)
    assert len(xml) > MAX_TOKEN
    monkeypatch.setattr("aanlevering.elementen.expat.ParserCreate", Uitsteller)
    stukken = [xml[i : i + 5000] for i in range(0, len(xml), 5000)]
    assert len(gelezen(stukken).berichten) == 800


def test_a_declaration_without_end_is_refused() -> None:
    stroom = Teller(herhaald(b"<?xml version='1.0' ", b" " * STUK_BYTES, MAX_BATCH_BYTES))
    assert weigering(stroom).code in ("XmlVijandig", "XmlNietWelgevormd")
    assert stroom.bytes < 1_000_000


@pytest.mark.parametrize(
    "element",
    [
        "<{lang}/>",
        "<a b='{lang}{lang}'/>",
        "<a {lang}{lang}='1'/>",
        "<a xmlns='urn:{lang}'/>",
        "<x:a xmlns:x='{lang}'/>",
    ],
)
def test_huge_names_and_attributes_are_hostile(element: str) -> None:
    xml = maak_xml(berichten=[maak_bericht(na=element.format(lang="a" * 2500))])
    assert weigering([xml]).code == "XmlVijandig"


@regel("0 or more than 1000 messages")
def test_more_than_1000_messages_are_refused_as_soon_as_they_are_seen() -> None:
    stroom = Teller(herhaald(MIDDEN, b"<Bericht/>" * 100, MAX_BATCH_BYTES))
    assert weigering(stroom).code == "TeVeelBerichten"
    assert stroom.bytes < 1_000_000


@regel("over 100 MB", "A batch is at most 100 MB, base64 included")
def test_over_100_mb_is_refused_as_soon_as_it_is_seen() -> None:
    stroom = Teller(herhaald(MIDDEN, b" " * STUK_BYTES, 3 * MAX_BATCH_BYTES))
    fout = weigering(stroom)
    assert (fout.code, fout.status) == ("TeGroot", 413)
    assert stroom.bytes < MAX_BATCH_BYTES + 2 * STUK_BYTES


@regel("A batch is at most 100 MB, base64 included")
def test_exactly_100_mb_is_taken() -> None:
    vulling = MAX_BATCH_BYTES - len(GOED)
    assert gelezen([GOED, *(b" " * STUK_BYTES for _ in range(vulling // STUK_BYTES)), b" " * (vulling % STUK_BYTES)])
    assert weigering([GOED, b" " * (vulling + 1)]).code == "TeGroot"


def test_gzip_is_unpacked_whatever_its_pieces() -> None:
    ingepakt = gzip.compress(GOED)
    for stukken in (
        [ingepakt],
        [bytes([teken]) for teken in ingepakt],
        [gzip.compress(GOED[:99]), gzip.compress(GOED[99:])],
    ):
        assert b"".join(uitgepakt(stukken)) == GOED


@pytest.mark.parametrize(
    "ingepakt",
    [
        b"",
        b"\x1f",
        GOED,
        gzip.compress(GOED)[:-1],
        gzip.compress(GOED)[:30],
        gzip.compress(GOED)[:-8] + bytes(8),
        gzip.compress(GOED) + b"rest",
        zlib.compress(GOED),
        gzip.compress(b"") * 20_000,
    ],
    ids=["leeg", "begin", "geen gzip", "staart weg", "half", "controlegetal", "rest", "zlib", "lege leden"],
)
def test_a_torn_or_damaged_gzip_is_refused(ingepakt: bytes) -> None:
    assert weigering(uitgepakt([ingepakt])).code == "GzipOnleesbaar"


def test_gzip_in_gzip_is_not_unpacked_twice() -> None:
    assert weigering(uitgepakt([gzip.compress(gzip.compress(GOED))])).code == "GzipNietAangekondigd"


def test_gzip_that_was_not_announced_is_refused() -> None:
    assert weigering([gzip.compress(GOED)]).code == "GzipNietAangekondigd"


@regel("over 100 MB")
def test_a_gzip_bomb_is_unpacked_no_further_than_100_mb() -> None:
    inpakker = zlib.compressobj(9, wbits=31)
    wit = b" " * 10_000_000
    bom = b"".join([inpakker.compress(MIDDEN), *(inpakker.compress(wit) for _ in range(20)), inpakker.flush()])
    assert len(bom) < MAX_BATCH_BYTES / 100
    stroom = Teller(uitgepakt([bom]))
    assert weigering(stroom).code == "TeGroot"
    assert stroom.bytes < MAX_BATCH_BYTES + 2 * STUK_BYTES


def test_pieces_that_are_handed_on_are_small() -> None:
    assert max(map(len, als_tekst([b"<a>" + b"x" * 1_000_000]))) <= STUK_BYTES


def test_reading_does_not_depend_on_how_the_bytes_arrive() -> None:
    heel = gelezen([GOED])
    assert gelezen([bytes([teken]) for teken in GOED]) == heel
    assert gelezen([GOED[:100], b"", GOED[100:]]) == heel


@regel("not well-formed or hostile XML")
@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_mutated_bytes_never_raise_anything_but_a_refusal(data: st.DataObject) -> None:
    xml = bytearray(GOED)
    for _ in range(data.draw(st.integers(1, 8))):
        plaats = data.draw(st.integers(0, len(xml) - 1))
        soort = data.draw(st.sampled_from(["vervang", "knip", "voeg in", "herhaal"]))
        if soort == "vervang":
            xml[plaats] = data.draw(st.integers(0, 255))
        elif soort == "knip":
            del xml[plaats : plaats + data.draw(st.integers(1, 40))]
            xml = xml or bytearray(b"<")
        elif soort == "voeg in":
            xml[plaats:plaats] = data.draw(
                st.one_of(st.binary(max_size=8), st.sampled_from([b"<", b"&", b"]]>", b"<!--"]))
            )
        else:
            xml[plaats:plaats] = xml[plaats : plaats + data.draw(st.integers(1, 60))]
    with contextlib.suppress(Geweigerd):
        batch = gelezen([bytes(xml)])
        assert 0 < len(batch.berichten) == batch.kader.totaal
        assert not any(BSN in schema_fout for schema_fout in batch.berichten.schema_fouten)


@settings(max_examples=100, deadline=None)
@given(xml=st.binary(max_size=300), ingepakt=st.booleans())
def test_random_bytes_never_raise_anything_but_a_refusal(xml: bytes, ingepakt: bool) -> None:
    weigering(uitgepakt([xml]) if ingepakt else [xml])
