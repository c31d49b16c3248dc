"""A fuse for each leverancier: whoever gets no answers is asked about less often, and holds up no other."""

from agents.zekering import Zekeringen
from tests.regels import regel
from tests.slices import A, B


def test_a_leverancier_of_whom_nothing_is_known_may_be_asked_about() -> None:
    zekeringen = Zekeringen()
    assert zekeringen.heel(A)
    assert zekeringen.mag(A, 0.0)
    assert not zekeringen.gelukt(A)


def test_after_each_failure_in_a_row_it_takes_longer_until_the_next_trial_ten_seconds_at_most() -> None:
    zekeringen, nu, pauzes = Zekeringen(), 100.0, []
    for _ in range(6):
        zekeringen.mislukt(A, nu)
        assert not zekeringen.heel(A)
        assert not zekeringen.mag(A, nu)
        pauze = next(s for s in range(100) if zekeringen.mag(A, nu + s))
        assert not zekeringen.mag(A, nu + pauze - 0.001)
        pauzes.append(pauze)
        nu += pauze
    assert pauzes == [1, 2, 5, 10, 10, 10]


def test_one_answer_mends_it_and_the_next_failure_is_the_first_again() -> None:
    zekeringen = Zekeringen()
    for _ in range(4):
        zekeringen.mislukt(A, 0.0)
    assert zekeringen.gelukt(A)
    assert zekeringen.heel(A)
    assert zekeringen.mag(A, 0.0)
    zekeringen.mislukt(A, 0.0)
    assert zekeringen.mag(A, 1.0)


@regel("without holding up other senders' messages")
def test_the_fuse_of_one_is_nothing_to_another() -> None:
    zekeringen = Zekeringen()
    zekeringen.mislukt(A, 0.0)
    assert zekeringen.heel(B)
    assert zekeringen.mag(B, 0.0)
    assert not zekeringen.gelukt(B)
    assert not zekeringen.heel(A)
