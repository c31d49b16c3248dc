"""Every metric of the door: what it means, and what to do when it is high."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_SECONDEN = (0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 60, 120, 300)


class Metrics:
    """The metrics of one app, in a registry of their own, so that two apps in a process do not mix."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.aangeleverd = Counter(
            "aanlevering_batches", "Batches answered with 202: durable in Kafka and the store.", registry=self.registry
        )
        self.berichten = Counter("aanlevering_berichten", "Messages in those batches.", registry=self.registry)
        self.schemafouten = Counter(
            "aanlevering_schemafouten",
            "Messages in those batches that break the schema. A sudden rise: a sender's software changed.",
            registry=self.registry,
        )
        self.bytes = Counter("aanlevering_bytes", "Bytes of those batches on the wire.", registry=self.registry)
        self.geweigerd = Counter(
            "aanlevering_geweigerd",
            "Deliveries refused with a 4xx, by code. Rising: tell the sender, see the log for who.",
            ["code"],
            registry=self.registry,
        )
        self.later = Counter(
            "aanlevering_later",
            "Deliveries answered with a 503, by cause: druk (raise aanlevering_gelijktijdig or add doors), kafka, "
            "opslag, schijf (free the temporary folder), traag (store or Kafka slower than the deadline), sluit "
            "(shutting down).",
            ["oorzaak"],
            registry=self.registry,
        )
        self.bezig = Gauge(
            "aanlevering_bezig",
            "Deliveries being received, read or written now. At its bound the door answers 503.",
            registry=self.registry,
        )
        self.ontvangen = Histogram(
            "aanlevering_ontvangst_seconden",
            "From the first byte of a batch to its last. High: slow senders or network.",
            buckets=_SECONDEN,
            registry=self.registry,
        )
        self.verwerkt = Histogram(
            "aanlevering_verwerking_seconden",
            "From the last byte of a batch to its 202. High: look at the store, Kafka, and the queue for readers.",
            buckets=_SECONDEN,
            registry=self.registry,
        )
