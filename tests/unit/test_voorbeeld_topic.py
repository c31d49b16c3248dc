"""Reading a topic to its end, against a consumer in memory."""

from collections.abc import Sequence
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException, TopicPartition

from voorbeeld import topic


class Record:
    """A record, or what went wrong."""

    def __init__(self, waarde: bytes | None = None, fout: int | None = None) -> None:
        self._waarde = waarde
        self._fout = fout

    def value(self) -> bytes | None:
        return self._waarde

    def error(self) -> KafkaError | None:
        return None if self._fout is None else KafkaError(self._fout)


EINDE = Record(fout=KafkaError._PARTITION_EOF)


class Geheugen:
    """A topic of two partitions."""

    records: Sequence[Record | None] = ()
    gesloten = 0

    def __init__(self, instellingen: dict[str, Any]) -> None:
        assert instellingen["isolation.level"] == "read_committed"
        assert instellingen["enable.auto.commit"] is False
        self._records = iter(self.records)

    def list_topics(self, naam: str, timeout: float) -> Any:
        return type("Stand", (), {"topics": {naam: type("Topic", (), {"partitions": {0: None, 1: None}})}})

    def offsets_for_times(self, momenten: list[TopicPartition], timeout: float) -> list[TopicPartition]:
        assert {een.offset for een in momenten} == {17}
        return [TopicPartition(een.topic, een.partition, 3) for een in momenten]

    def assign(self, begin: list[TopicPartition]) -> None:
        assert [(een.partition, een.offset) for een in begin] == [(0, 3), (1, 3)]

    def poll(self, timeout: float) -> Record | None:
        return next(self._records)

    def close(self) -> None:
        type(self).gesloten += 1


@pytest.fixture
def consumer(monkeypatch: pytest.MonkeyPatch) -> type[Geheugen]:
    eigen = type("Consumer", (Geheugen,), {})
    monkeypatch.setattr(topic, "Consumer", eigen)
    return eigen


def test_all_partitions_are_read_to_their_end(consumer: type[Geheugen]) -> None:
    consumer.records = (Record(b"a"), EINDE, Record(b"b"), Record(b"c"), EINDE)
    assert list(topic.lees_topic("kafka", "t", 17)) == [b"a", b"b", b"c"]
    assert consumer.gesloten == 1


@pytest.mark.parametrize("mislukt", [None, Record(fout=KafkaError._ALL_BROKERS_DOWN)])
def test_a_broker_that_is_silent_or_away_is_an_error(consumer: type[Geheugen], mislukt: Record | None) -> None:
    consumer.records = (Record(b"a"), EINDE, mislukt)
    with pytest.raises(KafkaException):
        list(topic.lees_topic("kafka", "t", 17))
    assert consumer.gesloten == 1
