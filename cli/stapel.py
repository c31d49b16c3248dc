"""The embedded stack: starts its parts in order, watches them, starts again what died, and stops all of it.

`endpoints.json` appears, whole, when everything is ready, is written again whenever a pid changes, and goes at the end.
While it runs it does what is asked of it: see `cli.verzoek`.
"""

import contextlib
import fcntl
import itertools
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

from cli import verzoek
from cli.logs import Logs
from cli.wachtstand import Wachtstand, vraag
from sinks.bewaren import termijnen, zet_termijnen
from sinks.database import verbind
from sinks.migreer import migreer
from streams import beveiliging, broker, topics
from streams.settings import ENDPOINTS, Instellingen
from streams.sleutels import maak_sleutels

HOST = "127.0.0.1"
KLAAR_S = 120
"""How long a part may take to be ready at its first start."""
STOP_S = 20.0
"""How long a part may take to stop; a worker takes 5 s more than its own deadline at least."""
MAX_PAUZE_S = 10.0


class StapelFout(Exception):
    """The stack cannot start; the text says what to do."""


class DraaitAl(StapelFout):
    """Another stack has the data folder."""


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
    stop_s: float = STOP_S
    metrics: str = ""
    """Of a worker: where its metrics are."""
    weg_voor: float | None = None
    """It must go, and not come back: by then (of a monotonic clock) it is killed."""
    _gevraagd: subprocess.Popen[bytes] | None = None
    """The process that was asked to stop: a second SIGTERM would hurry it."""

    def start(self) -> None:
        """Starts the process. It leaves Ctrl-C to us, and dies with us however we die."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
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

    def werkt(self) -> bool:
        """Whether it runs and says that it is ready."""
        return self.leeft() and self.is_klaar()

    def vraag_te_stoppen(self) -> None:
        """SIGTERM, once, which also one that sleeps gets. Nothing when it does not run."""
        if self.proces is not None and self.leeft() and self._gevraagd is not self.proces:
            self._gevraagd = self.proces
            with contextlib.suppress(ProcessLookupError):
                self.proces.send_signal(signal.SIGCONT)
                self.proces.terminate()

    def stop(self) -> None:
        """Returns when it is gone: SIGTERM, and SIGKILL when that takes too long."""
        if self.proces is None:
            return
        self.vraag_te_stoppen()
        try:
            self.proces.wait(self.stop_s)
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
    _logs: Logs | None = None
    _wachtstand: Wachtstand = field(default_factory=Wachtstand)
    _omgeving: dict[str, str] = field(default_factory=dict)
    _verzoek: verzoek.Verzoek | None = None
    """What is being done, until it is done."""
    _te_herstarten: list[Deel] = field(default_factory=list)
    """The workers that must still be started anew."""
    _herstart: tuple[Deel, subprocess.Popen[bytes] | None, float] | None = None
    """The one that is, its process that must go, and when that is killed."""

    @property
    def data(self) -> Path:
        """The data folder."""
        return self.instellingen.data

    def start(self) -> None:
        """Returns when all parts are ready and `endpoints.json` says so. Raises StapelFout, BrokerError."""
        self._bestand().unlink(missing_ok=True)
        verzoek.wis(self.data)
        self._logs = Logs([self.data / "logs", self.data / "kafka" / "logs"], self.instellingen.bewaar_logs_dagen)
        self._logs.kijk()
        maak_sleutels(self.instellingen.sleutelbestand)
        kafka_poort, controller_poort, clickhouse, profiel, aanlevering = (broker.vrije_poort() for _ in range(5))
        self._adressen = {
            "kafka": f"{HOST}:{kafka_poort}",
            "clickhouse": f"http://{HOST}:{clickhouse}",
            "profielservice": f"http://{HOST}:{profiel}",
            "aanlevering": f"http://{HOST}:{aanlevering}",
            "portal": None,
            "metrics": [f"http://{HOST}:{poort}/metrics" for poort in (aanlevering, profiel, clickhouse)],
        }
        eigen = {naam: self._adressen[naam] for naam in ("kafka", "clickhouse", "profielservice", "aanlevering")}
        elders = {naam: uit for deel in eigen for naam, uit in beveiliging.UIT.get(deel, {}).items()}
        self.instellingen = self.instellingen.model_copy(update=eigen | elders)
        omgeving = os.environ | {f"BERICHTENSTROOM_{naam.upper()}": waarde for naam, waarde in eigen.items()}
        for naam in elders:
            omgeving.pop(f"BERICHTENSTROOM_{naam.upper()}", None)
        omgeving["BERICHTENSTROOM_DATA"] = str(self.data.absolute())
        self._omgeving = omgeving

        kafka_instellingen = broker.BrokerInstellingen(self.data / "kafka", kafka_poort, controller_poort)
        kafka = Deel(
            "kafka",
            self.data / "kafka" / "logs" / "console.log",
            lambda: broker.commando(kafka_instellingen),
            omgeving,
            lambda: _kafka_klaar(self._adressen["kafka"]),
        )
        module = [sys.executable, "-m"]

        def deel(naam: str, poort: int, *woorden: str) -> Deel:
            commando = [*module, *woorden]
            klaar_url = f"http://{HOST}:{poort}/readyz"
            log = self.data / "logs" / f"{naam}.log"
            return Deel(naam, log, lambda: commando, omgeving, lambda: _http_klaar(klaar_url))

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
        lijn += [self._maak_worker(nummer) for nummer in range(1, self.workers + 1)]

        self._start(gegevens)
        if self.stop_gevraagd.is_set():
            return
        for regel in topics.maak_topics(self.instellingen):
            self.meld(regel)
        database = verbind(self.instellingen, "")
        for naam in migreer(database, self.instellingen.database):
            self.meld(f"table migration applied: {naam}")
        for regel in zet_termijnen(database, self.instellingen.database, termijnen(self.instellingen)):
            self.meld(regel)
        database.close()
        self._start(lijn)
        if not self.stop_gevraagd.is_set():
            self._schrijf_adressen()

    def _maak_worker(self, nummer: int) -> Deel:
        poort = broker.vrije_poort()
        naam, basis = f"worker-{nummer}", f"http://{HOST}:{poort}"
        return Deel(
            naam,
            self.data / "logs" / f"{naam}.log",
            lambda: [sys.executable, "-m", "cli.main", "worker"],
            self._omgeving | {"BERICHTENSTROOM_METRICS_POORT": str(poort)},
            lambda: _http_klaar(f"{basis}/readyz"),
            stop_s=max(STOP_S, self.instellingen.stop_s + 5),
            metrics=f"{basis}/metrics",
        )

    def bewaak(self) -> None:
        """Looks once: starts again what died, with growing pauses, does what is asked, and keeps the pids true."""
        nu = time.monotonic()
        if self._logs is not None:
            self._logs.kijk()
        self._volg_verzoek(nu)
        for deel in list(self.delen):
            if deel.weg_voor is not None:
                if not deel.leeft():
                    self.delen.remove(deel)
                elif nu > deel.weg_voor and deel.proces is not None:
                    deel.proces.kill()
                continue
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
        self._wachtstand.kijk(self.meld, [deel.metrics for deel in self._workers() if deel.leeft()])

    def _volg_verzoek(self, nu: float) -> None:
        """Begins what is asked, or does the next thing for it. It waits for nothing."""
        gevraagd = verzoek.lees(self.data)
        laatste = self._verzoek.id if self._verzoek is not None else self._adressen.get("verzoek")
        if gevraagd is not None and gevraagd.id != laatste:
            self._verzoek = gevraagd
            if gevraagd.workers is not None:
                self._schaal(gevraagd.workers, nu)
            self._te_herstarten = [deel for deel in self._workers() if gevraagd.herstart and deel.proces is not None]
        if self._verzoek is None or self._herstart_loopt(nu) or not all(map(Deel.werkt, self._workers())):
            return
        self._te_herstarten = [deel for deel in self._te_herstarten if deel.weg_voor is None]
        if self._te_herstarten:
            deel = self._te_herstarten.pop(0)
            self.meld(f"restarting {deel.naam}")
            self._herstart = deel, deel.proces, nu + deel.stop_s
            deel.vraag_te_stoppen()
        elif all(deel.weg_voor is None for deel in self.delen):
            self.meld(f"workers that are ready, as asked: {len(self._workers())}")
            self._adressen["verzoek"], self._verzoek = self._verzoek.id, None

    def _herstart_loopt(self, nu: float) -> bool:
        """Whether a worker is being started anew: the next one goes when it works."""
        if self._herstart is None:
            return False
        deel, oud, kill_op = self._herstart
        if deel.weg_voor is None and deel.proces is oud:
            if nu > kill_op and oud is not None:
                oud.kill()
            return True
        self._herstart = None
        return False

    def _schaal(self, aantal: int, nu: float) -> None:
        workers = self._workers()
        had = len(workers)
        self.meld(f"{had} workers already: nothing changes" if aantal == had else f"from {had} to {aantal} workers")
        bezet = {deel.naam for deel in self.delen}
        vrij = (nummer for nummer in itertools.count(1) if f"worker-{nummer}" not in bezet)
        self.delen += [self._maak_worker(nummer) for nummer in itertools.islice(vrij, max(0, aantal - len(workers)))]
        for deel in workers[aantal:]:
            deel.weg_voor = nu + deel.stop_s
            deel.vraag_te_stoppen()

    def _workers(self) -> list[Deel]:
        """Those that are to stay."""
        return [deel for deel in self.delen if deel.metrics and deel.weg_voor is None]

    def stop(self) -> None:
        """Stops the ways in first, the broker last; what is under way is finished or comes again at the next start."""
        self._bestand().unlink(missing_ok=True)
        nu = time.monotonic()
        for deel in self._workers():  # all at once
            deel.weg_voor = nu + deel.stop_s
            deel.vraag_te_stoppen()
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
            if not deel.metrics:
                pids[deel.naam] = pid
            elif pid is not None:
                pids["workers"].append(pid)
        van_workers = [deel.metrics for deel in self.delen if deel.metrics]
        inhoud = self._adressen | {"metrics": van_workers + self._adressen["metrics"], "pids": pids}
        if inhoud == self._geschreven:
            return
        nieuw = self._bestand().with_suffix(".json.nieuw")
        nieuw.write_text(json.dumps(inhoud, indent=2) + "\n")
        nieuw.replace(self._bestand())
        self._geschreven = inhoud


@contextlib.contextmanager
def alleen_wij(data: Path) -> Iterator[None]:
    """Holds the data folder. Raises DraaitAl when another stack runs on it."""
    os.umask(0o077)  # what the parts write holds messages: for this user alone
    data.mkdir(parents=True, exist_ok=True)
    with (data / "up.lock").open("w") as slot:
        try:
            fcntl.flock(slot, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise DraaitAl(
                f"a stack runs on {data} already; stop it first, or give another folder with --data"
            ) from None
        yield


def draait(data: Path) -> bool:
    """Whether a stack has the data folder."""
    try:
        with (data / "up.lock").open() as slot:
            fcntl.flock(slot, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def _kafka_klaar(adres: str) -> bool:
    try:
        broker.wacht_tot_klaar(adres, 2)
    except broker.BrokerError:
        return False
    return True


def _http_klaar(url: str) -> bool:
    status, _ = vraag(url, 2)
    return status == 200


def _laatste_regel(log: Path) -> str:
    regels = log.read_text(errors="replace").strip().splitlines() if log.exists() else []
    return regels[-1] if regels else "it said nothing"
