"""While Kafka does not confirm, one batch at a time tries: the others would leave their bijlagen in the store."""

import asyncio

import pytest

from aanlevering.proef import Proef
from aanlevering.uitgever import KafkaWeg


class Klok:
    nu = 100.0

    def __call__(self) -> float:
        return self.nu


def probeer(proef: Proef, fout: BaseException | None = None) -> bool:
    """Whether a batch was a trial; with an error, one that Kafka did not confirm."""
    with proef.beurt() as is_proef, proef.meet(is_proef):
        if fout is not None:
            raise fout
    return is_proef


def mislukt(proef: Proef, fout: BaseException | None = None) -> None:
    with pytest.raises((KafkaWeg, asyncio.CancelledError)):
        probeer(proef, fout or KafkaWeg("away"))


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
    proef = Proef(Klok())
    mislukt(proef, fout)
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
