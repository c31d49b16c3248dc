"""What the door promises of bijlagen: durable before their batch, in a folder and on S3, whatever comes."""

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from aanlevering.deur import Deur, Grenzen, Later
from aanlevering.metrics import Metrics
from avro.codec import Codec
from domain.batch import Batch, splits
from sinks import objecten as module
from sinks.bijlagenwinkel import Bijlagenwinkel, pak_naam
from sinks.objecten import Objecten, ObjectOntbreekt, bijlage_naam
from streams.sleutels import Sleutels, lees_sleutels, maak_sleutels
from tests.globe import maak_bericht, maak_bijlage, maak_xml
from tests.s3 import BUCKET, emmer

NU = 1_769_860_800_000


class Wereld:
    """A door, and what it published; with `van_kafka` what a reader of the topic would get."""

    def __init__(self, objecten: Objecten) -> None:
        self.objecten = objecten
        self.winkel = Bijlagenwinkel(objecten)
        self.gezien: list[str] = []
        self.van_kafka: list[Batch] = []
        self.deur = Deur(self.publiceer, None, objecten, Grenzen(), lambda: NU, Metrics())

    async def publiceer(self, batch: Batch) -> None:
        """Durable in Kafka, after which anybody may read the bijlagen."""
        self.gezien.append("batch")
        codec = Codec()
        self.van_kafka.append(codec.lees_batch(codec.schrijf_batch(batch)))
        assert await self.bijlagen(self.van_kafka[-1]) is not None

    async def lever(self, *per_bericht: list[bytes]) -> Batch:
        """One batch, with these bijlagen for each message."""
        berichten = [maak_bericht(i, bijlagen=list(map(maak_bijlage, een))) for i, een in enumerate(per_bericht)]
        xml = maak_xml(berichten=berichten)

        async def stukken() -> AsyncIterator[bytes]:
            for begin in range(0, len(xml), 65536):
                yield xml[begin : begin + 65536]

        return await self.deur.neem_aan(stukken(), gzip=False, aangeleverd_door=None)

    async def bijlagen(self, batch: Batch) -> list[bytes]:
        """Those of a batch, as a worker reads them."""
        sommen = [batch.berichten.sha256(bijlage) for bijlage in range(len(batch.berichten.bijlage_rijen))]
        return [await self.winkel.lees(batch.kader, som) for som in sommen]

    async def pakken(self) -> list[str]:
        """All that is in the store."""
        return [naam async for naam, _ in self.objecten.lijst("pakken")]


@pytest.fixture
def sleutels(tmp_path: Path) -> Sleutels:
    maak_sleutels(tmp_path / "sleutels.json")
    return lees_sleutels(tmp_path / "sleutels.json")


@pytest_asyncio.fixture(params=["folder", "s3"])
async def wereld(
    request: pytest.FixtureRequest, sleutels: Sleutels, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Wereld]:
    async with emmer() as s3:
        for naam, waarde in s3.omgeving().items():
            monkeypatch.setenv(naam, waarde)
        url = f"file://{tmp_path / 'opslag'}" if request.param == "folder" else f"s3://{BUCKET}/voor"
        yield Wereld(Objecten(url, sleutels))


async def test_the_same_bijlage_in_one_message_in_two_and_in_two_batches_is_there_for_each(wereld: Wereld) -> None:
    een, twee = os.urandom(37_000), os.urandom(500)
    eerste = await wereld.lever([een], [een, twee], [], [een])
    tweede = await wereld.lever([een])
    assert await wereld.bijlagen(eerste) == [een, een, twee, een]
    assert len(await wereld.objecten.opgave(naam_van(eerste))) == 2, "each stands in it once"
    await wereld.objecten.verwijder(naam_van(eerste))
    assert await wereld.bijlagen(tweede) == [een], "what goes with one run, another has not lost"
    with pytest.raises(ObjectOntbreekt):
        await Bijlagenwinkel(wereld.objecten).lees(eerste.kader, hashlib.sha256(een).digest())


async def test_a_delivery_that_comes_again_is_a_run_with_a_pack_of_its_own(wereld: Wereld) -> None:
    inhoud = [[os.urandom(1000)], [os.urandom(1000)]]
    runs = [await wereld.lever(*inhoud) for _ in range(3)]
    assert sorted(await wereld.pakken()) == sorted(map(naam_van, runs))
    for run in runs:
        assert await wereld.bijlagen(run) == [inhoud[0][0], inhoud[1][0]]


async def test_a_batch_of_1000_messages_with_two_bijlagen_each(wereld: Wereld) -> None:
    inhoud = [[os.urandom(2000), os.urandom(10)] for _ in range(1000)]
    batch = await wereld.lever(*inhoud)
    assert await wereld.bijlagen(batch) == [een for deel in inhoud for een in deel]
    assert await wereld.pakken() == [naam_van(batch)]


async def test_without_bijlagen_there_is_no_pack(wereld: Wereld) -> None:
    await wereld.lever([], [])
    assert await wereld.pakken() == []


async def test_what_an_earlier_version_took_is_read_whether_its_batch_waits_or_comes_again(wereld: Wereld) -> None:
    """Its bijlagen stand by themselves. The same batch, delivered to this version, is another run."""
    inhoud = os.urandom(1000)
    batch = await wereld.lever([inhoud])
    await wereld.objecten.verwijder(naam_van(batch))
    await wereld.objecten.bewaar(bijlage_naam(hashlib.sha256(inhoud).digest()), inhoud)
    wereld.winkel = Bijlagenwinkel(wereld.objecten)
    assert await wereld.bijlagen(batch) == [inhoud]
    assert await wereld.bijlagen(await wereld.lever([inhoud])) == [inhoud]


@pytest.mark.parametrize("soort", ["bericht", "wacht"])
async def test_a_slice_finds_its_bijlagen_wherever_it_waits(wereld: Wereld, soort: Any) -> None:
    inhoud = [os.urandom(1000) for _ in range(20)]
    batch, codec = await wereld.lever(*([een] for een in inhoud)), Codec()
    slices = [codec.lees_batch(codec.schrijf_batch(een, soort), soort) for een in splits(batch, 4).values()]
    gevonden = [een for slice_ in slices for een in await wereld.bijlagen(slice_)]
    assert sorted(gevonden) == sorted(inhoud)


async def test_a_batch_is_published_when_its_pack_and_every_folder_above_it_are_flushed(
    sleutels: Sleutels, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wereld, echt, map_ = Wereld(Objecten(f"file://{tmp_path / 'opslag'}", sleutels)), module._spoel, tmp_path / "opslag"

    def spoel(pad: Path) -> None:
        echt(pad)
        wereld.gezien.append("pak" if pad.is_file() else str(pad.relative_to(map_)))

    monkeypatch.setattr(module, "_spoel", spoel)
    batch = await wereld.lever([os.urandom(1000)], [os.urandom(1000)])
    assert (wereld.gezien[0], wereld.gezien[-1]) == ("pak", "batch")
    assert sorted(wereld.gezien[1:-1]) == sorted([".", "pakken", naam_van(batch).rpartition("/")[0]])


@pytest.mark.parametrize("waar", ["_spoel", "_geef_naam"])
async def test_who_is_told_later_leaves_nothing_half_and_can_deliver_again(
    sleutels: Sleutels, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, waar: str
) -> None:
    wereld, map_ = Wereld(Objecten(f"file://{tmp_path / 'opslag'}", sleutels)), tmp_path / "opslag"

    def vol(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as tijdens:
        tijdens.setattr(module, waar, vol)
        with pytest.raises(Later):
            await wereld.lever([b"x" * 1000])
    assert (wereld.gezien, [pad for pad in map_.rglob("*") if pad.is_file()]) == ([], [])
    assert await wereld.bijlagen(await wereld.lever([b"x" * 1000])) == [b"x" * 1000]


async def test_many_deliveries_at_once_each_have_their_pack(wereld: Wereld) -> None:
    inhoud = [[os.urandom(5000)] * 2 for _ in range(20)]
    batches = await asyncio.gather(*(wereld.lever(*([een] for een in deel)) for deel in inhoud))
    for batch, deel in zip(batches, inhoud, strict=True):
        assert await wereld.bijlagen(batch) == deel
    assert len(await wereld.pakken()) == 20


def naam_van(batch: Batch) -> str:
    return pak_naam(batch.kader.proceskenmerk, batch.kader.aangeleverd_op)
