"""All settings, in one place: each with its unit, default and reason. Environment: `BERICHTENSTROOM_` + NAME."""

import json
from pathlib import Path
from typing import Literal, Self

from pydantic import AliasChoices, Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from streams import beveiliging

MAX_RECORD_BYTES = 24 * 1024 * 1024
"""The largest Kafka record: 1000 messages of 4000 four-byte characters, with room to spare."""

DLQ_ONTHOUD = 5000
"""Unreadable records of a partition that are remembered: no limit on them can be higher."""

ENDPOINTS = "endpoints.json"


class Instellingen(BaseSettings):
    """What the processes need to know. Options on the command line win over the environment, the environment over
    the addresses of an embedded stack that runs on the data folder."""

    model_config = SettingsConfigDict(
        env_prefix="BERICHTENSTROOM_", extra="ignore", populate_by_name=True, hide_input_in_errors=True
    )

    data: Path = Field(Path(".data"), description="Folder of the embedded stack.")
    kafka: str = Field("127.0.0.1:9092", description="Bootstrap servers, separated by commas.")
    kafka_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field(
        "PLAINTEXT", description="How Kafka is spoken to. SASL_PLAINTEXT with PLAIN sends the password readable."
    )
    kafka_ca: Path | None = Field(
        None, description="The CAs of the brokers' certificates (PEM); empty: those of the system."
    )
    kafka_certificaat: Path | None = Field(None, description="Client certificate for Kafka (PEM).")
    kafka_sleutel: Path | None = Field(
        None, description="The private key that goes with it (PEM, no password); empty: it stands with the certificate."
    )
    kafka_sasl_mechanisme: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] | None = Field(
        None, description="How the password is shown to Kafka, with SASL."
    )
    kafka_gebruiker: str = Field("", description="User name for Kafka, with SASL.")
    kafka_wachtwoord: SecretStr | None = Field(None, description="Password for Kafka; better in a file, see the next.")
    kafka_wachtwoord_bestand: Path | None = Field(
        None, description="File with the password for Kafka: one line, read again for each connection."
    )
    clickhouse: str = Field(
        "http://127.0.0.1:8123",
        repr=False,  # a password may stand in it
        description="URL of ClickHouse, with the user in it: https://user@host:8443. A password may stand in it too; "
        "better in one of the next.",
    )
    clickhouse_wacht_s: int = Field(
        60,
        ge=15,
        description="Seconds without a byte of an answer after which a worker asks ClickHouse its question again: so "
        "long a host that went without a word can hold decisions up. An insert is waited for 300 seconds.",
    )
    clickhouse_wachtwoord: SecretStr | None = Field(
        None,
        validation_alias=AliasChoices("BERICHTENSTROOM_CLICKHOUSE_WACHTWOORD", "BERICHTENSTROOM_CLICKHOUSE_PASSWORD"),
        description="Password for ClickHouse; `up` sets it on the embedded one. BERICHTENSTROOM_CLICKHOUSE_PASSWORD is "
        "its earlier name.",
    )
    clickhouse_wachtwoord_bestand: Path | None = Field(
        None, description="File with the password for ClickHouse: one line."
    )
    clickhouse_ca: Path | None = Field(
        None, description="The CAs of ClickHouse's certificate (PEM); empty: a list that comes with the client."
    )
    clickhouse_certificaat: Path | None = Field(
        None, description="Client certificate for ClickHouse (PEM). Without a password it tells who the user is."
    )
    clickhouse_sleutel: Path | None = Field(
        None, description="The private key that goes with it (PEM, no password); empty: it stands with the certificate."
    )
    database: str = Field("berichtenstroom", description="ClickHouse database.", pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")
    profielservice: str = Field("http://127.0.0.1:8080", description="URL of the profile service.")
    profielservice_ca: Path | None = Field(
        None, description="The CAs of the profile service's certificate (PEM); empty: those of the system."
    )
    profielservice_certificaat: Path | None = Field(None, description="Client certificate for that service (PEM).")
    profielservice_sleutel: Path | None = Field(
        None, description="The private key that goes with it (PEM, no password); empty: it stands with the certificate."
    )
    profielservice_soap_action: str = Field("", description="SOAPAction header; it is not published, so a setting.")
    profielservice_timeout_s: float = Field(30.0, description="Seconds before a question counts as unanswered.")
    profielservice_gelijktijdig: int = Field(
        3,
        ge=1,
        description="Questions under way at once: the service is rate limited. One leverancier leaves one to others.",
    )
    profielservice_cache_s: float = Field(
        0.0,
        ge=0,
        le=7 * 86400,
        description="Seconds an answer is used again, at most 7 days; 0: always ask, so a change counts at once.",
    )
    aanlevering: str = Field("http://127.0.0.1:8081", description="URL of aanlevering, for the command line.")
    schema_registry: str = Field("", description="URL of a schema registry; empty: the index beside the schemas.")
    topic_prefix: str = Field(
        "", description="Prefix of all topics, groups and transactional ids.", pattern=r"^[A-Za-z0-9._-]*$"
    )
    opslag: str = Field(
        "", description="URL of the object store, file:// or s3://; empty: a folder in the data folder."
    )
    sleutels: Path | None = Field(
        None, description="File with the pseudonym and store keys; empty: in the data folder."
    )
    verwerkingsactiviteit: str = Field(
        "urn:berichtenstroom:verwerkingsactiviteit:berichten-plaatsen",
        min_length=1,
        description="URI of the processing activity in your register: `dpl.core.processing_activity_id` of the "
        "processing log.",
    )
    topic_batch_dagen: int = Field(
        30, ge=14, description="Days that topic `batch` keeps a record; what falls silent is offered again from it."
    )
    topic_bericht_dagen: int = Field(14, ge=2, description="Days that topic `bericht` keeps a record.")
    topic_validatie_dagen: int = Field(14, ge=2, description="Days that topic `validatie` keeps a record.")
    topic_wacht_dagen: int = Field(
        14, ge=2, description="Days that topic `wacht` keeps a record; nothing waits longer than GEDULD_S."
    )
    topic_resultaat_dagen: int = Field(14, ge=2, description="Days that topic `resultaat` keeps a record.")
    topic_notificatie_dagen: int = Field(14, ge=2, description="Days that topic `notificatie` keeps a record.")
    topic_logboek_dagen: int = Field(14, ge=2, description="Days that topic `logboek` keeps a record.")
    topic_dlq_dagen: int = Field(
        30, ge=2, description="Days that topic `dlq` keeps a record; as long as the topics that it points into do."
    )
    bewaar_berichten_dagen: int = Field(
        0,
        ge=0,
        description="Days that placed messages, bijlagen and the rows about them are kept after their last delivery: "
        "60 or more, and longer than any topic; 0: for ever.",
    )
    bewaar_logboek_dagen: int = Field(
        1096, ge=0, description="Days that the processing log is kept in ClickHouse; 0: for ever."
    )
    bewaar_oordelen_dagen: int = Field(
        365, ge=0, description="Days that the verdict on a PDF is used again before it is checked anew; 0: for ever."
    )
    bewaar_wijzigingen_dagen: int = Field(
        0, ge=0, description="Days that the history of the reference data is kept; 0: for ever."
    )
    bewaar_logs_dagen: int = Field(
        14, ge=1, description="Days that logs of the embedded stack are kept, besides a limit on their size."
    )
    replicatie: int = Field(1, description="Replication factor of topics; 3 on a cluster.")
    partities_batch: int = Field(4, description="Partitions of `batch`, `resultaat` and `notificatie`.")
    partities_bericht: int = Field(
        8,
        description="Partitions of `bericht`, `validatie`, `logboek` and `wacht`. Pinned: a BerichtID must stay where "
        "it is.",
    )
    metrics_poort: int = Field(0, description="Port of /healthz, /readyz and /metrics of a worker; 0: a free one.")
    metrics_host: str = Field("127.0.0.1", description="Address those listen on.")
    geduld_s: float = Field(
        20 * 3600, description="Seconds after delivery at which waiting for an outage ends in TechnischProbleem."
    )
    keurders: int = Field(2, ge=1, description="Processes of a worker that check PDFs; each takes one core at most.")
    pauze_s: float = Field(
        10.0,
        ge=0,
        description="Seconds that slices wait in place for a service that is away, before they wait in `wacht`.",
    )
    wacht_max: int = Field(
        200_000, description="Slices that may wait in `wacht` for each worker; more wait in place. Bounds memory."
    )
    slices_per_keer: int = Field(32, description="Slices that one transaction may decide.")
    wachttijd_slices_s: float = Field(0.02, description="Seconds to gather them, when no more are there already.")
    onverwerkt_max: int = Field(
        500_000, description="Decisions a worker remembers before it waits for ClickHouse to show them; bounds memory."
    )
    sink_bytes: int = Field(16 * 1024 * 1024, description="Bytes of records after which a round of the sink ends.")
    sink_wacht_s: float = Field(0.5, description="Seconds the sink gathers records before it inserts.")
    sweep_s: float = Field(1.0, description="Seconds between two looks for finished runs.")
    auditor_s: float = Field(60.0, ge=0, description="Seconds between two looks for runs that fell silent.")
    auditor_na_s: float = Field(
        300.0,
        ge=0,
        description="Seconds after delivery at which an open run is looked at; offers of it then grow rarer.",
    )
    aanlevering_gelijktijdig: int = Field(2, description="Deliveries that are read at the same time.")
    aanlevering_wachtrij: int = Field(
        64, description="Deliveries, received whole, that may wait before the door answers 503."
    )
    aanlevering_deadline_s: float = Field(60.0, description="Seconds a delivery may take to become durable.")
    aanlevering_verbindingen: int = Field(
        500,
        ge=1,
        description="Connections at the door at once; more wait until one ends. Each takes up to 0.5 MB, "
        "and all of them together 32 MB more.",
    )
    aanlevering_spoel_bytes: int = Field(
        4_000_000_000, description="Bytes of deliveries in the temporary folder together; beyond that: 503."
    )
    aanlevering_geheugen_bytes: int = Field(
        300_000_000, description="Bytes of memory that deliveries may take together, from reading until durable."
    )
    aanlevering_min_bytes_s: int = Field(
        10_000, ge=1, description="Bytes a second below which a sender is too slow, after 10 seconds of patience."
    )
    aanlevering_certificaat: Path | None = Field(
        None, description="The door's certificate and those between it and its root (PEM); with it the door speaks TLS."
    )
    aanlevering_sleutel: Path | None = Field(
        None, description="The private key that goes with it (PEM, no password); empty: it stands with the certificate."
    )
    aanlevering_ca: Path | None = Field(
        None, description="The CAs whose client certificates are let in (PEM, roots and intermediates)."
    )
    aanlevering_crl: Path | None = Field(
        None,
        description="File or folder with a CRL of every one of those CAs (PEM or DER): revoked is refused, and so are "
        "all when a CRL is missing or past its next update. Empty: revocation is not looked at.",
    )
    aanlevering_metrics_poort: int = Field(
        0,
        description="With TLS, the plain port of /healthz, /readyz and /metrics, on `metrics_host`; 0: a free one. "
        "Without TLS they are on the door's own port.",
    )
    client_certificaat: Path | None = Field(None, description="Client certificate of `aanleveren` (PEM).")
    client_sleutel: Path | None = Field(
        None, description="The private key that goes with it (PEM, no password); empty: it stands with the certificate."
    )
    client_ca: Path | None = Field(
        None, description="The CAs of the door's certificate, for `aanleveren` (PEM); empty: those of the system."
    )
    stop_s: float = Field(
        15.0, gt=0, description="Seconds that a worker may take after SIGTERM to finish what it took; then it ends."
    )
    vastgelopen_s: float = Field(
        120.0,
        ge=0,
        description="Seconds that a part of a worker may give no sign while there is work, before the worker says "
        "where it hangs and ends itself; 0: never. Below 30 it would take a pause for that.",
    )
    dlq_max_op_rij: int = Field(
        100,
        ge=0,
        le=DLQ_ONTHOUD,
        description="Unreadable records in a row in a partition that are set aside; one more stops the line: then we "
        "are broken.",
    )
    dlq_max_aandeel: float = Field(
        0.2,
        ge=0,
        le=1,
        description="Share (0-1) of the last 1000 records of a partition that may be unreadable; more stop the line.",
    )

    def topic(self, naam: str) -> str:
        """The full name of a topic."""
        return f"{self.topic_prefix}{naam}"

    def groep(self, naam: str) -> str:
        """The full name of a consumer group or transactional id."""
        return f"{self.topic_prefix}berichtenstroom-{naam}"

    @property
    def opslag_url(self) -> str:
        """The object store in use."""
        return self.opslag or f"file://{(self.data / 'opslag').absolute()}"

    @property
    def sleutelbestand(self) -> Path:
        """The key file in use."""
        return self.sleutels or self.data / "sleutels.json"

    @model_validator(mode="after")
    def _termijnen(self) -> Self:
        """What is on its way must find what it needs, however old it is."""
        langste = max(self.topic_batch_dagen, self.topic_bericht_dagen, self.topic_validatie_dagen)
        if 0 < self.bewaar_berichten_dagen < max(60, langste + 1):
            raise ValueError("BERICHTENSTROOM_BEWAAR_BERICHTEN_DAGEN: 0, or 60 or more and longer than any topic")
        if self.geduld_s * 1.1 >= 86400 * min(self.topic_wacht_dagen, self.topic_bericht_dagen):
            raise ValueError("BERICHTENSTROOM_GEDULD_S: by then bericht and wacht do not have what waits any more")
        return self

    @model_validator(mode="after")
    def _samen_mogelijk(self) -> Self:
        if fouten := beveiliging.tegenstrijdig(self):
            raise ValueError("; ".join(fouten))
        return self

    @classmethod
    def laad(cls, data: Path | None = None, **opties: object) -> Self:
        """Settings with addresses from a running embedded stack where nothing else gives them."""
        gegeven = {naam: waarde for naam, waarde in opties.items() if waarde is not None}
        if data is not None:
            gegeven["data"] = data
        basis = cls(**gegeven)  # type: ignore[arg-type]
        bestand = basis.data / ENDPOINTS
        if bestand.exists():
            adressen = json.loads(bestand.read_text())
            for naam in ("kafka", "clickhouse", "profielservice", "aanlevering"):
                if naam not in basis.model_fields_set:
                    gegeven[naam] = adressen[naam]
                    gegeven |= beveiliging.UIT.get(naam, {})
        return cls(**gegeven)  # type: ignore[arg-type]


def wat_is_er_mis(fout: ValidationError) -> str:
    """Which settings are wrong, and why, in one line that quotes none of them."""
    regels = []
    for een in fout.errors(include_input=False, include_url=False, include_context=False):
        tekst = een["msg"].removeprefix("Value error, ")
        naam = "_".join(map(str, een["loc"])).upper()
        regels.append(f"BERICHTENSTROOM_{naam}: {tekst}" if naam else tekst)
    return "; ".join(regels)
