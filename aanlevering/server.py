"""The door over HTTP. Refused: 4xx with `{"code", "reden", "batch_id"}`. Not now: 503 with `Retry-After`."""

import asyncio
import logging
import re
import time
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from uuid import UUID

from aiohttp import ClientError, web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from aanlevering.deur import LOGGER, Deur, Grenzen, Later, Publiceer
from aanlevering.metrics import Metrics
from aanlevering.stroom import STUK_BYTES
from aanlevering.weigering import Geweigerd, Weigercode, weiger
from domain.batch import MAX_BATCH_BYTES
from domain.oin import is_oin
from sinks.database import DatabaseWeg
from sinks.objecten import Objecten
from sinks.vragen import Dubbelzinnig

OIN_HEADER = "X-Leverancier-OIN"
LATER_S = 5
"""Seconds in Retry-After."""
_CONTROLE_S = 5
_VRAAG_S = 30
_GUID = re.compile(r"[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")

Resultaat = Callable[[UUID, str | None, UUID | None], Awaitable[bytes | None]]
"""BatchID, leverancier and proceskenmerk to a BerichtVerwerkResponse; None while there is none. Raises DatabaseWeg,
and Dubbelzinnig."""
Controle = Callable[[], Awaitable[None]]
"""Raises when a part cannot be used now."""


def nu() -> int:
    """Milliseconds since 1970."""
    return time.time_ns() // 1_000_000


def maak_app(
    *,
    publiceer: Publiceer,
    objecten: Objecten,
    resultaat: Resultaat,
    controles: Mapping[str, Controle],
    grenzen: Grenzen | None = None,
    klok: Callable[[], int] = nu,
) -> web.Application:
    """The app; `controles` are asked by `/readyz`, by name. Serve it with `maak_runner`."""
    metrics = Metrics()
    deur = Deur(publiceer, objecten, grenzen or Grenzen(), klok, metrics)
    routes = _Routes(deur, resultaat, controles, metrics)

    async def sluit(_: web.Application) -> None:
        deur.sluit()

    async def ruim_op(_: web.Application) -> None:
        await asyncio.to_thread(deur.ruim_op)

    app = web.Application(middlewares=[_zonder_inhoud])
    app.on_shutdown.append(sluit)
    app.on_cleanup.append(ruim_op)
    app.add_routes(
        [
            web.post("/v1/batches", routes.lever_aan),
            web.get("/v1/batches/{batch_id}/resultaat", routes.resultaat),
            web.get("/healthz", routes.healthz),
            web.get("/readyz", routes.readyz),
            web.get("/metrics", routes.metrics),
        ]
    )
    return app


def maak_runner(app: web.Application, sluittijd_s: float = 60.0) -> web.AppRunner:
    """Serves an app without unpacking bodies (we do that, with bounds) and without a log that could quote one."""
    logger = logging.getLogger("aanlevering.http")
    logger.addFilter(_zonder_tekst)
    return web.AppRunner(
        app, auto_decompress=False, access_log=None, logger=logger, shutdown_timeout=sluittijd_s, handle_signals=False
    )


class _Routes:
    def __init__(self, deur: Deur, resultaat: Resultaat, controles: Mapping[str, Controle], metrics: Metrics) -> None:
        self._deur = deur
        self._resultaat = resultaat
        self._controles = controles
        self._metrics = metrics

    async def lever_aan(self, verzoek: web.Request) -> web.Response:
        """`POST /v1/batches`."""
        try:
            gzip, aangeleverd_door = _lees_kop(verzoek)
            batch = await self._deur.neem_aan(_lichaam(verzoek), gzip=gzip, aangeleverd_door=aangeleverd_door)
        except Geweigerd as fout:
            self._metrics.geweigerd.labels(fout.code).inc()
            LOGGER.info("geweigerd batch=%s code=%s status=%d", fout.batch_id, fout.code, fout.status)
            return _fout(fout.status, fout.code, fout.reden, fout.batch_id)
        except Later as later:
            self._metrics.later.labels(later.oorzaak).inc()
            LOGGER.warning("later oorzaak=%s", later.oorzaak)
            return _later(later.reden)
        kader = batch.kader
        return web.json_response(
            {"batch_id": str(kader.batch_id), "proceskenmerk": str(kader.proceskenmerk)}, status=202
        )

    async def resultaat(self, verzoek: web.Request) -> web.Response:
        """`GET /v1/batches/{id}/resultaat`, narrowed by `?leverancier=` and `?proceskenmerk=`."""
        batch_id = verzoek.match_info["batch_id"]
        proceskenmerk = verzoek.query.get("proceskenmerk")
        if not _GUID.fullmatch(batch_id) or (proceskenmerk is not None and not _GUID.fullmatch(proceskenmerk)):
            return _fout(400, "GuidOnleesbaar", "De BatchID of het proceskenmerk is geen GUID: verbeter het adres.")
        kenmerk = UUID(proceskenmerk) if proceskenmerk else None
        try:
            async with asyncio.timeout(_VRAAG_S):
                xml = await self._resultaat(UUID(batch_id), verzoek.query.get("leverancier"), kenmerk)
        except (DatabaseWeg, TimeoutError):
            return _later("Het resultaat is nu niet op te vragen: probeer het straks opnieuw.")
        except Dubbelzinnig:
            return _fout(409, "Dubbelzinnig", "Meer leveranciers gebruiken deze BatchID: geef ?leverancier= mee.")
        if xml is None:
            return _fout(404, "GeenResultaat", "Er is (nog) geen resultaat van deze batch.", UUID(batch_id))
        return web.Response(body=xml, content_type="application/xml")

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


def _lees_kop(verzoek: web.Request) -> tuple[bool, str | None]:
    """Whether the body is gzip, and who delivers it (Domain: Who is who). Raises Geweigerd."""
    inpakwijze = ",".join(verzoek.headers.getall("Content-Encoding", [])).strip().lower()
    if inpakwijze not in ("", "identity", "gzip", "x-gzip"):
        raise weiger(Weigercode.INPAKWIJZE_ONBEKEND)
    oins = verzoek.headers.getall(OIN_HEADER, [])
    if len(oins) > 1 or not all(map(is_oin, oins)):
        raise weiger(Weigercode.OIN_ONLEESBAAR)
    if (verzoek.content_length or 0) > MAX_BATCH_BYTES:
        raise weiger(Weigercode.TE_GROOT)
    return inpakwijze.endswith("gzip"), oins[0] if oins else None


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
        return await handler(request)
    except web.HTTPException as fout:
        return _fout(fout.status, fout.reason, "Dit adres of deze methode kennen wij niet.")
    except Exception as fout:
        plaats = "".join(traceback.format_tb(fout.__traceback__))
        LOGGER.error("onvoorzien %s\n%s", type(fout).__name__, plaats)
        return _fout(500, "OnvoorzieneFout", "Er ging bij ons iets mis: lever de batch later opnieuw aan.")


def _zonder_tekst(regel: logging.LogRecord) -> bool:
    """Of errors in HTTP itself only the kind is logged: their texts quote what was sent."""
    if regel.exc_info:
        soort = regel.exc_info[0]
        regel.msg, regel.args = "HTTP: %s", (soort.__name__ if soort else "fout",)
        regel.exc_info = None
    return True
