"""Ordinary messages are read by pattern, all others element by element: which of the two a message meets shows in
nothing but the time it takes. The reader element by element is the oracle."""

import base64
import gzip
from collections.abc import Callable, Iterable
from typing import Any
from unittest.mock import patch
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aanlevering import elementen, gewoon, stroom
from aanlevering.elementen import Bewaar, Elementen
from aanlevering.lezer import lees
from aanlevering.stroom import als_tekst, uitgepakt
from aanlevering.weigering import Geweigerd
from domain.batch import MAX_BIJLAGEN_BYTES, Batch, Kader
from domain.codes import NUL_GUID
from tests.globe import (
    BATCH_ID,
    BATCH_NS,
    BERICHT_NS,
    BSN,
    Rauw,
    bericht_id,
    maak_bericht,
    maak_bijlage,
    maak_kader,
    maak_xml,
)

Oordeel = tuple[Batch | tuple[str, str, UUID | None], list[tuple[bytes, bytes]]]
"""The batch, or the code, sentence and BatchID of the refusal; and what was offered to the store, in order."""


def _uitkomst(lees_batch: Callable[[Bewaar], Batch]) -> Oordeel:
    bewaard: list[tuple[bytes, bytes]] = []
    try:
        return lees_batch(lambda sha256, inhoud: bewaard.append((sha256, inhoud))), bewaard
    except Geweigerd as fout:
        return (fout.code, fout.reden, fout.batch_id), bewaard


def oordeel(stukken: Iterable[bytes]) -> Oordeel:
    return _uitkomst(
        lambda bewaar: lees(stukken, proceskenmerk=UUID(int=1), aangeleverd_op=1, aangeleverd_door=None, bewaar=bewaar)
    )


def oordeel_per_element(stukken: Iterable[bytes]) -> Oordeel:
    """Element by element, in the pieces that come, with nothing between: no pattern, no groups, no steps."""

    def lees_batch(bewaar: Bewaar) -> Batch:
        elementen = Elementen(bewaar)
        try:
            for stuk in als_tekst(stukken):
                elementen.lees(stuk)
            elementen.sluit()
            batch_id, leverancier, berichten = elementen.uitkomst()
        except Geweigerd as fout:
            fout.batch_id = fout.batch_id or elementen.batch_id
            raise
        kader = Kader(
            proceskenmerk=UUID(int=1),
            batch_id=batch_id,
            leverancier=leverancier,
            aangeleverd_door=leverancier,
            aanmaakdatum=elementen.aanmaakdatum,
            aangeleverd_op=1,
            totaal=len(berichten),
        )
        return Batch(kader, berichten)

    return _uitkomst(lees_batch)


def gewone(xml: bytes) -> int:
    """How many messages of a batch are read by pattern; both ways must say the same."""
    with patch.object(Elementen, "neem", autospec=True, side_effect=Elementen.neem) as neem:
        assert oordeel([xml]) == oordeel_per_element([xml])
    return neem.call_count


def met_voorvoegsel(xml: str, voorvoegsel: str) -> str:
    """A message with a prefix throughout."""
    return xml.replace("</", f"</{voorvoegsel}:").replace("<", f"<{voorvoegsel}:").replace(
        f"<{voorvoegsel}:/{voorvoegsel}:", f"</{voorvoegsel}:"
    ).replace(" xmlns=", f" xmlns:{voorvoegsel}=")  # fmt: skip


VOL = maak_bericht(
    1,
    PublicatieDatum="2026-02-01T00:00:00.5+01:00",
    EindDatumHandelingsTermijn="2026-02-01T00:00:00Z",
    BerichtTekst="één & \"twee\" <drie>\\r\\n 'vier'",
    Referentie="R&D",
    GebruikerID="12345678",
    bijlagen=[maak_bijlage(b"een" * 99), maak_bijlage(b"twee", omschrijving="<&>", volgorde="-2")],
)
ZONDER_NS = VOL.replace(f' xmlns="{BERICHT_NS}"', "")


@pytest.mark.parametrize(
    ("berichten", "attributen"),
    [
        ([maak_bericht(1), VOL], ""),
        ([VOL.replace('"', "'", 2), met_voorvoegsel(VOL, "b"), met_voorvoegsel(VOL, "B-1.x_y")], ""),
        ([VOL.replace("><", ">\r\n\t <"), "\n", VOL.replace("><", "> <")], ""),
        ([met_voorvoegsel(ZONDER_NS, "ns2"), met_voorvoegsel(VOL, "ns2")], f' xmlns:ns2="{BERICHT_NS}"'),
        ([maak_bericht(1, PublicatieDatum="", BerichtTekst="", Referentie="")], ""),
        ([maak_bericht(1, PublicatieDatum=Rauw("<PublicatieDatum/>"), Referentie=Rauw("<Referentie />"))], ""),
        ([maak_bericht(1, Onderwerp="&" * 50, BerichtTekst='"' * 4000, Referentie="'" * 25)], ""),
        ([maak_bericht(1, BatchID=BATCH_ID.upper(), BerichtType="a b\n\tc")], ""),
        ([maak_bericht(1, bijlagen=[maak_bijlage(tekst=base64.encodebytes(b"a" * MAX_BIJLAGEN_BYTES).decode())])], ""),
    ],
    ids=[
        "kaal en vol",
        "aanhalingstekens en voorvoegsels",
        "opgemaakt",
        "voorvoegsel van de wortel",
        "leeg",
        "leeg element",
        "vijf verwijzingen",
        "hoofdletters en wit",
        "grootste bijlage",
    ],
)  # fmt: skip
def test_what_software_writes_is_read_by_pattern(berichten: list[str], attributen: str) -> None:
    aantal = sum("Bericht" in bericht for bericht in berichten)
    assert gewone(maak_xml(berichten=berichten, attributen=attributen)) == aantal


@pytest.mark.parametrize(
    "bericht",
    [
        maak_bericht(ns="urn:x"),
        ZONDER_NS,
        met_voorvoegsel(ZONDER_NS, "b"),
        met_voorvoegsel(VOL, "xml"),
        met_voorvoegsel(VOL, "b").replace("xmlns:b=", "xmlns:c="),
        met_voorvoegsel(VOL, "b").replace("b:Inhoud", "Inhoud"),
        VOL.replace("<Onderwerp>", "<Onderwerp a='1'>"),
        VOL.replace("<BerichtID>", "<!-- --><BerichtID>"),
        VOL.replace("<BerichtID>", "<?pi?><BerichtID>"),
        maak_bericht(Onderwerp=Rauw("<Onderwerp><![CDATA[x]]></Onderwerp>")),
        maak_bericht(Onderwerp=Rauw("<Onderwerp>&#65;</Onderwerp>")),
        maak_bericht(Onderwerp=Rauw("<Onderwerp>&x;</Onderwerp>")),
        maak_bericht(Onderwerp=Rauw("<Onderwerp>]]></Onderwerp>")),
        maak_bericht(Onderwerp=Rauw("<Onderwerp>a\r\nb</Onderwerp>")),
        maak_bericht(Onderwerp=Rauw("<Onderwerp>\x07</Onderwerp>")),
        maak_bericht(Onderwerp=Rauw("<Onderwerp>\ufffe</Onderwerp>")),
        maak_bericht(Onderwerp="x" * 51),
        maak_bericht(Onderwerp="&" * 51),
        maak_bericht(BerichtType="&" * 9),
        maak_bericht(BerichtTekst="x" * 4001),
        maak_bericht(BerichtID=str(NUL_GUID)),
        maak_bericht(BatchID=bericht_id(9)),
        maak_bericht(GebruikerID=f" {BSN}"),
        maak_bericht(GebruikerID="９" * 9),
        maak_bericht(SoortGebruiker="burger"),
        maak_bericht(PublicatieDatum="2026-02-30T00:00:00Z"),
        maak_bericht(PublicatieDatum="2026-02-01T24:00:00Z"),
        maak_bericht(PublicatieDatum="2026-02-01T00:00:00+14:01"),
        maak_bericht(PublicatieDatum="1969-12-31T00:00:00Z"),
        maak_bericht(EindDatumHandelingsTermijn=""),
        maak_bericht(na="<Dienst/>"),
        maak_bericht(bijlagen=[maak_bijlage(tekst="AB==")]),
        maak_bericht(bijlagen=[maak_bijlage(tekst="QUJDQ")]),
        maak_bericht(bijlagen=[maak_bijlage(tekst="QUI=QUJD")]),
        maak_bericht(bijlagen=[maak_bijlage(tekst="Q&#85;JD")]),
        maak_bericht(bijlagen=[maak_bijlage(tekst="QU\u00a0JD")]),
        maak_bericht(bijlagen=[maak_bijlage(tekst="QU\x0bJD")]),
        maak_bericht(bijlagen=[maak_bijlage(tekst="")]),
        maak_bericht(bijlagen=[maak_bijlage()] * 3),
        maak_bericht(bijlagen=[maak_bijlage(b"a" * MAX_BIJLAGEN_BYTES), maak_bijlage(b"b")]),
        maak_bericht(bijlagen=[maak_bijlage(volgorde="2147483648")]),
    ],
)
def test_what_is_odd_or_wrong_is_left_to_the_reader_of_elements(bericht: str) -> None:
    midden = maak_xml(berichten=[maak_bericht(1), bericht, maak_bericht(2)])
    assert gewone(midden) == (2 if isinstance(oordeel([midden])[0], Batch) else 1)
    assert gewone(maak_xml(berichten=[bericht])) == 0


@pytest.mark.parametrize(
    "voor",
    ["<![CDATA[ ", "<!-- ", "<?pi ", "<Extra>", "<Bericht>", "tekst", f"<Bericht xmlns='{BERICHT_NS}'>", "&#32;<a b='"],
)
@pytest.mark.parametrize("na", ["]]>", "-->", "?>", "</Extra>", "</Bericht>", "'/>", ""])
def test_what_looks_like_a_message_and_is_not_counts_for_nothing(voor: str, na: str) -> None:
    gewone(maak_xml(berichten=[maak_bericht(1), voor, VOL, na, maak_bericht(2)]))


def test_a_prefix_that_only_another_message_declares_is_not_known() -> None:
    ander = VOL.replace("<Bericht ", f"<Bericht xmlns:b='{BERICHT_NS}' ")
    assert gewone(maak_xml(berichten=[ander, met_voorvoegsel(ZONDER_NS, "b")])) == 0


def test_a_message_has_one_prefix_throughout() -> None:
    begin, _, rest = met_voorvoegsel(maak_bericht(bijlagen=[maak_bijlage()]), "b").partition("</b:Inhoud>")
    ander = begin + "</c:Inhoud>" + rest.replace("b:", "c:")
    assert gewone(maak_xml(berichten=[begin + "</b:Inhoud>" + rest])) == 1
    assert gewone(maak_xml(berichten=[ander])) == 0


def test_a_message_inside_a_section_or_comment_is_not_read_by_pattern() -> None:
    for voor, na in (("<![CDATA[", "]]>"), ("<!--", "-->"), ("<?pi ", "?>"), ("<Extra>", "</Extra>")):
        assert gewone(maak_xml(berichten=[maak_bericht(1), voor, VOL, na])) == 1


def test_nothing_is_read_by_pattern_before_the_frame_or_after_one_that_is_wrong() -> None:
    assert gewone(maak_xml(kader=maak_bericht(1) + maak_kader(), berichten=[VOL])) == 0
    assert gewone(maak_xml(aanmaakdatum="x", berichten=[VOL])) == 0
    assert gewone(maak_xml(kop="", leverancier="x", berichten=[VOL, "tekst", VOL])) == 1


def test_the_thousand_and_first_message_is_refused_by_pattern_or_not() -> None:
    assert gewone(maak_xml(berichten=[maak_bericht(nummer) for nummer in range(1, 1002)])) == 1000


@pytest.mark.parametrize("regeleinde", ["\n", "\r\n", "\r"])
def test_a_refusal_names_the_line_behind_messages_that_were_read_by_pattern(regeleinde: str) -> None:
    bericht = maak_bericht(1, bijlagen=[maak_bijlage(tekst=f"QUJD{regeleinde}QUJD")]).replace("><", f">{regeleinde}<")
    xml = maak_xml(berichten=[bericht, regeleinde, bericht, f"{regeleinde}<a></b>"])
    assert gewone(xml) == 2
    uitkomst, _ = oordeel([xml])
    assert isinstance(uitkomst, tuple)
    code, reden, _ = uitkomst
    assert (code, f"(regel {2 * bericht.count(regeleinde) + 3})" in reden) == ("XmlNietWelgevormd", True)


def test_what_came_before_a_stream_that_breaks_off_is_judged_first() -> None:
    heel = maak_xml(berichten=[VOL, maak_bericht(2)])
    begin = heel[: heel.rindex(b"<SoortGebruiker>")]
    for slecht in (begin, begin.replace(b"R&amp;D", b"R&D"), begin + b"</Bericht>"):
        for rest in (b"\xff", b"\x1f\x8b"):
            stukken = [slecht.decode().encode("utf-16"), rest]
            assert oordeel(stukken) == oordeel_per_element(stukken)
    assert oordeel([begin.decode().encode("utf-16"), b"\xff"])[0][0] == "CoderingOnbekend"  # type: ignore[index]


def test_a_refused_encoding_names_the_batch_wherever_the_pieces_end() -> None:
    xml = bytearray(
        maak_xml(kop='<?xml version="1.0" encoding="UTF-16"?>', berichten=[VOL, VOL]).decode().encode("utf-16")
    )
    xml[-100:-98] = b"\x00\xdc"  # half of a pair
    for grens in (len(xml), 1000, 7):
        uitkomst, _ = oordeel([bytes(xml[begin : begin + grens]) for begin in range(0, len(xml), grens)])
        assert isinstance(uitkomst, tuple)
        assert (uitkomst[0], uitkomst[2]) == ("CoderingOnbekend", UUID(BATCH_ID))


KOP = '<?xml version="1.0" encoding="UTF-8"?>'
KOPPEN = [
    *([KOP] * 9),
    "",
    "\ufeff",
    '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\r\n<!-- x --><?pi?>',
    "<?xml version='1.1'?>",
    '<!DOCTYPE Berichten [<!ENTITY x "y">]>',
]
CODERINGEN = [("utf-8", "UTF-8")] * 9 + [
    ("utf-8-sig", "UTF-8"),
    ("utf-16", "UTF-16"),
    ("utf-16-le", "UTF-16"),
    ("iso8859-1", "ISO-8859-1"),
    ("cp1252", "windows-1252"),
    ("ascii", "UTF-8"),
    ("utf-32", "UTF-32"),
    ("iso8859-1", "UTF-8"),
]
TEKSTEN = ["", "x", "é", "€", "😀", " ", "\t\n", "\r", "&amp;", "&lt;&gt;&quot;&apos;", "&#65;", "&#x1F600;", "&#13;"]
TEKSTEN += [
    "<![CDATA[<x>]]>",
    "<![CDATA[]]>",
    "<!-- x -->",
    "<?pi x?>",
    "<a/>",
    ">",
    "]",
    "]]",
    "\x7f",
    "\x85",
    "\u2028",
    "\ufffd",
]
TEKSTEN += ["x" * 8, "x" * 51, "x" * 300, "x" * 5001, BSN, "２" * 9]
FATAAL = ["&", "&amp", "&x;", "&#0;", "<!-- -- -->", "]]>", "\x0b", "\uffff", "<", "<a>", "</a>"]
TUSSEN = [
    "\n",
    "\r\n  ",
    " " * 100,
    "<!-- x -->",
    "<![CDATA[ ]]>",
    "<?pi?>",
    "\r",
    f"<!--{VOL}-->",
    "<!-- <Bericht -->",
]
TUSSEN += ["x", "&#32;", "<Extra/>", maak_kader(), f"<![CDATA[{VOL}]]>", f"<Extra>{VOL}</Extra>", "<Bericht />"]
TUSSEN += ["<![CDATA[", "<!--", "</Berichten>", "\x00"]
VELDEN = ["BatchID", "BerichtID", "BerichtType", "PublicatieDatum", "EindDatumHandelingsTermijn", "Onderwerp"]
VELDEN += ["BerichtTekst", "Referentie", "GebruikerID", "SoortGebruiker"]
DATUMS = ["2026-02-01T00:00:00Z", "2026-02-29T00:00:00Z", "2026-2-1T00:00:00Z", "2300-01-01T00:00:00-14:00", " "]
DATUMS += [
    "2026-02-01T00:00:00.123456789+13:59",
    "2026-02-01T00:00:00",
    "\n2026-02-01T00:00:00Z",
    "2026-02-01T24:00:00Z",
]
INHOUDEN = ["QUJD", "Q U\r\nJD", "QUI=", "QUJD" * 9000, "QUJ=", "QUJDQ", "", " ", "QUJD=", "é", "====", "&#81;UJD"]
INHOUDEN += ["<!-- -->QUJD", "<![CDATA[QUJD]]>"]
VERVANGINGEN = [
    ("><", ">\n<"),
    ("><", "> \r\n\t<"),
    ('"', "'"),
    ("=", " = "),
    ("<Bericht ", "<Bericht\n"),
    ("</Bericht>", "</Bericht >"),
    ("Prosessor", "Processor"),
    ("xmlns=", "xmlns:x="),
    ("<Onderwerp>", "<Onderwerp a='&lt;'>"),
    ("<Inhoud>", "<Inhoud >"),
    (" xmlns=", " xmlns:x='urn:x' xmlns="),
    (f' xmlns="{BERICHT_NS}"', ""),
    ("BerichtID", "BerichtId"),
]
_teksten = st.lists(st.sampled_from(TEKSTEN), max_size=3).map("".join)
_tussen = st.sampled_from([""] * 40 + TUSSEN)
_waarde = {
    **dict.fromkeys(VELDEN, _teksten),
    **dict.fromkeys(("PublicatieDatum", "EindDatumHandelingsTermijn"), st.sampled_from(DATUMS)),
    "BatchID": st.sampled_from([BATCH_ID.upper(), bericht_id(1), ""]),
    "BerichtID": st.sampled_from([bericht_id(7).upper(), str(NUL_GUID), "x"]),
    "GebruikerID": st.sampled_from(["12345678", "1", BSN + " ", BSN + "<!-- -->"]),
}
_veld = st.sampled_from(VELDEN).flatmap(
    lambda naam: (_waarde[naam] | _teksten).map(lambda tekst: (naam, Rauw(f"<{naam}>{tekst}</{naam}>")))
)
_bijlage = st.builds(
    lambda tekst, omschrijving, volgorde: maak_bijlage(
        tekst=tekst, omschrijving=Rauw(f"<Omschrijving>{omschrijving}</Omschrijving>"), volgorde=volgorde
    ),
    st.sampled_from(INHOUDEN[:3]) | st.sampled_from(INHOUDEN),
    st.just("Brief") | _teksten,
    st.sampled_from(["1", "-1", "+1", " 1", "01", "9" * 9, "9" * 10, ""]),
)


@st.composite
def _bericht(draw: st.DrawFn) -> str:
    velden: dict[str, Any] = dict(draw(st.lists(_veld, max_size=2)))
    weg = draw(st.sampled_from([None, None, None, *VELDEN]))
    xml = maak_bericht(
        draw(st.integers(1, 9)),
        bijlagen=draw(st.lists(_bijlage, max_size=3)),
        **velden | ({weg: None} if weg else {}),
    )
    for oud, nieuw in draw(st.lists(st.sampled_from(VERVANGINGEN), max_size=1)):
        xml = xml.replace(oud, nieuw)
    voorvoegsel = draw(st.sampled_from(["", "", "", "b", "b", "v", "é", "b" * 30]))
    return met_voorvoegsel(xml, voorvoegsel) if voorvoegsel else xml


@st.composite
def _document(draw: st.DrawFn) -> bytes:
    berichten = draw(st.lists(st.sampled_from([maak_bericht(8), VOL]) | _bericht(), max_size=6))
    tussen = [draw(_tussen) for _ in berichten]
    codering, genoemd = draw(st.sampled_from(CODERINGEN))
    xml = maak_xml(
        kop=draw(st.sampled_from(KOPPEN)).replace("UTF-8", genoemd),
        attributen=draw(st.sampled_from(["", "", f' xmlns:b="{BERICHT_NS}"', f' xmlns:x="{BERICHT_NS}"', " a='1'"])),
        aanmaakdatum=draw(st.sampled_from(["2026-01-31T12:00:00Z"] * 9 + ["x"])),
        berichten=[deel for paar in zip(berichten, tussen, strict=True) for deel in paar],
    ).decode()
    if draw(st.booleans()):
        xml = xml.replace(f'<Berichten xmlns="{BATCH_NS}"', f'<v:Berichten xmlns:v="{BATCH_NS}" xmlns="{BERICHT_NS}"')
        xml = xml.replace("</Berichten>", "</v:Berichten>").replace(maak_kader(), met_voorvoegsel(maak_kader(), "v"))
    return xml.encode(codering, "xmlcharrefreplace")


def _beschadig(data: st.DataObject, xml: bytes) -> bytes:
    uit = bytearray(xml)
    for _ in range(data.draw(st.sampled_from([0, 0, 0, 1, 2]))):
        plaats = data.draw(st.integers(0, len(uit)))
        weg = data.draw(st.sampled_from([0, 0, 1, 20, 2000]))
        erbij = data.draw(st.sampled_from([b"", *(tekst.encode() for tekst in TEKSTEN[:40])]) | st.binary(max_size=3))
        uit[plaats : plaats + weg] = erbij
    return bytes(uit)


@settings(max_examples=500, deadline=None)
@given(data=st.data(), document=_document())
def test_by_pattern_or_by_element_the_outcome_is_the_same(data: st.DataObject, document: bytes) -> None:
    """Whatever the bytes and their borders; and with windows so small that messages do not fit in them."""
    xml = _beschadig(data, document)
    grens = data.draw(st.sampled_from([len(xml), 1, 7, 64, 1000]))
    stukken = [xml[begin : begin + grens] for begin in range(0, len(xml), grens)] if xml else [b""]
    groep = data.draw(st.sampled_from([stroom.STUK_BYTES, 1, 50, 700]))
    kop = data.draw(st.sampled_from([gewoon._MAX_KOP, 10, 400]))
    token = data.draw(st.sampled_from([elementen.MAX_TOKEN, 400, len(VOL) + data.draw(st.integers(-2, 20))]))
    with patch.object(elementen, "MAX_TOKEN", token):
        verwacht = oordeel_per_element([xml])
        with (
            patch.object(stroom, "STUK_BYTES", groep),
            patch.object(elementen, "STUK_BYTES", groep),
            patch.object(gewoon, "_MAX_KOP", kop),
        ):
            assert oordeel(stukken) == verwacht


@settings(max_examples=50, deadline=None)
@given(data=st.data(), document=_document())
def test_also_when_it_comes_as_gzip_that_is_damaged(data: st.DataObject, document: bytes) -> None:
    ingepakt = _beschadig(data, gzip.compress(document, 1))
    assert oordeel(uitgepakt([ingepakt])) == oordeel_per_element(uitgepakt([ingepakt]))
