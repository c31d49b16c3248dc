"""The same on quixstreams: one JSON record a message, or slices."""

from typing import Any

from quixstreams import Application
from quixstreams.models.serializers import JSONDeserializer, JSONSerializer
from quixstreams.models.serializers.avro import AvroDeserializer, AvroSerializer
from quixstreams.sinks.base import BaseSink

from bench.taak import PER_INSERT, SLICE, SLICE_IN, SLICE_UIT, Opdracht, Record, Regels, Tabel, nu_ms, uitkomst


class Rijen(BaseSink):
    """Rows go to ClickHouse at a checkpoint, which then flushes the producer and commits."""

    def __init__(self, opdracht: Opdracht) -> None:
        super().__init__()
        tabel = Tabel(opdracht)
        self._schrijf = tabel.schrijf if opdracht.vorm == "json" else tabel.schrijf_slices
        self._besloten: list[Record] = []

    def add(self, value: Any, *_: Any, **__: Any) -> None:
        self._besloten.append(value)

    def flush(self, *_: Any) -> None:
        if self._besloten:
            self._schrijf(self._besloten)
            self._besloten = []


def main() -> None:
    """Runs for ever."""
    opdracht = Opdracht.lees()
    regels, los = Regels(opdracht), opdracht.vorm == "json"
    app = Application(
        opdracht.kafka,
        consumer_group=opdracht.groep,
        auto_offset_reset="earliest",
        commit_interval=0.5,
        consumer_poll_timeout=0.05,
        commit_every=PER_INSERT if los else PER_INSERT // SLICE,
        auto_create_topics=False,
        use_changelog_topics=False,
        state_dir=opdracht.map,
        loglevel="WARNING",
        consumer_extra_config={"max.partition.fetch.bytes": 8_000_000},
        producer_extra_config={
            "acks": "all",
            "enable.idempotence": True,
            "compression.type": "lz4",
            "linger.ms": 20,
            "batch.size": 1_000_000,
        },
    )

    def beslis(bericht: Record) -> Record:
        return uitkomst(bericht, regels.code(bericht["berichttype"], bericht["gebruiker"]), nu_ms())

    lees = JSONDeserializer() if los else AvroDeserializer(SLICE_IN)
    schrijf = JSONSerializer() if los else AvroSerializer(SLICE_UIT)
    bron = app.topic(opdracht.onderwerp, value_deserializer=lees)
    doel = app.topic(opdracht.uitkomst, value_serializer=schrijf)
    app.dataframe(bron).apply(beslis if los else regels.beslis_slice).to_topic(doel).sink(Rijen(opdracht))
    app.run()


if __name__ == "__main__":
    main()
