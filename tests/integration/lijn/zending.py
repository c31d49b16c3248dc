"""Batches whose answers are known beforehand, by a table of its own (from domain.md), and their delivery."""

import asyncio
import itertools
import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any
from uuid import UUID

import httpx

from tests.globe import Rauw, Waarde, maak_bericht, maak_bijlage, maak_xml

Antwoord = tuple[str, str]
"""VerwerkingsCode and Stadium."""

VERWERKT = ("Verwerkt", "NA")
XML = ("XmlValidatieTegenXsdValtNegatiefUit", "NA")
OIN = ("OinInCPAKomtNietOvereenMetOinInBericht", "NA")
AANMAAK = ("AanmaakDatumLigtTeVerInHetVerleden", "NA")
PUBLICATIE = ("PublicatieDatumLigtTeVerInDeToekomst", "NA")
TE_GROOT = ("BijlageTeGroot", "NA")
BESTAAT_AL = ("BerichtBestaatAl", "NA")
BERICHTTYPE = ("BerichtTypeNietOndersteund", "ValidateBerichtType")
GEBRUIKER = ("NietActiefOfGeabonneerd", "ValidateGebruiker")
TECHNISCH = ("TechnischProbleem", "ValidateGebruiker")


# -- citizens: nobody's BSNs, made by the elfproef


def _bsns(stammen: Iterable[int]) -> Iterable[str]:
    for stam in stammen:
        laatste = sum((9 - plaats) * int(cijfer) for plaats, cijfer in enumerate(f"{stam:08}")) % 11
        if laatste < 10:
            yield f"{stam:08}{laatste}"


_ALLE = list(itertools.islice(_bsns(range(97_310_000, 97_311_000)), 500))
ACTIEF, INACTIEF, ONBEKEND, NIET_GEABONNEERD = _ALLE[:300], _ALLE[300:350], _ALLE[350:400], _ALLE[400:450]
FAALT = [f"{bsn[:-1]}{(int(bsn[-1]) + 1) % 10}" for bsn in _ALLE[450:]]
ACHT = [bsn[1:] for bsn in itertools.islice(_bsns(range(7_310_000, 7_310_100)), 20)]
"""Eight digits: the leading zero is left out."""
ALLE_BSNS = {*_ALLE, *FAALT, *ACHT, *(f"0{bsn}" for bsn in ACHT)}

GEBRUIKERS = [
    *({"bsn": bsn, "actief": True, "abonnementen": "*"} for bsn in (*ACTIEF, *(f"0{bsn}" for bsn in ACHT))),
    *({"bsn": bsn, "actief": False, "abonnementen": "*"} for bsn in INACTIEF),
    *({"bsn": bsn, "actief": True, "abonnementen": []} for bsn in NIET_GEABONNEERD),
]


# -- leveranciers

_nummers = itertools.count(100_000)


def nieuwe_oin() -> str:
    """An OIN that no other test of this run has."""
    return f"00000099{next(_nummers):09}000"


def leverancier(oin: str, voor: Sequence[str] = ()) -> dict[str, Any]:
    """Reference data of a leverancier: berichttypes in every status, and diensten."""
    typen = {"GOED": "Actief", "ANDER2": "Actief", "NIEUW": "Nieuw", "PAUZE": "Inactief", "OUD": "Archief"}
    return {
        "leveranciers": [{"oin": oin, "naam": f"Proef {oin[8:17]}", "intermediair_voor": list(voor)}],
        "berichttypes": [
            {
                "oin": oin,
                "code": code,
                "omschrijving": "Proef",
                "notificatiekenmerk": "Informatie geven",
                "status": status,
            }
            for code, status in typen.items()
        ],
        "diensten": [
            {
                "oin": oin,
                "dienst_id": "Dienst A",
                "omschrijving": "Proef",
                "status": "Actief",
                "berichttypes": ["GOED"],
            },
            {
                "oin": oin,
                "dienst_id": "Dienst B",
                "omschrijving": "Proef",
                "status": "Actief",
                "berichttypes": ["GOED", "ANDER2"],
            },
        ],
    }


def samen(*delen: dict[str, Any]) -> dict[str, Any]:
    """Reference data put together."""
    alles: dict[str, list[Any]] = {}
    for deel in delen:
        for soort, lijst in deel.items():
            alles.setdefault(soort, []).extend(lijst)
    return alles


# -- messages


def tijd(**duur: float) -> str:
    """So long from now, as the wire has it."""
    return (datetime.now(UTC) + timedelta(**duur)).strftime("%Y-%m-%dT%H:%M:%SZ")


def _kies(waarden: Sequence[str]) -> Callable[[Random], dict[str, Any]]:
    return lambda willekeur: {"GebruikerID": willekeur.choice(waarden)}


def _vast(**velden: Waarde | list[str]) -> Callable[[Random], dict[str, Any]]:
    return lambda _: dict(velden)


@dataclass(frozen=True)
class Soort:
    """A kind of message: its answer when the batch is in order, and what differs from a good one."""

    naam: str
    antwoord: Antwoord
    velden: Callable[[Random], dict[str, Any]]
    waarschuwing: bool = False
    """Whether it is Verwerkt with a warning, if it is."""


GOED = Soort("goed", VERWERKT, _vast())
SOORTEN = (
    Soort("bijlage", VERWERKT, lambda w: {"bijlagen": [maak_bijlage(b"%PDF-1.4\n" + w.randbytes(40))]}, True),
    Soort("twee bijlagen", VERWERKT, _vast(bijlagen=[maak_bijlage(b"%PDF-1.4 a"), maak_bijlage(b"%PDF-1.4 b")]), True),
    Soort("acht cijfers", VERWERKT, _kies(ACHT)),
    Soort("ander berichttype", VERWERKT, _vast(BerichtType="ANDER2")),
    Soort("leeg PublicatieDatum", VERWERKT, _vast(PublicatieDatum="")),
    Soort("over 12 dagen", VERWERKT, lambda _: {"PublicatieDatum": tijd(days=12)}),
    Soort("onderwerp te lang", XML, _vast(Onderwerp="x" * 51)),
    Soort("zonder onderwerp", XML, _vast(Onderwerp=None)),
    Soort("BerichtID onleesbaar", XML, _vast(BerichtID="geen-guid")),
    Soort("gebruiker van 7 cijfers", XML, _vast(GebruikerID="1234567")),
    Soort("datum zonder zone", XML, lambda _: {"PublicatieDatum": tijd(days=1).removesuffix("Z")}),
    Soort("ander BatchID", XML, _vast(BatchID="11111111-2222-4333-8444-555555555555")),
    Soort("onbekend element", XML, _vast(Referentie=Rauw("<Prioriteit>1</Prioriteit>"))),
    Soort("publicatie te ver", PUBLICATIE, lambda _: {"PublicatieDatum": tijd(days=13, hours=1)}),
    Soort("berichttype onbekend", BERICHTTYPE, _vast(BerichtType="NIETS")),
    Soort("berichttype klein", BERICHTTYPE, _vast(BerichtType="goed")),
    Soort("berichttype Nieuw", BERICHTTYPE, _vast(BerichtType="NIEUW")),
    Soort("berichttype Inactief", BERICHTTYPE, _vast(BerichtType="PAUZE")),
    Soort("berichttype Archief", BERICHTTYPE, _vast(BerichtType="OUD")),
    Soort("gebruiker onbekend", GEBRUIKER, _kies(ONBEKEND)),
    Soort("gebruiker inactief", GEBRUIKER, _kies(INACTIEF)),
    Soort("niet geabonneerd", GEBRUIKER, _kies(NIET_GEABONNEERD)),
    Soort("elfproef faalt", GEBRUIKER, _kies(FAALT)),
)
"""Every kind whose answer hangs on the message alone."""
BIJLAGE_TE_GROOT = Soort("bijlage te groot", TE_GROOT, _vast(bijlagen=[maak_bijlage(bytes(500_001))]))
"""Heavy on the wire, so not among the others."""


@dataclass
class Zending:
    """One delivery of a batch."""

    leverancier: str
    door: str | None
    batch_id: UUID
    xml: bytes
    verwacht: list[Antwoord]
    """By place in the batch."""
    pogingen: int = 0
    proceskenmerk: UUID | None = None
    """Of the delivery that was answered with 202."""
    bericht_ids: list[str] = field(default_factory=list)
    waarschuwingen: int = 0
    """How many messages are Verwerkt with a warning."""


def maak_zending(
    oin: str,
    inhoud: Sequence[Soort],
    willekeur: Random,
    *,
    door: str | None = None,
    alle: Antwoord | None = None,
    aanmaak: str | None = None,
    dubbel: int = 0,
    batch_id: UUID | None = None,
) -> Zending:
    """A batch of these kinds. `alle`: the answer to every message that passes the schema, whatever else it is;
    `dubbel`: that many times the last message repeats the BerichtID of the first, which must be Verwerkt."""
    batch = batch_id or UUID(int=willekeur.getrandbits(128), version=4)
    berichten, ids = [], []
    verwacht = [soort.antwoord if alle is None or soort.antwoord == XML else alle for soort in inhoud]
    for nummer, soort in enumerate(inhoud, 1):
        velden: dict[str, Any] = {
            "BatchID": str(batch),
            "BerichtID": str(UUID(int=willekeur.getrandbits(128), version=4)),
            "BerichtType": "GOED",
            "GebruikerID": willekeur.choice(ACTIEF),
        }
        ids.append(velden["BerichtID"])
        berichten.append(maak_bericht(nummer, **(velden | soort.velden(willekeur))))
    for _ in range(dubbel):
        assert alle is None
        berichten.append(maak_bericht(BatchID=str(batch), BerichtID=ids[0].upper(), BerichtType="GOED"))
        verwacht.append(BESTAAT_AL)
        ids.append(ids[0])
    xml = maak_xml(batch_id=str(batch), aanmaakdatum=aanmaak or tijd(hours=-1), leverancier=oin, berichten=berichten)
    oranje = [s for s, antwoord in zip(inhoud, verwacht, strict=False) if s.waarschuwing and antwoord == VERWERKT]
    return Zending(oin, door, batch, xml, verwacht, bericht_ids=ids, waarschuwingen=len(oranje))


def maak_gewone(oin: str, willekeur: Random, hoogstens: int = 50, **velden: Any) -> Zending:
    """A batch of 1 to `hoogstens` messages, three in four of them good."""
    inhoud = [
        GOED if willekeur.random() < 0.75 else willekeur.choice(SOORTEN) for _ in range(willekeur.randint(1, hoogstens))
    ]
    return maak_zending(oin, inhoud, willekeur, **velden)


_GETELD = ("batches", "berichten", "verwerkt", "waarschuwing")


def totalen(zendingen: Iterable[Zending]) -> dict[str, dict[str, Any]]:
    """What `totalen` must show of deliveries that are each a batch of its own."""
    rijen: dict[str, dict[str, Any]] = {}
    for zending in zendingen:
        rij = rijen.setdefault(zending.leverancier, Counter(dict.fromkeys(_GETELD, 0)))
        rij["batches"] += 1
        rij["berichten"] += len(zending.verwacht)
        rij["verwerkt"] += zending.verwacht.count(VERWERKT)
        rij["waarschuwing"] += zending.waarschuwingen
    return {
        oin: {
            "leverancier": oin,
            **rij,
            "niet_verwerkt": rij["berichten"] - rij["verwerkt"],
            "in_behandeling": 0,
        }
        for oin, rij in rijen.items()
    }


# -- delivery


async def _lever(client: httpx.AsyncClient, adres: Callable[[], str], zending: Zending, deadline_s: float) -> None:
    kop = {"Content-Type": "application/xml"} | ({"X-Leverancier-OIN": zending.door} if zending.door else {})
    grens = time.monotonic() + deadline_s
    while True:
        zending.pogingen += 1
        try:
            antwoord = await client.post(f"{adres()}/v1/batches", content=zending.xml, headers=kop)
        except (httpx.TransportError, OSError, ValueError):  # the door is away, or its address is being written
            antwoord = None
        if antwoord is not None and antwoord.status_code == 202:
            assert antwoord.json()["batch_id"] == str(zending.batch_id)
            zending.proceskenmerk = UUID(antwoord.json()["proceskenmerk"])
            return
        if antwoord is not None:
            assert antwoord.status_code == 503, f"{antwoord.status_code}: {antwoord.text}"
        assert time.monotonic() < grens, f"the door does not take a batch within {deadline_s:.0f} s"
        await asyncio.sleep(0.3)


def lever_alle(adres: str, zendingen: Sequence[Zending], gelijktijdig: int = 8, deadline_s: float = 120) -> None:
    """Delivers all of them over HTTP, several at once; returns when each is answered with 202."""

    async def alle() -> None:
        wachtrij = iter(zendingen)
        async with httpx.AsyncClient(timeout=90, trust_env=False) as client:

            async def een_voor_een() -> None:
                for zending in wachtrij:
                    await _lever(client, lambda: adres, zending, deadline_s)

            await asyncio.gather(*(een_voor_een() for _ in range(gelijktijdig)))

    asyncio.run(alle())


class Stroom:
    """A sender that goes on delivering until it is stopped, also while the door is away."""

    def __init__(self, adres: Callable[[], str], maak: Callable[[], Zending], per_s: float = 6.0) -> None:
        self.zendingen: list[Zending] = []
        """Those that were answered with 202."""
        self._adres = adres
        self._maak = maak
        self._pauze_s = 1 / per_s
        self._stop = threading.Event()
        self._fout: BaseException | None = None
        self._draad = threading.Thread(target=self._loop, daemon=True)

    def __enter__(self) -> "Stroom":
        self._draad.start()
        return self

    def __exit__(self, soort: object, *_: object) -> None:
        self._stop.set()
        self._draad.join(200)
        if soort is None:
            assert not self._draad.is_alive(), "the sender hangs"
            if self._fout is not None:
                raise self._fout

    def wacht_op(self, aantal: int, binnen_s: float = 120) -> None:
        """Until so many more batches are accepted from now."""
        doel, grens = len(self.zendingen) + aantal, time.monotonic() + binnen_s
        while len(self.zendingen) < doel:
            if self._fout is not None:
                raise self._fout
            assert time.monotonic() < grens, "the door accepts nothing"
            time.sleep(0.02)

    def _loop(self) -> None:
        async def stroom() -> None:
            async with httpx.AsyncClient(timeout=70, trust_env=False) as client:
                while not self._stop.is_set():
                    zending = self._maak()
                    await _lever(client, self._adres, zending, 180)
                    self.zendingen.append(zending)
                    await asyncio.sleep(self._pauze_s)

        try:
            asyncio.run(stroom())
        except BaseException as fout:
            self._fout = fout


ZAAD = int(os.environ.get("PROEF_ZAAD", "0")) or time.time_ns() % 1_000_000
"""Seed of what is random in a test; each prints it, and PROEF_ZAAD sets it again."""
