"""The faults: what each does, for how long, and how it is mended. Which comes when is drawn from the seed."""

import signal
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from random import Random

import httpx

from tests.chaos.wereld import MAX_WORKERS, Wereld
from tests.chaos.zender import oins
from tests.integration.lijn.zending import ACTIEF

Herstel = Callable[[], None]
"""Mends a fault. Raises httpx.HTTPError when it must be tried again."""
KILL = "kill -9"
_TABELLEN = ("uitkomsten", "runs", "voortgang", "resultaten", "genotificeerd", "bekend", "postvak", "te_notificeren")


@dataclass(frozen=True)
class Storing:
    """A kind of fault."""

    naam: str
    gewicht: int
    duur_s: tuple[float, float]
    begin: Callable[[Wereld, Random, Counter[str], float], Herstel | None]
    """Makes it, counts it, and returns what mends it after so many seconds; None when it could not be made now."""


def _niets() -> None:
    """What is killed, its keeper starts again."""


def _dood(voorvoegsel: str) -> Callable[[Wereld, Random, Counter[str], float], Herstel | None]:
    def begin(wereld: Wereld, willekeur: Random, teller: Counter[str], duur: float) -> Herstel | None:
        naam = willekeur.choice(wereld.toezicht.namen(voorvoegsel))
        if not wereld.toezicht.dood(naam, duur):
            return None
        teller[f"{KILL} {voorvoegsel}"] += 1
        return _niets

    return begin


def _dood_samen(wereld: Wereld, willekeur: Random, teller: Counter[str], duur: float) -> Herstel | None:
    namen = wereld.toezicht.namen()
    slachtoffers = willekeur.sample(namen, willekeur.randint(2, len(namen)))
    gedood = [naam for naam in slachtoffers if wereld.toezicht.dood(naam, willekeur.uniform(0, duur))]
    for naam in gedood:
        teller[f"{KILL} {naam.partition('-')[0]}"] += 1
    teller["several at once"] += bool(gedood)
    return _niets


def _erbij_of_eraf(wereld: Wereld, willekeur: Random, teller: Counter[str], duur: float) -> Herstel | None:
    workers = wereld.toezicht.namen("worker")
    if len(workers) >= MAX_WORKERS or (len(workers) > 1 and willekeur.random() < 0.5):
        naam = willekeur.choice(workers)
        code = wereld.toezicht.haal_weg(naam)
        teller["worker removed" if code == 0 else f"worker removed, exit code {code}"] += 1
    else:
        wereld.nieuwe_worker()
        teller["worker added"] += 1
    return _niets


def _slaap(wereld: Wereld, willekeur: Random, teller: Counter[str], duur: float) -> Herstel | None:
    namen = wereld.toezicht.namen()
    workers = [naam for naam in namen if naam.startswith("worker")]
    naam = willekeur.choice(workers if willekeur.random() < 0.7 else namen)
    if not wereld.toezicht.sein(naam, signal.SIGSTOP):
        return None
    teller[f"SIGSTOP {naam.partition('-')[0]}"] += 1
    return lambda: _wek(wereld, naam)


def _wek(wereld: Wereld, naam: str) -> None:
    wereld.toezicht.sein(naam, signal.SIGCONT)


def _weiger(instelling: str, wat: str) -> Callable[[Wereld, Random, Counter[str], float], Herstel | None]:
    """A table of ClickHouse that takes no inserts, by a setting of its own."""

    def begin(wereld: Wereld, willekeur: Random, teller: Counter[str], duur: float) -> Herstel | None:
        tabel = willekeur.choice(_TABELLEN)
        namen = ", ".join(deel.partition("=")[0] for deel in instelling.split(", "))
        with suppress(httpx.HTTPError):  # who gets no answer in time does not know whether it was done
            wereld.doe(f"ALTER TABLE {tabel} MODIFY SETTING {instelling}")
            teller[f"ClickHouse {wat}"] += 1
        return lambda: wereld.doe(f"ALTER TABLE {tabel} RESET SETTING {namen}")

    return begin


def _weinig_geheugen(wereld: Wereld, willekeur: Random, teller: Counter[str], duur: float) -> Herstel | None:
    proces = wereld.toezicht.processen["clickhouse"]
    gewoon = proces.commando
    gib = willekeur.choice((0.002, 0.01, 0.03))
    proces.commando = lambda: wereld.clickhouse(gib)
    teller[f"{KILL} clickhouse"] += wereld.toezicht.dood("clickhouse")
    teller["ClickHouse memory limit"] += 1

    def herstel() -> None:
        proces.commando = lambda: gewoon()
        teller[f"{KILL} clickhouse"] += wereld.toezicht.dood("clickhouse")

    return herstel


def _profielservice(wereld: Wereld, willekeur: Random, teller: Counter[str], duur: float) -> Herstel | None:
    een = willekeur.sample(ACTIEF, 3)
    wat, storing = willekeur.choice(
        (
            ("away", {"weg": True}),
            ("slow", {"traag_s": 2.0}),
            ("breaks off", {"afbreken": True}),
            ("fails for one OIN", {"fout_bij_oin": willekeur.sample(oins(), 1)}),
            ("fails for some BSNs", {"fout_bij_bsn": een}),
            ("leaves some out", {"laat_weg_bsn": een}),
        )
    )
    with suppress(httpx.HTTPError):
        wereld.profielstoring(**storing)
        teller[f"profile service {wat}"] += 1
    return lambda: wereld.profielstoring()


def _volle_schijf(wereld: Wereld, willekeur: Random, teller: Counter[str], duur: float) -> Herstel | None:
    if not wereld.met_schijf:
        return None
    vulling = wereld.data / "opslag" / f"vulling-{willekeur.getrandbits(32)}"
    try:
        with vulling.open("wb", buffering=0) as uit:
            while uit.write(bytes(1 << 20)):
                pass
    except OSError:
        if not vulling.exists():  # it is full already
            return None
    teller["disk of the store full"] += 1
    return lambda: vulling.unlink(missing_ok=True)


def _knip(wereld: Wereld, willekeur: Random, teller: Counter[str], duur: float) -> Herstel | None:
    naam = willekeur.choice(sorted(wereld.luiken))
    luik = wereld.luiken[naam]
    if willekeur.random() < 0.3:
        luik.zet(traag_s=willekeur.choice((0.02, 0.2)))
        teller[f"connections to {naam} slow"] += 1
    else:
        luik.zet(dicht=willekeur.random() < 0.5)
        teller[f"connections to {naam} cut"] += luik.knip() > 0
    return lambda: luik.zet()


STORINGEN = (
    Storing("worker killed", 28, (0, 4), _dood("worker")),
    Storing("ClickHouse killed", 8, (0, 8), _dood("clickhouse")),
    Storing("broker killed", 8, (0, 6), _dood("kafka")),
    Storing("door killed", 8, (0, 4), _dood("aanlevering")),
    Storing("profile service killed", 6, (0, 8), _dood("profielservice")),
    Storing("several killed at once", 8, (0, 6), _dood_samen),
    Storing("worker added or removed", 8, (0, 1), _erbij_of_eraf),
    Storing("asleep", 10, (1, 25), _slaap),
    Storing(
        "too many parts", 4, (3, 15), _weiger("parts_to_throw_insert=1, parts_to_delay_insert=1", "TOO_MANY_PARTS")
    ),
    Storing("read-only", 4, (3, 15), _weiger("table_readonly=1", "read-only")),
    Storing("little memory", 3, (5, 15), _weinig_geheugen),
    Storing("profile service fails", 8, (5, 25), _profielservice),
    Storing("disk full", 4, (5, 15), _volle_schijf),
    Storing("connections", 8, (1, 8), _knip),
)
