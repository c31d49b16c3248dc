"""The look-up of what is decided, on the real engine: how many questions a take asks, and how many rows each reads."""

from random import Random
from typing import Any
from uuid import UUID

import pytest
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.query import QueryResult

from bench.historie import Historie, maak
from bench.vragen import nieuw
from domain.codes import Verwerkingscode
from sinks.embedded.proces import EmbeddedClickHouse
from sinks.stroomvragen import Stroomvragen
from tests.integration.opstelling import Opstelling, beslis
from tests.slices import RUN, A, kader, maak_slice

pytestmark = pytest.mark.integration

KORT, LANG = 100_000, 1_000_000
"""Messages in a history, and in one that is ten times as long."""
INSERT = """INSERT INTO bekend (sleutel, leverancier, bericht_id, proceskenmerk, nummer, code, voorrang)
    SELECT cityHash64({wie:String}, {id:UUID} AS id), {wie:String}, id, {run:UUID}, 1, 'Verwerkt', 1"""


def luister(client: Client, monkeypatch: pytest.MonkeyPatch) -> list[QueryResult]:
    """Fills with the answers to all questions on `bekend`."""
    gegeven: list[QueryResult] = []
    vraag = client.query

    def tel(sql: str, *args: Any, **opties: Any) -> QueryResult:
        antwoord = vraag(sql, *args, **opties)
        if "FROM bekend" in sql:
            gegeven.append(antwoord)
        return antwoord

    monkeypatch.setattr(client, "query", tel)
    return gegeven


async def test_a_take_asks_one_bulk_question_a_slice_or_less(
    op: Opstelling, database: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    antwoorden = luister(database, monkeypatch)
    groottes = (1000, 1000, 125)
    slices = [
        maak_slice(
            ids=[f"{grootte}-{plaats}-{i}" for i in range(grootte)], van=kader(run=UUID(int=plaats), totaal=grootte)
        )
        for plaats, grootte in enumerate(groottes, start=1)
    ]
    for slice_ in slices:
        database.command(INSERT, parameters={"wie": A, "id": slice_.berichten.bericht_id(0).hex(), "run": str(RUN)})
    monkeypatch.setattr(op.getoond, "bekend", Stroomvragen(database).bekend)
    assert await beslis(op.worker(), *slices) == [0]
    codes = await op.codes()
    assert (codes.count(Verwerkingscode.BERICHT_BESTAAT_AL), len(codes)) == (len(groottes), sum(groottes))
    assert 0 < len(antwoorden) <= len(groottes)


def test_rows_read_for_a_slice_follow_the_slice_and_not_the_history(
    clickhouse: EmbeddedClickHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    def rijen(historie: Historie, slice_: int) -> int:
        oude = historie.geplaatst(slice_ // 2, Random(slice_))
        with monkeypatch.context() as hierin:
            antwoorden = luister(historie.client, hierin)
            assert len(Stroomvragen(historie.client).bekend(nieuw(slice_ - len(oude)) + oude)) == len(oude)
            return int(antwoorden[-1].summary["read_rows"])

    gelezen: list[list[int]] = []
    for lengte in (KORT, LANG):
        historie = maak(clickhouse.url, lengte)
        gelezen.append([rijen(historie, slice_) for slice_ in (125, 1000)])
        historie.client.command(f"DROP DATABASE {historie.client.database}")
        historie.client.close()
    kort, lang = gelezen
    assert min(kort) > 0
    assert all(na < 5 * voor for voor, na in zip(kort, lang, strict=True)), (kort, lang)
