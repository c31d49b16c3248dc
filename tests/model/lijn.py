"""The line under test: one real worker on the real broker and the real ClickHouse, used as fast as it goes.

Deliveries are read from XML by the door's reader and published by the door's publisher; reference data goes through the
writer that the commands use; citizens go to the reference profile service. What was decided and answered is read from
the log, what is shown from ClickHouse.
"""

import asyncio
import subprocess
import threading
import time
from collections.abc import Callable, Collection, Coroutine, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID, uuid4

import httpx
from aiohttp import web
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from aanlevering.bijlagen import Bijlagen
from aanlevering.lezer import lees
from aanlevering.uitgever import Uitgever
from avro.codec import Codec
from domain.batch import Batch, Berichten, Kader, splits
from domain.laadbestand import lees_laadbestand
from domain.levensloop import NietToegestaan
from domain.samenvoegen import samenvoegen
from profielservice.opslag import Opslag
from profielservice.server import Profielserver
from sinks.bijlagenwinkel import pak_naam
from sinks.database import maak_client
from sinks.migreer import migreer
from sinks.objecten import Objecten
from sinks.vragen import Vragen
from streams.producer import maak_producer
from streams.referentieschrijver import ReferentieSchrijver
from streams.settings import Instellingen
from streams.sleutels import lees_sleutels, maak_sleutels
from streams.topics import maak_topics
from tests.integration.lijn.stapel import OPDRACHT, WORTEL, omgeving
from tests.model.scenario import guid_op

WACHT_S = 120.0
"""Far more than anything here takes, also on a busy machine."""
PARTITIES = 2
"""Of `bericht`; `batch` has one, so that deliveries are decided in the order in which they come."""

T = TypeVar("T")
Besluit = tuple[str, str, str, str]
"""BerichtID, BerichtType, VerwerkingsCode and Stadium, as a decision or a result has them."""


class Lijn:
    """Everything is called from the test's own thread; what is asynchronous happens in another."""

    def __init__(self, kafka: str, clickhouse: str, map_: Path) -> None:
        self.besluiten: dict[UUID, dict[int, list[Besluit]]] = {}
        """Every decision that is in `validatie`, by run and number, in the order of the log."""
        self.resultaten: dict[UUID, list[list[Besluit]]] = {}
        """Every result that is in `resultaat`, in the order of the batch."""
        self._lus = asyncio.new_event_loop()
        self._draad = threading.Thread(target=self._lus.run_forever, daemon=True)
        self._draad.start()
        self._codec = Codec()
        self._nieuws = asyncio.Event()
        self._log = map_ / "worker.log"
        self.begonnen = time.time_ns() // 1_000_000
        """Milliseconds since 1970."""
        self._client = httpx.Client(timeout=30, trust_env=False)
        self.doe(self._start_profielservice())
        self.instellingen = Instellingen(
            data=map_,
            kafka=kafka,
            clickhouse=clickhouse,
            profielservice=self._profiel,
            topic_prefix=f"m{uuid4().hex[:12]}.",
            database=f"m{uuid4().hex[:12]}",
            partities_batch=1,
            partities_bericht=PARTITIES,
            sink_wacht_s=0.05,
            wachttijd_slices_s=0.01,
            sweep_s=0.3,
            # It looks all the time, and offers again what is on its way.
            auditor_s=1.0,
            auditor_na_s=0.0,
        )
        maak_topics(self.instellingen)
        maak_sleutels(self.instellingen.sleutelbestand)
        migreer(maak_client(clickhouse), self.instellingen.database)
        self.database = maak_client(clickhouse, self.instellingen.database)
        self.vragen = Vragen(self.database)
        self._sleutels = lees_sleutels(self.instellingen.sleutelbestand)
        self._objecten = Objecten(self.instellingen.opslag_url, self._sleutels)
        self.doe(self._start())
        self._start_worker()

    def stop(self) -> None:
        """Ends all of it."""
        self._stop_worker()
        self.doe(self._stop())
        self._lus.call_soon_threadsafe(self._lus.stop)
        self._draad.join(10)
        self._client.close()
        self.database.command(f"DROP DATABASE {self.instellingen.database}")
        self.database.close()

    def doe(self, werk: Coroutine[Any, Any, T]) -> T:
        """Waits for something asynchronous."""
        return asyncio.run_coroutine_threadsafe(werk, self._lus).result(WACHT_S)

    def herstart(self) -> None:
        """Another worker takes the place of the one that ends."""
        self._stop_worker()
        self._start_worker()

    def _start_worker(self) -> None:
        with self._log.open("ab") as log:
            self._worker = subprocess.Popen(
                [*OPDRACHT, "worker", "--data", str(self.instellingen.data)],
                cwd=WORTEL,
                env=omgeving(**self.instellingen.model_dump(exclude={"data", "sleutels"}, exclude_none=True)),
                stdout=log,
                stderr=log,
            )

    def _stop_worker(self) -> None:
        self._worker.terminate()
        self._worker.wait(60)

    # -- what happens

    def laad(self, inhoud: dict[str, Any]) -> bool:
        """Merges reference data, as `laad` does; False when the lifecycles do not allow it, and nothing is changed."""
        bestand, nu = lees_laadbestand(inhoud), time.time_ns() // 1_000_000
        try:
            pseudoniem = self._sleutels.pseudoniem
            self.doe(self._schrijver.wijzig(lambda staat: samenvoegen(staat, bestand, nu, pseudoniem), door="proef"))
        except NietToegestaan:
            return False
        return True

    def zet_burgers(self, gebruikers: list[dict[str, Any]]) -> None:
        """Merges citizens into the profile service."""
        antwoord = self._client.put(f"{self._profiel}/gebruikers", json={"gebruikers": gebruikers})
        assert antwoord.status_code == 200

    def storing(self, **storing: object) -> None:
        """Lets the profile service fail."""
        assert self._client.put(f"{self._profiel}/storing", json=storing).status_code == 200

    def lever(self, xml: bytes, aangeleverd_op: int, door: str | None) -> Batch:
        """What the door does with a delivery; the batch, durable."""
        batch = self.neem_aan(xml, aangeleverd_op, door)
        self.publiceer(batch)
        return batch

    def neem_aan(self, xml: bytes, aangeleverd_op: int, door: str | None) -> Batch:
        """What the door makes of a delivery, its bijlagen stored: from here on it is on its way."""
        with closing(Bijlagen(self._objecten)) as bijlagen:
            batch = lees(
                [xml],
                proceskenmerk=uuid4(),
                aangeleverd_op=aangeleverd_op,
                aangeleverd_door=door,
                bewaar=bijlagen.bewaar,
            )
            bijlagen.rond_af()
            self.doe(bijlagen.leg_vast(pak_naam(batch.kader.proceskenmerk, aangeleverd_op)))
        return batch

    def publiceer(self, batch: Batch) -> None:
        """Makes the batch durable."""
        self.doe(self._uitgever.publiceer(batch))

    def herhaal(self, batch: Batch, hoe: str) -> None:
        """Writes a batch that was delivered before once more: whole, its slices, or each message alone."""
        if hoe == "batch":
            self.publiceer(batch)
            return
        slices = splits(batch, PARTITIES)
        for partitie, slice_ in slices.items():
            rijen = range(len(slice_.berichten))
            for deel in [[rij] for rij in rijen] if hoe == "los" else [list(rijen)]:
                waarde = self._codec.schrijf_batch(Batch(batch.kader, slice_.berichten.kies(deel)), "bericht")
                self.doe(self._stuur("bericht", waarde, str(batch.kader.batch_id).encode(), partitie))

    # -- waiting

    def wacht_besloten(self, nummers: Mapping[UUID, Collection[int]]) -> None:
        """Until these messages, by number of each run, have a decision in the log."""
        self.wacht(lambda: all(self.besluiten.get(run, {}).keys() >= set(nummers[run]) for run in nummers), "decisions")

    def wacht_rustig(self) -> None:
        """Until all that was written before now has gone through the whole line, and is shown."""
        run = self.wacht_gezien()
        self.wacht(lambda: run in self.resultaten, "result of the last batch")

    def wacht_gezien(self) -> UUID:
        """Until whoever decides has looked at all that was written before now, and decided it or let it wait: a batch
        of a stranger goes after it over every partition. Returns the run of that one."""
        nu = time.time_ns() // 1_000_000
        kader = Kader(uuid4(), uuid4(), "vreemde", "vreemde", nu, nu, PARTITIES)
        leeg = [""] * PARTITIES
        berichten = Berichten(
            nummers=list(range(1, PARTITIES + 1)),
            bericht_ids=b"".join(guid_op(partitie, PARTITIES).bytes for partitie in range(PARTITIES)),
            berichttypes=["GOED"] * PARTITIES,
            gebruikers=b"0" * 9 * PARTITIES,
            onderwerpen=leeg,
            teksten=leeg,
            referenties=leeg,
            publicatiedatums=[0] * PARTITIES,
            einddatums=[0] * PARTITIES,
            schema_fouten=leeg,
        )
        self.publiceer(Batch(kader, berichten))
        self.wacht_besloten({kader.proceskenmerk: berichten.nummers})
        return kader.proceskenmerk

    def wacht(self, zo: Callable[[], bool], wat: str) -> None:
        """Until it holds; looked at after every record that comes in."""

        async def kijk() -> None:
            while not zo():
                self._nieuws.clear()
                await asyncio.wait_for(self._nieuws.wait(), 10)

        grens = time.monotonic() + WACHT_S
        while True:
            try:
                self.doe(kijk())
                return
            except TimeoutError:
                assert self._worker.poll() is None, f"the worker ended: {self._log.read_text()[-3000:]}"
                assert time.monotonic() < grens, f"no {wat} after {WACHT_S:.0f} s: {self._log.read_text()[-3000:]}"

    # -- in the other thread

    async def _start_profielservice(self) -> None:
        self._runner = web.AppRunner(Profielserver(Opslag(None)).app())
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self._profiel = f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def _start(self) -> None:
        instellingen = self.instellingen
        self._schrijver = ReferentieSchrijver(instellingen, self._codec)
        self._uitgever = Uitgever(
            lambda: maak_producer(instellingen), instellingen.topic("batch"), self._codec.schrijf_batch
        )
        self._producer: AIOKafkaProducer = maak_producer(instellingen)
        await self._producer.start()
        self._consumer = AIOKafkaConsumer(
            instellingen.topic("validatie"),
            instellingen.topic("resultaat"),
            bootstrap_servers=instellingen.kafka,
            isolation_level="read_committed",
            auto_offset_reset="earliest",
            group_id=None,
        )
        await self._consumer.start()
        self._lezer = asyncio.create_task(self._lees_mee())

    async def _stop(self) -> None:
        self._lezer.cancel()
        await asyncio.gather(self._lezer, return_exceptions=True)
        await self._consumer.stop()
        await self._uitgever.stop()
        await self._producer.stop()
        await self._runner.cleanup()

    async def _stuur(self, onderwerp: str, waarde: bytes, key: bytes, partitie: int) -> None:
        await self._producer.send_and_wait(self.instellingen.topic(onderwerp), waarde, key, partition=partitie)

    async def _lees_mee(self) -> None:
        async for record in self._consumer:
            if record.topic == self.instellingen.topic("resultaat"):
                resultaat = self._codec.lees_resultaat(record.value)
                assert resultaat.nummers == list(range(1, resultaat.kader.totaal + 1))
                rijen = [besluit(resultaat, rij) for rij in range(resultaat.kader.totaal)]
                self.resultaten.setdefault(resultaat.kader.proceskenmerk, []).append(rijen)
            else:
                uitkomst = self._codec.lees_uitkomst(record.value)
                run = self.besluiten.setdefault(uitkomst.kader.proceskenmerk, {})
                for rij, nummer in enumerate(uitkomst.nummers):
                    run.setdefault(nummer, []).append(besluit(uitkomst, rij))
            self._nieuws.set()


def besluit(kolommen: Any, rij: int) -> Besluit:
    """One row of an outcome or a result."""
    bericht_id = UUID(bytes=kolommen.bericht_ids[rij * 16 : rij * 16 + 16])
    return str(bericht_id), kolommen.berichttypes[rij], str(kolommen.codes[rij]), str(kolommen.stadia[rij])
