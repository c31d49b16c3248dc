"""Topics as an outsider reads them: Confluent's Avro format, decoded by the schemas in `avro/` and fastavro alone."""

import io
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import fastavro
from confluent_kafka import Consumer, KafkaError, TopicPartition

from tests.integration.lijn.stapel import WORTEL

_INDEX = json.loads((WORTEL / "avro" / "index.json").read_text())["schemas"]
_SCHEMAS = {
    regel["id"]: fastavro.parse_schema(json.loads((WORTEL / "avro" / regel["bestand"]).read_text())) for regel in _INDEX
}


@dataclass(frozen=True)
class Record:
    """A record, its value still in bytes."""

    topic: str
    partitie: int
    offset: int
    key: bytes | None
    koppen: list[tuple[str, bytes | None]]
    waarde: bytes | None
    tijd: int
    """When it came in the topic, in milliseconds since 1970."""

    def __str__(self) -> str:
        op = datetime.fromtimestamp(self.tijd / 1000, UTC)
        return f"{self.topic}[{self.partitie}]@{self.offset} ({op:%H:%M:%S.%f})"

    @property
    def inhoud(self) -> dict[str, Any]:
        """The value."""
        assert self.waarde is not None
        assert self.waarde[0] == 0
        schema = _SCHEMAS[int.from_bytes(self.waarde[1:5], "big")]
        gelezen: Any = fastavro.schemaless_reader(io.BytesIO(self.waarde[5:]), schema, None)
        return dict(gelezen)


def topics(kafka: str) -> list[str]:
    """All topics but Kafka's own."""
    lezer = Consumer({"bootstrap.servers": kafka, "group.id": "proef"})
    try:
        return sorted(naam for naam in lezer.list_topics(timeout=30).topics if not naam.startswith("__"))
    finally:
        lezer.close()


def lees(kafka: str, topic: str, isolation: str = "read_committed") -> list[Record]:
    """All records of a topic, up to the end it has now."""
    lezer = Consumer(
        {
            "bootstrap.servers": kafka,
            "group.id": "proef",
            "enable.auto.commit": False,
            "isolation.level": isolation,
            "enable.partition.eof": True,
            "fetch.message.max.bytes": 32 * 1024 * 1024,
            "auto.offset.reset": "earliest",
        }
    )
    try:
        partities = lezer.list_topics(topic, timeout=30).topics[topic].partitions
        lezer.assign([TopicPartition(topic, partitie, 0) for partitie in partities])
        open_partities, records = set(partities), []
        while open_partities:
            record = lezer.poll(30)
            assert record is not None, f"{topic}: nothing comes"
            if (fout := record.error()) is not None:
                assert fout.code() == KafkaError._PARTITION_EOF, fout
                open_partities.discard(record.partition())
                continue
            koppen: Any = record.headers() or []
            plaats: tuple[Any, Any] = (record.partition(), record.offset())
            records.append(Record(topic, *plaats, record.key(), koppen, record.value(), record.timestamp()[1]))
        return records
    finally:
        lezer.close()
