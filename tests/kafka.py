"""What operators, retention and accidents do to topics."""

import time

from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient

from streams.settings import Instellingen
from streams.topics import maak_topics


def trim(instellingen: Instellingen, onderwerp: str, tot: int) -> None:
    """Throws away what stands before offset `tot` of partition 0, as retention does."""
    admin = AdminClient({"bootstrap.servers": instellingen.kafka})
    for belofte in admin.delete_records([TopicPartition(instellingen.topic(onderwerp), 0, tot)]).values():
        belofte.result(30)


def maak_anders(instellingen: Instellingen, onderwerp: str) -> None:
    """Deletes a topic and makes it anew: the same name, another topic."""
    admin = AdminClient({"bootstrap.servers": instellingen.kafka})
    topic = instellingen.topic(onderwerp)
    admin.delete_topics([topic])[topic].result(30)
    deadline = time.monotonic() + 30
    while topic in admin.list_topics(timeout=10).topics:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    maak_topics(instellingen)
