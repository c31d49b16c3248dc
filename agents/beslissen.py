"""The agent on `bericht`: hands slices to the Beslisser as they come, and commits those that are durable."""

from collections.abc import Mapping, Sequence

import faust

from agents.beslisser import Beslisser, Taak
from avro.codec import Codec, Onleesbaar
from streams.app import Event, Stream, is_actueel, ruwe_topic
from streams.dlq import Terzijde
from streams.hartslag import hoort_bij
from streams.inhoud import lees_slice
from streams.lezer import Lezer
from streams.settings import Instellingen
from streams.uitloop import Uitloop


def registreer(
    app: faust.App,
    instellingen: Instellingen,
    beslisser: Beslisser,
    codec: Codec,
    terzijde: Terzijde,
    uitloop: Uitloop,
) -> None:
    """Adds the agent to the app."""

    async def lees(events: Sequence[Event]) -> dict[int, Taak]:
        taken: dict[int, Taak] = {}
        for event in events:
            bericht = event.message
            taak = taken.setdefault(bericht.partition, Taak([], bericht.generation_id))
            try:
                taak.slices.append(lees_slice(codec, bericht.value, bericht.partition, instellingen.partities_bericht))
                terzijde.leesbaar(bericht.topic, bericht.partition, bericht.offset)
            except Onleesbaar as fout:
                await terzijde.zet(bericht.topic, bericht.partition, bericht.offset, str(fout))
        await terzijde.duurzaam()
        return taken

    async def doe(lezer: Lezer, events: Sequence[Event]) -> None:
        per_partitie: dict[int, list[Event]] = {}
        for event in events:
            per_partitie.setdefault(event.message.partition, []).append(event)

        def is_eigenaar(partitie: int) -> bool:
            return is_actueel(app, per_partitie[partitie][0])

        async for partitie in beslisser.beslis(await lees(events), is_eigenaar):
            await lezer.bevestig(per_partitie[partitie])

    async def beslissen(stream: Stream) -> None:
        hoort_bij("beslissen")
        lezer = Lezer(app, instellingen, "bericht", uitloop)
        async with lezer.bewaakt():
            async for events in stream.noack_take(instellingen.slices_per_keer, within=instellingen.wachttijd_slices_s):
                with uitloop.werk():
                    await doe(lezer, await lezer.neem(events))

    app.agent(ruwe_topic(app, instellingen, "bericht"), name="beslissen", concurrency=1)(beslissen)


def toegewezen(app: faust.App, instellingen: Instellingen) -> Mapping[int, object]:
    """The partitions of `bericht` that this worker has now, each with the generation in which it has them."""
    topic = instellingen.topic("bericht")
    return {tp.partition: app.consumer_generation_id for tp in app.consumer.assignment() if tp.topic == topic}
