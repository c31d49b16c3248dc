"""The answer to a batch (Domain: The answer)."""

from pathlib import Path
from uuid import UUID

import pytest
from lxml import etree

import sinks
from domain.batch import Kader
from domain.codes import NUL_GUID, Stadium, Verwerkingscode
from domain.resultaat import Resultaat
from sinks.antwoord import maak_antwoord, per_code, resultaat_json
from tests.regels import regel

XSD = etree.XMLSchema(etree.parse(Path(sinks.__file__).parent / "globe_resultaat.xsd"))
NS = "{http://schemas.rdw.nl/GEB/BerichtVerwerkService/Types/2009/01}"
NS_BERICHT = "{http://schemas.rdw.nl/GEB/BerichtVerwerkService/BerichtResultaat/Types/2009/01}"
ONTVANGEN, VERWERKT = 1_790_000_000_000, 1_790_000_001_500


def maak(
    codes: list[Verwerkingscode], types: list[str] | None = None, leverancier: str = "00000099000000001000"
) -> Resultaat:
    return Resultaat(
        Kader(UUID(int=9), UUID(int=8), leverancier, leverancier, 0, ONTVANGEN, len(codes)),
        VERWERKT,
        list(range(1, len(codes) + 1)),
        b"".join(UUID(int=n).bytes for n in range(len(codes))),
        types or ["AANSLAG"] * len(codes),
        codes,
        [Stadium.NA] * len(codes),
    )


def lees(resultaat: Resultaat) -> etree._Element:
    wortel = etree.fromstring(maak_antwoord(resultaat, ONTVANGEN))
    XSD.assertValid(wortel)
    return wortel


@regel(
    "`AantalBerichtenSuccesvolVerwerkt`",
    "`AantalBerichtenGeenActieveBoxOfGeabonneertOpLeverancier` (spelled so)",
    "`AantalBerichtenMetTechnischProbleem`",
    "`AantalBerichtenBerichtTypeNietCorrect`",
    "`AantalBerichtenPublicatieDatumNietCorrect`",
    "`AantalBerichtenAanmaakDatumNietCorrect`",
    "`DatumOntvangen`, `DatumVerwerkt`",
)
def test_an_answer_with_every_code_is_valid_and_counts() -> None:
    codes = [code for plaats, code in enumerate(Verwerkingscode, 1) for _ in range(plaats)]
    wortel = lees(maak(codes))
    informatie = {element.tag: element.text for element in wortel[0]}
    assert informatie == {
        "BerichtLeverancierCode": "00000099000000001000",
        "BatchID": "00000000-0000-0000-0000-000000000008",
        "TotaalAantalOntvangenBerichten": "55",
        "AantalBerichtenSuccesvolVerwerkt": "1",
        "AantalBerichtenGeenActieveBoxOfGeabonneertOpLeverancier": "9",
        "AantalBerichtenMetTechnischProbleem": "10",
        "AantalBerichtenBerichtTypeNietCorrect": "8",
        "AantalBerichtenPublicatieDatumNietCorrect": "5",
        "AantalBerichtenAanmaakDatumNietCorrect": "4",
        "DatumOntvangen": "2026-09-21T14:13:20.000Z",
        "DatumVerwerkt": "2026-09-21T14:13:21.500Z",
    }
    assert len(wortel[1]) == 55


@regel(
    "Root `BerichtVerwerkResponse` in the same first namespace",
    "only the root and `Bericht` are qualified",
    "`http://schemas.rdw.nl/GEB/BerichtVerwerkService/BerichtResultaat/Types/2009/01`",
    "everything else in no namespace",
    "`BerichtID`, `BerichtType`, `VerwerkingsCode`, `Stadium` (nillable, optional)",
)
def test_only_the_root_and_bericht_stand_in_a_namespace() -> None:
    wortel = lees(maak([Verwerkingscode.VERWERKT]))
    assert [element.tag for element in wortel.iter() if "}" in element.tag] == [
        f"{NS}BerichtVerwerkResponse",
        f"{NS_BERICHT}Bericht",
    ]
    assert [element.tag for element in wortel] == ["BatchInformatie", "Berichten"]
    assert [element.tag for element in wortel[1][0]] == ["BerichtID", "BerichtType", "VerwerkingsCode", "Stadium"]


@regel(
    "A BerichtID that could not be read is answered as `00000000-0000-0000-0000-000000000000`",
    "`BerichtID`, `BerichtType`, `VerwerkingsCode`, `Stadium` (nillable, optional)",
)
def test_messages_are_answered_in_order_with_code_and_stage() -> None:
    resultaat = maak([Verwerkingscode.XML_VALIDATIE, Verwerkingscode.TECHNISCH_PROBLEEM])
    resultaat.stadia[1] = Stadium.STORE_MESSAGE
    eerste, tweede = ([element.text for element in bericht] for bericht in lees(resultaat)[1])
    assert eerste == [str(NUL_GUID), "AANSLAG", "XmlValidatieTegenXsdValtNegatiefUit", "NA"]
    assert tweede == [str(UUID(int=1)), "AANSLAG", "TechnischProbleem", "StoreMessage"]


@regel(
    "Always fill BerichtType (`ONBEKEND` where it could not be read)",
    "Never echo what looks like a BSN (8 or 9 digits in BerichtType, say)",
)
@pytest.mark.parametrize("gegeven", ["", "123456782", "12345678"])
def test_no_berichttype_is_empty_or_looks_like_a_bsn(gegeven: str) -> None:
    resultaat = maak([Verwerkingscode.BERICHTTYPE_NIET_ONDERSTEUND], [gegeven])
    assert lees(resultaat)[1][0].findtext("BerichtType") == "ONBEKEND"
    assert resultaat_json(resultaat, ONTVANGEN)["berichten"][0]["berichttype"] == "ONBEKEND"


@regel("Never echo what looks like a BSN (8 or 9 digits in BerichtType, say)")
def test_a_leverancier_that_looks_like_a_bsn_is_not_repeated() -> None:
    resultaat = maak([Verwerkingscode.OIN_KOMT_NIET_OVEREEN], leverancier="123456782")
    assert b"123456782" not in maak_antwoord(resultaat, ONTVANGEN)
    assert "123456782" not in str(resultaat_json(resultaat, ONTVANGEN))


def test_markup_in_a_leverancier_stays_text() -> None:
    resultaat = maak([Verwerkingscode.VERWERKT], leverancier="a<b>&'\"é")
    assert lees(resultaat)[0].findtext("BerichtLeverancierCode") == "a<b>&'\"é"


def test_json_has_counts_per_code_and_the_messages() -> None:
    resultaat = maak([Verwerkingscode.BIJLAGE_TE_GROOT, Verwerkingscode.VERWERKT, Verwerkingscode.VERWERKT])
    assert per_code(resultaat) == {"Verwerkt": 2, "BijlageTeGroot": 1}
    json = resultaat_json(resultaat, ONTVANGEN)
    assert list(json) == [
        "leverancier",
        "batch_id",
        "proceskenmerk",
        "ontvangen_op",
        "verwerkt_op",
        "totaal",
        "per_code",
        "berichten",
    ]
    assert json["berichten"][1] == {
        "nummer": 2,
        "bericht_id": str(UUID(int=1)),
        "berichttype": "AANSLAG",
        "code": "Verwerkt",
        "stadium": "NA",
    }
