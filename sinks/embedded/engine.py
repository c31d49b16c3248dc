"""chDB as a server needs it: one owner of the folder, and a connection of its own for every question."""

import fcntl
import json
import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any

import chdb

from sinks.embedded.errors import (
    BAD_ARGUMENTS,
    NOT_IMPLEMENTED,
    QUERY_IS_TOO_LARGE,
    UNKNOWN_SETTING,
    ClickHouseError,
)
from sinks.embedded.statement import (
    DATA_FILE,
    Statement,
    comes_in_pieces,
    insert_with_data,
    starts_insert,
    whole_statement,
)

HEAD_BYTES = 64 * 1024
"""An INSERT's own text, before its data, must fit in this."""
STATEMENT_BYTES = 16 * 1024 * 1024
"""Any other statement must fit in this (the engine's own max_query_size comes before it)."""
SLICE_BYTES = 1024 * 1024

_DEFAULTS = {"implicit_select": "0", "allow_introspection_functions": "0", "async_insert": "0"}
_PARSER_SETTINGS = ("max_query_size", "max_parser_depth", "max_parser_backtracks")
_NAME = re.compile(r"[A-Za-z_]\w*", re.ASCII)
_CONFIG = """<clickhouse>
  <max_server_memory_usage>{memory}</max_server_memory_usage>
  <max_server_memory_usage_to_ram_ratio>0.5</max_server_memory_usage_to_ram_ratio>
  <merge_tree><fsync_after_insert>{fsync}</fsync_after_insert><fsync_part_directory>{fsync}</fsync_part_directory></merge_tree>
</clickhouse>
"""


class EngineError(Exception):
    """The folder cannot be opened: one line that says why."""


@dataclass(frozen=True)
class External:
    """A table that goes with one question: rows in `form`, columns as in CREATE TABLE."""

    name: str
    structure: str
    form: str
    data: bytes


@dataclass(frozen=True)
class Question:
    """One request, without its body: the statement starts in `sql` and goes on in the body."""

    query_id: str
    sql: bytes = b""
    settings: dict[str, str] = field(default_factory=dict)
    parameters: dict[str, str] = field(default_factory=dict)
    externals: Sequence[External] = ()
    earlier: Sequence[bytes] = ()
    """What the session did before: its SET and USE statements."""
    database: str = ""
    form: str = "TabSeparated"
    """The format of a result whose statement names none."""
    reads_only: bool = False


@dataclass
class Progress:
    """What a question has done until now; the names are those of the X-ClickHouse-Summary header."""

    form: str = ""
    statement: Statement | None = None
    read_rows: int = 0
    read_bytes: int = 0
    written_rows: int = 0
    written_bytes: int = 0
    result_rows: int = 0
    result_bytes: int = 0
    started: float = field(default_factory=time.monotonic)

    def summary(self) -> str:
        """The header's value: one JSON object, numbers as text."""
        counts = {name: str(value) for name, value in vars(self).items() if name.endswith(("_rows", "_bytes"))}
        counts["total_rows_to_read"] = counts["read_rows"]
        return json.dumps({**counts, "elapsed_ns": str(int((time.monotonic() - self.started) * 1e9))})

    def count(self, result: Any) -> None:
        """Adds what one chDB result, or one piece of it, says."""
        self.read_rows += result.storage_rows_read()
        self.read_bytes += result.storage_bytes_read()
        self.result_rows += result.rows_read()
        self.result_bytes += result.bytes_read()
        self.written_rows += getattr(result, "rows_written", int)()
        self.written_bytes += getattr(result, "bytes_written", int)()


class Engine:
    """The engine on one folder. Its methods block and may be called from any thread, also at the same time.

    `memory` bounds all questions together, in bytes (0: half of the machine's), results made whole included; past
    it they fail with code 241. Raises EngineError when another process has the folder or it cannot be opened.
    """

    def __init__(self, data: Path, fsync: bool = True, memory: int = 0) -> None:
        if "?" in str(data):
            raise EngineError(f"{data}: the engine takes no folder with a question mark in its name")
        data.mkdir(parents=True, exist_ok=True)
        self._data = data
        self._lock = (data / "front.lock").open("w")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise EngineError(f"{data} is in use: another process serves this folder") from None
        config = data / "front.xml"
        config.write_text(_CONFIG.format(fsync=int(fsync), memory=memory))
        self._address = f"{data.resolve()}?config-file={config.resolve()}"
        try:
            self._anchor = chdb.connect(self._address)  # type: ignore[no-untyped-call]  # keeps the engine open
            row = self._anchor.query("SELECT version(), timezone()", "TabSeparated").bytes().decode()
        except RuntimeError as error:
            raise EngineError(f"{data}: {error}") from None
        self.version, self.timezone = row.rstrip("\n").split("\t")
        self._render_cached = lru_cache(maxsize=2000)(self._render)

    def close(self) -> None:
        """Closes the folder in order. No question may be running."""
        self._anchor.close()
        self._lock.close()

    def run(
        self, question: Question, receive: Callable[[], bytes], send: Callable[[bytes], None], progress: Progress
    ) -> None:
        """Answers one question. `receive` gives the body's next piece (empty: its end), `send` takes the result's.

        `progress` is filled before the first `send`. Raises ClickHouseError, and what those two raise.
        """
        with _told_as_clickhouse(), self._connected() as connection:
            settings = dict(question.settings)
            readonly = settings.pop("readonly", "0")
            defaults = {**_DEFAULTS, "log_comment": question.query_id}
            if question.earlier:
                _set(connection, defaults)
                for sql in question.earlier:
                    connection.query(sql)
                defaults = {}
            _set(connection, {**defaults, **settings})
            if question.database:
                connection.query(f"USE {_identifier(question.database)}")
            for external in question.externals:
                self._load(connection, external)
            statement = self._read(question, receive)
            progress.statement, progress.form = statement, statement.format or question.form
            in_pieces = statement.in_pieces and comes_in_pieces(progress.form) and "extremes" not in settings
            if question.reads_only and readonly == "0":
                readonly = "2"  # may still set, but changes nothing
            if readonly != "0":
                _set(connection, {"readonly": readonly})  # last: with 1 nothing can be set after it
            if statement.data is not None:
                self._insert(connection, question, statement, receive, progress)
            elif in_pieces:
                with connection.send_query(statement.sql, progress.form, params=question.parameters) as stream:
                    for block in stream:
                        progress.count(block)
                        send(block.bytes())
            else:
                result = connection.query(statement.sql, progress.form, params=question.parameters)
                progress.count(result)
                whole = result.get_memview().view()
                for start in range(0, len(whole), SLICE_BYTES):
                    send(bytes(whole[start : start + SLICE_BYTES]))

    def cancel(self, query_id: str) -> None:
        """Asks the engine to stop this question and returns at once. One that set its own log_comment is not found."""
        mine = "SELECT query_id FROM system.processes WHERE Settings['log_comment'] = {ours:String}"
        with _told_as_clickhouse(), self._connected() as connection:
            connection.query(f"KILL QUERY WHERE query_id IN ({mine}) ASYNC", params={"ours": _escaped(query_id)})

    def cancel_all(self) -> None:
        """Asks the engine to stop everything and returns at once."""
        with _told_as_clickhouse(), self._connected() as connection:
            connection.query("KILL QUERY WHERE query_id != queryID() ASYNC")

    def ready(self) -> None:
        """Returns when the engine answers; raises ClickHouseError when it does not."""
        with _told_as_clickhouse(), self._connected() as connection:
            connection.query("SELECT 1")

    def _insert(
        self,
        connection: Any,
        question: Question,
        statement: Statement,
        receive: Callable[[], bytes],
        progress: Progress,
    ) -> None:
        """From a file: chDB's streaming insert takes a table's refusal (too many parts, say) for success."""
        with TemporaryFile(dir=self._data) as file:
            piece = statement.data or receive()
            while piece:
                file.write(piece)
                piece = receive()
            result = connection.query(_reads_from(statement.sql, file), params=question.parameters)
        progress.read_rows = progress.written_rows = result.rows_read()
        progress.read_bytes = progress.written_bytes = result.bytes_read()

    def _load(self, connection: Any, external: External) -> None:
        if not external.structure:
            missing = f"External table {external.name!r} needs its {external.name}_structure"
            raise ClickHouseError(BAD_ARGUMENTS, missing)
        table = _identifier(external.name)
        connection.query(f"CREATE TEMPORARY TABLE {table} ({external.structure})")
        into = f"INSERT INTO {table} FROM INFILE '{DATA_FILE}' COMPRESSION 'none' FORMAT {_identifier(external.form)}"
        with TemporaryFile(dir=self._data) as file:
            file.write(external.data)
            connection.query(_reads_from(into.encode(), file))

    def _connected(self) -> "closing[Any]":
        return closing(chdb.connect(self._address))  # type: ignore[no-untyped-call]

    def _read(self, question: Question, receive: Callable[[], bytes]) -> Statement:
        """The question's statement: its head if it is an INSERT with data, else all of it."""
        body, piece = b"", b""
        while len(body) < HEAD_BYTES and (piece := receive()):
            body += piece
        text = b"\n".join(part for part in (question.sql, body) if part)
        parser = tuple((name, question.settings[name]) for name in _PARSER_SETTINGS if name in question.settings)

        def render(sql: bytes) -> str:
            if len(sql) > HEAD_BYTES:
                return self._render(sql, parser)
            return self._render_cached(sql, parser)

        if starts_insert(text):
            insert = insert_with_data(text, render)
            if insert is not None:
                return insert
        pieces = [text]
        size = len(text)
        while piece and (piece := receive()):
            pieces.append(piece)
            size += len(piece)
            if size > STATEMENT_BYTES:
                raise ClickHouseError(QUERY_IS_TOO_LARGE, f"The statement is longer than {STATEMENT_BYTES} bytes")
        statement = whole_statement(b"".join(pieces), render)
        if statement.makes_temporary:
            raise ClickHouseError(NOT_IMPLEMENTED, "The embedded ClickHouse keeps no temporary tables between requests")
        return statement

    def _render(self, sql: bytes, parser: tuple[tuple[str, str], ...]) -> str:
        """The engine's reading of a statement. Bytes that are no UTF-8 stand in literals, which don't matter here."""
        with _told_as_clickhouse(), self._connected() as connection:
            _set(connection, {"implicit_select": "0", **dict(parser)})
            try:
                rendered = connection.query(
                    "SELECT formatQuerySingleLine({sql:String})",
                    "RawBLOB",
                    params={"sql": _escaped(sql.decode(errors="replace"))},
                )
            except (RuntimeError, UnicodeDecodeError) as error:
                raise _about_the_statement(error) from None
            text: str = rendered.bytes().decode()
            return text


def _about_the_statement(error: Exception) -> ClickHouseError:
    """The parser's error without our own question around the client's statement."""
    told = ClickHouseError.from_engine(error)
    ours = told.text.find(": In scope SELECT formatQuerySingleLine(")
    name = told.text[told.text.rfind(" (") :] if ours >= 0 else ""
    return ClickHouseError(told.code, told.text[:ours] + name) if ours >= 0 else told


@contextmanager
def _told_as_clickhouse() -> Iterator[None]:
    try:
        yield
    except (RuntimeError, UnicodeDecodeError) as error:  # chDB's own ChdbError is a RuntimeError
        raise ClickHouseError.from_engine(error) from None


def _set(connection: Any, settings: dict[str, str]) -> None:
    if not settings:
        return
    for name in settings:
        if not _NAME.fullmatch(name):
            raise ClickHouseError(UNKNOWN_SETTING, f"Unknown setting {name!r}")
    connection.query("SET " + ", ".join(f"{name} = {_literal(value)}" for name, value in settings.items()))


def _reads_from(sql: bytes, file: IO[bytes]) -> bytes:
    """The INSERT with the file in its place, by descriptor: a name could have wildcards in it."""
    file.seek(0)  # writes what is buffered, too
    return sql.replace(DATA_FILE.encode(), f"/dev/fd/{file.fileno()}".encode(), 1)


def _escaped(value: str) -> str:
    """A parameter's value as the engine takes it."""
    value = value.replace("\\", "\\\\").replace("\n", "\\n").replace("\t", "\\t")
    return value.replace("\r", "\\r").replace("\0", "\\0")


def _literal(value: str) -> str:
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'").replace("\0", "\\0") + "'"


def _identifier(name: str) -> str:
    return "`" + name.replace("\\", "\\\\").replace("`", "\\`") + "`"
