"""The sample's citizens and reference data."""

from datetime import UTC, datetime

from domain import bsn
from domain.laadbestand import lees_laadbestand
from domain.oin import is_oin
from domain.referentie import BerichttypeStatus, Notificatiekenmerk, Referentie
from domain.samenvoegen import samenvoegen
from voorbeeld import personen, referentiegegevens
from voorbeeld.generator import maak_voorbeeld
from voorbeeld.referentiegegevens import deactivering
from voorbeeld.referentiegegevens import referentiegegevens as gegevens


def test_every_bsn_passes_the_elfproef_as_it_is_meant_to() -> None:
    goed = [*personen.actief(), *personen.met_lijst(), *personen.niet_geabonneerd(), *personen.inactief()]
    assert all(map(bsn.elfproef, goed))
    assert all(map(bsn.elfproef, personen.onbekend()))
    assert not any(map(bsn.elfproef, personen.elfproef_faalt()))
    assert all(bsn.elfproef(f"0{acht}") for acht in personen.ACHT_CIJFERS)
    assert not any(bsn.elfproef(f"0{acht}") for acht in personen.ACHT_CIJFERS_FAALT)


def test_each_citizen_is_of_one_kind_and_none_is_a_real_person() -> None:
    negen = [
        *personen.actief(),
        *personen.met_lijst(),
        *personen.niet_geabonneerd(),
        *personen.inactief(),
        *personen.onbekend(),
    ]
    assert len(negen) == len(set(negen))
    assert all(tekst.startswith("9999") for tekst in negen)


def test_the_profile_service_is_told_of_each_known_citizen_once() -> None:
    bekend = [gebruiker["bsn"] for gebruiker in gegevens()["gebruikers"]]
    assert len(bekend) == len(set(bekend))
    assert set(bekend).isdisjoint({*personen.onbekend(), *personen.elfproef_faalt()})
    assert set(bekend) >= {*personen.actief(), *personen.inactief(), *personen.met_lijst()}


def test_all_oins_carry_the_test_prefix() -> None:
    oins = {leverancier["oin"] for leverancier in gegevens()["leveranciers"]}
    assert all(is_oin(oin) and oin.startswith("00000099") for oin in {*oins, referentiegegevens.ONBEKEND})
    assert referentiegegevens.ONBEKEND not in oins


def test_berichttypes_occur_in_every_status_with_known_notificatiekenmerken() -> None:
    typen = gegevens()["berichttypes"]
    assert {BerichttypeStatus(berichttype["status"]) for berichttype in typen} == set(BerichttypeStatus)
    assert {Notificatiekenmerk(berichttype["notificatiekenmerk"]) for berichttype in typen} == set(Notificatiekenmerk)
    assert len({(berichttype["oin"], berichttype["code"]) for berichttype in typen}) == len(typen)
    assert all(berichttype["code"].isalnum() and len(berichttype["code"]) <= 8 for berichttype in typen)


def test_diensten_link_berichttypes_that_exist() -> None:
    bestaand = {(berichttype["oin"], berichttype["code"]) for berichttype in gegevens()["berichttypes"]}
    gekoppeld = {(dienst["oin"], code) for dienst in gegevens()["diensten"] for code in dienst["berichttypes"]}
    assert gekoppeld <= bestaand
    assert gekoppeld


def test_only_the_status_of_the_campaign_changes_in_between() -> None:
    (later,) = deactivering()["berichttypes"]
    (eerder,) = [berichttype for berichttype in gegevens()["berichttypes"] if berichttype["code"] == later["code"]]
    assert later == eerder | {"status": "Inactief"}


def test_loading_again_changes_only_what_the_demo_deactivated() -> None:
    referentie = Referentie()
    wijzigingen = []
    for inhoud in (gegevens(), gegevens(), deactivering(), gegevens(), gegevens()):
        nieuw = samenvoegen(referentie, lees_laadbestand(inhoud), 0, lambda tekst: [f"pseudoniem-{hash(tekst)}"])
        assert nieuw.opmerkingen == []
        referentie.zet(nieuw.gegevens)
        wijzigingen.append(len(nieuw.lijst))
    assert wijzigingen[0] > 50
    assert wijzigingen[1:] == [0, 1, 1, 0]


def test_every_valid_gebruiker_of_the_sample_is_among_the_bsns_to_look_for() -> None:
    voorbeeld = maak_voorbeeld(1, 1, datetime(2026, 11, 22, tzinfo=UTC), 16, 400)
    gebruikers = {
        genormaliseerd
        for levering in voorbeeld.leveringen
        for ontwerp in voorbeeld.ontwerpen(levering)
        if (genormaliseerd := bsn.normaliseer(ontwerp.velden["GebruikerID"] or ""))
    }
    assert gebruikers - {"000000000"} <= personen.alle_bsns()
