"""What the PDF check sees, in this process and in a limited one."""

import io
from collections.abc import Iterator

import pytest
from pypdf import PdfReader, PdfWriter

from domain import bijlage
from tests.pdf import WAAR, XMP, Keur, bouw, bouw_samengepakt, delen, keurder, stroom, werk_bij
from tests.regels import regel
from voorbeeld.pdf import maak_pdf, maak_pdf_met

W = bijlage.Waarschuwing
FONT = "/Type /Font /Subtype /TrueType /BaseFont /Aap"
"""A font that is not inside, unless a FontDescriptor says so."""
SCRIPT = "<< /S /JavaScript /JS (app.alert\\(1\\)) >>"
START = "<< /S /Launch /F (x.exe) >>"
GELADEN = stroom(b"inhoud", "/Type /EmbeddedFile")
BESTAND = "<< /Type /Filespec /F (a.txt) /EF << /F 9 0 R >> >>"


@pytest.fixture(scope="module", params=WAAR)
def keur(request: pytest.FixtureRequest) -> Iterator[Keur]:
    with keurder(request.param) as een:
        yield een


def met(catalogus: str = "", pagina: str = "", **objecten: str | bytes) -> bytes:
    return bouw(delen(catalogus, pagina, **objecten))


def test_of_a_pdf_as_it_should_be_nothing_is_said(keur: Keur) -> None:
    assert keur(maak_pdf("Bijlage")) == keur(met()) == ()


@regel(
    "not readable as PDF",
    "encrypted or with a password",
    "JavaScript",
    "embedded files",
    "launch or submit actions",
    "XFA",
    "no PDF/A mark",
    "not tagged (PDF/UA)",
    "fonts not embedded",
    "no pages",
)
@pytest.mark.parametrize("code", W)
def test_each_warning_has_a_pdf_that_gets_it_and_no_other(keur: Keur, code: W) -> None:
    assert keur(maak_pdf_met(code)) == (code,)
    assert keur(maak_pdf_met(code, "Een andere regel", 100_000)) == (code,)
    assert keur(maak_pdf("Daarna")) == ()


@pytest.mark.parametrize(
    "inhoud", [b"", b"%PDF-1.7", b"PK\x03\x04", b"%PDF-1.4\n%%EOF", b"\0" * 5000, b"%PDF-1.7\n" * 9]
)
def test_what_is_no_pdf_is_not_readable(keur: Keur, inhoud: bytes) -> None:
    assert keur(inhoud) == (W.NIET_LEESBAAR,)


@pytest.mark.parametrize("deel", [0.3, 0.6, 0.9])
def test_half_a_pdf_is_not_readable(keur: Keur, deel: float) -> None:
    heel = maak_pdf("Bijlage")
    assert keur(heel[: int(len(heel) * deel)]) == (W.NIET_LEESBAAR,)


def test_what_stands_before_and_after_a_pdf_is_no_matter(keur: Keur) -> None:
    assert keur(maak_pdf("Bijlage") + b"\n" * 3000) == ()
    assert keur(maak_pdf("Bijlage") + b"rommel na het einde\n") == ()
    assert keur(b"rommel\n" + maak_pdf("Bijlage")) == ()


def test_every_warning_that_applies_is_given_in_order(keur: Keur) -> None:
    alles = (
        "%PDF-1.7\n1 0 obj\n<< /Type /Catalog /Pages << /Type /Pages /Kids [] /Count 0 >>"
        f" /OpenAction {SCRIPT} /AA << /WC {START} >> /AF [{BESTAND}] /AcroForm << /XFA (x) >>"
        f" /X << /Font << /F1 << {FONT} >> >> >> >>\nendobj\n"
    ).encode()
    pdf = alles + b"9 0 obj\n" + GELADEN + b"\nendobj\n"
    tabel = b"xref\n0 2\n0000000000 65535 f \n%010d 00000 n \n9 1\n%010d 00000 n \n" % (9, len(alles))
    pdf += tabel + b"trailer\n<< /Root 1 0 R /Size 10 >>\nstartxref\n%d\n%%%%EOF\n" % len(pdf)
    assert keur(pdf) == tuple(een for een in W if een not in (W.NIET_LEESBAAR, W.VERSLEUTELD, W.CONTROLE_AFGEBROKEN))


@pytest.mark.parametrize("gebruiker", ["geheim", ""])
@pytest.mark.parametrize("wijze", ["RC4-40", "RC4-128", "AES-128", "AES-256-R5", "AES-256"])
def test_encrypted_is_a_warning_whatever_the_cipher(keur: Keur, wijze: str, gebruiker: str) -> None:
    schrijver = PdfWriter(clone_from=PdfReader(io.BytesIO(met(f"/OpenAction {SCRIPT}"))))
    schrijver.encrypt(gebruiker, "eigenaar", algorithm=wijze)
    uit = io.BytesIO()
    schrijver.write(uit)
    open_ = (W.VERSLEUTELD, W.JAVASCRIPT, W.GEEN_PDFA)
    assert keur(uit.getvalue()) == ((W.VERSLEUTELD,) if gebruiker else open_)


@pytest.mark.parametrize(
    "sleutels",
    [
        "/Filter /Adobe.PubSec /SubFilter /adbe.pkcs7.s5 /V 4",
        "/Filter /Standard /V 99 /R 99",
        "/Filter /Standard /V 5 /R 6",
        "/Filter /Standard /V 1 /R 2 /P -4 /O 1 /U 2",
        "",
    ],
)
def test_encrypted_in_a_way_that_nobody_knows_is_encrypted(keur: Keur, sleutels: str) -> None:
    assert keur(bouw(delen(), f"/Encrypt << {sleutels} >>")) == (W.VERSLEUTELD,)


ACTIES = {
    "on opening": {"catalogus": "/OpenAction {}"},
    "on closing": {"catalogus": "/AA << /WC {} >>"},
    "after another": {"catalogus": "/OpenAction << /S /GoTo /D [3 0 R /Fit] /Next [<< /S /GoTo >> {}] >>"},
    "in a chain": {"catalogus": "/OpenAction 9 0 R", "o9": "<< /S /GoTo /Next 10 0 R >>", "o10": "<< /Next {} >>"},
    "of a page": {"pagina": "/AA << /O {} >>"},
    "of an annotation": {"pagina": "/Annots [<< /Subtype /Link /A {} >>]"},
    "of a widget": {"pagina": "/Annots [9 0 R]", "o9": "<< /Subtype /Widget /AA << /K {} >> >>"},
    "of a field": {"catalogus": "/AcroForm << /Fields [9 0 R] >>", "o9": "<< /Kids [<< /AA << /F {} >> >>] >>"},
    "of an outline": {"catalogus": "/Outlines 9 0 R", "o9": "<< /First << /A << /S /URI /Next {} >> >> >>"},
    "in a list of names": {"catalogus": "/Names << /JavaScript << /Kids [<< /Names [(a) {}] >>] >> >>"},
}


@pytest.mark.parametrize("plek", ACTIES)
@pytest.mark.parametrize(
    ("actie", "code"),
    [
        (SCRIPT, W.JAVASCRIPT),
        ("<< /S /Rendition /JS (x) /OP 0 >>", W.JAVASCRIPT),
        (START, W.START_ACTIE),
        ("<< /S /SubmitForm /F (https://example.org) >>", W.START_ACTIE),
        ("<< /S /ImportData /F (x.fdf) >>", W.START_ACTIE),
    ],
)
def test_an_action_is_seen_wherever_it_hangs(keur: Keur, plek: str, actie: str, code: W) -> None:
    assert keur(met(**{naam: tekst.replace("{}", actie) for naam, tekst in ACTIES[plek].items()})) == (code,)


def test_harmless_actions_and_names_that_look_like_actions_are_no_matter(keur: Keur) -> None:
    assert keur(met("/OpenAction << /S /URI /URI (https://example.org) >>")) == ()
    assert keur(met("/OpenAction [3 0 R /Fit]", "/Resources << /XObject << /JS 9 0 R >> >>", o9=stroom(b""))) == ()
    tag = "<< /S /JavaScript /P 4 0 R >>"
    assert keur(met(o4="<< /Type /StructTreeRoot /K [9 0 R] >>", o9=tag)) == ()
    assert keur(met("/Outlines << /First << /SE 9 0 R >> >>", o4="<< /Type /StructTreeRoot /K 9 0 R >>", o9=tag)) == ()
    assert keur(met("/PieceInfo << /Maker << /Private << /S /Launch >> >> >>")) == ()


@pytest.mark.parametrize(
    "plek",
    [
        {"catalogus": f"/Names << /EmbeddedFiles << /Names [(a) {BESTAND}] >> >>"},
        {"catalogus": f"/AF [{BESTAND}]"},
        {"pagina": f"/AF [{BESTAND}]"},
        {"pagina": f"/Annots [<< /Subtype /FileAttachment /FS {BESTAND} >>]"},
        {"pagina": "/Annots [<< /Subtype /FileAttachment >>]"},
        {"pagina": f"/Annots [<< /Subtype /RichMedia /C << /Assets << /Names [(a) {BESTAND}] >> >> >>]"},
        {"o4": f"<< /Type /StructTreeRoot /K << /S /Formula /AF [{BESTAND}] >> >>"},
    ],
)
def test_a_file_in_the_file_is_seen_wherever_it_is(keur: Keur, plek: dict[str, str]) -> None:
    assert keur(met(**plek, o9=GELADEN)) == (W.INGESLOTEN_BESTANDEN,)


def test_the_name_of_a_file_elsewhere_is_no_embedded_file(keur: Keur) -> None:
    assert keur(met("/AF [<< /Type /Filespec /F (a.txt) >>]", "/Resources << /Font << /EF 9 0 R >> >>")) == ()
    assert keur(met("/Names << /EmbeddedFiles << /Names [] >> >>")) == ()


@pytest.mark.parametrize("xfa", ["/XFA (x)", "/XFA [(preamble) 9 0 R]", "/XFA 9 0 R"])
def test_a_form_with_xfa(keur: Keur, xfa: str) -> None:
    assert keur(met(f"/AcroForm << /Fields [] {xfa} >>", o9=stroom(b"<xdp/>"))) == (W.XFA,)
    assert keur(met("/AcroForm << /Fields [] /XFA null >>")) == ()


@pytest.mark.parametrize(
    ("xmp", "goed"),
    [
        (XMP, True),
        (XMP.replace(b"<pdfaid:part>2", b"<pdfaid:part> 1 "), True),
        (XMP.replace(b"<pdfaid:part>2</pdfaid:part>", b"").replace(b'about=""', b'about="" pdfaid:part="3"'), True),
        (b'<?xpacket begin="\xef\xbb\xbf"?>' + XMP + b" " * 3000 + b'<?xpacket end="w"?>\0', True),
        (XMP.decode().encode("utf-16"), True),
        (XMP.replace(b">2<", b">onzin<"), False),
        (XMP.replace(b"pdfa/ns/id/", b"pdfa/ns/di/"), False),
        (XMP[:-5], False),
        (b"", False),
        (b'<!DOCTYPE a [<!ENTITY b "2">]>' + XMP.replace(b">2<", b">&b;<"), False),
        (b'<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/hostname">]><a>&b;</a>', False),
    ],
)
def test_the_mark_of_pdfa_stands_in_xmp(keur: Keur, xmp: bytes, goed: bool) -> None:
    gezegd = keur(met(o5=stroom(xmp, "/Type /Metadata /Subtype /XML")))
    assert gezegd == (() if goed else (W.GEEN_PDFA,))


def test_xmp_that_cannot_be_unpacked_holds_no_mark_and_the_pdf_can_be_read(keur: Keur) -> None:
    assert keur(met(o5=stroom(b"onzin", "/Filter /FlateDecode"))) == (W.GEEN_PDFA,)
    assert keur(met(o5=stroom(XMP, "/Filter /Onbekend"))) == (W.GEEN_PDFA,)
    assert keur(met(o5="<< >>")) == (W.GEEN_PDFA,)


@pytest.mark.parametrize(
    ("catalogus", "boom"),
    [("/MarkInfo << /Marked false >>", None), ("/MarkInfo << >>", None), ("/MarkInfo 3", None), ("", "null")],
)
def test_tagged_is_marked_and_with_a_tree_of_tags(keur: Keur, catalogus: str, boom: str | None) -> None:
    objecten = delen() | ({4: boom.encode()} if boom else {})
    if catalogus:
        objecten[1] = objecten[1].replace(b"/MarkInfo << /Marked true >>", catalogus.encode())
    assert keur(bouw(objecten)) == (W.NIET_GETAGD,)


EIGEN_FONT = "/Resources << /Font << /F1 {} >> >>"
FONTPLEKKEN = {
    "page": {"pagina": "/Resources << /Font << /F1 {} >> >>"},
    "page tree": {"o2": "<< /Type /Pages /Kids [3 0 R] /Count 1 /Resources << /Font << /F1 {} >> >> >>"},
    "form": {"pagina": "/Resources << /XObject << /X 9 0 R >> >>", "o9": EIGEN_FONT},
    "pattern": {"pagina": "/Resources << /Pattern << /P 9 0 R >> >>", "o9": EIGEN_FONT},
    "appearance": {"pagina": "/Annots [<< /AP << /N << /Aan 9 0 R >> >> >>]", "o9": EIGEN_FONT},
    "graphics state": {"pagina": "/Resources << /ExtGState << /G << /Font [{} 12] >> >> >>"},
}


@pytest.mark.parametrize("plek", FONTPLEKKEN)
@pytest.mark.parametrize(
    ("font", "inside"),
    [
        (f"<< {FONT} >>", False),
        ("<< /Subtype /Type1 /BaseFont /Helvetica >>", False),
        ("<< /Type /Font >>", False),
        (f"<< {FONT} /FontDescriptor << /Type /FontDescriptor >> >>", False),
        (f"<< {FONT} /FontDescriptor << /FontFile2 99 0 R >> >>", False),
        (f"<< {FONT} /FontDescriptor << /FontFile2 8 0 R >> >>", True),
        (f"<< {FONT} /FontDescriptor << /FontFile 8 0 R >> >>", True),
        ("<< /Type /Font /Subtype /Type3 /CharProcs << >> >>", True),
        (f"<< /Subtype /Type0 /DescendantFonts [<< {FONT} /FontDescriptor << /FontFile3 8 0 R >> >>] >>", True),
        (f"<< /Subtype /Type0 /DescendantFonts [<< {FONT} >>] >>", False),
        ("<< /Type /Font /Subtype /Type0 >>", False),
    ],
)
def test_a_font_that_is_not_inside_is_seen_wherever_it_is_named(keur: Keur, plek: str, font: str, inside: bool) -> None:
    objecten: dict[str, str | bytes] = {naam: tekst.replace("{}", font) for naam, tekst in FONTPLEKKEN[plek].items()}
    if isinstance(lijf := objecten.get("o9"), str):
        objecten["o9"] = stroom(b"", lijf)
    gezegd = keur(met(**objecten, o8=stroom(b"font")))  # type: ignore[arg-type]
    assert gezegd == (() if inside else (W.LETTERTYPE_NIET_INGESLOTEN,))


def test_fonts_that_a_form_only_has_at_hand_are_no_matter(keur: Keur) -> None:
    assert keur(met(f"/AcroForm << /Fields [] /DR << /Font << /F1 << {FONT} >> >> >> >>")) == ()


@pytest.mark.parametrize(
    "boom",
    [
        "<< /Type /Pages /Kids [] >>",
        "<< /Type /Pages >>",
        "<< /Kids [2 0 R] >>",
        "<< /Kids [99 0 R null 7 (a)] >>",
        "null",
    ],
)
def test_a_page_tree_without_a_leaf_has_no_pages(keur: Keur, boom: str) -> None:
    assert keur(met(o2=boom)) == (W.GEEN_PAGINAS,)


def test_cycles_end(keur: Keur) -> None:
    lus = "<< /S /GoTo /Next [9 0 R 10 0 R] >>"
    assert keur(met("/OpenAction 9 0 R /Outlines 10 0 R", o9=lus, o10=lus)) == ()
    assert keur(met(o2="<< /Kids [2 0 R 9 0 R 3 0 R] >>", o9="<< /Kids [2 0 R] >>")) == ()


def test_nesting_without_end_is_too_much(keur: Keur) -> None:
    assert keur(met("/A " + "[" * 100_000 + "]" * 100_000)) == (W.CONTROLE_AFGEBROKEN,)


@pytest.mark.parametrize("hybride", [False, True])
def test_object_streams_are_read(keur: Keur, hybride: bool) -> None:
    assert keur(bouw_samengepakt(delen(), hybride=hybride)) == ()
    verstopt = delen("/OpenAction 9 0 R", o9=SCRIPT)
    assert keur(bouw_samengepakt(verstopt, hybride=hybride)) == (W.JAVASCRIPT,)


def test_what_was_changed_later_counts(keur: Keur) -> None:
    begin = met("/OpenAction 9 0 R", o9=SCRIPT)
    assert keur(werk_bij(begin, {9: b"null"})) == ()
    assert keur(werk_bij(met(), {3: delen(pagina=f"/AA << /O {START} >>")[3]})) == (W.START_ACTIE,)
