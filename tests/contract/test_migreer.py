"""Migrations: in order, once, refused when what was applied has changed."""

import threading
from collections.abc import Iterator
from uuid import uuid4

import pytest
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError
from clickhouse_tafel import clickhouse

from sinks.database import DatabaseWeg, maak_client
from sinks.migreer import (
    Migratie,
    MigratieGeweigerd,
    TabellenOntbreken,
    controleer,
    lees_migraties,
    migreer,
    ontbrekend,
    splits_opdrachten,
)

pytestmark = pytest.mark.integration

EEN = Migratie("001_a.sql", "CREATE TABLE IF NOT EXISTS a (x UInt8) ENGINE = MergeTree ORDER BY x;")
TWEE = Migratie("002_b.sql", "CREATE OR REPLACE VIEW b AS SELECT x, ';--' AS tekst FROM a; -- of a\n")


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with clickhouse(tmp_path_factory.mktemp("clickhouse")) as adres:
        yield adres


@pytest.fixture
def client(url: str) -> Iterator[Client]:
    een = maak_client(url)
    yield een
    een.close()


@pytest.fixture
def database(client: Client) -> Iterator[str]:
    naam = f"test_{uuid4().hex}"
    yield naam
    client.command(f"DROP DATABASE IF EXISTS `{naam}`")


def test_migrations_are_applied_once_and_in_order(client: Client, database: str) -> None:
    assert migreer(client, database, [EEN]) == ["001_a.sql"]
    assert migreer(client, database, [EEN, TWEE]) == ["002_b.sql"]
    assert migreer(client, database, [EEN, TWEE]) == []
    assert client.query(f"SELECT * FROM {database}.b").result_rows == []
    assert client.query(f"SELECT naam, sha256 FROM {database}.migraties ORDER BY naam").result_rows == [
        (een.naam, een.sha256) for een in (EEN, TWEE)
    ]


def test_this_version_s_tables_are_named_while_they_are_missing(client: Client, database: str) -> None:
    assert ontbrekend(client, database) == [een.naam for een in lees_migraties()]
    with pytest.raises(TabellenOntbreken, match="berichtenstroom migreer"):
        controleer(client, database)
    migreer(client, database)
    controleer(client, database)


def test_a_changed_file_is_refused_and_nothing_is_applied(client: Client, database: str) -> None:
    migreer(client, database, [EEN])
    with pytest.raises(MigratieGeweigerd, match=r"001_a\.sql was changed"):
        migreer(client, database, [Migratie(EEN.naam, EEN.tekst + " "), TWEE])
    assert ontbrekend(client, database, [EEN, TWEE]) == ["002_b.sql"]


def test_a_missing_file_is_refused(client: Client, database: str) -> None:
    migreer(client, database, [EEN, TWEE])
    with pytest.raises(MigratieGeweigerd, match=r"001_a\.sql was applied"):
        migreer(client, database, [TWEE])


def test_a_new_file_before_an_applied_one_is_refused(client: Client, database: str) -> None:
    los = Migratie("002_b.sql", "SELECT 1")
    migreer(client, database, [los])
    with pytest.raises(MigratieGeweigerd, match=r"001_a\.sql is new but sorts before"):
        ontbrekend(client, database, [EEN, los])


def test_one_that_broke_off_is_carried_on(client: Client, database: str) -> None:
    kapot = Migratie("002_b.sql", TWEE.tekst + "CREATE VIEW c AS SELECT nergens FROM a;")
    with pytest.raises(DatabaseError, match="nergens"):
        migreer(client, database, [EEN, kapot])
    assert migreer(client, database, [EEN, TWEE]) == ["002_b.sql"]


def test_several_at_once_end_with_the_same_tables(url: str, client: Client, database: str) -> None:
    fouten: list[Exception] = []

    def draai() -> None:
        try:
            migreer(maak_client(url), database)
        except Exception as fout:
            fouten.append(fout)

    draden = [threading.Thread(target=draai) for _ in range(4)]
    for draad in draden:
        draad.start()
    for draad in draden:
        draad.join()
    assert fouten == []
    controleer(client, database)


def test_the_client_keeps_its_own_database(client: Client, database: str) -> None:
    eerder = client.database
    migreer(client, database, [EEN])
    assert client.database == eerder


def test_statements_are_split_outside_quotes_and_comments() -> None:
    tekst = r"""
    -- first; comment
    SELECT 'a;b', 'it''s; \'; --', "c;d", `e;f` /* g; ' */ ; ;
    /* only; a comment */
    SELECT 2 -- the last; without
    """
    eerste, tweede = splits_opdrachten(tekst)
    assert eerste.endswith("/* g; ' */")
    assert "SELECT 2" in tweede
    assert splits_opdrachten(" -- nothing;\n /* ; */ ") == []


def test_a_database_that_is_away_is_worth_a_retry() -> None:
    with pytest.raises(DatabaseWeg):
        maak_client("http://127.0.0.1:9")
