"""The agent on `batch`: cuts a batch in slices, one for each partition that its BerichtIDs belong to.

A replay writes the same slices again; deciding once makes that harmless. The input is committed when all slices of a
take are durable.
"""

import asyncio
import logging
from collections.abc import Collection, Iterable, Mapping, Sequence

import faust
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from agents.eigendom import alle
from agents.geduld import back_off
from avro.codec import Codec, Onleesbaar
from domain.batch import Batch, splits
from streams import metrics
from streams.app import Event, Stream, ruwe_topic
from streams.dlq import Terzijde
from streams.hartslag import hoort_bij
from streams.lezer import Lezer
from streams.settings import Instellingen
from streams.uitloop import Uitloop

log = logging.getLogger(__name__)

_PER_KEER = 2
"""Batches that one take holds, cut side by side when they are of different partitions; each can be 16 MB."""


async def schrijf_slices(producer: AIOKafkaProducer, codec: Codec, topic: str, slices: Mapping[int, Batch]) -> None:
    """Returns when these slices, given by their partition, are durable. Raises KafkaError."""
    beloften = [
        await producer.send(
            topic, codec.schrijf_batch(slice_, "bericht"), str(slice_.kader.batch_id).encode(), partition=nummer
        )
        for nummer, slice_ in slices.items()
    ]
    await asyncio.gather(*beloften)


class Splitser:
    """Writes the slices of batches."""

    def __init__(
        self, instellingen: Instellingen, codec: Codec, producer: AIOKafkaProducer, terzijde: Terzijde
    ) -> None:
        self._topic = instellingen.topic("bericht")
        self._partities = instellingen.partities_bericht
        self._codec = codec
        self._producer = producer
        self._terzijde = terzijde

    async def splits(self, topic: str, partitie: int, offset: int, inhoud: bytes | None) -> None:
        """Returns when every slice of the batch is durable. What cannot be read is passed over: the sink sets it aside.

        Raises KafkaError, TeVeelOnleesbaar.
        """
        try:
            batch = self._codec.lees_batch(inhoud)
        except Onleesbaar as fout:
            await self._terzijde.sla_over(topic, partitie, offset, str(fout))
            return
        self._terzijde.leesbaar(topic, partitie, offset)
        await schrijf_slices(self._producer, self._codec, self._topic, splits(batch, self._partities))
        metrics.BATCHES_GESPLITST.inc()


def per_partitie(events: Iterable[Event]) -> Collection[Sequence[Event]]:
    """The events of each partition, in their order: of a batch that came twice the first is to be decided first."""
    groepen: dict[object, list[Event]] = {}
    for event in events:
        groepen.setdefault(event.message.tp, []).append(event)
    return groepen.values()


def registreer(app: faust.App, instellingen: Instellingen, splitser: Splitser, uitloop: Uitloop) -> None:
    """Adds the agent to the app."""

    async def splits_na_elkaar(events: Sequence[Event]) -> None:
        for event in events:
            bericht = event.message
            async for poging in back_off("Kafka", KafkaError):
                with poging:
                    await splitser.splits(bericht.topic, bericht.partition, bericht.offset, bericht.value)

    async def splitsen(stream: Stream) -> None:
        hoort_bij("splitsen")
        lezer = Lezer(app, instellingen, "batch", uitloop)
        async with lezer.bewaakt():
            async for events in stream.noack_take(_PER_KEER, within=0.05):
                with uitloop.werk():
                    genomen = await lezer.neem(events)
                    await alle(splits_na_elkaar(van_partitie) for van_partitie in per_partitie(genomen))
                    await lezer.bevestig(genomen)

    app.agent(ruwe_topic(app, instellingen, "batch"), name="splitsen", concurrency=1)(splitsen)
