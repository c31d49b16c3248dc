"""The line as in production: each part a process of its own, with all it must know in its environment."""

import asyncio
import json
import ssl
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

from streams.broker import vrije_poort
from tests.integration.lijn.stapel import OPDRACHT, WORTEL, omgeving, wacht_tot

KLAAR_S = 90.0


class Los:
    """Processes that end with the context, on one data folder."""

    def __init__(self, data: Path, **instellingen: object) -> None:
        self.data = data
        self.instellingen: dict[str, object] = {"data": data} | instellingen
        self._processen: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, soort: type[BaseException] | None, fout: BaseException | None, spoor: TracebackType | None
    ) -> None:
        for proces in self._processen.values():
            proces.terminate()
        for proces in self._processen.values():
            try:
                proces.wait(40)
            except subprocess.TimeoutExpired:
                proces.kill()
                proces.wait()

    def start(self, naam: str, *woorden: str, poort: int) -> str:
        """Starts a module; returns its address when it is ready."""
        with self.log(naam).open("ab") as log:
            proces = subprocess.Popen(
                [sys.executable, "-m", *woorden],
                cwd=WORTEL,
                env=omgeving(**self.instellingen, metrics_poort=poort),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        self._processen[naam] = proces
        adres = f"http://127.0.0.1:{poort}"

        def klaar() -> bool:
            assert proces.poll() is None, f"{naam} ended:\n{self.log(naam).read_text()[-3000:]}"
            try:
                return httpx.get(f"{adres}/readyz", timeout=5, trust_env=False).status_code == 200
            except httpx.TransportError:
                return False

        wacht_tot(klaar, KLAAR_S, f"{naam} is ready")
        return adres

    def worker(self, naam: str) -> str:
        """One worker more."""
        return self.start(naam, "cli.main", "worker", poort=vrije_poort())

    def deur(self) -> str:
        """Aanlevering."""
        poort = vrije_poort()
        return self.start("aanlevering", "aanlevering", "--poort", str(poort), poort=poort)

    def profielservice(self) -> str:
        """The reference profile service."""
        poort = vrije_poort()
        map_ = str(self.data / "profielservice")
        return self.start("profielservice", "profielservice", "--poort", str(poort), "--data", map_, poort=poort)

    def log(self, naam: str) -> Path:
        """What a process writes."""
        return self.data / f"{naam}.log"

    def doe(
        self, *woorden: str, invoer: str | None = None, zonder: tuple[str, ...] = (), anders: Mapping[str, object] = {}
    ) -> "subprocess.CompletedProcess[str]":
        """Runs a command, with other settings or without some."""
        instellingen = {naam: waarde for naam, waarde in self.instellingen.items() if naam not in zonder}
        return subprocess.run(
            [*OPDRACHT, *woorden],
            cwd=WORTEL,
            env=omgeving(**(instellingen | anders), columns=200),
            input=invoer,
            capture_output=True,
            encoding="utf-8",
            check=False,
            timeout=200,
        )

    def vraag(self, *woorden: str, invoer: str | None = None) -> Any:
        """The JSON that a command prints; it must succeed."""
        gedaan = self.doe(*woorden, "--json", invoer=invoer)
        assert gedaan.returncode == 0, f"{woorden}: {gedaan.stdout}{gedaan.stderr}"
        return json.loads(gedaan.stdout)

    def laad(self, gegevens: dict[str, Any]) -> Any:
        """Merges reference data."""
        bestand = self.data / "laad.json"
        bestand.write_text(json.dumps(gegevens))
        return self.vraag("laad", str(bestand))


class TlsPoort:
    """TLS in front of a plain port on loopback; who shows no certificate of `ca` is refused."""

    def __init__(self, naar: int, certificaat: Path, sleutel: Path, ca: Path) -> None:
        self.poort = vrije_poort()
        self.verbindingen = 0
        self._naar = naar
        self._tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=ca)
        self._tls.load_cert_chain(certificaat, sleutel)
        self._tls.verify_mode = ssl.CERT_REQUIRED
        self._lus = asyncio.new_event_loop()
        self._open = threading.Event()
        self._draad = threading.Thread(target=self._draai, daemon=True)

    def __enter__(self) -> Self:
        self._draad.start()
        assert self._open.wait(10)
        return self

    def __exit__(
        self, soort: type[BaseException] | None, fout: BaseException | None, spoor: TracebackType | None
    ) -> None:
        self._lus.call_soon_threadsafe(self._lus.stop)
        self._draad.join(10)
        assert not self._draad.is_alive()

    def _draai(self) -> None:
        asyncio.set_event_loop(self._lus)
        self._lus.run_until_complete(asyncio.start_server(self._verbind, "127.0.0.1", self.poort, ssl=self._tls))
        self._open.set()
        self._lus.run_forever()
        for taak in asyncio.all_tasks(self._lus):
            taak.cancel()
        self._lus.run_until_complete(asyncio.sleep(0))

    async def _verbind(self, lezer: asyncio.StreamReader, schrijver: asyncio.StreamWriter) -> None:
        self.verbindingen += 1
        naar_lezer, naar_schrijver = await asyncio.open_connection("127.0.0.1", self._naar)
        await asyncio.gather(_geef_door(lezer, naar_schrijver), _geef_door(naar_lezer, schrijver))


async def _geef_door(lezer: asyncio.StreamReader, schrijver: asyncio.StreamWriter) -> None:
    try:
        while stuk := await lezer.read(65536):
            schrijver.write(stuk)
            await schrijver.drain()
    except OSError:
        pass  # either side broke off: so does the other
    finally:
        schrijver.close()
