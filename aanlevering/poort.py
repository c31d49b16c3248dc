"""Connections to the door: how many at once, with or without TLS, and why one did not come about.

An accept loop of our own, since each connection takes the TLS context of its moment: revocations change daily, and a
server of asyncio or aiohttp keeps the one it began with.
"""

import asyncio
import contextlib
import logging
import socket
import ssl
from collections.abc import Callable

from aiohttp import web

from aanlevering.metrics import Metrics
from aanlevering.server import HTTP

LOGGER = logging.getLogger("aanlevering.poort")

HANDDRUK_S = 10.0
"""Seconds that a TLS handshake may take."""
_AFSLUITEN_S = 5.0
_PAUZE_S = 1.0
_WACHTRIJ = 1024

Kring = Callable[[], ssl.SSLContext | None]
"""The context for a connection that is made now; None for plain HTTP."""


class Poort:
    """Listens from `start` to `stop`; of those who come beyond `maximaal`, the kernel keeps the queue."""

    def __init__(self, server: web.Server, kring: Kring, maximaal: int, metrics: Metrics) -> None:
        """`server` is that of a runner of `maak_runner`, which is set up and outlives this."""
        self._server = server
        self._kring = kring
        self._plaatsen = asyncio.Semaphore(maximaal)
        self._metrics = metrics
        self._luisteraar: socket.socket | None = None
        self._aannemer: asyncio.Task[None] | None = None
        self._verbindingen: set[asyncio.Task[None]] = set()

    def start(self, host: str, poort: int) -> int:
        """Returns the port in use. Raises OSError."""
        familie, *_, adres = socket.getaddrinfo(host, poort, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        self._luisteraar = socket.create_server(adres[:2], family=familie, backlog=_WACHTRIJ)
        self._luisteraar.setblocking(False)
        self._aannemer = asyncio.create_task(self._neem_aan(self._luisteraar))
        return int(self._luisteraar.getsockname()[1])

    async def stop(self) -> None:
        """Takes no more connections; those that are open are the runner's to finish."""
        if self._aannemer is not None and self._luisteraar is not None:
            self._aannemer.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._aannemer
            self._luisteraar.close()

    async def _neem_aan(self, luisteraar: socket.socket) -> None:
        lus = asyncio.get_running_loop()
        while True:
            await self._plaatsen.acquire()
            try:
                verbinding, _ = await lus.sock_accept(luisteraar)
            except OSError as fout:  # no descriptors left, or the other side was gone before we were
                self._plaatsen.release()
                LOGGER.warning("no connection taken: %s", fout.strerror)
                await asyncio.sleep(_PAUZE_S)
                continue
            except asyncio.CancelledError:
                self._plaatsen.release()
                raise
            self._metrics.verbindingen.inc()
            taak = asyncio.create_task(self._bedien(verbinding))
            self._verbindingen.add(taak)
            taak.add_done_callback(self._klaar)

    def _klaar(self, taak: asyncio.Task[None]) -> None:
        self._verbindingen.discard(taak)
        self._metrics.verbindingen.dec()
        self._plaatsen.release()

    async def _bedien(self, socket_: socket.socket) -> None:
        """Returns when the connection is gone."""
        lus = asyncio.get_running_loop()
        kring = self._kring()
        tijden = {"ssl_handshake_timeout": HANDDRUK_S, "ssl_shutdown_timeout": _AFSLUITEN_S} if kring else {}
        try:
            _, verbinding = await lus.connect_accepted_socket(
                lambda: Verbinding(self._server), socket_, ssl=kring, **tijden
            )
        except (OSError, TimeoutError) as fout:
            self._metrics.handdrukken.inc()
            LOGGER.debug("no connection: %s", type(fout).__name__)
            socket_.close()
            return
        await verbinding.voorbij


class Verbinding(web.RequestHandler):
    """aiohttp's side of one connection, which says when it is over."""

    __slots__ = ("voorbij",)

    def __init__(self, server: web.Server) -> None:
        lus = asyncio.get_running_loop()
        super().__init__(server, loop=lus, **HTTP)
        self.voorbij = lus.create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Answers are sent whole before more is written: what nobody reads does not stay behind in memory."""
        super().connection_made(transport)
        if isinstance(transport, asyncio.WriteTransport):
            transport.set_write_buffer_limits(0)

    def connection_lost(self, exc: BaseException | None) -> None:
        """Also called when a handshake fails half way."""
        super().connection_lost(exc)
        if not self.voorbij.done():
            self.voorbij.set_result(None)
