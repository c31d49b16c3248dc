"""At each point between reading and committing a process dies (-9), and the next goes on: nothing is lost, nothing
counts twice, nothing is wrong. The points stand in `punten`."""

import asyncio
import signal
from collections.abc import Iterator

import pytest

from sinks.embedded.proces import EmbeddedClickHouse
from streams.broker import Broker
from tests.integration.doodspunten.keten import Dood, Keten
from tests.integration.doodspunten.nagaan import Boeken
from tests.integration.doodspunten.punten import KETENS, PUNTEN
from tests.integration.lijn.zending import ZAAD
from tests.regels import regel

pytestmark = [pytest.mark.integration, pytest.mark.chaos]


async def _leef(keten: Keten) -> None:
    """All deaths of a chain, and then one that lives until everything is done."""
    try:
        await keten.begin()
        await keten.sterf(KETENS[keten.naam])
        keten.start()
        await keten.is_klaar()
    finally:
        await keten.stop()


@pytest.fixture(scope="module")
def ketens(
    broker: Broker, clickhouse: EmbeddedClickHouse, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Keten]]:
    """All chains, side by side, after the last has ended."""
    print(f"PROEF_ZAAD={ZAAD}")
    ketens = {naam: Keten(naam, broker.adres, clickhouse.url, tmp_path_factory.mktemp("keten")) for naam in KETENS}

    async def alle() -> None:
        await asyncio.gather(*map(_leef, ketens.values()))

    asyncio.run(alle())
    yield ketens
    for keten in ketens.values():
        keten.ruim_op()


@pytest.fixture(scope="module")
def doden(ketens: dict[str, Keten]) -> dict[str, Dood]:
    """How every process ended that was to die."""
    return {naam: dood for keten in ketens.values() for naam, dood in keten.doden.items()}


@pytest.mark.parametrize("punt", PUNTEN)
def test_a_process_dies_at(doden: dict[str, Dood], punt: str) -> None:
    """A point that is never reached would show nothing."""
    dood = doden[punt]
    assert dood.bereikt, f"never reached:\n{dood.log.read_text()[-3000:]}"
    assert dood.code == -signal.SIGKILL


@regel(
    "The first outcome of (Proceskenmerk, number) that is durable in the topic `validatie` stands",
    "it must not count, be answered or notify a second time",
)
@pytest.mark.parametrize("keten", KETENS)
def test_after_deaths_at_each_point_all_is_there_once_and_right(ketens: dict[str, Keten], keten: str) -> None:
    boeken = Boeken(ketens[keten].instellingen)
    boeken.controleer(ketens[keten].zendingen)
    asyncio.run(boeken.controleer_opslag())
    assert boeken.genoemd().keys() >= boeken.te_noemen(ketens[keten].klaar_op)
    assert boeken.wachtend() == 0


def test_no_two_points_have_one_name() -> None:
    assert len(PUNTEN) == sum(map(len, KETENS.values()))
