"""Whose PDF is checked next."""

import pytest

from bijlagen.beurten import Beurten


def sluit_aan(beurten: Beurten, leverancier: str, *sommen: bytes) -> None:
    for som in sommen:
        beurten.sluit_aan(leverancier, som)


def alle(beurten: Beurten, aantal: int) -> list[bytes]:
    """The next so many, one at a time."""
    gekomen = []
    for _ in range(aantal):
        leverancier, som = beurten.volgende()
        gekomen.append(som)
        beurten.klaar(leverancier)
    return gekomen


def test_leveranciers_take_turns_and_each_line_keeps_its_order() -> None:
    beurten = Beurten()
    sluit_aan(beurten, "A", b"a1", b"a2", b"a3", b"a4")
    sluit_aan(beurten, "B", b"b1", b"b2")
    sluit_aan(beurten, "C", b"c1")
    assert alle(beurten, 7) == [b"a1", b"b1", b"c1", b"a2", b"b2", b"a3", b"a4"]
    with pytest.raises(ValueError, match="empty"):
        beurten.volgende()


def test_who_has_nothing_under_way_goes_before_who_has() -> None:
    beurten = Beurten()
    sluit_aan(beurten, "A", *(b"a%d" % nummer for nummer in range(2000)))
    assert [beurten.volgende()[0] for _ in range(3)] == ["A", "A", "A"]
    sluit_aan(beurten, "B", b"b1", b"b2")
    beurten.klaar("A")
    assert beurten.volgende() == ("B", b"b1")
    beurten.klaar("B")
    assert beurten.volgende() == ("B", b"b2")


def test_who_comes_back_each_time_does_not_hold_up_another() -> None:
    beurten = Beurten()
    sluit_aan(beurten, "A", b"a1", b"a2", b"a3")
    gekomen = []
    for _ in range(6):
        sluit_aan(beurten, "B", b"b")
        gekomen += alle(beurten, 1)
    assert gekomen == [b"a1", b"b", b"a2", b"b", b"a3", b"b"]
