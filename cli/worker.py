"""`worker`: one process of the line. The Faust agents, the sink, the sweep for results, and what they share."""

import asyncio
import contextlib
import ctypes
import faulthandler
import gc
import logging
import os
import time
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import faust
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
from cli.stoppen import bij_signaal
from profielservice.cache import CachendeProfielservice
from profielservice.client import Profielservice, SoapProfielservice
from sinks.database import verbind
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
from streams.uitloop import Uitloop
from streams.verbinding import tls_context
from streams.waakhond import Achterstand, Waakhond

log = logging.getLogger(__name__)

_M_ARENA_MAX = -8
"""The number of that option in glibc's malloc.h."""
_AFVAL = (10_000, 10, 10)
"""When Python looks for cycles, as `gc.set_threshold` has it: slices are lists by the thousand, and hold none."""


def _spaar_geheugen() -> None:
    """Lets all threads share one pool of memory, where the C library is glibc: with a pool for each, what one gives
    back another cannot use, and slices go through many."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 1)


class Deel:
    """A part of a worker that must not end before the worker does."""

    def __init__(self, naam: str, werk: Coroutine[Any, Any, None], rond_af: Callable[[], None]) -> None:
        """`rond_af` lets the work end by itself, when what it took is finished."""
        self.naam = naam
        self.rond_af = rond_af
        self.taak = asyncio.create_task(werk, name=naam)


async def draai(instellingen: Instellingen) -> int:
    """Runs until SIGTERM or SIGINT (returns 0), or until a part cannot go on (returns 1)."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    bij_signaal(stop, instellingen.stop_s)
    loop.set_exception_handler(_zonder_omheining)
    wacht_op = "starting"
    waakhond: Waakhond | None = None
    volger: ReferentieVolger | None = None

    def waarop() -> str:
        return wacht_op or (f"no sign of {waakhond.verdacht}" if waakhond is not None and waakhond.verdacht else "")

    async with contextlib.AsyncExitStack() as stapel:
        runner, poort = await gezondheid.start(
            instellingen.metrics_host,
            instellingen.metrics_poort,
            waarop,
            lambda: volger.duisternis if volger is not None else "",
        )
        stapel.push_async_callback(runner.cleanup)
        codec = maak_codec(instellingen)
        sleutels = lees_sleutels(instellingen.sleutelbestand)
        _ = sleutels.logboek  # a file without that ring is told at once
        topics.controleer(instellingen)
        topic_ids = topics.topic_ids(instellingen, ONDERWERPEN)
        notificatie_id = topics.topic_ids(instellingen, ["notificatie"])["notificatie"]
        database = verbind(instellingen)
        stapel.callback(database.close)
        controleer_tabellen(database, instellingen.database)
        # Questions are small and many: one without an answer may not hold up the others. An insert may take its time.
        vraagbaak = verbind(instellingen, send_receive_timeout=instellingen.clickhouse_wacht_s)
        stapel.callback(vraagbaak.close)
        vragen = Vragen(vraagbaak)

        producer = maak_producer(instellingen)
        await producer.start()
        stapel.push_async_callback(producer.stop)
        profiel: Profielservice = SoapProfielservice(
            instellingen.profielservice,
            timeout_s=instellingen.profielservice_timeout_s,
            soap_action=instellingen.profielservice_soap_action,
            gelijktijdig=instellingen.profielservice_gelijktijdig,
            tls=tls_context("profielservice", instellingen),
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
            instellingen,
            codec,
            volger,
            profiel,
            objecten,
            sleutels,
            vragen,
            topic_ids["validatie"],
            keuring=keuring,
            terzijde=Terzijde(instellingen, codec, producer),
        )
        stapel.push_async_callback(beslisser.stop)
        app, uitloop = maak_app(instellingen), Uitloop()
        splitser = Splitser(instellingen, codec, producer, Terzijde(instellingen, codec, producer))
        splitsen.registreer(app, instellingen, splitser, uitloop)
        beslissen.registreer(app, instellingen, beslisser, codec, Terzijde(instellingen, codec, producer), uitloop)
        herkansing = Herkansing(instellingen, codec, beslisser, lambda: beslissen.toegewezen(app, instellingen))
        schrijver = Schrijver(database)
        sink = Sink(instellingen, codec, schrijver, vragen, topic_ids, Terzijde(instellingen, codec, producer))
        auditor = Auditor(instellingen, codec, vragen, producer, topic_ids["validatie"])
        resultaten = Resultaten(instellingen, codec, vragen, topic_ids["resultaat"], auditor)
        notificeren = Notificeren(
            instellingen,
            codec,
            Notificatievragen(database),
            schrijver,
            volger,
            notificatie_id,
            nu_ms,
            Terzijde(instellingen, codec, producer),
        )

        gc.collect()
        gc.freeze()  # what is there now stays: no need to look at it again and again
        gc.set_threshold(*_AFVAL)
        await app.start()
        stapel.push_async_callback(app.stop)
        naar_clickhouse = Deel("sink", sink.loop(), sink.rond_af)
        wat_wacht = Deel("what waits", herkansing.loop(), herkansing.rond_af)
        delen = [
            Deel("Faust", app.wait_until_stopped(), lambda: None),
            naar_clickhouse,
            wat_wacht,
            Deel("results", resultaten.loop(), resultaten.rond_af),
            Deel("notifications", notificeren.loop(), notificeren.rond_af),
        ]
        waakhond = _waakhond(instellingen, app, volger)
        if instellingen.vastgelopen_s:
            consumer: Any = app.consumer
            lussen = [loop, consumer._thread.thread_loop]
            waakt = asyncio.create_task(waakhond.waak(instellingen.vastgelopen_s, lussen), name="waakhond")
            stapel.callback(waakt.cancel)

        async def meld_gereed() -> None:
            nonlocal wacht_op
            wacht_op = "joining the others"
            await _tot_lid(app, herkansing, volger)
            wacht_op = ""
            log.info("worker %d works; metrics on port %d", os.getpid(), poort)

        gereed = asyncio.create_task(meld_gereed())
        gestopt = asyncio.create_task(stop.wait())
        afloop: list[asyncio.Future[Any]] = [gestopt, gevallen, *(deel.taak for deel in delen)]
        await asyncio.wait(afloop, return_when=asyncio.FIRST_COMPLETED)
        gereed.cancel()
        wacht_op = "stopping"
        begin = time.monotonic()
        if stop.is_set():
            log.info("stopping: what was taken is finished, which may take %.0f s", instellingen.stop_s)
            code = await _rond_af(app, uitloop, delen, wat_wacht, naar_clickhouse)
        else:
            code = 1
            # Faust can hang while it stops; the process must not.
            faulthandler.dump_traceback_later(instellingen.stop_s, exit=True)
            _meld_val(gevallen, delen, app)
            for deel in delen:
                deel.taak.cancel()
            await asyncio.gather(*(deel.taak for deel in delen), return_exceptions=True)
    log.info("stopped in %.1f s, all groups are left", time.monotonic() - begin)
    return code


async def _rond_af(app: faust.App, uitloop: Uitloop, delen: Sequence[Deel], wat_wacht: Deel, sink: Deel) -> int:
    """Every part finishes what it took, and leaves its group at once. Returns 1 when one of them could not."""
    for deel in delen:
        if deel is not sink:
            deel.rond_af()
    # What waits is tried with Faust's assignment: Faust goes after it.
    await asyncio.gather(uitloop.loop_leeg(), wat_wacht.taak, return_exceptions=True)
    sink.rond_af()  # until here: deciding may wait for ClickHouse to show what was decided
    await app.stop()
    code = 0
    if app.crash_reason is None:
        log.info("all that the agents took is committed")
    else:
        code = 1
        log.error("the agents could not finish what they took: %s", app.crash_reason, exc_info=app.crash_reason)
    for deel, fout in zip(
        delen, await asyncio.gather(*(deel.taak for deel in delen), return_exceptions=True), strict=True
    ):
        if isinstance(fout, BaseException):
            code = 1
            log.error("%s could not finish what it took: %s", deel.naam, fout, exc_info=fout)
    return code


async def _tot_lid(app: faust.App, herkansing: Herkansing, volger: ReferentieVolger) -> None:
    """Returns when this worker is a member of the group, and owns what that gave it: that waits while all is dark."""
    begin = None  # the first look after it may have begun before
    while begin is None or (herkansing.gekeken < begin + 2 and not volger.is_duister):
        if begin is None and app.consumer_generation_id:
            begin = herkansing.gekeken
        await asyncio.sleep(0.1)


def _waakhond(instellingen: Instellingen, app: faust.App, volger: ReferentieVolger) -> Waakhond:
    achterstand = Achterstand(instellingen)

    def niets_te_doen(onderwerp: str) -> bool:
        topic = instellingen.topic(onderwerp)
        partities = {tp.partition for tp in app.consumer.assignment() if tp.topic == topic}
        return achterstand.niets_te_doen(onderwerp, partities)

    rondgangen = dict.fromkeys(("sink", "resultaat"), achterstand.kafka_is_weg)
    beslissers = dict.fromkeys(("herkansing", "notificatie"), lambda: volger.is_duister or achterstand.kafka_is_weg())
    return Waakhond(
        {
            "splitsen": lambda: niets_te_doen("batch"),
            "beslissen": lambda: volger.is_duister or niets_te_doen("bericht"),
            **rondgangen,
            **beslissers,
        }
    )


def _zonder_omheining(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """A producer that was fenced leaves futures that nobody awaits: what it means is handled where it was used."""
    if not isinstance(context.get("exception"), ProducerFenced):
        loop.default_exception_handler(context)


def _meld_val(gevallen: "asyncio.Future[BaseException]", delen: list[Deel], app: Any) -> None:
    if gevallen.done():
        log.error("the reference data cannot be followed, the worker ends: %r", gevallen.result())
    for deel in delen:
        if deel.taak.done():
            fout = deel.taak.exception() or getattr(app, "crash_reason", None)
            log.error("%s ended, the worker ends with it: %s", deel.naam, fout or "no reason given", exc_info=fout)


def main(instellingen: Instellingen) -> int:
    """Runs a worker in this process."""
    _spaar_geheugen()
    return asyncio.run(draai(instellingen))
