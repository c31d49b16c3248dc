"""The door over HTTP. Refused: 4xx with `{"code", "reden", "batch_id"}`. Not now: 503 with `Retry-After`."""

import asyncio
import logging
import re
import time
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from types import MappingProxyType
from typing import Any
from uuid import UUID

from aiohttp import ClientError, HttpVersion11, web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from aanlevering.afzender import Afzender, volgens_kop
from aanlevering.deur import LOGGER, Deur, Grenzen, Later, Publiceer
from aanlevering.metrics import Metrics
from aanlevering.stroom import STUK_BYTES
from aanlevering.weigering import Geweigerd, Weigercode, weiger
from domain.batch import MAX_BATCH_BYTES
from sinks.database import DatabaseWeg
from sinks.objecten import Objecten
from sinks.vragen import Dubbelzinnig

__all__ = ["LATER_S", "maak_app", "maak_beheer", "maak_runner"]

LATER_S = 5
"""Seconds in Retry-After."""
_CONTROLE_S = 5
_VRAAG_S = 30
_ANTWOORD_S = 60
"""Seconds in which a sender must have read an answer."""
_GUID = re.compile(r"[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")

Resultaat = Callable[[UUID, str | None, UUID | None, str | None], Awaitable[bytes | None]]
"""BatchID, leverancier, proceskenmerk and who asks (None: anybody) to a BerichtVerwerkResponse; None while there is
none for him. Raises DatabaseWeg, and Dubbelzinnig."""
Controle = Callable[[], Awaitable[None]]
"""Raises when a part cannot be used now."""


def nu() -> int:
    """Milliseconds since 1970."""
    return time.time_ns() // 1_000_000


HTTP: Mapping[str, Any] = MappingProxyType(
    {
        "auto_decompress": False,
        "access_log": None,
        "logger": logging.getLogger("aanlevering.http"),
        "keepalive_timeout": 15.0,
        "lingering_time": 5.0,
    }
)
"""Of each connection: bodies are not unpacked (we do that, with bounds), nothing logs what could quote one, and who
sends no whole head within `keepalive_timeout` seconds is left."""


def maak_app(
    *,
    publiceer: Publiceer,
    objecten: Objecten,
    resultaat: Resultaat,
    controles: Mapping[str, Controle],
    grenzen: Grenzen | None = None,
    klok: Callable[[], int] = nu,
    metrics: Metrics | None = None,
    afzender: Afzender | None = None,
) -> web.Application:
    """The app; `controles` are asked by `/readyz`, by name; that of `kafka` by the door. Serve with `maak_runner`.

    With `afzender` it says who asks, and the pages for operators are not here but in `maak_beheer`; without, a header
    says who asks.
    """
    metrics = metrics or Metrics()
    deur = Deur(publiceer, controles.get("kafka"), objecten, grenzen or Grenzen(), klok, metrics)
    routes = _Routes(deur, resultaat, afzender or volgens_kop, metrics)

    async def sluit(_: web.Application) -> None:
        deur.sluit()

    async def ruim_op(_: web.Application) -> None:
        await asyncio.to_thread(deur.ruim_op)

    app = web.Application(middlewares=[_zonder_inhoud])
    app.on_shutdown.append(sluit)
    app.on_cleanup.append(ruim_op)
    app.add_routes(
        [
            web.post("/v1/batches", routes.lever_aan, expect_handler=routes.wil_ontvangen),
            web.get("/v1/batches/{batch_id}/resultaat", routes.resultaat),
        ]
    )
    if afzender is None:
        app.add_routes(_Beheer(controles, metrics).routes())
    return app


def maak_beheer(controles: Mapping[str, Controle], metrics: Metrics) -> web.Application:
    """The pages for operators alone, to be served where senders do not come."""
    app = web.Application(middlewares=[_zonder_inhoud])
    app.add_routes(_Beheer(controles, metrics).routes())
    return app


def maak_runner(app: web.Application, sluittijd_s: float = 60.0) -> web.AppRunner:
    """Serves an app as `HTTP` says."""
    logging.getLogger("aanlevering.http").addFilter(_zonder_tekst)
    return web.AppRunner(app, shutdown_timeout=sluittijd_s, handle_signals=False, **HTTP)


class _Routes:
    def __init__(self, deur: Deur, resultaat: Resultaat, afzender: Afzender, metrics: Metrics) -> None:
        self._deur = deur
        self._resultaat = resultaat
        self._afzender = afzender
        self._metrics = metrics

    async def wil_ontvangen(self, verzoek: web.Request) -> web.Response | None:
        """Answers `Expect: 100-continue`: what would be refused by its head alone is refused before the body comes."""
        try:
            self._lees_kop(verzoek)
            self._deur.controleer(verzoek.content_length or 0)
        except (Geweigerd, Later) as fout:
            return self._weiger(fout)
        if verzoek.version == HttpVersion11 and verzoek.headers["Expect"].lower() == "100-continue":
            await verzoek.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            verzoek.writer.output_size = 0
        return None

    async def lever_aan(self, verzoek: web.Request) -> web.Response:
        """`POST /v1/batches`."""
        try:
            gzip, aangeleverd_door = self._lees_kop(verzoek)
            self._deur.controleer(verzoek.content_length or 0)
            batch = await self._deur.neem_aan(_lichaam(verzoek), gzip=gzip, aangeleverd_door=aangeleverd_door)
        except (Geweigerd, Later) as fout:
            return self._weiger(fout)
        kader = batch.kader
        return web.json_response(
            {"batch_id": str(kader.batch_id), "proceskenmerk": str(kader.proceskenmerk)}, status=202
        )

    async def resultaat(self, verzoek: web.Request) -> web.Response:
        """`GET /v1/batches/{id}/resultaat`, narrowed by `?leverancier=` and `?proceskenmerk=`."""
        try:
            wie = self._afzender(verzoek)
        except (Geweigerd, Later) as fout:
            return self._weiger(fout)
        batch_id = verzoek.match_info["batch_id"]
        proceskenmerk = verzoek.query.get("proceskenmerk")
        if not _GUID.fullmatch(batch_id) or (proceskenmerk is not None and not _GUID.fullmatch(proceskenmerk)):
            return _fout(400, "GuidOnleesbaar", "De BatchID of het proceskenmerk is geen GUID: verbeter het adres.")
        kenmerk = UUID(proceskenmerk) if proceskenmerk else None
        try:
            async with asyncio.timeout(_VRAAG_S):
                xml = await self._resultaat(UUID(batch_id), verzoek.query.get("leverancier"), kenmerk, wie)
        except (DatabaseWeg, TimeoutError):
            return _later("Het resultaat is nu niet op te vragen: probeer het straks opnieuw.")
        except Dubbelzinnig:
            return _fout(409, "Dubbelzinnig", "Meer leveranciers gebruiken deze BatchID: geef ?leverancier= mee.")
        if xml is None:
            return _fout(404, "GeenResultaat", "Er is (nog) geen resultaat van deze batch.", UUID(batch_id))
        return web.Response(body=xml, content_type="application/xml")

    def _lees_kop(self, verzoek: web.Request) -> tuple[bool, str | None]:
        """Whether the body is gzip, and who delivers it. Raises Geweigerd, Later."""
        wie = self._afzender(verzoek)
        inpakwijze = ",".join(verzoek.headers.getall("Content-Encoding", [])).strip().lower()
        if inpakwijze not in ("", "identity", "gzip", "x-gzip"):
            raise weiger(Weigercode.INPAKWIJZE_ONBEKEND)
        if (verzoek.content_length or 0) > MAX_BATCH_BYTES:
            raise weiger(Weigercode.TE_GROOT)
        return inpakwijze.endswith("gzip"), wie

    def _weiger(self, fout: Geweigerd | Later) -> web.Response:
        if isinstance(fout, Later):
            self._metrics.later.labels(fout.oorzaak).inc()
            LOGGER.warning("later oorzaak=%s", fout.oorzaak)
            antwoord = _later(fout.reden)
            if fout.oorzaak == "certificaten":
                antwoord.force_close()
            return antwoord
        self._metrics.geweigerd.labels(fout.code).inc()
        LOGGER.info("geweigerd batch=%s code=%s status=%d", fout.batch_id, fout.code, fout.status)
        return _fout(fout.status, fout.code, fout.reden, fout.batch_id)


class _Beheer:
    def __init__(self, controles: Mapping[str, Controle], metrics: Metrics) -> None:
        self._controles = controles
        self._metrics = metrics

    def routes(self) -> list[web.RouteDef]:
        """Where these pages stand."""
        return [
            web.get("/healthz", self.healthz),
            web.get("/readyz", self.readyz),
            web.get("/metrics", self.metrics),
        ]

    async def healthz(self, _: web.Request) -> web.Response:
        """The process answers."""
        return web.json_response({"status": "ok"})

    async def readyz(self, _: web.Request) -> web.Response:
        """Whether a batch could be taken now, part by part."""
        namen = list(self._controles)
        uitkomsten = await asyncio.gather(*(_gaat(self._controles[naam]) for naam in namen))
        gereed = dict(zip(namen, uitkomsten, strict=True))
        return web.json_response(gereed, status=200 if all(uitkomsten) else 503)

    async def metrics(self, _: web.Request) -> web.Response:
        """Prometheus."""
        tekst = generate_latest(self._metrics.registry)
        return web.Response(body=tekst, headers={"Content-Type": CONTENT_TYPE_LATEST})


async def _lichaam(verzoek: web.Request) -> AsyncIterator[bytes]:
    try:
        async for stuk in verzoek.content.iter_chunked(STUK_BYTES):
            yield stuk
    except (web.RequestPayloadError, ClientError, ConnectionError):
        raise weiger(Weigercode.AFGEBROKEN) from None


async def _gaat(controle: Controle) -> bool:
    try:
        async with asyncio.timeout(_CONTROLE_S):
            await controle()
    except Exception as fout:
        LOGGER.warning("niet gereed: %s", type(fout).__name__)
        return False
    return True


def _fout(status: int, code: str, reden: str, batch_id: UUID | None = None) -> web.Response:
    return web.json_response(
        {"code": code, "reden": reden, "batch_id": str(batch_id) if batch_id else None}, status=status
    )


def _later(reden: str) -> web.Response:
    antwoord = _fout(503, "Later", reden)
    antwoord.headers["Retry-After"] = str(LATER_S)
    return antwoord


@web.middleware
async def _zonder_inhoud(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Errors as JSON; of an unforeseen one the log gets the place, never the text, since that may quote a message."""
    try:
        return await _verstuur(await handler(request), request)
    except web.HTTPException as fout:
        return _fout(fout.status, fout.reason, "Dit adres of deze methode kennen wij niet.")
    except Exception as fout:
        plaats = "".join(traceback.format_tb(fout.__traceback__))
        LOGGER.error("onvoorzien %s\n%s", type(fout).__name__, plaats)
        return _fout(500, "OnvoorzieneFout", "Er ging bij ons iets mis: lever de batch later opnieuw aan.")


async def _verstuur(antwoord: web.StreamResponse, verzoek: web.Request) -> web.StreamResponse:
    """Sends an answer; who does not read it loses his connection, and who is gone gets none."""
    try:
        async with asyncio.timeout(_ANTWOORD_S):
            await antwoord.prepare(verzoek)
            await antwoord.write_eof()
    except ConnectionError:
        LOGGER.debug("nobody there to answer")
    except TimeoutError:
        if verzoek.transport is not None:
            verzoek.transport.abort()
    return antwoord


def _zonder_tekst(regel: logging.LogRecord) -> bool:
    """Of errors in HTTP itself only the kind is logged: their texts quote what was sent."""
    if regel.exc_info:
        soort = regel.exc_info[0]
        regel.msg, regel.args = "HTTP: %s", (soort.__name__ if soort else "fout",)
        regel.exc_info = None
    return True
