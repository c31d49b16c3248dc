"""BSN, OIN, codes and times: the small things everything else trusts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain import bsn
from domain.codes import STADIUM_VAN, Stadium, Verwerkingscode, lijkt_bsn
from domain.oin import is_oin
from domain.tijd import DAG_MS, NORM_MS, lees_tijd, schrijf_tijd
from tests.regels import regel
from tests.slices import BSNS

cijfers = st.text("0123456789", min_size=9, max_size=9)


def volgens_de_regel(tekst: str) -> bool:
    """Nine digits, weights 9 8 7 6 5 4 3 2 −1, the weighted sum divisible by 11, not 000000000."""
    som = sum(gewicht * int(cijfer) for gewicht, cijfer in zip((9, 8, 7, 6, 5, 4, 3, 2, -1), tekst, strict=True))
    return som % 11 == 0 and tekst != "000000000"


@regel("nine digits, weights 9 8 7 6 5 4 3 2 −1", "the weighted sum divisible by 11", "not 000000000")
@given(st.lists(cijfers | st.sampled_from([*BSNS, "000000000"]), max_size=40))
def test_the_elfproef_of_a_column_is_that_of_each(kolom: list[str]) -> None:
    assert bsn.elfproef_kolom("".join(kolom).encode()).tolist() == [volgens_de_regel(tekst) for tekst in kolom]


@regel("nine digits, weights 9 8 7 6 5 4 3 2 −1", "the weighted sum divisible by 11", "not 000000000")
@given(cijfers)
def test_the_elfproef_is_its_definition(tekst: str) -> None:
    assert bsn.elfproef(tekst) is volgens_de_regel(tekst)


@given(st.sampled_from(BSNS), st.integers(0, 8), st.integers(1, 9))
def test_one_wrong_digit_never_passes(goed: str, plaats: int, verschil: int) -> None:
    fout = goed[:plaats] + str((int(goed[plaats]) + verschil) % 10) + goed[plaats + 1 :]
    assert not bsn.elfproef(fout)


@regel("9 digits (8 digits: a leading zero is added) that pass the elfproef")
@pytest.mark.parametrize(
    ("tekst", "nummer"), [("123456782", "123456782"), ("12345678", "012345678"), ("00000000", bsn.GEEN.decode())]
)
def test_eight_digits_get_a_leading_zero(tekst: str, nummer: str) -> None:
    """The BSN: 9 digits (8 digits: a leading zero is added)."""
    assert bsn.normaliseer(tekst) == nummer


@regel("'digit' means 0–9 (a schema's `\\d` takes other scripts' digits)")
@pytest.mark.parametrize(
    "tekst",
    [
        "",
        "1234567",
        "1234567890",
        "12345678 ",
        " 12345678",
        "1234-5678",
        "١٢٣٤٥٦٧٨٩",
        "12345678\n",
        "+12345678",
        "１２３４５６７８",
    ],
)
def test_what_is_not_eight_or_nine_digits_is_no_bsn(tekst: str) -> None:
    """'digit' means 0–9: a schema's `\\d` takes other scripts' digits."""
    assert bsn.normaliseer(tekst) is None


def test_the_place_of_an_unreadable_bsn_never_passes() -> None:
    assert not bsn.elfproef(bsn.GEEN.decode())
    assert len(bsn.GEEN) == bsn.BREEDTE


@regel(
    "20 positions = 8-position prefix + number + closing zeros",
    "The number can hold letters",
    "there is no checksum",
)
@pytest.mark.parametrize(
    "oin",
    [
        "00000001823288444000",
        "00000099000000001000",
        "00000010000000000000",
        "000000040000000A1000",
        "00000003012345678000",
    ],
)
def test_an_oin_is_a_known_prefix_and_a_number(oin: str) -> None:
    """20 positions: an 8-position prefix, a number that can hold letters, closing zeros; there is no checksum."""
    assert is_oin(oin)


@regel("20 positions = 8-position prefix + number + closing zeros")
@pytest.mark.parametrize(
    "tekst",
    [
        "",
        "0000009900000000100",
        "000000990000000010000",
        "00000011000000001000",
        "00000000000000001000",
        "10000099000000001000",
        "00000099 00000001000",
        "00000099000000001000\n",
        "00000005000000001000",
        "0000009９000000001000",
    ],
)
def test_what_has_another_form_is_no_oin(tekst: str) -> None:
    assert not is_oin(tekst)


@regel("we write `Validate…` and accept both when reading")
@pytest.mark.parametrize(
    ("tekst", "stadium"),
    [
        ("NA", Stadium.NA),
        ("ValidateBerichtType", Stadium.VALIDATE_BERICHTTYPE),
        ("ValidatieGebruiker", Stadium.VALIDATE_GEBRUIKER),
        ("ValidatieBerichtType", Stadium.VALIDATE_BERICHTTYPE),
        ("StoreMessage", Stadium.STORE_MESSAGE),
    ],
)
def test_both_spellings_of_a_stage_are_read(tekst: str, stadium: Stadium) -> None:
    """Some clients read `Validatie…`; we write `Validate…` and accept both when reading."""
    assert Stadium.lees(tekst) is stadium


@pytest.mark.parametrize("tekst", ["", "na", "Validatie", "XValidatieGebruiker"])
def test_what_is_no_stage_is_refused(tekst: str) -> None:
    with pytest.raises(ValueError, match="Stadium"):
        Stadium.lees(tekst)


@regel(
    "`ValidateBerichtType` → `ValidateGebruiker` → `StoreMessage`",
    "ValidateBerichtType, ValidateGebruiker or StoreMessage",
    "`NA` = not applicable, nothing went wrong",
)
def test_the_codes_are_those_of_the_wire() -> None:
    """The table of codes, letter by letter: senders' software compares them."""
    assert [str(code) for code in Verwerkingscode] == [
        "Verwerkt",
        "XmlValidatieTegenXsdValtNegatiefUit",
        "OinInCPAKomtNietOvereenMetOinInBericht",
        "AanmaakDatumLigtTeVerInHetVerleden",
        "PublicatieDatumLigtTeVerInDeToekomst",
        "BijlageTeGroot",
        "BerichtBestaatAl",
        "BerichtTypeNietOndersteund",
        "NietActiefOfGeabonneerd",
        "TechnischProbleem",
    ]
    assert [str(stadium) for stadium in Stadium] == ["NA", "ValidateBerichtType", "ValidateGebruiker", "StoreMessage"]
    assert {
        code: STADIUM_VAN.get(code, Stadium.NA)
        for code in Verwerkingscode
        if code is not Verwerkingscode.TECHNISCH_PROBLEEM
    } == {
        **dict.fromkeys(list(Verwerkingscode)[:7], Stadium.NA),
        Verwerkingscode.BERICHTTYPE_NIET_ONDERSTEUND: Stadium.VALIDATE_BERICHTTYPE,
        Verwerkingscode.NIET_ACTIEF_OF_GEABONNEERD: Stadium.VALIDATE_GEBRUIKER,
    }


@pytest.mark.parametrize("tekst", ["١٢٣٤٥٦٧٨", "１２３４５６７８９"])
def test_a_bsn_in_another_script_looks_like_one_as_well(tekst: str) -> None:
    assert lijkt_bsn(tekst)


@given(st.text("0123456789", min_size=1, max_size=12))
def test_what_looks_like_a_bsn_is_eight_or_nine_digits(tekst: str) -> None:
    assert lijkt_bsn(tekst) is (len(tekst) in (8, 9))


@given(st.integers(0, 253_402_300_799_000))
def test_a_time_reads_as_it_was_written(millis: int) -> None:
    assert lees_tijd(schrijf_tijd(millis)) == millis


@pytest.mark.parametrize("tekst", ["", "2026-01-31", "2026-01-31T12:00:00", "gisteren"])
def test_a_time_needs_a_zone(tekst: str) -> None:
    with pytest.raises(ValueError, match=r"zone|isoformat"):
        lees_tijd(tekst)


@pytest.mark.parametrize(
    "tekst", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "9999-12-31T23:59:59.9999Z"]
)
def test_a_time_that_utc_cannot_write_is_none(tekst: str) -> None:
    with pytest.raises(ValueError, match="years 1 to 9999"):
        lees_tijd(tekst)


def test_a_time_is_printed_in_utc_with_z() -> None:
    """What is printed is in UTC with `Z`."""
    assert schrijf_tijd(lees_tijd("2026-01-31T12:00:00+01:00")) == "2026-01-31T11:00:00.000Z"


@regel("share within 24 hours")
def test_the_norm_is_24_hours() -> None:
    assert NORM_MS == DAG_MS == 24 * 3600 * 1000
