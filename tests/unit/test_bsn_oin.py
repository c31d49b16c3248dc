"""The BSN and the OIN (Domain: BSN and OIN)."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain import bsn
from domain.oin import is_oin
from tests.regels import regel

CIJFERS = st.text("0123456789", min_size=9, max_size=9)
ANDERE_CIJFERS = "٠١٢٣٤٥٦٧٨٩०१२३４５６²³"


def gewogen_som(cijfers: str) -> int:
    return sum(gewicht * int(cijfer) for gewicht, cijfer in zip((9, 8, 7, 6, 5, 4, 3, 2, -1), cijfers, strict=True))


GOEDE = (
    st.text("0123456789", min_size=8, max_size=8)
    .map(lambda acht: f"{acht}{gewogen_som(f'{acht}0') % 11}")
    .filter(lambda cijfers: len(cijfers) == 9 and cijfers != "000000000")
)


@regel("nine digits, weights 9 8 7 6 5 4 3 2 −1", "the weighted sum divisible by 11", "not 000000000")
@given(CIJFERS)
def test_the_elfproef_is_the_weighted_sum(cijfers: str) -> None:
    assert bsn.elfproef(cijfers) == (gewogen_som(cijfers) % 11 == 0 and cijfers != "000000000")


@given(st.text("0123456789", min_size=8, max_size=8))
def test_at_most_one_last_digit_passes(acht: str) -> None:
    assert sum(bsn.elfproef(f"{acht}{laatste}") for laatste in range(10)) <= 1


@given(GOEDE, st.data())
def test_one_wrong_digit_or_two_swapped_never_pass(goed: str, data: st.DataObject) -> None:
    assert bsn.elfproef(goed)
    plaats = data.draw(st.integers(0, 8))
    anders = data.draw(st.sampled_from([cijfer for cijfer in "0123456789" if cijfer != goed[plaats]]))
    assert not bsn.elfproef(goed[:plaats] + anders + goed[plaats + 1 :])
    plaats = data.draw(st.integers(0, 7))
    if goed[plaats] != goed[plaats + 1]:
        verwisseld = goed[:plaats] + goed[plaats + 1] + goed[plaats] + goed[plaats + 2 :]
        assert not bsn.elfproef(verwisseld)


@given(st.lists(CIJFERS))
def test_a_column_gives_what_each_gives_alone(rij: list[str]) -> None:
    kolom = bsn.elfproef_kolom("".join(rij).encode())
    assert kolom.dtype == np.bool_
    assert kolom.tolist() == [bsn.elfproef(cijfers) for cijfers in rij]


@regel("not 000000000")
def test_nine_zeros_are_no_bsn() -> None:
    assert not bsn.elfproef("000000000")
    assert not bsn.elfproef(bsn.GEEN.decode())


@regel("9 digits (8 digits: a leading zero is added) that pass the elfproef")
@pytest.mark.parametrize(
    ("tekst", "verwacht"),
    [
        ("000000012", "000000012"),
        ("00000012", "000000012"),
        ("0000012", None),
        ("0000000012", None),
        ("", None),
        (" 00000012", None),
        ("000000012\n", None),
        ("+00000012", None),
        ("0000.0012", None),
    ],
)
def test_eight_digits_get_a_leading_zero_and_nothing_else_is_taken(tekst: str, verwacht: str | None) -> None:
    assert bsn.normaliseer(tekst) == verwacht


@regel("'digit' means 0–9 (a schema's `\\d` takes other scripts' digits)")
@given(st.text(ANDERE_CIJFERS, min_size=1, max_size=9))
def test_digits_of_other_scripts_are_no_digits(tekst: str) -> None:
    assert bsn.normaliseer(tekst.rjust(9, "0")) is None
    assert not is_oin(f"00000001{tekst.rjust(12, '0')}")


@regel(
    "00000001 RSIN",
    "02 fiscal number",
    "03 KVK (also the HRN of companies)",
    "04 sub-OIN",
    "06 Logius",
    "07 BRIN",
    "08 foreign",
    "09 UZI",
    "10 TRR",
    "00000099 test",
    "The number can hold letters",
)
@pytest.mark.parametrize("nummer", [1, 2, 3, 4, 6, 7, 8, 9, 10, 99])
def test_an_oin_starts_with_a_known_prefix(nummer: int) -> None:
    assert is_oin(f"{nummer:08d}123456789000")
    assert is_oin(f"{nummer:08d}HRN456780000")


@regel("20 positions = 8-position prefix + number + closing zeros")
@pytest.mark.parametrize("nummer", [0, 5, 11, 12, 20, 98, 100, 10000000])
def test_an_oin_with_another_prefix_is_none(nummer: int) -> None:
    assert not is_oin(f"{nummer:08d}123456789000")


@regel(
    "20 positions = 8-position prefix + number + closing zeros",
    "an OIN: 20 positions; must equal the OIN of the sender's certificate/CPA",
)
@given(st.text(max_size=30).filter(lambda tekst: len(tekst) != 20))
def test_an_oin_has_twenty_positions(tekst: str) -> None:
    assert not is_oin(tekst)


@pytest.mark.parametrize("tekst", ["00000001 23456789000", "00000001123456789000\n", "00000001-23456789000"])
def test_an_oin_holds_letters_and_digits_only(tekst: str) -> None:
    assert not is_oin(tekst)
