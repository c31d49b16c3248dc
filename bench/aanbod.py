"""The embedded stack of a measurement, and what is offered to it: batches at a rate, whatever the line makes of them.

The sender is an open loop: each batch has its moment and goes out then, however many are still under way. So a line
that is slow does not slow down what it is measured by.
"""

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from io import BytesIO
from itertools import count
from pathlib import Path
from typing import Any
from uuid import uuid4

import aiohttp
import numpy as np
from numpy.typing import NDArray

from bench.werk import LIJN_PARTITIES
from cli.laad import laad
from cli.wachten import wacht
from domain.bsn import BREEDTE
from sinks.database import verbind
from sinks.vragen import Vragen
from streams.broker import sterf_met_ouder
from streams.settings import ENDPOINTS, Instellingen
from voorbeeld import personen
from voorbeeld.gevallen import VERWERKT, Geval
from voorbeeld.globe import schrijf
from voorbeeld.levering import Bericht, Groep, Levering, Voorbeeld
from voorbeeld.referentiegegevens import GEMEENTE, referentiegegevens

CACHE_S = 7 * 86400
"""Seconds that an answer of the profile service is used again: as long as is allowed, as where the line has peers."""
_START_S = 300
_STOP_S = 120
_WORTEL = Path(__file__).parents[1]
_VAN_ONS = "BERICHTENSTROOM_"

OINS = [f"00000099{600_000 + nummer:09}000" for nummer in range(41)]
"""Who sends, in turn; a prime number of them, so that each sends batches of every size."""
_BURGERS = np.frombuffer("".join(personen.actief()).encode(), np.uint8).reshape(-1, BREEDTE)
_GUID = 36
_CIJFERS = [plaats for plaats in range(_GUID) if plaats not in (8, 13, 18, 23)]
"""Where a GUID has its digits; the rest are dashes."""


@contextmanager
def draaiende_stapel(data: Path, workers: int, **instellingen: object) -> Iterator[Instellingen]:
    """The embedded stack on a folder: default settings but these and `gegeven`; gone at the end, come what may."""
    omgeving = {naam: waarde for naam, waarde in os.environ.items() if not naam.startswith(_VAN_ONS)}
    gegeven = {"profielservice_cache_s": CACHE_S, "partities_bericht": LIJN_PARTITIES} | instellingen
    omgeving |= {f"{_VAN_ONS}{naam.upper()}": str(waarde) for naam, waarde in gegeven.items()}
    data.mkdir(exist_ok=True)
    log = data / "bench-up.log"
    with log.open("wb") as uit:
        proces = subprocess.Popen(
            [sys.executable, "-m", "cli.main", "up", "--data", data, "--workers", str(workers), "--no-portal"],
            cwd=_WORTEL,
            env=omgeving,
            stdin=subprocess.DEVNULL,
            stdout=uit,
            stderr=uit,
            start_new_session=True,  # Ctrl-C is for the bench, which then stops the stack
            preexec_fn=sterf_met_ouder,
        )
    try:
        uiterlijk = time.monotonic() + _START_S
        while not (adressen := lees_adressen(data)) or adressen["pids"]["up"] != proces.pid:
            if proces.poll() is not None or time.monotonic() > uiterlijk:
                raise RuntimeError(f"the stack did not come up: {log.read_text()[-2000:]}")
            time.sleep(0.1)
        eigen = {naam: adressen[naam] for naam in ("kafka", "clickhouse", "profielservice", "aanlevering")}
        yield Instellingen.laad(data, **eigen, database="berichtenstroom", topic_prefix="")
    finally:
        proces.terminate()
        try:
            proces.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            with suppress(ProcessLookupError):
                os.killpg(proces.pid, signal.SIGKILL)  # its parts die with it
            proces.wait()


def lees_adressen(data: Path) -> dict[str, Any]:
    """What the stack on this folder says of itself; empty while it is not ready."""
    with suppress(FileNotFoundError):
        adressen: dict[str, Any] = json.loads((data / ENDPOINTS).read_text())
        return adressen
    return {}


def laad_afzenders(instellingen: Instellingen) -> None:
    """The senders, with the berichttypes and diensten of one of the sample; and the sample's citizens."""
    van_voorbeeld = referentiegegevens()
    gegevens: dict[str, list[dict[str, Any]]] = {
        "leveranciers": [{"oin": oin, "naam": f"Afzender {nummer}"} for nummer, oin in enumerate(OINS, 1)],
        "gebruikers": van_voorbeeld["gebruikers"],
    }
    for soort in ("berichttypes", "diensten"):
        een = [regel for regel in van_voorbeeld[soort] if regel["oin"] == GEMEENTE]
        gegevens[soort] = [regel | {"oin": oin} for oin in OINS for regel in een]
    bestand = instellingen.data / "bench-referentiegegevens.json"
    bestand.write_text(json.dumps(gegevens))
    asyncio.run(laad(instellingen, bestand, ""))
    bestand.unlink()


@contextmanager
def open_vragen(instellingen: Instellingen) -> Iterator[Vragen]:
    """ClickHouse, to be asked."""
    client = verbind(instellingen)
    try:
        yield Vragen(client)
    finally:
        client.close()


def wacht_tot_klaar(instellingen: Instellingen, vragen: Vragen, hoogstens_s: float) -> bool:
    """Waits until every run has its result; whether that came in time."""
    return not wacht(instellingen, vragen, hoogstens_s, lambda _: None)


@dataclass(frozen=True, slots=True)
class Stand:
    """What Totalen shows of everybody."""

    batches: int
    berichten: int
    verwerkt: int

    @classmethod
    def lees(cls, vragen: Vragen) -> "Stand":
        """At this moment."""
        rijen = vragen.totalen()
        return cls(*(sum(rij[naam] for rij in rijen) for naam in ("batches", "berichten", "verwerkt")))

    def controleer(self, vragen: Vragen, groottes: Sequence[int]) -> None:
        """Raises AssertionError unless batches of these sizes came to it, all Verwerkt, and nothing else."""
        nu, bij = Stand.lees(vragen), sum(groottes)
        if nu != (moet := Stand(self.batches + len(groottes), self.berichten + bij, self.verwerkt + bij)):
            raise AssertionError(f"Totalen must show {moet}: {nu}")


class Sjabloon:
    """A batch of the sample as XML, made beforehand; whenever it is offered it has another sender, ids and citizens."""

    def __init__(self, berichten: int) -> None:
        self.berichten = berichten
        goed = [Bericht(uuid4(), Geval("goed", VERWERKT, lambda *_: None), VERWERKT) for _ in range(berichten)]
        levering = Levering(1, Groep.EERST, uuid4(), GEMEENTE, GEMEENTE, goed)
        with tempfile.TemporaryDirectory(prefix="bench-sjabloon-") as map_:
            bestand = Path(map_) / "batch.xml"
            schrijf(Voorbeeld(berichten, 1, datetime.now(UTC), (levering,)), levering, bestand)
            self.xml = bestand.read_bytes()
        self._tekens = np.frombuffer(self.xml, np.uint8)
        self._batch_ids = self._plaatsen("BatchID", _GUID)
        self._bericht_ids = self._plaatsen("BerichtID", _GUID)
        self._burgers = self._plaatsen("GebruikerID", BREEDTE)
        self._leverancier = self._plaatsen("BerichtLeverancierID", len(GEMEENTE))

    def maak(self, oin: str) -> bytes:
        """A batch that nobody saw before."""
        tekens = self._tekens.copy()
        tekens[self._batch_ids] = _guids(1)
        tekens[self._bericht_ids] = _guids(self.berichten)
        tekens[self._burgers] = burgers(self.berichten)
        tekens[self._leverancier] = np.frombuffer(oin.encode(), np.uint8)
        return tekens.tobytes()

    def _plaatsen(self, element: str, breedte: int) -> NDArray[np.int64]:
        """Where the values of an element stand: for each its `breedte` places."""
        begin = [gevonden.end() for gevonden in re.finditer(b"<%s>" % element.encode(), self.xml)]
        return np.array(begin)[:, None] + np.arange(breedte)


def burgers(aantal: int) -> NDArray[np.uint8]:
    """The BSNs of so many citizens who get what is sent to them, drawn from the sample's: a row of digits each."""
    return _BURGERS[np.random.default_rng().integers(len(_BURGERS), size=aantal)]


def _guids(aantal: int) -> NDArray[np.uint8]:
    tekens = np.full((aantal, _GUID), ord("-"), np.uint8)
    tekens[:, _CIJFERS] = np.frombuffer(os.urandom(16 * aantal).hex().encode(), np.uint8).reshape(aantal, -1)
    return tekens


@dataclass(slots=True)
class Zending:
    """A batch that was offered. Times of the monotonic clock, in seconds."""

    afzender: int
    """Its place in `OINS`."""
    berichten: int
    tot: int
    """How many messages were offered until and with this batch."""
    moest_op: float
    """When it should go out."""
    ging_op: float = 0.0
    genomen_op: float = 0.0
    """When its 202 was there."""
    uitgesteld: int = 0
    """How often the door said 'later'."""


async def bied_aan(
    deur: str,
    sjablonen: Sequence[Sjabloon],
    tempo: float,
    duur_s: float,
    zendingen: list[Zending],
    opgeven: Callable[[], bool] = lambda: False,
) -> None:
    """Offers `tempo` messages a second for so long, or until `opgeven`; returns when each batch has its 202.

    Every batch goes into `zendingen` at its moment. What the door puts off is offered again when it asks for it. Raises
    what went wrong with one of them.
    """
    begin, verzonden = time.monotonic(), 0
    verbindingen = aiohttp.TCPConnector(limit=0)
    geduldig = aiohttp.ClientTimeout(total=None)
    async with aiohttp.ClientSession(connector=verbindingen, timeout=geduldig) as sessie, asyncio.TaskGroup() as groep:
        for nummer in count():
            moet_op = begin + verzonden / tempo
            await asyncio.sleep(moet_op - time.monotonic())
            if moet_op >= begin + duur_s or opgeven():
                return
            sjabloon = sjablonen[nummer % len(sjablonen)]
            verzonden += sjabloon.berichten
            zending = Zending(nummer % len(OINS), sjabloon.berichten, verzonden, moet_op, time.monotonic())
            zendingen.append(zending)
            groep.create_task(_lever(sessie, f"{deur}/v1/batches", zending, sjabloon.maak(OINS[zending.afzender])))


async def _lever(sessie: aiohttp.ClientSession, url: str, zending: Zending, xml: bytes) -> None:
    while True:
        async with sessie.post(url, data=BytesIO(xml), headers={"Content-Type": "application/xml"}) as antwoord:
            inhoud = await antwoord.read()
        if antwoord.status == 202:
            zending.genomen_op = time.monotonic()
            return
        if antwoord.status != 503:
            raise RuntimeError(f"the door answered {antwoord.status} {inhoud.decode()}")
        zending.uitgesteld += 1
        await asyncio.sleep(float(antwoord.headers.get("Retry-After", "1")))
