"""The rules for what becomes of a message, as the domain has them; each docstring quotes the one it holds to."""

from collections.abc import Mapping
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.batch import MAX_BIJLAGEN_BYTES, Batch
from domain.beslissing import Bekend, Uitkomst, beoordeel_vooraf, beslis, wachtenden
from domain.codes import NUL_GUID, ONBEKEND, Stadium, Verwerkingscode, toonbaar_berichttype
from domain.referentie import BerichttypeStatus, DienstStatus, Leverancier, Referentie
from domain.tijd import DAG_MS, MARGE_MS
from tests.regels import regel
from tests.slices import (
    ANDERE_RUN,
    BSNS,
    FOUTE_BSN,
    RUN,
    T0,
    TYPE,
    A,
    B,
    berichttype,
    dienst,
    guid,
    kader,
    maak_slice,
    referentie,
)

C = Verwerkingscode
Vraag = tuple[str, str]


class Altijd(dict[Vraag, bool]):
    """A profile service that gives everybody the same answer."""

    def __init__(self, antwoord: bool) -> None:
        super().__init__()
        self._antwoord = antwoord

    def __missing__(self, vraag: Vraag) -> bool:
        return self._antwoord

    def get(self, vraag: Vraag, anders: object = None) -> bool:  # type: ignore[override]
        return self._antwoord


JA, NEE = Altijd(True), Altijd(False)


def besluit(
    slice_: Batch,
    data: Referentie | None = None,
    bekend: Bekend | None = None,
    antwoorden: Mapping[Vraag, bool] = JA,
    *opgegeven: Stadium,
) -> Uitkomst:
    return beslis(
        slice_,
        data or referentie(),
        bekend or Bekend(),
        antwoorden,
        T0 + 1000,
        opgegeven=opgegeven,
        opslag_weg=Stadium.STORE_MESSAGE in opgegeven,
    )


def codes(*args: object, **kwargs: object) -> list[Verwerkingscode]:
    return besluit(*args, **kwargs).codes  # type: ignore[arg-type]


@regel("placed in the Berichtenbox, with or without warnings | NA", "`NA` = not applicable, nothing went wrong")
def test_a_good_message_is_placed() -> None:
    """Verwerkt: placed in the Berichtenbox, with or without warnings; Stadium NA."""
    uitkomst = besluit(maak_slice())
    assert (uitkomst.codes, uitkomst.stadia) == ([C.VERWERKT], [Stadium.NA])
    assert (uitkomst.nummers, uitkomst.bericht_ids, uitkomst.berichttypes) == ([1], guid("een"), [TYPE])
    assert uitkomst.verwerkt_op == T0 + 1000
    assert uitkomst.kader == maak_slice().kader


@regel("the message breaks the schema or a trap above", "it fails alone, its batch goes on | NA")
def test_a_message_that_breaks_the_schema_fails_alone() -> None:
    """XmlValidatieTegenXsdValtNegatiefUit: it fails alone, its batch goes on; Stadium NA."""
    uitkomst = besluit(maak_slice(ids=["a", "b", "c"], fouten=["", "Onderwerp: te lang", ""]))
    assert uitkomst.codes == [C.VERWERKT, C.XML_VALIDATIE, C.VERWERKT]
    assert uitkomst.stadia == [Stadium.NA] * 3
    assert uitkomst.redenen == ["", "Onderwerp: te lang", ""]


@regel(
    "A leverancier that is not in the reference data",
    "a deliverer who is neither that leverancier nor an intermediair for it",
    "gives OinInCPAKomtNietOvereenMetOinInBericht for every message that passed the schema",
    "all messages of the batch that passed the schema | NA",
    "an OIN: 20 positions; must equal the OIN of the sender's certificate/CPA",
)
@pytest.mark.parametrize(
    ("leverancier", "door"),
    [
        pytest.param("00000099000000009000", "00000099000000009000", id="a leverancier that is not in the data"),
        pytest.param("00000099000000009000", A, id="an unknown leverancier by a known deliverer"),
        pytest.param(A, B, id="a deliverer that is neither it nor an intermediair for it"),
        pytest.param(A, "00000099000000009000", id="an unknown deliverer"),
        pytest.param("geen oin", "geen oin", id="what is no OIN"),
    ],
)
def test_who_may_not_deliver_gets_the_oin_code_for_all_that_passed_the_schema(leverancier: str, door: str) -> None:
    """A leverancier that is not in the reference data, or a deliverer who is neither that leverancier nor an
    intermediair for it, gives OinInCPAKomtNietOvereenMetOinInBericht for every message that passed the schema."""
    van = kader(leverancier=leverancier, door=door, totaal=2)
    uitkomst = besluit(maak_slice(ids=["a", "b"], van=van, fouten=["Onderwerp: leeg", ""]))
    assert uitkomst.codes == [C.XML_VALIDATIE, C.OIN_KOMT_NIET_OVEREEN]
    assert uitkomst.stadia == [Stadium.NA] * 2


@regel(
    "an intermediair does so for several afnemers",
    "a deliverer who is neither that leverancier nor an intermediair for it",
)
def test_an_intermediair_delivers_for_whom_it_may() -> None:
    """An intermediair does so for several afnemers: for those, not for others, and it gives nobody else that right."""
    data = referentie(Leverancier(B, "Intermediair", (A,)))
    assert codes(maak_slice(van=kader(leverancier=A, door=B)), data) == [C.VERWERKT]
    assert codes(maak_slice(van=kader(leverancier=B, door=A)), data) == [C.OIN_KOMT_NIET_OVEREEN]


@regel(
    "AanmaakDatum more than 13 × 24 hours before this delivery",
    "all messages that passed the schema | NA",
    "with zone; at most 13 days old",
)
@pytest.mark.parametrize(
    ("ouderdom_ms", "code"),
    [(MARGE_MS, C.VERWERKT), (MARGE_MS + 1, C.AANMAAKDATUM_TE_VER_TERUG), (-DAG_MS, C.VERWERKT)],
)
def test_an_aanmaakdatum_may_be_thirteen_times_24_hours_old(ouderdom_ms: int, code: Verwerkingscode) -> None:
    """AanmaakDatum more than 13 × 24 hours before this delivery; all messages that passed the schema."""
    van = kader(aanmaakdatum=T0 - ouderdom_ms, totaal=2)
    uitkomst = besluit(maak_slice(ids=["a", "b"], van=van, fouten=["", "Onderwerp: leeg"]))
    assert uitkomst.codes == [code, C.XML_VALIDATIE]
    assert uitkomst.stadia == [Stadium.NA] * 2


@regel("PublicatieDatum more than 13 × 24 hours after this delivery | NA", "at most 13 days after delivery")
@pytest.mark.parametrize(
    ("vooruit_ms", "code"),
    [(MARGE_MS, C.VERWERKT), (MARGE_MS + 1, C.PUBLICATIEDATUM_TE_VER_VOORUIT), (-MARGE_MS - 1, C.VERWERKT)],
)
def test_a_publicatiedatum_may_be_thirteen_times_24_hours_ahead(vooruit_ms: int, code: Verwerkingscode) -> None:
    """PublicatieDatum more than 13 × 24 hours after this delivery: that message alone."""
    uitkomst = besluit(maak_slice(ids=["a", "b"], publicatiedatums=[T0 + vooruit_ms, 0]))
    assert uitkomst.codes == [code, C.VERWERKT]
    assert uitkomst.stadia == [Stadium.NA] * 2


@regel(
    "AanmaakDatum more than 13 × 24 hours before this delivery",
    "PublicatieDatum more than 13 × 24 hours after this delivery | NA",
)
def test_thirteen_days_are_312_hours() -> None:
    """13 × 24 hours, whatever clocks do in between."""
    assert MARGE_MS == 312 * 3600 * 1000


@regel(
    "personal bijlagen together over 500 000 bytes | NA",
    "both together at most 500 000 bytes before base64, else `BijlageTeGroot`",
)
@pytest.mark.parametrize(
    ("bijlagen", "code"),
    [
        pytest.param([(0, 500_000)], C.VERWERKT, id="exactly the maximum"),
        pytest.param([(0, 500_001)], C.BIJLAGE_TE_GROOT, id="one byte over it"),
        pytest.param([(0, 250_000), (0, 250_000)], C.VERWERKT, id="two, together the maximum"),
        pytest.param([(0, 250_000), (0, 250_001)], C.BIJLAGE_TE_GROOT, id="two, together over it"),
        pytest.param([(0, 499_999), (1, 499_999)], C.VERWERKT, id="those of another message do not count"),
    ],
)
def test_bijlagen_weigh_at_most_half_a_million_bytes(bijlagen: list[tuple[int, int]], code: Verwerkingscode) -> None:
    """BijlageTeGroot: personal bijlagen together over 500 000 bytes."""
    uitkomst = besluit(maak_slice(ids=["a", "b"], bijlagen=bijlagen))
    assert uitkomst.codes == [code, C.VERWERKT]
    assert uitkomst.stadia == [Stadium.NA] * 2
    assert MAX_BIJLAGEN_BYTES == 500_000


@regel(
    "this leverancier already has this BerichtID Verwerkt",
    "from another run, or from an earlier place in this batch | NA",
)
def test_what_is_verwerkt_by_another_run_exists_already() -> None:
    """BerichtBestaatAl: this leverancier already has this BerichtID Verwerkt, from another run; Stadium NA."""
    uitkomst = besluit(maak_slice(ids=["a", "b"]), bekend=Bekend(verwerkt={guid("a")}))
    assert uitkomst.codes == [C.BERICHT_BESTAAT_AL, C.VERWERKT]
    assert uitkomst.stadia == [Stadium.NA] * 2


@regel(
    "Within a batch the order in the file decides which of two equal BerichtIDs is 'already there'",
    "from another run, or from an earlier place in this batch | NA",
)
def test_of_two_equal_bericht_ids_in_a_batch_the_first_is_placed() -> None:
    """Within a batch the order in the file decides which of two equal BerichtIDs is 'already there'."""
    slice_ = maak_slice(ids=["a", "a", "b", "a"])
    assert codes(slice_) == [C.VERWERKT, C.BERICHT_BESTAAT_AL, C.VERWERKT, C.BERICHT_BESTAAT_AL]


@regel("and only a Verwerkt one is")
@pytest.mark.parametrize(
    "eerste",
    [
        pytest.param({"fouten": ["Onderwerp: leeg", ""]}, id="broke the schema"),
        pytest.param({"publicatiedatums": [T0 + MARGE_MS + 1, 0]}, id="too far ahead"),
        pytest.param({"bijlagen": [(0, 500_001)]}, id="too large"),
        pytest.param({"types": ["GEENTYPE", TYPE]}, id="unknown berichttype"),
        pytest.param({"bsns": [FOUTE_BSN, BSNS[0]]}, id="failed the elfproef"),
    ],
)
def test_only_a_placed_message_makes_a_later_one_exist_already(eerste: dict[str, list[object]]) -> None:
    """… and only a Verwerkt one is ('already there')."""
    uitkomst = besluit(maak_slice(ids=["a", "a"], **eerste))  # type: ignore[arg-type]
    assert uitkomst.codes[0] is not C.VERWERKT
    assert uitkomst.codes[1] is C.VERWERKT


@regel(
    "A message is known by (Proceskenmerk, its number in the batch), never by BerichtID alone",
    "unreadable ones share the zero GUID",
)
def test_messages_without_a_readable_bericht_id_are_each_answered() -> None:
    """A message is known by (Proceskenmerk, its number), never by BerichtID alone: unreadable ones share the zero
    GUID."""
    fouten = ["BerichtID: geen GUID"] * 2
    uitkomst = besluit(maak_slice(ids=[NUL_GUID.bytes] * 2, fouten=fouten))
    assert (uitkomst.nummers, uitkomst.codes) == ([1, 2], [C.XML_VALIDATIE] * 2)


@regel("unknown berichttype, or not Actief when it is decided")
@pytest.mark.parametrize("status", [status for status in BerichttypeStatus if status is not BerichttypeStatus.ACTIEF])
def test_only_an_active_berichttype_takes_messages(status: BerichttypeStatus) -> None:
    """BerichtTypeNietOndersteund: unknown berichttype, or not Actief when it is decided; Stadium
    ValidateBerichtType."""
    uitkomst = besluit(maak_slice(), referentie(berichttype(status=status)))
    assert (uitkomst.codes, uitkomst.stadia) == ([C.BERICHTTYPE_NIET_ONDERSTEUND], [Stadium.VALIDATE_BERICHTTYPE])


@regel(
    "case-sensitive; must be **Actief at the moment of processing**",
    "unknown berichttype, or not Actief when it is decided",
)
@pytest.mark.parametrize("code", ["GEENTYPE", "aanslag", " AANSLAG", "Aanslag"])
def test_a_berichttype_is_known_by_exactly_its_code(code: str) -> None:
    """BerichtType: case-sensitive; must be Actief at the moment of processing."""
    assert codes(maak_slice(types=[code])) == [C.BERICHTTYPE_NIET_ONDERSTEUND]


@regel("whose berichttypes apply", "`leverancier` is the BerichtLeverancierID of the batch")
def test_a_berichttype_of_another_leverancier_does_not_count() -> None:
    """`leverancier` is the BerichtLeverancierID of the batch: whose berichttypes apply, whoever delivered it."""
    data = referentie(Leverancier(B, "Intermediair", (A,)), berichttype("VANB", oin=B))
    slice_ = maak_slice(types=["VANB"], van=kader(leverancier=A, door=B))
    assert codes(slice_, data) == [C.BERICHTTYPE_NIET_ONDERSTEUND]


@regel("no such user, no active box, or not subscribed to this leverancier")
def test_who_has_no_box_or_subscription_gets_no_message() -> None:
    """NietActiefOfGeabonneerd: no such user, no active box, or not subscribed; Stadium ValidateGebruiker."""
    uitkomst = besluit(maak_slice(), antwoorden=NEE)
    assert (uitkomst.codes, uitkomst.stadia) == ([C.NIET_ACTIEF_OF_GEABONNEERD], [Stadium.VALIDATE_GEBRUIKER])


@regel(
    "a BSN of 8 or 9 digits that fails the elfproef | ValidateGebruiker",
    "9 digits (8 digits: a leading zero is added) that pass the elfproef",
)
@pytest.mark.parametrize("nummer", [FOUTE_BSN, "000000000"])
def test_a_bsn_that_fails_the_elfproef_is_answered_without_asking(nummer: str) -> None:
    """NietActiefOfGeabonneerd: a BSN of 8 or 9 digits that fails the elfproef."""
    slice_ = maak_slice(bsns=[nummer])
    assert beoordeel_vooraf(slice_, referentie()).te_vragen(slice_, Bekend()) == set()
    uitkomst = besluit(slice_, antwoorden={})
    assert (uitkomst.codes, uitkomst.stadia) == ([C.NIET_ACTIEF_OF_GEABONNEERD], [Stadium.VALIDATE_GEBRUIKER])


@regel(
    "something on our side failed for good; Stadium says where",
    "ValidateBerichtType, ValidateGebruiker or StoreMessage",
)
@pytest.mark.parametrize("stadium", [s for s in Stadium if s is not Stadium.NA])
def test_a_failure_on_our_side_says_in_which_stage(stadium: Stadium) -> None:
    """TechnischProbleem: something on our side failed for good; Stadium says where: ValidateBerichtType,
    ValidateGebruiker or StoreMessage."""
    antwoorden = JA if stadium is Stadium.STORE_MESSAGE else {}
    uitkomst = besluit(maak_slice(), None, None, antwoorden, stadium)
    assert (uitkomst.codes, uitkomst.stadia) == ([C.TECHNISCH_PROBLEEM], [stadium])


@regel("the first that fails gives the code")
def test_an_outage_changes_nothing_for_who_does_not_need_what_is_away() -> None:
    """The first that fails gives the code: an outage of a later check does not hide an earlier one, and answers that
    did come are used."""
    slice_ = maak_slice(
        ids=["a", "b", "c", "d"],
        types=["GEENTYPE", TYPE, TYPE, TYPE],
        bsns=[BSNS[0], FOUTE_BSN, BSNS[1], BSNS[2]],
    )
    uitkomst = besluit(slice_, None, None, {(TYPE, BSNS[1]): True}, Stadium.VALIDATE_GEBRUIKER)
    assert uitkomst.codes == [
        C.BERICHTTYPE_NIET_ONDERSTEUND,
        C.NIET_ACTIEF_OF_GEABONNEERD,
        C.VERWERKT,
        C.TECHNISCH_PROBLEEM,
    ]


@regel("Profile service, store, ClickHouse or Kafka away is never a reason to refuse a message")
def test_a_missing_answer_is_never_taken_for_a_refusal() -> None:
    """Profile service away is never a reason to refuse a message: it waits."""
    assert len(besluit(maak_slice(), antwoorden={})) == 0


def test_a_message_whose_answer_is_missing_waits_alone() -> None:
    """It waits and is retried, without holding up other senders' messages."""
    slice_ = maak_slice(ids=["a", "b", "c"], bsns=BSNS[:3])
    uitkomst = besluit(slice_, None, None, {(TYPE, BSNS[0]): True, (TYPE, BSNS[2]): False})
    assert (uitkomst.nummers, uitkomst.codes) == ([1, 3], [C.VERWERKT, C.NIET_ACTIEF_OF_GEABONNEERD])
    assert wachtenden(slice_, Bekend(), uitkomst) == [1]
    assert wachtenden(slice_, Bekend(nummers={2}), uitkomst) == []


def test_a_later_message_with_the_same_id_waits_for_the_one_before_it() -> None:
    """Within a batch the order in the file decides which of two equal BerichtIDs is 'already there'."""
    slice_ = maak_slice(ids=["a", "a", "b"], bsns=BSNS[:3])
    antwoorden = {(TYPE, BSNS[1]): True, (TYPE, BSNS[2]): True}
    assert besluit(slice_, None, None, antwoorden).nummers == [3]
    besloten = besluit(slice_, None, Bekend(nummers={3}), antwoorden | {(TYPE, BSNS[0]): True})
    assert (besloten.nummers, besloten.codes) == ([1, 2], [C.VERWERKT, C.BERICHT_BESTAAT_AL])


def test_a_later_message_with_the_same_id_gets_its_own_code_when_the_one_before_it_is_refused() -> None:
    """… and only a Verwerkt one is."""
    slice_ = maak_slice(ids=["a", "a"], bsns=BSNS[:2])
    assert besluit(slice_, None, None, {(TYPE, BSNS[0]): False}).nummers == [1]
    assert codes(slice_, None, None, {(TYPE, BSNS[0]): False, (TYPE, BSNS[1]): True}) == [
        C.NIET_ACTIEF_OF_GEABONNEERD,
        C.VERWERKT,
    ]


def test_a_store_that_is_away_lets_what_is_not_placed_go_on() -> None:
    slice_ = maak_slice(ids=["a", "b"], bsns=BSNS[:2], types=["GEENTYPE", TYPE])
    assert beslis(slice_, referentie(), Bekend(), JA, T0, opslag_weg=True).nummers == [1]


def test_a_bijlage_whose_verdict_is_missing_lets_its_message_alone_wait() -> None:
    """afgerond = every message has its outcome, PDF verdicts included."""
    slice_ = maak_slice(ids=["a", "b", "c"], bijlagen=[(0, 10), (1, 20), (1, 30)])
    slice_.berichten.bijlage_sha256 = b"".join(bytes([i]) * 32 for i in range(3))
    oordelen = {bytes([0]) * 32: (), bytes([1]) * 32: ("PdfGeenPdfA",)}
    assert beoordeel_vooraf(slice_, referentie()).te_keuren(slice_, Bekend(), JA) == {bytes([i]) * 32 for i in range(3)}
    besluit_ = beslis(slice_, referentie(), Bekend(), JA, T0, oordelen=oordelen)
    assert (besluit_.nummers, besluit_.waarschuwingen) == ([1, 3], [[], []])
    oordelen[bytes([2]) * 32] = ("PdfGeenPdfA", "PdfNietGetagd")
    besluit_ = beslis(slice_, referentie(), Bekend(), JA, T0, oordelen=oordelen)
    assert besluit_.waarschuwingen == [[], ["PdfGeenPdfA", "PdfNietGetagd"], []]
    assert besluit_.codes == [C.VERWERKT] * 3


def test_a_verdict_that_never_came_is_a_problem_of_ours() -> None:
    """TechnischProbleem: something on our side failed for good; Stadium says where."""
    slice_ = maak_slice(ids=["a", "b"], bijlagen=[(0, 10)])
    besluit_ = beslis(slice_, referentie(), Bekend(), JA, T0, oordelen={}, opgegeven=[Stadium.STORE_MESSAGE])
    assert besluit_.codes == [C.TECHNISCH_PROBLEEM, C.VERWERKT]
    assert besluit_.stadia == [Stadium.STORE_MESSAGE, Stadium.NA]


def test_only_the_bijlagen_of_what_may_be_sent_are_checked() -> None:
    slice_ = maak_slice(
        ids=["a", "b", "c"], bsns=BSNS[:3], types=[TYPE, "GEENTYPE", TYPE], bijlagen=[(0, 1), (1, 1), (2, 1)]
    )
    slice_.berichten.bijlage_sha256 = b"".join(bytes([i]) * 32 for i in range(3))
    antwoorden = {(TYPE, BSNS[0]): True, (TYPE, BSNS[2]): False}
    assert beoordeel_vooraf(slice_, referentie()).te_keuren(slice_, Bekend(), antwoorden) == {bytes([0]) * 32}


@regel("the first that fails gives the code")
def test_a_store_that_is_away_does_not_make_a_refused_user_a_technical_problem() -> None:
    """gebruiker, store: the first that fails gives the code."""
    assert codes(maak_slice(), None, None, NEE, Stadium.STORE_MESSAGE) == [C.NIET_ACTIEF_OF_GEABONNEERD]


@regel(
    "schema, OIN, AanmaakDatum, PublicatieDatum, size, duplicate, berichttype, gebruiker, store",
    "the first that fails gives the code",
)
def test_the_checks_run_in_their_order() -> None:
    """We decided: checks run in the order schema, OIN, AanmaakDatum, PublicatieDatum, size, duplicate, berichttype,
    gebruiker, store; the first that fails gives the code. A message that fails all is mended one check at a time."""
    slice_ = maak_slice(
        van=kader(leverancier=A, door=B, aanmaakdatum=T0 - MARGE_MS - 1),
        types=["GEENTYPE"],
        publicatiedatums=[T0 + MARGE_MS + 1],
        fouten=["Onderwerp: leeg"],
        bijlagen=[(0, 500_001)],
    )
    bekend, antwoorden, opgegeven = Bekend(verwerkt={guid("een")}), NEE, [Stadium.STORE_MESSAGE]
    gezien = []

    def noteer() -> None:
        opgegeven_ = {"opgegeven": opgegeven, "opslag_weg": bool(opgegeven)}
        gezien.extend(beslis(slice_, referentie(), bekend, antwoorden, T0, **opgegeven_).codes)

    noteer()
    slice_.berichten.schema_fouten = [""]
    noteer()
    slice_ = replace(slice_, kader=replace(slice_.kader, aangeleverd_door=A))
    noteer()
    slice_ = replace(slice_, kader=replace(slice_.kader, aanmaakdatum=T0))
    noteer()
    slice_.berichten.publicatiedatums = [0]
    noteer()
    slice_.berichten.bijlage_groottes = [1]
    noteer()
    bekend = Bekend()
    noteer()
    slice_.berichten.berichttypes = [TYPE]
    noteer()
    antwoorden = JA
    noteer()
    opgegeven = []
    noteer()
    assert gezien == [
        C.XML_VALIDATIE,
        C.OIN_KOMT_NIET_OVEREEN,
        C.AANMAAKDATUM_TE_VER_TERUG,
        C.PUBLICATIEDATUM_TE_VER_VOORUIT,
        C.BIJLAGE_TE_GROOT,
        C.BERICHT_BESTAAT_AL,
        C.BERICHTTYPE_NIET_ONDERSTEUND,
        C.NIET_ACTIEF_OF_GEABONNEERD,
        C.TECHNISCH_PROBLEEM,
        C.VERWERKT,
    ]


@regel("Never echo what looks like a BSN (8 or 9 digits in BerichtType, say)")
@pytest.mark.parametrize("tekst", ["12345678", "00000000", "999999990"])
def test_what_looks_like_a_bsn_is_never_repeated(tekst: str) -> None:
    """Never echo what looks like a BSN (8 or 9 digits in BerichtType, say)."""
    uitkomst = besluit(maak_slice(types=[tekst]))
    assert uitkomst.berichttypes == [ONBEKEND]
    assert repr(tekst) not in repr(uitkomst)


@regel("Always fill BerichtType (`ONBEKEND` where it could not be read)")
@pytest.mark.parametrize(("tekst", "getoond"), [("", ONBEKEND), ("1234567", "1234567"), ("A1234567", "A1234567")])
def test_a_berichttype_that_could_not_be_read_is_called_onbekend(tekst: str, getoond: str) -> None:
    """Always fill BerichtType (ONBEKEND where it could not be read)."""
    assert toonbaar_berichttype(tekst) == getoond


@regel("no result, log line, metric, Kafka key or header, error text")
def test_no_decision_holds_a_bsn_or_what_was_written() -> None:
    """The BSN stands in the batch and message events, … and nowhere else: no result …"""
    uitkomst = besluit(maak_slice(ids=["a", "b"], bsns=[BSNS[3], FOUTE_BSN]))
    assert not {BSNS[3], FOUTE_BSN, "onderwerp", "tekst"} & set(repr(uitkomst).split("'"))
    assert BSNS[3] not in repr(uitkomst)
    assert FOUTE_BSN not in repr(uitkomst)


def test_only_a_placed_message_names_its_citizen_and_by_pseudonym() -> None:
    """Where a stable pseudonym of a person is needed, use a keyed HMAC with a key id."""
    slice_ = maak_slice(ids=["a", "b"], bsns=[BSNS[3], FOUTE_BSN])
    uitkomst = beslis(slice_, referentie(), Bekend(), JA, T0, pseudoniem=lambda persoon: f"k1:{BSNS.index(persoon)}")
    assert uitkomst.ontvangers == ["k1:3", ""]


@regel("machtiging works through the link between berichttype and dienst alone")
def test_the_diensten_of_that_moment_go_along_with_a_placed_message_only() -> None:
    """The diensten linked to the berichttype at that moment go along with the outcome; ended links, diensten that are
    not Actief and those of others do not."""
    data = referentie(
        dienst("Zorg", TYPE),
        dienst("Ander", "ANDER"),
        dienst("Oud", TYPE, tot=5),
        dienst("Dicht", TYPE, status=DienstStatus.INACTIEF),
    )
    uitkomst = besluit(maak_slice(ids=["a", "b"], types=[TYPE, "GEENTYPE"]), data)
    assert uitkomst.diensten == [["Belastingen", "Zorg"], []]


def test_only_what_may_be_placed_is_asked_for() -> None:
    """The profile service is rate limited: nothing that an earlier check settles, or that is decided, is asked."""
    slice_ = maak_slice(
        ids=["goed", "schema", "groot", "dubbel", "type", "beslist"],
        bsns=BSNS[:6],
        types=[TYPE, TYPE, TYPE, TYPE, "GEENTYPE", TYPE],
        fouten=["", "Onderwerp: leeg", "", "", "", ""],
        bijlagen=[(2, 500_001)],
    )
    assert beoordeel_vooraf(slice_, referentie()).te_vragen(slice_, Bekend({6}, {guid("dubbel")})) == {(TYPE, BSNS[0])}


@regel(
    "The first outcome of (Proceskenmerk, number) that is durable in the topic `validatie` stands",
    "it must not count, be answered or notify a second time",
)
def test_a_decision_that_stands_is_not_made_again() -> None:
    """Decided once: the first outcome of (Proceskenmerk, number) that is durable stands; a replay after the berichttype
    was deactivated must not count a second time."""
    slice_ = maak_slice(ids=["a", "b", "c"])
    eerst = besluit(slice_)
    bekend = Bekend(set(eerst.nummers), {eerst.bericht_id(rij) for rij in eerst.verwerkt()})
    opnieuw = besluit(slice_, referentie(berichttype(status=BerichttypeStatus.INACTIEF)), bekend, {})
    assert len(opnieuw) == 0
    assert (opnieuw.bericht_ids, opnieuw.object) == (b"", "")


@regel("Messages already Verwerkt get BerichtBestaatAl in *its result*; the others are processed")
def test_a_resend_gets_exists_already_for_what_was_placed_and_is_processed_for_the_rest() -> None:
    """Messages already Verwerkt get BerichtBestaatAl in its result; the others are processed."""
    eerst = besluit(maak_slice(ids=["a", "b"], types=[TYPE, "NIEUW"]))
    resend = maak_slice(ids=["a", "b"], types=[TYPE, "NIEUW"], van=kader(run=ANDERE_RUN, totaal=2))
    bekend = Bekend(verwerkt={eerst.bericht_id(rij) for rij in eerst.verwerkt()})
    assert eerst.codes == [C.VERWERKT, C.BERICHTTYPE_NIET_ONDERSTEUND]
    assert codes(resend, referentie(berichttype("NIEUW")), bekend) == [C.BERICHT_BESTAAT_AL, C.VERWERKT]


@st.composite
def slices(draw: st.DrawFn) -> Batch:
    """Slices in which everything may be wrong, BerichtIDs repeat, and numbers have gaps."""
    n = draw(st.integers(1, 12))
    kolom = lambda keuze: draw(st.lists(st.sampled_from(keuze), min_size=n, max_size=n))  # noqa: E731
    nummers = sorted(draw(st.sets(st.integers(1, 40), min_size=n, max_size=n)))
    van = kader(
        run=draw(st.sampled_from([RUN, ANDERE_RUN])),
        leverancier=draw(st.sampled_from([A, A, A, B, "onbekend"])),
        aanmaakdatum=T0 - draw(st.sampled_from([0, 0, 0, MARGE_MS, MARGE_MS + 1])),
        totaal=40,
    )
    return maak_slice(
        ids=kolom(["a", "b", "c", "d", NUL_GUID.bytes]),
        van=van,
        nummers=nummers,
        types=kolom([TYPE, TYPE, "NIEUW", "", "12345678"]),
        bsns=kolom([*BSNS[:4], FOUTE_BSN, "000000000"]),
        publicatiedatums=kolom([0, 0, T0 + MARGE_MS, T0 + MARGE_MS + 1]),
        fouten=kolom(["", "", "", "Onderwerp: leeg"]),
        bijlagen=[(rij, 250_001) for rij in sorted(draw(st.lists(st.integers(0, n - 1), max_size=4)))],
    )


@st.composite
def gevallen(draw: st.DrawFn) -> tuple[Batch, Bekend, dict[Vraag, bool]]:
    """A slice, what is known, and an answer to every question."""
    slice_ = draw(slices())
    nummers = draw(st.sets(st.sampled_from(slice_.berichten.nummers)))
    verwerkt = draw(st.sets(st.sampled_from([guid("a"), guid("b"), guid("z")])))
    bekend = Bekend(nummers, verwerkt)
    return (
        slice_,
        bekend,
        {
            vraag: draw(st.booleans())
            for vraag in sorted(beoordeel_vooraf(slice_, referentie()).te_vragen(slice_, bekend))
        },
    )


@given(gevallen())
def test_deciding_is_a_function_of_what_is_known(geval: tuple[Batch, Bekend, dict[Vraag, bool]]) -> None:
    slice_, bekend, antwoorden = geval
    assert besluit(slice_, None, bekend, antwoorden) == besluit(slice_, None, bekend, antwoorden)


@given(gevallen())
def test_every_number_is_decided_once_or_known(geval: tuple[Batch, Bekend, dict[Vraag, bool]]) -> None:
    slice_, bekend, antwoorden = geval
    uitkomst = besluit(slice_, None, bekend, antwoorden)
    assert sorted([*uitkomst.nummers, *bekend.nummers]) == slice_.berichten.nummers
    lengtes = {
        len(kolom)
        for kolom in (
            uitkomst.nummers,
            uitkomst.berichttypes,
            uitkomst.codes,
            uitkomst.stadia,
            uitkomst.redenen,
            uitkomst.publicatiedatums,
            uitkomst.diensten,
            uitkomst.waarschuwingen,
            uitkomst.ontvangers,
        )
    }
    assert lengtes == {len(uitkomst)}
    assert len(uitkomst.bericht_ids) == 16 * len(uitkomst)


@given(gevallen())
def test_a_bericht_id_is_placed_at_most_once(geval: tuple[Batch, Bekend, dict[Vraag, bool]]) -> None:
    slice_, bekend, antwoorden = geval
    uitkomst = besluit(slice_, None, bekend, antwoorden)
    geplaatst = [uitkomst.bericht_id(rij) for rij in uitkomst.verwerkt()]
    assert len(geplaatst) == len(set(geplaatst))
    assert not set(geplaatst) & set(bekend.verwerkt)


@given(gevallen())
def test_adopting_what_is_decided_leaves_nothing_to_decide(geval: tuple[Batch, Bekend, dict[Vraag, bool]]) -> None:
    """However the reference data and the answers have changed since."""
    slice_, bekend, antwoorden = geval
    uitkomst = besluit(slice_, None, bekend, antwoorden)
    daarna = Bekend(
        {*bekend.nummers, *uitkomst.nummers},
        {*bekend.verwerkt, *(uitkomst.bericht_id(rij) for rij in uitkomst.verwerkt())},
    )
    assert len(besluit(slice_, Referentie(), daarna, {})) == 0
    assert beoordeel_vooraf(slice_, referentie()).te_vragen(slice_, daarna) == set()


@given(gevallen(), st.data())
def test_a_slice_decided_in_two_goes_is_decided_as_in_one(
    geval: tuple[Batch, Bekend, dict[Vraag, bool]], data: st.DataObject
) -> None:
    """What a crash tears apart gives the same: a first part of the slice, then the whole of it, adopting the first."""
    slice_, bekend, _ = geval
    knip = data.draw(st.integers(0, len(slice_.berichten)))
    eerste = Batch(slice_.kader, slice_.berichten.kies(range(knip)))
    deel_een = besluit(eerste, None, bekend)
    tussen = Bekend(
        {*bekend.nummers, *deel_een.nummers},
        {*bekend.verwerkt, *(deel_een.bericht_id(rij) for rij in deel_een.verwerkt())},
    )
    deel_twee = besluit(slice_, None, tussen)
    geheel = besluit(slice_, None, bekend)
    assert [*deel_een.codes, *deel_twee.codes] == geheel.codes
    assert [*deel_een.nummers, *deel_twee.nummers] == geheel.nummers
