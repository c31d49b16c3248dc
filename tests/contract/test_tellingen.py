"""Counting a batch once instead of whenever one asks changes no answer (Domain: Resends; What the views show)."""

from collections.abc import Iterator, Sequence
from typing import Any
from uuid import UUID, uuid4

import pytest
from clickhouse_tafel import ONLEESBAAR, T0, UUR, A, B, Run, Tafel, tafel

from domain.tijd import schrijf_tijd
from sinks.database import DatabaseWeg
from sinks.embedded.proces import EmbeddedClickHouse
from sinks.tellingen import BEGIN, Plek
from sinks.vragen import Filter
from tests.regels import regel

pytestmark = pytest.mark.integration

X, Y, Z = UUID(int=1), UUID(int=2), UUID(int=3)
NU = T0 + 30 * UUR
TABELLEN = ("runs", "eerste_runs", "open_runs", "uitkomsten", "resultaten", "tellingen")
FOUT = "NietActiefOfGeabonneerd"


@pytest.fixture(scope="module")
def database(clickhouse: EmbeddedClickHouse) -> Iterator[Tafel]:
    with tafel(clickhouse.url) as een:
        yield een


@pytest.fixture
def t(database: Tafel) -> Tafel:
    for tabel in TABELLEN:
        database.client.command(f"TRUNCATE TABLE {tabel}")
    for rijen in database.rijen.values():
        rijen.clear()
    return database


def antwoorden(t: Tafel) -> dict[str, Any]:
    """What may be answered from counts."""
    tussen = {"van": T0 + 1, "tot": T0 + 2 * UUR}
    return {
        "totalen": t.vragen.totalen(),
        "verwerkt": t.vragen.totalen("verwerking", **tussen),
        "batches": t.batches(),
        "sla": t.vragen.sla(NU),
    }


def uit_berichten(t: Tafel) -> dict[str, Any]:
    """The same from the messages alone: by the views where there is one, and else while there are no counts."""
    tellingen = t.client.query("SELECT * FROM tellingen")
    t.client.command("TRUNCATE TABLE tellingen")
    antwoord = antwoorden(t)
    for view, gevraagd in (("berichtverwerking", antwoord["batches"]), ("totalen", antwoord["totalen"])):
        namen = ("leverancier", "verwerkt", "waarschuwing", "niet_verwerkt", "in_behandeling")
        rijen = t.client.query(f"SELECT {', '.join(namen)} FROM {view}").result_rows
        assert sorted(rijen) == sorted(tuple(rij[naam] for naam in namen) for rij in gevraagd)
    rijen = t.client.query(
        f"SELECT * FROM sla_over(van = 0, tot = {2 * T0}, nu = {NU}) ORDER BY leverancier"
    ).result_rows
    assert rijen == [tuple(rij.values()) for rij in antwoord["sla"]]
    if tellingen.result_rows:
        t.client.insert("tellingen", tellingen.result_rows, column_names=tellingen.column_names)
    return antwoord


def tel(t: Tafel) -> None:
    """All that can be counted."""
    na: Plek | None = BEGIN
    while na is not None:
        na = t.vragen.tel_batches(na)


def vul(t: Tafel) -> list[Run]:
    """Runs of four batches: decided, partly, delivered again, and with equal and unreadable ids."""
    with t.samen():
        een = t.lever([X, Y, Y, ONLEESBAAR])
        for nummer, code in enumerate(("Verwerkt", "Verwerkt", "BerichtBestaatAl", "TechnischProbleem"), 1):
            t.beslis(een, nummer, code)
        twee = t.lever([Y, X, Z], op=T0 + UUR, batch=een.batch_id)
        for nummer, code in enumerate(("BerichtBestaatAl", "BerichtBestaatAl", FOUT), 1):
            t.beslis(twee, nummer, code)
        drie = t.lever([uuid4() for _ in range(5)], leverancier=B, op=T0 + 5)
        t.beslis(drie, 1, waarschuwingen=["GeenTags", "GeenPdfA"])
        t.beslis(drie, 2, "TechnischProbleem", stadium="StoreMessage")
        vier = t.lever([X, Z], leverancier=B, op=T0 + 7, batch=een.batch_id)
        t.beslis(vier, 1, op=T0 + 100, waarschuwingen=["GeenTags"])
        t.beslis(vier, 2, "BijlageTeGroot", op=T0 + 26 * UUR)
        vijf = t.lever([uuid4()], op=T0 + 2 * UUR, door=B)
        t.beslis(vijf, 1)
        zes = t.lever([X], op=T0 + 3 * UUR, batch=vijf.batch_id)
    return [een, twee, drie, vier, vijf, zes]


def beantwoord(t: Tafel, runs: Sequence[Run]) -> None:
    with t.samen():
        for run in runs:
            t.beantwoord(run)


def geteld(t: Tafel) -> dict[tuple[str, UUID], tuple[int, ...]]:
    """What is counted: verwerkt and niet verwerkt of each batch."""
    sql = "SELECT leverancier, batch_id, verwerkt, niet_verwerkt FROM tellingen FINAL"
    return {rij[:2]: rij[2:] for rij in t.client.query(sql).result_rows}


@regel(
    "never counts a message twice",
    "`ontvangen_op` (ontvangstdatum, shown and filtered on) stays that of the first receipt",
)
def test_counting_changes_no_answer(t: Tafel) -> None:
    een, twee, drie, vier, vijf, zes = vul(t)
    eerder = uit_berichten(t)
    tel(t)
    assert geteld(t) == {}, "nothing is answered"
    beantwoord(t, [een, vier, vijf])
    tel(t)
    assert geteld(t) == {(B, vier.batch_id): (1, 1)}, "the others have a run without a result"
    assert t.batches() == eerder["batches"]
    beantwoord(t, [twee, zes, drie])
    tel(t)
    assert geteld(t).keys() == {(B, vier.batch_id), (A, een.batch_id)}, "those with a message on its way are left"
    assert antwoorden(t) == eerder


def test_a_question_about_counted_batches_reads_no_messages(t: Tafel) -> None:
    een, twee, _, vier, *_ = vul(t)
    beantwoord(t, [een, twee, vier])
    tel(t)
    t.client.command(f"DELETE FROM eerste_runs WHERE (leverancier, batch_id) NOT IN {tuple(map(str_, geteld(t)))}")
    eerder = antwoorden(t)
    t.client.command("TRUNCATE TABLE uitkomsten")
    assert antwoorden(t) == eerder
    assert [rij["berichten"] for rij in eerder["totalen"]] == [3, 2]


def str_(sleutel: tuple[str, UUID]) -> tuple[str, str]:
    return sleutel[0], str(sleutel[1])


@regel(
    "a resend never turns green into red",
    "`ontvangen_op` (ontvangstdatum, shown and filtered on) stays that of the first receipt",
)
def test_a_resend_of_a_counted_batch_is_seen_at_once(t: Tafel) -> None:
    eerste = t.lever([X, Y])
    t.beslis_alle(eerste, "Verwerkt", FOUT)
    t.beantwoord(eerste)
    tel(t)
    assert geteld(t) == {(A, eerste.batch_id): (1, 1)}
    vroeger = t.client.query("SELECT * FROM tellingen")
    tweede = t.lever([X, Y], op=T0 + UUR, batch=eerste.batch_id)
    for vragen in ({}, {"batch": eerste.batch_id}, {"leverancier": A}):
        (rij,) = t.batches(**vragen)
        assert (rij["verwerkt"], rij["niet_verwerkt"], rij["in_behandeling"]) == (1, 0, 1)
        assert rij["proceskenmerk"] == str(tweede.proceskenmerk)
    t.beslis_alle(tweede, "BerichtBestaatAl", "Verwerkt")
    t.beantwoord(tweede)
    tel(t)
    assert geteld(t) == {(A, eerste.batch_id): (2, 0)}
    t.client.insert("tellingen", vroeger.result_rows, column_names=vroeger.column_names)
    assert geteld(t) == {(A, eerste.batch_id): (2, 0)}, "who knew less and wrote last does not win"
    (rij,) = t.batches()
    assert (rij["verwerkt"], rij["ontvangen_op"]) == (2, schrijf_tijd(T0))


def test_a_batch_is_not_counted_while_an_earlier_run_has_messages_on_their_way(t: Tafel) -> None:
    eerste, tweede = (t.lever([X, Y], op=T0 + uur * UUR, batch=UUID(int=9)) for uur in (0, 1))
    t.beslis_alle(tweede, FOUT, "Verwerkt")
    t.beslis_alle(eerste, "-", "BerichtBestaatAl")
    beantwoord(t, [eerste, tweede])
    tel(t)
    assert (geteld(t), t.batches()[0]["niet_verwerkt"]) == ({}, 1)
    t.beslis(eerste, 1)
    tel(t)
    assert geteld(t) == {(A, UUID(int=9)): (2, 0)}


def test_a_batch_that_several_leveranciers_have_is_shown_of_each(t: Tafel) -> None:
    """Asked by its BatchID alone, counted or not: of one question about a single batch nothing is left out."""
    runs = [t.lever([X, Y], leverancier=een, door=een, batch=UUID(int=9)) for een in (A, B)]
    for run in runs:
        t.beslis_alle(run, "Verwerkt", FOUT)
    for run in runs:
        t.beantwoord(run)
        tel(t)
        assert [rij["leverancier"] for rij in t.batches(batch=UUID(int=9))] == [A, B]
        assert [rij["leverancier"] for rij in t.batches(batch=UUID(int=9), leverancier=B)] == [B]
    assert len(geteld(t)) == 2
    assert t.batches(batch=UUID(int=9), afgerond=False) == t.batches(batch=UUID(int=8)) == []


def test_a_single_counted_batch_is_answered_by_one_question(t: Tafel, monkeypatch: pytest.MonkeyPatch) -> None:
    run = t.lever([X, Y])
    t.beslis_alle(run, "Verwerkt", FOUT)
    t.beantwoord(run)
    eerder = t.batches(batch=run.batch_id)
    tel(t)
    gevraagd, echt = [], t.vragen._rijen
    monkeypatch.setattr(t.vragen, "_rijen", lambda sql, *een, **meer: gevraagd.append(sql) or echt(sql, *een, **meer))
    assert t.batches(batch=run.batch_id) == eerder
    assert len(gevraagd) == 1


@pytest.mark.parametrize("wat", ["counted", "delivered again"])
def test_what_happens_in_the_middle_of_a_question_is_shown_after_or_before(
    t: Tafel, monkeypatch: pytest.MonkeyPatch, wat: str
) -> None:
    """A batch that is just then counted, or gets a run, is there once, as it was or as it is."""
    een, drie = t.lever([X, Y]), t.lever([X], leverancier=B)
    t.beslis_alle(een, "Verwerkt", FOUT)
    t.beslis(drie, 1)
    beantwoord(t, [een, drie])
    eerder, echt = (t.vragen.totalen(), t.batches()), t.vragen.geteld

    def tussendoor(*gegeven: Any) -> Any:
        gevonden = echt(*gegeven)
        if wat == "counted":
            tel(t)
        elif len(t.rijen["runs"]) < 3:
            t.lever([X, Y, Z], op=T0 + UUR, batch=een.batch_id)
        return gevonden

    monkeypatch.setattr(t.vragen, "geteld", tussendoor)
    assert t.vragen.totalen() == eerder[0]
    if wat == "counted":
        assert len(geteld(t)) == 2
        t.client.command("TRUNCATE TABLE tellingen")
        assert t.batches() == eerder[1]


def test_a_batch_is_counted_with_the_runs_it_was_found_with_or_not(t: Tafel, monkeypatch: pytest.MonkeyPatch) -> None:
    een = t.lever([X])
    t.beslis(een, 1, FOUT)
    t.beantwoord(een)
    echt = t.vragen._telbaar

    def tussendoor(batches: Any) -> Any:
        twee = t.lever([X], op=T0 + UUR, batch=een.batch_id)
        t.beslis(twee, 1)
        t.beantwoord(twee)
        return echt(batches)

    with monkeypatch.context() as hierin:
        hierin.setattr(t.vragen, "_telbaar", tussendoor)
        t.vragen.tel_batches()
    assert geteld(t) == {}
    assert [rij["verwerkt"] for rij in t.vragen.totalen()] == [1]
    tel(t)
    assert geteld(t) == {(A, een.batch_id): (1, 0)}


def test_what_cannot_be_counted_holds_up_no_other(t: Tafel, monkeypatch: pytest.MonkeyPatch) -> None:
    runs = [t.lever([X], op=T0 + plaats) for plaats in range(3)]
    t.beslis(runs[2], 1)
    beantwoord(t, runs)
    monkeypatch.setattr("sinks.tellingen._PER_BLIK", 1)
    na: Plek | None = t.vragen.tel_batches()
    assert (na, geteld(t)) == ((T0, runs[0].batch_id, A), {}), "a result without rows: ClickHouse is filled up again"
    tel(t)
    assert geteld(t).keys() == {(A, runs[2].batch_id)}


def test_a_batch_on_which_counting_fails_holds_up_no_other(
    t: Tafel, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Too many runs of it to look through in time, say; when more fail than some, it is ClickHouse that is away."""
    runs = [t.lever([X], op=T0 + plaats) for plaats in range(3)]
    for run in runs:
        t.beslis(run, 1)
    beantwoord(t, runs)
    echt = t.vragen._telbaar

    def telbaar(batches: Sequence[Any]) -> Any:
        if runs[1].batch_id in {een.batch_id for een in batches}:
            raise DatabaseWeg("ClickHouse cannot do it now: too slow")
        return echt(batches)

    monkeypatch.setattr(t.vragen, "_telbaar", telbaar)
    tel(t)
    assert geteld(t).keys() == {(A, runs[0].batch_id), (A, runs[2].batch_id)}
    assert str(runs[1].batch_id) in caplog.text
    monkeypatch.setattr("sinks.tellingen._MISLUKT", 0)
    with pytest.raises(DatabaseWeg):
        t.vragen.tel_batches()


def test_once_it_is_enough_no_more_is_counted(t: Tafel) -> None:
    runs = [t.lever([X])]
    t.beslis(runs[0], 1)
    beantwoord(t, runs)
    assert t.vragen.tel_batches(genoeg=lambda: True) is None
    assert geteld(t) == {}


def test_a_count_of_a_batch_that_was_deleted_is_no_count_of_its_next_delivery(t: Tafel) -> None:
    """Its term ended while it was being counted, and the BatchID comes again."""
    nieuw = t.lever([Y, Z])
    t.beslis_alle(nieuw, "Verwerkt", FOUT)
    t.client.insert(
        "tellingen",
        [[A, nieuw.batch_id, [uuid4(), uuid4()], 9]],
        column_names=["leverancier", "batch_id", "runs", "verwerkt"],
    )
    t.beantwoord(nieuw)
    eerder = t.batches(batch=nieuw.batch_id)
    assert [(rij["verwerkt"], rij["niet_verwerkt"]) for rij in eerder] == [(1, 1)]
    tel(t)
    assert geteld(t)[A, nieuw.batch_id] == (9, 0), "not counted beside it"
    assert t.batches(batch=nieuw.batch_id) == eerder
    t.client.command("DELETE FROM tellingen WHERE verwerkt = 9")
    tel(t)
    assert geteld(t)[A, nieuw.batch_id] == (1, 1)
    assert t.batches(batch=nieuw.batch_id) == eerder


@pytest.mark.parametrize("later", ["runs", "eerste_runs"])
def test_a_batch_is_there_once_while_a_resend_is_in_one_table_alone(t: Tafel, later: str) -> None:
    """One insert fills both, but not in the same moment."""
    eerste = t.lever([X, Y])
    t.beslis_alle(eerste, "Verwerkt", FOUT)
    t.beantwoord(eerste)
    tel(t)
    tweede = t.lever([X, Y], op=T0 + UUR, batch=eerste.batch_id)
    t.client.command(f"DELETE FROM {later} WHERE proceskenmerk = '{tweede.proceskenmerk}'")
    (rij,) = t.batches()
    assert (rij["totaal"], rij["verwerkt"], rij["niet_verwerkt"]) == (2, 1, 1)
    for view in ("berichtverwerking", "berichtverwerking_nu"):
        assert t.client.query(f"SELECT totaal, verwerkt FROM {view}").result_rows == [(2, 1)], view


def test_with_very_many_open_batches_the_answer_is_the_same(t: Tafel, monkeypatch: pytest.MonkeyPatch) -> None:
    beantwoord(t, [run for run in vul(t) if run.leverancier == B])
    tel(t)
    eerder = antwoorden(t)
    monkeypatch.setattr("sinks.tellingen.PER_VRAAG", 1)  # each batch is a parameter of its own
    assert t.batches() == eerder["batches"]
    monkeypatch.setattr("sinks.tellingen.HOOGSTENS", 1)
    assert [t.vragen.totalen(), t.vragen.sla(NU)] == [eerder["totalen"], eerder["sla"]]
    gevraagd: list[str] = []
    echt = t.vragen._rijen

    def luister(sql: str, **parameters: object) -> Sequence[Sequence[Any]]:
        gevraagd.append(sql)
        return echt(sql, **parameters)

    monkeypatch.setattr(t.vragen, "_rijen", luister)
    assert t.vragen.berichtverwerking(limit=2)[0] == eerder["batches"][:2]
    assert "FROM berichtverwerking_nu" in gevraagd[-1]
    assert "FROM leveringen" in gevraagd[-1], "nothing but the batches of the page is counted"


def test_runs_of_a_batch_that_stand_far_apart_have_their_messages_once(
    t: Tafel, monkeypatch: pytest.MonkeyPatch
) -> None:
    een, twee, *_ = vul(t)
    monkeypatch.setattr("sinks.vragen.PER_VRAAG", 1)
    rijen, _ = t.vragen.berichtverwerking(Filter(runs=True), berichten=True)
    aantallen = {rij["proceskenmerk"]: [bericht["nummer"] for bericht in rij["berichten"]] for rij in rijen}
    assert aantallen[str(een.proceskenmerk)] == [1, 2, 3, 4]
    assert aantallen[str(twee.proceskenmerk)] == [1, 2, 3]


def test_what_was_deleted_is_counted_again(t: Tafel) -> None:
    """Also by a table that refuses a block it has seen, as replicated ones do."""
    t.client.command("ALTER TABLE tellingen MODIFY SETTING non_replicated_deduplication_window = 100")
    run = t.lever([X])
    t.beslis(run, 1)
    t.beantwoord(run)
    tel(t)
    t.client.command("ALTER TABLE tellingen DELETE WHERE 1", settings={"mutations_sync": 2})
    assert geteld(t) == {}
    tel(t)
    assert geteld(t) == {(A, run.batch_id): (1, 0)}
