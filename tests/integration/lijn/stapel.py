"""An embedded stack, started and used as from a terminal: by its commands, its addresses and its processes."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx

WORTEL = Path(__file__).parents[3]
"""The tree under test: child processes import from here."""
OPDRACHT = (sys.executable, "-m", "cli.main")
KLAAR_S = 180.0


def omgeving(**instellingen: object) -> dict[str, str]:
    """The environment without settings of ours, then the given ones."""
    schoon = {naam: waarde for naam, waarde in os.environ.items() if not naam.startswith("BERICHTENSTROOM_")}
    return schoon | {f"BERICHTENSTROOM_{naam.upper()}": str(waarde) for naam, waarde in instellingen.items()}


def wacht_tot(conditie: Callable[[], object], binnen_s: float, wat: str) -> None:
    """Looks until it holds; fails saying `wat` after so many seconds."""
    grens = time.monotonic() + binnen_s
    while not conditie():
        assert time.monotonic() < grens, f"not within {binnen_s:.0f} s: {wat}"
        time.sleep(0.1)


def leeft(pid: int) -> bool:
    """Whether the process runs; a zombie that nobody collected does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


class Stapel:
    """`berichtenstroom up` on one data folder, and what a second terminal does beside it."""

    def __init__(self, data: Path, workers: int = 2, **instellingen: object) -> None:
        self.data = data
        self._workers = workers
        self._instellingen = instellingen
        self._up: subprocess.Popen[bytes] | None = None
        self._los: list[subprocess.Popen[bytes]] = []
        self.uitvoer: list[tuple[str, str]] = []
        """What every command was called with, and what it wrote, errors included."""

    # -- the stack itself

    def start(self, *, wacht: bool = True) -> None:
        """Returns when `endpoints.json` is there, or at once."""
        assert not self.draait()
        self.data.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            self._up = subprocess.Popen(
                [*OPDRACHT, "up", "--data", str(self.data), "--workers", str(self._workers)],
                cwd=WORTEL,
                env=omgeving(**self._instellingen),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        if not wacht:
            return
        grens = time.monotonic() + KLAAR_S
        eigen = f'"up": {self._up.pid},'
        while not (self.endpoints.exists() and eigen in self.endpoints.read_text()):
            assert self._up.poll() is None, f"up ended by itself:\n{self.log.read_text()[-3000:]}"
            assert time.monotonic() < grens, f"up is not ready:\n{self.log.read_text()[-3000:]}"
            time.sleep(0.1)

    @property
    def log(self) -> Path:
        """What `up` writes."""
        return self.data / "up.log"

    @property
    def endpoints(self) -> Path:
        """The file that says where everything is."""
        return self.data / "endpoints.json"

    def draait(self) -> bool:
        """Whether `up` runs."""
        return self._up is not None and self._up.poll() is None

    @property
    def adressen(self) -> dict[str, Any]:
        """`endpoints.json` as it is now."""
        inhoud: dict[str, Any] = json.loads(self.endpoints.read_text())
        return inhoud

    @property
    def pids(self) -> dict[str, Any]:
        """The processes, as `endpoints.json` names them now."""
        pids: dict[str, Any] = self.adressen["pids"]
        return pids

    def alle_pids(self) -> list[int]:
        """All processes of the stack, and those started by hand."""
        pids = self.pids
        van_up = [*pids["workers"], *(pid for naam, pid in pids.items() if naam != "workers")]
        return [pid for pid in van_up if pid] + [los.pid for los in self._los if los.poll() is None]

    def stop(self) -> int:
        """SIGTERM; returns the exit code of `up`."""
        assert self._up is not None
        self._up.terminate()
        code = self._up.wait(120)
        self._up = None
        return code

    def kill(self) -> None:
        """kill -9 of `up`; its parts must die with it."""
        assert self._up is not None
        self._up.kill()
        self._up.wait()
        self._up = None

    def extra_worker(self) -> "subprocess.Popen[bytes]":
        """One more worker, started by hand as in a second terminal."""
        with self.extra_log(len(self._los)).open("ab") as log:
            proces = subprocess.Popen(
                [*OPDRACHT, "worker", "--data", str(self.data)],
                cwd=WORTEL,
                env=omgeving(**self._instellingen),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._los.append(proces)
        return proces

    def extra_log(self, nummer: int) -> Path:
        """What the so many-th worker started by hand writes, from 0."""
        return self.data / f"extra-worker-{nummer}.log"

    def ruim_op(self) -> None:
        """Ends everything that is ours, whatever state it is in."""
        achter = self.alle_pids() if self.endpoints.exists() else []
        for los in self._los:
            if los.poll() is None:
                los.send_signal(signal.SIGCONT)
                los.kill()
                los.wait()
        if self._up is not None and self._up.poll() is None:
            self._up.terminate()
            try:
                self._up.wait(90)
            except subprocess.TimeoutExpired:
                self._up.kill()
                self._up.wait()
        self._up = None
        grens = time.monotonic() + 20
        while any(map(leeft, achter)) and time.monotonic() < grens:
            time.sleep(0.1)
        assert not [pid for pid in achter if leeft(pid)], "parts of the stack outlive it"

    # -- as a second terminal

    def opdracht(self, *woorden: object, code: int | None = 0, invoer: str | None = None) -> str:
        """Runs a command of `berichtenstroom`; its standard output. `code` None: any exit code is well."""
        gedaan = subprocess.run(
            [*OPDRACHT, *map(str, woorden), "--data", str(self.data)],
            cwd=WORTEL,
            env=omgeving(COLUMNS=200),
            input=invoer,
            capture_output=True,
            encoding="utf-8",
            check=False,
            timeout=400,
        )
        regel = " ".join(map(str, woorden))
        self.uitvoer.append((regel, gedaan.stdout + gedaan.stderr))
        if code is not None:
            assert gedaan.returncode == code, f"{regel}: exit code {gedaan.returncode}\n{gedaan.stdout}{gedaan.stderr}"
        return gedaan.stdout

    def vraag(self, *woorden: object, code: int | None = 0) -> Any:
        """The JSON document that a command prints."""
        return json.loads(self.opdracht(*woorden, "--json", code=code))

    def laad(self, gegevens: dict[str, Any]) -> Any:
        """Merges reference data."""
        bestand = self.data / "laad.json"
        bestand.write_text(json.dumps(gegevens))
        try:
            return self.vraag("laad", bestand)
        finally:
            bestand.unlink()  # it holds BSNs, and is no part of what the stack wrote

    def wacht(self, timeout_s: float = 120) -> None:
        """Until all that was delivered is done, or fails saying what is open."""
        antwoord = self.opdracht("wacht", "--timeout", f"{timeout_s:.0f}", "--json", code=None)
        stand = json.loads(antwoord)
        assert stand["klaar"], f"still open after {timeout_s:.0f} s: {antwoord[:2000]}"

    def sql(self, vraag: str, **parameters: object) -> list[list[Any]]:
        """Rows from ClickHouse over plain HTTP, as curl would get them."""
        antwoord = httpx.post(
            f"{self.adressen['clickhouse']}/",
            params={"database": "berichtenstroom"} | {f"param_{n}": str(w) for n, w in parameters.items()},
            content=f"{vraag} FORMAT JSONCompactEachRow",
            timeout=120,
            trust_env=False,
        )
        assert antwoord.status_code == 200, antwoord.text
        return [json.loads(regel) for regel in antwoord.text.split("\n") if regel]

    def open_runs(self) -> int:
        """How many runs are on their way at this moment, as far as ClickHouse knows."""
        [[aantal]] = self.sql("SELECT toInt32(count()) FROM onbeantwoord")
        return int(aantal)

    def storing(self, *oins: str) -> None:
        """Lets the reference profile service fault for these leveranciers, and for no others."""
        adres = f"{self.adressen['profielservice']}/storing"
        httpx.put(adres, json={"fout_bij_oin": list(oins)}, timeout=30, trust_env=False).raise_for_status()


def meting(pagina: str, naam: str) -> float:
    """The sum over all labels of one metric in a page of Prometheus."""
    return sum(
        float(regel.rpartition(" ")[2]) for regel in pagina.splitlines() if regel.startswith((f"{naam} ", f"{naam}{{"))
    )


def haal(url: str) -> httpx.Response:
    """A GET without proxies."""
    return httpx.get(url, timeout=30, trust_env=False)
