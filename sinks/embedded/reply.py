"""The way back to the client: small results whole with their summary, large ones as a stream."""

import asyncio
import secrets
from collections.abc import Coroutine

from aiohttp import web

from sinks.embedded import codings
from sinks.embedded.engine import Progress
from sinks.embedded.errors import ClickHouseError

WHOLE_BYTES = 1024 * 1024
"""A result up to this size is sent whole, so that an error in it gets its own HTTP status."""
WAIT_END_BYTES = 64 * 1024 * 1024
"""The same where the client asks `wait_end_of_query=1`; what is larger is streamed all the same."""
SEND_SECONDS = 300.0
"""How long a client may take to take one piece."""

_CONTENT_TYPES = {
    "json": "application/json; charset=UTF-8",
    "xml": "application/xml; charset=UTF-8",
    "csv": "text/csv; charset=UTF-8",
    "tab": "text/tab-separated-values; charset=UTF-8",
    "tsv": "text/tab-separated-values; charset=UTF-8",
    "native": "application/octet-stream",
    "rowbinary": "application/octet-stream",
    "arrow": "application/octet-stream",
    "parquet": "application/octet-stream",
}


class Reply:
    """One answer. `send` is for the thread that asks the engine; the rest for the event loop, once that has ended."""

    def __init__(
        self, request: web.Request, headers: dict[str, str], progress: Progress, coding: str | None, wait_end: bool
    ) -> None:
        self._request = request
        self._headers = headers
        self._progress = progress
        self._coding = coding
        self._encoder = codings.encoder(coding) if coding else None
        self._limit = WAIT_END_BYTES if wait_end else WHOLE_BYTES
        self._held: list[bytes] = []
        self._size = 0
        self._loop = asyncio.get_running_loop()
        self._tag = secrets.token_hex(8)
        self._stream: web.StreamResponse | None = None

    def send(self, piece: bytes) -> None:
        """Takes a piece of the result. Blocks while the client is slow; raises OSError when it is gone."""
        packed = self._encoder.compress(piece) if self._encoder else piece
        if self._stream is not None:
            self._await(self._write(packed))
            return
        self._held.append(packed)
        self._size += len(packed)
        if self._size > self._limit:
            self._stream = web.StreamResponse(headers=self._all_headers())
            self._await(self._start())

    async def finish(self) -> web.StreamResponse:
        """The response, complete."""
        rest = self._encoder.flush() if self._encoder else b""
        if self._stream is None:
            return web.Response(body=b"".join([*self._held, rest]), headers=self._all_headers())
        if rest:
            await self._write(rest)
        await self._stream.write_eof()
        return self._stream

    async def fail(self, error: ClickHouseError, version: str) -> web.StreamResponse:
        """The error as the response; or, where a stream had started, at its end, which is then broken off.

        The form inside a stream is a server's: the message between two marks that hold the response's own tag.
        """
        message = f"{error.text} (version {version})\n"
        if self._stream is None:
            return web.Response(
                status=error.status,
                text=message,
                headers={**self._headers, "X-ClickHouse-Exception-Code": str(error.code)},
            )
        mark = "\r\n__exception__\r\n"
        block = f"{mark}{self._tag}\r\n{message}{len(message.encode())} {self._tag}{mark}".encode()
        if self._encoder:
            block = self._encoder.compress(block) + self._encoder.flush()
        await self._write(block)
        if self._request.transport is not None:
            self._request.transport.close()  # without a last chunk no client takes it for whole
        return self._stream

    def _all_headers(self) -> dict[str, str]:
        form = self._progress.form
        kind = next((kind for start, kind in _CONTENT_TYPES.items() if form.lower().startswith(start)), None)
        headers = {
            **self._headers,
            "Content-Type": kind or "text/plain; charset=UTF-8",
            "X-ClickHouse-Format": form,
            "X-ClickHouse-Summary": self._progress.summary(),
            "X-ClickHouse-Exception-Tag": self._tag,
        }
        if self._coding:
            headers["Content-Encoding"] = self._coding
        return headers

    async def _start(self) -> None:
        assert self._stream is not None  # noqa: S101  # for the type checker
        await self._stream.prepare(self._request)
        held, self._held = self._held, []
        await self._write(b"".join(held))

    async def _write(self, piece: bytes) -> None:
        assert self._stream is not None  # noqa: S101
        async with asyncio.timeout(SEND_SECONDS):
            await self._stream.write(piece)

    def _await(self, work: Coroutine[None, None, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result()
