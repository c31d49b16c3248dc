"""The whole stack as separate processes, reached through proxies that can be cut, on one folder."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import httpx

from streams import broker
from streams.sleutels import maak_sleutels
from tests.chaos.doorgeefluik import Doorgeefluik
from tests.chaos.proces import Proces, Toezicht
from tests.integration.lijn.stapel import OPDRACHT, WORTEL

HOST = "127.0.0.1"
KLAAR_S = 180.0
OPSLAG_MB = 1024
MAX_WORKERS = 4
_STOPVOLGORDE = ("worker", "aanlevering", "profielservice", "clickhouse", "kafka")


class WereldFout(Exception):
    """The stack did not do what it must before, or after, all faults."""


class Wereld:
    """Broker, ClickHouse, profile service, door and workers; the first three are reached through proxies."""

    def __init__(self, data: Path, workers: int = 2, **instellingen: object) -> None:
        self.data = data.absolute()
        self._echt = {naam: broker.vrije_poort() for naam in ("kafka", "clickhouse", "profielservice")}
        self._controller = broker.vrije_poort()
        self.luiken = {naam: Doorgeefluik(broker.vrije_poort(), echt) for naam, echt in self._echt.items()}
        self._deur = broker.vrije_poort()
        self.metrics = {"aanlevering": self._deur, **self._echt}
        del self.metrics["kafka"]
        self.toezicht = Toezicht()
        self._begin_workers = workers
        self._nummer = 0
        self._met_schijf = False
        via = {naam: luik.poort for naam, luik in self.luiken.items()}
        waarden = {
            "data": self.data,
            "kafka": f"{HOST}:{via['kafka']}",
            "clickhouse": f"http://{HOST}:{via['clickhouse']}",
            "profielservice": f"http://{HOST}:{via['profielservice']}",
            "aanlevering": f"http://{HOST}:{self._deur}",
            "keurders": 1,
            "pauze_s": 3,
            "auditor_s": 10,
            "auditor_na_s": 60,
            **instellingen,
        }
        schoon = {naam: waarde for naam, waarde in os.environ.items() if not naam.startswith("BERICHTENSTROOM_")}
        self.omgeving = schoon | {f"BERICHTENSTROOM_{naam.upper()}": str(waarde) for naam, waarde in waarden.items()}
        self.uitvoer: list[tuple[str, str]] = []

    # -- start and stop

    def start(self) -> None:
        """Returns when all parts are ready. Raises WereldFout."""
        self.data.mkdir(parents=True)
        self._met_schijf = self._eigen_schijf()
        maak_sleutels(self.data / "sleutels.json")
        for luik in self.luiken.values():
            luik.start()
        map_, python = str(self.data), [sys.executable, "-m"]
        delen = {
            "kafka": self._kafka,
            "clickhouse": lambda: self.clickhouse(),
            "profielservice": lambda: [
                *python,
                *("profielservice", "--data", f"{map_}/profielservice", "--poort", str(self._echt["profielservice"])),
            ],
        }
        for naam, commando in delen.items():
            self.toezicht.houd(Proces(naam, commando, self.omgeving, self.log(naam)))
        broker.wacht_tot_klaar(f"{HOST}:{self._echt['kafka']}", KLAAR_S)
        for naam in ("clickhouse", "profielservice"):
            self.wacht_tot(partial(self._gereed, self._echt[naam]), KLAAR_S, f"{naam} is ready")
        self.opdracht("topics")
        self.opdracht("migreer")
        deur = [*python, "aanlevering", "--poort", str(self._deur)]
        self.toezicht.houd(Proces("aanlevering", lambda: deur, self.omgeving, self.log("aanlevering")))
        for _ in range(self._begin_workers):
            self.nieuwe_worker()
        self.wacht_gezond()

    def stop(self) -> None:
        """Ends all parts, the ways in first."""
        self.toezicht.stop(lambda naam: [naam.startswith(deel) for deel in _STOPVOLGORDE].index(True))
        for luik in self.luiken.values():
            luik.stop()
        if self._met_schijf:
            subprocess.run(["umount", str(self.data / "opslag")], check=True)

    def nieuwe_worker(self) -> str:
        """One more worker; its name."""
        self._nummer += 1
        naam, poort = f"worker-{self._nummer}", broker.vrije_poort()
        self.metrics[naam] = poort
        omgeving = self.omgeving | {"BERICHTENSTROOM_METRICS_POORT": str(poort)}
        self.toezicht.houd(Proces(naam, lambda: [*OPDRACHT, "worker"], omgeving, self.log(naam)))
        return naam

    def log(self, naam: str) -> Path:
        """What a part writes."""
        return self.data / "logs" / f"{naam}.log"

    @property
    def deur(self) -> str:
        """The address of aanlevering."""
        return f"http://{HOST}:{self._deur}"

    @property
    def kafka(self) -> str:
        """The broker's address for whoever looks on."""
        return self.omgeving["BERICHTENSTROOM_KAFKA"]

    def clickhouse(self, geheugen_gib: float = 0.0) -> list[str]:
        """The command line of ClickHouse, with so much memory for all queries together (0: plenty)."""
        return [
            *(sys.executable, "-m", "sinks.embedded", "--data", f"{self.data}/clickhouse"),
            *("--poort", str(self._echt["clickhouse"]), "--memory", str(geheugen_gib or 4.0)),
        ]

    def _kafka(self) -> list[str]:
        """The broker sends its clients to the proxy, and talks to itself through it as well."""
        map_ = self.data / "kafka"
        commando = broker.commando(broker.BrokerInstellingen(map_, self._echt["kafka"], self._controller))
        with (map_ / "server.properties").open("a") as regels:
            regels.write(f"\nadvertised.listeners=CLIENT://{HOST}:{self.luiken['kafka'].poort}\n")
        return commando

    def _eigen_schijf(self) -> bool:
        """A small disk for the store alone, so that it can be filled; False where that needs more rights than ours."""
        opslag = self.data / "opslag"
        opslag.mkdir()
        keuze = f"size={OPSLAG_MB}m,mode=0700"
        return subprocess.run(["mount", "-t", "tmpfs", "-o", keuze, "tmpfs", str(opslag)], check=False).returncode == 0

    @property
    def met_schijf(self) -> bool:
        """Whether the store's disk can be filled."""
        return self._met_schijf

    # -- looking on

    def wacht_tot(self, conditie: Callable[[], object], binnen_s: float, wat: str) -> None:
        """Looks until it holds. Raises WereldFout."""
        grens = time.monotonic() + binnen_s
        while not conditie():
            self.toezicht.controleer()
            if time.monotonic() > grens:
                raise WereldFout(f"not within {binnen_s:.0f} s: {wat}")
            time.sleep(0.2)

    def wacht_gezond(self, binnen_s: float = KLAAR_S) -> None:
        """Until every part that has a /readyz says that it can work."""
        for naam, poort in self.metrics.items():
            if naam in self.toezicht.namen():
                self.wacht_tot(partial(self._gereed, poort), binnen_s, f"{naam} is ready")

    def _gereed(self, poort: int) -> bool:
        with suppress(httpx.HTTPError):
            return httpx.get(f"http://{HOST}:{poort}/readyz", timeout=5, trust_env=False).status_code == 200
        return False

    def metingen(self) -> list[tuple[str, str]]:
        """The metrics of every part that runs."""
        return [
            (naam, httpx.get(f"http://{HOST}:{poort}/metrics", timeout=30, trust_env=False).text)
            for naam, poort in self.metrics.items()
            if naam in self.toezicht.namen()
        ]

    def opdracht(self, *woorden: object, timeout_s: float = 300, mag_mislukken: bool = False) -> str:
        """A command of `berichtenstroom`; what it prints. Raises WereldFout."""
        gedaan = subprocess.run(
            [*OPDRACHT, *map(str, woorden)],
            cwd=WORTEL,
            env=self.omgeving,
            capture_output=True,
            encoding="utf-8",
            check=False,
            timeout=timeout_s,
        )
        self.uitvoer.append((" ".join(map(str, woorden)), gedaan.stdout + gedaan.stderr))
        if gedaan.returncode and not mag_mislukken:
            raise WereldFout(f"{woorden[0]} ended with {gedaan.returncode}: {gedaan.stdout}{gedaan.stderr}"[:2000])
        return gedaan.stdout

    def laad(self, gegevens: dict[str, Any]) -> None:
        """Merges reference data; the file is gone afterwards, since it holds BSNs."""
        bestand = self.data / "laad.json"
        bestand.write_text(json.dumps(gegevens))
        try:
            self.opdracht("laad", bestand)
        finally:
            bestand.unlink()

    def sql(self, vraag: str) -> list[list[Any]]:
        """Rows from ClickHouse itself, past the proxy. Raises httpx.HTTPError."""
        antwoord = httpx.post(
            f"http://{HOST}:{self._echt['clickhouse']}/",
            params={"database": "berichtenstroom"},
            content=f"{vraag} FORMAT JSONCompactEachRow",
            timeout=300,
            trust_env=False,
        )
        antwoord.raise_for_status()
        return [json.loads(regel) for regel in antwoord.text.split("\n") if regel]

    def doe(self, opdracht: str) -> None:
        """A statement for ClickHouse itself. Raises httpx.HTTPError."""
        adres = f"http://{HOST}:{self._echt['clickhouse']}/"
        parameters = {"database": "berichtenstroom"}
        httpx.post(adres, params=parameters, content=opdracht, timeout=60, trust_env=False).raise_for_status()

    def profielstoring(self, **storing: object) -> None:
        """How the profile service fails from now on; nothing: it works. Raises httpx.HTTPError."""
        adres = f"http://{HOST}:{self._echt['profielservice']}/storing"
        httpx.put(adres, json=storing, timeout=10, trust_env=False).raise_for_status()
