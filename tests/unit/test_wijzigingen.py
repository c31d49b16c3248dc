"""What a change is called, who may be named as its maker, and which notificatiekenmerken an afnemer may use."""

from dataclasses import replace
from typing import Any

import pytest

from avro.gegevens import als_json, soort_van, uit_json
from domain.laadbestand import lees_laadbestand
from domain.levensloop import (
    NietToegestaan,
    deactiveer_dienst,
    geldige_naam,
    koppel,
    nieuw_berichttype,
    nieuwe_dienst,
    nieuwe_machtiging,
    wijzig_berichttype,
    wissel_status,
)
from domain.leveranciers import geldige_leverancier
from domain.referentie import (
    BerichttypeStatus,
    Gegeven,
    Herkomst,
    Leverancier,
    Notificatiekenmerk,
    Referentie,
    Standaardbijlage,
)
from domain.samenvoegen import samenvoegen
from domain.wijzigingen import Wijzigingen, verschil, wijziging
from sinks.rijen import KOLOMMEN, van_gegeven
from tests.regels import regel

OIN = "00000099000000001000"
PERSONEN = (f"k1:{'a' * 64}", f"k1:{'b' * 64}")
BETALEN, GEVEN, KRIJGEN, REACTIE, VERNIEUWEN = Notificatiekenmerk
AANSLAG = nieuw_berichttype(OIN, "AANSLAG", "Aanslag", BETALEN)
DIENST = koppel(nieuwe_dienst(OIN, "Belastingen", "x"), AANSLAG, 5)
MACHTIGING = nieuwe_machtiging(*PERSONEN, OIN, "Belastingen", 0, None)
GEMEENTE = Leverancier(OIN, "Gemeente", notificatiekenmerken=(BETALEN, GEVEN))
A, B = Standaardbijlage("a.pdf", b"a" * 32, 1), Standaardbijlage("b.pdf", b"b" * 32, 2, ("PdfXfa",))


@pytest.mark.parametrize(
    ("oud", "nieuw", "tekst"),
    [
        (None, AANSLAG, "new, Nieuw"),
        (None, DIENST, "new, Actief, linked to AANSLAG"),
        (None, MACHTIGING, "new, from 1970-01-01T00:00:00.000Z, without end"),
        (AANSLAG, wissel_status(AANSLAG, BerichttypeStatus.ACTIEF), "Nieuw → Actief"),
        (AANSLAG, wijzig_berichttype(AANSLAG, "y", VERNIEUWEN), "another omschrijving, Betalen → Vernieuwen nodig"),
        (AANSLAG, replace(AANSLAG, standaardbijlagen=(A, B)), "with bijlage a.pdf, with bijlage b.pdf"),
        (replace(AANSLAG, standaardbijlagen=(A, B)), replace(AANSLAG, standaardbijlagen=(B,)), "without bijlage a.pdf"),
        (
            replace(AANSLAG, standaardbijlagen=(A, B)),
            replace(AANSLAG, standaardbijlagen=(B, A)),
            "bijlagen in the order b.pdf, a.pdf",
        ),
        (DIENST, deactiveer_dienst(DIENST, 9), "Actief → Inactief, no longer linked to AANSLAG"),
        (MACHTIGING, replace(MACHTIGING, tot=86_400_000), "until 1970-01-02T00:00:00.000Z"),
        (GEMEENTE, replace(GEMEENTE, toelichting="x", notificatiekenmerken=None), "another notificatiekenmerken, ano"),
    ],
)
def test_a_change_is_told_in_words_without_persons(oud: Gegeven | None, nieuw: Gegeven, tekst: str) -> None:
    assert verschil(oud, nieuw).startswith(tekst)
    (een,) = wijziging(oud, nieuw).teksten
    assert een.startswith(f"{soort_van(nieuw)} {OIN}")
    assert "k1:" not in een


def test_who_changed_it_last_is_no_change_of_the_thing() -> None:
    assert wijziging(AANSLAG, replace(AANSLAG, herkomst=Herkomst(1, "Anna"))) == Wijzigingen()


@pytest.mark.parametrize("gegeven", [AANSLAG, replace(AANSLAG, standaardbijlagen=(A, B)), DIENST, MACHTIGING, GEMEENTE])
def test_a_row_of_the_history_holds_the_whole_state_and_who_made_it_so(gegeven: Gegeven) -> None:
    gegeven = replace(gegeven, herkomst=Herkomst(7, "Anna"))
    rij = dict(zip(KOLOMMEN["wijzigingen"], (kolom[0] for kolom in van_gegeven(gegeven, 3)), strict=True))
    assert (rij["soort"], rij["sleutel"], rij["oin"]) == (soort_van(gegeven), gegeven.sleutel, OIN)
    assert (rij["volgorde"], rij["op"], rij["door"]) == (3, 7, "Anna")
    terug = uit_json(rij["soort"], rij["toestand"])
    assert (terug, terug.herkomst) == (gegeven, gegeven.herkomst)


def test_what_has_no_maker_is_kept_as_having_none() -> None:
    assert uit_json("berichttype", als_json(AANSLAG)).herkomst is None
    (op,), (door,) = van_gegeven(AANSLAG, 0)[4:6]
    assert (op, door) == (0, "")


@pytest.mark.parametrize("naam", ["Anna de Wit", "uid 1000", "é", "x" * 100])
def test_who_changes_something_has_a_name(naam: str) -> None:
    assert geldige_naam(naam) == naam


@pytest.mark.parametrize("naam", ["", "x" * 101, "a\nb", "123456782", "burger 1234.56.782"])
def test_no_other_name_is_taken_and_none_that_may_hold_a_bsn(naam: str) -> None:
    with pytest.raises(NietToegestaan) as fout:
        geldige_naam(naam)
    assert "1234" not in str(fout.value)


@regel("which of them an afnemer may use is set per afnemer")
def test_a_notificatiekenmerk_that_the_afnemer_may_not_use_is_refused() -> None:
    toegestaan = (BETALEN, GEVEN)
    for kenmerk in Notificatiekenmerk:
        if kenmerk in toegestaan:
            assert nieuw_berichttype(OIN, "A", "x", kenmerk, toegestaan=toegestaan).notificatiekenmerk is kenmerk
            assert wijzig_berichttype(AANSLAG, None, kenmerk, toegestaan).notificatiekenmerk is kenmerk
        else:
            with pytest.raises(NietToegestaan, match="it may use: Betalen, Informatie geven"):
                nieuw_berichttype(OIN, "A", "x", kenmerk, toegestaan=toegestaan)
            with pytest.raises(NietToegestaan, match="it may use: Betalen, Informatie geven"):
                wijzig_berichttype(AANSLAG, None, kenmerk, toegestaan)
    with pytest.raises(NietToegestaan, match="it may use: none"):
        nieuw_berichttype(OIN, "A", "x", BETALEN, toegestaan=())


@regel("which of them an afnemer may use is set per afnemer")
def test_what_a_berichttype_has_already_it_keeps_when_the_set_shrinks() -> None:
    assert wijzig_berichttype(AANSLAG, "anders", toegestaan=(GEVEN,)).notificatiekenmerk is BETALEN
    assert wijzig_berichttype(AANSLAG, "anders", BETALEN, (GEVEN,)).notificatiekenmerk is BETALEN


def test_an_afnemer_that_is_not_known_may_use_all() -> None:
    referentie = Referentie()
    assert referentie.notificatiekenmerken(OIN) is None
    referentie.zet([GEMEENTE])
    assert referentie.notificatiekenmerken(OIN) == (BETALEN, GEVEN)


def voeg(referentie: Referentie, **bestand: list[dict[str, Any]]) -> Wijzigingen:
    wijzigingen = samenvoegen(referentie, lees_laadbestand(bestand), 1, lambda bsn: [bsn])
    referentie.zet(wijzigingen.gegevens)
    return wijzigingen


@regel("which of them an afnemer may use is set per afnemer")
def test_a_file_sets_what_an_afnemer_may_use_and_is_held_to_it() -> None:
    referentie = Referentie()
    leverancier = {"oin": OIN, "naam": "Gemeente", "notificatiekenmerken": ["Informatie geven", "Betalen", "Betalen"]}
    type_ = {"oin": OIN, "code": "A", "omschrijving": "x", "notificatiekenmerk": "Betalen"}
    voeg(referentie, leveranciers=[leverancier | {"lijst": "G."}], berichttypes=[type_])
    assert referentie.leveranciers[OIN] == replace(GEMEENTE, lijst="G.")
    for bestand in (
        {"berichttypes": [type_ | {"code": "B", "notificatiekenmerk": "Informatie krijgen"}]},
        {"berichttypes": [type_ | {"notificatiekenmerk": "Informatie krijgen"}]},
        {"leveranciers": [leverancier | {"notificatiekenmerken": []}], "berichttypes": [type_ | {"code": "B"}]},
    ):
        with pytest.raises(NietToegestaan, match=r"berichttype \d+/[AB]: this afnemer may not use"):
            voeg(referentie, **bestand)
    voeg(
        referentie,
        leveranciers=[{"oin": OIN, "notificatiekenmerken": None}],
        berichttypes=[type_ | {"code": "B", "notificatiekenmerk": "Informatie krijgen"}],
    )
    assert referentie.notificatiekenmerken(OIN) is None


@pytest.mark.parametrize(
    "velden",
    [
        {"toelichting": "x" * 256},
        {"toelichting": "zie www.voorbeeld.nl"},
        {"lijst": "x" * 41},
        {"bijzonderheden": "x" * 101},
        {"intermediair_voor": ("123",)},
        {"oin": "123"},
    ],
)
def test_a_leverancier_that_breaks_a_rule_is_refused(velden: dict[str, Any]) -> None:
    with pytest.raises(NietToegestaan):
        geldige_leverancier(replace(GEMEENTE, **velden))
    if "oin" not in velden and "intermediair_voor" not in velden:
        with pytest.raises(NietToegestaan, match=f"leverancier {OIN}: "):
            voeg(Referentie(), leveranciers=[{"oin": OIN, "naam": "Gemeente", **velden}])
