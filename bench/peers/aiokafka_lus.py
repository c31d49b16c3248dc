"""The hand-written loop on aiokafka, on uvloop: poll, decide, produce, insert, commit. Slices."""

import asyncio
import gc
from collections.abc import Awaitable
from contextlib import suppress
from importlib import import_module

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from bench.peers.vormen import lees_en_schrijf
from bench.taak import PER_INSERT, SLICE, Opdracht, Record, Regels, Tabel

PER_KEER = PER_INSERT // SLICE


async def main() -> None:
    """Runs for ever. While ClickHouse takes the rows of one round, the next is decided."""
    opdracht = Opdracht.lees()
    regels, tabel = Regels(opdracht), Tabel(opdracht)
    lees, schrijf = lees_en_schrijf(opdracht.vorm)
    consumer = AIOKafkaConsumer(
        opdracht.onderwerp,
        bootstrap_servers=opdracht.kafka,
        group_id=opdracht.groep,
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        session_timeout_ms=45_000,
        max_partition_fetch_bytes=8_000_000,
    )
    producer = AIOKafkaProducer(
        bootstrap_servers=opdracht.kafka,
        acks="all",
        enable_idempotence=True,
        compression_type="lz4",
        linger_ms=20,
        max_batch_size=1_000_000,
    )
    await consumer.start()
    await producer.start()

    async def leg_vast(
        slices: list[Record], beloften: list[Awaitable[object]], plaatsen: dict[TopicPartition, int]
    ) -> None:
        await asyncio.to_thread(tabel.schrijf_slices, slices)
        await asyncio.gather(*beloften)
        await consumer.commit(plaatsen)

    slices: list[Record] = []
    beloften: list[Awaitable[object]] = []
    plaatsen: dict[TopicPartition, int] = {}
    vorige: asyncio.Task[None] | None = None
    gc.collect()
    gc.freeze()
    while True:
        gelezen = await consumer.getmany(timeout_ms=50, max_records=PER_KEER - len(slices))
        for partitie, records in gelezen.items():
            for record in records:
                slice_ = regels.beslis_slice(lees(record.value))
                beloften.append(await producer.send(opdracht.uitkomst, schrijf(slice_)))
                slices.append(slice_)
            plaatsen[partitie] = records[-1].offset + 1
            await asyncio.sleep(0)  # else fetching and sending stand still
        if len(slices) >= PER_KEER or (slices and not gelezen):
            if vorige is not None:
                await vorige
            vorige = asyncio.create_task(leg_vast(slices, beloften, plaatsen))
            slices, beloften, plaatsen = [], [], {}


if __name__ == "__main__":
    with suppress(ModuleNotFoundError):  # the bench has it, as it is fastest; where the tests run it may lack
        asyncio.set_event_loop_policy(import_module("uvloop").EventLoopPolicy())
    asyncio.run(main())
