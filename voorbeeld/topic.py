"""Reads a topic as anybody outside may: from a moment to its end, committed transactions only."""

from collections.abc import Iterator

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

_STIL_S = 30.0
"""Seconds after which a broker that says nothing is taken to be away."""


def lees_topic(kafka: str, topic: str, vanaf: int) -> Iterator[bytes]:
    """The values of all records that came in since `vanaf` (milliseconds). Raises KafkaException."""
    consumer = Consumer(
        {
            "bootstrap.servers": kafka,
            "group.id": "voorbeeld",  # must be there; nothing is committed
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "isolation.level": "read_committed",
        }
    )
    try:
        partities = consumer.list_topics(topic, timeout=_STIL_S).topics[topic].partitions
        begin = consumer.offsets_for_times([TopicPartition(topic, nummer, vanaf) for nummer in partities], _STIL_S)
        consumer.assign(begin)
        te_lezen = len(begin)
        while te_lezen:
            record = consumer.poll(_STIL_S)
            if record is None:
                raise KafkaException(KafkaError(KafkaError._TIMED_OUT))
            fout = record.error()
            if fout is None:
                yield record.value() or b""
            elif fout.code() == KafkaError._PARTITION_EOF:
                te_lezen -= 1
            else:
                raise KafkaException(fout)
    finally:
        consumer.close()
