"""The same on faststream: one JSON record a message, or slices. Batches in and out, and a codec of its own."""

import asyncio
import gc
from collections.abc import Sequence
from typing import Any

import uvloop
from faststream import AckPolicy, FastStream
from faststream.kafka import KafkaBroker

from bench.peers.vormen import lees_en_schrijf
from bench.taak import PER_INSERT, SLICE, Opdracht, Record, Regels, Tabel, nu_ms, uitkomst

opdracht = Opdracht.lees()
regels, tabel, los = Regels(opdracht), Tabel(opdracht), opdracht.vorm == "json"
lees, schrijf = lees_en_schrijf(opdracht.vorm)


class Codec:
    """Bytes to what is checked, and what was decided to bytes."""

    async def decode(self, msg: Any) -> Record:
        return lees(msg.body)

    async def encode(self, msg: Any, serializer: object = None) -> tuple[bytes, str | None]:
        return schrijf(msg), None

    async def decode_batch(self, msg: Any) -> list[Record]:
        return [lees(inhoud) for inhoud in msg.body]

    async def encode_batch(self, msgs: Sequence[Any], serializer: object = None) -> list[tuple[bytes, str | None]]:
        return [(schrijf(msg), None) for msg in msgs]


broker = KafkaBroker(
    opdracht.kafka,
    codec=Codec(),
    apply_types=False,
    logger=None,
    acks="all",
    enable_idempotence=True,
    compression_type="lz4",
    max_batch_size=16_000_000,
    max_request_size=24_000_000,
)
uitgever = broker.publisher(opdracht.uitkomst, batch=True)


@broker.subscriber(
    opdracht.onderwerp,
    group_id=opdracht.groep,
    auto_offset_reset="earliest",
    batch=True,
    max_records=PER_INSERT if los else PER_INSERT // SLICE,
    batch_timeout_ms=50,
    ack_policy=AckPolicy.NACK_ON_ERROR,
    session_timeout_ms=45_000,
    max_partition_fetch_bytes=8_000_000,
)
async def beslis(records: list[Record]) -> None:
    """Acknowledged when events and rows are durable."""
    if los:
        nu = nu_ms()
        regels.beslis_alle(records)
        besloten = [uitkomst(bericht, bericht["code"], nu) for bericht in records]
        rijen = asyncio.to_thread(tabel.schrijf, besloten)
    else:
        besloten = [regels.beslis_slice(slice_) for slice_ in records]
        rijen = asyncio.to_thread(tabel.schrijf_slices, besloten)
    await asyncio.gather(rijen, uitgever.publish(*besloten))


if __name__ == "__main__":
    gc.collect()
    gc.freeze()
    uvloop.run(FastStream(broker).run())
