"""The answer, rule by rule: its order, its counters, and what is never empty (Domain: The answer)."""

from uuid import UUID

import pytest
from lxml import etree

from aanlevering.lezer import lees
from domain.batch import Batch
from domain.beslissing import Bekend, beslis
from domain.codes import NUL_GUID, STADIUM_VAN, Stadium, Verwerkingscode
from domain.resultaat import Resultaat
from domain.tijd import DAG_MS, lees_tijd
from sinks.antwoord import TELLERS, maak_antwoord
from tests.globe import ANDER_BSN, BERICHT_NS, BSN, bericht_id, maak_bericht, maak_xml
from tests.regels import regel
from tests.slices import T0, kader, referentie
from tests.unit.test_antwoord import XSD

JAREN_MS = 1000 * DAG_MS


def antwoord(codes: list[Verwerkingscode], ontvangen_op: int = T0, aangeleverd_op: int = T0) -> etree._Element:
    """The response to a batch with these outcomes, as a client reads it."""
    aantal = len(codes)
    resultaat = Resultaat(
        kader(aangeleverd_op=aangeleverd_op, totaal=aantal),
        aangeleverd_op + 1500,
        list(range(1, aantal + 1)),
        b"".join(UUID(int=nummer).bytes for nummer in range(1, aantal + 1)),
        ["AANSLAG"] * aantal,
        codes,
        [STADIUM_VAN.get(code, Stadium.NA) for code in codes],
    )
    return etree.fromstring(maak_antwoord(resultaat, ontvangen_op))


@regel(
    "`BatchInformatie`, in order: `BerichtLeverancierCode`, `BatchID`, `TotaalAantalOntvangenBerichten`",
    "`AantalBerichtenGeenActieveBoxOfGeabonneertOpLeverancier` (spelled so)",
    "`DatumOntvangen`, `DatumVerwerkt`",
)
def test_the_batch_part_has_its_elements_in_order() -> None:
    assert [element.tag for element in antwoord(list(Verwerkingscode))[0]] == [
        "BerichtLeverancierCode",
        "BatchID",
        "TotaalAantalOntvangenBerichten",
        "AantalBerichtenSuccesvolVerwerkt",
        "AantalBerichtenGeenActieveBoxOfGeabonneertOpLeverancier",
        "AantalBerichtenMetTechnischProbleem",
        "AantalBerichtenBerichtTypeNietCorrect",
        "AantalBerichtenPublicatieDatumNietCorrect",
        "AantalBerichtenAanmaakDatumNietCorrect",
        "DatumOntvangen",
        "DatumVerwerkt",
    ]


@regel("Four codes have no counter in the batch part: count from the messages")
def test_four_codes_are_counted_from_the_messages_alone() -> None:
    zonder = [code for code in Verwerkingscode if code not in TELLERS.values()]
    assert zonder == [
        Verwerkingscode.XML_VALIDATIE,
        Verwerkingscode.OIN_KOMT_NIET_OVEREEN,
        Verwerkingscode.BIJLAGE_TE_GROOT,
        Verwerkingscode.BERICHT_BESTAAT_AL,
    ]
    wortel = antwoord(zonder * 3)
    assert wortel[0].findtext("TotaalAantalOntvangenBerichten") == "12"
    assert {wortel[0].findtext(naam) for naam in TELLERS} == {"0"}
    gegeven = [bericht.findtext("VerwerkingsCode") for bericht in wortel[1]]
    assert {code: gegeven.count(code) for code in gegeven} == {str(code): 3 for code in zonder}


@regel("Then `Berichten` with 0 to 1000 `Bericht`")
@pytest.mark.parametrize(("aantal", "geldig"), [(0, True), (1, True), (1000, True), (1001, False)])
def test_an_answer_holds_0_to_1000_messages(aantal: int, geldig: bool) -> None:
    wortel = antwoord([Verwerkingscode.VERWERKT] * aantal)
    assert [element.tag for element in wortel] == ["BatchInformatie", "Berichten"]
    assert len(wortel[1]) == aantal
    assert XSD.validate(wortel) is geldig


@regel(
    "and Stadium (`NA`): senders' software in use crashes on empty ones", "`NA` = not applicable, nothing went wrong"
)
@pytest.mark.parametrize("code", Verwerkingscode)
def test_no_element_is_empty_whatever_the_code(code: Verwerkingscode) -> None:
    wortel = antwoord([code])
    assert [element.tag for element in wortel.iter() if len(element) == 0 and not element.text] == []
    assert wortel[1][0].findtext("Stadium") == STADIUM_VAN.get(code, "NA")


@regel("`BerichtID`, `BerichtType`, `VerwerkingsCode`, `Stadium` (nillable, optional)")
def test_a_client_may_meet_an_answer_whose_stadium_is_nil_or_absent() -> None:
    for anders in (
        '<Stadium xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:nil="true"/>',
        "",
    ):
        xml = etree.tostring(antwoord([Verwerkingscode.VERWERKT]), encoding="unicode")
        wortel = etree.fromstring(xml.replace("<Stadium>NA</Stadium>", anders))
        assert wortel[1][0].findtext("Stadium") in ("", None)
        XSD.assertValid(wortel)


@regel(
    "`DatumOntvangen`, `DatumVerwerkt`",
    "`ontvangen_op` (ontvangstdatum, shown and filtered on) stays that of the first receipt",
)
def test_datum_ontvangen_is_that_of_the_first_receipt_also_for_a_resend() -> None:
    informatie = antwoord([Verwerkingscode.VERWERKT], ontvangen_op=T0 - JAREN_MS, aangeleverd_op=T0)[0]
    assert lees_tijd(informatie.findtext("DatumOntvangen") or "") == T0 - JAREN_MS
    assert lees_tijd(informatie.findtext("DatumVerwerkt") or "") == T0 + 1500


def gelezen(xml: bytes) -> Batch:
    return lees(
        [xml], proceskenmerk=UUID(int=1), aangeleverd_op=T0, aangeleverd_door=None, bewaar=lambda sha256, inhoud: None
    )


def beantwoord(xml: bytes) -> etree._Element:
    """What a sender gets back for this batch, of citizens who may be sent to."""
    batch = gelezen(xml)
    vragen = {(soort, persoon): True for soort in set(batch.berichten.berichttypes) for persoon in (BSN, ANDER_BSN)}
    een = beslis(batch, referentie(), Bekend(), vragen, T0 + 1)
    resultaat = Resultaat(een.kader, T0 + 1, een.nummers, een.bericht_ids, een.berichttypes, een.codes, een.stadia)
    return etree.fromstring(maak_antwoord(resultaat, T0))


VERS = "2026-09-21T12:00:00Z"


@regel(
    "Whoever needs it finds it in his own XML by BerichtID",
    "no result, log line, metric, Kafka key or header, error text",
)
def test_who_a_message_was_for_is_found_in_the_senders_own_xml() -> None:
    xml = maak_xml(aanmaakdatum=VERS, berichten=[maak_bericht(1), maak_bericht(2, GebruikerID=ANDER_BSN)])
    wortel = beantwoord(xml)
    assert not any(persoon in etree.tostring(wortel, encoding="unicode") for persoon in (BSN, ANDER_BSN))
    eigen = {
        informatie.findtext(f"{{{BERICHT_NS}}}BerichtID"): informatie.findtext(f"{{{BERICHT_NS}}}GebruikerID")
        for informatie in etree.fromstring(xml).iter(f"{{{BERICHT_NS}}}BerichtInformatie")
    }
    assert [eigen[bericht.findtext("BerichtID")] for bericht in wortel[1]] == [BSN, ANDER_BSN]


@regel(
    "A BerichtID that could not be read is answered as `00000000-0000-0000-0000-000000000000`",
    "Always fill BerichtType (`ONBEKEND` where it could not be read)",
    "the message breaks the schema or a trap above",
    "it fails alone, its batch goes on | NA",
)
def test_what_could_not_be_read_is_answered_by_its_stand_in_and_the_rest_goes_on() -> None:
    slecht = maak_bericht(1, BerichtID="geen-guid", BerichtType=None)
    wortel = beantwoord(maak_xml(aanmaakdatum=VERS, berichten=[slecht, maak_bericht(2), slecht]))
    xml_validatie = [str(NUL_GUID), "ONBEKEND", "XmlValidatieTegenXsdValtNegatiefUit", "NA"]
    assert [[element.text for element in bericht] for bericht in wortel[1]] == [
        xml_validatie,
        [bericht_id(2), "AANSLAG", "Verwerkt", "NA"],
        xml_validatie,
    ]


@regel(
    "a GebruikerID that is not 8 or 9 digits",
    "a BatchID inside a message that differs from the batch's",
    "a date without a zone",
)
@pytest.mark.parametrize(
    "val",
    [{"GebruikerID": "1234567"}, {"BatchID": bericht_id(9)}, {"PublicatieDatum": "2026-09-22T12:00:00"}],
    ids=["7 digits", "another BatchID", "no zone"],
)
def test_a_trap_that_the_published_schema_lets_through_is_answered_as_a_breach_of_it(val: dict[str, str]) -> None:
    wortel = beantwoord(maak_xml(aanmaakdatum=VERS, berichten=[maak_bericht(1, **val), maak_bericht(2)]))
    assert [bericht.findtext("VerwerkingsCode") for bericht in wortel[1]] == [
        "XmlValidatieTegenXsdValtNegatiefUit",
        "Verwerkt",
    ]
