"""What the views show, rule by rule (Domain: Resends; What the views show; The 24-hour norm)."""

import random
from collections.abc import Iterator
from uuid import UUID, uuid4

import pytest
from clickhouse_tafel import ONLEESBAAR, T0, UUR, A, B, Tafel, clickhouse, tafel

from domain.codes import Stadium, Verwerkingscode
from domain.tijd import schrijf_tijd
from sinks import stroomvragen
from sinks.cursor import OngeldigeCursor
from sinks.stroomvragen import NietAfgerond
from sinks.vragen import Dubbelzinnig, Filter
from tests.regels import regel

pytestmark = pytest.mark.integration

VIEWS = ("totalen", "berichtverwerking", "berichtverwerking_per_run", "berichten", "fouten", "waarschuwingen")
X, Y, Z = UUID(int=1), UUID(int=2), UUID(int=3)


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with clickhouse(tmp_path_factory.mktemp("clickhouse")) as adres:
        yield adres


@pytest.fixture
def t(url: str) -> Iterator[Tafel]:
    with tafel(url) as een:
        yield een


def tel(rij: dict[str, object]) -> tuple[object, ...]:
    """Verwerkt, with a warning, not verwerkt, on its way."""
    return tuple(rij[naam] for naam in ("verwerkt", "waarschuwing", "niet_verwerkt", "in_behandeling"))


def alles(t: Tafel) -> dict[str, list[tuple[object, ...]]]:
    return {view: sorted(t.client.query(f"SELECT * FROM {view}").result_rows, key=repr) for view in VIEWS}


def test_an_empty_database_gives_empty_lists(t: Tafel) -> None:
    assert t.vragen.totalen() == t.vragen.sla(T0) == t.vragen.fouten() == t.vragen.waarschuwingen() == []
    assert t.vragen.berichtverwerking() == ([], None)
    assert t.vragen.open_runs() == t.vragen.afgeronde_runs_zonder_resultaat(10) == t.vragen.bekend([]) == []
    assert t.vragen.resultaat(uuid4()) is None
    assert t.vragen.voortgang("geen") == {}
    assert all(rijen == [] for rijen in alles(t).values())
    assert t.client.query("SELECT * FROM sla").result_rows == []


def test_every_column_of_every_table_and_view_has_a_comment(t: Tafel) -> None:
    kolommen = t.client.query(
        "SELECT table, name, comment FROM system.columns WHERE database = currentDatabase()"
    ).result_rows
    assert {"runs", "uitkomsten", "bekend", "resultaten", "voortgang", "migraties", "sla", *VIEWS} <= {
        rij[0] for rij in kolommen
    }
    assert [rij for rij in kolommen if not rij[2]] == []
    tabellen = t.client.query("SELECT name, comment FROM system.tables WHERE database = currentDatabase()").result_rows
    assert [rij for rij in tabellen if not rij[1]] == []


@regel("Grey is everything received", "what is in none of these is still on its way")
def test_a_received_batch_is_shown_before_anything_is_decided(t: Tafel) -> None:
    run = t.lever([X, Y], door=B)
    assert t.batches() == [
        {
            "leverancier": A,
            "aangeleverd_door": B,
            "batch_id": str(run.batch_id),
            "proceskenmerk": str(run.proceskenmerk),
            "ontvangen_op": schrijf_tijd(T0),
            "aangeleverd_op": schrijf_tijd(T0),
            "verwerkt_op": None,
            "totaal": 2,
            "verwerkt": 0,
            "waarschuwing": 0,
            "niet_verwerkt": 0,
            "in_behandeling": 2,
            "afgerond": False,
        }
    ]
    assert t.vragen.totalen() == [
        {
            "leverancier": A,
            "batches": 1,
            "berichten": 2,
            "verwerkt": 0,
            "waarschuwing": 0,
            "niet_verwerkt": 0,
            "in_behandeling": 2,
        }
    ]


@regel("orange Verwerkt with one", "red not Verwerkt", "what is in none of these is still on its way")
def test_messages_are_shown_with_their_place_outcome_and_diensten(t: Tafel) -> None:
    run = t.lever([X, Y, Z])
    t.beslis(run, 2, waarschuwingen=["GeenTags"], diensten=["Belastingen"], op=T0 + 5)
    t.beslis(run, 1, "NietActiefOfGeabonneerd", stadium="ValidateGebruiker", op=T0 + 7)
    eerste, tweede, derde = t.berichten(run.batch_id)
    assert eerste == {
        "nummer": 1,
        "bericht_id": str(X),
        "berichttype": "AANSLAG",
        "code": "NietActiefOfGeabonneerd",
        "stadium": "ValidateGebruiker",
        "waarschuwingen": [],
        "diensten": [],
        "ontvangen_op": schrijf_tijd(T0),
        "verwerkt_op": schrijf_tijd(T0 + 7),
    }
    assert (tweede["code"], tweede["waarschuwingen"], tweede["diensten"]) == ("Verwerkt", ["GeenTags"], ["Belastingen"])
    assert (derde["nummer"], derde["code"], derde["stadium"], derde["verwerkt_op"]) == (3, None, None, None)
    assert tel(t.batches()[0]) == (1, 1, 1, 1)


def test_a_batch_is_afgerond_at_its_last_outcome(t: Tafel) -> None:
    run = t.lever([X, Y])
    t.beslis(run, 1, op=T0 + 9000)
    assert (t.batches()[0]["afgerond"], t.batches()[0]["verwerkt_op"]) == (False, None)
    t.beslis(run, 2, op=T0 + 4000)
    assert t.batches()[0]["afgerond"] is True
    assert t.batches()[0]["verwerkt_op"] == schrijf_tijd(T0 + 9000)


@regel(
    "The first outcome of (Proceskenmerk, number) that is durable in the topic `validatie` stands",
    "it must not count, be answered or notify a second time",
)
def test_the_first_decision_stands_whatever_comes_first(t: Tafel) -> None:
    run = t.lever([X, Y])
    t.beslis(run, 1, "BerichtTypeNietOndersteund", volgorde=8)
    t.beslis(run, 1, "Verwerkt", volgorde=7)
    t.beslis(run, 2, "Verwerkt", volgorde=7)
    t.beslis(run, 2, "BerichtTypeNietOndersteund", volgorde=8)
    assert tel(t.batches()[0]) == (2, 0, 0, 0)
    assert [verwerkt for *_, verwerkt in t.vragen.bekend([(A, X.bytes, run.proceskenmerk)])] == [True]
    t.client.command("OPTIMIZE TABLE uitkomsten FINAL")
    t.client.command("OPTIMIZE TABLE bekend FINAL")
    assert tel(t.batches()[0]) == (2, 0, 0, 0)
    assert [verwerkt for *_, verwerkt in t.vragen.bekend([(A, X.bytes, run.proceskenmerk)])] == [True]


@regel(
    "a resend never turns green into red",
    "a message's outcome is its Verwerkt from whichever run gave it, else that of the latest run",
    "`ontvangen_op` (ontvangstdatum, shown and filtered on) stays that of the first receipt",
    "the norm, the 20 hours and the 13 days are measured from this run's `aangeleverd_op`",
    "verwerkt_op − aangeleverd_op of its run",
)
def test_a_resend_never_turns_green_into_red(t: Tafel) -> None:
    eerste = t.lever([X, Y])
    t.beslis(eerste, 1, op=T0 + 10, waarschuwingen=["GeenTags"], diensten=["Zorg"])
    t.beslis(eerste, 2, "NietActiefOfGeabonneerd")
    tweede = t.lever([Y, X], op=T0 + UUR, batch=eerste.batch_id)
    assert tel(t.batches()[0]) == (1, 1, 0, 1)
    t.beslis_alle(tweede, "Verwerkt", "BerichtBestaatAl")
    (batch,) = t.batches()
    assert tel(batch) == (2, 1, 0, 0)
    assert (batch["ontvangen_op"], batch["aangeleverd_op"]) == (schrijf_tijd(T0), schrijf_tijd(T0 + UUR))
    assert batch["proceskenmerk"] == str(tweede.proceskenmerk)
    x = next(bericht for bericht in t.berichten(eerste.batch_id) if bericht["bericht_id"] == str(X))
    assert (x["nummer"], x["code"], x["verwerkt_op"]) == (2, "Verwerkt", schrijf_tijd(T0 + 10))
    assert (x["waarschuwingen"], x["diensten"]) == (["GeenTags"], ["Zorg"])
    # The norm of X counts from the run that placed it: 10 ms, and not an hour less.
    (sla,) = t.vragen.sla(T0 + 2 * UUR)
    assert (sla["p50_s"], sla["max_s"]) == (0.01, 1.0)


@regel("a message's outcome is its Verwerkt from whichever run gave it, else that of the latest run")
def test_without_a_verwerkt_the_latest_run_is_shown(t: Tafel) -> None:
    eerste = t.lever([X, Y])
    t.beslis_alle(eerste, "NietActiefOfGeabonneerd", "NietActiefOfGeabonneerd")
    tweede = t.lever([X, Y], op=T0 + UUR, batch=eerste.batch_id)
    t.beslis_alle(tweede, "BerichtTypeNietOndersteund", "-")
    assert [bericht["code"] for bericht in t.berichten(eerste.batch_id)] == ["BerichtTypeNietOndersteund", None]
    assert (t.batches()[0]["afgerond"], t.batches()[0]["verwerkt_op"]) == (False, None)


@regel("a message's outcome is its Verwerkt from whichever run gave it, else that of the latest run")
def test_the_latest_run_is_by_order_of_arrival_not_by_clock(t: Tafel) -> None:
    eerste = t.lever([X], op=T0 + UUR)
    tweede = t.lever([X], op=T0, batch=eerste.batch_id)
    t.beslis(eerste, 1, "NietActiefOfGeabonneerd")
    t.beslis(tweede, 1, "BijlageTeGroot")
    (batch,) = t.batches()
    assert batch["proceskenmerk"] == str(tweede.proceskenmerk)
    assert batch["ontvangen_op"] == schrijf_tijd(T0)
    assert t.berichten(eerste.batch_id)[0]["code"] == "BijlageTeGroot"


@regel("a message's outcome is its Verwerkt from whichever run gave it, else that of the latest run")
def test_a_message_that_only_an_earlier_run_holds_stays_shown(t: Tafel) -> None:
    eerste = t.lever([X, Y])
    t.beslis_alle(eerste, "Verwerkt", "NietActiefOfGeabonneerd")
    tweede = t.lever([Y], op=T0 + UUR, batch=eerste.batch_id)
    t.beslis(tweede, 1, "Verwerkt")
    (batch,) = t.batches()
    assert (batch["totaal"], tel(batch)) == (2, (2, 0, 0, 0))


def test_a_message_that_another_batch_placed_is_red_in_this_one(t: Tafel) -> None:
    ander, deze = t.lever([X]), t.lever([X], op=T0 + UUR)
    t.beslis(ander, 1)
    t.beslis(deze, 1, "BerichtBestaatAl")
    assert {batch["batch_id"]: tel(batch) for batch in t.batches()} == {
        str(ander.batch_id): (1, 0, 0, 0),
        str(deze.batch_id): (0, 0, 1, 0),
    }


@regel("A message is known by (Proceskenmerk, its number in the batch), never by BerichtID alone")
def test_equal_ids_in_one_run_are_told_apart_by_their_order(t: Tafel) -> None:
    eerste = t.lever([X, X])
    t.beslis_alle(eerste, "Verwerkt", "BerichtBestaatAl")
    assert tel(t.batches()[0]) == (1, 0, 1, 0)
    tweede = t.lever([X, X], op=T0 + UUR, batch=eerste.batch_id)
    assert tel(t.batches()[0]) == (1, 0, 0, 1)
    t.beslis_alle(tweede, "BerichtBestaatAl", "BerichtBestaatAl")
    assert tel(t.batches()[0]) == (1, 0, 1, 0)


def test_a_verwerkt_in_the_run_shown_stays_in_its_own_place(t: Tafel) -> None:
    eerste = t.lever([X])
    t.beslis(eerste, 1, "NietActiefOfGeabonneerd")
    tweede = t.lever([X, X], op=T0 + UUR, batch=eerste.batch_id)
    t.beslis_alle(tweede, "NietActiefOfGeabonneerd", "Verwerkt")
    assert [bericht["code"] for bericht in t.berichten(eerste.batch_id)] == ["NietActiefOfGeabonneerd", "Verwerkt"]


@regel("unreadable ones share the zero GUID")
def test_of_unreadable_ids_only_those_of_the_latest_run_count(t: Tafel) -> None:
    eerste = t.lever([ONLEESBAAR, ONLEESBAAR, X])
    t.beslis_alle(eerste, *["XmlValidatieTegenXsdValtNegatiefUit"] * 2, "Verwerkt")
    assert tel(t.batches()[0]) == (1, 0, 2, 0)
    tweede = t.lever([ONLEESBAAR, X], op=T0 + UUR, batch=eerste.batch_id)
    assert tel(t.batches()[0]) == (1, 0, 0, 1)
    t.beslis_alle(tweede, "XmlValidatieTegenXsdValtNegatiefUit", "BerichtBestaatAl")
    assert tel(t.batches()[0]) == (1, 0, 1, 0)
    t.lever([Y], op=T0 + 2 * UUR, batch=eerste.batch_id)
    assert tel(t.batches()[0]) == (1, 0, 0, 1)


@regel("earlier runs can be asked for")
def test_every_run_can_be_asked_for_apart(t: Tafel) -> None:
    eerste = t.lever([X, Y])
    t.beslis_alle(eerste, "Verwerkt", "NietActiefOfGeabonneerd")
    tweede = t.lever([X, Y], op=T0 + UUR, batch=eerste.batch_id, door=B)
    t.beslis_alle(tweede, "BerichtBestaatAl", "-")
    een, twee = t.batches(runs=True)
    assert (een["proceskenmerk"], tel(een), een["afgerond"]) == (str(eerste.proceskenmerk), (1, 0, 1, 0), True)
    assert (twee["proceskenmerk"], tel(twee), twee["afgerond"]) == (str(tweede.proceskenmerk), (0, 0, 1, 1), False)
    assert een["ontvangen_op"] == twee["ontvangen_op"] == schrijf_tijd(T0)
    assert (een["aangeleverd_op"], twee["aangeleverd_op"]) == (schrijf_tijd(T0), schrijf_tijd(T0 + UUR))
    assert (een["aangeleverd_door"], twee["aangeleverd_door"]) == (A, B)
    assert [bericht["code"] for bericht in t.berichten(eerste.batch_id, runs=True)] == [
        "Verwerkt",
        "NietActiefOfGeabonneerd",
        "BerichtBestaatAl",
        None,
    ]
    assert {rij["code"] for rij in t.vragen.fouten(Filter(runs=True))} == {
        "NietActiefOfGeabonneerd",
        "BerichtBestaatAl",
    }
    assert t.vragen.fouten() == []


def test_outcomes_that_come_before_their_run_wait_for_it(t: Tafel) -> None:
    eerste = t.lever([X])
    vroeg = t.lever([X, Y], op=T0 + UUR, batch=eerste.batch_id, in_runs=False)
    t.beslis_alle(vroeg, "Verwerkt", "Verwerkt")
    assert tel(t.batches()[0]) == (0, 0, 0, 1)
    t.kom_aan(vroeg)
    assert tel(t.batches()[0]) == (2, 0, 0, 0)


@regel("unique per batch and leverancier", "under whose name it is counted")
def test_two_leveranciers_may_use_the_same_batch_id(t: Tafel) -> None:
    een = t.lever([X])
    twee = t.lever([X], batch=een.batch_id, leverancier=B)
    t.beslis(een, 1)
    t.beslis(twee, 1, "BijlageTeGroot")
    assert [(rij["leverancier"], tel(rij)) for rij in t.batches()] == [(A, (1, 0, 0, 0)), (B, (0, 0, 1, 0))]
    assert [rij["leverancier"] for rij in t.batches(leverancier=B)] == [B]


def vul(t: Tafel) -> None:
    """Batches with resends, equal and unreadable ids, open and decided messages."""
    een = t.lever([X, Y, Y, ONLEESBAAR])
    t.beslis_alle(een, "Verwerkt", "Verwerkt", "BerichtBestaatAl", "XmlValidatieTegenXsdValtNegatiefUit")
    twee = t.lever([Y, X, Z], op=T0 + UUR, batch=een.batch_id)
    t.beslis_alle(twee, "BerichtBestaatAl", "BerichtBestaatAl", "-")
    drie = t.lever([uuid4() for _ in range(5)], leverancier=B, op=T0 + 5)
    t.beslis(drie, 1, waarschuwingen=["GeenTags", "GeenPdfA"])
    t.beslis(drie, 2, "TechnischProbleem", stadium="StoreMessage")
    t.beantwoord(een)


@regel("never counts a message twice")
def test_repeated_torn_and_reordered_inserts_change_nothing(t: Tafel) -> None:
    vul(t)
    eerder, open_eerder = alles(t), t.vragen.open_runs()
    assert len(eerder["berichten"]) == 8
    kans = random.Random(7)
    for ronde in range(3):
        for tabel in ("resultaten", "uitkomsten", "runs"):
            rijen = list(t.rijen[tabel])
            kans.shuffle(rijen)
            t.voeg_in(tabel, rijen)
            t.voeg_in(tabel, rijen[: (len(rijen) + 1) // 2])
            assert alles(t) == eerder, f"{tabel}, round {ronde}"
            assert t.vragen.open_runs() == open_eerder
    for tabel in ("resultaten", "uitkomsten", "runs", "bekend", "open_runs"):
        t.client.command(f"OPTIMIZE TABLE {tabel} FINAL")
    assert alles(t) == eerder


def test_views_and_questions_agree(t: Tafel) -> None:
    vul(t)
    for view, gevraagd in (("totalen", t.vragen.totalen()), ("sla", t.vragen.sla(T0))):
        gezien = [
            dict(zip(antwoord.column_names, rij, strict=True))
            for antwoord in [t.client.query(f"SELECT * FROM {view} ORDER BY leverancier")]
            for rij in antwoord.result_rows
        ]
        if view == "sla":
            for rij in (*gezien, *gevraagd):  # the view looks at the clock
                rij.pop("oudste_open_s")
                rij.pop("overschreden")
                rij.pop("binnen_norm")
        assert gezien == gevraagd
    fouten = t.client.query("SELECT code, stadium, aantal FROM fouten ORDER BY code").result_rows
    assert fouten == [tuple(rij.values()) for rij in sorted(t.vragen.fouten(), key=lambda rij: rij["code"])]


@regel("In Totalen 'Verwerkt' is green plus orange", "Grey is everything received")
def test_numbers_add_up(t: Tafel) -> None:
    vul(t)
    for rij in t.vragen.totalen():
        assert rij["berichten"] == rij["verwerkt"] + rij["niet_verwerkt"] + rij["in_behandeling"]
        assert rij["waarschuwing"] <= rij["verwerkt"]
        assert rij["berichten"] == sum(batch["totaal"] for batch in t.batches(leverancier=rij["leverancier"]))


@regel("period by ontvangstdatum or by verwerkingsdatum (from and to, with time)")
def test_a_period_holds_its_begin_and_not_its_end(t: Tafel) -> None:
    run = t.lever([X, Y], op=T0)
    t.beslis(run, 1, op=T0 + 100)
    for grenzen, verwacht in (
        ({"van": T0}, 2),
        ({"van": T0 + 1}, 0),
        ({"tot": T0}, 0),
        ({"tot": T0 + 1}, 2),
        ({"van": T0, "tot": T0 + 1}, 2),
    ):
        assert sum(rij["berichten"] for rij in t.vragen.totalen(**grenzen)) == verwacht, grenzen
        assert len(t.batches(**grenzen)) == bool(verwacht), grenzen
    for grenzen, verwacht in (
        ({"van": T0 + 100}, 1),
        ({"van": T0 + 101}, 0),
        ({"tot": T0 + 100}, 0),
        ({"tot": T0 + 101}, 1),
    ):
        totalen = t.vragen.totalen("verwerking", **grenzen)
        assert sum(rij["berichten"] for rij in totalen) == verwacht, grenzen
        # A batch has no verwerkt_op before it is afgerond.
        assert t.batches(op="verwerking", **grenzen) == []
    t.beslis(run, 2, "BijlageTeGroot", op=T0 + 50)
    assert len(t.batches(op="verwerking", van=T0 + 100, tot=T0 + 101)) == 1
    assert t.batches(op="verwerking", van=T0 + 101) == t.batches(op="verwerking", tot=T0 + 100) == []
    assert t.vragen.fouten(Filter("verwerking", T0 + 50, T0 + 51))[0]["aantal"] == 1
    assert t.vragen.fouten(Filter("verwerking", T0 + 51)) == []


@regel("`ontvangen_op` (ontvangstdatum, shown and filtered on) stays that of the first receipt")
def test_a_resend_is_filtered_on_its_first_ontvangstdatum(t: Tafel) -> None:
    eerste = t.lever([X], op=T0)
    t.lever([X], op=T0 + 5 * UUR, batch=eerste.batch_id)
    assert t.batches(van=T0 + 1) == []
    assert len(t.batches(tot=T0 + 1)) == 1
    assert len(t.batches(tot=T0 + 1, runs=True)) == 2
    assert t.vragen.totalen(van=T0 + 1) == []


@regel(
    "green Verwerkt without a warning",
    "orange Verwerkt with one",
    "red not Verwerkt",
    "afgerond or not",
    "Batch ID, status",
)
def test_batches_are_filtered_on_afgerond_and_status(t: Tafel) -> None:
    groen, oranje, rood, open_ = (t.lever([uuid4(), uuid4()], op=T0 + i) for i in range(4))
    t.beslis_alle(groen, "Verwerkt", "Verwerkt")
    t.beslis(oranje, 1, waarschuwingen=["GeenTags"])
    t.beslis(oranje, 2)
    t.beslis_alle(rood, "BijlageTeGroot", "Verwerkt")

    def ids(**filters: object) -> list[str]:
        return [rij["batch_id"] for rij in t.batches(**filters)]

    namen = [str(run.batch_id) for run in (groen, oranje, rood, open_)]
    assert ids() == namen
    assert ids(afgerond=True) == namen[:3]
    assert ids(afgerond=False) == namen[3:]
    assert ids(status="verwerkt") == namen[:3]
    assert ids(status="waarschuwing") == namen[1:2]
    assert ids(status="niet_verwerkt") == namen[2:3]
    assert ids(status="in_behandeling") == namen[3:]
    assert ids(batch=rood.batch_id, status="verwerkt", runs=True) == namen[2:3]


@regel(
    "A number opens what is behind it",
    "not-processed → codes with counts → batches → messages",
    "a warning likewise",
)
def test_a_number_opens_what_is_behind_it(t: Tafel) -> None:
    een = t.lever([X, Y, Z])
    t.beslis(een, 1, "NietActiefOfGeabonneerd", stadium="ValidateGebruiker")
    t.beslis(een, 2, "NietActiefOfGeabonneerd", stadium="ValidateGebruiker")
    t.beslis(een, 3, waarschuwingen=["GeenTags", "GeenTags", "GeenPdfA"])
    twee = t.lever([X, Y], leverancier=B, op=T0 + 1)
    t.beslis(twee, 1, "BijlageTeGroot")
    assert t.vragen.fouten() == [
        {"code": "NietActiefOfGeabonneerd", "stadium": "ValidateGebruiker", "aantal": 2},
        {"code": "BijlageTeGroot", "stadium": "NA", "aantal": 1},
    ]
    assert [rij["code"] for rij in t.vragen.fouten(Filter(leverancier=B))] == ["BijlageTeGroot"]
    assert [rij["code"] for rij in t.vragen.fouten(Filter(afgerond=True))] == ["NietActiefOfGeabonneerd"]
    assert [rij["code"] for rij in t.vragen.fouten(Filter(status="in_behandeling"))] == ["BijlageTeGroot"]
    assert [rij["code"] for rij in t.vragen.fouten(Filter(batch=twee.batch_id))] == ["BijlageTeGroot"]
    assert t.vragen.fouten(code="NietActiefOfGeabonneerd") == [
        {"leverancier": A, "batch_id": str(een.batch_id), "bericht_id": str(i), "nummer": i.int} for i in (X, Y)
    ]
    assert t.vragen.waarschuwingen() == [
        {"code": "GeenPdfA", "stadium": "NA", "aantal": 1},
        {"code": "GeenTags", "stadium": "NA", "aantal": 1},
    ]
    assert t.vragen.waarschuwingen(code="GeenTags") == [
        {"leverancier": A, "batch_id": str(een.batch_id), "bericht_id": str(Z), "nummer": 3}
    ]
    assert t.client.query("SELECT sum(aantal) FROM waarschuwingen").result_rows == [(2,)]


@pytest.mark.parametrize("runs", [False, True])
def test_paging_gives_every_batch_once(t: Tafel, runs: bool) -> None:
    with t.samen():
        for i in range(11):
            run = t.lever([X], op=T0 + i // 4, leverancier=B if i % 3 else A)
            if i % 5 == 0:
                t.lever([X], op=T0 + UUR, batch=run.batch_id, leverancier=run.leverancier)
    for filters in ({}, {"leverancier": B}, {"van": T0 + 1}):
        filter_ = Filter(runs=runs, **filters)
        heel, _ = t.vragen.berichtverwerking(filter_)
        for limit in (1, 4, len(heel), 100):
            gelezen, cursor = t.vragen.berichtverwerking(filter_, limit)
            while cursor is not None:
                pagina, cursor = t.vragen.berichtverwerking(filter_, limit, cursor)
                assert 0 < len(pagina) <= limit
                gelezen += pagina
            assert gelezen == heel
    assert len(t.batches(runs=runs)) == (14 if runs else 11)
    with pytest.raises(OngeldigeCursor):
        t.vragen.berichtverwerking(cursor="bm9wZQ==")


def test_a_result_is_there_once_it_is_answered(t: Tafel) -> None:
    run = t.lever([X, ONLEESBAAR], op=T0)
    t.beslis(run, 2, "XmlValidatieTegenXsdValtNegatiefUit", op=T0 + 3)
    (kader,) = [t.vragen.resultaat(run.batch_id)]
    assert kader is None
    assert t.vragen.afgeronde_runs_zonder_resultaat(10) == []
    t.beslis(run, 1, "TechnischProbleem", stadium="StoreMessage", op=T0 + 2)
    (kader,) = t.vragen.afgeronde_runs_zonder_resultaat(10)
    assert (kader.proceskenmerk, kader.batch_id, kader.leverancier) == (run.proceskenmerk, run.batch_id, A)
    assert (kader.aangeleverd_door, kader.aangeleverd_op, kader.totaal) == (A, T0, 2)
    assert t.vragen.resultaat(run.batch_id) is None
    t.beantwoord(run)
    resultaat = t.vragen.resultaat(run.batch_id)
    assert resultaat is not None
    assert resultaat == t.vragen.uitkomsten_van(kader)
    assert (resultaat.nummers, resultaat.verwerkt_op) == ([1, 2], T0 + 3)
    assert resultaat.bericht_ids == X.bytes + ONLEESBAAR.bytes
    assert resultaat.codes == [Verwerkingscode.TECHNISCH_PROBLEEM, Verwerkingscode.XML_VALIDATIE]
    assert resultaat.stadia == [Stadium.STORE_MESSAGE, Stadium.NA]
    assert t.vragen.ontvangen_op(A, run.batch_id) == T0
    assert t.vragen.ontvangen_op(B, run.batch_id) is None


@regel(
    "earlier runs can be asked for",
    "`ontvangen_op` (ontvangstdatum, shown and filtered on) stays that of the first receipt",
)
def test_the_result_is_that_of_the_latest_run_unless_named(t: Tafel) -> None:
    eerste = t.lever([X])
    t.beslis(eerste, 1)
    t.beantwoord(eerste)
    tweede = t.lever([X], op=T0 + UUR, batch=eerste.batch_id)
    assert t.vragen.resultaat(eerste.batch_id) is None
    t.beslis(tweede, 1, "BerichtBestaatAl")
    t.beantwoord(tweede)
    laatste = t.vragen.resultaat(eerste.batch_id)
    vroeger = t.vragen.resultaat(eerste.batch_id, A, eerste.proceskenmerk)
    assert laatste is not None
    assert vroeger is not None
    assert (laatste.codes, vroeger.codes) == ([Verwerkingscode.BERICHT_BESTAAT_AL], [Verwerkingscode.VERWERKT])
    assert t.vragen.ontvangen_op(A, eerste.batch_id) == T0
    assert t.vragen.resultaat(eerste.batch_id, B) is None


def test_a_batch_id_of_two_leveranciers_asks_for_the_leverancier(t: Tafel) -> None:
    een = t.lever([X])
    t.beslis(een, 1)
    t.beantwoord(een)
    t.lever([X], batch=een.batch_id, leverancier=B)
    with pytest.raises(Dubbelzinnig, match=f"{A}, {B}"):
        t.vragen.resultaat(een.batch_id)
    assert t.vragen.resultaat(een.batch_id, A) is not None
    assert t.vragen.resultaat(een.batch_id, proceskenmerk=een.proceskenmerk) is not None


def test_results_of_many_runs_come_in_one_question(t: Tafel) -> None:
    runs = [t.lever([uuid4(), uuid4()], op=T0 + i) for i in range(5)]
    for run in runs:
        t.beslis_alle(run, "Verwerkt", "BijlageTeGroot")
    kaders = t.vragen.afgeronde_runs_zonder_resultaat(10)
    assert [kader.proceskenmerk for kader in kaders] == [run.proceskenmerk for run in runs]
    assert t.vragen.afgeronde_runs_zonder_resultaat(2) == kaders[:2]
    resultaten = t.vragen.resultaten_van(kaders[::-1])
    assert [resultaat.kader for resultaat in resultaten] == kaders[::-1]
    assert all(len(resultaat.codes) == 2 for resultaat in resultaten)
    open_ = t.lever([X, Y])
    t.beslis(open_, 2)
    with pytest.raises(NietAfgerond):
        t.vragen.resultaten_van([type(kaders[0])(open_.proceskenmerk, open_.batch_id, A, A, 0, T0, 2)])


def test_open_runs_are_those_without_a_result(t: Tafel) -> None:
    een, twee = t.lever([X, Y]), t.lever([Z], op=T0 + 1)
    t.beslis(een, 1)
    verwacht = [(A, een.batch_id, een.proceskenmerk, 2, 1), (A, twee.batch_id, twee.proceskenmerk, 1, 0)]
    assert t.vragen.open_runs() == verwacht
    t.beslis(een, 1)
    assert t.vragen.open_runs() == verwacht
    t.beslis(een, 2)
    t.beantwoord(een)
    assert t.vragen.open_runs() == verwacht[1:]
    assert t.vragen.vergeet_beantwoorde_runs()
    assert t.client.query("SELECT proceskenmerk FROM open_runs").result_rows == [(twee.proceskenmerk,)]
    t.voeg_in("runs", t.rijen["runs"])
    assert t.vragen.open_runs() == verwacht[1:]
    assert t.vragen.afgeronde_runs_zonder_resultaat(10) == []


@regel("this leverancier already has this BerichtID Verwerkt", "within which BerichtIDs are unique")
def test_the_look_up_gives_this_run_and_verwerkt_of_others(t: Tafel) -> None:
    oud, ander, deze = t.lever([X, Y]), t.lever([X], leverancier=B), t.lever([X, Y, ONLEESBAAR, ONLEESBAAR])
    t.beslis_alle(oud, "Verwerkt", "NietActiefOfGeabonneerd")
    t.beslis(ander, 1)
    t.beslis_alle(deze, "-", "BijlageTeGroot", "-", "XmlValidatieTegenXsdValtNegatiefUit")
    nog_een = t.lever([ONLEESBAAR])
    t.beslis(nog_een, 1, "XmlValidatieTegenXsdValtNegatiefUit")
    p = deze.proceskenmerk
    gevonden = t.vragen.bekend([(A, X.bytes, p), (A, Y.bytes, p), (A, ONLEESBAAR.bytes, p), (A, Z.bytes, p)])
    assert sorted(gevonden, key=repr) == sorted(
        [
            (A, X.bytes, oud.proceskenmerk, 1, True),
            (A, Y.bytes, p, 2, False),
            (A, ONLEESBAAR.bytes, p, 4, False),
        ],
        key=repr,
    )


def test_the_look_up_takes_thousands_of_ids_and_any_leverancier(t: Tafel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stroomvragen, "PER_TABEL", 1000)
    monkeypatch.setattr(stroomvragen, "PER_VRAAG", 1)  # a leverancier a question
    vreemd = "O'Brien \\ \t\n\"é{}"
    ids = [uuid4() for _ in range(1000)]
    run = t.lever(ids, leverancier=vreemd)
    t.beslis(run, 1)
    (rij,) = t.rijen["uitkomsten"]
    t.voeg_in("uitkomsten", [rij | {"nummer": i, "bericht_id": bericht_id} for i, bericht_id in enumerate(ids, 1)])
    vragen = [(vreemd, bericht_id.bytes, run.proceskenmerk) for bericht_id in (*ids, *(uuid4() for _ in range(1500)))]
    gevonden = t.vragen.bekend(vragen)
    assert {(bericht_id, nummer) for _, bericht_id, _, nummer, _ in gevonden} == {
        (bericht_id.bytes, i) for i, bericht_id in enumerate(ids, 1)
    }
    kolom = b"".join(bericht_id.bytes for bericht_id in ids)
    assert sorted(t.vragen.bekend([(vreemd, kolom, run.proceskenmerk), (A, kolom, run.proceskenmerk)])) == sorted(
        gevonden
    )
    assert tel(t.batches(leverancier=vreemd)[0]) == (1000, 0, 0, 0)


def test_a_late_lower_progress_changes_nothing(t: Tafel) -> None:
    for volgende in (5, 9, 7):
        t.client.insert("voortgang", [("validatie", "id-1", 3, volgende), ("validatie", "id-2", 3, 1)])
    assert t.vragen.voortgang("id-1") == {3: 9}
    assert t.vragen.voortgang("id-2") == {3: 1}


@regel(
    "verwerkt_op − aangeleverd_op of its run",
    "Reported per leverancier and period",
    "share within 24 hours",
    "p50/p95/p99/max",
    "what is still open with its age",
    "ops see a breach coming and not only past",
)
def test_the_norm_is_judged_for_each_leverancier(t: Tafel) -> None:
    nu = T0 + 30 * UUR
    run = t.lever([uuid4() for _ in range(101)])
    with t.samen():
        for nummer in range(1, 101):
            t.beslis(run, nummer, op=T0 + nummer * 1000)
    laat = t.lever([X, Y], op=T0 + UUR, leverancier=B)
    t.beslis(laat, 1, op=T0 + 26 * UUR)
    t.lever([X], op=nu - UUR, leverancier=B)
    assert t.vragen.sla(nu) == [
        {
            "leverancier": A,
            "berichten": 101,
            "binnen_norm": 100 / 101,
            "p50_s": 50.0,
            "p95_s": 95.0,
            "p99_s": 99.0,
            "max_s": 100.0,
            "overschreden": 1,
            "open": 1,
            "oudste_open_s": 30 * 3600.0,
        },
        {
            "leverancier": B,
            "berichten": 3,
            "binnen_norm": 0.0,
            "p50_s": 25 * 3600.0,
            "p95_s": 25 * 3600.0,
            "p99_s": 25 * 3600.0,
            "max_s": 25 * 3600.0,
            "overschreden": 2,
            "open": 2,
            "oudste_open_s": 29 * 3600.0,
        },
    ]
    (alleen_open,) = t.vragen.sla(nu, van=nu - UUR, tot=nu - UUR + 1)
    assert alleen_open == {
        "leverancier": B,
        "berichten": 1,
        "binnen_norm": None,
        "p50_s": None,
        "p95_s": None,
        "p99_s": None,
        "max_s": None,
        "overschreden": 0,
        "open": 1,
        "oudste_open_s": 3600.0,
    }
    assert t.vragen.sla(nu, tot=T0) == t.vragen.sla(nu, van=nu) == []


@regel("share within 24 hours")
def test_exactly_24_hours_is_within_the_norm(t: Tafel) -> None:
    run = t.lever([X, Y])
    t.beslis(run, 1, op=T0 + 24 * UUR)
    t.beslis(run, 2, op=T0 + 24 * UUR + 1)
    assert [(rij["binnen_norm"], rij["overschreden"]) for rij in t.vragen.sla(T0 + 48 * UUR)] == [(0.5, 1)]


def test_what_makes_no_sense_is_refused(t: Tafel) -> None:
    with pytest.raises(ValueError, match="at least one"):
        t.vragen.berichtverwerking(limit=0)
    with pytest.raises(ValueError, match="no status"):
        t.batches(status="afgerond")
