"""Who takes part in the bench's line: our own workers, and peers. Each runs alone on what all of them use."""

import asyncio
import contextlib
import json
import signal
import subprocess
import sys
from abc import abstractmethod
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from clickhouse_connect.driver.client import Client
from confluent_kafka.admin import NewTopic  # type: ignore[attr-defined]

from avro.codec import Codec
from bench import werk
from bench.opname import cpu_s
from bench.taak import SLICE_UIT, TYPEN, Opdracht, Tabel, lees, nu_ms
from bench.toneel import WORTEL, BenchFout, Toneel, wacht_tot
from bench.werk import Werk
from cli.laad import laad
from domain.batch import Batch
from sinks.database import maak_client
from sinks.migreer import migreer
from streams.broker import vrije_poort
from streams.settings import MAX_RECORD_BYTES, Instellingen
from streams.sleutels import maak_sleutels
from streams.topics import maak_topics

QUIX = WORTEL / ".venv-bench-quix" / "bin" / "python"
_CODEER = {"slices": werk.als_slices, "json-slices": werk.als_json_slices, "json": werk.als_json}
_KIJK_S = 0.2
"""Between two looks at how far it is: each takes ClickHouse some milliseconds."""
_MAX_BYTES = {"max.message.bytes": str(MAX_RECORD_BYTES)}


@dataclass(frozen=True, slots=True)
class Cpu:
    """CPU seconds until now, or between two moments."""

    deelnemer: float
    broker: float
    clickhouse: float

    def sinds(self, eerder: "Cpu") -> "Cpu":
        """What was used since."""
        return Cpu(self.deelnemer - eerder.deelnemer, self.broker - eerder.broker, self.clickhouse - eerder.clickhouse)

    @property
    def samen(self) -> float:
        """All of them."""
        return self.deelnemer + self.broker + self.clickhouse


class Deelnemer(contextlib.AbstractContextManager["Deelnemer"]):
    """One contestant in one round: a context in which its processes run."""

    onderwerp: str
    """The topic with its input."""
    slaap_s = 30.0
    """How long it may be stopped, before its consumers are out of their groups."""
    partities: int
    groepen: Sequence[str] = ()
    """The consumer groups in which every process must be."""

    def __init__(self, toneel: Toneel, processen: int) -> None:
        self.toneel = toneel
        self.naam = toneel.naam()
        self.map = toneel.map / self.naam
        self.map.mkdir()
        self.processen: list[subprocess.Popen[bytes]] = []
        self._aantal = processen
        self._stapel = contextlib.ExitStack()
        self._stapel.callback(self._ruim_op)

    def __exit__(self, *_: object) -> None:
        self._stapel.close()

    @abstractmethod
    def bereid_voor(self) -> None:
        """Makes its topics and tables, and starts its processes."""

    def _ruim_op(self) -> None:
        self.toneel.client.command(f"DROP DATABASE IF EXISTS {self.naam} SYNC")
        weg = [
            onderwerp for onderwerp in self.toneel.admin.list_topics(None, 30).topics if onderwerp.startswith(self.naam)
        ]
        for belofte in self.toneel.admin.delete_topics(weg).values() if weg else ():
            belofte.result(60)

    @cached_property
    def database(self) -> Client:
        """A client in its own database."""
        return self._stapel.enter_context(contextlib.closing(maak_client(self.toneel.clickhouse.url, self.naam)))

    def start(self, commando: Sequence[str], omgeving: dict[str, str]) -> None:
        """Starts one of its processes."""
        log = self.map / f"proces-{len(self.processen)}.log"
        self.processen.append(self._stapel.enter_context(self.toneel.proces(commando, omgeving, log)))

    def wacht(self, conditie: Callable[[], object], binnen_s: float, wat: str) -> None:
        """Looks until it holds. Raises BenchFout, also when one of its processes ends."""

        def kijk() -> object:
            for nummer, proces in enumerate(self.processen):
                if proces.poll() is not None:
                    log = (self.map / f"proces-{nummer}.log").read_text(errors="replace")
                    raise BenchFout(f"a process ended with {proces.returncode}: {log[-2000:]}")
            return conditie()

        wacht_tot(kijk, binnen_s, wat, _KIJK_S)

    def seinen(self, signaal: signal.Signals) -> None:
        """Sends a signal to each of its processes."""
        for proces in self.processen:
            proces.send_signal(signaal)

    def cpu(self) -> Cpu:
        """CPU seconds until now."""
        return Cpu(
            sum(cpu_s(proces.pid) for proces in self.processen),
            cpu_s(self.toneel.broker.pid),
            cpu_s(self.toneel.clickhouse.pid),
        )

    def records(self, berichten: Werk) -> list[bytes]:
        """Its input for this work, delivered now."""
        nu = nu_ms()
        vers = (
            Batch(replace(batch.kader, aangeleverd_op=nu, aanmaakdatum=nu), batch.berichten)
            for batch in berichten.batches
        )
        return [record for batch in vers for record in self.codeer(batch)]

    @abstractmethod
    def codeer(self, batch: Batch) -> Iterable[bytes]:
        """The records that bring a batch."""

    def _tel(self, vraag: str) -> Counter[str]:
        return Counter({str(rij[0]): int(rij[1]) for rij in self.database.query(vraag).result_rows})

    def aantal(self) -> int:
        """How many rows there are; a row that was written again may count twice."""
        return int(self.database.command("SELECT count() FROM uitkomsten"))  # type: ignore[arg-type]

    def heeft(self, aantal: int) -> bool:
        """Whether so many messages are visible."""
        return self.aantal() >= aantal and self.rijen().total() >= aantal

    def rijen(self) -> Counter[str]:
        """How many messages have each code, by the rows."""
        return self._tel("SELECT code, count() FROM uitkomsten GROUP BY code")

    @abstractmethod
    def gebeurtenissen(self) -> Counter[str]:
        """The same by the outcome events in Kafka."""

    @abstractmethod
    def is_afgerond(self, records: int) -> bool:
        """Whether all that it must do for so many records is done."""


class Lijn(Deelnemer):
    """Our own workers, with all that they do beside."""

    slaap_s = 6.0
    _codec = Codec()

    def bereid_voor(self) -> None:
        toneel = self.toneel
        self.instellingen = Instellingen.laad(
            data=self.map,
            kafka=toneel.broker.adres,
            clickhouse=toneel.clickhouse.url,
            profielservice=toneel.profielservice,
            profielservice_cache_s=7 * 86400,
            partities_bericht=werk.LIJN_PARTITIES,
            topic_prefix=f"{self.naam}.",
            database=self.naam,
        )
        self.onderwerp = self.instellingen.topic("batch")
        self.partities = self.instellingen.partities_batch
        maak_sleutels(self.instellingen.sleutelbestand)
        maak_topics(self.instellingen)
        migreer(toneel.client, self.naam)
        bestand = self.map / "laad.json"
        bestand.write_text(json.dumps(_referentiegegevens(toneel.wie)))
        asyncio.run(laad(self.instellingen, bestand, "bench"))
        gezet = {naam: str(getattr(self.instellingen, naam)) for naam in self.instellingen.model_fields_set}
        omgeving = {f"BERICHTENSTROOM_{naam.upper()}": waarde for naam, waarde in gezet.items()}
        poorten = [vrije_poort() for _ in range(self._aantal)]
        for poort in poorten:
            eigen = omgeving | {"BERICHTENSTROOM_METRICS_POORT": str(poort)}
            self.start([sys.executable, "-m", "cli.main", "worker"], eigen)
        self.groepen = [self.instellingen.groep("worker"), self.instellingen.groep("sink")]

    def codeer(self, batch: Batch) -> Iterable[bytes]:
        return [self._codec.schrijf_batch(batch)]

    def rijen(self) -> Counter[str]:
        return self._tel("SELECT code, count() FROM uitkomsten FINAL GROUP BY code")

    def gebeurtenissen(self) -> Counter[str]:
        lezer = self.toneel.lees(self.instellingen.topic("validatie"))
        return Counter(str(code) for inhoud in lezer for code in self._codec.lees_uitkomst(inhoud).codes)

    def is_afgerond(self, records: int) -> bool:
        beantwoord = self.database.command("SELECT count() FROM resultaten FINAL")
        return beantwoord == records


class Peer(Deelnemer):
    """Another program that does the same checks."""

    partities = werk.PARTITIES

    def __init__(self, toneel: Toneel, processen: int, vorm: str, commando: Sequence[str]) -> None:
        """`vorm`: see Opdracht."""
        super().__init__(toneel, processen)
        self._vorm = vorm
        self._commando = commando
        self.onderwerp = f"{self.naam}.bericht"
        self._uitkomst = f"{self.naam}.uitkomst"

    def bereid_voor(self) -> None:
        if not Path(self._commando[0]).exists():
            raise BenchFout(f"{self._commando[0]} is not there: 'make bench' sets up what the peers need")
        toneel = self.toneel
        nieuw = [NewTopic(naam, self.partities, 1, config=_MAX_BYTES) for naam in (self.onderwerp, self._uitkomst)]
        for belofte in toneel.admin.create_topics(nieuw).values():
            belofte.result(60)
        toneel.client.command(f"CREATE DATABASE {self.naam}")
        opdracht = Opdracht(
            kafka=toneel.broker.adres,
            groep=self.naam,
            onderwerp=self.onderwerp,
            uitkomst=self._uitkomst,
            vorm=self._vorm,
            clickhouse=toneel.clickhouse.url,
            database=self.naam,
            map=str(self.map),
            abonnees=str(toneel.map / "abonnees.json"),
        )
        Tabel(opdracht).maak()
        omgeving = opdracht.bewaar(self.map / "opdracht.json")
        for _ in range(self._aantal):
            self.start(self._commando, omgeving)
        self.groepen = [self.naam] if self._aantal > 1 else []

    def codeer(self, batch: Batch) -> Iterable[bytes]:
        return _CODEER[self._vorm](batch)

    def gebeurtenissen(self) -> Counter[str]:
        avro = self._vorm == "slices"
        geteld: Counter[str] = Counter()
        for inhoud in self.toneel.lees(self._uitkomst):
            gelezen = lees(SLICE_UIT, inhoud) if avro else json.loads(inhoud)
            geteld.update(bericht["code"] for bericht in gelezen.get("berichten", [gelezen]))
        return geteld

    def is_afgerond(self, records: int) -> bool:
        return self.toneel.aantal_records(self._uitkomst) == records


def _referentiegegevens(wie: werk.Burgers) -> dict[str, Any]:
    def berichttype(code: str, status: str) -> dict[str, str]:
        soort = {"omschrijving": "Van de bench", "notificatiekenmerk": "Informatie geven"}
        return {"oin": werk.LEVERANCIER, "code": code, "status": status} | soort

    return {
        "leveranciers": [{"oin": werk.LEVERANCIER, "naam": "Gemeente Voorbeeld", "intermediair_voor": []}],
        "berichttypes": [
            *(berichttype(code, "Actief") for code in TYPEN),
            berichttype(werk.INACTIEF, "Inactief"),
        ],
        "diensten": [],
        "machtigingen": [],
        "gebruikers": [{"bsn": bsn, "actief": True, "abonnementen": "*"} for bsn in wie.goed],
    }
