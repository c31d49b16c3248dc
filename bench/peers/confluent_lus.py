"""The hand-written loop on confluent-kafka: poll, decide, produce, insert, commit. Slices, in Avro or JSON."""

import gc
from concurrent.futures import Future, ThreadPoolExecutor

from confluent_kafka import Consumer, Producer, TopicPartition

from bench.peers.vormen import lees_en_schrijf
from bench.taak import PER_INSERT, SLICE, Opdracht, Record, Regels, Tabel

PER_KEER = PER_INSERT // SLICE


def bevestigd(fout: object, _: object) -> None:
    """Of every event: it is durable, or the loop ends."""
    if fout is not None:
        raise RuntimeError(f"an event was not written: {fout}")


def main() -> None:
    """Runs for ever. While ClickHouse takes the rows of one round, the next is decided."""
    opdracht = Opdracht.lees()
    regels, tabel = Regels(opdracht), Tabel(opdracht)
    lees, schrijf = lees_en_schrijf(opdracht.vorm)
    consumer = Consumer(
        {
            "bootstrap.servers": opdracht.kafka,
            "group.id": opdracht.groep,
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
            "max.partition.fetch.bytes": 8_000_000,
        }
    )
    producer = Producer(
        {
            "bootstrap.servers": opdracht.kafka,
            "acks": "all",
            "enable.idempotence": True,
            "compression.type": "lz4",
            "linger.ms": 20,
            "batch.size": 1_000_000,
            "on_delivery": bevestigd,
        }
    )
    consumer.subscribe([opdracht.onderwerp])

    def leg_vast(slices: list[Record], plaatsen: list[TopicPartition]) -> None:
        tabel.schrijf_slices(slices)
        producer.flush()
        consumer.commit(offsets=plaatsen, asynchronous=False)

    slices: list[Record] = []
    vorige: Future[None] | None = None
    gc.collect()
    gc.freeze()
    with ThreadPoolExecutor(1) as schrijver:
        while True:
            records = consumer.consume(PER_KEER - len(slices), 0.05)
            for record in records:
                if record.error():
                    raise RuntimeError(record.error())
                slice_ = regels.beslis_slice(lees(record.value()))  # type: ignore[arg-type]
                producer.produce(opdracht.uitkomst, schrijf(slice_))
                slices.append(slice_)
            producer.poll(0)
            if len(slices) >= PER_KEER or (slices and not records):
                if vorige is not None:
                    vorige.result()
                vorige = schrijver.submit(leg_vast, slices, consumer.position(consumer.assignment()))
                slices = []


if __name__ == "__main__":
    main()
