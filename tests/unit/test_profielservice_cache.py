"""What the cache of the profile service remembers, for how long, and under which names."""

from collections.abc import Sequence

import pytest

from profielservice.cache import ZEVEN_DAGEN_S, CachendeProfielservice
from profielservice.client import ProfielserviceWeg
from profielservice.gebruikers import Gebruiker, Storing
from profielservice.geheugen import GeheugenProfielservice
from tests.regels import regel

OIN = "00000099000000001000"
BSNS = [f"{nummer:09d}" for nummer in range(100000000, 100000020)]


class Klok:
    def __init__(self) -> None:
        self.staat_op = 1000.0

    def __call__(self) -> float:
        return self.staat_op


class Tellend(GeheugenProfielservice):
    """Remembers what it was asked."""

    def __init__(self) -> None:
        super().__init__(Gebruiker(bsn=bsn, actief=True, abonnementen="*") for bsn in BSNS)
        self.gevraagd: list[list[str]] = []

    async def mag_versturen(self, leverancier: str, berichttype: str, bsns: Sequence[str]) -> dict[str, bool]:
        self.gevraagd.append(list(bsns))
        return await super().mag_versturen(leverancier, berichttype, bsns)


async def test_a_second_question_is_answered_without_asking() -> None:
    dienst = Tellend()
    cache = CachendeProfielservice(dienst, nu=Klok())
    eerste = await cache.mag_versturen(OIN, "AANSLAG", BSNS[:3])
    assert await cache.mag_versturen(OIN, "AANSLAG", BSNS[:3]) == eerste == dict.fromkeys(BSNS[:3], True)
    assert dienst.gevraagd == [BSNS[:3]]


async def test_only_the_unknown_are_asked_and_the_answer_is_whole() -> None:
    dienst = Tellend()
    cache = CachendeProfielservice(dienst, nu=Klok())
    await cache.mag_versturen(OIN, "AANSLAG", BSNS[:3])
    antwoord = await cache.mag_versturen(OIN, "AANSLAG", [BSNS[4], BSNS[1], BSNS[4], "999999999"])
    assert antwoord == {BSNS[4]: True, BSNS[1]: True, "999999999": False}
    assert dienst.gevraagd[1:] == [[BSNS[4], "999999999"]]


@regel("An answer may be used for at most 7 days")
async def test_an_answer_expires_at_its_age_and_not_before() -> None:
    dienst, klok = Tellend(), Klok()
    cache = CachendeProfielservice(dienst, geldig_s=300, nu=klok)
    assert (await cache.mag_versturen(OIN, "AANSLAG", BSNS[:1])) == {BSNS[0]: True}
    dienst.gebruikers.clear()
    klok.staat_op += 299.9
    assert (await cache.mag_versturen(OIN, "AANSLAG", BSNS[:1])) == {BSNS[0]: True}
    klok.staat_op += 0.1
    assert (await cache.mag_versturen(OIN, "AANSLAG", BSNS[:1])) == {BSNS[0]: False}
    assert len(dienst.gevraagd) == 2


async def test_an_answer_is_as_old_as_its_question() -> None:
    klok = Klok()

    class Traag(Tellend):
        async def mag_versturen(self, leverancier: str, berichttype: str, bsns: Sequence[str]) -> dict[str, bool]:
            klok.staat_op += 200
            return await super().mag_versturen(leverancier, berichttype, bsns)

    dienst = Traag()
    cache = CachendeProfielservice(dienst, geldig_s=300, nu=klok)
    await cache.mag_versturen(OIN, "AANSLAG", BSNS[:1])
    klok.staat_op += 100
    await cache.mag_versturen(OIN, "AANSLAG", BSNS[:1])
    assert len(dienst.gevraagd) == 2


@regel("An answer may be used for at most 7 days")
@pytest.mark.parametrize("geldig_s", [0.0, -1.0, ZEVEN_DAGEN_S + 1])
def test_an_age_outside_seven_days_is_refused(geldig_s: float) -> None:
    with pytest.raises(ValueError, match="lives"):
        CachendeProfielservice(Tellend(), geldig_s=geldig_s)


@regel("An answer may be used for at most 7 days")
def test_seven_days_are_allowed() -> None:
    assert len(CachendeProfielservice(Tellend(), geldig_s=ZEVEN_DAGEN_S)) == 0


async def test_no_more_than_the_bound_is_kept_and_the_oldest_goes() -> None:
    dienst = Tellend()
    cache = CachendeProfielservice(dienst, hoogstens=4, nu=Klok())
    assert await cache.mag_versturen(OIN, "AANSLAG", BSNS[:6]) == dict.fromkeys(BSNS[:6], True)
    assert len(cache) == 4
    await cache.mag_versturen(OIN, "AANSLAG", BSNS[2:6])
    assert len(dienst.gevraagd) == 1
    await cache.mag_versturen(OIN, "AANSLAG", BSNS[:1])
    assert dienst.gevraagd[1:] == [BSNS[:1]]


async def test_expired_answers_do_not_stay_in_memory() -> None:
    klok = Klok()
    cache = CachendeProfielservice(Tellend(), geldig_s=10, nu=klok)
    await cache.mag_versturen(OIN, "AANSLAG", BSNS[:10])
    klok.staat_op += 10
    await cache.mag_versturen(OIN, "AANSLAG", BSNS[10:11])
    assert len(cache) == 1


async def test_leverancier_and_berichttype_are_part_of_the_question() -> None:
    dienst = Tellend()
    cache = CachendeProfielservice(dienst, nu=Klok())
    for leverancier, berichttype in [("1", "2X"), ("12", "X"), ("1", "2x"), ("1", "2X")]:
        await cache.mag_versturen(leverancier, berichttype, BSNS[:1])
    assert len(dienst.gevraagd) == 3


async def test_an_outage_is_not_remembered() -> None:
    dienst = Tellend()
    cache = CachendeProfielservice(dienst, nu=Klok())
    dienst.storing = Storing(weg=True)
    with pytest.raises(ProfielserviceWeg):
        await cache.mag_versturen(OIN, "AANSLAG", BSNS[:1])
    dienst.storing = Storing()
    assert await cache.mag_versturen(OIN, "AANSLAG", BSNS[:1]) == {BSNS[0]: True}


async def test_what_is_kept_holds_no_bsn_and_differs_between_processes() -> None:
    caches = [CachendeProfielservice(Tellend(), nu=Klok()) for _ in range(2)]
    for cache in caches:
        await cache.mag_versturen(OIN, "AANSLAG", BSNS)
    een, ander = (set(vars(cache)["_bekend"]) for cache in caches)
    assert len(een) == len(ander) == len(BSNS)
    assert een.isdisjoint(ander)
    assert not any(bsn.encode() in sleutel for bsn in BSNS for sleutel in een)
