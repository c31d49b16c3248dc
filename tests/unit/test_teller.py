"""Counting finished batches never stands in the way of what it runs beside."""

import asyncio
import logging
from collections.abc import Callable
from threading import Event
from uuid import UUID

import pytest

from agents import teller
from agents.teller import Teller
from sinks.tellingen import BEGIN, Plek

EERSTE, TWEEDE = (1, UUID(int=1), "A"), (2, UUID(int=2), "A")


class Nep:
    """Pages of batches, and who asked for them; a page that is an error goes wrong."""

    def __init__(self, *bladen: Plek | Exception | None) -> None:
        self.bladen = list(bladen)
        self.gevraagd: list[Plek] = []
        self.nu = 1

    def stand(self) -> int:
        return self.nu

    def tel_batches(self, na: Plek, genoeg: Callable[[], bool]) -> Plek | None:
        assert not genoeg()
        self.gevraagd.append(na)
        blad = self.bladen.pop(0)
        if isinstance(blad, Exception):
            raise blad
        return blad


@pytest.fixture(autouse=True)
def zonder_pauze(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(teller, "_HOOGSTENS_S", 0.0)


async def look(een: Teller) -> None:
    een.kijk()
    assert een._werk is not None
    await een._werk


async def test_what_goes_wrong_is_told_and_tried_again(caplog: pytest.LogCaptureFixture) -> None:
    nep = Nep(EERSTE, ValueError("no such column"), None)
    een = Teller(nep)  # type: ignore[arg-type]
    with caplog.at_level(logging.WARNING):
        await look(een)
    assert "no such column" in caplog.text
    assert nep.gevraagd == [BEGIN, EERSTE]
    await look(een)
    assert nep.gevraagd == [BEGIN, EERSTE, BEGIN]


async def test_pages_follow_each_other_and_nothing_is_looked_for_until_something_is_added() -> None:
    nep = Nep(EERSTE, TWEEDE, None, None)
    een = Teller(nep)  # type: ignore[arg-type]
    for _ in range(3):
        await look(een)
    assert nep.gevraagd == [BEGIN, EERSTE, TWEEDE]
    nep.nu = 2
    await look(een)
    assert nep.gevraagd[3:] == [BEGIN]


async def test_one_look_is_taken_at_a_time_and_who_stops_waits_for_the_question_that_is_asked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What goes on in a thread cannot be broken off: left alone it would go on beside the next look."""
    nep, begonnen, mag, gezien = Nep(), Event(), Event(), list[bool]()

    def traag(_: Plek, genoeg: Callable[[], bool]) -> Plek:
        begonnen.set()
        mag.wait(10)
        gezien.append(genoeg())
        return EERSTE

    monkeypatch.setattr(nep, "tel_batches", traag)
    een = Teller(nep)  # type: ignore[arg-type]
    een.kijk()
    eerste = een._werk
    assert await asyncio.to_thread(begonnen.wait, 10)
    een.kijk()
    assert een._werk is eerste
    stopt = asyncio.create_task(een.houd_op())
    await asyncio.sleep(0.05)
    assert not stopt.done()
    mag.set()
    await stopt
    assert gezien == [True]  # and no page after it


async def test_who_stops_does_not_wait_for_a_pause() -> None:
    een = Teller(Nep())  # type: ignore[arg-type]
    rust = asyncio.create_task(een._rust(3600))
    await asyncio.sleep(0)
    een._genoeg.set()
    async with asyncio.timeout(5):
        await rust


async def test_between_two_looks_there_is_a_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(teller, "_HOOGSTENS_S", 60.0)
    nep = Nep(None, None)
    een = Teller(nep)  # type: ignore[arg-type]
    await look(een)
    nep.nu = 2
    await look(een)
    assert nep.gevraagd == [BEGIN]
