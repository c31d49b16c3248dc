"""`wacht`: until every delivered batch is afgerond and visible in ClickHouse."""

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from aiokafka.errors import KafkaError
from confluent_kafka import KafkaException

from cli.lag import KafkaWeg, einden
from sinks.vragen import Vragen
from streams.codec import maak_codec
from streams.referentie import ReferentieDuister, ReferentieFout, lees_referentie
from streams.settings import Instellingen
from streams.topics import topic_ids
from streams.verbinding import Beheer

log = logging.getLogger(__name__)

_DUISTER_S = 15.0
"""Seconds that reading the reference data may take."""


@dataclass(frozen=True, slots=True)
class Open:
    """What is still waited for."""

    niet_gelezen: int
    """Batches in `batch` that ClickHouse does not show yet."""
    runs: list[dict[str, Any]]
    """Runs with messages that have no outcome, or whose result is not there yet."""

    def __bool__(self) -> bool:
        return bool(self.niet_gelezen or self.runs)


def kijk(instellingen: Instellingen, vragen: Vragen) -> Open:
    """What is open at this moment. Raises KafkaWeg, DatabaseWeg."""
    topic = instellingen.topic("batch")
    beheer = Beheer(instellingen)
    try:
        grenzen = einden(beheer, topic)
    except KafkaException as fout:
        raise KafkaWeg(f"Kafka at {instellingen.kafka} does not answer: {beheer.reden(fout)}") from fout
    gezien = vragen.voortgang(topic_ids(instellingen, ["batch"])["batch"])
    niet_gelezen = sum(max(eind - max(gezien.get(p, 0), begin), 0) for p, (begin, eind) in grenzen.items())
    runs = [
        {
            "leverancier": leverancier,
            "batch_id": str(batch_id),
            "proceskenmerk": str(proceskenmerk),
            "totaal": totaal,
            "besloten": besloten,
        }
        for leverancier, batch_id, proceskenmerk, totaal, besloten in vragen.open_runs()
    ]
    return Open(niet_gelezen, runs)


def wacht(instellingen: Instellingen, vragen: Vragen, timeout_s: float | None, meld: Callable[[Open], None]) -> Open:
    """Looks until nothing is open (returned empty) or time is up (returned: what is open)."""
    grens = None if timeout_s is None else time.monotonic() + timeout_s
    pauze_s = 0.1
    while True:
        open_ = kijk(instellingen, vragen)
        if not open_ or (grens is not None and time.monotonic() >= grens):
            return open_
        meld(open_)
        time.sleep(pauze_s)
        pauze_s = min(pauze_s * 1.5, 1.0)


def duisternis(instellingen: Instellingen) -> str:
    """Why nothing is decided, when that is for reference data that cannot be read, and how a person settles it; empty
    when they can, or when it cannot be seen now."""

    async def kijk_in() -> None:
        async with asyncio.timeout(_DUISTER_S):
            await lees_referentie(instellingen, maak_codec(instellingen))

    try:
        asyncio.run(kijk_in())
    except ReferentieDuister as fout:
        return f"nothing is decided: {fout}"
    except (ReferentieFout, KafkaError, OSError) as fout:  # a time-out is an OSError too
        log.info("whether the reference data can be read is not known: %s", type(fout).__name__)
    return ""
