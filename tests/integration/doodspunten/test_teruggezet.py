"""What was stored is put back to an older copy, or made anew, while the other side remembers."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from sinks.embedded.proces import EmbeddedClickHouse
from streams.broker import Broker
from streams.topics import maak_topics
from tests.integration.doodspunten.keten import STERFT_BINNEN_S, Keten
from tests.integration.doodspunten.nagaan import Boeken
from tests.integration.doodspunten.sterf import GEEN

pytestmark = pytest.mark.integration

Maker = Callable[[str, str], Awaitable[Keten]]


@pytest.fixture
async def maak(tmp_path: Path) -> AsyncIterator[Maker]:
    """Makes a line on a broker and a ClickHouse, and ends it."""
    ketens: list[Keten] = []

    async def begin(kafka: str, clickhouse: str) -> Keten:
        (tmp_path / "keten").mkdir()
        ketens.append(Keten("teruggezet", kafka, clickhouse, tmp_path / "keten"))
        await ketens[-1].begin()
        return ketens[-1]

    yield begin
    for keten in ketens:
        await keten.stop()


async def _werk(keten: Keten, leveringen: int) -> None:
    """A worker lives until all that is delivered is done."""
    worker = keten.start()
    for _ in range(leveringen):
        await keten.lever()
    await keten.is_klaar()
    worker.terminate()
    await asyncio.to_thread(worker.join)


async def _weigert(keten: Keten) -> str:
    """What a worker says that ends by itself."""
    worker = keten.start()
    await asyncio.to_thread(worker.join, STERFT_BINNEN_S)
    assert worker.exitcode == 1
    return keten.log(GEEN).read_text()


async def test_clickhouse_put_back_to_an_older_copy_is_brought_up_to_date_from_the_log(
    broker: Broker, tmp_path: Path, maak: Maker
) -> None:
    """The workers were stopped meanwhile. What is shown is right again; nobody is decided, answered or told twice."""
    data, kopie = tmp_path / "clickhouse", tmp_path / "kopie"
    with EmbeddedClickHouse(data) as clickhouse:
        keten = await maak(broker.adres, clickhouse.url)
        await _werk(keten, 2)
        clickhouse.stop()
        shutil.copytree(data, kopie, symlinks=True)
        clickhouse.start()
        await _werk(keten, 3)
        gezien = Boeken(keten.instellingen).beantwoord()
        clickhouse.stop()
        shutil.rmtree(data)
        kopie.rename(data)
        clickhouse.start()
        assert Boeken(keten.instellingen).beantwoord() < gezien
        await _werk(keten, 1)
        boeken = Boeken(keten.instellingen)
        boeken.controleer(keten.zendingen)
        assert boeken.genoemd().keys() >= boeken.te_noemen(keten.klaar_op)


async def test_a_broker_put_back_to_an_older_copy_or_made_anew_is_refused(
    clickhouse: EmbeddedClickHouse, tmp_path: Path, maak: Maker
) -> None:
    """ClickHouse remembers more than the log has; the worker ends and says which topic, and what differs."""
    data, kopie = tmp_path / "kafka", tmp_path / "kopie"
    with Broker(data) as broker:
        keten = await maak(broker.adres, clickhouse.url)
        await _werk(keten, 1)
        broker.stop()
        shutil.copytree(data, kopie, symlinks=True)
        broker.start()
        await _werk(keten, 2)

        broker.stop()
        shutil.rmtree(data)
        kopie.rename(data)
        broker.start()
        gezegd = await _weigert(keten)
        assert "while ClickHouse has seen up to" in gezegd
        assert "was made anew" not in gezegd

        broker.stop()
        shutil.rmtree(data)
        broker.start()
        maak_topics(keten.instellingen)
        gezegd = (await _weigert(keten)).removeprefix(gezegd)
        assert "was made anew, while ClickHouse holds rows and progress of the former one" in gezegd
        keten.ruim_op()
