"""When an open run has fallen silent, and how often it is offered: by hand, and against a played line."""

from collections.abc import Mapping
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from agents.stilte import LIJN, Aanbiedingen, Voorbijgang

RUN, ANDERE = UUID(int=1), UUID(int=2)
MINUUT = 60_000
NA = 5 * MINUUT


def test_topics_are_passed_one_after_the_other() -> None:
    ronde = Voorbijgang()
    for eind, onderwerp in enumerate(LIJN, 5):
        assert ronde.onderwerp == onderwerp
        ronde.noteer({0: eind, 1: 0})
        assert ronde.achter({0: eind - 1}) == {0: (eind - 1, eind)}
        assert ronde.achter({}) == {0: (0, eind)}
        assert ronde.achter({0: eind}) == ronde.achter({0: 9, 1: 2}) == {}
        ronde.ga_verder()
    assert ronde.onderwerp is None


def test_what_comes_during_a_round_does_not_lengthen_it() -> None:
    ronde = Voorbijgang()
    ronde.noteer({0: 5})
    ronde.noteer({0: 50})
    assert ronde.achter({0: 5}) == {}
    assert ronde.had(0, 4)
    assert not ronde.had(0, 5)
    assert not ronde.had(1, 0)


def test_waits_double_up_to_an_hour() -> None:
    aanbod, nu, momenten = Aanbiedingen(NA), 0, []
    while nu <= 200 * MINUUT:
        if aanbod.mag(RUN, nu):
            aanbod.is_aangeboden(RUN, nu)
            momenten.append(nu // MINUUT)
        aanbod.ronde_klaar()
        nu += MINUUT
    assert momenten == [0, 5, 15, 35, 75, 135, 195]


def test_a_wait_of_more_than_an_hour_stays_what_it_is() -> None:
    aanbod = Aanbiedingen(90 * MINUUT)
    for nu in (0, 90 * MINUUT, 180 * MINUUT):
        assert aanbod.mag(RUN, nu)
        aanbod.is_aangeboden(RUN, nu)
        assert not aanbod.mag(RUN, nu + 89 * MINUUT)


def test_a_run_that_was_not_met_in_a_round_is_forgotten() -> None:
    """It is open no more, or another's: memory holds open runs alone."""
    aanbod = Aanbiedingen(NA)
    for run in (RUN, ANDERE):
        assert aanbod.mag(run, 0)
        aanbod.is_aangeboden(run, 0)
    aanbod.ronde_klaar()
    assert not aanbod.mag(RUN, 1)
    aanbod.ronde_klaar()
    assert not aanbod.mag(RUN, 1)
    assert aanbod.mag(ANDERE, 1)


def test_a_lost_run_is_offered_no_more_and_counted_while_it_is_open() -> None:
    aanbod = Aanbiedingen(NA)
    assert aanbod.mag(RUN, 0)
    aanbod.is_verloren(RUN)
    assert aanbod.ronde_klaar() == 1
    assert not aanbod.mag(RUN, 10**12)
    assert aanbod.ronde_klaar() == 1
    assert aanbod.ronde_klaar() == 0


@given(st.lists(st.sampled_from(["lever", "splits", "beslis", "toon", "kijk"]), max_size=60))
def test_a_run_that_is_merely_late_is_never_silent(stappen: list[str]) -> None:
    """A line of one partition that skips nothing, whose parts go on one record at a time, in any order."""
    log = dict.fromkeys(LIJN, 0)
    gelezen = dict.fromkeys(LIJN, 0)
    ronde = Voorbijgang()

    def verwerk(van: str, naar: str | None, aantal: int = 1) -> None:
        if gelezen[van] < log[van]:
            if naar is not None:
                log[naar] += aantal
            gelezen[van] += 1

    def plaats(waar: Mapping[str, int], onderwerp: str) -> dict[int, int]:
        return {0: waar[onderwerp]}

    for stap in [*stappen, "kijk"]:
        if stap == "lever":
            log["batch"] += 1
        elif stap == "splits":
            verwerk("batch", "bericht", aantal=2)
        elif stap == "beslis":
            verwerk("bericht", "validatie")
        elif stap == "toon":
            verwerk("validatie", None)
        else:
            while (onderwerp := ronde.onderwerp) is not None:
                ronde.noteer(plaats(log, onderwerp))
                if ronde.achter(plaats(gelezen, onderwerp)):
                    break
                ronde.ga_verder()
            else:
                open_runs = range(gelezen["validatie"] // 2, log["batch"])
                assert not any(ronde.had(0, offset) for offset in open_runs)
                ronde = Voorbijgang()
