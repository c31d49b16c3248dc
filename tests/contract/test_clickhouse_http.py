"""What this project asks of ClickHouse's HTTP interface, of the embedded one and of a server alike.

Set BERICHTENSTROOM_TEST_CLICKHOUSE to a server's URL (http://user:password@host:port) to run it against that too.
"""

import asyncio
import datetime
import gzip
import json
import os
import subprocess
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import clickhouse_connect
import httpx
import lz4.frame
import pytest
import zstandard
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError, StreamFailureError
from clickhouse_connect.driver.external import ExternalData

from sinks.embedded.proces import EmbeddedClickHouse

pytestmark = pytest.mark.integration

SERVER = os.environ.get("BERICHTENSTROOM_TEST_CLICKHOUSE")
ENDLESS = "SELECT sum(sipHash64(number)) FROM numbers(1000000000000) SETTINGS max_threads = 1"

TYPES = {
    "uuid": "UUID",
    "tekst": "String",
    "code": "LowCardinality(String)",
    "codes": "Array(LowCardinality(String))",
    "uuids": "Array(UUID)",
    "u8": "UInt8",
    "u16": "UInt16",
    "u32": "UInt32",
    "u64": "UInt64",
    "i64": "Int64",
    "moment": "DateTime64(3, 'UTC')",
    "misschien": "Nullable(DateTime64(3, 'UTC'))",
    "kaart": "Map(String, UInt32)",
}


@pytest.fixture(scope="module", params=["embedded", *(["server"] if SERVER else [])])
def url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    if request.param == "server":
        assert SERVER
        yield SERVER
        return
    with EmbeddedClickHouse(tmp_path_factory.mktemp("clickhouse")) as running:
        yield running.url


@pytest.fixture
def database(url: str) -> Iterator[str]:
    name = f"toets_{uuid.uuid4().hex}"
    post(url, f"CREATE DATABASE {name}")
    yield name
    post(url, f"DROP DATABASE {name} SYNC")


@pytest.fixture
def client(url: str, database: str) -> Iterator[Client]:
    made = clickhouse_connect.get_client(dsn=url, database=database)
    yield made
    made.close()


def ask(url: str, content: bytes | str = b"", **parameters: str) -> httpx.Response:
    return httpx.post(url, params=parameters, content=content, timeout=60)


def post(url: str, content: bytes | str = b"", **parameters: str) -> str:
    answer = ask(url, content, **parameters)
    assert answer.status_code == 200, answer.text
    return answer.text


def eventually(holds: Callable[[], Any]) -> None:
    """Waits until something holds; fails after a minute."""
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def running(url: str, comment: str) -> int:
    sql = "SELECT count() FROM system.processes WHERE Settings['log_comment'] = {comment:String}"
    return int(post(url, sql, param_comment=comment))


def kill(url: str, comment: str) -> None:
    mine = "SELECT query_id FROM system.processes WHERE Settings['log_comment'] = {comment:String}"
    post(url, f"KILL QUERY WHERE query_id IN ({mine}) ASYNC", param_comment=comment)


def test_ping_and_an_empty_get_answer_ok(url: str) -> None:
    for path in ("/ping", "/", "/replicas_status"):
        assert httpx.get(url + path).text == "Ok.\n"


def test_the_statement_may_stand_in_the_url_in_the_body_or_in_both(url: str) -> None:
    assert httpx.get(url, params={"query": "SELECT 1"}).text == "1\n"
    assert post(url, "SELECT 1") == "1\n"
    assert post(url, "FROM numbers(2)", query="SELECT number") == "0\n1\n"
    assert httpx.head(url, params={"query": "SELECT 1"}).status_code == 200
    assert httpx.get(url, params={"query": "SELECT length('" + "x" * 60_000 + "')"}).text == "60000\n"


@pytest.mark.parametrize(
    ("kind", "value", "told"),
    [
        ("UInt64", "18446744073709551615", "18446744073709551615"),
        ("String", "a'b`c; DROP TABLE x -- ü", "a'b`c; DROP TABLE x -- ü"),
        ("String", "tab\\tback\\\\slash", "tab\\tback\\\\slash"),
        ("Nullable(String)", "\\N", "\\N"),
        ("Array(String)", "['x','y']", "['x','y']"),
        ("DateTime64(3, 'UTC')", "2026-01-02 03:04:05.678", "2026-01-02 03:04:05.678"),
        ("UUID", "61f0c404-5cb3-11e7-907b-a6006ad3dba0", "61f0c404-5cb3-11e7-907b-a6006ad3dba0"),
    ],
)
def test_parameters_carry_their_type(url: str, kind: str, value: str, told: str) -> None:
    assert post(url, f"SELECT {{x:{kind}}} AS x, toTypeName(x)", param_x=value).split("\t")[0] == told.replace(
        "'", "\\'" if kind == "String" else "'"
    )


def test_a_parameter_of_the_wrong_type_or_absent_is_refused(url: str) -> None:
    assert ask(url, "SELECT {x:UInt8}", param_x="drie").headers["X-ClickHouse-Exception-Code"] == "457"
    assert ask(url, "SELECT {x:UInt8}").headers["X-ClickHouse-Exception-Code"] == "456"


def test_parameters_reach_identifiers_and_inserts(url: str, database: str) -> None:
    post(url, "CREATE TABLE t (a UInt8) ENGINE = MergeTree ORDER BY a", database=database)
    post(url, "({v:UInt8})", query="INSERT INTO {t:Identifier} VALUES", database=database, param_t="t", param_v="7")
    assert post(url, "SELECT a FROM {t:Identifier}", database=database, param_t="t") == "7\n"


def test_the_format_comes_from_the_statement_else_from_the_request_else_tab_separated(url: str) -> None:
    plain = ask(url, "SELECT 1 AS a")
    assert (plain.text, plain.headers["X-ClickHouse-Format"]) == ("1\n", "TabSeparated")
    told = ask(url, "SELECT 1 AS a FORMAT JSONEachRow", default_format="CSV")
    assert (told.json(), told.headers["X-ClickHouse-Format"]) == ({"a": 1}, "JSONEachRow")
    assert post(url, "SELECT 'x' AS a", default_format="CSVWithNames") == '"a"\n"x"\n'
    asked = httpx.post(url, content="SELECT 1 AS a", headers={"X-ClickHouse-Format": "JSON"})
    assert asked.json()["data"] == [{"a": 1}]
    assert asked.headers["Content-Type"].startswith("application/json")


@pytest.mark.parametrize(
    ("sql", "told"),
    [
        ("SELECT 'a FORMAT JSON; SELECT 2'", "a FORMAT JSON; SELECT 2\n"),
        ("/* FORMAT JSON */ SELECT 1 -- FORMAT JSON", "1\n"),
        ("-- first\nSELECT 1;", "1\n"),
        ("SELECT 1 AS `x FORMAT JSON`", "1\n"),
        ("SELECT 'it''s' || 'b\\'c' FORMAT CSV", "\"it'sb'c\"\n"),
        ("SELECT $$a'b$$ FORMAT TSVRaw;  ", "a'b\n"),
        ("SELECT 1 FORMAT JSONEachRow SETTINGS max_threads = 1", '{"1":1}\n'),
        ("(SELECT 1) UNION ALL (SELECT 1) FORMAT CSV", "1\n1\n"),
        ("SELECT number FROM numbers(4) WHERE number > 9 FORMAT CSV", ""),
    ],
)
def test_quotes_comments_and_semicolons_do_not_confuse_it(url: str, sql: str, told: str) -> None:
    assert post(url, sql) == told


def test_totals_come_after_the_rows(url: str) -> None:
    assert post(url, "SELECT count() FROM numbers(3) GROUP BY number WITH TOTALS FORMAT TSV") == "1\n1\n1\n\n3\n"


@pytest.mark.parametrize(
    ("sql", "code", "name", "status"),
    [
        ("SELECT * FROM bestaat_niet", 60, "UNKNOWN_TABLE", 404),
        ("SELEC 1 FROM", 62, "SYNTAX_ERROR", 400),
        ("SELECT 1; SELECT 2", 62, "SYNTAX_ERROR", 400),
        ("SELECT bestaat_niet", 47, "UNKNOWN_IDENTIFIER", 404),
        ("SELECT f_bestaat_niet(1)", 46, "UNKNOWN_FUNCTION", 404),
        ("SELECT 1 + 'a'", 43, "ILLEGAL_TYPE_OF_ARGUMENT", 500),
        ("SELECT toUInt8('a')", 6, "CANNOT_PARSE_TEXT", 400),
        ("SELECT CAST(now() AS Array(String))", 53, "TYPE_MISMATCH", 400),
        ("SELECT 1 FORMAT Bestaatniet", 73, "UNKNOWN_FORMAT", 404),
        ("USE bestaat_niet", 81, "UNKNOWN_DATABASE", 404),
        ("SELECT 1 SETTINGS bestaat_niet = 1", 115, "UNKNOWN_SETTING", 404),
        ("SELECT throwIf(number = 2) FROM numbers(3)", 395, "FUNCTION_THROW_IF_VALUE_IS_NON_ZERO", 500),
        ("SELECT 1 INTO OUTFILE '/tmp/x.csv'", None, None, None),
        ("INSERT INTO system.one FROM INFILE '/etc/hostname' FORMAT TSV", None, None, None),
    ],
)
def test_errors_come_with_code_name_and_status(
    url: str, sql: str, code: int | None, name: str | None, status: int | None
) -> None:
    answer = ask(url, sql)
    assert answer.status_code >= 400
    told = int(answer.headers["X-ClickHouse-Exception-Code"])
    assert answer.text.startswith(f"Code: {told}. DB::Exception: ")
    assert "(version " in answer.text
    if code is not None:
        assert (told, answer.status_code) == (code, status)
        assert f"({name})" in answer.text


def test_an_error_that_quotes_odd_bytes_keeps_its_code(url: str, database: str) -> None:
    assert ask(url, b"SELECT toUInt8('\xff\xfe')").headers["X-ClickHouse-Exception-Code"] == "6"
    post(url, "CREATE TABLE t (a UInt32) ENGINE = MergeTree ORDER BY a", database=database)
    answer = ask(url, b"\xff\n", query="INSERT INTO t FORMAT TSV", database=database)
    assert answer.headers["X-ClickHouse-Exception-Code"] == "27"


def test_unknown_databases_and_settings_of_the_url_are_refused(url: str) -> None:
    assert ask(url, "SELECT 1", database="bestaat_niet").headers["X-ClickHouse-Exception-Code"] == "81"
    assert ask(url, "SELECT 1", bestaat_niet="1").headers["X-ClickHouse-Exception-Code"] == "115"


def test_a_get_only_reads(url: str, database: str) -> None:
    answer = httpx.get(url, params={"query": f"CREATE TABLE {database}.t (a Int8) ENGINE = Memory"})
    assert answer.headers["X-ClickHouse-Exception-Code"] == "164"
    assert post(url, f"EXISTS TABLE {database}.t") == "0\n"


def test_the_summary_counts_and_the_query_id_is_told(url: str, database: str) -> None:
    post(url, f"CREATE TABLE {database}.t (a UInt32) ENGINE = MergeTree ORDER BY a")
    written = ask(url, "1\n2\n3\n", query=f"INSERT INTO {database}.t FORMAT TSV", query_id=f"q-{database}")
    assert written.headers["X-ClickHouse-Query-Id"] == f"q-{database}"
    assert json.loads(written.headers["X-ClickHouse-Summary"])["written_rows"] == "3"
    read = ask(url, f"SELECT a FROM {database}.t", wait_end_of_query="1")
    assert json.loads(read.headers["X-ClickHouse-Summary"])["read_rows"] == "3"


def test_settings_of_one_request_do_not_reach_the_next(url: str) -> None:
    sql = "SELECT getSetting('max_block_size'), getSetting('session_timezone')"
    before = post(url, sql)
    told = {post(url, sql, max_block_size="123", session_timezone="Asia/Tokyo") for _ in range(20)}
    assert told == {"123\tAsia/Tokyo\n"}
    post(url, "SET max_block_size = 77")
    assert {post(url, sql) for _ in range(40)} == {before}


def test_settings_of_concurrent_requests_stay_apart(url: str) -> None:
    async def one(http: httpx.AsyncClient, size: int) -> bool:
        sql = "SELECT getSetting('max_block_size'), {x:UInt32}, sleepEachRow(0.01) FROM numbers(3)"
        parameters = {"max_block_size": str(size), "param_x": str(size)}
        answer = await http.post(url, params=parameters, content=sql)
        return answer.text == f"{size}\t{size}\t0\n" * 3

    async def all_of_them() -> list[bool]:
        async with httpx.AsyncClient(timeout=60) as http:
            return await asyncio.gather(*(one(http, 1000 + number) for number in range(40)))

    assert all(asyncio.run(all_of_them()))


def test_a_session_keeps_what_it_set(url: str, database: str) -> None:
    session, other = uuid.uuid4().hex, uuid.uuid4().hex
    sql = "SELECT getSetting('max_block_size'), currentDatabase()"
    post(url, "SET max_block_size = 321", session_id=session)
    post(url, f"USE {database}", session_id=session)
    assert post(url, sql, session_id=session) == f"321\t{database}\n"
    assert post(url, sql, session_id=session, max_block_size="5") == f"5\t{database}\n"
    assert post(url, sql, session_id=session) == f"321\t{database}\n"
    assert not post(url, sql, session_id=other).startswith("321\t")
    absent = ask(url, sql, session_id=uuid.uuid4().hex, session_check="1")
    assert absent.headers["X-ClickHouse-Exception-Code"] == "372"


def test_a_long_query_does_not_hold_up_a_short_one(url: str) -> None:
    comment = uuid.uuid4().hex
    parameters = {"log_comment": comment}
    answers: list[httpx.Response] = []
    long = [threading.Thread(target=lambda: answers.append(ask(url, ENDLESS, **parameters))) for _ in range(3)]
    for thread in long:
        thread.start()
    eventually(lambda: running(url, comment) == 3)
    assert post(url, "SELECT 1") == "1\n"
    assert running(url, comment) == 3, "the short query answered while the long ones ran"
    kill(url, comment)
    for thread in long:
        thread.join()
    assert {answer.headers["X-ClickHouse-Exception-Code"] for answer in answers} == {"394"}


def test_a_query_is_stopped_when_its_client_leaves(url: str) -> None:
    comment = uuid.uuid4().hex
    parameters = {"cancel_http_readonly_queries_on_client_close": "1", "query_id": comment}
    sql = "SELECT count() FROM system.processes WHERE query LIKE {like:String} AND query NOT LIKE '%processes%'"
    with pytest.raises(httpx.ReadTimeout):
        httpx.post(url, params=parameters, content=ENDLESS + f" -- {comment}", timeout=httpx.Timeout(60, read=1))
    eventually(lambda: post(url, sql, param_like=f"%{comment}%") == "0\n")


def test_time_limits_hold(url: str) -> None:
    answer = ask(url, ENDLESS, max_execution_time="1")
    assert (answer.headers["X-ClickHouse-Exception-Code"], answer.status_code) == ("159", 408)


@pytest.mark.parametrize(
    "head",
    [
        "INSERT INTO t (a, b) FORMAT CSV\n",
        "INSERT INTO t(a,b)FORMAT CSV ",
        "-- INSERT INTO u FORMAT TSV\nINSERT INTO t /* FORMAT TSV */ (a, b) -- VALUES\n FORMAT\nCSV\r\n",
        "insert into `t` (a, `b`) settings async_insert = 0 format `CSV`\n",
        "INSERT INTO t (* EXCEPT c) FORMAT CSV\n",
    ],
)
def test_the_data_of_an_insert_begins_after_its_format(url: str, database: str, head: str) -> None:
    post(url, "CREATE TABLE t (a UInt8, b String, c UInt8 DEFAULT 9) ENGINE = MergeTree ORDER BY a", database=database)
    data = b'1,"VALUES; FORMAT TSV\n\n2,x"\n2,"\xff"\n'
    post(url, head.encode() + data, database=database)
    assert post(url, "SELECT a, hex(b), c FROM t ORDER BY a", database=database) == (
        f"1\t{b'VALUES; FORMAT TSV%s2,x'.hex().upper().replace('2573', '0A0A')}\t9\n2\tFF\t9\n"
    )
    post(url, "TRUNCATE TABLE t", database=database)
    post(url, data, query=head.rstrip(), database=database)
    assert post(url, "SELECT count() FROM t", database=database) == "2\n"


def test_inserts_without_data_of_their_own_work_too(url: str, database: str) -> None:
    post(url, "CREATE TABLE t (a UInt32, b String) ENGINE = MergeTree ORDER BY a", database=database)
    post(url, "INSERT INTO t VALUES (1, 'a;(\\'FORMAT'), (2, lower('B'));", database=database)
    post(url, "INSERT INTO t SELECT number, 'FORMAT CSV' FROM numbers(10, 3)", database=database)
    post(url, '{"a": 3, "b": "ü"}\n{"a": 4}', query="INSERT INTO t FORMAT JSONEachRow", database=database)
    assert post(url, "SELECT a, b FROM t ORDER BY a", database=database) == (
        "1\ta;(\\'FORMAT\n2\tb\n3\tü\n4\t\n10\tFORMAT CSV\n11\tFORMAT CSV\n12\tFORMAT CSV\n"
    )


@pytest.mark.parametrize("vol", ["t", "u"])
def test_an_insert_that_a_table_refuses_is_an_error(client: Client, vol: str) -> None:
    """Its own table, or one that a materialized view fills: who hears of no error takes the rows for stored."""
    for tabel in ("t", "u"):
        client.command(f"CREATE TABLE {tabel} (a UInt64) ENGINE = MergeTree ORDER BY a")
    client.command("CREATE MATERIALIZED VIEW v TO u AS SELECT a FROM t")
    client.insert("t", [[1]], column_names=["a"])
    client.command(f"ALTER TABLE {vol} MODIFY SETTING parts_to_delay_insert = 1, parts_to_throw_insert = 1")
    with pytest.raises(DatabaseError) as fout:
        client.insert("t", [[2]], column_names=["a"])
    assert fout.value.code == 252
    client.command(f"ALTER TABLE {vol} RESET SETTING parts_to_delay_insert, parts_to_throw_insert")
    client.insert("t", [[3]], column_names=["a"])
    for tabel in ("t", "u"):
        assert {1, 3} <= {rij[0] for rij in client.query(f"SELECT a FROM {tabel}").result_rows}


def test_a_broken_insert_leaves_nothing(url: str, database: str) -> None:
    post(url, "CREATE TABLE t (a UInt32) ENGINE = MergeTree ORDER BY a", database=database)
    answer = ask(url, "1\n2\nx\n", query="INSERT INTO t FORMAT TSV", database=database)
    assert (answer.headers["X-ClickHouse-Exception-Code"], answer.status_code) == ("27", 400)
    unknown = ask(url, "1\n", query="INSERT INTO nergens FORMAT TSV", database=database)
    assert unknown.headers["X-ClickHouse-Exception-Code"] == "60"

    def torn() -> Iterator[bytes]:
        yield b"1\n" * 200_000
        raise ConnectionError

    with pytest.raises(ConnectionError):
        httpx.post(url, params={"query": "INSERT INTO t FORMAT TSV", "database": database}, content=torn())
    assert post(url, "SELECT count() FROM t", database=database) == "0\n"


@pytest.mark.parametrize(
    ("coding", "pack"),
    [
        ("gzip", gzip.compress),
        ("lz4", lz4.frame.compress),
        ("zstd", zstandard.ZstdCompressor().compress),
    ],
)
def test_bodies_are_unpacked_and_results_packed_when_asked(
    url: str, database: str, coding: str, pack: Callable[[bytes], bytes]
) -> None:
    post(url, f"CREATE TABLE {database}.t (a UInt64) ENGINE = MergeTree ORDER BY a")
    rows = "".join(f"{number}\n" for number in range(200_000)).encode()
    body = pack(f"INSERT INTO {database}.t FORMAT TSV\n".encode()) + pack(rows)
    sent = httpx.post(url, content=body, headers={"Content-Encoding": coding}, timeout=60)
    assert sent.status_code == 200, sent.text
    assert post(url, f"SELECT count(), sum(a) FROM {database}.t") == f"200000\t{sum(range(200_000))}\n"

    wanted = {"Accept-Encoding": coding}
    sql = f"SELECT a FROM {database}.t ORDER BY a"
    plain = httpx.post(url, content=sql, headers=wanted, timeout=60)
    assert "Content-Encoding" not in plain.headers
    assert plain.content == rows
    with httpx.stream("POST", url, params={"enable_http_compression": "1"}, content=sql, headers=wanted) as packed:
        assert packed.headers["Content-Encoding"] == coding
        raw = b"".join(packed.iter_raw())
    unpack = {"gzip": gzip.decompress, "lz4": lz4.frame.decompress}.get(
        coding, lambda data: zstandard.ZstdDecompressor().decompressobj().decompress(data)
    )
    assert unpack(raw) == rows


def test_a_body_that_is_not_what_its_coding_says_is_refused(url: str) -> None:
    for coding in ("gzip", "zstd", "lz4", "bestaat-niet"):
        answer = httpx.post(url, content=b"SELECT 1", headers={"Content-Encoding": coding})
        assert answer.status_code >= 400
        assert answer.text.startswith("Code: ")
    torn = httpx.post(url, content=gzip.compress(b"SELECT 1")[:-3], headers={"Content-Encoding": "gzip"})
    assert torn.status_code >= 400


def test_a_large_result_comes_as_a_stream(url: str) -> None:
    rows, size = 0, 0
    sql = "SELECT number % 10, repeat('x', 100) FROM numbers(1000000) FORMAT TSV"
    with httpx.stream("POST", url, content=sql, timeout=60) as answer:
        assert "Content-Length" not in answer.headers
        for piece in answer.iter_raw():
            rows += piece.count(b"\n")
            size += len(piece)
    assert (rows, size) == (1_000_000, 103 * 1_000_000)


def test_an_error_in_a_stream_is_told_in_the_stream(url: str) -> None:
    sql = "SELECT throwIf(number = 5000000) FROM numbers(10000000)"
    for compress in (False, True):
        client = clickhouse_connect.get_client(dsn=url, compress=compress)
        with pytest.raises(StreamFailureError, match="throwIf"), client.query_row_block_stream(sql) as stream:
            for _ in stream:
                pass
        client.close()
    with pytest.raises(httpx.RemoteProtocolError):
        ask(url, sql)


def test_clickhouse_connect_shakes_hands(url: str) -> None:
    client = clickhouse_connect.get_client(dsn=url)
    assert client.ping()
    assert client.command("SELECT version()") == client.server_version
    assert client.command("SELECT 42") == 42
    assert client.command("SELECT 1, 2") == ["1", "2"]
    assert client.query("SELECT 1 WHERE 0").result_rows == []
    assert client.query("SELECT 1 AS a LIMIT 0").column_names == ("a",)
    with pytest.raises(DatabaseError) as caught:
        client.query("SELECT * FROM bestaat_niet")
    assert caught.value.code == 60
    client.close()


def example_row(number: int) -> list[Any]:
    moment = datetime.datetime(2026, 1, 2, 3, 4, 5, 678000, datetime.UTC) + datetime.timedelta(seconds=number)
    return [
        uuid.UUID(int=number),
        f"regel {number} é\n\t'\\",
        f"code{number % 5}",
        [f"d{index}" for index in range(number % 4)],
        [uuid.UUID(int=number + index) for index in range(number % 3)],
        number % 256,
        number % 65536,
        number,
        2**64 - 1 - number,
        -(2**63) + number,
        moment,
        None if number % 2 else moment,
        {"a": number, "b": 1} if number % 3 else {},
    ]


def make_example(client: Client) -> None:
    columns = ", ".join(f"{name} {kind}" for name, kind in TYPES.items())
    client.command(f"CREATE TABLE t ({columns}, vast UInt8 DEFAULT 5) ENGINE = MergeTree ORDER BY u32")


@pytest.mark.parametrize("compress", [False, "lz4", "zstd", "gzip"])
def test_a_native_insert_keeps_every_type_we_use(url: str, database: str, compress: bool | str) -> None:
    client = clickhouse_connect.get_client(dsn=url, database=database, compress=compress)
    make_example(client)
    rows = [example_row(number) for number in range(1000)]
    told = client.insert("t", rows, column_names=list(TYPES))
    assert told.written_rows == 1000
    read = client.query("SELECT * EXCEPT vast FROM t ORDER BY u32", tz_mode="aware")
    assert [list(row) for row in read.result_rows] == rows
    assert client.command("SELECT sum(vast) FROM t") == 5000
    kinds = client.query("SELECT name, type FROM system.columns WHERE database = currentDatabase() AND table = 't'")
    assert dict(kinds.result_rows) == {**TYPES, "vast": "UInt8"}
    client.close()


def test_parameters_and_settings_of_clickhouse_connect_reach_the_engine(client: Client) -> None:
    values = {"moment": datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC), "tekst": "é'\\\t", "lijst": ["a", "b'"]}
    sql = "SELECT {moment:DateTime64(3, 'UTC')} AS m, {tekst:String}, {lijst:Array(String)}"
    row = client.query(sql, parameters=values, tz_mode="aware").first_row
    assert list(row) == list(values.values())
    sql = "SELECT getSetting('max_block_size')"
    assert client.command(sql, settings={"max_block_size": 17}) == 17
    assert client.command(sql) != 17


def test_long_parameters_and_tables_travel_in_a_form(client: Client) -> None:
    numbers = list(range(20_000))
    sql = "SELECT length({lijst:Array(UInt32)}), arraySum({lijst:Array(UInt32)})"
    assert client.query(sql, parameters={"lijst": numbers}).first_row == (20_000, sum(numbers))
    table = ExternalData(
        file_name="sleutels.csv", data=b'1,"a"\n2,"b"\n', fmt="CSV", structure=["n UInt32", "s String"]
    )
    rows = client.query("SELECT n, s FROM sleutels ORDER BY n", external_data=table).result_rows
    assert rows == [(1, "a"), (2, "b")]


def test_a_large_insert_lands_whole(client: Client) -> None:
    make_example(client)
    rows = [example_row(number) for number in range(100_000)]
    client.insert("t", rows, column_names=list(TYPES))
    assert client.query("SELECT count(), uniqExact(uuid), sum(u32) FROM t").first_row == (
        100_000,
        100_000,
        sum(range(100_000)),
    )
    assert client.command("SELECT count() FROM system.parts WHERE database = currentDatabase() AND active") == 1


def test_a_repeated_token_changes_nothing(client: Client) -> None:
    client.command(
        "CREATE TABLE t (a UInt32) ENGINE = MergeTree ORDER BY a SETTINGS non_replicated_deduplication_window = 100"
    )
    for _ in range(3):
        client.insert("t", [[1], [2]], column_names=["a"], settings={"insert_deduplication_token": "p0-17"})
    assert client.command("SELECT count() FROM t") == 2


async def test_the_async_client_works_and_runs_side_by_side(url: str) -> None:
    client = await clickhouse_connect.get_async_client(dsn=url, autogenerate_session_id=False)
    try:
        answers = await asyncio.gather(*(client.query(f"SELECT {number}") for number in range(30)))
        assert [answer.first_row[0] for answer in answers] == list(range(30))
        with pytest.raises(DatabaseError):
            await client.query("SELECT bestaat_niet")
    finally:
        await client.close()


def test_tables_comments_views_and_final_work(client: Client) -> None:
    client.command(
        "CREATE TABLE t (k UInt32 COMMENT 'de sleutel', v String, versie UInt64) "
        "ENGINE = ReplacingMergeTree(versie) ORDER BY k COMMENT 'een tabel'"
    )
    client.command("CREATE TABLE per_v (v String, n SimpleAggregateFunction(sum, UInt64)) "
                   "ENGINE = AggregatingMergeTree ORDER BY v")  # fmt: skip
    client.command("CREATE MATERIALIZED VIEW mv TO per_v AS SELECT v, count() AS n FROM t GROUP BY v")
    client.command("CREATE VIEW oog (v String COMMENT 'de waarde') AS SELECT v FROM t FINAL ORDER BY v COMMENT 'oog'")
    for version, value in enumerate(["b", "c", "a"]):
        client.insert("t", [[1, value, 10 - version], [2, value, version]], column_names=["k", "v", "versie"])
    assert client.query("SELECT v FROM oog").result_rows == [("a",), ("b",)]
    assert client.query("SELECT k, v FROM t FINAL ORDER BY k").result_rows == [(1, "b"), (2, "a")]
    assert client.query("SELECT v, sum(n) FROM per_v GROUP BY v ORDER BY v").result_rows == [
        ("a", 2),
        ("b", 2),
        ("c", 2),
    ]
    told = "SELECT comment FROM system.columns WHERE database = currentDatabase() AND comment != '' ORDER BY comment"
    assert client.query(told).result_columns == [["de sleutel", "de waarde"]]
    assert client.command("SELECT comment FROM system.tables WHERE database = currentDatabase() AND name = 't'") == (
        "een tabel"
    )
    client.command("ALTER TABLE t ADD COLUMN nieuw UInt8 DEFAULT 3, MODIFY COLUMN v COMMENT 'waarde'")
    client.command("ALTER TABLE t DELETE WHERE k = 2 SETTINGS mutations_sync = 2")
    assert client.query("SELECT k, nieuw FROM t FINAL").result_rows == [(1, 3)]


def curl(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["curl", "-sS", "--max-time", "60", *arguments], capture_output=True, text=True, check=False)


def test_curl_asks_and_inserts(url: str, database: str, tmp_path: Path) -> None:
    assert curl(f"{url}/?query=SELECT+1+FORMAT+JSONCompact").stdout.startswith("{")
    assert curl(url, "-d", "SELECT 'a' FORMAT JSONEachRow").stdout == '{"\'a\'":"a"}\n'
    assert curl("-I", f"{url}/?query=SELECT+1").stdout.startswith("HTTP/1.1 200")
    assert "404" in curl("-D", "-", url, "-d", "SELECT x").stdout.splitlines()[0]
    assert curl("-X", "OPTIONS", "-o", os.devnull, "-w", "%{http_code}", url).stdout == "204"
    post(url, f"CREATE TABLE {database}.t (a UInt64) ENGINE = MergeTree ORDER BY a")
    rows = tmp_path / "rows.tsv"
    rows.write_text("".join(f"{number}\n" for number in range(500_000)))
    query = f"{url}/?query=INSERT+INTO+{database}.t+FORMAT+TSV"
    with_continue = curl("-H", "Expect: 100-continue", "--data-binary", f"@{rows}", query)
    assert (with_continue.returncode, with_continue.stdout) == (0, "")
    chunked = curl("-H", "Transfer-Encoding: chunked", "--data-binary", f"@{rows}", query)
    assert (chunked.returncode, chunked.stdout) == (0, "")
    assert post(url, f"SELECT count(), sum(a) FROM {database}.t") == f"1000000\t{2 * sum(range(500_000))}\n"


def test_a_stranger_is_refused(url: str) -> None:
    for answer in (
        httpx.post(url, content="SELECT 1", auth=("vreemdeling", "x")),
        httpx.post(url, content="SELECT 1", headers={"X-ClickHouse-User": "vreemdeling"}),
        httpx.post(url, content="SELECT 1", params={"user": "vreemdeling"}),
    ):
        assert (answer.status_code, answer.headers["X-ClickHouse-Exception-Code"]) == (403, "516")
