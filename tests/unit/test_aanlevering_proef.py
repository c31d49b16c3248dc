"""While Kafka does not confirm, one batch at a time tries: the others would leave their bijlagen in the store."""

import asyncio
from collections.abc import Callable
from contextlib import ExitStack, suppress

import pytest

from aanlevering.proef import Proef
from aanlevering.uitgever import KafkaWeg


class Klok:
    nu = 100.0

    def __call__(self) -> float:
        return self.nu

    def lang(self) -> None:
        self.nu += 60.0


def probeer(proef: Proef, fout: BaseException | None = None, wacht: Callable[[], None] = lambda: None) -> bool:
    """Whether a batch was a trial; with an error, one that Kafka did not confirm."""
    with proef.beurt() as is_proef, proef.meet(is_proef):
        wacht()
        if fout is not None:
            raise fout
    return is_proef


def mislukt(proef: Proef) -> None:
    with pytest.raises(KafkaWeg):
        probeer(proef, KafkaWeg("away"))


def ontvangt(proef: Proef) -> bool:
    """Whether a batch is received at all."""
    try:
        proef.controleer()
    except KafkaWeg:
        return False
    return True


def mag(proef: Proef) -> bool:
    try:
        with proef.beurt():
            return True
    except KafkaWeg:
        return False


def test_as_long_as_kafka_confirms_all_go_through() -> None:
    proef = Proef()
    with proef.beurt() as een, proef.beurt() as twee:
        assert (een, twee) == (False, False)
    assert not probeer(proef)


@pytest.mark.parametrize("fout", [KafkaWeg("away"), asyncio.CancelledError()])
def test_after_one_that_was_not_confirmed_one_at_a_time_tries_until_one_is(fout: BaseException) -> None:
    klok = Klok()
    proef = Proef(klok)
    with pytest.raises(type(fout)):
        probeer(proef, fout, klok.lang)
    with proef.beurt() as is_proef:
        assert is_proef
        assert not mag(proef)
    assert mag(proef), "it was not the one that failed"
    assert probeer(proef)
    with proef.beurt() as een, proef.beurt() as twee:
        assert (een, twee) == (False, False)


def test_who_was_under_way_already_ends_the_trials_when_he_is_confirmed_and_else_changes_nothing() -> None:
    klok = Klok()
    proef = Proef(klok)
    with proef.beurt(), proef.beurt():
        for _ in range(9):
            with pytest.raises(KafkaWeg), proef.meet(False):
                raise KafkaWeg("away")
        assert mag(proef), "nine at once are one failure"
        with proef.meet(False):
            pass
    assert not probeer(proef)


def test_each_trial_that_fails_makes_the_next_wait_longer_up_to_half_a_minute() -> None:
    klok = Klok()
    proef, pauzes = Proef(klok), []
    for _ in range(8):
        mislukt(proef)
        begin = klok.nu
        while not mag(proef):
            klok.nu += 0.5
        pauzes.append(klok.nu - begin)
    assert pauzes == [0, 1, 2, 5, 10, 30, 30, 30]
    assert probeer(proef)
    mislukt(proef)
    assert mag(proef), "the first again"


@pytest.mark.parametrize("fout", [KafkaWeg("no metadata"), RuntimeError("the store"), asyncio.CancelledError()])
def test_a_trial_that_ends_before_its_record_is_sent_makes_nobody_wait(fout: BaseException) -> None:
    """It left nothing in the store."""
    proef = Proef(Klok())
    mislukt(proef)
    for _ in range(5):
        with pytest.raises(type(fout)), proef.beurt():
            raise fout
        assert mag(proef)


def twijfelt(proef: Proef) -> bool:
    """Whether the next one tries; a turn that is not used is given back."""
    with proef.beurt() as is_proef:
        return is_proef


def test_who_stopped_waiting_before_kafka_had_its_time_says_nothing_of_it() -> None:
    """His deadline was used up by the store, or by a queue."""
    proef = Proef(Klok())
    for is_proef in (False, True):
        with pytest.raises(asyncio.CancelledError):
            probeer(proef, asyncio.CancelledError())
        assert twijfelt(proef) is is_proef
        assert mag(proef)
        if not is_proef:
            mislukt(proef)
    assert ontvangt(proef)


def test_who_came_before_the_last_success_says_nothing_of_kafka_now() -> None:
    """One partition without a leader does not close the door while the others confirm."""
    klok = Klok()
    proef = Proef(klok)
    with suppress(asyncio.CancelledError), proef.beurt() as is_proef, proef.meet(is_proef):
        assert not probeer(proef)
        klok.lang()
        raise asyncio.CancelledError
    assert not twijfelt(proef)


def test_a_trial_that_hangs_in_the_store_keeps_none_from_being_received_and_others_from_a_turn_for_five_seconds() -> (
    None
):
    klok = Klok()
    proef = Proef(klok)
    mislukt(proef)
    with suppress(asyncio.CancelledError), proef.beurt():
        with proef.vraag():
            assert not ontvangt(proef), "until Kafka has answered"
        assert ontvangt(proef)
        assert not mag(proef)
        klok.nu += 5
        with suppress(RuntimeError), proef.beurt() as is_proef:
            assert is_proef
            assert not mag(proef)
            raise RuntimeError
        assert mag(proef)
        raise asyncio.CancelledError


def test_who_leaves_nothing_in_the_store_needs_no_turn_and_ends_the_trials() -> None:
    proef = Proef(Klok())
    mislukt(proef)
    with proef.beurt() as is_proef, proef.meet(is_proef):
        with proef.meet(False):
            pass
        assert not twijfelt(proef)
        assert mag(proef)


def test_while_a_trial_waits_for_kafka_nobody_is_received_until_another_may_try() -> None:
    klok = Klok()
    proef = Proef(klok)
    mislukt(proef)
    with proef.beurt() as een, proef.meet(een):
        assert not ontvangt(proef)
        klok.nu += 5
        assert ontvangt(proef)
        assert ontvangt(proef), "looking takes no turn"
        assert mag(proef)


def test_who_comes_in_a_pause_is_not_received_and_after_it_the_next_may_try() -> None:
    klok = Klok()
    proef = Proef(klok)
    pauzes = []
    for _ in range(8):
        mislukt(proef)
        begin = klok.nu
        while not ontvangt(proef):
            assert not mag(proef)
            klok.nu += 0.5
        pauzes.append(klok.nu - begin)
        assert mag(proef)
    assert pauzes == [0, 1, 2, 5, 10, 30, 30, 30]


def test_when_kafka_does_not_answer_a_question_nobody_is_received_for_a_second() -> None:
    klok = Klok()
    proef = Proef(klok)
    mislukt(proef)
    for _ in range(3):
        with pytest.raises(KafkaWeg), proef.beurt(), proef.vraag():
            raise KafkaWeg("no metadata")
        assert not ontvangt(proef)
        klok.nu += 1
        assert ontvangt(proef)


def test_in_an_outage_without_end_there_is_a_trial_each_half_minute_and_the_door_is_mostly_closed() -> None:
    """Each waits until its deadline: the records are never confirmed."""
    klok = Klok()
    proef, lopend, begonnen, open_ = Proef(klok), list[tuple[float, ExitStack]](), list[float](), 0
    mislukt(proef)
    for seconde in range(3600):
        klok.nu += 1
        while lopend and lopend[0][0] <= klok.nu - 60:
            with pytest.raises(asyncio.CancelledError), lopend.pop(0)[1]:
                raise asyncio.CancelledError
        open_ += ontvangt(proef)
        if ontvangt(proef) and mag(proef):
            trial = ExitStack()
            trial.enter_context(proef.meet(trial.enter_context(proef.beurt())))
            lopend.append((klok.nu, trial))
            begonnen.append(seconde)
    laatste = [seconde for seconde in begonnen if seconde > 600]
    assert 40 <= len(laatste) <= 100
    assert open_ == len(begonnen), "nobody is received who may not try"
    while lopend:
        with pytest.raises(asyncio.CancelledError), lopend.pop(0)[1]:
            raise asyncio.CancelledError
    klok.nu += 30
    assert ontvangt(proef)
    assert probeer(proef)
    assert not twijfelt(proef)
