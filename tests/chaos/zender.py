"""Senders that go on delivering whatever happens, and know of every batch what the model makes of it."""

import asyncio
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random
from uuid import UUID

import httpx

from tests import pdf
from tests.globe import maak_bericht, maak_bijlage, maak_xml
from tests.integration.lijn.zending import ACTIEF, FAALT, INACTIEF, NIET_GEABONNEERD, ONBEKEND, leverancier, samen
from tests.model.model import Bericht, Bijlage, Levering, Model, leesbaar_id

_DAG_MS = 24 * 3600 * 1000
_PDF = pdf.bouw(pdf.delen())
_GEEN_PDF = b"%PDF-1.4\nnothing else"
_HERHAAL = 0.1
"""The share of deliveries that send an earlier batch again."""
_ONTHOUD = 40
"""Batches of which each sender may send one again."""
LEVERANCIERS = 6
ZENDERS = 3


@dataclass
class Zending:
    """One delivery: what was sent, and which run was answered with 202."""

    xml: bytes
    levering: Levering
    ids: tuple[str, ...]
    """BerichtIDs as they come out of the door: in lower case, the zero GUID where none could be read."""
    proceskenmerk: UUID | None = None
    pogingen: int = 0


@dataclass
class Zender:
    """Makes deliveries for leveranciers of its own, from a seed."""

    oins: list[str]
    willekeur: Random
    eerder: list[Zending] = field(default_factory=list)

    def volgende(self) -> Zending:
        """A new batch, or an earlier one again."""
        willekeur = self.willekeur
        if self.eerder and willekeur.random() < _HERHAAL:
            oud = willekeur.choice(self.eerder)
            return self._maak(oud.levering.leverancier, oud.levering.batch_id, list(oud.levering.berichten))
        batch = _guid(willekeur)
        if (lot := willekeur.random()) < 0.6:
            aantal = willekeur.randint(1, 200)
        else:
            aantal = willekeur.randint(200, 600) if lot < 0.9 else 1000
        berichten: list[Bericht] = []
        for _ in range(aantal):
            berichten.append(self._bericht(batch, berichten))
        return self._maak(willekeur.choice(self.oins), batch, berichten)

    def _maak(self, oin: str, batch: str, berichten: list[Bericht]) -> Zending:
        nu, lot = time.time_ns() // 1_000_000, self.willekeur.random()
        door = "00000099000000999000" if lot < 0.03 else None
        aanmaakdatum = nu - (20 * _DAG_MS if 0.03 <= lot < 0.05 else 3_600_000)
        levering = Levering(oin, door, batch, aanmaakdatum, nu, tuple(berichten))
        xml = maak_xml(
            batch_id=batch, aanmaakdatum=_tijd(aanmaakdatum), leverancier=oin, berichten=map(_als_xml, berichten)
        )
        zending = Zending(xml, levering, tuple(leesbaar_id(een.bericht_id) for een in berichten))
        self.eerder = [*self.eerder, zending][-_ONTHOUD:]
        return zending

    def _bericht(self, batch: str, al: list[Bericht]) -> Bericht:
        willekeur, nu = self.willekeur, time.time_ns() // 1_000_000
        lot, bericht_id, gebruiker = willekeur.random(), _guid(willekeur), willekeur.choice(ACTIEF)
        if lot < 0.80:
            return Bericht(batch, bericht_id, "GOED", gebruiker)
        if lot < 0.83:
            return Bericht(batch, bericht_id, "GOED", gebruiker, publicatiedatum=nu + 3 * _DAG_MS)
        if lot < 0.84:
            return Bericht(batch, bericht_id, "GOED", gebruiker, publicatiedatum=nu + 20 * _DAG_MS)
        if lot < 0.86:
            return Bericht(batch, bericht_id, willekeur.choice(("NIETS", "OUD", "NIEUW", "PAUZE", "goed")), gebruiker)
        if lot < 0.90:
            andere = willekeur.choice((INACTIEF, ONBEKEND, NIET_GEABONNEERD, FAALT))
            return Bericht(batch, bericht_id, "GOED", willekeur.choice(andere))
        if lot < 0.92:
            return Bericht(batch, bericht_id, "ANDER2", gebruiker, breekt_schema=True)
        if lot < 0.93:
            return Bericht(batch, "geen-guid", "GOED", gebruiker)
        if lot < 0.96 and al:
            return Bericht(batch, willekeur.choice(al).bericht_id.upper(), "GOED", gebruiker)
        if lot < 0.965:
            return Bericht(batch, bericht_id, "GOED", gebruiker, bijlagen=(Bijlage(len(_PDF), in_orde=True),))
        if lot < 0.97:
            return Bericht(batch, bericht_id, "GOED", gebruiker, bijlagen=(Bijlage(len(_GEEN_PDF)),))
        return Bericht(batch, bericht_id.upper(), "ANDER2", gebruiker)


class Zenders:
    """All senders, in a thread of their own, until they are stopped."""

    def __init__(self, deur: str, zaad: int, per_s: float) -> None:
        """`per_s`: messages a second that are offered, all senders together."""
        self.zendingen: list[Zending] = []
        """Those that were answered with 202."""
        self.antwoorden: Counter[str] = Counter()
        """What the door answered, by status."""
        self._deur = deur
        self._per_s = per_s / ZENDERS
        alle = oins()
        self._zenders = [Zender(alle[nummer::ZENDERS], Random(f"{zaad}/{nummer}")) for nummer in range(ZENDERS)]
        self._stop = threading.Event()
        self._fout: BaseException | None = None
        self._draad = threading.Thread(target=self._draai, daemon=True, name="zenders")

    def start(self) -> None:
        """They begin."""
        self._draad.start()

    def stop(self, binnen_s: float) -> None:
        """Returns when what was begun is answered with 202. Raises what went wrong."""
        self._stop.set()
        self._draad.join(binnen_s)
        if self._draad.is_alive():
            raise TimeoutError("the door does not take what was offered before the end")
        self.controleer()

    def controleer(self) -> None:
        """Raises what made a sender stop."""
        if self._fout is not None:
            raise self._fout

    @property
    def berichten(self) -> int:
        """Messages that were accepted."""
        return sum(len(zending.ids) for zending in self.zendingen)

    def _draai(self) -> None:
        async def alle() -> None:
            async with httpx.AsyncClient(timeout=90, trust_env=False) as client:
                await asyncio.gather(*(self._zend(client, zender) for zender in self._zenders))

        try:
            asyncio.run(alle())
        except BaseException as fout:
            self._fout = fout

    async def _zend(self, client: httpx.AsyncClient, zender: Zender) -> None:
        begin, verzonden = time.monotonic(), 0
        while not self._stop.is_set():
            if verzonden > self._per_s * (time.monotonic() - begin):
                await asyncio.sleep(0.1)
                continue
            zending = zender.volgende()
            await self._lever(client, zending)
            verzonden += len(zending.ids)
            self.zendingen.append(zending)

    async def _lever(self, client: httpx.AsyncClient, zending: Zending) -> None:
        """Posts until it is answered with 202: a sender who hears nothing cannot know what became of it."""
        kop = {"Content-Type": "application/xml"}
        if zending.levering.door:
            kop["X-Leverancier-OIN"] = zending.levering.door
        while True:
            zending.pogingen += 1
            try:
                antwoord = await client.post(f"{self._deur}/v1/batches", content=zending.xml, headers=kop)
            except httpx.TransportError as fout:
                self.antwoorden[type(fout).__name__] += 1
                await asyncio.sleep(0.3)
                continue
            self.antwoorden[str(antwoord.status_code)] += 1
            if antwoord.status_code == 202:
                zending.proceskenmerk = UUID(antwoord.json()["proceskenmerk"])
                return
            if antwoord.status_code != 503 or "Retry-After" not in antwoord.headers:
                raise AssertionError(f"the door answers a good batch with {antwoord.status_code}")
            await asyncio.sleep(0.3)


def oins() -> list[str]:
    """The leveranciers of all senders."""
    return [f"00000099{700_000 + nummer:09}000" for nummer in range(LEVERANCIERS)]


def referentiegegevens() -> dict[str, list[object]]:
    """What `laad` needs for them."""
    return samen(*map(leverancier, oins()))


def model() -> Model:
    """The world of the senders before anything was delivered."""
    alles = Model(leveranciers={oin: set() for oin in oins()})
    for regel in referentiegegevens()["berichttypes"]:
        assert isinstance(regel, dict)
        alles.berichttypes[regel["oin"], regel["code"]] = regel["status"]
    alles.burgers = dict.fromkeys(ACTIEF, (True, None))
    alles.burgers |= dict.fromkeys(INACTIEF, (False, None))
    alles.burgers |= {bsn: (True, set()) for bsn in NIET_GEABONNEERD}
    return alles


def _als_xml(bericht: Bericht) -> str:
    return maak_bericht(
        BatchID=bericht.batch_id,
        BerichtID=bericht.bericht_id,
        BerichtType=bericht.berichttype,
        PublicatieDatum=None if bericht.publicatiedatum is None else _tijd(bericht.publicatiedatum),
        Onderwerp="x" * 51 if bericht.breekt_schema else "Chaos",
        GebruikerID=bericht.gebruiker,
        bijlagen=[maak_bijlage(_PDF if een.in_orde else _GEEN_PDF) for een in bericht.bijlagen],
    )


def _guid(willekeur: Random) -> str:
    return str(UUID(int=willekeur.getrandbits(128), version=4))


def _tijd(millis: int) -> str:
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=millis)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
