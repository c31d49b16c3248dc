"""`berichtenstroom opruimen`: deletes what is past its term, where no TTL can: batches' rows, and objects."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import suppress
from functools import partial
from typing import Any
from uuid import UUID

from aiokafka.errors import KafkaError
from clickhouse_connect.driver.client import Client
from confluent_kafka import KafkaException

from avro.codec import Codec, Onleesbaar
from cli import vertoon
from cli.hulp import Opdrachten
from cli.lag import KafkaWeg
from cli.opties import Data, Json, instellingen
from cli.wijzigen import lees_referentie
from domain.tijd import DAG_MS
from sinks.bewaren import bewaarde_runs, wis_batches
from sinks.database import verbind
from sinks.objecten import Objecten
from sinks.opruimen import InGebruik, ruim_op
from streams.codec import maak_codec
from streams.fence import doorloop, eerste_sinds
from streams.settings import Instellingen
from streams.sleutels import lees_sleutels
from streams.verbinding import Beheer

app = Opdrachten()

_TIMEOUT_S = 30.0


def nu_ms() -> int:
    """Milliseconds since 1970."""
    return time.time_ns() // 1_000_000


@app.command(
    help="Delete messages, their bijlagen and the rows about them that are past BERICHTENSTROOM_BEWAAR_BERICHTEN_DAGEN."
    "\n\nRun it daily, from one place. What a message on its way needs stays, whatever its age; bijlagen of a delivery "
    "that became no batch go, whatever that term is. The processing log, verdicts and history go by themselves (see "
    "'migreer'), and what is in Kafka as well (see 'topics').",
    epilog="Example: berichtenstroom opruimen --json",
)
def opruimen(data: Data = None, json: Json = False) -> None:
    """Says how much of each was deleted."""
    gekozen = instellingen(data)
    gedaan = asyncio.run(ruim(gekozen))
    if json:
        vertoon.als_json(gedaan)
    elif not gekozen.bewaar_berichten_dagen:
        vertoon.uit.print(
            f"object store: {gedaan['bijlagen']} packs of deliveries that became no batch deleted; nothing else, since "
            "BERICHTENSTROOM_BEWAAR_BERICHTEN_DAGEN is 0: all is kept",
            highlight=False,
        )
    else:
        for naam, aantal in gedaan["rijen"].items():
            vertoon.uit.print(f"{naam}: {aantal} rows deleted", highlight=False)
        vertoon.uit.print(
            f"object store: {gedaan['berichten']} objects with messages and {gedaan['bijlagen']} bijlagen deleted, "
            f"{gedaan['teruggezet']} bijlagen put back",
            highlight=False,
        )


async def ruim(gekozen: Instellingen, klok: Callable[[], int] = nu_ms) -> dict[str, Any]:
    """Deletes, and says how much: rows by table, and objects.

    Raises DatabaseWeg, KafkaWeg, OpslagWeg, SleutelFout, VerbindingFout and WijzigFout. What was done by then is done.
    """
    objecten = Objecten(gekozen.opslag_url, lees_sleutels(gekozen.sleutelbestand))
    grens = klok() - gekozen.bewaar_berichten_dagen * DAG_MS if gekozen.bewaar_berichten_dagen else None
    codec, client = maak_codec(gekozen), verbind(gekozen)
    try:
        rijen = {} if grens is None else await asyncio.to_thread(wis_batches, client, grens)
        in_gebruik = InGebruik(
            bewaarde_runs=partial(_bewaarde_runs, client),
            standaardbijlagen=partial(_standaardbijlagen, gekozen),
            geleverd=partial(_geleverd, gekozen, codec),
            gemeld=partial(_gemeld, gekozen, codec),
        )
        # Twice: an answer of the door may be lost while what it made durable is not.
        geruimd = await ruim_op(objecten, grens, in_gebruik, 2 * gekozen.aanlevering_deadline_s, klok)
    finally:
        client.close()
    return {
        "rijen": rijen,
        "berichten": geruimd.berichten,
        "bijlagen": geruimd.bijlagen,
        "teruggezet": geruimd.teruggezet,
    }


async def _bewaarde_runs(client: Client, runs: Collection[UUID]) -> set[UUID]:
    return await asyncio.to_thread(bewaarde_runs, client, runs)


async def _standaardbijlagen(gekozen: Instellingen) -> set[bytes]:
    referentie = await asyncio.to_thread(lees_referentie, gekozen)
    return {een.sha256 for berichttype in referentie.berichttypes.values() for een in berichttype.standaardbijlagen}


async def _geleverd(gekozen: Instellingen, codec: Codec, vanaf: int) -> set[bytes]:
    """The bijlagen that topic `batch` names since then; what cannot be read there goes to nobody."""
    gevonden = set[bytes]()
    async for inhoud in _batches(gekozen, vanaf):
        with suppress(Onleesbaar):
            berichten = codec.lees_batch(inhoud).berichten
            gevonden.update(berichten.sha256(bijlage) for bijlage in range(len(berichten.bijlage_rijen)))
    return gevonden


async def _gemeld(gekozen: Instellingen, codec: Codec, vanaf: int) -> set[UUID] | None:
    """The runs of which topic `batch` has the batch since then; None where it holds what cannot be read."""
    runs, leesbaar = set[UUID](), True
    async for inhoud in _batches(gekozen, vanaf):
        try:
            runs.add(codec.lees_batch(inhoud).kader.proceskenmerk)
        except Onleesbaar:
            leesbaar = False
    return runs if leesbaar else None


async def _batches(gekozen: Instellingen, vanaf: int) -> AsyncIterator[bytes | None]:
    """What came in topic `batch` since then."""
    topic = gekozen.topic("batch")
    try:
        for partitie in await asyncio.to_thread(_partities, gekozen, topic):
            begin = await eerste_sinds(gekozen, topic, partitie, vanaf)
            async for record in doorloop(gekozen, topic, partitie, begin):
                yield record.waarde
    except (KafkaError, OSError) as fout:
        raise KafkaWeg(f"Kafka at {gekozen.kafka} does not answer ({type(fout).__name__})") from fout


def _partities(gekozen: Instellingen, topic: str) -> list[int]:
    """All that Kafka has of a topic, whatever the settings of this command say of their number."""
    beheer = Beheer(gekozen)
    try:
        gevonden = beheer.topics(_TIMEOUT_S)
    except KafkaException as fout:
        raise KafkaWeg(f"Kafka at {gekozen.kafka} does not answer: {beheer.reden(fout)}") from fout
    if topic not in gevonden:
        raise KafkaWeg(f"Kafka at {gekozen.kafka} has no topic {topic}: 'berichtenstroom topics' makes it")
    return sorted(gevonden[topic].partitions)
