"""The embedded stack: starts its parts in order, watches them, starts again what died, and stops all of it.

`endpoints.json` is gone while anything is not ready yet, appears whole, and is written again whenever a pid changes.
"""

import contextlib
import fcntl
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from sinks.database import maak_client
from sinks.migreer import migreer
from streams import broker, topics
from streams.settings import ENDPOINTS, Instellingen
from streams.sleutels import maak_sleutels

HOST = "127.0.0.1"
KLAAR_S = 120
"""How long a part may take to be ready at its first start."""
STOP_S = 20
MAX_PAUZE_S = 10.0
MAX_LOG_BYTES = 20_000_000


class StapelFout(Exception):
    """The stack cannot start; the text says what to do."""


@dataclass(slots=True)
class Deel:
    """One process of the stack."""

    naam: str
    log: Path
    commando: Callable[[], list[str]]
    omgeving: dict[str, str]
    is_klaar: Callable[[], bool]
    proces: subprocess.Popen[bytes] | None = None
    gestart_op: float = 0.0
    pauze_s: float = 0.2
    opnieuw_op: float = 0.0

    def start(self) -> None:
        """Starts the process. It leaves Ctrl-C to us, and dies with us however we die."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        if self.log.exists() and self.log.stat().st_size > MAX_LOG_BYTES:
            self.log.replace(self.log.with_suffix(".log.1"))
        with self.log.open("ab") as uitvoer:
            self.proces = subprocess.Popen(
                self.commando(),
                stdin=subprocess.DEVNULL,
                stdout=uitvoer,
                stderr=uitvoer,
                env=self.omgeving,
                start_new_session=True,
                preexec_fn=broker.sterf_met_ouder,
            )
        self.gestart_op = time.monotonic()

    def leeft(self) -> bool:
        """Whether the process runs."""
        return self.proces is not None and self.proces.poll() is None

    def stop(self) -> None:
        """SIGTERM, and SIGKILL when that takes too long."""
        if self.proces is None:
            return
        with contextlib.suppress(ProcessLookupError):
            self.proces.send_signal(signal.SIGCONT)
            self.proces.terminate()
        try:
            self.proces.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self.proces.kill()
            self.proces.wait()


@dataclass(slots=True)
class Stapel:
    """All parts, on one data folder."""

    instellingen: Instellingen
    workers: int
    meld: Callable[[str], None]
    stop_gevraagd: threading.Event = field(default_factory=threading.Event)
    delen: list[Deel] = field(default_factory=list)
    _adressen: dict[str, Any] = field(default_factory=dict)
    _geschreven: dict[str, Any] = field(default_factory=dict)

    @property
    def data(self) -> Path:
        """The data folder."""
        return self.instellingen.data

    def start(self) -> None:
        """Returns when all parts are ready and `endpoints.json` says so. Raises StapelFout, BrokerError."""
        self._bestand().unlink(missing_ok=True)
        maak_sleutels(self.instellingen.sleutelbestand)
        poorten = _vrije_poorten(5 + self.workers)
        kafka_poort, controller_poort, clickhouse, profiel, aanlevering, *worker_poorten = poorten
        self._adressen = {
            "kafka": f"{HOST}:{kafka_poort}",
            "clickhouse": f"http://{HOST}:{clickhouse}",
            "profielservice": f"http://{HOST}:{profiel}",
            "aanlevering": f"http://{HOST}:{aanlevering}",
            "portal": None,
            "metrics": [
                f"http://{HOST}:{poort}/metrics" for poort in (*worker_poorten, aanlevering, profiel, clickhouse)
            ],
        }
        eigen = {naam: self._adressen[naam] for naam in ("kafka", "clickhouse", "profielservice", "aanlevering")}
        self.instellingen = self.instellingen.model_copy(update=eigen)
        omgeving = os.environ | {f"BERICHTENSTROOM_{naam.upper()}": waarde for naam, waarde in eigen.items()}
        omgeving["BERICHTENSTROOM_DATA"] = str(self.data.absolute())

        kafka_instellingen = broker.BrokerInstellingen(self.data / "kafka", kafka_poort, controller_poort)
        kafka = Deel(
            "kafka",
            self.data / "kafka" / "logs" / "console.log",
            lambda: broker.commando(kafka_instellingen),
            omgeving,
            lambda: _kafka_klaar(self._adressen["kafka"]),
        )
        module = [sys.executable, "-m"]

        def deel(naam: str, poort: int, *woorden: str, extra: dict[str, str] | None = None) -> Deel:
            commando = [*module, *woorden]
            klaar_url = f"http://{HOST}:{poort}/readyz"
            log = self.data / "logs" / f"{naam}.log"
            return Deel(naam, log, lambda: commando, omgeving | (extra or {}), lambda: _http_klaar(klaar_url))

        map_ = str(self.data.absolute())
        gegevens = [
            kafka,
            deel(
                "clickhouse", clickhouse, "sinks.embedded", "--data", f"{map_}/clickhouse", "--poort", str(clickhouse)
            ),
            deel(
                "profielservice", profiel, "profielservice", "--data", f"{map_}/profielservice", "--poort", str(profiel)
            ),
        ]
        lijn = [deel("aanlevering", aanlevering, "aanlevering", "--poort", str(aanlevering))]
        for nummer, poort in enumerate(worker_poorten, 1):
            extra = {"BERICHTENSTROOM_METRICS_POORT": str(poort)}
            lijn.append(deel(f"worker-{nummer}", poort, "cli.main", "worker", extra=extra))

        self._start(gegevens)
        if self.stop_gevraagd.is_set():
            return
        for regel in topics.maak_topics(self.instellingen):
            self.meld(regel)
        database = maak_client(self.instellingen.clickhouse)
        for naam in migreer(database, self.instellingen.database):
            self.meld(f"table migration applied: {naam}")
        database.close()
        self._start(lijn)
        if not self.stop_gevraagd.is_set():
            self._schrijf_adressen()

    def bewaak(self) -> None:
        """Looks once: starts again what died, with growing pauses, and keeps the pids true."""
        nu = time.monotonic()
        for deel in self.delen:
            if deel.leeft():
                if nu - deel.gestart_op > 30:
                    deel.pauze_s = 0.2
                continue
            if deel.opnieuw_op == 0.0 and deel.proces is not None:
                self.meld(
                    f"{deel.naam} stopped (exit code {deel.proces.returncode}), starting it again; log: {deel.log}"
                )
                deel.opnieuw_op = nu + deel.pauze_s
                deel.pauze_s = min(deel.pauze_s * 2, MAX_PAUZE_S)
            if nu >= deel.opnieuw_op:
                try:
                    deel.start()
                    deel.opnieuw_op = 0.0
                except (broker.BrokerError, OSError) as fout:
                    self.meld(f"{deel.naam} cannot start yet: {fout}")
                    deel.opnieuw_op = nu + deel.pauze_s
        self._schrijf_adressen()

    def stop(self) -> None:
        """Stops the ways in first, the broker last; what is under way is finished or comes again at the next start."""
        self._bestand().unlink(missing_ok=True)
        workers = [deel for deel in self.delen if deel.naam.startswith("worker")]
        for deel in workers:
            if deel.proces is not None and deel.leeft():
                deel.proces.terminate()
        for deel in reversed(self.delen):
            deel.stop()

    def _start(self, delen: list[Deel]) -> None:
        for deel in delen:
            self.meld(f"starting {deel.naam}")
            deel.start()
            self.delen.append(deel)
        grens = time.monotonic() + KLAAR_S
        for deel in delen:
            while not self.stop_gevraagd.is_set() and not deel.is_klaar():
                if not deel.leeft():
                    raise StapelFout(f"{deel.naam} did not start: {_laatste_regel(deel.log)} (log: {deel.log})")
                if time.monotonic() > grens:
                    raise StapelFout(f"{deel.naam} was not ready within {KLAAR_S} s; log: {deel.log}")
                time.sleep(0.1)

    def _bestand(self) -> Path:
        return self.data / ENDPOINTS

    def _schrijf_adressen(self) -> None:
        pids: dict[str, Any] = {"up": os.getpid(), "workers": []}
        for deel in self.delen:
            pid = deel.proces.pid if deel.proces is not None and deel.leeft() else None
            if deel.naam.startswith("worker"):
                pids["workers"].append(pid)
            else:
                pids[deel.naam] = pid
        pids["workers"] = [pid for pid in pids["workers"] if pid is not None]
        inhoud = self._adressen | {"pids": pids}
        if inhoud == self._geschreven:
            return
        nieuw = self._bestand().with_suffix(".json.nieuw")
        nieuw.write_text(json.dumps(inhoud, indent=2) + "\n")
        nieuw.replace(self._bestand())
        self._geschreven = inhoud


@contextlib.contextmanager
def alleen_wij(data: Path) -> Iterator[None]:
    """Holds the data folder. Raises StapelFout when another stack runs on it."""
    os.umask(0o077)  # what the parts write holds messages: for this user alone
    data.mkdir(parents=True, exist_ok=True)
    with (data / "up.lock").open("w") as slot:
        try:
            fcntl.flock(slot, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise StapelFout(
                f"a stack runs on {data} already; stop it first, or give another folder with --data"
            ) from None
        yield


def _vrije_poorten(aantal: int) -> list[int]:
    poorten: set[int] = set()
    while len(poorten) < aantal:
        poorten.add(broker.vrije_poort())
    return list(poorten)


def _kafka_klaar(adres: str) -> bool:
    try:
        broker.wacht_tot_klaar(adres, 2)
    except broker.BrokerError:
        return False
    return True


def _http_klaar(url: str) -> bool:
    try:
        return httpx.get(url, timeout=2, trust_env=False).status_code == 200
    except httpx.HTTPError:
        return False


def _laatste_regel(log: Path) -> str:
    regels = log.read_text(errors="replace").strip().splitlines() if log.exists() else []
    return regels[-1] if regels else "it said nothing"
