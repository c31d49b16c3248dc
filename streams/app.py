"""The Faust app, set up for how Faust really behaves.

No tables, no exactly_once, concurrency 1, and a supervisor that ends the process: a restarted agent gets nothing any
more. Nor its acks: it acks what it skips after a rebalance and what is still buffered when an agent ends, and commits
past what is unfinished. Here an agent takes the records in the order of the log and commits itself: see `Lezer`.
"""

import logging
from collections.abc import Iterable, Sequence
from typing import Any

import faust
from mode import CrashingSupervisor

from streams.settings import MAX_RECORD_BYTES, Instellingen
from streams.volgorde import Oordeel, Volgorde

log = logging.getLogger(__name__)

Event = faust.EventT[bytes]
"""A record as Faust hands it to an agent."""
Stream = Any
"""What an agent reads; Faust's types do not know `noack_take`."""

_BUFFER_RECORDS = 64
"""Slices that wait in memory for the agent, at most."""
_BUFFER_BATCHES = 4
"""The same for batches, which can be 16 MB each."""


def maak_app(instellingen: Instellingen) -> faust.App:
    """The app of one worker process, without agents."""
    return faust.App(
        instellingen.groep("worker"),
        broker=";".join(f"kafka://{adres.strip()}" for adres in instellingen.kafka.split(",")),
        agent_supervisor=CrashingSupervisor,
        autodiscover=False,
        web_enabled=False,
        topic_disable_leader=True,
        topic_allow_declare=False,
        table_standby_replicas=0,
        stream_wait_empty=False,
        stream_recovery_delay=0.0,
        stream_buffer_maxsize=_BUFFER_RECORDS,
        broker_max_poll_records=_BUFFER_RECORDS // 10,
        broker_commit_livelock_soft_timeout=24 * 3600.0,
        broker_session_timeout=10.0,
        broker_heartbeat_interval=3.0,
        broker_rebalance_timeout=15.0,
        # An agent may wait long for a service that is away; that alone must not make it leave the group.
        broker_max_poll_interval=24 * 3600.0,
        consumer_auto_offset_reset="earliest",
        consumer_max_fetch_size=MAX_RECORD_BYTES,
        producer_max_request_size=MAX_RECORD_BYTES,
    )


def ruwe_topic(app: faust.App, instellingen: Instellingen, onderwerp: str) -> faust.TopicT:
    """A topic whose events are bytes: our codec reads them, not Faust."""
    maxsize = _BUFFER_BATCHES if onderwerp == "batch" else _BUFFER_RECORDS
    return app.topic(
        instellingen.topic(onderwerp),
        value_type=bytes,
        key_type=bytes,
        value_serializer="raw",
        key_serializer="raw",
        maxsize=maxsize,
        internal=False,
        acks=False,
    )


def is_actueel(app: faust.App, event: Event) -> bool:
    """Whether the event's partition is still assigned since it was read; if not, its new owner gets it again."""
    bericht = event.message
    return bericht.generation_id == app.consumer_generation_id and bericht.tp in app.consumer.assignment()


class Lezer:
    """The records of one topic in the order of the log, none left out, and the commits on them."""

    def __init__(self, app: faust.App) -> None:
        self._app = app
        self._generatie: object = None
        self._volgorde = Volgorde({})

    @property
    def _consumer(self) -> Any:
        return self._app.consumer

    async def neem(self, events: Sequence[Event]) -> list[Event]:
        """Those of the events that are the next of a partition of ours; what is missing is read again."""
        genomen = []
        for event in events:
            bericht = event.message
            if not is_actueel(self._app, event):
                continue
            if self._generatie != bericht.generation_id:
                self._volgorde = Volgorde(await self._plaatsen(bericht.topic))
                self._generatie = bericht.generation_id
            oordeel = self._volgorde.beoordeel((bericht.topic, bericht.partition), bericht.offset)
            if oordeel is Oordeel.NEEM:
                genomen.append(event)
            elif oordeel is Oordeel.GA_TERUG:
                plaats = self._volgorde.begint_bij((bericht.topic, bericht.partition))
                log.info(
                    "%s[%d]: %d came after %d, reading again",
                    bericht.topic,
                    bericht.partition,
                    bericht.offset,
                    plaats - 1,
                )
                await self._consumer.seek(bericht.tp, plaats)
        return genomen

    async def bevestig(self, events: Iterable[Event]) -> None:
        """Commits these events, and with them all that came before in their partitions: what follows is durable.

        Nothing is committed for a partition that we lost; its new owner does the work again, which changes nothing.
        """
        plaatsen: dict[faust.types.TP, int] = {}
        for event in events:
            if is_actueel(self._app, event):
                plaatsen[event.message.tp] = max(plaatsen.get(event.message.tp, 0), event.message.offset + 1)
        if plaatsen:
            await self._consumer._commit(plaatsen)  # the public one takes only what Faust acked

    async def _plaatsen(self, topic: str) -> dict[tuple[str, int], int]:
        """Where our partitions of a topic go on: their committed offset, else the start of the log."""
        tps = [tp for tp in self._consumer.assignment() if tp.topic == topic]
        begin = await self._consumer.earliest_offsets(*tps)
        thread = self._consumer._thread
        plaatsen = {}
        for tp in tps:
            vastgelegd = await thread.call_thread(thread._ensure_consumer().committed, tp)
            plaatsen[tp.topic, tp.partition] = max(vastgelegd or 0, begin[tp])
        return plaatsen
