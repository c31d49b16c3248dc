"""Who may deliver in whose name, and whose rules hold then, on the whole line (Domain: Who is who)."""

from collections.abc import Iterator

import pytest

from sinks.vragen import Filter
from tests.model.scenario import Brief, ZetBurger, ZetLeverancier, ZetType
from tests.model.zaak import Zaak
from tests.regels import regel

pytestmark = pytest.mark.integration

VERWERKT, BESTAAT_AL, XML = "Verwerkt", "BerichtBestaatAl", "XmlValidatieTegenXsdValtNegatiefUit"
OIN = "OinInCPAKomtNietOvereenMetOinInBericht"
BERICHTTYPE, GEBRUIKER = "BerichtTypeNietOndersteund", "NietActiefOfGeabonneerd"
GOED, GEBROKEN = Brief("m1"), Brief("m2", breuk="onderwerp te lang")


@pytest.fixture
def zonder_antwoord(zaak: Zaak) -> Iterator[None]:
    """While it lasts the profile service fails for leverancier A, so that what is good waits."""
    zaak.lijn.storing(fout_bij_oin=[zaak.wereld.oin("A")])
    yield
    zaak.lijn.storing()


@regel(
    "without certificates (loopback, files) the OIN given with the delivery, else the one in the batch",
    "A leverancier that is not in the reference data",
    "a deliverer who is neither that leverancier nor an intermediair for it",
    "gives OinInCPAKomtNietOvereenMetOinInBericht for every message that passed the schema",
)
def test_who_may_deliver_for_whom(zaak: Zaak) -> None:
    zaak.wijzig(ZetType("I", "GOED", "Actief"))
    mag_niet = {
        ("A", "B"): "another leverancier",
        ("A", "X"): "nobody that is known",
        ("I", "A"): "the other way round it is no intermediair",
        ("B", "I"): "an intermediair, but for another",
        ("X", None): "not in the reference data",
        ("X", "X"): "not in the reference data",
        ("X", "A"): "not in the reference data",
    }
    mag = {("A", None), ("A", "A"), ("A", "I"), ("I", None), ("I", "I")}
    geleverd = {
        (leverancier, door): zaak.lever(leverancier, f"b{plaats}", Brief(f"m{plaats}"), GEBROKEN, door=door)
        for plaats, (leverancier, door) in enumerate([*mag, *mag_niet])
    }
    gevonden = {wie: zaak.codes(batch) for wie, batch in geleverd.items()}
    assert gevonden == {wie: [VERWERKT if wie in mag else OIN, XML] for wie in geleverd}
    zaak.lijn.wacht_rustig()
    for (leverancier, door), batch in geleverd.items():
        filter_ = Filter(leverancier=zaak.wereld.oin(leverancier), batch=batch.kader.batch_id)
        ((rij,), _) = zaak.lijn.vragen.berichtverwerking(filter_)
        assert rij["aangeleverd_door"] == zaak.wereld.oin(door or leverancier)
        assert rij["verwerkt"] == ((leverancier, door) in mag)


@regel("a deliverer who is neither that leverancier nor an intermediair for it")
def test_intermediairs_do_not_add_up_and_unknown_ones_are_none(zaak: Zaak) -> None:
    zaak.wijzig(ZetLeverancier("B", ("I", "X")))  # I is for A, B for I: that makes B nothing to A
    assert zaak.lever_en_wacht("A", "b1", GOED, door="B") == [OIN]
    # Somebody is named as one for whom may be delivered, but is no leverancier himself.
    assert zaak.lever_en_wacht("X", "b1", GOED, door="B") == [OIN]


@regel("whose berichttypes apply", "within which BerichtIDs are unique", "under whose name it is counted")
def test_what_holds_is_what_the_leverancier_has_not_who_delivers(zaak: Zaak) -> None:
    zaak.wijzig(
        ZetLeverancier("I", ("A", "B")),
        ZetType("A", "ALLEENA", "Actief"),
        ZetType("I", "ALLEENI", "Actief"),
        ZetBurger("niemand", True, ("I",)),
    )
    brieven = Brief("m1", "ALLEENA"), Brief("m2", "ALLEENI"), Brief("m3", burger="alleen A"), Brief("m4")
    anders = Brief("m5", burger="niemand")  # subscribed to the deliverer, which says nothing
    assert zaak.lever_en_wacht("A", "b1", *brieven, anders, door="I") == [
        VERWERKT,
        BERICHTTYPE,
        VERWERKT,
        VERWERKT,
        GEBRUIKER,
    ]
    assert zaak.lever_en_wacht("B", "b1", *brieven, door="I") == [BERICHTTYPE, BERICHTTYPE, GEBRUIKER, VERWERKT]
    zaak.lijn.wacht_rustig()
    oins = {zaak.wereld.oin(naam): naam for naam in ("A", "B", "I")}
    verwerkt = {
        oins[rij["leverancier"]]: rij["verwerkt"] for rij in zaak.lijn.vragen.totalen() if rij["leverancier"] in oins
    }
    assert verwerkt == {"A": 3, "B": 1}
    assert zaak.lijn.vragen.berichtverwerking(Filter(leverancier=zaak.wereld.oin("I")))[0] == []


@regel(
    "A leverancier that is not in the reference data",
    "a deliverer who is neither that leverancier nor an intermediair for it",
)
@pytest.mark.parametrize(
    ("leverancier", "door", "wijziging", "eerst", "dan"),
    [
        ("A", "I", ZetLeverancier("I", ()), VERWERKT, OIN),  # no longer its intermediair
        ("A", "B", ZetLeverancier("B", ("A",)), OIN, VERWERKT),  # became its intermediair
        ("A", "I", ZetLeverancier("I", ("B",)), VERWERKT, OIN),  # is another's from now on
        ("X", None, ZetLeverancier("X", ()), OIN, VERWERKT),  # became a leverancier
        ("A", "X", ZetLeverancier("X", ("A",)), OIN, VERWERKT),  # became one, and its intermediair
    ],
)
def test_what_changes_while_a_batch_is_on_its_way_counts_for_it(
    zaak: Zaak, leverancier: str, door: str | None, wijziging: ZetLeverancier, eerst: str, dan: str
) -> None:
    """It was taken in before the change, and is decided after it: by the state of that moment."""
    assert zaak.lever_en_wacht(leverancier, "b1", GOED, door=door) == [eerst]
    onderweg = zaak.neem_aan(leverancier, "b2", Brief("m3"), GEBROKEN, door=door)
    zaak.wijzig(wijziging)
    zaak.lijn.publiceer(onderweg)
    assert zaak.codes(onderweg) == [dan, XML]


@regel("Every change counts from the moment it is made, for messages already on their way too")
def test_who_is_no_intermediair_any_more_when_a_waiting_message_is_decided(zaak: Zaak, zonder_antwoord: None) -> None:
    batch = zaak.lever("A", "b1", Brief("m1"), Brief("m2", "NIETS"), Brief("m3"), door="I")
    run = batch.kader.proceskenmerk
    zaak.lijn.wacht_besloten({run: [2]})
    assert zaak.lijn.besluiten[run].keys() == {2}
    zaak.wijzig(ZetLeverancier("I", ("B",)))
    # Nobody needs to be asked any more: they wait for nothing.
    assert zaak.codes(batch) == [OIN, BERICHTTYPE, OIN]


@regel(
    "and only a Verwerkt one is",
    "Every change counts from the moment it is made, for messages already on their way too",
)
def test_a_batch_that_was_refused_is_placed_once_its_sender_is_known(zaak: Zaak) -> None:
    """After the reference data was mended the same batch is sent again."""
    eerste = zaak.lever("X", "b1", Brief("m1"), Brief("m2"))
    assert zaak.resultaat(eerste) == [OIN, OIN]
    zaak.wijzig(ZetLeverancier("X", ()))
    assert zaak.lever_en_wacht("X", "b1", Brief("m1"), Brief("m2")) == [VERWERKT, VERWERKT]
    assert zaak.batch("X", "b1")["verwerkt"] == 2
    assert zaak.resultaat(eerste) == [OIN, OIN]
