"""The producer that the parts of a process share: idempotent, and confirmed by every replica in sync."""

from aiokafka import AIOKafkaProducer

from streams import verbinding
from streams.settings import MAX_RECORD_BYTES, Instellingen


def maak_producer(instellingen: Instellingen) -> AIOKafkaProducer:
    """A producer to be started by the caller."""
    return AIOKafkaProducer(
        **verbinding.aiokafka(instellingen),
        acks="all",
        enable_idempotence=True,
        compression_type="zstd",
        linger_ms=5,
        max_request_size=MAX_RECORD_BYTES,
    )
