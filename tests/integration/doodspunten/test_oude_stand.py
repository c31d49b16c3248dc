"""No decision by an old state of the reference data is committed after the change has returned, whoever stood still."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest

from avro.codec import Codec
from domain.levensloop import nieuwe_leverancier
from domain.referentie import Referentie
from domain.wijzigingen import Wijziging, Wijzigingen
from streams.fence import EigenPartitie, Onteigend
from streams.referentieschrijver import NietOveral, ReferentieSchrijver
from streams.settings import Instellingen
from tests.kafka import lees_alles
from tests.regels import regel
from tests.slices import A

pytestmark = pytest.mark.integration

Maker = Callable[[], EigenPartitie]


def wijziging(_: Referentie) -> Wijzigingen:
    gegeven = nieuwe_leverancier(A, "Gemeente")
    return Wijzigingen([Wijziging(gegeven, gegeven.sleutel, nieuw=True)])


class Stilstand:
    """An owner that is about to commit what it decided by the old state, and stands still just before."""

    def __init__(self, eigen: EigenPartitie) -> None:
        self.eigen = eigen
        self.staat_stil, self.verder = asyncio.Event(), asyncio.Event()
        self._commit = eigen._producer.commit_transaction
        eigen._producer.commit_transaction = self._wacht

    async def begin(self) -> "asyncio.Task[list[int]]":
        """It is still waited for when it looks (`mag`), and no more when it goes on."""
        await self.eigen.open(0)
        schrijven = asyncio.create_task(self.eigen.schrijf([(b"k", b"by the old state")], mag=lambda: True))
        await self.staat_stil.wait()
        return schrijven

    async def _wacht(self) -> None:
        self.staat_stil.set()
        await self.verder.wait()
        await self._commit()


@pytest.fixture(params=["validatie", "notificatie"])
async def eigenaar(kern: Instellingen, request: pytest.FixtureRequest) -> AsyncIterator[Maker]:
    """Makes owners of partition 0 of a topic whose writers go by the reference data."""
    gemaakt: list[EigenPartitie] = []

    def maak() -> EigenPartitie:
        gemaakt.append(EigenPartitie(kern, request.param, 0))
        return gemaakt[-1]

    yield maak
    for een in gemaakt:
        await een.close()


@regel("Every change counts from the moment it is made, for messages already on their way too")
async def test_a_change_returns_after_the_commit_of_who_stood_still_before_it(
    kern: Instellingen, eigenaar: Maker
) -> None:
    stil = Stilstand(eigenaar())
    schrijven = await stil.begin()
    wijzigen = asyncio.create_task(ReferentieSchrijver(kern, Codec()).wijzig(wijziging, door="proef"))
    await asyncio.wait([wijzigen], timeout=2)
    assert not wijzigen.done(), "the change returned, and a decision by the old state could still be committed"
    stil.verder.set()
    assert await schrijven == [0]
    await wijzigen


@regel("Every change counts from the moment it is made, for messages already on their way too")
async def test_a_change_returns_when_another_owner_has_ended_what_stood_still(
    kern: Instellingen, eigenaar: Maker
) -> None:
    stil, nieuw = Stilstand(eigenaar()), eigenaar()
    schrijven = await stil.begin()
    wijzigen = asyncio.create_task(ReferentieSchrijver(kern, Codec()).wijzig(wijziging, door="proef"))
    await nieuw.open(0)
    await wijzigen
    stil.verder.set()
    with pytest.raises(Onteigend):
        await schrijven
    assert [een.waarde for p in range(2) for een in await lees_alles(kern, "validatie", p)] == []


async def test_a_change_that_waits_too_long_for_that_says_for_what(kern: Instellingen, eigenaar: Maker) -> None:
    stil = Stilstand(eigenaar())
    schrijven = await stil.begin()
    with pytest.raises(NietOveral, match=r"(validatie|notificatie)\[0\]"):
        await ReferentieSchrijver(kern, Codec(), wachttijd_s=2).wijzig(wijziging, door="proef")
    stil.verder.set()
    await schrijven
