"""The look-up of placed messages by citizen: what stands, what is published, and no more (Domain: StoreMessage)."""

from collections.abc import Iterator
from uuid import UUID, uuid4

import pytest
from clickhouse_tafel import T0, UUR, A, B, Tafel, clickhouse, tafel

from sinks.migreer import lees_migraties, splits_opdrachten
from sinks.postvak import GeplaatstBericht, Postvak
from tests.regels import regel

pytestmark = pytest.mark.integration

ANNA, BRAM = f"k1:{'a' * 64}", f"k1:{'b' * 64}"
ANNA_LATER = f"k2:{'c' * 64}"
NU = T0 + 24 * UUR
ALLES = [(A, "AANSLAG"), (A, "aanslag"), (B, "AANSLAG")]


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with clickhouse(tmp_path_factory.mktemp("clickhouse")) as adres:
        yield adres


@pytest.fixture
def t(url: str) -> Iterator[Tafel]:
    with tafel(url) as een:
        yield een


def plaats(t: Tafel, ontvanger: str = ANNA, bericht_id: UUID | None = None, **anders: object) -> UUID:
    """Places one message, in a run of its own."""
    bericht_id = bericht_id or uuid4()
    rij = {
        "leverancier": A,
        "batch_id": uuid4(),
        "proceskenmerk": uuid4(),
        "nummer": 1,
        "bericht_id": bericht_id,
        "berichttype": "AANSLAG",
        "code": "Verwerkt",
        "stadium": "NA",
        "aangeleverd_op": T0,
        "verwerkt_op": T0 + 1000,
        "publicatiedatum": 0,
        "ontvanger": ontvanger,
        "volgorde": 5,
    }
    t.voeg_in("uitkomsten", [rij | anders])
    return bericht_id


def gevonden(
    t: Tafel, *ontvangers: str, soorten: list[tuple[str, str]] = ALLES, nu: int = NU
) -> list[GeplaatstBericht]:
    return Postvak(t.client).berichten_van(ontvangers, soorten, nu)


def test_a_box_holds_the_post_of_its_citizen_and_of_no_other(t: Tafel) -> None:
    een, twee = sorted((plaats(t), plaats(t)))
    van_bram = plaats(t, BRAM)
    assert gevonden(t, ANNA) == [GeplaatstBericht(A, "AANSLAG", een), GeplaatstBericht(A, "AANSLAG", twee)]
    assert gevonden(t, BRAM) == [GeplaatstBericht(A, "AANSLAG", van_bram)]
    assert gevonden(t, ANNA_LATER) == gevonden(t) == gevonden(t, ANNA, soorten=[]) == []


def test_post_under_an_earlier_key_is_found_too(t: Tafel) -> None:
    ids = sorted((plaats(t), plaats(t, ANNA_LATER)))
    assert [een.bericht_id for een in gevonden(t, ANNA, ANNA_LATER)] == ids


def test_only_the_leveranciers_and_berichttypes_asked_for(t: Tafel) -> None:
    hoofd, klein, ander = plaats(t), plaats(t, berichttype="aanslag"), plaats(t, leverancier=B)
    for soort, verwacht in zip(ALLES, (hoofd, klein, ander), strict=True):
        assert gevonden(t, ANNA, soorten=[soort]) == [GeplaatstBericht(*soort, verwacht)]
    assert len(gevonden(t, ANNA)) == 3
    assert gevonden(t, ANNA, soorten=[(B, "aanslag")]) == []


@regel("A message is visible to the burger from its PublicatieDatum")
def test_a_message_is_there_from_its_publicatiedatum_on(t: Tafel) -> None:
    plaats(t, publicatiedatum=NU)
    plaats(t, BRAM, publicatiedatum=0)
    assert gevonden(t, ANNA, nu=NU - 1) == []
    assert len(gevonden(t, ANNA, nu=NU)) == 1
    assert len(gevonden(t, BRAM, nu=1)) == 1, "no PublicatieDatum: at once"


@regel("The first outcome of (Proceskenmerk, number) that is durable in the topic `validatie` stands")
@pytest.mark.parametrize("verwerkt_eerst", [True, False])
@pytest.mark.parametrize("binnenkomst", [1, -1])
def test_a_decision_that_does_not_stand_shows_nothing(t: Tafel, verwerkt_eerst: bool, binnenkomst: int) -> None:
    sleutel = {"batch_id": uuid4(), "proceskenmerk": uuid4()}
    goed, fout = (5, 6) if verwerkt_eerst else (6, 5)
    beslissingen = [
        {"code": "Verwerkt", "volgorde": goed},
        {"code": "TechnischProbleem", "stadium": "StoreMessage", "ontvanger": "", "volgorde": fout},
    ]
    for beslissing in beslissingen[::binnenkomst]:
        plaats(t, bericht_id=UUID(int=7), **sleutel, **beslissing)
    assert len(gevonden(t, ANNA)) == verwerkt_eerst
    t.client.command("OPTIMIZE TABLE postvak FINAL")
    assert len(gevonden(t, ANNA)) == verwerkt_eerst


def test_rows_that_are_written_again_show_a_message_once(t: Tafel) -> None:
    sleutel = {"batch_id": uuid4(), "proceskenmerk": uuid4()}
    for _ in range(3):
        plaats(t, bericht_id=UUID(int=7), **sleutel)
    assert gevonden(t, ANNA) == [GeplaatstBericht(A, "AANSLAG", UUID(int=7))]


def test_what_is_not_placed_is_in_no_box(t: Tafel) -> None:
    for code in ("BerichtBestaatAl", "NietActiefOfGeabonneerd"):
        plaats(t, "", code=code)
    assert t.client.query("SELECT count() FROM postvak").result_rows == [(0,)]


def test_the_past_is_filled_in_when_the_table_comes_and_again_changes_nothing(t: Tafel) -> None:
    """As with a database that had messages before there was a postvak."""
    (postvak,) = (een for een in lees_migraties() if een.naam == "006_postvak.sql")
    t.client.command("DROP VIEW postvak_uit_uitkomsten")
    t.client.command("DROP TABLE postvak")
    ids = sorted(plaats(t, aangeleverd_op=T0 - week * 7 * 24 * UUR) for week in range(4))
    plaats(t, "", code="NietActiefOfGeabonneerd")
    for _ in range(2):
        for opdracht in splits_opdrachten(postvak.tekst):
            t.client.command(opdracht)
        assert [een.bericht_id for een in gevonden(t, ANNA)] == ids
    assert t.client.query("SELECT count() FROM postvak FINAL").result_rows == [(4,)]
    nieuw = plaats(t)
    assert [een.bericht_id for een in gevonden(t, ANNA)] == sorted((*ids, nieuw))


def test_more_kinds_than_one_question_carries(t: Tafel) -> None:
    eerste, laatste = plaats(t, berichttype="T0000"), plaats(t, berichttype="T2499")
    soorten = [(A, f"T{nummer:04}") for nummer in range(2500)]
    assert [een.bericht_id for een in gevonden(t, ANNA, soorten=soorten)] == [eerste, laatste]


def test_the_cost_follows_the_box_and_not_the_history(t: Tafel) -> None:
    ids = sorted(plaats(t) for _ in range(3))
    t.client.command(
        """
        INSERT INTO uitkomsten (leverancier, batch_id, proceskenmerk, nummer, bericht_id, berichttype, code, stadium,
            aangeleverd_op, verwerkt_op, publicatiedatum, ontvanger, volgorde)
        SELECT {leverancier:String}, generateUUIDv4(), generateUUIDv4(number), 1, generateUUIDv4(number + 1), 'AANSLAG',
            'Verwerkt', 'NA', addDays(fromUnixTimestamp64Milli({op:Int64}, 'UTC'), -intDiv(number, 10000)),
            fromUnixTimestamp64Milli({op:Int64}, 'UTC'), 0,
            concat('k1:', lower(hex(SHA256(toString(number % 20000))))), number
        FROM numbers(200000)
        """,
        parameters={"leverancier": A, "op": T0},
    )
    vraag = t.client.query  # rows that each table has to give, from the engine's own summary
    gelezen: list[int] = []

    def tel(*args: object, **kwargs: object) -> object:
        antwoord = vraag(*args, **kwargs)  # type: ignore[arg-type]
        gelezen.append(int(antwoord.summary["read_rows"]))
        return antwoord

    t.client.query = tel  # type: ignore[method-assign]
    assert [een.bericht_id for een in gevonden(t, ANNA)] == ids
    assert 3 <= sum(gelezen) < 20_000
