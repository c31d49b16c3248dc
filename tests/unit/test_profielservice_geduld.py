"""How a question waits for a profile service that is away."""

import logging
from collections.abc import Sequence

import pytest

from profielservice.client import ProfielserviceFout, ProfielserviceWeg
from profielservice.gebruikers import Gebruiker, Storing
from profielservice.geduld import Geduld
from profielservice.geheugen import GeheugenProfielservice

OIN = "00000099000000001000"
BSN = "123456782"


class Wereld(GeheugenProfielservice):
    """A service that is away for a number of attempts, and a clock that only pausing moves."""

    def __init__(self, weg_voor: int) -> None:
        super().__init__([Gebruiker(bsn=BSN, actief=True, abonnementen="*")])
        self.weg_voor = weg_voor
        self.pogingen = 0
        self.pauzes: list[float] = []

    async def mag_versturen(self, leverancier: str, berichttype: str, bsns: Sequence[str]) -> dict[str, bool]:
        self.pogingen += 1
        if self.pogingen <= self.weg_voor:
            raise ProfielserviceWeg("no answer: ConnectError")
        return await super().mag_versturen(leverancier, berichttype, bsns)

    def nu(self) -> float:
        return sum(self.pauzes)

    async def slaap(self, seconden: float) -> None:
        self.pauzes.append(seconden)


def geduld(wereld: Wereld) -> Geduld:
    return Geduld(wereld, eerste_pauze_s=1, langste_pauze_s=30, melding_elke_s=60, nu=wereld.nu, slaap=wereld.slaap)


async def test_it_asks_until_the_service_is_back() -> None:
    wereld = Wereld(weg_voor=200)
    assert await geduld(wereld).vraag(OIN, "AANSLAG", [BSN]) == {BSN: True}
    assert wereld.pogingen == 201


async def test_pauses_grow_to_the_cap_and_are_spread() -> None:
    wereld = Wereld(weg_voor=200)
    await geduld(wereld).vraag(OIN, "AANSLAG", [BSN])
    assert all(pauze <= min(2**nummer, 30) for nummer, pauze in enumerate(wereld.pauzes))
    assert max(wereld.pauzes) > 16
    assert len(set(wereld.pauzes)) > 150


async def test_it_gives_up_when_told_and_still_calls_it_away() -> None:
    wereld = Wereld(weg_voor=10**9)
    with pytest.raises(ProfielserviceWeg):
        await geduld(wereld).vraag(OIN, "AANSLAG", [BSN], opgeven=lambda: wereld.nu() > 1000)
    assert 1000 < wereld.nu() <= 1030


async def test_an_answer_counts_even_after_the_deadline() -> None:
    wereld = Wereld(weg_voor=0)
    assert await geduld(wereld).vraag(OIN, "AANSLAG", [BSN], opgeven=lambda: True) == {BSN: True}


async def test_a_fault_about_this_question_is_not_waited_for() -> None:
    wereld = Wereld(weg_voor=0)
    wereld.storing = Storing(fout_bij_bsn=frozenset({BSN}))
    with pytest.raises(ProfielserviceFout) as fout:
        await geduld(wereld).vraag(OIN, "AANSLAG", [BSN])
    assert fout.value.soort == "ApplicationFault"
    assert wereld.pauzes == []


async def test_being_away_is_logged_once_an_interval_over_all_questions(caplog: pytest.LogCaptureFixture) -> None:
    wereld = Wereld(weg_voor=10**9)
    wachtende = geduld(wereld)
    with caplog.at_level(logging.DEBUG):
        for _ in range(10):
            begin = wereld.nu()
            with pytest.raises(ProfielserviceWeg):
                await wachtende.vraag(OIN, "AANSLAG", [BSN], opgeven=lambda begin=begin: wereld.nu() > begin + 100)
    meldingen = [regel for regel in caplog.messages if regel.startswith("profile service away, retrying")]
    assert 5 <= len(meldingen) <= wereld.nu() / 60 + 1
    assert len(meldingen) < len(wereld.pauzes) / 2
    assert BSN not in caplog.text
