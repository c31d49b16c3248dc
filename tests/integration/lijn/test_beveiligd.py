"""The whole line over TLS and SASL, each side showing a certificate; and who is refused, and what he is told."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from random import Random

import pytest
from confluent_kafka.admin import (  # type: ignore[attr-defined]
    AdminClient,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialUpsertion,
)

from sinks.embedded.proces import EmbeddedClickHouse
from streams import broker
from streams.sleutels import maak_sleutels
from tests.ca import CA, Certificaat
from tests.integration.lijn.los import Los, TlsPoort
from tests.integration.lijn.stapel import Stapel
from tests.integration.lijn.zending import (
    GEBRUIKERS,
    GOED,
    SOORTEN,
    ZAAD,
    lever_alle,
    leverancier,
    maak_zending,
    nieuwe_oin,
    totalen,
)

pytestmark = pytest.mark.integration

KAFKA_GEHEIM, CLICKHOUSE_GEHEIM = "kafka-geheim-4711", "clickhouse/geheim#4712"


@pytest.fixture(scope="module")
def ca(tmp_path_factory: pytest.TempPathFactory) -> CA:
    return CA(tmp_path_factory.mktemp("ca"))


@pytest.fixture(scope="module")
def kafka(ca: CA, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A broker whose second listener wants TLS, a client certificate, and a SCRAM password."""
    data, server, poort = tmp_path_factory.mktemp("kafka"), ca.server("kafka"), broker.vrije_poort()
    sleutels = data / "keystore.pem"
    sleutels.write_text(server.sleutel.read_text() + server.certificaat.read_text())
    gewoon = broker._server

    def met_luisteraar(*waar: object) -> dict[str, object]:
        instellingen = gewoon(*waar)  # type: ignore[arg-type]
        instellingen["listeners"] = f"{instellingen['listeners']},VEILIG://127.0.0.1:{poort}"
        instellingen["listener.security.protocol.map"] = "CLIENT:PLAINTEXT,CONTROLLER:PLAINTEXT,VEILIG:SASL_SSL"
        scram = "org.apache.kafka.common.security.scram.ScramLoginModule required;"
        van_luisteraar = {
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": sleutels,
            "ssl.truststore.type": "PEM",
            "ssl.truststore.location": ca.pad,
            "ssl.client.auth": "required",
            "sasl.enabled.mechanisms": "SCRAM-SHA-512",
            "scram-sha-512.sasl.jaas.config": scram,
        }
        return instellingen | {f"listener.name.veilig.{naam}": waarde for naam, waarde in van_luisteraar.items()}

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(broker, "_server", met_luisteraar)
        een = broker.Broker(data)
        een.start()
    try:
        beheer = AdminClient({"bootstrap.servers": een.adres})
        wat = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, 4096)
        gebruiker = UserScramCredentialUpsertion("lijn", wat, KAFKA_GEHEIM.encode())
        beheer.alter_user_scram_credentials([gebruiker])["lijn"].result(30)
        yield f"127.0.0.1:{poort}"
    finally:
        een.stop()


@pytest.fixture(scope="module")
def clickhouse(ca: CA, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TlsPoort]:
    """The engine with a password, behind TLS that wants a client certificate."""
    server = ca.server("clickhouse")
    motor = EmbeddedClickHouse(tmp_path_factory.mktemp("clickhouse"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BERICHTENSTROOM_CLICKHOUSE_WACHTWOORD", CLICKHOUSE_GEHEIM)
        motor.start()
    try:
        with TlsPoort(motor.poort, server.certificaat, server.sleutel, ca.pad) as poort:
            yield poort
    finally:
        motor.stop()


@pytest.fixture(scope="module")
def client(ca: CA) -> Certificaat:
    return ca.client()


@pytest.fixture(scope="module")
def los(
    ca: CA, client: Certificaat, kafka: str, clickhouse: TlsPoort, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Los]:
    data = tmp_path_factory.mktemp("beveiligd")
    for naam, geheim in (("kafka", KAFKA_GEHEIM), ("clickhouse", CLICKHOUSE_GEHEIM)):
        (data / naam).write_text(f"{geheim}\n")
    instellingen: dict[str, object] = {
        "kafka": kafka,
        "kafka_protocol": "SASL_SSL",
        "kafka_sasl_mechanisme": "SCRAM-SHA-512",
        "kafka_gebruiker": "lijn",
        "kafka_wachtwoord_bestand": data / "kafka",
        "clickhouse": f"https://default@127.0.0.1:{clickhouse.poort}",
        "clickhouse_wachtwoord_bestand": data / "clickhouse",
        "partities_batch": 1,
        "partities_bericht": 2,
    }
    for deel in ("kafka", "clickhouse", "profielservice"):
        instellingen |= {
            f"{deel}_ca": ca.pad,
            f"{deel}_certificaat": client.certificaat,
            f"{deel}_sleutel": client.sleutel,
        }
    server = ca.server("profielservice")
    with Los(data) as profiel:
        poort = int(profiel.profielservice().rpartition(":")[2])
        with TlsPoort(poort, server.certificaat, server.sleutel, ca.pad) as tls:
            with Los(data, **instellingen, profielservice=f"https://127.0.0.1:{tls.poort}") as een:
                maak_sleutels(data / "sleutels.json")
                yield een
            assert tls.verbindingen, "the line asked the profile service over TLS"


def test_a_batch_goes_through_the_whole_line_over_tls_and_sasl(los: Los) -> None:
    willekeur = Random(ZAAD)
    print(f"PROEF_ZAAD={ZAAD}")
    assert los.vraag("topics")
    assert los.vraag("migreer")
    oin = nieuwe_oin()
    los.laad(leverancier(oin) | {"gebruikers": GEBRUIKERS})
    deur = los.deur()
    los.worker("worker")
    zendingen = [maak_zending(oin, [GOED, *SOORTEN], willekeur) for _ in range(3)]
    lever_alle(deur, zendingen)
    assert los.vraag("wacht", "--timeout", "120")["klaar"]
    (rij,) = los.vraag("totalen")
    assert rij == totalen(zendingen)[oin]
    assert {rij["lag"] for rij in los.vraag("lag")} == {0}
    teksten = "".join(los.log(naam).read_text() for naam in ("worker", "aanlevering"))
    assert KAFKA_GEHEIM not in teksten
    assert CLICKHOUSE_GEHEIM not in teksten


GEEN_CERTIFICAAT = ("kafka_certificaat", "kafka_sleutel")


def weigering(los: Los, *woorden: str, zonder: tuple[str, ...] = (), anders: Mapping[str, object] = {}) -> str:
    """What a command that must fail says, in one line (and perhaps a hint in another)."""
    gedaan = los.doe(*woorden, zonder=zonder, anders=anders)
    uitvoer = gedaan.stdout + gedaan.stderr
    assert gedaan.returncode == 1, uitvoer
    assert "Traceback" not in uitvoer
    for geheim in (KAFKA_GEHEIM, CLICKHOUSE_GEHEIM, "fout-geheim"):
        assert geheim not in uitvoer
    (regel,) = [regel for regel in gedaan.stderr.splitlines() if regel.startswith("berichtenstroom: ")]
    return regel


def test_whom_kafka_refuses_or_who_refuses_kafka_is_told_why(los: Los, ca: CA, tmp_path: Path) -> None:
    vreemd = CA(tmp_path, "vreemd")
    vreemde = vreemd.client()
    fout = {"kafka_wachtwoord_bestand": tmp_path / "wachtwoord"}
    (tmp_path / "wachtwoord").write_text("fout-geheim\n")
    assert "certificate verify failed" in weigering(los, "topics", anders={"kafka_ca": vreemd.pad})
    assert "certificate" in weigering(los, "topics", zonder=GEEN_CERTIFICAAT)
    eigen = {"kafka_certificaat": vreemde.certificaat, "kafka_sleutel": vreemde.sleutel}
    assert "certificate" in weigering(los, "topics", anders=eigen)
    weg = {"kafka_wachtwoord_bestand": tmp_path / "weg"}
    assert "BERICHTENSTROOM_KAFKA_WACHTWOORD_BESTAND: No such file" in weigering(los, "topics", anders=weg)
    for opdracht in ("topics", "worker", "lag"):
        assert "Authentication failed" in weigering(los, opdracht, anders=fout)


def test_whom_clickhouse_refuses_or_who_refuses_it_is_told_why(los: Los, tmp_path: Path) -> None:
    vreemd = CA(tmp_path, "vreemd")
    assert "TLS: " in weigering(los, "totalen", anders={"clickhouse_ca": vreemd.pad})
    gezegd = weigering(los, "totalen", zonder=("clickhouse_certificaat", "clickhouse_sleutel"))
    assert "TLS: " in gezegd or "does it trust our certificate" in gezegd
    zonder = ("clickhouse_wachtwoord_bestand",)
    in_url = {"clickhouse": str(los.instellingen["clickhouse"]).replace("default@", "default:fout-geheim@")}
    for opdracht, anders in (("totalen", {"clickhouse_wachtwoord": "fout-geheim"}), ("worker", in_url)):
        assert "Authentication failed" in weigering(los, opdracht, zonder=zonder, anders=anders)


def test_a_setting_that_makes_no_sense_is_wrong_usage(los: Los) -> None:
    gedaan = los.doe("topics", zonder=("kafka_wachtwoord_bestand",))
    assert gedaan.returncode == 2
    assert "wrong setting: BERICHTENSTROOM_KAFKA_PROTOCOL SASL_SSL needs BERICHTENSTROOM_KAFKA_WACHT" in gedaan.stderr


def test_up_gives_its_password_to_all_its_parts_and_no_security_of_elsewhere(tmp_path: Path, ca: CA) -> None:
    elders = {"kafka_protocol": "SSL", "kafka_ca": ca.pad}
    stapel = Stapel(tmp_path, 1, clickhouse_password=CLICKHOUSE_GEHEIM, **elders)
    try:
        stapel.start()  # returns when every part is ready: none is locked out
        adressen = stapel.endpoints.read_text()
        assert CLICKHOUSE_GEHEIM not in adressen + stapel.log.read_text()
        processen = [Path(f"/proc/{pid}/cmdline").read_text() for pid in stapel.alle_pids()]
        assert not [regel for regel in processen if CLICKHOUSE_GEHEIM in regel]
        assert "Authentication failed" in weigering(Los(tmp_path), "totalen")
        assert Los(tmp_path, clickhouse_wachtwoord=CLICKHOUSE_GEHEIM, **elders).vraag("totalen") == []
    finally:
        stapel.ruim_op()
