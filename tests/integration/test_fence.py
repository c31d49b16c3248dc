"""Sole ownership of a partition, on a real broker: what zombies, kills and trimmed logs can and cannot do."""

import asyncio
import os
import random
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from aiokafka.errors import KafkaConnectionError, KafkaError

from streams import fence
from streams.broker import Broker
from streams.fence import EigenPartitie, LogVerdwenen, Onteigend, Record, lees_tot_eind
from streams.settings import MAX_RECORD_BYTES, Instellingen
from streams.topics import maak_topics
from tests.kafka import lees_alles, maak_anders, trim

pytestmark = pytest.mark.integration

Maker = Callable[[], EigenPartitie]


@pytest.fixture
async def eigenaar(kern: Instellingen) -> AsyncIterator[Maker]:
    """Makes owners of validatie[0], and closes them all in the end."""
    gemaakt: list[EigenPartitie] = []

    def maak() -> EigenPartitie:
        gemaakt.append(EigenPartitie(kern, "validatie", 0))
        return gemaakt[-1]

    yield maak
    for een in gemaakt:
        await een.close()


def paren(*namen: str) -> list[tuple[bytes, bytes]]:
    return [(b"sleutel", naam.encode()) for naam in namen]


def namen(records: list[Record]) -> list[str]:
    return [(record.waarde or b"").decode() for record in records]


async def alles(instellingen: Instellingen) -> list[str]:
    """What any reader of the partition sees."""
    return namen(await lees_alles(instellingen, "validatie", 0))


class Poort:
    """Holds what passes through it until it is opened."""

    def __init__(self) -> None:
        self.bereikt, self.open = asyncio.Event(), asyncio.Event()

    async def door(self) -> None:
        self.bereikt.set()
        await self.open.wait()


def voor(werk: Callable[[], Awaitable[None]], eerst: Callable[[], Awaitable[None]]) -> Callable[[], Awaitable[None]]:
    async def samen() -> None:
        await eerst()
        await werk()

    return samen


async def test_more_than_one_batch_holds_keeps_its_order_and_its_offsets(
    eigenaar: Maker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of all sizes: what is larger than a batch goes in one of its own."""
    monkeypatch.setattr(fence, "_STAPEL_BYTES", 1000)
    een, ander = eigenaar(), eigenaar()
    await een.open(0)
    records = paren(
        *(f"{nummer}-" + "x" * grootte for nummer, grootte in enumerate([10, 400, 400, 5000, 0, 990, 1, 2]))
    )
    offsets = [*await een.schrijf(records[:3]), *await een.schrijf(records[3:])]
    gelezen = await ander.open(0)
    assert [(record.key, record.waarde) for record in gelezen] == records
    assert [record.offset for record in gelezen] == offsets


async def test_a_batch_that_the_broker_takes_for_a_repeat_has_no_offsets_to_go_by(
    eigenaar: Maker, kern: Instellingen, monkeypatch: pytest.MonkeyPatch
) -> None:
    een = eigenaar()
    await een.open(0)
    echt = een._producer.send_batch

    async def zonder_plaats(belofte: Any) -> Any:
        return (await belofte)._replace(offset=-1)

    async def herhaald(*wat: object, **hoe: object) -> object:
        return asyncio.ensure_future(zonder_plaats(await echt(*wat, **hoe)))

    monkeypatch.setattr(een._producer, "send_batch", herhaald)
    with pytest.raises(KafkaError, match="does not tell where"):
        await een.schrijf(paren("a", "b"))
    await een.close()
    await eigenaar().open(0)
    assert await alles(kern) == []


async def test_what_is_written_is_read_by_the_next_owner_with_its_offsets(eigenaar: Maker) -> None:
    een, ander = eigenaar(), eigenaar()
    assert await een.open(0) == []
    offsets = [*await een.schrijf(paren("a", "b")), *await een.schrijf(paren("c"))]
    gelezen = await ander.open(0)
    assert gelezen == [
        Record(offset, b"sleutel", naam) for offset, naam in zip(offsets, (b"a", b"b", b"c"), strict=True)
    ]


async def test_writing_nothing_writes_nothing(eigenaar: Maker, kern: Instellingen) -> None:
    een = eigenaar()
    await een.open(0)
    assert await een.schrijf([]) == []
    assert len(await een.schrijf(paren("a"))) == 1
    assert await alles(kern) == ["a"]


async def test_the_largest_records_go_through_in_one_transaction(eigenaar: Maker, kern: Instellingen) -> None:
    een, ander = eigenaar(), eigenaar()
    await een.open(0)
    groot = os.urandom(MAX_RECORD_BYTES - 1024)
    offsets = await een.schrijf([(b"k", groot), (b"k", b"klein"), (b"k", groot)])
    gelezen = await ander.open(0)
    assert [record.offset for record in gelezen] == offsets
    assert [record.waarde for record in gelezen] == [groot, b"klein", groot]


async def test_a_zombie_with_an_open_transaction_loses_it(
    eigenaar: Maker, kern: Instellingen, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has sent everything, sleeps, and wakes up to commit after another has opened the partition."""
    zombie, nieuw, poort = eigenaar(), eigenaar(), Poort()
    await zombie.open(0)
    await zombie.schrijf(paren("van voor"))
    producer = zombie._producer
    monkeypatch.setattr(producer, "commit_transaction", voor(producer.commit_transaction, poort.door))
    schrijven = asyncio.create_task(zombie.schrijf(paren("te laat", "ook te laat")))
    await poort.bereikt.wait()
    assert namen(await nieuw.open(0)) == ["van voor"]
    await nieuw.schrijf(paren("van nu"))
    poort.open.set()
    with pytest.raises(Onteigend):
        await schrijven
    assert await alles(kern) == ["van voor", "van nu"]


async def test_a_zombie_that_begins_after_it_was_fenced_writes_nothing(eigenaar: Maker, kern: Instellingen) -> None:
    zombie, nieuw = eigenaar(), eigenaar()
    await zombie.open(0)
    assert await nieuw.open(0) == []
    with pytest.raises(Onteigend):
        await zombie.schrijf(paren("te laat"))
    with pytest.raises((Onteigend, KafkaError, AssertionError)):
        await zombie.schrijf(paren("nog eens"))
    await nieuw.schrijf(paren("van nu"))
    assert await alles(kern) == ["van nu"]


async def test_a_zombie_that_hears_it_between_two_records_says_what_can_be_tried_again(
    eigenaar: Maker, kern: Instellingen, monkeypatch: pytest.MonkeyPatch
) -> None:
    een, ander = eigenaar(), eigenaar()
    await een.open(0)
    await ander.open(0)
    echt = een._producer.send_batch

    async def traag(*wat: object, **hoe: object) -> object:
        belofte = await echt(*wat, **hoe)
        await asyncio.wait([belofte], timeout=30)
        return belofte

    monkeypatch.setattr(een._producer, "send_batch", traag)
    with pytest.raises((Onteigend, KafkaError)):
        await een.schrijf(paren("a", "b"))
    assert await alles(kern) == []


async def test_a_zombie_that_closes_does_not_fence_the_new_owner(eigenaar: Maker, kern: Instellingen) -> None:
    zombie, nieuw = eigenaar(), eigenaar()
    await zombie.open(0)
    await zombie.schrijf(paren("van voor"))
    await nieuw.open(0)
    await zombie.close()
    await nieuw.schrijf(paren("van nu"))
    assert await alles(kern) == ["van voor", "van nu"]


async def test_partitions_have_owners_of_their_own(kern: Instellingen) -> None:
    een, ander = EigenPartitie(kern, "validatie", 0), EigenPartitie(kern, "validatie", 1)
    derde = EigenPartitie(kern, "resultaat", 0)
    try:
        for partitie in (een, ander, derde):
            assert await partitie.open(0) == []
        for partitie in (een, ander, derde):
            assert len(await partitie.schrijf(paren("x"))) == 1
    finally:
        for partitie in (een, ander, derde):
            await partitie.close()


@pytest.mark.parametrize(("wanneer", "verwacht"), [("voor", []), ("na", ["a", "b"])])
async def test_after_a_lost_answer_only_opening_anew_tells(
    eigenaar: Maker, kern: Instellingen, monkeypatch: pytest.MonkeyPatch, wanneer: str, verwacht: list[str]
) -> None:
    een, opnieuw = eigenaar(), eigenaar()
    await een.open(0)
    commit = een._producer.commit_transaction

    async def breekt() -> None:
        if wanneer == "na":
            await commit()
        raise KafkaConnectionError("the answer was lost")

    monkeypatch.setattr(een._producer, "commit_transaction", breekt)
    with pytest.raises(KafkaError):
        await een.schrijf(paren("a", "b"))
    await een.close()
    assert namen(await opnieuw.open(0)) == verwacht
    await opnieuw.schrijf(paren("c"))
    assert await alles(kern) == [*verwacht, "c"]


STERFT = """
import asyncio, os, signal, sys
from streams.fence import EigenPartitie
from streams.settings import Instellingen

async def main(wanneer):
    een = EigenPartitie(Instellingen(), "validatie", 0)
    await een.open(0)
    commit = een._producer.commit_transaction
    async def sterf():
        if wanneer == "na":
            await commit()
        os.kill(os.getpid(), signal.SIGKILL)
    een._producer.commit_transaction = sterf
    await een.schrijf([(b"k", b"a"), (b"k", b"b")])

asyncio.run(main(sys.argv[1]))
"""


@pytest.mark.parametrize(("wanneer", "verwacht"), [("voor", []), ("na", ["a", "b"])])
async def test_a_process_killed_around_its_commit_leaves_all_or_nothing(
    eigenaar: Maker, kern: Instellingen, wanneer: str, verwacht: list[str]
) -> None:
    omgeving = os.environ | {
        "BERICHTENSTROOM_KAFKA": kern.kafka,
        "BERICHTENSTROOM_TOPIC_PREFIX": kern.topic_prefix,
        "PYTHONPATH": str(Path(__file__).parents[2]),
    }
    proces = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-c", STERFT, wanneer], env=omgeving, timeout=60, check=False
    )
    assert proces.returncode == -signal.SIGKILL
    assert namen(await eigenaar().open(0)) == verwacht


async def test_a_write_that_is_cut_short_is_not_there_and_does_not_leak_into_the_next(
    eigenaar: Maker, kern: Instellingen, monkeypatch: pytest.MonkeyPatch
) -> None:
    een, opnieuw, poort = eigenaar(), eigenaar(), Poort()
    await een.open(0)
    monkeypatch.setattr(een._producer, "commit_transaction", voor(een._producer.commit_transaction, poort.door))
    schrijven = asyncio.create_task(een.schrijf(paren("afgebroken")))
    await poort.bereikt.wait()
    schrijven.cancel()
    with pytest.raises(asyncio.CancelledError):
        await schrijven
    poort.open.set()
    with pytest.raises((KafkaError, AssertionError)):
        await een.schrijf(paren("erna"))
    await een.close()
    assert await opnieuw.open(0) == []
    await opnieuw.schrijf(paren("c"))
    assert await alles(kern) == ["c"]


async def test_reading_starts_anywhere_and_steps_over_markers_and_what_was_aborted(
    eigenaar: Maker, kern: Instellingen, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Offsets: a b (marker) x y (aborted, marker) c d (marker). The sink's progress may be any of them."""
    een, zombie, laatste = eigenaar(), eigenaar(), eigenaar()
    await een.open(0)
    await een.schrijf(paren("a", "b"))
    await zombie.open(0)
    poort = Poort()
    monkeypatch.setattr(zombie._producer, "commit_transaction", voor(zombie._producer.commit_transaction, poort.door))
    schrijven = asyncio.create_task(zombie.schrijf(paren("x", "y")))
    await poort.bereikt.wait()
    await laatste.open(0)
    poort.open.set()
    with pytest.raises(Onteigend):
        await schrijven
    offsets = await laatste.schrijf(paren("c", "d"))
    assert offsets == [6, 7]
    eind = offsets[-1] + 2
    await alles(kern)
    topic = kern.topic("validatie")
    for vanaf in range(eind + 1):
        verwacht = [naam for offset, naam in ((0, "a"), (1, "b"), (6, "c"), (7, "d")) if offset >= vanaf]
        assert namen(await lees_tot_eind(kern, topic, 0, vanaf)) == verwacht
    with pytest.raises(LogVerdwenen, match=f"ends at offset {eind}"):
        await lees_tot_eind(kern, topic, 0, eind + 1)


async def test_many_records_are_all_read(eigenaar: Maker) -> None:
    een, ander = eigenaar(), eigenaar()
    await een.open(0)
    alle = [str(nummer) for nummer in range(3000)]
    for begin in range(0, 3000, 500):
        await een.schrijf([(b"k", naam.encode() + bytes(1000)) for naam in alle[begin : begin + 500]])
    assert [naam.rstrip("\0") for naam in namen(await ander.open(0))] == alle


async def test_a_log_that_was_trimmed_beyond_the_progress_is_refused(eigenaar: Maker, kern: Instellingen) -> None:
    een = eigenaar()
    await een.open(0)
    for naam in "abc":
        await een.schrijf(paren(naam))
    trim(kern, "validatie", 2)
    with pytest.raises(LogVerdwenen, match="starts at offset 2, while ClickHouse has seen up to 1"):
        await eigenaar().open(1)
    assert namen(await eigenaar().open(2)) == ["b", "c"]
    assert namen(await eigenaar().open(4)) == ["c"]


async def test_a_log_whose_every_record_has_expired_is_empty(eigenaar: Maker, kern: Instellingen) -> None:
    """After two silent weeks there is nothing left; for a partition of which ClickHouse never saw anything as well."""
    een = eigenaar()
    await een.open(0)
    await een.schrijf(paren("a", "b"))
    trim(kern, "validatie", 3)
    assert await eigenaar().open(3) == []
    assert await asyncio.wait_for(eigenaar().open(0), 20) == []


async def test_a_topic_that_was_made_anew_is_refused(eigenaar: Maker, kern: Instellingen) -> None:
    een = eigenaar()
    await een.open(0)
    await een.schrijf(paren("a", "b"))
    await een.close()
    await asyncio.to_thread(maak_anders, kern, "validatie")
    with pytest.raises(LogVerdwenen, match="ends at offset 0, while ClickHouse has seen up to 3"):
        await eigenaar().open(3)


@pytest.mark.parametrize("zaad", [1, 2, 3])
async def test_owners_that_take_it_from_each_other_never_lose_or_double_anything(
    eigenaar: Maker, kern: Instellingen, zaad: int
) -> None:
    """Twenty changes of owner at random moments: what `schrijf` returned for is there once, at the offset it returned;
    what raised Onteigend is not; and every new owner reads at least all that was returned before it opened."""
    kans = random.Random(zaad)
    teller = iter(range(10_000))
    geschreven: dict[int, str] = {}
    geweigerd: set[str] = set()
    lopend: list[asyncio.Task[None]] = []
    wissels = 0

    async def schrijf(wie: EigenPartitie, wat: list[str]) -> None:
        try:
            geschreven.update(zip(await wie.schrijf(paren(*wat)), wat, strict=True))
        except Onteigend:
            geweigerd.update(wat)
        except (KafkaError, AssertionError):
            # Used again after it was fenced. What it holds then was never begun.
            geweigerd.update(wat)

    nu = eigenaar()
    await nu.open(0)
    vorige: EigenPartitie | None = None
    while wissels < 20:
        wat = [f"{zaad}-{next(teller)}" for _ in range(kans.randint(1, 5))]
        daad = kans.random()
        if daad < 0.35:
            await schrijf(nu, wat)
        elif daad < 0.5 and vorige is not None:
            await schrijf(vorige, wat)
        else:
            if kans.random() < 0.7:
                lopend.append(asyncio.create_task(schrijf(nu, wat)))
                await asyncio.sleep(kans.choice([0, 0, 0.002, 0.01]))
            terug = set(geschreven.values())
            if vorige is not None and vorige is not nu:
                await asyncio.gather(*lopend)
                await vorige.close()
            vorige, nu = nu, eigenaar()
            gezien = await nu.open(0)
            assert terug <= set(namen(gezien))
            wissels += 1
    await asyncio.gather(*lopend)
    in_het_log = await lees_alles(kern, "validatie", 0)
    assert {record.offset: (record.waarde or b"").decode() for record in in_het_log} == geschreven
    assert len(set(geschreven.values())) == len(geschreven)
    assert not geweigerd & set(geschreven.values())
    assert geweigerd


async def test_a_broker_that_is_killed_in_mid_transaction_forgets_nothing(tmp_path: Path) -> None:
    with Broker(tmp_path / "kafka") as broker:
        kern = Instellingen(
            data=tmp_path, kafka=broker.adres, topic_prefix="k.", partities_batch=1, partities_bericht=1
        )
        maak_topics(kern)
        een, ander = EigenPartitie(kern, "validatie", 0), EigenPartitie(kern, "validatie", 0)
        try:
            await een.open(0)
            await een.schrijf(paren("a"))
            await een._producer.begin_transaction()
            await een._producer.send_and_wait(kern.topic("validatie"), b"nooit vastgelegd", partition=0)
            await asyncio.to_thread(broker.kill)
            await asyncio.to_thread(broker.start)
            assert namen(await ander.open(0)) == ["a"]
            await ander.schrijf(paren("b"))
            with pytest.raises((KafkaError, AssertionError)):
                await een._producer.commit_transaction()
            assert await alles(kern) == ["a", "b"]
        finally:
            await een.close()
            await ander.close()
