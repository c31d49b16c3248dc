"""`/healthz`, `/readyz` and `/metrics` of a process."""

from collections.abc import Callable

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from streams.gereed import MAAR


async def start(
    host: str, poort: int, gereed: Callable[[], str], let_op: Callable[[], str] = lambda: ""
) -> tuple[web.AppRunner, int]:
    """Serves the three pages. Returns the port in use.

    `gereed` returns what is still waited for, empty when ready; `let_op` what a person must settle, which makes the
    process no less ready: stopping it, or not starting the next one, would not help.
    """

    async def healthz(_: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def readyz(_: web.Request) -> web.Response:
        if wacht_op := gereed():
            return web.Response(text=f"{wacht_op}\n", status=503)
        reden = let_op()
        return web.Response(text=f"{MAAR}{reden}\n" if reden else "ok\n")

    async def metrics(_: web.Request) -> web.Response:
        return web.Response(body=generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    app = web.Application()
    app.add_routes([web.get("/healthz", healthz), web.get("/readyz", readyz), web.get("/metrics", metrics)])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, host, poort)
    await site.start()
    return runner, runner.addresses[0][1]
