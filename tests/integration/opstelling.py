"""Workers that decide on a real broker, with a world around them that is played: ClickHouse, the reference data."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

from agents.beslisser import Beslisser, Keurmeester, Taak
from agents.herkansing import Herkansing
from avro.codec import Codec
from domain.batch import Batch
from domain.beslissing import Uitkomst
from domain.codes import Verwerkingscode
from domain.referentie import Referentie
from profielservice.gebruikers import Gebruiker
from profielservice.geheugen import GeheugenProfielservice
from sinks.database import DatabaseWeg
from sinks.objecten import Objecten, OpslagWeg
from sinks.stroomvragen import BekendeUitkomst, Vraag
from sinks.vragen import Vragen
from streams.fence import Record
from streams.referentie import ReferentieVolger
from streams.settings import Instellingen
from streams.sleutels import Sleutels, lees_sleutels, maak_sleutels
from tests.kafka import lees_alles
from tests.slices import BSNS, T0, referentie

CODEC = Codec()
C = Verwerkingscode


class Data:
    """The reference data, as the follower of a process gives them."""

    def __init__(self, nu: Referentie) -> None:
        self.referentie = nu
        self.bij = True
        self.voor_beslissing: Callable[[], None] = lambda: None

    def __setattr__(self, naam: str, waarde: Any) -> None:
        if naam == "referentie" and hasattr(self, "referentie"):
            waarde.versie = self.referentie.versie + 1
        super().__setattr__(naam, waarde)

    @asynccontextmanager
    async def beslissing(self) -> AsyncIterator[Referentie]:
        self.voor_beslissing()
        yield self.referentie


class Getoond:
    """ClickHouse, as far as the agent asks it: what a sink has brought there by `toon`."""

    def __init__(self) -> None:
        self.tot: dict[int, int] = {}
        self.rijen: list[Uitkomst] = []
        self.weg = 0
        """How many questions fail from here on."""

    def toon(self, partitie: int, records: Iterable[Record]) -> None:
        for record in records:
            self.rijen.append(CODEC.lees_uitkomst(record.waarde))
            self.tot[partitie] = record.offset + 1

    def voortgang(self, topic_id: str) -> dict[int, int]:
        self._misschien_weg()
        return dict(self.tot)

    def bekend(self, vragen: Iterable[Vraag]) -> list[BekendeUitkomst]:
        self._misschien_weg()
        gevraagd = list(vragen)
        ids = {(wie, kolom[i : i + 16]) for wie, kolom, _ in gevraagd for i in range(0, len(kolom), 16)}
        runs = {run for *_, run in gevraagd}
        alle = [
            (een.kader.leverancier, een.bericht_id(rij), een.kader.proceskenmerk, nummer, code is C.VERWERKT)
            for een in self.rijen
            for rij, (nummer, code) in enumerate(zip(een.nummers, een.codes, strict=True))
        ]
        return [een for een in alle if een[:2] in ids and (een[4] or een[2] in runs)]

    def _misschien_weg(self) -> None:
        if self.weg:
            self.weg -= 1
            raise DatabaseWeg("away")


class Winkel(Objecten):
    """An object store that can be away."""

    weg = False
    geprobeerd = 0

    async def bewaar(self, naam: str, inhoud: bytes) -> None:
        self.geprobeerd += 1
        if self.weg:
            raise OpslagWeg("away")
        await super().bewaar(naam, inhoud)


class Opstelling:
    """Workers, and the world around them."""

    def __init__(self, instellingen: Instellingen, tmp_path: Path) -> None:
        maak_sleutels(tmp_path / "sleutels.json")
        self.instellingen = instellingen
        self.sleutels: Sleutels = lees_sleutels(tmp_path / "sleutels.json")
        self.data = Data(referentie())
        self.getoond = Getoond()
        self.profiel = GeheugenProfielservice(Gebruiker(bsn=bsn, actief=True, abonnementen="*") for bsn in BSNS[:10])
        self.winkel = Winkel(f"file://{tmp_path / 'opslag'}", self.sleutels)
        self.keuring: Keurmeester | None = None
        self.nu = T0 + 1000
        self.workers: list[Beslisser] = []

    def worker(self, **anders: Any) -> Beslisser:
        self.workers.append(
            Beslisser(
                self.instellingen.model_copy(update=anders),
                CODEC,
                cast(ReferentieVolger, self.data),
                self.profiel,
                self.winkel,
                self.sleutels,
                cast(Vragen, self.getoond),
                "topic-id",
                lambda: self.nu,
                self.keuring,
            )
        )
        return self.workers[-1]

    def herkansing(self, worker: Beslisser, *partities: int) -> Herkansing:
        """The second chances of a worker that has these partitions."""
        return Herkansing(self.instellingen, CODEC, worker, lambda: dict.fromkeys(partities or (0,), 1))

    async def wachtend(self, partitie: int = 0) -> dict[bytes, Batch | None]:
        """What stands in `wacht`, by key; None where it was deleted."""
        records = await lees_alles(self.instellingen, "wacht", partitie)
        return {
            record.key or b"": None if record.waarde is None else CODEC.lees_batch(record.waarde, "wacht")
            for record in records
        }

    async def log(self, partitie: int = 0) -> list[Record]:
        return await lees_alles(self.instellingen, "validatie", partitie)

    async def uitkomsten(self, partitie: int = 0) -> list[Uitkomst]:
        return [CODEC.lees_uitkomst(record.waarde) for record in await self.log(partitie)]

    async def codes(self, partitie: int = 0) -> list[Verwerkingscode]:
        """All decisions on a partition, in the order of the log."""
        return [code for een in await self.uitkomsten(partitie) for code in een.codes]


async def beslis(
    worker: Beslisser,
    *slices: Batch,
    generatie: int = 1,
    partities: Sequence[int] = (0,),
    eigenaar: Callable[[int], bool] = lambda _: True,
) -> list[int]:
    """Lets a worker decide the same slices on each partition; the partitions that it finished."""
    taken = {partitie: Taak(list(slices), generatie) for partitie in partities}
    return [partitie async for partitie in worker.beslis(taken, eigenaar)]


async def wacht_tot(zo: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not zo():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.05)
