"""How far the line is behind: committed offsets and end offsets, taken from Kafka itself."""

import time
from collections.abc import Iterable
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec  # type: ignore[attr-defined]

from sinks.sink import ONDERWERPEN
from streams.settings import Instellingen
from streams.verbinding import Beheer, confluent, vastgelegd

TIMEOUT_S = 15.0
GROEPEN = {"worker": ("batch", "bericht"), "sink": ONDERWERPEN}
"""Which group reads which topics."""


class KafkaWeg(Exception):
    """Kafka does not answer; one line for the operator."""


def einden(beheer: AdminClient, topic: str) -> dict[int, tuple[int, int]]:
    """The first and the next offset of every partition of a topic. Raises KafkaException."""
    partities = beheer.list_topics(topic, timeout=TIMEOUT_S).topics[topic].partitions
    tps = [TopicPartition(topic, partitie) for partitie in partities]
    grens: list[dict[int, int]] = []
    for welke in (OffsetSpec.earliest(), OffsetSpec.latest()):  # type: ignore[no-untyped-call]
        beloften = beheer.list_offsets(dict.fromkeys(tps, welke), request_timeout=TIMEOUT_S)
        grens.append({tp.partition: belofte.result().offset for tp, belofte in beloften.items()})
    return {partitie: (grens[0][partitie], grens[1][partitie]) for partitie in sorted(partities)}


def lag(instellingen: Instellingen) -> list[dict[str, Any]]:
    """One line for each group, topic and partition. Raises KafkaWeg.

    `lag_s` is the age in seconds of the oldest record that the group has yet to do; 0.0 when there is none.
    """
    beheer = Beheer(instellingen)
    try:
        return _lag(beheer, instellingen)
    except KafkaException as fout:
        raise KafkaWeg(f"Kafka at {instellingen.kafka} does not answer: {beheer.reden(fout)}") from fout


def _lag(beheer: Beheer, instellingen: Instellingen) -> list[dict[str, Any]]:
    regels = []
    for naam, onderwerpen in GROEPEN.items():
        groep = instellingen.groep(naam)
        grenzen = {
            (topic, partitie): grens
            for topic in map(instellingen.topic, onderwerpen)
            for partitie, grens in einden(beheer, topic).items()
        }
        gedaan = _gedaan(instellingen, groep, grenzen)
        for (topic, partitie), (begin, eind) in grenzen.items():
            committed = max(gedaan.get((topic, partitie), begin), begin)
            regels.append(
                {
                    "group": groep,
                    "topic": topic,
                    "partition": partitie,
                    "committed": committed,
                    "end": max(eind, committed),  # looked up before what is committed was
                    "lag": max(eind - committed, 0),
                    "lag_s": 0.0,
                }
            )
    _vul_leeftijd(instellingen, [regel for regel in regels if regel["lag"]])
    return regels


def _gedaan(instellingen: Instellingen, groep: str, plaatsen: Iterable[tuple[str, int]]) -> dict[tuple[str, int], int]:
    """What a group has committed; nothing when it never was."""
    try:
        return vastgelegd(instellingen, groep, plaatsen, TIMEOUT_S)
    except KafkaException as fout:
        if fout.args[0].code() != KafkaError.GROUP_ID_NOT_FOUND:
            raise
        return {}


def _vul_leeftijd(instellingen: Instellingen, regels: list[dict[str, Any]]) -> None:
    """Reads the first open record of each line for its time. Where none comes there is none: markers of transactions
    take offsets too."""
    if not regels:
        return
    lezer = Consumer(
        {
            **confluent(instellingen),
            "group.id": instellingen.groep("lag"),
            "enable.auto.commit": False,
            "isolation.level": "read_committed",
            "enable.partition.eof": True,
        }
    )
    try:
        for regel in regels:
            lezer.assign([TopicPartition(regel["topic"], regel["partition"], regel["committed"])])
            grens = time.monotonic() + TIMEOUT_S
            while time.monotonic() < grens:
                record = lezer.poll(1.0)
                if record is None:
                    continue
                fout = record.error()
                if fout is not None:
                    if fout.code() == KafkaError._PARTITION_EOF:
                        regel["lag"] = 0
                        break
                    raise KafkaException(fout)
                regel["lag_s"] = round(max(time.time() - record.timestamp()[1] / 1000, 0.0), 3)
                break
    finally:
        lezer.close()
