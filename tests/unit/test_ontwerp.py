"""What a round would decide on the slices of a partition, and what the rest of them waits for."""

from collections.abc import Collection, Iterable, Sequence
from uuid import UUID

import pytest

from agents.geheugen import Geheugen
from agents.ontwerp import Kennis, Ontwerp, Opgezocht, WachtOp, ontwerp
from domain.batch import Batch
from domain.beslissing import Vraag, beoordeel_vooraf
from domain.codes import Stadium, Verwerkingscode
from domain.referentie import BerichttypeStatus, Referentie
from tests.regels import regel
from tests.slices import (
    ANDERE_RUN,
    BSNS,
    RUN,
    T0,
    TYPE,
    A,
    B,
    berichttype,
    guid,
    kader,
    maak_slice,
    referentie,
)

C = Verwerkingscode
SHA = bytes(32)
DERDE_RUN = UUID(int=3)


def weet(
    *slices: Batch, zonder: Collection[str] = (), ongevraagd: Collection[str] = (), nee: Collection[str] = ()
) -> Kennis:
    """The profile service answered yes on all citizens of these slices, but for some."""
    kennis = Kennis()
    for slice_ in slices:
        berichten = slice_.berichten
        for rij in range(len(berichten)):
            vraag: Vraag = (berichten.berichttypes[rij], berichten.gebruiker(rij))
            if vraag[1] in ongevraagd:
                continue
            kennis.gevraagd.setdefault(slice_.kader.leverancier, set()).add(vraag)
            if vraag[1] not in zonder:
                kennis.antwoorden.setdefault(slice_.kader.leverancier, {})[vraag] = vraag[1] not in nee
    return kennis


def maak(
    slices: Sequence[Batch],
    kennis: Kennis,
    *,
    op_te_geven: Collection[UUID] = (),
    opslag_weg: Collection[UUID] = (),
    data: Referentie | None = None,
    geheugen: Geheugen | None = None,
) -> Ontwerp:
    data = data or referentie()
    return ontwerp(
        [(slice_, beoordeel_vooraf(slice_, data)) for slice_ in slices],
        data,
        geheugen or Geheugen(),
        kennis,
        T0 + 1000,
        op_te_geven,
        opslag_weg,
        lambda _: "pseudoniem",
    )


def codes(gevonden: Ontwerp) -> list[tuple[UUID, dict[int, str]]]:
    """By slice, in order, the code of each number."""
    return [
        (slice_.kader.proceskenmerk, dict(zip(uitkomst.nummers, uitkomst.codes, strict=True)))
        for slice_, uitkomst in gevonden.uitkomsten
    ]


def rest(gevonden: Ontwerp) -> list[tuple[UUID, list[int], WachtOp]]:
    return [(slice_.kader.proceskenmerk, slice_.berichten.nummers, op) for slice_, op in gevonden.rest]


def van(run: UUID, **velden: object) -> Batch:
    leverancier = str(velden.pop("leverancier", A))
    return maak_slice(van=kader(run=run, leverancier=leverancier), **velden)  # type: ignore[arg-type]


def test_what_is_known_is_decided_and_what_is_not_is_left_of_the_slice() -> None:
    slice_ = van(RUN, ids="abc", bsns=BSNS[:3])
    gevonden = maak([slice_], weet(slice_, zonder=[BSNS[1]], nee=[BSNS[2]]))
    assert codes(gevonden) == [(RUN, {1: C.VERWERKT, 3: C.NIET_ACTIEF_OF_GEABONNEERD})]
    assert rest(gevonden) == [(RUN, [2], WachtOp.GEBRUIKER)]
    assert gevonden.rest[0][0].berichten.gebruiker(0) == BSNS[1]


@regel("this leverancier already has this BerichtID Verwerkt")
def test_of_equal_messages_in_two_slices_the_first_in_the_log_is_placed() -> None:
    een, twee = van(RUN, ids="ab"), van(ANDERE_RUN, ids="bc")
    for volgorde in ([een, twee], [twee, een]):
        gevonden = maak(volgorde, weet(*volgorde))
        eerste, tweede = (slice_.kader.proceskenmerk for slice_ in volgorde)
        dubbel = volgorde[1].berichten
        nummer = dubbel.nummers[[dubbel.bericht_id(rij) for rij in range(2)].index(guid("b"))]
        assert codes(gevonden) == [
            (eerste, {1: C.VERWERKT, 2: C.VERWERKT}),
            (tweede, {nummer: C.BERICHT_BESTAAT_AL, 3 - nummer: C.VERWERKT}),
        ]


def test_equal_messages_of_two_leveranciers_are_nothing_to_each_other() -> None:
    slices = [van(RUN), van(ANDERE_RUN, leverancier=B)]
    assert codes(maak(slices, weet(*slices))) == [(RUN, {1: C.VERWERKT}), (ANDERE_RUN, {1: C.VERWERKT})]


def test_a_message_that_waits_does_not_keep_the_next_run_with_its_id_from_being_placed() -> None:
    een, twee = van(RUN, bsns=[BSNS[1]]), van(ANDERE_RUN, bsns=[BSNS[0]])
    gevonden = maak([een, twee], weet(een, twee, zonder=[BSNS[1]]))
    assert codes(gevonden) == [(ANDERE_RUN, {1: C.VERWERKT})]
    assert rest(gevonden) == [(RUN, [1], WachtOp.GEBRUIKER)]


def test_within_a_slice_a_message_waits_behind_an_earlier_one_with_its_id() -> None:
    slice_ = van(RUN, ids="aa", bsns=[BSNS[1], BSNS[0]])
    gevonden = maak([slice_], weet(slice_, zonder=[BSNS[1]]))
    assert codes(gevonden) == []
    assert rest(gevonden) == [(RUN, [1, 2], WachtOp.GEBRUIKER)]


@regel("The first outcome of (Proceskenmerk, number) that is durable in the topic `validatie` stands")
@pytest.mark.parametrize("waar", ["memory", "clickhouse", "the same transaction"])
def test_a_number_that_is_decided_is_not_decided_again(waar: str) -> None:
    slice_ = van(RUN, ids="ab")
    kennis, geheugen, ervoor = weet(slice_), Geheugen(), []
    (_, eerder), *_ = maak([van(RUN, ids="a")], kennis).uitkomsten
    match waar:
        case "memory":
            geheugen.onthoud(0, eerder)
        case "clickhouse":
            kennis.opgezocht = Opgezocht.van([(A, guid("a"), RUN, 1, True)])
        case _:
            ervoor = [van(RUN, ids="a")]
    gevonden = maak([*ervoor, slice_], kennis, geheugen=geheugen)
    assert codes(gevonden)[-1] == (RUN, {2: C.VERWERKT})
    assert gevonden.rest == []
    assert gevonden.overgenomen == 0


def test_a_slice_of_which_all_is_decided_is_adopted() -> None:
    slice_ = van(RUN, ids="ab")
    kennis = weet()
    kennis.opgezocht = Opgezocht.van([(A, guid(naam), RUN, nummer, True) for nummer, naam in enumerate("ab", 1)])
    gevonden = maak([slice_], kennis)
    assert (gevonden.uitkomsten, gevonden.rest, gevonden.overgenomen) == ([], [], 1)


def test_what_clickhouse_shows_is_kept_by_run_and_by_leverancier() -> None:
    rijen: Iterable[tuple[str, bytes, UUID, int, bool]] = [
        (A, guid("a"), RUN, 1, True),
        (A, guid("b"), RUN, 2, False),
        (B, guid("a"), ANDERE_RUN, 7, True),
    ]
    gevonden = Opgezocht.van(rijen)
    assert gevonden.nummers == {RUN: {1, 2}, ANDERE_RUN: {7}}
    assert gevonden.verwerkt == {A: {guid("a")}, B: {guid("a")}}


@regel("Only when it has waited so long that the norm would be broken")
def test_exactly_what_waits_of_a_run_that_is_given_up_becomes_a_problem_of_ours() -> None:
    vers = van(ANDERE_RUN, bsns=[BSNS[1]])
    oud = van(RUN, ids="bcd", bsns=BSNS[:3])
    kennis = weet(oud, vers, zonder=[BSNS[1]], nee=[BSNS[2]])
    assert [nummers for _, nummers, _ in rest(maak([oud, vers], kennis))] == [[2], [1]]
    gevonden = maak([oud, vers], kennis, op_te_geven=[RUN])
    assert codes(gevonden) == [
        (RUN, {1: C.VERWERKT, 2: C.TECHNISCH_PROBLEEM, 3: C.NIET_ACTIEF_OF_GEABONNEERD}),
    ]
    assert gevonden.uitkomsten[0][1].stadia[1] is Stadium.VALIDATE_GEBRUIKER
    assert rest(gevonden) == [(ANDERE_RUN, [1], WachtOp.GEBRUIKER)]


def test_nothing_is_given_up_on_that_was_not_asked_yet() -> None:
    """The reference data changed after the questions were put: the next round puts the new ones."""
    slice_ = van(RUN, ids="ab", bsns=BSNS[:2])
    gevonden = maak([slice_], weet(slice_, ongevraagd=[BSNS[1]]), op_te_geven=[RUN])
    assert codes(gevonden) == [(RUN, {1: C.VERWERKT})]
    assert rest(gevonden) == [(RUN, [2], WachtOp.NIETS)]


@regel("this leverancier already has this BerichtID Verwerkt")
def test_what_was_not_asked_yet_is_overtaken_by_nothing_of_its_leverancier() -> None:
    """Its question comes at once: a later run with the same BerichtID would be placed for want of a moment."""
    een, twee = van(RUN, ids="ab", bsns=BSNS[:2]), van(ANDERE_RUN, ids="bc", bsns=[BSNS[0]] * 2)
    ander = van(DERDE_RUN, leverancier=B)
    kennis = weet(een, twee, ander, ongevraagd=[BSNS[1]])
    gevonden = maak([een, twee, ander], kennis)
    assert codes(gevonden) == [(RUN, {1: C.VERWERKT}), (DERDE_RUN, {1: C.VERWERKT})]
    assert rest(gevonden) == [(RUN, [2], WachtOp.NIETS), (ANDERE_RUN, [1, 2], WachtOp.NIETS)]
    nu_gevraagd = maak([een, twee, ander], weet(een, twee, ander))
    assert codes(nu_gevraagd)[1] == (ANDERE_RUN, {1: C.BERICHT_BESTAAT_AL, 2: C.VERWERKT})


def test_what_is_known_without_the_service_is_decided_though_nothing_was_asked() -> None:
    data = referentie(berichttype("OUD", BerichttypeStatus.INACTIEF))
    slice_ = van(RUN, ids="abc", types=[TYPE, "OUD", TYPE], fouten=["", "", "stuk"])
    gevonden = maak([slice_], Kennis(), data=data)
    assert codes(gevonden) == [(RUN, {2: C.BERICHTTYPE_NIET_ONDERSTEUND, 3: C.XML_VALIDATIE})]
    assert rest(gevonden) == [(RUN, [1], WachtOp.NIETS)]


@regel("without holding up other senders' messages")
def test_what_the_store_does_not_take_waits_and_what_is_not_placed_goes_on() -> None:
    slices = [van(RUN, ids="ab", bsns=BSNS[:2]), van(ANDERE_RUN, ids="c", leverancier=B)]
    gevonden = maak(slices, weet(*slices, nee=[BSNS[1]]), opslag_weg=[RUN])
    assert codes(gevonden) == [(RUN, {2: C.NIET_ACTIEF_OF_GEABONNEERD}), (ANDERE_RUN, {1: C.VERWERKT})]
    assert rest(gevonden) == [(RUN, [1], WachtOp.OPSLAG)]


@regel("Only when it has waited so long that the norm would be broken")
def test_a_store_that_stays_away_until_the_limit_is_named_in_the_stadium() -> None:
    slice_ = van(RUN, ids="abc", bsns=BSNS[:3])
    kennis = weet(slice_, zonder=[BSNS[1]], nee=[BSNS[2]])
    ((_, uitkomst),) = maak([slice_], kennis, op_te_geven=[RUN], opslag_weg=[RUN]).uitkomsten
    assert list(zip(uitkomst.codes, uitkomst.stadia, strict=True)) == [
        (C.TECHNISCH_PROBLEEM, Stadium.STORE_MESSAGE),
        (C.TECHNISCH_PROBLEEM, Stadium.VALIDATE_GEBRUIKER),
        (C.NIET_ACTIEF_OF_GEABONNEERD, Stadium.VALIDATE_GEBRUIKER),
    ]


def test_a_bijlage_without_a_verdict_makes_its_message_wait_for_that() -> None:
    slice_ = van(RUN, ids="ab", bijlagen=[(0, 10)])
    kennis = weet(slice_)
    kennis.oordelen, kennis.bijlagen = {}, {RUN: {SHA: True}}
    gevonden = maak([slice_], kennis)
    assert codes(gevonden) == [(RUN, {2: C.VERWERKT})]
    assert rest(gevonden) == [(RUN, [1], WachtOp.KEURING)]
    kennis.bijlagen = {}
    assert rest(maak([slice_], kennis, op_te_geven=[RUN])) == [(RUN, [1], WachtOp.NIETS)]
    kennis.oordelen, kennis.bijlagen = {SHA: ("PdfGeenPdfA",)}, {RUN: {SHA: True}}
    ((_, uitkomst),) = maak([slice_], kennis).uitkomsten
    assert uitkomst.waarschuwingen == [["PdfGeenPdfA"], []]


def test_a_verdict_counts_only_for_a_run_that_has_the_bijlage_itself() -> None:
    """What another run has goes with that run. It waits, and in the end the store is what failed."""
    slices = [van(RUN, ids="a", bijlagen=[(0, 10)]), van(ANDERE_RUN, ids="b", bijlagen=[(0, 10)])]
    kennis = weet(*slices)
    kennis.oordelen, kennis.bijlagen = {SHA: ()}, {RUN: {SHA: True}, ANDERE_RUN: {SHA: False}}
    gevonden = maak(slices, kennis)
    assert codes(gevonden) == [(RUN, {1: C.VERWERKT})]
    assert rest(gevonden) == [(ANDERE_RUN, [1], WachtOp.KEURING)]
    del kennis.bijlagen[ANDERE_RUN]
    assert rest(maak(slices, kennis, op_te_geven=[ANDERE_RUN])) == [(ANDERE_RUN, [1], WachtOp.NIETS)], "not asked yet"
    kennis.bijlagen[ANDERE_RUN] = {SHA: False}
    _, (_, uitkomst) = maak(slices, kennis, op_te_geven=[ANDERE_RUN]).uitkomsten
    assert (uitkomst.codes, uitkomst.stadia) == ([C.TECHNISCH_PROBLEEM], [Stadium.STORE_MESSAGE])


def test_a_bijlage_of_a_message_that_is_not_placed_is_not_waited_for() -> None:
    slice_ = van(RUN, bijlagen=[(0, 10)])
    kennis = weet(slice_, nee=[BSNS[0]])
    kennis.oordelen = {}
    assert codes(maak([slice_], kennis)) == [(RUN, {1: C.NIET_ACTIEF_OF_GEABONNEERD})]
