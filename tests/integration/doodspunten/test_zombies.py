"""A worker that stands still (SIGSTOP) at an exact point, through a rebalance, and wakes when another has gone on."""

import asyncio
import os
import signal
import time
from collections.abc import Callable, Iterator

import pytest

from avro.codec import Codec
from sinks.embedded.proces import EmbeddedClickHouse
from streams.broker import Broker
from streams.referentie import lees_referentie
from tests.integration.doodspunten.keten import OIN, STERFT_BINNEN_S, Keten
from tests.integration.doodspunten.nagaan import Boeken
from tests.integration.doodspunten.punten import PUNTEN
from tests.integration.doodspunten.sterf import verder
from tests.integration.lijn.zending import BERICHTTYPE, VERWERKT, Soort
from tests.regels import regel

pytestmark = [pytest.mark.integration, pytest.mark.chaos]

ZOMBIES = {
    "beslisser-voor-commit": False,
    "resultaten-voor-commit": False,
    "notificeren-voor-commit": False,
    "sink-voor-voortgang": True,
}
"""Before which call it stands still, and whether that call may go well when it wakes."""
WIJZIGING = "beslisser-voor-commit, and the data changes"
VOOR, TIJDENS = Soort("voor de wijziging", VERWERKT, lambda _: {}), Soort("tijdens", BERICHTTYPE, lambda _: {})


async def _tot(zo: Callable[[], object], wat: str) -> None:
    grens = time.monotonic() + STERFT_BINNEN_S
    while not zo():
        assert time.monotonic() < grens, wat
        await asyncio.sleep(0.05)


async def _deactiveer(keten: Keten) -> "asyncio.Task[None]":
    """Returns when the change is in the log; the task is done when the change has returned."""
    wijziging = {"berichttypes": [{"oin": OIN, "code": "GOED", "status": "Inactief"}]}
    wijzigen = asyncio.create_task(keten.laad(wijziging))
    async with asyncio.timeout(STERFT_BINNEN_S):
        while (await lees_referentie(keten.instellingen, Codec())).ondersteunt(OIN, "GOED"):
            pass
    return wijzigen


async def _leef(keten: Keten, naam: str) -> None:
    punt = PUNTEN[naam]
    try:
        await keten.begin()
        await keten.stoor(punt.storing)
        zombie = keten.start(punt, stil=True)
        wijzigt = keten.naam == WIJZIGING
        await keten.lever(*([TIJDENS] * 6 if wijzigt else []))
        await _tot(keten.merk(naam).exists, f"it stands still at {naam}")
        wijzigen = await _deactiveer(keten) if wijzigt else None
        await keten.vergeet_leden(zombie)  # as after its session time-out
        keten.start()
        if wijzigen is None:
            await keten.lever()
            await keten.stoor(False)
            await keten.is_klaar()
        else:
            await wijzigen
        os.kill(zombie.pid or 0, signal.SIGCONT)
        await _tot(verder(keten.merk(naam)).exists, "it goes on")
        if wijzigen is None:
            await keten.lever()  # it takes part again, or ends: all the same
        await keten.is_klaar()
    finally:
        await keten.stop()


@pytest.fixture(scope="module")
def ketens(
    broker: Broker, clickhouse: EmbeddedClickHouse, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Keten]]:
    """A line for each zombie, side by side, after all of it."""
    namen = {**{naam: naam for naam in ZOMBIES}, WIJZIGING: "beslisser-voor-commit"}
    ketens = {naam: Keten(naam, broker.adres, clickhouse.url, tmp_path_factory.mktemp("zombie")) for naam in namen}

    async def alle() -> None:
        await asyncio.gather(*(_leef(keten, namen[naam]) for naam, keten in ketens.items()))

    asyncio.run(alle())
    yield ketens
    for keten in ketens.values():
        keten.ruim_op()


@regel("it must not count, be answered or notify a second time")
@pytest.mark.parametrize("zombie", ZOMBIES)
def test_a_zombie_that_wakes_in_mid_step_changes_nothing(ketens: dict[str, Keten], zombie: str) -> None:
    afloop = verder(ketens[zombie].merk(zombie)).read_text()
    assert (afloop == "") == ZOMBIES[zombie], afloop
    boeken = Boeken(ketens[zombie].instellingen)
    boeken.controleer(ketens[zombie].zendingen)
    assert boeken.genoemd().keys() >= boeken.te_noemen(ketens[zombie].klaar_op)
    assert boeken.wachtend() == 0


@regel("Every change counts from the moment it is made, for messages already on their way too")
def test_what_a_zombie_was_about_to_commit_by_the_old_data_is_decided_by_the_new(ketens: dict[str, Keten]) -> None:
    """It had passed the last look at its data; the change returned while it stood still."""
    Boeken(ketens[WIJZIGING].instellingen).controleer(ketens[WIJZIGING].zendingen)
