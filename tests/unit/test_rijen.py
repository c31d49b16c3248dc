"""Events to rows: pure, complete, the same twice, and without a BSN."""

from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest

from domain.beslissing import Bekend, Uitkomst, beslis
from domain.codes import NUL_GUID, ONBEKEND
from domain.resultaat import Resultaat
from sinks.rijen import KOLOMMEN, Rijen, van_batch, van_resultaat, van_uitkomst
from tests.regels import regel
from tests.slices import BSNS, FOUTE_BSN, T0, TYPE, guid, kader, maak_slice, referentie


def als_rijen(tabel: str, kolommen: Any) -> list[dict[str, Any]]:
    """The rows by column; every column must have as many entries."""
    assert len(kolommen) == len(KOLOMMEN[tabel])
    return [dict(zip(KOLOMMEN[tabel], rij, strict=True)) for rij in zip(*kolommen, strict=True)]


def uitkomst() -> Uitkomst:
    slice_ = maak_slice(ids=["a", "b"], bsns=[BSNS[0], FOUTE_BSN], fouten=["", ""], van=kader(totaal=7), nummers=[2, 5])
    een = beslis(slice_, referentie(), Bekend(), {(TYPE, BSNS[0]): True}, T0 + 5)
    een.object = "berichten/x"
    return een


@regel("Grey is everything received")
def test_a_batch_is_one_row_with_every_message_in_its_place() -> None:
    """Everything received, before anything is decided."""
    batch = maak_slice(ids=["a", NUL_GUID.bytes, "c"], types=[TYPE, "", "12345678"], van=kader(totaal=3))
    (rij,) = als_rijen("runs", van_batch(batch, 42))
    assert [UUID(int=een) for een in rij["bericht_ids"]] == [UUID(bytes=guid("a")), NUL_GUID, UUID(bytes=guid("c"))]
    assert rij["berichttypes"] == [TYPE, ONBEKEND, ONBEKEND]
    assert (rij["totaal"], rij["volgorde"]) == (3, 42)
    van = batch.kader
    assert [rij[naam] for naam in ("leverancier", "batch_id", "proceskenmerk", "aangeleverd_door")] == [
        van.leverancier,
        van.batch_id,
        van.proceskenmerk,
        van.aangeleverd_door,
    ]
    assert (rij["aangeleverd_op"], rij["aanmaakdatum"]) == (van.aangeleverd_op, van.aanmaakdatum)


def test_messages_stand_at_their_number_in_whatever_order_they_come() -> None:
    batch = maak_slice(ids=["c", "a"], nummers=[3, 1], van=kader(totaal=3))
    (rij,) = als_rijen("runs", van_batch(batch, 0))
    assert [UUID(int=een) for een in rij["bericht_ids"]] == [UUID(bytes=guid("a")), NUL_GUID, UUID(bytes=guid("c"))]


@regel("its metadata goes to ClickHouse")
def test_decisions_are_one_row_each_with_all_they_say() -> None:
    een = uitkomst()
    rijen = als_rijen("uitkomsten", van_uitkomst(een, 9))
    assert [(rij["nummer"], UUID(int=rij["bericht_id"]).bytes, rij["code"], rij["stadium"]) for rij in rijen] == [
        (2, guid("a"), "Verwerkt", "NA"),
        (5, guid("b"), "NietActiefOfGeabonneerd", "ValidateGebruiker"),
    ]
    assert [rij["diensten"] for rij in rijen] == [["Belastingen"], []]
    assert {(rij["volgorde"], rij["verwerkt_op"], rij["aangeleverd_op"], rij["object"]) for rij in rijen} == {
        (9, T0 + 5, T0, "berichten/x")
    }
    assert all(type(rij["code"]) is str and type(rij["stadium"]) is str for rij in rijen)


def test_a_result_counts_its_codes() -> None:
    een = uitkomst()
    resultaat = Resultaat(een.kader, 8, een.nummers, een.bericht_ids, een.berichttypes, een.codes, een.stadia)
    (rij,) = als_rijen("resultaten", van_resultaat(resultaat))
    assert rij["per_code"] == {"Verwerkt": 1, "NietActiefOfGeabonneerd": 1}
    assert (rij["verwerkt_op"], rij["totaal"]) == (8, 7)


@regel("command line, or ClickHouse column")
def test_no_row_holds_a_bsn_or_what_was_written() -> None:
    """No column holds a BSN; what looks like one is not repeated either."""
    batch = maak_slice(ids=["a"], bsns=[BSNS[1]], types=[BSNS[2][:8]])
    een = beslis(batch, referentie(), Bekend(), {}, T0)
    alles = repr(van_batch(batch, 0)) + repr(van_uitkomst(een, 0))
    for verboden in (BSNS[1], BSNS[2][:8], "onderwerp 0", "tekst 0"):
        assert verboden not in alles


def test_running_one_twice_gives_the_same_rows() -> None:
    batch, een = maak_slice(ids=["a", "b"]), uitkomst()
    assert van_batch(batch, 1) == van_batch(batch, 1)
    assert van_uitkomst(een, 1) == van_uitkomst(replace(een), 1)


def test_rows_of_several_records_stand_under_each_other_and_leave_them_as_they_were() -> None:
    een, rijen = uitkomst(), Rijen("uitkomsten")
    rijen.voeg_toe(van_uitkomst(een, 1))
    rijen.voeg_toe(van_uitkomst(een, 2))
    assert len(rijen) == 4
    assert [rij["volgorde"] for rij in als_rijen("uitkomsten", rijen.kolommen)] == [1, 1, 2, 2]
    assert een == uitkomst()


def test_columns_of_another_table_do_not_fit() -> None:
    with pytest.raises(ValueError, match="zip"):
        Rijen("resultaten").voeg_toe(van_uitkomst(uitkomst(), 1))
