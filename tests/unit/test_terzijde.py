"""How many unreadable records are too many: in a row, and of the last thousand."""

from hypothesis import given
from hypothesis import strategies as st

from streams.dlq import VENSTER, Reeks
from streams.settings import DLQ_ONTHOUD


def reeks(*offsets: int, goed: int = -1) -> Reeks:
    een = Reeks(goed=goed)
    for offset in offsets:
        een.voeg_toe(offset)
    return een


def test_a_readable_record_ends_the_row() -> None:
    assert reeks(3, 4, 5).op_rij(6) == 3
    assert reeks(3, 4, 5, goed=5).op_rij(6) == 0
    assert reeks(3, 4, 6, goed=5).op_rij(7) == 1


def test_what_nobody_can_read_between_them_ends_no_row() -> None:
    """Markers of transactions have offsets too: who saw the records knows that there was none between."""
    assert reeks(3, 5, 7, goed=2).op_rij(9) == 3


def test_after_a_new_start_the_row_is_as_long_as_the_offsets_join() -> None:
    """Which ones were readable before, nobody knows any more; the row is never taken for longer than it was."""
    assert reeks(10, 11, 12).op_rij(13) == 3
    assert reeks(10, 12, 13).op_rij(14) == 2
    assert reeks(10, 11).op_rij(13) == 0


def test_a_record_that_comes_again_counts_what_came_before_it() -> None:
    assert reeks(1, 2, 3, goed=9).op_rij(3) == 2
    assert 3 in reeks(1, 2, 3)
    assert 4 not in reeks(1, 2, 3)


@given(st.sets(st.integers(0, 3000), max_size=60), st.integers(0, 3000))
def test_the_window_is_of_a_thousand_records(offsets: set[int], hier: int) -> None:
    assert reeks(*offsets).in_venster(hier) == sum(hier - VENSTER < een < hier for een in offsets)


@given(st.sets(st.integers(0, 200), max_size=80), st.integers(-1, 200), st.integers(0, 201))
def test_a_row_is_what_stands_between_the_last_readable_one_and_here(offsets: set[int], goed: int, hier: int) -> None:
    een = reeks(*offsets, goed=goed)
    if 0 <= goed < hier:
        assert een.op_rij(hier) == sum(goed < offset < hier for offset in offsets)
    else:
        begin = next((o for o in range(hier - 1, -2, -1) if o not in offsets), -1)
        assert een.op_rij(hier) == max(hier - 1 - begin, 0)


def test_what_is_remembered_is_bounded_and_keeps_the_latest() -> None:
    een = reeks(*range(DLQ_ONTHOUD + 10))
    assert len(een.offsets) == DLQ_ONTHOUD
    assert DLQ_ONTHOUD + 9 in een
    assert 0 not in een
