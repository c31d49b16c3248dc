"""The history of a thing of the reference data, up to the change that was made a moment ago."""

import asyncio
import time
from typing import Any

from aiokafka.errors import KafkaError

from avro.gegevens import soort_van
from cli import vertoon
from cli.lag import KafkaWeg
from domain.referentie import Gegeven
from sinks.database import verbind
from sinks.historie import historie
from sinks.vragen import Vragen
from streams import referentie as volgen
from streams.settings import Instellingen
from streams.topics import topic_ids

WACHT_S = 10.0
"""Seconds to wait for the sink to have the last change."""


def toon_historie(instellingen: Instellingen, gegeven: Gegeven) -> list[dict[str, Any]]:
    """Its changes as `{"op","door","wat"}`, in order. Says on standard error when the latest may not be there yet.

    Raises KafkaWeg, TopicFout, DatabaseWeg.
    """
    soort = soort_van(gegeven)
    client = verbind(instellingen)
    try:
        if not _wacht_op_sink(instellingen, Vragen(client), soort):
            vertoon.fout.print(
                f"note: ClickHouse does not have the latest changes of every {soort} yet, so the history may lag"
            )
        return [gebeurtenis.json() for gebeurtenis in historie(client, soort, gegeven.sleutel)]
    finally:
        client.close()


def _wacht_op_sink(instellingen: Instellingen, vragen: Vragen, soort: str) -> bool:
    """Whether what stands in the topic now is in ClickHouse."""
    topic_id = topic_ids(instellingen, [soort])[soort]
    try:
        eind = asyncio.run(_eind(instellingen, soort))
    except KafkaError as fout:
        raise KafkaWeg(f"Kafka at {instellingen.kafka} does not answer: {type(fout).__name__}") from fout
    deadline = time.monotonic() + WACHT_S
    while vragen.voortgang(topic_id).get(0, 0) < eind:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True


async def _eind(instellingen: Instellingen, soort: str) -> int:
    """Behind the last record of a topic that can be read."""
    async with volgen.lezer(instellingen) as consumer:
        einden = await consumer.end_offsets(list(consumer.assignment()))
        return next(int(eind) for tp, eind in einden.items() if tp.topic == instellingen.topic(soort))
