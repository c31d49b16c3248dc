"""Outages: what they touch waits, nobody else does, and afterwards every message is decided once."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from random import Random
from typing import Any

import httpx
import pytest

from tests.integration.lijn.controle import controleer
from tests.integration.lijn.logboek import lees
from tests.integration.lijn.stapel import Stapel, leeft, wacht_tot
from tests.integration.lijn.zending import (
    ACTIEF,
    BERICHTTYPE,
    GEBRUIKER,
    GOED,
    SOORTEN,
    TECHNISCH,
    VERWERKT,
    ZAAD,
    Soort,
    Stroom,
    Zending,
    lever_alle,
    leverancier,
    maak_gewone,
    maak_zending,
    nieuwe_oin,
    samen,
)
from tests.regels import regel

pytestmark = [pytest.mark.integration, pytest.mark.chaos]

BINNEN_S = 60.0
"""Within which who is not touched by an outage is done, and who is touched after its end; much more than it takes."""
GEDULD_S = 8
"""For the one test that is about it; the others never wait so long that they give up."""
ZONDER_BIJLAGE = [soort for soort in SOORTEN if "bijlage" not in soort.naam]
WORDT_GEVRAAGD = {soort for soort in SOORTEN if soort.antwoord in (VERWERKT, GEBRUIKER)} - {
    soort for soort in SOORTEN if soort.naam == "elfproef faalt"
}
"""Only what passes every check before it is asked about."""


ALLE_OINS = [nieuwe_oin() for _ in range(24)]


@pytest.fixture(scope="module")
def stapel(eigen: Callable[..., Stapel]) -> Stapel:
    """One stack for the tests of this file, each with leveranciers of its own."""
    print(f"PROEF_ZAAD={ZAAD}")
    stapel = eigen(workers=1, pauze_s=1, geduld_s=3600)
    stapel.laad(samen(*map(leverancier, ALLE_OINS)))
    return stapel


@pytest.fixture
def oins() -> list[str]:
    """Leveranciers of the test's own."""
    return [ALLE_OINS.pop() for _ in range(4)]


@contextmanager
def _storing(stapel: Stapel, **hoe: Any) -> Iterator[None]:
    """The profile service fails like this, until the end."""
    adres = f"{stapel.adressen['profielservice']}/storing"
    httpx.put(adres, json=hoe, timeout=30, trust_env=False).raise_for_status()
    try:
        yield
    finally:
        httpx.put(adres, json={}, timeout=30, trust_env=False).raise_for_status()


@contextmanager
def _zonder_opslag(stapel: Stapel) -> Iterator[None]:
    """The folder of the message store is gone, and a file stands in its place, until the end."""
    opslag = stapel.data / "opslag"
    elders = opslag.rename(stapel.data / "opslag-weg")
    opslag.write_bytes(b"")
    try:
        yield
    finally:
        opslag.unlink()
        elders.rename(opslag)


def _lever(stapel: Stapel, *zendingen: Zending) -> None:
    lever_alle(stapel.adressen["aanlevering"], zendingen, gelijktijdig=4)


def _besloten(stapel: Stapel, *zendingen: Zending) -> int:
    """How many messages of these deliveries have a decision that ClickHouse shows."""
    runs = ",".join(f"'{zending.proceskenmerk}'" for zending in zendingen)
    [[aantal]] = stapel.sql(
        "SELECT toInt32(uniqExact(proceskenmerk, nummer)) FROM uitkomsten "
        f"WHERE proceskenmerk IN ({runs}) AND code != ''"
    )
    return int(aantal)


def _zijn_besloten(stapel: Stapel, *zendingen: Zending) -> Callable[[], bool]:
    totaal = sum(len(zending.verwacht) for zending in zendingen)
    return lambda: _besloten(stapel, *zendingen) == totaal


def _wachtend(stapel: Stapel) -> int:
    """How many slices stand in `wacht` that were not deleted from it."""
    laatste = {(een.partitie, een.key): een.waarde for een in lees(stapel.adressen["kafka"], "wacht")}
    return sum(waarde is not None for waarde in laatste.values())


def _controleer(stapel: Stapel, *zendingen: Zending) -> None:
    """All is decided as it must be, and nothing is left behind in `wacht`."""
    wacht_tot(lambda: stapel.open_runs() == 0, BINNEN_S, "every run has its result")
    controleer(stapel, zendingen)
    wacht_tot(lambda: _wachtend(stapel) == 0, BINNEN_S, "what waited is deleted")


def _vervang_worker(stapel: Stapel) -> None:
    (worker,) = stapel.pids["workers"]
    os.kill(worker, signal.SIGKILL)
    wacht_tot(lambda: stapel.pids["workers"] not in ([], [worker]), 30, "up starts the killed worker again")


@regel("without holding up other senders' messages", "it waits and is retried")
def test_a_leverancier_that_makes_the_profile_service_fault_waits_alone_also_over_a_kill_9(
    stapel: Stapel, oins: list[str]
) -> None:
    willekeur = Random(f"oin {ZAAD}")
    faalt, *andere = oins
    van_faler = [maak_zending(faalt, [GOED] * 30, willekeur) for _ in range(4)]
    van_anderen = [maak_gewone(oin, willekeur) for oin in andere * 4]
    nagekomen = [maak_gewone(oin, willekeur) for oin in andere]
    with _storing(stapel, fout_bij_oin=[faalt]):
        _lever(stapel, *van_faler[:2], *van_anderen, *van_faler[2:])
        wacht_tot(_zijn_besloten(stapel, *van_anderen), BINNEN_S, "the messages of others are decided")
        wacht_tot(lambda: _wachtend(stapel) > 0, BINNEN_S, "those of the faulting one wait aside")
        _vervang_worker(stapel)
        _lever(stapel, *nagekomen)
        wacht_tot(_zijn_besloten(stapel, *nagekomen), BINNEN_S, "the new worker decides those of others")
        assert _besloten(stapel, *van_faler) == 0
    _controleer(stapel, *van_faler, *van_anderen, *nagekomen)


@regel("without holding up other senders' messages", "`T:klanten` holding 1 to 250 `S:Klant`")
def test_one_citizen_of_250_who_faults_or_is_left_out_waits_alone(stapel: Stapel, oins: list[str]) -> None:
    willekeur = Random(f"bsn {ZAAD}")
    fout, weggelaten = willekeur.sample(ACTIEF[:250], 2)

    def aan_250(oin: str) -> Zending:
        inhoud = [Soort("ieder een", VERWERKT, lambda _, aan=aan: {"GebruikerID": aan}) for aan in ACTIEF[:250]]
        return maak_zending(oin, inhoud, willekeur)

    een, twee = aan_250(oins[0]), aan_250(oins[1])
    with _storing(stapel, fout_bij_bsn=[fout]):
        _lever(stapel, een)
        wacht_tot(lambda: _besloten(stapel, een) == 249, BINNEN_S, "249 of 250 are decided")
    with _storing(stapel, laat_weg_bsn=[weggelaten]):
        _lever(stapel, twee)
        wacht_tot(lambda: _besloten(stapel, twee) == 249, BINNEN_S, "249 of 250 are decided")
    _controleer(stapel, een, twee)


@regel(
    "Profile service, store, ClickHouse or Kafka away is never a reason to refuse a message", "it waits and is retried"
)
def test_the_line_catches_up_with_a_profile_service_that_was_away(stapel: Stapel, oins: list[str]) -> None:
    willekeur = Random(f"weg {ZAAD}")
    with Stroom(
        lambda: str(stapel.adressen["aanlevering"]), lambda: maak_gewone(willekeur.choice(oins), willekeur), per_s=10
    ) as stroom:
        stroom.wacht_op(5)
        with _storing(stapel, weg=True):
            stroom.wacht_op(10)
            wacht_tot(lambda: _wachtend(stapel) > 0, BINNEN_S, "what was waited for in place waits aside")
            stroom.wacht_op(10)
        stroom.wacht_op(5)
    _controleer(stapel, *stroom.zendingen)


@regel(
    "Profile service, store, ClickHouse or Kafka away is never a reason to refuse a message", "it waits and is retried"
)
def test_what_is_placed_waits_for_the_message_store_and_what_is_not_goes_on(stapel: Stapel, oins: list[str]) -> None:
    willekeur = Random(f"opslag {ZAAD}")
    niets = [soort for soort in ZONDER_BIJLAGE if soort.antwoord != VERWERKT]
    geplaatst, geweigerd = maak_zending(oins[0], [GOED] * 30, willekeur), maak_zending(oins[1], niets * 2, willekeur)
    gemengd = maak_zending(oins[2], [GOED, *ZONDER_BIJLAGE], willekeur)
    with _zonder_opslag(stapel):
        _lever(stapel, geplaatst, geweigerd, gemengd)
        wacht_tot(_zijn_besloten(stapel, geweigerd), BINNEN_S, "what is not placed is decided")
        zonder = sum(antwoord != VERWERKT for antwoord in gemengd.verwacht)
        wacht_tot(lambda: _besloten(stapel, gemengd) == zonder, BINNEN_S, "in the mixed batch as well")
        assert _besloten(stapel, geplaatst) == 0
    _controleer(stapel, geplaatst, geweigerd, gemengd)


@regel(
    "(also when it was Actief at delivery) | ValidateBerichtType",
    "Every change counts from the moment it is made, for messages already on their way too",
)
def test_a_berichttype_deactivated_in_mid_stream_is_refused_from_then_on(stapel: Stapel, oins: list[str]) -> None:
    willekeur = Random(f"deactiveer {ZAAD}")
    oin = oins[0]
    with Stroom(
        lambda: str(stapel.adressen["aanlevering"]), lambda: maak_zending(oin, [GOED] * 50, willekeur), per_s=8
    ) as stroom:
        stroom.wacht_op(3)
        wacht_tot(_zijn_besloten(stapel, stroom.zendingen[0]), BINNEN_S, "the first are placed")
        stapel.opdracht("berichttype", "deactiveer", "GOED", "--oin", oin, "--ja")
        grens, ervoor = time.time() * 1000, len(stroom.zendingen)
        stroom.wacht_op(3)
    wacht_tot(lambda: stapel.open_runs() == 0, BINNEN_S, "every run has its result")
    antwoorden: dict[str, dict[int, tuple[str, str]]] = {}
    for uitkomst in (record.inhoud for record in lees(stapel.adressen["kafka"], "validatie")):
        if uitkomst["leverancier"] != oin:
            continue
        gegeven = list(zip(uitkomst["codes"], uitkomst["stadia"], strict=True))
        assert set(gegeven) <= {VERWERKT, BERICHTTYPE}
        assert VERWERKT not in gegeven or uitkomst["verwerkt_op"] <= grens, "placed after the command returned"
        antwoorden.setdefault(uitkomst["proceskenmerk"], {}).update(zip(uitkomst["nummers"], gegeven, strict=True))
    for zending in stroom.zendingen:
        per_nummer = antwoorden[str(zending.proceskenmerk)]
        zending.verwacht = [per_nummer[nummer] for nummer in range(1, 51)]
    assert set(stroom.zendingen[0].verwacht) == {VERWERKT}
    for zending in stroom.zendingen[ervoor + 1 :]:  # one may have been under way to the door
        assert set(zending.verwacht) == {BERICHTTYPE}
    controleer(stapel, stroom.zendingen)


@pytest.fixture
def ongeduldig(stapel: Stapel) -> Iterator[Stapel]:
    """The same stack, and its worker gives up after some seconds."""
    up, (worker,) = stapel.pids["up"], stapel.pids["workers"]
    os.kill(up, signal.SIGSTOP)  # or it would start another worker at once
    try:
        os.kill(worker, signal.SIGTERM)
        wacht_tot(lambda: not leeft(worker), 25, "the worker ends")
        stapel._instellingen["geduld_s"] = GEDULD_S
        stapel.extra_worker()
        log = stapel.extra_log(0)
        wacht_tot(lambda: "own validatie" in log.read_text(), BINNEN_S, "the new worker decides")
        yield stapel
    finally:
        os.kill(up, signal.SIGCONT)


@regel(
    "Only when it has waited so long that the norm would be broken",
    "default 20 hours after this delivery, a setting",
    "something on our side failed for good; Stadium says where",
    "ValidateBerichtType, ValidateGebruiker or StoreMessage",
)
def test_exactly_what_waits_until_the_limit_becomes_a_problem_of_ours(ongeduldig: Stapel, oins: list[str]) -> None:
    willekeur = Random(f"geduld {ZAAD}")
    faalt, ander = oins[:2]
    store = ("TechnischProbleem", "StoreMessage")
    bij_faler = [replace(soort, antwoord=TECHNISCH) if soort in WORDT_GEVRAAGD else soort for soort in ZONDER_BIJLAGE]
    bij_ander = [replace(soort, antwoord=store) if soort.antwoord == VERWERKT else soort for soort in ZONDER_BIJLAGE]
    zendingen = [
        maak_zending(faalt, [replace(GOED, antwoord=TECHNISCH), *bij_faler], willekeur),
        maak_zending(ander, [replace(GOED, antwoord=store), *bij_ander], willekeur),
    ]
    with _storing(ongeduldig, fout_bij_oin=[faalt]), _zonder_opslag(ongeduldig):
        _lever(ongeduldig, *zendingen)
        wacht_tot(_zijn_besloten(ongeduldig, *zendingen), BINNEN_S, "what waited is given up")
    later = [maak_zending(oin, [GOED, *ZONDER_BIJLAGE], willekeur) for oin in (faalt, ander)]
    _lever(ongeduldig, *later)
    _controleer(ongeduldig, *zendingen, *later)
