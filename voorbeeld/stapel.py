"""The embedded stack, started and stopped by the sample, and its command line."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx

from streams.settings import ENDPOINTS

_OPDRACHT = (sys.executable, "-m", "cli.main")
_ADRESSEN = ("KAFKA", "CLICKHOUSE", "PROFIELSERVICE", "AANLEVERING", "TOPIC_PREFIX", "DATABASE", "DATA")
"""Settings that would lead away from the embedded stack."""
_LOG = "demo-up.log"


class OpdrachtError(Exception):
    """A command, or the stack itself, did not end as it should; says what it wrote."""


class Stapel:
    """The stack that runs on one data folder."""

    def __init__(self, data: Path) -> None:
        self.data = data

    def doe(self, *argumenten: str | Path, geduld_s: float = 3600) -> str:
        """Runs `berichtenstroom` with these arguments and gives its standard output; its progress is shown.

        Raises OpdrachtError when it ends otherwise than with 0, or takes longer than `geduld_s` seconds.
        """
        opdracht = [*_OPDRACHT, *map(str, argumenten), "--data", str(self.data)]
        tekst = f"berichtenstroom {' '.join(map(str, argumenten))}"
        try:
            uitvoer = subprocess.run(
                opdracht,
                env=_omgeving(),
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

    def vraag(self, *argumenten: str | Path) -> Any:
        """The JSON document that a command prints."""
        return json.loads(self.doe(*argumenten, "--json"))

    def lever(self, pad: Path, oin: str | None) -> dict[str, Any]:
        """Delivers a folder, on behalf of `oin` if that is given; see `aanleveren` for the answer."""
        antwoord: dict[str, Any] = self.vraag("aanleveren", pad, *(("--oin", oin) if oin else ()))
        return antwoord

    def storing(self, *oins: str) -> None:
        """Lets the profile service answer with a fault for these leveranciers from now on, and for no others."""
        adres = json.loads((self.data / ENDPOINTS).read_text())["profielservice"]
        httpx.put(
            f"{adres.rstrip('/')}/storing", json={"fout_bij_oin": list(oins)}, timeout=30, trust_env=False
        ).raise_for_status()


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
