"""What all contestants of the bench's line use: one broker, one ClickHouse, one profile service."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Self

from clickhouse_connect.driver.client import Client
from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec  # type: ignore[attr-defined]

from bench import werk
from sinks.database import maak_client
from sinks.embedded.proces import EmbeddedClickHouse
from streams.broker import Broker, sterf_met_ouder, vrije_poort
from streams.settings import MAX_RECORD_BYTES

WORTEL = Path(__file__).parents[1]
KLAAR_S = 120.0


class BenchFout(Exception):
    """A contestant did not do its work, so that there is nothing to compare."""


def wacht_tot(conditie: Callable[[], object], binnen_s: float, wat: str, pauze_s: float = 0.05) -> None:
    """Looks until it holds. Raises BenchFout."""
    grens = time.monotonic() + binnen_s
    while not conditie():
        if time.monotonic() > grens:
            raise BenchFout(f"not within {binnen_s:.0f} s: {wat}")
        time.sleep(pauze_s)


class Toneel:
    """What all contestants use: a broker and a ClickHouse that run, and a profile service that ends with it."""

    def __init__(self, map_: Path, wie: werk.Burgers, broker: Broker, clickhouse: EmbeddedClickHouse) -> None:
        self.map = map_
        self.wie = wie
        self.broker = broker
        self.clickhouse = clickhouse
        self.profielservice = f"http://127.0.0.1:{(poort := vrije_poort())}"
        self._profiel = [sys.executable, "-m", "profielservice", "--poort", str(poort)]
        self._stapel = contextlib.ExitStack()
        self._nummer = 0

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as stapel:
            log = self.map / "profielservice.log"
            stapel.enter_context(self.proces(self._profiel, {}, log))
            wacht_tot(lambda: b"profile service on" in log.read_bytes(), KLAAR_S, "the profile service")
            (self.map / "abonnees.json").write_text(json.dumps([*self.wie.goed, *self.wie.fout]))
            self.client: Client = stapel.enter_context(contextlib.closing(maak_client(self.clickhouse.url)))
            self.admin = AdminClient(self._kafka)
            self._stapel = stapel.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stapel.close()

    @property
    def _kafka(self) -> dict[str, Any]:
        return {"bootstrap.servers": self.broker.adres, "log_level": 0}

    def naam(self) -> str:
        """A name that no contestant had yet."""
        self._nummer += 1
        return f"bench{self._nummer}"

    @contextlib.contextmanager
    def proces(
        self, commando: Sequence[str], omgeving: dict[str, str], log: Path
    ) -> "Iterator[subprocess.Popen[bytes]]":
        """A process that is killed at the end."""
        schoon = {naam: waarde for naam, waarde in os.environ.items() if not naam.startswith("BERICHTENSTROOM_")}
        with log.open("ab") as uitvoer:
            proces = subprocess.Popen(
                commando,
                cwd=WORTEL,
                env=schoon | omgeving,
                stdin=subprocess.DEVNULL,
                stdout=uitvoer,
                stderr=uitvoer,
                start_new_session=True,
                preexec_fn=sterf_met_ouder,
            )
        try:
            yield proces
        finally:
            # With all that it started: a process group of its own.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(proces.pid, signal.SIGKILL)
            proces.wait()

    def vul(self, onderwerp: str, records: Sequence[bytes], partities: int) -> None:
        """Writes records; returns when all are durable. Raises BenchFout."""
        mislukt: list[object] = []
        producer = Producer(
            {
                **self._kafka,
                "acks": "all",
                "compression.type": "lz4",
                "linger.ms": 5,
                "batch.size": 1_000_000,
                "message.max.bytes": MAX_RECORD_BYTES,
                "queue.buffering.max.messages": 0,
                "queue.buffering.max.kbytes": 2_000_000,
            }
        )

        def bevestigd(fout: object, _: object) -> None:
            if fout is not None:
                mislukt.append(fout)

        for nummer, inhoud in enumerate(records):
            producer.produce(onderwerp, inhoud, partition=nummer % partities, on_delivery=bevestigd)
            if nummer % 10_000 == 0:
                producer.poll(0)
        if producer.flush(60) or mislukt:
            raise BenchFout(f"{onderwerp} was not filled: {mislukt[:1]}")

    def aantal_records(self, onderwerp: str) -> int:
        """How many records were written to a topic, without transactions."""
        vraag = {TopicPartition(onderwerp, nummer): OffsetSpec.latest() for nummer in range(werk.PARTITIES)}  # type: ignore[no-untyped-call]
        return sum(belofte.result(30).offset for belofte in self.admin.list_offsets(vraag).values())

    def leden(self, groep: str) -> int:
        """How many processes a consumer group has that know what is theirs."""
        try:
            stand = self.admin.describe_consumer_groups([groep])[groep].result(30)
        except (KafkaException, TimeoutError):  # nobody coordinates it yet, or all is busy
            return 0
        return sum(bool(lid.assignment.topic_partitions) for lid in stand.members)

    def lees(self, onderwerp: str) -> Iterator[bytes]:
        """All values of a topic that are committed."""
        consumer = Consumer(
            {
                **self._kafka,
                "group.id": "bench-lezer",
                "enable.auto.commit": False,
                "isolation.level": "read_committed",
                "enable.partition.eof": True,
            }
        )
        partities = consumer.list_topics(onderwerp, 30).topics[onderwerp].partitions
        consumer.assign([TopicPartition(onderwerp, partitie, 0) for partitie in partities])
        over = len(partities)
        while over:
            for record in consumer.consume(1_000, 0.1):
                if record.error() is not None:
                    over -= 1
                elif (inhoud := record.value()) is not None:
                    yield inhoud
        consumer.close()
