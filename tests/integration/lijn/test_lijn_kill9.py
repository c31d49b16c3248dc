"""Workers that die, sleep and come in while batches stream: nothing lost, nothing twice, one result a run."""

import os
import signal
import time
from collections.abc import Callable
from random import Random

import pytest

from tests.integration.lijn.controle import controleer
from tests.integration.lijn.stapel import Stapel, haal, meting, wacht_tot
from tests.integration.lijn.zending import ZAAD, Stroom, leverancier, maak_gewone, nieuwe_oin, samen
from tests.regels import regel

pytestmark = [pytest.mark.integration, pytest.mark.chaos]

RONDES = 3
SLAAP_S = 15
"""Longer than the session time-out of 10 s: the group goes on without the sleeper."""


@pytest.fixture(scope="module")
def chaos(eigen: Callable[..., Stapel]) -> Stapel:
    """A stack of its own, with two workers."""
    return eigen(workers=2)


@pytest.fixture
def stroom(chaos: Stapel) -> Stroom:
    """A sender to it, of leveranciers of its own."""
    print(f"PROEF_ZAAD={ZAAD}")
    oins = [nieuwe_oin() for _ in range(3)]
    willekeur = Random(f"{ZAAD}/{oins[0]}")
    chaos.laad(samen(*map(leverancier, oins)))
    return Stroom(
        lambda: chaos.adressen["aanlevering"], lambda: maak_gewone(willekeur.choice(oins), willekeur, hoogstens=60)
    )


def _wacht_op_vervanger(stapel: Stapel, slachtoffer: int) -> None:
    def is_er() -> bool:
        workers = stapel.pids["workers"]
        return len(workers) == 2 and slachtoffer not in workers

    wacht_tot(is_er, 30, "up starts the killed worker again, and its pids are true")


@regel("it must not count, be answered or notify a second time")
def test_workers_killed_in_mid_stream_and_a_third_that_comes_in_lose_and_double_nothing(
    chaos: Stapel, stroom: Stroom
) -> None:
    willekeur = Random(f"kill {ZAAD}")
    with stroom:
        stroom.wacht_op(15)
        for ronde in range(RONDES):
            slachtoffer = willekeur.choice(chaos.pids["workers"])
            onderweg = chaos.open_runs()
            os.kill(slachtoffer, signal.SIGKILL)
            print(f"round {ronde}: killed {slachtoffer} with {onderweg} runs on their way")
            if ronde == 0:
                derde = chaos.extra_worker()
            stroom.wacht_op(1)
            time.sleep(willekeur.uniform(0.2, 4.0))
            _wacht_op_vervanger(chaos, slachtoffer)
        stroom.wacht_op(max(60 - len(stroom.zendingen), 20))
    assert derde.poll() is None
    assert len(stroom.zendingen) >= 60
    chaos.wacht(180)
    controleer(chaos, stroom.zendingen)


@regel("it must not count, be answered or notify a second time")
def test_a_worker_that_sleeps_beyond_its_session_and_wakes_changes_nothing(chaos: Stapel, stroom: Stroom) -> None:
    with stroom:
        stroom.wacht_op(10)
        slaper = chaos.pids["workers"][0]
        os.kill(slaper, signal.SIGSTOP)
        try:
            time.sleep(SLAAP_S)
            stroom.wacht_op(5)
        finally:
            os.kill(slaper, signal.SIGCONT)
        stroom.wacht_op(25)
    chaos.wacht(180)
    controleer(chaos, stroom.zendingen)
    onteigend = [meting(haal(url).text, "berichtenstroom_onteigend_total") for url in chaos.adressen["metrics"][:2]]
    print(f"partitions fenced under a worker: {onteigend}")
