"""The reference profile service: the SOAP interface of the real one, and an admin side that fills it.

The admin side (`/gebruikers`, `/aantal`, `/storing`) has no authentication: keep this server on loopback or a private
network. The real service is asked in production.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from aiohttp import web
from lxml import etree
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from pydantic import BaseModel, ValidationError

from profielservice.envelop import HOOGSTENS, MAP, WSDL, Vraag, VraagFout, lees_vraag, schrijf_antwoord, schrijf_fout
from profielservice.gebruikers import Gebruikers, Storing
from profielservice.opslag import Opslag

ADMIN_HOOGSTENS = 64 << 20
"""Bytes of citizens in one merge: some 700 000 of them. More go in several."""

_SOAP_ADRES = "{http://schemas.xmlsoap.org/wsdl/soap/}address"

Model = TypeVar("Model", bound=BaseModel)
Uitkomst = TypeVar("Uitkomst")


class Profielserver:
    """Answers questions from `opslag`, in which one thread reads and writes, one thing at a time."""

    def __init__(self, opslag: Opslag) -> None:
        self._opslag = opslag
        self._draad = ThreadPoolExecutor(max_workers=1, thread_name_prefix="opslag")
        self._storing = Storing()
        self._registry = CollectorRegistry()
        self._vragen = Counter(
            "profielservice_vragen", "Questions answered, by outcome", ["uitkomst"], registry=self._registry
        )
        self._klanten = Counter("profielservice_klanten", "Citizens asked about", registry=self._registry)
        self._bezig = Gauge("profielservice_bezig", "Questions being answered now", registry=self._registry)
        self._duur = Histogram("profielservice_duur_seconds", "Time to answer a question", registry=self._registry)

    def app(self) -> web.Application:
        """The web application; it closes the storage when it ends."""
        app = web.Application(client_max_size=ADMIN_HOOGSTENS)
        app.router.add_post("/", self.vraag)
        app.router.add_get("/", self.wsdl)
        app.router.add_get("/{schema:(?:validatie|validatie_types|shared_types)}.xsd", self.schema)
        app.router.add_put("/gebruikers", self.gebruikers)
        app.router.add_get("/aantal", self.aantal)
        app.router.add_put("/storing", self.storing)
        app.router.add_get("/healthz", self.healthz)
        app.router.add_get("/readyz", self.readyz)
        app.router.add_get("/metrics", self.metrics)
        app.on_cleanup.append(self._sluit)
        return app

    async def vraag(self, request: web.Request) -> web.StreamResponse:
        """A SOAP question."""
        storing = self._storing
        if storing.weg:
            return self._geteld("weg", web.Response(status=503, text="away\n"))
        with self._bezig.track_inprogress(), self._duur.time():
            await asyncio.sleep(storing.traag_s)
            try:
                antwoord = schrijf_antwoord(await self._antwoord(await _lees_vraag(request), storing))
            except VraagFout as fout:
                return self._geteld(fout.soort or "Client", _soap(schrijf_fout(fout), status=500))
        if storing.afbreken:
            return self._geteld("afgebroken", await _breek_af(request, antwoord))
        return self._geteld("antwoord", _soap(antwoord))

    async def _antwoord(self, vraag: Vraag, storing: Storing) -> dict[str, bool]:
        self._klanten.inc(len(vraag.bsns))
        if vraag.leverancier in storing.fout_bij_oin:
            raise VraagFout("DependentServiceFault", "A service that this one needs gives an error")
        if fout_bij := storing.fout_bij_bsn.intersection(vraag.bsns):
            raise VraagFout("ApplicationFault", f"Klant {min(fout_bij)} cannot be looked up")
        ontvangers = await self._opgeslagen(lambda: self._opslag.ontvangers(vraag.leverancier, vraag.bsns))
        return {bsn: bsn in ontvangers for bsn in vraag.bsns if bsn not in storing.laat_weg_bsn}

    async def wsdl(self, request: web.Request) -> web.Response:
        """`/?wsdl`: the interface, with the address at which it was asked for."""
        if "wsdl" not in {naam.lower() for naam in request.query}:
            raise web.HTTPNotFound
        wsdl = etree.fromstring(WSDL.read_bytes())
        for adres in wsdl.iter(_SOAP_ADRES):
            adres.set("location", f"{request.scheme}://{request.host}/")
        return _soap(etree.tostring(wsdl, xml_declaration=True, encoding="utf-8"))

    async def schema(self, request: web.Request) -> web.Response:
        """A schema that the WSDL imports."""
        return _soap((MAP / f"{request.match_info['schema']}.xsd").read_bytes())

    async def gebruikers(self, request: web.Request) -> web.Response:
        """Merge citizens; answers once they are durable."""
        gebruikers = _lees_json(Gebruikers, await request.read())
        telling = await self._opgeslagen(lambda: self._opslag.voeg_samen(gebruikers.gebruikers))
        return web.json_response(telling.model_dump())

    async def aantal(self, _request: web.Request) -> web.Response:
        """How many citizens have an active box."""
        return web.json_response({"aantal": await self._opgeslagen(self._opslag.aantal_actief)})

    async def storing(self, request: web.Request) -> web.Response:
        """Fail from now on as the body says; what it does not name works."""
        self._storing = _lees_json(Storing, await request.read())
        return web.json_response({})

    async def healthz(self, _request: web.Request) -> web.Response:
        """The process runs."""
        return web.Response(text="ok\n")

    async def readyz(self, _request: web.Request) -> web.Response:
        """The storage answers."""
        await self._opgeslagen(lambda: self._opslag.ontvangers("", ["000000000"]))
        return web.Response(text="ok\n")

    async def metrics(self, _request: web.Request) -> web.Response:
        """Counts for Prometheus."""
        return web.Response(body=generate_latest(self._registry), headers={"Content-Type": CONTENT_TYPE_LATEST})

    async def _opgeslagen(self, werk: Callable[[], Uitkomst]) -> Uitkomst:
        return await asyncio.get_running_loop().run_in_executor(self._draad, werk)

    def _geteld(self, uitkomst: str, antwoord: web.StreamResponse) -> web.StreamResponse:
        self._vragen.labels(uitkomst).inc()
        return antwoord

    async def _sluit(self, _app: web.Application) -> None:
        self._draad.shutdown()
        self._opslag.close()


async def _lees_vraag(request: web.Request) -> Vraag:
    inhoud = bytearray()
    try:
        async for stuk in request.content.iter_chunked(65536):
            inhoud += stuk
            if len(inhoud) > HOOGSTENS:
                raise VraagFout(None, f"The envelope has more than {HOOGSTENS} bytes")
    except web.RequestPayloadError:
        raise VraagFout(None, "The envelope cannot be read: broken off or wrongly encoded") from None
    return lees_vraag(bytes(inhoud))


def _lees_json(model: type[Model], inhoud: bytes) -> Model:
    try:
        return model.model_validate_json(inhoud)
    except ValidationError as fouten:
        # Only the places that are ours to name: a key or a value that someone sent may be a BSN.
        plaatsen = [
            {
                "fout": fout["type"],
                "plaats": [deel for deel in fout["loc"] if isinstance(deel, int) or deel == "gebruikers"],
            }
            for fout in fouten.errors(include_input=False, include_context=False, include_url=False)[:10]
        ]
    raise web.HTTPBadRequest(text=f"not as it should be: {plaatsen}\n")


def _soap(inhoud: bytes, status: int = 200) -> web.Response:
    return web.Response(body=inhoud, status=status, headers={"Content-Type": "text/xml; charset=utf-8"})


async def _breek_af(request: web.Request, antwoord: bytes) -> web.StreamResponse:
    half = web.StreamResponse(headers={"Content-Type": "text/xml; charset=utf-8", "Content-Length": str(len(antwoord))})
    await half.prepare(request)
    await half.write(antwoord[: len(antwoord) // 2])
    if request.transport:
        request.transport.abort()
    return half
