"""`python -m aanlevering --poort P`: the door as a process, until SIGTERM or Ctrl-C."""

import argparse
import asyncio
import functools
import logging
import signal
import sys

from aiohttp import web

from aanlevering.deur import Grenzen
from aanlevering.resultaten import Resultaten
from aanlevering.server import maak_app, maak_runner
from aanlevering.uitgever import Uitgever
from sinks.objecten import Objecten
from streams.codec import maak_codec
from streams.producer import maak_producer
from streams.settings import Instellingen
from streams.sleutels import SleutelFout, lees_sleutels

SLUITTIJD_S = 15.0
"""Seconds that deliveries under way get to finish; who gets no 202 delivers again."""


async def draai(instellingen: Instellingen, host: str, poort: int) -> None:
    """Serves until a signal; then stops accepting, finishes what is under way, and flushes. Raises SleutelFout."""
    stop = asyncio.Event()
    for signaal in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(signaal, stop.set)
    codec = maak_codec(instellingen)
    uitgever = Uitgever(
        functools.partial(maak_producer, instellingen), instellingen.topic("batch"), codec.schrijf_batch
    )
    objecten = Objecten(instellingen.opslag_url, lees_sleutels(instellingen.sleutelbestand))
    app = maak_app(
        publiceer=uitgever.publiceer,
        objecten=objecten,
        resultaat=Resultaten(instellingen.clickhouse, instellingen.database).resultaat,
        controles={"kafka": uitgever.controleer, "opslag": objecten.controleer},
        grenzen=Grenzen(
            gelijktijdig=instellingen.aanlevering_gelijktijdig,
            wachtrij=instellingen.aanlevering_wachtrij,
            deadline_s=instellingen.aanlevering_deadline_s,
        ),
    )
    runner = maak_runner(app, SLUITTIJD_S)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, poort).start()
        logging.getLogger("aanlevering").info("open op http://%s:%d", host, runner.addresses[0][1])
        await stop.wait()
    finally:
        await runner.cleanup()
        await uitgever.stop()


def main() -> int:
    """Returns 0 after a signal, 1 when it cannot start."""
    opties = argparse.ArgumentParser(prog="python -m aanlevering", description="Takes GLOBE XML batches over HTTP.")
    opties.add_argument("--poort", type=int, default=8081, help="port to listen on (default: 8081)")
    opties.add_argument("--host", default="127.0.0.1", help="address to listen on (default: 127.0.0.1)")
    keuze = opties.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    try:
        asyncio.run(draai(Instellingen.laad(), keuze.host, keuze.poort))
    except (SleutelFout, OSError, ValueError) as fout:
        print(f"aanlevering cannot start: {fout}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
