"""Events to bytes and back, and what is said of bytes that are no event."""

import dataclasses
import json
import struct
from collections.abc import Callable
from io import BytesIO
from typing import Any
from uuid import UUID

import pytest
from fastavro import schemaless_writer
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from avro.codec import SOORTEN, Codec, Onleesbaar, soort_van
from avro.gegevens import als_json, uit_json
from avro.schemas import huidige, ontleed, versies
from domain.batch import MAX_BERICHTEN, Batch, Berichten, Kader
from domain.beslissing import Uitkomst
from domain.codes import Stadium, Verwerkingscode
from domain.logboek import BETROKKENE_BYTES, ZOEK_BYTES, Logboek
from domain.notificatie import Notificatie
from domain.referentie import (
    Berichttype,
    BerichttypeStatus,
    Dienst,
    DienstStatus,
    Gegeven,
    Herkomst,
    Koppeling,
    Leverancier,
    Machtiging,
    Notificatiekenmerk,
    Standaardbijlage,
)
from domain.resultaat import Resultaat
from tests.slices import BSNS, maak_slice

CODEC = Codec()
GEHEIM = "GEHEIM"
"""Stands in every text of `GOED`; no error may repeat it."""

tekst = st.text(max_size=20)
millis = st.integers(-(2**62), 2**62)
momenten = st.integers(0, 4_102_444_800_000)
"""Until the year 2100, in milliseconds."""


def kolom(elementen: st.SearchStrategy[Any], n: int) -> st.SearchStrategy[list[Any]]:
    return st.lists(elementen, min_size=n, max_size=n)


@st.composite
def kaders(draw: st.DrawFn, totaal: int = MAX_BERICHTEN) -> Kader:
    """Frames with room for 1000 messages."""
    return Kader(draw(st.uuids()), draw(st.uuids()), draw(tekst), draw(tekst), draw(millis), draw(momenten), totaal)


def nummers(n: int) -> st.SearchStrategy[list[int]]:
    return st.lists(st.integers(1, MAX_BERICHTEN), min_size=n, max_size=n, unique=True)


@st.composite
def batches(draw: st.DrawFn, heel: bool = False) -> Batch:
    """Any slice that the types allow, or any whole batch."""
    n, m = draw(st.integers(int(heel), 5)), draw(st.integers(0, 3))
    return Batch(
        draw(kaders(n) if heel else kaders()),
        Berichten(
            nummers=draw(st.permutations(range(1, n + 1)) if heel else nummers(n)),
            bericht_ids=draw(st.binary(min_size=16 * n, max_size=16 * n)),
            berichttypes=draw(kolom(tekst, n)),
            gebruikers="".join(draw(kolom(st.text("0123456789", min_size=9, max_size=9), n))).encode(),
            onderwerpen=draw(kolom(tekst, n)),
            teksten=draw(kolom(tekst, n)),
            referenties=draw(kolom(tekst, n)),
            publicatiedatums=draw(kolom(millis, n)),
            einddatums=draw(kolom(millis, n)),
            schema_fouten=draw(kolom(tekst, n)),
            bijlage_rijen=sorted(draw(kolom(st.integers(0, n - 1), m))) if n else [],
            bijlage_sha256=draw(st.binary(min_size=32 * m, max_size=32 * m)) if n else b"",
            bijlage_groottes=draw(kolom(st.integers(0, 2**31 - 1), m)) if n else [],
            bijlage_omschrijvingen=draw(kolom(tekst, m)) if n else [],
            bijlage_volgordes=draw(kolom(st.integers(-(2**31), 2**31 - 1), m)) if n else [],
        ),
    )


@st.composite
def uitkomsten(draw: st.DrawFn) -> Uitkomst:
    """Any decisions that the types allow."""
    n = draw(st.integers(0, 5))
    return Uitkomst(
        kader=draw(kaders()),
        verwerkt_op=draw(momenten),
        nummers=draw(nummers(n)),
        bericht_ids=draw(st.binary(min_size=16 * n, max_size=16 * n)),
        berichttypes=draw(kolom(tekst, n)),
        codes=draw(kolom(st.sampled_from(Verwerkingscode), n)),
        stadia=draw(kolom(st.sampled_from(Stadium), n)),
        redenen=draw(kolom(tekst, n)),
        publicatiedatums=draw(kolom(millis, n)),
        diensten=draw(kolom(st.lists(tekst, max_size=3), n)),
        waarschuwingen=draw(kolom(st.lists(tekst, max_size=3), n)),
        ontvangers=draw(kolom(tekst, n)),
        object=draw(tekst),
    )


@st.composite
def resultaten(draw: st.DrawFn) -> Resultaat:
    """Any result that the types allow."""
    een = draw(uitkomsten())
    velden = {veld.name: getattr(een, veld.name) for veld in dataclasses.fields(Resultaat)}
    return Resultaat(**velden)


teksten = st.lists(tekst, max_size=3).map(tuple)
herkomst = st.none() | st.builds(Herkomst, st.integers(1, 2**60), tekst)
gegevens: st.SearchStrategy[Gegeven] = st.one_of(
    st.builds(
        Leverancier,
        tekst,
        tekst,
        teksten,
        st.none() | st.lists(st.sampled_from(Notificatiekenmerk)).map(tuple),
        tekst,
        tekst,
        tekst,
        herkomst,
    ),
    st.builds(
        Berichttype,
        tekst,
        tekst,
        tekst,
        st.sampled_from(Notificatiekenmerk),
        st.sampled_from(BerichttypeStatus),
        st.lists(
            st.builds(Standaardbijlage, tekst, st.binary(max_size=32), st.integers(0, 2**31 - 1), teksten), max_size=3
        ).map(tuple),
        herkomst,
    ),
    st.builds(
        Dienst,
        tekst,
        tekst,
        tekst,
        st.sampled_from(DienstStatus),
        st.lists(st.builds(Koppeling, tekst, millis, st.none() | millis), max_size=3).map(tuple),
        st.none() | millis,
        herkomst,
    ),
    st.builds(Machtiging, tekst, tekst, tekst, tekst, millis, st.none() | millis, herkomst),
)


@given(batches(heel=True))
def test_a_batch_comes_back_as_it_was(batch: Batch) -> None:
    assert CODEC.lees_batch(CODEC.schrijf_batch(batch)) == batch


@given(batches(), st.sampled_from(["bericht", "wacht"]))
def test_a_slice_comes_back_as_it_was(batch: Batch, onderwerp: str) -> None:
    assert CODEC.lees_batch(CODEC.schrijf_batch(batch, onderwerp), onderwerp) == batch


@given(uitkomsten())
def test_decisions_come_back_as_they_were(uitkomst: Uitkomst) -> None:
    assert CODEC.lees_uitkomst(CODEC.schrijf_uitkomst(uitkomst)) == uitkomst


@given(resultaten())
def test_a_result_comes_back_as_it_was(resultaat: Resultaat) -> None:
    assert CODEC.lees_resultaat(CODEC.schrijf_resultaat(resultaat)) == resultaat


@given(gegevens)
def test_reference_data_come_back_as_they_were(gegeven: Gegeven) -> None:
    assert soort_van(gegeven) in SOORTEN
    gelezen = CODEC.lees_gegeven(soort_van(gegeven), CODEC.schrijf_gegeven(gegeven))
    assert (gelezen, gelezen.herkomst) == (gegeven, gegeven.herkomst)
    uit_geschiedenis = uit_json(soort_van(gegeven), als_json(gegeven))
    assert (uit_geschiedenis, uit_geschiedenis.herkomst) == (gegeven, gegeven.herkomst)


def test_a_dlq_entry_comes_back_as_it_was() -> None:
    waarde = {"topic": "bericht", "partitie": 7, "offset": 2**40, "reden": "damaged Avro", "gezien_op": 2**40}
    assert CODEC.lees("dlq", CODEC.schrijf("dlq", waarde)) == waarde | {"hersteld_op": 0}
    assert CODEC.lees("dlq", CODEC.schrijf("dlq", waarde | {"hersteld_op": 2**41})) == waarde | {"hersteld_op": 2**41}


def _batch() -> Batch:
    slice_ = maak_slice(ids=["a", "b"], bsns=BSNS[:2], bijlagen=[(0, 10)])
    slice_.berichten.onderwerpen = slice_.berichten.teksten = [GEHEIM, GEHEIM]
    return slice_


def _uitkomst() -> Uitkomst:
    slice_ = maak_slice(ids=["a"])
    return Uitkomst(
        kader=slice_.kader,
        verwerkt_op=1,
        nummers=[1],
        bericht_ids=slice_.berichten.bericht_ids,
        berichttypes=[GEHEIM],
        codes=[Verwerkingscode.VERWERKT],
        stadia=[Stadium.NA],
        redenen=[GEHEIM],
        publicatiedatums=[0],
        diensten=[[GEHEIM]],
        waarschuwingen=[[]],
        ontvangers=[GEHEIM],
        object=GEHEIM,
    )


def _resultaat() -> Resultaat:
    een = _uitkomst()
    return Resultaat(een.kader, 1, een.nummers, een.bericht_ids, een.berichttypes, een.codes, een.stadia)


def _notificatie() -> Notificatie:
    een, kenmerk = UUID(int=1), Notificatiekenmerk.BETALEN
    return Notificatie(1, een, 1, een, een, GEHEIM, GEHEIM, GEHEIM, 0, kenmerk, GEHEIM, GEHEIM, 2)


def _logboek() -> Logboek:
    een = _uitkomst()
    return Logboek(een.kader, 1, GEHEIM, GEHEIM, [1], een.codes, bytes(BETROKKENE_BYTES), bytes(ZOEK_BYTES))


GOED: dict[str, bytes] = {
    "batch": CODEC.schrijf_batch(_batch()),
    "bericht": CODEC.schrijf_batch(_batch(), "bericht"),
    "wacht": CODEC.schrijf_batch(_batch(), "wacht"),
    "validatie": CODEC.schrijf_uitkomst(_uitkomst()),
    "logboek": CODEC.schrijf_logboek(_logboek()),
    "resultaat": CODEC.schrijf_resultaat(_resultaat()),
    "notificatie": CODEC.schrijf_notificatie(_notificatie()),
    "leverancier": CODEC.schrijf_gegeven(Leverancier(GEHEIM, GEHEIM, (GEHEIM,))),
    "berichttype": CODEC.schrijf_gegeven(
        Berichttype(GEHEIM, "A", GEHEIM, Notificatiekenmerk.BETALEN, BerichttypeStatus.ACTIEF)
    ),
    "dienst": CODEC.schrijf_gegeven(Dienst(GEHEIM, "D", GEHEIM, DienstStatus.ACTIEF, (Koppeling(GEHEIM, 1, 2),))),
    "machtiging": CODEC.schrijf_gegeven(Machtiging(GEHEIM, GEHEIM, "o", "d", 1, None)),
    "dlq": CODEC.schrijf("dlq", {"topic": GEHEIM, "partitie": 0, "offset": 0, "reden": GEHEIM, "gezien_op": 0}),
}
"""One good value of every topic that is read."""


def lees(onderwerp: str, inhoud: bytes | None) -> object:
    """Reads a value as who reads that topic does."""
    lezers: dict[str, Callable[[bytes | None], object]] = {
        "batch": CODEC.lees_batch,
        "bericht": lambda waarde: CODEC.lees_batch(waarde, "bericht"),
        "wacht": lambda waarde: CODEC.lees_batch(waarde, "wacht"),
        "validatie": CODEC.lees_uitkomst,
        "logboek": CODEC.lees_logboek,
        "resultaat": CODEC.lees_resultaat,
        "notificatie": CODEC.lees_notificatie,
        "dlq": lambda waarde: CODEC.lees("dlq", waarde),
    }
    return lezers.get(onderwerp, lambda waarde: CODEC.lees_gegeven(onderwerp, waarde))(inhoud)


def weigering(onderwerp: str, inhoud: bytes | None) -> str:
    """What is said of something that cannot be read: of its causes as well, since a traceback shows them."""
    with pytest.raises(Onleesbaar) as gevangen:
        lees(onderwerp, inhoud)
    fout: BaseException | None = gevangen.value
    delen = []
    while fout is not None:
        delen.append(f"{type(fout).__name__}: {fout}")
        fout = fout.__cause__ or (None if fout.__suppress_context__ else fout.__context__)
    return "\n".join(delen)


def test_there_is_a_good_value_of_every_subject() -> None:
    assert set(GOED) == {versie.onderwerp for versie in versies()}


@pytest.mark.parametrize("onderwerp", GOED)
def test_a_value_starts_with_a_zero_byte_and_the_id(onderwerp: str) -> None:
    """Confluent's wire format: so that kcat, Kafka UIs and ClickHouse's own Kafka engine can read the topics."""
    assert GOED[onderwerp][:5] == b"\x00" + huidige(onderwerp).id.to_bytes(4, "big")
    lees(onderwerp, GOED[onderwerp])


@pytest.mark.parametrize("onderwerp", GOED)
@pytest.mark.parametrize(
    ("inhoud", "reden"),
    [
        (None, "no value"),
        (b"", "shorter than the five bytes of the header"),
        (b"\x00\x00\x00\x00", "shorter than the five bytes of the header"),
        (b"\x01\x00\x00\x00\x01GEHEIM", "does not start with the zero byte of Confluent's format"),
        (b"\xff\x00\x00\x00\x01GEHEIM", "does not start with the zero byte of Confluent's format"),
        (b"{GEHEIM}", "does not start with the zero byte of Confluent's format"),
        (b"\x00\x00\x00\x00\x00GEHEIM", "unknown schema id 0"),
        (b"\x00\xff\xff\xff\xffGEHEIM", "unknown schema id 4294967295"),
    ],
)
def test_a_wrong_header_is_named(onderwerp: str, inhoud: bytes | None, reden: str) -> None:
    assert weigering(onderwerp, inhoud) == f"Onleesbaar: {reden}"


@pytest.mark.parametrize("onderwerp", GOED)
def test_an_event_of_another_kind_is_not_read(onderwerp: str) -> None:
    for ander, inhoud in GOED.items():
        if ander != onderwerp:
            assert (
                weigering(onderwerp, inhoud) == f"Onleesbaar: schema id {huidige(ander).id} is of another kind of event"
            )


@pytest.mark.parametrize("onderwerp", GOED)
def test_every_truncation_is_refused(onderwerp: str) -> None:
    for lengte in range(5, len(GOED[onderwerp])):
        gezegd = weigering(onderwerp, GOED[onderwerp][:lengte])
        assert gezegd.startswith("Onleesbaar: damaged Avro (")
        assert GEHEIM not in gezegd


@pytest.mark.parametrize("onderwerp", GOED)
@given(erachter=st.binary(min_size=1, max_size=9))
def test_bytes_after_the_value_are_refused(onderwerp: str, erachter: bytes) -> None:
    assert weigering(onderwerp, GOED[onderwerp] + erachter) == "Onleesbaar: bytes are left after the value"


@pytest.mark.parametrize("onderwerp", GOED)
@given(rommel=st.binary(max_size=200) | st.binary(max_size=40).map(lambda rommel: GEHEIM.encode() + rommel))
def test_random_bytes_are_refused_or_read_and_never_repeated(onderwerp: str, rommel: bytes) -> None:
    niet_gelezen_of_gezegd(onderwerp, GOED[onderwerp][:5] + rommel)


@pytest.mark.parametrize("onderwerp", GOED)
@settings(suppress_health_check=[HealthCheck.too_slow])
@given(plaats=st.integers(5), wordt=st.binary(min_size=1, max_size=4))
def test_altered_bytes_are_refused_or_read_and_never_repeated(onderwerp: str, plaats: int, wordt: bytes) -> None:
    goed = GOED[onderwerp]
    plaats = 5 + plaats % (len(goed) - 5)
    niet_gelezen_of_gezegd(onderwerp, goed[:plaats] + wordt + goed[plaats + len(wordt) :])


def niet_gelezen_of_gezegd(onderwerp: str, inhoud: bytes) -> None:
    """Only Onleesbaar may leave, and it holds no content: short texts of ours, with nothing of the value in them."""
    try:
        lees(onderwerp, inhoud)
    except Onleesbaar:
        gezegd = weigering(onderwerp, inhoud)
        assert GEHEIM not in gezegd
        assert BSNS[0] not in gezegd
        assert len(gezegd) < 100


ANDERE_LENGTES: list[tuple[str, str, object]] = [
    ("batch", "berichttypes", []),
    ("batch", "teksten", ["a", "b", "c"]),
    ("batch", "bericht_ids", bytes(31)),
    ("batch", "gebruikers", b"12345678"),
    ("batch", "gebruikers", b"12345678\xc3\xa91234567"),
    ("batch", "nummers", [1]),
    ("batch", "nummers", [1, 0]),
    ("batch", "nummers", [1, -1]),
    ("batch", "nummers", [1, 3]),
    ("batch", "nummers", [1, 1]),
    ("bericht", "nummers", [2, 2]),
    ("batch", "totaal", 3),
    ("bericht", "totaal", -1),
    ("validatie", "totaal", 0),
    ("batch", "aangeleverd_op", -1),
    ("bericht", "aangeleverd_op", 2**62),
    ("validatie", "verwerkt_op", 2**62),
    ("batch", "bijlage_groottes", [-1]),
    ("batch", "totaal", 1),
    ("batch", "totaal", MAX_BERICHTEN + 1),
    ("batch", "totaal", 2**31 - 1),
    ("batch", "bijlage_rijen", [0, 1]),
    ("batch", "bijlage_rijen", [2]),
    ("batch", "bijlage_rijen", [-1]),
    ("batch", "bijlage_sha256", bytes(31)),
    ("batch", "bijlage_groottes", []),
    ("batch", "bijlage_omschrijvingen", ["a", "b"]),
    ("batch", "bijlage_volgordes", []),
    ("batch", "proceskenmerk", "GEHEIM"),
    ("validatie", "batch_id", "GEHEIM"),
    *(
        ("validatie", naam, waarde)
        for naam, waarde in {
            "nummers": [1, 1],
            "bericht_ids": b"",
            "berichttypes": [],
            "codes": [],
            "stadia": ["NA", "NA"],
            "redenen": [],
            "publicatiedatums": [],
            "diensten": [],
            "waarschuwingen": [],
            "ontvangers": [],
        }.items()
    ),
    ("validatie", "nummers", [2]),
    ("resultaat", "codes", []),
    ("resultaat", "stadia", []),
    ("resultaat", "berichttypes", ["a", "b"]),
    ("resultaat", "bericht_ids", bytes(15)),
    ("berichttype", "status", "GEHEIM"),
    ("berichttype", "notificatiekenmerk", "GEHEIM"),
    ("dienst", "status", "GEHEIM"),
]


@pytest.mark.parametrize(("onderwerp", "veld", "waarde"), ANDERE_LENGTES)
def test_good_avro_that_does_not_add_up_is_refused(onderwerp: str, veld: str, waarde: object) -> None:
    """One record that reads well and then breaks whoever works with it would stop the line for good."""
    inhoud = CODEC.lees(onderwerp, GOED[onderwerp]) | {veld: waarde}
    gezegd = weigering(onderwerp, CODEC.schrijf(onderwerp, inhoud))
    assert GEHEIM not in gezegd


class VreemdeSchemas:
    """A registry in which others have schemas as well."""

    def __init__(self, schema: object) -> None:
        self._schema = ontleed(json.dumps(schema))

    def id_van(self, onderwerp: str) -> int:
        return huidige(onderwerp).id

    def schema(self, schema_id: int) -> Any:
        return self._schema


@pytest.mark.parametrize(
    "schema",
    [
        "string",
        {"type": "string"},
        ["null", "string"],
        {"type": "array", "items": "int"},
        {"type": "enum", "name": "Batch", "symbols": ["A"]},
    ],
)
def test_somebody_elses_schema_is_another_kind_of_event(schema: object) -> None:
    with pytest.raises(Onleesbaar, match="schema id 7 is of another kind of event"):
        Codec(VreemdeSchemas(schema)).lees("batch", struct.pack(">bI", 0, 7) + b"\x00\x00")


def test_a_newer_writer_is_read_when_its_schema_is_known() -> None:
    """A registry knows the schemas of who runs a newer version: what it added is left out, what we know is read."""
    schema = json.loads(huidige("leverancier").tekst)
    schema["fields"].append({"name": "land", "type": "string", "doc": "new"})
    buffer = BytesIO()
    buffer.write(struct.pack(">bI", 0, 7))
    schemaless_writer(
        buffer, ontleed(json.dumps(schema)), {"oin": "o", "naam": "n", "intermediair_voor": [], "land": "NL"}
    )
    assert Codec(VreemdeSchemas(schema)).lees_gegeven("leverancier", buffer.getvalue()) == Leverancier("o", "n")


def test_the_bsn_stands_in_the_batch_and_message_events_alone() -> None:
    """The BSN stands in the batch and message events, … and nowhere else."""
    velden = {versie.onderwerp: {veld["name"] for veld in json.loads(versie.tekst)["fields"]} for versie in versies()}
    assert {onderwerp for onderwerp, namen in velden.items() if "gebruikers" in namen} == {"batch", "bericht", "wacht"}


def test_a_guid_is_written_as_lower_case_text() -> None:
    waarde = CODEC.lees("batch", GOED["batch"])
    assert waarde["batch_id"] == str(UUID(waarde["batch_id"])).lower()
