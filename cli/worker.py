"""`worker`: one process of the line. The Faust agents, the sink, the sweep for results, and what they share."""

import asyncio
import contextlib
import logging
import os
import signal
from collections.abc import Coroutine
from typing import Any

from aiokafka.errors import ProducerFenced

from agents import beslissen, splitsen
from agents.auditor import Auditor
from agents.beslisser import Beslisser, nu_ms
from agents.herkansing import Herkansing
from agents.notificeren import Notificeren
from agents.resultaten import Resultaten
from agents.splitsen import Splitser
from bijlagen.keuring import Keuring
from bijlagen.oordelen import Oordelen
from bijlagen.proces import Keurders
from profielservice.cache import CachendeProfielservice
from profielservice.client import Profielservice, SoapProfielservice
from sinks.database import maak_client
from sinks.migreer import controleer as controleer_tabellen
from sinks.notificatievragen import Notificatievragen
from sinks.objecten import Objecten
from sinks.schrijver import Schrijver
from sinks.sink import ONDERWERPEN, Sink
from sinks.vragen import Vragen
from streams import gezondheid, topics
from streams.app import maak_app
from streams.codec import maak_codec
from streams.dlq import Terzijde
from streams.producer import maak_producer
from streams.referentie import ReferentieVolger
from streams.settings import Instellingen
from streams.sleutels import lees_sleutels

log = logging.getLogger(__name__)

STOP_TIMEOUT_S = 15
"""What is not stopped by then is left: the log holds everything that counts."""


class Deel:
    """A part of a worker that must not end before the worker does."""

    def __init__(self, naam: str, werk: Coroutine[Any, Any, None]) -> None:
        self.naam = naam
        self.taak = asyncio.create_task(werk, name=naam)


async def draai(instellingen: Instellingen) -> int:
    """Runs until SIGTERM or SIGINT (returns 0), or until a part cannot go on (returns 1)."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signaal in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signaal, stop.set)

    loop.set_exception_handler(_zonder_omheining)
    wacht_op = "starting"
    async with contextlib.AsyncExitStack() as stapel:
        runner, poort = await gezondheid.start(instellingen.metrics_host, instellingen.metrics_poort, lambda: wacht_op)
        stapel.push_async_callback(runner.cleanup)
        codec = maak_codec(instellingen)
        sleutels = lees_sleutels(instellingen.sleutelbestand)
        topics.controleer(instellingen)
        topic_ids = topics.topic_ids(instellingen, ONDERWERPEN)
        notificatie_id = topics.topic_ids(instellingen, ["notificatie"])["notificatie"]
        database = maak_client(instellingen.clickhouse, instellingen.database)
        stapel.callback(database.close)
        controleer_tabellen(database, instellingen.database)
        vragen = Vragen(database)

        producer = maak_producer(instellingen)
        await producer.start()
        stapel.push_async_callback(producer.stop)
        profiel: Profielservice = SoapProfielservice(
            instellingen.profielservice,
            timeout_s=instellingen.profielservice_timeout_s,
            soap_action=instellingen.profielservice_soap_action,
            gelijktijdig=instellingen.profielservice_gelijktijdig,
        )
        if instellingen.profielservice_cache_s:
            profiel = CachendeProfielservice(profiel, geldig_s=instellingen.profielservice_cache_s)
        stapel.push_async_callback(profiel.close)
        gevallen: asyncio.Future[BaseException] = loop.create_future()

        def viel(fout: BaseException) -> None:
            if not gevallen.done():
                gevallen.set_result(fout)

        volger = ReferentieVolger(instellingen, codec, bij_fout=viel)
        await volger.start()
        stapel.push_async_callback(volger.stop)

        objecten = Objecten(instellingen.opslag_url, sleutels)
        keuring = Keuring(objecten, Oordelen(database), Keurders(instellingen.keurders))
        stapel.push_async_callback(keuring.stop)
        beslisser = Beslisser(
            instellingen, codec, volger, profiel, objecten, sleutels, vragen, topic_ids["validatie"], keuring=keuring
        )
        stapel.push_async_callback(beslisser.stop)
        app = maak_app(instellingen)
        splitsen.registreer(
            app, instellingen, Splitser(instellingen, codec, producer, Terzijde(instellingen, codec, producer))
        )
        beslissen.registreer(app, instellingen, beslisser, codec, Terzijde(instellingen, codec, producer))
        herkansing = Herkansing(instellingen, codec, beslisser, lambda: beslissen.toegewezen(app, instellingen))
        schrijver = Schrijver(database)
        sink = Sink(instellingen, codec, schrijver, vragen, topic_ids, Terzijde(instellingen, codec, producer))
        auditor = Auditor(instellingen, codec, vragen, producer, topic_ids["validatie"])
        resultaten = Resultaten(instellingen, codec, vragen, topic_ids["resultaat"], auditor)
        notificeren = Notificeren(
            instellingen, codec, Notificatievragen(database), schrijver, volger, notificatie_id, nu_ms
        )

        await app.start()
        stapel.push_async_callback(app.stop)
        delen = [
            Deel("Faust", app.wait_until_stopped()),
            Deel("sink", sink.loop()),
            Deel("what waits", herkansing.loop()),
            Deel("results", resultaten.loop()),
            Deel("notifications", notificeren.loop()),
        ]
        wacht_op = ""
        log.info("worker %d works; metrics on port %d", os.getpid(), poort)
        gestopt = asyncio.create_task(stop.wait())
        afloop: list[asyncio.Future[Any]] = [gestopt, gevallen, *(deel.taak for deel in delen)]
        await asyncio.wait(afloop, return_when=asyncio.FIRST_COMPLETED)
        wacht_op = "stopping"
        # Faust can hang while it stops; the process must not.
        loop.call_later(STOP_TIMEOUT_S, _verlaat)
        code = 0
        if not stop.is_set():
            code = 1
            _meld_val(gevallen, delen, app)
        for deel in delen:
            deel.taak.cancel()
        await asyncio.gather(*(deel.taak for deel in delen), return_exceptions=True)
    return code


def _zonder_omheining(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """A producer that was fenced leaves futures that nobody awaits: what it means is handled where it was used."""
    if not isinstance(context.get("exception"), ProducerFenced):
        loop.default_exception_handler(context)


def _verlaat() -> None:
    log.error("not stopped within %d s, leaving as it is", STOP_TIMEOUT_S)
    os._exit(1)


def _meld_val(gevallen: "asyncio.Future[BaseException]", delen: list[Deel], app: Any) -> None:
    if gevallen.done():
        log.error("the reference data cannot be followed, the worker ends: %r", gevallen.result())
    for deel in delen:
        if deel.taak.done():
            fout = deel.taak.exception() or getattr(app, "crash_reason", None)
            log.error("%s ended, the worker ends with it: %s", deel.naam, fout or "no reason given", exc_info=fout)


def main(instellingen: Instellingen) -> int:
    """Runs a worker in this process."""
    return asyncio.run(draai(instellingen))
