"""ClickHouse's HTTP interface in front of the engine."""

import asyncio
import base64
import binascii
import hmac
import logging
import time
import uuid
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from urllib.parse import urlsplit

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from sinks.embedded import codings, metrics
from sinks.embedded.engine import Engine, Progress
from sinks.embedded.errors import (
    ABORTED,
    AUTHENTICATION_FAILED,
    BAD_ARGUMENTS,
    NETWORK_ERROR,
    QUERY_WITH_SAME_ID_IS_ALREADY_RUNNING,
    TOO_MANY_SIMULTANEOUS_QUERIES,
    ClickHouseError,
)
from sinks.embedded.reply import Reply
from sinks.embedded.request import Body, form, is_on, number, question_of, url_values
from sinks.embedded.sessions import Sessions

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Limits:
    """`queries` run at the same time; one more waits up to `wait` seconds for a place, then is refused (202)."""

    queries: int = 16
    wait: float = 10.0


class Front:
    """The HTTP application over one engine."""

    def __init__(self, engine: Engine, limits: Limits, password: str = "") -> None:
        self.engine = engine
        self.stopping = False
        self._limits = limits
        self._password = password
        self._sessions = Sessions()
        self._places = asyncio.Semaphore(limits.queries)
        self._threads = ThreadPoolExecutor(limits.queries, thread_name_prefix="question")
        self._running: dict[str, asyncio.Future[None]] = {}

    def application(self) -> web.Application:
        """The routes; questions go to `/`, as with a server."""
        app = web.Application(middlewares=[_no_web_pages])
        for path in ("/", "/query"):
            app.router.add_get(path, self._ask)
            app.router.add_post(path, self._ask)
            app.router.add_options(path, _options)
        for path in ("/ping", "/replicas_status", "/healthz"):
            app.router.add_get(path, _alive)
        app.router.add_get("/readyz", self._readyz)
        app.router.add_get("/metrics", _metrics)
        return app

    async def drain(self, seconds: float) -> bool:
        """Takes no more questions, waits for the running ones, cancels them after `seconds`. Whether all ended."""
        self.stopping = True
        if self._running:
            await asyncio.wait(self._running.values(), timeout=seconds)
        if self._running:
            _log.warning("%d questions still ran after %s s and are cancelled", len(self._running), seconds)
            await asyncio.to_thread(self.engine.cancel_all)
            await asyncio.wait(self._running.values(), timeout=seconds)
        return not self._running

    async def _ask(self, request: web.Request) -> web.StreamResponse:
        started = time.monotonic()
        progress = Progress()
        code = NETWORK_ERROR  # the client's leaving, unless it turns out otherwise
        values = url_values(request)
        query_id = values.get("query_id") or str(uuid.uuid4())
        speakable = query_id.isascii() and query_id.isprintable()
        headers = {
            "X-ClickHouse-Query-Id": query_id if speakable else "",
            "X-ClickHouse-Timezone": self.engine.timezone,
            "X-ClickHouse-Server-Display-Name": "berichtenstroom",
        }
        wants = is_on(values, "enable_http_compression")
        coding = codings.accepted(request.headers.get("Accept-Encoding", "")) if wants else None
        reply = Reply(request, headers, progress, coding, is_on(values, "wait_end_of_query"))
        try:
            if not speakable:
                raise ClickHouseError(BAD_ARGUMENTS, "query_id must be printable ASCII")
            if request.method == "POST" or values.get("query"):
                self._authenticate(request, values)
                await self._answer(request, query_id, values, reply, progress)
                response = await reply.finish()
            else:
                response = web.Response(text="Ok.\n", headers=headers)
            code = 0
            return response
        except ClickHouseError as error:
            code = error.code
            return await reply.fail(error, self.engine.version)
        finally:
            verb = progress.statement.verb if progress.statement else "NONE"
            metrics.REQUESTS.labels(verb, code).inc()
            metrics.SECONDS.labels(verb).observe(time.monotonic() - started)
            metrics.WRITTEN_ROWS.inc(progress.written_rows)
            metrics.READ_ROWS.inc(progress.read_rows)

    async def _answer(
        self, request: web.Request, query_id: str, values: dict[str, str], reply: Reply, progress: Progress
    ) -> None:
        """Runs the question in a thread, in a place of its own; a client that leaves frees neither before its end."""
        fields, externals = await form(request)
        values = {**values, **fields}
        body = Body(request)
        if not externals and not fields:
            await body.begin()
        receive = codings.decoded(request.headers.get("Content-Encoding", "").strip().lower(), body.receive)
        session_id = values.get("session_id", "")
        earlier: tuple[bytes, ...] = ()
        if session_id:
            timeout = number(values.get("session_timeout", "60"), "session_timeout")
            earlier = self._sessions.recall(session_id, timeout, is_on(values, "session_check"))
        question = question_of(request, query_id, values, externals, earlier)

        if self.stopping:
            raise ClickHouseError(ABORTED, "The embedded ClickHouse is stopping")
        waiting = time.monotonic()
        try:
            async with asyncio.timeout(self._limits.wait):
                await self._places.acquire()
        except TimeoutError:
            most = f"Too many simultaneous queries. Maximum: {self._limits.queries}"
            raise ClickHouseError(TOO_MANY_SIMULTANEOUS_QUERIES, most) from None
        finally:
            metrics.WAITED.observe(time.monotonic() - waiting)
        if query_id in self._running or self.stopping:
            self._places.release()
            if self.stopping:
                raise ClickHouseError(ABORTED, "The embedded ClickHouse is stopping")
            same = f"Query with id = {query_id} is already running."
            raise ClickHouseError(QUERY_WITH_SAME_ID_IS_ALREADY_RUNNING, same)

        def run() -> None:
            self.engine.run(question, receive, reply.send, progress)
            if session_id and progress.statement and progress.statement.changes_session:
                self._sessions.remember(session_id, progress.statement.sql)

        work = asyncio.get_running_loop().run_in_executor(self._threads, run)
        self._running[query_id] = work
        metrics.RUNNING.inc()
        work.add_done_callback(lambda _: self._ended(query_id))
        try:
            await asyncio.shield(work)
        except asyncio.CancelledError:  # the client has gone
            reads = progress.statement is not None and progress.statement.reads
            if reads and is_on(values, "cancel_http_readonly_queries_on_client_close"):
                await asyncio.to_thread(self.engine.cancel, query_id)
            raise

    def _ended(self, query_id: str) -> None:
        work = self._running.pop(query_id)
        self._places.release()
        metrics.RUNNING.dec()
        if not work.cancelled() and isinstance(error := work.exception(), Exception):
            _log.debug("question %s ended with %s", query_id, type(error).__name__)

    def _authenticate(self, request: web.Request, values: dict[str, str]) -> None:
        """User `default`, and the password if one is set, from wherever ClickHouse's clients put them."""
        user, password = values.get("user", ""), values.get("password", "")
        if "X-ClickHouse-User" in request.headers or "X-ClickHouse-Key" in request.headers:
            user = request.headers.get("X-ClickHouse-User", user)
            password = request.headers.get("X-ClickHouse-Key", password)
        elif (header := request.headers.get("Authorization", "")).startswith("Basic "):
            try:
                user, _, password = base64.b64decode(header[6:], validate=True).decode().partition(":")
            except (binascii.Error, UnicodeDecodeError):
                raise ClickHouseError(AUTHENTICATION_FAILED, "The Authorization header cannot be read") from None
        user = user or "default"
        known = user == "default" and hmac.compare_digest(password.encode(errors="replace"), self._password.encode())
        if not known and (self._password or user != "default"):
            failed = f"{user!a}: Authentication failed: password is incorrect, or there is no user with such name."
            raise ClickHouseError(AUTHENTICATION_FAILED, failed)

    async def _readyz(self, request: web.Request) -> web.Response:
        if self.stopping:
            return web.Response(status=503, text="stopping\n")
        try:
            async with asyncio.timeout(5):
                await asyncio.to_thread(self.engine.ready)
        except (TimeoutError, ClickHouseError) as error:
            return web.Response(status=503, text=f"the engine does not answer: {error}\n")
        return web.Response(text="ready\n")


_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@web.middleware
async def _no_web_pages(request: web.Request, handler: _Handler) -> web.StreamResponse:
    """Refuses what a web page makes a browser on this machine ask, by origin or by a name made to point here."""
    origin, site = request.headers.get("Origin"), request.headers.get("Sec-Fetch-Site", "none")
    elsewhere = origin is not None and urlsplit(origin).netloc != request.host
    own = request.transport.get_extra_info("sockname")[0] if request.transport else ""
    rebound = _is_loopback(own) and not _is_loopback(request.url.host or "")
    if elsewhere or rebound or site not in ("none", "same-origin"):
        return web.Response(status=403, text="A page from elsewhere may not ask this database.\n")
    return await handler(request)


def _is_loopback(host: str) -> bool:
    return host in ("localhost", "::1") or host.startswith("127.")


async def _alive(request: web.Request) -> web.Response:
    return web.Response(text="Ok.\n")


async def _options(request: web.Request) -> web.Response:
    return web.Response(status=204, headers={"Allow": "GET, HEAD, POST, OPTIONS"})


async def _metrics(request: web.Request) -> web.Response:
    return web.Response(body=generate_latest(metrics.REGISTRY), headers={"Content-Type": CONTENT_TYPE_LATEST})
