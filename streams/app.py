"""The Faust app, set up for how Faust really behaves.

No tables, no exactly_once, concurrency 1, and a supervisor that ends the process: a restarted agent gets nothing any
more. Nor its acks: it acks what it skips after a rebalance and what is still buffered when an agent ends, and commits
past what is unfinished. Here an agent takes the records in the order of the log and commits itself: see
`streams.lezer`.
"""

from typing import Any

import faust
from mode import CrashingSupervisor

from streams import verbinding
from streams.settings import MAX_RECORD_BYTES, Instellingen

Event = faust.EventT[bytes]
"""A record as Faust hands it to an agent."""
Stream = Any
"""What an agent reads; Faust's types do not know `noack_take`."""

_BUFFER_RECORDS = 32
"""Slices that wait in memory for the agent, at most."""
_BUFFER_BATCHES = 4
"""The same for batches, which can be 16 MB each."""

_HAAL_BYTES = 1024 * 1024
"""Bytes that are fetched ahead of each partition, in memory beside the buffers; a larger record comes whole."""


def maak_app(instellingen: Instellingen) -> faust.App:
    """The app of one worker process, without agents."""
    datadir = instellingen.data / "faust"  # Faust wants one, and puts nothing in it that counts
    datadir.mkdir(parents=True, exist_ok=True)
    return faust.App(
        instellingen.groep("worker"),
        datadir=datadir,
        **verbinding.faust(instellingen),
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
        # Members learn by it that one came or left; until all did, nothing is decided.
        broker_heartbeat_interval=1.0,
        broker_rebalance_timeout=15.0,
        # An agent may wait long for a service that is away; that alone must not make it leave the group.
        broker_max_poll_interval=24 * 3600.0,
        consumer_auto_offset_reset="earliest",
        consumer_max_fetch_size=_HAAL_BYTES,
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
