"""Records are taken in the order of the log, none left out."""

from hypothesis import given
from hypothesis import strategies as st

from streams.volgorde import POGINGEN, Oordeel, Volgorde

P = ("bericht", 0)


def test_the_next_record_is_taken_and_one_that_came_before_is_not() -> None:
    volgorde = Volgorde({P: 5})
    assert volgorde.beoordeel(P, 5) is Oordeel.NEEM
    assert volgorde.beoordeel(P, 5) is Oordeel.LAAT
    assert volgorde.beoordeel(P, 6) is Oordeel.NEEM


def test_a_hole_is_read_again_once_and_what_was_fetched_before_that_is_left() -> None:
    volgorde = Volgorde({P: 5})
    assert volgorde.beoordeel(P, 7) is Oordeel.GA_TERUG
    assert volgorde.begint_bij(P) == 5
    assert volgorde.beoordeel(P, 8) is Oordeel.LAAT
    assert [volgorde.beoordeel(P, offset) for offset in (5, 6, 7, 8)] == [Oordeel.NEEM] * 4


def test_a_hole_that_stays_is_passed_over_only_when_the_log_itself_is_seen_to_have_it() -> None:
    volgorde = Volgorde({P: 5})
    assert [volgorde.beoordeel(P, 7) for _ in range(POGINGEN)] == [Oordeel.GA_TERUG] * POGINGEN
    assert volgorde.beoordeel(P, 7) is Oordeel.TWIJFEL
    volgorde.neem_over(P, 7)
    assert volgorde.beoordeel(P, 8) is Oordeel.NEEM


@given(st.integers(1, 30), st.lists(st.sets(st.integers(0, 29), max_size=5), max_size=POGINGEN - 1))
def test_whatever_is_dropped_on_the_way_every_record_is_taken_once_and_in_order(
    aantal: int, gevallen: list[set[int]]
) -> None:
    """Each reading drops other records, the last ones none; a reader that is sent back reads on from there."""
    volgorde, genomen, plaats, lezing = Volgorde({P: 0}), [], 0, 0
    while len(genomen) < aantal:
        vallen = gevallen[lezing] if lezing < len(gevallen) else set()
        lezing += 1
        for offset in [offset for offset in range(plaats, aantal + 1) if offset not in vallen]:
            oordeel = volgorde.beoordeel(P, offset)
            if oordeel is Oordeel.NEEM:
                genomen.append(offset)
            elif oordeel is Oordeel.GA_TERUG:
                plaats = volgorde.begint_bij(P)
                break
    assert genomen[:aantal] == list(range(aantal))
