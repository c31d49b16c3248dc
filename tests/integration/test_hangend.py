"""A broker that dies right after it took commits, and comes back: what was confirmed is read by whoever comes next."""

import asyncio
import logging
from pathlib import Path

import pytest

from streams.broker import Broker
from streams.fence import KAFKA_WEG, EigenPartitie, Onteigend
from streams.settings import Instellingen
from streams.topics import maak_topics

pytestmark = [pytest.mark.integration, pytest.mark.chaos]

PARTITIES = 24
RONDES = 3
"""In about every second one the broker loses the end of a transaction."""


async def test_what_was_confirmed_just_before_the_broker_died_is_there_for_the_next_owner(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "streams.fence")
    broker = Broker(tmp_path / "kafka")
    await asyncio.to_thread(broker.start)
    try:
        instellingen = Instellingen.laad(tmp_path, kafka=broker.adres, partities_bericht=PARTITIES)
        maak_topics(instellingen)
        bevestigd: list[set[bytes]] = [set() for _ in range(PARTITIES)]
        for ronde in range(RONDES):
            eigenaren = [EigenPartitie(instellingen, "validatie", p, "wacht", "logboek") for p in range(PARTITIES)]
            await _controleer(eigenaren, bevestigd)
            schrijvers = [
                asyncio.create_task(_schrijf(eigen, f"{ronde}", bevestigd[p])) for p, eigen in enumerate(eigenaren)
            ]
            await asyncio.sleep(2)
            await asyncio.to_thread(broker.kill)
            await asyncio.to_thread(broker.start)
            for schrijver in schrijvers:
                schrijver.cancel()
            await asyncio.gather(*schrijvers, return_exceptions=True)
            await asyncio.gather(*(eigen.close() for eigen in eigenaren))
        laatste = [EigenPartitie(instellingen, "validatie", p, "wacht", "logboek") for p in range(PARTITIES)]
        await _controleer(laatste, bevestigd)
        await asyncio.gather(*(eigen.close() for eigen in laatste))
    finally:
        await asyncio.to_thread(broker.stop)
    assert all(bevestigd)
    print(f"transactions that the broker left open: {caplog.text.count('Kafka left a transaction open')}")


async def _schrijf(eigen: EigenPartitie, ronde: str, bevestigd: set[bytes]) -> None:
    nummer = 0
    while True:
        waarde = f"{ronde}/{nummer}".encode()
        nummer += 1
        try:
            await eigen.schrijf([(b"besluit", waarde)], naast=[(b"wacht", waarde)])
        except (Onteigend, *KAFKA_WEG):
            return
        bevestigd.add(waarde)


async def _controleer(eigenaren: list[EigenPartitie], bevestigd: list[set[bytes]]) -> None:
    gelezen = await asyncio.gather(*(eigen.open(0) for eigen in eigenaren))
    for eigen, records, moet in zip(eigenaren, gelezen, bevestigd, strict=True):
        assert moet <= {record.waarde for record in records}, "a confirmed decision is gone"
        assert moet <= {record.waarde async for record in eigen.lees_naast()}, "what was confirmed beside it is gone"
