"""Whose results a sender gets (Domain: Who is who): those of what he delivered, or that bear his name."""

from collections.abc import Iterator
from uuid import UUID, uuid4

import pytest
from clickhouse_tafel import T0, UUR, A, B, Run, Tafel, tafel

from sinks.embedded.proces import EmbeddedClickHouse
from sinks.vragen import Dubbelzinnig
from tests.regels import regel

pytestmark = pytest.mark.integration

C = "00000099000000003000"
X = UUID(int=1)


@pytest.fixture
def t(clickhouse: EmbeddedClickHouse) -> Iterator[Tafel]:
    with tafel(clickhouse.url) as een:
        yield een


def klaar(t: Tafel, door: str, leverancier: str = A, batch: UUID | None = None, op: int = T0) -> Run:
    run = t.lever([X], leverancier=leverancier, door=door, batch=batch, op=op)
    t.beslis(run, 1)
    t.beantwoord(run)
    return run


def gezien(t: Tafel, batch: UUID, wie: str | None, kenmerk: UUID | None = None) -> UUID | None:
    resultaat = t.vragen.resultaat(batch, None, kenmerk, wie)
    return None if resultaat is None else resultaat.kader.proceskenmerk


def test_the_leverancier_and_who_delivered_for_him_get_the_result_and_nobody_else(t: Tafel) -> None:
    run = klaar(t, door=B)
    assert gezien(t, run.batch_id, A) == gezien(t, run.batch_id, B) == gezien(t, run.batch_id, None)
    assert gezien(t, run.batch_id, A) == run.proceskenmerk
    assert gezien(t, run.batch_id, C) is None
    assert gezien(t, run.batch_id, C, run.proceskenmerk) is None
    assert gezien(t, uuid4(), C) is None


@regel("an intermediair does so for several afnemers")
def test_an_intermediair_gets_the_runs_that_he_delivered_alone(t: Tafel) -> None:
    eigen = klaar(t, door=A)
    van_b = klaar(t, door=B, batch=eigen.batch_id, op=T0 + UUR)
    assert gezien(t, eigen.batch_id, B) == van_b.proceskenmerk
    assert gezien(t, eigen.batch_id, B, eigen.proceskenmerk) is None
    assert t.vragen.ontvangen_op(A, eigen.batch_id, B) == T0 + UUR
    assert t.vragen.ontvangen_op(A, eigen.batch_id, A) == t.vragen.ontvangen_op(A, eigen.batch_id) == T0
    assert t.vragen.ontvangen_op(A, eigen.batch_id, C) is None


def test_nobody_can_put_a_result_in_the_place_of_ones_own(t: Tafel) -> None:
    eigen = klaar(t, door=A)
    vreemd = klaar(t, door=C, batch=eigen.batch_id, op=T0 + UUR)
    assert gezien(t, eigen.batch_id, A) == eigen.proceskenmerk
    assert gezien(t, eigen.batch_id, A, vreemd.proceskenmerk) == vreemd.proceskenmerk
    assert gezien(t, eigen.batch_id, C) == vreemd.proceskenmerk
    later = t.lever([X], door=A, batch=eigen.batch_id, op=T0 + 2 * UUR)
    assert gezien(t, eigen.batch_id, A) is None
    assert gezien(t, eigen.batch_id, A, later.proceskenmerk) is None
    assert gezien(t, eigen.batch_id, None) is None


def test_nobody_can_put_a_result_in_the_place_of_the_one_that_an_intermediair_delivered(t: Tafel) -> None:
    van_b = klaar(t, door=B)
    vreemd = t.lever([X], door=C, batch=van_b.batch_id, op=T0 + UUR)
    assert gezien(t, van_b.batch_id, A) == van_b.proceskenmerk
    t.beslis(vreemd, 1, "OinInCPAKomtNietOvereenMetOinInBericht")
    t.beantwoord(vreemd, per_code={"OinInCPAKomtNietOvereenMetOinInBericht": 1})
    assert gezien(t, van_b.batch_id, A) == van_b.proceskenmerk
    assert gezien(t, van_b.batch_id, C) == vreemd.proceskenmerk
    t.lever([X], door=B, batch=van_b.batch_id, op=T0 + 2 * UUR)
    assert gezien(t, van_b.batch_id, A) is None


def test_a_batch_id_that_a_stranger_uses_too_is_not_ambiguous(t: Tafel) -> None:
    eigen = klaar(t, door=A)
    klaar(t, door=C, leverancier=C, batch=eigen.batch_id)
    assert gezien(t, eigen.batch_id, A) == eigen.proceskenmerk
    with pytest.raises(Dubbelzinnig):
        gezien(t, eigen.batch_id, None)
    klaar(t, door=A, leverancier=B, batch=eigen.batch_id)
    with pytest.raises(Dubbelzinnig, match=f"{A}, {B}: "):
        gezien(t, eigen.batch_id, A)
