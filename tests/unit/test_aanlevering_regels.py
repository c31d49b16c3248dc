"""Every rule of the table in Domain, 'A batch on the wire', each next to the text it comes from."""

import base64
from uuid import UUID

import pytest
from lxml import etree

from aanlevering.lezer import lees
from aanlevering.schema import XSD
from aanlevering.weigering import Geweigerd
from domain import bsn
from domain.batch import Batch
from domain.codes import NUL_GUID
from tests.globe import (
    BATCH_ID,
    BATCH_NS,
    BERICHT_NS,
    BSN,
    OIN,
    PDF,
    Rauw,
    bericht_id,
    maak_bericht,
    maak_bijlage,
    maak_kader,
    maak_xml,
)
from tests.regels import regel

ZONE = "2026-01-31T12:00:00Z"
ZONE_MS = 1_769_860_800_000


def gelezen(xml: bytes) -> Batch:
    return lees(
        [xml], proceskenmerk=UUID(int=1), aangeleverd_op=1, aangeleverd_door=None, bewaar=lambda sha256, inhoud: None
    )


def fout(**velden: object) -> str:
    """The schema_fout of the one message with these elements; also: our XSD says the same of the whole batch."""
    xml = maak_xml(berichten=[maak_bericht(**velden)])  # type: ignore[arg-type]
    return gelezen(xml).berichten.schema_fouten[0]


def kaderfout(**kader: object) -> str:
    """The schema_fout that all messages carry with this frame."""
    fouten = set(gelezen(maak_xml(berichten=[maak_bericht(1), maak_bericht(2)], **kader)).berichten.schema_fouten)  # type: ignore[arg-type]
    assert len(fouten) == 1
    return fouten.pop()


def weigering(xml: bytes) -> str:
    with pytest.raises(Geweigerd) as geweigerd:
        gelezen(xml)
    return geweigerd.value.code


@regel("Root `Berichten` in namespace `http://schemas.rdw.nl/GEB/BerichtVerwerkService/Types/2009/01`", "another root")
def test_root_berichten_in_its_namespace() -> None:
    """Root `Berichten` in namespace `http://schemas.rdw.nl/GEB/BerichtVerwerkService/Types/2009/01`."""
    assert gelezen(maak_xml(ns=BATCH_NS)).kader.batch_id == UUID(BATCH_ID)
    assert weigering(maak_xml(ns="urn:x")) == "VerkeerdeWortel"
    assert weigering(maak_xml(ns="")) == "VerkeerdeWortel"
    assert weigering(maak_xml(wortel="Bericht")) == "VerkeerdeWortel"


@regel("then 1 to 1000 `Bericht`", "0 or more than 1000 messages")
def test_a_batch_holds_1_to_1000_messages() -> None:
    """First `BatchInformatie`, then 1 to 1000 `Bericht`."""
    duizend = [maak_bericht(nummer) for nummer in range(1, 1001)]
    batch = gelezen(maak_xml(berichten=duizend))
    assert batch.kader.totaal == 1000
    assert batch.berichten.nummers == list(range(1, 1001))
    assert not any(batch.berichten.schema_fouten)
    assert weigering(maak_xml(berichten=[*duizend, maak_bericht(1001)])) == "TeVeelBerichten"
    assert weigering(maak_xml(berichten=[])) == "GeenBerichten"


@regel("`http://schemas.rdw.nl/GEB/BerichtenProsessor/Bericht/Types/2009/01` (spelled so), elements qualified")
def test_messages_of_any_namespace_count() -> None:
    """Each `Bericht` in namespace …/BerichtenProsessor/Bericht/Types/2009/01 (spelled so), elements qualified."""
    juist = BERICHT_NS.replace("Prosessor", "Processor")
    assert fout() == ""
    assert fout(ns=juist) == "Bericht: heeft een andere namespace dan voorgeschreven"
    assert fout(ns="") == "Bericht: heeft een andere namespace dan voorgeschreven"
    batch = gelezen(maak_xml(berichten=[maak_bericht(1, ns="urn:x"), maak_bericht(2)]))
    assert batch.berichten.nummers == [1, 2]
    assert batch.berichten.bericht_ids == UUID(bericht_id(1)).bytes + UUID(bericht_id(2)).bytes
    assert fout(Onderwerp=Rauw('<Onderwerp xmlns="urn:x">x</Onderwerp>')).startswith("onbekend: staat hier niet")


@regel(
    "GUIDs compare without regard to case",
    "First `BatchInformatie` (`BatchID`, `AanmaakDatum`, `BerichtLeverancierID`)",
)
@pytest.mark.parametrize("goed", [BATCH_ID, BATCH_ID.upper()])
def test_batch_id_of_the_batch(goed: str) -> None:
    """BatchInformatie/BatchID: GUID. GUIDs compare without regard to case."""
    assert gelezen(maak_xml(batch_id=goed)).kader.batch_id == UUID(BATCH_ID)


@regel("a BatchID or BerichtLeverancierID that cannot be read")
@pytest.mark.parametrize(
    "slecht",
    ["", "x", f"{{{BATCH_ID}}}", f" {BATCH_ID}", BATCH_ID.replace("-", ""), BATCH_ID[:-1], "６f" + BATCH_ID[2:], None],
)
def test_a_batch_id_that_cannot_be_read_is_refused(slecht: str | None) -> None:
    """Refused at the door: a BatchID … that cannot be read."""
    assert weigering(maak_xml(batch_id=slecht)) == "BatchIDOnleesbaar"


@regel("a BatchID or BerichtLeverancierID that cannot be read")
def test_a_batch_without_or_with_two_batch_ids_is_refused() -> None:
    """Refused at the door: a BatchID … that cannot be read."""
    assert weigering(maak_xml(kader="")) == "BatchIDOnleesbaar"
    twee = Rauw(f"<BatchID>{BATCH_ID}</BatchID><BatchID>{bericht_id(1)}</BatchID>")
    assert weigering(maak_xml(batch_id=twee)) == "BatchIDOnleesbaar"


@regel(
    "with zone; at most 13 days old",
    "a date without a zone",
    "First `BatchInformatie` (`BatchID`, `AanmaakDatum`, `BerichtLeverancierID`)",
)
def test_aanmaakdatum_is_a_datetime_with_zone() -> None:
    """BatchInformatie/AanmaakDatum: dateTime; with zone."""
    assert gelezen(maak_xml(aanmaakdatum=ZONE)).kader.aanmaakdatum == ZONE_MS
    assert gelezen(maak_xml(aanmaakdatum="\n 2026-01-31T13:00:00.25+01:00 ")).kader.aanmaakdatum == ZONE_MS + 250
    assert kaderfout(aanmaakdatum="2026-01-31T12:00:00") == "AanmaakDatum: heeft niet de voorgeschreven vorm"
    assert kaderfout(aanmaakdatum="gisteren") == "AanmaakDatum: heeft niet het voorgeschreven type"
    assert kaderfout(aanmaakdatum="").startswith("AanmaakDatum: ")
    assert kaderfout(aanmaakdatum="9999-12-31T23:59:59Z") == "AanmaakDatum: ligt buiten 1970 tot 2250"
    assert kaderfout(aanmaakdatum=None).endswith("verwacht: AanmaakDatum")
    assert gelezen(maak_xml(aanmaakdatum=None)).kader.aanmaakdatum == 0


@regel(
    "BatchInformatie/BerichtLeverancierID | 1–25 characters",
    "a BatchID or BerichtLeverancierID that cannot be read",
    "`leverancier` is the BerichtLeverancierID of the batch",
)
def test_leverancier_is_1_to_25_characters() -> None:
    """BatchInformatie/BerichtLeverancierID: 1–25 characters. Unknown or wrong senders are counted, not refused."""
    for goed in (OIN, "x", "x" * 25, "Gemeente-é", "9" * 20, "1234567"):
        assert gelezen(maak_xml(leverancier=goed)).kader.leverancier == goed
    for slecht in ("", "x" * 26, "a b", " a", "a\n", "a\tb", "a\u00a0b", "a\u200bb", "12345678", BSN, None):
        assert weigering(maak_xml(leverancier=slecht)) == "LeverancierOnleesbaar"


@regel("The BSN stands in the batch and message events, the encrypted message store and the profile service call")
@pytest.mark.parametrize("vorm", ["BSN{}", "0{}", "{}.", "x-{}-y"])
def test_a_bsn_that_hides_in_a_leverancier_is_not_taken_in(vorm: str) -> None:
    """The BSN stands in the batch and message events … and nowhere else: a leverancier stands in every table."""
    for bsn_ in (BSN, f"{BSN[:3]}.{BSN[3:6]}.{BSN[6:]}"):
        assert weigering(maak_xml(leverancier=vorm.format(bsn_))) == "LeverancierOnleesbaar"


@regel("Bijlage/Volgorde | int")
@pytest.mark.parametrize(("tekst", "volgorde"), [("0" * 4500 + "1", 1), ("-" + "0" * 4500 + "2", -2), (" +3 ", 3)])
def test_a_volgorde_may_begin_with_more_zeros_than_a_number_can(tekst: str, volgorde: int) -> None:
    """Bijlage/Volgorde: int."""
    xml = maak_xml(berichten=[maak_bericht(bijlagen=[maak_bijlage(volgorde=tekst)])])
    berichten = gelezen(xml).berichten
    assert (berichten.schema_fouten, berichten.bijlage_volgordes) == ([""], [volgorde])


@regel("without certificates (loopback, files) the OIN given with the delivery, else the one in the batch")
def test_who_delivers_is_the_leverancier_unless_told() -> None:
    """`aangeleverd_door`: the OIN given with the delivery, else the one in the batch."""
    assert gelezen(maak_xml()).kader.aangeleverd_door == OIN
    ander = "00000099000000002000"
    batch = lees(
        [maak_xml()],
        proceskenmerk=UUID(int=1),
        aangeleverd_op=7,
        aangeleverd_door=ander,
        bewaar=lambda sha256, inhoud: None,
    )
    assert (batch.kader.leverancier, batch.kader.aangeleverd_door) == (OIN, ander)
    assert (batch.kader.proceskenmerk, batch.kader.aangeleverd_op) == (UUID(int=1), 7)


@regel(
    "Everything else is accepted (202), processed, answered with a code and counted",
    "First `BatchInformatie` (`BatchID`, `AanmaakDatum`, `BerichtLeverancierID`)",
)
@pytest.mark.parametrize(
    ("kader", "regel"),
    [
        (maak_kader() * 2, "BatchInformatie: staat niet precies één keer vooraan"),
        (f"{maak_bericht(7)}{maak_kader()}", "BatchInformatie: staat niet precies één keer vooraan"),
        (f"<Extra/>{maak_kader()}", "Berichten: bevat een element dat er niet hoort"),
        (f"{maak_kader()}<x:Extra xmlns:x='urn:x'>a<b/></x:Extra>", "Berichten: bevat een element dat er niet hoort"),
        (f"{maak_kader()}tekst", "Berichten: bevat tekst waar alleen elementen mogen staan"),
        (
            maak_kader().replace("BatchInformatie", "BatchInformatie xmlns='urn:x'", 1),
            "BatchInformatie: heeft een andere",
        ),
        (maak_kader().replace("</BatchInf", "<Extra/></BatchInf"), "onbekend: staat hier niet op zijn plaats"),
        (maak_kader().replace("<BatchID", "<BatchID a='1'"), "BatchID: heeft een attribuut dat er niet hoort"),
    ],
)
def test_a_frame_that_breaks_the_schema_fails_every_message_and_is_accepted(kader: str, regel: str) -> None:
    """Everything else is accepted (202), processed, answered with a code and counted."""
    bewaard: list[bytes] = []
    xml = maak_xml(kader=kader, berichten=[maak_bericht(1, bijlagen=[maak_bijlage()]), maak_bericht(2)])
    batch = lees(
        [xml],
        proceskenmerk=UUID(int=1),
        aangeleverd_op=1,
        aangeleverd_door=None,
        bewaar=lambda sha256, inhoud: bewaard.append(sha256),
    )
    berichten = batch.berichten
    assert len(berichten) == xml.count(b"<Bericht ") == batch.kader.totaal
    assert all(schema_fout.startswith(regel) for schema_fout in berichten.schema_fouten)
    assert berichten.gebruikers == bsn.GEEN * len(berichten)
    assert berichten.bijlage_sha256 == b""
    assert berichten.onderwerpen == [""] * len(berichten)
    assert bewaard == []


@regel(
    "BerichtInformatie/BatchID | GUID | equals the batch's",
    "a BatchID inside a message that differs from the batch's",
    "GUIDs compare without regard to case",
)
def test_batch_id_of_a_message_equals_the_batchs() -> None:
    """BerichtInformatie/BatchID: GUID; equals the batch's. Trap: a BatchID inside a message that differs."""
    assert fout(BatchID=BATCH_ID.upper()) == ""
    assert fout(BatchID=bericht_id(1)) == "BatchID: is niet die van de batch"
    assert fout(BatchID=f"{{{BATCH_ID}}}") == "BatchID: heeft niet de voorgeschreven vorm"
    assert fout(BatchID=None).endswith("verwacht: BatchID")


@regel("…/BerichtID | GUID | unique for the leverancier", "unreadable ones share the zero GUID")
def test_bericht_id_is_a_guid() -> None:
    """…/BerichtID: GUID. One that could not be read is answered as the zero GUID."""
    assert fout(BerichtID=bericht_id(1).upper()) == ""
    for slecht in ("", "x", BSN, bericht_id(1)[:-1]):
        assert fout(BerichtID=slecht) == "BerichtID: heeft niet de voorgeschreven vorm"
        xml = maak_xml(berichten=[maak_bericht(BerichtID=slecht)])
        assert gelezen(xml).berichten.bericht_ids == NUL_GUID.bytes
    nul = "BerichtID: de nul-GUID staat voor een BerichtID dat niet te lezen is"
    assert fout(BerichtID=str(NUL_GUID)) == nul
    twee = Rauw(f"<BerichtID>{bericht_id(1)}</BerichtID><BerichtID>{bericht_id(2)}</BerichtID>")
    assert gelezen(maak_xml(berichten=[maak_bericht(BerichtID=twee)])).berichten.bericht_ids == NUL_GUID.bytes


@regel("…/BerichtType | 1–8 characters")
def test_berichttype_is_1_to_8_characters() -> None:
    """…/BerichtType: 1–8 characters; case-sensitive."""
    assert fout(BerichtType="Aa😀45678") == ""
    assert fout(BerichtType="") == "BerichtType: is te kort of leeg"
    assert fout(BerichtType="123456789") == "BerichtType: is te lang"
    for gegeven, gehouden in (("12345678", "12345678"), ("aAnSlAg", "aAnSlAg"), ("123456789", ""), ("", "")):
        assert gelezen(maak_xml(berichten=[maak_bericht(BerichtType=gegeven)])).berichten.berichttypes == [gehouden]


@regel(
    "…/PublicatieDatum | dateTime, optional | with zone",
    "…/EindDatumHandelingsTermijn | dateTime, optional",
    "a date without a zone",
)
@pytest.mark.parametrize("naam", ["PublicatieDatum", "EindDatumHandelingsTermijn"])
def test_dates_have_a_zone(naam: str) -> None:
    """dateTime, optional; with zone. Trap: a date without a zone."""
    assert fout(**{naam: None}) == ""
    for goed in (ZONE, "2026-01-31T13:00:00+01:00", "2026-01-30T22:00:00-14:00", "\t2026-01-31T12:00:00.000000000Z\n"):
        berichten = gelezen(maak_xml(berichten=[maak_bericht(**{naam: goed})])).berichten
        assert berichten.schema_fouten == [""]
        kolom = berichten.publicatiedatums if naam == "PublicatieDatum" else berichten.einddatums
        assert kolom == [ZONE_MS]
    for slecht in (
        "2026-01-31T12:00:00",
        "2026-01-31",
        "2026-01-31Z",
        "2026-02-30T12:00:00Z",
        "2026-01-31T12:00Z",
        "2026-01-31T12:00:00+1:00",
        "2026-01-31T12:00:00+15:00",
        "2026-01-31 12:00:00Z",
        "２026-01-31T12:00:00Z",
        "x",
    ):
        assert fout(**{naam: slecht}).startswith(f"{naam}: "), slecht


@pytest.mark.parametrize("naam", ["PublicatieDatum", "EindDatumHandelingsTermijn"])
@pytest.mark.parametrize(
    "moment",
    [
        "10000-01-01T00:00:00Z",
        "12026-01-31T12:00:00Z",
        "-0044-03-15T12:00:00Z",
        "0001-01-01T00:00:00+14:00",
        "1969-12-31T23:59:59Z",
        "1970-01-01T00:00:00Z",
        "2250-01-01T00:00:00Z",
        "9999-12-31T24:00:00Z",
    ],
)
def test_a_moment_that_not_all_parts_can_hold_breaks_the_schema(naam: str, moment: str) -> None:
    """Our decision: after 1970-01-01T00:00:00Z, since zero stands for 'absent', and before 2250."""
    assert fout(**{naam: moment}) == f"{naam}: ligt buiten 1970 tot 2250"


def test_midnight_may_be_written_as_24_hours_and_there_is_no_leap_second() -> None:
    """An xs:dateTime may end a day with 24:00:00; it has no second 60."""
    berichten = gelezen(maak_xml(berichten=[maak_bericht(PublicatieDatum="2026-01-31T24:00:00.000Z")])).berichten
    assert berichten.publicatiedatums == [ZONE_MS + 12 * 3_600_000]
    assert fout(PublicatieDatum="2026-01-31T24:00:01Z").startswith("PublicatieDatum: ")
    assert fout(PublicatieDatum="2016-12-31T23:59:60Z").startswith("PublicatieDatum: ")


@regel("an empty element means 'publish now'")
def test_an_empty_publicatiedatum_means_now() -> None:
    """An empty element means 'publish now' (the published schema rejects it, its own text allows it: accept it)."""
    for leeg in ("", "  \n", Rauw("<PublicatieDatum/>")):
        berichten = gelezen(maak_xml(berichten=[maak_bericht(PublicatieDatum=leeg)])).berichten
        assert (berichten.schema_fouten, berichten.publicatiedatums) == ([""], [0])
    assert fout(EindDatumHandelingsTermijn="").startswith("EindDatumHandelingsTermijn: ")


@regel("…/Onderwerp | 1–50 characters", "…/BerichtTekst | optional, up to 4000", "…/Referentie | optional, up to 25")
@pytest.mark.parametrize(
    ("naam", "minst", "meest"),
    [("Onderwerp", 1, 50), ("BerichtTekst", 0, 4000), ("Referentie", 0, 25)],
)
def test_texts_are_measured_in_characters(naam: str, minst: int, meest: int) -> None:
    """Onderwerp 1–50 characters; BerichtTekst optional, up to 4000; Referentie optional, up to 25."""
    for teken in ("a", "é", "😀", "\n", " "):
        assert fout(**{naam: teken * meest}) == ""
        assert fout(**{naam: teken * (meest + 1)}) == f"{naam}: is te lang"
    assert fout(**{naam: ""}) == (f"{naam}: is te kort of leeg" if minst else "")
    assert (fout(**{naam: None}) == "") == (minst == 0)
    assert fout(**{naam: "x" * 1_000_000}) == f"{naam}: is te lang"


@regel("a line break is the four characters `\\r\\n`")
def test_a_line_break_in_berichttekst_is_kept_as_four_characters() -> None:
    """A line break is the four characters `\\r\\n`."""
    tekst = "een\\r\\ntwee <&> \"'"
    assert gelezen(maak_xml(berichten=[maak_bericht(BerichtTekst=tekst)])).berichten.teksten == [tekst]


@regel(
    "…/GebruikerID | 1 or more characters",
    "9 digits (8 digits: a leading zero is added) that pass the elfproef",
    "'digit' means 0–9 (a schema's `\\d` takes other scripts' digits)",
    "a GebruikerID that is not 8 or 9 digits",
)
def test_gebruiker_is_8_or_9_digits() -> None:
    """GebruikerID: the BSN: 9 digits (8 digits: a leading zero is added). 'Digit' means 0–9."""
    for gegeven, kolom in ((BSN, BSN), ("12345678", "012345678"), ("000000000", "000000000")):
        berichten = gelezen(maak_xml(berichten=[maak_bericht(GebruikerID=gegeven)])).berichten
        assert (berichten.schema_fouten, berichten.gebruikers) == ([""], kolom.encode())
    for slecht in (
        "",
        "1234567",
        "1234567890",
        "x",
        "12345678x",
        " 99999001",
        f"{BSN} ",
        "٩٩٩٩٩٠٠١٩",
        "９９９９９００１９",
        None,
    ):
        assert fout(GebruikerID=slecht), slecht
        berichten = gelezen(maak_xml(berichten=[maak_bericht(GebruikerID=slecht)])).berichten
        assert berichten.gebruikers == bsn.GEEN


@regel("a BSN of 8 or 9 digits that fails the elfproef | ValidateGebruiker")
def test_the_elfproef_is_not_for_the_door() -> None:
    """A BSN of 8 or 9 digits that fails the elfproef gives NietActiefOfGeabonneerd, not a schema_fout."""
    assert fout(GebruikerID="999990018") == ""


@regel("…/SoortGebruiker | `Burger`")
def test_soort_gebruiker_is_burger() -> None:
    """SoortGebruiker: `Burger`."""
    for slecht in ("burger", "Bedrijf", "", " Burger"):
        assert fout(SoortGebruiker=slecht) == "SoortGebruiker: is niet een van de toegestane waarden"
    assert fout(SoortGebruiker=None) == "BerichtInformatie: mist een element; verwacht: SoortGebruiker"


@regel("Elements come in this order", "no dienst in a message")
def test_elements_come_in_the_published_order() -> None:
    """Elements come in this order."""
    verwisseld = maak_bericht(Onderwerp=None, Referentie=Rauw("<Referentie>r</Referentie><Onderwerp>o</Onderwerp>"))
    schema_fout = gelezen(maak_xml(berichten=[verwisseld])).berichten.schema_fouten[0]
    assert schema_fout == (
        "BerichtTekst: staat hier niet op zijn plaats; verwacht: PublicatieDatum, EindDatumHandelingsTermijn, Onderwerp"
    )
    assert fout(na="<Onderwerp>x</Onderwerp>").startswith("Onderwerp: staat hier niet")
    assert fout(na="<Dienst>x</Dienst>") == "onbekend: staat hier niet op zijn plaats"
    assert fout(na="tekst") == "BerichtInformatie: bevat tekst waar alleen elementen mogen staan"


@regel("an optional `Bijlagen` of 1 or 2 `Bijlage`")
def test_a_message_has_at_most_two_bijlagen() -> None:
    """An optional `Bijlagen` of 1 or 2 `Bijlage`."""
    assert fout(bijlagen=[maak_bijlage()]) == ""
    assert fout(bijlagen=[maak_bijlage(), maak_bijlage(b"ander")]) == ""
    assert fout(bijlagen=[maak_bijlage()] * 3) == "Bijlage: staat hier niet op zijn plaats"
    assert fout(bijlagen=[" "]) == "Bijlagen: mist een element; verwacht: Bijlage"


@regel("Bijlage/Inhoud | base64, at least 1")
@pytest.mark.parametrize(
    "tekst",
    [
        base64.b64encode(PDF).decode(),
        "\n" + base64.encodebytes(PDF * 99).decode(),
        " A A == ",
        "<![CDATA[QUJD]]>",
        "Q&#85;JD",
    ],
)
def test_inhoud_is_base64(tekst: str) -> None:
    """Bijlage/Inhoud: base64."""
    assert fout(bijlagen=[maak_bijlage(tekst=tekst)]) == ""


@regel("Bijlage/Inhoud | base64, at least 1")
@pytest.mark.parametrize(
    "tekst", ["A", "AA", "AAA", "AA=", "AB==", "AA==AA==", "=AAA", "A=AA", "AAA==", "A*AA", "é", "\u00a0", "Ａ"]
)
def test_what_is_not_base64_breaks_the_schema(tekst: str) -> None:
    """Bijlage/Inhoud: base64."""
    assert fout(bijlagen=[maak_bijlage(tekst=tekst)]) == "Inhoud: heeft niet het voorgeschreven type"


@regel("Bijlage/Inhoud | base64, at least 1")
@pytest.mark.parametrize("tekst", ["", " \n", "<!-- niets -->"])
def test_an_empty_bijlage_breaks_the_schema(tekst: str) -> None:
    """Bijlage/Inhoud: base64, at least 1."""
    assert fout(bijlagen=[maak_bijlage(tekst=tekst)]) == "Inhoud: is te kort of leeg"


@regel("Bijlage/BijlageType | `Pdf`", "Bijlage/Omschrijving | 1–128 characters", "Bijlage/Volgorde | int")
def test_the_other_elements_of_a_bijlage() -> None:
    """BijlageType `Pdf`; Omschrijving 1–128 characters; Volgorde int."""
    for slecht in ("pdf", "", "Doc", None):
        assert fout(bijlagen=[maak_bijlage(bijlagetype=slecht)])
    assert fout(bijlagen=[maak_bijlage(omschrijving="😀" * 128)]) == ""
    assert fout(bijlagen=[maak_bijlage(omschrijving="a" * 129)]) == "Omschrijving: is te lang"
    assert fout(bijlagen=[maak_bijlage(omschrijving="")]) == "Omschrijving: is te kort of leeg"
    for gegeven, getal in (("0", 0), (" -2147483648 ", -(2**31)), ("+2147483647", 2**31 - 1), ("007", 7)):
        batch = gelezen(maak_xml(berichten=[maak_bericht(bijlagen=[maak_bijlage(volgorde=gegeven)])]))
        assert batch.berichten.bijlage_volgordes == [getal]
    for slecht in ("2147483648", "1.0", "", "x", "٣", "1_0", "9" * 5000, None):
        assert fout(bijlagen=[maak_bijlage(volgorde=slecht)])


@regel("XML libraries quote values: report element and rule only")
def test_names_that_the_schema_does_not_know_are_never_repeated() -> None:
    """Error text: XML libraries quote values: report element and rule only."""
    geheim = f"_{BSN}"
    for velden in (
        {"na": f"<{geheim}/>"},
        {"na": f"<x:{geheim} xmlns:x='urn:{BSN}'/>"},
        {"Onderwerp": Rauw(f"<Onderwerp {geheim}='{BSN}'>x</Onderwerp>")},
        {"SoortGebruiker": BSN},
        {"BerichtID": BSN},
        {"PublicatieDatum": BSN},
        {"GebruikerID": f"{BSN}{BSN}"},
        {"bijlagen": [maak_bijlage(volgorde=BSN * 2)]},
    ):
        schema_fout = fout(**velden)
        assert schema_fout
        assert BSN not in schema_fout


@regel("it fails alone, its batch goes on | NA")
def test_a_message_that_breaks_the_schema_keeps_only_what_identifies_it() -> None:
    """It fails alone, its batch goes on; nothing of it is carried on."""
    slecht = maak_bericht(1, SoortGebruiker="X", PublicatieDatum=ZONE, Referentie="r", bijlagen=[maak_bijlage()])
    goed = maak_bericht(2, GebruikerID="12345678", bijlagen=[maak_bijlage(b"b", omschrijving="o", volgorde="5")])
    berichten = gelezen(maak_xml(berichten=[slecht, goed])).berichten
    assert berichten.nummers == [1, 2]
    assert berichten.berichttypes == ["AANSLAG", "AANSLAG"]
    assert berichten.bericht_ids == UUID(bericht_id(1)).bytes + UUID(bericht_id(2)).bytes
    assert berichten.schema_fouten == ["SoortGebruiker: is niet een van de toegestane waarden", ""]
    assert berichten.gebruikers == bsn.GEEN + b"012345678"
    assert (berichten.onderwerpen[0], berichten.teksten[0], berichten.referenties[0]) == ("", "", "")
    assert berichten.publicatiedatums == [0, 0]
    assert berichten.bijlage_rijen == [1]
    assert berichten.bijlage_volgordes == [5]
    assert berichten.bijlage_omschrijvingen == ["o"]


def test_our_xsd_serves_senders_for_a_whole_request() -> None:
    """The XSD alone accepts and rejects whole batches, so that a sender can use it."""
    schema = etree.XMLSchema(etree.parse(XSD))
    vol = maak_bericht(
        PublicatieDatum="", EindDatumHandelingsTermijn=ZONE, Referentie="r", bijlagen=[maak_bijlage(), maak_bijlage()]
    )
    assert schema.validate(etree.fromstring(maak_xml(berichten=[vol, maak_bericht(2)])))
    for slecht in (
        maak_xml(berichten=[]),
        maak_xml(berichten=[maak_bericht(GebruikerID="x")]),
        maak_xml(batch_id="x"),
        maak_xml(aanmaakdatum="2026-01-31T12:00:00"),
        maak_xml(kader=""),
    ):
        assert not schema.validate(etree.fromstring(slecht))
