"""The whole stack, or one part of it, ends while batches are on their way: it goes on where it was."""

import os
import re
import signal
import time
from collections.abc import Callable
from random import Random
from typing import Any

import httpx
import pytest
from confluent_kafka import Producer

from tests.integration.lijn.controle import controleer
from tests.integration.lijn.stapel import Stapel, haal, leeft, wacht_tot
from tests.integration.lijn.zending import (
    ZAAD,
    Stroom,
    Zending,
    lever_alle,
    leverancier,
    maak_gewone,
    nieuwe_oin,
    samen,
)
from tests.regels import regel

pytestmark = [pytest.mark.integration, pytest.mark.chaos]


@pytest.fixture(scope="module")
def stapel_van_ons(eigen: Callable[..., Stapel]) -> Stapel:
    """A stack of its own, which the tests of this file stop and break one after another."""
    return eigen(workers=2)


@pytest.fixture
def stapel(stapel_van_ons: Stapel) -> Stapel:
    """That stack, running."""
    if not stapel_van_ons.draait():
        stapel_van_ons.start()
    print(f"PROEF_ZAAD={ZAAD}")
    return stapel_van_ons


@pytest.fixture
def maak(stapel: Stapel) -> Callable[[], Zending]:
    """Makes batches of leveranciers of the test's own."""
    oins = [nieuwe_oin() for _ in range(2)]
    stapel.laad(samen(*map(leverancier, oins)))
    willekeur = Random(f"{ZAAD}/{oins[0]}")
    return lambda: maak_gewone(willekeur.choice(oins), willekeur, hoogstens=60)


def _adres(stapel: Stapel) -> Callable[[], str]:
    return lambda: str(stapel.adressen["aanlevering"])


def _breng_op_weg(stapel: Stapel, stroom: Stroom) -> None:
    """Returns with batches on their way for sure: the workers have slept since before the last were taken."""
    stroom.wacht_op(20)
    for worker in stapel.pids["workers"]:
        os.kill(worker, signal.SIGSTOP)
    stroom.wacht_op(5)


def test_stopped_in_mid_stream_and_started_again_it_goes_on_and_finishes(
    stapel: Stapel, maak: Callable[[], Zending]
) -> None:
    with Stroom(_adres(stapel), maak, per_s=20) as stroom:
        _breng_op_weg(stapel, stroom)
        pids = stapel.alle_pids()
        assert stapel.stop() == 0
        assert not stapel.endpoints.exists()
        assert not [pid for pid in pids if leeft(pid)]
        stapel.start()
        stroom.wacht_op(5)
    stapel.wacht(180)
    controleer(stapel, stroom.zendingen)


def test_killed_whole_with_9_and_started_again_it_loses_and_doubles_nothing(
    stapel: Stapel, maak: Callable[[], Zending]
) -> None:
    with Stroom(_adres(stapel), maak, per_s=20) as stroom:
        _breng_op_weg(stapel, stroom)
        pids = stapel.alle_pids()
        stapel.kill()
        wacht_tot(lambda: not any(map(leeft, pids)), 10, "the parts die with `up`")
        oud = stapel.endpoints.read_text()  # a kill -9 leaves it behind
        stapel.start(wacht=False)
        wacht_tot(lambda: not stapel.endpoints.exists(), 30, "the old endpoints.json goes before the start")
        wacht_tot(stapel.endpoints.exists, 180, "the new endpoints.json comes")
        for adres in stapel.adressen["metrics"]:
            assert httpx.get(adres.replace("/metrics", "/readyz"), timeout=30, trust_env=False).status_code == 200
        assert stapel.endpoints.read_text() != oud
        stroom.wacht_op(5)
    stapel.wacht(180)
    controleer(stapel, stroom.zendingen)


def test_in_the_dark_it_starts_and_says_everywhere_how_a_person_settles_it(
    stapel: Stapel, maak: Callable[[], Zending]
) -> None:
    zending = maak()
    producer = Producer({"bootstrap.servers": stapel.adressen["kafka"]})
    producer.produce("berichttype", b"GEHEIM", b"of nobody", partition=0)
    assert producer.flush(60) == 0
    wacht_tot(lambda: "nothing is decided" in stapel.log.read_text(), 60, "`up` tells")
    lever_alle(stapel.adressen["aanlevering"], [zending])
    stapel.stop()
    begin = len(stapel.log.read_text())
    stapel.start()
    wacht_tot(lambda: "nothing is decided" in stapel.log.read_text()[begin:], 60, "`up` tells again")
    stapel.opdracht("wacht", "--timeout", "0", code=1)
    gezegd = [stapel.log.read_text()[begin:], stapel.uitvoer[-1][1]]
    gezegd += [haal(url.replace("/metrics", "/readyz")).text for url in stapel.adressen["metrics"][:2]]
    opdrachten = [
        re.findall(r"berichtenstroom (dlq herstel --topic berichttype .* --offset \d+) ", een) for een in gezegd
    ]
    assert all(opdrachten), gezegd
    stapel.opdracht(*opdrachten[0][0].split(), "--verwijder", "--ja")
    stapel.wacht(180)
    controleer(stapel, [zending])
    assert "GEHEIM" not in "".join(gezegd)


def test_a_second_stack_on_the_same_folder_is_refused(stapel: Stapel) -> None:
    voor = stapel.adressen
    stapel.opdracht("up", code=1)
    assert "already" in stapel.uitvoer[-1][1]
    assert len(stapel.uitvoer[-1][1].strip().splitlines()) == 1
    assert stapel.adressen == voor


@regel("Profile service, store, ClickHouse or Kafka away is never a reason to refuse a message")
@pytest.mark.parametrize("deel", ["profielservice", "aanlevering", "clickhouse", "kafka"])
def test_a_part_killed_with_9_comes_back_and_every_202_counts_once(
    stapel: Stapel, maak: Callable[[], Zending], deel: str
) -> None:
    pauze = Random(f"{ZAAD}/{deel}")
    with Stroom(_adres(stapel), maak) as stroom:
        stroom.wacht_op(8)
        time.sleep(pauze.uniform(0, 0.5))
        oud = stapel.pids[deel]
        os.kill(oud, signal.SIGKILL)
        begin = time.monotonic()

        def is_terug() -> bool:
            nu: Any = stapel.pids[deel]
            return nu is not None and nu != oud and leeft(nu)

        wacht_tot(is_terug, 30, f"up starts {deel} again and its pid is true")
        stroom.wacht_op(8)
        print(f"{deel}: accepts again {time.monotonic() - begin:.1f} s after the kill")
    stapel.wacht(240)
    controleer(stapel, stroom.zendingen)
    posten = sum(zending.pogingen for zending in stroom.zendingen)
    print(f"{len(stroom.zendingen)} batches in {posten} posts")
