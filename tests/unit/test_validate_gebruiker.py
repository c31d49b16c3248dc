"""Asking the profile service while it fails in part: what it costs, whom it holds up, and which answers are used."""

import asyncio
from collections.abc import Callable, Collection, Sequence
from itertools import islice

import pytest

from agents import validate_gebruiker
from agents.validate_gebruiker import VERS_S, Antwoorden, ValidateGebruiker
from domain import bsn as elfproef
from domain.beslissing import Vraag
from profielservice.client import ProfielserviceWeg
from profielservice.gebruikers import Gebruiker, Storing
from profielservice.geheugen import GeheugenProfielservice
from tests.regels import regel
from tests.slices import TYPE, A, B

BSNS = list(islice((str(n) for n in range(999_900_000, 1_000_000_000) if elfproef.elfproef(str(n))), 4000))


class Gespeeld(GeheugenProfielservice):
    """A profile service that counts what it is asked, takes two questions at once, and can hang or break off."""

    def __init__(self) -> None:
        super().__init__(Gebruiker(bsn=bsn, actief=True, abonnementen="*") for bsn in BSNS)
        self.gevraagd: list[tuple[str, int]] = []
        """Each call: the leverancier, and how many citizens."""
        self.hangt: dict[str, asyncio.Event] = {}
        """Leveranciers for whom no answer comes until their event is set."""
        self.breekt_bij: frozenset[str] = frozenset()
        """Citizens for whom no answer can be read, whoever else it is about."""
        self._beurten = asyncio.Semaphore(2)

    async def mag_versturen(self, leverancier: str, berichttype: str, bsns: Sequence[str]) -> dict[str, bool]:
        async with self._beurten:
            self.gevraagd.append((leverancier, len(bsns)))
            if leverancier in self.hangt:
                await self.hangt[leverancier].wait()
            if not self.breekt_bij.isdisjoint(bsns):
                raise ProfielserviceWeg("cannot be read")
            return await super().mag_versturen(leverancier, berichttype, bsns)


class Proef:
    """Rounds of one worker."""

    def __init__(self) -> None:
        self.profiel = Gespeeld()
        self.nu = 1000.0
        self.gewekt: list[str] = []
        self.gebruikers = ValidateGebruiker(self.profiel, self.gewekt.append, lambda: self.nu)

    async def ronde(self, *, herkansing: bool = False, **bsns: Collection[str]) -> dict[str, int]:
        """Asks about these citizens of A and B; how many answers there are of each."""
        vragen, antwoorden = vragen_van(**bsns), Antwoorden()
        await self.gebruikers.vul_aan(vragen, antwoorden, herkansing=herkansing)
        assert all(antwoorden[oin].keys() <= vragen[oin] for oin in antwoorden)
        return {naam: len(antwoorden.get(OIN[naam], {})) for naam in bsns}

    @property
    def calls(self) -> int:
        """How many since this was asked the last time."""
        aantal = len(self.profiel.gevraagd)
        self.profiel.gevraagd.clear()
        return aantal


OIN = {"a": A, "b": B}


def vragen_van(**bsns: Collection[str]) -> dict[str, set[Vraag]]:
    return {OIN[naam]: {(TYPE, bsn) for bsn in gekozen} for naam, gekozen in bsns.items()}


async def tot(conditie: Callable[[], object]) -> None:
    """Lets the others go on until it holds."""
    async with asyncio.timeout(20):
        while not conditie():  # noqa: ASYNC110
            await asyncio.sleep(0.001)


@pytest.fixture
def proef(monkeypatch: pytest.MonkeyPatch) -> Proef:
    monkeypatch.setattr(validate_gebruiker, "HOOGSTENS_S", 1.0)
    monkeypatch.setattr(validate_gebruiker, "RESPIJT_S", 0.05)
    return Proef()


# -- closing in on who makes it fault


@regel("without holding up other senders' messages", "`T:klanten` holding 1 to 250 `S:Klant`")
@pytest.mark.parametrize("waar", [0, 1, 124, 125, 249])
@pytest.mark.parametrize("hoe", ["fout_bij_bsn", "laat_weg_bsn"])
async def test_one_citizen_of_250_costs_two_calls_for_each_halving(proef: Proef, waar: int, hoe: str) -> None:
    proef.profiel.storing = Storing.model_validate({hoe: [BSNS[waar]]})
    assert await proef.ronde(a=BSNS[:250]) == {"a": 249}
    assert proef.calls <= 1 + 2 * 8
    assert proef.gebruikers.alleen(A)
    assert await proef.ronde(a=[BSNS[waar]], herkansing=True) == {"a": 0}
    assert proef.calls == 1
    assert await proef.ronde(a=BSNS[250:500]) == {"a": 250}
    assert proef.calls == 1


async def test_many_who_fault_cost_a_bounded_number_of_calls_and_all_others_are_answered_in_time(proef: Proef) -> None:
    slecht = frozenset(BSNS[:1000:100])
    proef.profiel.storing = Storing(fout_bij_bsn=slecht)
    over, pogingen = set(BSNS[:1000]), 0
    while over - slecht:
        antwoorden: Antwoorden = {}
        await proef.gebruikers.vul_aan(vragen_van(a=over), antwoorden, herkansing=pogingen > 0)
        await tot(lambda: not loopt(proef))
        assert proef.calls <= 4 + 40
        over -= {bsn for _, bsn in antwoorden.get(A, {})}
        pogingen += 1
        proef.nu += 10
        assert pogingen < 100
    assert len(over) == len(slecht)


@pytest.mark.parametrize(("aantal", "hoogstens"), [(1, 1), (250, 13), (4000, 56)])
async def test_a_leverancier_that_makes_it_fault_costs_few_calls_and_then_one_trial_now_and_then(
    proef: Proef, aantal: int, hoogstens: int
) -> None:
    proef.profiel.storing = Storing(fout_bij_oin=frozenset({A}))
    assert await proef.ronde(a=BSNS[:aantal], b=BSNS[:10]) == {"a": 0, "b": 10}
    await tot(lambda: not loopt(proef))
    assert proef.calls <= hoogstens + 1
    assert await proef.ronde(b=BSNS[:1]) == {"b": 1}
    await proef.ronde(a=[])
    assert proef.calls == 1
    assert proef.gebruikers.alleen(A)
    assert not proef.gebruikers.alleen(B)
    if aantal == 1:
        return  # one citizen tells nothing about the leverancier
    for _ in range(5):
        assert await proef.ronde(a=BSNS[:aantal]) == {"a": 0}
    assert proef.calls == 0
    proef.nu += 1
    assert await proef.ronde(a=BSNS[:aantal], herkansing=True) == {"a": 0}
    assert 1 <= proef.calls <= 13
    proef.nu += 1
    assert await proef.ronde(a=BSNS[:aantal], herkansing=True) == {"a": 0}
    assert proef.calls == 0


@regel("it waits and is retried")
async def test_what_waits_is_woken_when_answers_come_again(proef: Proef) -> None:
    proef.profiel.storing = Storing(fout_bij_oin=frozenset({A}))
    await proef.ronde(a=BSNS[:10])
    proef.profiel.storing = Storing()
    assert await proef.ronde(a=BSNS[:10], herkansing=True) == {"a": 0}
    assert proef.gewekt == []
    proef.nu += 1
    assert await proef.ronde(a=BSNS[:10], herkansing=True) == {"a": 10}
    assert proef.gewekt == [A]
    assert await proef.ronde(a=BSNS[10:20]) == {"a": 10}
    assert proef.gewekt == [A]
    assert not proef.gebruikers.alleen(A)


@pytest.mark.parametrize("samen", [False, True])
async def test_citizens_that_fault_again_say_nothing_about_their_leverancier(proef: Proef, samen: bool) -> None:
    """Nor when another round happens to wait for the same attempt."""
    proef.profiel.storing = Storing(fout_bij_bsn=frozenset(BSNS[:5]), traag_s=0.01)
    rondes = [proef.ronde(a=BSNS[:5], herkansing=True)]
    if samen:
        rondes.append(proef.ronde(a=BSNS[5:10]))
    assert (await asyncio.gather(*rondes))[1:] == [{"a": 5}] * samen
    assert proef.gebruikers.zekeringen.heel(A)


async def test_a_service_that_is_away_for_all_is_nobodys_own_fault(proef: Proef) -> None:
    proef.profiel.storing = Storing(weg=True)
    for _ in range(20):
        assert await proef.ronde(a=BSNS[:4000], b=BSNS[:10]) == {"a": 0, "b": 0}
        assert not proef.gebruikers.alleen(A)
        assert not proef.gebruikers.alleen(B)
    await asyncio.sleep(0)
    assert proef.calls <= 5
    proef.profiel.storing = Storing()
    proef.nu += 10
    assert await proef.ronde(a=BSNS[:4000], b=BSNS[:10], herkansing=True) == {"a": 4000, "b": 10}


async def test_a_citizen_whose_answer_cannot_be_read_is_closed_in_on_while_others_are_answered(proef: Proef) -> None:
    """It looks as if the service is away; but others get their answers, though in other rounds."""
    proef.profiel.breekt_bij = frozenset({BSNS[0]})
    over = set(BSNS[:100])
    for _ in range(40):
        assert await proef.ronde(b=BSNS[100:101]) == {"b": 1}
        antwoorden: Antwoorden = {}
        await proef.gebruikers.vul_aan(vragen_van(a=over), antwoorden, herkansing=True)
        over -= {bsn for _, bsn in antwoorden.get(A, {})}
        proef.nu += 10
    assert len(over) == 1


# -- who is slow


@regel("Expect it to be slow, rate limited, and away at times", "without holding up other senders' messages")
async def test_a_leverancier_whose_questions_hang_leaves_room_for_others(proef: Proef) -> None:
    """However many questions about it there are: not all of them stand before those of others."""
    proef.profiel.hangt[A] = los = asyncio.Event()
    assert await proef.ronde(a=BSNS[:4000]) == {"a": 0}
    proef.profiel.storing = Storing(weg=True)  # what hung ends with no answer, as after a time-out
    los.set()
    await tot(lambda: not proef.gebruikers.zekeringen.heel(A) or not loopt(proef))
    await proef.ronde(a=BSNS[:1])
    assert not proef.gebruikers.zekeringen.heel(A)
    assert proef.calls <= 4
    proef.profiel.storing = Storing()
    proef.profiel.hangt[A] = asyncio.Event()
    for _ in range(5):
        proef.nu += 10
        assert await proef.ronde(a=BSNS[:4000], b=BSNS[:500]) == {"a": 0, "b": 500}
    assert [oin for oin, _ in proef.profiel.gevraagd].count(A) == 1


def loopt(proef: Proef) -> bool:
    """Whether an attempt is under way."""
    return any(not taak.done() for _, taak in proef.gebruikers._lopend.values())


async def test_an_answer_that_came_too_late_for_its_round_is_used_once_while_it_is_fresh(proef: Proef) -> None:
    proef.profiel.hangt[A] = los = asyncio.Event()
    assert await proef.ronde(a=BSNS[:10], b=BSNS[:10]) == {"a": 0, "b": 10}
    assert proef.gebruikers.alleen(A)
    los.set()
    await tot(lambda: not loopt(proef))
    assert proef.calls == 2
    assert await proef.ronde(a=BSNS[:6], herkansing=True) == {"a": 6}
    assert proef.calls == 0
    assert await proef.ronde(a=BSNS[:6]) == {"a": 6}
    assert proef.calls == 1
    proef.nu += VERS_S
    assert await proef.ronde(a=BSNS[6:10]) == {"a": 4}
    assert proef.calls == 1


async def test_late_answers_reach_who_asked_though_another_round_comes_first(proef: Proef) -> None:
    proef.profiel.hangt[A] = los = asyncio.Event()
    assert await proef.ronde(a=BSNS[:10]) == {"a": 0}
    los.set()
    await tot(lambda: not loopt(proef))
    assert await proef.ronde(a=BSNS[10:20]) == {"a": 10}
    assert proef.calls == 2
    assert await proef.ronde(a=BSNS[:10], herkansing=True) == {"a": 10}
    assert proef.calls == 0


async def test_two_rounds_that_ask_about_one_leverancier_both_get_their_answers(proef: Proef) -> None:
    """And neither is told that the leverancier is in trouble."""
    proef.profiel.storing = Storing(traag_s=0.01)
    rondes = proef.ronde(a=BSNS[:10], herkansing=True), proef.ronde(a=BSNS[5:20])
    assert list(await asyncio.gather(*rondes)) == [{"a": 10}, {"a": 15}]
    assert not proef.gebruikers.alleen(A)


async def test_answers_of_a_long_attempt_are_used_before_it_ends(proef: Proef) -> None:
    """Else a backlog that takes longer than a round waits would never be decided."""
    echt, deel, los = proef.profiel.mag_versturen, 0, asyncio.Event()

    async def hangt_halverwege(leverancier: str, berichttype: str, bsns: Sequence[str]) -> dict[str, bool]:
        nonlocal deel
        deel += 1
        if deel > 4:
            await los.wait()
        return await echt(leverancier, berichttype, bsns)

    proef.profiel.mag_versturen = hangt_halverwege  # type: ignore[method-assign]
    assert await proef.ronde(a=BSNS[:2000]) == {"a": 1000}
    los.set()
    await tot(lambda: not loopt(proef))
    assert await proef.ronde(a=BSNS[:2000]) == {"a": 2000}
    assert len(proef.profiel.gevraagd) == 8 + 4  # the second round asked again only what the first had answers to


async def test_what_is_still_asked_is_given_up_when_it_stops(proef: Proef) -> None:
    proef.profiel.hangt[A] = asyncio.Event()
    await proef.ronde(a=BSNS[:10])
    assert loopt(proef)
    await proef.gebruikers.stop()
    assert asyncio.all_tasks() == {asyncio.current_task()}
