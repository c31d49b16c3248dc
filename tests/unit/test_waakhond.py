"""What counts as hanging, look by look, and what the watchdog says of where a task stands."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Generator
from typing import Any

from streams import hartslag
from streams.waakhond import KEREN, LUS, Waakhond, plaatsen


class Proces:
    """A loop, a sink that always has work, and an agent that has work when one says so."""

    def __init__(self) -> None:
        self.slagen: Counter[str] = Counter()
        self.niets_te_doen = True
        delen = {"sink": lambda: False, "agent": lambda: self.niets_te_doen}
        self.waakhond = Waakhond(delen, lambda deel: self.slagen[deel])

    def kijk(self, keer: int, *levend: str) -> set[str]:
        """So many looks, with a sign of each of these parts before each; what was said to hang."""
        gezegd = set()
        for _ in range(keer):
            self.slagen.update(levend)
            gezegd.add(self.waakhond.kijk())
        return gezegd - {""}


def test_a_part_that_gives_no_sign_hangs_after_so_many_looks_and_no_sooner() -> None:
    proces = Proces()
    assert proces.kijk(5, LUS, "sink") == set()
    assert proces.kijk(KEREN - 1, LUS) == set()
    assert proces.waakhond.verdacht == "sink"
    assert proces.kijk(1, LUS) == {"sink"}


def test_half_way_it_is_suspect_and_a_sign_clears_it() -> None:
    proces = Proces()
    proces.kijk(1, LUS, "sink")
    proces.kijk(KEREN // 2 - 1, LUS)
    assert proces.waakhond.verdacht == ""
    proces.kijk(1, LUS)
    assert proces.waakhond.verdacht == "sink"
    assert proces.kijk(1, LUS, "sink") == set()
    assert proces.waakhond.verdacht == ""
    assert proces.kijk(KEREN - 1, LUS) == set()


def test_an_agent_without_work_may_be_silent_for_ever() -> None:
    assert Proces().kijk(10 * KEREN, LUS, "sink") == set()


def test_work_that_comes_after_a_long_silence_gives_the_agent_its_whole_time() -> None:
    proces = Proces()
    proces.kijk(10 * KEREN, LUS, "sink")
    proces.niets_te_doen = False
    assert proces.kijk(KEREN - 1, LUS, "sink") == set()
    assert proces.kijk(1, LUS, "sink") == {"agent"}


def test_nothing_excuses_a_loop_that_stands_still() -> None:
    with hartslag.begrensd():
        assert Proces().kijk(KEREN + 1, "sink") == {LUS}


def test_while_one_question_to_clickhouse_stays_out_no_part_hangs() -> None:
    proces = Proces()
    with hartslag.begrensd():
        assert proces.kijk(10 * KEREN, LUS) == set()
    proces.kijk(1, LUS)
    assert proces.kijk(KEREN - 2, LUS) == set()
    assert proces.kijk(2, LUS) == {"sink"}


def test_a_slow_question_of_another_part_lengthens_a_silence_and_does_not_end_it() -> None:
    proces = Proces()
    proces.kijk(KEREN // 2 + 1, LUS)
    with hartslag.begrensd():
        proces.kijk(5, LUS)
        assert proces.waakhond.verdacht == "sink"
    assert proces.kijk(KEREN // 2 + 1, LUS) == {"sink"}


def test_questions_of_others_that_are_answered_excuse_nobody() -> None:
    proces, gezegd = Proces(), set()
    for _ in range(KEREN + 1):
        with hartslag.begrensd():
            gezegd |= proces.kijk(1, LUS)
    assert gezegd == {"sink"}


def test_a_process_that_slept_is_looked_at_no_more_than_it_worked() -> None:
    """However long SIGSTOP lasts, it costs the watchdog one look: only its own looks count."""
    proces = Proces()
    proces.kijk(3, LUS, "sink")
    assert proces.kijk(1) == set()
    assert proces.kijk(KEREN, LUS, "sink") == set()


async def test_signs_are_of_the_part_whose_task_or_thread_gives_them() -> None:
    async def deel(naam: str) -> None:
        hartslag.hoort_bij(naam)
        hartslag.slag()
        await asyncio.create_task(asyncio.to_thread(hartslag.slag))

    voor = hartslag.slagen("proef-a"), hartslag.slagen("proef-b")
    await asyncio.gather(deel("proef-a"), deel("proef-b"), deel("proef-b"))
    assert (hartslag.slagen("proef-a"), hartslag.slagen("proef-b")) == (voor[0] + 2, voor[1] + 4)


class _Actor:
    """As Faust's: awaited, it runs a coroutine."""

    def __init__(self, werk: Callable[[], Awaitable[None]]) -> None:
        self._werk = werk

    def __await__(self) -> Generator[Any, None, None]:
        return self._werk().__await__()


async def test_where_a_task_hangs_is_told_through_all_that_waits_for_it() -> None:
    async def het_diepste(bsn: str) -> None:
        await asyncio.sleep(3600)

    async def stappen() -> AsyncIterator[int]:
        await het_diepste("999990019")
        yield 1

    async def werk() -> None:
        async for _ in stappen():
            raise AssertionError

    async def actor() -> None:
        await _Actor(werk)

    taak = asyncio.create_task(actor(), name="proef")
    await asyncio.sleep(0)
    (gezegd,) = (regels for regels in plaatsen(asyncio.get_running_loop()) if regels.startswith("task proef\n"))
    taak.cancel()
    assert [regel.rpartition(".")[2] for regel in gezegd.splitlines()[1:6]] == [
        "actor",
        "werk",
        "stappen",
        "het_diepste",
        gezegd.splitlines()[5].rpartition(".")[2],
    ]
    assert gezegd.endswith(" in sleep")
    assert "999990019" not in gezegd
