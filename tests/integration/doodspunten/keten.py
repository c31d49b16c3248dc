"""A line of real processes that die one after another, each at a point of its own and each in place of the former.

The test's own process holds the reference profile service; the door and the workers are processes of their own. What
Kafka finds out about a dead member after its session time-out is told it at once: no test waits ten seconds each time.
"""

import asyncio
import multiprocessing
import time
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from random import Random
from typing import Any
from uuid import uuid4

import httpx
from aiohttp import web
from aiokafka.client import AIOKafkaClient, CoordinationType
from aiokafka.protocol.group import LeaveGroupRequest
from confluent_kafka import ConsumerGroupState
from confluent_kafka.admin import AdminClient

from avro.codec import Codec
from domain.laadbestand import lees_laadbestand
from domain.samenvoegen import samenvoegen
from profielservice.opslag import Opslag
from profielservice.server import Profielserver
from sinks.database import maak_client
from sinks.migreer import migreer
from streams.broker import vrije_poort
from streams.referentieschrijver import ReferentieSchrijver
from streams.settings import Instellingen
from streams.sleutels import lees_sleutels, maak_sleutels
from streams.topics import maak_topics
from tests.integration.doodspunten import sterf
from tests.integration.doodspunten.nagaan import Boeken
from tests.integration.doodspunten.punten import Punt, Soort
from tests.integration.doodspunten.sterf import GEEN
from tests.integration.lijn.stapel import omgeving
from tests.integration.lijn.zending import (
    ACTIEF,
    GEBRUIKERS,
    GOED,
    SOORTEN,
    VERWERKT,
    ZAAD,
    Zending,
    lever_alle,
    leverancier,
    maak_zending,
)
from tests.integration.lijn.zending import Soort as Berichtsoort

OIN = "00000099000000001000"
FAALT = ACTIEF[0]
"""The citizen who makes the profile service fault when it must."""
STERFT_BINNEN_S = 120.0
"""Within which a process gets to its point; it takes some seconds."""
ADEM_S = 8.0
"""After this, a process that is not at its point yet gets more to do."""
KLAAR_BINNEN_S = 120.0
"""Within which the last one does what all others left."""
WACHT = Berichtsoort("wie faalt", VERWERKT, lambda _: {"GebruikerID": FAALT})
GROEPEN = ("worker", "sink", "resultaat", "notificatie")

_VOORRAAD = multiprocessing.get_context("forkserver")
_VOORRAAD.set_forkserver_preload([sterf.__name__])  # each process is a fork of one that has imported everything


@dataclass(frozen=True)
class Dood:
    """How a process ended that was to die at a point."""

    punt: Punt
    code: int
    bereikt: bool
    duur_s: float
    log: Path


class Keten:
    """One line, with topics and tables of its own."""

    def __init__(self, naam: str, kafka: str, clickhouse: str, map_: Path) -> None:
        self.naam = naam
        self.zendingen: list[Zending] = []
        self.doden: dict[str, Dood] = {}
        self.klaar_op = 0
        """When the last one began to finish what was left, in milliseconds since 1970."""
        self.instellingen = Instellingen(
            data=map_,
            kafka=kafka,
            clickhouse=clickhouse,
            topic_prefix=f"d{uuid4().hex[:12]}.",
            database=f"d{uuid4().hex[:12]}",
            partities_batch=1,
            partities_bericht=2,
            sink_wacht_s=0.05,
            wachttijd_slices_s=0.02,
            sweep_s=0.1,
            keurders=1,
            pauze_s=1.0,
            geduld_s=3600,
            # It looks all the time, and offers again what is on its way.
            auditor_s=0.5,
            auditor_na_s=0.0,
        )
        self._map = map_
        self._willekeur = Random(f"{ZAAD}/{naam}")
        self._processen: list[ForkServerProcess] = []
        self._deur: ForkServerProcess | None = None
        self._deurpoort = vrije_poort()
        self._client = httpx.AsyncClient(timeout=30, trust_env=False)
        self._stoort = False

    # -- the world around it

    async def begin(self) -> None:
        """Topics, tables, keys, citizens, reference data, and the door."""
        runner = self._runner = web.AppRunner(Profielserver(Opslag(None)).app())
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        profiel = f"http://127.0.0.1:{runner.addresses[0][1]}"
        self.instellingen = self.instellingen.model_copy(update={"profielservice": profiel})
        await asyncio.to_thread(self._richt_in)
        antwoord = await self._client.put(f"{profiel}/gebruikers", json={"gebruikers": GEBRUIKERS})
        assert antwoord.status_code == 200
        await self.laad(leverancier(OIN))
        self.open_deur()

    def _richt_in(self) -> None:
        maak_topics(self.instellingen)
        maak_sleutels(self.instellingen.sleutelbestand)
        client = maak_client(self.instellingen.clickhouse)
        migreer(client, self.instellingen.database)
        client.close()

    async def laad(self, inhoud: dict[str, object]) -> None:
        """Merges reference data; returns when every running process applies it."""
        bestand, nu = lees_laadbestand(inhoud), time.time_ns() // 1_000_000
        pseudoniem = lees_sleutels(self.instellingen.sleutelbestand).pseudoniem
        schrijver = ReferentieSchrijver(self.instellingen, Codec())
        await schrijver.wijzig(lambda staat: samenvoegen(staat, bestand, nu, pseudoniem), door="proef")

    async def stoor(self, aan: bool) -> None:
        """Whether one citizen makes the profile service fault."""
        storing = {"fout_bij_bsn": [FAALT]} if aan else {}
        antwoord = await self._client.put(f"{self.instellingen.profielservice}/storing", json=storing)
        assert antwoord.status_code == 200

    async def stop(self) -> None:
        """Ends every process, whatever state it is in."""
        for proces in self._processen:
            if proces.is_alive():
                proces.kill()  # -9 also ends who stands still
                await asyncio.to_thread(proces.join)
        await self._runner.cleanup()
        await self._client.aclose()

    def ruim_op(self) -> None:
        """Drops its tables."""
        client = maak_client(self.instellingen.clickhouse)
        client.command(f"DROP DATABASE {self.instellingen.database}")
        client.close()

    # -- processes

    def start(self, punt: Punt | None = None, *, stil: bool = False) -> ForkServerProcess:
        """A worker, to die or to stand still at a point, or to live."""
        return self._start(punt, stil=stil)

    def open_deur(self, punt: Punt | None = None) -> ForkServerProcess:
        """The door, always on the same port, in place of the former."""
        if self._deur is not None and self._deur.is_alive():
            self._deur.kill()
            self._deur.join()
        self._deur = self._start(punt, self._deurpoort)
        return self._deur

    def _start(self, punt: Punt | None, poort: int | None = None, *, stil: bool = False) -> ForkServerProcess:
        naam = punt.naam if punt else GEEN
        schoon = omgeving(**self.instellingen.model_dump(exclude_defaults=True))
        proces = _VOORRAAD.Process(
            target=sterf.in_proces, args=(schoon, self.log(naam), naam, self.merk(naam), poort, stil)
        )
        proces.start()
        self._processen.append(proces)
        return proces

    def log(self, naam: str) -> Path:
        """What the processes wrote that were to die at a point, or at none."""
        return self._map / f"{naam}.log"

    def merk(self, naam: str) -> Path:
        """The file that tells that a point was reached."""
        return self._map / f"{naam}.merk"

    async def is_klaar(self) -> None:
        """Until every accepted run is answered and shown, who is to be told is told, and nothing waits."""
        self.klaar_op = time.time_ns() // 1_000_000
        grens = time.monotonic() + KLAAR_BINNEN_S
        while not await asyncio.to_thread(self._is_klaar):
            if time.monotonic() > grens:
                return  # what is not there, the test tells
            await asyncio.sleep(0.5)

    def _is_klaar(self) -> bool:
        boeken = Boeken(self.instellingen)
        try:
            return boeken.is_klaar(self.klaar_op)
        finally:
            boeken.client.close()

    # -- dying

    async def sterf(self, punten: Sequence[Punt]) -> None:
        """One death after another; how each ended is in `doden`."""
        for punt in punten:
            await self.stoor(punt.storing)
            begin = time.monotonic()
            sterft = self._sterf_deur if punt.soort is Soort.DEUR else self._sterf_worker
            code = await sterft(punt)
            bereikt = self.merk(punt.naam).exists()
            self.doden[punt.naam] = Dood(punt, code, bereikt, time.monotonic() - begin, self.log(punt.naam))
        await self.stoor(False)

    async def _sterf_deur(self, punt: Punt) -> int:
        deur = self.open_deur(punt)
        levering = asyncio.create_task(self.lever())
        code = await self._einde(deur)
        self.open_deur()
        await levering
        return code

    async def _sterf_worker(self, punt: Punt) -> int:
        worker = self.start(punt)
        await self.lever()
        doden = [worker]
        if punt.rebalance:
            await self.is_lid(worker, punt.rebalance)
            doden.append(self.start())
        code = await self._lever_tot_einde(worker)
        for ander in doden[1:]:
            ander.kill()
            await asyncio.to_thread(ander.join)
        await self.vergeet_leden(*doden)
        return code

    async def lever(self, *inhoud: Berichtsoort) -> Zending:
        """One delivery of a new batch, until it is answered with 202: every kind of end, sooner or later."""
        lichte = [soort for soort in SOORTEN if soort.naam != "bijlage"]
        kort = [GOED, GOED, SOORTEN[0], WACHT, *self._willekeur.sample(lichte, 4)]
        zending = maak_zending(OIN, inhoud or kort, self._willekeur, dubbel=0 if inhoud else 1)
        self.zendingen.append(zending)
        await asyncio.to_thread(lever_alle, f"http://127.0.0.1:{self._deurpoort}", [zending])
        return zending

    async def _lever_tot_einde(self, proces: ForkServerProcess) -> int:
        """While it lives, more batches come now and then, several at once."""
        grens = time.monotonic() + STERFT_BINNEN_S
        while time.monotonic() < grens:
            await asyncio.to_thread(proces.join, ADEM_S)
            if not proces.is_alive():
                break
            await asyncio.gather(*(self.lever() for _ in range(4)))
        return await self._einde(proces, 0)

    async def _einde(self, proces: ForkServerProcess, binnen_s: float = STERFT_BINNEN_S) -> int:
        """The exit code; a process that does not end is killed."""
        await asyncio.to_thread(proces.join, binnen_s)
        if proces.is_alive():
            proces.kill()
            await asyncio.to_thread(proces.join)
        assert proces.exitcode is not None
        return proces.exitcode

    async def is_lid(self, proces: ForkServerProcess, groep: str) -> None:
        """Returns when the process has partitions in this group."""
        grens = time.monotonic() + STERFT_BINNEN_S
        while proces.is_alive() and time.monotonic() < grens:
            [staat] = await asyncio.to_thread(self._groepen, groep)
            if staat.state is ConsumerGroupState.STABLE and any(
                lid.client_id == f"sterf-{proces.pid}" and lid.assignment.topic_partitions for lid in staat.members
            ):
                return
            await asyncio.sleep(0.1)

    async def vergeet_leden(self, *doden: ForkServerProcess) -> None:
        """Tells Kafka that these are gone."""
        wie = {f"sterf-{dode.pid}" for dode in doden}
        client = AIOKafkaClient(bootstrap_servers=self.instellingen.kafka)
        await client.bootstrap()
        try:
            for staat in await asyncio.to_thread(self._groepen, *GROEPEN):
                for lid in staat.members:
                    if lid.client_id in wie:
                        knoop = await client.coordinator_lookup(CoordinationType.GROUP, staat.group_id)
                        assert await client.ready(knoop)
                        await client.send(knoop, LeaveGroupRequest(staat.group_id, lid.member_id))
        finally:
            await client.close()

    def _groepen(self, *groepen: str) -> list[Any]:
        namen = [self.instellingen.groep(groep) for groep in groepen]
        admin = AdminClient({"bootstrap.servers": self.instellingen.kafka, "log_level": 0})
        return [een.result() for een in admin.describe_consumer_groups(namen, request_timeout=30).values()]
