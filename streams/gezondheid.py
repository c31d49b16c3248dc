"""`/healthz`, `/readyz` and `/metrics` of a process."""

from collections.abc import Callable

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest


async def start(host: str, poort: int, gereed: Callable[[], str]) -> tuple[web.AppRunner, int]:
    """Serves the three pages; `gereed` returns what is still waited for, empty when ready. Returns the port in use."""

    async def healthz(_: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def readyz(_: web.Request) -> web.Response:
        wacht_op = gereed()
        return web.Response(text=f"{wacht_op or 'ok'}\n", status=503 if wacht_op else 200)

    async def metrics(_: web.Request) -> web.Response:
        return web.Response(body=generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    app = web.Application()
    app.add_routes([web.get("/healthz", healthz), web.get("/readyz", readyz), web.get("/metrics", metrics)])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, host, poort)
    await site.start()
    return runner, runner.addresses[0][1]
