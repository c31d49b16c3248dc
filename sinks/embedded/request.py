"""A request read: the URL's parameters, the body piece by piece, and the question they make."""

import asyncio
from urllib.parse import parse_qsl

from aiohttp import BodyPartReader, web

from sinks.embedded.engine import HEAD_BYTES, STATEMENT_BYTES, External, Question
from sinks.embedded.errors import (
    BAD_ARGUMENTS,
    NOT_IMPLEMENTED,
    QUERY_IS_TOO_LARGE,
    SOCKET_TIMEOUT,
    ClickHouseError,
)

RECEIVE_SECONDS = 300.0
"""How long a client may take to give the next piece of a body."""

# What steers the transport; every other parameter of the URL is a setting for the engine.
_TRANSPORT = {
    "buffer_size",
    "client_protocol_version",
    "close_session",
    "compress",
    "database",
    "decompress",
    "default_format",
    "password",
    "query",
    "query_id",
    "quota_key",
    "role",
    "session_check",
    "session_id",
    "session_timeout",
    "stacktrace",
    "user",
    "wait_end_of_query",
}


class Body:
    """A request's body for the thread that asks the engine: the first bytes at hand, the rest fetched when needed."""

    def __init__(self, request: web.Request) -> None:
        self._content = request.content
        self._first = b""
        self._loop = asyncio.get_running_loop()

    async def begin(self) -> None:
        """Waits for the first bytes, without holding a place."""
        while len(self._first) < HEAD_BYTES and (piece := await self._next()):
            self._first += piece

    def receive(self) -> bytes:
        """The next piece; empty at the end. Raises SOCKET_TIMEOUT, or the transport's error when the client is gone."""
        if self._first:
            piece, self._first = self._first, b""
            return piece
        if self._content.at_eof():
            return b""
        return asyncio.run_coroutine_threadsafe(self._next(), self._loop).result()

    async def _next(self) -> bytes:
        try:
            async with asyncio.timeout(RECEIVE_SECONDS):
                return await self._content.readany()
        except TimeoutError:
            raise ClickHouseError(SOCKET_TIMEOUT, f"No data for {RECEIVE_SECONDS:.0f} s") from None


def url_values(request: web.Request) -> dict[str, str]:
    """The URL's parameters; bytes that are no UTF-8 survive as surrogates, for the statement may hold them."""
    pairs = parse_qsl(request.rel_url.raw_query_string, keep_blank_values=True, errors="surrogateescape")
    return dict(pairs)


def is_on(values: dict[str, str], name: str) -> bool:
    """Whether a yes-or-no parameter says yes."""
    return values.get(name, "0") in ("1", "true")


def number(value: str, name: str) -> float:
    """Raises BAD_ARGUMENTS where `value` is no number."""
    try:
        return float(value)
    except ValueError:
        raise ClickHouseError(BAD_ARGUMENTS, f"{name} must be a number") from None


async def form(request: web.Request) -> tuple[dict[str, str], dict[str, bytes]]:
    """The fields and files of a multipart body: parameters too long for a URL, and tables that go with a question."""
    fields: dict[str, str] = {}
    files: dict[str, bytes] = {}
    if request.content_type != "multipart/form-data":
        return fields, files
    size = 0
    try:
        reader = await request.multipart()
        while (part := await reader.next()) is not None:
            if not isinstance(part, BodyPartReader) or not part.name:
                raise ClickHouseError(BAD_ARGUMENTS, "Every part of the form needs a name, and no parts of its own")
            data = bytearray()
            while chunk := await part.read_chunk(HEAD_BYTES):
                data += chunk
                size += len(chunk)
                if size > STATEMENT_BYTES:
                    raise ClickHouseError(QUERY_IS_TOO_LARGE, f"The form is longer than {STATEMENT_BYTES} bytes")
            if part.filename is None:
                fields[part.name] = data.decode(errors="surrogateescape")
            else:
                files[part.name] = bytes(data)
    except ValueError as error:
        raise ClickHouseError(BAD_ARGUMENTS, f"The form cannot be read: {error}") from None
    return fields, files


def question_of(
    request: web.Request, query_id: str, values: dict[str, str], files: dict[str, bytes], earlier: tuple[bytes, ...]
) -> Question:
    """What the engine is asked. Raises NOT_IMPLEMENTED for ClickHouse's own framing, BAD_ARGUMENTS for odd bytes."""
    for asked in ("compress", "decompress"):
        if is_on(values, asked):
            other = "use Accept-Encoding and Content-Encoding"
            raise ClickHouseError(NOT_IMPLEMENTED, f"{asked}=1 (ClickHouse's own framing) is not supported; {other}")
    externals = [
        External(name, values.get(f"{name}_structure", ""), values.get(f"{name}_format", "TabSeparated"), data)
        for name, data in files.items()
    ]
    of_files = {f"{name}_{what}" for name in files for what in ("structure", "format", "types")}
    rest = {name: value for name, value in values.items() if name not in _TRANSPORT and name not in of_files}
    try:
        "".join(rest.values()).encode()
    except UnicodeEncodeError:
        raise ClickHouseError(BAD_ARGUMENTS, "Parameters and settings must be UTF-8") from None
    return Question(
        query_id=query_id,
        sql=values.get("query", "").encode(errors="surrogateescape"),
        settings={name: value for name, value in rest.items() if not name.startswith("param_")},
        parameters={name[6:]: value for name, value in rest.items() if name.startswith("param_")},
        externals=externals,
        earlier=earlier,
        database=values.get("database") or request.headers.get("X-ClickHouse-Database") or "",
        form=values.get("default_format") or request.headers.get("X-ClickHouse-Format") or "TabSeparated",
        reads_only=request.method != "POST",
    )
