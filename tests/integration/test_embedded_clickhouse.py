"""The embedded ClickHouse as a process: its folder, its bounds, its end."""

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from sinks.embedded.proces import EmbeddedClickHouse

pytestmark = pytest.mark.integration

ENDLESS = "SELECT sum(sipHash64(number)) FROM numbers(1000000000000) SETTINGS max_threads = 1"
TABLE = "CREATE TABLE IF NOT EXISTS t (n UInt64, vulling String) ENGINE = MergeTree ORDER BY n"


def ask(url: str, content: bytes | str, **parameters: str) -> httpx.Response:
    return httpx.post(url, params=parameters, content=content, timeout=60)


def post(url: str, content: bytes | str, **parameters: str) -> str:
    answer = ask(url, content, **parameters)
    assert answer.status_code == 200, answer.text
    return answer.text


def eventually(holds: Callable[[], Any]) -> None:
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def in_background(work: Callable[[], Any]) -> tuple[threading.Thread, list[Any]]:
    told: list[Any] = []

    def run() -> None:
        try:
            told.append(work())
        except httpx.HTTPError as error:
            told.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    return thread, told


def processes(url: str) -> int:
    return int(
        post(url, "SELECT count() FROM system.processes WHERE query LIKE '%sipHash64%' AND query NOT LIKE '%LIKE%'")
    )


def test_a_kill_loses_no_acknowledged_insert(tmp_path: Path) -> None:
    clickhouse = EmbeddedClickHouse(tmp_path)
    acknowledged: list[int] = []
    for _ in range(3):
        clickhouse.start()
        post(clickhouse.url, TABLE)
        start = len(acknowledged) + 1000
        told: list[int] = []

        def insert(url: str = clickhouse.url, start: int = start, told: list[int] = told) -> None:
            for number in range(start, start + 100_000):
                rows = b"".join(b"%d\t%s\n" % (number, b"x" * 500) for _ in range(50))
                post(url, rows, query="INSERT INTO t FORMAT TSV")
                told.append(number)

        writers = [in_background(insert) for _ in range(3)]
        eventually(lambda told=told: len(told) >= 60)
        clickhouse.kill()
        for writer, _ in writers:
            writer.join()
        acknowledged += told
    with clickhouse:
        rows = post(clickhouse.url, "SELECT n, count() FROM t GROUP BY n FORMAT TSV").split()
        stored = dict(zip(map(int, rows[::2]), map(int, rows[1::2]), strict=True))
        for number in set(acknowledged):
            assert stored[number] >= 50 * acknowledged.count(number)
            assert stored[number] % 50 == 0, "an insert is there whole or not at all"
        assert post(clickhouse.url, "CHECK TABLE t SETTINGS check_query_single_value_result = 1") == "1\n"


def test_what_was_there_is_there_after_a_restart(tmp_path: Path) -> None:
    clickhouse = EmbeddedClickHouse(tmp_path)
    with clickhouse:
        post(clickhouse.url, "CREATE DATABASE berichtenstroom")
        post(clickhouse.url, TABLE, database="berichtenstroom")
        post(clickhouse.url, "INSERT INTO t VALUES (1, 'a')", database="berichtenstroom")
        post(clickhouse.url, "CREATE VIEW oog AS SELECT n FROM t", database="berichtenstroom")
    clickhouse.start()
    assert post(clickhouse.url, "SELECT n FROM berichtenstroom.oog") == "1\n"
    assert clickhouse.stop() == 0


def test_inserts_are_flushed_unless_told_otherwise(tmp_path: Path) -> None:
    sql = "SELECT name, value FROM system.merge_tree_settings WHERE name LIKE 'fsync_%' ORDER BY name"
    with EmbeddedClickHouse(tmp_path / "veilig") as clickhouse:
        assert post(clickhouse.url, sql) == "fsync_after_insert\t1\nfsync_part_directory\t1\n"
    with EmbeddedClickHouse(tmp_path / "snel", None, "--no-fsync") as clickhouse:
        assert post(clickhouse.url, sql) == "fsync_after_insert\t0\nfsync_part_directory\t0\n"


def test_a_second_owner_is_refused_in_one_line(tmp_path: Path) -> None:
    with EmbeddedClickHouse(tmp_path) as clickhouse:
        command = [sys.executable, "-m", "sinks.embedded", "--data", str(tmp_path), "--poort", "0"]
        second = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
        assert second.returncode == 1
        assert second.stderr == f"{tmp_path} is in use: another process serves this folder\n"
        with pytest.raises(RuntimeError, match="is in use"):
            EmbeddedClickHouse(tmp_path).start()
        taken = [*command[:-3], str(tmp_path / "ander"), "--poort", str(clickhouse.poort)]
        third = subprocess.run(taken, capture_output=True, text=True, check=False, timeout=60)
        assert third.returncode == 1
        assert f"cannot listen on 127.0.0.1:{clickhouse.poort}" in third.stderr
        assert post(clickhouse.url, "SELECT 1") == "1\n"


def test_a_stop_lets_running_work_finish(tmp_path: Path) -> None:
    clickhouse = EmbeddedClickHouse(tmp_path)
    clickhouse.start()
    slow = "SELECT sum(sleepEachRow(0.1)), sum(sipHash64(number)) FROM numbers(20) SETTINGS max_block_size = 1"
    thread, told = in_background(lambda: ask(clickhouse.url, slow))
    eventually(lambda: processes(clickhouse.url) == 1)
    assert clickhouse.stop() == 0
    thread.join()
    assert told[0].status_code == 200, told[0].text


def test_a_stop_ends_work_that_does_not_end_by_itself(tmp_path: Path) -> None:
    clickhouse = EmbeddedClickHouse(tmp_path, None, "--drain", "0.5")
    clickhouse.start()
    thread, told = in_background(lambda: ask(clickhouse.url, ENDLESS, log_comment="van een ander"))
    eventually(lambda: processes(clickhouse.url) == 1)
    assert clickhouse.stop() == 0
    thread.join()
    assert told[0].headers["X-ClickHouse-Exception-Code"] == "394"


def test_more_queries_than_fit_wait_and_are_then_refused(tmp_path: Path) -> None:
    with EmbeddedClickHouse(tmp_path, None, "--queries", "2", "--wait", "0.5", "--drain", "0.5") as clickhouse:
        url = clickhouse.url
        first, _ = in_background(lambda: ask(url, ENDLESS, query_id="een"))
        eventually(lambda: processes(url) == 1)
        same = ask(url, "SELECT 1", query_id="een")
        assert same.headers["X-ClickHouse-Exception-Code"] == "216"
        second, _ = in_background(lambda: ask(url, ENDLESS))
        eventually(lambda: "clickhouse_embedded_running 2.0" in httpx.get(f"{url}/metrics").text)
        refused = ask(url, "SELECT 1")
        assert refused.headers["X-ClickHouse-Exception-Code"] == "202"
        assert refused.text.startswith("Code: 202. DB::Exception: Too many simultaneous queries. Maximum: 2")
        assert httpx.get(f"{url}/ping").text == "Ok.\n"
        assert httpx.get(f"{url}/readyz").status_code == 200
        clickhouse.stop()
        first.join()
        second.join()


def test_clients_that_leave_free_their_places(tmp_path: Path) -> None:
    with EmbeddedClickHouse(tmp_path, None, "--queries", "3") as clickhouse:
        url = clickhouse.url
        post(url, TABLE)

        def torn() -> Iterator[bytes]:
            yield b"1\tx\n" * 50_000
            raise ConnectionError

        cancel = {"cancel_http_readonly_queries_on_client_close": "1"}
        for _ in range(6):
            with httpx.stream("POST", url, content="SELECT number FROM numbers(100000000000)") as endless:
                next(endless.iter_raw())
            with pytest.raises(ConnectionError):
                httpx.post(url, params={"query": "INSERT INTO t FORMAT TSV"}, content=torn())
            with pytest.raises(httpx.ReadTimeout):
                httpx.post(url, params=cancel, content=ENDLESS, timeout=httpx.Timeout(60, read=0.3))
        eventually(lambda: "clickhouse_embedded_running 0.0" in httpx.get(f"{url}/metrics").text)
        assert post(url, "SELECT count() FROM t") == "0\n"
        assert 'code="210"' in httpx.get(f"{url}/metrics").text
    assert "Traceback" not in (tmp_path / "front.log").read_text()


def test_statements_and_memory_are_bounded(tmp_path: Path) -> None:
    with EmbeddedClickHouse(tmp_path, None, "--memory", "0.7") as clickhouse:
        url = clickhouse.url
        long = ask(url, "SELECT '" + "x" * 17_000_000 + "'", max_query_size="100000000")
        assert (long.headers["X-ClickHouse-Exception-Code"], long.status_code) == ("229", 413)
        large = ask(url, "SELECT repeat('x', 1000) FROM numbers(5000000) FORMAT JSON")
        assert large.headers["X-ClickHouse-Exception-Code"] == "241"
        with httpx.stream("POST", url, content="SELECT repeat('x', 1000) FROM numbers(800000) FORMAT TSV") as streamed:
            assert sum(map(len, streamed.iter_raw())) == 800_800_000


def test_a_password_is_asked_when_one_is_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BERICHTENSTROOM_CLICKHOUSE_PASSWORD", "geheim")
    with EmbeddedClickHouse(tmp_path) as clickhouse:
        url = clickhouse.url
        assert ask(url, "SELECT 1").status_code == 403
        assert httpx.post(url, content="SELECT 1", auth=("default", "fout")).status_code == 403
        for right in (
            httpx.post(url, content="SELECT 1", auth=("default", "geheim")),
            httpx.post(url, content="SELECT 1", headers={"X-ClickHouse-Key": "geheim"}),
            ask(url, "SELECT 1", user="default", password="geheim"),
        ):
            assert right.text == "1\n"


def test_odd_requests_are_refused_with_a_code(tmp_path: Path) -> None:
    with EmbeddedClickHouse(tmp_path) as clickhouse:
        url = clickhouse.url
        form = {"Content-Type": "multipart/form-data; boundary=x"}
        for answer in (
            ask(url, "SELECT 1", query_id="a\r\nX-Other: b"),
            ask(url, "SELECT 1", session_id="s", session_timeout="lang"),
            ask(url, "SELECT 1", compress="1"),
            ask(url, "SELECT 1", **{"max_threads = 1, max_block_size": "1"}),
            ask(url, "SELECT {x:UInt8}", **{"param_x = 1, max_block_size": "1"}),
            ask(url, "CREATE TEMPORARY TABLE t (a Int8)"),
            ask(url, ""),
            httpx.post(f"{url}/?query=SELECT+1&param_x=%ff"),
            httpx.post(url, content=b"no form", headers=form),
            httpx.post(url, content=b"--x\r\n\r\nno name\r\n--x--\r\n", headers=form),
            httpx.post(url, content="SELECT 1", headers={"Authorization": "Basic ???"}),
        ):
            assert answer.status_code >= 400
            assert answer.text.startswith(f"Code: {answer.headers['X-ClickHouse-Exception-Code']}. DB::Exception: ")
        assert httpx.post(f"{url}/?query=SELECT+hex('%ff')").text == "FF\n"
    assert "Traceback" not in (tmp_path / "front.log").read_text()


def test_a_web_page_from_elsewhere_is_refused(tmp_path: Path) -> None:
    with EmbeddedClickHouse(tmp_path) as clickhouse:
        for headers in (
            {"Origin": "https://elders.example"},
            {"Sec-Fetch-Site": "cross-site"},
            {"Host": "elders.example"},
        ):
            answer = httpx.post(clickhouse.url, content="SELECT 1", headers=headers)
            assert answer.status_code == 403
        own = httpx.post(clickhouse.url, content="SELECT 1", headers={"Origin": clickhouse.url})
        assert own.text == "1\n"


def test_no_statement_and_no_value_reaches_the_log(tmp_path: Path) -> None:
    with EmbeddedClickHouse(tmp_path) as clickhouse:
        ask(clickhouse.url, "SELECT toUInt8('geheime waarde')")
        ask(clickhouse.url, "SELECT {x:UInt8}", param_x="geheime waarde")
        post(clickhouse.url, TABLE)
        ask(clickhouse.url, "geheime waarde\n", query="INSERT INTO t FORMAT TSV")
    for path in tmp_path.rglob("*"):
        if path.is_file():
            assert b"geheime" not in path.read_bytes()
