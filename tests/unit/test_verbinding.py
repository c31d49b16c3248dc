"""TLS, SASL and passwords: which settings go together, what is told of files, and that no client is made without."""

import ast
import socket
import ssl
import struct
import threading
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from faust import auth
from pydantic import ValidationError

from sinks.database import DatabaseWeg, maak_client, verbind
from streams import beschrijf, beveiliging
from streams.settings import Instellingen, wat_is_er_mis
from streams.verbinding import VerbindingFout, aiokafka, confluent, faust, tls_context, wachtwoord
from tests.ca import CA, Certificaat

REPO = Path(__file__).parents[2]
PAKKETTEN = ("agents", "sinks", "streams", "aanlevering", "cli", "bijlagen", "profielservice")
GEHEIM = "zeer-geheim-wachtwoord"


@pytest.fixture(scope="module")
def ca(tmp_path_factory: pytest.TempPathFactory) -> CA:
    return CA(tmp_path_factory.mktemp("ca"))


@pytest.fixture(scope="module")
def client(ca: CA) -> Certificaat:
    return ca.client()


def sasl(**anders: Any) -> Instellingen:
    gewoon = {
        "kafka_protocol": "SASL_SSL",
        "kafka_sasl_mechanisme": "SCRAM-SHA-512",
        "kafka_gebruiker": "lijn",
        "kafka_wachtwoord": GEHEIM,
    }
    return Instellingen(**(gewoon | anders))


# -- the house


SOORTEN = {
    "AIOKafkaConsumer": "aiokafka",
    "AIOKafkaProducer": "aiokafka",
    "AIOKafkaAdminClient": "aiokafka",
    "AdminClient": "confluent",
    "Consumer": "confluent",
    "Producer": "confluent",
    "App": "faust",
    "maak_client": "verbind",
}
"""What makes a client, and what must be unpacked into it."""


class Makers(ast.NodeVisitor):
    """Collects the calls that make a client, with what they are given."""

    def __init__(self) -> None:
        self.gevonden: list[tuple[str, bool]] = []

    def visit_Call(self, node: ast.Call) -> None:
        naam = self.naam(node.func)
        if naam in SOORTEN:
            uitgepakt = [keyword.value for keyword in node.keywords if keyword.arg is None]
            uitgepakt += [
                waarde
                for argument in node.args
                if isinstance(argument, ast.Dict)
                for sleutel, waarde in zip(argument.keys, argument.values, strict=True)
                if sleutel is None
            ]
            goed = any(isinstance(een, ast.Call) and self.naam(een.func) == SOORTEN[naam] for een in uitgepakt)
            self.gevonden.append((naam, goed))
        self.generic_visit(node)

    @staticmethod
    def naam(functie: ast.expr) -> str:
        return functie.attr if isinstance(functie, ast.Attribute) else getattr(functie, "id", "")


def makers(tekst: str) -> list[tuple[str, bool]]:
    bezoeker = Makers()
    bezoeker.visit(ast.parse(tekst))
    return bezoeker.gevonden


def test_no_admin_client_of_librdkafka_asks_what_a_group_committed() -> None:
    """It ends the process when the coordinator is just starting or moving (librdkafka 2.16); `vastgelegd` does not."""
    wie = {
        str(pad.relative_to(REPO))
        for pakket in PAKKETTEN
        for pad in (REPO / pakket).rglob("*.py")
        if ".list_consumer_group_offsets(" in pad.read_text()
    }
    assert wie == {"agents/auditor.py"}  # of aiokafka


def test_no_client_is_made_without_the_settings_of_the_connection() -> None:
    elders = {
        # Wait for the embedded broker, which has no security, and give it something to do.
        "streams/broker.py": ["AdminClient", "AdminClient", "Producer", "Consumer"],
        "sinks/database.py": ["maak_client"],  # `verbind` itself
    }
    zonder: dict[str, list[str]] = {}
    alle = 0
    for pad in (pad for pakket in PAKKETTEN for pad in (REPO / pakket).rglob("*.py")):
        gevonden = makers(pad.read_text())
        alle += len(gevonden)
        if kaal := [naam for naam, goed in gevonden if not goed]:
            zonder[str(pad.relative_to(REPO))] = kaal
    assert alle >= 12
    assert zonder == elders


def test_that_check_can_fail() -> None:
    assert makers("AIOKafkaConsumer(bootstrap_servers=x)") == [("AIOKafkaConsumer", False)]
    assert makers('Consumer({"bootstrap.servers": x})') == [("Consumer", False)]
    assert makers("a.AIOKafkaProducer(**verbinding.aiokafka(x), acks=1)") == [("AIOKafkaProducer", True)]


# -- which settings go together


@pytest.mark.parametrize(
    ("gegeven", "wat"),
    [
        ({"kafka_protocol": "SASL_SSL"}, "SASL_SSL needs BERICHTENSTROOM_KAFKA_SASL_MECHANISME"),
        ({"kafka_protocol": "SASL_SSL"}, "SASL_SSL needs BERICHTENSTROOM_KAFKA_GEBRUIKER"),
        ({"kafka_protocol": "SASL_PLAINTEXT"}, "SASL_PLAINTEXT needs BERICHTENSTROOM_KAFKA_WACHTWOORD"),
        ({"kafka_wachtwoord": GEHEIM}, "KAFKA_WACHTWOORD (or …_BESTAND) needs BERICHTENSTROOM_KAFKA_PROTOCOL SASL_SSL"),
        ({"kafka_gebruiker": "lijn", "kafka_protocol": "SSL"}, "KAFKA_GEBRUIKER needs BERICHTENSTROOM_KAFKA_PROTOCOL"),
        ({"kafka_ca": "x"}, "BERICHTENSTROOM_KAFKA_CA needs BERICHTENSTROOM_KAFKA_PROTOCOL SSL"),
        ({"kafka_sleutel": "x", "kafka_protocol": "SSL"}, "KAFKA_SLEUTEL needs BERICHTENSTROOM_KAFKA_CERTIFICAAT"),
        ({"kafka_protocol": GEHEIM}, "BERICHTENSTROOM_KAFKA_PROTOCOL: Input should be 'PLAINTEXT'"),
        ({"kafka_protocol": "SASL_SSL", "kafka_sasl_mechanisme": GEHEIM}, "KAFKA_SASL_MECHANISME: Input should be"),
        ({"clickhouse": f"http://u:pa/{GEHEIM}@host:8123"}, "BERICHTENSTROOM_CLICKHOUSE is not a URL such as"),
        ({"clickhouse": f"{GEHEIM}://host"}, "BERICHTENSTROOM_CLICKHOUSE is not a URL such as"),
        ({"clickhouse_ca": "x"}, "BERICHTENSTROOM_CLICKHOUSE_CA needs BERICHTENSTROOM_CLICKHOUSE with https://"),
        (
            {"clickhouse": f"http://u:{GEHEIM}@host", "clickhouse_wachtwoord": GEHEIM},
            "a password stands both in BERICHTENSTROOM_CLICKHOUSE and in",
        ),
        (
            {"clickhouse_wachtwoord": GEHEIM, "clickhouse_wachtwoord_bestand": "x"},
            "give BERICHTENSTROOM_CLICKHOUSE_WACHTWOORD or BERICHTENSTROOM_CLICKHOUSE_WACHTWOORD_BESTAND, not both",
        ),
        ({"profielservice_certificaat": "x"}, "PROFIELSERVICE_CERTIFICAAT needs BERICHTENSTROOM_PROFIELSERVICE with"),
    ],
)
def test_what_cannot_be_so_together_is_told_and_no_secret_with_it(gegeven: dict[str, Any], wat: str) -> None:
    with pytest.raises(ValidationError) as fout:
        Instellingen(**gegeven)
    assert wat in wat_is_er_mis(fout.value)
    assert "\n" not in wat_is_er_mis(fout.value)
    assert GEHEIM not in f"{fout.value} {fout.value!r} {wat_is_er_mis(fout.value)}"


def test_passwords_do_not_show_when_settings_are_printed() -> None:
    een = sasl(clickhouse=f"https://u:{GEHEIM}@host:8443")
    ander = Instellingen(clickhouse_wachtwoord=GEHEIM)
    assert GEHEIM not in f"{een} {een!r} {ander!r} {ander.model_dump_json()}"
    assert GEHEIM not in beschrijf.beschrijf()
    assert wachtwoord("clickhouse", ander) == wachtwoord("kafka", een) == GEHEIM


@pytest.mark.parametrize("naam", ["BERICHTENSTROOM_CLICKHOUSE_WACHTWOORD", "BERICHTENSTROOM_CLICKHOUSE_PASSWORD"])
def test_the_password_for_clickhouse_has_an_earlier_name_too(naam: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLICKHOUSE_WACHTWOORD", "of something else")
    assert Instellingen().clickhouse_wachtwoord is None
    monkeypatch.setenv(naam, GEHEIM)
    assert wachtwoord("clickhouse", Instellingen()) == GEHEIM


def test_an_embedded_stack_is_spoken_to_without_the_security_of_production(
    tmp_path: Path, ca: CA, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its addresses come from endpoints.json; what the environment says of TLS and SASL is about another address."""
    for naam, waarde in {
        "KAFKA_PROTOCOL": "SASL_SSL",
        "KAFKA_SASL_MECHANISME": "PLAIN",
        "KAFKA_GEBRUIKER": "lijn",
        "KAFKA_WACHTWOORD": GEHEIM,
        "KAFKA_CA": str(ca.pad),
        "CLICKHOUSE_WACHTWOORD": "ook hier",
    }.items():
        monkeypatch.setenv(f"BERICHTENSTROOM_{naam}", waarde)
    adressen = dict.fromkeys(("profielservice", "aanlevering", "clickhouse"), "http://127.0.0.1:1")
    (tmp_path / "endpoints.json").write_text(f'{{"kafka": "127.0.0.1:2", {str(adressen)[1:]}'.replace("'", '"'))
    een = Instellingen.laad(tmp_path)
    assert aiokafka(een) == {
        "bootstrap_servers": "127.0.0.1:2",
        "security_protocol": "PLAINTEXT",
        "ssl_context": None,
    }
    assert wachtwoord("clickhouse", een) == "ook hier", "that one `up` gives to the embedded ClickHouse as well"
    monkeypatch.setenv("BERICHTENSTROOM_KAFKA", "kafka:9093")
    assert aiokafka(Instellingen.laad(tmp_path))["security_protocol"] == "SASL_SSL"
    velden = {naam for velden in beveiliging.UIT.values() for naam in velden}
    assert velden <= Instellingen.model_fields.keys()


# -- the arguments


def test_each_kind_of_client_gets_the_same(ca: CA, client: Certificaat) -> None:
    een = sasl(kafka="a:1, b:2", kafka_ca=ca.pad, kafka_certificaat=client.certificaat, kafka_sleutel=client.sleutel)
    aio, con, fau = aiokafka(een), confluent(een), faust(een)
    assert aio["security_protocol"] == con["security.protocol"] == "SASL_SSL"
    assert aio["sasl_mechanism"] == con["sasl.mechanism"] == "SCRAM-SHA-512"
    assert aio["sasl_plain_username"] == con["sasl.username"] == "lijn"
    assert aio["sasl_plain_password"] == con["sasl.password"] == GEHEIM
    assert con["ssl.ca.location"] == str(ca.pad)
    assert (con["ssl.certificate.location"], con["ssl.key.location"]) == (str(client.certificaat), str(client.sleutel))
    assert fau["broker"] == "kafka://a:1;kafka://b:2"
    toegang = fau["broker_credentials"]
    assert isinstance(toegang, auth.SASLCredentials)
    assert (toegang.username, toegang.password, toegang.protocol.value) == ("lijn", GEHEIM, "SASL_SSL")
    assert GEHEIM not in repr(toegang)
    for context in (aio["ssl_context"], toegang.ssl_context):
        assert context is not None
        assert context.check_hostname
        assert context.verify_mode is ssl.CERT_REQUIRED


def test_tls_without_sasl() -> None:
    een = Instellingen(kafka_protocol="SSL")
    assert isinstance(faust(een)["broker_credentials"], auth.SSLCredentials)
    assert not [naam for naam in (*aiokafka(een), *confluent(een)) if "sasl" in naam]


def test_sasl_without_tls(tmp_path: Path) -> None:
    (tmp_path / "wachtwoord").write_text(f"{GEHEIM}\n")
    een = sasl(kafka_protocol="SASL_PLAINTEXT", kafka_wachtwoord=None, kafka_wachtwoord_bestand=tmp_path / "wachtwoord")
    assert aiokafka(een)["ssl_context"] is None
    assert aiokafka(een)["sasl_plain_password"] == confluent(een)["sasl.password"] == GEHEIM
    assert faust(een)["broker_credentials"].protocol.value == "SASL_PLAINTEXT"


# -- files


@pytest.mark.parametrize("inhoud", [None, b"", b"\n", b"een\ntwee\n", b"\xff\n"])
def test_a_password_file_that_holds_no_single_line_is_told(tmp_path: Path, inhoud: bytes | None) -> None:
    bestand = tmp_path / "wachtwoord"
    if inhoud is not None:
        bestand.write_bytes(inhoud)
    with pytest.raises(VerbindingFout, match=r"^BERICHTENSTROOM_KAFKA_WACHTWOORD_BESTAND: ") as fout:
        aiokafka(sasl(kafka_wachtwoord=None, kafka_wachtwoord_bestand=bestand))
    assert "twee" not in str(fout.value)


def test_certificates_that_cannot_be_used_are_told_by_the_name_of_the_setting(
    tmp_path: Path, client: Certificaat
) -> None:
    leeg, vreemd = tmp_path / "leeg.pem", CA(tmp_path, "vreemd").client()
    leeg.write_text("")
    gevallen: list[tuple[dict[str, Path], str]] = [
        ({"kafka_ca": tmp_path / "weg.pem"}, "KAFKA_CA: No such file or directory"),
        ({"kafka_ca": leeg}, "KAFKA_CA: "),
        ({"kafka_certificaat": tmp_path / "weg.pem"}, "No such file or directory"),
        ({"kafka_certificaat": leeg}, r"KAFKA_CERTIFICAAT \(or BERICHTENSTROOM_KAFKA_SLEUTEL\): not a PEM file"),
        (
            {"kafka_certificaat": client.certificaat, "kafka_sleutel": vreemd.sleutel},
            "the certificate and the key do not belong together",
        ),
    ]
    for gegeven, wat in gevallen:
        for soort in (aiokafka, confluent, faust):
            with pytest.raises(VerbindingFout, match=wat):
                soort(Instellingen(**({"kafka_protocol": "SSL"} | gegeven)))  # type: ignore[arg-type]


def test_an_encrypted_key_is_refused_and_nobody_is_asked_for_its_password(tmp_path: Path, client: Certificaat) -> None:
    sleutel = serialization.load_pem_private_key(client.sleutel.read_bytes(), None)
    versleuteld = tmp_path / "versleuteld.key"
    versleuteld.write_bytes(
        sleutel.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"een wachtwoord"),
        )
    )
    een = Instellingen(kafka_protocol="SSL", kafka_certificaat=client.certificaat, kafka_sleutel=versleuteld)
    with pytest.raises(VerbindingFout, match="the key is encrypted; give one without a password"):
        tls_context("kafka", een)


def test_a_clickhouse_that_breaks_off_is_told_with_what_it_may_mean_over_tls() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def breek_af() -> None:
            while True:
                try:
                    verbinding, _ = server.accept()
                except OSError:
                    return
                with verbinding:
                    verbinding.recv(1)  # what is left unread, and no time to linger: the client gets a reset
                    verbinding.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

        draad = threading.Thread(target=breek_af)
        draad.start()
        try:
            with pytest.raises(DatabaseWeg, match=r"broke the connection off \(over TLS: does it trust our certif"):
                maak_client(f"http://default@127.0.0.1:{server.getsockname()[1]}")
        finally:
            server.shutdown(socket.SHUT_RDWR)
            draad.join(10)


def test_a_clickhouse_that_never_answers_counts_as_away() -> None:
    """A host that is gone without a word leaves its connections open: nobody may wait for it without end."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        instellingen = Instellingen(clickhouse=f"http://default@127.0.0.1:{server.getsockname()[1]}")
        with pytest.raises(DatabaseWeg):
            verbind(instellingen, send_receive_timeout=1)
