"""The schemas of the events, and the ids they have: the index beside them and a registry keep the same contract."""

import hashlib
import json
import threading
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from itertools import pairwise
from typing import Any

import pytest
from confluent_kafka.schema_registry import SchemaRegistryError
from fastavro import schemaless_reader, schemaless_writer
from fastavro.utils import generate_many

from avro.codec import SOORTEN, Codec, Onleesbaar
from avro.registry import RegistrySchemas
from avro.schemas import MAP, IndexSchemas, OnbekendSchema, Schemas, Versie, huidige, ontleed, versies
from avro.verenigbaar import breuken
from streams.settings import Instellingen
from streams.topics import topics
from tests.slices import maak_slice

VASTGELEGD = {
    1: ("batch", 1, "829c80a89c60484a"),
    2: ("bericht", 1, "b8bb2950e17bbc49"),
    3: ("validatie", 1, "39817674233b0171"),
    4: ("resultaat", 1, "1aceef9fd96b6176"),
    5: ("leverancier", 1, "c538c07b3e8f74a0"),
    6: ("berichttype", 1, "853898a315e7e657"),
    7: ("dienst", 1, "67402f60e3634a0c"),
    8: ("machtiging", 1, "f8a4d08167448065"),
    9: ("dlq", 1, "c94cd2892178b44e"),
    10: ("leverancier", 2, "c68997e654a969af"),
    11: ("berichttype", 2, "c87971699b416bdf"),
    12: ("dienst", 2, "c99908d56c466b8b"),
    13: ("machtiging", 2, "f1bd2bbc8fb7894a"),
    14: ("notificatie", 1, "54dd5c501cd05fbb"),
    15: ("wacht", 1, "6b082b8738ab38f6"),
    16: ("logboek", 1, "a893084055578f6e"),
    17: ("dlq", 2, "b856592285d4ff35"),
}
"""Every version that was ever on a topic: its subject, its number, and the SHA-256 of what counts in it. A line is
added with every new version; no line changes or goes."""

ALLE = versies()
ONDERWERPEN = sorted({versie.onderwerp for versie in ALLE})


def kaal(schema: Any) -> Any:
    """A schema without its docs."""
    if isinstance(schema, list):
        return [kaal(deel) for deel in schema]
    if isinstance(schema, dict):
        return {naam: kaal(deel) for naam, deel in schema.items() if naam != "doc"}
    return schema


def vingerafdruk(versie: Versie) -> str:
    """Of everything but docs and layout: names, order, types, defaults and symbols."""
    tekst = json.dumps(kaal(json.loads(versie.tekst)), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(tekst.encode()).hexdigest()[:16]


def test_no_version_was_changed_after_it_was_written_with() -> None:
    """Data in the topics says no more than an id: whoever changes a schema gives it a new file, version and id, and
    adds a line to VASTGELEGD. This fails when an .avsc was edited instead, or an id was given away again."""
    nu = {versie.id: (versie.onderwerp, versie.versie, vingerafdruk(versie)) for versie in ALLE}
    assert nu == VASTGELEGD


def test_an_id_has_one_meaning_and_versions_have_no_gaps() -> None:
    assert [nummer for nummer, keer in Counter(versie.id for versie in ALLE).items() if keer > 1] == []
    assert all(0 < versie.id < 2**31 for versie in ALLE)
    for onderwerp in ONDERWERPEN:
        nummers = [versie.versie for versie in ALLE if versie.onderwerp == onderwerp]
        assert nummers == list(range(1, len(nummers) + 1))


def test_the_index_names_every_file_and_no_other() -> None:
    bestanden = [regel["bestand"] for regel in json.loads((MAP / "index.json").read_text())["schemas"]]
    assert sorted(bestanden) == sorted(pad.name for pad in MAP.glob("*.avsc"))


def test_every_topic_that_is_written_has_a_schema() -> None:
    assert set(ONDERWERPEN) == {topic.naam for topic in topics(Instellingen(topic_prefix=""))}
    assert set(SOORTEN) <= set(ONDERWERPEN)


def records(schema: Any) -> Iterator[dict[str, Any]]:
    """Every record in a schema, itself included."""
    if isinstance(schema, list):
        for deel in schema:
            yield from records(deel)
    elif isinstance(schema, dict):
        if schema["type"] == "record":
            yield schema
            for veld in schema["fields"]:
                yield from records(veld["type"])
        yield from records(schema.get("items"))
        yield from records(schema.get("values"))


@pytest.mark.parametrize("versie", ALLE, ids=lambda versie: f"{versie.onderwerp}-{versie.versie}")
def test_a_schema_parses_and_says_what_every_field_means(versie: Versie) -> None:
    """Avro schemas with a doc line for every field, so that an outsider can read the topics."""
    assert ontleed(versie.tekst)["name"].startswith("nl.berichtenstroom.")
    for record in records(json.loads(versie.tekst)):
        assert len(record["doc"]) > 10
        for veld in record["fields"]:
            assert veld.get("doc", "").strip().endswith("."), f"{record['name']}.{veld['name']}"
            assert "\n" not in veld["doc"]


def test_one_name_never_means_two_kinds_of_event() -> None:
    """The codec tells events apart by the name of their record."""
    namen = {(ontleed(versie.tekst)["name"], versie.onderwerp) for versie in ALLE}
    assert len(namen) == len({naam for naam, _ in namen}) == len(ONDERWERPEN)


@pytest.mark.parametrize("onderwerp", ONDERWERPEN)
def test_every_version_reads_what_all_earlier_ones_wrote(onderwerp: str) -> None:
    """Batches are kept 30 days, reference data for ever: an incompatible change of a schema fails here."""
    reeks = [json.loads(versie.tekst) for versie in ALLE if versie.onderwerp == onderwerp]
    gebroken = [
        reden for nieuw in range(len(reeks)) for oud in range(nieuw + 1) for reden in breuken(reeks[nieuw], reeks[oud])
    ]
    assert gebroken == []


@pytest.mark.parametrize("versie", ALLE, ids=lambda versie: f"{versie.onderwerp}-{versie.versie}")
def test_generated_data_of_every_version_is_read_by_the_newest(versie: Versie) -> None:
    """What the checker says, asked of fastavro itself."""
    schrijver, lezer = ontleed(versie.tekst), ontleed(huidige(versie.onderwerp).tekst)
    for waarde in generate_many(schrijver, 50):
        buffer = BytesIO()
        schemaless_writer(buffer, schrijver, waarde)
        buffer.seek(0)
        gelezen = schemaless_reader(buffer, schrijver, lezer)
        assert gelezen.keys() == {veld["name"] for veld in lezer["fields"]}
        if versie == huidige(versie.onderwerp):
            assert gelezen == waarde


def test_the_stages_and_codes_of_results_and_decisions_are_the_same() -> None:
    """Two schemas write out the same enums; they must not drift apart."""
    enums = [
        {
            veld["name"]: veld["type"]["items"]["symbols"]
            for veld in json.loads(huidige(naam).tekst)["fields"]
            if veld["name"] in ("codes", "stadia")
        }
        for naam in ("validatie", "resultaat")
    ]
    assert all(een == ander for een, ander in pairwise(enums))


class Register:
    """A schema registry as far as the REST interface of Confluent's is used here."""

    def __init__(self) -> None:
        self.schemas: dict[int, dict[str, Any]] = {}
        self.onderwerpen: dict[str, list[int]] = {}
        self.verzoeken: list[str] = []
        self.storing = 0
        """An HTTP status to answer everything with; 0: works."""

    def registreer(self, onderwerp: str, schema: dict[str, Any]) -> int:
        """The id of a schema, the same for the same schema under any subject, as Confluent's registry has it."""
        bekend = [nummer for nummer, een in self.schemas.items() if een == schema]
        nummer = bekend[0] if bekend else 1000 + 7 * len(self.schemas)
        self.schemas[nummer] = schema
        self.onderwerpen.setdefault(onderwerp, []).append(nummer)
        return nummer


@pytest.fixture
def register() -> Iterator[tuple[Register, str]]:
    """A registry, and its URL."""
    inhoud = Register()

    class Verzoek(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            gevraagd = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            onderwerp = self.path.split("?")[0].removeprefix("/subjects/").removesuffix("/versions")
            schema = {"schema": gevraagd["schema"], "schemaType": gevraagd.get("schemaType", "AVRO")}
            self._antwoord(lambda: {"id": inhoud.registreer(onderwerp, schema)})

        def do_GET(self) -> None:
            nummer = int(self.path.split("?")[0].removeprefix("/schemas/ids/"))
            self._antwoord(lambda: inhoud.schemas.get(nummer))

        def _antwoord(self, maak: Any) -> None:
            inhoud.verzoeken.append(f"{self.command} {self.path.split('?')[0]}")
            antwoord = None if inhoud.storing else maak()
            status = inhoud.storing or (404 if antwoord is None else 200)
            lichaam = json.dumps(antwoord or {"error_code": status * 100 + 3, "message": "not now"}).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/vnd.schemaregistry.v1+json")
            self.send_header("Content-Length", str(len(lichaam)))
            self.end_headers()
            self.wfile.write(lichaam)

        def log_message(self, *_: object) -> None:
            """Nothing: it would go to the output of the tests."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Verzoek)
    draad = threading.Thread(target=server.serve_forever, args=(0.02,))
    draad.start()
    yield inhoud, f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    draad.join()
    server.server_close()


@pytest.fixture(params=["index", "registry"])
def schemas(request: pytest.FixtureRequest) -> Schemas:
    """Each place that ids come from."""
    if request.param == "index":
        return IndexSchemas()
    _, url = request.getfixturevalue("register")
    return RegistrySchemas(url)


@pytest.mark.parametrize("onderwerp", ONDERWERPEN)
def test_an_id_that_was_written_leads_back_to_the_schema(schemas: Schemas, onderwerp: str) -> None:
    nummer = schemas.id_van(onderwerp)
    assert schemas.schema(nummer) == ontleed(huidige(onderwerp).tekst)
    assert schemas.id_van(onderwerp) == nummer


def test_every_subject_has_an_id_of_its_own(schemas: Schemas) -> None:
    assert len({schemas.id_van(onderwerp) for onderwerp in ONDERWERPEN}) == len(ONDERWERPEN)


@pytest.mark.parametrize("nummer", [0, 999, 2**31 - 1, 2**32 - 1])
def test_an_unknown_id_is_said_to_be_unknown(schemas: Schemas, nummer: int) -> None:
    with pytest.raises(OnbekendSchema, match=f"no schema has id {nummer}"):
        schemas.schema(nummer)


def test_an_unknown_subject_cannot_be_written(schemas: Schemas) -> None:
    with pytest.raises(OnbekendSchema, match="has no schema for geheim"):
        schemas.id_van("geheim")


def test_a_codec_reads_what_it_wrote_and_refuses_unknown_ids(schemas: Schemas) -> None:
    codec, batch = Codec(schemas), maak_slice()
    geschreven = codec.schrijf_batch(batch)
    assert codec.lees_batch(geschreven) == batch
    with pytest.raises(Onleesbaar, match="unknown schema id 999"):
        codec.lees_batch(geschreven[:1] + (999).to_bytes(4, "big") + geschreven[5:])


def test_a_schema_is_registered_under_its_topic_with_prefix(register: tuple[Register, str]) -> None:
    inhoud, url = register
    RegistrySchemas(url, "acceptatie.").id_van("batch")
    assert inhoud.onderwerpen.keys() == {"acceptatie.batch-value"}


def test_a_registry_is_asked_once(register: tuple[Register, str]) -> None:
    """Parse a schema once per id: a registry must not be on the hot path."""
    inhoud, url = register
    codec = Codec(RegistrySchemas(url))
    for _ in range(3):
        codec.lees_batch(codec.schrijf_batch(maak_slice()))
    assert len(inhoud.verzoeken) <= 2


def test_an_id_that_was_unknown_is_asked_for_again(register: tuple[Register, str]) -> None:
    """Who writes with a newer version registers its schema a moment before we see the first record."""
    inhoud, url = register
    schemas = RegistrySchemas(url)
    with pytest.raises(OnbekendSchema):
        schemas.schema(1000)
    inhoud.registreer("batch-value", {"schema": huidige("batch").tekst, "schemaType": "AVRO"})
    assert schemas.schema(1000) == ontleed(huidige("batch").tekst)


@pytest.mark.parametrize("status", [401, 403, 422])
def test_a_registry_that_will_not_answer_says_nothing_about_the_record(
    register: tuple[Register, str], status: int
) -> None:
    """Else good records would be set aside because of our own password."""
    inhoud, url = register
    codec = Codec(RegistrySchemas(url))
    geschreven = codec.schrijf_batch(maak_slice())
    ander = Codec(RegistrySchemas(url))
    inhoud.storing = status
    with pytest.raises(SchemaRegistryError):
        ander.lees_batch(geschreven)
    inhoud.storing = 0
    assert ander.lees_batch(geschreven) == maak_slice()


@pytest.mark.parametrize(
    ("soort", "tekst"),
    [
        ("PROTOBUF", 'syntax = "proto3"; message Batch { string geheim = 1; }'),
        ("JSON", '{"type": "object", "properties": {}}'),
        ("AVRO", '{"type": "record", "name": "Batch", "fields": [{"name": "x", "type": "Onbekend"}]}'),
    ],
)
def test_a_schema_that_is_not_avro_makes_a_record_unreadable(
    register: tuple[Register, str], soort: str, tekst: str
) -> None:
    """Others may share the registry, and even the topic: their records are set aside, they do not stop the line."""
    inhoud, url = register
    nummer = inhoud.registreer("batch-value", {"schema": tekst, "schemaType": soort})
    with pytest.raises(Onleesbaar, match=f"unknown schema id {nummer}"):
        Codec(RegistrySchemas(url)).lees_batch(b"\x00" + nummer.to_bytes(4, "big") + b"rest")
