"""All topics: made where they are missing, checked and brought in line where they exist (architecture: Topics)."""

import time
from base64 import urlsafe_b64decode
from collections.abc import Iterable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import (  # type: ignore[attr-defined]
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewTopic,
    ResourceType,
    TopicMetadata,
)

from avro.codec import SOORTEN
from streams.settings import MAX_RECORD_BYTES, Instellingen
from streams.verbinding import Beheer

DAG_MS = 86_400_000
RAND_BYTES = 1024 * 1024
"""Room for what Kafka puts around the largest record."""

TIMEOUT_S = 30.0


class TopicFout(Exception):
    """The topics are not as this version needs them, or the broker does not answer; one line for the operator."""


@dataclass(frozen=True, slots=True)
class Topic:
    """What a topic must be. Settings that are not named here are the operator's."""

    naam: str
    """With prefix."""
    partities: int
    instellingen: dict[str, str]


def topics(instellingen: Instellingen) -> tuple[Topic, ...]:
    """The topics of this version."""
    batch, bericht = instellingen.partities_batch, instellingen.partities_bericht
    return tuple(
        Topic(instellingen.topic(naam), partities, _ALLE | eigen | _replicatie(instellingen))
        for naam, partities, eigen in (
            ("batch", batch, _bewaar(instellingen.topic_batch_dagen) | _GROOT),
            ("resultaat", batch, _bewaar(instellingen.topic_resultaat_dagen) | _GROOT),
            ("notificatie", batch, _bewaar(instellingen.topic_notificatie_dagen)),
            ("bericht", bericht, _bewaar(instellingen.topic_bericht_dagen) | _GROOT),
            ("validatie", bericht, _bewaar(instellingen.topic_validatie_dagen) | _GROOT),
            ("logboek", bericht, _bewaar(instellingen.topic_logboek_dagen)),
            ("wacht", bericht, _COMPACT | _WACHT | _termijn(instellingen.topic_wacht_dagen) | _GROOT),
            ("dlq", 1, _bewaar(instellingen.topic_dlq_dagen)),
            *((soort, 1, _COMPACT | _GESCHIEDENIS) for soort in SOORTEN),
        )
    )


def maak_topics(instellingen: Instellingen) -> list[str]:
    """Makes missing topics, brings settings of existing ones in line, and says what was done, one line a topic.

    Doing it again changes nothing. Raises TopicFout, before anything is changed, with every difference it may not mend:
    another number of partitions, fewer replicas than asked.
    """
    admin = Beheer(instellingen)
    gevonden = _gevonden(admin)
    if onherstelbaar := list(_onherstelbaar(instellingen, gevonden)):
        raise TopicFout("; ".join(onherstelbaar))
    gewenst = topics(instellingen)
    nieuw = [topic for topic in gewenst if topic.naam not in gevonden]
    bestaand = [topic for topic in gewenst if topic.naam in gevonden]
    anders = _anders(admin, bestaand)
    _maak(admin, nieuw, instellingen.replicatie)
    _breng_in_lijn(admin, anders)
    if nieuw or anders:
        _wacht_tot_zichtbaar(admin, gewenst)
    gedaan = {topic.naam: f"made, {topic.partities} partitions" for topic in nieuw}
    gedaan |= {naam: f"brought in line: {_verschillen(verschil)}" for naam, verschil in anders.items()}
    return [f"{topic.naam}: {gedaan.get(topic.naam, 'as it should be')}" for topic in gewenst]


def controleer(instellingen: Instellingen) -> None:
    """Changes nothing. Raises TopicFout with all differences: missing topics, partitions, replicas, settings."""
    admin = Beheer(instellingen)
    gevonden = _gevonden(admin)
    gewenst = topics(instellingen)
    fouten = [f"{topic.naam}: missing" for topic in gewenst if topic.naam not in gevonden]
    fouten += _onherstelbaar(instellingen, gevonden)
    anders = _anders(admin, [topic for topic in gewenst if topic.naam in gevonden])
    fouten += [f"{naam}: {_verschillen(verschil)}" for naam, verschil in anders.items()]
    if fouten:
        raise TopicFout(f"{'; '.join(fouten)}; 'berichtenstroom topics' makes and mends what can be")


def topic_ids(instellingen: Instellingen, namen: Iterable[str]) -> dict[str, str]:
    """The UUIDs of topics, named without prefix; one that was made anew has another. Raises TopicFout."""
    volledig = {naam: instellingen.topic(naam) for naam in namen}
    admin = Beheer(instellingen)  # kept: its futures fail once it is gone
    beschreven = admin.describe_topics(TopicCollection(list(volledig.values())), request_timeout=TIMEOUT_S)
    ids = {naam: str(_klaar(beschreven[topic], topic).topic_id) for naam, topic in volledig.items()}
    return {naam: str(UUID(bytes=urlsafe_b64decode(f"{kort}=="))) for naam, kort in ids.items()}


_ALLE = {
    # Retention counts from when a record came here, so that an old one that is sent on is not thrown away at once.
    "message.timestamp.type": "LogAppendTime",
    "compression.type": "producer",
}
_GROOT = {"max.message.bytes": str(MAX_RECORD_BYTES + RAND_BYTES)}
_COMPACT = {
    "cleanup.policy": "compact",
    # Only closed segments are compacted: small ones, closed within a day, keep what is read at every start short.
    "segment.bytes": str(8 * 1024 * 1024),
    "segment.ms": str(DAG_MS),
    "min.cleanable.dirty.ratio": "0.1",
}

# Every state stays this long, so that a sink that is behind still sees each of them: they are the history.
_GESCHIEDENIS = {"min.compaction.lag.ms": str(7 * DAG_MS)}


_WACHT = {
    # Nothing waits this long. It closes the last segment too, so that no BSN stays behind for want of a next record.
    "cleanup.policy": "compact,delete",
    "segment.bytes": str(2 * (MAX_RECORD_BYTES + RAND_BYTES)),
}


def _termijn(dagen: float) -> dict[str, str]:
    return {"retention.ms": str(round(dagen * DAG_MS))}


def _bewaar(dagen: float) -> dict[str, str]:
    # Kafka throws away whole segments: closed daily, nothing (a BSN, say) is kept more than a day too long.
    return _termijn(dagen) | {
        "cleanup.policy": "delete",
        "retention.bytes": "-1",
        "segment.ms": str(DAG_MS),
    }


def _replicatie(instellingen: Instellingen) -> dict[str, str]:
    return {"min.insync.replicas": "2"} if instellingen.replicatie >= 3 else {}


def _gevonden(admin: Beheer) -> dict[str, TopicMetadata]:
    try:
        metadata = admin.topics(TIMEOUT_S)
    except KafkaException as fout:
        raise TopicFout(f"Kafka does not answer: {admin.reden(fout)}") from fout
    return metadata


def _onherstelbaar(instellingen: Instellingen, gevonden: dict[str, TopicMetadata]) -> Iterator[str]:
    for topic in topics(instellingen):
        if topic.naam not in gevonden:
            continue
        partities = gevonden[topic.naam].partitions.values()
        if len(partities) != topic.partities:
            yield (
                f"{topic.naam}: has {len(partities)} partitions, the settings say {topic.partities}; their number is "
                "pinned while messages are under way: set it back, or change it drained (see the operators' guide)"
            )
        replicas = min(len(partitie.replicas) for partitie in partities)
        if replicas < instellingen.replicatie:
            yield f"{topic.naam}: has {replicas} replicas, the settings say {instellingen.replicatie}"


def _anders(admin: AdminClient, bestaand: list[Topic]) -> dict[str, dict[str, tuple[str, str]]]:
    """By topic and setting: what it is and what it must be."""
    if not bestaand:
        return {}
    bronnen = {topic.naam: ConfigResource(ResourceType.TOPIC, topic.naam) for topic in bestaand}
    gelezen = admin.describe_configs(list(bronnen.values()), request_timeout=TIMEOUT_S)
    anders = {}
    for topic in bestaand:
        nu = {naam: regel.value for naam, regel in _klaar(gelezen[bronnen[topic.naam]], topic.naam).items()}
        verschil = {
            naam: (nu[naam], waarde) for naam, waarde in topic.instellingen.items() if not _gelijk(nu[naam], waarde)
        }
        if verschil:
            anders[topic.naam] = verschil
    return anders


def _gelijk(een: str, ander: str) -> bool:
    try:
        return float(een) == float(ander)
    except ValueError:
        return een == ander


def _verschillen(verschil: dict[str, tuple[str, str]]) -> str:
    return ", ".join(f"{naam} {is_nu} instead of {moet}" for naam, (is_nu, moet) in verschil.items())


def _maak(admin: AdminClient, nieuw: list[Topic], replicatie: int) -> None:
    if not nieuw:
        return
    beloften = admin.create_topics(
        [NewTopic(topic.naam, topic.partities, replicatie, config=topic.instellingen) for topic in nieuw],
        operation_timeout=TIMEOUT_S,
        request_timeout=TIMEOUT_S,
    )
    for topic in nieuw:
        try:
            beloften[topic.naam].result(TIMEOUT_S)
        except KafkaException as fout:
            if fout.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:  # another process was making them as well
                raise TopicFout(f"{topic.naam}: {_reden(fout)}") from fout


def _breng_in_lijn(admin: AdminClient, anders: dict[str, dict[str, tuple[str, str]]]) -> None:
    for naam, verschil in anders.items():
        regels = [
            ConfigEntry(instelling, waarde, incremental_operation=AlterConfigOpType.SET)
            for instelling, (_, waarde) in verschil.items()
        ]
        bron = ConfigResource(ResourceType.TOPIC, naam, incremental_configs=regels)
        _klaar(admin.incremental_alter_configs([bron], request_timeout=TIMEOUT_S)[bron], naam)


def _wacht_tot_zichtbaar(admin: Beheer, gewenst: tuple[Topic, ...]) -> None:
    """Brokers hear a little later what the controller has decided."""
    deadline = time.monotonic() + TIMEOUT_S
    while time.monotonic() < deadline:
        gevonden = _gevonden(admin)
        if all(topic.naam in gevonden for topic in gewenst) and not _anders(admin, list(gewenst)):
            return
        time.sleep(0.05)
    raise TopicFout(f"what was made or changed is not visible after {TIMEOUT_S:g} s: try again")


def _klaar(belofte: "Future[Any]", topic: str) -> Any:
    try:
        return belofte.result(TIMEOUT_S)
    except KafkaException as fout:
        raise TopicFout(f"{topic}: {_reden(fout)}") from fout


def _reden(fout: KafkaException) -> str:
    return str(fout.args[0].str())
