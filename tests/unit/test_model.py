"""The model that the line is held against, on small examples whose outcome anybody can read from the domain page."""

from dataclasses import replace

import pytest

from tests.model.model import (
    AANMAAK,
    BERICHTTYPE,
    BESTAAT_AL,
    DERTIEN_DAGEN,
    GEBRUIKER,
    OIN,
    PUBLICATIE,
    TE_GROOT,
    VERWERKT,
    XML,
    ZONDER_ID,
    Bericht,
    Bijlage,
    Levering,
    Model,
    elfproef,
    getoond,
)

A, B, INTERMEDIAIR, VREEMDE = "oin-a", "oin-b", "oin-i", "oin-x"
BATCH = "6f9619ff-8b86-4011-b42d-00c04fc964ff"
NU = 1_790_000_000_000
BSN, ACHT, FOUT = "999990019", "10000008", "999990018"


def guid(nummer: int) -> str:
    return f"00000000-0000-4000-8000-{nummer:012d}"


def bericht(nummer: int = 1, **anders: object) -> Bericht:
    return replace(Bericht(BATCH, guid(nummer), "GOED", BSN), **anders)  # type: ignore[arg-type]


def levering(*berichten: Bericht, **anders: object) -> Levering:
    return replace(Levering(A, None, BATCH, NU, NU, berichten), **anders)  # type: ignore[arg-type]


@pytest.fixture
def model() -> Model:
    return Model(
        leveranciers={A: set(), B: set(), INTERMEDIAIR: {A}},
        berichttypes={(A, "GOED"): "Actief", (A, "UIT"): "Inactief", (B, "GOED"): "Actief"},
        burgers={BSN: (True, None), "0" + ACHT: (True, {A}), FOUT: (True, None), "000000000": (True, None)},
    )


def codes(model: Model, een: Levering) -> list[tuple[str, str]]:
    return [(uitkomst.code, uitkomst.stadium) for uitkomst in model.lever(een).uitkomsten]


@pytest.mark.parametrize(
    ("anders", "verwacht"),
    [
        ({}, VERWERKT),
        ({"gebruiker": ACHT}, VERWERKT),
        ({"gebruiker": FOUT}, GEBRUIKER),
        ({"gebruiker": "000000000"}, GEBRUIKER),
        ({"gebruiker": "1234567"}, XML),
        ({"gebruiker": "١٢٣٤٥٦٧٨٩"}, XML),
        ({"bericht_id": "geen-guid"}, XML),
        ({"bericht_id": ZONDER_ID}, XML),
        ({"batch_id": guid(9)}, XML),
        ({"batch_id": BATCH.upper()}, VERWERKT),
        ({"breekt_schema": True}, XML),
        ({"berichttype": "goed"}, BERICHTTYPE),
        ({"berichttype": "UIT"}, BERICHTTYPE),
        ({"berichttype": "NEGENLANG"}, XML),
        ({"publicatiedatum": NU + DERTIEN_DAGEN}, VERWERKT),
        ({"publicatiedatum": NU + DERTIEN_DAGEN + 1}, PUBLICATIE),
        ({"bijlagen": (Bijlage(250_000), Bijlage(250_000))}, VERWERKT),
        ({"bijlagen": (Bijlage(250_000), Bijlage(250_001))}, TE_GROOT),
        ({"bijlagen": (Bijlage(1),) * 3}, XML),
    ],
)
def test_a_message_gets_its_own_code(model: Model, anders: dict[str, object], verwacht: tuple[str, str]) -> None:
    assert codes(model, levering(bericht(1), bericht(2, **anders))) == [VERWERKT, verwacht]


@pytest.mark.parametrize(
    ("anders", "verwacht"),
    [
        ({"leverancier": VREEMDE}, OIN),
        ({"door": B}, OIN),
        ({"door": VREEMDE}, OIN),
        ({"door": INTERMEDIAIR}, VERWERKT),
        ({"leverancier": B, "door": INTERMEDIAIR}, OIN),
        ({"aanmaakdatum": NU - DERTIEN_DAGEN}, VERWERKT),
        ({"aanmaakdatum": NU - DERTIEN_DAGEN - 1}, AANMAAK),
        ({"leverancier": VREEMDE, "aanmaakdatum": 0}, OIN),
    ],
)
def test_what_is_wrong_with_a_delivery_holds_for_all_that_passed_the_schema(
    model: Model, anders: dict[str, object], verwacht: tuple[str, str]
) -> None:
    assert codes(model, levering(bericht(1), bericht(2, breekt_schema=True), **anders)) == [verwacht, XML]
    assert codes(model, levering(bericht(3), kader_breekt_schema=True, **anders)) == [XML]


def test_the_first_check_that_fails_gives_the_code(model: Model) -> None:
    alles_mis = bericht(
        1, berichttype="NIETS", gebruiker=FOUT, publicatiedatum=NU + 2 * DERTIEN_DAGEN, bijlagen=(Bijlage(500_001),)
    )
    herstel: dict[str, object] = {}
    assert codes(model, levering(bericht(1))) == [VERWERKT]
    for veld, waarde, verwacht in (
        ("", None, PUBLICATIE),
        ("publicatiedatum", None, TE_GROOT),
        ("bijlagen", (), BESTAAT_AL),
        ("bericht_id", guid(2), BERICHTTYPE),
        ("berichttype", "GOED", GEBRUIKER),
        ("gebruiker", BSN, VERWERKT),
    ):
        if veld:
            herstel[veld] = waarde
        assert codes(model, levering(replace(alles_mis, **herstel))) == [verwacht]  # type: ignore[arg-type]


def test_only_a_verwerkt_message_of_this_leverancier_is_already_there(model: Model) -> None:
    rood = bericht(1, gebruiker=FOUT)
    assert codes(model, levering(rood, bericht(1), bericht(1))) == [GEBRUIKER, VERWERKT, BESTAAT_AL]
    hoofdletters = replace(bericht(1), bericht_id=guid(1).upper())
    assert codes(model, levering(hoofdletters)) == [BESTAAT_AL]
    assert codes(model, levering(bericht(1), leverancier=B)) == [VERWERKT]


def test_a_resend_never_turns_green_into_red_and_counts_nothing_twice(model: Model) -> None:
    rood, zonder_id = bericht(2, gebruiker=FOUT), bericht(3, bericht_id="geen-guid")
    eerst = model.lever(levering(bericht(1), rood, zonder_id, bericht(4, berichttype="UIT")))
    later = model.lever(levering(bericht(1), bericht(2), bericht(3)))
    assert [een.code for een in later.uitkomsten] == ["BerichtBestaatAl", "Verwerkt", "Verwerkt"]
    assert [(een.nummer, een.bericht_id, een.code) for een in getoond([eerst, later])] == [
        (1, guid(1), "Verwerkt"),
        (2, guid(2), "Verwerkt"),
        (3, guid(3), "Verwerkt"),
        (4, guid(4), "BerichtTypeNietOndersteund"),
    ]
    assert model.totalen() == {
        A: {"batches": 1, "berichten": 4, "verwerkt": 3, "waarschuwing": 0, "niet_verwerkt": 1, "in_behandeling": 0}
    }


def test_a_warning_makes_a_placed_message_orange(model: Model) -> None:
    geen_pdf, pdf = Bijlage(1), Bijlage(1000, in_orde=True)
    een = levering(bericht(1, bijlagen=(pdf, geen_pdf)), bericht(2, bijlagen=(pdf,)), bericht(1, bijlagen=(geen_pdf,)))
    assert [uitkomst.waarschuwing for uitkomst in model.lever(een).uitkomsten] == [True, False, False]
    assert model.totalen()[A]["verwerkt"] == 2
    assert model.totalen()[A]["waarschuwing"] == 1


def test_a_message_that_is_twice_in_its_batch_is_shown_twice(model: Model) -> None:
    runs = [model.lever(levering(bericht(1), bericht(1))) for _ in range(2)]
    assert [een.code for een in runs[1].uitkomsten] == ["BerichtBestaatAl", "BerichtBestaatAl"]
    assert [(een.nummer, een.code) for een in getoond(runs)] == [(1, "Verwerkt"), (2, "BerichtBestaatAl")]


def test_what_gets_no_answer_waits_and_with_it_what_has_its_bericht_id(model: Model) -> None:
    wacht = bericht(1, gebruiker=ACHT)
    een = levering(wacht, bericht(1), bericht(2), bericht(3, gebruiker=FOUT), bericht(1, berichttype="UIT"))
    run = model.lever(een, {"0" + ACHT})
    assert [(uitkomst.nummer, uitkomst.code) for uitkomst in run.uitkomsten] == [
        (3, "Verwerkt"),
        (4, "NietActiefOfGeabonneerd"),
    ]
    model.zet_berichttype(A, "GOED", "Inactief")
    model.beslis_wat_kan(run)
    assert [(uitkomst.code, uitkomst.stadium) for uitkomst in run.uitkomsten] == [
        BERICHTTYPE,
        BERICHTTYPE,
        VERWERKT,
        GEBRUIKER,
        BERICHTTYPE,
    ]


def test_lifecycles(model: Model) -> None:
    statussen = ("Nieuw", "Actief", "Inactief", "Archief")
    mag = {
        (van, naar)
        for van in statussen
        for naar in statussen
        if Model(berichttypes={(A, "T"): van}).zet_berichttype(A, "T", naar) and van != naar
    }
    assert mag == {
        ("Nieuw", "Actief"),
        ("Actief", "Inactief"),
        ("Inactief", "Actief"),
        ("Actief", "Archief"),
        ("Inactief", "Archief"),
    }
    assert codes(model, levering(bericht(1))) == [VERWERKT]
    assert model.zet_berichttype(A, "GOED", "Inactief")
    assert codes(model, levering(bericht(2))) == [BERICHTTYPE]


@pytest.mark.parametrize("berichttype", ["12345678", "", "NEGENLANG"])
def test_what_looks_like_a_bsn_or_could_not_be_read_is_not_repeated(model: Model, berichttype: str) -> None:
    assert model.lever(levering(bericht(1, berichttype=berichttype))).uitkomsten[0].berichttype == "ONBEKEND"


def test_elfproef() -> None:
    assert elfproef("111222333")
    assert not elfproef("111222334")
    assert not elfproef("000000000")
