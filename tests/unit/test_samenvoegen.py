"""Merging a file with reference data: all or nothing, twice is once, and no value of it in any error."""

import copy
import hashlib
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.inzage import leesbaar
from domain.laadbestand import FOUTEN_MAX, BestandFout, lees_laadbestand
from domain.levensloop import NietToegestaan, trek_in
from domain.referentie import BerichttypeStatus, DienstStatus, Koppeling, Notificatiekenmerk, Referentie
from domain.samenvoegen import samenvoegen
from domain.tijd import UUR_MS, schrijf_tijd
from domain.wijzigingen import Wijzigingen
from tests.regels import regel

OIN = "00000099000000001000"
BSN, ANDER_BSN, GEEN_BSN = "000000012", "000000024", "123456789"
NU = 1_000_000
JAAR_2025 = 1_735_689_600_000


def pseudoniem(bsn: str, sleutel: str = "k1") -> str:
    assert len(bsn) == 9
    return f"{sleutel}:{hashlib.sha256(bsn.encode()).hexdigest()}"


def volledig() -> dict[str, Any]:
    """A file as interface and example have it."""
    return {
        "leveranciers": [{"oin": OIN, "naam": "Gemeente Voorbeeld", "intermediair_voor": []}],
        "berichttypes": [
            {
                "oin": OIN,
                "code": code,
                "omschrijving": "Aanslag belastingen",
                "notificatiekenmerk": "Betalen",
                "status": status,
            }
            for code, status in {"AANSLAG": "Actief", "KLAD": "Nieuw", "OUD": "Archief", "RUST": "Inactief"}.items()
        ],
        "diensten": [
            {
                "oin": OIN,
                "dienst_id": "Belastingen",
                "omschrijving": "…",
                "status": "Actief",
                "berichttypes": ["AANSLAG", "OUD"],
            }
        ],
        "machtigingen": [
            {
                "belanghebbende": BSN,
                "gemachtigde": ANDER_BSN[1:],
                "oin": OIN,
                "dienst_id": "Belastingen",
                "van": "1970-01-01T00:00:00Z",
                "tot": None,
            }
        ],
        "gebruikers": [{"bsn": BSN, "actief": True, "abonnementen": "*"}],
    }


def voeg(
    referentie: Referentie, bestand: dict[str, Any], nu: int = NU, sleutels: Sequence[str] = ("k1",)
) -> Wijzigingen:
    """Merges, and applies what came out. `sleutels`: the ring for pseudonyms, the active one first."""
    inhoud = lees_laadbestand(bestand)
    wijzigingen = samenvoegen(referentie, inhoud, nu, lambda bsn: [pseudoniem(bsn, een) for een in sleutels])
    referentie.zet(wijzigingen.gegevens)
    return wijzigingen


def teksten(wijzigingen: Wijzigingen) -> list[str]:
    return [wijziging.tekst for wijziging in wijzigingen.lijst]


@pytest.fixture
def referentie() -> Referentie:
    referentie = Referentie()
    voeg(referentie, volledig())
    return referentie


def test_new_things_get_the_state_given(referentie: Referentie) -> None:
    assert {een.code: een.status for een in referentie.berichttypes.values()} == {
        "AANSLAG": BerichttypeStatus.ACTIEF,
        "KLAD": BerichttypeStatus.NIEUW,
        "OUD": BerichttypeStatus.ARCHIEF,
        "RUST": BerichttypeStatus.INACTIEF,
    }
    dienst = referentie.diensten[f"{OIN}/Belastingen"]
    assert dienst.koppelingen == (Koppeling("AANSLAG", NU), Koppeling("OUD", NU))
    (machtiging,) = referentie.machtigingen.values()
    assert machtiging.gemachtigde == pseudoniem(ANDER_BSN), "eight digits got their leading zero"
    assert (machtiging.van, machtiging.tot) == (0, None)
    assert leesbaar(referentie, [pseudoniem(BSN)], [pseudoniem(ANDER_BSN)], NU)[OIN, "AANSLAG"] == ["Belastingen"]


def test_what_is_new_is_told(referentie: Referentie) -> None:
    wijzigingen = voeg(Referentie(), volledig())
    assert all(wijziging.nieuw for wijziging in wijzigingen.lijst)
    assert teksten(wijzigingen) == [
        f"leverancier {OIN}: new",
        f"berichttype {OIN}/AANSLAG: new, Actief",
        f"berichttype {OIN}/KLAD: new, Nieuw",
        f"berichttype {OIN}/OUD: new, Archief",
        f"berichttype {OIN}/RUST: new, Inactief",
        f"dienst {OIN}/Belastingen: new, Actief, linked to AANSLAG, linked to OUD",
        f"machtigingen.0 for dienst {OIN}/Belastingen: new, from 1970-01-01T00:00:00.000Z, without end",
    ]
    assert wijzigingen.opmerkingen == []


def test_the_same_file_twice_changes_nothing(referentie: Referentie) -> None:
    assert voeg(referentie, volledig(), NU + 1) == Wijzigingen()


STATUS = st.sampled_from(["Nieuw", "Actief", "Inactief", "Archief"])


@st.composite
def bestanden(draw: st.DrawFn) -> dict[str, Any]:
    """Files over a handful of things, with fields left out at will."""

    def velden(vast: dict[str, Any], vrij: dict[str, st.SearchStrategy[Any]]) -> dict[str, Any]:
        gekozen = draw(st.sets(st.sampled_from(sorted(vrij))))
        return vast | {naam: draw(vrij[naam]) for naam in sorted(gekozen)}

    kenmerk = st.sampled_from([str(een) for een in Notificatiekenmerk])
    codes = draw(st.sets(st.sampled_from(["A", "B", "a"])))
    return {
        "berichttypes": [
            velden(
                {"oin": OIN, "code": code, "omschrijving": "x", "notificatiekenmerk": draw(kenmerk)}, {"status": STATUS}
            )
            for code in sorted(codes)
        ],
        "diensten": [
            velden(
                {"oin": OIN, "dienst_id": dienst_id, "omschrijving": "x"},
                {
                    "status": st.sampled_from(["Actief", "Inactief"]),
                    "berichttypes": st.lists(st.sampled_from(["A", "B", "a"])),
                },
            )
            for dienst_id in sorted(draw(st.sets(st.sampled_from(["D", "d", "D "]))))
        ],
        "machtigingen": [
            velden(
                {
                    "belanghebbende": BSN,
                    "gemachtigde": ANDER_BSN,
                    "oin": OIN,
                    "dienst_id": "D",
                    "van": f"{jaar}-01-01T00:00Z",
                },
                {"tot": st.sampled_from([None, "2021-01-01T00:00Z", "2030-01-01T00:00Z"])},
            )
            for jaar in sorted(draw(st.sets(st.integers(2019, 2022))))
        ],
    }


@given(st.lists(bestanden(), max_size=5), st.sampled_from([NU, JAAR_2025]))
def test_every_file_is_taken_whole_or_not_at_all_and_twice_is_once(reeks: list[dict[str, Any]], begin: int) -> None:
    referentie = Referentie()
    for nummer, bestand in enumerate(reeks, begin):
        voor = copy.deepcopy(referentie)
        try:
            voeg(referentie, bestand, nummer)
        except NietToegestaan:
            assert referentie == voor
            continue
        for sleutel, oud in voor.berichttypes.items():
            if oud.status is BerichttypeStatus.ARCHIEF:
                assert referentie.berichttypes[sleutel] == oud
        for dienst in bestand["diensten"]:
            nu = referentie.diensten[f"{OIN}/{dienst['dienst_id']}"]
            if dienst.get("status") == "Inactief":
                assert (nu.status, nu.gekoppeld()) == (DienstStatus.INACTIEF, [])
            elif "berichttypes" in dienst:
                assert set(nu.gekoppeld()) == set(dienst["berichttypes"])
        assert voeg(referentie, bestand, nummer + 1).lijst == []


def wijzig(soort: str, plaats: int = 0, **velden: Any) -> dict[str, Any]:
    """A file with one entry of the full file, as changed."""
    return {soort: [volledig()[soort][plaats] | velden]}


def test_a_change_of_status_is_told(referentie: Referentie) -> None:
    assert teksten(voeg(referentie, wijzig("berichttypes", status="Inactief"))) == [
        f"berichttype {OIN}/AANSLAG: Actief → Inactief"
    ]


def test_fields_that_are_left_out_stay(referentie: Referentie) -> None:
    voor = copy.deepcopy(referentie)
    (machtiging,) = volledig()["machtigingen"]
    machtiging.pop("tot")
    bestand = {
        "leveranciers": [{"oin": OIN}],
        "berichttypes": [{"oin": OIN, "code": "AANSLAG"}],
        "diensten": [{"oin": OIN, "dienst_id": "Belastingen"}],
        "machtigingen": [machtiging],
    }
    assert voeg(referentie, bestand) == Wijzigingen()
    assert voeg(referentie, {}) == Wijzigingen()
    assert referentie == voor


def test_given_fields_overwrite(referentie: Referentie) -> None:
    bestand = {
        "leveranciers": [{"oin": OIN, "naam": "Anders", "intermediair_voor": [OIN]}],
        "berichttypes": [
            {"oin": OIN, "code": "AANSLAG", "omschrijving": "y", "notificatiekenmerk": "Informatie geven"}
        ],
        "diensten": [{"oin": OIN, "dienst_id": "Belastingen", "omschrijving": ""}],
        "machtigingen": [volledig()["machtigingen"][0] | {"tot": "2030-01-01T01:00:00+01:00"}],
    }
    assert teksten(voeg(referentie, bestand)) == [
        f"leverancier {OIN}: another naam, another intermediair_voor",
        f"berichttype {OIN}/AANSLAG: another omschrijving, Betalen → Informatie geven",
        f"dienst {OIN}/Belastingen: another omschrijving",
        f"machtigingen.0 for dienst {OIN}/Belastingen: until 2030-01-01T00:00:00.000Z",
    ]
    assert len(referentie.machtigingen) == 1


def test_the_list_of_a_dienst_is_the_wanted_set_of_links(referentie: Referentie) -> None:
    wijzigingen = voeg(referentie, wijzig("diensten", berichttypes=["OUD", "RUST"]), NU + 5)
    assert teksten(wijzigingen) == [f"dienst {OIN}/Belastingen: linked to RUST, no longer linked to AANSLAG"]
    assert referentie.diensten[f"{OIN}/Belastingen"].koppelingen == (
        Koppeling("AANSLAG", NU, NU + 5),
        Koppeling("OUD", NU),
        Koppeling("RUST", NU + 5),
    )


def test_deactivating_a_dienst_ends_all_links_and_ignores_the_list(referentie: Referentie) -> None:
    wijzigingen = voeg(referentie, wijzig("diensten", status="Inactief"), NU + 5)
    assert teksten(wijzigingen) == [
        f"dienst {OIN}/Belastingen: Actief → Inactief, no longer linked to AANSLAG, no longer linked to OUD"
    ]
    dienst = referentie.diensten[f"{OIN}/Belastingen"]
    assert (dienst.gekoppeld(), dienst.gedeactiveerd_op) == ([], NU + 5)
    assert {koppeling.tot for koppeling in dienst.koppelingen} == {NU + 5}


def test_a_new_dienst_that_is_inactief_has_no_links() -> None:
    referentie = Referentie()
    voeg(referentie, volledig() | {"diensten": [volledig()["diensten"][0] | {"status": "Inactief"}]})
    dienst = referentie.diensten[f"{OIN}/Belastingen"]
    assert (dienst.status, dienst.koppelingen, dienst.gedeactiveerd_op) == (DienstStatus.INACTIEF, (), NU)


def test_reactivating_a_dienst_brings_back_only_what_the_file_links(referentie: Referentie) -> None:
    voeg(referentie, wijzig("diensten", status="Inactief"))
    voeg(referentie, {"diensten": [{"oin": OIN, "dienst_id": "Belastingen", "status": "Actief"}]})
    assert referentie.diensten[f"{OIN}/Belastingen"].gekoppeld() == []
    voeg(referentie, wijzig("diensten", berichttypes=["AANSLAG"]), NU + 9)
    assert referentie.diensten[f"{OIN}/Belastingen"].koppelingen[-1] == Koppeling("AANSLAG", NU + 9)


def test_a_dienst_id_that_differs_in_case_or_spaces_is_another_dienst(referentie: Referentie) -> None:
    for dienst_id in ("belastingen", "Belastingen ", " Belastingen"):
        voeg(referentie, wijzig("diensten", dienst_id=dienst_id, berichttypes=[]))
    assert set(referentie.diensten) == {
        f"{OIN}/{een}" for een in ("Belastingen", "belastingen", "Belastingen ", " Belastingen")
    }
    assert referentie.diensten[f"{OIN}/Belastingen"].gekoppeld() == ["AANSLAG", "OUD"]


def test_a_berichttype_can_be_unlinked_and_archived_in_one_file(referentie: Referentie) -> None:
    bestand = wijzig("berichttypes", status="Archief") | wijzig("diensten", berichttypes=["OUD"])
    voeg(referentie, bestand)
    assert referentie.diensten[f"{OIN}/Belastingen"].gekoppeld() == ["OUD"]


@pytest.mark.parametrize(
    ("bestand", "reden"),
    [
        (wijzig("berichttypes", status="Nieuw"), "AANSLAG: Actief → Nieuw is not allowed"),
        (wijzig("berichttypes", 1, status="Archief"), "KLAD: Nieuw → Archief is not allowed"),
        (wijzig("berichttypes", 1, status="Inactief"), "KLAD: Nieuw → Inactief is not allowed"),
        (wijzig("berichttypes", 2, status="Actief"), "OUD: Archief → Actief is not allowed"),
        (wijzig("berichttypes", 2, omschrijving="y"), "OUD: nothing changes in Archief"),
        (wijzig("berichttypes", 2, notificatiekenmerk="Informatie geven"), "OUD: nothing changes in Archief"),
        (wijzig("diensten", berichttypes=["AANSLAG"]), "Belastingen: berichttype OUD is in Archief"),
        (wijzig("diensten", dienst_id="Nieuw", berichttypes=["OUD"]), "Nieuw: berichttype OUD is in Archief"),
        (wijzig("diensten", berichttypes=["OUD", "WEG"]), "Belastingen: there is no such berichttype"),
        (wijzig("machtigingen", tot="1970-01-01T00:00:00Z"), "machtigingen.0 .*: a machtiging ends after it begins"),
        (wijzig("machtigingen", tot="1960-01-01T00:00:00Z", van="1961-01-01T00:00:00Z"), "ends after it begins"),
        ({"leveranciers": [{"oin": "00000099000000003000"}]}, "3000: is new, and needs naam"),
        (
            {"berichttypes": [{"oin": OIN, "code": "X"}]},
            "X: is new, and needs omschrijving and notificatiekenmerk",
        ),
        ({"diensten": [{"oin": OIN, "dienst_id": "X"}]}, "X: is new, and needs omschrijving"),
    ],
)
def test_what_the_lifecycle_does_not_allow_is_refused(
    referentie: Referentie, bestand: dict[str, Any], reden: str
) -> None:
    voor = copy.deepcopy(referentie)
    with pytest.raises(NietToegestaan, match=reden):
        voeg(referentie, bestand)
    assert referentie == voor


def test_an_inactive_dienst_takes_no_links_unless_the_file_says_what_it_becomes(referentie: Referentie) -> None:
    voeg(referentie, wijzig("diensten", status="Inactief"))
    with pytest.raises(NietToegestaan, match="Inactief takes no links"):
        voeg(referentie, {"diensten": [{"oin": OIN, "dienst_id": "Belastingen", "berichttypes": ["AANSLAG"]}]})
    assert voeg(referentie, wijzig("diensten", status="Inactief")) == Wijzigingen()


def test_one_error_names_all_that_is_not_allowed(referentie: Referentie) -> None:
    bestand = volledig()
    for berichttype in bestand["berichttypes"]:
        berichttype["status"] = "Nieuw"
    with pytest.raises(NietToegestaan) as fout:
        voeg(referentie, bestand)
    assert all(code in str(fout.value) for code in ("AANSLAG", "OUD", "RUST"))
    assert "KLAD" not in str(fout.value)


def test_a_machtiging_for_a_dienst_that_is_not_there_is_remarked_on(referentie: Referentie) -> None:
    wijzigingen = voeg(referentie, wijzig("machtigingen", dienst_id="belastingen"))
    assert wijzigingen.opmerkingen == [f"machtigingen.0: there is no dienst {OIN}/belastingen, so it gives nothing"]
    assert leesbaar(referentie, [pseudoniem(BSN)], [pseudoniem(ANDER_BSN)], NU)[OIN, "AANSLAG"] == ["Belastingen"]


def machtiging(tot: int | None) -> dict[str, Any]:
    """A file with the one machtiging of the full file, with this end."""
    return wijzig("machtigingen", tot=None if tot is None else schrijf_tijd(tot))


TE_RUIM = "Too wide is a privacy breach, too narrow leaves someone without his letter: both are errors"
NA_WISSEL = ("k2", "k1")
"""The ring for pseudonyms once its key was rotated."""


@regel(TE_RUIM, "use a keyed HMAC with a key id, never a bare hash")
def test_a_file_finds_and_ends_a_machtiging_given_under_an_earlier_key(referentie: Referentie) -> None:
    assert voeg(referentie, machtiging(None), sleutels=NA_WISSEL) == Wijzigingen()
    voeg(referentie, machtiging(NU + 1), sleutels=NA_WISSEL)
    (een,) = referentie.machtigingen.values()
    assert (een.belanghebbende, een.tot) == (pseudoniem(BSN, "k1"), NU + 1)
    van, voor = ([pseudoniem(bsn, sleutel) for sleutel in NA_WISSEL] for bsn in (BSN, ANDER_BSN))
    assert leesbaar(referentie, van, voor, NU) != {}
    assert leesbaar(referentie, van, voor, NU + 1) == {}


@regel(TE_RUIM)
def test_a_machtiging_that_stands_under_two_keys_ends_under_both(referentie: Referentie) -> None:
    voeg(referentie, machtiging(None), sleutels=("k2",))
    assert len(referentie.machtigingen) == 2
    voeg(referentie, machtiging(NU + 1), sleutels=NA_WISSEL)
    assert [een.tot for een in referentie.machtigingen.values()] == [NU + 1, NU + 1]
    assert voeg(referentie, machtiging(NU + 1), NU + 2, NA_WISSEL) == Wijzigingen()


@regel(TE_RUIM)
@pytest.mark.parametrize("anders", [None, NU + UUR_MS, NU - 2])
def test_of_two_keys_the_one_under_which_it_still_runs_counts(referentie: Referentie, anders: int | None) -> None:
    voeg(referentie, machtiging(NU - 1))
    voeg(referentie, machtiging(None), sleutels=("k2",))
    voeg(referentie, machtiging(anders), sleutels=NA_WISSEL)
    assert [een.tot for een in referentie.machtigingen.values()] == [NU - 1, anders]
    assert voeg(referentie, machtiging(anders), sleutels=NA_WISSEL) == Wijzigingen()


def test_what_is_new_is_named_by_the_active_key() -> None:
    referentie = Referentie()
    voeg(referentie, volledig(), sleutels=NA_WISSEL)
    (een,) = referentie.machtigingen.values()
    assert (een.belanghebbende, een.gemachtigde) == (pseudoniem(BSN, "k2"), pseudoniem(ANDER_BSN, "k2"))


@regel(TE_RUIM)
@pytest.mark.parametrize("anders", [None, NU + UUR_MS, NU - 2])
def test_a_machtiging_that_has_ended_does_not_come_back_by_a_file(referentie: Referentie, anders: int | None) -> None:
    referentie.zet([trek_in(een, NU - 1) for een in referentie.machtigingen.values()])
    voor = copy.deepcopy(referentie)
    with pytest.raises(NietToegestaan, match=r"machtigingen\.0 for dienst .*: has ended.* another van") as fout:
        voeg(referentie, machtiging(anders))
    assert referentie == voor
    assert not any(waarde in str(fout.value) for waarde in (BSN, ANDER_BSN, ANDER_BSN[1:], pseudoniem(BSN)))
    voeg(referentie, wijzig("machtigingen", van=schrijf_tijd(NU)))
    assert [een.tot for een in referentie.machtigingen.values()] == [NU - 1, None]


@regel(TE_RUIM)
def test_one_withdrawn_before_it_began_does_not_come_back_either() -> None:
    referentie = Referentie()
    bestand = wijzig("machtigingen", van=schrijf_tijd(NU + UUR_MS))
    voeg(referentie, bestand)
    referentie.zet([trek_in(een, NU) for een in referentie.machtigingen.values()])
    with pytest.raises(NietToegestaan, match="has ended"):
        voeg(referentie, bestand, NU + 1)


@regel(TE_RUIM)
def test_the_end_of_one_that_still_runs_moves_either_way(referentie: Referentie) -> None:
    for tot in (NU + 2, NU + 9, None, NU + 1):
        voeg(referentie, machtiging(tot))
        assert [een.tot for een in referentie.machtigingen.values()] == [tot]


def test_the_same_file_changes_nothing_once_its_end_has_passed(referentie: Referentie) -> None:
    voeg(referentie, machtiging(NU + 1))
    assert voeg(referentie, machtiging(NU + 1), NU + UUR_MS) == Wijzigingen()
    zonder_einde = machtiging(None)
    del zonder_einde["machtigingen"][0]["tot"]
    assert voeg(referentie, zonder_einde, NU + UUR_MS) == Wijzigingen()


@regel("use a keyed HMAC with a key id, never a bare hash")
def test_the_state_never_holds_a_bsn(referentie: Referentie) -> None:
    assert BSN not in repr(referentie)
    assert ANDER_BSN[1:] not in repr(referentie)


def test_citizens_are_handed_on_with_nine_digits() -> None:
    bestand = lees_laadbestand({"gebruikers": [{"bsn": BSN[1:], "actief": False, "abonnementen": [OIN]}]})
    assert [een.model_dump(mode="json") for een in bestand.gebruikers] == [
        {"bsn": BSN, "actief": False, "abonnementen": [OIN]}
    ]
    assert BSN not in repr(bestand)


def met(soort: str, **velden: Any) -> dict[str, Any]:
    return {soort: [volledig()[soort][0] | velden]}


def zonder(soort: str, veld: str) -> dict[str, Any]:
    return {soort: [{naam: waarde for naam, waarde in volledig()[soort][0].items() if naam != veld}]}


@pytest.mark.parametrize(
    ("inhoud", "plaats"),
    [
        ([], "file"),
        ("x", "file"),
        (None, "file"),
        ({"leverancier": []}, "leverancier: Extra"),
        ({"leveranciers": {}}, "leveranciers: "),
        (met("leveranciers", oin=GEEN_BSN), "leveranciers.0.oin: not an OIN"),
        (met("leveranciers", oin="00000098000000001000"), "leveranciers.0.oin: not an OIN"),
        (met("leveranciers", intermediair_voor=[OIN, "x"]), "leveranciers.0.intermediair_voor.1: not an OIN"),
        (met("leveranciers", naam=None), "leveranciers.0.naam"),
        (met("leveranciers", naam="\ud800"), "leveranciers.0.naam: not Unicode"),
        (zonder("leveranciers", "oin"), "leveranciers.0.oin: Field required"),
        (met("berichttypes", code="12345678"), "berichttypes.0.code: a code of 8 digits looks like a BSN"),
        (met("berichttypes", code="A B"), "berichttypes.0.code: a code is 1 to 8"),
        (met("berichttypes", omschrijving="x" * 41), "berichttypes.0.omschrijving: .*at most 40"),
        (met("berichttypes", status=GEEN_BSN), "berichttypes.0.status: Input should be 'Nieuw'"),
        (met("berichttypes", status="actief"), "berichttypes.0.status"),
        (met("berichttypes", status=None), "berichttypes.0.status"),
        (met("berichttypes", notificatiekenmerk="betalen"), "berichttypes.0.notificatiekenmerk"),
        (met("berichttypes", naam="x"), "berichttypes.0.naam: Extra"),
        (met("diensten", dienst_id="x" * 41), "diensten.0.dienst_id: a Dienst ID has 1 to 40"),
        (met("diensten", dienst_id=""), "diensten.0.dienst_id"),
        (met("diensten", berichttypes="AANSLAG"), "diensten.0.berichttypes"),
        (met("diensten", berichttypes=[GEEN_BSN]), "diensten.0.berichttypes.0"),
        (met("diensten", status="Archief"), "diensten.0.status"),
        (met("machtigingen", belanghebbende=GEEN_BSN), "machtigingen.0.belanghebbende: .*elfproef"),
        (met("machtigingen", gemachtigde="1234567"), "machtigingen.0.gemachtigde: not a BSN"),
        (met("machtigingen", gemachtigde=int(GEEN_BSN)), "machtigingen.0.gemachtigde"),
        (met("machtigingen", van="2026-01-01T00:00:00"), "machtigingen.0.van: not a time with a zone"),
        (met("machtigingen", van="2026-01-01"), "machtigingen.0.van: not a time with a zone"),
        (met("machtigingen", van=GEEN_BSN), "machtigingen.0.van: not a time with a zone"),
        (met("machtigingen", van=0), "machtigingen.0.van: not a time with a zone"),
        (met("machtigingen", tot="9999-12-31T23:59:59-14:00"), "machtigingen.0.tot: not a time with a zone"),
        (zonder("machtigingen", "van"), "machtigingen.0.van: Field required"),
        (met("gebruikers", bsn="x"), "gebruikers.0.bsn: not a BSN"),
        (met("gebruikers", actief="ja"), "gebruikers.0.actief"),
        (met("gebruikers", abonnementen=GEEN_BSN), "gebruikers.0.abonnementen"),
        (met("gebruikers", abonnementen=[GEEN_BSN]), "gebruikers.0.abonnementen"),
        (zonder("gebruikers", "actief"), "gebruikers.0.actief: Field required"),
        ({"gebruikers": {GEEN_BSN: {}}}, "gebruikers"),
        ({GEEN_BSN: []}, "key of digits"),
        (met("gebruikers", **{f"x{GEEN_BSN}": 1}), "gebruikers.0.*key of digits"),
        ({"diensten": volledig()["diensten"] * 2}, "diensten.0: another entry .*; diensten.1: another entry"),
        ({"machtigingen": volledig()["machtigingen"] * 2}, "machtigingen.1: another entry has the same key"),
    ],
)
def test_a_file_of_another_shape_is_refused_by_place_and_quotes_nothing(inhoud: object, plaats: str) -> None:
    with pytest.raises(BestandFout, match=plaats) as fout:
        lees_laadbestand(inhoud)
    tekst = str(fout.value)
    assert "\n" not in tekst
    assert not any(waarde in tekst for waarde in (GEEN_BSN, "1234567", BSN, ANDER_BSN[1:], OIN))
    assert fout.value.__cause__ is None


def test_many_errors_are_cut_short() -> None:
    with pytest.raises(BestandFout, match="and 80 more") as fout:
        lees_laadbestand({"leveranciers": [{}] * (80 + FOUTEN_MAX)})
    assert str(fout.value).count("Field required") == FOUTEN_MAX


def test_two_things_that_differ_only_in_case_are_no_doubles() -> None:
    diensten = [volledig()["diensten"][0] | {"dienst_id": een} for een in ("D", "d", "D ")]
    assert len(lees_laadbestand({"diensten": diensten}).diensten) == 3
