"""Reading a question that anyone may have written."""

import pytest

from profielservice.envelop import HOOGSTENS, OnleesbareXml, VraagFout, lees_vraag, lees_xml
from tests.regels import regel

VRAAG = """<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"
  xmlns:V="http://schemas.rdw.nl/GEB/BerichtenboxValidatieService/2009/01"
  xmlns:T="http://schemas.rdw.nl/GEB/BerichtenboxValidatieService/Types/2009/01"
  xmlns:S="http://schemas.rdw.nl/GEB/Shared/Types/2009/01">
  <s:Header><ondertekening xmlns="urn:x">kan ons niet schelen</ondertekening></s:Header>
  <s:Body><V:ValidateAbonnementen><V:validateAbonnementenAanvraag>
    <T:berichtleverancierCode>00000099000000001000</T:berichtleverancierCode>
    <T:berichtTypeCode>AANSLAG</T:berichtTypeCode>
    <T:klanten><S:Klant><S:Key>123456782</S:Key><S:Rol>Burger</S:Rol></S:Klant></T:klanten>
  </V:validateAbonnementenAanvraag></V:ValidateAbonnementen></s:Body>
</s:Envelope>"""
KLANT = "<S:Klant><S:Key>123456782</S:Key><S:Rol>Burger</S:Rol></S:Klant>"


def fout_van(vraag: str | bytes) -> VraagFout:
    with pytest.raises(VraagFout) as gevangen:
        lees_vraag(vraag.encode() if isinstance(vraag, str) else vraag)
    assert "123456782" not in str(gevangen.value)
    assert len(gevangen.value.melding) < 300
    return gevangen.value


def test_a_question_by_the_book_is_read() -> None:
    vraag = lees_vraag(VRAAG.encode())
    assert (vraag.leverancier, vraag.berichttype, vraag.bsns) == ("00000099000000001000", "AANSLAG", ("123456782",))


def test_comments_and_instructions_do_not_cut_a_key() -> None:
    verstopt = VRAAG.replace(">123456782<", "><?weg?>1234<!-- weg -->56782<").replace("<T:ber", "<?weg?><T:ber", 1)
    assert lees_vraag(verstopt.encode()) == lees_vraag(VRAAG.encode())


@regel("`T:klanten` holding 1 to 250 `S:Klant`")
@pytest.mark.parametrize("aantal", [0, 251])
def test_the_wrong_number_of_citizens_is_a_fault_of_the_application(aantal: int) -> None:
    assert fout_van(VRAAG.replace(KLANT, KLANT * aantal)).soort == "ApplicationFault"


@regel("`T:klanten` holding 1 to 250 `S:Klant`")
def test_250_citizens_are_taken() -> None:
    assert len(lees_vraag(VRAAG.replace(KLANT, KLANT * 250).encode()).bsns) == 250


@regel(
    "all elements qualified",
    "(`S:Key` = BSN, `S:Rol` = `Burger`)",
    "`V:ValidateAbonnementen` / `V:validateAbonnementenAanvraag` with, in order, `T:berichtleverancierCode`",
)
@pytest.mark.parametrize(
    ("deel", "wordt"),
    [
        ("<S:Rol>Burger</S:Rol>", ""),
        ("<S:Rol>Burger</S:Rol>", "<S:Rol>Bedrijf</S:Rol>"),
        ("<S:Key>123456782</S:Key><S:Rol>Burger</S:Rol>", "<S:Rol>Burger</S:Rol><S:Key>123456782</S:Key>"),
        ("123456782", "1234567"),
        ("123456782", "１２３４５６７８２"),
        ("<S:Key>123456782</S:Key>", "<T:Key>123456782</T:Key>"),
        ("AANSLAG", "LANGER_DAN_ACHT"),
        ("<T:berichtTypeCode>AANSLAG</T:berichtTypeCode>", ""),
        ("klanten>", "Klanten>"),
        (":validateAbonnementenAanvraag>", ":Aanvraag>"),
        ("ValidateAbonnementen>", "ValidateAbonnementenResponse>"),
        ("schemas.xmlsoap.org/soap/envelope/", "www.w3.org/2003/05/soap-envelope"),
        ("</V:ValidateAbonnementen>", "</V:ValidateAbonnementen><V:ValidateAbonnementen/>"),
        ("</s:Envelope>", ""),
        (VRAAG, ""),
    ],
    ids=[
        "no-rol",
        "other-rol",
        "other-order",
        "short-key",
        "digits-of-another-script",
        "key-of-another-namespace",
        "long-berichttype",
        "no-berichttype",
        "no-klanten",
        "no-aanvraag",
        "an-answer",
        "soap-1.2",
        "two-questions",
        "cut-off",
        "nothing",
    ],
)
def test_what_breaks_the_schema_is_the_senders_fault(deel: str, wordt: str) -> None:
    anders = VRAAG.replace(deel, wordt)
    assert anders != VRAAG
    assert fout_van(anders).soort is None


BOM = "<!DOCTYPE b [<!ENTITY a0 '123456782'>" + "".join(f"<!ENTITY a{n + 1} '{f'&a{n};' * 10}'>" for n in range(9))


@pytest.mark.parametrize(
    "xml",
    [
        BOM + "]><b>&a9;</b>",
        BOM + "]><b x='&a9;'/>",
        "<!DOCTYPE b [<!ENTITY x SYSTEM 'file:///etc/passwd'>]><b>&x;</b>",
        "<!DOCTYPE b SYSTEM 'http://127.0.0.1:1/b.dtd'><b/>",
        "<!DOCTYPE b><b/>",
        "<b>&onbekend;</b>",
        "<b>" * 5000 + "</b>" * 5000,
        "<b>" + " " * HOOGSTENS + "</b>",
        "<b>\x00</b>",
        "<?xml version='1.0' encoding='klingon'?><b/>",
    ],
    ids=["bomb", "bomb-in-attribute", "file", "remote-dtd", "dtd", "entity", "deep", "huge", "nul", "encoding"],
)
def test_hostile_xml_is_refused(xml: str) -> None:
    with pytest.raises(OnleesbareXml):
        lees_xml(xml.encode())
    assert fout_van(xml).soort is None
    assert lees_vraag(VRAAG.encode()).bsns == ("123456782",)


def test_a_document_type_in_another_encoding_is_refused_too() -> None:
    with pytest.raises(OnleesbareXml):
        lees_xml("<?xml version='1.0' encoding='utf-16'?><!DOCTYPE b [<!ENTITY a 'x'>]><b>&a;</b>".encode("utf-16"))
