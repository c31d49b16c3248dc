"""`python -m aanlevering --poort P`: the door as a process, until SIGTERM or Ctrl-C."""

import argparse
import asyncio
import contextlib
import functools
import ipaddress
import logging
import resource
import signal
import ssl
import sys

from aiohttp import web
from pydantic import ValidationError

from aanlevering.certificaten import Bestanden, Certificaten
from aanlevering.deur import Grenzen
from aanlevering.metrics import Metrics
from aanlevering.poort import Poort
from aanlevering.resultaten import Resultaten
from aanlevering.server import maak_app, maak_beheer, maak_runner
from aanlevering.spoel import Tempo
from aanlevering.uitgever import Uitgever
from sinks.database import verbind
from sinks.objecten import Objecten
from streams.codec import maak_codec
from streams.producer import maak_producer
from streams.settings import Instellingen, wat_is_er_mis
from streams.sleutels import SleutelFout, lees_sleutels
from streams.verbinding import VerbindingFout, aiokafka

LOGGER = logging.getLogger("aanlevering")

SLUITTIJD_S = 15.0
"""Seconds that deliveries under way get to finish; who gets no 202 delivers again."""
_BEURT_S = 0.02
"""Seconds that a thread goes on while others want to. Those that read never wait for anything: with Python's own 5 ms
they and the loop change places so often that it costs as much as a part of the reading."""
_BESTANDEN_VOOR_ONS = 200
"""Open files for Kafka, ClickHouse, the store and Python itself, beside those of connections."""


async def draai(instellingen: Instellingen, host: str, poort: int) -> None:
    """Serves until a signal; then stops accepting, finishes what is under way, and flushes.

    Raises SleutelFout, VerbindingFout, CertificaatFout, OSError.
    """
    stop = asyncio.Event()
    for signaal in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(signaal, stop.set)
    metrics = Metrics()
    bestanden = Bestanden.uit(instellingen)
    certificaten = None if bestanden is None else Certificaten(bestanden, metrics)
    aiokafka(instellingen)  # says at once what of it cannot be used
    codec = maak_codec(instellingen)
    uitgever = Uitgever(
        functools.partial(maak_producer, instellingen), instellingen.topic("batch"), codec.schrijf_batch
    )
    objecten = Objecten(instellingen.opslag_url, lees_sleutels(instellingen.sleutelbestand))
    controles = {"kafka": uitgever.controleer, "opslag": objecten.controleer}
    app = maak_app(
        publiceer=uitgever.publiceer,
        objecten=objecten,
        resultaat=Resultaten(functools.partial(verbind, instellingen)).resultaat,
        controles=controles,
        grenzen=_grenzen(instellingen),
        metrics=metrics,
        afzender=None if certificaten is None else certificaten.afzender,
    )
    async with contextlib.AsyncExitStack() as ruim_op:
        ruim_op.push_async_callback(uitgever.stop)
        runner = maak_runner(app, SLUITTIJD_S)
        await runner.setup()
        ruim_op.push_async_callback(runner.cleanup)
        if certificaten is not None:
            beheer = maak_runner(maak_beheer(controles, metrics))
            await beheer.setup()
            ruim_op.push_async_callback(beheer.cleanup)
            await web.TCPSite(beheer, instellingen.metrics_host, instellingen.aanlevering_metrics_poort).start()
            LOGGER.info("health and metrics on http://%s:%d", instellingen.metrics_host, beheer.addresses[0][1])
            ververser = asyncio.create_task(certificaten.houd_bij())
            ruim_op.callback(ververser.cancel)

        def kring() -> ssl.SSLContext | None:
            return None if certificaten is None else certificaten.kring

        deur = Poort(_server(runner), kring, _verbindingen(instellingen), metrics)
        ruim_op.push_async_callback(deur.stop)
        in_gebruik = deur.start(host, poort)
        LOGGER.info("open op %s://%s:%d", "http" if certificaten is None else "https", host, in_gebruik)
        if certificaten is None and not _is_loopback(host):
            LOGGER.warning("plain HTTP beyond this machine: whoever gets here can say that he is any sender")
        await stop.wait()


def _grenzen(instellingen: Instellingen) -> Grenzen:
    return Grenzen(
        gelijktijdig=instellingen.aanlevering_gelijktijdig,
        wachtrij=instellingen.aanlevering_wachtrij,
        deadline_s=instellingen.aanlevering_deadline_s,
        tempo=Tempo(min_bytes_s=instellingen.aanlevering_min_bytes_s),
        spoel_bytes=instellingen.aanlevering_spoel_bytes,
        geheugen_bytes=instellingen.aanlevering_geheugen_bytes,
    )


def _verbindingen(instellingen: Instellingen) -> int:
    """How many there may be: each takes a socket and maybe a file, and this process may open only so many."""
    _, hoogstens = resource.getrlimit(resource.RLIMIT_NOFILE)
    nodig = 2 * instellingen.aanlevering_verbindingen + _BESTANDEN_VOOR_ONS
    mogelijk = nodig if hoogstens == resource.RLIM_INFINITY else min(nodig, hoogstens)
    resource.setrlimit(resource.RLIMIT_NOFILE, (mogelijk, hoogstens))
    aantal = max(1, (mogelijk - _BESTANDEN_VOOR_ONS) // 2)
    if aantal < instellingen.aanlevering_verbindingen:
        LOGGER.warning("only %d connections at once: raise the limit of open files (ulimit -n)", aantal)
    return aantal


def _server(runner: web.AppRunner) -> web.Server:
    if runner.server is None:
        raise RuntimeError("a runner has its server once it is set up")
    return runner.server


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def main() -> int:
    """Returns 0 after a signal, 1 when it cannot start."""
    opties = argparse.ArgumentParser(prog="python -m aanlevering", description="Takes GLOBE XML batches over HTTP(S).")
    opties.add_argument("--poort", type=int, default=8081, help="port to listen on (default: 8081)")
    opties.add_argument("--host", default="127.0.0.1", help="address to listen on (default: 127.0.0.1)")
    keuze = opties.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    sys.setswitchinterval(_BEURT_S)
    try:
        asyncio.run(draai(Instellingen.laad(), keuze.host, keuze.poort))
    except ValidationError as fout:
        print(f"aanlevering cannot start: wrong setting: {wat_is_er_mis(fout)}", file=sys.stderr)
        return 1
    except (SleutelFout, VerbindingFout, OSError, ValueError) as fout:
        print(f"aanlevering cannot start: {fout}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
