"""All settings, in one place: each with its unit, default and reason. Environment: `BERICHTENSTROOM_` + NAME."""

import json
from pathlib import Path
from typing import Self

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

MAX_RECORD_BYTES = 24 * 1024 * 1024
"""The largest Kafka record: 1000 messages of 4000 four-byte characters, with room to spare."""

ENDPOINTS = "endpoints.json"


class Instellingen(BaseSettings):
    """What the processes need to know. Options on the command line win over the environment, the environment over
    the addresses of an embedded stack that runs on the data folder."""

    model_config = SettingsConfigDict(env_prefix="BERICHTENSTROOM_", extra="ignore")

    data: Path = Field(Path(".data"), description="Folder of the embedded stack.")
    kafka: str = Field("127.0.0.1:9092", description="Bootstrap servers, separated by commas.")
    clickhouse: str = Field(
        "http://127.0.0.1:8123", description="URL of ClickHouse; user, password and TLS stand in it."
    )
    database: str = Field("berichtenstroom", description="ClickHouse database.", pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")
    profielservice: str = Field("http://127.0.0.1:8080", description="URL of the profile service.")
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
    replicatie: int = Field(1, description="Replication factor of topics; 3 on a cluster.")
    partities_batch: int = Field(4, description="Partitions of `batch`, `resultaat` and `notificatie`.")
    partities_bericht: int = Field(
        8, description="Partitions of `bericht`, `validatie` and `wacht`. Pinned: a BerichtID must stay where it is."
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
    wachttijd_slices_s: float = Field(0.1, description="Seconds to gather them.")
    onverwerkt_max: int = Field(
        500_000, description="Decisions a worker remembers before it waits for ClickHouse to show them; bounds memory."
    )
    sink_bytes: int = Field(32 * 1024 * 1024, description="Bytes of records that one round of the sink may hold.")
    sink_wacht_s: float = Field(0.5, description="Seconds the sink gathers records before it inserts.")
    sweep_s: float = Field(1.0, description="Seconds between two looks for finished runs.")
    auditor_s: float = Field(60.0, ge=0, description="Seconds between two looks for runs that fell silent.")
    auditor_na_s: float = Field(
        300.0,
        ge=0,
        description="Seconds after delivery at which an open run is looked at; offers of it then grow rarer.",
    )
    aanlevering_gelijktijdig: int = Field(2, description="Deliveries that are read at the same time.")
    aanlevering_wachtrij: int = Field(64, description="Deliveries that may wait before the door answers 503.")
    aanlevering_deadline_s: float = Field(60.0, description="Seconds a delivery may take to become durable.")
    dlq_max_op_rij: int = Field(
        100, description="Unreadable records in a row at which the line stops: then we are broken."
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
        return cls(**gegeven)  # type: ignore[arg-type]
