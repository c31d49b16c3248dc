"""The expectation adds up, and the checks notice what differs."""

from datetime import UTC, datetime
from typing import Any

import pytest
from lxml import etree

from voorbeeld import controle
from voorbeeld.generator import maak_voorbeeld
from voorbeeld.gevallen import BESTAAT_AL, GEBRUIKER, VERWERKT, XML
from voorbeeld.verwachting import Batchverwachting, Rij, Verwachting, verwacht

NU = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
BATCH = Batchverwachting("b1", "oin", "oin", [[VERWERKT, XML, GEBRUIKER], [BESTAAT_AL, VERWERKT, GEBRUIKER]])


@pytest.fixture(scope="module")
def verwachting() -> Verwachting:
    return verwacht(maak_voorbeeld(1, 1, NU).leveringen)


def test_expected_totals_add_up(verwachting: Verwachting) -> None:
    rijen = list(verwachting.totalen().values())
    assert sum(int(rij["batches"]) for rij in rijen) == 100
    assert sum(int(rij["berichten"]) for rij in rijen) == 20_000
    assert sum(int(rij["verwerkt"]) for rij in rijen) + sum(verwachting.fouten().values()) == 20_000
    for rij in rijen:
        assert rij["berichten"] == int(rij["verwerkt"]) + int(rij["niet_verwerkt"]) + int(rij["in_behandeling"])


def test_messages_with_a_code_are_as_many_as_are_counted(verwachting: Verwachting) -> None:
    for antwoord, aantal in verwachting.fouten().items():
        assert len(verwachting.berichten_met(antwoord.code)) == aantal


def test_a_resend_never_turns_verwerkt_into_something_else() -> None:
    assert BATCH.getoond == [VERWERKT, VERWERKT, GEBRUIKER]
    assert (BATCH.rij()["totaal"], BATCH.rij()["verwerkt"], BATCH.rij()["niet_verwerkt"]) == (3, 2, 1)


def test_growth_is_counted_per_leverancier() -> None:
    voor: list[Rij] = [{"leverancier": "a", "berichten": 5}, {"leverancier": "b", "berichten": 1}]
    na: list[Rij] = [
        {"leverancier": "a", "berichten": 7},
        {"leverancier": "b", "berichten": 1},
        {"leverancier": "c", "berichten": 3},
    ]
    assert controle.toename(voor, na) == {
        "a": {"leverancier": "a", "berichten": 2},
        "c": {"leverancier": "c", "berichten": 3},
    }


def test_a_comparison_names_what_differs_is_missing_or_is_too_much() -> None:
    assert controle.vergelijk("x", {1: "a", 2: "b"}, {1: "a", 2: "b"}) == []
    assert controle.vergelijk("x", {1: "a", 2: "b"}, {2: "c", 3: "d"}) == [
        "x, 1: expected a, got nothing",
        "x, 2: expected b, got c",
        "x, 3: expected nothing, got d",
    ]


def rij_van(batch: Batchverwachting) -> dict[str, Any]:
    """The batch as `berichtverwerking --berichten` prints it when all is well."""
    return batch.rij() | {"proceskenmerk": "p", "berichten": [antwoord._asdict() for antwoord in batch.getoond]}


def test_batches_that_came_out_right_give_no_differences(verwachting: Verwachting) -> None:
    assert controle.controleer_batches(verwachting, map(rij_van, verwachting.batches.values())) == []


def test_a_batch_that_is_missing_or_not_afgerond_is_noticed() -> None:
    verwachting = Verwachting({"b1": BATCH})
    assert controle.controleer_batches(verwachting, []) == ["batches, b1: expected True, got nothing"]
    assert controle.controleer_batches(verwachting, [rij_van(BATCH) | {"afgerond": False}]) == [
        "batch b1, afgerond: expected True, got False"
    ]


def test_messages_that_changed_places_are_noticed() -> None:
    rij = rij_van(BATCH)
    rij["berichten"].reverse()
    assert len(controle.controleer_batches(Verwachting({"b1": BATCH}), [rij])) == 2


def test_a_message_listed_twice_or_with_another_number_is_noticed() -> None:
    verwachting = Verwachting({"b1": BATCH})
    goed = {"batch_id": "B1", "nummer": 3}
    assert controle.controleer_berichten(verwachting, GEBRUIKER.code, [goed]) == []
    assert len(controle.controleer_berichten(verwachting, GEBRUIKER.code, [goed, goed])) == 1
    assert len(controle.controleer_berichten(verwachting, GEBRUIKER.code, [goed | {"nummer": 2}])) == 2


def resultaat() -> dict[str, Any]:
    return {
        "leverancier": "oin",
        "totaal": 3,
        "per_code": {"BerichtBestaatAl": 1, "Verwerkt": 1, "NietActiefOfGeabonneerd": 1},
        "berichten": [{"code": antwoord.code, "stadium": antwoord.stadium} for antwoord in BATCH.runs[1]],
    }


def test_a_result_is_checked_message_by_message() -> None:
    assert controle.controleer_resultaat(BATCH, 2, resultaat()) == []
    verwisseld = resultaat()
    verwisseld["berichten"].reverse()
    assert len(controle.controleer_resultaat(BATCH, 2, verwisseld)) == 2


def resultaat_xml(succesvol: int) -> bytes:
    tellers = {
        "BerichtLeverancierCode": "oin",
        "TotaalAantalOntvangenBerichten": 3,
        "AantalBerichtenSuccesvolVerwerkt": succesvol,
        "AantalBerichtenGeenActieveBoxOfGeabonneertOpLeverancier": 1,
        "AantalBerichtenMetTechnischProbleem": 0,
        "AantalBerichtenBerichtTypeNietCorrect": 0,
        "AantalBerichtenPublicatieDatumNietCorrect": 0,
        "AantalBerichtenAanmaakDatumNietCorrect": 0,
    }
    wortel = etree.Element(f"{{{controle.RESULTAAT_NS}}}BerichtVerwerkResponse")
    informatie = etree.SubElement(wortel, "BatchInformatie")
    for naam, waarde in tellers.items():
        etree.SubElement(informatie, naam).text = str(waarde)
    berichten = etree.SubElement(wortel, "Berichten")
    for code, stadium, _ in BATCH.runs[1]:
        bericht = etree.SubElement(berichten, f"{{{controle.RESULTAAT_BERICHT_NS}}}Bericht")
        etree.SubElement(bericht, "VerwerkingsCode").text = code
        etree.SubElement(bericht, "Stadium").text = stadium
    return etree.tostring(wortel)


def test_the_counters_of_a_response_are_checked() -> None:
    assert controle.controleer_resultaat_xml(BATCH, resultaat_xml(1)) == []
    (verschil,) = controle.controleer_resultaat_xml(BATCH, resultaat_xml(2))
    assert "AantalBerichtenSuccesvolVerwerkt: expected 1, got 2" in verschil


def test_a_resend_that_moves_the_ontvangstdatum_or_is_lost_is_noticed() -> None:
    verwachting = Verwachting({"b1": BATCH})
    tellingen = {"totaal": 3, "verwerkt": 1, "waarschuwing": 0}
    eerste = {"batch_id": "b1", "aangeleverd_op": "t1", "ontvangen_op": "t1"} | tellingen
    tweede = eerste | {"aangeleverd_op": "t2"}
    assert controle.controleer_runs(verwachting, [tweede, eerste]) == []
    assert len(controle.controleer_runs(verwachting, [eerste, tweede | {"ontvangen_op": "t2"}])) == 1
    assert len(controle.controleer_runs(verwachting, [eerste])) == 1
    assert len(controle.controleer_runs(verwachting, [eerste, tweede | {"verwerkt": 2}])) == 1
    assert len(controle.controleer_runs(verwachting, [eerste, tweede | {"waarschuwing": 1}])) == 1


def test_a_warning_is_counted_once_for_each_message_and_shown_after_a_resend() -> None:
    twee, een = (VERWERKT._replace(waarschuwingen=codes) for codes in (("a", "b"), ("b",)))
    batch = Batchverwachting("b1", "oin", "oin", [[twee, een, VERWERKT], [BESTAAT_AL, BESTAAT_AL, VERWERKT]])
    verwachting = Verwachting({"b1": batch})
    assert batch.getoond == [twee, een, VERWERKT]
    assert (batch.rij()["verwerkt"], batch.rij()["waarschuwing"]) == (3, 2)
    assert verwachting.waarschuwingen() == {"a": 1, "b": 2}
    assert verwachting.berichten_met("b") == {("b1", 1), ("b1", 2)}
    assert verwachting.fouten() == {}


def test_another_warning_or_another_order_is_noticed() -> None:
    antwoord = VERWERKT._replace(waarschuwingen=("a", "b"))
    batch = Batchverwachting("b1", "oin", "oin", [[antwoord]])
    for waarschuwingen, aantal in ((["a", "b"], 0), (["b", "a"], 1), (["a"], 1), ([], 1)):
        rij = batch.rij() | {"berichten": [antwoord._asdict() | {"waarschuwingen": waarschuwingen}]}
        assert len(controle.controleer_batches(Verwachting({"b1": batch}), [rij])) == aantal


@pytest.mark.parametrize(("gekeurd", "workers", "goed"), [(5, 1, True), (6, 1, False), (4, 1, False), (9, 2, True)])
def test_each_bijlage_is_checked_once_by_each_worker_at_most(gekeurd: int, workers: int, goed: bool) -> None:
    assert (controle.controleer_gekeurd(5, gekeurd, workers) == []) is goed
