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
            "opslag, schijf (free the temporary folder), spoel (raise aanlevering_spoel_bytes), traag (store or Kafka "
            "slower than the deadline), certificaten (they changed during a connection), sluit (shutting down).",
            ["oorzaak"],
            registry=self.registry,
        )
        self.bezig = Gauge(
            "aanlevering_bezig",
            "Deliveries, received whole, that are read or written now or wait. At its bound the door answers 503.",
            registry=self.registry,
        )
        self.in_ontvangst = Gauge(
            "aanlevering_in_ontvangst", "Deliveries that are being received now.", registry=self.registry
        )
        self.verbindingen = Gauge(
            "aanlevering_verbindingen",
            "Connections open now, TLS handshakes included. At aanlevering_verbindingen newcomers wait: raise it, or "
            "look who holds so many.",
            registry=self.registry,
        )
        self.handdrukken = Counter(
            "aanlevering_handdruk_mislukt",
            "Connections that ended in the TLS handshake. Rising: the log says why (outside the CA, expired, revoked, "
            "no certificate, or a CRL that is missing or too old).",
            registry=self.registry,
        )
        self.certificaten = Gauge(
            "aanlevering_certificaten_fout",
            "1 while the certificate files cannot be loaded, and those loaded before still count. Look in the log.",
            registry=self.registry,
        )
        self.crl_tot = Gauge(
            "aanlevering_crl_geldig_tot_seconden",
            "Unix time of the earliest next update of the loaded CRLs: then its senders are refused. 0: none loaded.",
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
