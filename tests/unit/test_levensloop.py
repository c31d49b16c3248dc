"""How reference data may change, and who may read what (Domain: Berichttypes; Diensten and machtigingen)."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.inzage import leesbaar
from domain.levensloop import (
    NietToegestaan,
    activeer_dienst,
    deactiveer_dienst,
    geldige_code,
    geldige_dienst_id,
    koppel,
    nieuw_berichttype,
    nieuwe_dienst,
    nieuwe_leverancier,
    nieuwe_machtiging,
    ontkoppel,
    wijzig_berichttype,
    wijzig_dienst,
    wijzig_einde,
    wissel_status,
)
from domain.referentie import (
    Berichttype,
    BerichttypeStatus,
    Dienst,
    DienstStatus,
    Koppeling,
    Notificatiekenmerk,
    Referentie,
)
from tests.regels import regel

OIN, ANDER_OIN = "00000099000000001000", "00000099000000002000"
BELANGHEBBENDE, GEMACHTIGDE = f"k1:{'a' * 64}", f"k1:{'b' * 64}"
NIEUW, ACTIEF, INACTIEF, ARCHIEF = BerichttypeStatus
CODES = ["A", "B", "a", "AANSLAG"]
TIJD = st.integers(-(10**12), 10**13)


def berichttype(code: str = "A", status: BerichttypeStatus = ACTIEF, oin: str = OIN) -> Berichttype:
    return nieuw_berichttype(oin, code, "Aanslag", Notificatiekenmerk.BETALEN, status)


Stap = Callable[[Dienst, int], Dienst]
STAPPEN: st.SearchStrategy[Stap] = st.one_of(
    st.sampled_from(CODES).map(lambda code: lambda dienst, nu: koppel(dienst, berichttype(code), nu)),
    st.sampled_from(CODES).map(lambda code: lambda dienst, nu: ontkoppel(dienst, berichttype(code), nu)),
    st.just(deactiveer_dienst),
    st.just(lambda dienst, nu: activeer_dienst(dienst)),
)


@st.composite
def diensten(draw: st.DrawFn) -> Dienst:
    """A dienst with a past: links made and ended, more than once, on clocks that do not agree."""
    dienst = nieuwe_dienst(OIN, draw(st.text(min_size=1, max_size=40)), "x")
    for stap, nu in draw(st.lists(st.tuples(STAPPEN, TIJD), max_size=12)):
        try:
            dienst = stap(dienst, nu)
        except NietToegestaan:
            assert dienst.status is DienstStatus.INACTIEF
    return dienst


@regel("Nieuw → Actief ⇄ Inactief → Archief", "Actief → Archief as well")
@pytest.mark.parametrize("van", BerichttypeStatus)
@pytest.mark.parametrize("naar", BerichttypeStatus)
def test_a_status_goes_only_where_the_lifecycle_goes(van: BerichttypeStatus, naar: BerichttypeStatus) -> None:
    mag = {(NIEUW, ACTIEF), (ACTIEF, INACTIEF), (INACTIEF, ACTIEF), (INACTIEF, ARCHIEF), (ACTIEF, ARCHIEF)}
    if van is naar or (van, naar) in mag:
        assert wissel_status(berichttype(status=van), naar) == berichttype(status=naar)
    else:
        with pytest.raises(NietToegestaan):
            wissel_status(berichttype(status=van), naar)


@regel("Archief is final", "nothing in Archief")
@given(st.lists(st.sampled_from(BerichttypeStatus)), st.text(max_size=40), st.sampled_from(Notificatiekenmerk))
def test_archief_never_changes(
    pogingen: list[BerichttypeStatus], omschrijving: str, kenmerk: Notificatiekenmerk
) -> None:
    archief = huidig = wissel_status(berichttype(), ARCHIEF)
    for status in pogingen:
        for wijziging in (
            lambda oud, status=status: wissel_status(oud, status),
            lambda oud: wijzig_berichttype(oud, omschrijving, kenmerk),
        ):
            try:
                huidig = wijziging(huidig)
            except NietToegestaan:
                continue
    assert huidig == archief


@regel("nothing returns to Nieuw")
@given(st.lists(st.sampled_from(BerichttypeStatus)))
def test_nothing_returns_to_nieuw(pogingen: list[BerichttypeStatus]) -> None:
    huidig = berichttype(status=NIEUW)
    for status in pogingen:
        vorig = huidig
        try:
            huidig = wissel_status(huidig, status)
        except NietToegestaan:
            continue
        assert huidig.status is not NIEUW or vorig.status is NIEUW


@regel("Omschrijving, notificatiekenmerk and links to diensten change while Nieuw, Actief or Inactief")
@pytest.mark.parametrize("status", [NIEUW, ACTIEF, INACTIEF])
def test_a_berichttype_outside_archief_can_be_described_anew(status: BerichttypeStatus) -> None:
    gewijzigd = wijzig_berichttype(berichttype(status=status), "Nieuw", Notificatiekenmerk.VERNIEUWEN_NODIG)
    assert (gewijzigd.omschrijving, gewijzigd.notificatiekenmerk) == ("Nieuw", Notificatiekenmerk.VERNIEUWEN_NODIG)
    assert wijzig_berichttype(gewijzigd) is gewijzigd


@regel("1–8 letters or digits")
@pytest.mark.parametrize("code", ["A", "a1", "ABCDEFGH", "1234567", "1234567A"])
def test_a_code_is_one_to_eight_letters_or_digits(code: str) -> None:
    assert geldige_code(code) == code


def test_a_code_that_looks_like_a_bsn_is_refused() -> None:
    with pytest.raises(NietToegestaan, match="BSN") as fout:
        geldige_code("12345678")
    assert "12345678" not in str(fout.value)


@regel("1–8 letters or digits")
@pytest.mark.parametrize("code", ["", "ABCDEFGHI", "A B", "A-B", "é", "A\n", "١٢"])
def test_no_other_code_is_taken(code: str) -> None:
    with pytest.raises(NietToegestaan):
        geldige_code(code)


@regel("omschrijving | up to 40 characters")
def test_an_omschrijving_of_a_berichttype_has_at_most_forty_characters() -> None:
    assert wijzig_berichttype(berichttype(), "é" * 40).omschrijving == "é" * 40
    with pytest.raises(NietToegestaan):
        wijzig_berichttype(berichttype(), "é" * 41)
    with pytest.raises(NietToegestaan):
        nieuw_berichttype(OIN, "A", "x" * 41, Notificatiekenmerk.BETALEN)


@regel("free text, up to 40 characters")
@pytest.mark.parametrize("tekst", ["", "x" * 41, "\ud800"])
def test_no_other_dienst_id_is_taken(tekst: str) -> None:
    with pytest.raises(NietToegestaan):
        geldige_dienst_id(tekst)


@pytest.mark.parametrize("oin", ["", "123", "00000098000000001000", f"{OIN} "])
def test_what_is_not_an_oin_is_refused_everywhere(oin: str) -> None:
    for maak in (
        lambda: nieuwe_leverancier(oin, "x"),
        lambda: nieuwe_leverancier(OIN, "x", (oin,)),
        lambda: berichttype(oin=oin),
        lambda: nieuwe_dienst(oin, "x", "x"),
        lambda: nieuwe_machtiging(BELANGHEBBENDE, GEMACHTIGDE, oin, "x", 0, 1),
    ):
        with pytest.raises(NietToegestaan, match="not an OIN"):
            maak()


@regel("gives all its links an end date")
@given(diensten(), TIJD)
def test_deactivating_ends_all_links_and_keeps_its_date(dienst: Dienst, nu: int) -> None:
    uit = deactiveer_dienst(dienst, nu)
    assert uit.gekoppeld() == []
    assert all(koppeling.tot is not None and koppeling.van <= koppeling.tot for koppeling in uit.koppelingen)
    if dienst.status is DienstStatus.ACTIEF:
        assert uit.gedeactiveerd_op == nu
    else:
        assert uit is dienst


@regel("brings **no** link back")
@given(diensten(), TIJD)
def test_reactivating_brings_no_link_back(dienst: Dienst, nu: int) -> None:
    weer = activeer_dienst(deactiveer_dienst(dienst, nu))
    assert (weer.status, weer.gekoppeld(), weer.gedeactiveerd_op) == (DienstStatus.ACTIEF, [], None)
    assert weer.koppelingen == deactiveer_dienst(dienst, nu).koppelingen, "the past stays as it was"


@regel("Berichttypes are linked to it (koppelen) and unlinked (ontkoppelen)")
@given(diensten(), st.sampled_from(CODES), TIJD)
def test_links_work_at_once_both_ways(dienst: Dienst, code: str, nu: int) -> None:
    actief = activeer_dienst(dienst)
    gekoppeld = koppel(actief, berichttype(code), nu)
    assert sorted(gekoppeld.gekoppeld()) == sorted({*actief.gekoppeld(), code})
    assert koppel(gekoppeld, berichttype(code), nu + 1) is gekoppeld
    los = ontkoppel(gekoppeld, berichttype(code), nu)
    assert code not in los.gekoppeld()
    assert ontkoppel(los, berichttype(code), nu + 1) is los
    assert koppel(los, berichttype(code), nu + 1).gekoppeld().count(code) == 1


@regel("fixed once made), an omschrijving")
@given(diensten())
def test_a_dienst_never_changes_its_key(dienst: Dienst) -> None:
    assert wijzig_dienst(activeer_dienst(deactiveer_dienst(dienst, 1)), "anders").sleutel == dienst.sleutel


def test_an_inactive_dienst_takes_no_links() -> None:
    dienst = deactiveer_dienst(nieuwe_dienst(OIN, "x", "x"), 1)
    for doe in (koppel, ontkoppel):
        with pytest.raises(NietToegestaan, match="Inactief"):
            doe(dienst, berichttype(), 2)


@regel("nothing in Archief")
@pytest.mark.parametrize("geen", [None, berichttype(status=ARCHIEF), berichttype(oin=ANDER_OIN)])
def test_only_a_known_berichttype_outside_archief_is_linked_or_unlinked(geen: Berichttype | None) -> None:
    dienst = koppel(nieuwe_dienst(OIN, "x", "x"), berichttype(), 1)
    for doe in (koppel, ontkoppel):
        with pytest.raises(NietToegestaan):
            doe(dienst, geen, 2)


@regel("Omschrijving, notificatiekenmerk and links to diensten change while Nieuw, Actief or Inactief")
@pytest.mark.parametrize("status", [NIEUW, ACTIEF, INACTIEF])
def test_a_berichttype_in_any_other_state_can_be_linked(status: BerichttypeStatus) -> None:
    dienst = koppel(nieuwe_dienst(OIN, "x", "x"), berichttype(status=status), 7)
    assert dienst.koppelingen == (Koppeling("A", 7),)


@given(TIJD, TIJD)
def test_a_machtiging_ends_after_it_begins(van: int, tot: int) -> None:
    if van < tot:
        assert nieuwe_machtiging(BELANGHEBBENDE, GEMACHTIGDE, OIN, "x", van, tot).tot == tot
    else:
        with pytest.raises(NietToegestaan):
            nieuwe_machtiging(BELANGHEBBENDE, GEMACHTIGDE, OIN, "x", van, tot)
        with pytest.raises(NietToegestaan):
            wijzig_einde(nieuwe_machtiging(BELANGHEBBENDE, GEMACHTIGDE, OIN, "x", van, None), tot, nu=0)


def test_a_machtiging_names_no_bsn() -> None:
    for personen in (("000000012", GEMACHTIGDE), (BELANGHEBBENDE, "000000012")):
        with pytest.raises(NietToegestaan) as fout:
            nieuwe_machtiging(*personen, OIN, "x", 0, None)
        assert "12" not in str(fout.value)


def bevoegd(dienst: Dienst, van: int = 0, tot: int | None = None, dienst_id: str | None = None) -> Referentie:
    """Everything in place: dienst, berichttypes, and a machtiging for the dienst (or for another ID)."""
    naam = dienst.dienst_id if dienst_id is None else dienst_id
    referentie = Referentie()
    referentie.zet([dienst, *map(berichttype, CODES)])
    referentie.zet([nieuwe_machtiging(BELANGHEBBENDE, GEMACHTIGDE, OIN, naam, van, tot)])
    return referentie


def leest(referentie: Referentie, code: str = "A", nu: int = 5) -> list[str]:
    return leesbaar(referentie, [BELANGHEBBENDE], [GEMACHTIGDE], nu).get((OIN, code), [])


@regel("machtiging works through the link between berichttype and dienst alone")
@regel("a machtiging valid now names a dienst that is Actief now and linked now to the message's berichttype")
@given(diensten(), st.sampled_from(CODES), TIJD)
def test_reading_goes_exactly_by_the_links_of_now(dienst: Dienst, code: str, nu: int) -> None:
    verwacht = [dienst.dienst_id] if code in dienst.gekoppeld() else []
    assert leest(bevoegd(dienst, van=nu), code, nu) == verwacht


@regel("both work at once, on messages already delivered as well")
@given(diensten(), st.sampled_from(CODES))
def test_unlinking_and_deactivating_hide_at_once(dienst: Dienst, code: str) -> None:
    referentie = bevoegd(koppel(activeer_dienst(dienst), berichttype(code), 1))
    gekoppeld = next(iter(referentie.diensten.values()))
    assert leest(referentie, code) == [dienst.dienst_id]
    for dicht in (ontkoppel(gekoppeld, berichttype(code), 5), deactiveer_dienst(gekoppeld, 5)):
        referentie.zet([gekoppeld])
        referentie.zet([dicht])
        assert leest(referentie, code) == []
        referentie.zet([activeer_dienst(dicht)])
        assert leest(referentie, code) == []


@regel("this belanghebbende lets this gemachtigde act for this dienst from … until …")
@given(st.integers(0, 100), st.integers(1, 100), st.integers(-10, 210))
def test_a_machtiging_outside_its_period_gives_nothing(van: int, duur: int, nu: int) -> None:
    dienst = koppel(nieuwe_dienst(OIN, "D", "x"), berichttype(), 0)
    assert leest(bevoegd(dienst, van, van + duur), nu=nu) == (["D"] if van <= nu < van + duur else [])
    assert leest(bevoegd(dienst, van, None), nu=nu) == (["D"] if van <= nu else [])


@regel("sensitive to case and to spaces")
@given(st.text(min_size=1, max_size=40), st.data())
def test_case_and_spaces_of_a_dienst_id_matter(dienst_id: str, data: st.DataObject) -> None:
    anders = [
        dienst_id.upper(),
        dienst_id.lower(),
        dienst_id.strip(),
        f" {dienst_id}",
        f"{dienst_id} ",
        f"{dienst_id}\u00a0",
    ]
    ander = data.draw(st.sampled_from(anders))
    dienst = koppel(nieuwe_dienst(OIN, dienst_id, "x"), berichttype(), 0)
    if 1 <= len(ander) <= 40:
        assert leest(bevoegd(dienst, dienst_id=ander)) == ([dienst_id] if ander == dienst_id else [])


@regel(
    "belanghebbende when he lets another read, gemachtigde when he is that other",
    "a machtiging valid now names a dienst that is Actief now and linked now to the message's berichttype",
)
def test_reading_takes_this_gemachtigde_this_belanghebbende_this_afnemer_and_this_berichttype() -> None:
    referentie = bevoegd(koppel(nieuwe_dienst(OIN, "D", "x"), berichttype("A"), 0))
    assert leesbaar(referentie, [BELANGHEBBENDE], [GEMACHTIGDE], 5) == {(OIN, "A"): ["D"]}
    assert leesbaar(referentie, [GEMACHTIGDE], [BELANGHEBBENDE], 5) == {}
    assert leesbaar(referentie, [BELANGHEBBENDE], [BELANGHEBBENDE], 5) == {}


def test_a_dienst_of_another_afnemer_with_the_same_id_gives_nothing() -> None:
    referentie = bevoegd(nieuwe_dienst(OIN, "D", "x"))
    referentie.zet([koppel(nieuwe_dienst(ANDER_OIN, "D", "x"), berichttype("A", oin=ANDER_OIN), 0)])
    assert leesbaar(referentie, [BELANGHEBBENDE], [GEMACHTIGDE], 5) == {}


def test_every_dienst_that_lets_read_is_named_once_and_in_order() -> None:
    referentie = bevoegd(koppel(nieuwe_dienst(OIN, "b", "x"), berichttype(), 0))
    referentie.zet([koppel(nieuwe_dienst(OIN, naam, "x"), berichttype(), 0) for naam in ("c", "a", "geen")])
    referentie.zet([nieuwe_machtiging(BELANGHEBBENDE, GEMACHTIGDE, OIN, naam, 0, None) for naam in ("c", "a")])
    referentie.zet([nieuwe_machtiging(BELANGHEBBENDE, GEMACHTIGDE, OIN, "a", 1, None)])
    assert leest(referentie) == ["a", "b", "c"]


def test_what_is_removed_counts_no_more() -> None:
    referentie = bevoegd(koppel(nieuwe_dienst(OIN, "D", "x"), berichttype(), 0))
    assert leest(referentie) == ["D"]
    referentie.verwijder(Dienst, f"{OIN}/D")
    assert leest(referentie) == []
    referentie.verwijder(Dienst, f"{OIN}/D")
