"""The embedded stack, started and stopped by the sample, and its command line."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
from prometheus_client.parser import text_string_to_metric_families

from domain.notificatie import Notificatie
from streams.codec import maak_codec
from streams.settings import ENDPOINTS, Instellingen
from voorbeeld.topic import lees_topic

_OPDRACHT = (sys.executable, "-m", "cli.main")
_ADRESSEN = ("KAFKA", "CLICKHOUSE", "PROFIELSERVICE", "AANLEVERING", "TOPIC_PREFIX", "DATABASE", "DATA")
"""Settings that would lead away from the embedded stack."""
_LOG = "demo-up.log"
_TEGELIJK = 4
"""Commands that run at once."""
_GEKEURD = "berichtenstroom_bijlagen_gekeurd_total"


class OpdrachtError(Exception):
    """A command, or the stack itself, did not end as it should; says what it wrote."""


class Stapel:
    """The stack that runs on one data folder."""

    def __init__(self, data: Path) -> None:
        self.data = data

    def doe(self, *argumenten: str | Path, geduld_s: float = 3600, invoer: str | None = None) -> str:
        """Runs `berichtenstroom` with these arguments and gives its standard output; its progress is shown.

        It reads `invoer` from standard input: what belongs on no command line. Raises OpdrachtError when it ends
        otherwise than with 0, or takes longer than `geduld_s` seconds.
        """
        opdracht = [*_OPDRACHT, *map(str, argumenten), "--data", str(self.data)]
        tekst = f"berichtenstroom {' '.join(map(str, argumenten))}"
        try:
            uitvoer = subprocess.run(
                opdracht,
                env=_omgeving(),
                input=invoer,
                stdin=subprocess.DEVNULL if invoer is None else None,
                stdout=subprocess.PIPE,
                encoding="utf-8",
                check=False,
                timeout=geduld_s,
                start_new_session=True,  # Ctrl-C is for the demo, which then ends the command
            )
        except subprocess.TimeoutExpired:
            raise OpdrachtError(f"{tekst}: not done after {geduld_s:.0f} s") from None
        if uitvoer.returncode:
            raise OpdrachtError(f"{tekst}: exit code {uitvoer.returncode}\n{uitvoer.stdout}")
        return uitvoer.stdout

    def vraag(self, *argumenten: str | Path, invoer: str | None = None) -> Any:
        """The JSON document that a command prints."""
        return json.loads(self.doe(*argumenten, "--json", invoer=invoer))

    def doe_alle(self, *opdrachten: Sequence[str]) -> list[str]:
        """What `doe` gives for each, some at a time: most of what a command takes is its start."""
        with ThreadPoolExecutor(_TEGELIJK) as draden:
            return list(draden.map(lambda opdracht: self.doe(*opdracht), opdrachten))

    def vraag_alle(self, *vragen: Sequence[str]) -> list[Any]:
        """What `vraag` gives for each, likewise."""
        with ThreadPoolExecutor(_TEGELIJK) as draden:
            return list(draden.map(lambda vraag: self.vraag(*vraag), vragen))

    def lever(self, pad: Path, oin: str | None) -> dict[str, Any]:
        """Delivers a folder, on behalf of `oin` if that is given; see `aanleveren` for the answer."""
        antwoord: dict[str, Any] = self.vraag("aanleveren", pad, *(("--oin", oin) if oin else ()))
        return antwoord

    def storing(self, *oins: str) -> None:
        """Lets the profile service answer with a fault for these leveranciers from now on, and for no others."""
        adres = f"{self._adressen['profielservice'].rstrip('/')}/storing"
        httpx.put(adres, json={"fout_bij_oin": list(oins)}, timeout=30, trust_env=False).raise_for_status()

    def gekeurd(self) -> int:
        """How many PDFs all workers together have checked since they started."""
        teksten = [httpx.get(adres, timeout=30, trust_env=False).text for adres in self._adressen["metrics"]]
        return sum(
            int(meting.value)
            for tekst in teksten
            for familie in text_string_to_metric_families(tekst)
            for meting in familie.samples
            if meting.name == _GEKEURD and meting.labels["uitkomst"] != "uitgesteld"
        )

    def workers(self) -> int:
        """How many workers there are."""
        return len(self._adressen["pids"]["workers"])

    def notificaties(self, vanaf: int) -> Iterator[Notificatie]:
        """What stands on topic `notificatie` since this moment, in milliseconds."""
        codec = maak_codec(Instellingen.laad(self.data, topic_prefix=""))
        return map(codec.lees_notificatie, lees_topic(self._adressen["kafka"], "notificatie", vanaf))

    @property
    def _adressen(self) -> Any:
        return json.loads((self.data / ENDPOINTS).read_text())


@contextmanager
def draaiende_stapel(
    data: Path, *, geduld_s: float, workers: int | None, gereed_binnen_s: float = 600
) -> Iterator[Stapel]:
    """Starts the stack with `berichtenstroom up` and stops it at the end, whatever happens.

    `geduld_s`: after how many seconds waiting for the profile service becomes TechnischProbleem. Raises
    OpdrachtError when it is not ready within `gereed_binnen_s` seconds.
    """
    data.mkdir(parents=True, exist_ok=True)
    log = data / _LOG
    eerder = _kenmerk(data / ENDPOINTS)
    opties = ("--workers", str(workers)) if workers else ()
    with log.open("wb") as uitvoer:
        proces = subprocess.Popen(
            [*_OPDRACHT, "up", "--data", str(data), *opties],
            env=_omgeving() | {"BERICHTENSTROOM_GEDULD_S": str(geduld_s)},
            stdin=subprocess.DEVNULL,
            stdout=uitvoer,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C is for the demo, which then stops the stack in its own time
        )
    try:
        uiterlijk = time.monotonic() + gereed_binnen_s
        while _kenmerk(data / ENDPOINTS) in (None, eerder):
            if proces.poll() is not None or time.monotonic() > uiterlijk:
                raise OpdrachtError(f"the stack did not come up; the end of {log}:\n{_staart(log)}")
            time.sleep(0.2)
        yield Stapel(data)
        if proces.poll() is not None:
            raise OpdrachtError(f"the stack ended by itself; the end of {log}:\n{_staart(log)}")
    finally:
        _stop(proces)


def _stop(proces: "subprocess.Popen[bytes]") -> None:
    proces.terminate()
    try:
        proces.wait(120)
    except subprocess.TimeoutExpired:
        with suppress(ProcessLookupError):
            os.killpg(proces.pid, signal.SIGKILL)
        proces.wait()


def _kenmerk(bestand: Path) -> tuple[int, int] | None:
    """What changes when a file is written anew; None while it is not there."""
    try:
        stand = bestand.stat()
    except FileNotFoundError:
        return None
    return stand.st_ino, stand.st_mtime_ns


def _staart(log: Path) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-30:])


def _omgeving() -> dict[str, str]:
    return {
        naam: waarde
        for naam, waarde in os.environ.items()
        if naam not in {f"BERICHTENSTROOM_{adres}" for adres in _ADRESSEN}
    }
