"""While Kafka confirms nothing: who is received, who gets a turn, and how the door comes to itself."""

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from aanlevering import deur as deur_module
from aanlevering import proef as proef_module
from aanlevering.deur import Deur, Grenzen, Later
from aanlevering.metrics import Metrics
from aanlevering.uitgever import KafkaWeg, RecordTeGroot
from aanlevering.weigering import Geweigerd
from domain.batch import Batch
from sinks.objecten import Objecten, OpslagWeg
from streams.sleutels import lees_sleutels, maak_sleutels
from tests.globe import maak_bericht, maak_bijlage, maak_xml

MET = maak_xml(berichten=[maak_bericht(0, bijlagen=[maak_bijlage(b"x")])])
ZONDER = maak_xml(berichten=[maak_bericht(0)])


@dataclass
class Wereld:
    """A door on a folder, and a Kafka that does as it is told."""

    objecten: Objecten
    fout: BaseException | None = None
    zwijgt: bool = False
    antwoordt: bool = True
    ontvangen: int = 0
    deur: Deur = field(init=False)

    def __post_init__(self) -> None:
        self.deur = Deur(
            self.publiceer, self.controleer, self.objecten, Grenzen(deadline_s=1), lambda: 1_769_860_800_000, Metrics()
        )

    async def publiceer(self, _: Batch) -> None:
        if self.zwijgt:
            await asyncio.sleep(3600)
        if self.fout is not None:
            raise self.fout

    async def controleer(self) -> None:
        if not self.antwoordt:
            raise KafkaWeg("no metadata")

    async def lever(self, xml: bytes) -> str:
        async def stukken() -> AsyncIterator[bytes]:
            self.ontvangen += 1
            yield xml

        try:
            await self.deur.neem_aan(stukken(), gzip=False, aangeleverd_door=None)
        except Later as later:
            return later.oorzaak
        except Geweigerd as geweigerd:
            return str(geweigerd.status)
        return "202"


@pytest.fixture
def wereld(tmp_path: Path) -> Wereld:
    maak_sleutels(tmp_path / "s.json")
    return Wereld(Objecten(f"file://{tmp_path / 'o'}", lees_sleutels(tmp_path / "s.json")))


async def test_a_store_that_hangs_after_a_moment_without_kafka_keeps_out_nobody_who_does_not_need_it(
    wereld: Wereld, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def hang(*_: object) -> None:
        await asyncio.sleep(3600)

    monkeypatch.setattr(wereld.objecten, "leg_vast", hang)
    wereld.fout = KafkaWeg("away")
    assert await wereld.lever(ZONDER) == "kafka"
    wereld.fout = None
    hangend = [asyncio.create_task(wereld.lever(MET)) for _ in range(2)]
    while not wereld.deur._proef._beurten:  # noqa: ASYNC110 (one of them tries)
        await asyncio.sleep(0.01)
    assert Counter([await wereld.lever(ZONDER) for _ in range(5)]) == {"202": 5}
    assert await wereld.lever(MET) == "traag", "and the store is no reason not to try"
    assert sorted(await asyncio.gather(*hangend)) == ["kafka", "traag"]


async def test_what_would_be_refused_is_not_even_received(wereld: Wereld, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proef_module, "_PAUZES_S", (3600.0,))
    wereld.fout = KafkaWeg("away")
    assert [await wereld.lever(MET) for _ in range(5)] == ["kafka"] * 5
    assert wereld.ontvangen == 1


async def test_nor_when_kafka_does_not_even_answer_and_it_is_taken_as_soon_as_it_does(
    wereld: Wereld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(proef_module, "_VRAAG_S", 0.3)
    wereld.fout, wereld.antwoordt = KafkaWeg("away"), False
    assert [await wereld.lever(MET) for _ in range(10)] == ["kafka"] * 10
    assert wereld.ontvangen == 2, "the first, and the one that asked"
    wereld.fout, wereld.antwoordt = None, True
    async with asyncio.timeout(30):
        while await wereld.lever(MET) != "202":  # noqa: ASYNC110 (as a sender would)
            await asyncio.sleep(0.05)
    assert await wereld.lever(MET) == "202"


async def test_a_trial_that_kafka_leaves_waiting_ends_when_another_record_is_confirmed(
    wereld: Wereld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(proef_module, "_BEURT_S", 0.1)
    wereld.fout = KafkaWeg("away")
    assert await wereld.lever(MET) == "kafka"
    wereld.fout, wereld.zwijgt = None, True
    proef = asyncio.create_task(wereld.lever(MET))
    while not wereld.deur._proef._dicht_tot > wereld.deur._proef._klok():  # noqa: ASYNC110 (seen from outside)
        await asyncio.sleep(0)
    wereld.zwijgt = False
    async with asyncio.timeout(30):
        while await wereld.lever(ZONDER) != "202":  # noqa: ASYNC110 (as a sender would)
            await asyncio.sleep(0.02)
    assert await proef == "traag"
    assert await wereld.lever(MET) == "202", "who came before that says nothing of now"


@pytest.mark.parametrize("hoe", ["weg", "traag"])
@pytest.mark.parametrize(("xml", "gemeld"), [(MET, True), (ZONDER, False)])
async def test_a_batch_that_is_too_large_for_a_record_is_refused_also_when_its_bijlagen_cannot_be_removed(
    wereld: Wereld,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    hoe: str,
    xml: bytes,
    gemeld: bool,
) -> None:
    """A 503 would make its sender come back for ever. `opruimen` takes them, if there are any."""

    async def verwijder(_: str) -> None:
        if hoe == "traag":
            await asyncio.sleep(3600)
        raise OpslagWeg("away")

    monkeypatch.setattr(wereld.objecten, "verwijder", verwijder)
    monkeypatch.setattr(deur_module, "_VERWIJDER_S", 0.05)
    wereld.fout = RecordTeGroot()
    with caplog.at_level(logging.WARNING, "aanlevering"):
        assert await wereld.lever(xml) == "413"
    assert ("stays until opruimen" in caplog.text) is gemeld
